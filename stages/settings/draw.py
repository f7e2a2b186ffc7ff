"""Settings of how given questions are drawn by what earlier votes said about them."""

from pydantic import PositiveInt

from stages.settings.base import Settings


class DrawSettings(Settings):
    """How existing questions are drawn (`instructions: seeds` or `dataset`)."""

    prefer_uncertain: PositiveInt | None = None
    """Draw by the last vote on each question: those near the middle of the vote's gate more often than others. A
    question on which all responses agreed, or none, or whose share was outside the gate, is not drawn for this
    many iterations. null: draw each question once before any again, whatever the votes said."""


class ByDifficulty(Settings):
    """`DrawSettings` with the values that other settings of the run decide."""

    prefer_uncertain: PositiveInt
    """Iterations in which a settled question is not drawn, as in `DrawSettings`."""
    min_reward: float
    """As in the vote's settings."""
    max_reward: float
    """As in the vote's settings."""
    by_label: bool
    """Whether a question's level is its mean reward (rewards by label), not the share of the majority."""
