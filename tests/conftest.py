"""Fixtures that several test folders share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.commands import CUT, serl

LONGEST_FIRST = ("prefect", "quickstart", "test_gpu_deployment", "test_collapse", "test_update", "test_kill")
"""Groups of tests that `pytest -n` begins with, so that no worker is left with a long one while the others idle."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """For `pytest -n N --dist loadgroup`: a file is a group, unless its tests are marked with one of several files."""
    if not hasattr(config, "workerinput"):
        return
    groups: dict[str, list[pytest.Item]] = {}
    for item in items:
        marked = item.get_closest_marker("xdist_group")
        group = marked.args[0] if marked else item.path.relative_to(config.rootpath).with_suffix("").as_posix()
        if marked is None:
            item.add_marker(pytest.mark.xdist_group(group))
        groups.setdefault(group, []).append(item)

    def rank(group: str) -> int:
        name = group.rsplit("/", 1)[-1]
        return LONGEST_FIRST.index(name) if name in LONGEST_FIRST else len(LONGEST_FIRST)

    items[:] = [item for group in sorted(groups, key=rank) for item in groups[group]]


# A busy machine is no failure: time limits of tests guard against hangs only.
settings.register_profile("serl", deadline=None)
settings.load_profile("serl")


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Weights from S3 and memory are cached in a folder of the tests, not in the user's."""
    os.environ["SERL_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    del os.environ["SERL_CACHE"]


@pytest.fixture(scope="session")
def cut_quickstart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The quickstart with a short warm start and two iterations, run once by `serl run` in a process of its own."""
    root = tmp_path_factory.mktemp("cut-quickstart")
    serl("run", "configs/quickstart.yaml", *CUT, "--set", f"root={root}", expect=0)
    return root / "quickstart"
