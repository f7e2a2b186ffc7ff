"""How the stages that sample responses ask an engine: one batch for each part of a table, and its rows afterwards."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from stages.engines.base import Batch, Completion, Engine, SamplingParams, encode_question
from stages.settings.sample import AnswerPrompt, SampleConfig
from stages.shards import Shards


@dataclass(frozen=True, kw_only=True, slots=True)
class PartBatch(Batch):
    """The prompts of one part that are not too long."""

    part: int
    question_ids: Sequence[str]
    samples: range
    """Numbers of the responses to each question."""


def answer_batches(
    config: SampleConfig,
    prompt: AnswerPrompt,
    samples: range,
    shards: Shards,
    questions: Sequence[tuple[str, str]],
    engine: Engine,
    seed_of: Callable[[str, int], int],
) -> Iterator[PartBatch]:
    """Yield a batch for each missing part.

    Args:
        config: How responses are sampled.
        prompt: How the questions are asked.
        samples: Numbers of the responses to each question.
        shards: The missing parts; their rows are those of `questions`.
        questions: (question id, text) of every question.
        engine: Encodes the prompts.
        seed_of: (question id, number of the response) -> seed.
    """
    params = SamplingParams(
        temperature=config.temperature, top_p=config.top_p, max_tokens=config.max_tokens, stop=config.stop
    )
    for part, rows in shards:
        prompts = _fitting_prompts(questions[rows.start : rows.stop], prompt, config.max_prompt_tokens, engine)
        yield PartBatch(
            part=part,
            question_ids=list(prompts),
            samples=samples,
            prompts=list(prompts.values()),
            seeds=[[seed_of(question_id, index) for index in samples] for question_id in prompts],
            params=params,
        )


def response_rows(batch: PartBatch, completions_of_batch: Sequence[Sequence[Completion]]) -> Iterator[dict[str, Any]]:
    """Yield a row of `responses` for each response to a batch, by question and number of the response."""
    for question_id, ids, seeds, completions in zip(
        batch.question_ids, batch.prompts, batch.seeds, completions_of_batch, strict=True
    ):
        for index, seed, completion in zip(batch.samples, seeds, completions, strict=True):
            yield {
                "question_id": question_id,
                "sample_index": index,
                "seed": seed,
                "prompt_ids": ids,
                "response_ids": completion.token_ids,
                "behaviour_logprobs": completion.logprobs,
                "finish_reason": completion.finish_reason,
                "response": completion.text,
            }


def _fitting_prompts(
    questions: Sequence[tuple[str, str]], prompt: AnswerPrompt, max_tokens: int, engine: Engine
) -> dict[str, list[int]]:
    """Return question id -> token ids of its prompt, in order, without the prompts that are too long."""
    encoded = {question_id: encode_question(engine, prompt, question) for question_id, question in questions}
    return {question_id: ids for question_id, ids in encoded.items() if len(ids) <= max_tokens}
