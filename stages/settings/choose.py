"""Settings of the choice among the questions that the rounds of an iteration kept."""

from typing import Literal

from pydantic import PositiveInt

from stages.settings.base import Settings, left_out

Ended = Literal["enough", "max_rounds", "tokens_per_update", "nothing_left"]
"""Why the rounds of an iteration ended: there are enough questions, a limit was reached, or every given question was
asked."""


class ChooseConfig(Settings):
    """Which of the kept questions the update takes."""

    questions: PositiveInt
    """Questions for one update."""
    carry_over: bool
    """Whether questions beyond these are asked again in the next iteration."""
    ended: Ended
    """Why there is no further round. The limits themselves are no part of the stage's identity: raising them changes
    only iterations that they ended."""
    update_skipped: bool = left_out(False)
    """Whether there are too few questions for an update (`min_kept`), so that it uses none of them."""
    voters: tuple[str, ...] = left_out(())
    """Names of the voters other than the policy."""
