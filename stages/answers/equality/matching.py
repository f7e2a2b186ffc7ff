"""Verdicts on several members, and members that an answer may be read as."""

from collections.abc import Iterable, Sequence

from stages.answers.equality.parts import Equation, Matrix, Members, Pair, Structure

Verdict = bool | None
"""Whether two answers are equal; None if only math-verify can decide."""


def all_of(verdicts: Iterable[Verdict]) -> Verdict:
    """Return False if a verdict is False, else None if one is unknown, else True."""
    result: Verdict = True
    for verdict in verdicts:
        if verdict is False:
            return False
        result = result and verdict
    return result


def any_of(verdicts: Iterable[Verdict]) -> Verdict:
    """Return True if a verdict is True, else None if one is unknown, else False."""
    unknown = False
    for verdict in verdicts:
        if verdict:
            return True
        unknown = unknown or verdict is None
    return None if unknown else False


def can_be_paired(verdicts: Sequence[Sequence[Verdict]], allowed: Sequence[Verdict]) -> bool:
    """Return whether each row can have a column of its own with an allowed verdict (augmenting paths)."""
    row_of: dict[int, int] = {}

    def pair_up(row: int, tried: set[int]) -> bool:
        for column, verdict in enumerate(verdicts[row]):
            if verdict in allowed and column not in tried:
                tried.add(column)
                if column not in row_of or pair_up(row_of[column], tried):
                    row_of[column] = row
                    return True
        return False

    return all(pair_up(row, set()) for row in range(len(verdicts)))


def as_members(value: Structure) -> Members | None:
    """Return a pair or vector as members; None for anything else, half-open intervals included."""
    match value:
        case Members():
            return value
        case Pair(opening="(", closing=")"):
            return Members("tuple", value.items)
        case Pair(opening="[", closing="]"):
            return Members("sequence", value.items)
        case Matrix() if 1 in (len(value.rows), len(value.rows[0])):
            return Members("tuple", tuple(entry for row in value.rows for entry in row))
    return None


def rows_of(value: Structure) -> Matrix | None:
    """Return [[1,2],[3,4]] as a matrix."""
    outer = as_members(value)
    rows = [as_members(item) for item in outer.items] if outer and outer.kind == "sequence" else []
    if not rows or not all(
        row and row.kind == "sequence" and len(row.items) == len(rows[0].items) for row in rows if rows[0]
    ):
        return None
    return Matrix(tuple(row.items for row in rows if row))


def solutions_of(members: Members) -> Members | None:
    """Return x_1=1,x_2=2 as x=1,x=2; None if the letters are not one with two indices."""
    equations = [item for item in members.items if isinstance(item, Equation) and item.name]
    names = {name.rpartition("_")[0] for equation in equations if (name := equation.name)}
    if members.kind != "assignments" or len(names) != 1 or "" in names:
        return None
    (name,) = names
    return Members("list", tuple(Equation(name, equation.value, equation.sides) for equation in equations))
