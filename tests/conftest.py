"""Fixtures that several test folders share."""

from pathlib import Path

import pytest

from tests.commands import CUT, serl


@pytest.fixture(scope="session")
def cut_quickstart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The quickstart with a short warm start and two iterations, run once by `serl run` in a process of its own."""
    root = tmp_path_factory.mktemp("cut-quickstart")
    done = serl("run", "configs/quickstart.yaml", *CUT, "--set", f"root={root}")
    assert done.returncode == 0, done.stdout + done.stderr
    return root / "quickstart"
