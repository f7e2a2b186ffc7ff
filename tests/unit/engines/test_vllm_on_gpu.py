"""What vLLM gets on a machine with a GPU, with a stub in its place: CUDA is never asked in this process."""

import os
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from stages.engines.base import SamplingParams
from stages.engines.vllm import VllmEngine
from stages.settings.engines import VllmPlacement
from storage.errors import InputError, StageFailed
from tests.cuda import Driver, machine_with
from tests.helpers import generate
from tests.tiny_models import make_tiny_policy

ENVIRONMENT = "VLLM_WORKER_MULTIPROC_METHOD", "VLLM_ENABLE_V1_MULTIPROCESSING", "VLLM_CPU_OMP_THREADS_BIND"


class StubLLM:
    """`vllm.LLM`, which records how it was started and what it was told."""

    started: list["StubLLM"] = []  # noqa: RUF012 - one list for all

    def __init__(self, model: str, **arguments: Any) -> None:
        self.arguments = arguments
        self.environment = {name: os.environ.get(name) for name in ENVIRONMENT}
        self.calls: list[tuple[Any, ...]] = []
        self.started.append(self)

    def __getattr__(self, name: str) -> Any:
        return lambda *values, **named: self.calls.append((name, *values, named))


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> type[StubLLM]:
    vllm, platforms = types.ModuleType("vllm"), types.ModuleType("vllm.platforms")
    vllm.LLM = StubLLM  # type: ignore[attr-defined]
    platforms.current_platform = types.SimpleNamespace(is_sleep_mode_available=lambda: True)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vllm", vllm)
    monkeypatch.setitem(sys.modules, "vllm.platforms", platforms)
    monkeypatch.setattr(os, "environ", {name: value for name, value in os.environ.items() if "VLLM" not in name})
    StubLLM.started.clear()
    return StubLLM


def test_its_processes_are_spawned(stub: type[StubLLM], tmp_path: Path) -> None:
    """A fork of a process that has asked CUDA cannot use CUDA, and nothing in this process asks."""
    folders = [make_tiny_policy(tmp_path / name) for name in ("a", "b")]
    with machine_with(Driver(1)):
        engine = VllmEngine(VllmPlacement())
        engine.load(folders[0], "a")
        assert engine.on_gpu
        engine.sleep()
        engine.load(folders[1], "b")
        engine.close()
    (llm,) = stub.started
    assert llm.environment == {
        "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
        "VLLM_ENABLE_V1_MULTIPROCESSING": None,
        "VLLM_CPU_OMP_THREADS_BIND": None,
    }
    assert llm.arguments["dtype"] == "bfloat16" and llm.arguments["enable_sleep_mode"] is True
    assert [call[0] for call in llm.calls] == [
        "collective_rpc", "sleep", "wake_up", "collective_rpc", "wake_up", "reset_prefix_cache",
    ]  # fmt: skip


def test_a_machine_that_hides_its_cards_takes_the_cpu(stub: type[StubLLM], tmp_path: Path) -> None:
    folder = make_tiny_policy(tmp_path)
    with machine_with(Driver(1)) as patch:
        patch.setenv("CUDA_VISIBLE_DEVICES", "")
        engine = VllmEngine(VllmPlacement())
        engine.load(folder, "a")
        assert not engine.on_gpu
        engine.close()
    (llm,) = stub.started
    assert llm.environment["VLLM_ENABLE_V1_MULTIPROCESSING"] == "0" and llm.arguments["dtype"] == "float32"


def test_an_error_says_the_cause_that_the_engines_process_wrote(
    stub: type[StubLLM], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(self: StubLLM, model: str, **arguments: Any) -> None:
        os.write(2, b"(EngineCore pid=9) ValueError: Free memory on device (2.1/139.8 GiB) is less than desired.\n")
        raise RuntimeError("Engine core initialization failed. See root cause above. Failed core proc(s): {}")

    folder = make_tiny_policy(tmp_path)
    monkeypatch.setattr(stub, "__init__", start)
    with (
        machine_with(Driver(1)),
        pytest.raises(InputError, match=r"ValueError: Free memory on device .* raise memory_share") as error,
    ):
        VllmEngine(VllmPlacement()).load(folder, "a")
    assert "\n" not in str(error.value) and "root cause" not in str(error.value)


def test_memory_is_blamed_only_if_it_is_short(
    stub: type[StubLLM], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(self: StubLLM, model: str, **arguments: Any) -> None:
        raise ValueError("Unknown quantization method: no_such.")

    folder = make_tiny_policy(tmp_path)
    monkeypatch.setattr(stub, "__init__", start)
    with machine_with(Driver(1)), pytest.raises(InputError) as error:
        VllmEngine(VllmPlacement()).load(folder, "a")
    assert str(error.value).endswith("Unknown quantization method: no_such.")


def test_an_engine_that_dies_while_it_answers_is_started_anew(
    stub: type[StubLLM], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Dying:
        model_config = types.SimpleNamespace(max_model_len=512)

        def add_request(self, *_: Any) -> None:
            pass

        def step(self) -> list[Any]:
            os.write(2, b"(EngineCore pid=9) torch.AcceleratorError: CUDA error: device-side assert triggered\n")
            raise RuntimeError("EngineCore encountered an issue. See stack trace (above) for the root cause.")

    folder = make_tiny_policy(tmp_path)
    monkeypatch.setattr(stub, "llm_engine", Dying(), raising=False)
    monkeypatch.setattr(VllmEngine, "_params", lambda *_: None)
    with machine_with(Driver(1)):
        engine = VllmEngine(VllmPlacement())
        engine.load(folder, "a")
        with engine._stderr.of_children(), pytest.raises(StageFailed) as error:  # as a process that it has started
            generate(engine, [[1, 2]], SamplingParams(temperature=1.0, max_tokens=2), [[1]])
        assert engine.policy_key is None
        engine.load(folder, "a")
    assert str(error.value).startswith(
        "vLLM died while it answered (AcceleratorError: CUDA error: device-side assert triggered); run the same command"
    )
    assert len(stub.started) == 2
