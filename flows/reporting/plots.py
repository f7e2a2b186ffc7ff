"""Plots of a run, as PNG bytes. Colour-blind readers can distinguish the colours (the palette of Okabe and Ito)."""

import io
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from flows.reporting.results import CURVE_PATH, SELF_WRITTEN, headline_benchmark, measured_on, start_of_funnel
from storage.run import Run

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#999999"
LINE_STYLES = (
    (BLUE, "o", "-"),
    (ORANGE, "s", "--"),
    (GREY, "^", ":"),
    (GREEN, "D", "-."),
    ("#CC79A7", "v", "-"),
    ("#E69F00", "P", "--"),
    ("#56B4E9", "X", "-."),
    ("#000000", "*", ":"),
)
"""Colour, marker and dash of each line of a plot; after the last entry the styles repeat."""
_OF_THE_UPDATE = {"kl": "KL to the reference", "entropy": "Entropy of the policy"}
"""Metrics of the update that are drawn, with their titles."""
_DPI = 110
"""Resolution of plots for a page that is about 900 pixels wide."""


def write_curve(run: Run, iterations: Sequence[dict[str, Any]]) -> bytes:
    """Draw the learning curve, write the PNG into the run's folder unless the same PNG is there, and return the PNG.

    The picture shows committed results only, so it can be drawn again at any time.

    Args:
        run: The run.
        iterations: The results of each iteration, from `flows.reporting.results.iteration_results`.
    """
    png = learning_curve(iterations, headline_benchmark(run.config))
    if not run.store.exists(CURVE_PATH) or run.store.read(CURVE_PATH) != png:
        run.store.replace(CURVE_PATH, png)
    return png


def learning_curve(iterations: Sequence[dict[str, Any]], benchmark: str) -> bytes:
    """Draw accuracy, numbers of questions and vote share by iteration, and how often a majority was right."""
    curves = _reliability_curves(iterations, benchmark)
    figure = Figure(figsize=(9, 8), dpi=_DPI, layout="constrained")
    panels = figure.subplot_mosaic("aa;bc" if curves else "aa;bb")
    _draw_accuracy(panels["a"], iterations)
    _draw_questions(panels["b"], [row for row in iterations if row["accepted"] is not None])
    if curves:
        _draw_reliability(panels["c"], curves)
    return _png(figure)


def votes_plot(votes: pl.DataFrame, steps: Sequence[tuple[str, int]], vote: Mapping[str, Any]) -> bytes:
    """Draw what became of an iteration's candidates, and the numbers of questions by vote share.

    If mean rewards differ from vote shares, a second panel shows them. The last panel shows the bounds of the
    difficulty gate. They are left out if rewards are not 0 or 1, because the mean reward is then not what the gate
    compares with them.

    Args:
        votes: The table `votes` of one iteration; not empty.
        steps: From `flows.reporting.results.funnel`; empty if no questions were filtered.
        vote: The settings `vote` of the run.
    """
    gated = votes.filter(pl.col("decision").is_in(["kept", "too_easy", "too_hard"]))
    distances = np.abs((gated["share"] - gated["mean_reward"]).to_numpy())
    measures = ["share", "mean_reward"] if (distances > 1e-9).any() else ["share"]
    bounds = () if vote.get("soft") or vote.get("low_agreement_penalty") else (vote["min_reward"], vote["max_reward"])
    heights = [0.3 * len(steps) + 0.9, 3.4] if steps else [3.4]
    figure = Figure(figsize=(9, sum(heights)), dpi=_DPI, layout="constrained")
    *above, below = figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    for part in above:
        _draw_funnel(part.subplots(), steps)
    for axes, measure in zip(below.subplots(1, len(measures), squeeze=False)[0], measures, strict=True):
        _draw_histogram(axes, votes, measure, bounds if measure == measures[-1] else ())
    below.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    return _png(figure)


def training_plot(iterations: Sequence[dict[str, Any]], steps: pl.DataFrame | None) -> bytes:
    """Draw KL and entropy by iteration, and by step of the newest update if it had several steps.

    A run that does not measure the KL (`update.kl_coef: 0`) has the entropy alone.

    Args:
        iterations: The results of each iteration.
        steps: The table `train_metrics` of the last of `iterations`; None if the policy was not updated in it.
    """
    updated = [row for row in iterations if row["entropy"] is not None]
    measures = [
        (name, title, style)
        for (name, title), style in zip(_OF_THE_UPDATE.items(), LINE_STYLES[:2], strict=True)
        if any(row[name] is not None for row in updated)
    ]
    by_iteration = pl.DataFrame([{name: row[name] for name in ("iteration", "kl", "entropy")} for row in updated])
    tables = [("iteration", by_iteration)]
    if steps is not None and steps.height > 1:  # a single step would repeat the point of the iteration
        tables.append((f"optimiser step, in iteration {iterations[-1]['iteration']}", steps))
    figure = Figure(figsize=(9, 2.7 * len(tables)), dpi=_DPI, layout="constrained")
    grid = figure.subplots(len(tables), len(measures), squeeze=False)
    for panels, (x_label, table) in zip(grid, tables, strict=True):
        for axes, (measure, title, (color, marker, dash)) in zip(panels, measures, strict=True):
            style = (marker if table.height <= 40 else "") + dash
            axes.plot(table[table.columns[0]], table[measure].cast(pl.Float64), style, color=color, markersize=5)
            axes.set(title=title, xlabel=x_label)
            axes.set_ylim(bottom=0)
            axes.margins(x=0.04)
            axes.grid(alpha=0.3)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    return _png(figure)


