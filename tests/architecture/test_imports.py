"""Which room may import which, and what no code of this project may call (docs/explanation/architecture.md)."""

import ast
import json
import tomllib
from collections import Counter
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.commands import python

ROOT = Path(__file__).parents[2]
LAYERS = ("flows", "stages", "storage")
FILES = sorted(path for layer in LAYERS for path in (ROOT / layer).rglob("*.py"))
HEAVY = {"torch", "vllm", "deepspeed", "transformers"}
MAY_BE_HEAVY = ("stages/engines/", "stages/trainer/", "stages/rl/", "stages/warm_start.py", "stages/model_folder.py")
LIGHT_ALTHOUGH_THERE = {
    "stages.engines.base",
    "stages.engines.card_speeds",
    "stages.engines.fake",
    "stages.engines.gpu",
    "stages.engines.gpu_holders",
    "stages.engines.loader",
    "stages.engines.vllm_memory",
    "stages.model_folder",
    "stages.rl.chunks",
    "stages.trainer.deepspeed_config",
    "stages.trainer.fake",
    "stages.trainer.job",
    "stages.trainer.launcher",
    "stages.trainer.memory",
    "stages.trainer.schedule",
    "stages.warm_start",
}
"""Modules among `MAY_BE_HEAVY` that light modules import at their top, so they must not load torch."""


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(path: Path) -> Iterator[str]:
    """Full names of all modules that a file imports, at its top or inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)}: a relative import hides its layer"
            yield node.module or ""


def imports_at_top(path: Path) -> Iterator[str]:
    """Full names of the modules that a file imports when it is loaded, `from package import module` included."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
            yield node.module or ""


def roots(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports(path)}


def importing(packages: set[str]) -> list[str]:
    return [name_of(path) for path in FILES if roots(path) & packages]


def test_there_is_something_to_look_at() -> None:
    assert len(FILES) > 30 and "stages" in roots(ROOT / "flows" / "iteration.py")


@pytest.mark.parametrize(("layer", "above"), [("storage", {"stages", "flows"}), ("stages", {"flows"})])
def test_layers_import_downward_only(layer: str, above: set[str]) -> None:
    assert [name for name in importing(above) if name.startswith(f"{layer}/")] == []


def test_nothing_imports_tests() -> None:
    assert importing({"tests", "pytest"}) == []


ROOMS_OF_FLOWS = (
    ("flows.config", "settings as pure data: everything may read them, they read nothing"),
    ("flows.models", "the models of a run: folders, prompts, what the run's start fixes"),
    ("flows.stage_settings", "settings of every stage, resolved from a config"),
    ("flows.watchdog", "judges metrics; knows bounds, no iteration"),
    ("flows.rounds", "stages 1 to 4, once or in rounds, and what passes between iterations"),
    ("flows.iteration", "the stages of one iteration; no runner of its own"),
    ("flows.runners", "who runs the stages of an iteration"),
    ("flows.run_progress", "how far a run has come"),
    ("flows.reporting", "reads runs and changes none, so it needs no runner"),
    ("flows.maintenance", "prunes, repairs and explains a run that has a state"),
    ("flows.run_loop", "one loop for runs with and without Prefect"),
    ("flows.preflight", "checks and describes a config before anything runs"),
    ("flows.observer", "whom a run informs"),
    ("flows.stage_lines", "how a stage goes, in lines"),
    ("flows.shutdown", "signals"),
    ("flows.orchestration", "all of Prefect but the two flows"),
    ("flows.gpu_stages", "entry point of a deployment"),
    ("flows.self_play", "entry point of a deployment"),
    ("flows.ablation", "runs many runs"),
    ("flows.cli", "the command line may use everything"),
)
"""The rooms of `flows` from the lowest to the highest, each with what it is for: a room imports lower ones only."""


