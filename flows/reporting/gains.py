"""Several runs side by side: what each has gained, and how far they differ, on the same problems."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
from rich.table import Table

from flows.reporting.results import headline_benchmark, iteration_results
from flows.reporting.tables import plain_table
from flows.reporting.text import MISSING
from stages.benchmarks.statistics import paired_difference
from storage.errors import InputError
from storage.run import Run

PICTURE = "reports/comparison.png"
"""Where the plot of a comparison lies, relative to the first run."""

Interval = tuple[float, float, float]
"""Mean, and the ends of its 95 % interval; in shares of 1."""


def side_by_side(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """One row per run, as plain values, on the headline benchmark of the first.

    `curve`: (iteration, pass@1, low, high) of every evaluation. `gain`: of the last over the first evaluation, paired
    by problem; `ahead`: of the last evaluation over that of the first run. None where there is nothing to compare.
    Raises InputError when a run has not been evaluated on that benchmark.
    """
    benchmark = headline_benchmark(runs[0].config)
    return [_row(run, runs[0], benchmark) for run in runs]


def evaluated(runs: Sequence[Run]) -> bool:
    """Whether all runs have been evaluated on the headline benchmark of the first."""
    return all(_evaluations(run, headline_benchmark(runs[0].config)) for run in runs)


def _row(run: Run, first: Run, benchmark: str) -> dict[str, Any]:
    measured = _evaluations(run, benchmark)
    if not measured:
        raise InputError(
            f"{run.store.uri} has no evaluation on {benchmark}, the benchmark of {first.store.uri}; compare runs that "
            "share one"
        )
    start, end = measured[0]["iteration"], measured[-1]["iteration"]
    of_first = _evaluations(first, benchmark)[-1]["iteration"]
    metric = measured[-1]["benchmarks"][benchmark]
    best = metric.get("pass1_sampled", metric["pass1_greedy"])
    return {
        "run": run.store.uri,
        "name": run.config["name"],
        "rewards": run.config["rewards"],
        "instructions": _instructions(run.config),
        "benchmark": benchmark,
        "prompt": best.get("prompt", ""),
        "iterations": [start, end],
        "curve": [_point(row, benchmark) for row in measured],
        "gain": _difference((run, start), (run, end), benchmark) if end > start else None,
        "ahead": _difference((first, of_first), (run, end), benchmark) if run is not first else None,
    }


def _instructions(config: Mapping[str, Any]) -> str:
    frozen = ", frozen generator" if config.get("generator") == "initial" else ""
    return f"{config.get('instructions', 'self')}{frozen}"


def _evaluations(run: Run, benchmark: str) -> list[dict[str, Any]]:
    found = [iteration_results(run, number) for number in run.iterations]
    return [row for row in found if benchmark in row["benchmarks"]]


def _point(row: Mapping[str, Any], benchmark: str) -> tuple[int, float, float, float]:
    metrics = row["benchmarks"][benchmark]
    found = metrics.get("pass1_sampled", metrics["pass1_greedy"])
    return row["iteration"], found["value"], found["low"], found["high"]


def _difference(before: tuple[Run, int], after: tuple[Run, int], benchmark: str) -> Interval | None:
    """Accuracy after - before, over the questions that both were asked."""
    one, other = (_accuracies(run, iteration, benchmark) for run, iteration in (before, after))
    common = sorted(one.keys() & other.keys())
    if not common:
        return None
    return paired_difference([one[question] for question in common], [other[question] for question in common])


def _accuracies(run: Run, iteration: int, benchmark: str) -> dict[str, float]:
    """Accuracy by question, of sampled responses where there are any."""
    grades = run.table("grades", iteration).filter(pl.col("benchmark") == benchmark)
    mode = "sampled" if "sampled" in grades["mode"] else "greedy"
    right = (pl.col("status") == "correct").mean().alias("accuracy")
    found = grades.filter(pl.col("mode") == mode).group_by("problem_id").agg(right)
    problems = run.table("problems", 0).filter(pl.col("benchmark") == benchmark).select("problem_id", "question")
    return dict(problems.join(found, on="problem_id").select("question", "accuracy").rows())


def comparison_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Gains in points, each with its 95 % interval; fits into 80 columns."""
    prompts = sorted({row["prompt"] or "not noted" for row in rows})
    table = plain_table(
        f"pass@1 on {rows[0]['benchmark']} (prompt: {' or '.join(prompts)}), gains and how far ahead of "
        f"{rows[0]['name']}, in points, paired by problem"
    )
    for name in ("run", "start", "end", "gain, 95 %", "ahead, 95 %"):
        table.add_column(name, justify="left" if name == "run" else "right", no_wrap=name != "run", overflow="fold")
    for row in rows:
        start, end = (f"{row['curve'][place][1]:.3f}" for place in (0, -1))
        table.add_row(row["name"], start, end, points_text(row["gain"]), points_text(row["ahead"]))
    return table


def points_text(found: Interval | None) -> str:
    """A difference in points, with its interval."""
    if found is None:
        return MISSING
    return "{:+.1f} [{:+.1f}, {:+.1f}]".format(*(100 * value for value in found))
