"""prefect.yaml: what a person deploys is the flow and the quickstart of this checkout."""

import importlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.config import load_config, parse_config
from flows.server import CPU_POOL, GPU_DEPLOYMENT, GPU_POOL, RUN_DEPLOYMENT

REPOSITORY = Path(__file__).parents[3]


def _deployment(name: str) -> dict[str, Any]:
    found = yaml.safe_load((REPOSITORY / "prefect.yaml").read_text())["deployments"]
    (deployment,) = (one for one in found if one["name"] == name)
    assert isinstance(deployment, dict)
    return deployment


def _flow(deployment: dict[str, Any]) -> Any:
    path, name = deployment["entrypoint"].split(":")
    return getattr(importlib.import_module(path.removesuffix(".py").replace("/", ".")), name)


def test_parameters_are_the_content_of_the_quickstart() -> None:
    parameters = _deployment("iteration")["parameters"]
    assert parse_config(parameters["config"], "prefect.yaml") == load_config(REPOSITORY / "configs" / "quickstart.yaml")
    assert parameters["iterations"] == 1
    assert set(parameters) <= set(_flow(_deployment("iteration")).parameters.properties)


@pytest.mark.parametrize(
    ("name", "called", "pool"), [("iteration", RUN_DEPLOYMENT, CPU_POOL), ("stages", GPU_DEPLOYMENT, GPU_POOL)]
)
def test_deployments_are_what_the_code_calls_them(name: str, called: str, pool: str) -> None:
    deployment = _deployment(name)
    assert f"{_flow(deployment).name}/{name}" == called
    assert deployment["work_pool"]["name"] == pool and "serl" in deployment["tags"] and deployment["description"]
