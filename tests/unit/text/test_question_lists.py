"""Parsing of numbered lists, with the defects of the authors' parser as regressions."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.text.question_lists import parse_questions


def test_the_unnumbered_first_question_is_kept() -> None:
    # Regression (docs/explanation/method.md, 4.5): the prompt ends with "9.", and the first question was lost.
    text = " What is 1+1?\n10. What is 2+2?\n11. What is 3+3?"
    assert parse_questions(text, finished=True, first_number=9) == ["What is 1+1?", "What is 2+2?", "What is 3+3?"]


def test_a_last_question_that_was_cut_is_dropped() -> None:
    # Regression (docs/explanation/method.md, 4.5): a question cut in the middle was kept.
    text = " What is 1+1?\n10. What is 2+"
    assert parse_questions(text, finished=False, first_number=9) == ["What is 1+1?"]
    assert parse_questions(" What is 1+", finished=False, first_number=9) == []


def test_only_white_space_of_the_text_changes() -> None:
    # Regression (docs/explanation/method.md, 4.4): capitalize() turned \Delta ABC into \delta abc.
    text = "  In $\\Delta ABC$,\n  what is\t$\\angle B$?\n"
    assert parse_questions(text, finished=True, first_number=9) == ["In $\\Delta ABC$, what is $\\angle B$?"]


@pytest.mark.parametrize(
    "question",
    [
        "A rope of 2.5 m is cut at 10.5 m. How long is it?",
        "Consider: 1. all cats; 2. all dogs; 3. all birds. How many groups?",
        "Consider\n1. all cats\n2. all dogs\n3. all birds\nHow many groups?",
        "Take 5 and add 10. What do you get?",
        "She was born in\n2019. How old is she in 2030?",
        "The answer is above 9. It is below 12. Which integers are left?",
    ],
)
def test_numbers_inside_a_question_do_not_split_it(question: str) -> None:
    expected = [" ".join(question.split()), "What is 2+2?"]
    assert parse_questions(f" {question}\n10. What is 2+2?", finished=True, first_number=9) == expected


@pytest.mark.parametrize(
    "start",
    ["9. ", " 9. ", "\n9.\t", "1. ", "Here are more questions:\n\n9. "],
    ids=["repeated", "repeated after space", "on a new line", "restarted", "preamble"],
)
def test_a_model_may_repeat_the_first_number(start: str) -> None:
    second = 2 if start.startswith("1.") else 10
    text = f"{start}What is 1+1?\n{second}. What is 2+2?"
    assert parse_questions(text, finished=True, first_number=9) == ["What is 1+1?", "What is 2+2?"]


def test_items_may_share_a_line_and_skip_a_number() -> None:
    text = " What is 1+1? 10. What is 2+2? 11. Find $x$.\n13.Find $y$."
    expected = ["What is 1+1?", "What is 2+2?", "Find $x$.", "Find $y$."]
    assert parse_questions(text, finished=True, first_number=9) == expected


PLAN = "Plan.\n9. Algebra with two unknowns?\n10. Geometry about a circle's area, maybe radius 7.\n"
LIST = "\n\nA farmer sells 12 cows. How many are left?\n10. What is 2^10 mod 7?"
QUESTIONS = ["A farmer sells 12 cows. How many are left?", "What is 2^10 mod 7?"]


@pytest.mark.parametrize(
    "text",
    [
        f"<think>\n{PLAN}</think>{LIST}",
        f"{PLAN}</think>{LIST}",  # the prompt opened the thinking
        f"[THINK]{PLAN}[/THINK]{LIST}",
        f"◁think▷{PLAN}◁/think▷{LIST}",
        f"<think></think>{LIST}",
        f"<think>{PLAN * 2000}</think>{LIST}",  # longer than what is read
        f"<think>{PLAN}</think>\n\n9.{LIST}",
    ],
    ids=["block", "end alone", "Magistral", "Kimi", "empty", "long", "repeated number"],
)
def test_questions_are_read_behind_the_thinking(text: str) -> None:
    assert parse_questions(text, finished=True, first_number=9) == QUESTIONS
    assert parse_questions(text, finished=False, first_number=9) == QUESTIONS[:1]


@pytest.mark.parametrize("text", [f"<think>\n{PLAN}", f"<think>{PLAN}</think>{LIST}<think>\n11. Maybe?", "<think>"])
def test_thinking_that_never_ends_gives_no_question(text: str) -> None:
    for finished in (True, False):
        assert parse_questions(text, finished=finished, first_number=9) == []


def test_empty_items_are_dropped() -> None:
    assert parse_questions("\n10. What is 2+2?\n11.\n12.", finished=True, first_number=9) == ["What is 2+2?"]
    assert parse_questions("", finished=True, first_number=9) == []
    assert parse_questions(" \n ", finished=True, first_number=9) == []
    # The item that was cut is the empty one after "10.", so the question before it is complete.
    assert parse_questions(" What is 1+1?\n10.", finished=False, first_number=9) == ["What is 1+1?"]


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(f"{number}. q" for number in range(9, 9_999)),
        "." * 1_000_000,
        " " * 1_000_000,
        "\n" * 1_000_000,
        "? " * 500_000,
        "9" * 1_000_000,
        "a" * 1_000_000,
    ],
    ids=["many items", "dots", "spaces", "lines", "sentence ends", "digits", "one word"],
)
def test_hostile_text_is_bounded(text: str) -> None:
    began = time.perf_counter()
    questions = parse_questions(text, finished=True, first_number=9)
    assert time.perf_counter() - began < 5.0  # it takes 0.02 s; a quadratic scan takes minutes
    assert len(questions) <= 64
    assert sum(map(len, questions)) <= 65_536


@given(
    questions=st.lists(st.from_regex(r"[A-Z][a-z ]{1,30}\?", fullmatch=True), min_size=1, max_size=20),
    first=st.integers(2, 30),
)
def test_every_well_formed_list_is_parsed(questions: list[str], first: int) -> None:
    body = "\n".join(f"{number}. {question}" for number, question in enumerate(questions, start=first))
    continuation = body.removeprefix(f"{first}.")
    expected = [" ".join(question.split()) for question in questions]
    assert parse_questions(continuation, finished=True, first_number=first) == expected
    assert parse_questions(continuation, finished=False, first_number=first) == expected[:-1]
