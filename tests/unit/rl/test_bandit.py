"""A two-armed bandit as a language model of two words: every estimator has to find the better arm."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from stages.rl import advantages, kl, losses

GROUPS, SIZE = 8, 8


def _reinforce_pp(rewards_B: Tensor, group_B: Tensor, mask_BT: Tensor, kl_BT: Tensor) -> Tensor:
    return advantages.reinforce_pp(rewards_B, kl_BT, mask_BT, kl_coef=1e-3, eps=1e-6)


def _baseline(rewards_B: Tensor, group_B: Tensor, mask_BT: Tensor, kl_BT: Tensor) -> Tensor:
    return advantages.reinforce_pp_baseline(rewards_B, group_B, mask_BT, eps=1e-6)


def _grpo(rewards_B: Tensor, group_B: Tensor, mask_BT: Tensor, kl_BT: Tensor) -> Tensor:
    return advantages.grpo(rewards_B, group_B, mask_BT, eps=1e-6)


@pytest.mark.parametrize("estimate", [_reinforce_pp, _baseline, _grpo])
@pytest.mark.parametrize("better", [0, 1])
def test_finds_the_better_arm(estimate: Callable[..., Tensor], better: int) -> None:
    generator = torch.Generator().manual_seed(3)
    logits = torch.zeros(2, requires_grad=True)
    optimizer = torch.optim.AdamW([logits], lr=0.1, weight_decay=0.0)
    group_B, mask_BT = torch.arange(GROUPS * SIZE) // SIZE, torch.ones(GROUPS * SIZE, 1, dtype=torch.bool)
    for _ in range(60):
        arms_B = torch.multinomial(logits.detach().softmax(0), GROUPS * SIZE, replacement=True, generator=generator)
        # The better arm pays in 80 % of pulls, the other in 20 %.
        pay_B = torch.where(arms_B == better, 0.8, 0.2)
        rewards_B = (torch.rand(GROUPS * SIZE, generator=generator) < pay_B).float()
        logprobs_BT = torch.log_softmax(logits, 0)[arms_B][:, None]
        old_BT = logprobs_BT.detach()
        advantages_BT = estimate(rewards_B, group_B, mask_BT, kl.k1(old_BT, torch.full_like(old_BT, -0.6931472)))
        loss_BT, _, _ = losses.clipped_surrogate(logprobs_BT, old_BT, advantages_BT, clip=0.2)
        optimizer.zero_grad()
        losses.token_mean(loss_BT, mask_BT, len(rewards_B)).backward()
        optimizer.step()
    assert logits.softmax(0)[better].item() > 0.95
