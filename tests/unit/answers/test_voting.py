"""Majority vote and grading; docs/explanation/method.md, 4.1 to 4.3, as regressions."""

import json
import random
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.answers.algebra.readings import Reading
from stages.answers.algebra.verifier import Verifier
from stages.answers.choice import ChoiceAnswer
from stages.answers.kinds import Ambiguous, AnswerKind, AnswerStatus
from stages.answers.marks import gold_answer
from stages.answers.math import MathAnswer, extract_math_answer
from stages.answers.voting import AnswerToGrade, Ballot, GradeStatus, Vote, grade, vote

DATA = Path(__file__).resolve().parents[3] / "../shared/data"

# What math-verify says of the examples in docs/explanation/method.md, 4.3, and one pair that needs algebra.
SAME = {
    frozenset(pair)
    for pair in [("5", "x=5"), ("5", "y=5"), ("50", "50%"), ("50%", "0.5"), ("n+1", "1+n"), ("50", "50\\%")]
}


class Table:
    """A comparer that calls the pairs of `SAME` equal, and cannot read some answers."""

    def __init__(self, **unreadable: AnswerStatus) -> None:
        self.unreadable = unreadable
        self.was_read: list[str] = []
        self.was_asked: list[tuple[str, str]] = []

    def read(self, answers: Sequence[str]) -> list[Reading]:
        self.was_read += answers
        return [Reading(status=self.unreadable.get(answer, "ok")) for answer in answers]  # type: ignore[arg-type]

    def equal(self, pairs: Sequence[tuple[str, str]]) -> list[str]:
        self.was_asked += pairs
        return ["equal" if frozenset(pair) in SAME else "different" for pair in pairs]

    def equal_groups(self, groups: Sequence[Sequence[tuple[str, str]]]) -> list[list[str]]:
        return [self.equal(group) for group in groups]


def vote_on(
    answers: Sequence[str | None], comparer: Table | Verifier | None = None, weights: Sequence[float] | None = None
) -> Vote:
    fractions = None if weights is None else [Fraction(str(weight)) for weight in weights]
    ballot = Ballot(question="?", answers=answers, weights=fractions)
    return vote([ballot], MathAnswer(), comparer or Table())[0]


def graded(rows: Sequence[tuple[str | None, str]], comparer: Table | Verifier, kind: AnswerKind) -> list[GradeStatus]:
    return grade([AnswerToGrade(question="?", answer=answer, gold=gold) for answer, gold in rows], kind, comparer)


@pytest.fixture(scope="module")
def verifier() -> Iterator[Verifier]:
    with Verifier(workers=1) as shared:
        yield shared


def test_a_majority_with_its_share_and_margin() -> None:
    comparer = Table()
    result = vote_on(["40", "40.0", "41", None, "$40$", "42", None, "41"], comparer)
    assert (result.status, result.majority) == ("majority", "40")
    assert (result.share, result.margin) == (3 / 8, 1 / 8)
    assert [(item.answer, item.share) for item in result.classes] == [("40", 3 / 8), ("41", 2 / 8), ("42", 1 / 8)]
    assert result.class_ids == (0, 0, 1, None, 0, 2, None, 1)
    assert result.statuses == ("ok", "ok", "ok", "no_answer", "ok", "ok", "no_answer", "ok")
    assert not comparer.was_read and not comparer.was_asked  # numbers need no math-verify


def test_responses_without_an_answer_never_win() -> None:
    # Regression (docs/explanation/method.md, 4.1): refusals agreed with each other and won the vote.
    result = vote_on([None] * 15 + ["7"])
    assert (result.status, result.majority, result.share, result.margin) == ("majority", "7", 1 / 16, 1 / 16)
    nothing = vote_on([None] * 4)
    assert (nothing.status, nothing.majority, nothing.share, nothing.margin) == ("no_answer", None, 0.0, 0.0)
    assert nothing.class_ids == (None,) * 4
    assert vote_on([]).status == "no_answer"


