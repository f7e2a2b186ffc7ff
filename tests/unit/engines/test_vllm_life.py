"""How vLLM is started early, put to sleep and ended, with a stub in its place."""

import importlib
import multiprocessing
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import suppress
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from stages.engines import vllm, vllm_process
from stages.engines.vllm import VllmEngine
from stages.settings.compute import Compute
from stages.settings.engines import VllmPlacement
from stages.settings.trainer import TrainerPlacement
from stages.shared_resources import Resources
from storage import compiled
from storage.errors import InputError
from tests.cuda import Driver, machine_with
from tests.tiny_models import make_tiny_policy
from tests.unit.engines.test_vllm_on_gpu import StubLLM, stub

__all__ = ["stub"]  # a fixture


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """Two policies of one architecture, and one of another."""
    root = tmp_path_factory.mktemp("policies")
    return (
        make_tiny_policy(root / "a"),
        make_tiny_policy(root / "b", seed=1),
        make_tiny_policy(root / "c", num_hidden_layers=3),
    )


@pytest.fixture
def engine() -> Iterator[VllmEngine]:
    with machine_with(Driver(1)):
        engine = VllmEngine(VllmPlacement())
        yield engine
        engine.close()


def calls_of(llm: StubLLM) -> list[Any]:
    return [call[1] if call[0] == "collective_rpc" else call[0] for call in llm.calls]


class Process:
    """A process of vLLM."""

    def __init__(self) -> None:
        self._process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        self.pid = self._process.pid

    def join(self, seconds: float) -> None:
        self._process.wait(seconds)

    @property
    def lives(self) -> bool:
        return self._process.poll() is None


@pytest.fixture
def process(stub: type[StubLLM], monkeypatch: pytest.MonkeyPatch) -> Iterator[Process]:
    process = Process()
    resources = SimpleNamespace(engine_manager=SimpleNamespace(processes=[process]), engine_dead=False)
    core = SimpleNamespace(engine_core=SimpleNamespace(resources=resources))
    monkeypatch.setattr(stub, "llm_engine", core, raising=False)
    yield process
    if process.lives:
        process._process.kill()
        process.join(10)


def test_vllm_that_sleeps_is_ended_at_once(
    engine: VllmEngine, process: Process, folders: tuple[Path, Path, Path]
) -> None:
    """Left to itself, it prints a CUDA error: its destructors unmap memory that `sleep` has unmapped."""
    engine.load(folders[0], "a")
    engine.sleep()
    engine.close()
    assert not process.lives


def test_vllm_that_is_awake_is_asked_to_end(
    engine: VllmEngine,
    stub: type[StubLLM],
    process: Process,
    folders: tuple[Path, Path, Path],
) -> None:
    """Even if the traceback of an error refers to it."""
    asked: list[bool] = []
    core: Any = stub.llm_engine  # type: ignore[attr-defined]
    core.engine_core.shutdown = lambda: asked.append(process.lives)
    engine.load(folders[0], "a")
    engine.sleep()
    engine.load(folders[1], "b")
    engine.close()
    engine.close()
    assert asked == [True]


