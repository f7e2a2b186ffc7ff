"""Attention over packed sequences, for transformers' attention interface.

A micro-batch is one sequence of packed tokens. Every layer but attention treats tokens one by one, so those layers
compute no padding. `has_kernel` decides between two forms:

- On a GPU in 16 bits, each row (a prompt and one response) has its own copy of its prompt, the rows lie end to end, and
  a kernel for rows of different lengths reads query, key and value where they are. Computing a prompt again costs less
  there than gathering rows: on an H200 the copies and the backward pass of gathering took more time than attention.
- Otherwise each prompt is there once, followed by the responses to it, so no prompt is computed twice. Attention
  gathers padded rows from the packed tokens, and scatters the outputs back.

The names of tensors end in their shapes, as in `stages.rl`, with these letters in addition:

    M  packed tokens
    F  gathered tokens
    R  rows
    S  tokens of the longest row
    D  width of an attention head
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.attention import varlen
from transformers import AttentionInterface, AttentionMaskInterface

from stages.trainer.batches import Packing
from stages.trainer.transfer import to_device

NAME = "serl_packed"
_BLOCK = 64
"""Queries per block."""
_LONGEST_IN_BLOCKS = 1024
"""Longest row (tokens) that is computed in blocks. For longer rows, the saved probabilities take too much memory."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rows:
    """How attention finds its rows: computed once for a micro-batch, used by every layer."""

    gather_F: Tensor
    """For each token of the padded rows, [R * S], its index among the packed tokens; 0 on padding."""
    scatter_M: Tensor
    """For each packed token its index among the gathered tokens; for a token of a prompt, in the first row with
    that prompt."""
    boundaries: Tensor | None
    """Start of each row and end of the last row among the packed tokens, [R + 1], int32, for the kernel; None if it is
    not used."""
    rows: int
    """Number of rows, R."""
    longest: int
    """Tokens of the longest row, S."""
    largest_head: int
    """Largest size of a head that the kernel takes."""


def has_kernel(device: torch.device, dtype: torch.dtype) -> bool:
    """Return whether torch has a kernel for rows that lie end to end (`varlen_attn`).

    It is FlashAttention's: on NVIDIA GPUs since Ampere, in 16 bits.
    """
    return device.type == "cuda" and dtype != torch.float32 and _capability(device) >= (8, 0)


def kernel_takes(query: Tensor, key: Tensor, value: Tensor, rows: Rows) -> bool:
    """Return whether the kernel computes attention of this layer: type and heads have to suit it.

    Tensors are [1, heads, M, D]. Layers that it does not take are gathered and padded.
    """
    size = query.shape[-1]
    return (
        rows.boundaries is not None
        and value.dtype in (torch.float16, torch.bfloat16)
        and size == key.shape[-1] == value.shape[-1]
        and size % 8 == 0
        and size <= rows.largest_head
    )


def lay_out(packing: Packing, device: torch.device, dtype: torch.dtype) -> Rows:
    """Return how attention finds the rows of a micro-batch.

    Padding is on the right and attention is causal, so no real token sees padding.

    Args:
        packing: the micro-batch.
        device: device of the model and of the returned tensors.
        dtype: type of the matrix products.
    """
    lengths_R = torch.tensor([len(row) for row in packing.rows])
    longest = int(lengths_R.max())
    tokens = torch.tensor([token for row in packing.rows for token in row])
    starts_R = lengths_R.cumsum(0) - lengths_R
    # Within padded rows, the n-th token of a row stands n places after the row's start.
    shift_R = torch.arange(len(lengths_R)) * longest - starts_R
    offsets = torch.arange(len(tokens)) + shift_R.repeat_interleave(lengths_R)
    gather_F = torch.zeros(len(lengths_R) * longest, dtype=torch.long)
    gather_F[offsets] = tokens
    scatter_M = torch.empty(len(packing.tokens), dtype=torch.long)
    # Assign from the last row to the first: if rows share a prompt, the index in the first row stays.
    scatter_M[tokens.flip(0)] = offsets.flip(0)
    kernel = packing.end_to_end and has_kernel(device, dtype)
    boundaries = functional.pad(lengths_R.cumsum(0), (1, 0)).int() if kernel else None
    return Rows(
        gather_F=to_device(gather_F, device),
        scatter_M=to_device(scatter_M, device),
        boundaries=None if boundaries is None else to_device(boundaries, device),
        rows=len(lengths_R),
        longest=longest,
        largest_head=_largest_head(device) if kernel else 0,
    )


