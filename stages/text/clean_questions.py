"""A question without what chat models write around it: headings, emphasis, preambles, solutions and remarks.

    **Problem 9 (Hard):**
    A horse is **24 feet** from the well. How far is it after 3 steps of 2 feet?

    **Answer:** 18 feet

is "A horse is 24 feet from the well. How far is it after 3 steps of 2 feet?". The words of the question stay as
written, and the asterisks of mathematics do too (2*3*4, a**b, $a^*$). Every repetition is bounded, so that a hostile
text takes linear time.
"""

import re

from stages.text.asking import asks, asks_nothing
from stages.text.solution_marks import REMARK, SOLUTION, WORKING, answer_letter, solutions_in
from stages.text.solutions import opens_a_solution

HEADING_WORDS = (
    r"problem|question|exercise|task|prompt|puzzle|challenge|aufgabe|frage|problème|exercice|problema|pregunta|"
    r"ejercicio|questão|pergunta|exercício|domanda|esercizio|opgave|vraag|zadanie|soru|câu|bài|задача|вопрос|مسألة|"
    r"سؤال|प्रश्न|题目|題目|问题|問題|题|문제|질문"
)
_HEADING_PREFIX = (
    r"(?:(?:the|a|my|your|here is (?:a|the)|here's (?:a|the)|another|new|next|original|example|sample|practice|bonus|"
    r"similar|math|mathematics|mathematical|word|multiple[- ]choice|exam|test) ){0,4}"
)
_DIFFICULTY = r"(?: ?[(\[（][^()\[\]\n]{1,40}[)\]）])?"
# "Question 3:", "**Problem 9 (Hard):**", "### Problem 9", "[Question]", "题目："
_HEADING = re.compile(
    rf"[ \t\n>#*_\[({{<【-]{{0,12}}+(?:\\(?:text(?:bf|it)|(?:sub)?section\*?)\{{)?{_HEADING_PREFIX}"
    rf"(?:{HEADING_WORDS}|q(?= ?#?\d|:))(?: statement| text)?"
    rf"(?: ?(?:#|no\.?|nr\.?|number|n°)?[ ]?\d{{1,4}})?{_DIFFICULTY}"
    r"(?:[ \t\])}>】*_]{0,8}[:：.﹕](?!\d)[}*_]{0,4}[ \t]{0,4}|[\]}】>*_]{1,4}(?=\s|[A-Z$\\]|\Z)[:：]?|(?<=\d) ?[-–—] |"
    r"[ \t]{0,4}(?=\n))",
    re.IGNORECASE,
)
_TITLE_LINE = re.compile(
    r"\s{0,9}(?:#{1,6} ?|\*\*|__)?[\"“]?(?P<title>[A-Z][\w'’-]{0,30}(?: [\w'’&,-]{1,30}){1,7})[\"”]?"
    r"(?:\*\*|__)?:?[ \t]{0,8}\n(?=\s{0,9}[*_\"“]{0,3}[^\W\d_])"
)
_SMALL_WORD = re.compile(r"[\W\d_]*(?:[A-Z].*|.{1,3}|with|from|into|between|about|over|under)")
_INTERJECTION = (
    r"sure(?: thing)?|certainly|of course|okay|ok|absolutely|great|alright|all right|got it|understood|no problem|"
    r"happy to help|definitely|gladly|here we go|here it is|here you go"
)
_THING = r"(?:problem|question|exercise|one|challenge|puzzle|task|example)s?"
_PREAMBLE = re.compile(
    rf"\s{{0,9}}(?:(?:{_INTERJECTION})(?:[!.:]|,(?=\s{{0,9}}(?:here|i|let|this)\b)|(?=\n))[ \t]{{0,8}}\n{{0,9}}"
    rf"|(?:(?:{_INTERJECTION})[!.,]? {{0,3}})?(?:here(?:'|’)?s|here (?:is|are)|below (?:is|are)|this is|these are|"
    r"the following (?:is|are)|let(?:'|’)?s (?:try|consider|create|come up with|make|write|do)|how about|"
    r"let me (?:think|create|come up|write|try)|i(?:'ll|’ll| will| have|'ve)? "
    r"(?:create|write|written|created|came up))\b"
    rf"[^\n:?]{{0,120}}\b{_THING}\b[^\n:?]{{0,120}}(?::[*_]{{0,3}}\s{{1,9}}|[.!:]{{0,3}}[ \t]{{0,8}}\n{{1,9}})"
    r"|let me think[^\n?:]{0,60}\n{1,9}"
    rf"|(?:好的|当然|当然可以|没问题|以下是|下面是)[^\n？?]{{0,60}}[:：!！。]\s{{0,9}})",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"[\s>*_#-]{0,8}\d{1,4}(?:\\?[.)]|[、．）])(?!\d)[*_ \t]{0,4}\s{0,9}(?=\S)")
