"""A rollout as tensors, cut into optimiser steps (by seed) and into packed micro-batches (by length)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from stages.trainer.job import ROLLOUT_COLUMNS
from storage.errors import InputError


@dataclass(frozen=True, kw_only=True, slots=True)
class Rollout:
    """The responses of one update. Shapes: see `stages.rl`."""

    prompts: list[list[int]]
    """Token ids of the prompt of each response."""
    responses: list[list[int]]
    """Token ids of each response."""
    rewards_B: Tensor
    """Rewards, float32."""
    group_B: Tensor
    """Number of the question of each response, from 0."""
    truncated_B: Tensor
    """True if the response was cut off at the token limit."""
    behaviour_logprobs_BT: Tensor
    """Log-probabilities (nats) under the engine that sampled the responses; 0 on padding."""
    response_mask_BT: Tensor
    """True on response tokens."""

    def only(self, rows: Sequence[int]) -> "Rollout":
        """Return a rollout of these rows; groups keep their numbers."""
        index = torch.tensor(rows)
        return Rollout(
            prompts=[self.prompts[row] for row in rows],
            responses=[self.responses[row] for row in rows],
            **{
                name: getattr(self, name)[index]
                for name in ("rewards_B", "group_B", "truncated_B", "behaviour_logprobs_BT", "response_mask_BT")
            },
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Packing:
    """One micro-batch as the model reads it, without padding.

    Either each prompt is there once, followed by the responses to it, or each row has its own copy of its prompt, and
    the rows lie end to end.
    """

    tokens: list[int]
    """All token ids, end to end."""
    positions: list[int]
    """Position of each token in the sequence of prompt and response."""
    rows: list[list[int]]
    """For each response the indices in `tokens` of its prompt's tokens, then of its response tokens."""
    predictors: list[int]
    """For each response token the index in `tokens` whose output predicts it; responses in the order of `rows`."""
    targets: list[int]
    """Ids of the response tokens, in the order of `predictors`."""
    end_to_end: bool = False
    """Whether each row has its own copy of its prompt."""


def read_rollout(path: Path) -> Rollout:
    """Read and check a rollout.

    Raises InputError if a column is missing, there are no rows, or a row cannot be used.
    """
    table = pq.read_table(path)
    if missing := [name for name in ROLLOUT_COLUMNS if name not in table.column_names]:
        raise InputError(f"{path}: rollout has no column {missing[0]!r}, found {table.column_names}")
    if table.num_rows == 0:
        raise InputError(f"{path}: the rollout has no rows; an update without kept questions has to be skipped")
    prompts, responses = table["prompt_ids"].to_pylist(), table["response_ids"].to_pylist()
    behaviour_logprobs, rewards = table["behaviour_logprobs"].to_pylist(), table["reward"].to_numpy()
    for row, (prompt, response, logprobs) in enumerate(zip(prompts, responses, behaviour_logprobs, strict=True)):
        if not prompt or not response or logprobs is None or len(response) != len(logprobs):
            raise InputError(
                f"{path}: row {row} has {len(prompt or ())} prompt tokens, {len(response or ())} response tokens and "
                f"{len(logprobs or ())} behaviour log-probabilities; expected at least one of each, and as many "
                "log-probabilities as response tokens"
            )
    mask_BT, behaviour_logprobs_BT = _pad(behaviour_logprobs)
    if not (np.isfinite(rewards).all() and torch.isfinite(behaviour_logprobs_BT).all()):
        raise InputError(f"{path}: a reward or a behaviour log-probability is not a finite number")
    return Rollout(
        prompts=prompts,
        responses=responses,
        rewards_B=torch.tensor(rewards, dtype=torch.float32),
        group_B=torch.tensor(_group_numbers(table["question_id"])),
        truncated_B=torch.tensor([reason == "length" for reason in table["finish_reason"].to_pylist()]),
        behaviour_logprobs_BT=behaviour_logprobs_BT,
        response_mask_BT=mask_BT,
    )


def check_groups(rollout: Rollout, path: Path, algorithm: str) -> None:
    """Raise InputError if a question has a single response, which `algorithm` cannot compare with other responses."""
    sizes = torch.bincount(rollout.group_B)
    if single_response := int((sizes == 1).sum()):
        raise InputError(
            f"{path}: {single_response} of {len(sizes)} questions have one response; {algorithm} compares the "
            "responses to a question, so it needs two or more (sample.responses), or use algorithm: reinforce_pp"
        )


