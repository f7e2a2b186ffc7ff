"""The Prefect flow `serl`: run the next missing iterations of a run."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Annotated

from prefect import flow, runtime
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import TERMINAL_STATES, StateType
from prefect.logging import get_run_logger
from pydantic import Field

from flows.config.run import RunConfig
from flows.iteration import RunProgress, find_finished, next_context
from flows.maintenance.retention import prune_weights
from flows.maintenance.staleness import explain_recomputation
from flows.orchestration.artifacts import Report
from flows.orchestration.gpu_runs import GpuRuns
from flows.orchestration.tasks import PrefectRunner
from flows.progress import WATCHER
from flows.reporting.trackers import Trackers
from flows.shutdown import end_in_time
from stages.resources import Resources
from storage.errors import RunBusy, SerlError, StageFailed
from storage.lease import EXPIRES_SECONDS, check_free, hold_lease
from storage.run import open_run, write_revision
from storage.store import Store


@flow(name="serl", flow_run_name="{config.name}", persist_result=False, validate_parameters=True)
def serl(
    *,
    iterations: Annotated[int, Field(ge=1)] = 1,
    restarts: Annotated[int, Field(ge=0)] = 3,
    config: RunConfig,
) -> None:
    """Do the next missing iterations of a run.

    What is finished is found from manifests alone, so a run that was stopped anywhere, on any machine, goes on there.

    Args:
        iterations: How many missing iterations to do; iteration 0, the starting policy, counts.
        restarts: How often it is started again after a crash, and how often a lost GPU worker is replaced.
        config: What a configuration file has in it; configs/ of the project holds some.
    """
    with _how_to_go_on(config), end_in_time():
        store = Store(config.uri)
        store.check_reachable()
        store.check_writable()
        _after_a_crash(store, restarts)
        with hold_lease(store) as lease, Resources(config.compute, config.engine) as resources:
            ledger = find_finished(config, store)
            for note in explain_recomputation(ledger, store):
                get_run_logger().warning(note)
            wanted = min(ledger.finished + iterations, config.iterations + 1)
            _show_name(config, ledger, wanted)
            if not ledger.complete:
                config.check_inputs()
            write_revision(store, ledger.revision())
            prune_weights(ledger, store)  # a kill may have come between
            report, watcher = Report(config.uri), WATCHER.get()
            with _gpu_runs(config, restarts) as gpu, closing(Trackers(config.trackers)) as trackers:
                while ledger.finished < wanted:
                    ledger.check_not_stopped()
                    if gpu is None:
                        resources.trainer().start(config.compute.trainer)  # it loads while the other stages run
                    before = ledger.finished
                    progress = watcher.stage_progress(before)
                    ledger.advance(PrefectRunner(next_context(ledger, store, resources, progress), lease, gpu))
                    write_revision(store, ledger.revision())
                    prune_weights(ledger, store)
                    results = report.publish()
                    for alarm in (*report.new_alarms(), *trackers.report(open_run(config.uri))):
                        get_run_logger().warning(alarm)
                        watcher.alarm(alarm)
                    if ledger.finished > before:
                        watcher.iteration_done(results)


@contextmanager
def _how_to_go_on(config: RunConfig) -> Iterator[None]:
    """In the UI an error is all that is seen of a run: let it end with what to do. The command line says so itself."""
    try:
        yield
    except SerlError as error:
        if not runtime.deployment.id:
            raise
        raise type(error)(f"{error} | To go on: Retry in the UI, or serl resume {config.uri}") from error


@contextmanager
def _gpu_runs(config: RunConfig, restarts: int) -> Iterator[GpuRuns | None]:
    """The flow runs that do the GPU stages, where it is not this one; stopped when this one ends before its time."""
    gpu = GpuRuns(config, restarts) if config.gpu == "deployment" else None
    try:
        yield gpu
    except BaseException:
        if gpu is not None:
            gpu.cancel()
        raise


def _after_a_crash(store: Store, restarts: int) -> None:
    """Wait until the lease of the lost attempt has expired. Raises StageFailed after too many."""
    lost = _crashes()
    if lost > restarts:
        raise StageFailed(f"it was started again {lost - 1} times and lost each time; see the workers' logs")
    deadline = time.monotonic() + 1.5 * EXPIRES_SECONDS
    while lost:
        try:
            check_free(store)
            break
        except RunBusy:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)


def _crashes() -> int:
    """How often this flow run was lost since it last ended otherwise; a person's Retry begins to count anew."""
    if int(runtime.flow_run.run_count or 1) == 1:
        return 0
    with get_client(sync_client=True) as client:
        states = client.read_flow_run_states(runtime.flow_run.id)
    kinds = [state.type for state in sorted(states, key=lambda state: state.timestamp)]
    ends = [place for place, kind in enumerate(kinds) if kind in TERMINAL_STATES and kind != StateType.CRASHED]
    # Not the crashes: one may be reported twice, by the worker and by what it started the process with.
    return kinds[ends[-1] + 1 if ends else 0 :].count(StateType.RUNNING) - 1


def _show_name(config: RunConfig, ledger: RunProgress, wanted: int) -> None:
    """Say in the UI which iterations this flow run does."""
    if ledger.finished < wanted:
        first, last = ledger.finished, wanted - 1
        which = f"iteration {first}" if first == last else f"iterations {first}-{last}"
        with get_client(sync_client=True) as client:
            client.update_flow_run(runtime.flow_run.id, name=f"{config.name}: {which} of {config.iterations}")
