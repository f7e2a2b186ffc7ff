"""Stage 4: the majority answer stands in for the missing label (paper, section 3.2, equations 3-5).

Departs from the authors' release: answers are taken from the response alone, never from the question; equal answers
form classes that do not depend on the order of the responses; a response without a readable answer neither votes nor
earns; a tie at the top is no majority. Questions that are too easy or too hard are dropped here, before any advantage
is computed. Beyond the paper, each off by default: voters beside the policy, abstention below a margin, soft votes, a
penalty for low agreement, voting on more responses than are trained on.
"""

import math
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from stages import schemas
from stages.answers.kinds import AnswerKind, extract_answer, load_kind
from stages.answers.latex_values import MAX_ANSWER
from stages.answers.voting import Ballot, Comparer, Graded, GradeStatus, Vote, grade, vote
from stages.contract import Inputs, Metrics, Stage, Work
from stages.domains import arithmetic
from stages.settings.vote import POLICY, VoteConfig

_CHUNK = 256  # questions voted on together: enough to keep all workers busy, few enough to show progress
DECISIONS = ("kept", "too_easy", "too_hard", "tie", "abstain", "no_answer", "unparsable", "no_responses")


@dataclass(frozen=True, kw_only=True, slots=True)
class Response:
    """A response on the ballot."""

    voter: str
    # `POLICY`, or a voter beside it.
    sample_index: int
    answer: str | None
    # As extracted.


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """One question with its responses, vote and rewards."""

    question: dict[str, Any]
    # Row of `accepted`.
    responses: list[Response]
    # The policy's by sample index, then the voters'.
    vote: Vote
    # Over all of them.
    rewards: list[float]
    # Of the policy's responses.
    decision: str
    # One of DECISIONS.


def vote_rewards(config: VoteConfig, inputs: Inputs, work: Work) -> Metrics:
    questions = inputs.table("accepted").to_dicts()
    kind, comparer = load_kind(config.answers), work.resources.verifier()
    responses = _responses(inputs, {row["question_id"]: row["question"] for row in questions}, kind, config)
    labels = _Labels(inputs)
    judged: list[Judged] = []
    diagnostics: list[dict[str, Any]] = []
    for start in range(0, len(questions), _CHUNK):
        chunk = questions[start : start + _CHUNK]
        given = [responses.get(row["question_id"], []) for row in chunk]
        done = _judge(chunk, given, config, labels, kind, comparer, work)
        judged += done
        diagnostics += _diagnose(done, kind, comparer) if config.domain else []
        work.progress(start + len(chunk), len(questions))
    kept = [item for item in judged if item.decision == "kept"]
    work.write("rewards", [row for item in judged for row in _reward_rows(item, config)])
    work.write("voter_answers", [row for item in judged for row in _voter_rows(item)])
    work.write("votes", [_vote_row(item) for item in judged])
    pool = inputs.table("pool").to_dicts() if "pool" in inputs else []
    work.write("pool", pool + [_pool_row(item, work.context.iteration) for item in kept])
    work.write("diagnostics", diagnostics)
    return {**_vote_metrics(judged), **_agreement_metrics(judged, config), **_label_metrics(diagnostics)}


def _responses(
    inputs: Inputs, questions: dict[str, str], kind: AnswerKind, config: VoteConfig
) -> dict[str, list[Response]]:
    """Responses by question, with their extracted answers: the policy's, then each voter's in the settings' order."""
    found: dict[str, list[Response]] = {}
    for voter, row in _rows(inputs, config):
        answer = extract_answer(kind, row["response"], questions[row["question_id"]])
        response = Response(voter=voter, sample_index=row["sample_index"], answer=answer)
        found.setdefault(row["question_id"], []).append(response)
    return found


def _rows(inputs: Inputs, config: VoteConfig) -> Iterator[tuple[str, dict[str, Any]]]:
    columns = ["question_id", "sample_index", "response"]
    own = inputs.table("responses").select(columns).sort("question_id", "sample_index")
    yield from ((POLICY, row) for row in own.iter_rows(named=True))
    if config.voters:
        others = inputs.table("voter_responses").select("voter", *columns).partition_by("voter", as_dict=True)
        for voter in config.voters:
            rows = others[(voter.name,)].sort("question_id", "sample_index") if (voter.name,) in others else None
            yield from ((voter.name, row) for row in (rows.iter_rows(named=True) if rows is not None else ()))


