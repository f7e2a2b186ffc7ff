"""Fixtures that several test folders share."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.commands import CUT, serl
from tests.hub import Hub, running_hub

GROUPS = {
    # The Prefect server that tests share.
    "prefect": (
        "tests/integration/test_prefect_",
        "tests/integration/test_gpu_deployment.py::test_deployment_shares_",
        "tests/integration/test_collapse.py::test_the_command_line_",
        "tests/integration/test_votes_elsewhere.py::test_in_a_prefect_task",
    ),
    # The finished quickstart.
    "quickstart": (
        "tests/integration/test_quickstart.py",
        "tests/integration/test_export.py",
        "tests/s3/test_pipeline.py::test_the_cut_quickstart_",
    ),
}
"""Tests that share something slow to make, by the beginning of their names. The other tests of a file are a group."""
LONGEST_FIRST = (
    "prefect",
    "tests/unit/trainer/test_update.py",
    "quickstart",
    "tests/gpu/test_small.py",
    "tests/integration/test_on_vllm.py",
    "tests/unit/engines/test_conformance.py",
    "tests/unit/engines/test_vllm.py",
    "tests/unit/trainer/test_holding.py",
    "tests/unit/trainer/test_master_weights.py",
    "tests/unit/trainer/test_compiled.py",
    "tests/unit/trainer/test_machines.py",
    "tests/integration/test_gpu_deployment.py",
    "tests/integration/test_collapse.py",
    "tests/integration/test_kill.py",
    "tests/unit/answers/test_hostile.py",
)
"""Groups that `pytest -n` begins with, so that no process is left with a long group at the end."""


def group_of(test: str) -> str:
    """Return the group of the test with this name; tests of a group run in one process, one after the other."""
    return next((group for group, names in GROUPS.items() if test.startswith(names)), test.split("::")[0])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Share groups out among the processes of `pytest -n`, in the order of the tests.

    The marks of `--dist loadgroup` have no effect with pytest 9.2 and xdist 3.8.
    """
    from xdist.scheduler import LoadScopeScheduling

    class GroupScheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    config.option.loadscopereorder = False
    return GroupScheduling(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the groups of `pytest -n` into the order in which they are to begin."""

    def rank(item: pytest.Item) -> int:
        group = group_of(item.nodeid)
        return LONGEST_FIRST.index(group) if group in LONGEST_FIRST else len(LONGEST_FIRST)

    if hasattr(config, "workerinput"):
        items.sort(key=rank)


# A busy machine is no failure: time limits of tests guard against hangs only.
settings.register_profile("serl", deadline=None)
settings.load_profile("serl")


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Cache weights from S3 and from memory in a folder of the tests, not in the user's. Forbid calls to the hub."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SERL_CACHE", str(tmp_path_factory.mktemp("cache")))
        environment.setenv("HF_HOME", str(tmp_path_factory.mktemp("hf-home")))
        environment.setenv("HF_HUB_OFFLINE", "1")
        yield


@pytest.fixture(scope="session")
def cut_quickstart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The quickstart with a short warm start and two iterations, run once by `serl run` in a process of its own."""
    root = tmp_path_factory.mktemp("cut-quickstart")
    serl("run", "configs/quickstart.yaml", *CUT, "--set", f"root={root}", expect=0)
    return root / "quickstart"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub on this machine that this process and its children use, with an empty cache and a short patience."""
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_TOKEN", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf-home"))
    monkeypatch.setattr("stages.hub.client.WAITS", (0.05, 0.1, 0.2))
    monkeypatch.setattr("stages.hub.client._WAITS_OF_QUESTIONS", (0.05, 0.1, 0.2))
    monkeypatch.setattr("stages.hub.client._IMPATIENT", (0.05,))
    with running_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub
