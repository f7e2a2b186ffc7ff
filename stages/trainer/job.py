"""A job for the trainer process and the result it returns; both travel as JSON files. No torch here."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from pydantic import Field

from stages.settings import Settings
from stages.settings.trainer import TrainerPlacement
from stages.settings.update import LoraConfig, UpdateConfig

Progress = Callable[[int, int, str], None]
"""Called with the steps done, the steps in total, and a short note."""

ROLLOUT_COLUMNS = (
    "question_id",
    "sample_index",
    "prompt_ids",
    "response_ids",
    "behaviour_logprobs",
    "finish_reason",
    "reward",
)
"""Columns of the rollout, one row per response."""
METRIC_COLUMNS = (
    "loss",
    "policy_loss",
    "kl",
    "kl_coef",
    "approx_kl",
    "entropy",
    "clip_fraction",
    "ratio_mean",
    "ratio_min",
    "ratio_max",
    "tis_mean",
    "tis_capped",
    "behaviour_gap",
    "behaviour_gap_max",
    "advantage_mean",
    "advantage_std",
    "reward_mean",
    "response_length",
    "truncated",
    "responses",
    "tokens",
    "grad_norm",
    "learning_rate",
    "skipped",
    "value_loss",
    "value_mean",
    "return_mean",
    "explained_variance",
    "critic_grad_norm",
)
"""Float columns of metrics.parquet, in addition to the integer `step` (the run's first optimiser step is 1).

Means are over the response tokens of the optimiser step.

- `kl`: estimator k3 against the reference, null if `kl_coef` is 0.
- `approx_kl`: k3 against the policy before the update.
- `tis_capped`: share of tokens whose importance weight was capped.
- `behaviour_gap`: mean |trainer's - engine's log-probability| of the sampled tokens (nats).
- `truncated`: share of responses cut off at the token limit.
- `skipped`: 1 for a step that was not taken, whose losses may be null.
- The last five are the critic's, and null without a critic. `explained_variance` is
  1 - var(return - value) / var(return), with the values before the update.
"""

SPEED_COLUMNS = ("seconds", "tokens_per_second", "sequence_tokens", "peak_memory_mib", "model_flops_utilisation")
"""Float columns of speed.parquet, in addition to `step`. Two equal updates differ in them, so no digest covers them.

- `tokens_per_second` counts response tokens.
- `sequence_tokens` counts prompt tokens too, each prompt once for every response to it; `model_flops_utilisation` is
  computed from this number and is null on a CPU.
- `peak_memory_mib` is of the first process: memory of its GPU, or main memory.
"""


class Job(Settings):
    """One update: inputs, settings and the output folder."""

    rollout: Path
    """Parquet with `ROLLOUT_COLUMNS`, rows of kept questions only."""
    policy: Path
    """Hugging Face folder of the policy to update."""
    policy_key: str
    """Key of the policy's weights; a worker that holds weights of this key does not load them again."""
    reference: Path
    """Hugging Face folder of the reference policy."""
    reference_key: str
    """Key of the reference's weights; equal to `policy_key` if the reference is the policy."""
    state: Path | None = None
    """Trainer state that the previous update wrote; None for the first update."""
    state_key: str | None = None
    """Key of that state."""
    base: Path | None = None
    """Hugging Face folder of the policy that low-rank adapters are trained on; None without adapters."""
    checkpoint: Path | None = None
    """Folder for checkpoints of this update, which resumes from the newest; None: no checkpoints."""
    output: Path
    """Folder to fill: policy/, metrics.parquet, speed.parquet, then trainer_state/ and, last, done.json."""
    memory: Path | None = None
    """An empty folder in main memory. If the policy has room there, its files lie there, and output/policy is a
    symbolic link to them. None: the files lie in `output`."""
    output_policy_key: str
    """Key that output/policy will have."""
    output_state_key: str
    """Key that output/trainer_state will have."""
    config: UpdateConfig
    """Settings of the update."""
    placement: TrainerPlacement = TrainerPlacement()
    """Where and how the update runs."""
    temperature: float = Field(gt=0)
    """Temperature that the responses were sampled at; log-probabilities are of softmax(logits / temperature)."""
    max_tokens: int = Field(ge=1)
    """Most tokens that a response could have."""
    seed: int = Field(ge=0, lt=2**64)
    """Decides which responses share an optimiser step, and the first weights of new adapters."""

    @property
    def parts(self) -> tuple[bool, LoraConfig | None]:
        """Whether there is a critic, and the settings of adapters; a change of either requires loading again."""
        return self.config.algorithm == "ppo", self.config.lora


class JobResult(Settings):
    """Result of one update; the worker also writes it to done.json in the output folder."""

    optimiser_steps: int
    """Optimiser steps of this update, skipped steps included."""
    schedule_step: int
    """Optimiser steps of all updates so far: the position in the learning-rate schedule."""
    responses: int
    """Responses that the update trained on."""
    tokens: int
    """Response tokens that the update trained on."""
    metrics: dict[str, float | None]
    """`METRIC_COLUMNS` over the whole update: token-weighted means over the steps taken; extremes of the
    ratio and of `behaviour_gap_max`; totals of `tokens`, `responses` and `skipped`; the last `learning_rate`."""
    seconds: dict[str, float]
    """Wall-clock time of each part of the update, in their order; no digest covers it.

    `read` is of rollout and settings, `to_device` and `to_host` of the moves between host memory and GPU, `load` of
    files and checks, `reference` of bringing the reference to the device, `logprobs` of all that precedes the
    optimiser `steps`, `save` of policy, `save_state` of the trainer state if the result waited for it.
    """
    held: Literal["device", "host", "nowhere"] = "device"
    """Where weights and optimiser are after the update."""
    reserved_memory_mib: float = 0.0
    """GPU memory that the first process keeps reserved for tensors after the update."""
