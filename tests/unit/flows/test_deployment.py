"""prefect.yaml: what a person deploys is the flow and the quickstart of this checkout."""

import importlib
from pathlib import Path
from typing import Any

import yaml

from flows.config import load_config, parse_config

REPOSITORY = Path(__file__).parents[3]


def _deployment() -> dict[str, Any]:
    (deployment,) = yaml.safe_load((REPOSITORY / "prefect.yaml").read_text())["deployments"]
    assert isinstance(deployment, dict)
    return deployment


def test_parameters_are_the_content_of_the_quickstart() -> None:
    parameters = _deployment()["parameters"]
    assert parse_config(parameters["config"], "prefect.yaml") == load_config(REPOSITORY / "configs" / "quickstart.yaml")
    assert parameters["iterations"] == 1


def test_entrypoint_is_the_flow_serl_with_these_parameters() -> None:
    path, name = _deployment()["entrypoint"].split(":")
    flow = getattr(importlib.import_module(path.removesuffix(".py").replace("/", ".")), name)
    assert flow.name == "serl"
    assert set(flow.parameters.properties) == set(_deployment()["parameters"])
