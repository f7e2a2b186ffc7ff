"""Checks of a Prefect server before it is used: whether it answers, its deployments and its workers."""

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import WorkerStatus
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectNotFound
from prefect.settings import get_current_settings

from storage.errors import InputError

CPU_POOL, GPU_POOL = "cpu", "gpu"
"""Names of the work pools."""
RUN_DEPLOYMENT, GPU_DEPLOYMENT = "serl/iteration", "serl-gpu/stages"
"""Names of the deployments."""


def check_server(*, needed: bool) -> None:
    """Raise InputError if no server answers at PREFECT_API_URL, or if it is not set and a server is `needed`."""
    url = get_current_settings().api.url
    if url is None:
        if needed:
            raise InputError(
                "PREFECT_API_URL is not set, and this needs a Prefect server that stays: start one (prefect server "
                "start) and export PREFECT_API_URL=http://127.0.0.1:4200/api"
            )
        return
    with get_client(sync_client=True) as client:
        error = client.api_healthcheck()
    if error is not None:
        raise InputError(
            f"no Prefect server answers at PREFECT_API_URL={url} ({type(error).__name__}); start it (prefect server "
            "start) or unset PREFECT_API_URL"
        )


def check_deployment(name: str) -> DeploymentResponse:
    """Return the deployment of this name. Raises InputError if the server does not have it."""
    check_server(needed=True)
    with get_client(sync_client=True) as client:
        try:
            return client.read_deployment_by_name(name)
        except ObjectNotFound:
            raise InputError(
                f"the Prefect server has no deployment {name}; in the project's folder: serl setup-prefect && "
                "prefect --no-prompt deploy --all"
            ) from None


def online_workers(pool: str) -> int:
    """Return the number of workers of a pool that are online. Raises InputError if the pool does not exist."""
    with get_client(sync_client=True) as client:
        try:
            workers = client.read_workers_for_work_pool(pool)
        except ObjectNotFound:
            raise InputError(f"the Prefect server has no work pool {pool}: serl setup-prefect") from None
    return sum(worker.status == WorkerStatus.ONLINE for worker in workers)
