"""Tensors that leave their device between two updates come back as they were, and nothing else stays in memory."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import psutil
import pytest
import torch

from stages.settings.trainer import TrainerPlacement
from stages.settings.update import CriticConfig, UpdateConfig
from stages.trainer import holding
from stages.trainer.holding import HostMemory, available_host_memory, choose_holding, holds_too_much
from stages.trainer.job import Job
from tests.tiny_models import make_tiny_policy
from tests.unit.trainer.rollouts import following_job, make_job, make_rows, write_rollout

ROOT = Path(__file__).parents[3]
CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)
GB = 10**9


@pytest.mark.parametrize(
    ("device", "free_memory", "stage", "available", "expected"),
    [
        (CPU, None, 0, 0, "device"),
        (CPU, False, 3, 0, "device"),
        (CPU, True, 0, 100 * GB, "nowhere"),
        (GPU, None, 0, 15 * GB, "host"),
        (GPU, True, 0, 15 * GB, "host"),
        (GPU, None, 0, 14 * GB, "nowhere"),  # 10 GB are needed, and 4 GiB are left to others
        (GPU, None, 1, 100 * GB, "nowhere"),
        (GPU, True, 3, 100 * GB, "nowhere"),
        (GPU, False, 0, 0, "device"),
        (GPU, False, 3, 0, "device"),
    ],
)
def test_tensors_leave_a_gpu_when_host_memory_is_large_enough(
    device: torch.device, free_memory: bool | None, stage: int, available: int, expected: str
) -> None:
    assert choose_holding(device, free_memory, zero_stage=stage, needed=10 * GB, available=available) == expected


def test_only_memory_of_a_gpu_is_pinned_and_freed_by_ending() -> None:
    assert holding.pins_memory(GPU) and not holding.pins_memory(CPU)
    assert holds_too_much("host", 2 * GB) and holds_too_much("nowhere", 2 * GB)
    assert not holds_too_much("device", 100 * GB) and not holds_too_much("host", GB)
    assert holding.reserved_memory(CPU) == 0


def test_the_memory_of_a_container_is_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), {"available": 50 * GB}))
    assert available_host_memory(tmp_path) == 50 * GB
    (tmp_path / "memory.current").write_text(f"{9 * GB}\n")
    (tmp_path / "memory.stat").write_text(f"anon {5 * GB}\ninactive_file {3 * GB}\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert available_host_memory(tmp_path) == 50 * GB
    (tmp_path / "memory.max").write_text(f"{10 * GB}\n")
    assert available_host_memory(tmp_path) == 4 * GB
    (tmp_path / "memory.current").write_text(f"{20 * GB}\n")
    assert available_host_memory(tmp_path) == 0


def test_tensors_and_their_views_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holding, "CHUNK_BYTES", 4096)
    flat = torch.randn(5000)
    views = [flat[100:300].view(10, 20), flat[2:4002].view(40, 100).t()]
    tensors = [flat, torch.randn(30, 40).to(torch.bfloat16), torch.tensor(3.0), *views]
    scratch = torch.ones(7)
    expected = [tensor.clone() for tensor in tensors]
    host = HostMemory(CPU)
    assert host.missing_bytes(tensors) > 22_400 and host.reserve(tensors) and host.missing_bytes(tensors) == 0
    for changed in (True, False):
        host.take(tensors, scratch=[scratch], changed=changed)
        assert host.away and {t.untyped_storage().nbytes() for t in (*tensors, scratch)} == {0}
        assert all(torch.equal(host.read(t), value) for t, value in zip(tensors, expected, strict=True))
        host.give_back()
        assert all(torch.equal(t, value) for t, value in zip(tensors, expected, strict=True))
        assert not scratch.any() and not host.away
    flat.add_(1)
    chunks = [chunk.data_ptr() for chunk in host._chunks]
    assert host.reserve(tensors) and [chunk.data_ptr() for chunk in host._chunks] == chunks
    host.take(tensors)
    host.give_back()
    assert torch.equal(flat, expected[0] + 1) and torch.equal(views[0], expected[3] + 1)


def test_host_memory_that_cannot_be_allocated_moves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("CUDA error: out of memory\nmore lines")

    tensor = torch.ones(1000)
    host = HostMemory(CPU)
    monkeypatch.setattr(HostMemory, "_allocate", fail)
    assert not host.reserve([tensor])
    assert host._chunks == [] and tensor.sum() == 1000


def test_memory_that_cannot_be_pinned_is_used_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here torch cannot pin any, because there is no GPU."""
    monkeypatch.setattr(holding, "pins_memory", lambda device: True)
    host = HostMemory(CPU)
    assert host.reserve([torch.ones(1000)])
    assert host._chunks and not host._pinned


