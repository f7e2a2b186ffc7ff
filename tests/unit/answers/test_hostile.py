"""Thousands of hostile answers: each gets a status, none is run as code, none hangs, and no process is left."""

from collections import Counter
from pathlib import Path

import pytest

from stages.answers.algebra.verifier import Verifier
from stages.answers.choice import ChoiceAnswer
from stages.answers.kinds import AnswerKind
from stages.answers.math import MathAnswer
from stages.answers.text import TextAnswer
from stages.answers.voting import AnswerToGrade, Ballot, grade, vote
from tests.hostile_answers import CANARY, hostile_answers
from tests.unit.answers.test_verifier import _all_end, workers_of


@pytest.fixture(autouse=True)
def nothing_is_evaluated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # workers inherit the folder, so an injected command would write its file here


@pytest.mark.parametrize("count", [600, pytest.param(10_000, marks=pytest.mark.slow)])
def test_every_hostile_answer_gets_a_status_in_the_vote(tmp_path: Path, count: int) -> None:
    """Half of the responses to each question are ordinary. The hostile half never keeps them from the majority."""
    answers, kind = hostile_answers(count, seed=1), MathAnswer()
    with Verifier(seconds=0.1) as verifier:
        ballots = []
        for start in range(0, count, 8):
            responses = [f"\\boxed{{{answer}}}" for answer in answers[start : start + 8]] + ["so \\boxed{12345.5}"] * 8
            ballots.append(Ballot(question="?", answers=[kind.extract(text, "?") for text in responses]))
        results = vote(ballots, kind, verifier)
        pids = workers_of(verifier)
        again = vote(ballots[:40], kind, verifier)
    statuses = Counter(status for result in results for status in result.statuses)
    assert sum(statuses.values()) == 2 * count
    assert set(statuses) == {"ok", "no_answer", "ambiguous", "unparsable", "timed_out", "too_large"}
    assert min(statuses.values()) > count // 500
    assert all(result.majority == "12345.5" for result in results)
    assert again == results[:40]
    assert pids and _all_end(*pids)
    assert not (tmp_path / CANARY).exists()


@pytest.mark.parametrize("count", [40, pytest.param(300, marks=pytest.mark.slow)])
def test_hostile_answers_are_graded(count: int) -> None:
    answers = hostile_answers(count, seed=2)
    rows = [AnswerToGrade(question="?", answer=answer[:2_000], gold="\\frac{1}{2}") for answer in answers]
    with Verifier(seconds=0.3) as verifier:
        grades = grade(rows, MathAnswer(), verifier)
    assert set(grades) <= {"correct", "wrong", "unparsable", "timed_out", "too_large", "error", "no_answer"}
    assert grades.count("correct") < 5


@pytest.mark.parametrize("kind", [MathAnswer(), ChoiceAnswer(), TextAnswer()], ids=["math", "choice", "text"])
def test_hostile_text_is_extracted_and_brought_to_a_form(kind: AnswerKind) -> None:
    question = "Which?\nA. one\nB. two"
    for answer in hostile_answers(3_000, seed=3):
        for response in (answer, f"The answer is {answer}", f"\\boxed{{{answer}}}"):
            extracted = kind.extract(response, question)
            if extracted is not None and len(extracted) <= 300:
                form = kind.canonical(extracted, question)
                assert form is None or form
