"""Several nodes in one update: two launchers on this machine, which connect by host and port as two nodes do."""

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
from storage.errors import TrainerError
from tests.tiny_models import make_tiny_policy
from tests.unit.trainer.rollouts import SavingTrainer, make_job, make_rows, write_rollout

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
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return TrainerPlacement(nodes=2, rendezvous=f"127.0.0.1:{port}", micro_batch_tokens=64)


class Machine:
    """Node 1: `serl join` in a process, and its output."""

    def __init__(self, folder: Path, placement: TrainerPlacement) -> None:
        self._output_path = folder / "join.txt"
        compute = {"scratch": str(folder), "trainer": placement.model_dump(mode="json")}
        command = [
            "join",
            str(ROOT / "configs/quickstart.yaml"),
            "--machine",
            "1",
            "--set",
            f"compute={json.dumps(compute)}",
        ]
        with self._output_path.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "flows.cli", *command],
                cwd=ROOT,
                stdout=output,
                env=os.environ | {"GLOO_SOCKET_IFNAME": "lo"},
            )

    def output(self) -> str:
        """Return the output so far."""
        return self._output_path.read_text()

    def count(self, pattern: str) -> int:
        """Return how many times the output matches a pattern."""
        return len(re.findall(pattern, self.output()))

    def wait_for(self, pattern: str, times: int = 1) -> None:
        """Wait until the output matches a pattern `times` times."""
        deadline = time.monotonic() + SECONDS
        while self.count(pattern) < times:
            assert time.monotonic() < deadline and self.process.poll() is None, self.output()
            time.sleep(0.1)

    def workers(self) -> list[int]:
        """Return the ids of the worker processes: children of torchrun, which is a child of `serl join`."""
        return [worker for launcher in _children(self.process.pid) for worker in _children(launcher)]


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture(scope="module")
def machine(folder: Path, placement: TrainerPlacement) -> Iterator[Machine]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GLOO_SOCKET_IFNAME", "lo")
        machine = Machine(folder, placement)
        machine.wait_for("machine 1 of 2: waiting for the update at 127")
        yield machine
        machine.process.terminate()
        assert machine.process.wait(SECONDS) == 143, machine.output()


@pytest.fixture(scope="module")
def trainer(folder: Path, machine: Machine) -> Iterator[SavingTrainer]:
    """Node 0, which connects to node 1 at its first update."""
    with SavingTrainer(folder / "scratch") as process:
        yield process


@pytest.mark.slow
def test_two_nodes_compute_the_same_as_two_processes(
    folder: Path, placement: TrainerPlacement, trainer: SavingTrainer
) -> None:
    """Two jobs, because the second continues with the weights that the first left in both nodes."""
    notes: list[str] = []

    def second_policy(process: SavingTrainer, name: str, placement: TrainerPlacement) -> bytes:
        first = make_job(folder, folder / "policy", name=f"{name}-1", placement=placement)
        process.run(first, lambda done, total, note: notes.append(note))
        second = make_job(
            folder,
            first.output / "policy",
            name=f"{name}-2",
            placement=placement,
            policy_key=first.output_policy_key,
            state=first.output / "trainer_state",
            state_key=first.output_state_key,
        )
        process.run(second)
        return (second.output / "policy/model.safetensors").read_bytes()

    on_two_nodes = second_policy(trainer, "nodes", placement)
    assert notes[0] == "starting the trainer, waiting for 1 machine(s) to join"
    one_node = TrainerPlacement(processes_per_node=2, micro_batch_tokens=64)
    with SavingTrainer(folder / "scratch") as process:
        assert second_policy(process, "processes", one_node) == on_two_nodes


@pytest.mark.slow
def test_a_lost_node_ends_the_update_and_may_join_again(
    folder: Path, placement: TrainerPlacement, machine: Machine, trainer: SavingTrainer
) -> None:
    many_steps = UpdateConfig(learning_rate=1e-4, batch_responses=6, epochs=100)
    ended = machine.count("ended: ")
    kill_times: list[float] = []

    def kill(done: int, total: int, note: str) -> None:
        if total > 1 and done >= 2 and not kill_times:
            os.kill(machine.workers()[-1], signal.SIGKILL)
            kill_times.append(time.monotonic())

    with pytest.raises(TrainerError, match="a process of the trainer was lost"):
        trainer.run(make_job(folder, folder / "policy", name="lost", placement=placement, config=many_steps), kill)
    assert time.monotonic() - kill_times[0] < SECONDS
    machine.wait_for("ended: ", times=ended + 1)
    joined = machine.count("joined")
    trainer.run(make_job(folder, folder / "policy", name="again", placement=placement))
    machine.wait_for("joined", times=joined + 1)


@pytest.mark.slow
def test_every_node_reports_a_failure(
    folder: Path, placement: TrainerPlacement, machine: Machine, trainer: SavingTrainer
) -> None:
    job = make_job(folder, folder / "other", name="failed", placement=placement)
    with pytest.raises(TrainerError, match="not in the vocabulary"):
        trainer.run(job)
    machine.wait_for("ended: .*not in the vocabulary")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"trainer": {"nodes": 2}}, "`rendezvous` .* goes with several nodes; found nodes 2"),
        ({"trainer": {"rendezvous": "a:1"}}, "found nodes 1 and rendezvous a:1"),
        ({"trainer": {"nodes": 2, "rendezvous": "a"}}, "rendezvous"),
        ({"trainer": {"nodes": 2, "rendezvous": "a:1"}}, "set `compute.scratch` to a folder that all of them see"),
        (
            {"scratch": "s", "trainer": {"nodes": 2, "rendezvous": "a:1", "save_every_steps": 5}},
            "save_every_steps needs `checkpoints`",
        ),
    ],
)
def test_nodes_that_could_not_connect_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Compute.model_validate(settings)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--machine", "1"], "compute.trainer.nodes is 1, expected the number of machines"),
        (
            ["--node", "2", "--set", "compute={scratch: /tmp, trainer: {nodes: 2, rendezvous: 'a:29500'}}"],
            "--node 2: expected a number from 1 to 1, as compute.trainer.nodes is 2",
        ),
    ],
)
def test_a_node_number_that_the_config_does_not_have_is_refused(words: list[str], message: str) -> None:
    command = [sys.executable, "-m", "flows.cli", "join", "configs/quickstart.yaml", *words]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 2 and message in result.stderr
