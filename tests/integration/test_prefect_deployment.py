"""The deployment `serl/iteration` as the README has it started: on a worker of pool cpu, one iteration at a time."""

import json
from pathlib import Path

import pytest

from flows.config import load_config
from storage.run import open_run
from tests.commands import CUT, REPOSITORY
from tests.prefect_server import prefect_server

pytestmark = [pytest.mark.slow, pytest.mark.server]


def test_deployment_runs_the_next_missing_iterations(tmp_path: Path) -> None:
    overrides = [f"root={tmp_path / 'runs'}", *(setting.removeprefix("--set=") for setting in CUT)]
    config = load_config(REPOSITORY / "configs" / "quickstart.yaml", tuple(overrides))
    with prefect_server(tmp_path) as server:
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
        tasks = dict(server.task_runs(artifacts["serl-quickstart-report"]["flow_run_id"]))
        assert tasks["iteration 1: generate_instructions (16 prompts)"] == "Completed"
        assert tasks["iteration 2: vote_rewards (128 responses)"] == "Completed"
