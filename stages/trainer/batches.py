"""A rollout as tensors, and how it is cut: into optimiser steps by seed, into micro-batches by length.

The right padding needs no attention mask: attention is causal, so no real token sees what stands behind it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from stages.trainer.job import ROLLOUT_COLUMNS
from storage.errors import InputError


@dataclass(frozen=True, kw_only=True, slots=True)
class Rollout:
    """All responses of one update; shapes as in `stages.rl`."""

    prompts: list[list[int]]
    """Token ids of each prompt."""
    responses: list[list[int]]
    """Token ids of each response."""
    rewards_B: Tensor
    """Float32."""
    group_B: Tensor
    """Number of the question, from 0."""
    behaviour_logprobs_BT: Tensor
    """Log-probabilities under the engine that sampled; 0 on padding."""
    response_mask_BT: Tensor
    """True on response tokens."""

    def lengths(self) -> list[int]:
        """Prompt plus response tokens of each row."""
        return [len(prompt) + len(response) for prompt, response in zip(self.prompts, self.responses, strict=True)]


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelInput:
    """What the model reads for some rows (S = longest prompt + response among them)."""

    input_ids: Tensor
    """[B, S], right-padded with 0."""
    position_N: Tensor
    """For each response token the place in input_ids, flattened, whose output predicts it."""
    target_N: Tensor
    """The response tokens."""


def read_rollout(path: Path) -> Rollout:
    """Read and check a rollout. Raises InputError naming the first unusable row."""
    table = pq.read_table(path)
    if missing := [name for name in ROLLOUT_COLUMNS if name not in table.column_names]:
        raise InputError(f"{path}: rollout has no column {missing[0]!r}, found {table.column_names}")
    if table.num_rows == 0:
        raise InputError(f"{path}: the rollout has no rows; an update without kept questions has to be skipped")
    prompts, responses = table["prompt_ids"].to_pylist(), table["response_ids"].to_pylist()
    behaviour, rewards = table["behaviour_logprobs"].to_pylist(), table["reward"].to_numpy()
    for row, (prompt, response, logprobs) in enumerate(zip(prompts, responses, behaviour, strict=True)):
        if not prompt or not response or len(response) != len(logprobs):
            raise InputError(
                f"{path}: row {row} has {len(prompt)} prompt tokens, {len(response)} response tokens and "
                f"{len(logprobs)} behaviour log-probabilities; expected one or more, as many of the last two"
            )
    mask_BT, behaviour_BT = _pad(behaviour)
    if not (np.isfinite(rewards).all() and torch.isfinite(behaviour_BT).all()):
        raise InputError(f"{path}: a reward or a behaviour log-probability is not a finite number")
    return Rollout(
        prompts=prompts,
        responses=responses,
        rewards_B=torch.tensor(rewards, dtype=torch.float32),
        group_B=torch.tensor(_group_numbers(table["question_id"])),
        behaviour_logprobs_BT=behaviour_BT,
        response_mask_BT=mask_BT,
    )


def minibatches(rows: int, batch_responses: int, epochs: int, seed: int) -> list[list[int]]:
    """Rows of each optimiser step: every epoch a shuffle, cut into equal steps of at most `batch_responses`.

    Equal, so that what does not divide evenly is neither thrown away nor left as one small, noisy step.
    """
    steps = -(-rows // batch_responses)
    batches: list[list[int]] = []
    for epoch in range(epochs):
        generator = np.random.Generator(np.random.Philox(key=(epoch << 64) | seed))
        batches += [part.tolist() for part in np.array_split(generator.permutation(rows), steps)]
    return batches


def micro_batches(rows: Sequence[int], lengths: Sequence[int], tokens: int) -> list[list[int]]:
    """Cut `rows`, sorted by falling length, so that rows x longest stays within `tokens` (one row may exceed it)."""
    batches: list[list[int]] = []
    for row in sorted(rows, key=lambda row: (-lengths[row], row)):
        if batches and (len(batches[-1]) + 1) * lengths[batches[-1][0]] <= tokens:
            batches[-1].append(row)
        else:
            batches.append([row])
    return batches


def model_input(rollout: Rollout, rows: Sequence[int]) -> ModelInput:
    """Tokens of `rows` as the model reads them."""
    sequences = [rollout.prompts[row] + rollout.responses[row] for row in rows]
    width = max(map(len, sequences))
    starts = [len(rollout.prompts[row]) - 1 + index * width for index, row in enumerate(rows)]
    counts = [len(rollout.responses[row]) for row in rows]
    return ModelInput(
        input_ids=torch.tensor([sequence + [0] * (width - len(sequence)) for sequence in sequences]),
        position_N=torch.cat([torch.arange(start, start + n) for start, n in zip(starts, counts, strict=True)]),
        target_N=torch.tensor([token for row in rows for token in rollout.responses[row]]),
    )


def _pad(values: list[list[float]]) -> tuple[Tensor, Tensor]:
    width = max(map(len, values))
    mask_BT = torch.arange(width)[None, :] < torch.tensor([len(row) for row in values])[:, None]
    flat = torch.tensor([value for row in values for value in row], dtype=torch.float32)
    return mask_BT, torch.zeros(mask_BT.shape).masked_scatter(mask_BT, flat)


def _group_numbers(question_ids: pa.ChunkedArray) -> list[int]:
    numbers: dict[str, int] = {}
    return [numbers.setdefault(question, len(numbers)) for question in question_ids.to_pylist()]
