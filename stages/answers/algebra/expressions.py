"""Values of mathematical expressions in LaTeX: numbers and letters in sums, products, powers, fractions and roots.

e is Euler's number. Every other letter stands for a fixed number, so equal expressions have equal values up to
rounding. A bound of the rounding error is computed with each value. Expressions that could be read in more than one way
(1/2x, 2(3), x^23, f(x)) have no value. The text comes from a model and is never evaluated as code; the parser computes
with floats and complex numbers only.
"""

import cmath
import math
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from hashlib import sha256

_MAX_DEPTH = 20
_EPSILON = 2.0**-52

_TOKEN = re.compile(r" *(?:(\d+\.\d+|\.?\d+)|([a-zA-Z])|(\\[a-zA-Z]+|[-+*/^_(){}\[\]|])) *")
# math-verify reads I as the imaginary unit and d as a differential. It ignores the case of other letters.
_RESERVED_LETTERS = frozenset("EdDI")
_OF_ANGLES = ("\\sin", "\\cos", "\\tan")
_FUNCTIONS = ("\\sin", "\\cos", "\\tan", "\\ln", "\\log")


class UnsupportedExpressionError(Exception):
    """The expression is ambiguous or outside the grammar. It is left to math-verify."""


@dataclass(frozen=True, slots=True)
class Term:
    """The value of an expression or of a part of it."""

    value: float | complex
    """Complex only if `evaluate` got a complex value of a letter."""
    error: float
    """Bound of the value's rounding error, to first order."""
    has_letter: bool = False
    """Whether a letter is part of the expression."""

    @property
    def real(self) -> float:
        """The value of a term without letters, which is real."""
        assert isinstance(self.value, float)
        return self.value


@lru_cache(maxsize=256)
def letter_value(name: str) -> Fraction:
    """Return the number in (0, 2] that stands for a letter."""
    return Fraction(int.from_bytes(sha256(name.encode()).digest()[:3], "big") + 1, 2**23)


def evaluate(text: str, values: Mapping[str, Term] | None = None) -> Term:
    """Return the value of an expression.

    `values` has the values of letters that do not stand for their `letter_value`. Raises UnsupportedExpressionError,
    ZeroDivisionError or OverflowError when the expression has no value or an ambiguous one.
    """
    return _Parser(text, values).whole_expression()


def letters_of(text: str) -> set[str]:
    """Return the letters of an expression, in lower case; of one that has no value, those before the fault."""
    parser = None
    with suppress(UnsupportedExpressionError, OverflowError, ZeroDivisionError):
        parser = _Parser(text)
        parser.whole_expression()
    return parser.letters if parser else set()


def rounded_term(value: float | complex, error: float, *parts: Term) -> Term:
    """Return the term of a `value` that was computed from `parts`.

    Its error is `error`, the bound that follows from the errors of the parts, plus the rounding of this operation.

    Raises OverflowError for a value or error that is not finite.
    """
    if not cmath.isfinite(value) or not math.isfinite(error):
        raise OverflowError
    is_exact = error == 0 and isinstance(value, float) and abs(value) < 1e9 and value.is_integer()
    rounding = 0.0 if is_exact else 2 * _EPSILON * abs(value)
    return Term(value, error + rounding, any(part.has_letter for part in parts))


