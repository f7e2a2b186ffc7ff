"""The Prefect flow `serl-gpu`: a worker of pool `gpu` runs a run's GPU stages (see `flows.orchestration.gpu_runs`).

The flow run lives as long as the run's lease is held, so that engine and trainer start once, not once per stage. It may
do parts of a stage that other workers have begun. It may end at any moment without harm.
"""

import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Annotated

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from flows.config.run import RunConfig
from flows.models.early_start import start_engine
from flows.orchestration.tasks import run_as_task
from flows.preflight.checks import check_engine
from flows.rounds.state import Inputs, existing_inputs
from flows.run_progress import find_finished, next_context
from flows.runners import LocalRunner
from flows.shutdown import end_in_time
from stages.contract import Context, Result, Stage, WorkerShard, run_stage
from stages.settings import Settings
from stages.shared_resources import Resources
from storage.code_version import code_version
from storage.errors import IncompatibleCode, RunBusy, SerlError
from storage.lease import RUN_LEASE, hold_lease, owner_of_run
from storage.store import Store

_SECONDS_BETWEEN_LOOKS = 0.5
_SECONDS_BETWEEN_CHECKS = 2.0
PATIENCE_SECONDS = 180.0
"""Seconds that a flow run waits for a lost run to be resumed. Prefect notices a lost machine after up to 95 seconds."""


class _RunEnded(Exception):
    """The run has released its lease: there is nothing more to do."""


class _RunAbandoned(SerlError):
    """The run was lost, and nobody resumed it."""


@flow(name="serl-gpu", persist_result=False, validate_parameters=True)
def serl_gpu(
    config: RunConfig,
    rank: Annotated[int, Field(ge=0)] = 0,
    world_size: Annotated[int, Field(ge=1)] = 1,
    code: str | None = None,
) -> State[None]:
    """Run the GPU stages of a run that is under way, together with other workers. The run itself starts this flow.

    Args:
        config: The run's config.
        rank: Number of this worker among those on this run, from 0.
        world_size: How many workers share the parts of a stage.
        code: Version of this software that the run uses. A worker with another version refuses; null: no check.
    """
    if code not in (None, code_version()):
        raise IncompatibleCode(
            f"this worker of pool gpu has serl {code_version()}, and the run is on serl {code}; give both the same "
            "version"
        )
    store = Store(config.uri)
    store.check_reachable()
    store.check_writable()
    check_engine(config)
    with end_in_time(), Resources(config.compute, config.engine) as resources:
        owner = _RunOwner(store)
        if rank == 0:
            resources.trainer().start(resources.trainer_placement)  # the trainer loads while the other stages run
        try:
            progress = find_finished(config, store)
            if not progress.stopped:
                start_engine(resources, progress.config, progress.first_missing, progress.newest_policy)
            while not progress.complete and not progress.stopped:
                owner.check()
                context = next_context(progress, store, resources, owner.check_in_stage)
                progress.advance(_GpuWorkerRunner(context, WorkerShard(rank, world_size), owner))
        except _RunEnded as ended:
            return Completed(message=str(ended))
    return Completed(message="the run is finished")


class _RunOwner:
    """The process that this worker serves, known by the run's lease."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._checked, self._seen_at_work = 0.0, time.monotonic()

    def check(self) -> None:
        """Raise _RunEnded if the run has ended, _RunAbandoned if it was lost and nobody resumed it."""
        now = time.monotonic()
        if now < self._checked + _SECONDS_BETWEEN_CHECKS:
            return
        self._checked = now
        owner = owner_of_run(self._store)
        if owner is not None and owner.is_active:
            self._seen_at_work = now
        elif owner is None or owner.released:
            raise _RunEnded("nobody works on the run any more")
        elif now > self._seen_at_work + PATIENCE_SECONDS:
            raise _RunAbandoned(
                f"{self._store.uri} was left by {owner.host} (process {owner.process}), and nobody went on with it for "
                f"{PATIENCE_SECONDS:.0f} s"
            )

    def check_in_stage(self, stage: str, done: int, total: int, note: str) -> None:
        """Call `check` from a stage's progress callback."""
        self.check()


@dataclass(frozen=True)
class _GpuWorkerRunner(LocalRunner):
    """A runner that runs GPU stages and waits until the other stages are committed."""

    shard: WorkerShard
    owner: _RunOwner

    def run(self, stage: Stage, inputs: Inputs, settings: Settings) -> Result:
        started = time.monotonic()
        while not (result := self.find(stage, inputs, settings)):
            self.owner.check()
            if stage.uses_gpu and stage.shardable:
                return self._run_in_task(stage, inputs, settings, self.shard)
            # Lower ranks try first: rank 0 has its trainer ready, and after an update it has less to load than others.
            if stage.uses_gpu and time.monotonic() > started + 5 * self.shard.rank:
                try:
                    with ExitStack() as lease:
                        lease.enter_context(hold_lease(self.context.store, f"{RUN_LEASE}-{stage.name}"))
                        result = self._run_in_task(stage, inputs, settings, WorkerShard())
                        # As soon as the lease is free, another worker begins the stage if it finds no manifest.
                        self.context.resources.commits.then(lease.pop_all().close)
                        return result
                except RunBusy:
                    pass
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        return result

    def _run_in_task(self, stage: Stage, inputs: Inputs, settings: Settings, shard: WorkerShard) -> Result:
        def execute(context: Context) -> Result:
            return run_stage(stage, existing_inputs(inputs), settings, replace(context, shard=shard))

        return run_as_task(execute, stage, inputs, settings, self.context)
