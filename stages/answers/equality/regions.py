"""Sets of real numbers in one normal form: intervals, inequalities, and unions of them.

x>2                           (2,\\infty)
-2\\le x<7                     [-2,7)
x<-1 or x\\ge4                 (-\\infty,-1)\\cup[4,\\infty)
x\\ne0                         (-\\infty,0)\\cup(0,\\infty)
\\mathbb{R}\\setminus\\{0\\}      (-\\infty,0)\\cup(0,\\infty)
(0,3)\\cap[1,5]                [1,3)
\\{x\\mid x>2\\}                 (2,\\infty)
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from stages.answers.algebra.expressions import Term, UnsupportedExpressionError, evaluate, letters_of
from stages.answers.canonical.numerals import TwoReadingsError, number
from stages.answers.equality.brackets import AND, OR, enclosed, split, split_with
from stages.answers.equality.intervals import (
    REALS,
    Interval,
    UnknownOrderError,
    intersection,
    interval,
    same_intervals,
    union,
    without,
)
from stages.answers.equality.values import infinity, term_of

_INFINITY = "\\infty"
_REALS = ("\\mathbb{R}", "\\R", "\\Re", "\\mathbb R", "\\mathbf{R}", "ℝ")
_WITHOUT = ("\\setminus", "\\backslash", "\\smallsetminus")
_OPERATIONS: dict[str, Callable[[list[Interval], list[Interval]], list[Interval]]] = {
    "\\cup": lambda left, right: union([*left, *right]), "\\cap": intersection, **dict.fromkeys(_WITHOUT, without)
}  # fmt: skip
_MAX_PARTS = 12
_MAX_DEPTH = 4
_MAX_SIDE = 60
_MAX_ERROR = 1e-9
_POINTS = (0.37, 5.3)
"""Further points at which an inequality that is linear in its letter is tried."""

_SIGNS = {
    "<": "<", "\\lt": "<", "\\le": "<=", "\\leq": "<=", "\\leqslant": "<=",
    ">": ">", "\\gt": ">", "\\ge": ">=", "\\geq": ">=", "\\geqslant": ">=",
    "\\ne": "!=", "\\neq": "!=", "=": "=",
}  # fmt: skip
_PLAIN_SIGNS = re.compile(r"(?P<le><=|≤)|(?P<ge>>=|≥)|(?P<ne>!=|≠)")
_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "!=": "!=", "=": "="}
_VARIABLE = re.compile(r"(?:[a-zA-Z]|\\[a-z]{2,7})(?:_(?:[a-z0-9]|\{[a-z0-9]{1,3}\}))?(?:\([a-z]\))?")  # x, x_1, f(x)
_CONSTANTS = ("\\pi", "\\infty", "\\emptyset")
_MEMBER = re.compile(r"([^,;<>=]{1,20}?) ?(?:\\in(?![a-zA-Z])|∈) ?(.+)")  # x\in[0,5)
_BUILDER = re.compile(r"([^,;<>=|:]{1,30}?) ?(?:\\mid(?![a-zA-Z])|\\vert(?![a-zA-Z])|[|:]) ?(.+)")  # x\mid x>2
# all real numbers except 3
_EXCEPT = re.compile(r"(?:all|any) (?:reals?|real numbers?|real values?) except (?:for )?(?:[a-z]=)?(.+)")
_SIZE = re.compile(r"\|([^|]+)\|")
_PLUS_MINUS = re.compile(r"(\\ne ?)\\pm ?([^,;<>=]{1,20})\Z")  # x\ne\pm2
_OUTWARD_START = re.compile(r"(?:\A|(?<=\\cup)|(?<=\\in))\]")  # ]0,1[ is (0,1)
_OUTWARD_END = re.compile(r"\[(?=\Z|\\cup(?![a-zA-Z]))")


@dataclass(frozen=True, slots=True)
class Region:
    """A union of intervals."""

    intervals: tuple[Interval, ...]
    """In order and apart from each other."""
    variable: str | None = None
    """The letter of an inequality; None for intervals, which fit any letter."""

    @property
    def is_known(self) -> bool:
        """Whether all ends have a value."""
        return all(end.position is not None for member in self.intervals for end in (member.start, member.end))


def same_region(left: Region, right: Region) -> bool | None:
    """Return whether two sets of numbers are equal, None if that is unknown.

    An interval equals an inequality of any letter. Inequalities of different letters are different.
    """
    if left.variable and right.variable and left.variable != right.variable:
        return False if left.is_known or right.is_known else None  # y>2x may be x<y/2
    return same_intervals(left.intervals, right.intervals)


@lru_cache(maxsize=16_384)
def region(form: str) -> Region | None:
    """Return the set of numbers of a form; None if it is none, such as an inequality of two letters.

    A pair (0,1), which may also be a point, counts as an interval here if its ends are in order.
    """
    form = _OUTWARD_END.sub(")", _OUTWARD_START.sub("(", form))
    form = _PLUS_MINUS.sub(r"\1\2,-\2", form)
    form = _PLAIN_SIGNS.sub(lambda match: f"\\{match.lastgroup} ", form)
    try:
        if found := _set_builder(form) or _inequalities(form):
            return found
        numbers = _set(_EXCEPT.sub(r"\\mathbb{R}\\setminus\\{\1\\}", form))
    except (UnknownOrderError, TwoReadingsError):
        return None
    return Region(tuple(numbers)) if numbers and _has_length(numbers) else None


def finite_set(form: str) -> list[str] | None:
    """Return the members of \\{1,2\\}\\cup\\{3\\} or [0,3]\\cap[3,5]; None for all other forms."""
    if len(split(form, _OPERATIONS)) == 1:
        return None
    try:
        numbers = _set(form)
    except UnknownOrderError:
        return None
    return None if numbers is None or _has_length(numbers) else [point.start.form for point in numbers]


def doubt(form: str) -> str | None:
    """Return what is doubtful in inequalities that contradict each other: x<2 and x>5; None for all other forms."""
    try:
        _inequalities(form)
    except UnknownOrderError:
        return None
    except TwoReadingsError as error:
        return str(error)
    return None


def membership(form: str) -> tuple[str, str] | None:
    """Return letter and set of a form such as x\\in(1,2); None for any other form."""
    match = _MEMBER.fullmatch(form)
    return (match[1], match[2]) if match and _is_variable(match[1]) else None


def _set_builder(form: str) -> Region | None:
    """Return the set \\{x\\mid x>2\\}."""
    brackets = enclosed(form)
    match = _BUILDER.fullmatch(brackets[1]) if brackets and brackets[0] == "\\{" else None
    if match is None:
        return None
    letter, _, domain = match[1].partition("\\in")
    condition = _inequalities(match[2])
    is_set = condition is not None and condition.variable == _name(letter.strip())
    return Region(condition.intervals) if condition and is_set and domain.strip() in ("", *_REALS) else None


def _set(form: str, depth: int = 0) -> list[Interval] | None:
    """Return the numbers of intervals, points and \\mathbb{R} with `_OPERATIONS` between them, from left to right.

    \\cup and \\cap without brackets have no order that all agree on, nor has \\setminus before one of them: None.
    """
    if form.startswith("\\mathbb{R}-\\{"):
        form = form.replace("-", "\\setminus", 1)
    parts, signs = split_with(form, _OPERATIONS)
    operations = [_OPERATIONS[sign] for sign in signs]
    kinds = list(dict.fromkeys(operations))
    in_groups = sorted(operations, key=kinds.index)
    if len(parts) > _MAX_PARTS or operations != in_groups or (len(kinds) > 1 and kinds[1:] != [without]):
        return None
    operands = [_operand(part, depth) for part in parts]
    result = operands[0]
    for operation, operand in zip(operations, operands[1:], strict=True):
        if result is None or operand is None:
            return None
        result = operation(result, operand)
    return result


def _operand(form: str, depth: int) -> list[Interval] | None:
    if form in _REALS:
        return [REALS]
    if (numbers := _points(form) or _interval(form)) is not None:
        return numbers
    opening, content, closing = enclosed(form) or ("", "", "")
    return _set(content, depth + 1) if (opening, closing) == ("(", ")") and depth < _MAX_DEPTH else None


def _has_length(members: Sequence[Interval]) -> bool:
    """Return whether there are more than single numbers, which are a set and no region."""
    return any(member.start != member.end for member in members)


def _interval(form: str) -> list[Interval] | None:
    opening, content, closing = enclosed(form) or ("", "", "")
    ends = [_unsigned(end) for end in split(content, (",", ";"))]
    if opening not in ("(", "[") or closing not in (")", "]") or len(ends) != 2 or not all(ends):
        return None
    result = interval(*ends, has_start=opening == "[", has_end=closing == "]")
    return None if result.is_empty else [result]


def _points(form: str) -> list[Interval] | None:
    """Return the members of \\{a,b\\} if they are numbers."""
    opening, content, _ = enclosed(form) or ("", "", "")
    points = split(content, (",", ";")) if opening == "\\{" else []
    if not points or not all((term := term_of(point)) and not term.has_letter for point in points):
        return None
    return [interval(point, point, has_start=True, has_end=True) for point in points]


def _inequalities(form: str) -> Region | None:
    """Return the set of x<1, 1<x<2 or x\\in(1,2), and of several of these with "and", "or" or commas between them."""
    sides, relations = split_with(form, _SIGNS)
    signs = [_SIGNS[relation] for relation in relations]
    if not all(sides) or ("\\in" not in form and set(signs) <= {"="}):
        return None
    parts, between = split_with(form, (",", ";", AND, OR))
    if signs == ["!="] and "," not in sides[0]:  # x\ne1,2 is x\ne1,x\ne2
        parts = parts[:1] + [f"{sides[0]}{relations[0]} {part}" for part in parts[1:]]
    if len(parts) > _MAX_PARTS:
        return None
    names, sets = set(), []
    for part in parts:
        if (inequality := _inequality(part)) is None:
            return None
        names.add(inequality[0])
        sets.append(inequality[1])
    if len(names) > 1:
        return None
    result = sets[0]
    for separator, numbers in zip(between, sets[1:], strict=True):
        both, either = intersection(result, numbers), union([*result, *numbers])
        are_open = _has_length(result) and _has_length(numbers)
        if are_open and ((separator == AND and not both) or (separator == OR and either == [REALS])):
            raise TwoReadingsError(f"{form}: both, or one of them")
        # Nobody gives the empty set in this way: x<-1,x>4 means that one or the other holds.
        result = either if separator == OR or not both else both
    return Region(tuple(result), names.pop()) if _has_length(result) else None


def _inequality(form: str) -> tuple[str, list[Interval]] | None:
    """Return (letter, numbers) of one inequality that has the letter alone on one side or in the middle."""
    sides, relations = split_with(form, _SIGNS)
    signs = [_SIGNS[relation] for relation in relations]
    if len(sides) == 1:
        return _membership(form)
    if not all(sides) or len(sides) > 3:
        return None
    if len(sides) == 3:
        return _chain(sides, signs)
    variable, sign, bound = sides[0], signs[0], sides[1]
    if not _is_variable(variable):
        variable, sign, bound = sides[1], _FLIPPED[signs[0]], sides[0]
    if not _is_variable(variable) or _is_variable(bound) or variable in bound:
        return _size(sides, signs[0]) or _solved(sides[0], signs[0], sides[1])
    numbers = _one_sided(sign, bound)
    return None if numbers is None else (_name(variable), numbers)


def _membership(form: str) -> tuple[str, list[Interval]] | None:
    """x\\in(1,2)."""
    parts = membership(form)
    if parts is None:
        return None
    built = _set_builder(parts[1])
    numbers = list(built.intervals) if built else _set(parts[1])
    return (_name(parts[0]), numbers) if numbers else None


def _chain(sides: list[str], signs: list[str]) -> tuple[str, list[Interval]] | None:
    """1<x\\le2."""
    first, second = _one_sided(_FLIPPED[signs[0]], sides[0]), _one_sided(signs[1], sides[2])
    is_chain = {sign[0] for sign in signs} in ({"<"}, {">"}) and _is_variable(sides[1])
    numbers = intersection(first, second) if is_chain and first and second else None
    return (_name(sides[1]), numbers) if numbers else None


def _size(sides: list[str], sign: str) -> tuple[str, list[Interval]] | None:
    """|x-1|<2, which is x-1<2 and x-1>-2."""
    match, radius = _SIZE.fullmatch(sides[0]), number(sides[1])
    if match is None or radius is None or radius < 0 or (radius == 0 and sign != ">"):
        return None
    right, left = _solved(match[1], sign, sides[1]), _solved(match[1], _FLIPPED[sign], f"-{sides[1]}")
    if right is None or left is None:
        return None
    is_outside = sign[0] in ">="
    return right[0], union([*right[1], *left[1]]) if is_outside else intersection(right[1], left[1])


def _solved(left: str, sign: str, right: str) -> tuple[str, list[Interval]] | None:
    """Return (letter, numbers) of an inequality that is linear in its only letter with rational coefficients: 2x<4."""
    letters = letters_of(left) | letters_of(right)
    if len(letters) != 1 or "|" in left + right or max(map(len, (left, right))) > _MAX_SIDE:
        return None
    (letter,) = letters
    try:
        at_0, at_1, *at_points = (
            evaluate(left, {letter: value}).real - evaluate(right, {letter: value}).real
            for value in (Term(point, 0.0) for point in (0.0, 1.0, *_POINTS))
        )
    except (UnsupportedExpressionError, OverflowError, ZeroDivisionError):
        return None
    slope = at_1 - at_0
    differences = [abs(at_0 + slope * point - value) for point, value in zip(_POINTS, at_points, strict=True)]
    if not slope or max(differences) > _MAX_ERROR * abs(slope):
        return None
    root = Fraction(-at_0 / slope).limit_denominator(10_000)
    if abs(float(root) * slope + at_0) > _MAX_ERROR * max(abs(at_0), abs(slope)):
        return None
    numbers = _one_sided(sign if slope > 0 else _FLIPPED[sign], str(root))
    return None if numbers is None else (letter, numbers)


def _is_variable(text: str) -> bool:
    return _VARIABLE.fullmatch(text) is not None and text not in _CONSTANTS


def _name(variable: str) -> str:
    return variable.lower().replace("{", "").replace("}", "")


def _unsigned(end: str) -> str:
    return end.removeprefix("+") if infinity(end) else end


def _one_sided(sign: str, bound: str) -> list[Interval] | None:
    """Return the numbers that have a relation to a bound, such as "<" and 5."""
    bound = _unsigned(bound)
    if sign == "=":
        return [interval(bound, bound, has_start=True, has_end=True)]
    if sign == "!=":
        return None if infinity(bound) else without([REALS], [interval(bound, bound, has_start=True, has_end=True)])
    if sign[0] == "<":
        numbers = interval("-" + _INFINITY, bound, has_start=False, has_end=sign == "<=")
    else:
        numbers = interval(bound, _INFINITY, has_start=sign == ">=", has_end=False)
    return None if numbers.is_empty else [numbers]
