"""Stage 4: the majority answer stands in for the missing label (paper, section 3.2, equations 3-5).

Departs from the authors' release: answers are taken from the response alone, never from the question. A response that
was cut off has an answer only if one was closed before the cut, unless `count_truncated` is set. Equal answers form
classes that do not depend on the order of the responses. A response without a readable answer neither votes nor earns.
A tie for the most votes is not a majority. Questions that are too easy or too hard are dropped here, before any
advantage is computed.

Beyond the paper, and off by default: voters other than the policy, abstention below a margin, soft votes, a penalty for
low agreement, voting on more responses than are trained on.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from stages import schemas
from stages.answers.algebra.readings import MAX_ANSWER
from stages.answers.kinds import AnswerKind, answer_of, load_kind
from stages.answers.voting import CHUNK, AnswerToGrade, Ballot, Comparer, GradeStatus, Vote, grade, vote
from stages.carried_over import carried_questions
from stages.contract import Inputs, Metrics, Stage, Work
from stages.domains import arithmetic
from stages.question_files.values import is_filled
from stages.settings.vote import POLICY, ROUNDING, VoteConfig
from stages.vote_metrics import label_metrics, mean, vote_metrics


@dataclass(frozen=True, kw_only=True, slots=True)
class Response:
    """A response that votes."""

    voter: str
    """`POLICY`, or another voter's name."""
    sample_index: int
    """Number of the response among the voter's responses to the question."""
    answer: str | None
    """The answer as extracted; None if the response has none."""
    truncated: bool
    """Whether the response was cut off at the token limit."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """One question with its responses, vote and rewards."""

    question: dict[str, Any]
    """Row of `accepted`."""
    responses: list[Response]
    """Responses of the policy by sample index, then those of the voters."""
    vote: Vote
    """The vote of all responses."""
    rewards: list[float]
    """Rewards of the policy's responses."""
    decision: str
    """One of `stages.vote_metrics.DECISIONS`."""


def vote_rewards(config: VoteConfig, inputs: Inputs, work: Work) -> Metrics:
    """Write the tables `rewards`, `voter_answers`, `votes`, `pool` and `diagnostics`."""
    questions = inputs.table("accepted").to_dicts()
    kind, comparer = load_kind(config.answers), work.resources.verifier()
    responses = _responses(inputs, {row["question_id"]: row["question"] for row in questions}, kind, config)
    labels = _Labels(inputs)
    judged: list[Judged] = []
    diagnostics: list[dict[str, Any]] = []
    for start in range(0, len(questions), CHUNK):
        chunk = questions[start : start + CHUNK]
        responses_of_chunk = [responses.get(row["question_id"], []) for row in chunk]
        judged_chunk = _judge(chunk, responses_of_chunk, config, labels, kind, comparer, work)
        judged += judged_chunk
        diagnostics += _diagnose(judged_chunk, kind, comparer) if config.domain else []
        work.progress(start + len(chunk), len(questions))
    kept = [item for item in judged if item.decision == "kept"]
    rewards = [row for item in judged for row in _reward_rows(item, config)]
    voter_answers = [row for item in judged for row in _voter_rows(item)]
    votes = [_vote_row(item) for item in judged]
    pool = inputs.table("pool").to_dicts() if "pool" in inputs else []
    in_pool = {row["question_id"] for row in carried_questions(inputs)}
    added = [item for item in kept if item.question["question_id"] not in in_pool]
    work.write("rewards", rewards)
    work.write("voter_answers", voter_answers)
    work.write("votes", votes)
    work.write("pool", pool + [_pool_row(item, work.context.iteration) for item in added])
    work.write("diagnostics", diagnostics)
    complete = sum(_complete_responses(item, config) for item in kept)
    voters = [voter.name for voter in config.voters]
    return {
        **vote_metrics(votes, rewards, voter_answers, complete=complete, voters=voters),
        **label_metrics(diagnostics),
    }


def _responses(
    inputs: Inputs, questions: dict[str, str], kind: AnswerKind, config: VoteConfig
) -> dict[str, list[Response]]:
    """Return question id -> its responses with extracted answers.

    The policy's responses come first, then those of each voter in the order of the settings.
    """
    responses: dict[str, list[Response]] = {}
    for voter, row in _response_rows(inputs, config):
        question, truncated = questions[row["question_id"]], row["finish_reason"] == "length"
        answer = answer_of(kind, row["response"], question, truncated=truncated, settings=config.answers)
        response = Response(voter=voter, sample_index=row["sample_index"], answer=answer, truncated=truncated)
        responses.setdefault(row["question_id"], []).append(response)
    return responses