def _jobs(folder: Path, name: str, placement: TrainerPlacement, config: UpdateConfig) -> list[Job]:
    """Return two updates, the second after the first, with a reference that is the starting policy."""
    first = make_job(folder, folder / "policy", name=f"{name}-1", placement=placement, config=config)
    second = following_job(folder, first, name=f"{name}-2", placement=placement, config=config)
    return [first, second]


@pytest.fixture(scope="module")
def updates() -> Iterator[subprocess.Popen[str]]:
    """`held_updates` in a process, which waits for the paths of jobs."""
    command = [sys.executable, "-m", "tests.unit.trainer.held_updates"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def _run(updates: subprocess.Popen[str], folder: Path, jobs: dict[str, list[Job]]) -> dict[str, list[dict[str, Any]]]:
    assert updates.stdin is not None and updates.stdout is not None
    path = folder / "jobs.json"
    path.write_text(json.dumps({held: [job.model_dump(mode="json") for job in jobs[held]] for held in jobs}))
    print(path, file=updates.stdin, flush=True)
    # DeepSpeed prints too.
    ended = next((line for line in updates.stdout if line.startswith(f"{path} ")), "without an end")
    assert ended == f"{path} 0\n"
    reports: dict[str, list[dict[str, Any]]] = json.loads((folder / "jobs.json.reports").read_text())
    return reports


def _digests(job: Job) -> dict[str, bytes]:
    return {
        str(path.relative_to(job.output)): path.read_bytes()
        for path in sorted(job.output.rglob("*"))
        if path.is_file() and path.name not in ("done.json", "speed.parquet")
    }


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "stage"), [("float32", 0), ("bfloat16", 0), ("float32", 2)])
def test_updates_are_the_same_wherever_tensors_are_between_them(
    updates: subprocess.Popen[str], tmp_path: Path, dtype: Literal["float32", "bfloat16"], stage: int
) -> None:
    make_tiny_policy(tmp_path / "policy", seed=1)
    vocabulary = json.loads((tmp_path / "policy/config.json").read_text())["vocab_size"]
    write_rollout(tmp_path / "rollout.parquet", make_rows(6, 4, vocabulary=vocabulary))
    config = UpdateConfig(
        algorithm="ppo", learning_rate=1e-3, batch_responses=16, critic=CriticConfig(learning_rate=1e-3)
    )
    placement = TrainerPlacement(
        threads=1, micro_batch_tokens=64, dtype=dtype, deepspeed=ROOT / f"configs/deepspeed/zero{stage}.json"
    )
    moved = ["nowhere"] if stage else ["nowhere", "host"]
    jobs = {held: _jobs(tmp_path, held, placement, config) for held in ("device", *moved)}
    reports = _run(updates, tmp_path, jobs)
    print(json.dumps(reports))
    for held in moved:
        for job, expected in zip(jobs[held], jobs["device"], strict=True):
            assert _digests(job) == _digests(expected), held
        assert [report["held"] for report in reports[held]] == [held, held]
        assert max(report["live"] for report in reports[held]) < 10_000, held
    assert min(report["live"] for report in reports["device"]) > 500_000
    # Tensors that are dropped are in files by then.
    parts = {held: [report["parts"] for report in reports[held]] for held in moved}
    assert all("save_state" in names and "to_device" not in names for names in parts["nowhere"])
    assert reports["nowhere"][1]["host"] == 0 and [report["checks"] for report in reports["nowhere"]] == [1, 1]
    if "host" in moved:
        assert reports["host"][0]["host"] > 500_000 and "save_state" not in parts["host"][0]
        assert ["to_device" in names for names in parts["host"]] == [False, True]
