"""What an answer is made of: its canonical form, taken apart into numbers, lists, intervals, quantities and so on.

`structure` is the only parser. Its rules are `_RULES`, tried in order. A form that no rule fits is a `Leaf`: a number,
or an expression that is left to `stages.answers.equality.values` and math-verify.
"""

import re
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache

from stages.answers.algebra.expressions import letters_of
from stages.answers.canonical.numerals import number
from stages.answers.canonical.units import split_quantity
from stages.answers.equality.brackets import AND, COMMA, OR, enclosed, split
from stages.answers.equality.intervals import REALS as REAL_NUMBERS
from stages.answers.equality.members import both_points, gathered, scaled_matrix
from stages.answers.equality.names import is_name, is_operation, plain_name, tuple_of_names
from stages.answers.equality.parts import (
    Antiderivative,
    Equation,
    Leaf,
    Matrix,
    Members,
    Numbers,
    Pair,
    Peculiar,
    Percent,
    Quantity,
    Ratio,
    Rounded,
    Structure,
    Words,
)
from stages.answers.equality.regions import Region, finite_set, membership, region
from stages.answers.equality.rounding import is_rounded
from stages.answers.equality.special import Special, special
from stages.answers.equality.values import infinity, term_of
from stages.answers.equality.words import NOTHING, REALS, name_of, words_of

MAX_FORM = 1_200
"""Longest form, in characters, that is taken apart."""
DEGREE = "°"
"""Unit of angles."""
_MAX_DEPTH = 6
_MAX_MEMBERS = 60


@lru_cache(maxsize=65_536)
def structure(form: str, depth: int = 0) -> Structure:
    """Return what a canonical form is made of. `depth`: number of structures that it is a member of."""
    if number(form) is not None or depth > _MAX_DEPTH or len(form) > MAX_FORM:
        return Leaf(form)
    for rule in _RULES:
        if (result := rule(form, depth)) is not None:
            return result
    return Leaf(form)


def is_known(form: str) -> bool:
    """Return whether a form has parts, and all of them have a value, so that math-verify need not read it."""
    whole = structure(form)
    return not isinstance(whole, Leaf) and _is_known(whole)


def _is_known(whole: Structure) -> bool:
    match whole:
        case Leaf() | Antiderivative():
            return infinity(whole.form) != 0 or term_of(whole.form) is not None
        case Quantity() | Equation():
            return _is_known(whole.value)
        case Rounded():
            return _is_known(whole.exact) and _is_known(whole.decimal)
        case Members() | Pair():
            return all(map(_is_known, whole.items))
        case Matrix():
            return all(_is_known(entry) for row in whole.rows for entry in row)
        case Numbers():
            return whole.region.is_known
    return True


def _parts(parts: list[str], depth: int) -> tuple[Structure, ...] | None:
    """Return the structures of parts; None if a part is empty or there are too many."""
    if not all(parts) or len(parts) > _MAX_MEMBERS:
        return None
    return tuple(structure(part, depth + 1) for part in parts)


def _words(form: str, depth: int) -> Structure | None:
    text = words_of(form)
    if text == NOTHING:
        return Members("set", ())
    return Numbers(Region((REAL_NUMBERS,))) if text == REALS else None if text is None else Words(text)


def _name_with_numbers(form: str, depth: int) -> Structure | None:
    text = name_of(form)
    return None if text is None else Words(text)


# --- Members --------------------------------------------------------------------------------------------------------