_FENCE = re.compile(r"(?:(?<=\n)|\A)[ \t]{0,8}```[\w+-]{0,20}[ \t]{0,8}(?=\n|\Z)|```[ \t]{0,8}\Z")
_TAG = re.compile(r"</?(?:question|problem|exercise|prompt|new_question|new_problem|new question|new problem)>", re.I)
_NEXT_QUESTION = re.compile(
    rf"(?<=\n)[ \t>#*_\[({{<【-]{{0,12}}+{_HEADING_PREFIX}(?:{HEADING_WORDS})(?: ?#?\d{{1,4}})?{_DIFFICULTY}"
    r"[ \t\])}>】*_]{0,8}(?:[:：]|(?<=\d)[.*_]{0,3}(?=\n)|(?<=[*_\]】])(?=\n))",
    re.IGNORECASE,
)
# Bold and italics: asterisks that stand inside a word or around spaces belong to mathematics or to code.
_EMPHASIS = re.compile(
    r"(?<![\w\\^*$)\]}/])(\*{1,3})(?![\s*/])([^*\n]{1,2000}?)(?<![\s*\\^])\1(?![\w*/])"
    r"|(?<![\w\\^_$])(_{1,3})(?![\s_])([^_\n]{1,2000}?)(?<![\s_\\^])\3(?![\w_])"
)
_LEFTOVER = re.compile(r"\A(?:\*\*|__|#{1,6} |> |[-•–] )\s{0,9}|\s{0,9}(?:\*\*|__|(?<=\s)#{1,6})\Z|(?<=[.?!])\*\Z")

_QUESTION_MARK = re.compile("[?？؟]")
_QUOTED = re.compile(r"[\"“](?P<inside>[^\"“”]{1,5000})[\"”]")
MAX_PREAMBLE = 400
"""Characters."""
MAX_MARKS = 32
"""A text in which so many marks stand in front of its question has none."""


def clean_question(text: str, *, numbered: bool = True) -> tuple[str, bool]:
    """Return the question in one item of a model's text, with white space collapsed, and whether something was cut
    behind it.

    `numbered`: whether a number in front ("9. ") may be that of the item; the items of a list have lost theirs. If
    nothing but a solution, an answer or remarks is there, the text stays whole: a rule of the filter names it.
    """
    inside = _TAG.sub("", _FENCE.sub("", text))
    question, was_cut = _without_rest(_without_introduction(inside, numbered))
    question = _without_emphasis(question)
    if not question:
        return _collapsed(inside) or _collapsed(text), False
    return question, was_cut


def is_preamble(text: str) -> bool:
    """Return whether a text only announces questions ("Sure! Here are five more problems:")."""
    line = _collapsed(text).strip("*#_ ")
    if len(line) > MAX_PREAMBLE:
        return False
    if _QUESTION_MARK.search(line) or SOLUTION.search(line):
        return False
    announces = line.endswith((":", "：")) and re.search(_THING, line, re.IGNORECASE) is not None
    match = _PREAMBLE.match(f"{line}\n")
    return announces or not line or (match is not None and match.end() >= len(line))


def _without_introduction(text: str, numbered: bool) -> str:
    """Return the text without the preamble, the headings, the number and the title in front of its question."""
    has_heading = False
    for _ in range(6):
        heading = _HEADING.match(text)
        has_heading = has_heading or heading is not None
        match = heading or _PREAMBLE.match(text) or (_NUMBER.match(text) if numbered else None)
        if match is None or not (rest := text[match.end() :]).strip():
            break
        text = rest
    later = _NEXT_QUESTION.search(text, 0, MAX_PREAMBLE)
    if later and not has_heading and not asks(text[: later.start()]):
        heading = _HEADING.match(text, later.start())
        text, has_heading = text[heading.end() if heading else later.start() :], True
    is_decorated = text.lstrip().startswith(("#", "**", "__"))
    title = _TITLE_LINE.match(text) if has_heading or is_decorated else None
    if title and all(map(_SMALL_WORD.fullmatch, title["title"].split())) and asks(text[title.end() :]):
        text = text[title.end() :]
    return text


def _without_rest(text: str) -> tuple[str, bool]:
    """Return the text up to the first mark behind which something else begins, and whether there is one."""
    end = len(text)
    starts = {match.start() for marks in (_NEXT_QUESTION, REMARK, WORKING) for match in marks.finditer(text)}
    starts |= {match.start() for match in solutions_in(text)}
    if letter := answer_letter(text):
        starts.add(letter.start())
    if (drawing := text.rfind("[asy]")) > text.rfind("[/asy]"):  # the token limit ended it, not the question
        starts.add(drawing)
    for start in sorted(starts)[:MAX_MARKS]:
        if _is_complete(text[:start]):
            end = start
            break
    return text[:end], end < len(text)


def _is_complete(text: str) -> bool:
    """Return whether the text in front of a mark may be a question. Only English is judged by its words."""
    words = _collapsed(text).strip('*_#> :-"“”')
    if opens_a_solution(words):
        return False
    return bool(words) and not asks_nothing(words)


def _without_emphasis(text: str) -> str:
    question = _collapsed(text)
    for _ in range(3):  # emphasis may be nested
        question = _EMPHASIS.sub(_inside, question)
        question = _LEFTOVER.sub("", question)
    if (quoted := _QUOTED.fullmatch(question)) is not None:
        question = quoted["inside"]
    return question.strip()


def _inside(match: re.Match[str]) -> str:
    content: str = match[2] if match[2] is not None else match[4]
    return match[0] if content.count("$") % 2 else content


def _collapsed(text: str) -> str:
    return " ".join(text.split())
