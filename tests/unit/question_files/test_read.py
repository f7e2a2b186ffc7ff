"""What becomes of the rows of a file: bad ones, doubles, unread fields, and messages that help."""

from pathlib import Path
from typing import Any

import pytest

from stages.question_files.read import BadRow
from storage.errors import InputError
from tests.question_files import read, read_file

GOOD = [{"question": f"What is {number}+1?", "answer": number + 1} for number in range(20)]


def test_bad_rows_are_named_at_once(tmp_path: Path) -> None:
    rows = [*GOOD, *({"question": ""} for _ in range(7))]
    with pytest.raises(InputError) as error:
        read(rows, tmp_path)
    text = str(error.value)
    assert "7 of 27 rows cannot be used: line 21: no question; expected text in one of the fields question" in text
    assert "line 25: no question" in text and "line 26" not in text and text.count("line 2") == 5
    assert text.endswith("Mend them, or leave them out with `on_bad_row: skip`")


def test_bad_rows_can_be_skipped(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [*GOOD[:3], {"question": "No answer?"}, *GOOD[3:]]
    file = read(rows, tmp_path, on_bad_row="skip", needs_answer=True)
    assert (file.rows, len(file.questions)) == (21, 20)
    assert file.bad_rows == (BadRow("line 4", "no answer; expected the field answer"),)


def test_more_bad_rows_than_good_ones_are_never_skipped(tmp_path: Path) -> None:
    rows = [*GOOD[:2], *({"query": f"What is {number}?", "gold": 1} for number in range(3))]
    with pytest.raises(InputError) as error:
        read(rows, tmp_path, on_bad_row="skip")
    assert "3 of 5 rows cannot be used" in str(error.value)


@pytest.mark.parametrize(
    ("row", "advice"),
    [
        ({"query": "Q?", "gold": 1}, "Try `format: {fields: {question: query, answer: gold}}`"),
        (
            {"stem": "Q?", "choices": ["a", "b"], "key": "A"},
            "Try `format: {fields: {question: stem, options: choices, answer: key}}`",
        ),
        (
            {"Frage": "Q?", "A": "x", "B": "y", "C": "z", "Antwort": "A"},
            "Try `format: {fields: {question: Frage, options: [A, B, C], answer: Antwort}}`",
        ),
        ({"Question": "Q?", "Answer": "A"}, "Try `format: {fields: {question: Question, answer: Answer}}`"),
        ({"x": "Q?", "y": 1}, "Say which fields to read with `format: {fields: {question: …}}`"),
    ],
)
def test_other_names_are_proposed_never_taken(row: dict[str, Any], advice: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        read([row], tmp_path)
    assert f"Fields found: {', '.join(row)}; looked for: question (question, problem), answer (answer)" in str(
        error.value
    )
    assert str(error.value).endswith(advice)


def test_a_proposed_mapping_works(tmp_path: Path) -> None:
    row = {"stem": "Q?", "choices": ["a", "b"], "key": "B"}
    fields = {"question": "stem", "options": "choices", "answer": "key"}
    (question,) = read([row], tmp_path, {"fields": fields}).questions
    assert (question.question, question.answer) == ("Q?\nAnswer Choices: (A) a (B) b", "B")


def test_a_proposed_mapping_keeps_the_path_to_the_rows(tmp_path: Path) -> None:
    path = tmp_path / "exam.json"
    path.write_text('{"parts": [{"items": [{"prompt": "Q?", "options": ["x", "y"], "correct": "A"}]}]}')
    with pytest.raises(InputError) as error:
        read_file(path, {"rows": "parts.items"})
    assert str(error.value).endswith(
        "Try `format: {rows: parts.items, fields: {question: prompt, options: options, answer: correct}}`"
    )


def test_a_question_that_all_rows_share_is_proposed_with_its_passage(tmp_path: Path) -> None:
    rows = [{"Vignette": f"Case {n}.", "Question": "Next step?", "Answers": ["x", "y"], "Correct": "A"} for n in (1, 2)]
    with pytest.raises(InputError) as error:
        read(rows, tmp_path)
    assert str(error.value).endswith(
        "Try `format: {fields: {question: Question, options: Answers, answer: Correct, context: Vignette}}`"
    )


def test_a_pattern_finds_the_letter_in_a_label(tmp_path: Path) -> None:
    row = {"question": "Q?", "options": ["x", "y"], "answer": "B ist richtig"}
    with pytest.raises(InputError, match=r"names no option of 2.*say which part of a label counts with `format: "):
        read([row], tmp_path)
    assert read([row], tmp_path, {"answer_pattern": r"(\w) ist richtig"}).questions[0].answer == "B"


def test_a_title_above_the_names_of_columns_is_named(tmp_path: Path) -> None:
    path = tmp_path / "exam.csv"
    path.write_text("Exam of spring;;\n;;\nNo.;question;answer\n1;Q?;2\n")
    with pytest.raises(InputError, match="remove titles that stand above the names of the columns"):
        read_file(path)


@pytest.mark.parametrize("name", ["alternatives", "candidates", "wahl"])
def test_options_that_nothing_reads_are_an_error(name: str, tmp_path: Path) -> None:
    rows = [{"question": f"Q{number}?", name: ["iron", "zinc"], "answer": "zinc"} for number in range(3)]
    with pytest.raises(InputError, match=f"the field {name} looks like options, which would be left out"):
        read(rows, tmp_path)
    assert read(rows, tmp_path, {"preset": "plain"}).questions[0].question == "Q0?"


def test_fields_that_nothing_reads_are_listed(tmp_path: Path) -> None:
    rows = [{**row, "solution": "…", "id": 1} for row in GOOD]
    assert read(rows, tmp_path).unread == ("solution", "id")


def test_doubles_are_dropped_and_two_answers_to_one_question_are_a_bad_row(tmp_path: Path) -> None:
    rows = [*GOOD, GOOD[0], {"question": GOOD[1]["question"]}]
    file = read(rows, tmp_path, drop_doubles=True)
    assert (file.rows, len(file.questions), file.doubles) == (22, 20, 2)
    rows = [*GOOD, {**GOOD[3], "answer": 99}]
    with pytest.raises(InputError, match="line 21: the question of line 4 again, with the answer '99' instead of '4'"):
        read(rows, tmp_path, drop_doubles=True)
    assert len(read(rows, tmp_path).questions) == 21


def test_a_double_with_a_label_replaces_one_without(tmp_path: Path) -> None:
    file = read([{"question": "Q?"}, {"question": "Q?", "answer": "8"}], tmp_path, drop_doubles=True)
    assert [question.answer for question in file.questions] == ["8"]


def test_equal_stems_with_other_passages_or_options_are_different_rows(tmp_path: Path) -> None:
    rows = [
        {"passage": f"Text {number}.", "question": "What follows?", "options": ["a", "b"], "answer": "AB"[number % 2]}
        for number in range(5)
    ]
    file = read(rows, tmp_path, drop_doubles=True)
    assert len(file.questions) == 5 and file.alike_without_passage == 4
    rows = [{"question": "Which?", "options": [f"{number}", "other"], "answer": "A"} for number in range(3)]
    assert len(read(rows, tmp_path, drop_doubles=True).questions) == 3


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        (["We gave it.", "It helped."], "We gave it.\nIt helped.\nQ?"),
        ("['We gave it.', 'It helped.']", "We gave it.\nIt helped.\nQ?"),
        ("We gave it.", "We gave it.\nQ?"),
        (None, "Q?"),
        (12, "12\nQ?"),
    ],
)
def test_a_context_becomes_text(context: Any, expected: str, tmp_path: Path) -> None:
    rows = [{"question": "Q?", "context": context}]
    assert read(rows, tmp_path, {"fields": {"context": "context"}}).questions[0].question == expected


