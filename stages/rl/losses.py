"""Losses of policy and critic, per token, and their reduction. Shapes: see `stages.rl`.

Departure from the authors' release: sums are divided by totals of the whole optimiser step, which the caller passes
in. Micro-batches then add up to the same gradient however the step is cut.
"""

from typing import Literal

import torch
from torch import Tensor

PolicyLoss = Literal["ppo", "gspo", "cispo"]
Normalisation = Literal["token", "sequence", "constant"]


def policy_loss(
    logprobs_BT: Tensor,
    old_logprobs_BT: Tensor,
    advantages_BT: Tensor,
    response_mask_BT: Tensor,
    *,
    kind: PolicyLoss = "ppo",
    clip: float,
    clip_high: float,
    dual_clip: float | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """The loss of every token.

    - ppo: `-min(ratio * A, clamp(ratio, 1 - clip, 1 + clip_high) * A)` (PPO, arXiv 1707.06347, eq. 7; a higher upper
      end is DAPO's clip-higher, arXiv 2503.14476, eq. 10).
    - gspo: the same with the ratio of whole sequences, `exp(mean of the tokens' log-ratios)`; each token's gradient
      passes through its own log-probability (GSPO-token, arXiv 2507.18071, eq. 13 and 14).
    - cispo: `-min(ratio, 1 + clip_high) * A * logprob`, the ratio without gradient, so that no token is lost to the
      clip (MiniMax-M1, arXiv 2506.13585, eq. 4 and 5; as there, no lower end).

    `dual_clip` > 1 bounds the loss of a token with A < 0 by `-dual_clip * A` (arXiv 1912.09729, eq. 5).

    Returns three tensors [B, T]: the loss; the ratio; whether a clip decided (for ppo and gspo the gradient is 0
    there), as 0.0 or 1.0.
    """
    log_ratio_BT = (logprobs_BT - old_logprobs_BT) * response_mask_BT
    if kind == "gspo":
        length_B1 = response_mask_BT.sum(1, keepdim=True).clamp(min=1)
        mean_B1 = log_ratio_BT.sum(1, keepdim=True).detach() / length_B1
        log_ratio_BT = mean_B1 + log_ratio_BT - log_ratio_BT.detach()
    ratio_BT = log_ratio_BT.exp()
    if kind == "cispo":
        weights_BT = ratio_BT.detach().clamp(max=1 + clip_high)
        return -weights_BT * advantages_BT * logprobs_BT, ratio_BT, (weights_BT < ratio_BT).to(ratio_BT.dtype)
    unclipped_BT = -ratio_BT * advantages_BT
    bounded_BT = -ratio_BT.clamp(1 - clip, 1 + clip_high) * advantages_BT
    loss_BT, clipped_BT = torch.maximum(unclipped_BT, bounded_BT), bounded_BT > unclipped_BT
    if dual_clip is not None:
        ceiling_BT = torch.where(advantages_BT < 0, -dual_clip * advantages_BT, torch.inf)
        loss_BT, clipped_BT = torch.minimum(loss_BT, ceiling_BT), clipped_BT | (loss_BT > ceiling_BT)
    return loss_BT, ratio_BT, clipped_BT.to(ratio_BT.dtype)


def value_loss(values_BT: Tensor, old_values_BT: Tensor, returns_BT: Tensor, clip: float | None) -> Tensor:
    """Half the squared error of the critic, [B, T]; with `clip` the larger of it and that of
    `old + clamp(value - old, -clip, clip)` (the PPO code of OpenAI baselines)."""
    loss_BT = (values_BT - returns_BT).square()
    if clip is not None:
        near_BT = old_values_BT + (values_BT - old_values_BT).clamp(-clip, clip)
        loss_BT = torch.maximum(loss_BT, (near_BT - returns_BT).square())
    return 0.5 * loss_BT


def truncated_importance_weights(old_logprobs_BT: Tensor, behaviour_logprobs_BT: Tensor, cap: float) -> Tensor:
    """`min(exp(old - behaviour), cap)` per token, detached: corrects for the engine that sampled.

    `behaviour_logprobs` are the sampling engine's, `old_logprobs` the trainer's for the same weights; kernels and
    precision make them differ (truncated importance sampling: F. Yao et al., "Your efficient RL framework secretly
    brings you off-policy RL training", 2025).
    """
    return torch.exp(old_logprobs_BT - behaviour_logprobs_BT).clamp(max=cap).detach()


def token_weights(
    response_mask_BT: Tensor, normalisation: Normalisation, *, tokens: int, responses: int, max_tokens: int
) -> Tensor:
    """What each token counts in the sum that is the loss [B, T]; `tokens` and `responses` are the optimiser step's.

    - token: `1 / tokens`, the mean over tokens (DAPO, arXiv 2503.14476, section 3.3).
    - sequence: `1 / (responses * length)`, the mean over responses of their means (GRPO, arXiv 2402.03300, eq. 3).
    - constant: `1 / (responses * max_tokens)`, blind to length (Dr.GRPO, arXiv 2503.20783, section 3.2).
    """
    if normalisation == "token":
        weight_B1 = torch.full_like(response_mask_BT[:, :1], 1 / tokens, dtype=torch.float32)
    elif normalisation == "sequence":
        weight_B1 = 1 / (responses * response_mask_BT.sum(1, keepdim=True).clamp(min=1))
    else:
        weight_B1 = torch.full_like(response_mask_BT[:, :1], 1 / (responses * max_tokens), dtype=torch.float32)
    return weight_B1 * response_mask_BT
