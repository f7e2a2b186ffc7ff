"""Settings of the vote: which questions are kept, and what a response earns."""

from typing import Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from stages.settings.answers import AnswerConfig
from stages.settings.base import Settings

RewardSource = Literal["majority", "verified", "random"]

ROUNDING = 1e-9
"""A share equal to a limit, such as 3 / 15 and 0.2, is inside, whatever its last bit."""
POLICY = "policy"
"""The policy's name among the voters."""


class VoteSettings(Settings):
    """How responses are voted on and rewarded. Defaults are the published ones."""

    min_reward: float = Field(0.2, ge=0, le=1)
    """Keep a question if the share of the policy's responses that give the majority answer (with `rewards: verified`,
    the right answer) is at least this ..."""
    max_reward: float = Field(0.8, ge=0, le=1)
    """... and at most this."""
    abstain_below: float = Field(0.0, ge=0, le=1)
    """Drop a question if the largest vote share exceeds the second by less than this."""
    soft: bool = False
    """Every answer earns the share of its class, instead of 1 for the majority."""
    low_agreement_penalty: float = Field(0.0, ge=0, le=1)
    """Rewards are multiplied by 1 - this * (1 - majority share)."""
    train_responses: PositiveInt | None = Field(None, ge=2)
    """Responses of each question that are trained on; null: all. All responses vote."""

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        if self.min_reward > self.max_reward:
            raise ValueError(
                f"min_reward {self.min_reward} is above max_reward {self.max_reward}: nothing could be kept"
            )
        return self


class VoterWeight(Settings):
    """A voter other than the policy, and the weight of each of its votes; the policy's votes count 1."""

    name: str
    """The voter's name in tables."""
    weight: PositiveFloat
    """Weight of one vote."""


class VoteConfig(VoteSettings):
    """`VoteSettings` with the values that other settings of the run decide."""

    rewards: RewardSource = "majority"
    """majority: the method. verified: labels (upper bound). random: the majority's rewards, permuted within each
    question after the difficulty gate (control)."""
    domain: Literal["arithmetic"] | None = None
    """Built-in domain that can label its own questions."""
    answers: AnswerConfig = AnswerConfig()
    """What counts as an answer."""
    voters: tuple[VoterWeight, ...] = ()
    """Voters whose answers are in the input `voter_responses`."""
