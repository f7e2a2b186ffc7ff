"""Majority vote over the answers to each question, and grading against a gold answer.

Answers that are equal form a class. The share of a class, its votes over the number of responses, is the policy's
self-consistency for that answer: "vote share" and "self-consistency" mean the same here. The margin is the largest
share minus the second largest.

Departs from the authors' release in four points:

- The vote does not depend on the order of sampling. In the release it does, because equality is not transitive
  ("5", "x=5", "y=5"; "50", "50%", "0.5").
- A response without a readable answer never votes, but counts in the number of responses. In the release such
  responses vote.
- A tie for the largest class has no majority. The release breaks ties silently.
- Each distinct answer is read once, and math-verify compares only answers that could be equal. The release verifies
  each of the 120 pairs of 16 responses in both directions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from typing import Literal, Protocol, Self

from stages.answers.algebra.readings import MAX_ANSWER, Reading
from stages.answers.kinds import Ambiguous, AnswerKind, AnswerStatus, Raised

CHUNK = 256
"""Questions to vote on together: enough to keep all workers of a comparer busy, few enough to show progress."""
GradeStatus = Literal["correct", "wrong", "no_answer", "ambiguous", "unparsable", "timed_out", "too_large", "error"]


class Comparer(Protocol):
    """Reads and compares the answers that their kind leaves open. See `stages.answers.algebra.verifier.Verifier`."""

    def read(self, answers: Sequence[str]) -> list[Reading]:
        """Return the reading of each answer."""

    def equal(self, pairs: Sequence[tuple[str, str]]) -> list[str]:
        """Return "equal", "different", "unparsable", "timeout" or "error" for each pair of answers."""

    def equal_groups(self, groups: Sequence[Sequence[tuple[str, str]]]) -> list[list[str]]:
        """Return the statuses of `equal` for each group, such as the pairs of one question."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ballot:
    """The answers to one question."""

    question: str
    answers: Sequence[str | None]
    """The answer of each response, None for a response without one."""
    weights: Sequence[Fraction] | None = None
    """The weight of each answer's vote, by default 1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AnswerClass:
    """Equal answers to one question."""

    answer: str
    """The representative: the member with most votes, so that a class never stands for what few of its members say; of
    several, that with the shortest canonical form, then the first in alphabetical order."""
    share: float
    """Weight of the votes for the class over the weight of all responses."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Vote:
    """Result of the vote on one question."""

    status: Literal["majority", "tie", "no_answer", "unparsable"]
    """Whether one class has more votes than every other ("majority") or not ("tie"). Without any class, "no_answer" if
    no response has an answer, "unparsable" if some have but none could be read (or read in one way only)."""
    classes: tuple[AnswerClass, ...]
    """In order of their votes, the largest first. Classes of equal size are ordered by representative."""
    margin: float
    """Share of the largest class minus share of the second; 0 in a tie."""
    class_ids: tuple[int | None, ...]
    """Index in `classes` of each response's answer; None for a response without a readable answer."""
    statuses: tuple[AnswerStatus, ...]
    """Status of each response's answer."""

    @property
    def majority(self) -> str | None:
        """The answer of the largest class; None without a majority."""
        return self.classes[0].answer if self.status == "majority" else None

    @property
    def share(self) -> float:
        """The share of the largest class, 0 without any class."""
        return self.classes[0].share if self.classes else 0.0


def vote(ballots: Sequence[Ballot], kind: AnswerKind, comparer: Comparer) -> list[Vote]:
    """Return the majority vote on each question, in order.

    All questions are voted on together, so that reading and comparing use all workers of `comparer`.

    Answers with the same canonical form are one group. Groups are sorted by weight, the heaviest first, then by length
    and spelling. Each group in turn joins the first class whose groups are all equal to it (complete linkage), or
    starts a class. So "5" joins "x=5" or "y=5", whichever has more votes, and never links the two.
    """
    counts = [_VoteCount(ballot, kind) for ballot in ballots]
    unread = sorted({answer for count in counts for answer in count.unread_answers()})
    readings = dict(zip(unread, comparer.read(unread), strict=True))
    for count in counts:
        count.add_readings(readings)
    open_pairs = [count.decide_pairs(kind) for count in counts]
    statuses = comparer.equal_groups(
        [
            [(count.latex(left), count.latex(right)) for left, right in pairs]
            for count, pairs in zip(counts, open_pairs, strict=True)
        ]
    )
    for count, pairs, pair_statuses in zip(counts, open_pairs, statuses, strict=True):
        count.equal_forms |= {
            frozenset(pair) for pair, status in zip(pairs, pair_statuses, strict=True) if status == "equal"
        }
    return [count.result() for count in counts]


