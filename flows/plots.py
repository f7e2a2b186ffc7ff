"""Plots of a run, as PNG bytes. Colours are told apart by colour-blind readers (Okabe and Ito's palette)."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from flows.results import CURVE, SELF_WRITTEN, headline_benchmark, measured_on
from storage.run import Run

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#999999"
LINES = (
    (BLUE, "o", "-"),
    (ORANGE, "s", "--"),
    (GREY, "^", ":"),
    (GREEN, "D", "-."),
    ("#CC79A7", "v", "-"),
    ("#E69F00", "P", "--"),
    ("#56B4E9", "X", "-."),
    ("#000000", "*", ":"),
)
"""Colour, marker and dash of each line of a comparison; more lines start over."""


def write_curve(run: Run, iterations: Sequence[dict[str, Any]]) -> bytes:
    """Draw the learning curve into the run's folder, unless this very picture is there.

    A view of what is committed, it may be drawn again at any time. `iterations`: of `flows.results.run_results`.
    """
    png = learning_curve(iterations, headline_benchmark(run.config))
    if not run.store.exists(CURVE) or run.store.read(CURVE) != png:
        run.store.replace(CURVE, png)
    return png


def learning_curve(iterations: Sequence[dict[str, Any]], benchmark: str) -> bytes:
    """Accuracy per iteration; questions accepted and kept, and the vote share; how far a vote can be trusted."""
    curves = _reliability_curves(iterations, benchmark)
    panels = 3 if curves else 2
    figure = Figure(figsize=(5.5 * panels, 4.2), dpi=130, layout="constrained")
    accuracy, votes, *trust = figure.subplots(1, panels)
    _draw_accuracy(accuracy, iterations)
    _draw_questions(votes, [row for row in iterations if row["accepted"] is not None])
    for axes in trust:
        _draw_reliability(axes, curves)
    return _png(figure)


def comparison(
    curves: Mapping[str, Sequence[tuple[int, float, float, float]]],
    gains: Mapping[str, tuple[float, float, float] | None],
    benchmark: str,
) -> bytes:
    """Learning curves of several runs, and what each gained.

    `curves`: by name, (iteration, accuracy, low, high). `gains`: by name, mean and ends of the interval, shares of 1.
    """
    figure = Figure(figsize=(12, 0.35 * len(curves) + 3.4), dpi=130, layout="constrained")
    lines, dots = figure.subplots(1, 2, width_ratios=[3, 2])
    for place, (name, points) in enumerate(curves.items()):
        colour, marker, dash = LINES[place % len(LINES)]
        numbers, values, low, high = zip(*points, strict=True)
        lines.plot(numbers, values, marker + dash, color=colour, label=name)
        lines.fill_between(numbers, low, high, color=colour, alpha=0.12, linewidth=0)
        if (gain := gains.get(name)) is not None:
            mean, *ends = (100 * value for value in gain)
            dots.plot(ends, [place, place], "-", color=colour, linewidth=2)
            dots.plot([mean], [place], marker, color=colour)
    lines.set(title=f"pass@1 on {benchmark}", xlabel="iteration", ylabel="share of problems solved", ylim=(0, 1))
    lines.grid(alpha=0.3)
    lines.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    lines.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=3, fontsize=8, frameon=False)
    dots.axvline(0, color=GREY, linewidth=1)
    dots.set(title="Gain, with its 95 % interval", xlabel="points", yticks=range(len(curves)))
    dots.set_yticklabels(list(curves))
    dots.invert_yaxis()
    dots.grid(alpha=0.3, axis="x")
    return _png(figure)


def _png(figure: Figure) -> bytes:
    sink = io.BytesIO()
    # No date or version in the file: the same results give the same picture.
    figure.savefig(sink, format="png", metadata={"Software": None})
    return sink.getvalue()


def _reliability_curves(
    iterations: Sequence[dict[str, Any]], benchmark: str
) -> list[tuple[str, str, list[dict[str, Any]]]]:
    """(label, colour, rows) of the first benchmark at its first and last evaluation, and of the newest votes."""
    evaluated = [row for row in iterations if row["reliability"].get(benchmark)]
    found = []
    if len(evaluated) > 1:
        found.append(
            (f"{benchmark}, iteration {evaluated[0]['iteration']}", GREY, evaluated[0]["reliability"][benchmark])
        )
    if evaluated:
        found.append(
            (f"{benchmark}, iteration {evaluated[-1]['iteration']}", BLUE, evaluated[-1]["reliability"][benchmark])
        )
    voted = [row for row in iterations if row["reliability"].get(SELF_WRITTEN)]
    if voted:
        label = f"{SELF_WRITTEN}, iteration {voted[-1]['iteration']}"
        found.append((label, ORANGE, voted[-1]["reliability"][SELF_WRITTEN]))
    return found


def _draw_reliability(axes: Axes, curves: Sequence[tuple[str, str, list[dict[str, Any]]]]) -> None:
    axes.plot([0, 1], [0, 1], ":", color=GREY, linewidth=1)
    most = max(row["questions"] for _, _, rows in curves for row in rows)
    for label, colour, rows in curves:
        shares, correct = [row["mean_share"] for row in rows], [row["correct"] for row in rows]
        axes.plot(shares, correct, "-", color=colour, label=label)
        axes.scatter(shares, correct, s=[15 + 120 * row["questions"] / most for row in rows], color=colour)
    axes.set(
        title="Is the majority right?",
        xlabel="share of votes for the majority answer (larger dot: more questions)",
        ylabel="share of majorities that are right",
        xlim=(0, 1.03),
        ylim=(0, 1.03),
    )
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", fontsize=8)


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
    axes.plot(
        [r["iteration"] for r in voted], [r["maj_k"] for r in voted], "s--", color=ORANGE, label="majority of k samples"
    )
    greedy = [row["pass1_greedy"] for row in measured]
    axes.plot([r["iteration"] for r in measured], greedy, "^:", color=GREEN, label="greedy")
    axes.set(
        title=f"Accuracy on {measured_on(iterations)}",
        xlabel="iteration",
        ylabel="share of problems solved",
        ylim=(0, 1),
    )
    _finish(axes)


def _draw_questions(axes: Axes, iterations: Sequence[dict[str, Any]]) -> None:
    numbers = [row["iteration"] for row in iterations]
    axes.bar(numbers, [row["accepted"] for row in iterations], color=GREY, alpha=0.5, label="accepted by the filter")
    axes.bar(numbers, [row["kept"] for row in iterations], color=BLUE, alpha=0.7, label="kept after the vote")
    axes.set(title="Questions that the policy wrote", xlabel="iteration", ylabel="questions")
    share = axes.twinx()
    share.plot(numbers, [row["vote_share"] for row in iterations], "o-", color=ORANGE, label="mean vote share (right)")
    share.set(ylim=(0, 1))
    lines = [*axes.get_legend_handles_labels()[0], *share.get_legend_handles_labels()[0]]
    labels = [str(line.get_label()) for line in lines]
    axes.legend(lines, labels, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=3, fontsize=8, frameon=False)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def _finish(axes: Axes) -> None:
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", fontsize=8)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
