"""Copies of examples and repetitions, with other numbers or with a word changed."""

import pytest

from stages.text.likeness import EarlierQuestions, copied_example, numbers_aside

RIDDLE = "A bat and a ball cost $1.10 in total. The bat costs $1.00 more than the ball. How much does the ball cost?"
MAXIMUM = "Find the maximum value of $3x - x^2$ for real numbers $x$ between 0 and 10."
OTHER = "How many positive divisors does 196 have?"


@pytest.mark.parametrize(
    ("left", "right", "alike"),
    [
        ("What is 3 + 5?", "What is 10 + 1,024?", True),
        ("What is 2.5 times 4?", "What is 7 times 0.25?", True),
        ("Ann has three cats.", "Ann has 7 cats.", True),
        ("What is 3 + 5?", "What is 3 - 5?", False),
        ("What is 3 + 5?", "What is (2 - 7) / 4?", False),
        ("What is $x^2$?", "What is $x$?", False),
    ],
)
def test_numbers_are_set_aside_and_signs_are_not(left: str, right: str, alike: bool) -> None:
    assert (numbers_aside(left).split() == numbers_aside(right).split()) == alike


def test_the_copied_example_is_named() -> None:
    examples = [OTHER, MAXIMUM, RIDDLE]
    assert copied_example(MAXIMUM, examples, 0.6) == (1.0, MAXIMUM)
    copied = copied_example(MAXIMUM.replace("maximum", "minimum").replace("3", "10"), examples, 0.6)
    assert copied is not None and copied[1] == MAXIMUM and 0.9 < copied[0] < 1
    assert copied_example("What is the area of a circle with radius 5?", examples, 0.6) is None
    assert copied_example("What is the area of a circle with radius 5?", [], 0.0) is None


@pytest.mark.parametrize(
    ("question", "example"),
    [
        ("Find the solution set of the equation $2(x+4)(x-2) = 0$.", "Expand the product ${(x+5)(x+7)}$."),
        ("Given $\\frac{2x^2+4}{x+1}$, determine the sum of $2x^4-2x-14$ using calculus.",
         "For what value of $x$ is the expression $\\frac{2x^3+3}{x^2-20x+100}$ not defined?"),
        ("What is 3 + 5?", "What is (2 - 7) / 4 * (3 ^ 2)?"),
    ],
)  # fmt: skip
def test_formulas_of_one_kind_make_no_copy(question: str, example: str) -> None:
    assert copied_example(question, [example], 0.6) is None
    assert EarlierQuestions([example]).repeated_by(question, 0.7) is None


def test_repetitions_are_found_among_all_that_was_added() -> None:
    earlier = EarlierQuestions([OTHER])
    again = RIDDLE.replace("1.10", "2.20").replace("1.00", "2.00")
    assert earlier.repeated_by(again, 0.8) is None
    earlier.add(RIDDLE)
    assert earlier.repeated_by(again, 0.8) == (1.0, RIDDLE)
    assert earlier.repeated_by("How many positive divisors does 2,024 have?", 0.8) == (1.0, OTHER)
    assert EarlierQuestions([]).repeated_by(RIDDLE, 0.0) is None


@pytest.mark.parametrize("text", ["", "3", "$$", "小明有3个苹果", "\ud800 1", "9" * 100_000, "+" * 100_000])
def test_any_text_is_compared(text: str) -> None:
    copied_example(text, [RIDDLE, text], 0.6)
    EarlierQuestions([text]).repeated_by(text, 0.8)
