"""The deployment `serl/iteration` as the README has it started: on a worker of pool cpu, one iteration at a time."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flows.config.run import RunConfig
from storage.run import open_run
from tests.commands import environment, run
from tests.helpers import fake_config
from tests.integration.conftest import SharedServer, watched
from tests.prefect_server import as_parameter

pytestmark = pytest.mark.server

# With the network cut off but for loopback, which a new one has to be told to bring up.
CUT_OFF = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]


def _can_cut_off() -> bool:
    tools = all(shutil.which(tool) for tool in ("unshare", "ip"))
    return tools and subprocess.run([*CUT_OFF, "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(not _can_cut_off(), reason="needs the right to make a network namespace, and iproute2")
def test_a_run_without_a_network_calls_nobody(tmp_path: Path) -> None:
    attempts = tmp_path / "attempts"
    env = environment(PREFECT_HOME=str(tmp_path / "prefect"), **watched(attempts))

    def cut_off(*command: str, expect: int) -> None:
        run(*CUT_OFF, sys.executable, *command, expect=expect, env=env)

    cut_off("-m", "flows.cli", "run", str(written(fake_config(tmp_path, iterations=1))), expect=0)
    assert not attempts.exists(), attempts.read_text()
    # The same watch does notice a call.
    cut_off("-c", "import urllib.request; urllib.request.urlopen('http://192.0.2.1', timeout=5)", expect=1)
    assert "192.0.2.1" in attempts.read_text()


def test_a_run_is_refused_where_nobody_would_do_it(shared_server: SharedServer, tmp_path: Path) -> None:
    """Comes first: the other tests start a worker."""
    server = shared_server.prefect
    if server.online("cpu"):
        pytest.skip("another test has started a worker already")
    refused = server.call("flows.cli", "submit", str(written(fake_config(tmp_path))), expect=2)
    assert "no worker of pool cpu is online; start one: prefect worker start --pool cpu" in refused


def test_setting_up_again_changes_only_what_is_asked(shared_server: SharedServer) -> None:
    server = shared_server.prefect
    again = server.call("flows.cli", "setup-prefect", "--gpu-limit", "4")
    assert "pool cpu: there already" in again and "pool gpu: limit changed, at most 4 flow runs at once" in again
    assert again.count("there already, brought up to date") == 2
    assert len(server.ask("automations/filter", {})) == 2


def test_deployment_runs_the_next_missing_iterations(shared_server: SharedServer, tmp_path: Path) -> None:
    server = shared_server.prefect
    shared_server.start_worker()
    config = fake_config(tmp_path, name="deployed")
    said = server.call("flows.cli", "submit", str(written(config)), "--watch")
    assert "Completed" in said and f"{server.url}/runs/flow-run/" in said
    assert open_run(config.uri).iterations == [0]

    parameters = json.dumps({"config": as_parameter(config), "iterations": 2})
    server.call("prefect", "deployment", "run", "serl/iteration", "--params", parameters, "--watch")
    assert open_run(config.uri).iterations == [0, 1, 2]
    wrong = server.call("prefect", "deployment", "run", "serl/iteration", "--param", "iterations=many", expect=1)
    assert "iterations" in wrong and "many" in wrong

    artifacts = {artifact["key"]: artifact for artifact in server.ask("artifacts/latest/filter", {})}
    assert "| 2 |" in artifacts["serl-deployed-report"]["data"]
    assert artifacts["serl-deployed-curve"]["data"].startswith("data:image/png;base64,")
    flow_run = artifacts["serl-deployed-report"]["flow_run_id"]
    logs = server.ask("logs/filter", {"logs": {"flow_run_id": {"any_": [flow_run]}}})
    lines = [log["message"] for log in logs]
    assert any("vote_rewards took" in line and ": vote/" in line for line in lines) and len(lines) < 100, lines
    tasks = dict(server.task_runs(flow_run))
    run = open_run(config.uri)
    prompts, responses = run.table("generations", 1).height, run.table("responses", 2).height
    assert tasks[f"iteration 1: generate_instructions ({prompts} prompts)"] == "Completed"
    assert tasks[f"iteration 2: vote_rewards ({responses} responses)"] == "Completed"
    assert not shared_server.attempts.exists(), shared_server.attempts.read_text()


def written(config: RunConfig) -> Path:
    """A file with the settings of a run."""
    path = Path(config.root).with_name("run.json")
    path.write_text(config.model_dump_json())
    return path
