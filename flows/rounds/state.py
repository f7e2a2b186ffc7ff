"""What passes from stage to stage and from iteration to iteration, and who runs the stages."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from flows.watchdog import Health
from stages.contract import Result, Stage
from stages.settings import Settings
from storage.artifact import ArtifactRef

Inputs = Mapping[str, ArtifactRef | None]
"""Inputs of a stage by name; None for an artifact that does not exist yet (pool, bank and trainer state of the first
iteration)."""


def existing_inputs(inputs: Inputs) -> dict[str, ArtifactRef]:
    """Return the inputs that exist."""
    return {name: ref for name, ref in inputs.items() if ref is not None}


class Runner(Protocol):
    """Decides what happens to each stage of one iteration."""

    def run(self, stage: Stage, inputs: Inputs, settings: Settings) -> Result:
        """Return the outputs of a stage that is due."""

    def find(self, stage: Stage, inputs: Inputs, settings: Settings) -> Result | None:
        """Return the outputs of a stage that is not due; None if they do not exist."""

    def in_round(self, number: int, note: str) -> "Runner":
        """Return this runner for the stages of one round; `note` says where the iteration is, for people."""


@dataclass(frozen=True, kw_only=True, slots=True)
class IterationState:
    """What one iteration hands to the next: references to artifacts, and the watchdog's memory."""

    seeds: ArtifactRef
    problems: ArtifactRef
    shots: ArtifactRef
    """Worked examples of benchmarks that have them."""
    policy: ArtifactRef
    initial: ArtifactRef
    """The policy of iteration 0."""
    reference: ArtifactRef
    """The policy that the KL penalty refers to: the initial policy, or a later one if the reference is refreshed."""
    earlier: tuple[ArtifactRef, ...] = ()
    """The policies of all iterations before this one, in order."""
    voters: Mapping[str, ArtifactRef] = field(default_factory=dict)
    """Imported models of voters, by the name of the stage input (`voter_NAME`)."""
    dataset: ArtifactRef | None = None
    """Existing questions, for `instructions: dataset`."""
    pool: ArtifactRef | None = None
    """Questions kept after the vote; they serve as few-shot examples."""
    bank: ArtifactRef | None = None
    """Every question ever accepted; new questions must differ from them."""
    carried_over: ArtifactRef | None = None
    """Questions that were kept and not used, which the next iteration asks first; None if there are none."""
    position: int = 0
    """Where the next round draws existing questions from (see `DrawConfig.position`)."""
    difficulty: ArtifactRef | None = None
    """What the last vote said about each question that was asked; None without `draw.prefer_uncertain`."""
    trainer_state: ArtifactRef | None = None
    """Optimiser, critic and position in the schedule."""
    health: Health = field(default_factory=Health)
    """What the watchdog has seen so far."""
