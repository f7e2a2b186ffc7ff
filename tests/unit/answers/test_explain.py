"""The explanation of an answer: every step, the status in a vote, the grade and why."""

from collections.abc import Iterator

import pytest

from stages.answers.algebra.verifier import Verifier
from stages.answers.explain import MAX_SHOWN, REASONS, STATUSES, explain
from stages.answers.kinds import Ambiguous, AnswerKind, load_kind
from stages.answers.voting import AnswerToGrade, grade
from stages.settings.answers import AnswerConfig


@pytest.fixture(scope="module")
def verifier() -> Iterator[Verifier]:
    with Verifier(workers=1) as shared:
        yield shared


def steps_of(
    response: str,
    verifier: Verifier,
    *,
    gold: str | None = None,
    question: str = "?",
    truncated: bool = False,
    kind: AnswerKind | None = None,
    **settings: str | bool,
) -> dict[str, str]:
    """Return step -> its text; of several steps with one name, the first."""
    config = AnswerConfig.model_validate(settings)
    steps = explain(
        kind or load_kind(config),
        response,
        question,
        gold=gold,
        truncated=truncated,
        settings=config,
        comparer=verifier,
    )
    found: dict[str, str] = {}
    for step in steps:
        found.setdefault(step.name, step.text)
        assert "\n" not in step.text and step.text
    return found


def test_every_step_of_a_boxed_answer(verifier: Verifier) -> None:
    assert steps_of(r"<think>5?</think>So it is $\boxed{\dfrac{2}{4}}$.", verifier, gold="0.5") == {
        "response": "49 characters",
        "thinking": "17 characters removed",
        "part": "the whole text",
        "mark": r'box: "\dfrac{2}{4}"',
        "answer": r'"\dfrac{2}{4}"',
        "canonical": '"1/2", a number',
        "vote": "ok: the answer votes",
        "gold": '"0.5", canonical "0.5", a number',
        "verdict": "correct: both are a number: equal",
    }


@pytest.mark.parametrize(
    ("response", "mark"),
    [
        ("The answer is 42.", 'announced: "42."'),
        ("La réponse est 42.", 'announced (fr): "42."'),
        ("<answer>42</answer>", 'tag: "42"'),
        ("9 + 3\n#### 12", 'hash: "12"'),
        (r"The answer is 4, so \boxed{42}", 'box: "42"'),
        ("It is 42.", "none: the last result in the last line counts"),
    ],
)
def test_the_mark_that_counts_is_shown_first(verifier: Verifier, response: str, mark: str) -> None:
    assert steps_of(response, verifier)["mark"] == mark


def test_a_mark_without_an_answer_is_named(verifier: Verifier) -> None:
    steps = steps_of("Final answer: it rains", verifier)
    assert steps["answer"] == "none: the marked text is read as no answer of this kind"
    assert steps_of("Empty.", verifier)["answer"] == "none"


def test_options_of_a_choice_are_shown(verifier: Verifier) -> None:
    question = "Which is a mammal? (A) trout (B) otter"
    steps = steps_of("The answer is (B).", verifier, kind=load_kind(AnswerConfig(kind="choice")), question=question,
                     gold="otter")  # fmt: skip
    assert steps["canonical"] == '"B"' and steps["verdict"].startswith("correct: both have the same canonical form")
    assert steps["gold"] == '"otter", read as "B", canonical "B"'


@pytest.mark.parametrize(
    ("response", "question", "gold", "step", "text"),
    [
        ("The answer is B or C.", "(A) a (B) b (C) c", "B", "verdict",
         "unparsable: it names no option, or more than one"),
        ("I choose B", "Which?", "B", "options", "the question lists none, so only a letter is an answer"),
        ("I choose B", "Which?", "the otter", "gold",
         '"the otter", canonical "the otter"; this is no answer of this kind, so only the same text equals it'),
        ("Both are fine.", "Which?", "B", "mark", "none: only a line that chooses an option counts"),
    ],
)  # fmt: skip
def test_reasons_of_a_choice(verifier: Verifier, response: str, question: str, gold: str, step: str, text: str) -> None:
    config = AnswerConfig(kind="choice")
    steps = explain(
        load_kind(config), response, question, gold=gold, truncated=False, settings=config, comparer=verifier
    )
    assert text in [found.text for found in steps if found.name == step]


