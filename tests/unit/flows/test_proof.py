"""The proof's arithmetic, and that a figure outside a claim's bound is noticed."""

from pathlib import Path

import pytest

from flows.config import load_config
from flows.proof import Arm, arm_config, claims, t_interval, warm_config
from stages.vote_rewards import RewardSource

QUICKSTART = Path(__file__).parents[3] / "configs" / "quickstart.yaml"


def _arms(
    majority: tuple[float, ...], verified: tuple[float, ...], random: tuple[float, ...]
) -> dict[RewardSource, Arm]:
    start = (0.3, 0.3, 0.3)
    return {
        "majority": Arm(name="majority", before=start, after=majority),
        "verified": Arm(name="verified", before=start, after=verified),
        "random": Arm(name="random", before=start, after=random),
    }


GOOD = ((0.70, 0.72, 0.74), (0.72, 0.73, 0.74), (0.28, 0.30, 0.33))


def test_t_interval_by_hand() -> None:
    # mean 4, s = 2, n = 3: 4 ± 4.303 * 2 / sqrt(3) = 4 ± 4.9687
    low, high = t_interval([2.0, 4.0, 6.0])
    assert (low, high) == pytest.approx((-0.9687, 8.9687), abs=1e-4)


def test_all_claims_hold_on_good_figures() -> None:
    assert all(claims(_arms(*GOOD)).values())


@pytest.mark.parametrize(
    ("broken", "arms"),
    [
        ("majority gains at least 20 points", ((0.49, 0.72, 0.74), GOOD[1], GOOD[2])),
        ("within 5 points of verified", (GOOD[0], (0.80, 0.81, 0.82), GOOD[2])),
        ("random's interval", (GOOD[0], GOOD[1], (0.1, 0.3, 0.5))),
        ("random's mean gain", (GOOD[0], GOOD[1], (0.36, 0.36, 0.36))),
    ],
)
def test_a_figure_outside_its_bound_breaks_its_claim(broken: str, arms: tuple[tuple[float, ...], ...]) -> None:
    outcome = claims(_arms(*arms))
    assert [claim for claim, holds in outcome.items() if not holds and broken in claim]


def test_arms_share_the_warm_start_and_differ_in_rewards_alone() -> None:
    config = load_config(QUICKSTART)
    warm = warm_config(config, 3)
    arms = [arm_config(config, arm, 3) for arm in ("majority", "verified", "random")]
    assert {arm.policy.run for arm in arms if arm.policy} == {warm.uri}
    assert {arm.seed for arm in arms} == {warm.seed} == {3}
    for arm in arms:
        assert arm.model_copy(update={"rewards": "majority", "name": ""}) == arms[0].model_copy(update={"name": ""})
