"""Questions that the iteration before kept and did not use, which this iteration asks first."""

from typing import Any

import polars as pl

from stages.contract import Inputs

CARRIED_OVER = "carried_over"
"""Name of the input, which is the table `chosen` of the iteration before, and value of its column `use`."""


def carried_questions(inputs: Inputs) -> list[dict[str, Any]]:
    """Return the questions as rows of `accepted`, in order; an empty list for a stage without that input."""
    if CARRIED_OVER not in inputs:
        return []
    carried = inputs.table(CARRIED_OVER).filter(pl.col("use") == CARRIED_OVER)
    return carried.select("question_id", "question", "candidate_id", "similarity").to_dicts()
