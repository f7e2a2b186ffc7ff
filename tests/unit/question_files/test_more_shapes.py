"""More rows of public sets, read without any mapping: passages, and options in an order of their own."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from stages.question_files.shapes import SHAPES
from tests.question_files import read
from tests.unit.question_files.test_shapes import FAMILIES, LISTED, METALS

Rows = Sequence[dict[str, Any]]
LIST = list(METALS.values())

MORE_FAMILIES: dict[str, tuple[str, Rows, Sequence[tuple[str, str | None]]]] = {
    "a bar exam with facts": (
        "barexam",
        [
            {
                "prompt": "A bought a nail.",
                "question": "Which rusts?",
                **{f"choice_{letter.lower()}": text for letter, text in METALS.items()},
                "answer": "A",
                "subject": "Torts",
            }
        ],
        [(f"A bought a nail.\nWhich rusts?\n{LISTED}", "A")],
    ),
    "ScienceQA with a hint": (
        "scienceqa",
        [
            {"question": "Which rusts?", "choices": LIST, "answer": 0, "hint": "See the nail.", "subject": "science"},
            {"question": "Which is soft?", "choices": LIST, "answer": 2, "hint": "", "subject": "science"},
        ],
        [(f"See the nail.\nWhich rusts?\n{LISTED}", "A"), (f"Which is soft?\n{LISTED}", "C")],
    ),
    "a context with options": (
        "reading_options",
        [{"context": "The nail is red.", "question": "Which rusts?", "options": LIST, "answer": "A"}],
        [(f"The nail is red.\nWhich rusts?\n{LISTED}", "A")],
    ),
    "a context with choices, as bigbio writes it": (
        "reading_choices",
        [{"context": "The nail is red.", "question": "Which rusts?", "choices": LIST, "answer": ["iron"]}],
        [(f"The nail is red.\nWhich rusts?\n{LISTED}", "A")],
    ),
    "TAT-QA": (
        "tatqa",
        [
            {
                "table": {"uid": "t", "table": [["", "2019"], ["revenue", "7"]]},
                "paragraphs": [{"order": 1, "text": "In millions."}],
                "questions": [
                    {"question": "What was the revenue?", "answer": ["7"], "scale": "million"},
                    {"question": "Was there a loss?", "answer": "no", "scale": ""},
                ],
            }
        ],
        [
            (" | 2019\nrevenue | 7\nIn millions.\nWhat was the revenue?", "7"),
            (" | 2019\nrevenue | 7\nIn millions.\nWas there a loss?", "no"),
        ],
    ),
    "FinQA": (
        "finqa",
        [
            {
                "pre_text": ["In millions."],
                "post_text": ["The end."],
                "table": [["", "2019"], ["revenue", "7"]],
                "qa": {"question": "What was the revenue?", "answer": "7", "exe_ans": 7.0},
            }
        ],
        [("In millions.\n | 2019\nrevenue | 7\nThe end.\nWhat was the revenue?", "7")],
    ),
    "SVAMP": (
        "svamp",
        [{"Body": "A box has 3 nails.", "Question": "How many nails have 2 boxes?", "Answer": 6.0, "Type": "Times"}],
        [("A box has 3 nails.\nHow many nails have 2 boxes?", "6.0")],
    ),
    "LogiQA 2.0": (
        "logiqa2",
        [
            {"text": "Iron rusts.", "question": "Which rusts?", "options": LIST, "answer": 0, "type": {"x": True}},
            {"text": "Tin is soft.", "question": "Which is soft?", "options": LIST, "answer": 2, "type": {}},
        ],
        [(f"Iron rusts.\nWhich rusts?\n{LISTED}", "A"), (f"Tin is soft.\nWhich is soft?\n{LISTED}", "C")],
    ),
    "ReClor": (
        "reclor",
        [{"context": "Iron rusts.", "question": "Which rusts?", "answers": LIST, "label": 0, "id_string": "x"}],
        [(f"Iron rusts.\nWhich rusts?\n{LISTED}", "A")],
    ),
    "LegalBench with a contract and a question": (
        "legalbench_question",
        [{"index": 0, "contract": "The fee is due.", "question": "Is a fee due?", "answer": "Yes"}],
        [("The fee is due.\nIs a fee due?", "Yes")],
    ),
    "LMSYS-Chat": (
        "lmsys",
        [
            {
                "conversation_id": "x",
                "conversation": [{"role": "user", "content": "Hi?"}, {"role": "assistant", "content": "Hi."}],
            }
        ],
        [("Hi?", None)],
    ),
}


@pytest.mark.parametrize("family", sorted(MORE_FAMILIES))
def test_each_family_is_read_without_a_mapping(family: str, tmp_path: Path) -> None:
    shape, rows, expected = MORE_FAMILIES[family]
    file = read(rows, tmp_path)
    assert file.shape == shape
    assert [(question.question, question.answer) for question in file.questions] == list(expected)


def test_options_of_gpqa_come_in_an_order_that_tells_nothing(tmp_path: Path) -> None:
    names = ("Correct Answer", "Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3")
    rows = [
        {
            "Question": f"Which is {number}?",
            **{name: f"{number}{sign}" for name, sign in zip(names, "abcd", strict=True)},
        }
        for number in range(100)
    ]
    file = read(rows, tmp_path)
    assert file.shape == "gpqa"
    letters = [question.answer for question in file.questions]
    assert {letter: letters.count(letter) > 10 for letter in "ABCD"} == dict.fromkeys("ABCD", True)
    for number, question in enumerate(file.questions):
        assert f"({question.answer}) {number}a" in question.question
    assert read(rows, tmp_path).questions == file.questions


def test_sciq_has_its_right_answer_among_the_options(tmp_path: Path) -> None:
    row = {"question": "Which rusts?", "correct_answer": "iron", "support": "Iron rusts."}
    row |= {"distractor1": "zinc", "distractor2": "tin", "distractor3": "lead"}
    (question,) = read([row], tmp_path).questions
    assert f"({question.answer}) iron" in question.question and "Iron rusts" not in question.question


def test_every_shape_has_rows_here() -> None:
    shapes = {shape for shape, _, _ in (*FAMILIES.values(), *MORE_FAMILIES.values())}
    assert shapes | {"gpqa", "sciq"} == set(SHAPES)
