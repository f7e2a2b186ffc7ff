"""What an answer is made of: its canonical form, taken apart into numbers, lists, intervals, quantities and so on.

`structure` is the only parser. Its rules are `_RULES`, tried in order. A form that no rule fits is a `Leaf`: a number,
or an expression that is left to `stages.answers.equality.values` and math-verify.
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Literal

from stages.answers.canonical.numerals import number
from stages.answers.canonical.units import split_quantity
from stages.answers.equality.brackets import AND, OR, enclosed, split
from stages.answers.equality.intervals import REALS as REAL_NUMBERS
from stages.answers.equality.parts import (
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
from stages.answers.equality.regions import Region, membership, region
from stages.answers.equality.special import Special, special
from stages.answers.equality.values import infinity, term_of
from stages.answers.equality.words import NOTHING, REALS, name_of, words_of

MAX_FORM = 1_200
"""Longest form, in characters, that is taken apart."""
DEGREE = "°"
"""Unit of angles."""
_MAX_DEPTH = 6
_MAX_MEMBERS = 60

_COMMA = (",", ";")


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
        case Leaf():
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
_CASES = re.compile(r"\\begin\{(cases|aligned?|gathered)\}(.*)\\end\{\1\}", re.DOTALL)
_ROW = re.compile(r"\\\\(?:\[[^\]]{0,9}\])?")
_PLUS_MINUS = re.compile(r"\\pm(?![a-zA-Z])")


def _matrix(form: str, depth: int) -> Structure | None:
    if match := _CASES.fullmatch(form):
        equations = [row.replace("&", "").strip(" ,;") for row in _ROW.split(match[2])]
        return structure(",".join(filter(None, equations)), depth + 1)
    match = _MATRIX.fullmatch(form)
    if match is None:
        brackets = enclosed(form)
        inner = _MATRIX.fullmatch(brackets[1]) if brackets and brackets[0] in ("(", "[") else None
        return None if inner is None else _matrix(brackets[1], depth) if brackets else None
    rows = [_parts([entry.strip() for entry in row.split("&")], depth) for row in _ROW.split(match[2]) if row.strip()]
    if not rows or any(row is None or len(row) != len(rows[0] or ()) for row in rows):
        return None
    return Matrix(tuple(row for row in rows if row is not None))


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
    parts = split(content, _COMMA)
    if opening not in ("(", "[", "\\{", "\\langle") or not all(parts):
        return None
    if opening == "\\{":
        parts = split(content, (*_COMMA, AND))
    elif len(parts) == 1:
        matches = (opening, closing) in (("(", ")"), ("[", "]"))
        return structure(content, depth + 1) if matches else None
    items = _parts(parts, depth)
    if items is None:
        return None
    if opening == "\\{":
        return _gathered("set", items)
    if len(items) == 2 and opening != "\\langle":
        return Pair(opening, closing, (items[0], items[1]), region(form))
    return Members("sequence" if opening == "[" else "tuple", items)


def _gathered(kind: Literal["list", "set"], items: tuple[Structure, ...]) -> Structure:
    """Return members of a list or set, of which some may be lists (\\pm3)."""
    flat: list[Structure] = []
    for item in items:
        flat += item.items if isinstance(item, Members) and item.kind == "list" else (item,)
    in_order = _assignments(flat)
    return Members("assignments", in_order) if in_order else Members(kind, tuple(flat))


def _list(form: str, depth: int) -> Structure | None:
    parts = split(form, (*_COMMA, AND, OR))
    items = _parts(parts, depth) if len(parts) > 1 else None
    return None if items is None else _gathered("list", items)


def _assignments(items: Sequence[Structure]) -> tuple[Structure, ...] | None:
    """Return equations of different letters, x=1,y=2, in the order of these; None for anything else."""
    equations = [item for item in items if isinstance(item, Equation) and item.name]
    names = {equation.name for equation in equations}
    if len(equations) < max(2, len(items)) or len(names) < len(items):
        return None
    return tuple(sorted(equations, key=lambda equation: equation.name or ""))


# --- Numbers, equations and quantities ------------------------------------------------------------------------------

_GREEK = "alpha|beta|gamma|delta|epsilon|theta|lambda|mu|rho|sigma|tau|phi|omega|Delta|ell"
_SYMBOL = rf"(?:[a-zA-Z]|\\(?:{_GREEK})(?![a-z]) ?)"
_INDEX = r"(?:_(?:[a-zA-Z0-9]|\{[a-zA-Z0-9,+-]{1,8}\}))?"
_NAME = re.compile(
    rf"(?:{_SYMBOL}{_INDEX}'{{0,2}}(?: ?[+-] ?| ?)){{0,5}}{_SYMBOL}{_INDEX}'{{0,2}}"  # x, x_1, AB, m+n
    r"|[a-zA-Z](?:\^\{?-1\}?)?'{0,3}\([^()=]{1,20}\)"  # f(x), f^{-1}(2), P(X>2)
    r"|\|[A-Z]{1,2}\||m?\\(?:angle|triangle) ?[A-Z]{1,3}|\\(?:overline|vec|overrightarrow|mathbf)\{[a-zA-Z]{1,3}\}"
    r"|\\frac\{d ?[a-z]?\}\{d ?[a-z]\}|\\lfloor [a-z]\\rfloor"
)
_INEQUALITIES = ("<", ">", "\\le", "\\ge", "\\ne")


def _numbers(form: str, depth: int) -> Structure | None:
    brackets = enclosed(form)
    if brackets and brackets[0] != "\\{" and len(split(brackets[1], _COMMA)) == 2:
        return None  # may be a point
    numbers = region(form)
    return None if numbers is None else Numbers(numbers)


def _membership(form: str, depth: int) -> Structure | None:
    parts = membership(form)
    return None if parts is None else structure(parts[1], depth + 1)


def _equation(form: str, depth: int) -> Structure | None:
    sides = split(form, ("=", "\\approx"))
    if len(sides) == 1 or not all(sides) or len(split(form, _INEQUALITIES)) > 1:
        return None
    first, last = sides[0], sides[-1]
    if words_of(first) and (len(first) > 3 or " " in first):
        return structure(last, depth + 1)  # area = 5
    if len(sides) == 2 and _is_name(last) and not _is_name(first):
        first, last = last, first
    if (letters := _tuple_of_names(first)) is not None:
        return _named_tuple(letters, last, depth)
    if _is_name(first):
        return Equation(_name(first), structure(last, depth + 1), tuple(sides))
    values = [split_quantity(side)[0] for side in sides]
    is_result = len(sides) > 2 or all((term := term_of(side)) and not term.has_letter for side in values)  # 2+3=5
    return structure(last, depth + 1) if is_result else Equation(None, structure(last, depth + 1), tuple(sides))


def _rounded(form: str, depth: int) -> Structure | None:
    """x=\\sqrt{2}\\approx1.41, if the decimal is the exact value rounded; None for any other text."""
    sides = split(form, ("\\approx",))
    if len(sides) != 2 or not all(sides):
        return None
    name, *values = split(sides[0], ("=",))
    if values and not _is_name(name):
        return None
    exact, decimal = structure((values or [name])[-1], depth + 1), structure(sides[1], depth + 1)
    if not _is_rounded(exact, decimal):
        return None
    if isinstance(decimal, Quantity) and isinstance(exact, Leaf):
        exact = Quantity(exact, decimal.unit)
    whole = Rounded(exact, decimal)
    return Equation(_name(name), whole, tuple(sides)) if values else whole


def _is_rounded(exact: Structure, decimal: Structure) -> bool:
    """Return whether a decimal is the value of an exact form, rounded or cut off."""
    if isinstance(decimal, Quantity):
        units_agree = not isinstance(exact, Quantity) or exact.unit == decimal.unit
        return units_agree and _is_rounded(exact.value if isinstance(exact, Quantity) else exact, decimal.value)
    forms = [side.number if isinstance(side, Percent) else side.form for side in (exact, decimal)
             if isinstance(side, Percent | Leaf)]  # fmt: skip
    value = term_of(forms[0]) if len(forms) == 2 else None
    rounded = number(forms[1]) if value and not value.has_letter else None
    if value is None or rounded is None:
        return False
    in_percent = isinstance(decimal, Percent) and not isinstance(exact, Percent)
    decimals = len(forms[1].partition(".")[2]) if "e" not in forms[1] else 0
    difference = abs(value.value * (100 if in_percent else 1) - float(rounded))
    return difference <= (1.0 if decimals else 0.5) * 10.0**-decimals


def _is_name(text: str) -> bool:
    return len(text) <= 40 and _NAME.fullmatch(text) is not None


def _name(text: str) -> str:
    return re.sub(r"[ {}]", "", text)


def _tuple_of_names(text: str) -> list[str] | None:
    brackets = enclosed(text)
    names = split(brackets[1], _COMMA) if brackets and brackets[0] == "(" else []
    return names if len(names) > 1 and all(_is_name(name) for name in names) else None


def _named_tuple(names: list[str], value: str, depth: int) -> Structure:
    """Return (x,y)=(1,2) as x=1,y=2."""
    whole = structure(value, depth + 1)
    items = whole.items if isinstance(whole, Members | Pair) else ()
    if len(items) != len(names):
        return whole
    equations = tuple(Equation(_name(name), item, (name,)) for name, item in zip(names, items, strict=True))
    return Members("assignments", _assignments(equations) or equations)


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


def _quantity(form: str, depth: int) -> Structure | None:
    if not form[:1].isascii() or len(form) > 200:
        return None
    value, unit = split_quantity(form)
    return None if unit is None else Quantity(structure(value, depth + 1), unit)


_RULES: tuple[Callable[[str, int], Structure | None], ...] = (
    _peculiar,  # 2024-05-01, 10:30am, 101_2, 3:2
    _numbers,  # x>2, (0,1)\cup(1,2), \mathbb{R}
    _membership,  # x\in\{1,2\}
    _words,  # no solution, Rh-positive
    _matrix,  # \begin{pmatrix}1&2\\3&4\end{pmatrix}
    _in_brackets,  # (1,2), [1,2), \{1,2\}, \langle1,2\rangle
    _list,  # 1,2 and 3
    _rounded,  # \sqrt{2}\approx1.41
    _equation,  # x=5, f(x)=x^2
    _plus_minus,  # 1\pm\sqrt{2}
    _percent,  # 50%
    _quantity,  # 5 km, 90^\circ
    _name_with_numbers,  # Article 5
)
