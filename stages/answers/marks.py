"""Marks of an answer in a response: a box, <answer> tags, "####", or words that announce an answer.

Model output may be hostile, so every search takes linear time, and answers are searched for only in the last
`MAX_TAIL` characters of what the response itself says.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from stages.answers.response.anchors import HASHES, anchors_of
from stages.answers.response.announced import announced_answers
from stages.answers.response.boxes import Span, boxed_answer, boxes_of, is_first_of_several, retraction_behind, tags_of
from stages.answers.response.ending import own_part
from stages.answers.response.thinking import without_thinking
from stages.settings.answers import ANNOUNCEMENTS

__all__ = ["MAX_TAIL", "Mark", "anchored_line", "closed_part", "gold_answer", "gold_mark", "last_boxed", "marks_of",
           "own_part"]  # fmt: skip

MAX_TAIL = 4_000
"""Characters at the end of a response that are searched for an answer."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A marked answer of a response."""

    kind: Literal["box", "tag", "hash", "announced"]
    text: str
    """The content of the box or tag; else the rest of the line, or the next line that is not empty."""
    language: str
    """Language of the announcing words, such as "fr" in "La réponse est 3,5"; "en" without any."""
    line: str
    """The line in which the answer starts; of a tag, and of an answer below its announcement, the line of its end."""


def marks_of(text: str, announcements: tuple[str, ...] = ANNOUNCEMENTS) -> Iterator[Mark]:
    """Return the marked answers of a response, in the order in which they count.

    First the answer in the last box, or in several that are one answer; then tags; then "####" and announced answers,
    both from the last to the first.
    """
    tail = own_part(text, announcements)[-MAX_TAIL:]
    if (box := boxed_answer(tail)) and not _is_taken_back(tail, box, announcements):
        answer, language = _unwrapped(box.text, announcements)
        yield Mark("box", answer, language or _language_before(tail, box, announcements), _line_at(tail, box.start))
    for tag in tags_of(tail):
        answer, language = _unwrapped(tag.text, announcements, anywhere=True)
        yield Mark("tag", answer, language or "en", answer.rsplit("\n", 1)[-1])
    for announced in announced_answers(tail, announcements):
        yield Mark(announced.kind, announced.text, announced.language, _line_at(tail, announced.end - 1))


def final_mark_behind_box(text: str, announcements: tuple[str, ...] = ANNOUNCEMENTS) -> Mark | None:
    """Return the last announced answer if it stands behind the last box and is called final; None otherwise."""
    if not _FINAL.search(text, max(text.rfind("box"), 0)):
        return None
    tail = own_part(text, announcements)[-MAX_TAIL:]
    box = next(boxes_of(tail), None)
    answer = next(announced_answers(tail, announcements), None)
    if box is None or answer is None or answer.start < box.end or not _FINAL.search(tail, box.end, answer.start + 20):
        return None
    return Mark(answer.kind, answer.text, answer.language, _line_at(tail, answer.end - 1))


def closed_part(text: str, announcements: tuple[str, ...] = ANNOUNCEMENTS) -> str | None:
    """Return a response that was cut off, up to the end of its last mark that is closed; None without one.

    A box is closed by its brace, a tag by its end, and an announced answer if its line or its sentence has ended and
    something follows.
    """
    own = own_part(text, announcements)
    behind = text[len(own) :]
    if behind:
        own += "\n" if "\n" in behind or behind.strip() else behind[0]
    ends = []
    if box := next((box for box in boxes_of(own) if box.closed), None):
        ends += [] if is_first_of_several(own, box) else [box.end]
    ends += [tag.end for tag in tags_of(own) if tag.closed][:1]
    if answer := next((answer for answer in announced_answers(own, announcements) if answer.closed), None):
        ends.append(answer.end)
    return own[: max(ends)].rstrip() if ends else None


def last_boxed(text: str) -> str | None:
    """Return the content of the last \\boxed or \\fbox that is closed and not empty; None without one.

    "\\boxed 5", without braces, counts too.
    """
    box = next(boxes_of(text), None)
    return box.text if box else None