class _VoteCount:
    """The vote on one question while it is counted. "Form" is short for the canonical form of an answer."""

    def __init__(self, ballot: Ballot, kind: AnswerKind) -> None:
        self.ballot = ballot
        self._kind = kind
        self.forms: list[str | None] = []
        """The form of each response's answer; None without a readable answer."""
        self.statuses: list[AnswerStatus] = []
        """The status of each response's answer."""
        self.spellings: dict[str, set[str]] = {}
        """Form -> answers of that form, for all forms that may still get votes."""
        self.equal_forms: set[frozenset[str]] = set()
        """Pairs of forms that are one answer."""
        for answer in ballot.answers:
            form, status = canonical_form(answer, ballot.question, kind)
            self.forms.append(form)
            self.statuses.append(status)
            if answer is not None and form is not None:
                self.spellings.setdefault(form, set()).add(answer)
        self.readings = {form: kind.read(self.representative(form), form) for form in self.spellings}
        """Form -> reading; None if math-verify has to read the form."""

    def representative(self, form: str) -> str:
        """Return the answer that stands for a form. It does not depend on the order of responses."""
        return min(self.spellings[form], key=lambda spelling: (len(spelling), spelling))

    def latex(self, form: str) -> str:
        """Return the text of a form for math-verify."""
        return self._kind.latex(self.representative(form), form)

    def unread_answers(self) -> list[str]:
        """Return the answers that math-verify has to read."""
        return [self.latex(form) for form, reading in self.readings.items() if reading is None]

    def add_readings(self, readings: Mapping[str, Reading]) -> None:
        """Add math-verify's readings. Forms that it could not read get no votes."""
        for form in [form for form, reading in self.readings.items() if reading is None]:
            self.readings[form] = reading = readings[self.latex(form)]
            if reading.status != "ok":
                del self.spellings[form]
                for index in (index for index, response_form in enumerate(self.forms) if response_form == form):
                    self.forms[index], self.statuses[index] = None, reading.status

    def decide_pairs(self, kind: AnswerKind) -> list[tuple[str, str]]:
        """Decide which forms are equal as far as possible; return the pairs that only math-verify can decide."""
        open_pairs = []
        for left, right in combinations(sorted(self.spellings), 2):
            verdict = _verdict(left, right, self.readings[left], self.readings[right], kind)
            if verdict:
                self.equal_forms.add(frozenset((left, right)))
            elif verdict is None:
                open_pairs.append((left, right))
        return open_pairs

    def result(self) -> Vote:
        """Form the classes and count their votes."""
        weights: Sequence[Fraction | int] = self.ballot.weights or [1] * len(self.forms)
        form_weight: dict[str, Fraction | int] = dict.fromkeys(self.spellings, 0)
        for form, weight in zip(self.forms, weights, strict=True):
            if form is not None:
                form_weight[form] += weight
        # The first member of a class has the most votes, since `_classes` sorts forms so.
        members_of = {members[0]: members for members in self._classes(form_weight)}
        votes = {name: sum(form_weight[form] for form in members) for name, members in members_of.items()}
        ranked = sorted(members_of, key=lambda name: (-votes[name], len(name), name))
        class_of = {form: rank for rank, name in enumerate(ranked) for form in members_of[name]}
        total = sum(weights)
        largest, second = ([votes[name] for name in ranked] + [0, 0])[:2]
        return Vote(
            status=self._status(largest, second),
            classes=tuple(
                AnswerClass(answer=self.representative(name), share=float(votes[name] / total)) for name in ranked
            ),
            margin=float((largest - second) / total) if total else 0.0,
            class_ids=tuple(None if form is None else class_of[form] for form in self.forms),
            statuses=tuple(self.statuses),
        )

    def _classes(self, form_weight: Mapping[str, Fraction | int]) -> list[list[str]]:
        """Return classes of forms by complete linkage, in the order that `vote` describes."""
        classes: list[list[str]] = []
        for form in sorted(form_weight, key=lambda form: (-form_weight[form], len(form), form)):
            equal_classes = (
                members
                for members in classes
                if all(frozenset((form, member)) in self.equal_forms for member in members)
            )
            if (members := next(equal_classes, None)) is not None:
                members.append(form)
            else:
                classes.append([form])
        return classes

    def _status(
        self, largest: Fraction | int, second: Fraction | int
    ) -> Literal["majority", "tie", "no_answer", "unparsable"]:
        if largest:
            return "majority" if largest > second else "tie"
        return "no_answer" if all(status == "no_answer" for status in self.statuses) else "unparsable"


