"""Generated pairs of responses: none that differ are called equal, and hardly any that are equal, different."""

from collections.abc import Iterator

import pytest

from stages.answers.algebra.verifier import Verifier
from stages.answers.kinds import answer_of, load_kind
from stages.answers.voting import Ballot, Vote, vote
from stages.settings.answers import AnswerConfig
from tests.answer_pairs import NAMES, Pair, pairs

MOST_FALSE_INEQUALITIES = 0.02
"""Share of the equal pairs that may be called different: a lost vote is better than a wrong one."""


@pytest.fixture(scope="module")
def verifier() -> Iterator[Verifier]:
    with Verifier() as shared:
        yield shared


def votes_on(generated: list[Pair], config: AnswerConfig, verifier: Verifier) -> list[Vote]:
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
    return vote(ballots, kind, verifier)


@pytest.mark.parametrize("count", [500, pytest.param(5_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", NAMES)
def test_pairs_are_equal_only_if_they_were_made_so(verifier: Verifier, name: str, count: int) -> None:
    generated = list(pairs(name, count))
    false_equalities, false_inequalities = [], []
    config = AnswerConfig(kind=name if name in ("choice", "text") else "math")
    for pair, result in zip(generated, votes_on(generated, config, verifier), strict=True):
        first, second = result.class_ids
        if first is not None and first == second:
            if not pair.equal:
                false_equalities.append(pair)
        elif pair.equal:
            false_inequalities.append(pair)
    equal = sum(pair.equal for pair in generated)
    print(f"{name}: {equal} equal pairs, {len(false_inequalities)} of them called different", *false_inequalities[:10],
          sep="\n")  # fmt: skip
    assert count / 4 < equal < 3 * count / 4
    assert false_equalities == []
    assert len(false_inequalities) <= MOST_FALSE_INEQUALITIES * equal


def test_a_wrong_pair_is_noticed(verifier: Verifier) -> None:
    (result,) = votes_on([Pair("\\boxed{5}", "\\boxed{6}", equal=True)], AnswerConfig(), verifier)
    assert result.class_ids[0] != result.class_ids[1]