def test_vllm_that_fails_to_sleep_is_ended(
    engine: VllmEngine,
    stub: type[StubLLM],
    process: Process,
    folders: tuple[Path, Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The update needs its memory; the next load starts it again."""

    def sleep(self: StubLLM, level: int) -> None:
        raise AssertionError("Memory usage increased after sleeping.")

    monkeypatch.setattr(stub, "sleep", sleep, raising=False)
    engine.load(folders[0], "a")
    engine.sleep()
    assert not process.lives and "Memory usage increased after sleeping.): it was closed" in caplog.text
    engine.load(folders[1], "b")
    assert engine.policy_key == "b" and len(stub.started) == 2


def test_another_version_of_vllm_is_left_to_end_itself(
    engine: VllmEngine, stub: type[StubLLM], folders: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It keeps its processes elsewhere."""
    monkeypatch.setattr(stub, "llm_engine", SimpleNamespace(), raising=False)
    engine.load(folders[0], "a")
    engine.sleep()
    engine.close()


def test_a_caller_that_waits_learns_that_vllm_was_killed() -> None:
    """vLLM itself notices it, and leaves the caller waiting."""
    process = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(60,))
    process.start()
    resources = SimpleNamespace(engine_manager=SimpleNamespace(processes=[process]), engine_dead=False)
    outputs: queue.Queue[Exception] = queue.Queue()
    answered: Future[int] = Future()
    answered.set_result(1)
    waiting: Future[int] = Future()
    core = SimpleNamespace(resources=resources, outputs_queue=outputs, utility_results={1: answered, 2: waiting})
    vllm_process.report_end(SimpleNamespace(llm_engine=SimpleNamespace(engine_core=core)))
    assert outputs.empty() and not waiting.done()
    process.kill()
    assert isinstance(outputs.get(timeout=10), vllm_process.EngineDeadError)
    assert isinstance(waiting.exception(timeout=10), vllm_process.EngineDeadError)
    assert resources.engine_dead and answered.result() == 1
    process.join(10)


def test_an_early_start_is_taken_over(
    engine: VllmEngine, stub: type[StubLLM], folders: tuple[Path, Path, Path]
) -> None:
    assert engine.starting == "starting vLLM"
    engine.start(folders[0])
    engine.start(folders[1])  # it starts already
    assert engine.starting == "starting vLLM" and engine.on_gpu
    engine.load(folders[0], "a")
    (llm,) = stub.started
    assert calls_of(llm) == ["serl_prepare"]
    assert engine.starting == "" and engine.counters.starts == engine.counters.loads == 1
    engine.start(folders[0])  # it runs already
    engine.load(folders[1], "b")
    assert calls_of(llm) == ["serl_prepare", "serl_reload", "reset_prefix_cache"] and len(stub.started) == 1


def test_other_weights_are_loaded_in_place(
    engine: VllmEngine, stub: type[StubLLM], folders: tuple[Path, Path, Path]
) -> None:
    engine.start(folders[0])
    engine.load(folders[1], "b")
    (llm,) = stub.started
    assert calls_of(llm) == ["serl_prepare", "serl_reload", "reset_prefix_cache"]
    assert llm.calls[1][2] == {"args": (str(folders[1]),)}


def test_nothing_that_was_cached_with_the_old_weights_stays(
    engine: VllmEngine, stub: type[StubLLM], folders: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """vLLM refuses to empty its cache while a step of dropped requests is still being computed."""
    answers = [True, False, False]
    monkeypatch.setattr(stub, "reset_prefix_cache", lambda self: answers.pop(), raising=False)
    engine.load(folders[0], "a")
    engine.load(folders[1], "b")
    assert not answers
    monkeypatch.setattr(stub, "reset_prefix_cache", lambda self: False)
    monkeypatch.setattr(vllm, "_SECONDS_TO_FORGET", 0.0)
    with pytest.raises(InputError, match="cached with the old weights"):
        engine.load(folders[0], "a")
    assert engine.policy_key is None


def test_another_architecture_starts_vllm_anew(
    engine: VllmEngine, stub: type[StubLLM], folders: tuple[Path, Path, Path]
) -> None:
    engine.start(folders[0])
    engine.load(folders[2], "c")
    assert [calls_of(llm) for llm in stub.started] == [["serl_prepare"]] * 2


def test_every_model_of_an_architecture_has_one_path(
    engine: VllmEngine, stub: type[StubLLM], folders: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The path is part of vLLM's key for compiled code."""
    paths = []
    monkeypatch.setattr(stub, "__init__", lambda self, model, **_: paths.append(model) or setattr(self, "calls", []))
    for folder in folders:
        engine.load(folder, str(folder))
        engine.close()
    assert paths[0] == paths[1] != paths[2]
    assert all(path.startswith(str(compiled.root())) for path in paths)


def test_weights_that_another_machine_put_in_the_way_are_replaced(
    engine: VllmEngine, stub: type[StubLLM], folders: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The link to the model is in a cache that machines may share, on a file system without locks."""
    begin = stub.__init__

    def replace(self: StubLLM, model: str, **arguments: Any) -> None:
        Path(model).unlink()
        Path(model).symlink_to(folders[1])
        begin(self, model, **arguments)

    monkeypatch.setattr(stub, "__init__", replace)
    engine.load(folders[0], "a")
    assert calls_of(stub.started[0]) == ["serl_prepare", "serl_reload", "reset_prefix_cache"]


def failing(self: StubLLM, model: str, **_: Any) -> None:
    raise ValueError("Unknown quantization method: no_such.")


def test_the_error_of_an_early_start_is_raised_once_by_the_load(
    engine: VllmEngine, stub: type[StubLLM], folders: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(stub, "__init__", failing)
        engine.start(folders[0])
        with pytest.raises(InputError, match=rf"vLLM cannot run the model of policy, {folders[0]}: Unknown quant"):
            engine.load(folders[1], "b")
    engine.load(folders[1], "b")
    assert engine.policy_key == "b" and len(stub.started) == 1


def test_the_error_of_another_models_start_does_not_matter(
    engine: VllmEngine, stub: type[StubLLM], folders: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    engine.start(tmp_path / "missing")
    engine.load(folders[0], "a")
    assert engine.policy_key == "a"


def test_a_start_is_awaited_before_vllm_sleeps(
    engine: VllmEngine, stub: type[StubLLM], folders: tuple[Path, Path, Path]
) -> None:
    engine.start(folders[0])
    engine.sleep()
    engine.load(folders[0], "a")
    assert calls_of(stub.started[0]) == [
        "serl_prepare", "sleep", "wake_up", "serl_reload", "wake_up", "reset_prefix_cache",
    ]  # fmt: skip


def test_closing_ends_a_start_wherever_it_is(
    stub: type[StubLLM], folders: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before its first line, while it imports, and while it waits for a process that it has started."""
    begun = threading.Event()

    def importing(self: StubLLM, model: str, **_: Any) -> None:
        begun.set()
        while True:
            with suppress(ImportError):
                importlib.import_module("no_such_module")
            time.sleep(0.01)

    def waiting(self: StubLLM, model: str, **_: Any) -> None:
        begun.set()
        process.join(60)
        raise RuntimeError("Engine core initialization failed. See root cause above. Failed core proc(s): {}")

    process = Process()
    child = SimpleNamespace(pid=process.pid, name="EngineCore_DP0")
    monkeypatch.setattr(vllm_process.multiprocessing, "active_children", lambda: [child][: begun.is_set()])
    with machine_with(Driver(1)):
        for number, start in enumerate((importing, importing, waiting)):
            monkeypatch.setattr(stub, "__init__", start)
            begun.clear()
            engine = VllmEngine(VllmPlacement())
            engine.start(folders[0])
            if number:
                begun.wait()
            engine.close()
            assert "serl-vllm-start" not in {thread.name for thread in threading.enumerate()}
    process.join(10)


@pytest.mark.parametrize("free_memory", [None, True, False])
def test_vllm_stays_awake_if_trainer_and_engine_both_have_room(
    free_memory: bool | None, stub: type[StubLLM], folders: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    sys.modules["vllm"].__spec__ = ModuleSpec("vllm", None)
    placement = TrainerPlacement(free_memory=free_memory)
    with machine_with(Driver(1)), Resources(Compute(scratch=tmp_path, trainer=placement), "vllm") as resources:
        resources.engine().load(folders[0], "a")
        resources.free_gpu()
        resources.engine().load(folders[1], "b")
    sleeps = ["sleep", "wake_up", "serl_reload", "wake_up", "reset_prefix_cache"]
    assert calls_of(stub.started[0])[1:] == (["serl_reload", "reset_prefix_cache"] if free_memory is False else sleeps)


def test_compiled_code_is_kept(engine: VllmEngine, stub: type[StubLLM], folders: tuple[Path, Path, Path]) -> None:
    engine.load(folders[0], "a")
    assert os.environ["VLLM_CACHE_ROOT"] == str(compiled.root() / "vllm")
