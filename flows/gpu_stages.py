"""The Prefect flow `serl-gpu`: a worker of pool `gpu` does the GPU stages of a run (see `flows.orchestration.gpu_runs`).

It lives as long as the run's lease is held, so that engine and trainer are started once, not once per stage. It may do
parts of a stage that others have begun, and ends at any moment without harm.
"""

import time
from dataclasses import dataclass, replace
from typing import Annotated

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed
from pydantic import Field

from flows.config.run import RunConfig
from flows.iteration import Inputs, LookupRunner, find_finished, next_context, present
from flows.orchestration.gpu_runs import GPU_STAGES, SHARED_STAGES
from flows.orchestration.tasks import as_task
from flows.shutdown import end_in_time
from stages.contract import Context, Result, Share, Stage, run_stage
from stages.resources import Resources
from stages.settings import Settings
from storage.errors import IncompatibleCode, RunBusy, SerlError
from storage.lease import RUN, hold_lease, owner_of_run
from storage.store import Store
from storage.version import code_version

_SECONDS_BETWEEN_LOOKS = 0.5
_SECONDS_BETWEEN_CHECKS = 2.0
PATIENCE_SECONDS = 180.0
"""How long a lost run is waited for: a machine counts as lost after a minute and a half."""


class _Over(Exception):
    """The run has ended, as it should."""


class _Abandoned(SerlError):
    """The run was lost, and nobody has gone on with it."""


@flow(name="serl-gpu", persist_result=False, validate_parameters=True)
def serl_gpu(
    config: RunConfig,
    share: Annotated[int, Field(ge=0)] = 0,
    of: Annotated[int, Field(ge=1)] = 1,
    code: str | None = None,
) -> State[None]:
    """Do the GPU stages of a run that is under way, with others who do the same. Started by the run itself.

    Args:
        config: The run's.
        share: Which of the GPU workers on this run it is, from 0.
        of: How many share the parts of a stage.
        code: Version of this software that the run is on; another one is refused.
    """
    if code not in (None, code_version()):
        raise IncompatibleCode(
            f"this worker of pool gpu has serl {code_version()}, and the run is on serl {code}; give both the same "
            "version"
        )
    store = Store(config.uri)
    store.check_reachable()
    store.check_writable()
    config.check_engine()
    with end_in_time(), Resources(config.compute, config.engine) as resources:
        watched = _Watched(store)
        if share == 0:
            resources.trainer().start(config.compute.trainer)  # it loads while the other stages run
        try:
            ledger = find_finished(config, store)
            while not ledger.complete and not ledger.stopped:
                watched.check()
                context = next_context(ledger, store, resources, watched.progress)
                ledger.advance(_GpuWorkerRunner(context, Share(share, of), watched))
        except _Over as over:
            return Completed(message=str(over))
    return Completed(message="the run is finished")


class _Watched:
    """The run that is served, known by its lease."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._looked, self._seen = 0.0, time.monotonic()

    def check(self) -> None:
        """Raises _Over when the run has ended, _Abandoned when it was lost and is not gone on with."""
        now = time.monotonic()
        if now < self._looked + _SECONDS_BETWEEN_CHECKS:
            return
        self._looked = now
        owner = owner_of_run(self._store)
        if owner is not None and owner.works:
            self._seen = now
        elif owner is None or owner.released:
            raise _Over("nobody works on the run any more")
        elif now > self._seen + PATIENCE_SECONDS:
            raise _Abandoned(
                f"{self._store.uri} was left by {owner.host} (process {owner.process}), and nobody went on with it for "
                f"{PATIENCE_SECONDS:.0f} s"
            )

    def progress(self, stage: str, done: int, total: int, note: str) -> None:
        self.check()


@dataclass(frozen=True)
class _GpuWorkerRunner(LookupRunner):
    """A runner that does GPU stages, and waits for the others to be done."""

    share: Share
    watched: _Watched

    def run(self, stage: Stage, inputs: Inputs, settings: Settings) -> Result:
        started = time.monotonic()
        while not (found := self.find(stage, inputs, settings)):
            self.watched.check()
            if stage.name in SHARED_STAGES:
                return self._do(stage, inputs, settings, self.share)
            # The first has the trainer ready, and where an update was done before there is less to load.
            if stage.name in GPU_STAGES and time.monotonic() > started + 5 * self.share.index:
                try:
                    with hold_lease(self.context.store, f"{RUN}-{stage.name}"):
                        return self._do(stage, inputs, settings, Share())
                except RunBusy:
                    pass
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        return found

    def _do(self, stage: Stage, inputs: Inputs, settings: Settings, share: Share) -> Result:
        def do(context: Context) -> Result:
            return run_stage(stage, present(inputs), settings, replace(context, share=share))

        return as_task(do, stage, inputs, settings, self.context)
