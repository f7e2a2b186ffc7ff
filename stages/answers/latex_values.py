"""What an answer is worth: enough to tell for certain, without algebra, that two answers are different.

Most answers of mathematics are sums, products, powers, fractions and roots of numbers and letters, or points,
intervals, lists, equations and matrices made of them. Here they are read in microseconds where math-verify's parser
takes milliseconds, and given numbers that equal answers share. Whatever could be read in more than one way (1/2x, 2(3),
x^23, 3 m, f(x)) is left to math-verify; so is every pair whose numbers are close. Nothing is evaluated but floats.
"""

import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from hashlib import sha256
from itertools import pairwise
from typing import Literal

MAX_ANSWER = 300
"""Characters; a longer answer is too large to be one."""

_MAX_DEPTH = 20
_EPSILON = 2.0**-52
_SURE = 1e-11  # a value whose error may be larger, relative to it or to 1, is not known

_TOKEN = re.compile(r" *(?:(\d+\.\d+|\.?\d+)|([a-zA-Z])|(\\[a-zA-Z]+|[-+*/^_(){}\[\]])) *")
# math-verify takes e for Euler's number, I for the imaginary unit and d for a differential, and no notice of case else.
_NO_LETTERS = frozenset("eEdDI")
# It also drops units at the end ("3 m", "3ab"); these letters are none when they stand alone.
_ENDS_IN_UNIT = re.compile(r"[\d}\s](?![abijknpqruvwxyzA-Z]\Z)[a-zA-Z]+\Z")
_IN_THOUSANDS = re.compile(r"\d,\d{3}(?!\d)")
_INEQUALITY = re.compile(r"[<>]|\\(?:le|ge|lt|gt|ne)(?![a-zA-Z])")
_UNION = re.compile(r"\\cup(?![a-zA-Z])")
_MATRIX = re.compile(r"\\begin\{([pbv]?matrix)\}(.*)\\end\{\1\}")
_MIXED = re.compile(r"(\d{1,9})\\frac\{(\d{1,9})\}\{(\d{1,9})\}")
_IN_BASE = re.compile(r"(\d{1,15})_(?:\d|\{\d+\})")
_FUNCTIONS = ("\\sin", "\\cos", "\\tan", "\\ln", "\\log")


@dataclass(frozen=True, slots=True)
class Reading:
    """What one answer was read as, by `read_latex` or by math-verify."""

    status: Literal["ok", "unparsable", "timed_out", "too_large"]
    shape: Literal["value", "several", "union", "inequality", "matrix"] | None = None
    """None where nothing is known. "several": a point, a list, a set or an interval."""
    numbers: tuple[float, ...] = ()
    """Of a value, what it may be worth, one or the other (50% is 50 or 0.5); of several and of a matrix, what each
    member is worth; ends of intervals. Every letter stands for a fixed number of its own."""
    letters_only: bool = False
    """math-verify compares these as words: abc is a*b*c and a name."""
    sides: tuple[str, ...] = ()
    """Of an equation, "" where they are not known. Its value is that of the last: math-verify takes x=5 for 5."""

    def may_equal(self, other: "Reading") -> bool:
        """False only where the two are different for certain: what they are worth is clearly different."""
        shapes = {self.shape, other.shape}
        if None in shapes or (self.letters_only and other.letters_only):
            return True
        if self.sides and other.sides:
            return _may_meet(self, other) and _may_meet(other, self)
        if shapes == {"value"}:
            return any(_close(mine, theirs) for mine in self.numbers for theirs in other.numbers)
        if shapes == {"matrix"}:
            return len(self.numbers) == len(other.numbers) and all(map(_close, self.numbers, other.numbers))
        if shapes == {"value", "several"} or (shapes <= {"several", "union"} and self.numbers and other.numbers):
            return (self.shape == "value" or other._has_all_of(self)) and (
                other.shape == "value" or self._has_all_of(other)
            )
        # math-verify never takes an answer of one of these shapes for one of another, not in both directions.
        return len(shapes) == 1 or shapes == {"several", "union"}

    def _has_all_of(self, other: "Reading") -> bool:
        return all(any(_close(mine, theirs) for mine in self.numbers) for theirs in other.numbers)


