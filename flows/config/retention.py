"""Which weights of past iterations a run keeps. Tables are always kept; changing these settings recomputes nothing."""

from typing import Literal, Self

from pydantic import PositiveInt, model_validator

from flows.config.exactly_one import require_exactly_one
from stages.settings import Settings


class KeepBest(Settings):
    """How the best policies are found: by a validation set, or by a number that needs no label."""

    count: PositiveInt = 1
    """Number of best policies to keep."""
    benchmark: str | None = None
    """A benchmark with `validation: true`: policies are ranked by its pass@1, sampled if it has samples. Other
    benchmarks are refused."""
    signal: Literal["vote/mean_share", "vote/mean_margin"] | None = None
    """How far the policy's answers agree in the next iteration, which needs no label. The signal rises in a collapse as
    well: prefer a validation set."""

    @model_validator(mode="after")
    def _one_measure(self) -> Self:
        require_exactly_one("keep.policies.best", benchmark=self.benchmark, signal=self.signal)
        return self


class KeepPolicies(Settings):
    """Which policies stay, in addition to those that the run still needs (reference, voters, the watchdog's last good
    policy)."""

    last: PositiveInt = 2
    """Number of newest policies to keep."""
    every: PositiveInt | None = 10
    """Keep the policy of every n-th iteration; null: no policy is kept for that reason."""
    best: KeepBest | None = None
    """Keep the best policies; null: no policy is kept for that reason."""


class Keep(Settings):
    """Which weights of past iterations stay. Tables always stay. Changing this group recomputes nothing."""

    trainer_states: PositiveInt = 2
    """Number of newest optimiser states to keep; one is enough to continue."""
    policies: KeepPolicies = KeepPolicies()
    """Which policies stay."""
