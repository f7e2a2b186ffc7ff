"""DeepSpeed's settings file: reading, checks, and the ZeRO stage in it. No torch here."""

import json
from collections.abc import Mapping
from typing import Any

from stages.settings.trainer import TrainerPlacement
from storage.errors import ConfigError, InputError

_DECIDED_BY_THE_RUN = {
    "train_batch_size": "update.batch_responses",
    "train_micro_batch_size_per_gpu": "compute.trainer.micro_batch_tokens",
    "gradient_accumulation_steps": "compute.trainer.micro_batch_tokens",
    "managed_gradient_accumulation": "compute.trainer.micro_batch_tokens",
    "gradient_clipping": "update.max_grad_norm",
    "optimizer": "update.learning_rate, update.betas and update.weight_decay",
    "scheduler": "update.schedule",
    "bf16": "compute.trainer.dtype",
    "fp16": "compute.trainer.dtype",
    "torch_autocast": "compute.trainer.dtype",
    "activation_checkpointing": "compute.trainer.gradient_checkpointing",
}
"""A setting of DeepSpeed -> the setting of the run that decides it."""


def read_deepspeed_settings(placement: TrainerPlacement) -> dict[str, Any]:
    """Return the settings in the placement's DeepSpeed file, {} without a file.

    In bfloat16, stage 1 or 2 with an offloaded optimiser becomes stage 3.

    Raises InputError if the file cannot be read, and ConfigError naming a setting that the run's config decides or a
    ZeRO stage that does not exist.
    """
    path = placement.deepspeed
    if path is None:
        return {}
    try:
        settings = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: DeepSpeed settings cannot be read ({error})") from error
    if not isinstance(settings, dict):
        raise InputError(f"{path}: expected a JSON object of DeepSpeed settings, found {type(settings).__name__}")
    for name, run_setting in _DECIDED_BY_THE_RUN.items():
        if name in settings:
            raise ConfigError(f"{path}: {name} is decided by {run_setting}; take it out of the file")
    stage = settings.get("zero_optimization", {}).get("stage", 0)
    if stage not in (0, 1, 2, 3):
        raise ConfigError(f"{path}: zero_optimization.stage is {stage!r}, expected 0, 1, 2 or 3")
    if placement.dtype != "float32" and stage in (1, 2) and offloads_optimizer(settings):
        # These stages add up gradients in the type of the weights if the optimiser is offloaded; stage 3 does not.
        settings["zero_optimization"]["stage"] = 3
    return settings


def zero_stage(settings: Mapping[str, Any]) -> int:
    """Return the ZeRO stage of DeepSpeed settings."""
    return int(settings.get("zero_optimization", {}).get("stage", 0))


def offloads(settings: Mapping[str, Any]) -> bool:
    """Return whether DeepSpeed settings keep weights, masters or moments in main memory or on a disk."""
    return offloads_optimizer(settings) or offloads_weights(settings)


def offloads_optimizer(settings: Mapping[str, Any]) -> bool:
    """Return whether DeepSpeed settings keep masters and moments in main memory or on a disk."""
    return _offloads(settings, "offload_optimizer")


def offloads_weights(settings: Mapping[str, Any]) -> bool:
    """Return whether DeepSpeed settings keep weights in main memory or on a disk."""
    return _offloads(settings, "offload_param")


def _offloads(settings: Mapping[str, Any], name: str) -> bool:
    offload = settings.get("zero_optimization", {}).get(name) or {}
    return str(offload.get("device", "none")) != "none"
