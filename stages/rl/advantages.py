"""Advantages of a whole rollout, from the rewards of the kept responses: questions are dropped before whitening.

An estimator has up to three steps: a baseline is subtracted from each response's reward, rewards to go are summed,
penalties per token included, and the result is whitened. `ESTIMATORS` lists the estimators. PPO has a learned
baseline instead: `gae`.

Shapes: see `stages.rl`. Everything is computed in float64. A rollout in which all rewards are equal must give
advantages of 0; in float32 it gives advantages of about 1, because the rounding error of the mean is divided by
a standard deviation of rounding errors. `whiten` returns float32.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor


def no_baseline(rewards_B: Tensor, group_B: Tensor, eps: float) -> Tensor:
    """Return the rewards [B] unchanged: REINFORCE++ (arXiv 2501.03262, section 3)."""
    return rewards_B


def group_centred(rewards_B: Tensor, group_B: Tensor, eps: float) -> Tensor:
    """Return `r - group mean` [B]: REINFORCE++-baseline (arXiv 2501.03262), Dr.GRPO (arXiv 2503.20783, section 3.2)."""
    return rewards_B - group_mean(rewards_B, group_B)


def leave_one_out(rewards_B: Tensor, group_B: Tensor, eps: float) -> Tensor:
    """Return `r - mean of the group's other rewards` [B]: RLOO (arXiv 2402.14740, eq. 8).

    Every group needs at least two members.
    """
    size_B = group_sum(torch.ones_like(rewards_B), group_B)
    return group_centred(rewards_B, group_B, eps) * size_B / (size_B - 1)


def group_scaled(rewards_B: Tensor, group_B: Tensor, eps: float) -> Tensor:
    """Return `(r - group mean) / (group std + eps)` [B]: GRPO (DeepSeekMath, arXiv 2402.03300, section 4.1.2).

    The paper does not define the standard deviation. TRL, verl and OpenRLHF divide by n - 1, and so do we, so that
    results can be compared. Every group needs at least two members.
    """
    centred_B = group_centred(rewards_B, group_B, eps)
    size_B = group_sum(torch.ones_like(rewards_B), group_B)
    return centred_B / ((group_sum(centred_B.square(), group_B) / (size_B - 1)).sqrt() + eps)


@dataclass(frozen=True, slots=True)
class Estimator:
    """How an algorithm without a critic turns rewards into advantages."""

    baseline: Callable[[Tensor, Tensor, float], Tensor]
    """(rewards_B, group_B, eps) -> reward of the last token of each response [B], float64 as the rewards."""
    whitened: bool
    """Whether the advantages are whitened over all tokens of the rollout."""


ESTIMATORS: Mapping[str, Estimator] = {
    "reinforce_pp": Estimator(no_baseline, whitened=True),
    "reinforce_pp_baseline": Estimator(group_centred, whitened=True),
    "rloo": Estimator(leave_one_out, whitened=True),
    "grpo": Estimator(group_scaled, whitened=False),
    "dr_grpo": Estimator(group_centred, whitened=False),
}


def token_rewards(rewards_B: Tensor, penalty_BT: Tensor, response_mask_BT: Tensor) -> Tensor:
    """Return the reward of every token: minus its penalty, plus at the last token the response's reward.

    Float64 [B, T], 0 on padding.
    """
    is_last_BT = response_mask_BT & (response_mask_BT.flip(1).cumsum(1).flip(1) == 1)
    return rewards_B.double()[:, None] * is_last_BT - penalty_BT.double() * response_mask_BT


def rewards_to_go(token_rewards_BT: Tensor, gamma: float) -> Tensor:
    """Return `R_t = r_t + gamma * R_(t+1)`, the return from each token on [B, T]. Padding must have reward 0."""
    if gamma == 1:
        return token_rewards_BT.flip(1).cumsum(1).flip(1)
    returns_BT = token_rewards_BT.clone()
    for t in reversed(range(returns_BT.shape[1] - 1)):
        returns_BT[:, t] += gamma * returns_BT[:, t + 1]
    return returns_BT


def gae(token_rewards_BT: Tensor, values_BT: Tensor, response_mask_BT: Tensor, *, gamma: float, lam: float) -> Tensor:
    """Return the generalised advantage estimates (arXiv 1506.02438, eq. 16), not whitened. Float64 [B, T].

    `delta_t = r_t + gamma * V_(t+1) - V_t` and `A_t = delta_t + gamma * lam * A_(t+1)`, 0 on padding. `values_BT` are
    the critic's values before each token; the value after the last token is 0. The critic's targets are `A + V`.
    """
    values_BT = values_BT.double() * response_mask_BT
    next_values_BT = torch.nn.functional.pad(values_BT[:, 1:], (0, 1))
    delta_BT = (token_rewards_BT + gamma * next_values_BT - values_BT) * response_mask_BT
    return rewards_to_go(delta_BT, gamma * lam)


def whiten(values_BT: Tensor, response_mask_BT: Tensor, eps: float) -> Tensor:
    """Return `(x - mean) / (std + eps)`, with mean and std over all response tokens. Float32 [B, T], 0 on padding.

    The std divides by the number of tokens. A long response weighs more, as in a loss that is a mean over tokens.
    """
    values_BT, mask_BT = values_BT.double(), response_mask_BT.double()
    tokens = mask_BT.sum()
    centred_BT = (values_BT - (values_BT * mask_BT).sum() / tokens) * mask_BT
    std = (centred_BT.square().sum() / tokens).sqrt()
    return (centred_BT / (std + eps)).float()


def overlong_penalty(lengths_B: Tensor, truncated_B: Tensor, *, max_tokens: int, buffer: int) -> Tensor:
    """Return DAPO's soft overlong punishment (arXiv 2503.14476, eq. 13), to be added to the rewards [B].

    It is 0 up to `max_tokens - buffer` tokens and falls in a straight line to -1 at `max_tokens`. A truncated response
    gets -1.
    """
    excess_B = (lengths_B.double() - (max_tokens - buffer)) / buffer
    return -torch.where(truncated_B, 1.0, excess_B.clamp(0, 1))


def group_sum(values_B: Tensor, group_B: Tensor) -> Tensor:
    """Return for every member the sum of `values_B` over its group [B]. `group_B` numbers the groups from 0."""
    sums_G = torch.zeros(int(group_B.max()) + 1, dtype=values_B.dtype, device=values_B.device)
    return sums_G.index_add(0, group_B, values_B)[group_B]


def group_mean(values_B: Tensor, group_B: Tensor) -> Tensor:
    """Return for every member the mean of `values_B` over its group [B]."""
    return group_sum(values_B, group_B) / group_sum(torch.ones_like(values_B), group_B)
