"""Answers of mathematics: extraction, canonical spelling, and equality without algebra."""

import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.answers.canonical import canonical
from stages.answers.marks import gold_answer
from stages.answers.math import extract_math_answer
from stages.answers.numerals import number


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
        ("The answer is 18 dollars.", "18"),
        ("**Answer:** 3/4", "3/4"),
        ("Final answer: (3, 4).", "(3, 4)"),
        ("The answer is $x=\\frac12$.", "x=\\frac12"),
        ("The answer is \\(x^2\\), not \\(x\\).", "x^2"),
        ("The answer:\n\n$$x^2$$\nDone.", "x^2"),
        ("The answer is -5%", "-5%"),
        ("2 + 2 = 4", "4"),
        ("Ten minus seven is 10-7 = 3", "3"),
        ("She makes $18 on Monday, and $1,220.50 on Sunday.", "$1,220.50"),
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


@pytest.mark.parametrize(
    "spellings",
    [
        ["5", "05", "5.0", "5.", "+5", "$5$", "\\(5\\)", " 5 ", "\\text{5}", "5.00", "10/2", "\\frac{10}{2}"],
        ["0", "-0", "0.0", "-0.00", "\\frac{0}{3}"],
        ["1234", "1,234", "1{,}234", "1,\\!234", "1,234.0"],
        ["-1/3", "-\\frac{1}{3}", "\\frac{-1}{3}", "\\frac{1}{-3}", "-\\dfrac13", "-\\tfrac{2}{6}", "−1/3"],
        ["0.5", ".5", "0.50", "00.5"],
        ["50%", "50\\%", "50 \\%", "50.0\\%"],
        ["4.5e33", "4.5E33", "4.5 \\times 10^{33}", "4.50\\cdot10^{33}"],
        ["(3,\\frac{\\pi}{2})", "\\left( 3, \\frac{\\pi}{2} \\right)", "$(3, \\dfrac{π}{2})$"],
        ["x=5", "x = 5", "$x = 5.$"],
        ["even", "\\text{even}", "\\textbf{ even }", "\\mathrm{even}."],
        ["A", "(A)", "\\text{(A)}"],
        ["10-4n", "10 - 4 n", "10-4\\,n"],
        ["30^\\circ", "30^{\\circ}", "30°"],
        ["\\sqrt{2}", "\\sqrt2", "\\sqrt 2"],
        ["x^2", "x^{2}"],
        ["x\\le 3", "x \\leq 3"],
    ],
    ids=lambda spellings: spellings[0],
)
def test_spellings_of_one_answer_are_one(spellings: list[str]) -> None:
    assert {canonical(spelling) for spelling in spellings} == {canonical(spellings[0])}


@pytest.mark.parametrize(
    "different",
    [
        ["50", "50\\%", "0.5"],
        ["5", "x=5", "y=5"],
        ["(1,234)", "1234", "(1,2,34)"],
        ["1 2", "12"],
        ["30", "30^\\circ"],
        ["\\pi r", "\\pir"],
        ["[1,2]", "(1,2)", "[1,2)"],
        ["1\\frac{1}{2}", "\\frac{11}{2}"],
        ["\\frac{1}{0}", "1/0", "0/0", "0", "1"],
        ["5", "-5", "5i"],
        ["1,23", "123"],
        ["\\begin{pmatrix}1\\\\2\\end{pmatrix}", "\\begin{pmatrix}12\\end{pmatrix}"],
    ],
    ids=lambda different: different[0],
)
def test_different_answers_stay_different(different: list[str]) -> None:
    assert len({canonical(answer) for answer in different}) == len(different)


@given(st.text(alphabet="0123456789.,-+/%$\\{}()=x ^frac", max_size=30))
def test_canonical_is_stable(answer: str) -> None:
    """The canonical form of a number is its own canonical form, and no text raises an exception."""
    form = canonical(answer)
    if number(form) is not None:
        assert canonical(form) == form


@given(st.fractions(max_denominator=1_000), st.integers(-(10**12), 10**12), st.integers(0, 3))
def test_numbers_keep_their_value(value: Fraction, thousandths: int, zeros: int) -> None:
    assert number(canonical(f"\\frac{{{value.numerator}}}{{{value.denominator}}}")) == value
    whole, rest = divmod(abs(thousandths), 1_000)
    decimal = f"{'-' if thousandths < 0 else ''}{'0' * zeros}{whole}.{rest:03d}{'0' * zeros}"
    assert number(canonical(decimal)) == Fraction(thousandths, 1_000)
