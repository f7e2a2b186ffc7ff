"""`serl setup-prefect`: create work pools and the automations that restart lost runs, or update existing ones."""

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

from flows.orchestration.server_checks import CPU_POOL, GPU_POOL, check_server

HEARTBEAT_SECONDS = 30
"""Seconds that PREFECT_FLOWS_HEARTBEAT_FREQUENCY must be set to for workers; the smallest value that Prefect allows."""
LOST_AFTER_SECONDS = 85
"""Seconds without a heartbeat after which a flow run counts as lost, so two heartbeats may be missed.

The server checks every few seconds. A lost flow run is therefore noticed after at most 95 seconds.
"""

_FLOW_RUN = {"prefect.resource.id": "prefect.flow-run.*"}
_END_EVENTS = {f"prefect.flow-run.{name}" for name in ("Completed", "Failed", "Cancelled", "Crashed")}


def setup_prefect(limits: dict[str, int | None], say: Callable[[str], None]) -> None:
    """Create the work pools and automations that the server lacks, and update existing automations of this project.

    Args:
        limits: For each pool, how many of its flow runs may run at once; None keeps the pool's limit.
        say: Called with each line of output.

    Raises InputError if no server answers.
    """
    check_server(needed=True)
    with get_client(sync_client=True) as client:
        for pool in (CPU_POOL, GPU_POOL):
            say(_set_up_pool(client, pool, limits.get(pool)))
        for automation in (lost_machine(), crashed_iteration()):
            say(_set_up_automation(client, automation))


def lost_machine() -> AutomationCore:
    """Return the automation that marks a flow run as crashed if it stops sending heartbeats and has not ended."""
    return Automation(
        name="serl: a lost machine",
        description=f"Marks a flow run as crashed {LOST_AFTER_SECONDS} s after its last sign of life.",
        trigger=EventTrigger(
            posture=Posture.Proactive,
            match=ResourceSpecification(_FLOW_RUN),
            match_related=_of_flow(["serl", "serl-gpu"]),
            for_each={"prefect.resource.id"},
            after={"prefect.flow-run.heartbeat"},
            expect={"prefect.flow-run.heartbeat", *_END_EVENTS},
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
    """Return the automation that restarts a crashed flow run.

    The flow counts its restarts itself, and fails after `restarts` of them.
    """
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


def _set_up_pool(client: SyncPrefectClient, name: str, limit: int | None) -> str:
    """Create a pool, or set its limit; return a line of output."""
    try:
        pool = client.read_work_pool(name)
    except ObjectNotFound:
        client.create_work_pool(WorkPoolCreate(name=name, type="process", concurrency_limit=limit))
        return f"pool {name}: made (type process{_limit_text(limit)})"
    if limit is not None and limit != pool.concurrency_limit:
        client.update_work_pool(name, WorkPoolUpdate(concurrency_limit=limit))
        return f"pool {name}: limit changed{_limit_text(limit)}"
    return f"pool {name}: there already (type {pool.type}{_limit_text(pool.concurrency_limit)})"


def _limit_text(limit: int | None) -> str:
    return "" if limit is None else f", at most {limit} flow runs at once"


def _set_up_automation(client: SyncPrefectClient, automation: AutomationCore) -> str:
    """Create an automation, or update the existing one and delete duplicates; return a line of output."""
    existing = client.read_automations_by_name(automation.name)
    core = AutomationCore(**automation.model_dump(exclude={"id", "owner_resource"}))
    if not existing:
        client.create_automation(core)
        return f"automation {automation.name!r}: made"
    client.update_automation(existing[0].id, core)
    for duplicate in existing[1:]:
        client.delete_automation(duplicate.id)
    return f"automation {automation.name!r}: there already, brought up to date"