@pytest.mark.parametrize("context", [{"contexts": ["a"]}, [{"title": "a"}], [["a", ["b"]]]])
def test_what_has_no_text_is_refused(context: Any, tmp_path: Path) -> None:
    rows = [{"question": "Q?", "context": context}]
    with pytest.raises(InputError, match="context holds"):
        read(rows, tmp_path, {"fields": {"context": "context"}})


def test_fields_inside_fields(tmp_path: Path) -> None:
    row = {"question": {"stem": "Q?", "note": 1}, "reward_model": {"ground_truth": "7"}, "a.b": "level 3"}
    fields = {"question": "question.stem", "answer": "reward_model.ground_truth", "level": "a.b"}
    (question,) = read([row], tmp_path, {"fields": fields}).questions
    assert (question.question, question.answer, question.level) == ("Q?", "7", "level 3")


def test_a_preset_with_another_field(tmp_path: Path) -> None:
    rows = [{"question": "Q?", "options": ["iron", "zinc"], "label": "B", "topic": "metals"}]
    (question,) = read(rows, tmp_path, {"preset": "agieval", "fields": {"subject": "topic"}}).questions
    assert (question.question, question.answer, question.subject) == (
        "Q?\nAnswer Choices: (A) iron (B) zinc",
        "B",
        "metals",
    )
