"""Labels and reference solutions: which answer is read from them."""

from collections.abc import Iterator

import pytest

from stages.answers.algebra.verifier import Verifier
from stages.answers.choice import ChoiceAnswer
from stages.answers.marks import gold_answer, gold_mark
from stages.answers.math import MathAnswer
from stages.answers.voting import AnswerToGrade, grade

GOLDS_OF_MATHEMATICS = [
    ("4+4=<<4+4=8>>8\n#### 8", "8"),
    ("#### 1,000", "1000"),
    ("#### -5", "-5"),
    ("Final Answer: The final answer is $42$. I hope it is correct.", "42"),
    ("The answer is 42.", "42"),
    ("The answer is 42. Done.", "42"),
    (r"$\boxed{42}$", "42"),
    ("$42$", "42"),
    (r"\(42\)", "42"),
    (r"\[42\]", "42"),
    ("42.", "42"),
    ("  42\n", "42"),
    ("Answer: 42 apples", "42"),
    ("<answer>42</answer>", "42"),
    (r"$\frac{1}{2}$", "1/2"),
    ("x = 5", "5"),
    ("$$42$$", "42"),
    ("Ответ: 42", "42"),
    ("答案：42", "42"),
    ("【答案】42", "42"),
    ("$18", "18"),
    ("18.0", "18"),
    ("18 dollars", "18"),
    ("<think>7</think>\n42", "42"),
    (r"The final answer is \boxed{42}. Check \boxed{42}", "42"),
    (r"\boxed{4} is wrong, \boxed{5}", "5"),
    ("1,000", "1000"),
    ("33 1/3%", r"\frac{100}{3}\%"),
    ("2024-05-01", "2024-05-01"),
    ("#### $5", "5"),
    ("####5", "5"),
    ("So the total is 8. \n\n#### 8\n\n", "8"),
    ("ANSWER: 8", "8"),
    ("The answer: 8", "8"),
    ("Therefore the answer is 8 apples per day.", "8"),
    ("**8**", "8"),
    ("**Answer:** 8", "8"),
    ("The answer is 3 1/2.", "7/2"),
    ("The answer is -5.", "-5"),
    ("The answer is −5.", "-5"),
    ("#### −5", "-5"),
    ("The answer is $x = 5$.", "5"),
    ("The answer is 5, 7.", "5,7"),
    ("The answer is (3, 4).", "(3,4)"),
    (r"The answer is \frac{1}{2}.", "0.5"),
    ("The answer is 25%.", r"25\%"),
    ("The answer is 1,234.", "1234"),
    ("The answer is $1,234.50.", "1234.5"),
    ("The answer is 10:30 am.", "10:30 am"),
    ("La réponse est 3,5.", "3.5"),
    ("答案是42。", "42"),
    ("答えは42です。", "42"),
    (r"Thus, \boxed{3} and \boxed{4}", "3,4"),
    ("The answer is twelve.", "12"),
    ("The answer is 12 because 3*4=12.", "12"),
    ("The answer is 12, as 3*4 = 12.", "12"),
    ("Total 5+7=<<5+7=12>>12 eggs\n#### 12 eggs", "12"),
    ("...so she has 12 left.\nA: 12\n#### 12", "12"),
    ("\\boxed{12}.\n\nThe answer is 12.", "12"),
    ("x^2+1", "x^2+1"),
    ("$x^2+1$", "x^2+1"),
    ("no solution", "no solution"),
    ("The answer is no solution.", "no solution"),
    (r"\text{(B)}", "B"),
    ("Final answer: 12 \n", "12"),
    ("Answer 12", "Answer 12"),
    ("12 (approx.)", "12"),
    ("\n\n12\n\n", "12"),
    (r"12\%", "0.12"),
    ("The answer is\n12", "12"),
    ("The answer is:\n\n$$12$$", "12"),
    (r"\[ x = 12 \]", "12"),
]  # fmt: skip


@pytest.fixture(scope="module")
def verifier() -> Iterator[Verifier]:
    with Verifier(workers=1) as shared:
        yield shared


@pytest.mark.parametrize(("label", "answer"), GOLDS_OF_MATHEMATICS)
def test_a_label_is_a_number_an_expression_or_a_solution(label: str, answer: str, verifier: Verifier) -> None:
    [status] = grade([AnswerToGrade(question="?", answer=answer, gold=label)], MathAnswer(), verifier)
    assert status == "correct"


@pytest.mark.parametrize(
    "label",
    [
        "D",
        "d",
        "(D)",
        "D. Metformin",
        "The answer is (D).",
        r"\boxed{D}",
        "Answer: D",
        "#### D",
        "答案：D",
        "<answer>D</answer>",
    ],
)
def test_a_label_is_a_letter(label: str) -> None:
    assert ChoiceAnswer().gold(label, "Which?") == "D"


def test_where_a_label_has_its_answer() -> None:
    assert gold_mark("42") is None and gold_answer(" 42\n") == "42"
    assert gold_answer("<think>7?</think>\n42") == "42"
    mark = gold_mark(r"Thus $\boxed{1}$ and $\boxed{2}$")
    assert mark is not None and (mark.kind, mark.text) == ("box", "1, 2")
    assert gold_answer("The answer is $42$. I hope it is correct.") == "$42$."
