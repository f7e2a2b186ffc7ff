"""Questions drawn by their last votes, with shares worked by hand; and what is remembered of a vote."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from stages import schemas
from stages.contract import Context
from stages.remember_votes import REMEMBER
from stages.settings import Settings
from stages.settings.draw import ByDifficulty
from stages.uncertain_questions import Ranking, rank
from storage.artifact import ArtifactRef
from tests.helpers import do, put_table

GATE: dict[str, Any] = {"prefer_uncertain": 2, "min_reward": 0.2, "max_reward": 0.8, "by_label": False}


def ranked(levels: dict[str, tuple[int, float] | None], iteration: int, **changes: Any) -> Ranking:
    """The ranking of questions of which (last iteration, share) is known, or nothing."""
    difficulty = {
        name: {"iteration": last[0], "share": last[1], "mean_reward": 1 - last[1]}
        for name, last in levels.items()
        if last is not None
    }
    questions = [{"question_id": name} for name in levels]
    return rank(questions, difficulty, ByDifficulty(**{**GATE, **changes}), iteration)


def names(ranking: Ranking) -> list[str]:
    return [row["question_id"] for row in ranking.questions]


def test_unseen_questions_come_first_then_those_near_the_middle() -> None:
    levels = {"edge": (1, 0.25), "new": None, "middle": (1, 0.5), "near": (1, 0.625), "newer": None}
    ranking = ranked(levels, 2)
    assert names(ranking) == ["new", "newer", "middle", "near", "edge"]
    assert (ranking.skipped, ranking.all_skipped) == (0, False)


def test_a_question_that_waited_longer_gets_its_turn() -> None:
    """Priorities: 3 * (1 - 0.25) = 2.25 for the old one, 2 * 1 for the middle, 1 * 1 for the newest."""
    assert names(ranked({"newest": (4, 0.5), "middle": (3, 0.5), "old": (2, 0.75)}, 5)) == ["old", "middle", "newest"]


@pytest.mark.parametrize(
    ("share", "settled"),
    [(1.0, True), (0.0, True), (0.9375, True), (0.125, True), (0.2, False), (0.8, False), (3 / 15, False)],
)
def test_settled_questions_wait_for_so_many_iterations(share: float, settled: bool) -> None:
    for iteration in (4, 5):
        ranking = ranked({"q": (3, share), "other": (3, 0.5)}, iteration)
        assert ("q" in names(ranking)) != settled and ranking.skipped == settled
    assert set(names(ranked({"q": (3, share), "other": (3, 0.5)}, 6))) == {"q", "other"}


def test_without_a_gate_unanimous_questions_are_settled() -> None:
    wide = {"min_reward": 0.0, "max_reward": 1.0}
    assert names(ranked({"all": (1, 1.0), "none": (1, 0.0), "most": (1, 0.9375)}, 2, **wide)) == ["most"]


def test_labels_decide_by_the_mean_reward() -> None:
    """The helper's mean rewards are 1 - share."""
    levels = {"low": (1, 0.75), "settled": (1, 0.125), "middle": (1, 0.5)}
    narrow = {"min_reward": 0.25, "max_reward": 0.5}
    assert names(ranked(levels, 2, **narrow)) == ["middle"]
    assert names(ranked(levels, 2, by_label=True, **narrow)) == ["low", "middle"]


def test_if_all_wait_those_asked_longest_ago_are_drawn() -> None:
    ranking = ranked({"new": (3, 1.0), "old": (2, 1.0), "newer": (3, 0.0)}, 4)
    assert names(ranking) == ["old", "new", "newer"] and (ranking.skipped, ranking.all_skipped) == (3, True)


def put_votes(context: Context, votes: Sequence[tuple[str, float, str]]) -> ArtifactRef:
    rows = [
        {
            "question_id": name, "question": name, "responses": 8, "answered": 8, "majority_answer": None,
            "share": share, "margin": 0.0, "class_answers": [], "class_shares": [], "mean_reward": share / 2,
            "decision": decision,
        }
        for name, share, decision in votes
    ]  # fmt: skip
    return put_table(context, "votes", schemas.VOTES, rows)


def put_tries(context: Context, tries: Sequence[tuple[str, str]]) -> ArtifactRef:
    rows = [
        {"question_id": name, "question": name, "responses": 2, "answered": 2, "agreed": 1, "decision": decision}
        for name, decision in tries
    ]
    return put_table(context, "tries", schemas.TRIES, rows)


def test_the_last_vote_on_every_question_is_remembered(context: Context) -> None:
    votes = put_votes(context, [("a", 0.5, "kept"), ("b", 1.0, "too_easy")])
    first, metrics = do(REMEMBER, {"votes": votes}, Settings(), context)
    assert metrics == {"difficulty/questions": 2}
    assert first["difficulty"].rows() == [("a", 1, 1, 0.5, 0.25, "kept"), ("b", 1, 1, 1.0, 0.5, "too_easy")]
    before = put_table(context, "difficulty", schemas.DIFFICULTY, first["difficulty"].to_dicts())
    inputs = {
        "difficulty": before,
        "votes": put_votes(context, [("a", 0.75, "kept")]),
        "votes_2": put_votes(context, [("c", 0.0, "no_answer")]),
        "tries": put_tries(context, [("a", "answerable"), ("d", "unanswerable")]),
        "tries_2": put_tries(context, [("c", "no_responses")]),
    }
    second, _ = do(REMEMBER, inputs, Settings(), replace(context, iteration=2))
    assert second["difficulty"].rows() == [
        ("b", 1, 1, 1.0, 0.5, "too_easy"),
        ("a", 2, 2, 0.75, 0.375, "kept"),
        ("c", 2, 1, 0.0, 0.0, "no_answer"),
        ("d", 2, 1, 0.0, 0.0, "unanswerable"),
    ]