def comparison_plot(
    curves: Mapping[str, Sequence[tuple[int, float, float, float]]],
    gains: Mapping[str, tuple[float, float, float] | None],
    benchmark: str,
) -> bytes:
    """Draw the learning curves and the gains of several runs.

    Args:
        curves: By name of the run, (iteration, accuracy, low, high) of each evaluation.
        gains: By name of the run, the mean gain and the two ends of its interval, as shares of 1.
        benchmark: Name of the benchmark.
    """
    figure = Figure(figsize=(12, 0.35 * len(curves) + 3.4), dpi=130, layout="constrained")
    curve_axes, gain_axes = figure.subplots(1, 2, width_ratios=[3, 2])
    for index, (name, points) in enumerate(curves.items()):
        color, marker, dash = LINE_STYLES[index % len(LINE_STYLES)]
        numbers, values, low, high = zip(*points, strict=True)
        curve_axes.plot(numbers, values, marker + dash, color=color, label=name)
        curve_axes.fill_between(numbers, low, high, color=color, alpha=0.12, linewidth=0)
        if (gain := gains.get(name)) is not None:
            mean, *ends = (100 * value for value in gain)
            gain_axes.plot(ends, [index, index], "-", color=color, linewidth=2)
            gain_axes.plot([mean], [index], marker, color=color)
    curve_axes.set(title=f"pass@1 on {benchmark}", xlabel="iteration", ylabel="share of problems solved", ylim=(0, 1))
    curve_axes.grid(alpha=0.3)
    curve_axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    curve_axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=3, fontsize=8, frameon=False)
    gain_axes.axvline(0, color=GREY, linewidth=1)
    gain_axes.set(title="Gain, with its 95 % interval", xlabel="points", yticks=range(len(curves)))
    gain_axes.set_yticklabels(list(curves))
    gain_axes.invert_yaxis()
    gain_axes.grid(alpha=0.3, axis="x")
    return _png(figure)


def _png(figure: Figure) -> bytes:
    sink = io.BytesIO()
    # No date or version in the file, so that the same results give the same bytes.
    figure.savefig(sink, format="png", metadata={"Software": None})
    return sink.getvalue()


_Curve: TypeAlias = tuple[str, tuple[str, str, str], list[dict[str, Any]]]
"""Label, style (as in `LINE_STYLES`) and rows of the table `reliability`."""


def _reliability_curves(iterations: Sequence[dict[str, Any]], benchmark: str) -> list[_Curve]:
    """Return the curves of the benchmark at its first and last evaluation, and of the newest votes."""

    def curve(row: dict[str, Any], name: str, style: tuple[str, str, str]) -> _Curve:
        return f"{name}, iteration {row['iteration']}", style, row["reliability"][name]

    blue, orange, grey = LINE_STYLES[:3]
    evaluated = [row for row in iterations if row["reliability"].get(benchmark)]
    voted = [row for row in iterations if row["reliability"].get(SELF_WRITTEN)]
    return [
        *(curve(row, benchmark, grey) for row in evaluated[:-1][:1]),
        *(curve(row, benchmark, blue) for row in evaluated[-1:]),
        *(curve(row, SELF_WRITTEN, orange) for row in voted[-1:]),
    ]


def _draw_reliability(axes: Axes, curves: Sequence[_Curve]) -> None:
    axes.plot([0, 1], [0, 1], "-", color=GREY, linewidth=0.8)
    most_questions = max(row["questions"] for _, _, rows in curves for row in rows)
    for label, (color, marker, dash), rows in curves:
        shares, correct = [row["mean_share"] for row in rows], [row["correct"] for row in rows]
        axes.plot(shares, correct, marker + dash, color=color, markersize=4, label=label)
        sizes = [15 + 120 * row["questions"] / most_questions for row in rows]
        axes.scatter(shares, correct, s=sizes, color=color, marker=marker)
    axes.set(
        title="Is the majority right?",
        xlabel="vote share of the top answer (larger: more questions)",
        ylabel="share of majorities that are right",
        xlim=(0, 1.03),
        ylim=(0, 1.03),
    )
    axes.grid(alpha=0.3)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), fontsize=9, frameon=False)