def _may_meet(one: Reading, other: Reading) -> bool:
    """False where a point that solves one equation clearly does not solve the other."""
    if not len(one.sides) == len(other.sides) == 2 or not all(one.sides + other.sides):
        return True
    for letter in sorted(_letters(one.sides[0]) | _letters(one.sides[1])):
        try:
            at_1, at_2 = (_difference(one, {letter: _term(number, 0.0)}) for number in (1.0, 2.0))
            root = _term(1 - at_1 / (at_2 - at_1), 0.0)  # where the equation is linear in the letter
            if abs(_difference(one, {letter: root})) <= 1e-9 * max(abs(at_1), abs(at_2)):
                return abs(_difference(other, {letter: root})) <= 1e-4
        except (_UnreadError, OverflowError, ZeroDivisionError):
            continue
    return True


def _letters(side: str) -> set[str]:
    parser = _Parser(side)
    with suppress(_UnreadError, OverflowError, ZeroDivisionError):
        parser.expression_alone()
    return parser.letters


def _difference(equation: Reading, values: Mapping[str, "_Term"]) -> float:
    left, right = (_worth(side, values) for side in equation.sides)
    return left - right


def _close(left: float, right: float) -> bool:
    """math-verify rounds to six decimals and computes with 15 digits; this leaves room for both."""
    if math.isinf(left) or math.isinf(right):
        return left == right
    return abs(left - right) <= 1e-5 + 1e-9 * max(abs(left), abs(right))


@lru_cache(maxsize=256)
def letter_value(name: str) -> Fraction:
    """The number in (0, 2] that stands for a letter."""
    return Fraction(int.from_bytes(sha256(name.encode()).digest()[:3], "big") + 1, 2**23)


@lru_cache(maxsize=65_536)
def read_latex(answer: str) -> Reading | None:
    """Reading of an answer in canonical LaTeX, None where it is left to math-verify."""
    if len(answer) > MAX_ANSWER or _ENDS_IN_UNIT.search(answer):
        return None
    try:
        return _read(answer)
    except (_UnreadError, OverflowError, ZeroDivisionError):
        return None


def _read(answer: str) -> Reading:
    if matrix := _MATRIX.fullmatch(answer):
        entries = [entry for row in matrix[2].split("\\\\") for entry in row.split("&")]
        return Reading("ok", "matrix", tuple(_worth(entry) for entry in entries))
    if len(sets := _UNION.split(answer)) > 1:
        return _union([part.strip() for part in sets])
    if answer.startswith("\\{") and answer.endswith("\\}"):
        return _several(answer[2:-2].split(","))
    if "," in answer:
        return _list(answer)
    if len(sides := _INEQUALITY.split(answer)) > 1:
        for side in sides:
            _worth(side)
        return Reading("ok", "inequality")
    return _equation(answer.split("=")) if "=" in answer else _single(answer)


def _union(intervals: list[str]) -> Reading:
    ends = [_list(interval).numbers for interval in intervals]
    if any(not _bracketed(interval) or len(pair) != 2 for interval, pair in zip(intervals, ends, strict=True)):
        raise _UnreadError
    ordered = sorted(zip(ends, intervals, strict=True))
    apart = all(start < end for start, end in ends) and all(
        end < start or (end == start and (left[-1], right[0]) == (")", "("))
        for ((_, end), left), ((start, _), right) in pairwise(ordered)
    )
    # Intervals that join are fewer and have other ends.
    return Reading("ok", "union", tuple(number for pair in ends for number in pair) if apart else ())


def _list(answer: str) -> Reading:
    parts = (answer[1:-1] if _bracketed(answer) else answer).split(",")
    if not _bracketed(answer):
        if _IN_THOUSANDS.search(answer):
            raise _UnreadError
        return _several(parts)
    found = _several(parts)
    is_interval = len(parts) == 2 and found.numbers[0] < found.numbers[1]
    if not is_interval and (answer[0], answer[-1]) != ("(", ")"):
        raise _UnreadError
    return found


def _bracketed(answer: str) -> bool:
    return answer[:1] in ("(", "[") and answer[-1:] in (")", "]")


def _several(parts: Sequence[str]) -> Reading:
    return Reading("ok", "several", tuple(_worth(part) for part in parts))


def _equation(sides: list[str]) -> Reading:
    numbers = [_worth(side) for side in sides]
    return Reading("ok", "value", (numbers[-1],), _of_letters(sides[-1]), tuple(sides))