_MATRIX = re.compile(r"\\begin\{([pbB]?matrix|smallmatrix|array)\}(?:\{[lcr|]{1,20}\})?(.*)\\end\{\1\}", re.DOTALL)
_SCALED_MATRIX = re.compile(r"([^,;=<>&|]{1,40}?)(\\begin\{.*)", re.DOTALL)
_CASES = re.compile(
    r"(?:\\begin\{(?:cases|aligned?|gathered)\}|\\\{ ?\\begin\{(?:array|aligned)\}(?:\{[lcr|]{1,20}\})?)"
    r"(.*)\\end\{[a-z]{5,8}\}",
    re.DOTALL,
)
_ROW = re.compile(r"\\\\(?:\[[^\]]{0,9}\])?")
_PLUS_MINUS = re.compile(r"\\pm(?![a-zA-Z])")
_TRANSPOSED = re.compile(r"([)\]}]|\\rangle)\^\{?(?:[Tt]|\\(?:top|intercal|mathsf\{T\}))\}?\Z")
_NAMED_POINT = re.compile(r"([A-Z](?:_[a-zA-Z0-9]|'{1,2})?)(\([^()]*(?:\([^()]*\)[^()]*)*\))")


def _matrix(form: str, depth: int) -> Structure | None:
    if match := _CASES.fullmatch(form):
        equations = [row.replace("&", "").strip(" ,;") for row in _ROW.split(match[1])]
        return structure(",".join(filter(None, equations)), depth + 1)
    match = _MATRIX.fullmatch(form)
    if match and "\\begin" in match[2]:
        return None  # two matrices
    if match is None:
        if scaled := _SCALED_MATRIX.fullmatch(form):
            return scaled_matrix("-1" if scaled[1] == "-" else scaled[1], structure(scaled[2], depth + 1))
        brackets = enclosed(form)
        inner = _MATRIX.fullmatch(brackets[1]) if brackets and brackets[0] in ("(", "[") else None
        return None if inner is None else _matrix(brackets[1], depth) if brackets else None
    rows = [_parts([entry.strip() for entry in row.split("&")], depth) for row in _ROW.split(match[2]) if row.strip()]
    if not rows or any(row is None or len(row) != len(rows[0] or ()) for row in rows):
        return None
    return Matrix(tuple(row for row in rows if row is not None))


def _transposed(form: str, depth: int) -> Structure | None:
    """(1,2)^T, which is a column, or a transposed matrix."""
    match = _TRANSPOSED.search(form)
    whole = structure(form[: match.end(1)], depth + 1) if match else None
    match whole:
        case Matrix():
            return Matrix(tuple(zip(*whole.rows, strict=True)))
        case Pair() | Members(kind="tuple" | "sequence"):
            return Matrix(tuple((item,) for item in whole.items))
    return None


def _named_point(form: str, depth: int) -> Structure | None:
    """A(1,2). P(5,2) and C(5,2) are numbers of permutations and combinations as well."""
    match = _NAMED_POINT.fullmatch(form)
    parts = split(match[2][1:-1], COMMA) if match else []
    if (
        match is None
        or not 2 <= len(parts) <= 3
        or not all((term := term_of(part)) and not term.has_letter for part in parts)
    ):
        return None
    if match[1] in "CP" and all(map(str.isdigit, parts)) and int(parts[0]) >= int(parts[1]):
        return None
    return Equation(match[1], structure(match[2], depth + 1), (form,))


def _operations_on_sets(form: str, depth: int) -> Structure | None:
    members = finite_set(form)
    items = None if members is None else _parts(members, depth)
    return None if items is None else Members("set", items)


def _plus_minus(form: str, depth: int) -> Structure | None:
    """Two answers: 1\\pm\\sqrt{2}."""
    sides = _PLUS_MINUS.split(form)
    if len(sides) != 2 or "\\mp" in form:
        return None
    before, after = (side.strip() for side in sides)
    plus = f"{before}+{after}" if before and before[-1] not in "({[=," else before + after
    parts = _parts([plus, f"{before}-{after}"], depth)
    return None if parts is None else Members("list", parts)


