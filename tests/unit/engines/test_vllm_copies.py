"""Copies of the policy on a node's GPUs: which cards each gets, how they start, sleep, die and are started again."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stages.engines import vllm_copies
from stages.engines.base import SamplingParams
from stages.engines.loader import make_engine
from stages.engines.vllm import OWNER
from stages.engines.vllm_copies import VllmCopies
from stages.engines.vllm_server import API_KEY
from stages.settings.engines import VllmPlacement
from storage.errors import InputError, StageFailed
from tests.helpers import generate
from tests.policy_server import PolicyServer
from tests.tiny_models import make_tiny_policy

GREEDY = SamplingParams(temperature=0, max_tokens=4)
PROMPTS, SEEDS = [[5, 17, 33], [9, 8, 7]], [[1, 2], [3, 4]]


class Copy:
    """A copy, as a process: a stand-in for vLLM's server, in a thread."""

    def __init__(self, words: list[str], *, env: dict[str, str], **_: Any) -> None:
        self.words, self.environment = words, env
        self.pid = 0
        self.server = PolicyServer(Path(self.flag("--model")))
        self.server.port = int(self.flag("--port"))
        self.server.start()
        self._lives, self.terminated = True, False

    def flag(self, name: str) -> str:
        return self.words[self.words.index(name) + 1]

    def poll(self) -> int | None:
        return None if self._lives else -9

    def die(self) -> None:
        self.server.kill()
        self._lives = False

    def terminate(self) -> None:
        self.terminated = True
        self.die()

    def wait(self, timeout: float | None = None) -> None:
        if self._lives:
            self.die()


@pytest.fixture
def copies(monkeypatch: pytest.MonkeyPatch) -> list[Copy]:
    """The copies that were started, on a machine with four cards of which this process may use three."""
    copies: list[Copy] = []

    def start(*values: Any, **named: Any) -> Copy:
        copies.append(Copy(*values, **named))
        return copies[-1]

    names = {"Popen": start, "DEVNULL": subprocess.DEVNULL, "TimeoutExpired": subprocess.TimeoutExpired}
    monkeypatch.setattr(vllm_copies, "subprocess", SimpleNamespace(**names))
    monkeypatch.setattr(vllm_copies, "kill_group", lambda group: None)
    monkeypatch.setattr(vllm_copies, "has_gpu", lambda: True)
    monkeypatch.setattr(vllm_copies, "visible_cards", lambda: ["0", "2", "3"])
    monkeypatch.setattr(os, "environ", {name: value for name, value in os.environ.items() if "VLLM" not in name})
    return copies


@pytest.fixture
def engine(copies: list[Copy]) -> Iterator[VllmCopies]:
    engine = VllmCopies(VllmPlacement(data_parallel=3))
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("policies")
    return make_tiny_policy(root / "a"), make_tiny_policy(root / "b", seed=1)


def test_each_copy_has_a_card(engine: VllmCopies, copies: list[Copy], folders: tuple[Path, Path]) -> None:
    engine.load(folders[0], "a")
    assert [copy.environment["CUDA_VISIBLE_DEVICES"] for copy in copies] == ["0", "2", "3"]
    assert {copy.flag("--data-parallel-size") for copy in copies} == {"1"}
    assert {copy.flag("--host") for copy in copies} == {"127.0.0.1"}
    assert {copy.environment[OWNER] for copy in copies} == {str(os.getpid())}
    assert engine.on_gpu and engine.counters.starts == 1 and engine.counters.loads == 1


def test_each_copy_has_as_many_cards_as_share_a_model(copies: list[Copy], folders: tuple[Path, Path]) -> None:
    engine = VllmCopies(VllmPlacement(data_parallel=1, tensor_parallel=2))
    engine.load(folders[0], "a")
    engine.close()
    assert copies[0].environment["CUDA_VISIBLE_DEVICES"] == "0,2"


def test_a_machine_without_a_gpu_names_no_card(
    engine: VllmCopies, copies: list[Copy], folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vllm_copies, "has_gpu", lambda: False)
    monkeypatch.setattr(vllm_copies, "visible_cards", list)
    engine.load(folders[0], "a")
    engine.sleep()
    assert not engine.on_gpu and all(copy.server.memory == [] for copy in copies)
    assert all("CUDA_VISIBLE_DEVICES" not in copy.environment for copy in copies)


def test_they_carry_a_secret_that_is_no_flag(
    engine: VllmCopies, copies: list[Copy], folders: tuple[Path, Path]
) -> None:
    engine.load(folders[0], "a")
    (secret,) = {copy.environment[API_KEY] for copy in copies}
    assert len(secret) > 20 and API_KEY not in os.environ
    assert all(secret not in word for copy in copies for word in copy.words)


