"""Drawn questions: each is drawn once before any is drawn again, and none is from an evaluation set."""

from collections.abc import Sequence
from dataclasses import replace
from math import ceil
from typing import Any

import pytest

from stages import schemas
from stages.contract import Context
from stages.draw_instructions import DRAW
from stages.settings.generate import DrawConfig
from storage.errors import InputError
from tests.helpers import Numbers, Tables, do, problem_row, put_table

QUESTIONS = [f"What is {number} times {number + 1}?" for number in range(10)]
EVALUATED = "How many days has a year that can be divided by four but not by one hundred?"


def draw(
    context: Context,
    iteration: int = 1,
    questions: list[str] = QUESTIONS,
    answered: int = 10,
    asked: Sequence[str] = (),
    **changes: Any,
) -> tuple[Tables, Numbers]:
    rows = [
        {
            "question_id": schemas.question_id(text),
            "question": text,
            "answer": str(index) if index < answered else None,
            "level": None,
            "subject": None,
        }
        for index, text in enumerate(questions)
    ]
    inputs = {
        "given": put_table(context, "given", schemas.SEEDS, rows),
        "problems": put_table(context, "problems", schemas.PROBLEMS, [problem_row("exam", EVALUATED, "366")]),
    }
    if asked:
        earlier = [
            {"question_id": schemas.question_id(text), "question": text, "candidate_id": "given", "similarity": 0.0}
            for text in asked
        ]
        inputs["accepted"] = put_table(context, "accepted", schemas.ACCEPTED, earlier)
    settings = {"questions": 4, "labelled_only": False, "drop_overlaps": True, "overlap_words": 8, **changes}
    return do(DRAW, inputs, DrawConfig(**settings), replace(context, iteration=iteration))


def drawn(context: Context, iteration: int, **changes: Any) -> list[str]:
    return draw(context, iteration, **changes)[0]["accepted"]["question"].to_list()


def test_every_question_is_drawn_once_before_any_again(context: Context) -> None:
    epoch = ceil(len(QUESTIONS) / 4)
    for first in (1, 1 + epoch):
        questions = [question for iteration in range(first, first + epoch) for question in drawn(context, iteration)]
        assert sorted(questions) == sorted(QUESTIONS)
    assert [drawn(context, iteration) for iteration in (1, 2, 3)] != [
        drawn(context, iteration) for iteration in (4, 5, 6)
    ]
    assert drawn(context, 1) != drawn(replace(context, branch=1), 1)


def test_rounds_draw_on_from_a_position(context: Context) -> None:
    """The order is that of an epoch; what the iteration has asked is passed over when the next epoch begins."""
    order = [question for iteration in (1, 2, 3) for question in drawn(context, iteration)]
    tables, metrics = draw(context, position=0)
    assert tables["accepted"]["question"].to_list() == order[:4]
    assert (metrics["draw/position"], metrics["draw/left"], metrics["draw/epoch"]) == (4, 6, 0)
    assert drawn(context, 7, position=4) == order[4:8]  # whatever the iteration
    second_epoch = [question for iteration in (4, 5, 6) for question in drawn(context, iteration)]
    tables, metrics = draw(context, position=8, asked=order[4:8])
    expected = [*order[8:], *(question for question in second_epoch if question not in order[4:])][:4]
    assert tables["accepted"]["question"].to_list() == expected and metrics["draw/epoch"] == 1
    assert metrics["draw/position"] == 10 + second_epoch.index(expected[-1]) + 1
    tables, metrics = draw(context, position=3, asked=QUESTIONS[1:])
    assert tables["accepted"]["question"].to_list() == QUESTIONS[:1] and metrics["draw/left"] == 0
    assert draw(context, position=5, asked=QUESTIONS)[0]["accepted"].height == 0


def test_position_is_left_out_of_keys_without_rounds() -> None:
    settings = DrawConfig(questions=4, labelled_only=False, drop_overlaps=True, overlap_words=8)
    assert "position" not in settings.model_dump()


def test_draw_takes_all_questions_if_there_are_too_few(context: Context) -> None:
    tables, metrics = draw(context, questions=QUESTIONS[:3])
    assert sorted(tables["accepted"]["question"]) == sorted(QUESTIONS[:3]) and metrics["draw/questions"] == 3


def test_draw_leaves_out_questions_that_overlap_a_benchmark(context: Context) -> None:
    questions = [*QUESTIONS[:3], f"Tell me: {EVALUATED}"]
    tables, metrics = draw(context, questions=questions)
    assert sorted(tables["accepted"]["question"]) == sorted(QUESTIONS[:3])
    assert metrics["draw/overlapping"] == 1 and metrics["draw/given"] == 4
    assert len(drawn(context, 1, questions=questions, drop_overlaps=False)) == 4  # seeds stay


def test_draw_writes_labels_next_to_the_questions(context: Context) -> None:
    tables, _ = draw(context, answered=6, labelled_only=True)
    labels = dict(tables["labels"].rows())
    assert [QUESTIONS[int(labels[name])] for name in tables["accepted"]["question_id"]] == tables["accepted"][
        "question"
    ].to_list()
    tables, _ = draw(context, answered=0)
    assert tables["labels"]["label"].null_count() == 4


@pytest.mark.parametrize("blank", ["", " ", "\n", "nan", "NaN"])
def test_blank_label_is_none(context: Context, blank: str) -> None:
    rows = [
        {"question_id": schemas.question_id(text), "question": text, "answer": answer, "level": None, "subject": None}
        for text, answer in (("Blank?", blank), ("Seven?", "7"))
    ]
    inputs = {
        "given": put_table(context, "given", schemas.SEEDS, rows),
        "problems": put_table(context, "problems", schemas.PROBLEMS, []),
    }
    settings = {"questions": 4, "drop_overlaps": False, "overlap_words": 8}
    for labelled_only, labels in ((True, ["7"]), (False, [None, "7"])):
        tables, _ = do(DRAW, inputs, DrawConfig(labelled_only=labelled_only, **settings), context)
        assert sorted(tables["labels"]["label"], key=str, reverse=True) == labels


def test_draw_says_why_there_is_nothing_to_draw(context: Context) -> None:
    with pytest.raises(InputError, match="none of the 10 given has an answer, which rewards: verified needs"):
        draw(context, answered=0, labelled_only=True)
    with pytest.raises(InputError, match="of 1 given, 1 have what is needed, and all of these overlap"):
        draw(context, questions=[EVALUATED])
