"""Each algorithm from rewards to advantages, as the update puts the formulas together, by hand."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from stages.rl import advantages, losses
from stages.settings.update import UpdateConfig
from stages.trainer.batches import Rollout
from stages.trainer.update import compute_advantages, score

MASK_BT = torch.tensor([[True, True, False], [True, False, False]])
REWARDS = (1.0, 0.0)


def _rollout(
    rewards: tuple[float, ...] = REWARDS, mask_BT: Tensor = MASK_BT, truncated: tuple[bool, ...] = (False, False)
) -> Rollout:
    """A rollout of responses to one question."""
    return Rollout(
        prompts=[[1]] * len(rewards),
        responses=[[2] * int(length) for length in mask_BT.sum(1)],
        rewards_B=torch.tensor(rewards),
        group_B=torch.zeros(len(rewards), dtype=torch.long),
        truncated_B=torch.tensor(truncated),
        behaviour_logprobs_BT=torch.zeros(mask_BT.shape),
        response_mask_BT=mask_BT,
    )


def _advantages(settings: dict[str, Any], penalty_BT: Tensor, values_BT: Tensor) -> tuple[Tensor, Tensor]:
    config = UpdateConfig.model_validate(settings)
    return compute_advantages(config, score(config, _rollout(), 3), MASK_BT, penalty_BT, values_BT)


_ROOT2 = math.sqrt(2)


@pytest.mark.parametrize(
    ("algorithm", "first", "second"),
    [
        # Tokens 1, 1, 0: mean 2/3, std sqrt(2)/3.
        ("reinforce_pp", 1 / _ROOT2, -_ROOT2),
        # Tokens 1/2, 1/2, -1/2: mean 1/6, std sqrt(2)/3.
        ("reinforce_pp_baseline", 1 / _ROOT2, -_ROOT2),
        # Tokens 1, 1, -1: mean 1/3, std sqrt(8)/3.
        ("rloo", 1 / _ROOT2, -_ROOT2),
        # 1/2 over sqrt((1/4 + 1/4) / 1), not whitened.
        ("grpo", 1 / _ROOT2, -1 / _ROOT2),
        # 1/2, not divided by anything.
        ("dr_grpo", 0.5, -0.5),
    ],
)
def test_from_rewards_to_advantages(algorithm: str, first: float, second: float) -> None:
    zeros_BT = torch.zeros(2, 3)
    actual, targets = _advantages({"algorithm": algorithm}, zeros_BT, zeros_BT)
    torch.testing.assert_close(actual, torch.tensor([[first, first, 0.0], [second, 0.0, 0.0]]), atol=1e-5, rtol=0)
    assert targets.shape == (2, 3) and not targets.any()


def test_penalties_and_discount_come_after_the_baseline() -> None:
    # Scores 1/2 and -1/2; the last token of the first earns 0.5 - 0.2, the one before 0.5 * 0.3 - 0.1.
    penalty = torch.tensor([[0.1, 0.2, 7.0], [0.3, 7.0, 7.0]])
    actual, _ = _advantages({"algorithm": "dr_grpo", "gamma": 0.5}, penalty, torch.zeros(2, 3))
    torch.testing.assert_close(actual, torch.tensor([[0.05, 0.3, 0.0], [-0.8, 0.0, 0.0]]))


def test_ppo_from_rewards_to_advantages_and_targets() -> None:
    """gamma 0.5, lambda 0.5, a penalty of 0.1 on the first token."""
    penalty = torch.tensor([[0.1, 0.0, 7.0], [0.0, 7.0, 7.0]])
    values = torch.tensor([[0.4, 0.6, 9.0], [0.2, 9.0, 9.0]])
    actual, targets = _advantages({"algorithm": "ppo", "gamma": 0.5, "gae_lambda": 0.5}, penalty, values)
    # Last token: 1 - 0.6 = 0.4. Before it: -0.1 + 0.5 * 0.6 - 0.4 = -0.2, and 0.25 * 0.4 more: -0.1. Other: -0.2.
    raw = [-0.1, 0.4, -0.2]
    torch.testing.assert_close(targets, torch.tensor([[0.3, 1.0, 0.0], [0.0, 0.0, 0.0]]))
    mean = 0.1 / 3
    std = math.sqrt(sum((value - mean) ** 2 for value in raw) / 3)
    first, second, third = ((value - mean) / std for value in raw)
    torch.testing.assert_close(actual, torch.tensor([[first, second, 0.0], [third, 0.0, 0.0]]), atol=1e-5, rtol=0)


def test_the_penalty_for_length_comes_before_the_baseline() -> None:
    # Limit 3, buffer 2: the response of 2 tokens loses a half, so 1/2 against 0: a quarter either side of the mean.
    config = UpdateConfig(algorithm="dr_grpo", overlong="penalise", overlong_buffer=2)
    torch.testing.assert_close(score(config, _rollout(), 3), torch.tensor([0.25, -0.25]).double())
    # A truncated response of one token: 1 - 1/2 against 0 - 1, mean -1/4.
    actual = score(config, _rollout(truncated=(False, True)), 3)
    torch.testing.assert_close(actual, torch.tensor([0.75, -0.75]).double())


@pytest.mark.parametrize("overlong", ["keep", "mask"])
def test_only_penalise_changes_rewards(overlong: str) -> None:
    config = UpdateConfig.model_validate({"algorithm": "ppo", "overlong": overlong, "overlong_buffer": 2})
    assert score(config, _rollout(truncated=(True, True)), 3).tolist() == list(REWARDS)


def test_a_buffer_longer_than_the_limit_is_cut_to_the_limit() -> None:
    # Then every token counts: 2 of 3 and 1 of 3.
    config = UpdateConfig(algorithm="ppo", overlong="penalise", overlong_buffer=100)
    torch.testing.assert_close(score(config, _rollout(), 3), torch.tensor([1 - 2 / 3, -1 / 3]).double())


@pytest.mark.parametrize("algorithm", ["reinforce_pp", "reinforce_pp_baseline", "rloo", "grpo", "dr_grpo", "ppo"])
@pytest.mark.parametrize("reward", [0.1, 0.3, 0.7])
def test_equal_rewards_give_no_advantage(algorithm: str, reward: float) -> None:
    """Nor with a critic whose values are right."""
    mask_BT = torch.ones(99, 7, dtype=torch.bool)
    config = UpdateConfig.model_validate({"algorithm": algorithm})
    rollout = _rollout((reward,) * 99, mask_BT, (False,) * 99)
    actual, _ = compute_advantages(
        config, score(config, rollout, 7), mask_BT, torch.zeros(99, 7), torch.full((99, 7), reward)
    )
    assert actual.abs().max() < 1e-6


def test_a_truncated_response_gets_the_whole_penalty() -> None:
    actual = advantages.overlong_penalty(torch.tensor([2, 2]), torch.tensor([True, False]), max_tokens=10, buffer=4)
    assert actual.tolist() == [-1.0, 0.0]


def test_value_clip_is_around_the_old_value() -> None:
    # Clipped to 1.2: error 0.8 instead of 0.5. Clipped to 0.8: error 0.2, so 0.5 counts. Not clipped: 0.05.
    values, old, returns = torch.tensor([[1.5, 0.5, 1.05]]), torch.ones(1, 3), torch.tensor([[2.0, 1.0, 1.0]])
    values.requires_grad_()
    loss = losses.value_loss(values, old, returns, 0.2)
    torch.testing.assert_close(loss, torch.tensor([[0.32, 0.125, 0.00125]]))
    loss.sum().backward()
    # 0 if the clip decided, else value - return.
    assert values.grad is not None
    torch.testing.assert_close(values.grad, torch.tensor([[0.0, -0.5, 0.05]]))
