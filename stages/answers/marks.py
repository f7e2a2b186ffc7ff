"""Where a response says what its answer is: the last box, or what follows "answer is" or "####".

Model output is hostile: only the last 4,000 characters of a response are looked at, in time linear in them.
"""

import re

MAX_TAIL = 4_000
"""Characters at the end of a response in which an answer is looked for."""

_BOX = re.compile(r"\\(?:boxed|fbox)(?![a-zA-Z])\s*")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_TOKEN = re.compile(r"[^\s${}]+(?:\{[^\s${}]*\})*")
_ANCHOR = re.compile(r"####|\banswer(?:\s+is)?\s*[:=]|\banswer\s+is\b", re.IGNORECASE)


def last_boxed(text: str) -> str | None:
    """Content of the last \\boxed or \\fbox that is closed and not empty ("\\boxed 5" too); None without one."""
    boxes = list(_BOX.finditer(text))
    closing: dict[int, int] = {}
    for number, box in enumerate(reversed(boxes)):
        start = box.end()
        if number < 2:  # the last box nearly always decides; else all braces are read, once
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
    """The answer in a reference text: what its last box holds (also of a whole solution), else the text itself."""
    return last_boxed(text) or text.strip()


def anchored_line(text: str) -> str | None:
    """What follows the last "####", "answer is" or "answer:", up to the end of its line; None without one of these."""
    anchors = list(_ANCHOR.finditer(text))
    return text[anchors[-1].end() :].strip().split("\n", 1)[0] if anchors else None


def _closing_braces(text: str, start: int) -> dict[int, int]:
    """Place of every brace from `start` on that is closed -> place of the one that closes it; escaped ones are none."""
    opened: list[int] = []
    closing = {}
    for match in _BRACE.finditer(text, start):
        if match[0] == "{":
            opened.append(match.start())
        elif match[0] == "}" and opened:
            closing[opened.pop()] = match.start()
    return closing
