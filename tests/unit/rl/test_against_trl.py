"""Our losses and advantages against results of TRL's functions (tests/golden/trl)."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from stages.rl import advantages, kl, losses

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parents[2] / "golden/trl/trl.json").read_text())

CASES: dict[str, dict[str, Any]] = {
    "token": {},
    "token over the batch": {},
    "sequence": {"aggregation": "sequence"},
    "constant": {"aggregation": "constant"},
    "clip-higher": {"clip_high": 0.28},
    "dual clip": {"dual_clip": 1.5},
    "kl": {"kl_coef": 0.3},
    "gspo": {"kind": "gspo", "aggregation": "sequence"},
    "gspo, token mean": {"kind": "gspo"},
    # In TRL the setting is the largest weight, here and in the paper its distance from 1.
    "cispo": {"kind": "cispo", "clip_high": 0.5},
    "tis": {"tis_cap": 1.3},
}


def _input(name: str) -> Tensor:
    return torch.tensor(GOLDEN["inputs"][name], dtype=torch.bool if name == "mask" else torch.float64)


def test_every_golden_case_is_tested() -> None:
    assert GOLDEN["losses"].keys() == CASES.keys()


@pytest.mark.parametrize("case", CASES)
def test_loss_and_gradient_are_trls(case: str) -> None:
    settings = dict(CASES[case])
    aggregation, kl_coef = settings.pop("aggregation", "token"), settings.pop("kl_coef", 0.0)
    cap = settings.pop("tis_cap", None)
    logprobs, old, mask = _input("logprobs").requires_grad_(), _input("old"), _input("mask")
    loss_BT, _, _ = losses.policy_loss(
        logprobs,
        old,
        _input("advantages")[:, None].expand(mask.shape),
        mask,
        **{"clip": 0.2, "clip_high": 0.2, **settings},
    )
    if cap is not None:
        loss_BT = loss_BT * losses.truncated_importance_weights(old, _input("behaviour"), cap)
    loss_BT = loss_BT + kl_coef * kl.k3(logprobs, _input("reference"))
    weights_BT = losses.token_weights(mask, aggregation, tokens=9, responses=3, max_tokens=GOLDEN["max_tokens"])
    loss = (loss_BT * weights_BT).sum()
    (gradient,) = torch.autograd.grad(loss, logprobs)
    expected = GOLDEN["losses"][case]
    assert loss.item() == pytest.approx(expected["loss"], abs=1e-6)
    torch.testing.assert_close(gradient, torch.tensor(expected["gradient"], dtype=torch.float64), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("case", ["clip-higher", "dual clip", "kl", "gspo", "cispo", "tis"])
def test_each_setting_makes_a_difference_here(case: str) -> None:
    """Otherwise agreement with TRL would not test the setting."""
    assert GOLDEN["losses"][case]["loss"] != pytest.approx(GOLDEN["losses"]["token"]["loss"], abs=1e-3)


@pytest.mark.parametrize("name", ["grpo", "dr_grpo", "rloo"])
def test_advantages_are_trls(name: str) -> None:
    """TRL adds 1e-4 to GRPO's standard deviation, and whitens RLOO only on request."""
    rewards_B, group_B = torch.tensor(GOLDEN["rewards"]).double(), torch.arange(8) // 4
    actual = advantages.ESTIMATORS[name].baseline(rewards_B, group_B, 1e-4)
    torch.testing.assert_close(actual, torch.tensor(GOLDEN["advantages"][name]).double(), atol=1e-5, rtol=1e-5)
