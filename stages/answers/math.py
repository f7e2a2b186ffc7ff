"""Final answers of mathematics: extracted from a response, brought to one spelling, and compared.

Departs from the authors' release, which extracts from prompt + response, so that an expression in the question counts
as an answer. Here only the response is read, and a response without an answer gives None. Model output may be hostile,
so only the last 4,000 characters are read.
"""

import re

from stages.answers.canonical import canonical
from stages.answers.equality import same
from stages.answers.kinds import AnswerKind
from stages.answers.marks import MAX_TAIL, anchored_line, last_boxed
from stages.answers.numerals import number
from stages.answers.readings import Reading, read_latex
from stages.answers.structure import is_known

_DELIMITED = re.compile(r"\\\((.+?)\\\)|\\\[(.+?)\\\]|\$\$(.+?)\$\$|(?<!\\)\$(?=[^\s$])([^$]*?[^\s$\\])\$(?!\d)")
_NUMBER = r"[-+]?\\?\$?\s?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)?(?:\.\d+|(?<=\d)\.?(?!\d))(?:\s?/\s?\d+)?(?:\s?\\?%)?"
_LAST_NUMBER = re.compile(rf"(?<![\w.]){_NUMBER}")
_TEXT = re.compile(r"\\(?:text|math|mbox|operatorname)")  # may be a unit, which math-verify drops
_LARGEST_FLOAT = 10**300
_WORD = re.compile(r"(?<![\\a-zA-Z])(?!(?:pi|sqrt|sin|cos|tan|log|ln)\b)[a-zA-Z]{2,}")


class MathAnswer(AnswerKind):
    """Numbers, expressions, sets and equations in LaTeX. Equality that takes algebra is decided by math-verify."""

    def __init__(self, *, boxed_only: bool = False) -> None:
        self.boxed_only = boxed_only

    def extract(self, response: str, question: str) -> str | None:
        return extract_math_answer(response, boxed_only=self.boxed_only)

    def canonical(self, answer: str, question: str) -> str | None:
        return canonical(answer) or None

    def same(self, left: str, right: str) -> bool | None:
        return same(left, right)

    def read(self, answer: str, form: str) -> Reading | None:
        if (value := number(form)) is not None:
            return Reading("ok", "value", (float(value),)) if abs(value) < _LARGEST_FLOAT else Reading("ok")
        reading = None if _TEXT.search(answer) else read_latex(form)
        return Reading("ok") if reading is None and is_known(form) else reading


def extract_math_answer(response: str, *, boxed_only: bool = False) -> str | None:
    """Return the final answer of a response, None if it has none. The text must not hold the prompt.

    The last complete \\boxed or \\fbox counts. If there is none, and not `boxed_only`, the expression after the last
    "####", "answer is" or "answer:" counts, else the last formula or number of the last line that is not empty.
    """
    tail = response[-MAX_TAIL:]
    boxed = last_boxed(tail)
    if boxed is not None or boxed_only:
        return boxed
    line = anchored_line(tail)
    if line is not None:
        return _expression(line, last=False) or None
    return _expression(tail.rstrip().rsplit("\n", 1)[-1], last=True) or None


def _expression(line: str, *, last: bool) -> str | None:
    """Return the last formula or number of a line, or the first if not `last`; None if there is neither.

    If not `last`, a line without formula and without words is returned whole.
    """
    line = line.replace("**", "").strip().rstrip(".").strip()
    formulas: list[str] = [next(filter(None, match.groups())) for match in _DELIMITED.finditer(line)]
    if formulas:
        return formulas[-1 if last else 0].strip()
    if not last and line and not _WORD.search(line):
        return line.lstrip(":= ")
    numbers = [match[0].strip() for match in _LAST_NUMBER.finditer(line)]
    return numbers[-1 if last else 0] if numbers else None
