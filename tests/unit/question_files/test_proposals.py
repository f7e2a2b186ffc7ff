"""Mappings that errors propose: whole, and right when they are pasted."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from storage.errors import InputError
from tests.question_files import read

QUESTIONS = ("Which rusts?", "Which coats steel?", "Which is soft?", "Which is heavy?")
TEXTS = ("iron", "zinc", "tin", "lead")
LETTERS = "ABCD"


def columns(pattern: str, marks: Sequence[Any]) -> dict[str, str]:
    return {pattern.format(mark): text for mark, text in zip(marks, TEXTS, strict=True)}


LAYOUTS: dict[str, Any] = {
    "option_a": lambda i: {"question": QUESTIONS[i], **columns("option_{}", "abcd"), "answer": "abcd"[i]},
    "optionA": lambda i: {"question": QUESTIONS[i], **columns("option{}", LETTERS), "correct": LETTERS[i]},
    "Option A": lambda i: {"Question": QUESTIONS[i], **columns("Option {}", LETTERS), "Correct": LETTERS[i]},
    "Option 1, answer as text": lambda i: {
        "Question": QUESTIONS[i],
        **columns("Option {}", "1234"),
        "Correct Answer": TEXTS[i],
    },
    "choices from 0, label from 0": lambda i: {"question": QUESTIONS[i], **columns("choice_{}", "0123"), "answer": i},
    "choices from 1, label from 0": lambda i: {"premise": QUESTIONS[i], **columns("choice{}", "1234"), "label": i},
    "answers from 1": lambda i: {"question": QUESTIONS[i], **columns("answer{}", "1234"), "correct": i + 1},
    "Kahoot": lambda i: {
        "Question - max 120 characters": QUESTIONS[i],
        **columns("Answer {} - max 75 characters", "1234"),
        "Time limit (sec)": "30",
        "Correct answer(s) - choose at least one": i + 1,
    },
    "German table": lambda i: {
        "Nr": i + 1,
        "Frage": QUESTIONS[i],
        **columns("Antwort {}", LETTERS),
        "Lösung": LETTERS[i],
    },
    "numbered medical columns": lambda i: {"question": QUESTIONS[i], **columns("op{}", "1234"), "cop": i + 1},
    "quiz": lambda i: {"question": QUESTIONS[i], "options": list(TEXTS), "correctAnswer": i, "explanation": "So."},
    "quiz with low letters": lambda i: {
        "question": QUESTIONS[i],
        "answers": dict(zip("abcd", TEXTS, strict=True)),
        "correctAnswer": "abcd"[i],
    },
    "quiz with flags": lambda i: {
        "question": QUESTIONS[i],
        "answers": [{"text": text, "correct": n == i} for n, text in enumerate(TEXTS)],
    },
    "German quiz with flags": lambda i: {
        "frage": QUESTIONS[i],
        "antworten": [{"text": text, "richtig": n == i} for n, text in enumerate(TEXTS)],
    },
    "ids of options": lambda i: {
        "text": QUESTIONS[i],
        "choices": [{"id": f"q{i}-{n}", "label": text} for n, text in enumerate(TEXTS)],
        "correctAnswer": f"q{i}-{i}",
    },
    "names with underscores": lambda i: {
        "question_text": QUESTIONS[i],
        "options": [{"option_id": n + 1, "option_text": text} for n, text in enumerate(TEXTS)],
        "correct_option_id": i + 1,
    },
    "scores": lambda i: {"input": QUESTIONS[i], "target_scores": {t: int(n == i) for n, t in enumerate(TEXTS)}},
    "scores in lists": lambda i: {
        "question": QUESTIONS[i],
        "mc1_targets": {"choices": list(TEXTS), "labels": [int(n == i) for n in range(4)]},
    },
    "objects inside lists": lambda i: {
        "problem": QUESTIONS[i],
        "answer_option_list": [[{"aoVal": a, "content": text}] for a, text in zip(LETTERS, TEXTS, strict=True)],
        "answer_value": LETTERS[i],
    },
    "letters without signs": lambda i: {
        "Question": QUESTIONS[i],
        "Options": "\n".join(f"{letter} {text}" for letter, text in zip(LETTERS, TEXTS, strict=True)),
        "Answer": LETTERS[i],
    },
    "MathQA": lambda i: {
        "Problem": QUESTIONS[i],
        "options": " , ".join(f"{letter} ) {text}" for letter, text in zip("abcd", TEXTS, strict=True)),
        "correct": "abcd"[i],
    },
    "inside objects": lambda i: {
        "instruction": "Answer.",
        "inputs": {"text": QUESTIONS[i], **columns("option_{}", "abcd")},
        "outputs": LETTERS[i],
    },
    "Portuguese": lambda i: {"enunciado": QUESTIONS[i], "alternativas": list(TEXTS), "gabarito": LETTERS[i]},
    "Japanese": lambda i: {"問題": QUESTIONS[i], "選択肢": list(TEXTS), "正解": i + 1},
}


def with_proposals(rows: Sequence[dict[str, Any]], folder: Path) -> Any:
    """Read rows with the mapping that the error proposes, if there is an error."""
    row_format: dict[str, Any] = {}
    for _ in range(3):
        try:
            return read(rows, folder, row_format, needs_answer=True)
        except InputError as error:
            proposal = re.search(r"`format: (\{.*?\})`", str(error))
            assert proposal, error
            row_format |= yaml.safe_load(proposal[1])
    raise AssertionError(row_format)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_proposed_mapping_reads_options_and_labels(layout: str, tmp_path: Path) -> None:
    file = with_proposals([LAYOUTS[layout](i) for i in range(4)], tmp_path)
    for question, text, letter in zip(file.questions, QUESTIONS, LETTERS, strict=True):
        assert question.stem == text
        assert (question.options, question.answer) == (TEXTS, letter)


def test_right_and_wrong_answers_are_proposed_as_such(tmp_path: Path) -> None:
    rows = [
        {
            "question": QUESTIONS[i],
            "correct_answer": TEXTS[i],
            "incorrect_answers": [text for text in TEXTS if text != TEXTS[i]],
        }
        for i in range(4)
    ]
    for question, text in zip(with_proposals(rows, tmp_path).questions, TEXTS, strict=True):
        assert (question.right_option, set(question.options)) == (text, set(TEXTS))


@pytest.mark.parametrize(
    "row",
    [
        {"question": "Q?", "option_a": "iron", "option_b": "zinc", "answer": "b"},
        {"question": "Q?", "Option 1": "iron", "Option 2": "zinc", "answer": "2"},
    ],
)
def test_options_are_never_left_out_silently(row: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"look.* like options, which would be left out; set `format: "):
        read([row], tmp_path)


@pytest.mark.parametrize(
    ("row", "row_format", "passage"),
    [
        (
            {"context": "A long text.", "question": "Q?", "answer": "yes"},
            {},
            "context (looks like a passage; `format: {fields: {context: context}}`)",
        ),
        (
            {"question": "Q?", "options": ["iron", "zinc"], "story": "A long text.", "answer": "B"},
            {},
            "story (looks like a passage; `format: {preset: multiple_choice, fields: {context: story}}`)",
        ),
        (
            {"question": "Q?", "contract": "A long text.", "gold": "yes"},
            {"fields": {"answer": "gold"}},
            "contract (looks like a passage; `format: {fields: {answer: gold, context: contract}}`)",
        ),
    ],
)
def test_a_passage_that_is_not_read_is_named(
    row: dict[str, Any], row_format: dict[str, Any], passage: str, tmp_path: Path
) -> None:
    assert read([row], tmp_path, row_format).unread_passage == passage


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"options": "option"}, "0 of 1 rows have the field option, which `format` names as options"),
        (
            {"options": "options", "context": "kontext"},
            "0 of 1 rows have the field kontext, which `format` names",
        ),
        ({"options": "options", "answer": "answr"}, "the field answr, .*; the closest: answer"),
    ],
)
def test_a_mapping_that_names_no_field_is_an_error(fields: dict[str, Any], message: str, tmp_path: Path) -> None:
    row = {"question": "Q?", "options": ["iron", "zinc"], "answer": "A"}
    with pytest.raises(InputError, match=message):
        read([row], tmp_path, {"fields": fields}, needs_answer=True)


def test_a_few_missing_labels_do_not_change_the_shape(tmp_path: Path) -> None:
    rows = [{"question": f"Q{i}?", "options": ["iron", "zinc"], "answer": None if i == 1 else "A"} for i in range(4)]
    file = read(rows, tmp_path)
    assert file.shape == "multiple_choice"
    assert [question.answer for question in file.questions] == ["A", None, "A", "A"]


def test_a_text_in_which_the_question_is_repeated_is_no_passage(tmp_path: Path) -> None:
    row = {"question": "Q?", "answer": "1", "text": "Q: Q? A: 1"}
    assert read([row], tmp_path).questions[0].question == "Q?"


def test_questions_in_parallel_lists_are_refused(tmp_path: Path) -> None:
    row = {"article": "A text.", "question": ["Q?", "R?"], "options": [["a", "b"], ["c", "d"]], "answer": ["A", "B"]}
    with pytest.raises(InputError, match="question and options are lists of the same length; expected a row for each"):
        read([row], tmp_path)


def test_a_field_that_may_hold_labels_is_named(tmp_path: Path) -> None:
    row = {"problem": "1 + 1?", "expected_answer": "2"}
    file = read([row], tmp_path)
    assert (file.questions[0].answer, file.unread_label) == (None, "expected_answer")
    file = read([row], tmp_path, {"fields": {"answer": []}})
    assert (file.questions[0].answer, file.unread_label) == (None, "")  # on purpose