def _in_brackets(form: str, depth: int) -> Structure | None:
    brackets = enclosed(form)
    if brackets is None:
        return None
    opening, content, closing = brackets
    parts = split(content, COMMA)
    if opening not in ("(", "[", "\\{", "\\langle") or not all(parts):
        return None
    if opening == "\\{":
        parts = split(content, (*COMMA, AND))
    elif len(parts) == 1:
        matches = (opening, closing) in (("(", ")"), ("[", "]"))
        return structure(content, depth + 1) if matches else None
    items = _parts(parts, depth)
    if items is None:
        return None
    if opening == "\\{":
        return gathered("set", items)
    if opening in ("(", "\\langle") and (points := both_points(items)):
        return Members("list", points)
    if len(items) == 2 and opening != "\\langle":
        return Pair(opening, closing, (items[0], items[1]), region(form))
    return Members("sequence" if opening == "[" else "tuple", items)


def _list(form: str, depth: int) -> Structure | None:
    parts = split(form, (*COMMA, AND, OR))
    items = _parts(parts, depth) if len(parts) > 1 else None
    return None if items is None else gathered("list", items)


# --- Numbers, equations and quantities ------------------------------------------------------------------------------

_INEQUALITIES = ("<", ">", "\\le", "\\ge", "\\ne")


def _numbers(form: str, depth: int) -> Structure | None:
    brackets = enclosed(form)
    if brackets and brackets[0] != "\\{" and len(split(brackets[1], COMMA)) == 2:
        return None  # may be a point
    numbers = region(form)
    return None if numbers is None else Numbers(numbers)


_FOR_INTEGERS = re.compile(r"(.+?),? ?\(?[a-z] ?\\in ?\\mathbb\{Z\}\)?")


def _for_integers(form: str, depth: int) -> Structure | None:
    """k\\pi for all integers k, which the form would mean anyway."""
    match = _FOR_INTEGERS.fullmatch(form)
    return structure(match[1], depth + 1) if match else None


def _membership(form: str, depth: int) -> Structure | None:
    parts = membership(form)
    return None if parts is None else structure(parts[1], depth + 1)


def _equation(form: str, depth: int) -> Structure | None:
    sides = split(form, ("=", "\\approx", "\\equiv"))
    if len(sides) == 1 or not all(sides) or len(split(form, _INEQUALITIES)) > 1:
        return None
    first, last = sides[0], sides[-1]
    if words_of(first) and (len(first) > 3 or " " in first):
        return structure(last, depth + 1)  # area = 5
    if len(sides) == 2 and is_name(last) and not is_name(first):
        first, last = last, first
    if (letters := tuple_of_names(first)) is not None:
        return _named_tuple(letters, last, depth)
    if len(sides) > 2 and all(len(side) == 1 and side.islower() for side in sides[:-1]):
        return structure(",".join(f"{side}={last}" for side in sides[:-1]), depth + 1)  # x=y=2
    if is_name(first):
        return Equation(plain_name(first), structure(last, depth + 1), tuple(sides))
    if is_operation(first):
        return structure(last, depth + 1)  # \gcd(12,18)=6
    if "\\approx" in form and all(map(term_of, sides)):
        return Equation(None, structure(last, depth + 1), tuple(sides))  # 1\approx2 is neither 1 nor 2
    values = [split_quantity(side)[0] for side in sides]
    is_result = len(sides) > 2 or all((term := term_of(side)) and not term.has_letter for side in values)  # 2+3=5
    return structure(last, depth + 1) if is_result else Equation(None, structure(last, depth + 1), tuple(sides))


def _rounded(form: str, depth: int) -> Structure | None:
    """x=\\sqrt{2}\\approx1.41, if the decimal is the exact value rounded; None for any other text."""
    sides = split(form, ("\\approx",))
    if len(sides) < 2 or not all(sides):
        return None
    name, *values = split(sides[0], ("=",))
    exact, decimal = structure((values or [name])[-1], depth + 1), structure(sides[-1], depth + 1)
    if not is_rounded(exact, decimal):
        return None
    if isinstance(decimal, Quantity) and isinstance(exact, Leaf):
        exact = Quantity(exact, decimal.unit)
    whole = Rounded(exact, decimal)
    return Equation(plain_name(name), whole, tuple(sides)) if values and is_name(name) else whole


