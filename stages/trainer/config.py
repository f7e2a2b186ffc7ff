"""Settings of the policy update. No torch here.

`UpdateConfig` gives the update its meaning and is part of the identity of its output; `TrainerPlacement` says where
and how it runs and is not.
"""

import json
import math
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from stages.settings import Settings
from storage.errors import ConfigError, InputError

Algorithm = Literal["ppo", "reinforce_pp", "reinforce_pp_baseline", "grpo", "rloo", "dr_grpo"]

GROUPED = ("reinforce_pp_baseline", "grpo", "rloo", "dr_grpo")
"""Algorithms that compare a response with the others to its question, so that each question needs two."""

_KL_IN_REWARD = ("ppo", "reinforce_pp", "rloo")
"""Algorithms whose penalty usually is a part of the reward; that of the others is a term of the loss."""


class CriticConfig(Settings):
    """PPO's critic: a copy of the starting policy with a value head that starts at 0, carried across iterations."""

    learning_rate: float = Field(default=9e-6, gt=0, le=1)
    """Highest rate; it follows the policy's schedule."""
    value_clip: float | None = Field(default=0.2, gt=0)
    """How far a value may move from its old one before its loss stops falling; null: no limit."""


class LoraConfig(Settings):
    """Low-rank adapters (arXiv 2106.09685): only they are trained, and merged into the policy that goes on."""

    rank: int = Field(default=16, ge=1, le=1024, description="Of the two matrices that stand for a change of weights.")
    alpha: float = Field(default=32, gt=0)
    """The adapters' product counts alpha / rank times."""
    modules: tuple[str, ...] | None = None
    """Names of the linear layers that get one; null: all but the output layer."""


class UpdateConfig(Settings):
    """The policy update (docs/explanation/method.md, 2)."""

    algorithm: Algorithm = "reinforce_pp"
    """How rewards become advantages."""
    loss: Literal["ppo", "gspo", "cispo"] = "ppo"
    """ppo: clipped ratio of tokens; gspo: of whole sequences; cispo: clipped weight, no token lost."""
    normalisation: Literal["usual", "token", "sequence", "constant"] = "usual"
    """The loss is a mean over tokens, over responses of their means, or a sum over responses x max_tokens
    (Dr.GRPO). usual: constant for dr_grpo, token for the others."""
    learning_rate: float = Field(default=5e-7, gt=0, le=1)
    """Highest rate of the schedule."""
    betas: tuple[float, float] = (0.9, 0.95)
    """AdamW's decay rates of the two moments."""
    weight_decay: float = Field(default=0.0, ge=0, lt=1, description="AdamW's, decoupled from the gradient.")
    max_grad_norm: float = Field(default=1.0, gt=0)
    """The gradient is scaled down to this norm."""
    clip: float = Field(default=0.2, gt=0, lt=1)
    """Clip of the probability ratio downwards, and upwards where clip_high is not set. gspo wants about 3e-4."""
    clip_high: float | None = Field(default=None, gt=0)
    """Clip of the probability ratio upwards (clip-higher; for cispo the weight's only limit)."""
    dual_clip: float | None = Field(default=None, gt=1)
    """Bound on the ratio where the advantage is negative; null: none. Not for cispo."""
    kl_coef: float = Field(default=1e-3, ge=0)
    """Weight of the KL to the reference; where kl_target is set, its first value."""
    kl_place: Literal["usual", "reward", "loss"] = "usual"
    """A penalty on every token's reward, or a term of the loss. usual: reward for ppo, reinforce_pp and rloo."""
    kl_estimator: Literal["usual", "k1", "k2", "k3"] = "usual"
    """usual: k1 in the reward, k3 in the loss. k1 in the loss is refused: its expected gradient is 0."""
    kl_target: float | None = Field(default=None, gt=0)
    """KL per token (nats) that the adaptive weight steers to; null: the weight is fixed."""
    kl_horizon: int = Field(default=10_000, ge=1)
    """Responses in which the adaptive weight moves by 20 % at most."""
    entropy_coef: float = Field(default=0.0, ge=0)
    """Weight of the entropy bonus."""
    gamma: float = Field(default=1.0, gt=0, le=1)
    """Discount per token."""
    gae_lambda: float = Field(default=1.0, ge=0, le=1)
    """Decay of generalised advantage estimation; ppo only."""
    critic: CriticConfig = CriticConfig()
    """ppo only."""
    overlong: Literal["keep", "mask", "penalise"] = "keep"
    """Responses cut off at max_tokens: trained on, left out (they still count in their group's mean), or, with
    those that come near, penalised (DAPO's soft punishment)."""
    overlong_buffer: int = Field(default=128, ge=1)
    """Tokens before max_tokens in which the penalty grows to 1."""
    batch_responses: int = Field(default=16, ge=1)
    """Most responses per optimiser step; a rollout is cut into equal steps."""
    epochs: int = Field(default=1, ge=1, le=100)
    """Passes over the rollout."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """Shape of the learning rate after the warm-up."""
    schedule_steps: int = Field(default=2000, ge=1)
    """Optimiser steps, over all iterations, until the rate reaches its floor."""
    warmup_fraction: float = Field(default=0.03, ge=0, lt=1)
    """Share of `schedule_steps` with a rising rate."""
    min_learning_rate_ratio: float = Field(default=0.1, ge=0, le=1)
    """Floor of the schedule as a share of `learning_rate`."""
    tis_cap: float | None = Field(default=2.0, gt=0)
    """Cap of the importance weight between sampling engine and trainer; null switches the weight off."""
    advantage_eps: float = Field(default=1e-6, gt=0)
    """Added to the standard deviation that advantages are divided by."""
    max_loss: float = Field(default=1000.0, gt=0)
    """A step whose loss is larger in size, or no number, or whose gradient is none, is skipped and counted."""
    max_skipped_steps: int = Field(default=3, ge=0)
    """More skipped steps than this in one update, and it fails."""
    lora: LoraConfig | None = None
    """Train low-rank adapters only; null: all weights."""

    @model_validator(mode="before")
    @classmethod
    def _fill_in_the_usual(cls, values: Any) -> Any:
        """What is usual for the algorithm is written out, so that a dumped config says what was done."""
        if not isinstance(values, dict):
            return values
        algorithm = values.get("algorithm", "reinforce_pp")
        place = values.get("kl_place", "usual")
        if place == "usual":
            place = "reward" if algorithm in _KL_IN_REWARD else "loss"
        usual = {
            "normalisation": "constant" if algorithm == "dr_grpo" else "token",
            "kl_place": place,
            "kl_estimator": "k1" if place == "reward" else "k3",
        }
        return values | {name: usual[name] for name in usual if values.get(name, "usual") == "usual"}

    @model_validator(mode="after")
    def _fits_together(self) -> "UpdateConfig":
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas: expected two numbers in [0, 1), found {self.betas}")
        if self.kl_place == "loss" and self.kl_estimator == "k1" and (self.kl_coef or self.kl_target):
            raise ValueError(
                "kl_estimator: k1 in the loss has an expected gradient of 0; use k2, k3 or kl_place: reward"
            )
        if self.loss == "cispo" and self.dual_clip is not None:
            raise ValueError("dual_clip: cispo does not clip ratios; leave it out or use loss: ppo")
        if self.kl_target is not None and self.kl_coef == 0:
            raise ValueError("kl_coef: 0 cannot be adapted to kl_target, as it is scaled; start from 1e-3, say")
        return self

    @property
    def upper_clip(self) -> float:
        return self.clip if self.clip_high is None else self.clip_high

    @property
    def needs_groups(self) -> bool:
        """Whether every question needs two responses or more."""
        return self.algorithm in GROUPED


class TrainerPlacement(Settings):
    """Where and how the update runs. Not identity, though the last bits of a result may follow from it."""

    processes: int = Field(default=1, ge=1, le=1024)
    """Data-parallel processes on each machine, one per GPU."""
    machines: int = Field(default=1, ge=1, le=1024)
    """Machines that compute one update together; all but this one run `serl join`. They have to see the run's folder
    (or `$SERL_CACHE`, on S3), `compute.scratch` and `checkpoints` under the same paths."""
    rendezvous: str | None = Field(default=None, pattern=r"^\S+:\d{1,5}$")
    """host:port of this machine where the others find it; goes with several machines."""
    threads: int = Field(default=1, ge=1, le=256)
    """CPU threads of each process. Their number changes the last bits: the default does not look at the machine."""
    micro_batch_tokens: int = Field(default=8192, ge=1)
    """Most tokens that one process computes at a time (none is padding); one response may exceed it."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Type of the matrix products (autocast); weights and optimiser stay in float32."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, a third more time."""
    deepspeed: Path | None = None
    """JSON file of DeepSpeed settings (ZeRO stage, offload); null means no ZeRO."""
    save_every_steps: int | None = Field(default=None, ge=1)
    """Optimiser steps between two checkpoints from which a killed update goes on; null: it starts over."""
    checkpoints: Path | None = None
    """Folder for them, on a disk that outlives the process; by default one in the system's temporary folder."""
    free_memory: bool | None = None
    """Give the memory of weights and optimiser back between updates; null: on a GPU, which the engine wants too."""

    @model_validator(mode="after")
    def _machines_can_meet(self) -> Self:
        if (self.machines > 1) != (self.rendezvous is not None):
            raise ValueError(
                f"`rendezvous` (host:port) goes with several machines; found machines {self.machines} and rendezvous "
                f"{self.rendezvous}"
            )
        if self.machines > 1 and self.save_every_steps and self.checkpoints is None:
            raise ValueError(
                "with several machines, save_every_steps needs `checkpoints`, a folder that all of them see"
            )
        return self


