"""Answers in boxes and tags: \\boxed{...} and <answer>...</answer>.

All searches take linear time. A closed box or tag has its closing brace or tag; one that a cut-off response left open
has not.
"""

import re
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from typing import NamedTuple


class Span(NamedTuple):
    """A mark with its answer."""

    start: int
    """Index of the mark's first character."""
    end: int
    """Index after the answer, or after the mark's end if it has one."""
    text: str
    """The answer."""
    closed: bool
    """Whether the answer is complete even if the response was cut off at its end."""


_BOX = re.compile(r"(?:\\(?:[Bb]oxed|fbox|framebox|box(?=\s?\{))(?![a-zA-Z])|b(?<![\\\w]b)oxed(?=\{))\s*")
_CLOSED_BOX = re.compile(r"\\(?:boxed|fbox)\s?\{(?:[^{}]|\{[^{}]{0,100}\}){0,100}\}")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_TOKEN = re.compile(r"[^\s${}]+(?:\{[^\s${}]*\})*")
_TAG = re.compile(
    r"<\s?(/?)\s?(?:final[_ -]?answer|answer|ans)\s?>|\[(/?)(?:final )?answer\]|"
    r"<(/?)(?:output|result|final|final_?result|solution|response|conclusion)>(?=[^\n<]{0,200}(?:</|\Z))|"
    r"<\|(?:begin|(end))_of_box\|>",  # GLM
    re.IGNORECASE,
)
_MENTION = re.compile(r"\A[\"'`]?,? ?(?:tags?|and)\b|\n\s*\n", re.IGNORECASE)
"""Text behind an opening tag that names the tag, or goes on too long, instead of answering."""
_PLACEHOLDER = re.compile(
    r"[\s.…?_$~]*|\\[lc]?dots|\\q?quad|\\(?:text(?:bf|it)?|mathrm|boxed|fbox|[hv]?phantom|underline)\s?\{[\s.…?_0]*\}|"
    r"(?:\\text\s?\{|[\[<({]{1,2})?(?:(?:insert|write|put|your|my|the|final|correct) ){0,4}"
    r"(?:answer|答案|最终答案|你的答案)(?: (?:here|goes here))?[\]>)}]{0,2}",
    re.IGNORECASE,
)
"""Content that stands for an answer to come, as in "I will write \\boxed{answer}"."""
_REJECTED_BEFORE = re.compile(
    r"(?:\b(?:not|isn['’]t|wasn['’]t|instead of|rather than|nicht|pas|no es|não é|не)|不是)[\s$*(\\]{0,6}\Z",
    re.IGNORECASE,
)
_REJECTED_BEHIND = re.compile(
    r"[\s$*)}\\\"'`]{0,6}(?:(?:is|was|would be|seems)(?: clearly| obviously| definitely| also)? "
    r"(?:wrong|incorrect|not (?:correct|right|the)|too (?:large|big|small)|impossible|a (?:mistake|trap)|the wrong)\b|"
    r"(?:cannot|can['’]t) be (?:correct|right)\b|是错|不对|ist falsch|est fau[xs]|"
    r"(?:notation|format|syntax|style|environment|command|form)\b|"
    r"[.,;:!\s$]{0,9}(?:(?:wait|hmm|no|oops|actually|hold on|sorry)\W{1,4}){0,3}(?:i made an? (?:mistake|error)|"
    r"(?:that|this|it)(?:['’]s| is| was| can['’]t be| cannot be) "
    r"(?:wrong|incorrect|not (?:right|correct)|a mistake))\b(?! to\b))",
    re.IGNORECASE,
)
"""Text around a box that says the box is wrong, or is the name of a form."""
_RETRACTED = re.compile(
    r"\b(?:wait|hold on|oops|hmm+|actually|correction|that['’]s (?:wrong|not right|incorrect)|"
    r"(?:that|this) (?:is|was) (?:wrong|incorrect|not right)|made an? (?:mistake|error)|"
    r"apologi[sz]e for (?:the|my|any|this) (?:mistake|error|confusion|incorrect|wrong)|let(?: me|['’]s) correct)\b|"
    r"等等|不对|等一下",
    re.IGNORECASE,
)
"""Text that takes back the answer before it if another answer follows."""