def test_answers_that_cannot_be_read_never_win() -> None:
    comparer = Table(**{"\\frac{": "unparsable", "9^{9^9}": "timed_out"})
    result = vote_on(["\\frac{", "\\frac{", "9^{9^{9}}", "n+1", "7" * 301, None], comparer)
    assert (result.status, result.majority, result.share) == ("majority", "n+1", 1 / 6)
    assert result.statuses == ("unparsable", "unparsable", "timed_out", "ok", "too_large", "no_answer")
    assert result.class_ids == (None, None, None, 0, None, None)
    unread = vote_on(["\\frac{", "\\frac{", None], comparer)
    assert (unread.status, unread.majority, unread.classes) == ("unparsable", None, ())


def test_an_expression_of_the_question_is_no_answer() -> None:
    # Regression (docs/explanation/method.md, 4.1): the authors extract from prompt + response.
    question, responses = "What is \\boxed{5} plus 7?", ["I cannot tell.", "It is \\boxed{12}", "No idea, sorry."]
    assert extract_math_answer(question) == "5"
    result = vote_on([MathAnswer().extract(response, question) for response in responses])
    assert (result.majority, result.statuses) == ("12", ("no_answer", "ok", "no_answer"))


def test_a_tie_at_the_top_has_no_majority() -> None:
    result = vote_on(["3", "3", "4", "4", "5", None])
    assert (result.status, result.majority) == ("tie", None)
    assert (result.share, result.margin) == (2 / 6, 0.0)
    assert result.class_ids == (0, 0, 1, 1, 2, None)


def test_weights_decide_exactly() -> None:
    # 0.1 + 0.2 is 0.3 here, which in floating point it is not.
    result = vote_on(["3", "3", "4"], weights=[0.1, 0.2, 0.3])
    assert (result.status, result.share) == ("tie", 0.5)
    result = vote_on(["3", "3", "4", None], weights=[1, 1, 3, 1])
    assert (result.majority, result.share, result.margin) == ("4", 3 / 6, 1 / 6)
    assert result.class_ids == (1, 1, 0, None)


@pytest.mark.parametrize("triple", [("5", "x=5", "y=5"), ("50%", "50", "0.5")], ids=["variables", "percent"])
def test_equality_that_is_not_transitive_does_not_chain(triple: tuple[str, str, str]) -> None:
    # Regression (docs/explanation/method.md, 4.3):
    # the middle answer linked the two others, depending on the order of sampling.
    middle, left, right = vote_on(triple).class_ids
    assert left != right
    assert middle in (left, right)
    # The middle answer joins the side with more votes, so it never splits the true majority.
    for major, minor in [(triple[1], triple[2]), (triple[2], triple[1])]:
        assert vote_on([triple[0], minor, major, major]).class_ids == (0, 1, 0, 0)


@pytest.mark.parametrize(
    ("answers", "representative"),
    [
        (["50", "50", "50%"], "50"),
        (["50%", "50", "50%"], "50%"),
        (["50", "50%"], "50"),  # equal weights: the shortest
        (["x=5", "x=5", "5"], "x=5"),
        (["5", "x=5"], "5"),
        (["0.5", "50%", "50%"], "50%"),
        (["$7$", "7.0", "$7$", "7"], "7"),  # spellings of one form: the shortest
        (["50.0", "$50$", "50%", "50%", "50"], "50"),
    ],
)
def test_the_member_with_most_votes_stands_for_its_class(answers: list[str], representative: str) -> None:
    for order in (answers, answers[::-1], sorted(answers)):
        result = vote_on(order)
        assert (result.majority, result.class_ids) == (representative, (0,) * len(answers))


def test_weights_decide_which_member_stands_for_a_class() -> None:
    assert vote_on(["50", "50", "50%"], weights=[1, 1, 3]).majority == "50%"


class Guarded(AnswerKind):
    """A kind whose answers "a or b" can be read in two ways, some already when they are extracted."""

    def extract(self, response: str, question: str) -> str | None:
        return Ambiguous(response) if response.startswith("?") else response

    def canonical(self, answer: str, question: str) -> str | None:
        return Ambiguous(answer) if " or " in answer else answer


