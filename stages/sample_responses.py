"""Stage 3: the policy answers every accepted question n times (paper, section 3.2).

The table `responses` holds prompts and responses as token ids, so that no stage tokenises decoded text again. Voters
other than the policy, if there are any, answer the same questions. Their responses vote and are never trained on, so
only their text is kept.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from stages import schemas
from stages.answers.response.thinking import count_unfinished
from stages.chat.options import chat_options
from stages.contract import Inputs, Metrics, Stage, Work
from stages.engines.base import Batch, Engine, SamplingParams, encode_question
from stages.settings.sample import AnswerPrompt, SampleConfig, SampleVotersConfig
from stages.shards import Shards


@dataclass(frozen=True, kw_only=True, slots=True)
class _PartBatch(Batch):
    """The prompts of one part that are not too long."""

    part: int
    question_ids: Sequence[str]


def sample_responses(config: SampleConfig, inputs: Inputs, work: Work) -> Metrics:
    """Write the table `responses`, part by part."""
    engine = work.resources.engine()
    chat = chat_options(config, config.thinking_marks)
    engine.load(inputs.folder("policy"), inputs.identity("policy"), chat)
    questions = inputs.table("accepted").select("question_id", "question").rows()
    shards = work.shards("responses", len(questions))

    batches = _batches(config, config.prompt, config.responses, shards, questions, engine, work)
    for batch, completions_of_batch in work.responses(engine.generate(batches, shards.counting(config.responses))):
        work.write_part(
            "responses",
            batch.part,
            [
                {
                    "question_id": question_id,
                    "sample_index": index,
                    "seed": seed,
                    "prompt_ids": ids,
                    "response_ids": completion.token_ids,
                    "behaviour_logprobs": completion.logprobs,
                    "finish_reason": completion.finish_reason,
                    "response": completion.text,
                }
                for question_id, ids, seeds, completions in zip(
                    batch.question_ids, batch.prompts, batch.seeds, completions_of_batch, strict=True
                )
                for index, (seed, completion) in enumerate(zip(seeds, completions, strict=True))
            ],
        )
    responses = work.parts("responses")
    lengths = responses["response_ids"].list.len()
    return {
        "sample/responses": responses.height,
        "sample/tokens": int(lengths.sum()),
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
        batches = _batches(config, voter.prompt, voter.responses, voter_shards, questions, engine, work, voter.name)
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


def _batches(
    config: SampleConfig,
    prompt: AnswerPrompt,
    responses: int,
    shards: Shards,
    questions: Sequence[tuple[str, str]],
    engine: Engine,
    work: Work,
    *seed_names: str,
) -> Iterator[_PartBatch]:
    """Yield a batch for each missing part. Seeds depend on `seed_names`, the question and the sample."""
    params = SamplingParams(
        temperature=config.temperature, top_p=config.top_p, max_tokens=config.max_tokens, stop=config.stop
    )
    for part, rows in shards:
        prompts = _fitting_prompts(questions[rows.start : rows.stop], prompt, config.max_prompt_tokens, engine)
        seeds = [[work.seed(*seed_names, question_id, i) for i in range(responses)] for question_id in prompts]
        yield _PartBatch(
            part=part, question_ids=list(prompts), prompts=list(prompts.values()), seeds=seeds, params=params
        )


def _fitting_prompts(
    questions: Sequence[tuple[str, str]], prompt: AnswerPrompt, max_tokens: int, engine: Engine
) -> dict[str, list[int]]:
    """Return question id -> token ids of its prompt, in order, without the prompts that are too long."""
    encoded = {question_id: encode_question(engine, prompt, question) for question_id, question in questions}
    return {question_id: ids for question_id, ids in encoded.items() if len(ids) <= max_tokens}


SAMPLE = Stage(
    name="sample_responses",
    version=2,
    body=sample_responses,
    tables={"responses": schemas.RESPONSES},
    uses_gpu=True,
    shardable=True,
    token_metric="sample/tokens",
    size=lambda settings, rows: f"{rows('accepted'):,} questions x {settings.responses}",
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
