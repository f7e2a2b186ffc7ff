"""Fixtures that several test folders share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.commands import CUT, serl

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
    done = serl("run", "configs/quickstart.yaml", *CUT, "--set", f"root={root}")
    assert done.returncode == 0, done.stdout + done.stderr
    return root / "quickstart"
