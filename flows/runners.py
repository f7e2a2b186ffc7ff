"""Runners that run the stages of an iteration in this process, or only look up what stages have committed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from flows.rounds.state import Inputs, existing_inputs
from stages.contract import Context, Progress, Result, Stage, find_stage, run_stage, stage_key
from stages.settings import Settings
from storage.artifact import ArtifactRef, name_in_round


@dataclass(frozen=True, kw_only=True, slots=True)
class PendingStage:
    """A stage that is due and has not been committed."""

    stage: Stage
    settings: Settings
    inputs: Mapping[str, ArtifactRef]
    iteration: int
    round: int
    seed: int
    branch: int
    key: str

    @property
    def name(self) -> str:
        """Name of the execution within its iteration."""
        return name_in_round(self.stage.name, self.round)


class StagePending(Exception):
    """A stage that was looked up has not been committed."""

    def __init__(self, pending: PendingStage) -> None:
        super().__init__(pending.stage.name)
        self.pending = pending


@dataclass(frozen=True)
class LocalRunner:
    """A runner that runs every stage in this process. Other runners inherit from it and replace `run`."""

    context: Context

    def run(self, stage: Stage, inputs: Inputs, settings: Settings) -> Result:
        """Return the outputs of a stage; run the stage if they do not exist."""
        return run_stage(stage, existing_inputs(inputs), settings, self.context)

    def find(self, stage: Stage, inputs: Inputs, settings: Settings) -> Result | None:
        """Return the outputs of a stage; None if they do not exist."""
        return find_stage(stage, existing_inputs(inputs), settings, self.context)

    def in_round(self, number: int, note: str) -> Self:
        """Return this runner for the stages of one round; `note` says where the iteration is."""
        progress = _with_note(self.context.progress, note)
        return replace(self, context=replace(self.context, round=number, note=note, progress=progress))


@dataclass(frozen=True)
class LookupRunner(LocalRunner):
    """A runner that runs no stage and only looks outputs up."""

    def run(self, stage: Stage, inputs: Inputs, settings: Settings) -> Result:
        """Return the outputs of a stage. Raises StagePending if they do not exist."""
        result = self.find(stage, inputs, settings)
        if result is None:
            refs, context = existing_inputs(inputs), self.context
            raise StagePending(
                PendingStage(
                    stage=stage,
                    settings=settings,
                    inputs=refs,
                    iteration=context.iteration,
                    round=context.round,
                    seed=context.seed,
                    branch=context.branch,
                    key=stage_key(stage, refs, settings, context),
                )
            )
        return result


def _with_note(progress: Progress, where: str) -> Progress:
    """Return a progress callback that puts `where` in front of each note."""

    def report(stage: str, done: int, total: int, note: str) -> None:
        progress(stage, done, total, " · ".join(filter(None, (where, note))))

    return report
