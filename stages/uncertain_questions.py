"""Which given questions an iteration draws, by what the last votes said about them (`draw.prefer_uncertain`)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stages.settings.draw import ByDifficulty
from stages.settings.vote import ROUNDING

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranking:
    """The questions that may be drawn, the first ones first."""

    questions: list[Row]
    skipped: int
    """Number of questions that wait, because their last vote was settled a short time ago."""
    all_skipped: bool
    """Whether every question waits. They are drawn nevertheless, those asked longest ago first."""


def rank(questions: Sequence[Row], difficulty: Mapping[str, Row], settings: ByDifficulty, iteration: int) -> Ranking:
    """Return the questions that `iteration` may draw, in the order in which they are drawn.

    Questions that were never asked come first, in the order given: only asking shows how difficult they are, and so
    all are asked once before any is preferred. Then come those whose priority is highest: the iterations since they
    were asked, times 1 - |level - middle of the gate|. So a question at the middle is drawn more often than others,
    and none is forgotten while the policy changes.

    Args:
        questions: Rows of the given questions, in a random order that decides between equal ones.
        difficulty: Question id -> row of `difficulty`, for questions that were asked.
        settings: How long settled questions wait, and the gate.
        iteration: The iteration that draws.
    """
    unseen = [row for row in questions if row["question_id"] not in difficulty]
    free: list[tuple[int, float, Row]] = []
    waiting: list[tuple[int, float, Row]] = []
    for row in questions:
        if (last := difficulty.get(row["question_id"])) is not None:
            age, level = iteration - last["iteration"], last["mean_reward" if settings.by_label else "share"]
            waits = age <= settings.prefer_uncertain and _is_settled(level, settings)
            middle = (settings.min_reward + settings.max_reward) / 2
            (waiting if waits else free).append((age, age * (1 - abs(level - middle)), row))
    ranked = [*unseen, *(row for _, _, row in sorted(free, key=lambda item: -item[1]))]
    if all_skipped := not ranked:
        ranked = [row for _, _, row in sorted(waiting, key=lambda item: -item[0])]
    return Ranking(questions=ranked, skipped=len(waiting), all_skipped=all_skipped)


def _is_settled(level: float, settings: ByDifficulty) -> bool:
    """Return whether a vote was unanimous, or as good as: all or none agree, or the level is outside the gate."""
    inside = settings.min_reward - ROUNDING <= level <= settings.max_reward + ROUNDING
    return not inside or not ROUNDING < level < 1 - ROUNDING
