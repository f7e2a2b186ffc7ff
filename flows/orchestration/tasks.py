"""The adapter from a stage to a Prefect task: its name, the state "Skipped", and progress in the UI.

Prefect's result cache stays off and no result is persisted: only manifests say what is done, and nothing is pickled. A
stage whose outputs exist already appears in the UI as a completed task named "Skipped".
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from uuid import UUID

import httpx
from prefect import task
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State as PrefectState
from prefect.exceptions import PrefectException
from prefect.logging import get_run_logger
from prefect.states import Completed

from flows.observer import OBSERVER
from flows.orchestration.gpu_runs import GpuRuns
from flows.reporting.number_format import duration_text
from flows.rounds.state import Inputs, existing_inputs
from flows.runners import LocalRunner
from flows.stage_lines import Pace, StageLines
from stages.contract import Context, Progress, Result, Stage, run_stage
from stages.settings import Settings
from stages.work import input_of_round
from storage.lease import Lease
from storage.reader import output_of

_SECONDS_BETWEEN_UPDATES = 5.0
_SECONDS_WITHOUT_SERVER = 60.0


@dataclass(frozen=True)
class PrefectRunner(LocalRunner):
    """A runner that runs every stage in a Prefect task, as long as this process holds the run's lease.

    With `gpu_runs`, GPU workers run the stages that use a GPU, and the task waits until they are committed.
    """

    lease: Lease
    gpu_runs: GpuRuns | None

    def run(self, stage: Stage, inputs: Inputs, settings: Settings) -> Result:
        """Return the outputs of a stage. Raises RunBusy if the lease was lost."""

        def execute(context: Context) -> Result:
            if self.gpu_runs is None or not stage.uses_gpu:
                return run_stage(stage, existing_inputs(inputs), settings, context)
            return self.gpu_runs.wait_for(lambda: self.find(stage, inputs, settings))

        self.lease.check()
        return run_as_task(execute, stage, inputs, settings, self.context)


def run_as_task(
    execute: Callable[[Context], Result], stage: Stage, inputs: Inputs, settings: Settings, context: Context
) -> Result:
    """Call `execute` in a Prefect task whose name gives the iteration, the round, the stage and its size."""
    results: list[Result] = []
    size = stage_size(stage, inputs, settings)
    say = OBSERVER.get().line
    place = f"iteration {context.iteration}{f', {context.note}' if context.note else ''}"
    label = f"{place}: {stage.name}"

    # The task takes no parameters: Prefect would search them for futures, and they hold live models.
    @task(
        name=stage.name,
        task_run_name=f"{label}{f' ({size})' if size else ''}",
        cache_policy=NO_CACHE,
        persist_result=False,
    )
    def stage_task() -> PrefectState[None]:
        with StageLines(say or get_run_logger().info, label, size, context.progress) as lines:
            progress = _ProgressInUi(lines.progress)
            result = execute(replace(context, progress=progress))
            progress.finish()
            headline = _headline(result)
            lines.done(result, headline)
        results.append(result)
        if result.skipped:
            return Completed(name="Skipped", message="its outputs were there already")
        return Completed(message=headline)

    stage_task()
    return results[0]


def stage_size(stage: Stage, inputs: Inputs, settings: Settings) -> str:
    """Return how much work a stage has, in ASCII, because the UI's graph of a run draws nothing else."""
    refs = existing_inputs(inputs)

    def rows(name: str) -> int:
        total, number = 0, 1
        while (ref := refs.get(input_of_round(name, number))) is not None:
            total, number = total + output_of(ref)[2].rows, number + 1
        return total

    return stage.size(settings, rows)


class _ProgressInUi:
    """Passes a stage's progress on, and shows it in the UI if the stage takes long: steps done, speed, time left.

    The work continues if the server does not answer.
    """

    def __init__(self, next_progress: Progress) -> None:
        self._next = next_progress
        self._pace = Pace()
        self._shown = time.monotonic()
        self._artifact: UUID | None = None

    def __call__(self, stage: str, done: int, total: int, note: str) -> None:
        self._next(stage, done, total, note)
        self._pace.update(done, total, note)
        now = time.monotonic()
        # An update delays the work by some 40 ms, which is less than a hundredth of the time between updates.
        if now >= self._shown + max(_SECONDS_BETWEEN_UPDATES, self._pace.seconds / 60):
            self._shown = now
            self._show(self._pace.percent, self._pace.text())

    def finish(self) -> None:
        """Show that the stage is done, if progress was shown at all."""
        if self._artifact is not None:
            self._show(100.0, f"done in {duration_text(self._pace.seconds)}")

    def _show(self, percent: float, text: str) -> None:
        try:
            if self._artifact is None:
                artifact = create_progress_artifact(progress=percent, description=text)
                assert isinstance(artifact, UUID)
                self._artifact = artifact
            else:
                update_progress_artifact(self._artifact, progress=percent, description=text)
        except (httpx.HTTPError, PrefectException):
            self._shown = time.monotonic() + _SECONDS_WITHOUT_SERVER  # the client has retried for a while itself


def _headline(result: Result) -> str:
    """Return the first few metrics of the stage, for the UI's list of task runs."""
    return ", ".join(f"{name} {value:.4g}" for name, value in list(result.metrics.items())[:4] if value is not None)
