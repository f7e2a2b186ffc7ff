"""Final answers of mathematics: extracted from a response, brought to one spelling, and compared without algebra.

Departs from the authors' release, which extracts from prompt + response, so that an expression in the question counts
as an answer. Here only the response is read, and a response without an answer gives None. Model output may be hostile,
so only the last 4,000 characters are read.
"""

import re
from decimal import Context
from fractions import Fraction
from functools import lru_cache

from stages.answers.canonical import canonical
from stages.answers.dates import is_date
from stages.answers.ending import own_part
from stages.answers.kinds import AnswerKind
from stages.answers.marks import MAX_TAIL, marks_of
from stages.answers.numerals import number
from stages.answers.prose import boxed_number, last_line, math_answer_in
from stages.answers.readings import Reading, read_latex
from stages.answers.units import split_quantity
from stages.settings.answers import ANNOUNCEMENTS

_TEXT = re.compile(r"\\(?:text|math|mbox|operatorname)")  # may be a unit, which math-verify drops
_LARGEST_FLOAT = 10**300


class MathAnswer(AnswerKind):
    """Numbers, expressions, sets and equations in LaTeX. Equality beyond spelling is decided by math-verify."""

    def __init__(self, *, boxed_only: bool = False, announcements: tuple[str, ...] = ANNOUNCEMENTS) -> None:
        self.boxed_only = boxed_only
        self.announcements = announcements

    def extract(self, response: str, question: str) -> str | None:
        return extract_math_answer(response, boxed_only=self.boxed_only, announcements=self.announcements)

    def canonical(self, answer: str, question: str) -> str | None:
        return canonical(answer) or None

    def same(self, left: str, right: str) -> bool | None:
        return decide(left, right)

    def read(self, answer: str, form: str) -> Reading | None:
        if (value := number(form)) is not None:
            return Reading("ok", "value", (float(value),)) if abs(value) < _LARGEST_FLOAT else Reading("ok")
        if _is_words(form):
            return Reading("ok")
        unit = split_quantity(form)[1]
        if (unit is not None and len(unit) > 1) or is_date(form):
            return Reading("ok")
        return None if _TEXT.search(answer) else read_latex(form)


def extract_math_answer(
    response: str, *, boxed_only: bool = False, announcements: tuple[str, ...] = ANNOUNCEMENTS
) -> str | None:
    """Return the final answer of a response, None if it has none. The text must not hold the prompt.

    The decisive box counts. If there is none, and not `boxed_only`, the answer in a tag, after "####" or after a word
    of `announcements` counts; a mark without a readable answer is stepped over. A response without marks has the last
    result of its last line. An answer that can be read in several ways is `Ambiguous`.
    """
    has_marks = False
    for mark in marks_of(response, announcements):
        if mark.kind == "box":
            return boxed_number(mark.text, mark.language)
        if boxed_only:
            return None
        has_marks = True
        if answer := math_answer_in(mark.text, last=False, language=mark.language):
            return answer
    if has_marks or boxed_only:
        return None
    return math_answer_in(last_line(own_part(response, announcements)[-MAX_TAIL:]), last=True)


def decide(left: str, right: str) -> bool | None:
    """Return whether two canonical answers are equal, None if only math-verify can decide.

    Two integers or fractions are equal if their values are. If one number is a decimal, 6 decimal places have to agree;
    below 1, six significant digits, so that 1e-9 is not 2e-9. Words are equal if they are the same words in upper or
    lower case; math-verify would read "even" as e*v*e*n.
    """
    if left == right:
        return True
    values = number(left), number(right)
    if values[0] is not None and values[1] is not None:
        if any("." in text or "e" in text for text in (left, right)):
            return _rounded(values[0]) == _rounded(values[1])
        return values[0] == values[1]
    if is_date(left) or is_date(right):
        return False
    are_words = [_is_words(left), _is_words(right)]
    if any(are_words):
        return all(are_words) and left.casefold() == right.casefold()
    return None


@lru_cache(maxsize=65_536)
def _is_words(canonical_answer: str) -> bool:
    return re.fullmatch(r"[A-Za-z]{3,}(?: [A-Za-z]+)*", canonical_answer) is not None


def _rounded(value: Fraction) -> Fraction:
    """Return a number rounded to 6 decimal places; below 1, to 6 significant digits."""
    if abs(value) >= 1:
        return round(value, 6)
    return Fraction(Context(prec=6).divide(value.numerator, value.denominator))
