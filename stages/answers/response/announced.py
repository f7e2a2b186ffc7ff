"""Answers that words announce: the text after "the answer is", "Answer:", "答案是", "####" and their like.

A remark about an answer, such as "this answer is correct", announces nothing. All searches take linear time.
"""

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from stages.answers.response.anchors import HASHES, Anchor, anchors_of, is_about_another, lower
from stages.answers.response.announcement_words import LEADS, PREDICATES, REMARKS
from stages.settings.answers import ANNOUNCEMENTS


class Announced(NamedTuple):
    """An announced answer."""

    start: int
    """Index of the announcing word."""
    end: int
    """Index after the answer's sentence or line."""
    kind: Literal["hash", "announced"]
    text: str
    """The rest of the line, or the next line that is not empty, without emphasis."""
    language: str
    """Language of the announcing word, "en" for "####"."""
    closed: bool
    """Whether the answer's line, or its sentence, has ended."""


_NOT_AN_ANSWER_HEADING = re.compile(
    r"(?:step|part|case|conclusion|solution|explanation|note|summary|verif|check|method|approach|example|problem|"
    r"question|given|analysis|proof|introduction|background|result|final|overview|understand|find|determin|calculat|"
    r"solv|comput|simplif|identif|set|substitut|using|apply|let|we)[a-z]{0,6}\b(?! ?[:：] ?\S)|"
    r"(?:step|part|case|example|problem|question)\b|\d{1,2}[.)]\s+[^\W\d]|.{0,200}[:：]\s{0,9}\Z"
)
"""Text after "####" that makes it a heading of Markdown."""
_SENTENCE_END = re.compile(r"[.!?]{1,3}(?=[\s*_\"'”’)\]$]|\Z)|[。！？؟।]")
_NAMES_A_PART = re.compile(
    r"\b(?:part|question|problem|exercise|step|case)\s?\W{0,2}(?:\d|[a-h]\b|i{1,3}\b)|\b(?:text ?book|answer key)\b",
    re.IGNORECASE,
)
_WOULD_BE = re.compile(r"\bwould\b", re.IGNORECASE)
_SUPPOSES = re.compile(r"\b(?:if|for|with|bonus|without)\b[^.!?\n]*\Z", re.IGNORECASE)
_LONGEST_CONDITION = 80
_JSON_VALUE = re.compile(r"(?:\"[^\"\n]*\"|-?[\d.]{1,40})(?=\s{0,3}(?:\}|,\s{0,3}[\"\n]))")
_ONLY_INITIAL = re.compile(r"(?:.{0,200}[\s(])?[^\W\d_]\Z", re.DOTALL)
"""A sentence so far whose last word is one letter: its full stop may belong to an initial."""
_MOST_ANCHORS = 1_000
_LONGEST_LINE = 1_000
_LONGEST_LIST = 10


def announced_answers(text: str, announcements: tuple[str, ...] = ANNOUNCEMENTS) -> Iterator[Announced]:
    """Return the announced answers from the last to the first, those of asides (`_is_aside`) behind the others."""
    anchors = anchors_of(text, announcements)[: -_MOST_ANCHORS - 1 : -1]
    for anchor in sorted(anchors, key=lambda anchor: _is_aside(text, anchor)):  # keeps the order within each group
        if answer := _answer_at(text, anchor):
            yield answer


def _is_aside(text: str, anchor: Anchor) -> bool:
    """Return whether an answer is the one to a part or to a changed problem.

    "The answer is 11. The answer to part (a) was 5. If there were 10, the answer would be 9."
    """
    if _WOULD_BE.search(text, anchor.start, anchor.end):
        return _SUPPOSES.search(text, max(0, anchor.start - _LONGEST_CONDITION), anchor.start) is not None
    return _NAMES_A_PART.search(text, anchor.start, anchor.end) is not None


def first_announced(text: str, announcements: tuple[str, ...] = ANNOUNCEMENTS) -> Announced | None:
    """Return the first announced answer."""
    anchors = anchors_of(text, announcements)[:_MOST_ANCHORS]
    return next((answer for anchor in anchors if (answer := _answer_at(text, anchor))), None)


# From the announcing words to the answer

_LEAD = re.compile("|".join(pattern for pattern, _ in LEADS))
_REMARK = re.compile("|".join(f"(?:{pattern})" for pattern, _ in REMARKS))
_DISPLAY = re.compile(r"\s{0,9}(?:\$\$|\\\[|```[a-z]{0,10})\s*")
_BULLET = re.compile(r"\s{0,6}(?:[-*•+–]|(?P<number>\(?\d{1,2}[.)]))\s{1,3}(?=\S)")
_EQUATION = re.compile(r"\s{0,6}\$?([a-zA-Z]\w?)\s?=\s?(?=\S)")
_OPTION = re.compile(r"\s{0,6}\(?[A-Z][.)]\s{1,3}(?=\S)")
_LETTER_AND_TEXT = re.compile(r"[\s*]{0,4}\(?[A-Z]\)?[.:)]\s{1,3}[A-Z]")
"""The letter of an option and its text, which may be a question."""
_QUOTE = re.compile(r"\s{0,3}>\s(?=\s{0,3}\S)")
_ARTICLE = re.compile(r"[ao]\s(?=[(\[]?[A-J](?:[)\].:,。]|\s*\Z))")
"""A resposta é (a) C: in lower case, so no letter of "A C"."""
_DISPLAYS = {"$$": "$$", "\\[": "\\]"}
_INFINITE_OR_EMPTY = re.compile(r"[∞∅]")


