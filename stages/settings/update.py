"""Settings of the policy update. They give the update its meaning and are part of the identity of its output."""

from typing import Any, Literal, Self

from pydantic import (
    Field,
    PositiveFloat,
    PositiveInt,
    SerializationInfo,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from stages.settings.base import Settings, renamed

Algorithm = Literal["ppo", "reinforce_pp", "reinforce_pp_baseline", "grpo", "rloo", "dr_grpo"]
Aggregation = Literal["token", "sequence", "constant"]
KlIn = Literal["reward", "loss"]
KlEstimator = Literal["k1", "k2", "k3"]

GROUPED = ("reinforce_pp_baseline", "grpo", "rloo", "dr_grpo")
"""Algorithms that compare a response with the other responses to its question, so each question needs at least two."""

_KL_IN_REWARD = ("ppo", "reinforce_pp", "rloo")
"""Algorithms whose KL penalty usually is a part of the reward; for the other algorithms it is a term of the loss."""

_BY_ALGORITHM: Any = None
"""Default of a field that the algorithm decides. Validation replaces it, so no config ever holds it."""
_UNDECIDED = (None, "usual")
"""Values that leave a field to the algorithm; "usual" is the older spelling."""


class CriticConfig(Settings):
    """PPO's critic: a copy of the starting policy with a value head that starts at 0, carried across iterations."""

    learning_rate: float = Field(default=9e-6, gt=0, le=1)
    """Highest learning rate; the rate follows the policy's schedule."""
    value_clip: float | None = Field(default=0.2, gt=0)
    """How far a value may move from its old one before its loss stops falling; null: no limit."""


class LoraConfig(Settings):
    """Low-rank adapters (arXiv 2106.09685): training changes them alone; the next policy has them merged in."""

    rank: int = Field(default=16, ge=1, le=1024)
    """Rank of the two matrices whose product is the change of a weight."""
    alpha: float = Field(default=32, gt=0)
    """The adapters' product counts alpha / rank times."""
    modules: tuple[str, ...] | None = None
    """Names of the linear layers that get an adapter; null: all but the output layer."""


class UpdateConfig(Settings):
    """The policy update (docs/explanation/method.md, section 2)."""

    algorithm: Algorithm = "reinforce_pp"
    """How rewards become advantages."""
    loss: Literal["ppo", "gspo", "cispo"] = "ppo"
    """ppo: clips the probability ratio of each token; gspo: that of the whole response; cispo: clips only the weight of
    a token, so that no token loses its gradient."""
    loss_aggregation: Aggregation = renamed("normalisation", default=_BY_ALGORITHM)
    """token: the loss is the mean over tokens; sequence: the mean over responses of their means; constant: the sum over
    tokens divided by responses x max_tokens (Dr.GRPO). null: constant for dr_grpo, token for the other algorithms."""
    learning_rate: float = Field(default=5e-7, gt=0, le=1)
    """Highest rate of the schedule."""
    betas: tuple[float, float] = (0.9, 0.95)
    """AdamW's decay rates of the two moments."""
    weight_decay: float = Field(default=0.0, ge=0, lt=1)
    """AdamW's weight decay, decoupled from the gradient."""
    max_grad_norm: float = Field(default=1.0, gt=0)
    """A gradient of larger norm is scaled down to this norm."""
    clip: float = Field(default=0.2, gt=0, lt=1)
    """Clip of the probability ratio downwards, and upwards if clip_high is not set. gspo needs about 3e-4."""
    clip_high: float | None = Field(default=None, gt=0)
    """Clip of the probability ratio upwards (clip-higher; for cispo the weight's only limit)."""
    dual_clip: float | None = Field(default=None, gt=1)
    """Bound on the ratio if the advantage is negative; null: none. Not for cispo."""
    kl_coef: float = Field(default=1e-3, ge=0)
    """Weight of the KL to the reference; with kl_target, its first value. 0: the reference is not loaded, and the KL is
    not measured."""
    kl_in: KlIn = renamed("kl_place", default=_BY_ALGORITHM)
    """reward: a penalty on every token's reward; loss: a term of the loss. null: reward for ppo, reinforce_pp and rloo,
    loss for the other algorithms."""
    kl_estimator: KlEstimator = _BY_ALGORITHM
    """Estimator of the KL; null: k1 in the reward, k3 in the loss. k1 in the loss is refused: its expected gradient
    is 0."""
    kl_target: float | None = Field(default=None, gt=0)
    """KL per token (nats) towards which the weight is adapted; null: the weight is fixed."""
    kl_horizon: int = Field(default=10_000, ge=1)
    """Responses in which the adaptive weight moves by 20 % at most."""
    entropy_coef: float = Field(default=0.0, ge=0)
    """Weight of the entropy bonus."""
    gamma: float = Field(default=1.0, gt=0, le=1)
    """Discount per token."""
    gae_lambda: float = Field(default=1.0, ge=0, le=1)
    """Decay of generalised advantage estimation; ppo only."""
    critic: CriticConfig = CriticConfig()
    """The critic; ppo only."""
    overlong: Literal["keep", "mask", "penalise"] = "keep"
    """Responses cut off at max_tokens: keep trains on them, mask leaves them out (they still count in their group's
    mean; if all are cut off, the update is skipped), penalise lowers their reward and that of responses that come near
    (DAPO's soft punishment)."""
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
    importance_weight_cap: float | None = renamed("tis_cap", default=2.0, gt=0)
    """Cap of the importance weight between sampling engine and trainer; null switches the weight off."""
    advantage_eps: float = Field(default=1e-6, gt=0)
    """Added to the standard deviation that advantages are divided by."""
    max_loss: float = Field(default=1000.0, gt=0)
    """A step is skipped and counted if its loss is larger in size than this, or if loss or gradient is no number."""
    max_skipped_steps: int = Field(default=3, ge=0)
    """An update fails if it skips more steps than this."""
    lora: LoraConfig | None = None
    """Train low-rank adapters only; null: all weights."""

    @field_validator("loss_aggregation", mode="before", json_schema_input_type=Aggregation | None)
    @classmethod
    def _aggregation_of_the_algorithm(cls, value: Any, info: ValidationInfo) -> Any:
        if value not in _UNDECIDED:
            return value
        return "constant" if info.data.get("algorithm") == "dr_grpo" else "token"

    @field_validator("kl_in", mode="before", json_schema_input_type=KlIn | None)
    @classmethod
    def _kl_in_of_the_algorithm(cls, value: Any, info: ValidationInfo) -> Any:
        if value not in _UNDECIDED:
            return value
        return "reward" if info.data.get("algorithm") in _KL_IN_REWARD else "loss"

    @field_validator("kl_estimator", mode="before", json_schema_input_type=KlEstimator | None)
    @classmethod
    def _estimator_of_the_algorithm(cls, value: Any, info: ValidationInfo) -> Any:
        if value not in _UNDECIDED:
            return value
        return "k1" if info.data.get("kl_in") == "reward" else "k3"

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"betas: expected two numbers in [0, 1), found {self.betas}")
        if self.kl_in == "loss" and self.kl_estimator == "k1" and (self.kl_coef or self.kl_target):
            raise ValueError("kl_estimator: k1 in the loss has an expected gradient of 0; use k2, k3 or kl_in: reward")
        if self.loss == "cispo" and self.dual_clip is not None:
            raise ValueError("dual_clip: cispo does not clip ratios; leave it out or use loss: ppo")
        if self.kl_target is not None and self.kl_coef == 0:
            raise ValueError("kl_coef: 0 cannot be adapted to kl_target, as it is scaled; start from 1e-3, say")
        return self

    @property
    def upper_clip(self) -> float:
        """Clip of the probability ratio upwards."""
        return self.clip if self.clip_high is None else self.clip_high

    @property
    def uses_reference(self) -> bool:
        """Whether the KL to the reference has a weight. If not, nothing computes the KL or needs the reference."""
        return self.kl_coef > 0  # kl_target adapts a positive weight, which stays positive

    @property
    def needs_groups(self) -> bool:
        """Whether every question needs two responses or more."""
        return self.algorithm in GROUPED


class PpoUpdateConfig(Settings):
    """`UpdateConfig` with the values that other settings of the run decide.

    The dump is flat: the fields of `update`, then the others. Keys and manifests have held this form from the start.
    """

    update: UpdateConfig
    """How the policy is updated."""
    temperature: PositiveFloat
    """Temperature that the responses were sampled at."""
    max_tokens: PositiveInt
    """Most tokens that a response could have."""

    @model_serializer
    def _flat(self, info: SerializationInfo) -> dict[str, Any]:
        update = self.update.model_dump(mode=info.mode)
        return {**update, "temperature": self.temperature, "max_tokens": self.max_tokens}