def packed_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: None,
    *,
    packed_rows: Rows,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Compute causal attention within each row.

    Query is [1, heads, M, D], key and value are [1, key heads, M, D]; the output is [1, M, heads, D].
    """
    window = None if sliding_window is None or sliding_window >= packed_rows.longest else sliding_window
    if kernel_takes(query, key, value, packed_rows):
        # Some models' rotary embeddings or norms make query and key float32, which the kernel does not take.
        q, k, v = (x[0].transpose(0, 1).to(value.dtype).contiguous() for x in (query, key, value))
        return _end_to_end(q, k, v, packed_rows, scaling, window)[None], None
    return _gather_and_attend(query, key, value, packed_rows, scaling, window), None


@torch.compiler.disable  # type: ignore[untyped-decorator]
def _gather_and_attend(
    query: Tensor, key: Tensor, value: Tensor, rows: Rows, scaling: float | None, window: int | None
) -> Tensor:
    """Gather padded rows, compute attention and scatter the outputs.

    Not compiled: the number of blocks depends on the longest row, so each length would be compiled anew.
    """
    heads, key_heads = query.shape[1], key.shape[1]
    packed = torch.cat((query, key, value), dim=1)[0].transpose(0, 1)
    # Gather by an embedding: its backward pass is deterministic and the fastest of all ways to gather.
    gathered = functional.embedding(rows.gather_F, packed.flatten(1)).view(-1, *packed.shape[1:])
    q, k, v = torch.split(gathered, [heads, key_heads, key_heads], dim=1)
    out = _padded(q, k, v, rows, scaling, window)
    return functional.embedding(rows.scatter_M, out.flatten(1)).view(1, -1, *out.shape[1:]).to(value.dtype)


def _padded(q: Tensor, k: Tensor, v: Tensor, rows: Rows, scaling: float | None, window: int | None) -> Tensor:
    q, k, v = (x.view(rows.rows, rows.longest, *x.shape[1:]).transpose(1, 2) for x in (q, k, v))
    if window is None and rows.longest <= _LONGEST_IN_BLOCKS and q.device.type == "cpu" and q.dtype == torch.float32:
        return attention_in_blocks(q, k, v, scaling).transpose(1, 2).flatten(0, 1)
    mask = None
    if window is not None:
        position = torch.arange(rows.longest, device=q.device)
        distance = position[:, None] - position[None]
        mask = (distance >= 0) & (distance < window)
    groups = q.shape[1] // k.shape[1]
    if groups > 1 and repeats_keys(q.device, q.dtype, mask is not None):
        k, v = k.repeat_interleave(groups, dim=1), v.repeat_interleave(groups, dim=1)
    out = functional.scaled_dot_product_attention(
        q, k, v, attn_mask=mask, is_causal=mask is None, scale=scaling, enable_gqa=q.shape[1] != k.shape[1]
    )
    return out.transpose(1, 2).flatten(0, 1)


def repeats_keys(device: torch.device, dtype: torch.dtype, masked: bool) -> bool:
    """Return whether padded rows get a copy of keys and values for each head of the queries.

    On a GPU, only FlashAttention takes fewer key heads, in 16 bits and without a mask. In all other cases torch would
    compute a table of [S, S] for each head and keep it for the backward pass.
    """
    return device.type == "cuda" and (masked or dtype == torch.float32)


def attention_in_blocks(q: Tensor, k: Tensor, v: Tensor, scaling: float | None = None) -> Tensor:
    """Compute causal attention as matrix products over blocks of queries; torch's CPU kernel takes 1.5 times as long.

    Query is [R, heads, S, D], key and value are [R, key heads, S, D]; the output is [R, heads, S, D].
    """
    groups = q.shape[1] // k.shape[1]
    if groups > 1:
        k, v = k.repeat_interleave(groups, dim=1), v.repeat_interleave(groups, dim=1)
    flat = (x.flatten(0, 1) for x in (q, k, v))
    scaling = q.shape[-1] ** -0.5 if scaling is None else scaling
    out: Tensor = _Blocks.apply(*flat, scaling)  # type: ignore[no-untyped-call]
    return out.view(q.shape)


class _Blocks(torch.autograd.Function):
    """Causal attention in blocks of queries, forward and backward.

    A block of queries sees no key after its last query, so about half of the products are not computed. The
    probabilities are saved for the backward pass; they take less memory than a layer's other activations while
    S < 28 D.
    """

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, scaling: float) -> Tensor:
        longest = q.shape[1]
        causal_mask = torch.full((_BLOCK, _BLOCK), -torch.inf).triu(1)
        out, saved_probabilities = torch.empty_like(q), []
        for start in range(0, longest, _BLOCK):
            end = min(start + _BLOCK, longest)
            scores = q.new_empty(len(q), end - start, end)
            torch.baddbmm(scores, q[:, start:end], k[:, :end].mT, beta=0, alpha=scaling, out=scores)
            scores[:, :, start:] += causal_mask[: end - start, : end - start]
            probabilities = torch.softmax(scores, -1, out=scores)
            out[:, start:end] = torch.bmm(probabilities, v[:, :end])
            saved_probabilities.append(probabilities)
        ctx.scaling = scaling
        ctx.save_for_backward(q, k, v, out, *saved_probabilities)
        return out

    @staticmethod
    def backward(ctx: Any, out_gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        q, k, v, out, *saved_probabilities = ctx.saved_tensors
        dq, dk, dv = torch.empty_like(q), torch.zeros_like(k), torch.zeros_like(v)
        # The gradient of the softmax subtracts the mean gradient of each query: sum_j p_j dp_j, which is do · o.
        mean = (out_gradient * out).sum(-1, keepdim=True)
        for index, probabilities in enumerate(saved_probabilities):
            start, end = index * _BLOCK, probabilities.shape[2]
            d_out = out_gradient[:, start:end]
            dv[:, :end].baddbmm_(probabilities.mT, d_out)
            d_scores = torch.bmm(d_out, v[:, :end].mT).sub_(mean[:, start:end]).mul_(probabilities)
            dq[:, start:end] = torch.bmm(d_scores, k[:, :end])
            dk[:, :end].baddbmm_(d_scores.mT, q[:, start:end], alpha=ctx.scaling)
        return dq.mul_(ctx.scaling), dk, dv, None


def _end_to_end(q: Tensor, k: Tensor, v: Tensor, rows: Rows, scaling: float | None, window: int | None) -> Tensor:
    """Compute attention with the kernel; query is [M, heads, D], key and value are [M, key heads, D]."""
    left = -1 if window is None else window - 1
    assert rows.boundaries is not None
    out = varlen.varlen_attn(
        q,
        k,
        v,
        rows.boundaries,
        rows.boundaries,
        rows.longest,
        rows.longest,
        scale=scaling,
        window_size=(left, 0),
        enable_gqa=q.shape[1] != k.shape[1],
    )
    assert isinstance(out, Tensor)
    return out


@cache
def _capability(device: torch.device) -> tuple[int, int]:
    """Return the compute capability of a GPU; (0, 0) for a GPU that is not NVIDIA's."""
    return torch.cuda.get_device_capability(device) if torch.version.cuda else (0, 0)


def _largest_head(device: torch.device) -> int:
    """Return the largest size of a head that the kernel takes: 256 takes the caches of a large GPU."""
    return 256 if _capability(device) in ((8, 0), (9, 0)) else 192


def _no_mask(*_: Any, **__: Any) -> None:
    """Return no mask: `packed_attention` decides which tokens see each other."""


AttentionInterface.register(NAME, packed_attention)
AttentionMaskInterface.register(NAME, _no_mask)