def _answer_at(text: str, anchor: Anchor) -> Announced | None:
    """Return the answer behind announcing words; None if they are a remark, or if a question or nothing follows."""
    if is_about_another(text, anchor):
        return None
    start, end = anchor.end, _line_end(text, anchor.end)
    rest = lower(text[start:end])
    lead = _lead_length(rest)
    remark = _REMARK.match(rest, lead) if anchor.language != HASHES else None
    if remark:
        colon = max(rest.find(":", remark.end()), rest.find("：", remark.end()))
        if colon < 0 or _SENTENCE_END.search(rest, remark.end(), colon) or not rest[colon + 1 :].strip(" *_"):
            return None
        lead = colon + 1
    start += lead
    if article := _ARTICLE.match(text, start, end):
        start = article.end()
    is_below = _says_nothing(text[start:end])
    if is_below:
        start, end = _next_lines(text, start, end)
    line = _unlisted(text[start:end]) if is_below else text[start:end]
    sentence = _SENTENCE_END.search(line)
    if sentence and sentence[0][-1:] in "?？؟" and not _LETTER_AND_TEXT.match(line):
        return None
    if not any(map(str.isalnum, line)) and not _INFINITE_OR_EMPTY.search(line):
        return None
    if anchor.language == HASHES and _is_markdown_heading(text, line, end):
        return None
    is_list = is_below and any(item.match(text, start) for item in (_BULLET, _EQUATION, _OPTION))
    may_go_on = is_list and not text[end:].strip()  # a list may have more items
    closed_at = None if may_go_on else _closed_at(text, start, end)
    return Announced(
        start=anchor.start,
        end=end if closed_at is None else closed_at,
        kind="hash" if anchor.language == HASHES else "announced",
        text=_cleaned(line, anchor.language, quoted=text[anchor.start - 1 : anchor.start] in ('"', "'")),
        language={HASHES: "en", "": "en"}.get(anchor.language, anchor.language),
        closed=closed_at is not None,
    )


def _line_end(text: str, start: int) -> int:
    """Return the index of the end of a line, at most `_LONGEST_LINE` characters away."""
    end = text.find("\n", start, start + _LONGEST_LINE)
    return end if end >= 0 else min(len(text), start + _LONGEST_LINE)


def _lead_length(rest: str) -> int:
    """Return the length of the white space and the words before the answer."""
    length = 0
    for _ in range(5):
        length += len(rest[length:]) - len(rest[length:].lstrip())
        lead = _LEAD.match(rest, length)
        if lead is None or lead.end() == length:
            break
        length = lead.end()
    return length


def _says_nothing(line: str) -> bool:
    """Return whether a line has nothing but marks, an ellipsis, or the opening of a formula set apart or of a block."""
    return line.strip(" \t*_:：…-=") in ("", "..", "...", "....") or _DISPLAY.fullmatch(line) is not None


def _next_lines(text: str, start: int, end: int) -> tuple[int, int]:
    """Return the start and end of the answer's line if nothing follows the announcing words in theirs.

    A formula set in lines of its own, and a list, are taken whole.
    """
    for _ in range(4):  # past lines such as "---" or "```"
        opening = text[start:end].strip()
        if opening in _DISPLAYS:
            stop = text.find(_DISPLAYS[opening], end, end + _LONGEST_LINE)
            return start, stop + len(_DISPLAYS[opening]) if stop >= 0 else end
        start = end + _LONGEST_LINE - len(text[end : end + _LONGEST_LINE].ljust(_LONGEST_LINE, "x").lstrip())
        start, end = min(start, len(text)), _line_end(text, min(start, len(text)))
        if start == len(text) or not _says_nothing(text[start:end]):
            break
    items = 1
    letters: set[str] = set()
    while (equation := _EQUATION.match(text, start if not letters else end + 1)) and equation[1] not in letters:
        if letters:
            end, items = _line_end(text, end + 1), items + 1
        letters.add(equation[1])
    while items < _LONGEST_LIST and any(
        item.match(text, start) and item.match(text, end + 1) for item in (_BULLET, _OPTION)
    ):
        end, items = _line_end(text, end + 1), items + 1
    return start, end


