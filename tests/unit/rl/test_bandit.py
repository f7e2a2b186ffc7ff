"""A two-armed bandit as a language model of two words. Every estimator and every loss has to find the better arm."""

from typing import Any

import pytest
import torch
from torch import Tensor

from stages.rl import advantages, kl, losses

GROUPS, SIZE = 8, 8
GROUP_B, MASK_BT = torch.arange(GROUPS * SIZE) // SIZE, torch.ones(GROUPS * SIZE, 1, dtype=torch.bool)


def _play(better: int, algorithm: str, epochs: int = 1, **loss: Any) -> float:
    """Return the probability of the better arm after 60 rollouts of 64 pulls."""
    generator = torch.Generator().manual_seed(3)
    logits, value = torch.zeros(2, requires_grad=True), torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.AdamW([{"params": [logits], "lr": 0.1}, {"params": [value], "lr": 0.05}], weight_decay=0.0)
    for _ in range(60):
        arms_B = torch.multinomial(logits.detach().softmax(0), GROUPS * SIZE, replacement=True, generator=generator)
        # The better arm pays in 80 % of pulls, the other in 20 %.
        rewards_B = (torch.rand(GROUPS * SIZE, generator=generator) < torch.where(arms_B == better, 0.8, 0.2)).double()
        old_BT = torch.log_softmax(logits, 0).detach()[arms_B][:, None]
        penalty_BT = 1e-3 * kl.k1(old_BT, torch.full_like(old_BT, -0.6931472))
        old_values_BT = value.detach().expand(MASK_BT.shape)
        advantages_BT, returns_BT = _advantages(algorithm, rewards_B, penalty_BT, old_values_BT)
        for _ in range(epochs):
            logprobs_BT = torch.log_softmax(logits, 0)[arms_B][:, None]
            loss_BT, _, _ = losses.policy_loss(
                logprobs_BT, old_BT, advantages_BT.float(), MASK_BT, **{"clip": 0.2, "clip_high": 0.2, **loss}
            )
            values_BT = value.expand(MASK_BT.shape)
            loss_BT = loss_BT + losses.value_loss(values_BT, old_values_BT, returns_BT.float(), 0.2)
            optimizer.zero_grad()
            loss_BT.mean().backward()
            optimizer.step()
    return logits.softmax(0)[better].item()


def _advantages(algorithm: str, rewards_B: Tensor, penalty_BT: Tensor, values_BT: Tensor) -> tuple[Tensor, Tensor]:
    if algorithm == "ppo":
        rewards_BT = advantages.token_rewards(rewards_B, penalty_BT, MASK_BT)
        raw_BT = advantages.gae(rewards_BT, values_BT, MASK_BT, gamma=1.0, lam=1.0)
        return advantages.whiten(raw_BT, MASK_BT, 1e-6), raw_BT + values_BT
    estimator = advantages.ESTIMATORS[algorithm]
    scores_B = estimator.baseline(rewards_B, GROUP_B, 1e-6)
    raw_BT = advantages.rewards_to_go(advantages.token_rewards(scores_B, penalty_BT, MASK_BT), 1.0)
    return (advantages.whiten(raw_BT, MASK_BT, 1e-6) if estimator.whitened else raw_BT), values_BT


@pytest.mark.parametrize("better", [0, 1])
@pytest.mark.parametrize("algorithm", ["ppo", *advantages.ESTIMATORS])
def test_every_estimator_finds_the_better_arm(algorithm: str, better: int) -> None:
    assert _play(better, algorithm) > 0.95


@pytest.mark.parametrize("better", [0, 1])
@pytest.mark.parametrize(
    "loss", [{"kind": "gspo"}, {"kind": "cispo"}, {"clip_high": 0.4}, {"dual_clip": 3.0}], ids=lambda loss: str(loss)
)
def test_every_loss_finds_the_better_arm_in_several_epochs(loss: dict[str, Any], better: int) -> None:
    assert _play(better, "rloo", epochs=3, **loss) > 0.95