class _Parser:
    """A recursive-descent parser of one expression that evaluates while it parses. Raises as `evaluate` does."""

    def __init__(self, text: str, values: Mapping[str, Term] | None = None) -> None:
        self._values = values or {}
        self._tokens: list[tuple[str, str]] = []
        """Pairs of kind (number, letter or sign) and text."""
        index = 0
        while index < len(text):
            match = _TOKEN.match(text, index)
            if match is None:
                raise UnsupportedExpressionError
            number, letter, sign = match.groups()
            self._tokens.append(("number", number) if number else ("letter", letter) if letter else ("sign", sign))
            index = match.end()
        self._index = 0
        self._depth = 0
        self._is_argument = False
        """Whether an argument of a function is parsed, which may be in degrees."""
        self._in_bars = False
        """Whether the content of |x| is parsed."""
        self.letters: set[str] = set()

    def whole_expression(self) -> Term:
        term = self._expression()
        if self._index < len(self._tokens):
            raise UnsupportedExpressionError
        return term

    def _expression(self) -> Term:
        """Parse a sum of products, with a sign in front if there is one."""
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise UnsupportedExpressionError
        negative = self._take("-")
        if not negative:
            self._take("+")
        total = self._product()
        if negative:
            total = Term(-total.value, total.error, total.has_letter)
        while (plus := self._take("+")) or self._take("-"):
            summand = self._product()
            value = total.value + summand.value if plus else total.value - summand.value
            total = rounded_term(value, total.error + summand.error, total, summand)
        self._depth -= 1
        return total

    def _product(self) -> Term:
        """Parse factors with or without signs between them, or a quotient with a slash."""
        product = self._power()
        while True:
            if self._take("*") or self._take("\\cdot") or self._take("\\times"):
                product = _times(product, self._power())
            elif self._take("/"):
                product = _over(product, self._power())
                if self._next()[1] not in ("+", "-", ")", "}", "]", "|", ""):  # 1/2x: over 2x, or times x?
                    raise UnsupportedExpressionError
                return product
            elif (
                self._next()[0] == "letter"
                or self._next()[1] in ("\\pi", "\\sqrt", "(", *_FUNCTIONS)
                or (self._next()[1] == "|" and not self._in_bars)
            ):
                in_brackets = self._next()[1] == "("
                factor = self._power()
                if in_brackets and not factor.has_letter:  # math-verify reads 2(3) as 2 + 3
                    raise UnsupportedExpressionError
                product = _times(product, factor)
            else:
                return product

    def _power(self) -> Term:
        base = self._base()
        if not self._take("^"):
            return base
        if self._is_argument and self._take("\\circ"):
            return _times(base, rounded_term(math.pi / 180, 0.0))
        kind, text = self._next()
        if self._take("{"):
            exponent = self._expression()
            self._expect("}")
        elif kind == "letter" or text == "\\pi" or (kind == "number" and len(text) == 1):
            exponent = self._base()
            if kind == "number" and self._next()[0] == "number":
                raise UnsupportedExpressionError
        else:
            raise UnsupportedExpressionError
        if self._next()[1] == "^":
            raise UnsupportedExpressionError
        return _to_the(base, exponent)

    def _base(self) -> Term:
        """Parse a number, a letter, brackets, a fraction, a root or a function."""
        kind, text = self._next()
        self._index += 1
        if kind == "number":
            return rounded_term(float(text), 0.0)
        if kind == "letter":
            return self._letter(text)
        if text == "\\pi":
            return rounded_term(math.pi, 0.0)
        if text == "(":
            term = self._expression()
            self._expect(")")
            return term
        if text == "|":
            was_in_bars, self._in_bars = self._in_bars, True
            term = self._expression()
            self._in_bars = was_in_bars
            self._expect("|")
            return Term(abs(term.value), term.error, term.has_letter)
        if text == "\\frac":
            return _over(self._braced(), self._braced())
        if text == "\\sqrt":
            index = rounded_term(2.0, 0.0)
            if self._take("["):
                index = self._expression()
                self._expect("]")
            return self._root(self._braced(), index)
        if text in _FUNCTIONS:
            return self._function(text)
        raise UnsupportedExpressionError

    def _root(self, radicand: Term, index: Term) -> Term:
        """Return a root; \\sqrt{-4} is 2i if i has a value."""
        if isinstance(radicand.value, float) and radicand.value < -radicand.error and index.value == 2:
            if "i" not in self._values:
                raise UnsupportedExpressionError
            size = _to_the(Term(-radicand.value, radicand.error, radicand.has_letter), rounded_term(0.5, 0.0))
            return _times(size, self._values["i"])
        return _to_the(radicand, _over(rounded_term(1.0, 0.0), index))

    def _letter(self, letter: str) -> Term:
        """Parse the subscript of a letter, if there is one, and return the letter's value."""
        if letter in _RESERVED_LETTERS or (letter == "e" and self._next()[1] in ("_", "(")):
            raise UnsupportedExpressionError
        if letter == "e":
            return rounded_term(math.e, 0.0)
        name = letter.lower()
        if self._take("_"):
            subscript = self._next()[1]
            if not re.fullmatch(r"[a-z0-9]", subscript):
                raise UnsupportedExpressionError
            self._index += 1
            name += f"_{subscript}"
        if self._next()[1] == "(":  # f(x)
            raise UnsupportedExpressionError
        self.letters.add(name)
        return self._values.get(name) or Term(float(letter_value(name)), 0.0, has_letter=True)

    def _function(self, name: str) -> Term:
        """Parse the power of a function (\\sin^2 x) and its argument: a letter, a fraction, brackets or braces."""
        power = rounded_term(1.0, 0.0)
        if self._take("^"):
            kind, text = self._next()
            if kind != "number" or len(text) != 1:
                raise UnsupportedExpressionError
            power = self._base()
        is_clear = self._next()[0] in ("letter", "number") or self._next()[1] in ("\\frac", "(", "|")
        was_argument, self._is_argument = self._is_argument, name in _OF_ANGLES
        if self._is_argument and self._next()[0] == "number":
            argument = self._power()  # \sin30^\circ
        else:
            argument = self._base() if is_clear else self._braced()
        self._is_argument = was_argument
        if self._next()[1] not in ("+", "-", ")", "}", "]", "|", "", "\\cdot", *_FUNCTIONS):  # sin x y
            raise UnsupportedExpressionError
        return _to_the(_apply(name, argument), power)

    def _braced(self) -> Term:
        self._expect("{")
        term = self._expression()
        self._expect("}")
        return term

    def _next(self) -> tuple[str, str]:
        return self._tokens[self._index] if self._index < len(self._tokens) else ("end", "")

    def _take(self, sign: str) -> bool:
        """Move past `sign` if it is next, and return whether it was."""
        is_next = self._next() == ("sign", sign)
        self._index += is_next
        return is_next

    def _expect(self, sign: str) -> None:
        if not self._take(sign):
            raise UnsupportedExpressionError


