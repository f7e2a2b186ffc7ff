"""`gpu: deployment` on loopback: a server, a cpu worker and gpu workers, each a process that gets killed."""

import json
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import polars as pl
import pytest

from flows.config.load import load_config, parse_config
from flows.config.run import RunConfig
from flows.orchestration.provision import LOST_AFTER_SECONDS
from flows.run_loop import run_locally
from storage.run import Run, open_run
from tests.commands import CUT, REPOSITORY, kill_with_children
from tests.helpers import fake_config
from tests.integration.conftest import SharedServer
from tests.policy_server import PolicyServer
from tests.prefect_server import (
    POSTGRESQL,
    SLOW_FAKE,
    PrefectServer,
    as_parameter,
    kill,
    prefect_server,
    processes_of,
    wait_until,
)

pytestmark = pytest.mark.server

needs_postgresql = pytest.mark.skipif(
    POSTGRESQL is None, reason="on SQLite the event of a crash may be lost: apt-get install postgresql"
)
RESPONSE_SECONDS = 0.1


SLOW = {"PYTHONPATH": str(SLOW_FAKE), "SERL_TEST_RESPONSE_SECONDS": str(RESPONSE_SECONDS)}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    with prefect_server(tmp_path_factory.mktemp("prefect"), **SLOW) as server:
        server.set_up()
        server.worker("cpu")
        yield server


@pytest.fixture
def gpu_workers(server: PrefectServer) -> Iterator[list[int]]:
    """Process ids of two workers of pool gpu."""
    workers = server.workers("gpu", "gpu")
    yield [worker.pid for worker in workers]
    for worker in workers:
        kill_with_children(worker.pid)


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    return fake_config(tmp_path, gpu="deployment", gpu_runs=2, iterations=1)


@pytest.fixture
def inline(config: RunConfig, tmp_path: Path) -> Run:
    return run_inline(config, tmp_path)


def run_inline(config: RunConfig, tmp_path: Path) -> Run:
    """The same run, undisturbed in one process."""
    alone = config.model_copy(update={"root": str(tmp_path / "inline"), "gpu": "inline"})
    run_locally(alone)
    return open_run(alone.uri)