@pytest.mark.parametrize(
    ("response", "gold", "step", "text"),
    [
        ("It is Rome", "Rome", "mark", 'none: words count only in a box, in tags or after "answer is"'),
        ("", "Rome", "response", "empty"),
        ("The answer is: I cannot answer", "Rome", "verdict",
         "unparsable: it has no words, or declines to answer in words that the question does not hold"),
        ("The answer is Rome (Italy).", "Rome", "verdict",
         "correct: one is the other with an article, an explanation or an abbreviation"),
        ("The answer is Rh+.", "Rh-", "verdict", "wrong: the canonical forms are different words"),
        ("Answer: Rome", "The answer is Rome. It is in Italy.", "gold",
         '"The answer is Rome. It is in Italy.", read as "Rome.", canonical "rome"'),
    ],
)  # fmt: skip
def test_reasons_of_words(verifier: Verifier, response: str, gold: str, step: str, text: str) -> None:
    config = AnswerConfig(kind="text")
    steps = explain(load_kind(config), response, "?", gold=gold, truncated=False, settings=config, comparer=verifier)
    assert text in [found.text for found in steps if found.name == step]


@pytest.mark.parametrize(
    ("response", "gold", "verdict"),
    [
        ("It is 16.", "16", "correct: both have the same canonical form"),
        ("It is 16.", "17", "wrong: both are a number: different values"),
        (r"\boxed{n+1}", "1+n", "correct: math-verify finds them equal"),
        (r"\boxed{n+1}", "n+2", "wrong: both are an expression: different values"),
        (r"\boxed{\frac{1}{}}", "n+2", "unparsable: math-verify cannot read one of them"),
        (r"\boxed{5, 105}", "105, 5", "correct: both are a list, 2 members in any order: equal"),
        (r"\boxed{5 hours}", "5 minutes", "wrong: h and min: different amounts or units"),
        (r"\boxed{5 km}", "5000 m", "correct: km and m: equal after conversion"),
        (r"\boxed{12 m}", "12", "correct: the same value; one has no unit, which may be any unit"),
        (
            r"\boxed{50\%}",
            "0.5",
            "correct: the answer is a percentage, equal to 50 and to its hundredth; the",
        ),
        ("x>2", r"(2,\infty)", "correct: the answer is a set of real numbers (an interval or an inequality); the gold"),
        (r"\boxed{(1,2)}", r"\{1,2\}", "wrong: the answer is a point or an interval; the gold answer is a set, 2"),
        (r"\boxed{" + "7" * 301 + "}", "7", "too_large: it has more than 300 characters"),
        ("no idea", "7", "no_answer: the response has no answer"),
        ("<think>7", "7", "no_answer: the response has no answer"),
    ],
)
def test_the_verdict_gives_its_reason(verifier: Verifier, response: str, gold: str, verdict: str) -> None:
    assert steps_of(response, verifier, gold=gold)["verdict"].startswith(verdict)


def test_the_verdict_is_the_grade(verifier: Verifier) -> None:
    kind = load_kind(AnswerConfig())
    for answer in ("7", "7.0", "x=7", "8", r"\frac{14}{2}", r"7\text{ hours}", "70\\%", "n"):
        for gold in ("7", "14/2", "y=7", "0.7", "7+0"):
            steps = steps_of(rf"\boxed{{{answer}}}", verifier, gold=gold)
            [status] = grade([AnswerToGrade(question="?", answer=answer, gold=gold)], kind, verifier)
            assert steps["verdict"].split(":")[0] == status, (answer, gold)


