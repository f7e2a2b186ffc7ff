"""Stand-ins for torch's variable-length attention kernels on a CPU: they refuse what the kernels of a GPU refuse.

torch's own operator around them stays: its checks, its gradient, and what `torch.compile` sees of it.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import varlen

LARGEST_HEAD = 256


def install() -> None:
    """Register the stand-ins as the operator's kernels on CPU tensors, which it has none for."""
    varlen._varlen_attn.register_kernel("cpu", _forward)
    varlen._varlen_attn_backward.register_kernel("cpu", _backward)


def _forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    cu_seq_q: Tensor,
    cu_seq_k: Tensor,
    max_q: int,
    max_k: int,
    is_causal: bool = False,
    scale: float | None = None,
    window_size: list[int] | None = None,
    *_: Any,
) -> tuple[Tensor, Tensor, Tensor]:
    check(query, key, value, cu_seq_q, cu_seq_k, max_q, max_k)
    assert window_size is not None and is_causal == (window_size[0] < 0), "causal attention, with a window or without"
    out = torch.empty_like(query)
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    for rows, probabilities, (q, _k, v) in _rows(query, key, value, cu_seq_q, window_size, scale):
        out[rows] = (probabilities @ v.repeat_interleave(q.shape[0] // v.shape[0], 0)).transpose(0, 1)
    lse = torch.zeros(query.shape[1], query.shape[0])
    return out, lse, torch.zeros(2, dtype=torch.uint64)


def _backward(
    grad_out: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    out: Tensor,
    lse: Tensor,
    cu_seq_q: Tensor,
    cu_seq_k: Tensor,
    max_q: int,
    max_k: int,
    is_causal: bool,
    rng_state: Tensor,
    scale: float | None = None,
    window_size: list[int] | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    check(query, key, value, cu_seq_q, cu_seq_k, max_q, max_k)
    if grad_out.dtype != query.dtype or grad_out.stride(-1) != 1:
        raise RuntimeError("dout must have the same dtype as query, and a contiguous last dimension")
    assert window_size is not None
    gradients = [torch.zeros_like(x, dtype=torch.float32) for x in (query, key, value)]
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    for rows, probabilities, (q, k, v) in _rows(query, key, value, cu_seq_q, window_size, scale):
        groups = q.shape[0] // k.shape[0]
        d_out = grad_out[rows].float().transpose(0, 1)
        d_probabilities = d_out @ v.repeat_interleave(groups, 0).mT
        mean = (d_probabilities * probabilities).sum(-1, keepdim=True)
        d_scores = probabilities * (d_probabilities - mean) * scale
        by_query_head = (d_scores @ k.repeat_interleave(groups, 0), d_scores.mT @ q, probabilities.mT @ d_out)
        for gradient, heads in zip(gradients, by_query_head, strict=True):
            grouped = heads.view(gradient.shape[1], -1, *heads.shape[1:]).sum(1)
            gradient[rows] = grouped.transpose(0, 1)
    dq, dk, dv = (gradient.to(query.dtype) for gradient in gradients)
    return dq, dk, dv


def _rows(
    query: Tensor, key: Tensor, value: Tensor, boundaries: Tensor, window: list[int], scale: float
) -> Iterator[tuple[slice, Tensor, list[Tensor]]]:
    """Yield for each row its tokens, its probabilities [heads, S, S], and query, key and value [heads, S, D]."""
    left, right = window
    assert right == 0, "causal attention only"
    for start, end in pairwise(boundaries.tolist()):
        q, k, v = (x[start:end].float().transpose(0, 1) for x in (query, key, value))
        position = torch.arange(end - start)
        distance = position[:, None] - position[None]
        hidden = (distance < 0) | ((distance > left) if left >= 0 else False)
        scores = q @ k.repeat_interleave(q.shape[0] // k.shape[0], 0).mT * scale
        yield slice(start, end), scores.masked_fill(hidden, -torch.inf).softmax(-1), [q, k, v]


def check(query: Tensor, key: Tensor, value: Tensor, first: Tensor, second: Tensor, max_q: int, max_k: int) -> None:
    """Raise RuntimeError in the kernel's own words, as far as they are known."""
    tensors = (query, key, value)
    if {x.dtype for x in tensors} - {torch.float16, torch.bfloat16}:
        raise RuntimeError("FlashAttention only support fp16 and bf16 data type")
    if len({x.dtype for x in tensors}) > 1:
        raise RuntimeError("query and key must have the same dtype")
    if len({x.device for x in (*tensors, first, second)}) > 1:
        raise RuntimeError("Expected all tensors to be on the same device")
    if any(x.dim() != 3 for x in tensors):
        raise RuntimeError("expected query, key and value of shape (total, heads, head size)")
    if any(x.stride(-1) != 1 for x in tensors):
        raise RuntimeError("Input tensor must have contiguous last dimension")
    if any(not x.is_contiguous() for x in tensors):
        raise RuntimeError("rows must be contiguous")
    if query.shape[-1] > LARGEST_HEAD or query.shape[-1] % 8 or len({x.shape[-1] for x in tensors}) > 1:
        raise RuntimeError("FlashAttention forward only supports head dimension at most 256, a multiple of 8")
    if query.shape[1] % key.shape[1]:
        raise RuntimeError("Number of heads in key/value must divide number of heads in query")
    if first.dtype != torch.int32 or second.dtype != torch.int32 or not first.is_contiguous():
        raise RuntimeError("cu_seqlens_q must have dtype int32")
    longest = int(first.diff().max())
    if max_q < longest or max_k < longest or int(first[-1]) != len(query):
        raise RuntimeError("boundaries do not fit the rows")