def _response_rows(inputs: Inputs, config: VoteConfig) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (voter, row): the policy's responses, then each voter's, ordered by question and sample."""
    columns = ["question_id", "sample_index", "response", "finish_reason"]
    policy_rows = inputs.table("responses").select(columns).sort("question_id", "sample_index")
    yield from ((POLICY, row) for row in policy_rows.iter_rows(named=True))
    if config.voters:
        rows_by_voter = inputs.table("voter_responses").select("voter", *columns).partition_by("voter", as_dict=True)
        for voter in config.voters:
            if (voter.name,) in rows_by_voter:
                voter_rows = rows_by_voter[voter.name,].sort("question_id", "sample_index")
                yield from ((voter.name, row) for row in voter_rows.iter_rows(named=True))


def _judge(
    questions: Sequence[dict[str, Any]],
    responses: Sequence[list[Response]],
    config: VoteConfig,
    labels: "_Labels",
    kind: AnswerKind,
    comparer: Comparer,
    work: Work,
) -> list[Judged]:
    """Vote on each question, reward the policy's responses and decide whether the question is kept."""
    weights = {POLICY: Fraction(1), **{voter.name: Fraction(str(voter.weight)) for voter in config.voters}}
    ballots = [
        Ballot(
            question=question["question"],
            answers=[response.answer for response in responses_to_question],
            weights=[weights[response.voter] for response in responses_to_question],
        )
        for question, responses_to_question in zip(questions, responses, strict=True)
    ]
    judged = []
    votes = vote(ballots, kind, comparer)
    for question, responses_to_question, result in zip(questions, responses, votes, strict=True):
        of_policy = [i for i, response in enumerate(responses_to_question) if response.voter == POLICY]
        if config.rewards == "verified":
            answers = [responses_to_question[i].answer for i in of_policy]
            rewards = _verified_rewards(question["question"], answers, labels.of(question), kind, comparer)
            success_rate = mean(rewards)
        else:
            rewards = [_reward(result, result.class_ids[i], config) for i in of_policy]
            # Difficulty is how often the policy gives the majority answer, whatever reward that earns.
            success_rate = mean([float(result.class_ids[i] == 0) for i in of_policy])
        decision = _decide(result, len(of_policy), success_rate, config)
        if config.rewards == "random" and decision == "kept":
            random.Random(work.seed(question["question_id"])).shuffle(rewards)
        judged.append(
            Judged(question=question, responses=responses_to_question, vote=result, rewards=rewards, decision=decision)
        )
    return judged


def _reward(result: Vote, answer_class: int | None, config: VoteConfig) -> float:
    """Return 1 for the majority answer, else 0 (equation 5); with `soft`, the share of the answer's class."""
    if result.status != "majority" or answer_class is None:
        return 0.0
    reward = result.classes[answer_class].share if config.soft else float(answer_class == 0)
    return reward * (1 - config.low_agreement_penalty * (1 - result.share))


def _decide(result: Vote, responses: int, success_rate: float, config: VoteConfig) -> str:
    """Return one of DECISIONS.

    A question is kept if `success_rate` is within the limits, both included. A question without a clear majority is
    never kept, unless rewards come from labels. `responses`: number of the policy's responses.
    """
    if not responses:
        return "no_responses"
    if config.rewards != "verified":
        if result.status != "majority":
            return result.status
        if result.margin < config.abstain_below - ROUNDING:
            return "abstain"
    elif not success_rate:
        return "too_hard"
    if success_rate < config.min_reward - ROUNDING:
        return "too_hard"
    return "too_easy" if success_rate > config.max_reward + ROUNDING else "kept"


class _Labels:
    """Labels for `rewards: verified`: those of the drawn questions if there are any, otherwise the domain's."""

    def __init__(self, inputs: Inputs) -> None:
        rows = inputs.table("labels").rows() if "labels" in inputs else []
        self._drawn: dict[str, str] = {question_id: label for question_id, label in rows if is_filled(label)}

    def of(self, question: dict[str, Any]) -> str | None:
        """Return the label of a row of `accepted`, None if the question has none."""
        if (label := self._drawn.get(question["question_id"])) is not None:
            return label
        problem = arithmetic.solve(question["question"])
        return None if problem is None else str(problem.answer)


