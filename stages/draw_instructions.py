"""Draw the questions of an iteration from the seeds or a data set, instead of stages 1 and 2.

A run that draws its questions is a baseline: it shows what the method gains by writing questions. Each question is
drawn once before any question is drawn again. With `questions_per_update` an iteration draws in rounds, and no question
twice: where an epoch ends within an iteration, the next one passes over what the iteration has asked.

With `draw.prefer_uncertain` the last votes decide which questions are drawn (`stages.uncertain_questions`).
"""

import random
from collections.abc import Collection, Sequence
from math import ceil
from typing import Any

from stages import schemas
from stages.carried_over import CARRIED_OVER, carried_questions
from stages.contract import Inputs, Metrics, Stage, Work
from stages.question_files.values import is_filled
from stages.settings.draw import ByDifficulty
from stages.settings.generate import DrawConfig
from stages.text.contamination import EvaluationOverlap
from stages.uncertain_questions import rank
from stages.vote_metrics import Numbers
from storage.errors import InputError
from storage.fingerprint import derive_seed


def draw_instructions(config: DrawConfig, inputs: Inputs, work: Work) -> Metrics:
    """Write the tables `accepted` and `labels`. Raises InputError if no question can be drawn."""
    rows = [_without_blank_label(row) for row in inputs.table("given").to_dicts()]
    labelled = [row for row in rows if row["answer"] is not None or not config.labelled_only]
    overlap = EvaluationOverlap(
        inputs.table("problems").select("benchmark", "question").iter_rows() if config.drop_overlaps else (),
        config.overlap_words,
    )
    usable = [row for row in labelled if not overlap.overlapping_sets(row["question"])]
    if not usable:
        raise InputError(
            f"no question to draw: of {len(rows)} given, {len(labelled)} have what is needed, and all of these overlap "
            "an evaluation set"
            if labelled
            else f"no question to draw: none of the {len(rows)} given has an answer, which rewards: verified needs"
        )
    carried = carried_questions(inputs)
    earlier = inputs.over_rounds("accepted")["question_id"] if "accepted" in inputs else ()
    asked = {*earlier, *(row["question_id"] for row in carried)}
    of_rounds: Numbers = {}
    if config.by_difficulty is not None:
        count = config.questions - len(carried)
        drawn, epoch, of_rounds = _draw_uncertain(usable, count, asked, config.by_difficulty, inputs, work)
    elif config.position is None:
        draws_per_epoch = ceil(len(usable) / config.questions)
        epoch, draw = divmod(work.context.iteration - 1, draws_per_epoch)
        drawn = _in_order(usable, epoch, work)[draw * config.questions : (draw + 1) * config.questions]
    else:
        drawn, position = _draw_on(usable, config.position, config.questions - len(carried), asked, work)
        epoch = max(0, position - 1) // len(usable)
        left = {row["question_id"] for row in usable} - asked - {row["question_id"] for row in drawn}
        of_rounds = {"draw/position": position, "draw/left": len(left)}
    work.write(
        "accepted",
        [
            *carried,
            *(
                {
                    "question_id": row["question_id"],
                    "question": row["question"],
                    "candidate_id": "given",
                    "similarity": 0.0,
                }
                for row in drawn
            ),
        ],
    )
    labels = {row["question_id"]: row["answer"] for row in rows}
    asked_now = [row["question_id"] for row in (*carried, *drawn)]
    work.write("labels", [{"question_id": identity, "label": labels.get(identity)} for identity in asked_now])
    return {
        "draw/questions": len(asked_now),
        **({"draw/carried_over": len(carried)} if CARRIED_OVER in inputs else {}),
        "draw/given": len(rows),
        "draw/overlapping": len(labelled) - len(usable),
        "draw/epoch": epoch,
        **of_rounds,
    }


def _in_order(questions: Sequence[dict[str, Any]], epoch: int, work: Work) -> list[dict[str, Any]]:
    """Return the questions in the order in which an epoch draws them."""
    order = list(questions)
    random.Random(derive_seed(work.context.seed, work.context.branch, work.stage.name, epoch)).shuffle(order)
    return order


def _draw_on(
    usable: Sequence[dict[str, Any]], position: int, count: int, asked: Collection[str], work: Work
) -> tuple[list[dict[str, Any]], int]:
    """Return up to `count` questions from `position` on, and the position after them.

    Positions count through the epochs, one after the other. A question that this iteration has asked (`asked`) is
    passed over, so fewer are returned if all were asked.
    """
    left = {row["question_id"] for row in usable} - set(asked)
    drawn: list[dict[str, Any]] = []
    order: list[dict[str, Any]] = []
    while left and len(drawn) < count:
        epoch, index = divmod(position, len(usable))
        if index == 0 or not order:
            order = _in_order(usable, epoch, work)
        if order[index]["question_id"] in left:
            left.remove(order[index]["question_id"])
            drawn.append(order[index])
        position += 1
    return drawn, position


def _draw_uncertain(
    usable: Sequence[dict[str, Any]],
    count: int,
    asked: Collection[str],
    settings: ByDifficulty,
    inputs: Inputs,
    work: Work,
) -> tuple[list[dict[str, Any]], int, Numbers]:
    """Return up to `count` questions by the last votes, how often each question was drawn at least, and metrics.

    A question that this iteration has asked (`asked`) is passed over.
    """
    rows = inputs.table("difficulty").to_dicts() if "difficulty" in inputs else []
    difficulty = {row["question_id"]: row for row in rows}
    ranking = rank(_in_order(usable, 0, work), difficulty, settings, work.context.iteration)
    left = [row for row in ranking.questions if row["question_id"] not in asked]
    drawn = left[: max(count, 0)]
    epoch = min(difficulty[row["question_id"]]["times"] if row["question_id"] in difficulty else 0 for row in usable)
    metrics: Numbers = {
        "draw/left": len(left) - len(drawn),
        "draw/skipped": ranking.skipped,
        "draw/drawn_although_skipped": len(drawn) if ranking.all_skipped else 0,
    }
    return drawn, epoch, metrics


def _without_blank_label(row: dict[str, Any]) -> dict[str, Any]:
    return row if is_filled(row["answer"]) else {**row, "answer": None}


DRAW = Stage(
    name="draw_instructions",
    version=2,
    body=draw_instructions,
    tables={"accepted": schemas.ACCEPTED, "labels": schemas.LABELS},
)
