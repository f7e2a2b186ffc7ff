"""A stand-in for torch's variable-length attention kernel on a CPU: it refuses what the kernel of a GPU refuses."""

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

LARGEST_HEAD = 256


def varlen_attn(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    cu_seq_q: Tensor,
    cu_seq_k: Tensor,
    max_q: int,
    max_k: int,
    *,
    scale: float | None = None,
    window_size: tuple[int, int] = (-1, -1),
    enable_gqa: bool = False,
) -> Tensor:
    """`torch.nn.attention.varlen.varlen_attn` for causal attention of rows over themselves."""
    _check(query, key, value, cu_seq_q, cu_seq_k, max_q, max_k, enable_gqa)
    left, right = window_size
    assert right == 0, "causal attention only"
    rows = []
    for start, end in zip(cu_seq_q.tolist(), cu_seq_q.tolist()[1:], strict=False):
        q, k, v = (x[start:end].transpose(0, 1) for x in (query, key, value))
        position = torch.arange(end - start)
        distance = position[:, None] - position[None]
        mask = (distance >= 0) & ((distance <= left) if left >= 0 else True)
        out = scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=scale, enable_gqa=enable_gqa)
        rows.append(out.transpose(0, 1))
    return torch.cat(rows)


def _check(
    query: Tensor, key: Tensor, value: Tensor, first: Tensor, second: Tensor, max_q: int, max_k: int, enable_gqa: bool
) -> None:
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
    if query.shape[-1] > LARGEST_HEAD or query.shape[-1] % 8:
        raise RuntimeError("FlashAttention forward only supports head dimension at most 256, a multiple of 8")
    if query.shape[1] % key.shape[1] or (query.shape[1] != key.shape[1] and not enable_gqa):
        raise RuntimeError("Number of heads in key/value must divide number of heads in query")
    if first.dtype != torch.int32 or second.dtype != torch.int32 or not first.is_contiguous():
        raise RuntimeError("cu_seqlens_q must have dtype int32")
    longest = int(first.diff().max())
    if max_q < longest or max_k < longest or int(first[-1]) != len(query):
        raise RuntimeError("boundaries do not fit the rows")
