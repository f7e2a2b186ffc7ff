"""Equality of numbers and expressions by their values, without algebra.

An expression in canonical LaTeX is computed with floats and a bound of the rounding error (see
`stages.answers.algebra.expressions`). Two expressions whose values differ by more than their errors are different. The
rest is decided here if the values allow it, and left to math-verify otherwise.
"""

import re
from decimal import Context
from fractions import Fraction
from functools import lru_cache

from stages.answers.algebra.expressions import (
    Term,
    UnsupportedExpressionError,
    evaluate,
    letter_value,
    letters_of,
    rounded_term,
)
from stages.answers.algebra.readings import ENDS_IN_UNIT, MAX_ANSWER
from stages.answers.canonical.numerals import number
from stages.answers.canonical.units import is_unit_word

_LARGEST = 1e9
"""Expressions with larger values are never called equal here: an added 1 is below their rounding error."""
_SMALLEST = 1e-290
"""Nor are those with smaller values, 0 included: 10^{-400} is computed as 0."""
_DECIMAL_TOLERANCE = 1e-5
"""Relative difference that rounded decimals may explain: they count as equal if 6 digits agree."""
_MAX_ERROR = 1e-11
"""Relative error above which two close values do not show that expressions are equal."""
_POINTS = (0.0, 1.25, 2.5)
"""Added to the value of each letter: expressions with letters are compared at these points."""
_NEGATIVE_POINT = -2.5
"""A further point for expressions with |x|, which is x at the other points."""
_I = {"i": Term(1j, 0.0, has_letter=True)}
"""The imaginary unit. An i that is a variable has this value too: equal expressions stay equal."""

_LAST_LETTERS = re.compile(r"(?:[\d}]|\\(?:cdot|times|pi) |(?<![a-zA-Z])[a-zA-Z] (?=[a-zA-Z]\Z))([a-zA-Z]{1,3})\Z")
_INFINITE = re.compile(r"([-+]?)\\infty")


def same_number(left: Fraction, right: Fraction, *, rounded: bool) -> bool:
    """Return whether two numbers are equal; `rounded`: to 6 decimal places, below 1 to 6 significant digits."""
    return _rounded(left) == _rounded(right) if rounded else left == right


def infinity(form: str) -> int:
    """Return 1 for an infinite form, -1 for minus infinity, else 0."""
    match = _INFINITE.fullmatch(form)
    return 0 if match is None else -1 if match[1] == "-" else 1


@lru_cache(maxsize=65_536)
def term_of(form: str, point: float = 0.0) -> Term | None:
    """Return the value of an expression, None if it has none or an ambiguous one.

    `point` is added to the value of each letter.
    """
    value = number(form)
    try:
        if value is not None:
            return rounded_term(float(value), 0.0)
        if len(form) > MAX_ANSWER or (ENDS_IN_UNIT.search(form) and not ends_in_variables(form)):
            return None
        names = letters_of(form) if point else ()
        values = {name: Term(float(letter_value(name)) + point, 0.0, has_letter=True) for name in names}
        return evaluate(form, values | _I)
    except (UnsupportedExpressionError, OverflowError, ZeroDivisionError):
        return None


def ends_in_variables(form: str) -> bool:
    """Return whether the last letters of a canonical form are variables that math-verify would drop as a unit.

    So are those of \\pi r^2h. A unit has a space before it in canonical forms, unless the value is no number.
    """
    match = _LAST_LETTERS.search(form)
    return match is not None and (len(match[1]) == 1 or not is_unit_word(match[1]))