def test_ambiguous_answers_neither_vote_nor_are_correct() -> None:
    kind = Guarded()
    answers = [*(kind.extract(text, "?") for text in ("3 or 5", "3 or 5", "3 or 5", "? 1", "3")), None]
    [result] = vote([Ballot(question="?", answers=answers)], kind, Table())
    assert result.statuses == ("ambiguous", "ambiguous", "ambiguous", "ambiguous", "ok", "no_answer")
    assert result.class_ids == (None, None, None, None, 0, None)
    assert (result.status, result.majority, result.share) == ("majority", "3", 1 / 6)
    assert graded([(answer, "3") for answer in answers], Table(), kind) == [*["ambiguous"] * 4, "correct", "no_answer"]
    [nothing] = vote([Ballot(question="?", answers=["3 or 5", None])], kind, Table())
    assert (nothing.status, nothing.majority, nothing.classes) == ("unparsable", None, ())


def test_no_answer_is_correct_against_an_ambiguous_gold() -> None:
    assert graded([("3", "3 or 5"), ("5", "3 or 5"), ("3 or 5", "3 or 5"), (None, "3 or 5")], Table(), Guarded()) == [
        "ambiguous",
        "ambiguous",
        "ambiguous",
        "no_answer",
    ]


def test_forms_are_compared_only_if_algebra_is_needed() -> None:
    comparer = Table()
    questions = [
        ["1", "2", "1/2", "0.5", "even"],
        ["n+1", "1+n", "1 + n", "n + 1", "n+2", "7"],
        ["n+1", "n+1", "n!", "even"],
        ["n!", "3", "(1,2)"],
    ]
    results = vote([Ballot(question="?", answers=answers) for answers in questions], MathAnswer(), comparer)
    assert comparer.was_read == ["n!"]  # the other answers are read without math-verify
    assert [frozenset(pair) for pair in comparer.was_asked] == [
        frozenset(pair) for pair in [("1+n", "n+1"), ("n+1", "n!"), ("3", "n!")]
    ]
    assert results[0].class_ids[3] == results[0].class_ids[2]
    assert results[1].class_ids == (0, 0, 0, 0, 2, 1)


ANSWERS = st.lists(
    st.sampled_from(
        ["5", "x=5", "y=5", "50", "50%", "50\\%", "0.5", "n+1", "1+n", "05", "1 + n", "7", "even", None, "\\frac{"]
    ),
    max_size=16,
)
UNREADABLE: dict[str, AnswerStatus] = {"\\frac{": "unparsable"}


@given(answers=ANSWERS, seed=st.integers(0, 2**32 - 1))
def test_the_order_of_responses_changes_nothing(answers: list[str | None], seed: int) -> None:
    order = list(range(len(answers)))
    random.Random(seed).shuffle(order)
    weights = [1 + index % 3 for index in range(len(answers))]
    result = vote_on(answers, Table(**UNREADABLE), weights)
    shuffled = vote_on([answers[i] for i in order], Table(**UNREADABLE), [weights[i] for i in order])
    assert shuffled.class_ids == tuple(result.class_ids[i] for i in order)
    assert shuffled.statuses == tuple(result.statuses[i] for i in order)
    for name in ("status", "majority", "share", "margin", "classes"):
        assert getattr(shuffled, name) == getattr(result, name)


@given(answers=ANSWERS)
def test_counts_agree_with_the_class_ids(answers: list[str | None]) -> None:
    result = vote_on(answers, Table(**UNREADABLE))
    class_ids = [number for number in result.class_ids if number is not None]
    counts = [*sorted((class_ids.count(number) for number in set(class_ids)), reverse=True), 0, 0]
    assert [class_ids.count(number) for number in range(len(set(class_ids)))] == counts[:-2]
    assert [item.share for item in result.classes] == [count / len(answers) for count in counts[:-2]]
    assert result.margin == ((counts[0] - counts[1]) / len(answers) if answers else 0)
    assert (result.majority is not None) == (counts[0] > counts[1])
    assert [number is not None for number in result.class_ids] == [status == "ok" for status in result.statuses]


