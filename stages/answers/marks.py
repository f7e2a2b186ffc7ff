"""Marks of an answer in a response: the last box, or the text after "answer is" or "####".

Model output may be hostile, so every search takes linear time, and the built-in kinds of answers search only the last
`MAX_TAIL` characters of a response.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

MAX_TAIL = 4_000
"""Characters at the end of a response that are searched for an answer."""

_BOX = re.compile(r"\\(?:boxed|fbox)(?![a-zA-Z])\s*")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_TOKEN = re.compile(r"[^\s${}]+(?:\{[^\s${}]*\})*")
_ANCHOR = re.compile(r"####|\banswer(?:\s+is)?\s*[:=]|\banswer\s+is\b", re.IGNORECASE)


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
    """Return the answer in a reference text: the content of its last box, else the text itself.

    The text may be an answer or a whole solution.
    """
    return last_boxed(text) or text.strip()


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


@dataclass(frozen=True, slots=True)
class Mark:
    """A marked answer."""

    kind: Literal["box", "tag", "hash", "announced"]
    text: str
    language: str


def marks_of(text: str, announcements: tuple[str, ...] = ()) -> Iterator[Mark]:
    """Return the marked answers of a response, in the order in which they count."""
    tail = text[-MAX_TAIL:]
    if boxed := last_boxed(tail):
        yield Mark("box", boxed, "en")
    if (line := anchored_line(tail)) is not None:
        yield Mark("announced", line, "en")
