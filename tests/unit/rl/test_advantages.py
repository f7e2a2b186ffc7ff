"""Advantages, against values worked out by hand and against plain numpy."""

import math

import numpy as np
import pytest
import torch

from stages.rl import advantages

MASK_BT = torch.tensor([[True, True, False], [True, False, False]])


def test_whiten_by_hand() -> None:
    # Tokens 1, 3, 5 (99 is padding): mean 3, standard deviation sqrt(8 / 3).
    whitened = advantages.whiten(torch.tensor([[1.0, 3.0, 99.0], [5.0, 99.0, 99.0]]), MASK_BT, 0.0)
    step = 2 / math.sqrt(8 / 3)
    torch.testing.assert_close(whitened, torch.tensor([[-step, 0.0, 0.0], [step, 0.0, 0.0]]))


def test_reinforce_pp_by_hand() -> None:
    # Response 1: KL 0.5 and 1.0, reward 1, coefficient 0.2: token rewards -0.1 and 0.8, returns 0.7 and 0.8.
    # Response 2: KL 0, reward 0: return 0. Mean 0.5, variance (0.04 + 0.09 + 0.25) / 3.
    got = advantages.reinforce_pp(
        torch.tensor([1.0, 0.0]), torch.tensor([[0.5, 1.0, 7.0], [0.0, 7.0, 7.0]]), MASK_BT, kl_coef=0.2, eps=0.0
    )
    std = math.sqrt(0.38 / 3)
    torch.testing.assert_close(got, torch.tensor([[0.2 / std, 0.3 / std, 0.0], [-0.5 / std, 0.0, 0.0]]))


def test_reinforce_pp_baseline_whitens_over_tokens_not_responses() -> None:
    # One group, rewards 1 and 0: centred +0.5 (two tokens) and -0.5 (one token): token mean 1/6, std sqrt(2)/3.
    got = advantages.reinforce_pp_baseline(torch.tensor([1.0, 0.0]), torch.tensor([0, 0]), MASK_BT, eps=0.0)
    up, down = (1 / 2 - 1 / 6) / (math.sqrt(2) / 3), (-1 / 2 - 1 / 6) / (math.sqrt(2) / 3)
    torch.testing.assert_close(got, torch.tensor([[up, up, 0.0], [down, 0.0, 0.0]]))


def test_grpo_by_hand() -> None:
    # Group 0: rewards 1, 0, 0: mean 1/3, std (n - 1) sqrt((4 + 1 + 1) / 9 / 2) = sqrt(1/3). Group 1: all equal.
    rewards, group = torch.tensor([1.0, 0.3, 0.0, 0.3, 0.0]), torch.tensor([0, 1, 0, 1, 0])
    got = advantages.grpo(rewards, group, torch.ones(5, 1, dtype=torch.bool), eps=1e-6)
    std = math.sqrt(1 / 3)
    expected = torch.tensor([[2 / 3 / std], [0.0], [-1 / 3 / std], [0.0], [-1 / 3 / std]])
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=0)


def test_grpo_of_a_single_response_is_zero_not_nan() -> None:
    got = advantages.grpo(torch.tensor([1.0]), torch.tensor([0]), torch.ones(1, 2, dtype=torch.bool), eps=1e-6)
    assert got.tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize("reward", [0.1, 0.3, 0.7])
def test_equal_rewards_give_no_advantage(reward: float) -> None:
    """In float32 the rounding error of the mean, divided by itself, made advantages of about 1."""
    rewards_B, mask_BT = torch.full((999,), reward), torch.ones(999, 7, dtype=torch.bool)
    group_B = torch.arange(999) // 111
    for got in (
        advantages.reinforce_pp(rewards_B, torch.zeros(999, 7), mask_BT, kl_coef=0.0, eps=1e-6),
        advantages.reinforce_pp_baseline(rewards_B, group_B, mask_BT, eps=1e-6),
        advantages.grpo(rewards_B, group_B, mask_BT, eps=1e-6),
    ):
        assert got.abs().max() < 1e-6


def test_against_numpy_on_unequal_groups() -> None:
    rng = np.random.Generator(np.random.Philox(key=1))
    group = np.array([0, 0, 1, 1, 1, 2, 0, 2])
    rewards, lengths, kl = rng.random(8), rng.integers(1, 6, 8), rng.normal(size=(8, 5))
    centred = rewards - np.array([rewards[group == g].mean() for g in group])
    scaled = centred / (np.array([rewards[group == g].std(ddof=1) for g in group]) + 1e-6)
    tokens = np.concatenate([np.full(n, value) for n, value in zip(lengths, centred, strict=True)])
    returns = [[rewards[b] - 0.1 * kl[b, t : lengths[b]].sum() for t in range(lengths[b])] for b in range(8)]
    flat = np.concatenate(returns)

    mask_BT = torch.arange(5)[None] < torch.tensor(lengths)[:, None]
    rewards_B, group_B = torch.tensor(rewards), torch.tensor(group)
    baseline = advantages.reinforce_pp_baseline(rewards_B, group_B, mask_BT, eps=1e-6)[mask_BT]
    np.testing.assert_allclose(baseline, (tokens - tokens.mean()) / (tokens.std() + 1e-6), rtol=1e-5)
    plain = advantages.reinforce_pp(rewards_B, torch.tensor(kl), mask_BT, kl_coef=0.1, eps=1e-6)[mask_BT]
    np.testing.assert_allclose(plain, (flat - flat.mean()) / (flat.std() + 1e-6), rtol=1e-5)
    np.testing.assert_allclose(advantages.grpo(rewards_B, group_B, mask_BT, eps=1e-6)[:, 0], scaled, rtol=1e-5)
