"""Marks of an answer in a response: the last box, or the text after "answer is" or "####".

Model output may be hostile, so every search takes linear time, and the built-in kinds of answers search only the last
`MAX_TAIL` characters of a response.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from stages.settings.answers import ANNOUNCEMENTS

MAX_TAIL = 4_000
"""Characters at the end of a response that are searched for an answer."""

_BOX = re.compile(r"\\(?:boxed|fbox)(?![a-zA-Z])\s*")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_TOKEN = re.compile(r"[^\s${}]+(?:\{[^\s${}]*\})*")
_ANCHOR = re.compile(r"####|\banswer(?:\s+is)?\s*[:=]|\banswer\s+is\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark of an answer."""

    kind: Literal["box", "tag", "hash", "announced"]
    text: str
    """Content of the mark, or the rest of its line."""
    language: str = "en"
    """Language of the announcing words."""


def marks_of(text: str, announcements: Sequence[str] = ANNOUNCEMENTS) -> Iterator[Mark]:
    """Yield the marks of a text in the order in which they count."""
    if (boxed := last_boxed(text)) is not None:
        yield Mark("box", boxed)
    if line := anchored_line(text):
        yield Mark("announced", line)


def last_boxed(text: str) -> str | None:
    """Return the content of the last \\boxed or \\fbox that is closed and not empty; None without one.

    "\\boxed 5", without braces, counts too.
    """
    boxes = list(_BOX.finditer(text))
    closing: dict[int, int] = {}
    for number, box in enumerate(reversed(boxes)):
        start = box.end()
        if number < 2:  # the last box nearly always decides; for any other, all braces are matched once
            closing = _closing_braces(text, start if number == 0 else 0)
        if text[start : start + 1] == "{":
            content = text[start + 1 : closing[start]].strip() if start in closing else ""
        else:
            token = _TOKEN.match(text, start)
            content = token[0].rstrip(".,;:") if token else ""
        if content:
            return content
    return None


def gold_answer(text: str) -> str:
    """Return the answer in a reference text, which may be an answer or a whole solution.

    That is the content of the last box, else the text after the last "####" ("4+4=8\n#### 8" is 8), else the text.
    """
    if boxed := last_boxed(text):
        return boxed
    _, hashes, rest = text.rpartition("####")
    return (hashes and rest.strip().split("\n", 1)[0].strip()) or text.strip()


def closed_part(text: str, announcements: Sequence[str]) -> str | None:
    """Return the part of a cut-off response up to the end of its last closed answer; None without one."""
    end = text.rfind("}") + 1
    part = text[:end]
    return part if last_boxed(part) is not None else None


def anchored_line(text: str) -> str | None:
    """Return the text after the last "####", "answer is" or "answer:", up to the end of its line; None without one.

    If nothing but white space follows in that line, the next line with text counts.
    """
    anchors = list(_ANCHOR.finditer(text))
    return text[anchors[-1].end() :].strip().split("\n", 1)[0] if anchors else None


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
