"""prefect.yaml: what a person deploys is the flow and the quickstart of this checkout."""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.config.load import load_config, parse_config
from flows.orchestration.prefect_server import CPU_POOL, GPU_DEPLOYMENT, GPU_POOL, RUN_DEPLOYMENT

REPOSITORY = Path(__file__).parents[4]


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


def _leaves(node: dict[str, Any], definitions: dict[str, Any], where: str) -> Iterator[tuple[str, dict[str, Any], str]]:
    """(path, property, what is said of it) of everything that a person can fill in."""
    for name, found in node.get("properties", {}).items():
        for kind in [found, found.get("items", {}), *found.get("anyOf", [])]:
            if reference := kind.get("$ref"):
                model = definitions[reference.split("/")[-1]]
                assert model.get("description") or found.get("description"), f"{where}.{name}"
                yield from _leaves(model, definitions, f"{where}.{name}")
                break
        else:
            yield f"{where}.{name}", found, found.get("description", "")


@pytest.mark.parametrize("name", ["iteration", "stages"])
def test_every_field_of_the_forms_has_a_title_and_says_what_it_is(name: str) -> None:
    schema = _flow(_deployment(name)).parameters.model_dump()
    leaves = {path: (found, said) for path, found, said in _leaves(schema, schema["definitions"], "")}
    assert len(leaves) > 120
    assert [path for path, (found, said) in leaves.items() if not said or not found.get("title")] == []
    assert leaves[".config.engine"][0]["enum"] == ["fake", "transformers", "vllm", "server"]
    assert leaves[".config.engine"][0]["default"] == "transformers"
    assert leaves[".config.gpu"][0]["enum"] == ["inline", "deployment"]
    assert {"ppo", "reinforce_pp", "grpo", "rloo"} <= set(leaves[".config.update.algorithm"][0]["enum"])
