"""Majority vote over the answers to each question, and grading against a gold answer.

Departs from the authors' release, whose vote depends on the order in which responses were sampled because equality is
not transitive ("5", "x=5", "y=5"; "50", "50%", "0.5"), lets answerless responses vote, and breaks ties silently. Here
classes do not depend on order, a response without a readable answer never votes but counts in n, and a tie at the top
has no majority. Where the release verifies each of 120 pairs of 16 responses in both directions, here each distinct
answer is read once, and math-verify compares only forms that could be equal.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from typing import Literal, Protocol

from stages.answers.kinds import AnswerKind, AnswerStatus, Raised
from stages.answers.latex_values import MAX_ANSWER, Reading

GradeStatus = Literal["correct", "wrong", "no_answer", "unparsable", "timed_out", "too_large", "error"]


class Comparer(Protocol):
    """What voting asks of `stages.answers.verifier.Verifier`: what the kind of answers cannot tell by itself."""

    def read(self, answers: Sequence[str]) -> list[Reading]: ...

    def equal(self, pairs: Sequence[tuple[str, str]]) -> list[str]: ...

    def equal_groups(self, groups: Sequence[Sequence[tuple[str, str]]]) -> list[list[str]]: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Ballot:
    """The answers given to one question, None for a response without one."""

    question: str
    answers: Sequence[str | None]
    weights: Sequence[Fraction] | None = None
    """Of each answer's vote; 1 each when not given."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AnswerClass:
    """Answers that are one answer."""

    answer: str
    """The member with the shortest, then alphabetically first canonical form."""
    share: float
    """Weight of its votes over the weight of all responses."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Vote:
    """Outcome of the vote on one question."""

    status: Literal["majority", "tie", "no_answer", "unparsable"]
    """Whether one class has strictly more votes than every other. Without any class: "no_answer" when no response has
    an answer, "unparsable" when some have, none of which could be read."""
    classes: tuple[AnswerClass, ...]
    """The largest first, equals by representative."""
    margin: float
    """Share of the largest class minus that of the second; 0 in a tie."""
    class_ids: tuple[int | None, ...]
    """Class of each response, in their order; None without a readable answer."""
    statuses: tuple[AnswerStatus, ...]
    """Of each response's answer."""

    @property
    def majority(self) -> str | None:
        """Representative answer of the largest class; None without a majority."""
        return self.classes[0].answer if self.status == "majority" else None

    @property
    def share(self) -> float:
        """Share of the largest class; responses without a readable answer count below the line."""
        return self.classes[0].share if self.classes else 0.0


def vote(ballots: Sequence[Ballot], kind: AnswerKind, comparer: Comparer) -> list[Vote]:
    """Majority vote on each question; all of them together, so that reading and comparing use all workers.

    Answers of one canonical form are one group. Groups, the heaviest first and equals by length and spelling, join the
    first class with all of whose groups they are equal (complete linkage), so that "5" joins "x=5" or "y=5", whichever
    has more votes, and never chains the two.
    """
    papers = [_Paper(ballot, kind) for ballot in ballots]
    wanted = sorted({answer for paper in papers for answer in paper.unread()})
    readings = dict(zip(wanted, comparer.read(wanted), strict=True))
    for paper in papers:
        paper.take(readings)
    asked = [paper.pairs(kind) for paper in papers]
    verdicts = comparer.equal_groups(
        [
            [(paper.answer(left), paper.answer(right)) for left, right in pairs]
            for paper, pairs in zip(papers, asked, strict=True)
        ]
    )
    for paper, pairs, found in zip(papers, asked, verdicts, strict=True):
        paper.same |= {frozenset(pair) for pair, verdict in zip(pairs, found, strict=True) if verdict == "equal"}
    return [paper.count() for paper in papers]


