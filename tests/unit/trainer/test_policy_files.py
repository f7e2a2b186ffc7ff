"""A policy is written to main memory if there is room, and otherwise, or if that fails in the middle, to the disk."""

import errno
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors import SafetensorError

from stages.trainer import policy_files
from stages.trainer.holding import has_room_for_files
from stages.trainer.models import save_model
from stages.trainer.policy_files import write_policy
from tests.commands import run
from tests.integration.test_full_disk import NAMESPACE, can_mount
from tests.tiny_models import make_tiny_policy

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


@pytest.mark.slow
def test_a_real_folder_of_memory_that_fills_up(tmp_path: Path) -> None:
    """Files of weights are not written through a mapping, whose failure would be a SIGBUS."""
    memory = tmp_path / "memory"
    memory.mkdir()
    if not can_mount(memory):
        pytest.skip("needs unshare(1) and a kernel that lets a user mount in a namespace")
    make_tiny_policy(tmp_path / "policy", seed=1)
    run(*NAMESPACE, sys.executable, "-m", "tests.unit.trainer.test_policy_files", str(memory), str(tmp_path), expect=0)


def main(memory: Path, folder: Path) -> None:
    """In the namespace: write a policy to a memory of 256 kB."""
    from transformers import AutoModelForCausalLM

    policy_files.has_room_for_files = lambda *_, **__: True  # type: ignore[attr-defined]
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(memory)], check=True)
    source, target = folder / "policy", folder / "output" / "policy"
    model = AutoModelForCausalLM.from_pretrained(source)
    weights = dict(model.state_dict())
    attempts = []

    def write(path: Path) -> None:
        attempts.append(path)
        save_model(model, weights, source, path)

    write_policy(write, target, memory=memory, weights=weights)
    assert attempts == [memory / "policy", target] and list(memory.iterdir()) == []
    saved = AutoModelForCausalLM.from_pretrained(target).state_dict()
    assert all(torch.equal(saved[name], value) for name, value in weights.items())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
