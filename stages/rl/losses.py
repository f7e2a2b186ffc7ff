"""The clipped policy loss, per token, and its reduction. Shapes: see `stages.rl`.

Departure from the authors' release: sums are divided by the number of response tokens of the whole optimiser step,
which the caller passes in. Micro-batches then add up to the same gradient however the step is cut.
"""

import torch
from torch import Tensor


def clipped_surrogate(
    logprobs_BT: Tensor, old_logprobs_BT: Tensor, advantages_BT: Tensor, *, clip: float
) -> tuple[Tensor, Tensor, Tensor]:
    """PPO's clipped objective (arXiv 1707.06347, eq. 7) as a loss.

    Returns three tensors [B, T]: the loss `-min(ratio * A, clamp(ratio, 1 - clip, 1 + clip) * A)`; the ratio; and
    whether the clip decided (there the gradient is 0), as 0.0 or 1.0.
    """
    ratio_BT = torch.exp(logprobs_BT - old_logprobs_BT)
    unclipped_BT = -ratio_BT * advantages_BT
    clipped_BT = -ratio_BT.clamp(1 - clip, 1 + clip) * advantages_BT
    return torch.maximum(unclipped_BT, clipped_BT), ratio_BT, (clipped_BT > unclipped_BT).to(ratio_BT.dtype)


def truncated_importance_weights(old_logprobs_BT: Tensor, behaviour_logprobs_BT: Tensor, cap: float) -> Tensor:
    """`min(exp(old - behaviour), cap)` per token, detached: corrects for the engine that sampled.

    `behaviour_logprobs` are the sampling engine's, `old_logprobs` the trainer's for the same weights; kernels and
    precision make them differ (truncated importance sampling: F. Yao et al., "Your efficient RL framework secretly
    brings you off-policy RL training", 2025).
    """
    return torch.exp(old_logprobs_BT - behaviour_logprobs_BT).clamp(max=cap).detach()


def token_mean(values_BT: Tensor, response_mask_BT: Tensor, tokens: float) -> Tensor:
    """Sum over response tokens divided by `tokens`, the response tokens of the whole optimiser step. A scalar."""
    return (values_BT * response_mask_BT).sum() / tokens