def _verified_rewards(
    question: str, answers: Sequence[str | None], label: str | None, kind: AnswerKind, comparer: Comparer
) -> list[float]:
    """Return 1 for each answer that equals the label, else 0; all are 0 without a label, so the question is dropped."""
    if label is None:
        return [0.0] * len(answers)
    return [float(status == "correct") for status in _grade_answers(question, answers, label, kind, comparer)]


def _grade_answers(
    question: str, answers: Sequence[str | None], label: str, kind: AnswerKind, comparer: Comparer
) -> list[GradeStatus]:
    return grade([AnswerToGrade(question=question, answer=answer, gold=label) for answer in answers], kind, comparer)


def _reward_rows(item: Judged, config: VoteConfig) -> list[dict[str, Any]]:
    rows = [row for voter, row in _answer_rows(item) if voter == POLICY]
    trained = len(rows) if config.train_responses is None else config.train_responses
    return [
        {**row, "reward": reward, "trained": index < trained}
        for index, (row, reward) in enumerate(zip(rows, item.rewards, strict=True))
    ]


def _voter_rows(item: Judged) -> list[dict[str, Any]]:
    return [{**row, "voter": voter} for voter, row in _answer_rows(item) if voter != POLICY]


def _answer_rows(item: Judged) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (voter, answer columns of a row) for each response."""
    for response, answer_class, status in zip(item.responses, item.vote.class_ids, item.vote.statuses, strict=True):
        yield (
            response.voter,
            {
                "question_id": item.question["question_id"],
                "sample_index": response.sample_index,
                "answer": response.answer and response.answer[:MAX_ANSWER],
                "answer_class": answer_class,
                "status": status,
            },
        )


def _vote_row(item: Judged) -> dict[str, Any]:
    policy_statuses = [
        status for response, status in zip(item.responses, item.vote.statuses, strict=True) if response.voter == POLICY
    ]
    return {
        "question_id": item.question["question_id"],
        "question": item.question["question"],
        "responses": len(policy_statuses),
        "answered": policy_statuses.count("ok"),
        "majority_answer": item.vote.majority,
        "share": item.vote.share,
        "margin": item.vote.margin,
        "class_answers": [answer_class.answer for answer_class in item.vote.classes],
        "class_shares": [answer_class.share for answer_class in item.vote.classes],
        "mean_reward": mean(item.rewards),
        "decision": item.decision,
    }


def _pool_row(item: Judged, iteration: int) -> dict[str, Any]:
    question = {name: item.question[name] for name in ("question_id", "question")}
    return {**question, "added_in": iteration, "share": item.vote.share}


def _diagnose(judged: Sequence[Judged], kind: AnswerKind, comparer: Comparer) -> list[dict[str, Any]]:
    """Return rows of `diagnostics`: the votes compared with the domain's labels.

    The table is for people. No stage that leads to a policy reads it.
    """
    rows = []
    for item in judged:
        row = dict.fromkeys(("label", "majority_correct", "responses_correct"))
        if (problem := arithmetic.solve(item.question["question"])) is not None:
            label = str(problem.answer)
            answers = [response.answer for response in item.responses if response.voter == POLICY]
            statuses = _grade_answers(item.question["question"], [item.vote.majority, *answers], label, kind, comparer)
            correct = [float(status == "correct") for status in statuses]
            row = {"label": label, "majority_correct": bool(correct[0]), "responses_correct": mean(correct[1:])}
        rows.append({"question_id": item.question["question_id"], **row})
    return rows


def _complete_responses(item: Judged, config: VoteConfig) -> int:
    """Return how many responses to a question were not cut off, of those that the update sees if it is kept."""
    of_policy = [response for response in item.responses if response.voter == POLICY]
    return sum(not response.truncated for response in of_policy[: config.train_responses])


VOTE = Stage(
    name="vote_rewards",
    version=4,
    body=vote_rewards,
    tables={
        "rewards": schemas.REWARDS,
        "voter_answers": schemas.VOTER_ANSWERS,
        "votes": schemas.VOTES,
        "pool": schemas.POOL,
        "diagnostics": schemas.DIAGNOSTICS,
    },
    size=lambda settings, rows: f"{rows('responses'):,} responses",
)
