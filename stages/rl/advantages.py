"""Advantages of a whole rollout, from rewards that were already filtered (filter first, then whiten).

An estimator is a baseline (what a response's reward is compared with), rewards to go (where a penalty per token joins
in) and, for most, whitening; `ESTIMATORS` lists them side by side. PPO has a learnt baseline instead: `gae`.

Shapes: see `stages.rl`. Everything is computed in float64: a rollout in which all rewards are equal must give
advantages of 0, and in float32 the rounding error of the mean, divided by a standard deviation of rounding errors,
gives advantages of about 1 instead. Results come back as float32.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor


def no_baseline(rewards_B: Tensor, group_B: Tensor, eps: float) -> Tensor:
    """The reward itself: REINFORCE++ (arXiv 2501.03262, section 3)."""
    return rewards_B


def group_centred(rewards_B: Tensor, group_B: Tensor, eps: float) -> Tensor:
    """`r - group mean`: REINFORCE++-baseline (arXiv 2501.03262) and Dr.GRPO (arXiv 2503.20783, section 3.2)."""
    return rewards_B - group_mean(rewards_B, group_B)


def leave_one_out(rewards_B: Tensor, group_B: Tensor, eps: float) -> Tensor:
    """`r - mean of the group's other rewards`: RLOO (arXiv 2402.14740, eq. 8). Groups need two members or more."""
    size_B = group_sum(torch.ones_like(rewards_B), group_B)
    return group_centred(rewards_B, group_B, eps) * size_B / (size_B - 1)


def group_scaled(rewards_B: Tensor, group_B: Tensor, eps: float) -> Tensor:
    """`(r - group mean) / (group std + eps)`: GRPO (DeepSeekMath, arXiv 2402.03300, section 4.1.2).

    The paper does not say which standard deviation; TRL, verl and OpenRLHF all divide by n - 1, and so do we, so that
    numbers compare. Groups need two members or more.
    """
    centred_B = group_centred(rewards_B, group_B, eps)
    size_B = group_sum(torch.ones_like(rewards_B), group_B)
    return centred_B / ((group_sum(centred_B.square(), group_B) / (size_B - 1)).sqrt() + eps)


@dataclass(frozen=True, slots=True)
class Estimator:
    """How an algorithm without a critic makes advantages of rewards."""

    baseline: Callable[[Tensor, Tensor, float], Tensor]
    """(rewards_B, group_B, eps) -> what the last token of each response earns."""
    whitened: bool
    """Whether the result is whitened over all tokens of the rollout."""


ESTIMATORS: Mapping[str, Estimator] = {
    "reinforce_pp": Estimator(no_baseline, whitened=True),
    "reinforce_pp_baseline": Estimator(group_centred, whitened=True),
    "rloo": Estimator(leave_one_out, whitened=True),
    "grpo": Estimator(group_scaled, whitened=False),
    "dr_grpo": Estimator(group_centred, whitened=False),
}


def token_rewards(rewards_B: Tensor, penalty_BT: Tensor, response_mask_BT: Tensor) -> Tensor:
    """Reward of every token: minus its penalty, plus the response's reward at the last one. Float64 [B, T]."""
    is_last_BT = response_mask_BT & (response_mask_BT.flip(1).cumsum(1).flip(1) == 1)
    return rewards_B.double()[:, None] * is_last_BT - penalty_BT.double() * response_mask_BT


def rewards_to_go(token_rewards_BT: Tensor, gamma: float) -> Tensor:
    """`R_t = r_t + gamma * R_(t+1)`, the return from each token on [B, T]. Padding must have reward 0."""
    if gamma == 1:
        return token_rewards_BT.flip(1).cumsum(1).flip(1)
    returns_BT = token_rewards_BT.clone()
    for t in reversed(range(returns_BT.shape[1] - 1)):
        returns_BT[:, t] += gamma * returns_BT[:, t + 1]
    return returns_BT


def gae(token_rewards_BT: Tensor, values_BT: Tensor, response_mask_BT: Tensor, *, gamma: float, lam: float) -> Tensor:
    """Generalised advantage estimation (arXiv 1506.02438, eq. 16), not whitened. Float64 [B, T], 0 on padding.

    `delta_t = r_t + gamma * V_(t+1) - V_t` and `A_t = delta_t + gamma * lam * A_(t+1)`; `values_BT` are the critic's
    before each token, and nothing follows the last one. The critic's targets are `A + V`.
    """
    values_BT = values_BT.double() * response_mask_BT
    following_BT = torch.nn.functional.pad(values_BT[:, 1:], (0, 1))
    return rewards_to_go((token_rewards_BT + gamma * following_BT - values_BT) * response_mask_BT, gamma * lam)


def whiten(values_BT: Tensor, response_mask_BT: Tensor, eps: float) -> Tensor:
    """`(x - mean) / (std + eps)` over all response tokens (std divides by their number); 0 on padding.

    Over tokens, as the loss is: a long response weighs more.
    """
    values_BT, mask_BT = values_BT.double(), response_mask_BT.double()
    tokens = mask_BT.sum()
    centred_BT = (values_BT - (values_BT * mask_BT).sum() / tokens) * mask_BT
    std = (centred_BT.square().sum() / tokens).sqrt()
    return (centred_BT / (std + eps)).float()


def overlong_penalty(lengths_B: Tensor, truncated_B: Tensor, *, max_tokens: int, buffer: int) -> Tensor:
    """Soft overlong punishment (DAPO, arXiv 2503.14476, eq. 13), added to the rewards: 0 up to
    `max_tokens - buffer` tokens, then down in a straight line to -1 at `max_tokens`; -1 for what was cut off."""
    over_B = (lengths_B.double() - (max_tokens - buffer)) / buffer
    return -torch.where(truncated_B, 1.0, over_B.clamp(0, 1))


def group_sum(values_B: Tensor, group_B: Tensor) -> Tensor:
    """Sum of `values_B` over each group, given back to every member [B]. `group_B` numbers the groups from 0."""
    sums_G = torch.zeros(int(group_B.max()) + 1, dtype=values_B.dtype, device=values_B.device)
    return sums_G.index_add(0, group_B, values_B)[group_B]


def group_mean(values_B: Tensor, group_B: Tensor) -> Tensor:
    """Mean of `values_B` over each group, given back to every member [B]."""
    return group_sum(values_B, group_B) / group_sum(torch.ones_like(values_B), group_B)
