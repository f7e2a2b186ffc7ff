"""The deployment `serl/iteration` as the README has it started: on a worker of pool cpu, one iteration at a time."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flows.config.load import load_config
from storage.run import open_run
from tests.commands import CUT, REPOSITORY, environment
from tests.helpers import fake_config
from tests.prefect_server import prefect_server

pytestmark = [pytest.mark.slow, pytest.mark.server]

# With the network cut off but for loopback, which a new one has to be told to bring up.
CUT_OFF = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]


def watched(attempts: Path) -> dict[str, str]:
    """Environment of processes that may reach this machine alone; where they tried others is noted in `attempts`."""
    return {"PYTHONPATH": str(REPOSITORY / "tests" / "watched_network"), "SERL_TEST_NETWORK_LOG": str(attempts)}


def _can_cut_off() -> bool:
    tools = all(shutil.which(tool) for tool in ("unshare", "ip"))
    return tools and subprocess.run([*CUT_OFF, "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not _can_cut_off(), reason="needs the right to make a network namespace, and iproute2")
def test_a_run_without_a_network_calls_nobody(tmp_path: Path) -> None:
    (file := tmp_path / "run.json").write_text(fake_config(tmp_path, iterations=1).model_dump_json())
    attempts = tmp_path / "attempts"

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*CUT_OFF, sys.executable, *command], cwd=REPOSITORY,
            env=environment(PREFECT_HOME=str(tmp_path / "prefect"), **watched(attempts)),
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip

    done = run("-m", "flows.cli", "run", str(file))
    assert done.returncode == 0, done.stdout + done.stderr
    assert not attempts.exists(), attempts.read_text()
    # The same watch does notice a call.
    outside = run("-c", "import urllib.request; urllib.request.urlopen('http://192.0.2.1', timeout=5)")
    assert outside.returncode == 1 and "192.0.2.1" in attempts.read_text()


def test_deployment_runs_the_next_missing_iterations(tmp_path: Path) -> None:
    overrides = [f"root={tmp_path / 'runs'}", *(setting.removeprefix("--set=") for setting in CUT)]
    config = load_config(REPOSITORY / "configs" / "quickstart.yaml", tuple(overrides))
    attempts = tmp_path / "attempts"
    with prefect_server(tmp_path, **watched(attempts)) as server:
        server.set_up()
        again = server.call("flows.cli", "setup-prefect", "--gpu-limit", "4")
        assert "pool cpu: there already" in again and "pool gpu: limit changed, at most 4 flow runs at once" in again
        assert again.count("there already, brought up to date") == 2
        assert len(server.ask("automations/filter", {})) == 2

        submit = ["flows.cli", "submit", "configs/quickstart.yaml", *(f"--set={setting}" for setting in overrides)]
        refused = server.call(*submit, expect=2)
        assert "no worker of pool cpu is online; start one: prefect worker start --pool cpu" in refused
        server.worker("cpu")
        said = server.call(*submit, "--watch")
        assert "Completed" in said and f"{server.url}/runs/flow-run/" in said
        assert open_run(config.uri).iterations == [0]

        parameters = json.dumps({"config": config.model_dump(mode="json"), "iterations": 2})
        server.call("prefect", "deployment", "run", "serl/iteration", "--params", parameters, "--watch")
        assert open_run(config.uri).iterations == [0, 1, 2]
        wrong = server.call("prefect", "deployment", "run", "serl/iteration", "--param", "iterations=many", expect=1)
        assert "iterations" in wrong and "many" in wrong

        artifacts = {artifact["key"]: artifact for artifact in server.ask("artifacts/latest/filter", {})}
        assert "| 2 |" in artifacts["serl-quickstart-report"]["data"]
        assert artifacts["serl-quickstart-curve"]["data"].startswith("data:image/png;base64,")
        flow_run = artifacts["serl-quickstart-report"]["flow_run_id"]
        logs = server.ask("logs/filter", {"logs": {"flow_run_id": {"any_": [flow_run]}}})
        said = [log["message"] for log in logs]
        assert any(line.startswith("vote_rewards: vote/") for line in said) and len(said) < 100, said
        tasks = dict(server.task_runs(flow_run))
        assert tasks["iteration 1: generate_instructions (16 prompts)"] == "Completed"
        assert not attempts.exists(), attempts.read_text()
        assert tasks["iteration 2: vote_rewards (128 responses)"] == "Completed"