_BETWEEN_MARKUP = re.compile(
    r"\\(?:text|textbf|textrm|mathrm|mbox)(?![a-zA-Z])|[{}$~*]|\\(?:q?quad(?![a-zA-Z])|[ ,;!:()\[\]])"
)
_CONNECTORS = re.compile(
    r"(?:(?P<noun>(?!(?:is|are|was|be|gives?|equals?|then|so|but|not|no|or|and)\b)[a-z]{2,15}) (?=(?:and|or|&) ?))?"
    r"(?:for (?:part |case )?\(?(?:[a-h]|i{1,3}|\d)\)? (?=and\b))?"
    r"(?P<word>[,;，；、&]?\s?(?:(?P<or>or|oder|ou|o|u|или|或|または|또는|या|أو|of|lub|hoặc)|and|&|und|et|y|e|и|和|以及|与|と|および|및|"
    r"और|و|en|i|och|ve|dan|và)?\s?,?)\s?(?:(?P<name>[a-z][₀-₉0-9_']{0,4})\s?=)?",
    re.IGNORECASE,
)
_NAME_BEFORE = re.compile(r"(?<![A-Za-z\\])([A-Za-z][₀-₉0-9_']{0,4})\s?=\s?\$?\s?\Z")
_OPENING = re.compile(r"(?:(?<!\\)(?=[(\[])|(?=\\\{))(\\?[(\[{])\s?\$?\s?\Z")
_CLOSING = re.compile(r"\s?\$?\s?(?:\\right)?([)\]]|\\\})")
_HALF_COMMAND = re.compile(r"[\s$]{0,3}\\[a-z]{0,5}\Z")
"""The start of "\\boxed" where a response is cut off."""
_ROUNDS = re.compile(
    r"[\s$,;(*]{0,9}(?:(?:or|and|which is|numerically|i\.e\.|that is),?[\s$*]{1,5})?"
    r"(?:(?:or|about|approximately|roughly)[\s$]{1,5})?(?:\\approx|\\simeq|≈|approximately |about |roughly )",
    re.IGNORECASE,
)
_NOUN = re.compile(r"[\s$*]{1,3}([a-z]{2,15})\b")
_MOST_BOXES = 50
_MAX_BETWEEN = 40
"""Longest text, in characters, between two boxes that are one answer."""
_VALUE = re.compile(r"-?\d{1,30}(?:\.\d{1,30})?|-?\d{1,30}/\d{1,30}|-?\\[dt]?frac\{\d{1,30}\}\{\d{1,30}\}")


def boxes_of(text: str) -> Iterator[Span]:
    """Return the boxes that are closed and not empty, from the last to the first.

    "\\boxed 5", without braces, counts too. A box whose content stands for an answer to come, such as "...", is empty.
    """
    boxes = list(_BOX.finditer(text)) if "box" in text or "Boxed" in text else []
    closing: dict[int, int] = {}
    for number, box in enumerate(reversed(boxes)):
        start = box.end()
        if number < 2:  # the last box nearly always decides; for any other, all braces are matched once
            closing = _closing_braces(text, start if number == 0 else 0)
        if text[start : start + 1] == "{":
            if start not in closing:
                continue
            end, closed = closing[start] + 1, True
            content = text[start + 1 : end - 1].strip()
        else:
            token = _TOKEN.match(text, start)
            content = token[0].rstrip(".,;:") if token else ""
            end = start + len(content)
            closed = end < len(text)
        if not _PLACEHOLDER.fullmatch(content[:60]) and not _is_rejected(text, box.start(), end):
            yield Span(box.start(), end, content, closed)


def _is_rejected(text: str, start: int, end: int) -> bool:
    """Return whether the words around a box say that it is wrong, or speak of boxes as a form."""
    return bool(_REJECTED_BEFORE.search(text, max(0, start - 20), start) or _REJECTED_BEHIND.match(text, end, end + 60))


def without_boxes(text: str) -> str:
    """Return a text without its closed boxes. Of a response without a decisive box, they are empty or rejected."""
    return _CLOSED_BOX.sub(" ", text) if "box" in text else text


def retraction_behind(text: str, end: int) -> int | None:
    """Return the index of the words behind an answer that take it back ("Wait, that's wrong"), None without any."""
    match = _RETRACTED.search(text, end)
    return match.start() if match else None


def boxed_answer(text: str) -> Span | None:
    """Return the answer in the last box, or in the last boxes if they are one answer; None without a box.

    Boxes are one answer if nothing but "and", "or", a comma, a noun or a name stands between them: "$\\boxed{1}$ and
    $\\boxed{2}$" is "1, 2". A box that only rounds the box before it does not count.
    """
    boxes = list(islice(boxes_of(text), _MOST_BOXES))
    if not boxes:
        return None
    last, *boxes = boxes[1:] if len(boxes) > 1 and _is_rounding(text, boxes[0], boxes[1]) else boxes
    chain, links = [last], []
    for box in boxes:
        link = _link(text[box.end : chain[-1].start]) if box.end <= chain[-1].start else None
        if link is None:
            break
        links.append(link)
        chain.append(box)
    chain.reverse()
    return Span(chain[0].start, last.end, _joined(text, chain, links[::-1]), last.closed)


