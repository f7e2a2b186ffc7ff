"""`gpu: deployment`, on the side of the run: flow runs of pool `gpu` do its GPU stages while the run waits.

The run (`flows.self_play`) and each of these flow runs (`flows.gpu_stages`) walk through the same stages. Committed
artifacts are their only communication: each does its own stages and waits until the others are committed. So a flow run
of pool `gpu` may be lost at any moment, and another takes its place. When the run itself is lost, the flow runs finish
the stage at hand and wait for the resumed run, which adopts them.
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
from flows.orchestration.server_checks import GPU_DEPLOYMENT, GPU_POOL, check_deployment, online_workers
from stages.contract import Result
from storage.code_version import code_version
from storage.errors import InputError, StageFailed

_START_A_WORKER = f"prefect worker start --pool {GPU_POOL} --limit 1"
_SECONDS_BETWEEN_LOOKS = 0.5
_SECONDS_BETWEEN_CHECKS = 3.0
_SECONDS_BETWEEN_WARNINGS = 60.0
_UNFINISHED = [StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING]


class GpuRuns:
    """The flow runs that do a run's GPU stages: started when the first stage is due, replaced when lost."""

    def __init__(self, config: RunConfig, restarts: int) -> None:
        """Prepare for a run. `restarts`: how many lost flow runs are replaced in all."""
        self._config = config
        self._restarts = restarts
        self._parameters: dict[str, Any] = {
            "config": config.model_dump(mode="json", by_alias=False),
            "code": code_version(),
        }
        self._tag = f"serl: {config.uri}"
        self._runs: dict[int, FlowRun] = {}  # by rank
        self._checked = self._warned = 0.0

    def wait_for(self, find_result: Callable[[], Result | None]) -> Result:
        """Call `find_result` until it returns a result, and return the result.

        Call this method in a task, so that the UI shows the flow runs below the task.

        Raises InputError if no worker could do the stage, StageFailed if the stage failed or was cancelled.
        """
        if result := find_result():
            return result
        if not self._runs:
            self._start()
        while not (result := find_result()):
            time.sleep(_SECONDS_BETWEEN_LOOKS)
            if time.monotonic() > self._checked + _SECONDS_BETWEEN_CHECKS:
                self._check(find_result)
                self._checked = time.monotonic()
        return Result(refs=result.refs, metrics=result.metrics, skipped=False)

    def cancel(self) -> None:
        """Let Prefect stop the flow runs and their GPU processes now, not only when the run's lease is released."""
        with get_client(sync_client=True) as client:
            for run in self._runs.values():
                _cancel(client, run)

    def _start(self) -> None:
        check_deployment(GPU_DEPLOYMENT)
        workers = online_workers(GPU_POOL)
        with get_client(sync_client=True) as client:
            for run in self._unfinished(client):
                rank = run.parameters.get("rank", 0)
                parameters = {name: run.parameters.get(name) for name in self._parameters}
                if parameters == self._parameters and rank not in self._runs:
                    self._runs[rank] = run
                else:
                    _cancel(client, run)
        if not workers:
            raise InputError(
                f"no worker of pool {GPU_POOL} is online, and `gpu: deployment` needs one; start it on a machine with "
                f"a GPU: {_START_A_WORKER}"
            )
        world_size = self._config.gpu_runs or workers
        for rank in range(world_size):
            if rank not in self._runs:
                self._runs[rank] = self._start_flow_run(rank, world_size)

    def _unfinished(self, client: SyncPrefectClient) -> list[FlowRun]:
        """Return the unfinished flow runs of an earlier attempt, which was lost."""
        state = FlowRunFilterState(type=FlowRunFilterStateType(any_=_UNFINISHED))
        flow_run_filter = FlowRunFilter(tags=FlowRunFilterTags(all_=[self._tag]), state=state)
        return client.read_flow_runs(flow_run_filter=flow_run_filter)

    def _start_flow_run(self, rank: int, world_size: int) -> FlowRun:
        run = run_deployment(
            GPU_DEPLOYMENT,
            parameters={**self._parameters, "rank": rank, "world_size": world_size},
            flow_run_name=f"{self._config.name}: GPU {rank + 1} of {world_size}",
            tags=[self._tag],
            timeout=0,
            idempotency_key=str(uuid.uuid4()),  # with a fixed key Prefect would return a lost run again and again
        )
        assert isinstance(run, FlowRun)
        return run

    def _check(self, find_result: Callable[[], Result | None]) -> None:
        """Replace lost flow runs. If the server does not answer, the flow runs continue, and so does the wait."""
        try:
            with get_client(sync_client=True) as client:
                runs = {rank: client.read_flow_run(run.id) for rank, run in self._runs.items()}
            self._runs.update(runs)
            for rank, run in runs.items():
                if run.state is not None and run.state.is_final() and not find_result():
                    self._replace(rank, run)
            self._warn_if_idle()
        except (httpx.HTTPError, PrefectException, ObjectNotFound) as error:
            self._warn(f"Prefect's server does not answer ({type(error).__name__}); waiting for what is under way")

    def _replace(self, rank: int, run: FlowRun) -> None:
        assert run.state is not None
        label = f"the GPU stages' flow run {run.name!r}"
        if run.state.is_failed():
            raise StageFailed(f"{label} failed: {_reason(run)}")
        if run.state.is_cancelled():
            raise StageFailed(f"{label} was cancelled")
        # A completed flow run saw an earlier attempt release its lease.
        if run.state.is_crashed():
            if not self._restarts:
                raise StageFailed(f"{label} was lost ({_reason(run)}), as others were before; see the workers' logs")
            self._restarts -= 1
        get_run_logger().warning("%s ended (%s); starting another", label, _reason(run))
        self._runs[rank] = self._start_flow_run(rank, max(self._runs) + 1)

    def _warn_if_idle(self) -> None:
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
    return " ".join(((run.state and run.state.message) or "no reason was given").split())[:500]