def test_a_vote_through_math_verify(verifier: Verifier) -> None:
    result = vote_on(["\\frac{\\pi}{2}", "\\pi/2", "0.5\\pi", "\\pi", None, "\\sqrt{"], verifier)
    assert (result.majority, result.class_ids) == ("\\pi/2", (0, 0, 0, 1, None, None))
    assert result.statuses == ("ok", "ok", "ok", "ok", "no_answer", "unparsable")


def test_the_same_vote_as_pairwise_verification_on_real_answers(verifier: Verifier) -> None:
    """Groups of correct answers of MATH, respelled, against every pair compared by math-verify in both directions."""
    path = DATA / "seeds" / "math_seed_500.jsonl"
    if not path.exists():
        pytest.skip("no MATH seeds beside the repository")
    golds = [json.loads(line)["answer"] for line in path.read_text(encoding="utf-8").splitlines()]
    rng = random.Random(0)
    for gold in rng.sample(golds, 12):
        answers = [gold, f"${gold}$", f" {gold}", *rng.sample(golds, 3)]
        rng.shuffle(answers)
        pairs = [(left, right) for left in answers for right in answers]
        verdicts = dict(zip(pairs, verifier.equal(pairs), strict=True))
        result = vote_on(answers, verifier)
        if "unparsable" in verdicts.values():
            continue
        for left, left_class in zip(answers, result.class_ids, strict=True):
            for right, right_class in zip(answers, result.class_ids, strict=True):
                assert (left_class == right_class) == (verdicts[left, right] == "equal"), (left, right)


def test_grades(verifier: Verifier) -> None:
    rows: list[tuple[str | None, str, GradeStatus]] = [
        ("18", "\\boxed{18}", "correct"),
        ("18.00", "so she has $\\boxed{18}$ left", "correct"),
        ("19", "18", "wrong"),
        (None, "18", "no_answer"),
        ("\\pi/2", "\\boxed{\\frac{\\pi}{2}}", "correct"),
        ("-4n+10", "10-4 n", "correct"),
        ("n", "10-4 n", "wrong"),
        ("\\frac{" * 40, "10-4 n", "unparsable"),
        ("7" * 301, "7", "too_large"),
        ("7", "7\\text{ hours}.", "correct"),
    ]
    assert graded([(row[0], row[1]) for row in rows], verifier, MathAnswer()) == [row[2] for row in rows]


def test_failures_of_the_verifier_are_recorded_not_called_wrong() -> None:
    # Regression (docs/explanation/method.md, 4.2): a bare except made them "not equal".
    class Failing(Table):
        def equal(self, pairs: Sequence[tuple[str, str]]) -> list[str]:
            return ["timeout", "error"]

    grades = graded([("n!", "k!"), ("m!", "k!"), ("3", "3")], Failing(), MathAnswer())
    assert grades == ["timed_out", "error", "correct"]


def test_a_choice_is_graded_by_its_letter() -> None:
    question = "Which is a mammal?\nA. trout\nB. otter\nC. newt"
    rows = [
        AnswerToGrade(question=question, answer=answer, gold="otter")
        for answer in ("(B)", "b.", "Otter", "C", "Z", None)
    ]
    grades = grade(rows, ChoiceAnswer(), Table())
    assert grades == ["correct", "correct", "correct", "wrong", "unparsable", "no_answer"]


def test_golds_are_correct_against_themselves_and_rarely_else(verifier: Verifier) -> None:
    files = sorted((DATA / "benchmarks").glob("*.jsonl"))
    if not files:
        pytest.skip("no benchmark samples beside the repository")
    for path in files:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()][:60]
        golds = [row["answer"] for row in rows]
        answers = [gold_answer(gold) for gold in golds]
        grades = graded(list(zip(answers, golds, strict=True)), verifier, MathAnswer())
        assert grades == ["correct"] * len(golds), path.name
        grades = graded(list(zip(answers[1:], golds[:-1], strict=True)), verifier, MathAnswer())
        assert set(grades) <= {"correct", "wrong", "unparsable"}, path.name
        if path.stem.split(".")[0] not in (
            "aqua",
            "mmlu_stem",
            "sat_math",
        ):  # multiple choice: one in five is equal by chance
            assert grades.count("correct") <= 3, path.name
