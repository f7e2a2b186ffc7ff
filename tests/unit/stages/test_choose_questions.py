"""The choice among the kept questions of all rounds, and the metrics of rounds summed up by hand."""

from typing import Any

import pytest

from stages import schemas
from stages.choose_questions import CHOOSE, sum_up
from stages.contract import Context
from stages.settings.choose import ChooseConfig
from tests.helpers import Numbers, Tables, do, put_table

RESPONSES = 2

ROUNDS = (
    (("a", "kept"), ("b", "too_easy"), ("c", "kept")),
    (("d", "tie"), ("e", "kept")),
)
"""(question, decision) of each round."""


def choose(
    context: Context, questions: int, rounds: tuple[Any, ...] = ROUNDS, cut_off: str = "", **changes: Any
) -> tuple[Tables, Numbers]:
    inputs = {}
    for number, decisions in enumerate(rounds, start=1):
        names = {
            "accepted": (schemas.ACCEPTED, [accepted(name) for name, _ in decisions]),
            "votes": (schemas.VOTES, [vote(name, decision) for name, decision in decisions]),
            "rewards": (schemas.REWARDS, [reward(name, i) for name, _ in decisions for i in range(RESPONSES)]),
            "responses": (
                schemas.RESPONSES,
                [response(name, i, name in cut_off) for name, _ in decisions for i in range(RESPONSES)],
            ),
            "voter_answers": (schemas.VOTER_ANSWERS, []),
            "diagnostics": (schemas.DIAGNOSTICS, []),
        }
        for name, (schema, rows) in names.items():
            inputs[name if number == 1 else f"{name}_{number}"] = put_table(context, name, schema, rows)
    settings = {"carry_over": True, "ended": "enough", **changes}
    return do(CHOOSE, inputs, ChooseConfig(questions=questions, **settings), context)


def accepted(name: str) -> dict[str, Any]:
    return {"question_id": f"q{name}", "question": name, "candidate_id": f"c{name}", "similarity": 0.25}


def vote(name: str, decision: str) -> dict[str, Any]:
    majority = None if decision == "tie" else name
    numbers = {"share": 0.5, "margin": 0.0, "class_answers": [name], "class_shares": [0.5], "mean_reward": 0.5}
    counts = {"responses": RESPONSES, "answered": RESPONSES, "majority_answer": majority}
    return {"question_id": f"q{name}", "question": name, **counts, **numbers, "decision": decision}


def reward(name: str, index: int) -> dict[str, Any]:
    row = {"question_id": f"q{name}", "sample_index": index, "answer": name, "answer_class": index, "status": "ok"}
    return {**row, "reward": float(index == 0), "trained": True}


def response(name: str, index: int, cut_off: bool) -> dict[str, Any]:
    tokens = {"prompt_ids": [1], "response_ids": [2], "behaviour_logprobs": [-1.0]}
    reason = "length" if cut_off and index else "stop"
    row = {"question_id": f"q{name}", "sample_index": index, "seed": 1, "finish_reason": reason, "response": name}
    return {**row, **tokens}


@pytest.mark.parametrize(
    ("questions", "changes", "uses"),
    [
        (2, {}, ["update", "update", "carried_over"]),
        (2, {"carry_over": False}, ["update", "update", "left_over"]),
        (1, {}, ["update", "carried_over", "carried_over"]),
        (3, {}, ["update"] * 3),
        (9, {"ended": "max_rounds"}, ["update"] * 3),
        (9, {"ended": "max_rounds", "update_skipped": True}, ["carried_over"] * 3),
    ],
)
def test_the_first_kept_questions_are_used(
    context: Context, questions: int, changes: dict[str, Any], uses: list[str]
) -> None:
    tables, metrics = choose(context, questions, **changes)
    rows = tables["chosen"].select("question_id", "candidate_id", "similarity", "round", "use").rows()
    kept = (("qa", "ca", 0.25, 1), ("qc", "cc", 0.25, 1), ("qe", "ce", 0.25, 2))
    assert rows == [(*row, use) for row, use in zip(kept, uses, strict=True)]
    assert metrics["rounds/used"] == uses.count("update") and metrics["rounds/carried_over"] == uses.count(
        "carried_over"
    )
    assert (metrics["rounds/kept"], metrics["rounds/wanted"], metrics["rounds/count"]) == (3, questions, 2)
    assert metrics["rounds/reached"] == min(1, 3 / questions)
    assert metrics[f"rounds/ended/{changes.get('ended', 'enough')}"] == 1


def test_votes_count_over_all_rounds(context: Context) -> None:
    """Whole responses count for all kept questions, and for those that are used."""
    _, metrics = choose(context, 2, cut_off="abe")
    assert (metrics["vote/kept"], metrics["vote/dropped"]) == (3, 2)
    assert (metrics["vote/dropped/too_easy"], metrics["vote/dropped/tie"], metrics["vote/dropped/abstain"]) == (1, 1, 0)
    assert metrics["vote/effective_answers"] == pytest.approx(4) and metrics["vote/unanswered_share"] == 0.0
    assert (metrics["vote/complete_responses"], metrics["rounds/complete_responses"]) == (4, 3)


def test_nothing_kept_leaves_an_empty_table(context: Context) -> None:
    tables, metrics = choose(context, 4, rounds=((("a", "tie"),), ()), ended="max_rounds")
    assert tables["chosen"].height == 0 and metrics["rounds/reached"] == 0.0 and metrics["vote/kept"] == 0


def test_counts_are_summed_and_means_weighted() -> None:
    first = {
        "generate/candidates": 10, "generate/distinct_3": 0.9, "generate/tokens": 100,
        "filter/candidates": 10, "filter/accepted": 5, "filter/acceptance_rate": 0.5, "filter/bank": 5,
        "sample/responses": 20, "sample/mean_length": 30.0, "draw/position": 4, "filter/rejected/similar": 5,
    }  # fmt: skip
    second = {
        "generate/candidates": 30, "generate/distinct_3": 0.5, "generate/tokens": 50,
        "filter/candidates": 30, "filter/accepted": 2, "filter/acceptance_rate": 0.1, "filter/bank": 7,
        "sample/responses": 60, "sample/mean_length": 10.0, "draw/position": 9, "filter/rejected/surplus": 10,
    }  # fmt: skip
    nothing = {"generate/candidates": 0, "generate/distinct_3": None, "filter/acceptance_rate": None}
    assert sum_up([first, second, nothing]) == {
        "generate/candidates": 40, "generate/distinct_3": pytest.approx((9 + 15) / 40), "generate/tokens": 150,
        "filter/candidates": 40, "filter/accepted": 7, "filter/acceptance_rate": pytest.approx(7 / 30),
        "filter/bank": 7, "sample/responses": 80, "sample/mean_length": pytest.approx(15.0), "draw/position": 9,
        "filter/rejected/similar": 5, "filter/rejected/surplus": 10,
    }  # fmt: skip
    assert sum_up([nothing])["generate/distinct_3"] is None
    assert sum_up([{"sample/mean_length": 0.0, "sample/responses": 0}])["sample/mean_length"] == 0.0
