"""Losses of policy and critic, per token, and their reduction. Shapes: see `stages.rl`.

Departs from the authors' release: sums are divided by totals of the whole optimiser step, which the caller passes in.
The gradients of micro-batches then add up to the same gradient, however the step is split.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

PolicyLoss = Literal["ppo", "gspo", "cispo"]
Aggregation = Literal["token", "sequence", "constant"]


@dataclass(frozen=True, slots=True)
class ClipRange:
    """How far the policy may move in one update before a loss stops rewarding the move."""

    low: float
    """The ratio is clipped to at least `1 - low`."""
    high: float
    """The ratio is clipped to at most `1 + high`. More than `low` is DAPO's clip-higher (arXiv 2503.14476, eq. 10)."""
    dual: float | None = None
    """Above 1: the loss of a token with advantage A < 0 is at most `-dual * A` (dual clip, arXiv 1912.09729, eq. 5)."""


class PolicyLossOutput(NamedTuple):
    """The loss of every token, its ratio, and whether a clip decided the loss: three tensors [B, T]."""

    loss: Tensor
    """The loss. Only this tensor is meant to be differentiated."""
    ratio: Tensor
    """Probability under the policy, divided by that under the policy before the update; for gspo of whole sequences."""
    clipped: Tensor
    """1.0 if a clip decided the loss, else 0.0. In ppo and gspo, clipped tokens have no gradient."""


def ppo_loss(
    logprobs_BT: Tensor, old_logprobs_BT: Tensor, advantages_BT: Tensor, response_mask_BT: Tensor, clip: ClipRange
) -> PolicyLossOutput:
    """Return `-min(ratio * A, clamp(ratio, 1 - low, 1 + high) * A)`: PPO (arXiv 1707.06347, eq. 7)."""
    log_ratio_BT = _log_ratio(logprobs_BT, old_logprobs_BT, response_mask_BT)
    return _clipped_surrogate(log_ratio_BT.exp(), advantages_BT, clip)


def gspo_loss(
    logprobs_BT: Tensor, old_logprobs_BT: Tensor, advantages_BT: Tensor, response_mask_BT: Tensor, clip: ClipRange
) -> PolicyLossOutput:
    """Return PPO's loss with the ratio of sequences, `exp(mean of log-ratios)`: GSPO (arXiv 2507.18071, eq. 13 and 14).

    This is the paper's GSPO-token: the gradient of a token passes through its own log-probability.
    """
    log_ratio_BT = _log_ratio(logprobs_BT, old_logprobs_BT, response_mask_BT)
    length_B1 = response_mask_BT.sum(1, keepdim=True).clamp(min=1)
    mean_B1 = log_ratio_BT.sum(1, keepdim=True).detach() / length_B1
    # The value is the mean; the gradient is that of the token's log-ratio.
    log_ratio_BT = mean_B1 + log_ratio_BT - log_ratio_BT.detach()
    return _clipped_surrogate(log_ratio_BT.exp(), advantages_BT, clip)


def cispo_loss(
    logprobs_BT: Tensor, old_logprobs_BT: Tensor, advantages_BT: Tensor, response_mask_BT: Tensor, clip: ClipRange
) -> PolicyLossOutput:
    """Return `-min(ratio, 1 + high) * A * logprob`, the ratio detached: CISPO (MiniMax-M1, arXiv 2506.13585, eq. 4-5).

    The clip bounds the weight of a token and removes no token from the gradient. As in the paper there is no lower end;
    `clip.low` and `clip.dual` have no effect.
    """
    ratio_BT = _log_ratio(logprobs_BT, old_logprobs_BT, response_mask_BT).exp()
    weight_BT = ratio_BT.detach().clamp(max=1 + clip.high)
    loss_BT = -weight_BT * advantages_BT * logprobs_BT
    return PolicyLossOutput(loss_BT, ratio_BT, (weight_BT < ratio_BT).to(ratio_BT.dtype))


