"""Overlap with evaluation sets: 13 words in a row, or the whole text."""

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.text.contamination import EvaluationOverlap
from stages.text.similarity import tokenize

WORDS = [f"w{number}" for number in range(40)]


def overlap_with(*questions: str, words: int = 13) -> EvaluationOverlap:
    return EvaluationOverlap([("set", question) for question in questions], words)


def test_thirteen_words_in_a_row_overlap_and_twelve_do_not() -> None:
    overlap = overlap_with(" ".join(WORDS))
    for start in (0, 7, 27):
        for shared, names in ((12, []), (13, ["set"])):
            assert overlap.overlapping_sets(" ".join(["before", *WORDS[start : start + shared], "after"])) == names
    assert overlap.overlapping_sets(" ".join([*WORDS[:12], "other", *WORDS[12:24]])) == []


def test_the_number_of_words_is_a_setting() -> None:
    assert overlap_with("a b c d e", words=3).overlapping_sets("x b c d y") == ["set"]
    assert overlap_with("a b c d e", words=4).overlapping_sets("x b c d y") == []
    assert overlap_with("a b c d e", words=1).overlapping_sets("e") == ["set"]


def test_zero_words_match_equal_texts_only() -> None:
    overlap = overlap_with(" ".join(WORDS), words=0)
    assert overlap.overlapping_sets(" ".join(WORDS).upper()) == ["set"]
    assert overlap.overlapping_sets(" ".join(WORDS[:-1])) == []


def test_case_punctuation_and_latex_marks_do_not_matter() -> None:
    overlap = overlap_with(r"Let $x_1 \ge 2$ and $\frac{1}{2}\,y$ be two roots of the polynomial, then find their sum.")
    assert overlap.overlapping_sets("LET (x1)? " + r"x 1 ge 2 AND frac 1/2 y: be two roots of the 'polynomial'!") == [
        "set"
    ]


def test_a_short_question_matches_as_a_whole_only() -> None:
    overlap = overlap_with("What is 2 plus 3?")
    assert overlap.overlapping_sets("what is 2 plus 3") == ["set"]
    assert overlap.overlapping_sets("What is 2 plus 3 times 4?") == [] == overlap.overlapping_sets("What is 2 plus?")


def test_all_overlapping_sets_are_named_in_their_order() -> None:
    first, second = " ".join(WORDS[:13]), " ".join(WORDS[13:26])
    overlap = EvaluationOverlap([("b", first), ("a", second), ("b", second), ("c", "What is one?")], 13)
    assert overlap.overlapping_sets(first) == ["b"]
    assert overlap.overlapping_sets(second) == ["b", "a"]
    assert overlap.overlapping_sets(f"{second} {first}") == ["b", "a"]
    assert overlap.overlapping_sets("What is one") == ["c"]


def test_every_character_of_chinese_is_a_word() -> None:
    overlap = overlap_with("小明有三个苹果，他又买了五个苹果，现在他一共有几个苹果？")
    assert overlap.overlapping_sets("请问：小明有三个苹果他又买了五个橙子") == ["set"]  # 14 in a row
    assert overlap.overlapping_sets("请问：小明有三个苹果他又买了两个橙子") == []  # 12


def test_texts_without_words_overlap_with_nothing() -> None:
    overlap = overlap_with("?!", "", "∑")
    assert overlap.overlapping_sets("?!") == [] == overlap.overlapping_sets("")


@given(st.lists(st.text("ab. ", max_size=30), max_size=4), st.text("ab. ", max_size=30), st.integers(0, 4))
def test_equal_to_the_definition(problems: list[str], text: str, words: int) -> None:
    tokens = tokenize(text)

    def overlaps(problem: str) -> bool:
        problem_tokens = tokenize(problem)
        starts = range(len(problem_tokens) - words + 1) if words else []
        runs = [problem_tokens[start : start + words] for start in starts]
        shared = any(run == tokens[start : start + words] for run in runs for start in range(len(tokens)))
        return bool(tokens) and (tokens == problem_tokens or shared)

    assert overlap_with(*problems, words=words).overlapping_sets(text) == ["set"] * any(map(overlaps, problems))


@pytest.mark.parametrize("words", [0, 13])
def test_twelve_thousand_problems_are_read_in_seconds(words: int) -> None:
    """1.1 s and 170 MB on one core for 13 words."""
    rng = random.Random(0)
    problems = [("set", " ".join(str(rng.randrange(10_000)) for _ in range(100))) for _ in range(12_000)]
    started = time.process_time()
    overlap = EvaluationOverlap(problems, words)
    assert overlap.overlapping_sets(problems[-1][1]) == ["set"]
    assert time.process_time() - started < 10
