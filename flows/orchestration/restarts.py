"""A flow run that is started again: after a crash, or by a person's Retry."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prefect import runtime
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import TERMINAL_STATES, StateType

from flows.config.run import RunConfig
from flows.run_progress import RunProgress
from storage.errors import RunBusy, SerlError, StageFailed
from storage.lease import EXPIRES_SECONDS, check_free
from storage.store import Store


@contextmanager
def explain_how_to_go_on(config: RunConfig) -> Iterator[None]:
    """Add to an error how to resume the run, because the UI shows nothing else. The command line says so itself."""
    try:
        yield
    except SerlError as error:
        if not runtime.deployment.id:
            raise
        raise type(error)(f"{error} | To go on: Retry in the UI, or serl resume {config.uri}") from error


def wait_after_crash(store: Store, restarts: int) -> None:
    """Wait until the lease of a lost attempt has expired.

    Raises StageFailed after more than `restarts` crashes, RunBusy if a process still holds the lease after 90 s.
    """
    crashes = _count_crashes()
    if crashes > restarts:
        raise StageFailed(f"it was started again {crashes - 1} times and lost each time; see the workers' logs")
    deadline = time.monotonic() + 1.5 * EXPIRES_SECONDS
    while crashes:
        try:
            check_free(store)
            break
        except RunBusy:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)


def name_flow_run(progress: RunProgress, finished_target: int) -> None:
    """Show in the UI which iterations this flow run does, until `finished_target` iterations are finished."""
    if progress.finished < finished_target:
        first, last = progress.finished, finished_target - 1
        iterations = f"iteration {first}" if first == last else f"iterations {first}-{last}"
        name = f"{progress.config.name}: {iterations} of {progress.config.iterations}"
        with get_client(sync_client=True) as client:
            client.update_flow_run(runtime.flow_run.id, name=name)


def _count_crashes() -> int:
    """Return how often this flow run was lost since it last ended in another way; a person's Retry resets the count."""
    if int(runtime.flow_run.run_count or 1) == 1:
        return 0
    with get_client(sync_client=True) as client:
        states = client.read_flow_run_states(runtime.flow_run.id)
    kinds = [state.type for state in sorted(states, key=lambda state: state.timestamp)]
    ends = [index for index, kind in enumerate(kinds) if kind in TERMINAL_STATES and kind != StateType.CRASHED]
    # Counts starts, not crashes: both the worker and the parent of the process may report the same crash.
    return kinds[ends[-1] + 1 if ends else 0 :].count(StateType.RUNNING) - 1
