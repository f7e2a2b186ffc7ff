"""Stage 4: the majority answer stands in for the missing label (paper, section 3.2, equations 3-5).

Departs from the authors' release: answers are taken from the response alone, never from the question; equal answers
form classes that do not depend on the order of the responses; a response without an answer neither votes nor earns; a
tie at the top is no majority. Questions that are too easy or too hard are dropped here, before any advantage is
computed.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from stages import schemas
from stages.answers.math import extract_math_answer
from stages.answers.verifier import Verifier
from stages.answers.voting import Vote, matches, verified_equal, vote
from stages.contract import Inputs, Metrics, Stage, Work
from stages.domains import arithmetic
from stages.settings import Settings

RewardSource = Literal["majority", "verified", "random"]


class VoteSettings(Settings):
    """How responses are judged. Defaults are the published ones."""

    min_reward: float = Field(0.2, ge=0, le=1, description="Keep a question whose mean reward is at least this ...")
    max_reward: float = Field(0.8, ge=0, le=1, description="... and at most this.")
    boxed_only: bool = Field(False, description="Only \\boxed{} counts as an answer; else the final expression may.")

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        if self.min_reward > self.max_reward:
            raise ValueError(
                f"min_reward {self.min_reward} is above max_reward {self.max_reward}: nothing could be kept"
            )
        return self


class VoteConfig(VoteSettings):
    """`VoteSettings` with what the rest of the run fixes."""

    rewards: RewardSource = "majority"
    """majority: the method. verified: labels (upper bound). random: the majority's rewards, permuted within each
    question after the difficulty gate (control)."""
    domain: Literal["arithmetic"] | None = None
    """Built-in domain that can label its own questions."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """One question with its responses, vote and rewards."""

    question: dict[str, Any]
    # Row of `accepted`.
    responses: list[dict[str, Any]]
    # Rows of `responses`, by sample index.
    answers: list[str | None]
    # Extracted answer of each response.
    vote: Vote
    rewards: list[float]
    # One per response.
    decision: str
    # "kept", or why not.


def vote_rewards(config: VoteConfig, inputs: Inputs, work: Work) -> Metrics:
    questions = inputs.table("accepted")
    by_question: dict[str, list[dict[str, Any]]] = {}
    columns = ["question_id", "sample_index", "response"]
    for row in inputs.table("responses").select(columns).sort("question_id", "sample_index").iter_rows(named=True):
        by_question.setdefault(row["question_id"], []).append(row)
    verifier = work.resources.verifier()
    judged = []
    for done, question in enumerate(questions.iter_rows(named=True), start=1):
        seed = work.seed(question["question_id"])
        judged.append(_judge(question, by_question.get(question["question_id"], []), config, verifier, seed))
        work.progress(done, questions.height)
    kept = [item for item in judged if item.decision == "kept"]
    work.write("rewards", [row for item in judged for row in _reward_rows(item)])
    work.write("votes", [_vote_row(item) for item in judged])
    pool = inputs.table("pool").to_dicts() if "pool" in inputs else []
    work.write("pool", pool + [_pool_row(item, work.context.iteration) for item in kept])
    diagnostics = [_diagnose(item, verifier) for item in judged] if config.domain else []
    work.write("diagnostics", diagnostics)
    return {**_vote_metrics(judged), **_label_metrics(diagnostics)}


def _judge(
    question: dict[str, Any], responses: list[dict[str, Any]], config: VoteConfig, verifier: Verifier, seed: int
) -> Judged:
    answers = [extract_math_answer(row["response"], boxed_only=config.boxed_only) for row in responses]
    result = vote(answers, verified_equal(verifier))
    if config.rewards == "verified":
        rewards = _verified_rewards(question["question"], answers, verifier)
    else:
        # Class 0 is the largest.
        rewards = [float(result.status == "majority" and class_id == 0) for class_id in result.class_ids]
    decision = _decide(result, rewards, config)
    if config.rewards == "random" and decision == "kept":
        random.Random(seed).shuffle(rewards)
    return Judged(
        question=question, responses=responses, answers=answers, vote=result, rewards=rewards, decision=decision
    )


def _decide(result: Vote, rewards: Sequence[float], config: VoteConfig) -> str:
    """The difficulty gate on the mean reward, both ends included; a question without a majority is never kept."""
    if not rewards:
        return "no_responses"
    if result.status != "majority" and config.rewards != "verified":
        return result.status
    if config.rewards == "verified" and not any(rewards):
        return "too_hard"
    # Counts instead of a mean: 16 * 0.2 in floating point must not decide a border case.
    total, n = sum(rewards), len(rewards)
    if total < config.min_reward * n - 1e-9:
        return "too_hard"
    return "too_easy" if total > config.max_reward * n + 1e-9 else "kept"


def _verified_rewards(question: str, answers: Sequence[str | None], verifier: Verifier) -> list[float]:
    """1 where the answer equals the domain's label; an unsolvable question rewards nothing and so is dropped."""
    problem = arithmetic.solve(question)
    if problem is None:
        return [0.0] * len(answers)
    return [float(status == "correct") for status in matches(answers, [str(problem.answer)] * len(answers), verifier)]


