"""Log-probabilities of chosen tokens, without the whole [tokens, vocabulary] table in memory. Shapes: see `stages.rl`.

With a vocabulary of 150,000, a micro-batch of 8,192 tokens has 5 GB of float32 logits, and their softmax takes as much
again. So tokens are processed in chunks. One chunk is in memory at a time, and the backward pass computes it again.
"""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

CHUNK_LOGITS = 2**25
"""Logits per chunk, 128 MiB in float32. A micro-batch of a single chunk is kept and not computed again."""


def chosen_logprobs(
    hidden_NH: Tensor,
    head: Callable[[Tensor], Tensor],
    targets_N: Tensor,
    *,
    temperature: float,
    vocabulary: int,
    entropy: Literal["none", "measured", "trained"] = "measured",
    chunk_logits: int = CHUNK_LOGITS,
) -> tuple[Tensor, Tensor]:
    """Return the log-probability of each target under softmax(logits / temperature), and the entropy in nats.

    Args:
        hidden_NH: hidden states before each target.
        head: function from hidden states to logits [N, V].
        targets_N: ids of the chosen tokens.
        temperature: divisor of the logits; the sampling temperature.
        vocabulary: V.
        entropy: "none" returns 0, "measured" the entropy without gradient, "trained" the entropy with gradient.
        chunk_logits: logits per chunk.

    Returns:
        Two float32 tensors [N].
    """

    def chunk_logprobs(hidden_NH: Tensor, targets_N: Tensor) -> tuple[Tensor, Tensor]:
        all_logprobs_NV = torch.log_softmax(head(hidden_NH).float() / temperature, dim=-1)
        logprobs_N = all_logprobs_NV.gather(1, targets_N[:, None])[:, 0]
        if entropy == "none":
            return logprobs_N, torch.zeros_like(logprobs_N)
        with torch.set_grad_enabled(entropy == "trained" and torch.is_grad_enabled()):
            entropy_N = -(all_logprobs_NV.exp() * all_logprobs_NV).sum(-1)
        return logprobs_N, entropy_N

    chunk_tokens = max(1, chunk_logits // vocabulary)
    if len(targets_N) <= chunk_tokens:
        return chunk_logprobs(hidden_NH, targets_N)
    hidden_chunks, target_chunks = torch.split(hidden_NH, chunk_tokens), torch.split(targets_N, chunk_tokens)
    results = [
        checkpoint(chunk_logprobs, hidden_CH, targets_C, use_reentrant=False)
        for hidden_CH, targets_C in zip(hidden_chunks, target_chunks, strict=True)
    ]
    return torch.cat([logprobs for logprobs, _ in results]), torch.cat([entropy for _, entropy in results])