def _single(answer: str) -> Reading:
    if answer.endswith("%"):
        value = _worth(answer[:-1])
        return Reading("ok", "value", (value, value / 100))
    return Reading("ok", "value", (_worth(answer),), _of_letters(answer))


def _of_letters(answer: str) -> bool:
    return re.fullmatch(r"(?:[a-zA-Z](?:_[a-z0-9])?|[ ()])+", answer) is not None


def _worth(text: str, values: "Mapping[str, _Term] | None" = None) -> float:
    text = text.strip().removesuffix("^\\circ")
    if infinite := re.fullmatch(r"([-+]?)\\infty", text):
        return -math.inf if infinite[1] == "-" else math.inf
    if in_base := _IN_BASE.fullmatch(text):  # math-verify takes no notice of the base
        return float(in_base[1])
    if mixed := _MIXED.fullmatch(text):
        return int(mixed[1]) + int(mixed[2]) / int(mixed[3])
    term = _Parser(text, values).expression_alone()
    if term.error > _SURE * max(1.0, abs(term.value)):
        raise _UnreadError
    return term.value


class _UnreadError(Exception):
    """The answer is left to math-verify."""


@dataclass(frozen=True, slots=True)
class _Term:
    value: float
    error: float
    """Bound of the value's rounding error, to first order."""
    has_letter: bool = False


def _term(value: float, error: float, *parts: _Term) -> _Term:
    """Adds the rounding of this operation. Raises OverflowError for what is not finite."""
    if not math.isfinite(value) or not math.isfinite(error):
        raise OverflowError
    exact = error == 0 and abs(value) < 1e9 and value.is_integer()
    return _Term(value, error + (0.0 if exact else 2 * _EPSILON * abs(value)), any(part.has_letter for part in parts))


class _Parser:
    """Recursive descent over one expression, evaluated on the way. Raises _UnreadError, ZeroDivisionError and
    OverflowError, all of which leave the answer to math-verify."""

    def __init__(self, text: str, values: Mapping[str, _Term] | None = None) -> None:
        """`values`: of letters that do not stand for their fixed numbers."""
        self._values = values or {}
        self._tokens: list[tuple[str, str]] = []  # kind: number, letter or sign; text
        place = 0
        while place < len(text):
            match = _TOKEN.match(text, place)
            if match is None:
                raise _UnreadError
            number, letter, sign = match.groups()
            self._tokens.append(("number", number) if number else ("letter", letter) if letter else ("sign", sign))
            place = match.end()
        self._place = 0
        self.letters: set[str] = set()
        self._depth = 0

    def expression_alone(self) -> _Term:
        found = self._expression()
        if self._place < len(self._tokens):
            raise _UnreadError
        return found

    def _expression(self) -> _Term:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise _UnreadError
        negative = self._take("-")
        if not negative:
            self._take("+")
        found = self._product()
        if negative:
            found = _Term(-found.value, found.error, found.has_letter)
        while (plus := self._take("+")) or self._take("-"):
            other = self._product()
            value = found.value + other.value if plus else found.value - other.value
            found = _term(value, found.error + other.error, found, other)
        self._depth -= 1
        return found

    def _product(self) -> _Term:
        found = self._power()
        while True:
            if self._take("*") or self._take("\\cdot") or self._take("\\times"):
                found = _times(found, self._power())
            elif self._take("/"):
                found = _over(found, self._power())
                if self._next()[1] not in ("+", "-", ")", "}", "]", ""):  # 1/2x: over 2x, or times x?
                    raise _UnreadError
                return found
            elif self._next()[0] == "letter" or self._next()[1] in ("\\pi", "\\sqrt", "(", *_FUNCTIONS):
                opened = self._next()[1] == "("
                other = self._power()
                if opened and not other.has_letter:  # 2(3) is read as 2 + 3
                    raise _UnreadError
                found = _times(found, other)
            else:
                return found

    def _power(self) -> _Term:
        base = self._base()
        if not self._take("^"):
            return base
        kind, text = self._next()
        if self._take("{"):
            exponent = self._expression()
            self._expect("}")
        elif kind == "letter" or (kind == "number" and len(text) == 1):
            exponent = self._base()
            if kind == "number" and self._next()[0] == "number":
                raise _UnreadError
        else:
            raise _UnreadError
        if self._next()[1] == "^":
            raise _UnreadError
        return _to_the(base, exponent)

    def _base(self) -> _Term:
        kind, text = self._next()
        self._place += 1
        if kind == "number":
            return _term(float(text), 0.0)
        if kind == "letter":
            if text in _NO_LETTERS:
                raise _UnreadError
            name = text.lower()
            if self._take("_"):
                subscript = self._next()[1]
                if not re.fullmatch(r"[a-z0-9]", subscript):
                    raise _UnreadError
                self._place += 1
                name += f"_{subscript}"
            if self._next()[1] == "(":  # f(x)
                raise _UnreadError
            self.letters.add(name)
            return self._values.get(name) or _Term(float(letter_value(name)), 0.0, has_letter=True)
        if text == "\\pi":
            return _term(math.pi, 0.0)
        if text == "(":
            found = self._expression()
            self._expect(")")
            return found
        if text == "\\frac":
            return _over(self._braced(), self._braced())
        if text == "\\sqrt":
            index = _term(2.0, 0.0)
            if self._take("["):
                index = self._expression()
                self._expect("]")
            return _to_the(self._braced(), _over(_term(1.0, 0.0), index))
        if text in _FUNCTIONS:
            return self._function(text)
        raise _UnreadError

    def _function(self, name: str) -> _Term:
        """A function whose argument is clear: a letter, a fraction, or in brackets."""
        power = 1.0
        if self._take("^"):
            kind, text = self._next()
            if kind != "number" or len(text) != 1:
                raise _UnreadError
            power = self._base().value
        is_clear = self._next()[0] == "letter" or self._next()[1] in ("\\frac", "(")
        argument = self._base() if is_clear else self._braced()
        if self._next()[1] not in ("+", "-", ")", "}", "]", "", "\\cdot", *_FUNCTIONS):  # sin x y
            raise _UnreadError
        return _to_the(_function(name, argument), _term(power, 0.0))

    def _braced(self) -> _Term:
        self._expect("{")
        found = self._expression()
        self._expect("}")
        return found

    def _next(self) -> tuple[str, str]:
        return self._tokens[self._place] if self._place < len(self._tokens) else ("end", "")

    def _take(self, sign: str) -> bool:
        found = self._next() == ("sign", sign)
        self._place += found
        return found

    def _expect(self, sign: str) -> None:
        if not self._take(sign):
            raise _UnreadError


