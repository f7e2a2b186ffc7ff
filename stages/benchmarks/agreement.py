"""Does the grading of an evaluation set work at all? Each reference answer against itself, and against its neighbour's.

A set of which not every answer equals itself punishes right responses; one whose answers equal the next problem's
often, though they are written otherwise, rewards wrong ones.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stages.answers.kinds import AnswerKind, extract_answer
from stages.answers.voting import Comparer, Graded, GradeStatus, grade


@dataclass(frozen=True, kw_only=True, slots=True)
class Agreement:
    """What came of grading a set's own answers."""

    problems: int
    unequal_to_itself: tuple[tuple[str, GradeStatus], ...]
    # (reference answer, status) of every answer that is not correct when it is given as the answer.
    false_positives: tuple[tuple[str, str], ...]
    # (reference answer, the next problem's) that are written otherwise and counted as equal.

    @property
    def self_agreement(self) -> float:
        return 1 - len(self.unequal_to_itself) / self.problems


def agreement(problems: Sequence[Mapping[str, Any]], kind: AnswerKind, comparer: Comparer) -> Agreement:
    """`problems`: rows of one benchmark with `question` and `answer`; a response is the answer in a box."""

    def given(answers: Sequence[str]) -> list[tuple[Graded, GradeStatus]]:
        rows = [
            Graded(
                question=row["question"],
                answer=extract_answer(kind, f"The answer is $\\boxed{{{answer}}}$.", row["question"]),
                gold=row["answer"],
            )
            for row, answer in zip(problems, answers, strict=True)
        ]
        return list(zip(rows, grade(rows, kind, comparer), strict=True))

    own = [row["answer"] for row in problems]
    following = [*own[1:], *own[:1]]
    return Agreement(
        problems=len(own),
        unequal_to_itself=tuple((row.gold, status) for row, status in given(own) if status != "correct"),
        false_positives=tuple(
            (row.gold, other)
            for (row, status), other in zip(given(following), following, strict=True)
            if status == "correct" and row.gold != other
        ),
    )
