"""`gpu: deployment`, seen from the run: flow runs of pool `gpu` that do its GPU stages while it waits.

The run (`flows.self_play`) and each of these flow runs (`flows.gpu_stages`) walk through the same stages, and what is
committed is all that they tell each other: each does what is its own and waits for the rest to appear. So a flow run
of pool `gpu` may be lost at any moment, and another takes its place; and when the run itself is lost they finish what
they have in hand and wait for the next one, which takes them over.
"""

import time
import uuid
from collections.abc import Callable
from typing import Any

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType, FlowRunFilterTags
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound, PrefectException
from prefect.logging import get_run_logger
from prefect.states import Cancelling

from flows.config.run import RunConfig
from flows.orchestration.prefect_server import GPU_DEPLOYMENT, GPU_POOL, check_deployment, online_workers
from stages.contract import Result
from storage.errors import InputError, StageFailed
from storage.version import code_version

SHARED_STAGES = frozenset({"generate_instructions", "sample_responses", "sample_voters", "evaluate"})
"""GPU stages whose parts all GPU workers do together."""
GPU_STAGES = SHARED_STAGES | {"ppo_update"}

_START_A_WORKER = f"prefect worker start --pool {GPU_POOL} --limit 1"
_SECONDS_BETWEEN_LOOKS = 0.5
_SECONDS_BETWEEN_CHECKS = 3.0
_SECONDS_BETWEEN_WARNINGS = 60.0
_UNFINISHED = [StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING]


class GpuRuns:
    """The flow runs that do a run's GPU stages: started when the first is due, replaced when lost."""

    def __init__(self, config: RunConfig, restarts: int) -> None:
        """`restarts`: how often in all a lost one is replaced."""
        self._config = config
        self._restarts = restarts
        self._parameters: dict[str, Any] = {"config": config.model_dump(mode="json"), "code": code_version()}
        self._tag = f"serl: {config.uri}"
        self._runs: dict[int, FlowRun] = {}  # by share
        self._checked = self._warned = 0.0

    def wait_for(self, look: Callable[[], Result | None]) -> Result:
        """What `look` finds, once it does. To be called in a task, which the flow runs then belong to in the UI.

        Raises InputError where nobody could do it, StageFailed where it failed or was cancelled.
        """
        if found := look():
            return found
        if not self._runs:
            self._start()
        while not (found := look()):
            time.sleep(_SECONDS_BETWEEN_LOOKS)
            if time.monotonic() > self._checked + _SECONDS_BETWEEN_CHECKS:
                self._check(look)
                self._checked = time.monotonic()
        return Result(refs=found.refs, metrics=found.metrics, skipped=False)

    def cancel(self) -> None:
        """Have Prefect stop them, GPU processes included. Without this they end when the run's lease is given back."""
        with get_client(sync_client=True) as client:
            for run in self._runs.values():
                _cancel(client, run)

    def _start(self) -> None:
        check_deployment(GPU_DEPLOYMENT)
        workers = online_workers(GPU_POOL)
        with get_client(sync_client=True) as client:
            for run in self._left(client):
                share = run.parameters.get("share", 0)
                others = {name: run.parameters.get(name) for name in self._parameters}
                if others == self._parameters and share not in self._runs:
                    self._runs[share] = run
                else:
                    _cancel(client, run)
        if not workers:
            raise InputError(
                f"no worker of pool {GPU_POOL} is online, and `gpu: deployment` needs one; start it on a machine with "
                f"a GPU: {_START_A_WORKER}"
            )
        wanted = self._config.gpu_runs or workers
        for share in range(wanted):
            if share not in self._runs:
                self._runs[share] = self._another(share, wanted)

    def _left(self, client: SyncPrefectClient) -> list[FlowRun]:
        """Those of an earlier attempt, which was lost."""
        unfinished = FlowRunFilterState(type=FlowRunFilterStateType(any_=_UNFINISHED))
        found = FlowRunFilter(tags=FlowRunFilterTags(all_=[self._tag]), state=unfinished)
        return client.read_flow_runs(flow_run_filter=found)

    def _another(self, share: int, of: int) -> FlowRun:
        run = run_deployment(
            GPU_DEPLOYMENT,
            parameters={**self._parameters, "share": share, "of": of},
            flow_run_name=f"{self._config.name}: GPU {share + 1} of {of}",
            tags=[self._tag],
            timeout=0,
            idempotency_key=str(uuid.uuid4()),  # a fixed one would bring a lost run back for ever
        )
        assert isinstance(run, FlowRun)
        return run

    def _check(self, look: Callable[[], Result | None]) -> None:
        """Replace what was lost. Where the server does not answer, the flow runs go on, and so do we."""
        try:
            with get_client(sync_client=True) as client:
                now = {share: client.read_flow_run(run.id) for share, run in self._runs.items()}
            self._runs.update(now)
            for share, run in now.items():
                if run.state is not None and run.state.is_final() and not look():
                    self._replace(share, run)
            self._warn_of_idleness()
        except (httpx.HTTPError, PrefectException, ObjectNotFound) as error:
            self._warn(f"Prefect's server does not answer ({type(error).__name__}); waiting for what is under way")

    def _replace(self, share: int, run: FlowRun) -> None:
        assert run.state is not None
        what = f"the GPU stages' flow run {run.name!r}"
        if run.state.is_failed():
            raise StageFailed(f"{what} failed: {_reason(run)}")
        if run.state.is_cancelled():
            raise StageFailed(f"{what} was cancelled")
        # One that completed saw an earlier attempt's lease given back.
        if run.state.is_crashed():
            if not self._restarts:
                raise StageFailed(f"{what} was lost ({_reason(run)}), as others were before; see the workers' logs")
            self._restarts -= 1
        get_run_logger().warning("%s ended (%s); starting another", what, _reason(run))
        self._runs[share] = self._another(share, max(self._runs) + 1)

    def _warn_of_idleness(self) -> None:
        running = sum(run.state is not None and run.state.is_running() for run in self._runs.values())
        if not running and not online_workers(GPU_POOL):
            self._warn(f"no worker of pool {GPU_POOL} is online; waiting for one ({_START_A_WORKER})")
        elif not running:
            self._warn(f"waiting for a free worker of pool {GPU_POOL}")

    def _warn(self, text: str) -> None:
        if time.monotonic() > self._warned + _SECONDS_BETWEEN_WARNINGS:
            self._warned = time.monotonic()
            get_run_logger().warning(text)


def _cancel(client: SyncPrefectClient, run: FlowRun) -> None:
    client.set_flow_run_state(run.id, Cancelling(message="the run that it served has ended"))


def _reason(run: FlowRun) -> str:
    return " ".join(((run.state and run.state.message) or "no reason was told").split())[:500]