def _times(left: _Term, right: _Term) -> _Term:
    error = abs(left.value) * right.error + abs(right.value) * left.error
    return _term(left.value * right.value, error, left, right)


def _over(top: _Term, bottom: _Term) -> _Term:
    if abs(bottom.value) <= bottom.error:
        raise ZeroDivisionError
    value = top.value / bottom.value
    return _term(value, (top.error + abs(value) * bottom.error) / abs(bottom.value), top, bottom)


def _function(name: str, argument: _Term) -> _Term:
    value, error = argument.value, argument.error
    if name in ("\\ln", "\\log"):
        if value <= 2 * error:
            raise _UnreadError
        logarithm = math.log(value) if name == "\\ln" else math.log10(value)
        return _term(logarithm, 2 * error / value, argument)
    if abs(value) > 1e6:
        raise _UnreadError
    error += 2 * _EPSILON
    if name == "\\tan":
        slope = 1 / math.cos(value) ** 2
        if slope * error > 1e-9:
            raise _UnreadError
        return _term(math.tan(value), 2 * slope * error, argument)
    return _term(math.sin(value) if name == "\\sin" else math.cos(value), error, argument)


def _to_the(base: _Term, exponent: _Term) -> _Term:
    """Raises OverflowError, and ZeroDivisionError for a negative power of 0."""
    if base.value < 0 and not (exponent.error == 0 and exponent.value.is_integer()):
        raise _UnreadError
    if base.error > 1e-3 * abs(base.value):  # 0 but for rounding, perhaps: its root may be anything
        raise _UnreadError
    value = base.value**exponent.value
    if value == 0:
        return _term(0.0, 0.0, base, exponent)
    relative = abs(exponent.value) * base.error / abs(base.value) + abs(math.log(abs(base.value))) * exponent.error
    return _term(value, abs(value) * relative, base, exponent)
