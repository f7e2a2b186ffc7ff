"""Stage 1: the policy writes new questions from few-shot prompts of seeds and kept questions (paper, section 3.1).

The published form of a prompt is a numbered list that the policy continues. Most chat models do not; they are asked in
another form (`generate.form`), in which each response is one question.

Departs from the authors' release: the first question of a continuation, which has no number, is kept. The last question
is dropped or marked if the token limit cut it. A prompt that is too long loses whole examples, never its end.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stages import schemas
from stages.answers.response.thinking import count_unfinished
from stages.chat.options import chat_options
from stages.contract import Inputs, Metrics, Stage, Work
from stages.engines.base import Batch, SamplingParams
from stages.settings.generate import GenerateConfig
from stages.text.continuations import read_continuation
from stages.text.prompts import choose_examples, example_prompt, example_stops, fit_examples
from stages.text.similarity import distinct_share


@dataclass(frozen=True, kw_only=True, slots=True)
class _PartBatch(Batch):
    """The few-shot prompts of one part."""

    part: int
    rows: range
    examples: Sequence[Sequence[str]]


def generate_instructions(config: GenerateConfig, inputs: Inputs, work: Work) -> Metrics:
    """Write the tables `generations`, part by part, and `candidates`."""
    engine = work.resources.engine()
    chat = chat_options(config, config.thinking_marks)
    engine.load(inputs.folder("policy"), inputs.identity("policy"), chat)
    params = SamplingParams(
        temperature=config.temperature,
        top_p=config.top_p,
        presence_penalty=config.presence_penalty,
        max_tokens=config.max_tokens,
        stop=example_stops(config),
    )
    seeds = inputs.table("seeds")["question"].to_list()
    pool = inputs.table("pool")["question"].to_list() if "pool" in inputs else []

    def render(examples: Sequence[str]) -> list[int]:
        prompt = example_prompt(config, examples, engine.as_text)
        return engine.encode(prompt) if isinstance(prompt, str) else engine.encode_chat(prompt)

    def make_prompt(row: int) -> tuple[list[str], list[int]]:
        examples = choose_examples(
            random.Random(work.seed("examples", row)),
            pool=pool,
            seeds=seeds,
            total=config.examples,
            from_pool=config.examples_from_pool,
        )
        return fit_examples(examples, render, config.max_prompt_tokens)

    shards = work.shards("generations", config.prompts)
    first_prompt = (work.context.round - 1) * config.prompts  # ids are unique over the rounds of an iteration

    def batches() -> Iterator[_PartBatch]:
        for part, rows in shards:
            prompts = [make_prompt(row) for row in rows]
            yield _PartBatch(
                part=part,
                rows=rows,
                examples=[examples for examples, _ in prompts],
                prompts=[ids for _, ids in prompts],
                seeds=[[work.seed("sampling", row)] for row in rows],
                params=params,
            )

    for batch, completions in work.responses(engine.generate(batches(), shards.counting(1))):
        work.write_part(
            "generations",
            batch.part,
            [
                {
                    "prompt_id": first_prompt + row,
                    "example_ids": [schemas.question_id(example) for example in examples],
                    "prompt_ids": ids,
                    "seed": seed,
                    "response": completion.text,
                    "response_ids": completion.token_ids,
                    "finish_reason": completion.finish_reason,
                }
                for row, examples, ids, (seed,), (completion,) in zip(
                    batch.rows, batch.examples, batch.prompts, batch.seeds, completions, strict=True
                )
            ],
        )
    return _write_candidates(config, work)


def _write_candidates(config: GenerateConfig, work: Work) -> Metrics:
    """Read the questions of all generations, in order, and write them as candidates."""
    generations = work.parts("generations")
    candidates = []
    for row in generations.iter_rows(named=True):
        questions = read_continuation(
            row["response"],
            finished=row["finish_reason"] == "stop",
            form=config.form,
            first_number=len(row["example_ids"]) + 1,
            read=config.read,
        )
        candidates += [
            {
                "candidate_id": f"c{work.context.iteration:04d}-{row['prompt_id']:06d}-{position:02d}",
                "prompt_id": row["prompt_id"],
                "position": position,
                "question": question,
            }
            for position, question in enumerate(questions)
        ]
    work.write("candidates", candidates)
    return {
        "generate/prompts": generations.height,
        "generate/candidates": len(candidates),
        "generate/tokens": int(generations["response_ids"].list.len().sum()),
        "generate/truncated": int((generations["finish_reason"] == "length").sum()),
        "generate/thinking_unfinished": count_unfinished(generations["response"]),
        "generate/distinct_3": distinct_share([row["question"] for row in candidates], 3),
    }


GENERATE = Stage(
    name="generate_instructions",
    version=2,
    body=generate_instructions,
    tables={"generations": schemas.GENERATIONS, "candidates": schemas.CANDIDATES},
    uses_gpu=True,
    shardable=True,
    token_metric="generate/tokens",
    size=lambda settings, rows: f"{settings.prompts:,} prompts",
)
