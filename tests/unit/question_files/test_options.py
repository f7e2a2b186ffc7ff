"""Options and labels in the forms that files give them."""

from pathlib import Path
from typing import Any

import pytest

from storage.errors import InputError
from tests.question_files import read

NAN = float("nan")
OPTIONS = {"fields": {"options": "options"}}
COLUMNS = {"fields": {"options": ["A", "B", "C"]}}
THREE = "(A) argon (B) oxygen (C) neon"


def asked(row: dict[str, Any], folder: Path, row_format: dict[str, Any] | None = None) -> str:
    (question,) = read([{"question": "Q?", **row}], folder, row_format or OPTIONS).questions
    return question.question.removeprefix("Q?\nAnswer Choices: ")


def label(options: Any, answer: Any, folder: Path, **extra: Any) -> str | None:
    (question,) = read(
        [{"question": "Q?", "options": options, "answer": answer}], folder, {**OPTIONS, **extra}
    ).questions
    return question.answer


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["argon", "oxygen", "neon"], THREE),
        ({"A": "argon", "B": "oxygen", "C": "neon"}, THREE),
        ({"C": "neon", "A": "argon", "B": "oxygen"}, THREE),  # an object has no order
        ({"a": "argon", "b": "oxygen", "c": "neon"}, THREE),
        ({"1": "argon", "2": "oxygen", "3": "neon"}, THREE),
        ({"0": "argon", "1": "oxygen", "2": "neon"}, THREE),
        ({"(A)": "argon", "(B)": "oxygen", "(C)": "neon"}, THREE),
        ({"text": ["argon", "oxygen", "neon"], "label": ["A", "B", "C"]}, THREE),
        ({"text": ["argon", "oxygen", "neon"], "label": ["1", "2", "3"]}, THREE),
        ([{"label": "A", "text": "argon"}, {"label": "B", "text": "oxygen"}, {"label": "C", "text": "neon"}], THREE),
        ([{"key": "A", "value": "argon"}, {"key": "B", "value": "oxygen"}, {"key": "C", "value": "neon"}], THREE),
        ([{"id": 17, "text": "argon"}, {"id": 18, "text": "oxygen"}, {"id": 19, "text": "neon"}], THREE),
        ([{"text": "argon"}, {"text": "oxygen"}, {"text": "neon"}], THREE),
        ([["A", "argon"], ["B", "oxygen"], ["C", "neon"]], THREE),
        ([{"A": "argon"}, {"B": "oxygen"}, {"C": "neon"}], THREE),
        (["A. argon", "B. oxygen", "C. neon"], THREE),
        (["(A) argon", "(B) oxygen", "(C) neon"], THREE),
        (["a) argon", "b) oxygen", "c) neon"], THREE),
        (["A: argon", "B: oxygen", "C: neon"], THREE),
        (["A、argon", "B、oxygen", "C、neon"], THREE),
        (["（A）argon", "（B）oxygen", "（C）neon"], THREE),
        (["1. argon", "2. oxygen", "3. neon"], THREE),
        (["A)argon", "B)oxygen", "C)neon"], THREE),
        ("A) argon B) oxygen C) neon", THREE),
        ("A. argon\nB. oxygen\nC. neon", THREE),
        ("argon\noxygen\nneon", THREE),
        ("argon | oxygen | neon", THREE),
        ("['argon', 'oxygen', 'neon']", THREE),
        ('["argon", "oxygen", "neon"]', THREE),
        ("['argon' 'oxygen' 'neon']", THREE),  # as numpy prints it
        (["argon", "oxygen", "neon", None], THREE),
        (["argon", "oxygen", "neon", "", NAN], THREE),
        ([" argon\n", "oxygen", "neon"], THREE),
        # no letters of their own
        (
            ["E. coli", "S. aureus", "(R)-2-butanol", "The U.S."],
            "(A) E. coli (B) S. aureus (C) (R)-2-butanol (D) The U.S.",
        ),
        (["A. niger", "E. coli"], "(A) A. niger (B) E. coli"),
        (["1.5", "2.5", "3.5"], "(A) 1.5 (B) 2.5 (C) 3.5"),
        ([1, 2.5, -3], "(A) 1 (B) 2.5 (C) -3"),
        ([True, False], "(A) True (B) False"),
        (["N/A", "None", "no answer"], "(A) N/A (B) None (C) no answer"),
    ],
    ids=str,
)
def test_each_form_of_options(options: Any, expected: str, tmp_path: Path) -> None:
    assert asked({"options": options}, tmp_path) == expected


