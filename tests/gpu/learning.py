"""What part `learning` reports: what a run has learned, read from its evaluations, and several arms side by side.

An evaluation is kept as plain values, so that the arms of different calls can be compared without their runs: question
by question, the share of responses that are right, that have an answer, and that were cut off.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from flows.reporting.gains import Interval, points_text
from flows.reporting.results import headline_benchmark, iteration_results
from stages.benchmarks.statistics import paired_difference
from storage.run import Run
from tests.gpu.registry import ARMS, part_name

MODES = ("greedy", "sampled")
FILE = "evaluations.json"
"""In the folder of the part, written when the part ends."""

Evaluation = Mapping[str, Any]
"""As `evaluation_of` returns it."""


def evaluation_of(run: Run, iteration: int) -> Evaluation:
    """Return the headline evaluation of an iteration.

    `questions` holds the ids, in order. Each mode of `MODES` that was asked holds three lists in the order of the
    questions, with shares of a question's responses: `correct`; `answered`, those in which an answer was found,
    readable or not; `cut_off`, those that ended at the token limit. `maj_k` is the accuracy of the majority
    answer of the `samples` sampled responses, None without any.
    """
    benchmark = headline_benchmark(run.config)
    grades = run.table("grades", iteration).filter(pl.col("benchmark") == benchmark)
    by_question = (
        grades.group_by("mode", "problem_id")
        .agg(
            (pl.col("status") == "correct").mean().alias("correct"),
            (pl.col("status") != "no_answer").mean().alias("answered"),
            (pl.col("finish_reason") == "length").mean().alias("cut_off"),
        )
        .sort("problem_id")
    )
    modes = {mode: by_question.filter(pl.col("mode") == mode) for mode in MODES}
    majority = iteration_results(run, iteration)["benchmarks"][benchmark].get("maj_k", {})
    return {
        "iteration": iteration,
        "questions": modes["greedy"]["problem_id"].to_list(),
        **{
            mode: frame.select("correct", "answered", "cut_off").to_dict(as_series=False)
            for mode, frame in modes.items()
            if frame.height
        },
        "maj_k": majority.get("value"),
        "samples": majority.get("samples"),
    }


def shares(evaluation: Evaluation, mode: str) -> dict[str, float | None]:
    """Return the shares of all responses of a mode that are right, answered and cut off, and of the answered ones that
    are right (None if no response has an answer).

    Every question has the same number of responses, so the mean over questions is the share of responses.
    """
    means = {name: float(np.mean(values)) for name, values in evaluation[mode].items()}
    right_of_answered = means["correct"] / means["answered"] if means["answered"] else None
    return {**means, "correct_of_answered": right_of_answered}


def difference(before: Evaluation, after: Evaluation, mode: str, column: str = "correct") -> Interval:
    """Return the mean of after - before over the questions, with the two ends of its 95 % interval.

    Paired by question: a bootstrap over the differences. Raises ValueError if the questions differ.
    """
    if before["questions"] != after["questions"]:
        raise ValueError("the two evaluations have different questions")
    return paired_difference(before[mode][column], after[mode][column])


def answered_both_times(before: Evaluation, after: Evaluation) -> tuple[int, Interval | None]:
    """Return the number of questions whose greedy response has an answer both times, and the gain on them.

    A policy can gain by answering more often, or by answering better. This gain is free of the first.
    """
    answered = zip(before["greedy"]["answered"], after["greedy"]["answered"], strict=True)
    both = [index for index, shares in enumerate(answered) if shares == (1.0, 1.0)]
    if not both:
        return 0, None
    before_and_after = ([evaluation["greedy"]["correct"][index] for index in both] for evaluation in (before, after))
    return len(both), paired_difference(*before_and_after)


def figures(evaluations: Sequence[Evaluation]) -> Iterator[tuple[str, Any]]:
    """Yield (name, value) of each figure of a run's first evaluation, and of its last one if there are two."""
    start, end = evaluations[0], evaluations[-1]
    for name, evaluation in {"start": start, "end": end}.items() if len(evaluations) > 1 else [("start", start)]:
        for mode in MODES:
            if mode in evaluation:
                yield f"{mode} {name}", shares(evaluation, mode)
        if evaluation["samples"]:
            yield f"maj@{evaluation['samples']} {name}", evaluation["maj_k"]
    if len(evaluations) > 1:
        for mode in MODES:
            if mode in end:
                yield f"{mode} gain, points", points_text(difference(start, end, mode))
        yield "answered gain (greedy), points", points_text(difference(start, end, "greedy", "answered"))
        count, gain = answered_both_times(start, end)
        yield "gain on questions answered both times (greedy), points", f"{points_text(gain)} on {count:,} questions"