def minibatches(rows: int, batch_responses: int, epochs: int, seed: int) -> list[list[int]]:
    """Return the rows of each optimiser step. Every epoch is a shuffle, cut into steps.

    The steps of an epoch differ by at most one row, so that a remainder is neither dropped nor left as a small, noisy
    step.

    Args:
        rows: number of responses in the rollout.
        batch_responses: most responses per step.
        epochs: passes over the rollout.
        seed: decides the order of every epoch.
    """
    steps = -(-rows // batch_responses)
    batches: list[list[int]] = []
    for epoch in range(epochs):
        generator = np.random.Generator(np.random.Philox(key=(epoch << 64) | seed))
        batches += [part.tolist() for part in np.array_split(generator.permutation(rows), steps)]
    return batches


def micro_batches(
    rollout: Rollout, rows: Sequence[int], *, tokens: int, world_size: int, end_to_end: bool = False
) -> list[list[int]]:
    """Cut `rows` into micro-batches of at most `tokens` packed tokens; a single response may exceed the limit.

    Unless rows are packed `end_to_end`, responses to one question stay together, because their prompt is then computed
    once. Neighbouring responses have similar lengths. The number of micro-batches is a multiple of `world_size`, and
    all have nearly the same number of tokens. If there are too few rows, some micro-batches are empty.
    """
    unit_tokens = tokens if world_size == 1 else _small_unit_tokens(rollout, rows, tokens, world_size)
    units = _units(rollout, rows, unit_tokens, share_prompts=not end_to_end)
    costs = np.array([_cost(rollout, unit) for unit in units])
    count = world_size * -(-int(costs.sum()) // (tokens * world_size))
    while not all(len(part) == 1 or costs[part].sum() <= tokens for part in _even_cuts(costs, count)):
        count += world_size
    parts = [[row for unit in part for row in units[unit]] for part in _even_cuts(costs, count)]
    return parts + [[] for _ in range(-len(parts) % world_size)]


def pack(rollout: Rollout, rows: Sequence[int], *, end_to_end: bool = False) -> Packing:
    """Pack rows of a rollout; see `pack_sequences`."""
    sequences = [(int(rollout.group_B[row]), rollout.prompts[row], rollout.responses[row]) for row in rows]
    return pack_sequences(sequences, end_to_end=end_to_end)


def pack_sequences(sequences: Sequence[tuple[int, list[int], list[int]]], *, end_to_end: bool) -> Packing:
    """Lay the tokens of (question, prompt, response) end to end.

    Neighbours of one question share one copy of their prompt, unless `end_to_end` gives a copy to each.
    """
    packing = Packing(tokens=[], positions=[], rows=[], predictors=[], targets=[], end_to_end=end_to_end)
    last_question: int | None = None
    prompt_indices: list[int] = []
    for question, prompt, response in sequences:
        if end_to_end or question != last_question:
            prompt_indices = list(range(len(packing.tokens), len(packing.tokens) + len(prompt)))
            packing.tokens.extend(prompt)
            packing.positions.extend(range(len(prompt)))
        last_question = question
        start = len(packing.tokens)
        response_indices = list(range(start, start + len(response)))
        packing.tokens.extend(response)
        packing.positions.extend(range(len(prompt), len(prompt) + len(response)))
        packing.rows.append(prompt_indices + response_indices)
        packing.predictors.extend([prompt_indices[-1], *response_indices[:-1]])
        packing.targets.extend(response)
    return packing


def _units(rollout: Rollout, rows: Sequence[int], tokens: int, *, share_prompts: bool) -> list[list[int]]:
    """Return groups of rows that share a prompt, each of at most `tokens` packed tokens; or each row alone.

    Within a group the longest response is first; the group with the longest sequence is first.
    """
    lengths = {row: len(rollout.responses[row]) for row in rows}
    if not share_prompts:
        return [[row] for row in sorted(rows, key=lambda row: (-len(rollout.prompts[row]) - lengths[row], row))]
    groups: dict[int, list[int]] = {}
    for row in sorted(rows, key=lambda row: (-lengths[row], row)):
        groups.setdefault(int(rollout.group_B[row]), []).append(row)
    units: list[list[int]] = []
    for members in groups.values():
        remaining = 0
        for row in members:
            if remaining < lengths[row]:
                units.append([])
                remaining = tokens - len(rollout.prompts[row])
            units[-1].append(row)
            remaining -= lengths[row]
    return sorted(units, key=lambda unit: (-len(rollout.prompts[unit[0]]) - lengths[unit[0]], unit[0]))


def _small_unit_tokens(rollout: Rollout, rows: Sequence[int], tokens: int, world_size: int) -> int:
    """Return a size of units, in tokens, that is small enough for an even share per process."""
    return min(tokens, sum(len(rollout.prompts[row]) + len(rollout.responses[row]) for row in rows) // (8 * world_size))


def _cost(rollout: Rollout, unit: Sequence[int]) -> int:
    """Return the packed tokens of a unit."""
    return len(rollout.prompts[unit[0]]) + sum(len(rollout.responses[row]) for row in unit)


def _even_cuts(costs: "np.ndarray[Any, np.dtype[np.int_]]", count: int) -> list[list[int]]:
    """Cut the units, in order, into at most `count` parts of nearly equal cost; no part is empty."""
    middles = np.cumsum(costs) - costs / 2
    part_of = (middles * count / costs.sum()).astype(int)
    return [np.flatnonzero(part_of == part).tolist() for part in np.unique(part_of)]


def _pad(values: list[list[float]]) -> tuple[Tensor, Tensor]:
    """Return the mask of real values and the values padded with 0, both [B, T]."""
    width = max(map(len, values))
    mask_BT = torch.arange(width)[None, :] < torch.tensor([len(row) for row in values])[:, None]
    flat = torch.tensor([value for row in values for value in row], dtype=torch.float32)
    return mask_BT, torch.zeros(mask_BT.shape).masked_scatter(mask_BT, flat)


def _group_numbers(question_ids: pa.ChunkedArray) -> list[int]:
    numbers: dict[str, int] = {}
    return [numbers.setdefault(question, len(numbers)) for question in question_ids.to_pylist()]
