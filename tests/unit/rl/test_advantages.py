"""Baselines, returns, GAE and whitening, against values worked out by hand and a plain numpy version."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from stages.rl import advantages

MASK_BT = torch.tensor([[True, True, False], [True, False, False]])


def test_whiten_by_hand() -> None:
    # Values 1, 2, 3 count: mean 2, std sqrt(2/3).
    whitened = advantages.whiten(torch.tensor([[1.0, 2.0, 99.0], [3.0, 99.0, 99.0]]), MASK_BT, 0.0)
    step = math.sqrt(3 / 2)
    torch.testing.assert_close(whitened, torch.tensor([[-step, 0.0, 0.0], [step, 0.0, 0.0]]))


def test_baselines_by_hand() -> None:
    # Group 0: rewards 1, 0, 0, mean 1/3, std (n - 1) sqrt((4 + 1 + 1) / 9 / 2) = sqrt(1/3). Group 1: 0.5 and 0.1.
    rewards = torch.tensor([1.0, 0.5, 0.0, 0.1, 0.0], dtype=torch.float64)
    group = torch.tensor([0, 1, 0, 1, 0])
    std, spread = math.sqrt(1 / 3), math.sqrt(0.08)

    def check(name: str, expected: list[float]) -> None:
        actual = advantages.ESTIMATORS[name].baseline(rewards, group, 0.0)
        torch.testing.assert_close(actual, torch.tensor(expected, dtype=torch.float64))

    check("reinforce_pp", [1.0, 0.5, 0.0, 0.1, 0.0])
    check("dr_grpo", [2 / 3, 0.2, -1 / 3, -0.2, -1 / 3])
    check("reinforce_pp_baseline", [2 / 3, 0.2, -1 / 3, -0.2, -1 / 3])
    # 1 - (0 + 0) / 2; 0.5 - 0.1; 0 - (1 + 0) / 2; 0.1 - 0.5.
    check("rloo", [1.0, 0.4, -0.5, -0.4, -0.5])
    check("grpo", [2 / 3 / std, 0.2 / spread, -1 / 3 / std, -0.2 / spread, -1 / 3 / std])


def test_token_rewards_and_returns_by_hand() -> None:
    # Response 1: penalties 0.1 and 0.2, reward 1; response 2: penalty 0, reward 0.5. Padding has reward 0.
    actual = advantages.token_rewards(
        torch.tensor([1.0, 0.5]), torch.tensor([[0.1, 0.2, 7.0], [0.0, 7.0, 7.0]]), MASK_BT
    )
    torch.testing.assert_close(actual, torch.tensor([[-0.1, 0.8, 0.0], [0.5, 0.0, 0.0]]).double())
    torch.testing.assert_close(
        advantages.rewards_to_go(actual, 1.0), torch.tensor([[0.7, 0.8, 0.0], [0.5, 0.0, 0.0]]).double()
    )
    torch.testing.assert_close(
        advantages.rewards_to_go(actual, 0.5), torch.tensor([[0.3, 0.8, 0.0], [0.5, 0.0, 0.0]]).double()
    )


def test_gae_by_hand() -> None:
    """gamma 0.9, lambda 0.8; values 0.5, 0.4, 0.2; reward 1 at the last of three tokens."""
    mask = torch.tensor([[True, True, True, False]])
    rewards = torch.tensor([[0.0, 0.0, 1.0, 0.0]]).double()
    values = torch.tensor([[0.5, 0.4, 0.2, 9.0]])
    # delta_3 = 1 - 0.2; delta_2 = 0.9 * 0.2 - 0.4; delta_1 = 0.9 * 0.4 - 0.5.
    third = 0.8
    second = -0.22 + 0.72 * third
    first = -0.14 + 0.72 * second
    actual = advantages.gae(rewards, values, mask, gamma=0.9, lam=0.8)
    torch.testing.assert_close(actual, torch.tensor([[first, second, third, 0.0]]).double(), atol=1e-6, rtol=0)


def test_gae_with_lambda_one_is_the_return_less_the_value() -> None:
    generator = torch.Generator().manual_seed(1)
    mask = torch.arange(6)[None] < torch.tensor([6, 3, 1])[:, None]
    rewards = torch.randn(3, 6, generator=generator).double() * mask
    values = torch.randn(3, 6, generator=generator) * mask
    actual = advantages.gae(rewards, values, mask, gamma=0.97, lam=1.0)
    torch.testing.assert_close(actual, (advantages.rewards_to_go(rewards, 0.97) - values) * mask)


def test_overlong_penalty_by_hand() -> None:
    # Limit 10, buffer 4: 0 up to 6 tokens, then a quarter for each token; a truncated response gets -1.
    lengths, truncated = torch.tensor([3, 6, 7, 9, 10, 10]), torch.tensor([False] * 5 + [True])
    actual = advantages.overlong_penalty(lengths, truncated, max_tokens=10, buffer=4)
    assert actual.tolist() == [0.0, 0.0, -0.25, -0.75, -1.0, -1.0]


def _advantages(name: str, rewards_B: Tensor, group_B: Tensor, penalty_BT: Tensor, mask_BT: Tensor) -> Tensor:
    estimator = advantages.ESTIMATORS[name]
    scores_B = estimator.baseline(rewards_B.double(), group_B, 1e-6)
    raw_BT = advantages.rewards_to_go(advantages.token_rewards(scores_B, penalty_BT, mask_BT), 1.0) * mask_BT
    return advantages.whiten(raw_BT, mask_BT, 1e-6) if estimator.whitened else raw_BT


def test_whitening_is_over_tokens_not_responses() -> None:
    # One group, rewards 1 and 0: centred +0.5 (two tokens) and -0.5 (one token): token mean 1/6, std sqrt(2)/3.
    no_penalty = torch.zeros(2, 3)
    actual = _advantages("reinforce_pp_baseline", torch.tensor([1.0, 0.0]), torch.tensor([0, 0]), no_penalty, MASK_BT)
    first, second = (1 / 2 - 1 / 6) / (math.sqrt(2) / 3), (-1 / 2 - 1 / 6) / (math.sqrt(2) / 3)
    torch.testing.assert_close(actual, torch.tensor([[first, first, 0.0], [second, 0.0, 0.0]]), atol=1e-5, rtol=0)


def test_reinforce_pp_by_hand() -> None:
    # Response 1: KL 0.5 and 1.0 at 0.2, reward 1: returns 0.7 and 0.8. Response 2: 0. Mean 0.5, variance 0.38 / 3.
    penalty = 0.2 * torch.tensor([[0.5, 1.0, 7.0], [0.0, 7.0, 7.0]])
    actual = _advantages("reinforce_pp", torch.tensor([1.0, 0.0]), torch.tensor([0, 1]), penalty, MASK_BT)
    std = math.sqrt(0.38 / 3)
    torch.testing.assert_close(
        actual, torch.tensor([[0.2 / std, 0.3 / std, 0.0], [-0.5 / std, 0.0, 0.0]]), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("name", advantages.ESTIMATORS)
@pytest.mark.parametrize("reward", [0.1, 0.3, 0.7])
def test_equal_rewards_give_no_advantage(name: str, reward: float) -> None:
    """Regression: in float32 the rounding error of the mean, divided by itself, gave advantages of about 1."""
    mask_BT = torch.ones(999, 7, dtype=torch.bool)
    actual = _advantages(name, torch.full((999,), reward), torch.arange(999) // 111, torch.zeros(999, 7), mask_BT)
    assert actual.abs().max() < 1e-6


def test_against_numpy_on_unequal_groups() -> None:
    rng = np.random.Generator(np.random.Philox(key=1))
    group = np.array([0, 0, 1, 1, 1, 2, 0, 2])
    rewards, lengths, kl = rng.random(8), rng.integers(1, 6, 8), rng.normal(size=(8, 5))
    centred = rewards - np.array([rewards[group == g].mean() for g in group])
    mean_of_others = np.array([np.delete(rewards, b)[np.delete(group, b) == group[b]].mean() for b in range(8)])
    scaled = centred / (np.array([rewards[group == g].std(ddof=1) for g in group]) + 1e-6)
    mask_BT = torch.arange(5)[None] < torch.tensor(lengths)[:, None]
    expected = {"reinforce_pp": rewards, "dr_grpo": centred, "reinforce_pp_baseline": centred, "grpo": scaled}
    for name, scores in {**expected, "rloo": rewards - mean_of_others}.items():
        flat = np.concatenate(
            [[scores[b] - 0.1 * kl[b, t : lengths[b]].sum() for t in range(lengths[b])] for b in range(8)]
        )
        if advantages.ESTIMATORS[name].whitened:
            flat = (flat - flat.mean()) / (flat.std() + 1e-6)
        actual = _advantages(name, torch.tensor(rewards), torch.tensor(group), 0.1 * torch.tensor(kl), mask_BT)
        np.testing.assert_allclose(actual[mask_BT], flat, rtol=1e-5, err_msg=name)