def same_value(left: str, right: str, *, algebra: bool = False) -> bool | None:
    """Return whether two numbers or expressions are equal; None if only math-verify can decide.

    Two integers or fractions are equal if their values are. If one of two numbers is a decimal, 6 decimal places have
    to agree; below 1, six significant digits, so that 1e-9 is not 2e-9. The same goes for a decimal and a constant such
    as \\sqrt{2}. Two constants are equal if their values are equal within the error of computing.

    `algebra`: also decide expressions with letters, which are equal if their values are equal at three points. Set for
    members of an answer that math-verify would not read as a whole.
    """
    if left == right:
        return True
    numbers = number(left), number(right)
    if numbers[0] is not None and numbers[1] is not None:
        return same_number(numbers[0], numbers[1], rounded=is_decimal(left) or is_decimal(right))
    if infinity(left) or infinity(right):
        is_known = all(infinity(form) or term_of(form) for form in (left, right))
        return infinity(left) == infinity(right) if is_known else None
    terms = term_of(left), term_of(right)
    if terms[0] is None or terms[1] is None:
        return None
    return _same_terms((left, right), (terms[0], terms[1]), algebra=algebra)


def _same_terms(forms: tuple[str, str], terms: tuple[Term, Term], *, algebra: bool) -> bool | None:
    has_decimals = any("." in form for form in forms)
    if _differ(*terms, has_decimals=has_decimals):
        return False
    if any(term.has_letter for term in terms):
        is_complex = all(letters_of(form) <= {"i"} for form in forms)
        is_decided_here = algebra or is_complex or any(map(ends_in_variables, forms))
        return _same_at_points(forms, has_decimals=has_decimals) if is_decided_here else None
    for form, term in (forms, terms[::-1]), (forms[::-1], terms):
        value = number(form[0])
        if value is not None and is_decimal(form[0]):
            return _rounded(value) == _rounded(Fraction(term[0].real))
    return _agree(*terms) or None


def _same_at_points(forms: tuple[str, str], *, has_decimals: bool) -> bool | None:
    """Return whether two expressions with letters have equal values at all points; None if that is unknown."""
    agree = []
    for point in _points(forms):
        left, right = (term_of(form, point) for form in forms)
        if left is None or right is None:
            return None
        if _differ(left, right, has_decimals=has_decimals):
            return False
        agree.append(_agree(left, right))
    return all(agree) or None


def _points(forms: tuple[str, str]) -> tuple[float, ...]:
    return (*_POINTS, _NEGATIVE_POINT) if any("|" in form for form in forms) else _POINTS


def differ_by_constant(left: str, right: str) -> bool | None:
    """Return whether the difference of two expressions is the same at all points; None if that is unknown."""
    differences = []
    for point in _points((left, right)):
        terms = term_of(left, point), term_of(right, point)
        if terms[0] is None or terms[1] is None:
            return None
        differences.append(
            Term(terms[0].value - terms[1].value, terms[0].error + terms[1].error + _MAX_ERROR * abs(terms[0].value))
        )
    return not any(_differ(differences[0], other, has_decimals=False) for other in differences[1:])


def _differ(left: Term, right: Term, *, has_decimals: bool) -> bool:
    """Return whether two values certainly differ, even if decimals in their expressions are rounded."""
    tolerance = _DECIMAL_TOLERANCE * max(abs(left.value), abs(right.value)) if has_decimals else 0.0
    # The bounds of the errors hold to first order only, hence the factor.
    return abs(left.value - right.value) > 4 * (left.error + right.error) + tolerance


def _agree(left: Term, right: Term) -> bool:
    """Return whether two values are equal to all digits that are known, and these are many."""
    size = max(abs(left.value), abs(right.value))
    errors = left.error + right.error
    return _SMALLEST < size < _LARGEST and errors <= _MAX_ERROR * size and abs(left.value - right.value) <= errors


def is_decimal(form: str) -> bool:
    """Return whether a canonical number may be rounded: 0.33 or 1e-9, but no fraction."""
    return "." in form or "e" in form


def _rounded(value: Fraction) -> Fraction:
    """Return a number rounded to 6 decimal places; below 1, to 6 significant digits."""
    if abs(value) >= 1:
        return round(value, 6)
    return Fraction(Context(prec=6).divide(value.numerator, value.denominator))
