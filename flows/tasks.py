"""The one adapter from a stage to a Prefect task.

Prefect's result cache stays off and no result is persisted: manifests are the one truth about what is done, and nothing
is pickled. A stage whose outputs are there already shows in the UI as a completed task named "Skipped".
"""

from dataclasses import dataclass

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State as PrefectState
from prefect.states import Completed

from flows.iteration import Inputs, Lookup, present
from stages.contract import Result, Stage, run_stage
from stages.settings import Settings
from storage.lease import Lease


@dataclass(frozen=True)
class AsTasks(Lookup):
    """A runner that runs every stage as a Prefect task, as long as the run's lease is ours."""

    lease: Lease

    def run(self, stage: Stage, inputs: Inputs, settings: Settings) -> Result:
        self.lease.check()
        results: list[Result] = []

        # The task takes no parameters: Prefect would walk through them, looking for futures, and they hold live models.
        @task(
            name=stage.name,
            task_run_name=f"iteration {self.context.iteration} · {stage.name}",
            cache_policy=NO_CACHE,
            persist_result=False,
        )
        def stage_task() -> PrefectState[None]:
            result = run_stage(stage, present(inputs), settings, self.context)
            results.append(result)
            if result.skipped:
                return Completed(name="Skipped", message="its outputs were there already")
            return Completed(message=_headline(result))

        stage_task()
        return results[0]


def _headline(result: Result) -> str:
    """A few of the stage's numbers, for the UI's list of task runs."""
    return ", ".join(f"{name} {value:.4g}" for name, value in list(result.metrics.items())[:4] if value is not None)
