"""The ablation: intervals, claims and their bounds, and configs of the arms."""

from pathlib import Path

import pytest

from flows.ablation import Arm, arm_config, check_comparable, claims, main, t_interval, warm_config
from flows.config.load import load_config
from storage.errors import ConfigError

ARMS = Path(__file__).parents[3] / "configs" / "arms"


def _arms(majority: tuple[float, ...], verified: tuple[float, ...], random: tuple[float, ...]) -> dict[str, Arm]:
    start = (0.3, 0.3, 0.3)
    return {
        "majority": Arm(name="majority", before=start, after=majority),
        "verified": Arm(name="verified", before=start, after=verified),
        "random": Arm(name="random", before=start, after=random),
    }


GOOD = ((0.70, 0.72, 0.74), (0.72, 0.73, 0.74), (0.28, 0.30, 0.33))


def test_t_interval_equals_hand_computation() -> None:
    # mean 4, s = 2, n = 3: 4 ± 4.303 * 2 / sqrt(3) = 4 ± 4.9687
    low, high = t_interval([2.0, 4.0, 6.0])
    assert (low, high) == pytest.approx((-0.9687, 8.9687), abs=1e-4)


def test_all_claims_hold_on_good_figures() -> None:
    assert all(claims(_arms(*GOOD)).values())


@pytest.mark.parametrize(
    ("claim_part", "arms"),
    [
        ("majority gains at least 20 points", ((0.49, 0.72, 0.74), GOOD[1], GOOD[2])),
        ("within 5 points of verified", (GOOD[0], (0.80, 0.81, 0.82), GOOD[2])),
        ("random's interval", (GOOD[0], GOOD[1], (0.1, 0.3, 0.5))),
        ("random's mean gain", (GOOD[0], GOOD[1], (0.36, 0.36, 0.36))),
    ],
)
def test_claim_fails_outside_its_bound(claim_part: str, arms: tuple[tuple[float, ...], ...]) -> None:
    outcome = claims(_arms(*arms))
    assert [claim for claim, holds in outcome.items() if not holds and claim_part in claim]


def test_claims_are_about_the_given_arms() -> None:
    arms = _arms(*GOOD)
    del arms["random"]
    assert len(claims(arms)) == 2
    del arms["verified"]
    assert len(claims(arms)) == 1


def test_arms_share_warm_start_and_seed() -> None:
    configs = [load_config(path) for path in sorted(ARMS.glob("*.yaml"))]
    warm_start = warm_config(configs[0], 3)
    arms = [arm_config(config, 3) for config in configs]
    assert len({arm.uri for arm in arms}) == len(arms) == 6
    assert {arm.policy.run for arm in arms if arm.policy} == {warm_start.uri}
    assert {arm.seed for arm in arms} == {warm_start.seed} == {3}
    assert {arm.evaluate.every for arm in arms} == {arms[0].iterations}


def test_incomparable_arms_are_refused() -> None:
    majority, verified = (load_config(ARMS / f"{name}.yaml") for name in ("majority", "verified"))
    check_comparable([majority, verified])
    other = verified.model_copy(update={"seeds": verified.seeds.model_copy(update={"count": 5})})
    with pytest.raises(ConfigError, match="arms majority and verified differ in `seeds`"):
        check_comparable([majority, other])
    with pytest.raises(ConfigError, match="the first arm is verified; expected majority"):
        check_comparable([verified, majority])


def test_without_an_arm_the_command_says_what_to_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["flows.ablation"])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert "configs/arms/majority.yaml" in capsys.readouterr().err
