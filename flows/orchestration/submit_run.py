"""`serl submit`: start the deployment `serl/iteration` with a config file, after checking that a worker is online."""

import time
from collections.abc import Callable
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import get_current_settings

from flows.config.run import RunConfig
from flows.models.earlier_defaults import values_to_send
from flows.orchestration.server_checks import (
    CPU_POOL,
    GPU_DEPLOYMENT,
    GPU_POOL,
    RUN_DEPLOYMENT,
    check_deployment,
    online_workers,
)
from storage.errors import InputError, StageFailed

_SECONDS_BETWEEN_POLLS = 2.0


def submit(config: RunConfig, iterations: int, *, watch: bool, say: Callable[[str], None]) -> None:
    """Create a flow run; if `watch`, print its states until it ends.

    Args:
        config: The settings of the run.
        iterations: How many missing iterations to do.
        watch: Whether to wait for the end.
        say: Called with each line of output.

    Raises InputError if the server, a deployment, a pool or a worker is missing, and StageFailed if a watched run does
    not complete.
    """
    check_deployment(RUN_DEPLOYMENT)
    pools = [CPU_POOL]
    if config.gpu == "deployment":
        check_deployment(GPU_DEPLOYMENT)
        pools.append(GPU_POOL)
    for pool in pools:
        if not online_workers(pool):
            raise InputError(f"no worker of pool {pool} is online; start one: prefect worker start --pool {pool}")
    parameters = {"config": values_to_send(config), "iterations": iterations}
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


def _watch(run_id: UUID, say: Callable[[str], None]) -> None:
    """Print the states of a flow run until it ends. Raises StageFailed if it does not complete."""
    printed_state = ""
    with get_client(sync_client=True) as client:
        while True:
            run = client.read_flow_run(run_id)
            state = run.state
            if state is not None and state.name != printed_state:
                printed_state = state.name or ""
                say(f"{printed_state}{f': {state.message}' if state.message else ''}")
            if state is not None and state.is_final():
                break
            time.sleep(_SECONDS_BETWEEN_POLLS)
    if not state.is_completed():
        raise StageFailed(f"flow run {run.name} ended as {state.name}: {state.message}")