_OWN_DEEPSPEED_SETTINGS = {
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


def read_deepspeed_settings(placement: TrainerPlacement) -> dict[str, Any]:
    """The settings in the placement's DeepSpeed file, {} without one.

    Raises InputError when the file cannot be read, ConfigError naming a setting that the run's own config decides.
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
    for name, ours in _OWN_DEEPSPEED_SETTINGS.items():
        if name in settings:
            raise ConfigError(f"{path}: {name} is decided by {ours}; take it out of the file")
    stage = settings.get("zero_optimization", {}).get("stage", 0)
    if stage not in (0, 1, 2, 3):
        raise ConfigError(f"{path}: zero_optimization.stage is {stage!r}, expected 0, 1, 2 or 3")
    return settings


def zero_stage(settings: dict[str, Any]) -> int:
    """ZeRO stage of DeepSpeed settings."""
    return int(settings.get("zero_optimization", {}).get("stage", 0))


def learning_rate_at(config: UpdateConfig, step: int) -> float:
    """Learning rate of optimiser step `step` (0 is the first ever): warm-up, decay to the floor, floor for good.

    Departure from the usual warm-up, which starts at 0 and so wastes the first step: it starts at one part.
    """
    warmup = math.ceil(config.warmup_fraction * config.schedule_steps)
    if step < warmup:
        return config.learning_rate * (step + 1) / warmup
    if config.schedule == "constant":
        return config.learning_rate
    done = min(1.0, (step - warmup) / max(1, config.schedule_steps - warmup))
    height = 0.5 * (1 + math.cos(math.pi * done)) if config.schedule == "cosine" else 1 - done
    floor = config.min_learning_rate_ratio
    return config.learning_rate * (floor + (1 - floor) * height)