def keep(folder: Path, arm: str, passes: int, of: int, evaluations: Sequence[Evaluation]) -> None:
    """Write what the summary needs of an arm: its first and its last evaluation."""
    kept = [evaluations[0], evaluations[-1]] if len(evaluations) > 1 else list(evaluations)
    (folder / FILE).write_text(json.dumps({"arm": arm, "passes": passes, "of": of, "evaluations": kept}))


def lines(out: Path) -> Iterator[str]:
    """Yield the lines of the summary about all arms in a folder of results; none without an arm."""
    arms = {name: values for name in ARMS if (values := _read(out / "parts" / part_name(name) / FILE))}
    if not arms:
        return
    yield from ("", "## Learning without answers", "")
    questions = {len(values["evaluations"][0]["questions"]) for values in arms.values()}
    yield f"{' or '.join(f'{number:,}' for number in sorted(questions))} held-out questions; gains are in points."
    yield from ("", "| arm | passes | answers | start | end | gain, 95 % |", "|---|---|---|---|---|---|")
    for name, values in arms.items():
        yield from _accuracy_rows(name, values)
    yield from ("", "| arm | answers | answered | cut off | right among the answered |", "|---|---|---|---|---|")
    for name, values in arms.items():
        yield from _answered_rows(name, values)
    yield ""
    yield from _sentences(arms)


def _accuracy_rows(arm: str, values: Mapping[str, Any]) -> Iterator[str]:
    evaluations = values["evaluations"]
    start, end = evaluations[0], evaluations[1] if len(evaluations) > 1 else None
    passes = f"{values['passes']} of {values['of']}"
    for mode in MODES:
        if mode in start:
            after = _percent(shares(end, mode)["correct"]) if end else "–"
            gain = points_text(difference(start, end, mode)) if end else "–"
            yield f"| {arm} | {passes} | {mode} | {_percent(shares(start, mode)['correct'])} | {after} | {gain} |"
    if start["samples"]:
        after = _percent(end["maj_k"]) if end else "–"
        yield f"| {arm} | {passes} | maj@{start['samples']} | {_percent(start['maj_k'])} | {after} | |"


def _answered_rows(arm: str, values: Mapping[str, Any]) -> Iterator[str]:
    for mode in MODES:
        if mode in values["evaluations"][0]:
            by_evaluation = [shares(evaluation, mode) for evaluation in values["evaluations"]]
            cells = (
                " → ".join(_percent(measured[name]) for measured in by_evaluation)
                for name in ("answered", "cut_off", "correct_of_answered")
            )
            yield f"| {arm} | {mode} | {' | '.join(cells)} |"


def _sentences(arms: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    finished = {name: values for name, values in arms.items() if len(values["evaluations"]) > 1}
    for name, values in finished.items():
        start, end = values["evaluations"]
        for mode in MODES:
            if mode in end:
                yield f"- {name}, {mode}: {_verdict(difference(start, end, mode))}."
        count, gain = answered_both_times(start, end)
        yield f"- {name}, on the {count:,} questions answered both times (greedy): {points_text(gain)}."
    if "majority" in finished:
        for name in finished:
            if name != "majority":
                yield from _ahead(finished["majority"], name, finished[name])
    if missing := [name for name in ARMS if name not in finished]:
        yield f"- No result yet: {', '.join(missing)}."
    yield "- The intervals are over questions. How far another seed of the training would lead is not in them."


def _ahead(majority: Mapping[str, Any], name: str, values: Mapping[str, Any]) -> Iterator[str]:
    """Compare the ends of two arms, which start from the same policy."""
    ends = values["evaluations"][1], majority["evaluations"][1]
    if ends[0]["questions"] != ends[1]["questions"]:
        yield f"- majority and {name} were evaluated on different questions and cannot be compared."
        return
    unequal = f" (after {majority['passes']} and {values['passes']} passes)"
    passes = unequal if majority["passes"] != values["passes"] else ""
    for mode in MODES:
        if mode in ends[0] and mode in ends[1]:
            yield f"- majority ahead of {name} at the end{passes}, {mode}: {points_text(difference(*ends, mode))}."


def _verdict(gain: Interval) -> str:
    mean, low, high = gain
    if low > 0:
        verdict = "a gain is shown"
    elif high < 0:
        verdict = "a loss is shown"
    else:
        verdict = "neither gain nor loss is shown, because the interval includes 0"
    return f"{points_text((mean, low, high))}, {verdict}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def _read(path: Path) -> dict[str, Any]:
    try:
        values: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return values