class _Paper:
    """One question's ballot on its way to a vote: the status of each answer, and the forms that are in the running."""

    def __init__(self, ballot: Ballot, kind: AnswerKind) -> None:
        self.ballot = ballot
        self.forms: list[str | None] = []  # canonical form of each response's answer
        self.statuses: list[AnswerStatus] = []
        self.spellings: dict[str, set[str]] = {}  # form -> answers
        self.same: set[frozenset[str]] = set()  # pairs of forms
        for answer in ballot.answers:
            form, status = _form(answer, ballot.question, kind)
            self.forms.append(form)
            self.statuses.append(status)
            if answer is not None and form is not None:
                self.spellings.setdefault(form, set()).add(answer)
        self.readings = {form: kind.read(self.answer(form), form) for form in self.spellings}

    def answer(self, form: str) -> str:
        """The spelling that stands for a form, whatever the order of responses."""
        return min(self.spellings[form], key=lambda spelling: (len(spelling), spelling))

    def unread(self) -> list[str]:
        """Answers that math-verify has to read."""
        return [self.answer(form) for form, reading in self.readings.items() if reading is None]

    def take(self, readings: Mapping[str, Reading]) -> None:
        """Add what math-verify has read; what it could not read is out of the running."""
        for form in [form for form, reading in self.readings.items() if reading is None]:
            self.readings[form] = reading = readings[self.answer(form)]
            if reading.status != "ok":
                del self.spellings[form]
                for place in (place for place, own in enumerate(self.forms) if own == form):
                    self.forms[place], self.statuses[place] = None, reading.status

    def pairs(self, kind: AnswerKind) -> list[tuple[str, str]]:
        """Pairs of forms that only math-verify can tell apart; what can be told without it goes into `same`."""
        asked = []
        for left, right in combinations(sorted(self.spellings), 2):
            verdict = _verdict(left, right, self.readings[left], self.readings[right], kind)
            if verdict:
                self.same.add(frozenset((left, right)))
            elif verdict is None:
                asked.append((left, right))
        return asked

    def count(self) -> Vote:
        weights: Sequence[Fraction | int] = self.ballot.weights or [1] * len(self.forms)
        weight: dict[str, Fraction | int] = dict.fromkeys(self.spellings, 0)
        for form, own in zip(self.forms, weights, strict=True):
            if form is not None:
                weight[form] += own
        classes: list[list[str]] = []
        for form in sorted(weight, key=lambda form: (-weight[form], len(form), form)):
            fitting = (c for c in classes if all(frozenset((form, other)) in self.same for other in c))
            if (found := next(fitting, None)) is not None:
                found.append(form)
            else:
                classes.append([form])
        names = {min(members, key=lambda form: (len(form), form)): members for members in classes}
        votes = {name: sum(weight[form] for form in members) for name, members in names.items()}
        ranked = sorted(names, key=lambda name: (-votes[name], len(name), name))
        number = {form: rank for rank, name in enumerate(ranked) for form in names[name]}
        total = sum(weights)
        top, second = ([votes[name] for name in ranked] + [0, 0])[:2]
        return Vote(
            status=self._status(top, second),
            classes=tuple(AnswerClass(answer=self.answer(name), share=float(votes[name] / total)) for name in ranked),
            margin=float((top - second) / total) if total else 0.0,
            class_ids=tuple(None if form is None else number[form] for form in self.forms),
            statuses=tuple(self.statuses),
        )

    def _status(
        self, top: Fraction | int, second: Fraction | int
    ) -> Literal["majority", "tie", "no_answer", "unparsable"]:
        if top:
            return "majority" if top > second else "tie"
        return "no_answer" if all(status == "no_answer" for status in self.statuses) else "unparsable"


def _form(answer: str | None, question: str, kind: AnswerKind) -> tuple[str | None, AnswerStatus]:
    """Canonical form and status of one answer, as far as they are known without math-verify."""
    if answer is None:
        return None, "no_answer"
    if isinstance(answer, Raised):
        return None, "error"
    if len(answer) > MAX_ANSWER:
        return None, "too_large"
    try:
        form = kind.canonical(answer, question)
    except Exception:  # a kind of one's own, at something that a model wrote
        return None, "error"
    return form, "unparsable" if form is None else "ok"


def _verdict(
    left: str, right: str, left_reading: Reading | None, right_reading: Reading | None, kind: AnswerKind
) -> bool | None:
    """Whether two canonical forms are one answer; None where only math-verify can tell."""
    try:
        verdict = kind.same(left, right)
    except Exception:  # a kind of one's own; what it cannot compare is not the same
        return False
    if verdict is None and left_reading is not None and right_reading is not None:
        return None if left_reading.may_equal(right_reading) else False
    return verdict


@dataclass(frozen=True, kw_only=True, slots=True)
class Graded:
    """An answer and what it should have been."""

    question: str
    answer: str | None
    gold: str
    """An answer, an answer in a box, or a whole solution with one."""


def grade(rows: Sequence[Graded], kind: AnswerKind, comparer: Comparer) -> list[GradeStatus]:
    """Grade each answer against its gold; only "correct" is right, and the rest says why not.

    Spelling and what the kind can tell are compared here, the rest by math-verify.
    """
    grades: list[GradeStatus] = []
    asked: dict[tuple[str, str], list[int]] = {}
    for place, row in enumerate(rows):
        form, status = _form(row.answer, row.question, kind)
        if form is None or row.answer is None:
            assert status != "ok"
            grades.append(status)
            continue
        gold = kind.gold(row.gold, row.question)
        gold_form = kind.canonical(gold, row.question) or gold
        verdict = form == gold_form or _verdict(
            form, gold_form, kind.read(row.answer, form), kind.read(gold, gold_form), kind
        )
        grades.append("correct" if verdict else "wrong")
        if verdict is None:
            asked.setdefault((gold, row.answer), []).append(place)
    named: dict[str, GradeStatus] = {
        "equal": "correct", "unparsable": "unparsable", "timeout": "timed_out", "error": "error",
    }  # fmt: skip
    for places, verdict_of_pair in zip(asked.values(), comparer.equal(list(asked)), strict=True):
        for place in places:
            grades[place] = named.get(verdict_of_pair, "wrong")
    return grades
