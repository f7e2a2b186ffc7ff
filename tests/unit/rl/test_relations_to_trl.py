"""Combined settings against results of TRL's functions, and how results relate when definitions differ."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from stages.rl import advantages, kl, losses

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parents[2] / "golden/trl/relations.json").read_text())
TRL_EPS = 1e-4
"""TRL adds this constant to a standard deviation."""

CASES: dict[str, dict[str, Any]] = {
    # TRL clamps the ratio to delta before PPO's clip, so a delta below 1 + epsilon_high also lowers the upper end for
    # good tokens, while for bad ones PPO's clamped ratio still reaches 1 + epsilon_high. The paper's and our dual clip
    # concerns bad tokens only, whatever the upper end. From 1 + epsilon_high on both are the same (next case).
    "dual clip below the upper end": {"clip_high": 0.1, "dual_clip": 1.2},
    "dual clip, clip-higher": {"clip_high": 0.28, "dual_clip": 1.5},
    "sequence, kl": {"aggregation": "sequence", "kl_coef": 0.3},
    "constant, kl": {"aggregation": "constant", "kl_coef": 0.3},
    "gspo, constant": {"kind": "gspo", "aggregation": "constant"},
    "gspo, clip-higher": {"kind": "gspo", "aggregation": "sequence", "clip_high": 0.28},
    "gspo, dual clip": {"kind": "gspo", "aggregation": "sequence", "clip_high": 0.05, "dual_clip": 1.2},
    "cispo, kl": {"kind": "cispo", "clip_high": 0.2, "kl_coef": 0.3},
}


def _input(name: str) -> Tensor:
    return torch.tensor(GOLDEN["inputs"][name], dtype=torch.bool if name == "mask" else torch.float64)


def _ours(*, aggregation: losses.Aggregation = "token", kl_coef: float = 0.0, **settings: Any) -> tuple[float, Tensor]:
    logprobs, mask = _input("logprobs").requires_grad_(), _input("mask")
    advantages_BT = _input("advantages")[:, None].expand(mask.shape)
    loss_BT, _, _ = losses.policy_loss(
        logprobs, _input("old"), advantages_BT, mask, **{"clip": 0.2, "clip_high": 0.2, **settings}
    )
    loss_BT = loss_BT + kl_coef * kl.k3(logprobs, _input("reference"))
    # The step's responses are 3, of 4, 4 and 3 tokens.
    weights_BT = losses.token_weights(mask, aggregation, tokens=11, responses=3, max_tokens=GOLDEN["max_tokens"])
    loss = (loss_BT * weights_BT).sum()
    (gradient,) = torch.autograd.grad(loss, logprobs)
    return loss.item(), gradient


def test_every_golden_case_is_tested() -> None:
    assert GOLDEN["losses"].keys() == CASES.keys()


@pytest.mark.parametrize("case", CASES)
def test_loss_and_gradient_are_trls(case: str) -> None:
    loss, gradient = _ours(**CASES[case])
    expected = GOLDEN["losses"][case]
    assert loss == pytest.approx(expected["loss"], abs=1e-6)
    torch.testing.assert_close(gradient, torch.tensor(expected["gradient"], dtype=torch.float64), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(
    ("case", "same_value"),
    [
        ("dual clip below the upper end", {"dual_clip": 1.1}),
        ("gspo, dual clip", {"kind": "gspo", "aggregation": "sequence", "dual_clip": 1.05}),
    ],
)
def test_a_low_dual_clip_differs_from_trls_delta(case: str, same_value: dict[str, Any]) -> None:
    loss, _ = _ours(**same_value)
    assert loss != pytest.approx(GOLDEN["losses"][case]["loss"], abs=1e-3)


def test_batch_scaling_differs_by_the_spread_that_is_used() -> None:
    """TRL's `scale_rewards="batch"` divides by the std of rewards, reinforce_pp_baseline by that of advantages."""
    rewards_B, group_B = torch.tensor(GOLDEN["rewards"]).double(), torch.arange(8) // 4
    centred_B = advantages.group_centred(rewards_B, group_B, 0.0)
    ours_B = advantages.whiten(centred_B[:, None], torch.ones(8, 1, dtype=torch.bool), 0.0)[:, 0].double()
    trls_B = torch.tensor(GOLDEN["advantages"]["grpo, scaled by the batch"]).double()
    factor = centred_B.std(correction=0) / (rewards_B.std() + TRL_EPS)
    torch.testing.assert_close(ours_B * factor, trls_B, atol=1e-5, rtol=1e-5)
    assert factor < 0.95


def test_rloo_normalization_differs_by_one_degree_of_freedom() -> None:
    """With responses of one token, TRL's std over responses and ours over tokens differ in the divisor alone."""
    rewards_B, group_B = torch.tensor(GOLDEN["rewards"]).double(), torch.arange(8) // 4
    scores_B = advantages.leave_one_out(rewards_B, group_B, 0.0)
    shrink = math.sqrt(7 / 8)
    ours_B = advantages.whiten(scores_B[:, None], torch.ones(8, 1, dtype=torch.bool), TRL_EPS * shrink)[:, 0]
    trls_B = torch.tensor(GOLDEN["advantages"]["rloo, normalised"])
    torch.testing.assert_close(ours_B * shrink, trls_B, atol=1e-5, rtol=1e-5)
