"""The launcher and a stand-in of the worker that answers as it is told to, without torch."""

import logging
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from stages.settings.trainer import TrainerPlacement
from stages.trainer import launcher, worker
from stages.trainer.job import Job
from stages.trainer.launcher import TrainerProcess
from storage.errors import TrainerError
from tests.unit.trainer.rollouts import make_job

WORKER = """
import json, pathlib, sys, time
folder, switch = (pathlib.Path(name) for name in sys.argv[1:])
def write(name, content):
    (folder / "partial").write_text(json.dumps(content))
    (folder / "partial").rename(folder / name)
result = {"optimiser_steps": 1, "schedule_step": 1, "responses": 1, "tokens": 1, "metrics": {}, "seconds": {}}
for number in (1, 2):
    while not (folder / f"job-{number:06d}.json").exists():
        time.sleep(0.01)
    warnings = ["no compiler", "no main memory"][:number]  # those of earlier jobs are repeated
    write("progress.json", {"job": number, "done": 1, "total": 1, "note": "done", "warnings": warnings})
    write(f"result-{number:06d}.json", {"result": result, "ends": switch.read_text() == "ends"})
    while (text := switch.read_text()) == "wait":
        time.sleep(0.01)
    if text == "die":
        sys.exit(7)
    write(f"saved-{number:06d}.json", {"seconds": {"save_state": 1.5}})
    if text == "ends":
        sys.exit(0)
time.sleep(60)
"""


@pytest.fixture
def switch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Say what the worker does after a result: go, wait, die, or end by itself."""
    path = tmp_path / "switch"

    def write(text: str) -> None:
        path.with_suffix(".new").write_text(text)
        path.with_suffix(".new").rename(path)

    def command(placement: TrainerPlacement, folder: Path, node_rank: int) -> list[str]:
        return [sys.executable, "-c", WORKER, str(folder), str(path)]

    monkeypatch.setattr(launcher, "_command", command)
    write("go")
    return write


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return make_job(tmp_path, tmp_path / "policy")


def test_an_update_returns_before_its_state_is_saved(tmp_path: Path, switch: Callable[[str], None], job: Job) -> None:
    with TrainerProcess(tmp_path) as process:
        assert process.wait_saved() == {}
        switch("wait")
        assert process.run(job).optimiser_steps == 1
        saved: list[dict[str, float]] = []
        waiting = threading.Thread(target=lambda: saved.append(process.wait_saved()))
        waiting.start()
        time.sleep(0.1)
        assert saved == [] and waiting.is_alive()
        switch("go")
        waiting.join(10)
        assert saved == [{"save_state": 1.5}]
        assert process.run(job).optimiser_steps == 1 and process.wait_saved() == {"save_state": 1.5}


def test_warnings_of_the_process_are_passed_on_once(
    tmp_path: Path, switch: Callable[[str], None], job: Job, caplog: pytest.LogCaptureFixture
) -> None:
    with TrainerProcess(tmp_path) as process:
        process.run(job, lambda *_: None)
        assert caplog.messages == ["the trainer: no compiler"]
        process.run(job)
        assert caplog.messages == ["the trainer: no compiler", "the trainer: no main memory"]


def test_warnings_are_collected_once_and_on_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    warnings, log = worker.Warnings(), logging.getLogger("stages.trainer.of_a_test")
    log.addHandler(warnings)
    for name in ("Layer", "Other"):
        log.info("nothing")
        log.warning("%s runs without\n torch.compile", name)
    log.removeHandler(warnings)
    assert warnings.texts == ["Layer runs without torch.compile"]
    assert capfd.readouterr().out == "warning: Layer runs without torch.compile\n"


@pytest.mark.parametrize(
    ("device", "processes", "stage", "expected"),
    [
        ("cpu", 1, 0, "gloo"),
        ("cpu", 2, 3, "gloo"),
        ("cuda", 1, 0, "gloo"),
        ("cuda", 1, 1, "cpu:gloo,cuda:nccl"),
        ("cuda", 2, 0, "cpu:gloo,cuda:nccl"),
    ],
)
def test_zero_on_a_single_gpu_communicates_by_nccl(device: str, processes: int, stage: int, expected: str) -> None:
    assert worker.choose_backend(SimpleNamespace(type=device), processes, stage) == expected


def test_the_next_update_fails_if_the_state_was_not_saved(
    tmp_path: Path, switch: Callable[[str], None], job: Job
) -> None:
    with TrainerProcess(tmp_path) as process:
        switch("die")
        process.run(job)
        with pytest.raises(TrainerError, match="died with exit code 7 before the trainer state of its update was writ"):
            process.run(job)
        switch("go")
        assert process.run(job).optimiser_steps == 1


def test_a_closed_process_has_not_saved(tmp_path: Path, switch: Callable[[str], None], job: Job) -> None:
    process = TrainerProcess(tmp_path)
    switch("wait")
    process.run(job)
    process.close()
    with pytest.raises(TrainerError, match="before the trainer state of its update was written"):
        process.wait_saved()


def test_a_process_that_keeps_gpu_memory_ends_and_another_one_starts(
    tmp_path: Path, switch: Callable[[str], None], job: Job
) -> None:
    with TrainerProcess(tmp_path) as process:
        process.start(job.placement)
        first = process.pid
        switch("ends")
        process.run(job)
        assert process.pid is None
        switch("go")
        process.run(job)
        assert process.pid not in (None, first)
