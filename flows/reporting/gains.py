"""Comparison of any number of runs: the gain of each, and its lead over the first run, on the same problems."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
from rich.table import Table

from flows.reporting.number_format import MISSING
from flows.reporting.results import headline_benchmark, iteration_results
from flows.reporting.terminal_tables import plain_table
from stages.benchmarks.statistics import paired_difference
from storage.errors import InputError
from storage.run import Run

PLOT_PATH = "reports/comparison.png"
"""Path of the plot of a comparison, relative to the first run."""

Interval = tuple[float, float, float]
"""A mean and the two ends of its 95 % interval, as shares of 1."""


def side_by_side(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Return a row of plain values for each run, measured on the headline benchmark of the first run.

    `curve` holds (iteration, pass@1, low, high) of every evaluation. `gain` is the last evaluation minus the first,
    paired by problem. `ahead` is the last evaluation minus the last one of the first run. Both are an `Interval`, or
    None if there is nothing to compare.

    Raises InputError if a run has not been evaluated on that benchmark.
    """
    benchmark = headline_benchmark(runs[0].config)
    return [_row(run, runs[0], benchmark) for run in runs]


def all_evaluated(runs: Sequence[Run]) -> bool:
    """Return whether all runs have been evaluated on the headline benchmark of the first run."""
    return all(_evaluations(run, headline_benchmark(runs[0].config)) for run in runs)


def comparison_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return the gains in points with their 95 % intervals, as a table of at most 80 columns."""
    prompts = sorted({row["prompt"] or "not noted" for row in rows})
    table = plain_table(
        f"pass@1 on {rows[0]['benchmark']} (prompt: {' or '.join(prompts)}), gains and how far ahead of "
        f"{rows[0]['name']}, in points, paired by problem"
    )
    for name in ("run", "start", "end", "gain, 95 %", "ahead, 95 %"):
        table.add_column(name, justify="left" if name == "run" else "right", no_wrap=name != "run", overflow="fold")
    for row in rows:
        start, end = (f"{row['curve'][index][1]:.3f}" for index in (0, -1))
        table.add_row(row["name"], start, end, points_text(row["gain"]), points_text(row["ahead"]))
    return table


def points_text(difference: Interval | None) -> str:
    """Return a difference in points with its interval, or a dash for None."""
    if difference is None:
        return MISSING
    return "{:+.1f} [{:+.1f}, {:+.1f}]".format(*(100 * value for value in difference))


def _row(run: Run, first: Run, benchmark: str) -> dict[str, Any]:
    evaluations = _evaluations(run, benchmark)
    if not evaluations:
        raise InputError(
            f"{run.store.uri} has no evaluation on {benchmark}, the benchmark of {first.store.uri}; compare runs that "
            "share one"
        )
    start, end = evaluations[0]["iteration"], evaluations[-1]["iteration"]
    end_of_first = _evaluations(first, benchmark)[-1]["iteration"]
    return {
        "run": run.store.uri,
        "name": run.config["name"],
        "rewards": run.config["rewards"],
        "instructions": _instructions(run.config),
        "benchmark": benchmark,
        "prompt": _pass1(evaluations[-1], benchmark).get("prompt", ""),
        "iterations": [start, end],
        "curve": [_point(row, benchmark) for row in evaluations],
        "gain": _difference((run, start), (run, end), benchmark) if end > start else None,
        "ahead": _difference((first, end_of_first), (run, end), benchmark) if run is not first else None,
    }


def _instructions(config: Mapping[str, Any]) -> str:
    frozen = ", frozen generator" if config.get("generator") == "initial" else ""
    return f"{config.get('instructions', 'self')}{frozen}"


def _evaluations(run: Run, benchmark: str) -> list[dict[str, Any]]:
    """Return the results of all iterations that were evaluated on a benchmark."""
    results = [iteration_results(run, number) for number in run.iterations]
    return [row for row in results if benchmark in row["benchmarks"]]


def _pass1(results: Mapping[str, Any], benchmark: str) -> dict[str, Any]:
    """Return pass@1 of an iteration: of sampled responses if there are any, else of greedy ones."""
    metrics: dict[str, dict[str, Any]] = results["benchmarks"][benchmark]
    return metrics.get("pass1_sampled", metrics["pass1_greedy"])


def _point(results: Mapping[str, Any], benchmark: str) -> tuple[int, float, float, float]:
    pass1 = _pass1(results, benchmark)
    return results["iteration"], pass1["value"], pass1["low"], pass1["high"]


def _difference(before: tuple[Run, int], after: tuple[Run, int], benchmark: str) -> Interval | None:
    """Return the accuracy `after` minus that `before`, each (run, iteration), on the questions that both answered."""
    accuracies_before, accuracies_after = (_accuracies(run, iteration, benchmark) for run, iteration in (before, after))
    common = sorted(accuracies_before.keys() & accuracies_after.keys())
    if not common:
        return None
    return paired_difference(
        [accuracies_before[question] for question in common], [accuracies_after[question] for question in common]
    )


def _accuracies(run: Run, iteration: int, benchmark: str) -> dict[str, float]:
    """Return the accuracy by question: of sampled responses if there are any, else of greedy ones."""
    grades = run.table("grades", iteration).filter(pl.col("benchmark") == benchmark)
    mode = "sampled" if "sampled" in grades["mode"] else "greedy"
    accuracy = (pl.col("status") == "correct").mean().alias("accuracy")
    by_problem = grades.filter(pl.col("mode") == mode).group_by("problem_id").agg(accuracy)
    problems = run.table("problems", 0).filter(pl.col("benchmark") == benchmark).select("problem_id", "question")
    return dict(problems.join(by_problem, on="problem_id").select("question", "accuracy").rows())