def _unlisted(lines: str) -> str:
    """Return the items of a list, joined by commas; any other text as one line."""
    items = _QUOTE.sub("", lines, count=1).split("\n")  # a quotation of Markdown: "> 42"
    if len(items) > 1 and all(map(_EQUATION.match, items)):
        return ", ".join(item.strip().rstrip(".,;\\") for item in items)
    bullet = _BULLET.match(items[0])
    if bullet is None or (bullet["number"] and len(items) == 1):
        return " ".join(items)
    return ", ".join(_BULLET.sub("", item, count=1).strip().rstrip(".,;") for item in items)


def _is_markdown_heading(text: str, line: str, end: int) -> bool:
    """Return whether the text after "####" is a heading and no answer."""
    title = lower(line.strip().strip("*_ "))
    if _NOT_AN_ANSWER_HEADING.match(title):
        return True
    has_words = re.match(r"[^\W\d_]{2,}\s+[^\W\d_]{2,}", title) is not None
    return has_words and bool(text[end : end + _LONGEST_LINE].strip())


def _closed_at(text: str, start: int, end: int) -> int | None:
    """Return the index after the line of an answer, or its sentence, if it has ended; None if it may go on.

    A full stop at the end of the text ends nothing: "The answer is 42." may have become 42.5.
    """
    if end < len(text) and text[end] == "\n":
        return end
    if value := _JSON_VALUE.match(text, start, end):
        return value.end()
    for match in _SENTENCE_END.finditer(text, start, end):
        if match[0] in "。！？।" or (match.end() < len(text) and not _ONLY_INITIAL.match(text[start : match.start()])):
            return match.end()
    return None


# Cleaning

_EMPHASIS = re.compile(r"(?<![\w*\\)])(\*{1,3})(?=[^\s*])([^*\n]{1,300}?)(?<=\S)\1(?![\w*(])")
_UNDERLINED = re.compile(r"(?<![\w\\])(_{1,2})(?=[^\s_])([^_\n$\\]{1,300}?)(?<=\S)\1(?!\w)")
_HTML = re.compile(
    r"</?(?:b|i|u|p|em|br|li|ul|td|tr|th|ins|h[1-6]|div|span|strong|code|mark|center|answer|final_answer|ans|solution|response|"
    r"output|result|conclusion)\s?/?>",
    re.IGNORECASE,
)
_QUOTED = re.compile(
    r"(?:\"([^\"]*)\"|“([^”]*)”|'([^']*)'|‘([^’]*)’|「([^」]*)」|『([^』]*)』|`{1,3}([^`]*)`{1,3})[\s.,;。}\]]*"
)
_LAST_DOLLAR = re.compile(r"\$(?=[\s.,;:]{0,9}\Z)")
_BRACES = re.compile(r"\\.|[{}]", re.DOTALL)


def without_html(text: str) -> str:
    """Return a text without tags of HTML, and without tags of an answer whose other half is missing."""
    return _HTML.sub(" ", text) if "<" in text else text


def _cleaned(text: str, language: str, *, quoted: bool = False) -> str:
    """Return an answer without emphasis, quotes, tags of HTML, and delimiters whose other half is missing."""
    text = without_html(text).strip()
    if "*" in text:
        text = _EMPHASIS.sub(r"\2", text).strip()
        text = re.sub(r"\A\*{1,3}(?=\S)(?!.*\*)|(?<=\S)\*{1,3}\Z", "", text)
    if "_" in text:
        text = re.sub(r"(?<=[\w.!])_{1,2}\Z", "", _UNDERLINED.sub(r"\2", text))
    if text.startswith("| "):  # a cell of a table
        text = text.strip("| ").split("|", 1)[0]
    if predicate := language in PREDICATES and PREDICATES[language].search(lower(text)):
        text = text[: predicate.start()]
    if quoted:
        value = _JSON_VALUE.match(text)
        text = value[0] if value else text.rstrip("}], \t")
    if match := _QUOTED.fullmatch(text):
        text = next(filter(None, match.groups()), "")
    return _balanced(text.strip().removesuffix("\\\\").rstrip(" ।"))


def _balanced(text: str) -> str:
    """Return the text without braces and last delimiters of formulas whose other half is missing."""
    opened: list[int] = []
    unmatched: set[int] = set()
    for match in _BRACES.finditer(text):
        if match[0] == "{":
            opened.append(match.start())
        elif match[0] == "}":
            if opened:
                opened.pop()
            else:
                unmatched.add(match.start())
    if unmatched:
        text = "".join(character for index, character in enumerate(text) if index not in unmatched)
    for closing, opening in (("\\]", "\\["), ("\\)", "\\("), ("$$", "$$")):
        end = text.rstrip(" .,;:")
        if end.endswith(closing) and opening not in end.removesuffix(closing):
            text = end.removesuffix(closing)
    if text.count("$") % 2 and (dollar := _LAST_DOLLAR.search(text)):
        text = text[: dollar.start()] + text[dollar.end() :]
    return text.strip()
