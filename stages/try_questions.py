"""Before stage 3, with `filter.answerable: N`: a few responses to each question say whether it can be answered.

A question that reads well may be nonsense, and then hardly two responses agree. Here the policy answers each accepted
question N times, and a question without any two equal answers is dropped before its other responses are paid for.
Answers are taken and compared as in the vote. Only the policy is asked, and the rule is the same whatever decides the
rewards, so that comparison arms drop the same questions.

The N responses are the first ones that stage 3 would sample, drawn from the same seeds; stage 3 takes them over.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from stages import schemas
from stages.answer_batches import answer_batches, response_rows
from stages.answers.kinds import answer_of, load_kind
from stages.answers.voting import CHUNK, Ballot, vote
from stages.chat.options import chat_options
from stages.contract import Inputs, Metrics, Stage, Work
from stages.settings.sample import TryConfig

FIRST_RESPONSES = "first_responses"
"""Table of this stage, and input of stage 3."""
_STAGE_OF_SEEDS = "sample_responses"
ANSWERABLE, UNANSWERABLE, NO_RESPONSES = "answerable", "unanswerable", "no_responses"
"""Decisions. A question whose prompt is too long stays, and the vote drops it, as without this stage."""

Row = dict[str, Any]


def try_questions(config: TryConfig, inputs: Inputs, work: Work) -> Metrics:
    """Write the tables `first_responses`, part by part, `answerable` and `tries`."""
    engine = work.resources.engine()
    chat = chat_options(config, config.thinking_marks)
    engine.load(inputs.folder("policy"), inputs.identity("policy"), chat)
    accepted = inputs.table("accepted").to_dicts()
    questions = [(row["question_id"], row["question"]) for row in accepted]
    shards = work.shards(FIRST_RESPONSES, len(questions))

    seed_of = partial(work.seed, stage=_STAGE_OF_SEEDS)
    batches = answer_batches(config, config.prompt, range(config.responses), shards, questions, engine, seed_of)
    for batch, completions in work.responses(engine.generate(batches, shards.counting(config.responses))):
        work.write_part(FIRST_RESPONSES, batch.part, list(response_rows(batch, completions)))

    responses = work.parts(FIRST_RESPONSES)
    by_question: dict[str, list[Row]] = {}
    for row in responses.select("question_id", "response", "finish_reason").iter_rows(named=True):
        by_question.setdefault(row["question_id"], []).append(row)
    tries = list(_tries(accepted, by_question, config, work))
    dropped = {row["question_id"]: row for row in tries if row["decision"] == UNANSWERABLE}
    work.write("tries", tries)
    work.write("answerable", [row for row in accepted if row["question_id"] not in dropped])
    return {
        "answerable/asked": len(accepted),
        "answerable/dropped": len(dropped),
        "answerable/no_answer": sum(not row["answered"] for row in dropped.values()),
        "answerable/tokens": int(responses["response_ids"].list.len().sum()),
    }


def _tries(accepted: Sequence[Row], responses: dict[str, list[Row]], config: TryConfig, work: Work) -> Iterator[Row]:
    """Yield the rows of `tries`. `responses`: question id -> its responses."""
    kind, comparer = load_kind(config.answers), work.resources.verifier()
    for start in range(0, len(accepted), CHUNK):
        chunk = accepted[start : start + CHUNK]
        ballots = [
            Ballot(
                question=row["question"],
                answers=[
                    answer_of(
                        kind,
                        response["response"],
                        row["question"],
                        truncated=response["finish_reason"] == "length",
                        settings=config.answers,
                    )
                    for response in responses.get(row["question_id"], ())
                ],
            )
            for row in chunk
        ]
        for row, result in zip(chunk, vote(ballots, kind, comparer), strict=True):
            classes = Counter(number for number in result.class_ids if number is not None)
            agreed = max(classes.values(), default=0)
            decision = NO_RESPONSES if not result.class_ids else ANSWERABLE if agreed > 1 else UNANSWERABLE
            yield {
                "question_id": row["question_id"],
                "question": row["question"],
                "responses": len(result.class_ids),
                "answered": classes.total(),
                "agreed": agreed,
                "decision": decision,
            }


TRY = Stage(
    name="try_questions",
    version=1,
    body=try_questions,
    tables={FIRST_RESPONSES: schemas.RESPONSES, "answerable": schemas.ACCEPTED, "tries": schemas.TRIES},
    uses_gpu=True,
    shardable=True,
    token_metric="answerable/tokens",
    size=lambda settings, rows: f"{rows('accepted'):,} questions x {settings.responses}",
)