def _is_rounding(text: str, box: Span, exact: Span) -> bool:
    """Return whether a box says that it rounds the one before it: \\boxed{\\sqrt{2}} \\approx \\boxed{1.414}."""
    between = text[exact.end : box.start] if exact.end <= box.start else ""
    return len(between) <= _MAX_BETWEEN and _ROUNDS.match(f"{between}{box.text[:20]}") is not None


def is_first_of_several(text: str, box: Span) -> bool:
    """Return whether a response that was cut off was about to name another box with the last complete one.

    "\\boxed{1} and \\boxed{2" and "\\boxed{1} and" are cut between the two boxes of one answer.
    """
    rest = text[box.end : box.end + _MAX_BETWEEN]
    opened = _BOX.search(rest) or _HALF_COMMAND.search(rest)
    link = _link(rest[: opened.start()] if opened else rest)
    return link is not None and (opened is not None or link["word"].strip(" ,;") != "")


def _link(between: str) -> re.Match[str] | None:
    """Return the match of what connects two boxes that are one answer; None if they are two answers."""
    if len(between) > _MAX_BETWEEN:
        return None
    words = " ".join(_BETWEEN_MARKUP.sub(" ", between).split())
    link = _CONNECTORS.fullmatch(words)
    if link and not words and "\n" in between:
        return None  # boxes on lines of their own: the later one may correct the earlier one
    return link


def _joined(text: str, chain: list[Span], links: list[re.Match[str]]) -> str:
    """Return the answer in the boxes of a chain. Boxes with one value are one answer, not a list.

    Names stay if they differ: "x = \\boxed{1} and y = \\boxed{2}" is "x=1, y=2".
    """
    if len(chain) == 1:
        return chain[0].text
    behind = _NOUN.match(text, chain[-1].end) if any(link["noun"] for link in links) else None
    nouns = [link["noun"] for link in links] + [behind[1] if behind else None]
    contents = [f"{box.text} {noun}" if noun else box.text for box, noun in zip(chain, nouns, strict=True)]
    if len({_value(content) for content in contents}) == 1:
        return contents[-1]
    start, end = chain[0].start, chain[-1].end
    before = _NAME_BEFORE.search(text[max(0, start - 12) : start])
    names = [before[1] if before else None, *(link["name"] for link in links)]
    if None not in names and len(set(names)) > 1:
        contents = [f"{name}={content}" for name, content in zip(names, contents, strict=True)]
    joined = (" or " if any(link["or"] for link in links) else ", ").join(contents)
    opening = _OPENING.search(text[max(0, start - 12) : start])
    closing = _CLOSING.match(text, end)
    if opening and closing and all(link["word"].strip() == "," for link in links):
        return f"{opening[1]}{joined}{closing[1]}"
    return joined


def _value(content: str) -> Fraction | str:
    """Return the value of a number or fraction, the text itself for anything else."""
    plain = content.replace("\\%", "%").replace(" ", "")
    percent = plain.endswith("%")
    plain = plain.removesuffix("%")
    if not _VALUE.fullmatch(plain):
        return content
    for command in ("\\dfrac", "\\tfrac", "\\frac"):
        plain = plain.replace(command, "")
    top, _, bottom = plain.replace("}{", "/").strip("{}").replace("-{", "-").partition("/")
    if bottom and not int(bottom):
        return content
    return Fraction(top) / Fraction(bottom or "1") / (100 if percent else 1)


def tags_of(text: str) -> Iterator[Span]:
    """Return the contents of <answer>...</answer> that are not empty, from the last to the first.

    The last tag may be open, because many runs stop a response at "</answer>".
    """
    closing: re.Match[str] | None = None
    is_last = True
    for tag in reversed(list(_TAG.finditer(text)) if "<" in text or "[" in text else []):
        content = text[tag.end() : closing.start() if closing else len(text)].strip()
        if any(tag.groups()) or (is_last and not content):  # an opening tag at the end is meant to close
            closing = tag
        elif closing or is_last:
            if not _PLACEHOLDER.fullmatch(content[:60]) and (closing or not _MENTION.search(content)):
                yield Span(tag.start(), closing.end() if closing else len(text), content, closing is not None)
            closing = None
        is_last = False


def _closing_braces(text: str, start: int) -> dict[int, int]:
    """Return index of an opening brace -> index of its closing brace, from `start` on. Escaped braces do not count."""
    opened: list[int] = []
    closing = {}
    for match in _BRACE.finditer(text, start):
        if match[0] == "{":
            opened.append(match.start())
        elif match[0] == "}" and opened:
            closing[opened.pop()] = match.start()
    return closing
