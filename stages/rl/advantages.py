"""Advantages of a whole rollout, from rewards that were already filtered (filter first, then whiten).

Shapes: see `stages.rl`. Everything is computed in float64: a rollout in which all rewards are equal must give
advantages of 0, and in float32 the rounding error of the mean, divided by a standard deviation of rounding errors,
gives advantages of about 1 instead. Results come back as float32.
"""

import torch
from torch import Tensor


def reinforce_pp(rewards_B: Tensor, kl_BT: Tensor, response_mask_BT: Tensor, *, kl_coef: float, eps: float) -> Tensor:
    """REINFORCE++ (arXiv 2501.03262, section 3): returns of KL-penalised token rewards, whitened over the rollout.

    The reward of token t is `-kl_coef * kl_t`, plus the response's reward at its last token; the return is the
    undiscounted sum to the end. `kl_BT` is the k1 estimate of the policy that sampled. Returns [B, T], 0 on padding.
    """
    mask_BT = response_mask_BT.double()
    is_last_BT = response_mask_BT & (mask_BT.flip(1).cumsum(1).flip(1) == 1)
    token_rewards_BT = rewards_B.double()[:, None] * is_last_BT - kl_coef * kl_BT.double() * mask_BT
    returns_BT = token_rewards_BT.flip(1).cumsum(1).flip(1)
    return whiten(returns_BT, response_mask_BT, eps)


def reinforce_pp_baseline(rewards_B: Tensor, group_B: Tensor, response_mask_BT: Tensor, *, eps: float) -> Tensor:
    """REINFORCE++-baseline (arXiv 2501.03262, section 3): reward minus group mean, whitened over the rollout.

    Whitening is over tokens, as the loss is: a long response weighs more. Returns [B, T], 0 on padding.
    """
    rewards_B = rewards_B.double()
    centred_B = rewards_B - group_mean(rewards_B, group_B)
    return whiten(centred_B[:, None].expand(response_mask_BT.shape), response_mask_BT, eps)


def grpo(rewards_B: Tensor, group_B: Tensor, response_mask_BT: Tensor, *, eps: float) -> Tensor:
    """GRPO (DeepSeekMath, arXiv 2402.03300, section 4.1.2): `(r - group mean) / (group std + eps)` on every token.

    The paper does not say which standard deviation; TRL, verl and OpenRLHF all divide by n - 1, and so do we, so that
    numbers compare. A group of one has no standard deviation and gets 0. Returns [B, T], 0 on padding.
    """
    rewards_B = rewards_B.double()
    centred_B = rewards_B - group_mean(rewards_B, group_B)
    size_B = group_sum(torch.ones_like(rewards_B), group_B)
    std_B = (group_sum(centred_B.square(), group_B) / (size_B - 1).clamp(min=1)).sqrt()
    return ((centred_B / (std_B + eps))[:, None] * response_mask_BT).float()


def whiten(values_BT: Tensor, response_mask_BT: Tensor, eps: float) -> Tensor:
    """`(x - mean) / (std + eps)` over all response tokens (std divides by their number); 0 on padding."""
    values_BT, mask_BT = values_BT.double(), response_mask_BT.double()
    tokens = mask_BT.sum()
    centred_BT = (values_BT - (values_BT * mask_BT).sum() / tokens) * mask_BT
    std = (centred_BT.square().sum() / tokens).sqrt()
    return (centred_BT / (std + eps)).float()


def group_sum(values_B: Tensor, group_B: Tensor) -> Tensor:
    """Sum of `values_B` over each group, given back to every member [B]. `group_B` numbers the groups from 0."""
    sums_G = torch.zeros(int(group_B.max()) + 1, dtype=values_B.dtype, device=values_B.device)
    return sums_G.index_add(0, group_B, values_B)[group_B]


def group_mean(values_B: Tensor, group_B: Tensor) -> Tensor:
    """Mean of `values_B` over each group, given back to every member [B]."""
    return group_sum(values_B, group_B) / group_sum(torch.ones_like(values_B), group_B)
