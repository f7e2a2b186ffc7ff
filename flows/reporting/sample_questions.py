"""A few questions of an iteration with some of their responses, for a reader to look at."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from storage.reader import read_file
from storage.run import Run
from storage.tables import decode

_RESPONSE_COLUMNS = ("sample_index", "response", "finish_reason", "answer", "answer_class", "status", "reward")


def sample_questions(run: Run, iteration: int, questions: int = 5, responses: int = 4) -> list[dict[str, Any]]:
    """Return some questions of an iteration, from the lowest vote share to the highest.

    Each is a row of `votes` with `examples`: a few of the policy's responses, with different answers if there are any,
    as columns of `responses` and `rewards`. The same run gives the same questions. Of the table `responses` only the
    parts with these questions are read.

    Args:
        run: The run.
        iteration: The iteration; without a vote it has no questions, and the list is empty.
        questions: The most questions to return.
        responses: The most responses to return for each question.
    """
    if "vote_rewards" not in run.manifests(iteration):
        return []
    selected = _spread_over_shares(run.table("votes", iteration), questions)
    ids = selected["question_id"].to_list()
    examples: dict[str, list[dict[str, Any]]] = {question_id: [] for question_id in ids}
    rewarded = _responses(run, iteration, ids).join(run.table("rewards", iteration), on=["question_id", "sample_index"])
    for row in rewarded.sort("answer_class", "sample_index", nulls_last=True).iter_rows(named=True):
        examples[row["question_id"]].append({name: row[name] for name in _RESPONSE_COLUMNS})
    return [
        {**row, "examples": _different_answers(examples[row["question_id"]], responses)}
        for row in selected.iter_rows(named=True)
    ]


def _spread_over_shares(votes: pl.DataFrame, count: int) -> pl.DataFrame:
    """Return up to `count` rows, whose vote shares are spread as evenly as possible from the lowest to the highest."""
    remaining = votes.sort("share", "question_id")
    low, high = remaining["share"].min(), remaining["share"].max()
    selected = remaining.clear()
    for step in range(min(count, votes.height)):
        share = low + (high - low) * step / max(1, count - 1)  # type: ignore[operator]
        nearest = remaining.sort((pl.col("share") - share).abs(), maintain_order=True).head(1)
        selected = selected.vstack(nearest)
        remaining = remaining.filter(pl.col("question_id") != nearest["question_id"].item())
    return selected.sort("share", "question_id")


def _responses(run: Run, iteration: int, ids: Sequence[str]) -> pl.DataFrame:
    """Return the rows of `responses` to some questions; reads only the parts that hold them.

    Rows of `responses` are in the order of `votes`, round by round, as both stages promise (see `schemas.RESPONSES`).
    """
    votes = run.table("votes", iteration)
    stop = pl.col("responses").cum_sum()
    rows = votes.select("question_id", start=stop - pl.col("responses"), stop=stop)
    spans = rows.filter(pl.col("question_id").is_in(ids)).select("start", "stop").rows()
    files = [file for manifest in run.writers("responses", iteration) for file in manifest.outputs["responses"].files]
    frames: list[pl.DataFrame] = []
    first_row = 0
    for file in files:
        next_row = first_row + (file.rows or 0)
        # At least one part is read, so that an empty result has the columns.
        if not frames or any(start < next_row and stop > first_row for start, stop in spans):
            frame = pl.from_arrow(decode(read_file(run.store, file)))
            assert isinstance(frame, pl.DataFrame)
            frames.append(frame.filter(pl.col("question_id").is_in(ids)))
        first_row = next_row
    return pl.concat(frames)


def _different_answers(rows: Sequence[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """Return at most `count` responses to a question: one of each answer, then more of the first answers.

    `rows` are sorted by answer.
    """
    answers: set[int | None] = set()
    first_of_answer: list[dict[str, Any]] = []
    repeated: list[dict[str, Any]] = []
    for row in rows:
        (repeated if row["answer_class"] in answers else first_of_answer).append(row)
        answers.add(row["answer_class"])
    return sorted([*first_of_answer, *repeated][:count], key=lambda row: row["sample_index"])
