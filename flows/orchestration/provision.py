"""`serl setup-prefect`: work pools, their limits, and the automations that bring a lost run back. May be run again."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from prefect.automations import Automation
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.exceptions import ObjectNotFound

from flows.orchestration.prefect_server import CPU_POOL, GPU_POOL, check_server

HEARTBEAT_SECONDS = 30
"""What PREFECT_FLOWS_HEARTBEAT_FREQUENCY has to be for workers; Prefect allows no less."""
LOST_AFTER_SECONDS = 85
"""Without a sign of life; two heartbeats may be missed. The server looks every few seconds: 95 s at most in all."""

_FLOW_RUN = {"prefect.resource.id": "prefect.flow-run.*"}
_ENDED = {f"prefect.flow-run.{name}" for name in ("Completed", "Failed", "Cancelled", "Crashed")}


def setup_prefect(limits: dict[str, int | None], say: Callable[[str], None]) -> None:
    """Make what is missing on the server, and bring automations of ours up to date.

    `limits`: for each pool, how many flow runs of it may run at once; None leaves that as it is. Raises InputError
    where no server answers.
    """
    check_server(needed=True)
    with get_client(sync_client=True) as client:
        for pool in (CPU_POOL, GPU_POOL):
            say(_pool(client, pool, limits.get(pool)))
        for automation in (lost_machine(), crashed_iteration()):
            say(_automation(client, automation))


def lost_machine() -> AutomationCore:
    """A flow run that sends no heartbeats any more, and did not end, counts as crashed."""
    return Automation(
        name="serl: a lost machine",
        description=f"Marks a flow run as crashed {LOST_AFTER_SECONDS} s after its last sign of life.",
        trigger=EventTrigger(
            posture=Posture.Proactive,
            match=ResourceSpecification(_FLOW_RUN),
            match_related=_of_flow(["serl", "serl-gpu"]),
            for_each={"prefect.resource.id"},
            after={"prefect.flow-run.heartbeat"},
            expect={"prefect.flow-run.heartbeat", *_ENDED},
            within=timedelta(seconds=LOST_AFTER_SECONDS),
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED,
                message=f"no sign of life for {LOST_AFTER_SECONDS} s: its machine or its worker was lost",
            )
        ],
    )


def crashed_iteration() -> AutomationCore:
    """A crashed flow run of a run is started again; the flow itself counts, and fails after `restarts` times."""
    return Automation(
        name="serl: a crashed iteration goes on",
        description="Starts a crashed flow run of serl again. Its parameter `restarts` says how often at most.",
        trigger=EventTrigger(
            posture=Posture.Reactive,
            match=ResourceSpecification(_FLOW_RUN),
            match_related=_of_flow(["serl"]),
            for_each={"prefect.resource.id"},
            expect={"prefect.flow-run.Crashed"},
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.SCHEDULED, name="AwaitingRetry", message="crashed; goes on from what is committed"
            )
        ],
    )


def _of_flow(names: list[str]) -> Any:
    return ResourceSpecification({"prefect.resource.role": "flow", "prefect.resource.name": names})


def _pool(client: SyncPrefectClient, name: str, limit: int | None) -> str:
    try:
        pool = client.read_work_pool(name)
    except ObjectNotFound:
        client.create_work_pool(WorkPoolCreate(name=name, type="process", concurrency_limit=limit))
        return f"pool {name}: made (type process{_limited(limit)})"
    if limit is not None and limit != pool.concurrency_limit:
        client.update_work_pool(name, WorkPoolUpdate(concurrency_limit=limit))
        return f"pool {name}: limit changed{_limited(limit)}"
    return f"pool {name}: there already (type {pool.type}{_limited(pool.concurrency_limit)})"


def _limited(limit: int | None) -> str:
    return "" if limit is None else f", at most {limit} flow runs at once"


def _automation(client: SyncPrefectClient, wanted: AutomationCore) -> str:
    found = client.read_automations_by_name(wanted.name)
    core = AutomationCore(**wanted.model_dump(exclude={"id", "owner_resource"}))
    if not found:
        client.create_automation(core)
        return f"automation {wanted.name!r}: made"
    client.update_automation(found[0].id, core)
    for double in found[1:]:
        client.delete_automation(double.id)
    return f"automation {wanted.name!r}: there already, brought up to date"