def canonical_form(answer: str | None, question: str, kind: AnswerKind) -> tuple[str | None, AnswerStatus]:
    """Return the canonical form and status of one answer, as far as they are known without math-verify."""
    if answer is None:
        return None, "no_answer"
    if isinstance(answer, Ambiguous):
        return None, "ambiguous"
    if isinstance(answer, Raised):
        return None, "error"
    if len(answer) > MAX_ANSWER:
        return None, "too_large"
    try:
        form = kind.canonical(answer, question)
    except Exception:  # a user's kind of answers fails at text that a model wrote
        return None, "error"
    if isinstance(form, Ambiguous):
        return None, "ambiguous"
    return form, "unparsable" if form is None else "ok"


def _verdict(
    left: str, right: str, left_reading: Reading | None, right_reading: Reading | None, kind: AnswerKind
) -> bool | None:
    """Return whether two canonical forms are one answer, None if only math-verify can decide."""
    try:
        verdict = kind.same(left, right)
    except Exception:  # a user's kind of answers fails; answers that it cannot compare are different
        return False
    if verdict is None and left_reading is not None and right_reading is not None:
        return None if left_reading.may_equal(right_reading) else False
    return verdict


@dataclass(frozen=True, kw_only=True, slots=True)
class AnswerToGrade:
    """An answer to grade against a reference."""

    question: str
    answer: str | None
    gold: str
    """The correct answer, alone or in a box, or a whole solution that ends in a box."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FormsToGrade:
    """The canonical forms that are compared when an answer is graded."""

    form: str | None
    """Form of the answer; None without a readable answer."""
    status: AnswerStatus
    """Status of the answer, as far as it is known without math-verify."""
    gold: str
    """The gold answer as its text has it."""
    gold_form: str
    """Form of the gold answer."""

    @classmethod
    def of(cls, row: AnswerToGrade, kind: AnswerKind, golds: dict[tuple[str, str], tuple[str, str]]) -> Self:
        """Return the forms of an answer and its gold answer.

        `golds` keeps those of earlier rows, because a question has many responses: (question, text) -> (gold, form).
        """
        context = kind.context(row.question, row.gold)
        form, status = canonical_form(row.answer, context, kind)
        if (key := (row.question, row.gold)) not in golds:
            gold = kind.gold(row.gold, row.question)
            golds[key] = gold, kind.canonical(gold, context) or gold
        gold, gold_form = golds[key]
        return cls(form=form, status=status, gold=gold, gold_form=gold_form)

    @property
    def gold_is_ambiguous(self) -> bool:
        """Whether the gold answer can be read in several ways that differ."""
        return isinstance(self.gold, Ambiguous) or isinstance(self.gold_form, Ambiguous)


def grade(rows: Sequence[AnswerToGrade], kind: AnswerKind, comparer: Comparer) -> list[GradeStatus]:
    """Return the grade of each answer against its gold answer. Every status but "correct" says why it is not correct.

    An answer whose gold answer can be read in several ways that differ is "ambiguous", whatever the answer is.
    math-verify compares the answers that spelling and the kind of answers leave open.
    """
    grades: list[GradeStatus] = []
    golds: dict[tuple[str, str], tuple[str, str]] = {}
    open_pairs: dict[tuple[str, str], list[int]] = {}
    for index, row in enumerate(rows):
        forms = FormsToGrade.of(row, kind, golds)
        form, gold, gold_form = forms.form, forms.gold, forms.gold_form
        if form is None or row.answer is None:
            assert forms.status != "ok"
            grades.append(forms.status)
            continue
        if forms.gold_is_ambiguous:
            grades.append("ambiguous")
            continue
        verdict = form == gold_form or _verdict(
            form, gold_form, kind.read(row.answer, form), kind.read(gold, gold_form), kind
        )
        grades.append("correct" if verdict else "wrong")
        if verdict is None:
            pair = kind.latex(gold, gold_form), kind.latex(row.answer, form)
            open_pairs.setdefault(pair, []).append(index)
    grade_of_status: dict[str, GradeStatus] = {
        "equal": "correct", "unparsable": "unparsable", "timeout": "timed_out", "error": "error",
    }  # fmt: skip
    for indices, pair_status in zip(open_pairs.values(), comparer.equal(list(open_pairs)), strict=True):
        for index in indices:
            grades[index] = grade_of_status.get(pair_status, "wrong")
    return grades
