"""Attention over packed sequences, for transformers' attention interface.

A micro-batch is one sequence of packed tokens: each prompt once, followed by the responses to it. Every layer but
attention treats tokens one by one, so those layers compute no padding and no prompt twice. Attention gathers the rows
(a prompt and one response) from the packed tokens, and scatters the outputs back.

The names of tensors end in their shapes, as in `stages.rl`, with these letters in addition:

    M  packed tokens
    F  gathered tokens
    R  rows
    S  tokens of the longest row
    D  width of an attention head
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import AttentionInterface, AttentionMaskInterface

from stages.trainer.batches import Packing

NAME = "serl_packed"
_BLOCK = 64
"""Queries per block."""
_LONGEST_IN_BLOCKS = 1024
"""Longest row (tokens) that is computed in blocks. For longer rows, the saved probabilities take too much memory."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rows:
    """How attention finds its rows: computed once for a micro-batch, used by every layer."""

    gather_F: Tensor
    """For each token of the rows its index among the packed tokens. The rows lie end to end, or are padded to [R, S]
    with index 0."""
    scatter_M: Tensor
    """For each packed token its index among the gathered tokens; for a token of a prompt, in the first row with
    that prompt."""
    boundaries: Tensor | None
    """Start of each row and end of the last row among the gathered tokens, [R + 1], int32; None if rows are padded."""
    rows: int
    """Number of rows, R."""
    longest: int
    """Tokens of the longest row, S."""


def has_kernel(device: torch.device, dtype: torch.dtype) -> bool:
    """Return whether torch has a kernel for rows that lie end to end (`varlen_attn`): on CUDA, in 16 bits."""
    return device.type == "cuda" and dtype != torch.float32


def lay_out(packing: Packing, device: torch.device, dtype: torch.dtype, *, end_to_end: bool | None = None) -> Rows:
    """Lay out the rows of a micro-batch: end to end for the variable-length kernel (CUDA, 16 bits), else padded.

    Padding is on the right and attention is causal, so no real token sees padding.

    Args:
        packing: the micro-batch.
        device: device of the model and of the returned tensors.
        dtype: type of the matrix products.
        end_to_end: True or False to choose the layout; None to let `device` and `dtype` decide.
    """
    lengths_R = torch.tensor([len(row) for row in packing.rows])
    longest = int(lengths_R.max())
    if end_to_end is None:
        end_to_end = has_kernel(device, dtype)
    starts_R = torch.cumsum(lengths_R, 0) - lengths_R if end_to_end else torch.arange(len(lengths_R)) * longest
    offsets = torch.cat([torch.arange(start, start + n) for start, n in zip(starts_R, lengths_R, strict=True)])
    tokens = torch.tensor([token for row in packing.rows for token in row])
    gather_F = torch.zeros(int(lengths_R.sum()) if end_to_end else len(lengths_R) * longest, dtype=torch.long)
    gather_F[offsets] = tokens
    scatter_M = torch.empty(len(packing.tokens), dtype=torch.long)
    # Assign from the last row to the first: if rows share a prompt, the index in the first row stays.
    scatter_M[tokens.flip(0)] = offsets.flip(0)
    boundaries = functional.pad(lengths_R.cumsum(0), (1, 0)).int() if end_to_end else None
    return Rows(
        gather_F=gather_F.to(device),
        scatter_M=scatter_M.to(device),
        boundaries=None if boundaries is None else boundaries.to(device),
        rows=len(lengths_R),
        longest=longest,
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
    heads, key_heads = query.shape[1], key.shape[1]
    if packed_rows.boundaries is not None:
        # Some models' rotary embeddings or norms make query and key float32, which the kernel does not take.
        device = query.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else value.dtype
        query, key, value = query.to(dtype), key.to(dtype), value.to(dtype)
    packed = torch.cat((query, key, value), dim=1)[0].transpose(0, 1)
    # Gather by an embedding: its backward pass is deterministic and the fastest of all ways to gather.
    gathered = functional.embedding(packed_rows.gather_F, packed.flatten(1)).view(-1, *packed.shape[1:])
    q, k, v = torch.split(gathered, [heads, key_heads, key_heads], dim=1)
    attend = _padded if packed_rows.boundaries is None else _end_to_end
    window = None if sliding_window is None or sliding_window >= packed_rows.longest else sliding_window
    out = attend(q, k, v, packed_rows, scaling, window)
    return functional.embedding(packed_rows.scatter_M, out.flatten(1)).view(1, -1, *out.shape[1:]), None


def _padded(q: Tensor, k: Tensor, v: Tensor, rows: Rows, scaling: float | None, window: int | None) -> Tensor:
    q, k, v = (x.view(rows.rows, rows.longest, *x.shape[1:]).transpose(1, 2) for x in (q, k, v))
    if window is None and rows.longest <= _LONGEST_IN_BLOCKS and q.device.type == "cpu" and q.dtype == torch.float32:
        return attention_in_blocks(q, k, v, scaling).transpose(1, 2).flatten(0, 1)
    mask = None
    if window is not None:
        position = torch.arange(rows.longest, device=q.device)
        distance = position[:, None] - position[None]
        mask = (distance >= 0) & (distance < window)
    out = functional.scaled_dot_product_attention(
        q, k, v, attn_mask=mask, is_causal=mask is None, scale=scaling, enable_gqa=q.shape[1] != k.shape[1]
    )
    return out.transpose(1, 2).flatten(0, 1)


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
    from torch.nn.attention.varlen import varlen_attn

    left = -1 if window is None else window - 1
    assert rows.boundaries is not None
    out = varlen_attn(
        q.contiguous(),
        k.contiguous(),
        v.contiguous(),
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


def _no_mask(*_: Any, **__: Any) -> None:
    """Return no mask: `packed_attention` decides which tokens see each other."""


AttentionInterface.register(NAME, packed_attention)
AttentionMaskInterface.register(NAME, _no_mask)
