"""A Prefect server and a process worker on loopback run the deployment `serl/iteration`, one iteration a time."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.config import load_config
from storage.run import open_run
from tests.commands import CUT, REPOSITORY, environment

pytestmark = [pytest.mark.slow, pytest.mark.server]

PREFECT = [sys.executable, "-m", "prefect"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(url: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


@pytest.fixture
def prefect(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a client, while a server and a worker of pool `cpu` run; both are killed at the end."""
    port = _free_port()
    api = f"http://127.0.0.1:{port}/api"
    env = environment(PREFECT_HOME=str(tmp_path / "prefect"), PREFECT_API_URL=api)
    processes = []

    def start(*arguments: str) -> None:
        with (tmp_path / f"{arguments[0]}.log").open("wb") as log:
            command = [*PREFECT, *arguments]
            processes.append(
                subprocess.Popen(command, cwd=REPOSITORY, env=env, stdout=log, stderr=log, start_new_session=True)
            )

    try:
        start("server", "start", "--host", "127.0.0.1", "--port", str(port))
        _wait_for(f"{api}/health", seconds=180)
        _call(env, "work-pool", "create", "cpu", "--type", "process")
        _call(env, "--no-prompt", "deploy", "--all")
        start("worker", "start", "--pool", "cpu")
        yield env
    finally:
        for process in reversed(processes):
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _call(env: dict[str, str], *arguments: str) -> str:
    command = [*PREFECT, *arguments]
    done = subprocess.run(command, cwd=REPOSITORY, env=env, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_deployment_runs_the_next_missing_iterations(prefect: dict[str, str], tmp_path: Path) -> None:
    overrides = tuple(setting.removeprefix("--set=") for setting in CUT)
    config = load_config(REPOSITORY / "configs" / "quickstart.yaml", (*overrides, f"root={tmp_path / 'runs'}"))

    def run(iterations: int) -> None:
        parameters = json.dumps({"config": config.model_dump(mode="json"), "iterations": iterations})
        _call(prefect, "deployment", "run", "serl/iteration", "--params", parameters, "--watch")

    run(1)
    assert open_run(config.uri).iterations == [0]
    run(2)
    assert open_run(config.uri).iterations == [0, 1, 2]

    api = prefect["PREFECT_API_URL"]
    artifacts = {artifact["key"]: artifact for artifact in _post(f"{api}/artifacts/latest/filter")}
    assert "| 2 |" in artifacts["serl-quickstart-report"]["data"]
    assert artifacts["serl-quickstart-curve"]["data"].startswith("data:image/png;base64,")
    tasks = {task["name"]: task["state_name"] for task in _post(f"{api}/task_runs/filter")}
    assert tasks["iteration 0 · warm_start"] == "Completed"
    assert tasks["iteration 2 · vote_rewards"] == "Completed"


def _post(url: str) -> list[dict[str, str]]:
    request = urllib.request.Request(url, data=b"{}", headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as response:
        found = json.load(response)
    assert isinstance(found, list)
    return found
