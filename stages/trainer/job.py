"""What the parent and the trainer process say to each other: settings, one job, its result. No torch here.

`UpdateConfig` gives the update its meaning and is part of the identity of its output; `TrainerPlacement` says where
and how it runs and is not. A job and its result travel as JSON files.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from stages.settings import Settings

Progress = Callable[[int, int, str], None]
"""Called with units done, units in all, and what is being done."""

ROLLOUT_COLUMNS = ("question_id", "sample_index", "prompt_ids", "response_ids", "behaviour_logprobs", "reward")

METRIC_COLUMNS = (
    "loss",
    "policy_loss",
    "kl",
    "approx_kl",
    "entropy",
    "clip_fraction",
    "ratio_mean",
    "ratio_max",
    "tis_mean",
    "tis_capped",
    "behaviour_gap",
    "advantage_mean",
    "advantage_std",
    "reward_mean",
    "response_length",
    "responses",
    "tokens",
    "grad_norm",
    "learning_rate",
)
"""Float columns of metrics.parquet, beside the integer `step` (1 is the first ever).

Means are over response tokens of the optimiser step. `kl` is k3 against the reference, `approx_kl` k3 against the
policy before the update; `tis_capped` the share of tokens whose weight was cut; `behaviour_gap` the mean
|trainer's - engine's log-probability| of the sampled tokens.
"""


class UpdateConfig(Settings):
    """The policy update (METHOD.md, section 2)."""

    algorithm: Literal["reinforce_pp", "reinforce_pp_baseline", "grpo"] = "reinforce_pp"
    """The advantage. reinforce_pp has KL in the reward (k1), the others in the loss (k3)."""
    learning_rate: float = Field(default=5e-7, gt=0, le=1)
    """Highest rate of the schedule."""
    betas: tuple[float, float] = (0.9, 0.95)
    """AdamW's decay rates of the two moments."""
    weight_decay: float = Field(default=0.0, ge=0, lt=1)
    max_grad_norm: float = Field(default=1.0, gt=0)
    """The gradient is scaled down to this norm."""
    clip: float = Field(default=0.2, gt=0, lt=1)
    """PPO clip of the probability ratio, to both sides."""
    kl_coef: float = Field(default=1e-3, ge=0)
    """Weight of the KL to the reference."""
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

    @model_validator(mode="after")
    def _betas_in_range(self) -> "UpdateConfig":
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas: expected two numbers in [0, 1), found {self.betas}")
        return self


class TrainerPlacement(Settings):
    """Where and how the update runs. Not identity, though the last bits of a result may follow from it."""

    processes: int = Field(default=1, ge=1, le=1024)
    """Data-parallel processes on this machine, one per GPU."""
    threads: int = Field(default=1, ge=1, le=256)
    """CPU threads of each process. Their number changes the last bits: the default does not look at the machine."""
    micro_batch_tokens: int = Field(default=8192, ge=1)
    """Most tokens, padding included, that one process computes at a time; one response may exceed it."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Type of the matrix products (autocast); weights and optimiser stay in float32."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, a third more time."""
    deepspeed: Path | None = None
    """JSON file of DeepSpeed settings; null means no ZeRO."""


class Job(Settings):
    """One update: what goes in, where it goes out."""

    rollout: Path
    """Parquet with `ROLLOUT_COLUMNS`, rows of kept questions only."""
    policy: Path
    """Hugging Face folder of the policy to update."""
    policy_key: str
    """Names the policy's weights; a worker that holds them does not load."""
    reference: Path
    """Hugging Face folder of the reference policy."""
    reference_key: str
    """Names the reference's weights; equal to `policy_key` when they are the same."""
    state: Path | None = None
    """Trainer state left by the previous update, None for the first."""
    state_key: str | None = None
    """Names that state."""
    output: Path
    """Folder to fill: policy/, trainer_state/, metrics.parquet and, last, done.json."""
    output_policy_key: str
    """Key that output/policy will have."""
    output_state_key: str
    """Key that output/trainer_state will have."""
    config: UpdateConfig
    placement: TrainerPlacement = TrainerPlacement()
    temperature: float = Field(gt=0)
    """Temperature the responses were sampled at; log-probabilities are of softmax(logits / temperature)."""
    seed: int = Field(ge=0, lt=2**64)
    """Decides which responses share an optimiser step."""


class JobResult(Settings):
    """The worker's answer, also kept as output/done.json."""

    optimiser_steps: int
    """Steps taken by this update."""
    schedule_step: int
    """Steps taken in all: the position in the learning-rate schedule."""
    responses: int
    tokens: int
    """Response tokens of the rollout."""
    metrics: dict[str, float]
    """`METRIC_COLUMNS` over the whole update: token-weighted means, largest `ratio_max`, last `learning_rate`."""
    seconds: dict[str, float]
    """Wall-clock time of each part of the update; outside every digest."""


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
