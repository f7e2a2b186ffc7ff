"""Log-probabilities of chosen tokens without the whole [tokens, vocabulary] table. Shapes: see `stages.rl`.

With 150,000 words a micro-batch of 8,192 tokens has 5 GB of float32 logits, and as much again for their softmax. Only
one chunk exists at a time: the backward pass recomputes it.
"""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

CHUNK_LOGITS = 2**25  # 128 MiB of float32 logits per chunk; one chunk alone is kept, not recomputed


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
    """Log-probability of each target under softmax(logits / temperature), and that distribution's entropy.

    `head` maps hidden states to logits [N, V]. Returns two float32 tensors [N]; the entropy (in nats) carries a
    gradient only where it is trained, and is 0 where none is asked for.
    """

    def one_chunk(hidden_NH: Tensor, targets_N: Tensor) -> tuple[Tensor, Tensor]:
        all_logprobs_NV = torch.log_softmax(head(hidden_NH).float() / temperature, dim=-1)
        logprobs_N = all_logprobs_NV.gather(1, targets_N[:, None])[:, 0]
        if entropy == "none":
            return logprobs_N, torch.zeros_like(logprobs_N)
        with torch.set_grad_enabled(entropy == "trained" and torch.is_grad_enabled()):
            entropy_N = -(all_logprobs_NV.exp() * all_logprobs_NV).sum(-1)
        return logprobs_N, entropy_N

    rows = max(1, chunk_logits // vocabulary)
    if len(targets_N) <= rows:
        return one_chunk(hidden_NH, targets_N)
    chunks = [
        checkpoint(one_chunk, hidden_CH, targets_C, use_reentrant=False)
        for hidden_CH, targets_C in zip(torch.split(hidden_NH, rows), torch.split(targets_N, rows), strict=True)
    ]
    return torch.cat([logprobs for logprobs, _ in chunks]), torch.cat([entropy for _, entropy in chunks])
