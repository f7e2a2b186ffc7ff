"""What members of an answer say about each other: names, assignments, both signs of \\pm, a factor in front."""

from collections.abc import Sequence
from string import ascii_letters
from typing import Literal

from stages.answers.equality.parts import Equation, Leaf, Matrix, Members, Structure
from stages.answers.equality.values import term_of


def scaled_matrix(factor: str, whole: Structure) -> Structure | None:
    """Return a matrix times a number in front of it."""
    entries = [entry for row in whole.rows for entry in row] if isinstance(whole, Matrix) else []
    if not isinstance(whole, Matrix) or not term_of(factor) or not all(isinstance(entry, Leaf) for entry in entries):
        return None
    products = [Leaf(f"({factor})\\cdot({entry.form})") for entry in entries if isinstance(entry, Leaf)]
    width = len(whole.rows[0])
    return Matrix(tuple(tuple(products[i : i + width]) for i in range(0, len(products), width)))


def both_points(items: tuple[Structure, ...]) -> tuple[Structure, ...] | None:
    """Return both points of (\\pm1,2); None unless one member has two values."""
    several = [
        i for i, item in enumerate(items) if isinstance(item, Members) and item.kind == "list" and len(item.items) == 2
    ]
    if len(several) != 1:
        return None
    values = items[several[0]]
    assert isinstance(values, Members)
    return tuple(Members("tuple", (*items[: several[0]], value, *items[several[0] + 1 :])) for value in values.items)


def gathered(kind: Literal["list", "set"], items: tuple[Structure, ...]) -> Structure:
    """Return members of a list or set, of which some may be lists (\\pm3)."""
    flat: list[Structure] = []
    for item in items:
        flat += item.items if isinstance(item, Members) and item.kind == "list" else (item,)
    flat = _with_names(flat)
    if in_order := assignments(flat):
        return Members("assignments", in_order)
    names = [item.name for item in flat if isinstance(item, Equation)]
    size = names.index(names[0], 1) if names[:1] and names[0] in names[1:] else 0
    if size > 1 and len(names) == len(flat) and names == names[:size] * (len(names) // size):  # x=1,y=2,x=3,y=4
        groups = [assignments(flat[i : i + size]) for i in range(0, len(flat), size)]
        return Members(kind, tuple(Members("assignments", group) for group in groups if group))
    return Members(kind, tuple(flat))


def _with_names(items: list[Structure]) -> list[Structure]:
    """Return items of which all have the name of the first: x=2,-3 is x=2,x=-3."""
    first = items[0] if items else None
    if not isinstance(first, Equation) or not first.name or not all(isinstance(item, Leaf) for item in items[1:]):
        return items
    return [first, *(Equation(first.name, item, (first.name, "")) for item in items[1:])]


def assignments(items: Sequence[Structure]) -> tuple[Structure, ...] | None:
    """Return equations of different letters, x=1,y=2; None for anything else.

    Neighbours in the alphabet are in its order: y=2,x=1 is the point (1,2). Other letters stay in their order.
    """
    equations = [item for item in items if isinstance(item, Equation) and item.name]
    names = {equation.name for equation in equations}
    if len(equations) < max(2, len(items)) or len(names) < len(items):
        return None
    in_order = sorted(equations, key=lambda equation: (str(equation.name).startswith("\\"), str(equation.name)))
    letters = "".join(str(equation.name) for equation in in_order)
    are_neighbours = letters in ascii_letters or not letters.isalpha()  # x,y,z; x_1,x_2; \alpha,\beta
    return tuple(in_order if are_neighbours else equations)
