"""Plots: the figures contain numbers that were computed by hand."""

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import flows.reporting.plots
from flows.reporting.plots import learning_curve, training_plot, votes_plot

Draw = Callable[..., list[Axes]]


@pytest.fixture
def draw(monkeypatch: pytest.MonkeyPatch) -> Draw:
    """Return a function that draws a plot and returns its axes.

    The plot is really drawn, because a layout that does not fit causes a warning, which fails the test.
    """
    figures: list[Figure] = []
    png = flows.reporting.plots._png
    monkeypatch.setattr(flows.reporting.plots, "_png", lambda figure: figures.append(figure) or png(figure))

    def axes_of(plot: Callable[..., bytes], *arguments: Any) -> list[Axes]:
        assert plot(*arguments).startswith(b"\x89PNG")
        return figures.pop().axes

    return axes_of


def votes(*rows: tuple[float, float, str]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {"share": share, "mean_reward": reward, "decision": decision, "responses": 4}
            for share, reward, decision in rows
        ]
    )


def heights(axes: Axes, label: str) -> dict[float, float]:
    """Return the heights of the bars that are not empty, by their center."""
    bars = next(group for group in axes.containers if group.get_label().startswith(label))
    return {round(bar.get_center()[0], 6): bar.get_height() for bar in bars if bar.get_height()}


def bound_lines(axes: Axes) -> list[float]:
    """Return the positions of the vertical dashed lines."""
    return [line.get_xdata()[0] for line in axes.lines if line.get_linestyle() == "--"]


VOTES = votes(
    (0.25, 0.25, "kept"), (0.5, 0.5, "kept"), (0.5, 0.5, "kept"), (0.5, 0.0, "tie"), (1.0, 1.0, "too_easy"),
    (0.0, 0.0, "no_answer"),
)  # fmt: skip
GATE = {"min_reward": 0.2, "max_reward": 0.8}
STEPS = [("candidates", 9), ("similar", -3), ("accepted", 6), ("tie", -1), ("kept", 3)]


def test_each_share_of_a_small_group_has_a_bar(draw: Draw) -> None:
    funnel, shares = draw(votes_plot, VOTES, STEPS, GATE)
    assert heights(shares, "kept") == {0.25: 1, 0.5: 2}
    assert heights(shares, "dropped") == {0.0: 1, 0.5: 1, 1.0: 1}
    assert [group.get_label() for group in shares.containers] == ["kept (3)", "dropped (3)"]
    assert bound_lines(shares) == [0.2, 0.8]  # a tie earns nothing whatever its share, so no second panel
    assert [bar.get_width() for bar in funnel.patches] == [9, 3, 6, 1, 3]
    assert [bool(bar.get_hatch()) for bar in funnel.patches] == [False, True, False, True, False]
    assert [text.get_text().strip() for text in funnel.texts] == ["9", "-3", "6", "-1", "3"]


def test_rewards_that_differ_from_shares_have_a_panel(draw: Draw) -> None:
    voted = votes((0.5, 0.375, "kept"), (1.0, 0.9, "too_easy"))
    shares, rewards = draw(votes_plot, voted, [], GATE)
    assert bound_lines(shares) == [] and bound_lines(rewards) == [0.2, 0.8]
    assert heights(shares, "kept") == {0.5: 1}


@pytest.mark.parametrize("setting", [{"soft": True}, {"low_agreement_penalty": 0.5}])
def test_the_gate_is_not_drawn_among_rewards_that_it_does_not_compare(draw: Draw, setting: dict[str, Any]) -> None:
    shares, rewards = draw(votes_plot, votes((0.5, 0.25, "kept"), (1.0, 0.9, "too_easy")), [], GATE | setting)
    assert bound_lines(shares) == bound_lines(rewards) == []


def test_histogram_of_a_large_group_is_complete(draw: Draw) -> None:
    many = pl.DataFrame(
        {"share": [0.0, 0.2, 0.8, 1.0], "mean_reward": [0.0, 0.2, 0.8, 1.0],
         "decision": ["no_answer", "kept", "kept", "too_easy"], "responses": [64] * 4}
    )  # fmt: skip
    (shares,) = draw(votes_plot, many, [], GATE)
    assert sum(heights(shares, "kept").values()) == sum(heights(shares, "dropped").values()) == 2


def test_skipped_updates_have_no_point(draw: Draw) -> None:
    rows = [
        {"iteration": number, "kl": kl, "entropy": kl and 2 * kl} for number, kl in enumerate((None, 0.1, None, 0.3))
    ]
    steps = pl.DataFrame({"step": [4, 5, 6], "kl": [0.2, None, 0.4], "entropy": [1.0, 2.0, 3.0]})
    kl, entropy, kl_of_steps, entropy_of_steps = (axes.lines[0] for axes in draw(training_plot, rows, steps))
    assert list(kl.get_xdata()) == [1, 3] and list(kl.get_ydata()) == [0.1, 0.3]
    assert list(entropy.get_ydata()) == [0.2, 0.6]
    np.testing.assert_array_equal(np.asarray(kl_of_steps.get_ydata(), float), [0.2, np.nan, 0.4])
    assert list(entropy_of_steps.get_xdata()) == [4, 5, 6]
    assert len(draw(training_plot, rows, None)) == len(draw(training_plot, rows, steps.head(1))) == 2


def test_without_a_kl_the_entropy_is_drawn_alone(draw: Draw) -> None:
    rows = [{"iteration": number, "kl": None, "entropy": entropy} for number, entropy in enumerate((None, 0.4, 0.2))]
    steps = pl.DataFrame({"step": [4, 5], "kl": [None, None], "entropy": [1.0, 2.0]})
    entropy, entropy_of_steps = (axes.lines[0] for axes in draw(training_plot, rows, steps))
    assert list(entropy.get_xdata()) == [1, 2] and list(entropy.get_ydata()) == [0.4, 0.2]
    assert list(entropy_of_steps.get_ydata()) == [1.0, 2.0]


def test_lines_differ_by_more_than_color(draw: Draw) -> None:
    bins = [{"mean_share": 0.5, "correct": 0.4, "questions": 3}, {"mean_share": 0.9, "correct": 1.0, "questions": 9}]
    rows = [
        {
            "iteration": number, "benchmark": "held", "prompt": "plain", "pass1_sampled": 0.5, "pass1_greedy": 0.4,
            "pass1_sampled_interval": [0.4, 0.6], "maj_k": 0.7, "accepted": 4, "kept": 2, "vote_share": 0.5,
            "reliability": {"held": bins, "self-written questions": bins},
        }
        for number in range(3)
    ]  # fmt: skip
    accuracy, _, trust, _ = draw(learning_curve, rows, "held")
    assert [line.get_label() for line in trust.lines[1:]] == [
        "held, iteration 0", "held, iteration 2", "self-written questions, iteration 2",
    ]  # fmt: skip
    for axes in (accuracy, trust):
        styles = [(line.get_marker(), line.get_linestyle()) for line in axes.lines]
        assert len(set(styles)) == len(styles)
    assert learning_curve(rows, "held") == learning_curve(rows, "held")
