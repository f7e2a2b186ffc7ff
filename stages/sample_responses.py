"""Stage 3: the policy answers every accepted question n times (paper, section 3.2).

Prompts and responses travel as token ids with the text beside them; nothing is decoded and tokenised again. Voters
beside the policy, if there are any, answer the same questions; their responses vote and are never trained on.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from stages import schemas
from stages.contract import Inputs, Metrics, Shards, Stage, Work
from stages.engines.base import Batch, Engine, SamplingParams, encode_question
from stages.settings.sample import AnswerPrompt, SampleConfig, SampleVotersConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class _Shard(Batch):
    part: int
    question_ids: Sequence[str]


def sample_responses(config: SampleConfig, inputs: Inputs, work: Work) -> Metrics:
    engine = work.resources.engine()
    engine.load(inputs.folder("policy"), inputs.identity("policy"))
    questions = inputs.table("accepted").select("question_id", "question").rows()
    shards = work.shards("responses", len(questions))

    asked = _ask(config, config.prompt, config.responses, shards, questions, engine, work)
    for shard, done in engine.generate(asked, shards.counting(config.responses)):
        work.write_part(
            "responses",
            shard.part,
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
                    shard.question_ids, shard.prompts, shard.seeds, done, strict=True
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
        "sample/prompts_too_long": len(questions) - responses["question_id"].n_unique(),
    }


def sample_voters(config: SampleVotersConfig, inputs: Inputs, work: Work) -> Metrics:
    """One pass over the questions for each voter, whose model is the input folder `voter_NAME`."""
    engine = work.resources.engine()
    questions = inputs.table("accepted").select("question_id", "question").rows()
    shards = work.shards("voter_responses", len(config.voters) * len(questions))
    written: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for place, voter in enumerate(config.voters):
        first = place * len(questions)
        of_voter = shards.between(first, first + len(questions))
        if not of_voter.missing:
            continue
        engine.load(inputs.folder(f"voter_{voter.name}"), inputs.identity(f"voter_{voter.name}"))
        asked = _ask(config, voter.prompt, voter.responses, of_voter, questions, engine, work, voter.name)
        for shard, done in engine.generate(asked, of_voter.counting(voter.responses)):
            written[shard.part] += [
                {
                    "question_id": question_id,
                    "voter": voter.name,
                    "sample_index": index,
                    "seed": seed,
                    "response_tokens": len(completion.token_ids),
                    "finish_reason": completion.finish_reason,
                    "response": completion.text,
                }
                for question_id, seeds, completions in zip(shard.question_ids, shard.seeds, done, strict=True)
                for index, (seed, completion) in enumerate(zip(seeds, completions, strict=True))
            ]
            # A part may go on with the next voter's first questions.
            if shards.ranges[shard.part].stop <= first + len(questions):
                work.write_part("voter_responses", shard.part, written.pop(shard.part))
    for part, rows in shards:
        if not rows:
            work.write_part("voter_responses", part, [])
    responses = work.parts("voter_responses")
    return {"voters/responses": responses.height, "voters/tokens": int(responses["response_tokens"].sum())}


def _ask(
    config: SampleConfig,
    prompt: AnswerPrompt,
    responses: int,
    shards: Shards,
    questions: Sequence[tuple[str, str]],
    engine: Engine,
    work: Work,
    *seed_of: str,
) -> Iterator[_Shard]:
    """What an engine is asked for each shard; `seed_of` enters the seeds beside question and sample."""
    params = SamplingParams(
        temperature=config.temperature, top_p=config.top_p, max_tokens=config.max_tokens, stop=config.stop
    )
    for part, rows in shards:
        asked = _fitting(questions[rows.start : rows.stop], prompt, config.max_prompt_tokens, engine)
        seeds = [[work.seed(*seed_of, name, sample) for sample in range(responses)] for name in asked]
        yield _Shard(part=part, question_ids=list(asked), prompts=list(asked.values()), seeds=seeds, params=params)


def _fitting(
    questions: Sequence[tuple[str, str]], prompt: AnswerPrompt, max_tokens: int, engine: Engine
) -> dict[str, list[int]]:
    """Question id -> prompt ids of the questions whose prompt is not too long, in order."""
    encoded = {question_id: encode_question(engine, prompt, question) for question_id, question in questions}
    return {question_id: ids for question_id, ids in encoded.items() if len(ids) <= max_tokens}


SAMPLE = Stage(
    name="sample_responses",
    version=1,
    body=sample_responses,
    tables={"responses": schemas.RESPONSES},
    uses_gpu=True,
    shardable=True,
    token_metric="sample/tokens",
    size=lambda settings, rows: f"{rows('accepted'):,} questions x {settings.responses}",
)
SAMPLE_VOTERS = Stage(
    name="sample_voters",
    version=1,
    body=sample_voters,
    tables={"voter_responses": schemas.VOTER_RESPONSES},
    uses_gpu=True,
    shardable=True,
    token_metric="voters/tokens",
    size=lambda settings, rows: f"{rows('accepted'):,} questions x {len(settings.voters)} voters",
)
