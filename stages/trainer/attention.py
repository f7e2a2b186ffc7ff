"""Attention over packed sequences, for transformers' attention interface.

A micro-batch is one sequence of packed tokens: prompts, each once, and behind each the responses to it. Everything but
attention treats tokens one by one, so it computes no padding and no prompt twice. Attention gathers the rows (a prompt
and one response) from the packed tokens, and puts the outputs back.

Letters: M packed tokens, F gathered tokens, R rows, S the longest row, others as in `stages.rl`.
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
_LONGEST_IN_BLOCKS = 1024
"""In longer rows the kept probabilities would take too much memory."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rows:
    """How attention finds its rows; made once for a micro-batch, used by every layer."""

    gather_F: Tensor
    """The packed token at each place of the rows: laid end to end, or padded to [R, S] with token 0."""
    scatter_M: Tensor
    """The place among the gathered of each packed token (of a prompt, in its first row)."""
    boundaries: Tensor | None
    """Where each row begins, and the last ends [R + 1], int32; None where rows are padded."""
    rows: int
    longest: int


def lay_out(packing: Packing, device: torch.device, dtype: torch.dtype, *, end_to_end: bool | None = None) -> Rows:
    """Rows end to end for the variable-length kernel (CUDA, 16 bits), padded for all else.

    Padding stands to the right, and attention is causal: no real token sees it.
    """
    lengths_R = torch.tensor([len(row) for row in packing.rows])
    longest = int(lengths_R.max())
    if end_to_end is None:
        end_to_end = device.type == "cuda" and dtype != torch.float32
    starts_R = torch.cumsum(lengths_R, 0) - lengths_R if end_to_end else torch.arange(len(lengths_R)) * longest
    offsets = torch.cat([torch.arange(start, start + n) for start, n in zip(starts_R, lengths_R, strict=True)])
    tokens = torch.tensor([token for row in packing.rows for token in row])
    gather_F = torch.zeros(int(lengths_R.sum()) if end_to_end else len(lengths_R) * longest, dtype=torch.long)
    gather_F[offsets] = tokens
    scatter_M = torch.empty(len(packing.tokens), dtype=torch.long)
    # Backwards, so that the first row of those that share a prompt has the last word.
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
    """Causal attention within each row. Query, key and value are [1, heads, M, D]; returns [1, M, heads, D]."""
    heads, key_heads = query.shape[1], key.shape[1]
    packed = torch.cat((query, key, value), dim=1)[0].transpose(0, 1)
    # As an embedding, because its backward pass is the fastest of all ways to gather, and deterministic.
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
        place = torch.arange(rows.longest, device=q.device)
        back = place[:, None] - place[None]
        mask = (back >= 0) & (back < window)
    out = functional.scaled_dot_product_attention(
        q, k, v, attn_mask=mask, is_causal=mask is None, scale=scaling, enable_gqa=q.shape[1] != k.shape[1]
    )
    return out.transpose(1, 2).flatten(0, 1)


def attention_in_blocks(q: Tensor, k: Tensor, v: Tensor, scaling: float | None = None) -> Tensor:
    """Causal attention as matrix products over blocks of queries: torch's own CPU kernel takes 1.5 times as long.

    Query is [R, heads, S, D], key and value [R, key heads, S, D]; returns [R, heads, S, D].
    """
    groups = q.shape[1] // k.shape[1]
    if groups > 1:
        k, v = k.repeat_interleave(groups, dim=1), v.repeat_interleave(groups, dim=1)
    flat = (x.flatten(0, 1) for x in (q, k, v))
    scaling = q.shape[-1] ** -0.5 if scaling is None else scaling
    out: Tensor = _Blocks.apply(*flat, scaling)  # type: ignore[no-untyped-call]
    return out.view(q.shape)


class _Blocks(torch.autograd.Function):
    """A block of queries sees no key behind its last query, so about half of the products are never made.

    Its probabilities are kept for the backward pass: they weigh less than a layer's other activations while S < 28 D.
    """

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, scaling: float) -> Tensor:
        longest = q.shape[1]
        hidden = torch.full((_BLOCK, _BLOCK), -torch.inf).triu(1)
        out, kept = torch.empty_like(q), []
        for start in range(0, longest, _BLOCK):
            end = min(start + _BLOCK, longest)
            scores = q.new_empty(len(q), end - start, end)
            torch.baddbmm(scores, q[:, start:end], k[:, :end].mT, beta=0, alpha=scaling, out=scores)
            scores[:, :, start:] += hidden[: end - start, : end - start]
            probabilities = torch.softmax(scores, -1, out=scores)
            out[:, start:end] = torch.bmm(probabilities, v[:, :end])
            kept.append(probabilities)
        ctx.scaling = scaling
        ctx.save_for_backward(q, k, v, out, *kept)
        return out

    @staticmethod
    def backward(ctx: Any, out_gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        q, k, v, out, *kept = ctx.saved_tensors
        dq, dk, dv = torch.empty_like(q), torch.zeros_like(k), torch.zeros_like(v)
        # The softmax's gradient subtracts each query's mean of the gradient: sum_j p_j dp_j, which is do · o.
        mean = (out_gradient * out).sum(-1, keepdim=True)
        for index, probabilities in enumerate(kept):
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
    """Which tokens see each other is decided above."""


AttentionInterface.register(NAME, packed_attention)
AttentionMaskInterface.register(NAME, _no_mask)
