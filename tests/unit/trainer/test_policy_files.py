"""A policy is written to main memory if there is room, and otherwise, or if that fails in the middle, to the disk."""

import errno
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors import SafetensorError

from stages.trainer import policy_files
from stages.trainer.holding import has_room_for_files
from stages.trainer.policy_files import write_policy

GB = 10**9
WEIGHTS = {"weight": torch.zeros(1000)}


@pytest.mark.parametrize(
    ("free", "available", "expected"),
    [
        (6 * GB, 6 * GB, True),
        (64 * 10**6, 600 * GB, False),  # a container, unless it was started with more
        (600 * GB, 5 * GB, False),  # of memory, a container gets less than the folder shows
        (5 * GB, 600 * GB, False),
    ],
)
def test_a_policy_of_one_gigabyte_needs_room_in_the_folder_and_in_memory(
    monkeypatch: pytest.MonkeyPatch, free: int, available: int, expected: bool
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=free))
    assert has_room_for_files(Path("/nowhere"), GB, available=available) is expected


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands for main memory with room."""
    monkeypatch.setattr(policy_files, "has_room_for_files", lambda *_, **__: True)
    folder = tmp_path / "memory"
    folder.mkdir()
    return folder


def failing_in(memory: Path, error: Exception) -> Callable[[Path], None]:
    """Return a function that writes a policy, but fails in the middle if that is in `memory`."""

    def write(folder: Path) -> None:
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
        if folder.is_relative_to(memory):
            raise error
        (folder / "model.safetensors").write_text("new")

    return write


def test_the_path_of_the_policy_leads_to_main_memory(memory: Path, tmp_path: Path) -> None:
    target = tmp_path / "output" / "policy"
    write_policy(failing_in(tmp_path / "elsewhere", OSError()), target, memory=memory, weights=WEIGHTS)
    assert target.resolve() == memory / "policy"
    assert (target / "model.safetensors").read_text() == "new"


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "No space left on device"), SafetensorError("IoError: No space left on device")],
)
def test_main_memory_that_fills_up_loses_nothing(
    memory: Path, tmp_path: Path, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    target = tmp_path / "output" / "policy"
    write_policy(failing_in(memory, error), target, memory=memory, weights=WEIGHTS)
    assert not target.is_symlink() and (target / "model.safetensors").read_text() == "new"
    assert list(memory.iterdir()) == []
    assert "main memory cannot hold it" in caplog.text and "No space left" in caplog.text


def test_an_error_that_has_to_do_with_the_policy_is_raised(memory: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="shape"):
        write_policy(
            failing_in(memory, ValueError("shape")), tmp_path / "output" / "policy", memory=memory, weights=WEIGHTS
        )


@pytest.mark.parametrize("memory_exists", [True, False])
def test_without_room_nothing_is_said(
    memory: Path,
    tmp_path: Path,
    memory_exists: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    sizes = []

    def has_room(folder: Path, size: int, *, available: int) -> bool:
        sizes.append(size)
        return False

    monkeypatch.setattr(policy_files, "has_room_for_files", has_room)
    target = tmp_path / "output" / "policy"
    write = failing_in(memory, OSError())
    write_policy(write, target, memory=memory if memory_exists else None, weights=WEIGHTS)
    assert not target.is_symlink() and (target / "model.safetensors").is_file()
    assert list(memory.iterdir()) == [] and caplog.text == ""
    assert sizes == [4000] * memory_exists