def test_they_sleep_during_an_update_and_wake_with_the_next_policy(
    engine: VllmCopies, copies: list[Copy], folders: tuple[Path, Path]
) -> None:
    engine.load(folders[0], "a")
    before = generate(engine, PROMPTS, GREEDY, SEEDS)
    engine.sleep()
    engine.sleep()
    assert engine.policy_key is None
    assert all(task.done() for task in engine._pool._supervisors), "a lost copy that comes back would be woken up"
    engine.load(folders[1], "b")
    assert generate(engine, PROMPTS, GREEDY, SEEDS) != before
    for copy in copies:
        assert copy.server.memory == ["sleep 2", "wake weights, 1 loaded", "wake kv_cache, 2 loaded"]
    assert len(copies) == 3 and engine.counters.loads == 2


def test_copies_that_sleep_are_killed_and_the_others_are_asked_to_end(
    engine: VllmCopies, copies: list[Copy], folders: tuple[Path, Path]
) -> None:
    engine.load(folders[0], "a")
    engine.sleep()
    engine.close()
    assert [copy.terminated for copy in copies] == [False] * 3
    awake = VllmCopies(VllmPlacement(data_parallel=2))
    awake.load(folders[0], "a")
    awake.close()
    assert [copy.terminated for copy in copies[3:]] == [True] * 2
    assert all(copy.poll() is not None for copy in copies)


def test_the_others_answer_for_a_copy_that_died_until_it_is_started_again(
    engine: VllmCopies, copies: list[Copy], folders: tuple[Path, Path]
) -> None:
    engine.load(folders[0], "a")
    before = generate(engine, PROMPTS, GREEDY, SEEDS)
    copies[1].die()
    assert generate(engine, PROMPTS, GREEDY, SEEDS) == before
    engine.load(folders[0], "a")
    assert len(copies) == 4 and copies[3].environment["CUDA_VISIBLE_DEVICES"] == "2"
    assert generate(engine, PROMPTS, GREEDY, SEEDS) == before


def test_a_stage_fails_at_once_if_all_copies_died(
    engine: VllmCopies, copies: list[Copy], folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stages.engines.vllm_client._SECONDS_BETWEEN_CHECKS", 0.1)
    monkeypatch.setattr("stages.engines.vllm_errors._SECONDS_FOR_A_CAUSE", 0.0)
    engine.load(folders[0], "a")
    for copy in copies:
        copy.die()
    with pytest.raises(StageFailed, match=r"^vLLM died while it answered \(copy 0 of vLLM ended\); run the same"):
        generate(engine, PROMPTS, GREEDY, SEEDS)
    engine.load(folders[0], "a")
    generate(engine, PROMPTS, GREEDY, SEEDS)


def test_a_copy_that_cannot_start_is_an_error_with_its_cause(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vllm_copies, "_PROGRAM", "print('ValueError: Unknown quantization method: no_such.'); 1 / 0")
    engine = VllmCopies(VllmPlacement(data_parallel=2))
    try:
        engine.start(folders[0])
        with pytest.raises(InputError, match=r"vLLM cannot run the model of policy, .*: \w+Error: ") as error:
            engine.load(folders[0], "a")
        assert "\n" not in str(error.value) and engine.policy_key is None and not engine.on_gpu
    finally:
        engine.close()


def test_closing_ends_a_start(folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm_copies, "_PROGRAM", "import time; time.sleep(60)")
    processes: list[subprocess.Popen[bytes]] = []
    start = vllm_copies.VllmCopies._spawn

    def spawn(*values: Any) -> subprocess.Popen[bytes]:
        processes.append(start(*values))
        return processes[-1]

    monkeypatch.setattr(vllm_copies.VllmCopies, "_spawn", spawn)
    engine = VllmCopies(VllmPlacement(data_parallel=2))
    engine.start(folders[0])
    while len(processes) < 2:
        pass
    engine.close()
    assert all(process.poll() is not None for process in processes)


@pytest.mark.parametrize(("data_parallel", "kind"), [(1, "VllmEngine"), (2, "VllmCopies")])
def test_several_copies_are_servers_of_this_process(
    data_parallel: int, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stages.engines.loader.check_installed", lambda kind: None)
    engine = make_engine("vllm", vllm=VllmPlacement(data_parallel=data_parallel))
    assert type(engine).__name__ == kind
    engine.close()
