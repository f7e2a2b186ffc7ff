"""The metrics of a vote, computed from rows of its tables: of one round by the vote itself, of all rounds together by
`stages.choose_questions`."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from stages.settings.vote import POLICY

DECISIONS = ("kept", "too_easy", "too_hard", "tie", "abstain", "no_answer", "unparsable", "no_responses")
"""What happens to a question: it is kept, or dropped for one of the other reasons."""

Row = Mapping[str, Any]
Numbers = dict[str, float | int | None]


def vote_metrics(
    votes: Sequence[Row], rewards: Sequence[Row], voter_answers: Sequence[Row], *, complete: int, voters: Sequence[str]
) -> Numbers:
    """Return the metrics of a vote.

    Args:
        votes: Rows of `votes`.
        rewards: Rows of `rewards`, which hold the answers of the policy.
        voter_answers: Rows of `voter_answers`, which hold those of other voters.
        complete: Number of responses to kept questions that are trained on and were not cut off.
        voters: Names of the voters other than the policy.
    """
    decisions = Counter(row["decision"] for row in votes)
    statuses = Counter(row["status"] for row in (*rewards, *voter_answers))
    answers = statuses.total()
    names = ("no_answer", "ambiguous", "unparsable", "timed_out", "too_large", "error")
    return {
        "vote/kept": decisions["kept"],
        "vote/dropped": len(votes) - decisions["kept"],
        **{f"vote/dropped/{reason}": decisions[reason] for reason in DECISIONS if reason != "kept"},
        "vote/complete_responses": complete,
        "vote/mean_share": mean([row["share"] for row in votes]),
        "vote/mean_margin": mean([row["margin"] for row in votes]),
        "vote/mean_reward_kept": mean([row["mean_reward"] for row in votes if row["decision"] == "kept"]),
        **{f"vote/{name}_share": statuses[name] / answers if answers else 0.0 for name in names},
        "vote/unanswered_share": (answers - statuses["ok"]) / answers if answers else 0.0,
        "vote/effective_answers": _effective_number(
            [row["majority_answer"] for row in votes if row["majority_answer"] is not None]
        ),
        **(_agreement(votes, rewards, voter_answers, voters) if voters else {}),
    }


def label_metrics(diagnostics: Sequence[Row]) -> Numbers:
    """Return the metrics of `diagnostics`, of which `diagnostics` are rows; empty if no question has a label."""
    labelled = [row for row in diagnostics if row["label"] is not None]
    if not labelled:
        return {}
    return {
        "diagnostics/solvable_share": len(labelled) / len(diagnostics),
        "diagnostics/majority_correct": mean([float(row["majority_correct"]) for row in labelled]),
        "diagnostics/responses_correct": mean([row["responses_correct"] for row in labelled]),
    }


def mean(values: Sequence[float]) -> float:
    """Return the mean; 0 of no values."""
    return sum(values) / len(values) if values else 0.0


def _agreement(
    votes: Iterable[Row], rewards: Iterable[Row], voter_answers: Iterable[Row], voters: Sequence[str]
) -> Numbers:
    """Return how often each voter's responses are the majority answer, over questions that have a majority."""
    with_majority = {row["question_id"] for row in votes if row["majority_answer"] is not None}
    agreed: dict[str, list[float]] = {voter: [] for voter in (POLICY, *voters)}
    for rows in (rewards, voter_answers):
        for row in rows:
            if row["question_id"] in with_majority:
                agreed[row.get("voter", POLICY)].append(float(row["answer_class"] == 0))
    return {f"vote/agreement/{voter}": mean(values) for voter, values in agreed.items()}


def _effective_number(answers: Sequence[str]) -> float | None:
    """Return the effective number of different answers: e to the power of their entropy.

    It is n for n answers that are equally frequent. None if there is no answer.
    """
    if not answers:
        return None
    shares = [count / len(answers) for count in Counter(answers).values()]
    return math.exp(-sum(share * math.log(share) for share in shares))