def _reward_rows(item: Judged) -> list[dict[str, Any]]:
    return [
        {
            "question_id": row["question_id"],
            "sample_index": row["sample_index"],
            "answer": answer,
            "answer_class": answer_class,
            "status": "no_answer" if answer is None else "ok",
            "reward": reward,
        }
        for row, answer, answer_class, reward in zip(
            item.responses, item.answers, item.vote.class_ids, item.rewards, strict=True
        )
    ]


def _vote_row(item: Judged) -> dict[str, Any]:
    return {
        "question_id": item.question["question_id"],
        "question": item.question["question"],
        "responses": item.vote.n,
        "answered": item.vote.answered,
        "majority_answer": item.vote.majority,
        "share": item.vote.share,
        "margin": item.vote.margin,
        "classes": len({answer_class for answer_class in item.vote.class_ids if answer_class is not None}),
        "mean_reward": _mean(item.rewards),
        "decision": item.decision,
    }


def _pool_row(item: Judged, iteration: int) -> dict[str, Any]:
    kept = {name: item.question[name] for name in ("question_id", "question")}
    return {**kept, "added_in": iteration, "share": item.vote.share}


def _diagnose(item: Judged, verifier: Verifier) -> dict[str, Any]:
    """Compare with the domain's label. Read by people only: nothing that leads to a policy takes this table."""
    row = {
        "question_id": item.question["question_id"],
        "label": None,
        "majority_correct": None,
        "responses_correct": None,
    }
    if (problem := arithmetic.solve(item.question["question"])) is None:
        return row
    label = str(problem.answer)
    status = matches([item.vote.majority, *item.answers], [label] * (1 + len(item.answers)), verifier)
    correct = [float(found == "correct") for found in status]
    return {**row, "label": label, "majority_correct": bool(correct[0]), "responses_correct": _mean(correct[1:])}


def _vote_metrics(judged: Sequence[Judged]) -> dict[str, float | int | None]:
    decisions = [item.decision for item in judged]
    reasons = ("too_easy", "too_hard", "tie", "no_answer", "no_responses")
    responses = sum(item.vote.n for item in judged)
    return {
        "vote/kept": decisions.count("kept"),
        "vote/dropped": len(decisions) - decisions.count("kept"),
        **{f"vote/dropped/{reason}": decisions.count(reason) for reason in reasons},
        "vote/mean_share": _mean([item.vote.share for item in judged]),
        "vote/mean_reward_kept": _mean([_mean(item.rewards) for item in judged if item.decision == "kept"]),
        "vote/no_answer_share": 1 - sum(item.vote.answered for item in judged) / responses if responses else 0.0,
    }


def _label_metrics(diagnostics: Sequence[dict[str, Any]]) -> dict[str, float | int | None]:
    labelled = [row for row in diagnostics if row["label"] is not None]
    if not labelled:
        return {}
    return {
        "diagnostics/solvable_share": len(labelled) / len(diagnostics),
        "diagnostics/majority_correct": _mean([float(row["majority_correct"]) for row in labelled]),
        "diagnostics/responses_correct": _mean([row["responses_correct"] for row in labelled]),
    }


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


VOTE = Stage(
    name="vote_rewards",
    version=1,
    body=vote_rewards,
    tables={
        "rewards": schemas.REWARDS,
        "votes": schemas.VOTES,
        "pool": schemas.POOL,
        "diagnostics": schemas.DIAGNOSTICS,
    },
)
