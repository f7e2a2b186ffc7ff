"""Part `workers`: an iteration with trainer and sampler on a GPU worker of a Prefect server, all on loopback."""

import json
import time
from typing import Any

from flows.config.load import load_config
from flows.config.run import RunConfig
from storage.run import open_run
from tests.gpu.parts.iteration import write_config
from tests.gpu.record import Record
from tests.prefect_server import PrefectServer, prefect_server, wait_until

ON_GPU = ("generate_instructions", "sample_responses", "ppo_update")


def run(record: Record) -> None:
    root = record.folder / f"run-{time.time():.0f}"
    file = write_config(record, root, "workers", iterations=1, gpu="deployment", gpu_runs=1)
    config = load_config(file)
    home = record.folder / f"prefect-{time.time():.0f}"
    home.mkdir()
    record.note("the Prefect server starts")
    started = time.time()
    with prefect_server(home) as server:
        server.set_up()
        record.note("the workers start")
        server.workers("cpu", "gpu")
        record.figure("server_and_workers_start_s", time.time() - started)
        record.note("iterations 0 and 1 on the workers")
        submitted = time.time()
        flow_run = server.submit(config, iterations=2)
        state = _wait(record, server, flow_run)
        record.figure("run_s", time.time() - submitted)
        record.check("flow_run_completes", state["type"] == "COMPLETED", _words(state), "COMPLETED")
        if state["type"] == "COMPLETED":
            _check_run(record, server, config)
    if record.small:
        record.leave_out("the same with a GPU", "only a GPU can show it")


def _wait(record: Record, server: PrefectServer, flow_run: str) -> dict[str, Any]:
    """Return the state that the flow run ends in, or its state when the time is nearly over."""
    final = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
    newest: dict[str, Any] = {"type": "UNKNOWN", "message": ""}

    def ended() -> dict[str, Any] | None:
        newest.update(server.flow_run(flow_run)["state"] or {})
        return newest if newest["type"] in final else None

    try:
        return wait_until(ended, max(5.0, record.seconds_left() - 10))
    except AssertionError:  # nothing came of it
        return newest


def _words(state: dict[str, Any]) -> str:
    return " ".join(f"{state['type']}: {state.get('message') or ''}".split())[:400]


def _check_run(record: Record, server: PrefectServer, config: RunConfig) -> None:
    run = open_run(config.uri)
    record.check("iterations", run.iterations == [0, 1], run.iterations, "[0, 1]")
    timings = run.table("timings", 1)
    processes = dict(timings.select("stage", "process").rows())
    gpu = {processes[stage] for stage in ON_GPU if stage in processes}
    here = {processes[stage] for stage in ("filter_instructions", "vote_rewards") if stage in processes}
    record.check("gpu_stages_share_one_worker", len(gpu) == 1 and not gpu & here, json.dumps(processes), "one process")
    record.check("one_gpu_flow_run", len(server.gpu_runs(config)) == 1, len(server.gpu_runs(config)), "1")
    starts, loads = int(timings["engine_starts"].sum()), int(timings["engine_loads"].sum())
    record.figure("engine_starts_of_iteration_1", starts)
    record.figure("engine_loads_of_iteration_1", loads)
    record.check("engine_starts_once", starts <= 1, starts, "<= 1 in iteration 1")
    record.figure("stage_s", {stage: round(seconds, 2) for stage, seconds in timings.select("stage", "seconds").rows()})
    gap = run.metrics(1).get("train/behaviour_gap")
    record.check("the_policy_is_updated", gap is not None, gap, "an update in iteration 1")
