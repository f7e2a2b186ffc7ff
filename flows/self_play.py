"""The Prefect flow `serl`: do the next missing iterations of a run."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Annotated

from prefect import flow
from prefect.logging import get_run_logger
from pydantic import Field

from flows.config.run import RunConfig
from flows.maintenance.staleness import explain_recomputation
from flows.models.forms import fallback_note
from flows.observer import OBSERVER
from flows.orchestration.artifacts import Report
from flows.orchestration.gpu_runs import GpuRuns
from flows.orchestration.restarts import explain_how_to_go_on, name_flow_run, wait_after_crash
from flows.orchestration.tasks import PrefectRunner
from flows.preflight.checks import check_inputs
from flows.reporting.trackers import Trackers
from flows.rounds.shortfall import shortfall
from flows.run_loop import run_iterations
from flows.run_progress import find_finished
from flows.shutdown import end_in_time
from stages.contract import Context
from stages.shared_resources import Resources
from storage.lease import hold_lease
from storage.run import Run
from storage.store import Store


@flow(name="serl", flow_run_name="{config.name}", persist_result=False, validate_parameters=True)
def serl(
    *,
    iterations: Annotated[int, Field(ge=1)] = 1,
    restarts: Annotated[int, Field(ge=0)] = 3,
    config: RunConfig,
) -> None:
    """Do the next missing iterations of a run.

    Only manifests say what is finished, so a run that stopped at any point, on any machine, continues from there.

    Args:
        iterations: How many missing iterations to do; iteration 0, the starting policy, counts.
        restarts: How often the run is started again after a crash, and how often a lost GPU worker is replaced.
        config: The content of a configuration file; configs/ of the project has examples.
    """
    with explain_how_to_go_on(config), end_in_time():
        store = Store(config.uri)
        store.check_reachable()
        store.check_writable()
        wait_after_crash(store, restarts)
        with hold_lease(store) as lease, Resources(config.compute, config.engine) as resources:
            progress = find_finished(config, store)
            for note in explain_recomputation(progress, store):
                get_run_logger().warning(note)
            if progress.finished == 0 and (fallback := fallback_note(progress.config)):
                get_run_logger().info(fallback)
            finished_target = min(progress.finished + iterations, config.iterations + 1)
            name_flow_run(progress, finished_target)
            if not progress.complete:
                check_inputs(progress.resolved)
            observer, report = OBSERVER.get(), Report(progress.revision())
            with _gpu_runs(progress.config, restarts) as gpu_runs, closing(Trackers(config.trackers)) as trackers:

                def make_runner(context: Context) -> PrefectRunner:
                    return PrefectRunner(context, lease, gpu_runs)

                def publish(run: Run, finished: bool) -> None:
                    results = report.publish(run)
                    alarms = [f"watchdog: {alarm}" for alarm in report.new_alarms(run)]
                    if (finished or progress.stopped) and (text := shortfall(results["iteration"], results["metrics"])):
                        alarms.append(text)
                    for alarm in (*alarms, *trackers.report(run)):
                        get_run_logger().warning(alarm)
                        observer.alarm(alarm)
                    if finished:
                        observer.iteration_done(results)

                run_iterations(
                    progress,
                    store,
                    resources,
                    finished_target=finished_target,
                    make_runner=make_runner,
                    stage_progress=observer.stage_progress,
                    after_iteration=publish,
                    trainer_is_here=gpu_runs is None,
                )


@contextmanager
def _gpu_runs(config: RunConfig, restarts: int) -> Iterator[GpuRuns | None]:
    """Provide the flow runs that do the GPU stages, and cancel them if this flow run fails.

    None if this flow run does the GPU stages itself.
    """
    gpu_runs = GpuRuns(config, restarts) if config.gpu == "deployment" else None
    try:
        yield gpu_runs
    except BaseException:
        if gpu_runs is not None:
            gpu_runs.cancel()
        raise