def test_options_that_name_each_other_are_whole(tmp_path: Path) -> None:
    question = asked({"options": ["(A) and (B) both", "none"], "answer": 1}, tmp_path, {**OPTIONS, "answer_base": 0})
    assert question == "Q?\nOptions:\nA. (A) and (B) both\nB. none" or question == "(A) (A) and (B) both (B) none"


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"A": "argon", "B": "oxygen", "C": "neon"}, THREE),
        ({"A": "argon", "B": "oxygen", "C": ""}, "(A) argon (B) oxygen"),
        ({"A": 1, "B": 2, "C": 3}, "(A) 1 (B) 2 (C) 3"),
        ({"A": "argon", "B": "oxygen"}, "(A) argon (B) oxygen"),
    ],
)
def test_options_in_columns(row: dict[str, Any], expected: str, tmp_path: Path) -> None:
    assert asked(row, tmp_path, COLUMNS) == expected


def test_an_empty_option_inside_an_object_moves_no_letter(tmp_path: Path) -> None:
    row_format = {"fields": {"options": ["choices.A", "choices.B", "choices.C"]}}
    row = {"question": "Q?", "choices": {"A": "argon", "B": None, "C": "neon"}}
    with pytest.raises(InputError, match="option B of 3 is empty"):
        read([row], tmp_path, row_format)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["argon", None, "neon"], "option B of 3 is empty"),
        (["", "oxygen", "neon"], "option A of 3 is empty"),
        (["argon"], "only one option ('argon'); expected two or more"),
        (["argon", ["oxygen"]], "options mixes texts with lists or objects"),
        ([{"name": "A", "price": 3}], "options is a list of objects with name, price"),
        ({"A": ["argon"], "B": ["oxygen"]}, "options holds the lists A, B; expected one called text"),
        ("argon or oxygen", "options is one text without letters ('argon or oxygen')"),
        ([f"text {number}" for number in range(27)], "27 options; expected at most 26"),
    ],
)
def test_options_in_doubt_are_a_bad_row(options: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        read([{"question": "Q?", "options": options}], tmp_path, OPTIONS)
    assert message in str(error.value)


ABC = ["argon", "oxygen", "neon"]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        *(("B", "B"), ("b", "B"), ("(B)", "B"), ("B.", "B"), ("B)", "B"), ("[B]", "B"), ("Ｂ", "B"), ("（B）", "B")),
        *(("Option B", "B"), ("option b", "B"), ("Answer: B", "B"), ("The answer is B", "B"), ("\\boxed{B}", "B")),
        *(
            ("**B**", "B"),
            ("B. oxygen", "B"),
            ("(B) oxygen", "B"),
            ("oxygen", "B"),
            ("Oxygen.", "B"),
            (" oxygen ", "B"),
        ),
        *((["B"], "B"), ('["B"]', "B"), (["oxygen"], "B"), (None, None), ("", None), (NAN, None), ([], None)),
        *((["A", "C"], "A, C"), (["C", "A"], "A, C"), ("A, C", "A, C"), ("AC", "A, C"), ("A and C", "A, C")),
        *(("A,C", "A, C"), ("A;C", "A, C"), ("(A, C)", "A, C"), ("ABC", "A, B, C"), ("A、C", "A, C"), ("A C", "A, C")),
        *(
            (["argon", "neon"], "A, C"),
            ("argon; neon", "A, C"),
            ([0, 1, 0], "B"),
            ([1, 0, 1], "A, C"),
            ("A & C", "A, C"),
        ),
        *(([True, False, False], "A"), (-1, None)),
    ],
    ids=str,
)
def test_each_form_of_a_label(answer: Any, expected: str | None, tmp_path: Path) -> None:
    assert label(ABC, answer, tmp_path) == expected