def anchored_line(text: str) -> str | None:
    """Return the text after the last "####", "answer is" or "answer:", up to the end of its line; None without one.

    If nothing but white space follows in that line, the next line with text counts. Other languages' announcing words
    count too (`ANNOUNCEMENTS`); a remark such as "this answer is correct" does not, nor does the next problem.
    """
    answer = next(announced_answers(own_part(text)[-MAX_TAIL:]), None)
    return answer.text if answer else None


def gold_answer(text: str) -> str:
    """Return the answer in a reference text, which may be an answer or a whole solution.

    It is the answer that `gold_mark` finds, else the text itself. No answer is read from thinking.
    """
    mark = gold_mark(text)
    return mark.text if mark else (without_thinking(text) or text).strip()


def gold_mark(text: str) -> Mark | None:
    """Return the mark of the answer in a reference text; None if the text is the answer itself.

    It is the last box (several, if they are one answer), or tags, or the text after "####" or "answer is".
    """
    text = without_thinking(text) or text
    if box := boxed_answer(text):
        answer, language = _unwrapped(box.text, ANNOUNCEMENTS)
        return Mark("box", answer, language or _language_before(text, box, ANNOUNCEMENTS), _line_at(text, box.start))
    if tag := next((tag for tag in tags_of(text) if tag.closed), None):
        answer, language = _unwrapped(tag.text, ANNOUNCEMENTS, anywhere=True)
        return Mark("tag", answer, language or "en", answer.rsplit("\n", 1)[-1])
    own = own_part(text)
    announced = next(announced_answers(own), None)
    if announced is None:
        return None
    return Mark(announced.kind, announced.text, announced.language, _line_at(own, announced.end - 1))


def _is_taken_back(text: str, box: Span, announcements: tuple[str, ...]) -> bool:
    """Return whether a box is taken back and another answer announced behind it: "Wait, that's wrong. It is ..."."""
    retraction = retraction_behind(text, box.end)
    if retraction is None:
        return False
    answer = next(announced_answers(text, announcements), None)
    return answer is not None and answer.start > retraction


_FINAL = re.compile(r"\b(?:final|endgültig|définitiv|definitiv|окончательн|итогов)|最终|最終|최종", re.IGNORECASE)
_TEXT_COMMAND = re.compile(r"\A\s?\$?\s?\\(?:text|textbf|textit|textrm|mathrm|mathbf|mathit|mbox)\s?\{")
_LEAD = re.compile(
    r"\s?(?:\\(?:therefore|Rightarrow|implies)(?![a-zA-Z])|∴|⇒|\\text\w{0,2}\s?\{[^{}:：]{2,30}[:：]\s?\})\s?(?=\S)"
)
"""What may stand before the answer in a box: "\\therefore", "\\text{Total: }"."""
_WORD = re.compile(r"[^\W\d_]")
_FORMULA = re.compile(r"[\d\\=$]")


def _unwrapped(content: str, announcements: tuple[str, ...], *, anywhere: bool = False) -> tuple[str, str | None]:
    """Return the answer that the content of a box or tag announces, and its language; else the content and None.

    "\\text{The answer is 460}" is "460". Words that do not start the content count only if they may be `anywhere`.
    """
    if not _WORD.search(content):
        return content, None
    content = content[lead.end() :] if (lead := _LEAD.match(content)) else content
    plain = _TEXT_COMMAND.sub("", content)
    anchor = next(iter(anchors_of(plain, announcements)), None)
    if anchor is None:
        return content, None
    if not anywhere and (anchor.start > 30 or _FORMULA.search(plain, 0, anchor.start)):
        return content, None
    answer = next(announced_answers(plain, announcements), None)
    return (answer.text.rstrip(" .。"), answer.language) if answer and answer.text else (content, None)


def _line_at(text: str, index: int) -> str:
    """Return the line around an index, at most 200 characters before and behind it."""
    start = max(text.rfind("\n", 0, index) + 1, index - 200)
    end = text.find("\n", index, index + 200)
    return text[start : end if end >= 0 else index + 200]


def _language_before(text: str, box: Span, announcements: tuple[str, ...]) -> str:
    """Return the language of the announcing words before a box in its line, "en" without any."""
    start = max(text.rfind("\n", 0, box.start) + 1, box.start - 200)
    anchors = anchors_of(text[start : box.start], announcements)
    languages = [anchor.language for anchor in anchors if anchor.language not in ("", HASHES)]
    return languages[-1] if languages else "en"