LOSSES: Mapping[PolicyLoss, Callable[[Tensor, Tensor, Tensor, Tensor, ClipRange], PolicyLossOutput]] = {
    "ppo": ppo_loss,
    "gspo": gspo_loss,
    "cispo": cispo_loss,
}


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
) -> PolicyLossOutput:
    """Return the loss of every token by one of `LOSSES`.

    Args:
        logprobs_BT: log-probabilities under the policy that is trained, with gradient.
        old_logprobs_BT: log-probabilities under the policy at the start of the update.
        advantages_BT: advantages, without gradient.
        response_mask_BT: True on response tokens. On padding the loss has no meaning; multiply by `token_weights`,
            which are 0 there.
        kind: name of the loss in `LOSSES`.
        clip, clip_high, dual_clip: see `ClipRange`.
    """
    return LOSSES[kind](
        logprobs_BT, old_logprobs_BT, advantages_BT, response_mask_BT, ClipRange(clip, clip_high, dual_clip)
    )


def _log_ratio(logprobs_BT: Tensor, old_logprobs_BT: Tensor, response_mask_BT: Tensor) -> Tensor:
    return (logprobs_BT - old_logprobs_BT) * response_mask_BT


def _clipped_surrogate(ratio_BT: Tensor, advantages_BT: Tensor, clip: ClipRange) -> PolicyLossOutput:
    """Return PPO's loss for given ratios, with the dual clip if there is one."""
    unclipped_loss_BT = -ratio_BT * advantages_BT
    clipped_loss_BT = -ratio_BT.clamp(1 - clip.low, 1 + clip.high) * advantages_BT
    loss_BT, clipped_BT = torch.maximum(unclipped_loss_BT, clipped_loss_BT), clipped_loss_BT > unclipped_loss_BT
    if clip.dual is not None:
        largest_loss_BT = torch.where(advantages_BT < 0, -clip.dual * advantages_BT, torch.inf)
        loss_BT, clipped_BT = torch.minimum(loss_BT, largest_loss_BT), clipped_BT | (loss_BT > largest_loss_BT)
    return PolicyLossOutput(loss_BT, ratio_BT, clipped_BT.to(ratio_BT.dtype))


def value_loss(values_BT: Tensor, old_values_BT: Tensor, returns_BT: Tensor, clip: float | None) -> Tensor:
    """Return half the squared error of the critic's values, [B, T].

    With `clip`, the error of `old_value + clamp(value - old_value, -clip, clip)` counts if it is larger (the PPO code
    of OpenAI baselines).
    """
    squared_error_BT = (values_BT - returns_BT).square()
    if clip is not None:
        clipped_values_BT = old_values_BT + (values_BT - old_values_BT).clamp(-clip, clip)
        squared_error_BT = torch.maximum(squared_error_BT, (clipped_values_BT - returns_BT).square())
    return 0.5 * squared_error_BT


def truncated_importance_weights(old_logprobs_BT: Tensor, behaviour_logprobs_BT: Tensor, cap: float) -> Tensor:
    """Return `min(exp(old - behaviour), cap)` per token, [B, T], detached. The weights correct for the sampling engine.

    `behaviour_logprobs_BT` come from the engine that sampled the responses, `old_logprobs_BT` from the trainer with the
    same weights. Kernels and precision make the two differ (truncated importance sampling: F. Yao et al., "Your
    efficient RL framework secretly brings you off-policy RL training", 2025).
    """
    return torch.exp(old_logprobs_BT - behaviour_logprobs_BT).clamp(max=cap).detach()


def token_weights(
    response_mask_BT: Tensor, aggregation: Aggregation, *, tokens: int, responses: int, max_tokens: int
) -> Tensor:
    """Return the weight of each token in the sum that is the loss, [B, T], 0 on padding.

    - token: `1 / tokens`, the mean over tokens (DAPO, arXiv 2503.14476, section 3.3).
    - sequence: `1 / (responses * length)`, the mean over responses of their means (GRPO, arXiv 2402.03300, eq. 3).
    - constant: `1 / (responses * max_tokens)`, the same for every length (Dr.GRPO, arXiv 2503.20783, section 3.2).

    Args:
        response_mask_BT: True on the response tokens of this micro-batch.
        tokens, responses: numbers of response tokens and responses in the whole optimiser step.
        max_tokens: largest length of a response.
    """
    if aggregation == "token":
        weight_B1 = torch.full_like(response_mask_BT[:, :1], 1 / tokens, dtype=torch.float32)
    elif aggregation == "sequence":
        weight_B1 = 1 / (responses * response_mask_BT.sum(1, keepdim=True).clamp(min=1))
    else:
        weight_B1 = torch.full_like(response_mask_BT[:, :1], 1 / (responses * max_tokens), dtype=torch.float32)
    return weight_B1 * response_mask_BT