def _draw_funnel(axes: Axes, steps: Sequence[tuple[str, int]]) -> None:
    for index, (_, count) in enumerate(steps):
        lost = count < 0
        (bar,) = axes.barh(index, abs(count), color="white" if lost else BLUE, edgecolor=GREY if lost else BLUE)
        bar.set_hatch("///" if lost else "")
        axes.text(abs(count), index, f" {count:+,d}" if lost else f" {count:,d}", va="center")
    axes.set_yticks(range(len(steps)), [name for name, _ in steps])
    axes.invert_yaxis()
    axes.margins(x=0.1, y=0.02)
    axes.set(
        title=f"What became of this iteration's {start_of_funnel(steps)} (hatched: lost there)", xlabel="questions"
    )


def _draw_histogram(axes: Axes, votes: pl.DataFrame, measure: str, bounds: Sequence[float]) -> None:
    """Draw kept and dropped questions by `measure`; with at most 32 responses, each possible share is one bar."""
    most_responses = int(votes["responses"].max() or 1)  # type: ignore[arg-type]
    edges = (np.arange(most_responses + 2) - 0.5) / most_responses if most_responses <= 32 else np.linspace(0, 1, 21)
    kept, dropped = (
        np.histogram(votes.filter((pl.col("decision") == "kept") == is_kept)[measure], edges)[0]
        for is_kept in (True, False)
    )
    centers, width = (edges[1:] + edges[:-1]) / 2, 0.85 * (edges[1] - edges[0])
    axes.bar(centers, kept, width, color=BLUE, label=f"kept ({kept.sum():,})")
    drawn = dropped > 0  # the edge of a bar of height 0 would be visible
    axes.bar(
        centers[drawn], dropped[drawn], width, bottom=kept[drawn], color="white", edgecolor=ORANGE, hatch="///",
        label=f"dropped ({dropped.sum():,})",
    )  # fmt: skip
    for index, bound in enumerate(bounds):
        label = f"kept from {bounds[0]:g} to {bounds[1]:g}" if index == 0 else None
        axes.axvline(bound, color="black", linestyle="--", linewidth=1.2, label=label)
    name = "vote share of the top answer" if measure == "share" else "mean reward"
    axes.set(title=f"Questions by {name}", xlabel=name, ylabel="questions", xlim=(-0.04, 1.04))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(alpha=0.3, axis="y")
    axes.set_axisbelow(True)


def _draw_accuracy(axes: Axes, iterations: Sequence[dict[str, Any]]) -> None:
    measured = [row for row in iterations if row["pass1_greedy"] is not None]
    sampled = [row for row in measured if row["pass1_sampled"] is not None]
    if sampled:
        numbers = [row["iteration"] for row in sampled]
        low, high = zip(*(row["pass1_sampled_interval"] for row in sampled), strict=True)
        axes.fill_between(numbers, low, high, color=BLUE, alpha=0.2, linewidth=0)
        values = [row["pass1_sampled"] for row in sampled]
        axes.plot(numbers, values, "o-", color=BLUE, label="one sample (pass@1, 95 % interval)")
    voted = [row for row in measured if row["maj_k"] is not None]
    numbers, values = [row["iteration"] for row in voted], [row["maj_k"] for row in voted]
    axes.plot(numbers, values, "s--", color=ORANGE, label="majority of k samples")
    numbers, values = [row["iteration"] for row in measured], [row["pass1_greedy"] for row in measured]
    axes.plot(numbers, values, "^:", color=GREEN, label="greedy")
    axes.set(
        title=f"Accuracy on {measured_on(iterations)}",
        xlabel="iteration",
        ylabel="share of problems solved",
        ylim=(0, 1),
    )
    _add_grid_and_legend(axes)


def _draw_questions(axes: Axes, iterations: Sequence[dict[str, Any]]) -> None:
    numbers = [row["iteration"] for row in iterations]
    axes.bar(numbers, [row["accepted"] for row in iterations], color=GREY, alpha=0.5, label="accepted")
    axes.bar(numbers, [row["kept"] for row in iterations], color=BLUE, alpha=0.7, label="kept after the vote")
    axes.set(title="Questions of each iteration", xlabel="iteration", ylabel="questions")
    share_axes = axes.twinx()
    share_axes.plot(
        numbers, [row["vote_share"] for row in iterations], "o-", color=ORANGE, label="mean vote share (right)"
    )
    share_axes.set(ylim=(0, 1))
    lines = [*axes.get_legend_handles_labels()[0], *share_axes.get_legend_handles_labels()[0]]
    labels = [str(line.get_label()) for line in lines]
    axes.legend(lines, labels, loc="upper center", bbox_to_anchor=(0.5, -0.17), fontsize=9, frameon=False)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _add_grid_and_legend(axes: Axes) -> None:
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", fontsize=9)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
