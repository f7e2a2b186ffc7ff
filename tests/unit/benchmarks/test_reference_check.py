"""The reference answers of public evaluation sets equal themselves, and hardly ever their neighbours'."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from stages.answers.algebra.verifier import Verifier
from stages.answers.kinds import AnswerKind, answer_config, load_kind
from stages.benchmarks.catalogue import CATALOGUE
from stages.benchmarks.reference_check import check_references
from stages.import_problems import problems_of
from stages.settings.inputs import ProblemSet
from tests.helpers import problem_row

SHARED = Path(__file__).parents[4] / "shared/data/benchmarks"
FILES = {path.name.split(".")[0]: path for path in sorted(SHARED.glob("*.jsonl"))}

EXPLAINED = {"math_500": (("5", "x=5"),)}
"""Answers that are written otherwise and counted as equal: x=5 is accepted for 5, as math-verify has it."""


@pytest.fixture(scope="module")
def verifier() -> Iterator[Verifier]:
    with Verifier() as verifier:
        yield verifier


@pytest.mark.skipif(not FILES, reason="the sets' files are not there")
@pytest.mark.parametrize("name", sorted(FILES))
def test_every_reference_answer_of_a_public_set_equals_itself(name: str, verifier: Verifier) -> None:
    record = CATALOGUE[name]
    problems = problems_of(ProblemSet(name=name, path=str(FILES[name]), format=record.format))
    result = check_references(problems, load_kind(answer_config(record.answers)), verifier)
    assert result.unequal_to_itself == () and result.self_agreement == 1
    assert result.false_positives == EXPLAINED.get(name, ())
    assert result.problems == {"math_500": 500, "gsm8k": 1_319}.get(name, 25)


class Careless(AnswerKind):
    """Reads digits only, and none below 3."""

    def extract(self, response: str, question: str) -> str | None:
        return response.partition("boxed{")[2].partition("}")[0]

    def canonical(self, answer: str, question: str) -> str | None:
        return "".join(mark for mark in answer if mark in "3456789") or None


def test_kind_that_does_not_fit_its_set_is_reported(verifier: Verifier) -> None:
    problems = [problem_row("b", "?", answer) for answer in ("3 m", "3 km", "2", "7")]
    result = check_references(problems, Careless(), verifier)
    assert result.unequal_to_itself == (("2", "unparsable"),) and result.self_agreement == 0.75
    assert result.false_positives == (("3 m", "3 km"),)
