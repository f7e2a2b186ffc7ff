"""Generated pairs of responses: none that differ are called equal, and hardly any that are equal, different."""

from collections import Counter

import pytest

from stages.answers.algebra.verifier import Verifier
from stages.answers.kinds import answer_of, load_kind
from stages.answers.voting import Ballot, Vote, vote
from stages.settings.answers import AnswerConfig
from tests.answer_pairs import Pair, pairs

MOST_FALSE_INEQUALITIES = 0.01
"""Share of the equal pairs that may be called different: a lost vote is better than a wrong one."""


def votes_on(generated: list[Pair], config: AnswerConfig) -> list[Vote]:
    """Return the vote of the two responses of each pair."""
    kind = load_kind(config)
    ballots = [
        Ballot(
            question=pair.question,
            answers=[
                answer_of(kind, response, pair.question, truncated=False, settings=config)
                for response in (pair.left, pair.right)
            ],
        )
        for pair in generated
    ]
    with Verifier() as verifier:
        return vote(ballots, kind, verifier)


@pytest.mark.parametrize("count", [500, pytest.param(5_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ["math", "choice", "text"])
def test_pairs_are_equal_only_if_they_were_made_so(name: str, count: int) -> None:
    generated = list(pairs(name, count, seed=count))
    false_equalities, false_inequalities = [], []
    for pair, result in zip(generated, votes_on(generated, AnswerConfig(kind=name)), strict=True):
        first, second = result.class_ids
        if first is not None and first == second:
            if not pair.equal:
                false_equalities.append(pair)
        elif pair.equal:
            false_inequalities.append(pair)
    equal = sum(pair.equal for pair in generated)
    print(f"{name}: {equal} equal pairs, {len(false_inequalities)} of them called different:")
    print(Counter(pair.rule for pair in false_inequalities), *false_inequalities[:10], sep="\n")
    assert count / 4 < equal < 3 * count / 4
    assert false_equalities == []
    assert len(false_inequalities) <= MOST_FALSE_INEQUALITIES * equal, false_inequalities[:10]


def test_a_wrong_pair_is_noticed() -> None:
    (result,) = votes_on([Pair("\\boxed{5}", "\\boxed{6}", True, "integer")], AnswerConfig())
    assert result.class_ids[0] != result.class_ids[1]
