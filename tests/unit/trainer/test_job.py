"""Settings, learning-rate schedule and DeepSpeed's settings file, without torch."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from stages.settings.trainer import TrainerPlacement
from stages.settings.update import UpdateConfig
from stages.trainer.deepspeed_config import read_deepspeed_settings, zero_stage
from stages.trainer.schedule import learning_rate_at
from storage.errors import ConfigError, InputError


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


def test_a_schedule_without_warmup_starts_at_the_highest_rate() -> None:
    assert learning_rate_at(_config(warmup_fraction=0.0), 0) == 1.0


@pytest.mark.parametrize(
    "bad",
    [
        {"algorithm": "a2c"},
        {"clip": 0},
        {"betas": (0.9, 1.0)},
        {"importance_weight_cap": 0},
        {"lr": 1e-6},
        {"kl_in": "loss", "kl_estimator": "k1"},
        {"loss": "cispo", "dual_clip": 3.0},
        {"kl_target": 0.01, "kl_coef": 0.0},
        {"dual_clip": 1.0},
    ],
)
def test_bad_settings_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        UpdateConfig.model_validate(bad)


@pytest.mark.parametrize("bad", ["Auto", "8k", 0, -1, 1.5, None, True, [8192]])
def test_tokens_of_a_micro_batch_are_auto_or_a_number(bad: object) -> None:
    for good in ("auto", 8192, "8192", 8192.0):
        placement = TrainerPlacement.model_validate({"micro_batch_tokens": good})
        assert placement.micro_batch_tokens == (good if good == "auto" else 8192)
    with pytest.raises(ValidationError, match="expected auto, or a whole number, at least 1; found ") as error:
        TrainerPlacement.model_validate({"micro_batch_tokens": bad})
    assert error.value.error_count() == 1


@pytest.mark.parametrize(
    ("algorithm", "aggregation", "kl_in", "estimator"),
    [
        ("ppo", "token", "reward", "k1"),
        ("reinforce_pp", "token", "reward", "k1"),
        ("rloo", "token", "reward", "k1"),
        ("reinforce_pp_baseline", "token", "loss", "k3"),
        ("grpo", "token", "loss", "k3"),
        ("dr_grpo", "constant", "loss", "k3"),
    ],
)
def test_fields_that_the_algorithm_decides_are_filled_in(
    algorithm: str, aggregation: str, kl_in: str, estimator: str
) -> None:
    config = _config(algorithm=algorithm)
    assert (config.loss_aggregation, config.kl_in, config.kl_estimator) == (aggregation, kl_in, estimator)
    for undecided in (None, "usual"):
        names = ("loss_aggregation", "kl_in", "kl_estimator")
        assert _config(algorithm=algorithm, **dict.fromkeys(names, undecided)) == config
    assert UpdateConfig.model_validate(config.model_dump()) == config
    explicit = _config(algorithm=algorithm, kl_in="reward", loss_aggregation="sequence")
    assert (explicit.loss_aggregation, explicit.kl_in, explicit.kl_estimator) == ("sequence", "reward", "k1")


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ("{", InputError, "cannot be read"),
        ("[1]", InputError, "expected a JSON object"),
        ('{"gradient_clipping": 0.5}', ConfigError, "gradient_clipping is decided by update.max_grad_norm"),
        ('{"fp16": {"enabled": true}}', ConfigError, "fp16 is decided by compute.trainer.dtype"),
        ('{"optimizer": {"type": "Lamb"}}', ConfigError, "optimizer is decided by update.learning_rate"),
        ('{"zero_optimization": {"stage": 4}}', ConfigError, "stage is 4, expected 0, 1, 2 or 3"),
    ],
)
def test_deepspeed_settings_that_the_run_decides_are_refused(
    tmp_path: Path, content: str, error: type[Exception], message: str
) -> None:
    path = tmp_path / "ds.json"
    path.write_text(content)
    with pytest.raises(error, match=message):
        read_deepspeed_settings(TrainerPlacement(deepspeed=path))


def test_the_projects_deepspeed_files_are_accepted() -> None:
    files = sorted((Path(__file__).parents[3] / "configs/deepspeed").glob("*.json"))
    stages = [zero_stage(read_deepspeed_settings(TrainerPlacement(deepspeed=path))) for path in files]
    assert stages == [0, 1, 2, 3, 3]


def test_launcher_does_not_import_torch() -> None:
    code = "import sys, stages.trainer.launcher; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3]).returncode == 0