@pytest.mark.parametrize(
    ("options", "answer", "expected"),
    [
        (["K", "C", "A", "D"], "C", "C"),  # vitamins: a letter is the letter of an option
        ({"A": "K", "B": "C", "C": "A", "D": "D"}, "A", "A"),
        (["A", "B", "AB", "O"], "AB", "C"),  # blood groups: AB is the text of one option
        (["A+", "B+", "AB+", "O-"], "O-", "D"),
        ({"1": "argon", "2": "oxygen"}, "2", "B"),
        ({"1": "argon", "2": "oxygen"}, 2, "B"),
        ({"0": "argon", "1": "oxygen"}, 0, "A"),
        ([{"id": 1, "text": "argon"}, {"id": 2, "text": "oxygen"}], 2, "B"),
        ([{"text": "argon", "correct": False}, {"text": "oxygen", "correct": True}], None, "B"),
        ([{"text": "argon", "isCorrect": "true"}, {"text": "oxygen", "isCorrect": "false"}], None, "A"),
        (["3", "4", "5"], "5", "C"),  # 5 is no number of an option
        (["yes", "no", "maybe"], "yes", "A"),
        (["True", "False"], True, "A"),
        (["A. argon", "B. oxygen"], "B. oxygen", "B"),
        (["1. argon", "2. oxygen"], "2", "B"),
    ],
    ids=str,
)
def test_labels_of_special_options(options: Any, answer: Any, expected: str, tmp_path: Path) -> None:
    assert label(options, answer, tmp_path) == expected


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("D", "answer: 'D' names no option of 3"),
        ("helium", "answer: 'helium' names no option of 3"),
        ("B. neon", "answer: 'B. neon' names no option of 3"),
        ({"text": "argon"}, "answer: holds an object; name a field in it"),
        (["A", "helium"], "answer: 'helium' names no option of 3"),
    ],
)
def test_a_label_that_names_no_option_is_a_bad_row(answer: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        label(ABC, answer, tmp_path)
    assert f"line 1: {message}" in str(error.value)


def column(answers: list[Any], folder: Path, options: Any = ABC, **extra: Any) -> list[str | None]:
    rows = [{"question": f"Q{index}?", "options": options, "answer": answer} for index, answer in enumerate(answers)]
    return [question.answer for question in read(rows, folder, {**OPTIONS, **extra}).questions]


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([0, 1, 2], "ABC"),
        ([1, 2, 3], "ABC"),
        ([1, 0, 1], "BAB"),
        ([3, 1, 1], "CAA"),
        (["0", "1", "2"], "ABC"),
        (["1", "2", "3"], "ABC"),
        ([1.0, 2.0, 3.0], "ABC"),
        (["A", "b", "neon"], "ABC"),
        ([[0], [1], [2]], "ABC"),
    ],
)
def test_the_whole_column_says_what_a_number_counts_from(answers: list[Any], expected: str, tmp_path: Path) -> None:
    assert column(answers, tmp_path) == list(expected)


@pytest.mark.parametrize(
    ("answers", "options", "message"),
    [
        (
            [1, 2, 1],
            ABC,
            "the numbers in answer fit the options counted from 0 and counted from 1; set `format: {answer_",
        ),
        ([0, 3, 1], ABC, "fit the options neither from 0 (1 of 3 do not) nor from 1 (1 do not)"),
        ([1, 2, 1], ["0", "1", "2"], "counted from 0 and counted from 1 and as the options' texts"),
    ],
)
def test_numbers_in_doubt_are_an_error(answers: list[Any], options: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        column(answers, tmp_path, options)
    assert message in str(error.value)


def test_the_base_can_be_stated(tmp_path: Path) -> None:
    assert column([1, 2, 1], tmp_path, answer_base=0) == ["B", "C", "B"]
    assert column([1, 2, 1], tmp_path, answer_base=1) == ["A", "B", "A"]
    assert column([1, 2, 1], tmp_path, ["0", "1", "2"], answer_base="text") == ["B", "C", "B"]


def test_one_number_outside_in_a_hundred_is_a_bad_row(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="1 of 200 rows cannot be used: line 8: answer: '7' names no option of 3"):
        column([0, 1, 2, 0, 1, 2, 0, 7] + [0, 1] * 96, tmp_path)


def test_two_fields_must_name_the_same_option(tmp_path: Path) -> None:
    row_format = {"fields": {"options": "options", "answer": ["answer_idx", "answer"]}}
    row = {"question": "Q?", "options": ABC, "answer_idx": "B", "answer": "oxygen"}
    (question,) = read([row], tmp_path, row_format).questions
    assert question.answer == "B"
    with pytest.raises(InputError, match="line 1: answer_idx and answer name different right answers, B and C"):
        read([{**row, "answer": "neon"}], tmp_path, row_format)
    (question,) = read([{**row, "answer": "It is oxygen, as plants make it."}], tmp_path, row_format).questions
    assert question.answer == "B"  # an explanation names no option


def test_a_list_as_answer_without_options_is_the_list(tmp_path: Path) -> None:
    rows = [{"question": "Which zeros?", "answer": [0, 5]}, {"question": "Which?", "answer": "[0, 5]"}]
    assert [question.answer for question in read(rows, tmp_path).questions] == ["0, 5", "[0, 5]"]
