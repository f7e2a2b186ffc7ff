"""prefect.yaml: deployments start the flows of this checkout, with the quickstart as default config."""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.config.load import load_config, parse_config
from flows.orchestration.server_checks import CPU_POOL, GPU_DEPLOYMENT, GPU_POOL, RUN_DEPLOYMENT

REPOSITORY = Path(__file__).parents[4]


def _deployment(name: str) -> dict[str, Any]:
    deployments = yaml.safe_load((REPOSITORY / "prefect.yaml").read_text())["deployments"]
    (deployment,) = (item for item in deployments if item["name"] == name)
    assert isinstance(deployment, dict)
    return deployment


def _flow(deployment: dict[str, Any]) -> Any:
    path, name = deployment["entrypoint"].split(":")
    return getattr(importlib.import_module(path.removesuffix(".py").replace("/", ".")), name)


def test_default_parameters_are_the_quickstart() -> None:
    parameters = _deployment("iteration")["parameters"]
    assert parse_config(parameters["config"], "prefect.yaml") == load_config(REPOSITORY / "configs" / "quickstart.yaml")
    assert parameters["iterations"] == 1
    assert set(parameters) <= set(_flow(_deployment("iteration")).parameters.properties)


@pytest.mark.parametrize(
    ("name", "full_name", "pool"), [("iteration", RUN_DEPLOYMENT, CPU_POOL), ("stages", GPU_DEPLOYMENT, GPU_POOL)]
)
def test_deployments_have_the_names_in_the_code(name: str, full_name: str, pool: str) -> None:
    deployment = _deployment(name)
    assert f"{_flow(deployment).name}/{name}" == full_name
    assert deployment["work_pool"]["name"] == pool and "serl" in deployment["tags"] and deployment["description"]


def _leaves(
    node: dict[str, Any], definitions: dict[str, Any], parent: str
) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Yield (path, property, description) of every field that a person can fill in."""
    for name, field in node.get("properties", {}).items():
        for kind in [field, field.get("items", {}), *field.get("anyOf", [])]:
            if reference := kind.get("$ref"):
                model = definitions[reference.split("/")[-1]]
                assert model.get("description") or field.get("description"), f"{parent}.{name}"
                yield from _leaves(model, definitions, f"{parent}.{name}")
                break
        else:
            yield f"{parent}.{name}", field, field.get("description", "")


@pytest.mark.parametrize("name", ["iteration", "stages"])
def test_every_form_field_has_title_and_description(name: str) -> None:
    schema = _flow(_deployment(name)).parameters.model_dump()
    leaves = {path: (field, description) for path, field, description in _leaves(schema, schema["definitions"], "")}
    assert len(leaves) > 120
    assert [path for path, (field, text) in leaves.items() if not text or not field.get("title")] == []
    assert leaves[".config.engine"][0]["enum"] == ["fake", "transformers", "vllm", "server"]
    assert leaves[".config.engine"][0]["default"] == "transformers"
    assert leaves[".config.gpu"][0]["enum"] == ["inline", "deployment"]
    assert {"ppo", "reinforce_pp", "grpo", "rloo"} <= set(leaves[".config.update.algorithm"][0]["enum"])
