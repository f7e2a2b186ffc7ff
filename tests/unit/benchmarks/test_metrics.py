"""Results by level, subject and group, and without the problems that overlap a seed, by hand."""

from typing import Any

import pytest

from stages.benchmarks.metrics import summarise
from stages.benchmarks.statistics import bootstrap_interval, wilson_interval
from tests.helpers import problem_row

PROBLEMS = [
    problem_row("b", "?", "1", "0", level="1", subject="algebra", group="STEM"),
    problem_row("b", "?", "1", "1", level="1", subject="algebra", group="STEM", seed_overlap=True),
    problem_row("b", "?", "1", "2", level="2", subject="law", group="other"),
]


def graded(mode: str, *statuses: str) -> list[dict[str, Any]]:
    """One row for each problem and letter: c(orrect), w(rong), e(rror)."""
    names = {"c": "correct", "w": "wrong", "e": "error"}
    return [
        {
            "benchmark": "b",
            "problem_id": str(number),
            "mode": mode,
            "answer_class": None if letter == "e" else int(letter == "w"),
            "status": names[letter],
            "finish_reason": "length" if letter == "w" else "stop",
            "response_tokens": 10 * (number + 1),
        }
        for number, letters in enumerate(statuses)
        for letter in letters
    ]


def values(rows: list[dict[str, Any]], metric: str) -> dict[str, tuple[float, int]]:
    return {row["slice"]: (row["value"], row["problems"]) for row in rows if row["metric"] == metric}


def test_accuracy_by_slice() -> None:
    rows = summarise(graded("greedy", "c", "w", "w"), PROBLEMS, {"b": "boxed"})
    assert values(rows, "pass1_greedy") == {
        "all": (pytest.approx(1 / 3), 3),
        "level=1": (0.5, 2),
        "subject=algebra": (0.5, 2),
        "group=STEM": (0.5, 2),
        "no_seed_overlap": (0.5, 2),
        "level=2": (0.0, 1),
        "subject=law": (0.0, 1),
        "group=other": (0.0, 1),
    }
    assert values(rows, "truncated_greedy") == {"all": (pytest.approx(2 / 3), 3)}
    assert values(rows, "length_greedy") == {"all": (20.0, 3)}
    assert {row["prompt"] for row in rows} == {"boxed"}


def test_without_overlap_there_is_no_slice_of_unseen_problems() -> None:
    problems = [{**row, "seed_overlap": False} for row in PROBLEMS]
    assert "no_seed_overlap" not in values(summarise(graded("greedy", "c", "w", "w"), problems), "pass1_greedy")


def test_proportions_get_wilson_and_means_bootstrap_intervals() -> None:
    rows = {row["metric"]: row for row in summarise(graded("greedy", "c", "c", "w"))}
    assert (rows["pass1_greedy"]["low"], rows["pass1_greedy"]["high"]) == wilson_interval(2 / 3, 3)
    rows = {row["metric"]: row for row in summarise(graded("sampled", "cc", "cw", "ww"))}
    assert (rows["pass1_sampled"]["low"], rows["pass1_sampled"]["high"]) == bootstrap_interval([1.0, 0.5, 0.0])
    assert (rows["maj_k"]["low"], rows["maj_k"]["high"]) == wilson_interval(0.5, 3)


def test_every_k_from_one_pass() -> None:
    """Of 6 responses: k = 2, 4 and 6. Problem 0 has one right of 6, in the last pair."""
    rows = {row["metric"]: row["value"] for row in summarise(graded("sampled", "wwwwwc", "cccccc", "eeeeee"))}
    assert rows["pass@2"] == pytest.approx((2 / 6 + 1 + 0) / 3)
    assert rows["pass@4"] == pytest.approx((4 / 6 + 1 + 0) / 3)
    assert rows["pass_k"] == pytest.approx((1 + 1 + 0) / 3)
    # Pairs of problem 0: ww, ww, and a tie of wrong and right.
    assert rows["maj@2"] == pytest.approx(((0 + 0 + 0.5) / 3 + 1 + 0) / 3)
    assert rows["maj@4"] == pytest.approx((0 + 1 + 0) / 3)  # one whole group of four
    assert rows["maj_k"] == pytest.approx((0 + 1 + 0) / 3)
    assert rows["failed_sampled"] == pytest.approx(1 / 3)