def _times(left: Term, right: Term) -> Term:
    error = abs(left.value) * right.error + abs(right.value) * left.error
    return rounded_term(left.value * right.value, error, left, right)


def _over(top: Term, bottom: Term) -> Term:
    if abs(bottom.value) <= bottom.error:
        raise ZeroDivisionError
    value = top.value / bottom.value
    return rounded_term(value, (top.error + abs(value) * bottom.error) / abs(bottom.value), top, bottom)


def _apply(name: str, argument: Term) -> Term:
    """Return the value of a function of `_FUNCTIONS`."""
    value, error = argument.value, argument.error
    if isinstance(value, complex):
        raise UnsupportedExpressionError
    if name in ("\\ln", "\\log"):
        if value <= 2 * error:
            raise UnsupportedExpressionError
        logarithm = math.log(value) if name == "\\ln" else math.log10(value)
        return rounded_term(logarithm, 2 * error / value, argument)
    if abs(value) > 1e6:
        raise UnsupportedExpressionError
    error += 2 * _EPSILON
    if name == "\\tan":
        slope = 1 / math.cos(value) ** 2
        if slope * error > 1e-9:
            raise UnsupportedExpressionError
        return rounded_term(math.tan(value), 2 * slope * error, argument)
    return rounded_term(math.sin(value) if name == "\\sin" else math.cos(value), error, argument)


def _to_the(base: Term, exponent: Term) -> Term:
    """Return a power. Raises as `evaluate` does."""
    is_integer = exponent.error == 0 and isinstance(exponent.value, float) and exponent.value.is_integer()
    if not is_integer and (isinstance(base.value, complex) or base.value < 0):
        raise UnsupportedExpressionError
    if base.error > 1e-3 * abs(base.value):  # the base may be 0, and the error of a root of it is then unbounded
        raise UnsupportedExpressionError
    value = base.value ** (int(exponent.real) if isinstance(base.value, complex) else exponent.value)
    if value == 0:
        return rounded_term(0.0, 0.0, base, exponent)
    relative_error = abs(exponent.value) * base.error / abs(base.value)
    relative_error += abs(cmath.log(base.value)) * exponent.error
    if isinstance(value, complex):
        relative_error += abs(exponent.value) * _EPSILON
    return rounded_term(value, abs(value) * relative_error, base, exponent)