def _judge(
    questions: Sequence[dict[str, Any]],
    responses: Sequence[list[Response]],
    config: VoteConfig,
    labels: "_Labels",
    kind: AnswerKind,
    comparer: Comparer,
    work: Work,
) -> list[Judged]:
    weights = {POLICY: Fraction(1), **{voter.name: Fraction(str(voter.weight)) for voter in config.voters}}
    ballots = [
        Ballot(
            question=question["question"],
            answers=[response.answer for response in given],
            weights=[weights[response.voter] for response in given],
        )
        for question, given in zip(questions, responses, strict=True)
    ]
    judged = []
    for question, given, result in zip(questions, responses, vote(ballots, kind, comparer), strict=True):
        own = [place for place, response in enumerate(given) if response.voter == POLICY]
        if config.rewards == "verified":
            answers = [given[place].answer for place in own]
            rewards = _verified_rewards(question["question"], answers, labels.of(question), kind, comparer)
            level = _mean(rewards)
        else:
            rewards = [_reward(result, result.class_ids[place], config) for place in own]
            # Difficulty is how often the policy finds the majority, whatever that earns it.
            level = _mean([float(result.class_ids[place] == 0) for place in own])
        decision = _decide(result, len(own), level, config)
        if config.rewards == "random" and decision == "kept":
            random.Random(work.seed(question["question_id"])).shuffle(rewards)
        judged.append(Judged(question=question, responses=given, vote=result, rewards=rewards, decision=decision))
    return judged


def _reward(result: Vote, answer_class: int | None, config: VoteConfig) -> float:
    """1 for the majority answer, else 0 (equation 5); or its soft form."""
    if result.status != "majority" or answer_class is None:
        return 0.0
    reward = result.classes[answer_class].share if config.soft else float(answer_class == 0)
    return reward * (1 - config.low_agreement_penalty * (1 - result.share))


def _decide(result: Vote, responses: int, level: float, config: VoteConfig) -> str:
    """The difficulty gate on `level`, both ends included; a question without a clear majority is never kept."""
    if not responses:
        return "no_responses"
    if config.rewards != "verified":
        if result.status != "majority":
            return result.status
        if result.margin < config.abstain_below - 1e-9:
            return "abstain"
    elif not level:
        return "too_hard"
    # A border case must not hang on the last bit of 3 / 15.
    if level < config.min_reward - 1e-9:
        return "too_hard"
    return "too_easy" if level > config.max_reward + 1e-9 else "kept"


class _Labels:
    """What rewards: verified compares with: labels that were given with the questions, else the domain's."""

    def __init__(self, inputs: Inputs) -> None:
        given = inputs.table("labels").drop_nulls().rows() if "labels" in inputs else []
        self._given: dict[str, str] = dict(given)

    def of(self, question: dict[str, Any]) -> str | None:
        if (label := self._given.get(question["question_id"])) is not None:
            return label
        problem = arithmetic.solve(question["question"])
        return None if problem is None else str(problem.answer)


def _verified_rewards(
    question: str, answers: Sequence[str | None], label: str | None, kind: AnswerKind, comparer: Comparer
) -> list[float]:
    """1 where the answer equals the label; a question without one rewards nothing and so is dropped."""
    if label is None:
        return [0.0] * len(answers)
    return [float(status == "correct") for status in _graded(question, answers, label, kind, comparer)]


def _graded(
    question: str, answers: Sequence[str | None], label: str, kind: AnswerKind, comparer: Comparer
) -> list[GradeStatus]:
    return grade([Graded(question=question, answer=answer, gold=label) for answer in answers], kind, comparer)


def _reward_rows(item: Judged, config: VoteConfig) -> list[dict[str, Any]]:
    rows = [row for voter, row in _answer_rows(item) if voter == POLICY]
    trained = len(rows) if config.train_responses is None else config.train_responses
    return [
        {**row, "reward": reward, "trained": place < trained}
        for place, (row, reward) in enumerate(zip(rows, item.rewards, strict=True))
    ]


