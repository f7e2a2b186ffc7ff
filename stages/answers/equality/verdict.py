"""Equality of two answers, decided from what they are made of.

`same` gives one verdict for a vote and for a grade, and the same whichever answer comes first. Members of lists and
sets have no order, those of points and vectors have one. Equality is not transitive: 50% equals 50 and 0.5, "12 cm" and
"12 m" both equal 12, [0,5] equals the interval and the list of two, 10:30 equals 10:30am and 10:30pm.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence

from stages.answers.algebra.expressions import letters_of
from stages.answers.canonical.numerals import number
from stages.answers.canonical.units import same_unit
from stages.answers.equality.conversions import same_converted
from stages.answers.equality.matching import Verdict, all_of, any_of, as_members, can_be_paired, rows_of, solutions_of
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
from stages.answers.equality.regions import same_region
from stages.answers.equality.special import Based, same_special
from stages.answers.equality.structure import DEGREE, structure
from stages.answers.equality.values import (
    differ_by_constant,
    infinity,
    same_value,
    term_of,
)

_MAX_MATCHED = 24
"""Lists whose members differ in more than this many places are left to math-verify."""

_OPEN = re.compile(r"[,;<>|]|\\(?:le|ge|ne|cup|cap|in|setminus|begin|pm|mp)(?![a-zA-Z])")
_LETTERS = re.compile(r"[a-zA-Z]{2,6}")
_PRODUCT = re.compile(r"[a-z]{3,5}")
_PRODUCT_SIGN = re.compile(r"\\cdot ?|\\times ?| ")
_FUNCTION = re.compile(r"[a-z]\([a-z]\)")


def same(left: str, right: str) -> Verdict:
    """Return whether two canonical answers are equal; None if only math-verify can decide."""
    return True if left == right else _same(structure(left), structure(right), inside=False)


_ORDER: tuple[type[Structure], ...] = (
    Leaf, Words, Antiderivative, Percent, Peculiar, Ratio, Quantity, Numbers, Pair, Matrix, Members, Rounded, Equation,
)  # fmt: skip
"""In a pair of structures, the type that is further back says how they are compared."""


def _same(left: Structure, right: Structure, *, inside: bool) -> Verdict:
    """Return whether two structures are equal. `inside`: they are members of answers, so their letters are decided."""
    if left == right:
        return True
    if _ORDER.index(type(left)) < _ORDER.index(type(right)):
        left, right = right, left
    return _COMPARISONS[type(left)](left, right, inside)


def _leaves(left: Leaf, right: Structure, inside: bool) -> Verdict:
    """Letters of which some are capitals are names, and no products: HT is not TH, and Aa not aa."""
    assert isinstance(right, Leaf)
    has_names = _LETTERS.fullmatch(left.form) and _LETTERS.fullmatch(right.form)
    if has_names and not (left.form + right.form).islower():
        return False
    return same_value(left.form, right.form, algebra=inside)


def _antiderivative(left: Antiderivative, right: Structure, inside: bool) -> Verdict:
    """x^2+C equals x^2+1+C, but not x^2."""
    if isinstance(right, Antiderivative):
        verdict = differ_by_constant(left.function, right.function)
        return same_value(left.function, right.function, algebra=True) if verdict is None else verdict
    return isinstance(right, Leaf) and same_value(left.form, right.form, algebra=inside)


def _words(left: Words, right: Structure, inside: bool) -> Verdict:
    """Words equal no other structure, unless they are letters of a product: mgh is m\\cdot g\\cdot h and m g h."""
    is_product = (
        isinstance(right, Leaf)
        and _PRODUCT.fullmatch(left.text)
        and _PRODUCT_SIGN.sub("", right.form).casefold() == left.text
    )
    return bool(is_product)


def _percent(left: Percent, right: Structure, inside: bool) -> Verdict:
    """50% is 50 or 0.5."""
    if isinstance(right, Percent):
        return same_value(left.number, right.number, algebra=inside)
    if not isinstance(right, Leaf):
        return False
    return any_of(same_value(form, right.form, algebra=inside) for form in (left.number, _hundredth(left.number)))


def _hundredth(form: str) -> str:
    value = number(form)
    if value is None:
        return f"\\frac{{{form}}}{{100}}"
    return f"{form}e-2" if "." in form and "e" not in form else str(value / 100)


def _peculiar(left: Peculiar, right: Structure, inside: bool) -> Verdict:
    """A number in a base equals its digits alone: 101_2 is 101, but neither 5 nor 101_3."""
    if isinstance(right, Peculiar):
        return same_special(left.value, right.value)
    return isinstance(left.value, Based) and isinstance(right, Leaf) and left.value.digits == right.form


def _ratio(left: Ratio, right: Structure, inside: bool) -> Verdict:
    """2:3 equals 4:6 and 2/3. Two forms that may both be times of day are equal only as such: 10:20 is not 5:10."""
    if isinstance(right, Peculiar):
        return left.time is not None and same_special(left.time, right.value)
    if isinstance(right, Leaf) and len(left.terms) == 2 and left.time is None:
        return same_value(_quotient(*left.terms), right.form, algebra=inside)
    if not isinstance(right, Ratio) or len(left.terms) != len(right.terms):
        return False
    if left.time is not None and right.time is not None:
        return same_special(left.time, right.time)
    return all_of(
        same_value(_quotient(ours, left.terms[-1]), _quotient(theirs, right.terms[-1]), algebra=True)
        for ours, theirs in zip(left.terms[:-1], right.terms[:-1], strict=True)
    )


def _quotient(top: str, bottom: str) -> str:
    values = number(top), number(bottom)
    return str(values[0] / values[1]) if values[0] is not None and values[1] else f"\\frac{{{top}}}{{{bottom}}}"


def _quantity(left: Quantity, right: Structure, inside: bool) -> Verdict:
    """5 km equals 5000 m and 5, but not 5 m; 90^\\circ equals 90 and \\frac{\\pi}{2}; 5 N equals 5N."""
    if isinstance(right, Percent):
        return _same(left.value, right, inside=inside) if isinstance(left.value, Percent) else False
    if isinstance(right, Leaf):
        if isinstance(left.value, Leaf) and right.form == left.value.form + left.unit.rstrip("?"):
            return True  # a letter that is a unit or a variable
        in_radians = _radians(left) if "\\pi" in right.form else None
        return any_of(_same(value, right, inside=inside) for value in (left.value, in_radians) if value is not None)
    if not isinstance(right, Quantity):
        return False
    if left.unit == right.unit or same_unit(left.unit, right.unit):
        return _same(left.value, right.value, inside=True)
    if left.unit > right.unit:  # so that the verdict does not depend on the order
        left, right = right, left
    if DEGREE in (left.unit, right.unit):
        values = [_radians(side) if side.unit == DEGREE else side.value for side in (left, right)]
        is_angle = all(side.unit == DEGREE or same_unit(side.unit, "rad") for side in (left, right))
        return is_angle and values[0] is not None and values[1] is not None and _same(values[0], values[1], inside=True)
    return same_converted(left, right)


def _radians(quantity: Quantity) -> Leaf | None:
    """Return an angle in degrees as a number; None for any other quantity."""
    if quantity.unit != DEGREE or not isinstance(quantity.value, Leaf):
        return None
    return Leaf(f"\\frac{{({quantity.value.form})\\cdot\\pi}}{{180}}")


def _rounded(left: Rounded, right: Structure, inside: bool) -> Verdict:
    """\\sqrt{2}\\approx1.41 is \\sqrt{2} or 1.41."""
    if isinstance(right, Rounded):
        return _same(left.exact, right.exact, inside=inside)
    return any_of(_same(side, right, inside=inside) for side in (left.exact, left.decimal))


def _numbers(left: Numbers, right: Structure, inside: bool) -> Verdict:
    if isinstance(right, Numbers):
        return same_region(left.region, right.region)
    return _may_be_members(right)


def _may_be_members(leaf: Structure) -> Verdict:
    """Return None if a form that no rule of `structure` fits may have members all the same, else False."""
    return None if isinstance(leaf, Leaf) and _OPEN.search(leaf.form) and term_of(leaf.form) is None else False


def _pair(left: Pair, right: Structure, inside: bool) -> Verdict:
    """(0,1) is a point or an interval, [0,1] a list or an interval. Between two pairs, brackets matter."""
    if isinstance(right, Numbers):
        return left.region is not None and same_region(left.region, right.region)
    if isinstance(right, Pair):
        return _brackets(left) == _brackets(right) and _in_order(left.items, right.items)
    return _sum_of_unit_vectors(left, right)


def _brackets(pair: Pair) -> tuple[bool, bool]:
    """Return whether the ends are members, which an infinite end never is."""
    start, end = (isinstance(item, Leaf) and infinity(item.form) != 0 for item in pair.items)
    return pair.opening == "[" and not start, pair.closing == "]" and not end


def _matrix(left: Matrix, right: Structure, inside: bool) -> Verdict:
    """A matrix of one row or one column equals the point with its entries."""
    if isinstance(right, Matrix):
        if (len(left.rows), len(left.rows[0])) != (len(right.rows), len(right.rows[0])):
            return False
        pairs = [pair for rows in zip(left.rows, right.rows, strict=True) for pair in zip(*rows, strict=True)]
        return _in_order([pair[0] for pair in pairs], [pair[1] for pair in pairs])
    if (vector := as_members(left)) and (point := as_members(right)):
        return _in_order(vector.items, point.items)
    if rows := rows_of(right):
        return _matrix(left, rows, inside)
    return _sum_of_unit_vectors(left, right)


def _sum_of_unit_vectors(vector: Structure, right: Structure) -> Verdict:
    """(1,2) equals i+2j, and (1,2,3) equals i+2j+3k."""
    members = as_members(vector)
    if members is None or members.kind != "tuple" or not isinstance(right, Leaf) or not 2 <= len(members.items) <= 3:
        return _may_be_members(right)
    terms = [
        f"({item.form}){letter}" for item, letter in zip(members.items, "ijk", strict=False) if isinstance(item, Leaf)
    ]
    is_sum = len(terms) == len(members.items) and letters_of(right.form) & set("jk")
    return same_value("+".join(terms), right.form, algebra=True) if is_sum else _may_be_members(right)


def _members(left: Members, right: Structure, inside: bool) -> Verdict:
    members = as_members(right)
    if members:
        verdicts = [
            manner(ours.items, theirs.items)
            for ours, theirs in ((left, members), (solutions_of(left), members), (left, solutions_of(members)))
            if ours and theirs and (manner := _MANNERS.get(frozenset((ours.kind, theirs.kind))))
        ]
        if verdicts:
            return any_of(verdicts)
    if len(left.items) == 1:  # \{5\} is 5
        return _same(left.items[0], right, inside=True)
    if members:
        return len(members.items) == 1 and _same(left, members.items[0], inside=True)
    return _sum_of_unit_vectors(left, right)


def _in_order(lefts: Sequence[Structure], rights: Sequence[Structure]) -> Verdict:
    if len(lefts) != len(rights):
        return False
    return all_of(_same(left, right, inside=True) for left, right in zip(lefts, rights, strict=True))


def _by_name(lefts: Sequence[Structure], rights: Sequence[Structure]) -> Verdict:
    orders = [sorted(side, key=lambda item: isinstance(item, Equation) and str(item.name)) for side in (lefts, rights)]
    return _in_order(*orders)


def _in_any_order(lefts: Sequence[Structure], rights: Sequence[Structure]) -> Verdict:
    """Return whether the members of one side are those of the other, each as often."""
    if len(lefts) != len(rights):
        return False
    common = Counter(lefts) & Counter(rights)
    lefts, rights = (list((Counter(side) - common).elements()) for side in (lefts, rights))
    if len(lefts) > _MAX_MATCHED:
        return None
    verdicts = [[_same(left, right, inside=True) for right in rights] for left in lefts]
    if can_be_paired(verdicts, (True,)):
        return True
    return None if can_be_paired(verdicts, (True, None)) else False


def _as_sets(lefts: Sequence[Structure], rights: Sequence[Structure]) -> Verdict:
    """Return whether each member of one side is a member of the other."""
    if len(lefts) * len(rights) > _MAX_MATCHED**2:
        return True if set(lefts) == set(rights) else None
    verdicts = [[_same(left, right, inside=True) for right in rights] for left in lefts]
    return all_of(any_of(row) for row in (*verdicts, *zip(*verdicts, strict=True))) if lefts and rights else False


# How members of two kinds are compared. Kinds that are not listed together are never equal.
_MANNERS: dict[frozenset[str], Callable[[Sequence[Structure], Sequence[Structure]], Verdict]] = {
    frozenset(kinds): manner
    for kinds, manner in (
        (("list",), _in_any_order),  # 1,2 = 2,1
        (("set",), _as_sets),  # \{1,1,2\} = \{2,1\}
        (("tuple",), _in_order),  # (1,2,3)
        (("sequence",), _in_order),  # [1,2,3]
        (("assignments",), _by_name),  # x=1,y=2 = y=2,x=1
        (("list", "set"), _in_any_order),  # 1,2 = \{2,1\}
        (("list", "sequence"), _in_any_order),  # 5,0 = [0,5]
        (("set", "sequence"), _in_any_order),
        (("list", "tuple"), _in_order),  # 1,2 = (1,2), not (2,1)
        (("tuple", "sequence"), _in_order),
        (("assignments", "list"), _in_order),  # x=1,y=2 = 1,2
        (("assignments", "tuple"), _in_order),
        (("assignments", "sequence"), _in_order),
    )
}


def _equation(left: Equation, right: Structure, inside: bool) -> Verdict:
    """x=5 equals 5, x=5 and 5=x, but not y=5. An equation without a name, x^2+y^2=1, equals no value."""
    if not isinstance(right, Equation):
        return _same(left.value, right, inside=True) if left.name else False
    if not left.name or not right.name:
        return None
    verdict = _same(left.value, right.value, inside=True)
    names = {left.name.casefold(), right.name.casefold()}
    if len(names) == 2 and len({name.replace("'", "") for name in names}) == 1:
        return False  # f'(x)=2x and f(x)=2x
    is_same_name = len(names) == 1 or ("y" in names and any(_FUNCTION.fullmatch(name) for name in names))
    if is_same_name:
        return verdict if verdict is not False or _is_constant(left.value) or _is_constant(right.value) else None
    return False if _is_constant(left.value) or _is_constant(right.value) else None


def _is_constant(value: Structure) -> bool:
    """Return whether a value has no letters, as far as that is known."""
    term = term_of(value.form) if isinstance(value, Leaf) else None
    return not isinstance(value, Leaf) or (term is not None and not term.has_letter)


_COMPARISONS: dict[type[Structure], Callable[..., Verdict]] = {
    Leaf: _leaves,
    Words: _words,
    Antiderivative: _antiderivative,
    Percent: _percent,
    Peculiar: _peculiar,
    Ratio: _ratio,
    Quantity: _quantity,
    Numbers: _numbers,
    Pair: _pair,
    Matrix: _matrix,
    Members: _members,
    Rounded: _rounded,
    Equation: _equation,
}
