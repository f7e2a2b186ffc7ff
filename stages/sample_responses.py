"""Stage 3: the policy answers every accepted question n times (paper, section 3.2).

The table `responses` holds prompts and responses as token ids, so that no stage tokenises decoded text again. Voters
other than the policy, if there are any, answer the same questions. Their responses vote and are never trained on, so
only their text is kept.

With `filter.answerable` the first responses to each question were sampled before (`stages.try_questions`). They are
taken over into `responses`, and only the others are sampled.
"""

from collections import defaultdict
from functools import partial
from typing import Any

import polars as pl

from stages import schemas
from stages.answer_batches import answer_batches, response_rows
from stages.answers.response.thinking import count_unfinished
from stages.chat.options import chat_options
from stages.contract import Inputs, Metrics, Stage, Work
from stages.settings.sample import SampleConfig, SampleVotersConfig
from stages.try_questions import FIRST_RESPONSES


def sample_responses(config: SampleConfig, inputs: Inputs, work: Work) -> Metrics:
    """Write the table `responses`, part by part. Responses that were sampled before are taken over."""
    engine = work.resources.engine()
    chat = chat_options(config, config.thinking_marks)
    engine.load(inputs.folder("policy"), inputs.identity("policy"), chat)
    questions = inputs.table("accepted").select("question_id", "question").rows()
    shards = work.shards("responses", len(questions))
    first = _first_responses(inputs)
    samples = range(first["sample_index"].n_unique(), config.responses)

    batches = answer_batches(config, config.prompt, samples, shards, questions, engine, work.seed)
    generated = engine.generate(batches, shards.counting(len(samples)))
    for batch, completions_of_batch in work.responses(generated):
        rows = [
            *first.filter(pl.col("question_id").is_in(batch.question_ids)).to_dicts(),
            *response_rows(batch, completions_of_batch),
        ]
        order = {question_id: index for index, question_id in enumerate(batch.question_ids)}
        rows.sort(key=lambda row: (order[row["question_id"]], row["sample_index"]))
        work.write_part("responses", batch.part, rows)
    responses = work.parts("responses")
    lengths = responses["response_ids"].list.len()
    return {
        "sample/responses": responses.height,
        "sample/tokens": int(lengths.filter(responses["sample_index"] >= samples.start).sum()),
        "sample/mean_length": float(lengths.mean() or 0.0),  # type: ignore[arg-type]
        "sample/truncated_share": float((responses["finish_reason"] == "length").mean() or 0.0),  # type: ignore[arg-type]
        "sample/thinking_unfinished": count_unfinished(responses["response"]),
        "sample/prompts_too_long": len(questions) - responses["question_id"].n_unique(),
    }


def sample_voters(config: SampleVotersConfig, inputs: Inputs, work: Work) -> Metrics:
    """Write the table `voter_responses`, part by part: one pass over the questions for each voter.

    A voter's model is the input folder `voter_NAME`.
    """
    engine = work.resources.engine()
    questions = inputs.table("accepted").select("question_id", "question").rows()
    shards = work.shards("voter_responses", len(config.voters) * len(questions))
    unwritten: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for index, voter in enumerate(config.voters):
        first = index * len(questions)
        voter_shards = shards.between(first, first + len(questions))
        if not voter_shards.missing:
            continue
        chat = chat_options(voter, config.thinking_marks)
        engine.load(inputs.folder(f"voter_{voter.name}"), inputs.identity(f"voter_{voter.name}"), chat)
        samples, seed_of = range(voter.responses), partial(work.seed, voter.name)
        batches = answer_batches(config, voter.prompt, samples, voter_shards, questions, engine, seed_of)
        progress = voter_shards.counting(voter.responses)
        for batch, completions_of_batch in work.responses(engine.generate(batches, progress)):
            unwritten[batch.part] += [
                {
                    "question_id": question_id,
                    "voter": voter.name,
                    "sample_index": sample_index,
                    "seed": seed,
                    "response_tokens": len(completion.token_ids),
                    "finish_reason": completion.finish_reason,
                    "response": completion.text,
                }
                for question_id, seeds, completions in zip(
                    batch.question_ids, batch.seeds, completions_of_batch, strict=True
                )
                for sample_index, (seed, completion) in enumerate(zip(seeds, completions, strict=True))
            ]
            # A part may continue with the next voter's first questions.
            if shards.ranges[batch.part].stop <= first + len(questions):
                work.write_part("voter_responses", batch.part, unwritten.pop(batch.part))
    # Without any question the table has one part, which is empty, and no voter writes it.
    for part, rows in shards:
        if not rows:
            work.write_part("voter_responses", part, [])
    responses = work.parts("voter_responses")
    return {
        "voters/responses": responses.height,
        "voters/tokens": int(responses["response_tokens"].sum()),
        "voters/thinking_unfinished": count_unfinished(responses["response"]),
    }


def _first_responses(inputs: Inputs) -> pl.DataFrame:
    """Return the responses that were sampled before this stage (`filter.answerable`); no rows if there are none."""
    if FIRST_RESPONSES in inputs:
        return inputs.table(FIRST_RESPONSES)
    return pl.DataFrame(schema={"question_id": pl.String, "sample_index": pl.Int32})


SAMPLE = Stage(
    name="sample_responses",
    version=2,
    body=sample_responses,
    tables={"responses": schemas.RESPONSES},
    uses_gpu=True,
    shardable=True,
    token_metric="sample/tokens",
    size=lambda settings, rows: (
        f"{rows('accepted'):,} questions x {settings.responses}"
        f"{', the first ones sampled before' if rows(FIRST_RESPONSES) else ''}"
    ),
)
SAMPLE_VOTERS = Stage(
    name="sample_voters",
    version=2,
    body=sample_voters,
    tables={"voter_responses": schemas.VOTER_RESPONSES},
    uses_gpu=True,
    shardable=True,
    token_metric="voters/tokens",
    size=lambda settings, rows: f"{rows('accepted'):,} questions x {len(settings.voters)} voters",
)
