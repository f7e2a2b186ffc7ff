"""The one adapter from a stage to a Prefect task: names, "Skipped", progress in the UI.

Prefect's result cache stays off and no result is persisted: manifests are the one truth about what is done, and nothing
is pickled. A stage whose outputs are there already shows in the UI as a completed task named "Skipped".
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

from flows.iteration import Inputs, LookupRunner, present
from flows.orchestration.gpu_runs import GPU_STAGES, GpuRuns
from stages.contract import Context, Progress, Result, Stage, run_stage
from stages.settings import Settings
from stages.settings.evaluate import EvaluateConfig
from stages.settings.generate import GenerateConfig
from stages.settings.sample import SampleConfig
from storage.artifact import ArtifactRef
from storage.lease import Lease
from storage.reader import output_of

_SECONDS_BETWEEN_UPDATES = 5.0
_SECONDS_WITHOUT_SERVER = 60.0


@dataclass(frozen=True)
class PrefectRunner(LookupRunner):
    """A runner that has every stage done in a Prefect task, as long as the run's lease is ours.

    With `gpu`, stages that want one are done by others, and the task waits for what they commit.
    """

    lease: Lease
    gpu: GpuRuns | None

    def run(self, stage: Stage, inputs: Inputs, settings: Settings) -> Result:
        def do(context: Context) -> Result:
            if self.gpu is None or stage.name not in GPU_STAGES:
                return run_stage(stage, present(inputs), settings, context)
            return self.gpu.wait_for(lambda: self.find(stage, inputs, settings))

        self.lease.check()
        return as_task(do, stage, inputs, settings, self.context)


def as_task(
    do: Callable[[Context], Result], stage: Stage, inputs: Inputs, settings: Settings, context: Context
) -> Result:
    """Have a stage done, by `do`, in a Prefect task whose name says iteration, stage and size."""
    results: list[Result] = []
    size = size_of(stage, inputs, settings)

    # The task takes no parameters: Prefect would walk through them, looking for futures, and they hold live models.
    @task(
        name=stage.name,
        task_run_name=f"iteration {context.iteration}: {stage.name}{f' ({size})' if size else ''}",
        cache_policy=NO_CACHE,
        persist_result=False,
    )
    def stage_task() -> PrefectState[None]:
        shown = _Shown(context.progress)
        result = do(replace(context, progress=shown))
        shown.finish()
        results.append(result)
        if result.skipped:
            return Completed(name="Skipped", message="its outputs were there already")
        headline = _headline(result)
        get_run_logger().info("%s: %s", stage.name, headline or "done")
        return Completed(message=headline)

    stage_task()
    return results[0]


def size_of(stage: Stage, inputs: Inputs, settings: Settings) -> str:
    """How much a stage has before it, in ASCII, which is all that the UI's graph of a run can draw.

    Empty for stages that only bring something in.
    """
    given = present(inputs)

    def rows(name: str) -> int:
        return _rows(given[name])

    match stage.name, settings:
        case "generate_instructions", GenerateConfig():
            return f"{settings.prompts:,} prompts"
        case "filter_instructions", _:
            return f"{rows('candidates'):,} candidates"
        case "sample_responses", SampleConfig():
            return f"{rows('accepted'):,} questions x {settings.responses}"
        case "sample_voters", _:
            return f"{rows('accepted'):,} questions x {len(given) - 1} voters"
        case "vote_rewards" | "ppo_update", _:
            return f"{rows('responses'):,} responses"
        case "evaluate", EvaluateConfig():
            return f"{rows('problems'):,} problems x {1 + settings.samples}"
    return ""


def _rows(ref: ArtifactRef) -> int:
    _, _, output = output_of(ref)
    return sum(file.rows or 0 for file in output.files)


class _Shown:
    """A stage's progress, handed on and shown in the UI where the stage lasts: rows, speed, time left.

    Work goes on where the server does not answer: what is shown is of no consequence.
    """

    def __init__(self, others: Progress) -> None:
        self._others = others
        self._started = self._told = time.monotonic()
        self._first: int | None = None
        self._artifact: UUID | None = None

    def __call__(self, stage: str, done: int, total: int, note: str) -> None:
        self._others(stage, done, total, note)
        if self._first is None:
            self._first = done  # what an earlier attempt did says nothing about the speed of this one
        now = time.monotonic()
        # An update takes the server some 40 ms, for which the work waits: of a long stage less than a hundredth.
        if now < self._told + max(_SECONDS_BETWEEN_UPDATES, (now - self._started) / 60):
            return
        self._told = now
        here = done - self._first
        left = f"{_time_text((now - self._started) / here * (total - done))} left" if here else ""
        self._tell(100 * done / max(1, total), " · ".join(filter(None, (f"{done:,} of {total:,}", note, left))))

    def finish(self) -> None:
        if self._artifact is not None:
            self._tell(100.0, f"done in {_time_text(time.monotonic() - self._started)}")

    def _tell(self, percent: float, text: str) -> None:
        try:
            if self._artifact is None:
                made = create_progress_artifact(progress=percent, description=text)
                assert isinstance(made, UUID)
                self._artifact = made
            else:
                update_progress_artifact(self._artifact, progress=percent, description=text)
        except (httpx.HTTPError, PrefectException):
            self._told = time.monotonic() + _SECONDS_WITHOUT_SERVER  # the client has tried for a while itself


def _time_text(seconds: float) -> str:
    minutes, hours = seconds / 60, seconds / 3600
    return f"{seconds:.0f} s" if minutes < 2 else f"{minutes:.0f} min" if hours < 2 else f"{hours:.1f} h"


def _headline(result: Result) -> str:
    """A few of the stage's numbers, for the UI's list of task runs."""
    return ", ".join(f"{name} {value:.4g}" for name, value in list(result.metrics.items())[:4] if value is not None)