def _voter_rows(item: Judged) -> list[dict[str, Any]]:
    return [{**row, "voter": voter} for voter, row in _answer_rows(item) if voter != POLICY]


def _answer_rows(item: Judged) -> Iterator[tuple[str, dict[str, Any]]]:
    ballot = zip(item.responses, item.vote.class_ids, item.vote.statuses, strict=True)
    for response, answer_class, status in ballot:
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
    own = [
        status for response, status in zip(item.responses, item.vote.statuses, strict=True) if response.voter == POLICY
    ]
    return {
        "question_id": item.question["question_id"],
        "question": item.question["question"],
        "responses": len(own),
        "answered": own.count("ok"),
        "majority_answer": item.vote.majority,
        "share": item.vote.share,
        "margin": item.vote.margin,
        "class_answers": [found.answer for found in item.vote.classes],
        "class_shares": [found.share for found in item.vote.classes],
        "mean_reward": _mean(item.rewards),
        "decision": item.decision,
    }


def _pool_row(item: Judged, iteration: int) -> dict[str, Any]:
    kept = {name: item.question[name] for name in ("question_id", "question")}
    return {**kept, "added_in": iteration, "share": item.vote.share}


def _diagnose(judged: Sequence[Judged], kind: AnswerKind, comparer: Comparer) -> list[dict[str, Any]]:
    """Compare with the domain's labels. Read by people only: nothing that leads to a policy takes this table."""
    rows = []
    for item in judged:
        row = dict.fromkeys(("label", "majority_correct", "responses_correct"))
        if (problem := arithmetic.solve(item.question["question"])) is not None:
            label = str(problem.answer)
            answers = [response.answer for response in item.responses if response.voter == POLICY]
            status = _graded(item.question["question"], [item.vote.majority, *answers], label, kind, comparer)
            correct = [float(found == "correct") for found in status]
            row = {"label": label, "majority_correct": bool(correct[0]), "responses_correct": _mean(correct[1:])}
        rows.append({"question_id": item.question["question_id"], **row})
    return rows


def _vote_metrics(judged: Sequence[Judged]) -> dict[str, float | int | None]:
    decisions = [item.decision for item in judged]
    statuses = [status for item in judged for status in item.vote.statuses]
    share_of = {
        f"vote/{name}_share": statuses.count(name) / len(statuses) if statuses else 0.0
        for name in ("no_answer", "unparsable", "timed_out", "too_large", "error")
    }
    return {
        "vote/kept": decisions.count("kept"),
        "vote/dropped": len(decisions) - decisions.count("kept"),
        **{f"vote/dropped/{reason}": decisions.count(reason) for reason in DECISIONS if reason != "kept"},
        "vote/mean_share": _mean([item.vote.share for item in judged]),
        "vote/mean_margin": _mean([item.vote.margin for item in judged]),
        "vote/mean_reward_kept": _mean([_mean(item.rewards) for item in judged if item.decision == "kept"]),
        **share_of,
        "vote/unanswered_share": sum(status != "ok" for status in statuses) / len(statuses) if statuses else 0.0,
        "vote/effective_answers": _effective([item.vote.majority for item in judged if item.vote.majority is not None]),
    }


def _effective(answers: Sequence[str]) -> float | None:
    """Effective number of different answers: e to the power of their entropy; n for n different ones."""
    if not answers:
        return None
    shares = [count / len(answers) for count in Counter(answers).values()]
    return math.exp(-sum(share * math.log(share) for share in shares))


def _agreement_metrics(judged: Sequence[Judged], config: VoteConfig) -> dict[str, float | int | None]:
    """How often each voter's responses are the majority answer, over questions that have one."""
    if not config.voters:
        return {}
    agreed: dict[str, list[float]] = {POLICY: [], **{voter.name: [] for voter in config.voters}}
    for item in judged:
        if item.vote.status == "majority":
            for response, answer_class in zip(item.responses, item.vote.class_ids, strict=True):
                agreed[response.voter].append(float(answer_class == 0))
    return {f"vote/agreement/{voter}": _mean(values) for voter, values in agreed.items()}


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
    version=2,
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
