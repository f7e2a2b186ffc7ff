"""Recognises the shape of rows, and of the columns of a table without a header."""

import re
from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import Any

from stages.question_files.shape import Shape
from stages.question_files.shapes import PLAIN, SHAPES
from stages.question_files.values import exists, is_filled, value_at

RECOGNISED_ROWS = 100
"""Rows that a shape is recognised by."""


def recognised(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the name of the first shape that rows have: all its fields in every row, and filled in half of them."""
    return next((name for name, shape in SHAPES.items() if rows and _fit(rows, shape)), PLAIN)


def recognised_columns(rows: Sequence[Mapping[str, Any]]) -> tuple[str, tuple[str, ...]] | None:
    """Return the shape of a table without a header and the names of its columns, None if it has no known shape.

    `rows`: column number -> cell. MMLU's tables end in a letter among the options, MGSM's have a question and a number.
    """
    columns = len(rows[0]) if rows else 0
    if columns > 2 and all(row.get("0", "").strip() == str(number) for number, row in enumerate(rows)):
        shifted = [{str(number - 1): cell for number, cell in enumerate(row.values()) if number} for row in rows]
        known = recognised_columns(shifted)
        return known and (known[0], ("index", *known[1]))
    last = [str(row.get(str(columns - 1), "")).strip() for row in rows]
    letters = ascii_uppercase[: max(0, columns - 2)]
    if columns >= 4 and all(cell and cell in letters for cell in last):
        return "ceval", ("question", *letters, "answer")
    if columns == 2 and all(re.fullmatch(r"-?\d[\d,.]*", cell) for cell in last):
        return PLAIN, ("question", "answer")
    return None


def _fit(rows: Sequence[Mapping[str, Any]], shape: Shape) -> bool:
    for name in shape.needs:
        if not all(exists(row, name) for row in rows):
            return False
        if sum(is_filled(value_at(row, name)) for row in rows) * 2 < len(rows):
            return False
    if shape.one_of and not any(all(exists(row, name) for row in rows) for name in shape.one_of):
        return False
    if any(is_filled(value_at(row, name)) for row in rows for name in shape.without):
        return False
    return all(
        test(value)
        for name, test in (shape.tests or {}).items()
        for row in rows
        if is_filled(value := value_at(row, name))
    )
