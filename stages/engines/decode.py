"""The decode loop of the transformers engine: many samples of many prompts from any decoder-only model.

The loop is faster than transformers' `generate` for many samples of one prompt (tests/benchmarks/decode.py measures
it). A prompt is read once and its cache repeated; the cache is allocated once instead of concatenated at every step;
finished rows leave the batch; and a token costs one pass over the vocabulary.

Letters of the shapes: G prompts, R rows (responses), P padded prompt length, T largest number of new tokens,
V vocabulary.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer

from stages.engines.base import SamplingParams

# Rows are dropped once a quarter of the batch is finished: each drop copies the cache, which costs about one step.
COMPACT_BELOW = 0.75
# Stop strings are searched for only every so many steps, because a search decodes every row. A response may therefore
# run past its stop string; the caller cuts it there.
STOP_EVERY = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One response to be sampled."""

    prompt: int
    """Index of the prompt in the call."""
    response: int
    """Index of the response among those of its prompt."""
    seed: int
    """The only source of the response's randomness."""
    max_tokens: int
    """Longest response, in tokens: the requested number, or less if the context leaves less."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sampled:
    """Sampled responses of a batch, on the CPU."""

    tokens_RT: Tensor
    """Token ids (R, T); columns at and after the row's length mean nothing."""
    logprobs_RT: Tensor
    """Log-probability of each token under softmax(logits / temperature), (R, T)."""
    lengths_R: Tensor
    """Number of tokens of each row, eos included, (R,)."""


class PreallocatedLayer(DynamicLayer):  # type: ignore[misc]  # transformers is untyped
    """One layer's keys and values, in a buffer for the longest response, filled from the left.

    `prefilled` holds the layer after the prompts were read, one entry per prompt. `entry_of_R` gives the entry of each
    row. `length` is the size of the buffer in tokens.
    """

    def __init__(self, prefilled: DynamicLayer, entry_of_R: Tensor, length: int) -> None:
        super().__init__()
        self.used: int = prefilled.keys.shape[-2]
        self.keys, self.values = (self._repeat(x, entry_of_R, length) for x in (prefilled.keys, prefilled.values))
        self.dtype, self.device = self.keys.dtype, self.keys.device
        self.is_initialized = True

    def _repeat(self, states: Tensor, rows: Tensor, length: int) -> Tensor:
        heads, size = states.shape[1], states.shape[3]
        buffer = states.new_empty((len(rows), heads, length, size))
        buffer[:, :, : self.used] = states[:, :, : self.used].index_select(0, rows)
        return buffer

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        start, self.used = self.used, self.used + key_states.shape[-2]
        self.keys[:, :, start : self.used] = key_states
        self.values[:, :, start : self.used] = value_states
        return self.keys[:, :, : self.used], self.values[:, :, : self.used]

    def get_seq_length(self) -> int:
        return self.used

    def keep(self, rows: Tensor) -> None:
        """Keep the rows of these indices, in this order, and drop the others."""
        length = self.keys.shape[-2]
        self.keys = self._repeat(self.keys, rows, length)
        self.values = self._repeat(self.values, rows, length)


def plan_batches(prompt_lengths: Sequence[int], rows: Sequence[Row], max_batch_tokens: int) -> Iterator[list[Row]]:
    """Yield groups of rows with rows x (longest prompt + longest response) <= `max_batch_tokens`.

    A row that is longer than that forms a group alone. Prompts are taken by length, which keeps padding low; rows of
    one prompt stay in order. The result depends on the arguments alone.
    """
    batch: list[Row] = []
    widest = 0
    for row in sorted(rows, key=lambda r: (prompt_lengths[r.prompt], r.prompt, r.response)):
        widest = max(widest, row.max_tokens)
        if batch and (len(batch) + 1) * (prompt_lengths[row.prompt] + widest) > max_batch_tokens:
            yield batch
            batch, widest = [], row.max_tokens
        batch.append(row)
    if batch:
        yield batch


def row_uniforms(rows: Sequence[Row]) -> Tensor:
    """Return the rows' randomness: a number in [0, 1) for each token that a row may have, 0 beyond; (R, T) float64."""
    uniforms_RT = np.zeros((len(rows), max(row.max_tokens for row in rows)))
    for i, row in enumerate(rows):
        uniforms_RT[i, : row.max_tokens] = np.random.Generator(np.random.Philox(key=row.seed)).random(row.max_tokens)
    return torch.from_numpy(uniforms_RT)


