"""Computes the numerical values of LaTeX answers, to rule out quickly that two answers are equal.

Most mathematical answers are expressions, or points, intervals, lists, equations and matrices made of expressions. The
`Reading` of an answer holds the values of these expressions (see `expressions`). Equal answers have equal values.
Making a reading takes microseconds, while math-verify's parser takes milliseconds. An answer that could be read in more
than one way (1/2x, 2(3), 3 m) is left to math-verify, and so is every pair of answers whose values are close.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Literal

from stages.answers.algebra.expressions import Term, UnsupportedExpressionError, evaluate, letters_of, rounded_term

MAX_ANSWER = 300
"""Longest answer that is read, in characters. math-verify's parser takes more than proportionally longer on longer
answers."""

_MAX_ERROR = 1e-11
"""A value with a larger rounding error, relative to the larger of the value and 1, is not used."""

# math-verify drops a unit at the end ("3 m", "3ab"). A single letter counts as a unit unless it is in the class below.
ENDS_IN_UNIT = re.compile(r"[\d}\s](?![abijknpqruvwxyzA-Z]\Z)[a-zA-Z]+\Z")
"""Expressions whose last letters may be a unit: "3 m", but not "3x"."""
_INEQUALITY = re.compile(r"[<>]|\\(?:le|ge|lt|gt|ne)(?![a-zA-Z])")
_UNION = re.compile(r"\\cup(?![a-zA-Z])")
_MATRIX = re.compile(r"\\begin\{([pbv]?matrix)\}(.*)\\end\{\1\}")


@dataclass(frozen=True, slots=True)
class Reading:
    """What is known about one answer before it is compared with another."""

    status: Literal["ok", "unparsable", "timed_out", "too_large"]
    shape: Literal["value", "sequence", "union", "inequality", "matrix"] | None = None
    """None if unknown. "sequence" is a point, a list, a set or an interval."""
    numbers: tuple[float, ...] = ()
    """Value: its possible values (50% is 50 or 0.5). Sequence and matrix: the value of each member; of an interval, its
    ends. Union: the ends of its intervals, if these do not touch. Every letter has a fixed value
    (`stages.answers.algebra.expressions.letter_value`)."""
    letters_only: bool = False
    """Whether the answer has no other characters than letters. math-verify compares such answers as words."""
    sides: tuple[str, ...] = ()
    """Sides of an equation, "" if unknown; empty for other answers. The value of an equation is that of its last side,
    because math-verify takes x=5 for 5."""

    def may_equal(self, other: "Reading") -> bool:
        """Return False only if the two answers are certainly different.

        That is so if their values differ, or if math-verify never calls answers of their two shapes equal.
        """
        shapes = {self.shape, other.shape}
        if None in shapes or (self.letters_only and other.letters_only):
            return True
        if self.sides and other.sides:
            return _may_have_same_solutions(self, other) and _may_have_same_solutions(other, self)
        if shapes == {"value"}:
            return any(_close(left, right) for left in self.numbers for right in other.numbers)
        if shapes == {"matrix"}:
            return len(self.numbers) == len(other.numbers) and all(map(_close, self.numbers, other.numbers))
        if shapes == {"value", "sequence"} or (shapes <= {"sequence", "union"} and self.numbers and other.numbers):
            # Each number of a list, interval or union must be close to a number of the other answer. A value may have
            # numbers that are close to none, because they are alternatives.
            return (self.shape == "value" or other._has_all_of(self)) and (
                other.shape == "value" or self._has_all_of(other)
            )
        # Answers of the same shape are left to math-verify, and so are a list or interval and a union without known
        # ends, and an inequality and an interval or union. For all other pairs of shapes math-verify says "different",
        # whichever of the two answers comes first.
        return len(shapes) == 1 or not shapes & {"value", "matrix"}

    def _has_all_of(self, other: "Reading") -> bool:
        """Return whether every number of `other` is close to a number of this reading."""
        return all(any(_close(left, right) for left in self.numbers) for right in other.numbers)


def _may_have_same_solutions(equation: Reading, other: Reading) -> bool:
    """Return False if a solution of `equation` clearly does not solve `other`.

    For each letter in turn, `equation` is solved for that letter, which works if it is linear in it; the other letters
    have their fixed values. The first solution decides. Returns True if there is none.
    """
    if not len(equation.sides) == len(other.sides) == 2 or not all(equation.sides + other.sides):
        return True
    for letter in sorted(letters_of(equation.sides[0]) | letters_of(equation.sides[1])):
        try:
            at_1, at_2 = (_difference(equation, {letter: rounded_term(number, 0.0)}) for number in (1.0, 2.0))
            root = rounded_term(1 - at_1 / (at_2 - at_1), 0.0)  # if the equation is linear in the letter
            if abs(_difference(equation, {letter: root})) <= 1e-9 * max(abs(at_1), abs(at_2)):
                return abs(_difference(other, {letter: root})) <= 1e-4
        except (UnsupportedExpressionError, OverflowError, ZeroDivisionError):
            continue
    return True


def _difference(equation: Reading, values: Mapping[str, Term]) -> float:
    """Return left side minus right side of an equation in which letters have `values`."""
    left, right = (_value(side, values) for side in equation.sides)
    return left - right


def _close(left: float, right: float) -> bool:
    """Return whether math-verify may take two numbers for equal: it rounds to six decimals and computes 15 digits."""
    if math.isinf(left) or math.isinf(right):
        return left == right
    return abs(left - right) <= 1e-5 + 1e-9 * max(abs(left), abs(right))


@lru_cache(maxsize=65_536)
def read_latex(answer: str) -> Reading | None:
    """Return the reading of an answer in canonical LaTeX, None if it is left to math-verify."""
    if len(answer) > MAX_ANSWER or ENDS_IN_UNIT.search(answer):
        return None
    try:
        return _read(answer)
    except (UnsupportedExpressionError, OverflowError, ZeroDivisionError):
        return None


def _read(answer: str) -> Reading:
    """Return the reading of an answer. Raises as `evaluate` does."""
    if matrix := _MATRIX.fullmatch(answer):
        entries = [entry for row in matrix[2].split("\\\\") for entry in row.split("&")]
        return Reading("ok", "matrix", tuple(_value(entry) for entry in entries))
    if len(parts := _UNION.split(answer)) > 1:
        return _union([part.strip() for part in parts])
    if answer.startswith("\\{") and answer.endswith("\\}"):
        return _sequence(answer[2:-2].split(","))
    if "," in answer:
        return _list(answer)
    if len(sides := _INEQUALITY.split(answer)) > 1:
        for side in sides:
            _value(side)
        return Reading("ok", "inequality")
    return _equation(answer.split("=")) if "=" in answer else _single(answer)


def _union(intervals: list[str]) -> Reading:
    ends = [_list(interval).numbers for interval in intervals]
    if any(not _bracketed(interval) or len(pair) != 2 for interval, pair in zip(intervals, ends, strict=True)):
        raise UnsupportedExpressionError
    ordered = sorted(zip(ends, intervals, strict=True))
    disjoint = all(start < end for start, end in ends) and all(
        end < start or (end == start and (left[-1], right[0]) == (")", "("))
        for ((_, end), left), ((start, _), right) in pairwise(ordered)
    )
    # Intervals that overlap or touch could also be written as fewer intervals with other ends.
    return Reading("ok", "union", tuple(number for pair in ends for number in pair) if disjoint else ())


def _list(answer: str) -> Reading:
    """Return the reading of an answer with commas: a list, a point or an interval."""
    parts = (answer[1:-1] if _bracketed(answer) else answer).split(",")
    if not _bracketed(answer):
        return _sequence(parts)
    reading = _sequence(parts)
    is_interval = len(parts) == 2 and reading.numbers[0] < reading.numbers[1]
    if not is_interval and (answer[0], answer[-1]) != ("(", ")"):
        raise UnsupportedExpressionError
    return reading


def _bracketed(answer: str) -> bool:
    return answer[:1] in ("(", "[") and answer[-1:] in (")", "]")


def _sequence(parts: Sequence[str]) -> Reading:
    return Reading("ok", "sequence", tuple(_value(part) for part in parts))


def _equation(sides: list[str]) -> Reading:
    numbers = [_value(side) for side in sides]
    return Reading("ok", "value", (numbers[-1],), _is_letters_only(sides[-1]), tuple(sides))


def _single(answer: str) -> Reading:
    if answer.endswith("%"):
        value = _value(answer[:-1])
        return Reading("ok", "value", (value, value / 100))
    return Reading("ok", "value", (_value(answer),), _is_letters_only(answer))


def _is_letters_only(answer: str) -> bool:
    return re.fullmatch(r"(?:[a-zA-Z](?:_[a-z0-9])?|[ ()])+", answer) is not None


def _value(text: str, values: Mapping[str, Term] | None = None) -> float:
    """Return the value of an expression in which letters have `values`. Raises as `evaluate` does."""
    text = text.strip().removesuffix("^\\circ")
    if infinite := re.fullmatch(r"([-+]?)\\infty", text):
        return -math.inf if infinite[1] == "-" else math.inf
    term = evaluate(text, values)
    if term.error > _MAX_ERROR * max(1.0, abs(term.value)):
        raise UnsupportedExpressionError
    return term.real
