"""Tensors that leave their device between two updates come back as they were, and nothing else stays in memory."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

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
    ("device", "free_memory", "can_move", "available", "expected"),
    [
        (CPU, None, True, 0, "device"),
        (CPU, False, False, 0, "device"),
        (CPU, True, True, 100 * GB, "nowhere"),
        (GPU, None, True, 15 * GB, "host"),
        (GPU, True, True, 15 * GB, "host"),
        (GPU, None, True, 14 * GB, "nowhere"),  # 10 GB are needed, and 4 GiB are left to others
        (GPU, None, False, 100 * GB, "nowhere"),
        (GPU, True, False, 100 * GB, "nowhere"),
        (GPU, False, True, 0, "device"),
        (GPU, False, False, 0, "device"),
    ],
)
def test_tensors_leave_a_gpu_when_host_memory_is_large_enough(
    device: torch.device, free_memory: bool | None, can_move: bool, available: int, expected: str
) -> None:
    assert choose_holding(device, free_memory, can_move=can_move, needed=10 * GB, available=available) == expected


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


@pytest.mark.parametrize(
    ("membership", "limited", "version"),
    [
        ("0::/system.slice/job_7/step_0/task_0\n", "system.slice/job_7", 2),
        ("11:cpuset:/elsewhere\n4:memory:/slurm/job_7/step_0\n", "memory/slurm/job_7", 1),
        ("4:memory:/docker/abc\n", "memory", 1),  # a container, whose group has another path outside of it
    ],
)
def test_the_memory_of_a_job_is_the_limit_of_a_group_around_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, membership: str, limited: str, version: int
) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), {"available": 50 * GB}))
    (tmp_path / "membership").write_text(membership)
    group = tmp_path / "cgroup" / limited
    group.mkdir(parents=True)
    limit, used, cache = holding._GROUP_FILES[2 - version]
    (group / limit).write_text(f"{10 * GB}\n")
    (group / used).write_text(f"{9 * GB}\n")
    (group / "memory.stat").write_text(f"{cache} {3 * GB}\n")
    assert available_host_memory(tmp_path / "cgroup", tmp_path / "membership") == 4 * GB
    (group / limit).write_text("max\n" if version == 2 else f"{2**63 - 4096}\n")
    assert available_host_memory(tmp_path / "cgroup", tmp_path / "membership") == 50 * GB


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


def _run(folder: Path, jobs: dict[str, list[Job]], processes: int) -> dict[str, list[dict[str, Any]]]:
    path = folder / "jobs.json"
    path.write_text(json.dumps({name: [job.model_dump(mode="json") for job in jobs[name]] for name in jobs}))
    starter = ["torch.distributed.run", "--standalone", "--nproc-per-node", str(processes), "-m"]
    command = [sys.executable, "-m", *starter, "tests.unit.trainer.held_updates", str(path)]
    output = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    reports: dict[str, list[dict[str, Any]]] = json.loads(output.splitlines()[-1])
    return reports


def _digests(job: Job) -> dict[str, bytes]:
    return {
        str(path.relative_to(job.output)): path.read_bytes()
        for path in sorted(job.output.rglob("*"))
        if path.is_file() and path.name not in ("done.json", "speed.parquet")
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("processes", "cases"),
    [
        (1, {"bfloat16-0": ("device", "host")}),
        (
            2,
            {
                "float32-0": ("device", "nowhere", "host"),
                "bfloat16-1": ("device", "host"),
                "float32-2": ("device", "host", "cannot-take", "cannot-give-back"),
            },
        ),
    ],
)
def test_updates_are_the_same_wherever_tensors_are_between_them(
    processes: int, cases: dict[str, tuple[str, ...]], tmp_path: Path
) -> None:
    make_tiny_policy(tmp_path / "policy", seed=1)
    vocabulary = json.loads((tmp_path / "policy/config.json").read_text())["vocab_size"]
    write_rollout(tmp_path / "rollout.parquet", make_rows(6, 4, vocabulary=vocabulary))
    plain = UpdateConfig(learning_rate=1e-3, batch_responses=16)
    with_critic = UpdateConfig(
        algorithm="ppo", learning_rate=1e-3, batch_responses=16, critic=CriticConfig(learning_rate=1e-3)
    )
    jobs: dict[str, list[Job]] = {}
    for case, holdings in cases.items():
        dtype, stage = case.split("-")
        config = with_critic if case == "float32-0" else plain
        placement = TrainerPlacement.model_validate(
            {
                "threads": 1,
                "micro_batch_tokens": 64,
                "dtype": dtype,
                "deepspeed": ROOT / f"configs/deepspeed/zero{stage}.json",
                "processes_per_node": processes,
            }
        )
        for held in holdings:
            jobs[f"{case}/{held}"] = _jobs(tmp_path, f"{case}-{held}", placement, config)
    reports = _run(tmp_path, jobs, processes=processes)
    print(json.dumps(reports))
    for name, updates in reports.items():
        case, held = name.split("/")
        for job, expected in zip(jobs[name], jobs[f"{case}/device"], strict=True):
            assert _digests(job) == _digests(expected), name
        if held == "device":
            assert min(update["live"] for update in updates) > 100_000, name
            continue
        assert max(update["live"] for update in updates) < 10_000, name
        parts, on_host = [update["parts"] for update in updates], [update["host"] > 100_000 for update in updates]
        # Tensors that are dropped are in files by then, and with ZeRO those that are moved too.
        if held == "host":
            assert [update["held"] for update in updates] == ["host", "host"] and on_host == [True, True], name
            assert ["to_device" in names for names in parts] == [False, True], name
            assert ["save_state" in names for names in parts] == 2 * [not case.endswith("-0")], name
        else:
            first = "host" if held == "cannot-give-back" else "nowhere"
            assert [update["held"] for update in updates] == [first, "nowhere"], name
            assert on_host[0] == (first == "host"), name
            assert all("save_state" in names and "to_device" not in names for names in parts), name
        if held == "nowhere":
            assert [update["checks"] for update in updates] == [1, 1], name


def test_a_move_that_fails_says_so_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise RuntimeError("CUDA error: invalid argument\nmore lines")

    assert not holding.try_to_move(fail) and len(caplog.messages) == 1
    assert "each update loads them again (CUDA error: invalid argument more lines)" in caplog.text
    assert holding.try_to_move(lambda: None) and len(caplog.messages) == 1


def test_tensors_of_another_device_stay() -> None:
    host = HostMemory(torch.device("meta"))
    assert host.missing_bytes([torch.ones(1000)]) == 0
