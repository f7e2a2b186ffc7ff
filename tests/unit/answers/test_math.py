"""Answers of mathematics: extraction, and equality without algebra."""

import time

import pytest

from stages.answers.canonical.form import canonical
from stages.answers.marks import gold_answer
from stages.answers.math import MathAnswer, extract_math_answer


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("30+8=38+2=40 \\boxed{40}", "40"),
        ("first \\boxed{3}, then \\boxed{4}.", "4"),
        ("\\boxed{\\frac{1}{2}}", "\\frac{1}{2}"),
        ("\\boxed{\\{1, 2\\}}", "\\{1, 2\\}"),
        ("\\boxed{\\left\\{ x : x > 1 \\right.}", "\\left\\{ x : x > 1 \\right."),
        ("\\boxed{\\boxed{7}}", "7"),
        ("\\boxed {8}", "8"),
        ("$\\boxed 5$ apples", "5"),
        ("\\boxed 5, so", "5"),
        ("\\boxed\\frac{1}{2}", "\\frac{1}{2}"),
        ("\\fbox{9}", "9"),
        ("\\boxed{ 10 }", "10"),
        # The last box is cut by the token limit or empty: the last complete one counts.
        ("so \\boxed{3} and hence \\boxed{4", "3"),
        ("so \\boxed{3}, not \\boxed{}", "3"),
        ("\\boxed{4", None),
        ("\\boxed{" + "1" * 301 + "}", "1" * 301),  # too large to vote, which the vote records
    ],
)
def test_boxed_answers(response: str, answer: str | None) -> None:
    assert extract_math_answer(response, boxed_only=True) == answer


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("She sells 9.\n#### 18", "18"),
        ("The answer is 18 dollars.", "18 dollars"),
        ("**Answer:** 3/4", "3/4"),
        ("Final answer: (3, 4).", "(3, 4)"),
        ("The answer is $x=\\frac12$.", "x=\\frac12"),
        ("The answer is \\(x^2\\), not \\(x\\).", "x^2"),
        ("The answer:\n\n$$x^2$$\nDone.", "x^2"),
        ("The answer is -5%", "-5%"),
        ("2 + 2 = 4", "4"),
        ("Ten minus seven is 10-7 = 3", "3"),
        ("She makes $18 on Monday, and $1,220.50 on Sunday.", "$1220.50"),
        ("In 2019 there were 3.\nSo x is $\\frac{1}{2}$ here.", "\\frac{1}{2}"),
        # If a response ends in prose, an earlier line is a step and not the answer.
        ("There were 3 of them.\nI cannot go on.", None),
        ("I don't know.", None),
        ("The answer is unknown.", None),
        ("", None),
        ("\n \n", None),
    ],
)
def test_answers_without_a_box(response: str, answer: str | None) -> None:
    assert extract_math_answer(response) == answer
    assert extract_math_answer(response, boxed_only=True) is None


def test_a_box_wins_over_what_follows_it() -> None:
    assert extract_math_answer("\\boxed{3}\nThe answer is 4.") == "3"


@pytest.mark.parametrize(
    "response",
    [
        "\\boxed{" * 100_000,
        "\\boxed{" * 500 + "}" * 500,
        "\\(" * 100_000,
        "$x " * 100_000,
        "1," * 100_000,
        "1,111" * 100_000,
        "answer is " * 100_000,
        "{" * 1_000_000,
        "\\" * 1_000_000,
        "1" * 1_000_000,
    ],
    ids=lambda response: response[:10],
)
def test_hostile_responses_are_bounded(response: str) -> None:
    began = time.perf_counter()
    answer = extract_math_answer(response)
    canonical(response)
    assert time.perf_counter() - began < 5.0
    assert answer is None or len(answer) <= 4_000


def test_gold_answers_come_out_of_boxes_and_whole_solutions() -> None:
    assert gold_answer("\\boxed{18}") == "18"
    assert gold_answer("The area is $(3/\\sqrt{2})^2=\\boxed{4.5}$ square units.") == "4.5"
    assert gold_answer(" 45\n") == "45"


@pytest.mark.parametrize("answer", ["½≠\x00²√·", "五\ud800½x", "≠π٣\x00⅓7÷", "½́ ≠ 五"])
def test_signs_of_no_notation_are_no_answer(answer: str) -> None:
    """math-verify would find the fraction in them."""
    assert MathAnswer().canonical(answer, "?") is None


@pytest.mark.parametrize("answer", ["-5°C", "5 µg", "3 Ω", "北京", "€12", "½"])
def test_signs_of_units_and_words_of_any_script_are_answers(answer: str) -> None:
    assert MathAnswer().canonical(answer, "?")


@pytest.mark.parametrize(
    "answer",
    ["\\frac{-b \\pm \\sqrt{b^2-4ac}}{2a}", "x = 1 \\pm \\sqrt{b}", "1, \\dots, 10", "1+2+\\cdots+n", "\\|v\\|", "≥5",
     "x \\equiv 3 \\pmod 7", "AB \\parallel CD", "p \\land q", "A ∪ B", "2H2 + O2 -> 2H2O", "[Co(NH3)6]^{3+}"],
)  # fmt: skip
def test_whole_answers_that_math_verify_cannot_read_vote(answer: str) -> None:
    kind = MathAnswer()
    form = kind.canonical(answer, "?")
    reading = kind.read(answer, form or "")
    assert reading is not None and reading.status == "ok"


@pytest.mark.parametrize("answer", ["\\pm", "\\|v", "\\ge", "\\frac{1\\pm", "A\\cup"])
def test_parts_of_answers_are_left_to_math_verify(answer: str) -> None:
    kind = MathAnswer()
    assert kind.read(answer, kind.canonical(answer, "?") or "") is None


@pytest.mark.parametrize(
    ("left", "right", "verdict"),
    [
        ("5N", "5 N", True),  # a variable or newtons
        ("300K", "300 kelvin", True),
        ("2\\sqrt3m", "2\\sqrt{3} \\text{ m}", True),
        ("(M, 2 M]", "(M, 2]", False),
        ("4M", "5 M", False),
        ("50% increase", "50%", True),
        ("50% increase", "50% decrease", False),
        ("A(1,2)", "(1,2)", True),
        ("A(1,2)", "B(1,2)", False),
    ],
)
def test_equality_of_letters_and_names(left: str, right: str, verdict: bool) -> None:
    kind = MathAnswer()
    forms = [kind.canonical(answer, "?") or "" for answer in (left, right)]
    assert bool(kind.same(forms[0], forms[1])) is bool(kind.same(forms[1], forms[0])) is verdict
