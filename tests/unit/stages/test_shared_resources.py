"""A process's scratch folder is removed with it, or by the next process if the first was killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stages import shared_resources
from stages.settings.compute import Compute
from stages.settings.engines import EngineKind
from stages.shared_resources import Resources
from tests.commands import REPOSITORY
from tests.cuda import Driver, machine_with
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


@pytest.fixture
def main_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands for /dev/shm; temporary files lie elsewhere."""
    folder = tmp_path / "shm"
    for path in (folder, tmp_path / "tmp"):
        path.mkdir()
    monkeypatch.setattr(shared_resources, "_MAIN_MEMORY", folder)
    monkeypatch.setattr(shared_resources, "_is_memory", lambda path: path == folder)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    return folder


@pytest.mark.parametrize(
    ("cards", "engine", "uses_memory"),
    [
        (1, "vllm", True),
        (1, "transformers", True),
        (1, "server", False),  # perhaps on another machine
        (1, "fake", False),
        (0, "vllm", False),
        (0, "transformers", False),
    ],
)
def test_files_lie_in_main_memory_on_a_gpu(
    main_memory: Path, cards: int, engine: EngineKind, uses_memory: bool
) -> None:
    with machine_with(Driver(cards) if cards else None), Resources(Compute(), engine) as resources:
        memory = resources.memory()
        assert (memory is not None) == uses_memory
        assert memory is None or (memory.parent == main_memory and memory == resources.memory())
        assert len(list(main_memory.iterdir())) == uses_memory
    assert list(main_memory.iterdir()) == []


@pytest.mark.parametrize("reason", ["scratch", "no memory", "not writable", "not there"])
def test_files_lie_in_scratch_if_that_is_set_or_there_is_no_folder_of_memory(
    main_memory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    def fail(parent: Path) -> None:
        raise PermissionError(parent)

    settings = Compute(scratch=tmp_path) if reason == "scratch" else Compute()
    with machine_with(Driver(1)), Resources(settings, "transformers") as resources:
        if reason == "no memory":
            monkeypatch.setattr(shared_resources, "_is_memory", lambda path: False)
        elif reason == "not writable":
            monkeypatch.setattr(shared_resources, "_make_scratch", fail)
        elif reason == "not there":
            main_memory.rmdir()
        assert resources.memory() is None
        assert not main_memory.exists() or list(main_memory.iterdir()) == []


def test_a_folder_on_a_disk_is_no_memory(tmp_path: Path) -> None:
    assert not shared_resources._is_memory(tmp_path) and not shared_resources._is_memory(Path("/proc"))


def test_main_memory_of_a_killed_process_is_free_when_the_next_one_starts(main_memory: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(main_memory)], cwd=REPOSITORY, check=False)
    assert done.returncode == -signal.SIGKILL and len(list(main_memory.iterdir())) == 1
    with Resources(Compute(), "fake"):
        assert list(main_memory.iterdir()) == []
