"""A process's scratch folder is removed with it, or by the next process if the first was killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import REPOSITORY
from tests.helpers import fake_resources

KILLED = """
import os, signal, sys
from stages.shared_resources import Resources
from stages.settings.compute import Compute
resources = Resources(Compute(scratch=sys.argv[1]), "fake")
(resources.scratch / "optimizer.safetensors").write_bytes(b"x" * 1000)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_scratch_is_removed_with_its_owner(tmp_path: Path) -> None:
    with fake_resources(scratch=tmp_path) as resources:
        assert resources.scratch.parent == tmp_path
    assert list(tmp_path.iterdir()) == []


def test_scratch_of_a_killed_process_alone_is_removed(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], cwd=REPOSITORY, check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    (tmp_path / "serl-of-somebody-else").mkdir()
    with fake_resources(scratch=tmp_path) as first, fake_resources(scratch=tmp_path) as second:
        assert not left.exists()
        assert first.scratch.is_dir() and second.scratch.is_dir(), "a living process's folder was removed"
    assert os.listdir(tmp_path) == ["serl-of-somebody-else"]


def test_an_engine_that_cannot_be_closed_leaves_no_trainer_and_no_scratch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise RuntimeError("CUDA error")

    closed: list[str] = []
    resources = fake_resources(scratch=tmp_path)
    monkeypatch.setattr(resources.engine(), "close", fail)
    monkeypatch.setattr(resources.trainer(), "close", lambda: closed.append("trainer"))
    with pytest.raises(RuntimeError, match="CUDA error"):
        resources.close()
    assert closed == ["trainer"] and list(tmp_path.iterdir()) == []
