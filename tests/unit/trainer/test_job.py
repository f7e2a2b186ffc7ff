"""Settings and schedule, without torch."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from stages.trainer.config import UpdateConfig, learning_rate_at


def _config(**changes: object) -> UpdateConfig:
    return UpdateConfig.model_validate(
        {"learning_rate": 1.0, "schedule_steps": 110, "warmup_fraction": 10 / 110} | changes
    )


@pytest.mark.parametrize(
    ("schedule", "step", "expected"),
    [
        ("cosine", 0, 0.1),  # ten warm-up steps, the first at one tenth
        ("cosine", 9, 1.0),
        ("cosine", 10, 1.0),
        ("cosine", 60, 0.55),  # half way down: the mean of 1 and 0.1
        ("cosine", 110, 0.1),
        ("cosine", 5000, 0.1),
        ("linear", 35, 0.775),  # a quarter of the way from 1 to 0.1
        ("linear", 110, 0.1),
        ("constant", 4, 0.5),
        ("constant", 5000, 1.0),
    ],
)
def test_learning_rate_by_hand(schedule: str, step: int, expected: float) -> None:
    assert learning_rate_at(_config(schedule=schedule), step) == pytest.approx(expected)


def test_a_schedule_without_warmup_starts_at_the_top() -> None:
    assert learning_rate_at(_config(warmup_fraction=0.0), 0) == 1.0


@pytest.mark.parametrize(
    "bad", [{"algorithm": "ppo"}, {"clip": 0}, {"betas": (0.9, 1.0)}, {"tis_cap": 0}, {"lr": 1e-6}]
)
def test_bad_settings_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        UpdateConfig.model_validate(bad)


def test_launcher_does_not_import_torch() -> None:
    code = "import sys, stages.trainer.launcher; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3]).returncode == 0