def test_a_response_that_was_cut_off(verifier: Verifier) -> None:
    steps = steps_of("We get 9, then 9 + 3", verifier, truncated=True, gold="12")
    assert steps["response"] == "20 characters, cut off at the token limit"
    assert steps["part"].startswith("none: the response was cut off, and no box")
    assert (steps["answer"], steps["vote"]) == ("none", "no_answer: the response has no answer")
    assert "mark" not in steps
    closed = steps_of(r"It is \boxed{12}. Check: 9", verifier, truncated=True)
    assert closed["part"] == r'up to the last closed answer: "It is \boxed{12}"' and closed["answer"] == '"12"'
    assert steps_of("9 + 3", verifier, truncated=True, count_truncated=True)["part"] == "the whole text"


def test_without_a_gold_answer_there_is_no_verdict(verifier: Verifier) -> None:
    assert {"gold", "verdict"}.isdisjoint(steps_of("It is 16.", verifier))


def test_a_solution_as_gold_answer(verifier: Verifier) -> None:
    steps = steps_of("It is 8.", verifier, gold="4+4=<<4+4=8>>8\n#### 8")
    assert steps["gold"] == r'"4+4=<<4+4=8>>8\n#### 8", read as "8", canonical "8", a number'
    assert steps["verdict"].startswith("correct")


class Moody(AnswerKind):
    """A custom kind that finds some texts ambiguous and fails at others."""

    def extract(self, response: str, question: str) -> str | None:
        if response == "fail":
            raise ValueError("no")
        return Ambiguous("a or b") if response == "?" else response

    def canonical(self, answer: str, question: str) -> str | None:
        if answer == "bug":
            raise KeyError("bug")
        return Ambiguous("3 or 5") if answer == "5-3" else answer

    def same(self, left: str, right: str) -> bool | None:
        raise TypeError("cannot compare")


@pytest.mark.parametrize(
    ("response", "answer", "canonical", "vote", "verdict"),
    [
        ("?", "several: a or b", None, "ambiguous", "ambiguous: it can be read in several ways that differ"),
        ("5-3", '"5-3"', "several: 3 or 5", "ambiguous", "ambiguous: it can be read in several ways that differ"),
        ("fail", "exception: ValueError: no", None, "error", "error: the kind of answers or math-verify raised"),
        ("bug", '"bug"', "none: KeyError: 'bug'", "error", "error: the kind of answers or math-verify raised"),
        ("7", '"7"', '"7"', "ok", "wrong: they cannot be compared: TypeError: cannot compare"),
        ("8", '"8"', '"8"', "ok", "correct: both have the same canonical form"),
    ],
)
def test_custom_kind(
    verifier: Verifier, response: str, answer: str, canonical: str | None, vote: str, verdict: str
) -> None:
    steps = steps_of(response, verifier, kind=Moody(), gold="8")
    assert (steps["answer"], steps.get("canonical")) == (answer, canonical)
    assert steps["vote"].split(":")[0] == vote and steps["verdict"].startswith(verdict)


def test_an_ambiguous_gold_answer_is_named(verifier: Verifier) -> None:
    steps = steps_of("3", verifier, kind=Moody(), gold="5-3")
    assert steps["verdict"] == "ambiguous: the gold answer can be read in several ways: 3 or 5"


def test_long_and_invisible_texts_are_shown_in_one_line(verifier: Verifier) -> None:
    steps = steps_of("\\boxed{4\u200b2\n" + "7" * 1_000 + "8}", verifier)
    assert steps["answer"].startswith('"4\\u200b2\\n777') and steps["answer"].endswith('78"')
    assert len(steps["answer"]) < MAX_SHOWN + 20


def test_every_status_has_a_reason() -> None:
    from typing import get_args

    from stages.answers.kinds import AnswerStatus
    from stages.answers.voting import GradeStatus

    assert set(STATUSES) == {*get_args(AnswerStatus), *get_args(GradeStatus)}
    assert set(REASONS) == set(STATUSES) - {"ok", "correct", "wrong"}
