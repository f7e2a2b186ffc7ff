"""A run's results as plain values: what `serl show`, the tables and the plots draw from."""

from typing import Any

from storage.run import Run

CURVE = "reports/learning_curve.png"
"""Where a run's learning curve lies, relative to the run."""


def iteration_results(run: Run, iteration: int) -> dict[str, Any]:
    """One iteration's headline numbers. What was not measured is None; accuracies are shares of 1.

    `pass1_*` and `maj_k` are of the settings' first benchmark; `benchmarks` holds all of them with their intervals.
    """
    metrics = run.metrics(iteration)
    benchmarks = _benchmarks(run, iteration)
    headline = benchmarks.get(run.config["evaluate"]["benchmarks"][0]["name"], {})
    seconds = stage_seconds(run, iteration)
    trained = iteration > 0
    return {
        "iteration": iteration,
        **{name: headline.get(name, {}).get("value") for name in ("pass1_sampled", "pass1_greedy", "maj_k")},
        "pass1_sampled_interval": _interval(headline.get("pass1_sampled")),
        "candidates": metrics.get("generate/candidates"),
        "accepted": metrics.get("filter/accepted"),
        "acceptance_rate": metrics.get("filter/acceptance_rate"),
        "kept": metrics.get("vote/kept"),
        "dropped": metrics.get("vote/dropped"),
        "vote_share": metrics.get("vote/mean_share"),
        "kl": metrics.get("train/kl"),
        "entropy": metrics.get("train/entropy"),
        "update_skipped": trained and "train/optimiser_steps" not in metrics,
        "seconds": round(sum(seconds.values()), 3),
        "seconds_per_stage": seconds,
        "benchmarks": benchmarks,
        "metrics": metrics,
    }


def run_results(run: Run) -> dict[str, Any]:
    """The whole run: what `serl show RUN --json` prints."""
    return {
        "run": run.store.uri,
        "iterations_wanted": run.config["iterations"],
        "rewards": run.config["rewards"],
        "iterations": [iteration_results(run, number) for number in run.iterations],
    }


def stage_seconds(run: Run, iteration: int) -> dict[str, float]:
    """Seconds of each stage, of the execution that took longest where several were tried."""
    timings = run.table("timings", iteration=iteration)
    longest = timings.group_by("stage", maintain_order=True).max()
    return {stage: round(seconds, 3) for stage, seconds in longest.select("stage", "seconds").iter_rows()}


def _benchmarks(run: Run, iteration: int) -> dict[str, dict[str, dict[str, Any]]]:
    if "evaluate" not in run.manifests(iteration):
        return {}
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for row in run.table("results", iteration=iteration).iter_rows(named=True):
        found.setdefault(row.pop("benchmark"), {})[row.pop("metric")] = row
    return found


def _interval(row: dict[str, Any] | None) -> list[float] | None:
    return [row["low"], row["high"]] if row else None