class Chat:
    """A service that takes messages, on loopback."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        heard = self.heard

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"])
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def chat() -> Iterator[Chat]:
    with closing(Chat()) as chat:
        yield chat


def outputs(run: Run) -> dict[tuple[int, str], Any]:
    """What every stage of a run made, digests included."""
    return {
        (number, stage): [manifest.key, manifest.outputs, manifest.metrics]
        for number in run.iterations
        for stage, manifest in run.manifests(number).items()
    }


def parts(config: RunConfig) -> dict[str, int]:
    """The parts of `responses` that are there, with the time of their writing."""
    found = (Path(config.uri) / "responses").rglob("part-*.parquet")
    return {str(path): path.stat().st_mtime_ns for path in found}


def wait_for_parts(config: RunConfig, count: int = 1) -> dict[str, int]:
    return wait_until(lambda: found if len(found := parts(config)) >= count else None)


def latest_report(server: PrefectServer, config: RunConfig) -> str:
    artifacts = server.ask("artifacts/latest/filter", {})
    return next(str(found["data"]) for found in artifacts if found["key"] == f"serl-{config.name}-report")


def executions(run: Run, stage: str) -> pl.DataFrame:
    return run.table("timings").filter(pl.col("stage") == stage)


@pytest.mark.slow
def test_deployment_says_what_is_missing_or_wrong(server: PrefectServer, chat: Chat, config: RunConfig) -> None:
    """Comes first: workers that others have killed count as online for a while."""

    def failure(deployment: str, parameters: dict[str, Any]) -> str:
        state = server.wait_for(server.start_deployment(deployment, parameters), "FAILED")["state"]
        return str(state["message"])

    server.call("configs.examples.notify", f"{chat.url}/hook")
    message = failure("serl/iteration", {"config": as_parameter(config)})
    assert "no worker of pool gpu is online" in message and "To go on: Retry in the UI, or serl resume" in message
    worker = server.worker("gpu")
    message = failure("serl-gpu/stages", {"config": as_parameter(config), "code": "0.0.1+other"})
    assert "and the run is on serl 0.0.1+other; give both the same version" in message
    kill_with_children(worker.pid)
    wrong = server.call("prefect", "deployment", "run", "serl/iteration", "--param", "iterations=many", expect=1)
    assert "iterations" in wrong and "many" in wrong
    heard = wait_until(lambda: chat.heard)[0]
    assert (
        " failed\n" in heard and "no worker of pool gpu is online" in heard and f"{server.url}/runs/flow-run/" in heard
    )


@pytest.mark.slow
def test_deployment_shares_gpu_stages_among_workers(
    shared_server: SharedServer, config: RunConfig, tmp_path: Path
) -> None:
    """In every round of the iteration."""
    config = config.model_copy(update={"questions_per_update": 6})
    inline = run_inline(config, tmp_path)
    server = shared_server.prefect
    shared_server.start_worker()
    workers = server.workers("gpu", "gpu", **SLOW)
    flow_run = server.wait_for(server.submit(config, iterations=2))
    run = open_run(config.uri)
    assert outputs(run) == outputs(inline)
    assert flow_run["name"] == "small: iterations 0-1 of 1"
    # Both workers had a hand in the responses; the rest was done once, filter and vote by the run itself.
    assert executions(run, "sample_responses")["process"].n_unique() == 2
    gpu = set(executions(run, "sample_responses")["process"])
    for stage, on_gpu in (("filter_instructions", False), ("vote_rewards", False), ("ppo_update", True)):
        (process,) = set(executions(run, stage)["process"])
        assert (process in gpu) is on_gpu, stage
    gpu_runs = server.gpu_runs(config)
    assert [found["name"] for found in gpu_runs] == ["small: GPU 1 of 2", "small: GPU 2 of 2"]
    for found in gpu_runs:
        assert server.wait_for(found["id"])["parent_task_run_id"]
    states = dict(server.task_runs(flow_run["id"]))
    manifests = run.manifests(1)
    for number, name in ((1, "filter_instructions"), (2, "filter_instructions.2")):
        accepted = manifests[name].metrics["filter/accepted"]
        (task,) = [task for task in states if task.startswith(f"iteration 1, round {number} of at most 8, ")
                   and task.endswith(f" of 6 kept: sample_responses ({accepted} questions x 8)")]  # fmt: skip
        assert states[task] == "Completed"
    assert states["iteration 0: evaluate (5 problems x 4)"] == "Completed"
    for worker in workers:
        kill_with_children(worker.pid)


@pytest.mark.slow
def test_deployment_outlives_the_loss_of_a_child(
    server: PrefectServer, gpu_workers: list[int], config: RunConfig, inline: Run
) -> None:
    run = server.submit(config, iterations=2)
    before = wait_for_parts(config)
    lost = server.gpu_runs(config)[0]["id"]
    kill(lost)
    server.wait_for(run)
    assert outputs(open_run(config.uri)) == outputs(inline)
    after = parts(config)
    assert len(after) > len(before) and before == {path: after[path] for path in before}, (
        "a finished part was done again"
    )
    assert server.flow_run(lost)["state_type"] == "CRASHED"


@pytest.mark.slow
def test_deployment_outlives_the_loss_of_a_machine(
    server: PrefectServer, gpu_workers: list[int], config: RunConfig, inline: Run
) -> None:
    """Nobody reports the flow run that was on it: its heartbeats are missed, and it counts as crashed."""
    run = server.submit(config, iterations=2)
    before = wait_for_parts(config)
    children = {found["id"]: processes_of(found["id"])[0].parent().pid for found in server.gpu_runs(config)}  # type: ignore[union-attr]
    lost = next(child for child, parent in children.items() if parent == gpu_workers[0])
    kill_with_children(gpu_workers[0])
    killed = time.time()
    server.wait_for(run)
    assert outputs(open_run(config.uri)) == outputs(inline)
    after = parts(config)
    assert before == {path: after[path] for path in before}
    state = server.wait_for(lost, "CRASHED")["state"]
    assert datetime.fromisoformat(state["timestamp"]).timestamp() - killed < LOST_AFTER_SECONDS + 120
    assert state["message"].startswith("no sign of life")


@pytest.mark.slow
@needs_postgresql
def test_deployment_outlives_the_loss_of_the_run_itself(
    server: PrefectServer, gpu_workers: list[int], config: RunConfig, inline: Run
) -> None:
    """An automation starts it again; the GPU workers have gone on meanwhile, and serve it without a new start."""
    run = server.submit(config, iterations=2)
    before = wait_for_parts(config)
    kill(run)
    found = server.wait_for(run)
    assert found["run_count"] >= 2
    tasks = server.task_runs(run)
    assert sorted(state for name, state in tasks if name.startswith("iteration 1: filter")) == ["Completed", "Skipped"]
    assert outputs(open_run(config.uri)) == outputs(inline)
    after = parts(config)
    assert before == {path: after[path] for path in before}
    assert len(server.gpu_runs(config)) == 2
    again = server.wait_for(server.submit(config, iterations=1))
    assert again["run_count"] == 1


@pytest.mark.slow
@needs_postgresql
def test_deployment_gives_up_a_run_that_crashes_again_and_again(server: PrefectServer, config: RunConfig) -> None:
    inline = config.model_copy(update={"gpu": "inline"})
    parameters = {"config": as_parameter(inline), "iterations": 1, "restarts": 1}
    run = server.start_deployment("serl/iteration", parameters)
    for count in (1, 2):
        wait_until(lambda count=count: server.flow_run(run)["run_count"] >= count and processes_of(run))  # type: ignore[misc]
        kill(run)
    ended = server.wait_for(run, "FAILED")
    assert "started again 1 times and lost each time" in ended["state"]["message"]
    # A person's Retry begins to count anew.
    server.ask(f"flow_runs/{run}/set_state", {"state": {"type": "SCHEDULED", "name": "AwaitingRetry"}})
    wait_until(lambda: server.flow_run(run)["state_type"] != "FAILED")
    server.wait_for(run)
    assert open_run(config.uri).iterations == [0]


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory: pytest.TempPathFactory) -> RunConfig:
    overrides = tuple(setting.removeprefix("--set=") for setting in CUT)
    root = tmp_path_factory.mktemp("runs")
    return load_config(
        REPOSITORY / "configs" / "quickstart.yaml",
        (*overrides, f"root={root}", "gpu=deployment", "gpu_runs=1", "iterations=30"),
    )


@pytest.mark.slow
def test_deployment_starts_one_engine_and_stops_on_cancel(server: PrefectServer, quickstart: RunConfig) -> None:
    worker = server.worker("gpu")
    server.wait_for(server.submit(quickstart, iterations=3))
    run = open_run(quickstart.uri)
    assert run.iterations == [0, 1, 2]
    timings = run.table("timings")
    assert timings["engine_starts"].sum() == 1 and timings["engine_loads"].sum() == 3
    assert len(server.gpu_runs(quickstart)) == 1
    assert "Engine: 1 starts took" in latest_report(server, quickstart)

    with PolicyServer(run.policy(0)) as vllm:
        served = parse_config(
            {
                **as_parameter(quickstart),
                "name": "served",
                "engine": "server",
                "policy": {"run": quickstart.uri, "iteration": 0},
                "compute": {"server": {"urls": [vllm.url]}, "trainer": {"threads": 1}},
            },
            "test",
        )
        server.wait_for(server.submit(served, iterations=2))
    timings = open_run(served.uri).table("timings")
    assert timings["engine_starts"].sum() == 0 and timings["engine_loads"].sum() > 0
    assert "Engine: 0 starts took" in latest_report(server, served)

    second = server.submit(quickstart, iterations=20)
    child = wait_until(lambda: found[1]["id"] if len(found := server.gpu_runs(quickstart)) == 2 else None)

    def training() -> list[str]:
        # The trainer is a process of its own, which the worker of the stages has started.
        return [
            " ".join(process.cmdline())
            for process in processes_of(child)
            if "stages.trainer.worker" in process.cmdline()
        ]

    wait_until(lambda: training() and open_run(quickstart.uri).iterations[-1] > 2)
    server.ask(f"flow_runs/{second}/set_state", {"state": {"type": "CANCELLING", "name": "Cancelling"}})
    wait_until(lambda: not processes_of(second) and not processes_of(child))
    for ended in (second, child):
        server.wait_for(ended, "CANCELLED")
    kill_with_children(worker.pid)