def pick_tokens(
    logits_RV: Tensor, uniforms_R: Tensor, params: SamplingParams, seen_RV: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return the next tokens, and their log-probabilities under softmax(logits / temperature), each of shape (R,).

    `seen_RV` is True at the tokens that a presence penalty applies to.
    """
    temperature = params.temperature or 1.0
    scaled = logits_RV.float() / temperature
    adjusted = scaled if seen_RV is None else scaled - seen_RV * (params.presence_penalty / temperature)
    if params.temperature == 0:
        tokens = adjusted.argmax(-1, keepdim=True)
    else:
        tokens = draw(adjusted, uniforms_R[:, None], params.top_p)
    logprobs = scaled.gather(-1, tokens) - scaled.logsumexp(-1, keepdim=True)
    return tokens.squeeze(-1), logprobs.squeeze(-1)


def draw(logits_RV: Tensor, uniforms_R1: Tensor, top_p: float) -> Tensor:
    """Return tokens (R, 1) by inverse CDF: the first at which the cumulative probability passes the row's number.

    The sums run in float64: over a vocabulary of 150,000, float32 would move the borders between tokens. With `top_p`
    below 1 the tokens are ordered by falling probability, and the numbers are scaled to the mass of the smallest set
    whose probability reaches `top_p`.
    """
    order = None
    if top_p < 1:
        logits_RV, order = logits_RV.sort(descending=True, stable=True)
    cumulative = torch.cumsum(torch.softmax(logits_RV, -1), -1, dtype=torch.float64)
    last = torch.full_like(uniforms_R1, cumulative.shape[-1] - 1, dtype=torch.long)
    if order is not None:
        last = torch.minimum(last, torch.searchsorted(cumulative, torch.full_like(uniforms_R1, top_p)))
    picked = torch.searchsorted(cumulative, uniforms_R1 * cumulative.gather(-1, last), right=True)
    # A number just below 1 may round up to the whole mass; the search then returns the position after the last token.
    picked = torch.minimum(picked, last)
    return picked if order is None else order.gather(-1, picked)


def prefill(model: Any, prompts: Sequence[Sequence[int]]) -> tuple[Tensor, list[DynamicLayer], Tensor]:
    """Return the logits after each prompt (G, V), the cache's layers, and the mask of real tokens (G, P).

    Padding is on the left.
    """
    width = max(map(len, prompts))
    ids = torch.tensor([[0] * (width - len(prompt)) + list(prompt) for prompt in prompts], device=model.device)
    pads = torch.tensor([[width - len(prompt)] for prompt in prompts], device=model.device)
    columns = torch.arange(width, device=model.device)
    real = (columns >= pads).long()
    # Made without a config, the cache keeps the whole sequence in every layer; the mask applies sliding windows.
    cache = DynamicCache()
    output = model(
        input_ids=ids,
        attention_mask=real,
        position_ids=(columns - pads).clamp(min=0),
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    return output.logits[:, -1], cache.layers, real


@torch.inference_mode()
def sample_batch(
    model: Any,
    prompts: Sequence[Sequence[int]],
    rows: Sequence[Row],
    params: SamplingParams,
    eos_ids: Sequence[int],
    stopped: Callable[[list[int]], bool] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Sampled:
    """Sample every row to its end.

    Args:
        model: a causal language model of transformers.
        prompts: token ids of all prompts of the call; `row.prompt` is an index into them.
        rows: the responses to sample together.
        params: how tokens are picked.
        eos_ids: tokens that end a response.
        stopped: returns whether a row's tokens so far hold a stop string.
        progress: called now and then with the number of rows that have ended.
    """
    device, steps = model.device, max(row.max_tokens for row in rows)
    prompt_indices = sorted({row.prompt for row in rows})
    entry_of = {prompt_index: i for i, prompt_index in enumerate(prompt_indices)}
    entry_of_R = torch.tensor([entry_of[row.prompt] for row in rows], device=device)
    logits_GV, prefilled, real_GP = prefill(model, [prompts[i] for i in prompt_indices])
    width = real_GP.shape[1]

    tokens_RT = torch.zeros((len(rows), steps), dtype=torch.long, device=device)
    logprobs_RT = torch.zeros((len(rows), steps), device=device)
    lengths_R = torch.tensor([row.max_tokens for row in rows], device=device)
    uniforms_RT = row_uniforms(rows).to(device)
    eos = torch.tensor(list(eos_ids), dtype=torch.long, device=device)

    # From here on the rows are those of `active`, which shrinks as rows end.
    active = torch.arange(len(rows), device=device)
    layers = [PreallocatedLayer(layer, entry_of_R, width + steps) for layer in prefilled]
    cache = Cache(layers=layers)
    mask = torch.cat([real_GP[entry_of_R], real_GP.new_ones((len(rows), steps))], dim=1)
    positions = real_GP.sum(-1)[entry_of_R]
    logits = logits_GV[entry_of_R]
    seen = torch.zeros_like(logits, dtype=torch.bool) if params.presence_penalty else None
    for step in range(steps):
        tokens, logprobs = pick_tokens(logits, uniforms_RT[active, step], params, seen)
        tokens_RT[active, step], logprobs_RT[active, step] = tokens, logprobs
        ended = torch.isin(tokens, eos)
        if stopped is not None and (step + 1) % STOP_EVERY == 0:
            ended |= torch.tensor([stopped(ids) for ids in tokens_RT[active, : step + 1].tolist()], device=device)
        lengths_R[active] = torch.where(ended, lengths_R[active].clamp(max=step + 1), lengths_R[active])
        keep = (lengths_R[active] > step + 1).nonzero().squeeze(-1)
        if len(keep) == 0:
            break
        if seen is not None:
            seen.scatter_(-1, tokens[:, None], True)
        if len(keep) <= COMPACT_BELOW * len(active):
            active, tokens, mask, positions = active[keep], tokens[keep], mask[keep], positions[keep]
            seen = None if seen is None else seen[keep]
            for layer in layers:
                layer.keep(keep)
            if progress is not None:
                progress(len(rows) - len(keep))
        logits = model(
            input_ids=tokens[:, None],
            attention_mask=mask[:, : width + step + 1],
            position_ids=(positions + step)[:, None],
            past_key_values=cache,
            use_cache=True,
        ).logits[:, -1]
    return Sampled(tokens_RT=tokens_RT.cpu(), logprobs_RT=logprobs_RT.cpu(), lengths_R=lengths_R.cpu())
