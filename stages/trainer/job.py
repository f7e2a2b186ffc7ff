"""What the parent and the trainer process say to each other: one job, its result. No torch here.

A job and its result travel as JSON files.
"""

from collections.abc import Callable
from pathlib import Path

from pydantic import Field

from stages.settings import Settings
from stages.settings.trainer import TrainerPlacement
from stages.settings.update import UpdateConfig

Progress = Callable[[int, int, str], None]
"""Called with units done, units in all, and what is being done."""

ROLLOUT_COLUMNS = (
    "question_id",
    "sample_index",
    "prompt_ids",
    "response_ids",
    "behaviour_logprobs",
    "finish_reason",
    "reward",
)

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
"""Float columns of metrics.parquet, beside the integer `step` (1 is the first ever).

Means are over response tokens of the optimiser step. `kl` is k3 against the reference, `approx_kl` k3 against the
policy before the update; `tis_capped` the share of tokens whose weight was cut; `behaviour_gap` the mean
|trainer's - engine's log-probability| of the sampled tokens; `truncated` the share of responses cut off at the token
limit; `skipped` 1 for a step that was not taken, whose losses may be null. The last five are the critic's, null
without one; `explained_variance` is 1 - var(return - value) / var(return), of the values before the update.
"""

SPEED_COLUMNS = ("seconds", "tokens_per_second", "sequence_tokens", "peak_memory_mib", "model_flops_utilisation")
"""Float columns of speed.parquet, beside `step`: what differs between two equal updates, so outside every digest.

`tokens_per_second` counts response tokens; `sequence_tokens` prompts too, each once for every response to it,
and utilisation goes by them;
`peak_memory_mib` is the first process's (of its GPU, or of its main memory); utilisation is null on a CPU.
"""


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
    base: Path | None = None
    """Hugging Face folder of the policy that low-rank adapters are trained on top of; None without them."""
    checkpoint: Path | None = None
    """Folder of this update's own checkpoints; None keeps none. What is found there is gone on from."""
    output: Path
    """Folder to fill: policy/, trainer_state/, metrics.parquet, speed.parquet and, last, done.json."""
    output_policy_key: str
    """Key that output/policy will have."""
    output_state_key: str
    """Key that output/trainer_state will have."""
    config: UpdateConfig
    placement: TrainerPlacement = TrainerPlacement()
    temperature: float = Field(gt=0)
    """Temperature the responses were sampled at; log-probabilities are of softmax(logits / temperature)."""
    max_tokens: int = Field(ge=1)
    """Most tokens that a response could have."""
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
    metrics: dict[str, float | None]
    """`METRIC_COLUMNS` over the whole update: token-weighted means over the steps taken, extremes of the ratio, last
    `learning_rate`, the number of skipped steps."""
    seconds: dict[str, float]
    """Wall-clock time of each part of the update; outside every digest."""
