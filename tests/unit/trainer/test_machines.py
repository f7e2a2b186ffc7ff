"""Several machines in one update: here two launchers on one, which meet by host and port as two would."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stages.settings.compute import Compute
from stages.settings.trainer import TrainerPlacement
from stages.settings.update import UpdateConfig
from stages.trainer.launcher import TrainerProcess
from storage.errors import TrainerError
from tests.tiny_models import make_tiny_policy
from tests.unit.trainer.rollouts import make_job, make_rows, write_rollout

ROOT = Path(__file__).parents[3]
SECONDS = 300


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("machines")
    make_tiny_policy(folder / "policy", seed=1)
    make_tiny_policy(folder / "other", seed=2, vocab_texts=("abc",))
    vocabulary = json.loads((folder / "policy/config.json").read_text())["vocab_size"]
    write_rollout(folder / "rollout.parquet", make_rows(6, 4, vocabulary=vocabulary))
    return folder


@pytest.fixture(scope="module")
def placement() -> TrainerPlacement:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return TrainerPlacement(nodes=2, rendezvous=f"127.0.0.1:{port}", micro_batch_tokens=64)


class Machine:
    """Machine 1: `serl join` with what it says."""

    def __init__(self, folder: Path, placement: TrainerPlacement) -> None:
        self._output = folder / "join.txt"
        compute = {"scratch": str(folder), "trainer": placement.model_dump(mode="json")}
        command = [
            "join",
            str(ROOT / "configs/quickstart.yaml"),
            "--machine",
            "1",
            "--set",
            f"compute={json.dumps(compute)}",
        ]
        with self._output.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "flows.cli", *command],
                cwd=ROOT,
                stdout=output,
                env=os.environ | {"GLOO_SOCKET_IFNAME": "lo"},
            )

    def said(self) -> str:
        return self._output.read_text()

    def times_said(self, pattern: str) -> int:
        return len(re.findall(pattern, self.said()))

    def await_said(self, pattern: str, times: int = 1) -> None:
        deadline = time.monotonic() + SECONDS
        while self.times_said(pattern) < times:
            assert time.monotonic() < deadline and self.process.poll() is None, self.said()
            time.sleep(0.1)

    def workers(self) -> list[int]:
        """Ids of its processes that compute: children of torchrun's, which is a child of ours."""
        return [worker for launcher in _children(self.process.pid) for worker in _children(launcher)]


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture(scope="module")
def machine(folder: Path, placement: TrainerPlacement) -> Iterator[Machine]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GLOO_SOCKET_IFNAME", "lo")
        machine = Machine(folder, placement)
        machine.await_said("machine 1 of 2: waiting for the update at 127")
        yield machine
        machine.process.terminate()
        assert machine.process.wait(SECONDS) == 143, machine.said()


@pytest.fixture(scope="module")
def trainer(folder: Path, machine: Machine) -> Iterator[TrainerProcess]:
    """Machine 0, which meets the other at its first update."""
    with TrainerProcess(folder / "scratch") as process:
        yield process


@pytest.mark.slow
def test_two_machines_compute_what_two_processes_do(
    folder: Path, placement: TrainerPlacement, trainer: TrainerProcess
) -> None:
    """Twice, as the second job finds the weights that the first one left in both."""
    said: list[str] = []

    def second_policy(process: TrainerProcess, name: str, where: TrainerPlacement) -> bytes:
        first = make_job(folder, folder / "policy", name=f"{name}-1", placement=where)
        process.run(first, lambda done, total, what: said.append(what))
        second = make_job(
            folder,
            first.output / "policy",
            name=f"{name}-2",
            placement=where,
            policy_key=first.output_policy_key,
            state=first.output / "trainer_state",
            state_key=first.output_state_key,
        )
        process.run(second)
        return (second.output / "policy/model.safetensors").read_bytes()

    on_machines = second_policy(trainer, "machines", placement)
    assert said[0] == "starting the trainer, waiting for 1 machine(s) to join"
    with TrainerProcess(folder / "scratch") as here:
        assert second_policy(here, "here", TrainerPlacement(processes_per_node=2, micro_batch_tokens=64)) == on_machines


@pytest.mark.slow
def test_a_machine_that_is_lost_ends_the_update_and_may_come_back(
    folder: Path, placement: TrainerPlacement, machine: Machine, trainer: TrainerProcess
) -> None:
    long = UpdateConfig(learning_rate=1e-4, batch_responses=6, epochs=100)
    ended, killed = machine.times_said("ended: "), []

    def kill(done: int, total: int, what: str) -> None:
        if total > 1 and done >= 2 and not killed:
            os.kill(machine.workers()[-1], signal.SIGKILL)
            killed.append(time.monotonic())

    with pytest.raises(TrainerError, match="a process of the trainer was lost"):
        trainer.run(make_job(folder, folder / "policy", name="lost", placement=placement, config=long), kill)
    assert time.monotonic() - killed[0] < SECONDS
    machine.await_said("ended: ", times=ended + 1)
    joined = machine.times_said("joined")
    trainer.run(make_job(folder, folder / "policy", name="again", placement=placement))
    machine.await_said("joined", times=joined + 1)


@pytest.mark.slow
def test_a_failure_is_told_on_every_machine(
    folder: Path, placement: TrainerPlacement, machine: Machine, trainer: TrainerProcess
) -> None:
    job = make_job(folder, folder / "other", name="failed", placement=placement)
    with pytest.raises(TrainerError, match="not in the vocabulary"):
        trainer.run(job)
    machine.await_said("ended: .*not in the vocabulary")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"trainer": {"nodes": 2}}, "`rendezvous` .* goes with several nodes; found nodes 2"),
        ({"trainer": {"rendezvous": "a:1"}}, "found nodes 1 and rendezvous a:1"),
        ({"trainer": {"nodes": 2, "rendezvous": "a"}}, "rendezvous"),
        ({"trainer": {"nodes": 2, "rendezvous": "a:1"}}, "set `scratch` to a folder that all of them see"),
        (
            {"scratch": "s", "trainer": {"nodes": 2, "rendezvous": "a:1", "save_every_steps": 5}},
            "save_every_steps needs `checkpoints`",
        ),
    ],
)
def test_machines_that_could_not_meet_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Compute.model_validate(settings)


def test_a_machine_has_a_number_of_its_own() -> None:
    command = [sys.executable, "-m", "flows.cli", "join", "configs/quickstart.yaml", "--machine", "1"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 2 and "compute.trainer.nodes is 1" in ended.stderr
