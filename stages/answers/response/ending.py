"""The part of a response that answers its question: before an end of text, the next problem, and a polite end.

All searches take linear time. What is kept is always the beginning of the response.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice

from stages.answers.response.anchors import lower
from stages.answers.response.announced import announced_answers, first_announced
from stages.answers.response.boxes import boxes_of, retraction_behind, tags_of
from stages.answers.response.polite_sentences import POLITE
from stages.settings.answers import ANNOUNCEMENTS

_CONTROL = re.compile(
    r"</s>|<\|(?:endoftext|end_?of_?text|im_end|im_start|eot_id|eom_id|end|end_?of_?turn|return|call|user|system|"
    r"start_header_id|eot|eos|end_of_solution|end_response|end_of_document|end[_▁]of[_▁]sentence|assistant|pad)\|>|"
    r"<(?:eos|end_of_turn|start_of_turn|end_of_utterance|eot|eod|pad)>|<｜[^｜\n]{1,30}｜>|<turn\|>|<\|turn>|"
    r"\[(?:eos|/?inst|\|endofturn\|)\]|<<sys>>"
)
"""Tokens that end a turn, in lower case."""
_CONTROL_CLUES = ("</s>", "<|", "<e", "<start_of", "<pad>", "<｜", "[eos", "inst]", "endofturn", "<<sys", "<turn")

_TURN = re.compile(
    r"\n[#*> \t]{0,8}(?:(?:human|user|instruction|prompt|用户|ユーザー|사용자|usuario|utilisateur|nutzer|"
    r"пользователь)[*]{0,2}\s?[:：]|"
    r"\{\s?\"(?:question|problem|prompt|instruction)\"\s?:|"
    r"#{2,4} ?(?:instruction|human|user)\b|(?:user|human)(?=\n|\Z))"
)
_PROBLEM = re.compile(
    r"\n(?P<style>[#*_>\[【 \t]{0,8})(?:(?:now,? |here is )?(?:the |a )?(?:next|new|another|similar|follow[- ]?up|"
    r"bonus|practice|your|related|additional|extra) |下一)?(?:"
    r"questions?|problems?|exercises?|example(?= ?\d)|task|q(?!\.?e\.?d)|问题|問題|问|問|题目|質問|例题|例題|"
    r"例(?=\s?\d)|练习|习题|第(?=\s?\d)|pregunta|problema|ejercicio|exercice|frage|aufgabe|pergunta|domanda|"
    r"esercizio|вопрос|задача|문제|질문|प्रश्न|سؤال|السؤال|vraag|pytanie|zadanie|fråga|soru|pertanyaan|soal|"
    r"câu hỏi|bài toán)(?P<number>\s?(?:no\.? ?|#)?\(?\d{1,4}\)?[题題問问]?)?[*_\]】]{0,3}\s?"
    r"(?:[:：.)）】]|(?P<line>[ \t]{0,3}(?=\n|\Z)))"
)
"""Headers of a problem, in lower case."""
_INTRODUCTION = re.compile(
    r"\W{0,5}(?:i|we|you|let|here|sure|okay|ok|certainly|of course|first|to|given|this|understanding|"
    r"the (?:question|problem|task))\b[^\d]*\Z"
)
"""Text without numbers that leads to a problem instead of answering one."""

_AFTER_RULE = re.compile(
    r"\n[ \t]{0,3}(?:-{3,}|\*{3,}|_{3,}|={3,})\s{1,9}\W{0,9}(?:explanation|notes?|reasoning|verification|check|remark|"
    r"p\.?s\b|disclaimer|references?|sources?|if you|let me|i hope|feel free|would you|do you|want me|any questions|"
    r"thank|confidence|说明|解释|注|解説|explicación|explication|erklärung|spiegazione|explicação|пояснение|설명)"
)
_CHECK_HEADING = re.compile(
    r"\n[ \t]{0,3}(?=[^\n]{0,30}[#*:：])[#*_> ]{0,9}(?:verification|(?:sanity |double[- ]?)?check(?:ing)?|"
    r"probe|验证|检验|検算|проверка|vérification|"
    r"comprobación|verificación|verifica|verificação)[\s:：*_]{0,5}(?=\n)"
)
_CONCLUSION = re.compile(
    r"\b(?:so|thus|therefore|hence|but|answer|total|final|correct(?:ed|ion))\b|≠|boxed|答案|所以|因此"
)
_FENCE = re.compile(r"^[ \t]{0,3}`{3,}(?P<language>[^\n`]{0,20})$", re.MULTILINE)
_RULE = re.compile(
    r"[\s*_=~#`>|+–—-]{1,200}|[\s🀀-🫿☀-➿\ufe0f\u200d✓✔.!]{1,40}|"
    r"[\s*_=~#\[<(-]{0,9}(?:the )?(?:end(?: of (?:the )?(?:solution|answer|proof|response|document|text))?"
    r"(?: \d{1,3})?|done|finished|complete|assistant\s?:|answer(?=[\])]))[\s*_=~#\]>)!.-]{0,9}|"
    r"\s{0,9}(?:</(?!ans|final)[a-z][a-z_]{0,30}\s?>|<br\s?/?>|&nbsp;|\\(?:newpage|clearpage|hfill|qed)|"
    r"\\end\s?\{(?:document|proof|solution|answer|enumerate|itemize|center|problem|quote)\})\s{0,9}"
)
"""A line that says nothing: a rule, pictures, the end of an environment, "THE END"."""
_PROGRAM = re.compile(
    r"(?:python|py|javascript|js|java|c|c\+\+|cpp|bash|sh|r|ruby|go|rust|sql|matlab|julia|wolfram)3?\s*"
)

_SENTENCE_START = r"(?:^|(?<=[.!?)*\]}$。！？」）%])\s{1,3}|(?<=[。！？」）])|(?<=[🀀-🫿])\s?)[*_(（>\s]{0,5}"
_BEFORE_SENTENCE = re.compile(r"[.!?)*\]}$。！？」）%🀀-🫿](?:(?=\s)|(?<=[。！？」）🀀-🫿]))")
"""What stands before a sentence that does not start its line."""
_SENTENCE = re.compile(f"{_SENTENCE_START}(?:{'|'.join(pattern for pattern, _ in POLITE)})")
_LIST_ITEM = re.compile(r"\s{0,9}(?:[-*•+]|\(?\d{1,2}[.)]|\[\d{1,2}\])\s")
_PROOF_END = re.compile(
    r"(?:(?<=[.!?。$)\]\n])|(?<=\\\])|(?<=\d))\s{0,5}[*_]{0,3}(?:q\.?e\.?d\.?|[∎■□◻▢]|"
    r"\$\s?(?:\\q?quad)?\s?\\(?:blacksquare|square|box|qed)\s?\$)[*_]{0,3}\s{0,5}\Z"
)
_MOST_LINES = 15
_LONGEST_LINE = 1_000


@lru_cache(maxsize=16)  # the readers of one response ask for it in turn
def own_part(text: str, announcements: tuple[str, ...] = ANNOUNCEMENTS) -> str:
    """Return the part of a response that answers its question.

    The rest is cut off: what follows "</s>" and its like, the next turn of a chat, the next problem, and at the end
    lines such as "---" or "Let me know if you have questions".
    """
    lowered = lower(text)
    end = min(_control_end(lowered), _first_behind_text(_TURN, lowered))
    text, lowered = text[:end], lowered[:end]
    for find_end in (_next_problem, _fence_end, _section_end):
        end = find_end(text, lowered, announcements)
        text, lowered = text[:end], lowered[:end]
    return text[: _without_polite_end(lowered)].rstrip()


def _control_end(lowered: str) -> int:
    """Return the index of the first token that ends a turn, behind some text."""
    if not any(clue in lowered for clue in _CONTROL_CLUES):
        return len(lowered)
    start = 0
    for token in _CONTROL.finditer(lowered):
        struck = token[0] == "</s>" and lowered.rfind("<s>", max(0, token.start() - 80), token.start()) > 0
        if not struck and lowered[start : token.start()].strip():
            return token.start()
        start = start if struck else token.end()
    return len(lowered)


def _first_behind_text(pattern: re.Pattern[str], lowered: str) -> int:
    """Return the index of the first match with text before it, else the length of the text."""
    starts = (match.start() for match in pattern.finditer(lowered))
    return next((start for start in starts if lowered[:start].strip()), len(lowered))


def _next_problem(text: str, lowered: str, announcements: tuple[str, ...]) -> int:
    """Return the index of the header of the next problem.

    A header counts if an answer precedes it. Numbered questions that a response asks itself on the way to its answer
    do not count.
    """
    headers = list(_PROBLEM.finditer(f"\n{lowered}"))
    if not headers:
        return len(text)
    answered = _first_answer_end(text, announcements)
    first = headers[0].start() - 1
    if answered is None or first < answered:
        before = lowered[: max(first, 0)].strip()
        is_plain = not headers[0]["style"].strip() and headers[0]["line"] is None
        if before and is_plain and before[-1] not in ":：" and not _INTRODUCTION.match(before):
            return first
        if headers[0]["number"] or answered is None:
            return len(text)
    return next((start for header in headers if (start := header.start() - 1) >= answered), len(text))


def _first_answer_end(text: str, announcements: tuple[str, ...]) -> int | None:
    """Return the index after the first marked answer, None without one."""
    ends = [box.end for box in boxes_of(text)][-1:] + [tag.end for tag in tags_of(text)][-1:]
    if first := first_announced(text, announcements):
        ends.append(first.end)
    return min(ends, default=None)


def _last_answer_end(text: str, announcements: tuple[str, ...]) -> int:
    """Return the index after the last marked answer, 0 without one."""
    ends = [box.end for box in islice(boxes_of(text), 1)] + [tag.end for tag in islice(tags_of(text), 1)]
    ends += [answer.end for answer in islice(announced_answers(text, announcements), 1)]
    return max(ends, default=0)


def _fence_end(text: str, lowered: str, announcements: tuple[str, ...]) -> int:
    """Return the index of the "```" that ends a response whose prompt opened the block.

    Such a fence has no partner, and text before it. If marked answers are only behind it, it opens a block instead.
    """
    fences = list(_FENCE.finditer(lowered)) if "```" in lowered else []
    if len(fences) % 2 == 0 or fences[0]["language"].strip():
        return len(text)
    start = fences[0].start()
    before = lowered[:start].strip()
    answered = _first_answer_end(text, announcements)
    if not before or before[-1] in ":：" or (answered is not None and answered > start):
        return len(text)
    return start


def _section_end(text: str, lowered: str, announcements: tuple[str, ...]) -> int:
    """Return the index of the rule or heading before a last section that only explains, checks or is polite."""
    rules = [rule.start() for rule in _AFTER_RULE.finditer(lowered)]
    if (check := _CHECK_HEADING.search(lowered)) and not _CONCLUSION.search(lowered, check.end()):
        rules.append(check.start())
    if not rules:
        return len(text)
    answered = _last_answer_end(text, announcements)
    return next((start for start in rules if start >= answered and lowered[:start].strip()), len(text))


def _without_polite_end(lowered: str) -> int:
    """Return the length of the text without lines at its end that do not answer."""
    length = len(lowered.rstrip())
    for _ in range(_MOST_LINES):
        end = _without_last_line(lowered, length)
        if end == length:
            break
        length = end
    return length


def _without_last_line(lowered: str, length: int) -> int:
    """Return the length of the text without its last line, or the end of it, if that does not answer; else `length`."""
    start = max(lowered.rfind("\n", 0, length) + 1, length - _LONGEST_LINE)
    line = lowered[start:length]
    if (mark := _PROOF_END.search(lowered, max(0, length - 40), length)) and lowered[: mark.start()].strip():
        return len(lowered[: mark.start()].rstrip())
    if line.lstrip().startswith("```"):
        return _without_block(lowered, start)
    if line.endswith("```"):
        return len(lowered[:length].rstrip("`").rstrip())
    if _RULE.fullmatch(line):
        return len(lowered[:start].rstrip())
    if _LIST_ITEM.match(line):
        start = _list_start(lowered, start)
        line = lowered[start:length].split("\n", 1)[0]
        polite = _SENTENCE.match(line) if line.rstrip()[-1:] in (":", "：", "?", "？") else None
    else:
        # "It is 4. I hope it is correct. Wait, that is wrong. The answer is 5." goes on behind the polite sentence.
        sentences = islice(_polite_sentences(line), _MOST_LINES)
        polite = next((polite for polite in sentences if retraction_behind(line, polite.end()) is None), None)
    if polite is None:
        return length
    before = lowered[max(0, start - _LONGEST_LINE) : start].rstrip()
    if not polite.start() and (not before or before[-1] in ":："):
        return length  # the line is all that is said, or the answer
    return len(lowered[: start + polite.start()].rstrip())


def _polite_sentences(line: str) -> Iterator[re.Match[str]]:
    """Yield the matches of `_SENTENCE`. Only starts of sentences are tried, because a line may be long."""
    starts = (0, *(mark.end() for mark in _BEFORE_SENTENCE.finditer(line)))
    return (match for start in starts if (match := _SENTENCE.match(line, start)))


def _without_block(lowered: str, fence: int) -> int:
    """Return the length of the text before the fence in its last line, or before the program that the fence ends."""
    opening = lowered.rfind("```", 0, fence)
    language = lowered[opening + 3 : lowered.find("\n", opening)] if opening >= 0 else ""
    is_program = _PROGRAM.fullmatch(language) and lowered[:opening].strip()
    return len(lowered[: opening if is_program else fence].rstrip())


def _list_start(lowered: str, start: int) -> int:
    """Return the start of the line before the list that the line at `start` belongs to."""
    for _ in range(_MOST_LINES):
        above = max(lowered.rfind("\n", 0, max(start - 1, 0)) + 1, start - _LONGEST_LINE)
        is_item = _LIST_ITEM.match(lowered[above:start]) or not lowered[above:start].strip()
        start = above
        if not is_item or start == 0:
            break
    return start