def module_of(path: Path) -> str:
    return name_of(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def room_of(module: str) -> str:
    return ".".join(module.split(".")[:2])


def test_rooms_of_flows_import_lower_rooms_only() -> None:
    order = [room for room, _ in ROOMS_OF_FLOWS]
    upward = []
    for path in FILES:
        room = room_of(module_of(path))
        if room.startswith("flows."):
            targets = {room_of(name) for name in imports(path) if name.startswith("flows.")} - {room}
            upward += [(name_of(path), target) for target in targets if order.index(target) > order.index(room)]
    assert upward == []


ROOMS_OF_ANSWERS = (
    ("response", "where the answer stands in a response: thinking, boxes, announcements, ends"),
    ("marks", "the same for users' kinds"),
    ("algebra", "values of expressions, and math-verify"),
    ("kinds", "what a kind of answers is; loads the built-in kinds when they are asked for"),
    ("refusals", "texts that decline to answer"),
    ("canonical", "one spelling of a mathematical answer"),
    ("wording", "one form of an answer in words"),
    ("text", "words as answers"),
    ("equality", "compares canonical forms"),
    ("prose", "mathematics in a sentence"),
    ("math", "answers of mathematics"),
    ("options", "options of a question, and letters in a response"),
    ("choice", "letters as answers"),
    ("voting", "majority vote and grading, for every kind"),
    ("explain", "shows how an answer is read"),
)
"""The rooms of `stages.answers` from the lowest to the highest, each with what it is for."""


def test_rooms_of_answers_import_lower_rooms_only() -> None:
    order = [room for room, _ in ROOMS_OF_ANSWERS]
    upward = []
    for path in FILES:
        if module_of(path).startswith("stages.answers."):
            room = module_of(path).split(".")[2]
            targets = {name.split(".")[2] for name in imports_at_top(path) if name.startswith("stages.answers.")}
            upward += [(name_of(path), target) for target in targets if order.index(target) > order.index(room)]
    assert upward == []


def test_prefect_only_in_orchestration_and_the_two_flows() -> None:
    """A run without Prefect, a notebook and `serl show` never wait for it."""
    allowed = ("flows/orchestration/", "flows/self_play.py", "flows/gpu_stages.py")
    assert [name for name in importing({"prefect"}) if not name.startswith(allowed)] == []


def test_modules_do_not_import_each_other_in_a_circle() -> None:
    paths = {module_of(path): path for path in FILES}
    graph = {
        name: {target for target in imports_at_top(path) if target in paths} - {name} for name, path in paths.items()
    }
    TopologicalSorter(graph).prepare()  # raises CycleError


def test_folders_of_flows_and_modules_stay_small() -> None:
    folders = Counter(path.parent for path in FILES if path.is_relative_to(ROOT / "flows") and path.stem != "__init__")
    assert {str(folder): count for folder, count in folders.items() if count > 12} == {}
    lines = {name_of(path): len(path.read_text().splitlines()) for path in FILES}
    assert {name: count for name, count in lines.items() if count > 400} == {}


def test_a_config_is_pure_data() -> None:
    """Importing it opens no run, and needs no engine, no Prefect and no table library."""
    forbidden = {"prefect", "polars", "pyarrow", "fsspec", "s3fs", "matplotlib", "rich", *HEAVY}
    assert loaded("import flows.config.load") & forbidden == set()
    for path in (ROOT / "flows" / "config").glob("*.py"):
        ours = {name for name in imports(path) if name.split(".")[0] in LAYERS}
        allowed = (
            *("flows.config", "stages.settings", "stages.benchmarks.catalogue", "stages.hub.names"),
            "storage.errors",
        )
        assert {name for name in ours if not name.startswith(allowed)} == set(), name_of(path)


def test_torch_and_its_like_only_where_models_are() -> None:
    assert [name for name in importing(HEAVY) if not name.startswith(MAY_BE_HEAVY)] == []


def test_text_stages_know_no_torch() -> None:
    """They import none of our modules that load torch either."""
    inner = {"stages.engines", "stages.trainer", "stages.rl"}
    for path in (ROOT / "stages" / "text").glob("*.py"):
        assert not any(name.startswith(tuple(inner)) for name in imports(path)), name_of(path)


def loaded(statement: str) -> set[str]:
    """Top-level modules in `sys.modules` after `statement`, in a process of its own."""
    code = f"import json, sys\n{statement}\nprint(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    return set(json.loads(python("-c", code).stdout.splitlines()[-1]))


def modules() -> list[str]:
    """All modules that must not load torch: those outside `MAY_BE_HEAVY`, and the light ones inside."""
    names = []
    for path in FILES:
        name = module_of(path)
        if not name_of(path).startswith(MAY_BE_HEAVY) or path.name == "__init__.py" or name in LIGHT_ALTHOUGH_THERE:
            names.append(name)
    assert LIGHT_ALTHOUGH_THERE.issubset(names)
    return names


def test_no_stage_or_flow_module_loads_torch() -> None:
    """A config loads, and `serl show` answers, without waiting for torch."""
    assert loaded(f"import {', '.join(modules())}") & HEAVY == set()


def test_the_command_line_starts_without_prefect() -> None:
    assert (
        loaded("import flows.cli, flows.iteration, flows.config.load") & {"prefect", *HEAVY, "matplotlib", "sympy"}
        == set()
    )


def test_only_a_child_process_loads_huggingface_hub() -> None:
    """It reads its environment variables when it is imported, and vLLM's are not the user's."""
    names = [name for name in importing({"huggingface_hub"}) if name != "flows/reporting/hub_export.py"]
    assert names == ["stages/hub/worker.py"]
    assert "huggingface_hub" not in loaded("import flows.cli, flows.run_progress, flows.preflight.description")


def test_settings_are_plain_data() -> None:
    """No library of tables, stores, models or terminals, and nothing of ours that reads or writes."""
    names = [name for name in modules() if name.split(".")[:2] == ["stages", "settings"]]
    assert len(names) > 10
    code = f"import json, sys, {', '.join(names)}\nprint(json.dumps(sorted(sys.modules)))"
    process = python("-c", code)
    kept_out = {
        "polars",
        "pyarrow",
        "fsspec",
        "s3fs",
        "torch",
        "prefect",
        "transformers",
        "numpy",
        "rich",
        "matplotlib",
    }
    kept_out |= {"storage.store", "stages.contract"}
    assert kept_out.intersection(json.loads(process.stdout)) == set()


def test_no_postponed_annotations_in_flows() -> None:
    """With them, Prefect cannot resolve the parameter types of a deployment."""
    assert [name for name in importing({"__future__"}) if name.startswith("flows/")] == []


def test_docker_is_no_package() -> None:
    """Prefect imports the docker SDK, which a package of that name would hide."""
    assert list((ROOT / "docker").rglob("__init__.py")) == []


def test_every_package_is_listed() -> None:
    """A package that is not in the explicit list is missing from the installed distribution."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    packages = {name_of(path.parent).replace("/", ".") for path in FILES}
    assert sorted(listed) == sorted(packages)
    assert [name_of(path.parent) for path in FILES if not (path.parent / "__init__.py").is_file()] == []


def calls(path: Path) -> Iterator[ast.Call]:
    return (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))


def test_nothing_is_unpickled_or_evaluated() -> None:
    assert importing({"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}) == []
    for path in FILES:
        for call in calls(path):
            function = ast.unparse(call.func)
            assert function not in {"eval", "exec", "compile", "torch.load", "yaml.load"}, (
                f"{name_of(path)}:{call.lineno}"
            )


def test_no_remote_code_is_trusted() -> None:
    for path in FILES:
        for call in calls(path):
            for keyword in call.keywords:
                trusting = keyword.arg == "trust_remote_code" and ast.unparse(keyword.value) != "False"
                assert not trusting, f"{name_of(path)}:{call.lineno}"
