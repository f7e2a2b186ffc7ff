"""Draw the questions of an iteration from the seeds or a data set, instead of stages 1 and 2.

A run that draws its questions is a baseline: it shows what the method gains by writing questions. Each question is
drawn once before any question is drawn again.
"""

import random
from math import ceil
from typing import Any

from stages import schemas
from stages.contract import Inputs, Metrics, Stage, Work
from stages.question_files.values import is_filled
from stages.settings.generate import DrawConfig
from stages.text.contamination import EvaluationOverlap
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
    draws_per_epoch = ceil(len(usable) / config.questions)
    epoch, draw = divmod(work.context.iteration - 1, draws_per_epoch)
    random.Random(derive_seed(work.context.seed, work.context.branch, work.stage.name, epoch)).shuffle(usable)
    drawn = usable[draw * config.questions : (draw + 1) * config.questions]
    work.write(
        "accepted",
        [
            {"question_id": row["question_id"], "question": row["question"], "candidate_id": "given", "similarity": 0.0}
            for row in drawn
        ],
    )
    work.write("labels", [{"question_id": row["question_id"], "label": row["answer"]} for row in drawn])
    return {
        "draw/questions": len(drawn),
        "draw/given": len(rows),
        "draw/overlapping": len(labelled) - len(usable),
        "draw/epoch": epoch,
    }


def _without_blank_label(row: dict[str, Any]) -> dict[str, Any]:
    return row if is_filled(row["answer"]) else {**row, "answer": None}


DRAW = Stage(
    name="draw_instructions",
    version=2,
    body=draw_instructions,
    tables={"accepted": schemas.ACCEPTED, "labels": schemas.LABELS},
)
