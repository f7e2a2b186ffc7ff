"""`serl submit`: start the deployment `serl/iteration` with a config file, and say at once where nobody would do it."""

import time
from collections.abc import Callable
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import get_current_settings

from flows.config.run import RunConfig
from flows.orchestration.prefect_server import (
    CPU_POOL,
    GPU_DEPLOYMENT,
    GPU_POOL,
    RUN_DEPLOYMENT,
    check_deployment,
    online_workers,
)
from storage.errors import InputError, StageFailed

_SECONDS_BETWEEN_LOOKS = 2.0


def submit(config: RunConfig, iterations: int, *, watch: bool, say: Callable[[str], None]) -> None:
    """Create a flow run; with `watch`, tell its states until it ends.

    Raises InputError where the server, a deployment, a pool or a worker is missing; StageFailed when a watched run
    does not complete.
    """
    check_deployment(RUN_DEPLOYMENT)
    pools = [CPU_POOL]
    if config.gpu == "deployment":
        check_deployment(GPU_DEPLOYMENT)
        pools.append(GPU_POOL)
    for pool in pools:
        if not online_workers(pool):
            raise InputError(f"no worker of pool {pool} is online; start one: prefect worker start --pool {pool}")
    parameters = {"config": config.model_dump(mode="json", by_alias=False), "iterations": iterations}
    try:
        run = run_deployment(RUN_DEPLOYMENT, parameters=parameters, timeout=0, as_subflow=False)
    except PrefectHTTPStatusError as error:
        raise InputError(
            f"the server refuses these parameters ({error.response.text[:300]}); is its deployment of another version? "
            "prefect --no-prompt deploy --all"
        ) from None
    assert isinstance(run, FlowRun)
    say(f"{config.uri}: flow run {run.name}")
    if page := get_current_settings().ui_url:
        say(f"{page}/runs/flow-run/{run.id}")
    if watch:
        _watch(run.id, say)


def _watch(run: UUID, say: Callable[[str], None]) -> None:
    told = ""
    with get_client(sync_client=True) as client:
        while True:
            found = client.read_flow_run(run)
            state = found.state
            if state is not None and state.name != told:
                told = state.name or ""
                say(f"{told}{f': {state.message}' if state.message else ''}")
            if state is not None and state.is_final():
                break
            time.sleep(_SECONDS_BETWEEN_LOOKS)
    if not state.is_completed():
        raise StageFailed(f"flow run {found.name} ended as {state.name}: {state.message}")
