"""Checks whether an evaluation set can be graded: each reference answer against itself and against the next one.

If an answer does not equal itself, the set counts right responses as wrong. If answers often equal the next problem's
answer, though they are written differently, the set counts wrong responses as right.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stages.answers.kinds import AnswerKind, extract_answer
from stages.answers.voting import AnswerToGrade, Comparer, GradeStatus, grade


@dataclass(frozen=True, kw_only=True, slots=True)
class ReferenceCheck:
    """Result of grading a set's own answers."""

    problems: int
    """Number of problems in the set."""
    unequal_to_itself: tuple[tuple[str, GradeStatus], ...]
    """(reference answer, status) of every reference answer that is not graded correct when a response gives it."""
    false_positives: tuple[tuple[str, str], ...]
    """(reference answer, next problem's reference answer) that are written differently and counted as equal."""

    @property
    def self_agreement(self) -> float:
        """Share of the reference answers that equal themselves."""
        return 1 - len(self.unequal_to_itself) / self.problems


def check_references(problems: Sequence[Mapping[str, Any]], kind: AnswerKind, comparer: Comparer) -> ReferenceCheck:
    """Grade a benchmark's reference answers as if responses had put them in a box.

    `problems`: rows of one benchmark with `question` and `answer`.
    """

    def graded(answers: Sequence[str]) -> list[tuple[AnswerToGrade, GradeStatus]]:
        rows = [
            _row(kind, row["question"], f"The answer is $\\boxed{{{answer}}}$.", row["answer"])
            for row, answer in zip(problems, answers, strict=True)
        ]
        return list(zip(rows, grade(rows, kind, comparer), strict=True))

    references = [row["answer"] for row in problems]
    next_references = [*references[1:], *references[:1]]
    return ReferenceCheck(
        problems=len(references),
        unequal_to_itself=tuple((row.gold, status) for row, status in graded(references) if status != "correct"),
        false_positives=tuple(
            (row.gold, next_reference)
            for (row, status), next_reference in zip(graded(next_references), next_references, strict=True)
            if status == "correct" and row.gold != next_reference
        ),
    )


def count_named(rows: Sequence[tuple[str, str, str]], kind: AnswerKind, comparer: Comparer) -> int:
    """Return how many right options a response can name by their text.

    `rows`: (question with its options, text of the right option, its letter).
    """
    to_grade = [_row(kind, question, f"The answer is {text}.", letter) for question, text, letter in rows]
    return sum(status == "correct" for status in grade(to_grade, kind, comparer))


def _row(kind: AnswerKind, question: str, response: str, gold: str) -> AnswerToGrade:
    return AnswerToGrade(question=question, answer=extract_answer(kind, response, question), gold=gold)