def _named_tuple(names: list[str], value: str, depth: int) -> Structure:
    """Return (x,y)=(1,2) as x=1,y=2."""
    whole = structure(value, depth + 1)
    items = whole.items if isinstance(whole, Members | Pair) else ()
    if len(items) != len(names):
        return whole
    equations = tuple(Equation(plain_name(name), item, (name,)) for name, item in zip(names, items, strict=True))
    return Members("assignments", equations)


_ZERO_IN_FRONT = re.compile(r"(?<![\d.])0\d")


def _peculiar(form: str, depth: int) -> Structure | None:
    value = special(form)
    if ":" in form and (ratio := _ratio(form, value)):
        return ratio
    return None if value is None else Peculiar(value)


def _ratio(form: str, value: Special | None) -> Ratio | None:
    terms = split(form, (":",))
    is_ratio = (value is None or form[-1].isdigit()) and not _ZERO_IN_FRONT.search(form)  # 10:30am and 2:05 are none
    return Ratio(tuple(terms), value) if is_ratio and 1 < len(terms) < 9 and all(map(term_of, terms)) else None


def _percent(form: str, depth: int) -> Structure | None:
    return Percent(form[:-1].strip()) if form.endswith("%") and term_of(form[:-1].strip()) else None


_CONSTANT = r"(?:C(?:_[0-9])?|[cC]onst(?:ant)?\.?)"
_ANTIDERIVATIVE = re.compile(rf"(?:(.+?)\+ ?{_CONSTANT}|{_CONSTANT} ?\+(.+))")
_FUNCTION_LETTERS = frozenset("xytuvszr")


def _antiderivative(form: str, depth: int) -> Structure | None:
    """x^2+C: a function of one variable, and a constant that is named as one of integration."""
    match = _ANTIDERIVATIVE.fullmatch(form) if len(form) <= 200 else None
    function = (match[1] or match[2]) if match else ""
    letters = letters_of(function)
    is_function = len(letters) == 1 and letters <= _FUNCTION_LETTERS and term_of(function) is not None
    return Antiderivative(f"{function}+C", function) if is_function else None


_DEGREES = re.compile(r"(-?)(\d{1,3})\^\\circ ?([0-5]?\d(?:\.\d{1,9})?)'(?: ?([0-5]?\d(?:\.\d{1,9})?)(?:''|\"))?")


def _angle(form: str, depth: int) -> Structure | None:
    """90^\\circ30' in degrees."""
    match = _DEGREES.fullmatch(form)
    if match is None:
        return None
    size = int(match[2]) + Fraction(match[3]) / 60 + Fraction(match[4] or 0) / 3600
    return Quantity(Leaf(str(-size if match[1] else size)), DEGREE)


def _quantity(form: str, depth: int) -> Structure | None:
    if not form[:1].isascii() or len(form) > 200:
        return None
    value, unit = split_quantity(form)
    return None if unit is None else Quantity(structure(value, depth + 1), unit)


_RULES: tuple[Callable[[str, int], Structure | None], ...] = (
    _peculiar,  # 2024-05-01, 10:30am, 101_2, 3:2
    _for_integers,  # k\pi,k\in\mathbb{Z}
    _numbers,  # x>2, (0,1)\cup(1,2), \mathbb{R}
    _membership,  # x\in\{1,2\}
    _operations_on_sets,  # \{1,2\}\cup\{3\}
    _words,  # no solution, Rh-positive
    _matrix,  # \begin{pmatrix}1&2\\3&4\end{pmatrix}
    _transposed,  # (1,2)^T
    _named_point,  # A(1,2)
    _in_brackets,  # (1,2), [1,2), \{1,2\}, \langle1,2\rangle
    _list,  # 1,2 and 3
    _rounded,  # \sqrt{2}\approx1.41
    _equation,  # x=5, f(x)=x^2
    _plus_minus,  # 1\pm\sqrt{2}
    _antiderivative,  # x^2+C
    _percent,  # 50%
    _angle,  # 90^\circ30'
    _quantity,  # 5 km, 90^\circ
    _name_with_numbers,  # Article 5
)
