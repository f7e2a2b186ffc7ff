"""What vLLM gets on a machine with a GPU, with a stub in its place: CUDA is never asked in this process."""

import importlib
import os
import sys
import types
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest

from stages.engines.base import SamplingParams
from stages.engines.loader import check_installed
from stages.engines.vllm import VllmEngine, arguments, model_runner, set_environment
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


@pytest.mark.parametrize("threads", [None, "4"])
def test_the_trainer_compiles_with_as_many_threads_as_before(
    stub: type[StubLLM], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: str | None
) -> None:
    def import_module(name: str, package: str | None = None) -> types.ModuleType:
        if name == "vllm":
            os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"  # as vLLM does when it is imported
        return real(name, package)

    real, folder = importlib.import_module, make_tiny_policy(tmp_path)

    if threads is not None:
        monkeypatch.setitem(os.environ, "TORCHINDUCTOR_COMPILE_THREADS", threads)
    monkeypatch.setattr("stages.engines.vllm.importlib.import_module", import_module)
    with machine_with(Driver(1)):
        engine = VllmEngine(VllmPlacement())
        engine.load(folder, "a")
        engine.close()
    assert os.environ.get("TORCHINDUCTOR_COMPILE_THREADS") == threads


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
        pytest.raises(
            InputError, match=r"ValueError: Free memory on device .* another process holds the rest"
        ) as error,
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


def test_model_runner_2_samples_on_a_gpu_unless_the_user_chooses(
    stub: type[StubLLM], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Left unset, vLLM takes runner 2 where it can; its own list of what runner 2 lacks decides."""
    folder = make_tiny_policy(tmp_path)
    for cards, choice, runner, mode, left in (
        (1, None, 2, "processed_logprobs", None),
        (1, "0", 1, "raw_logprobs", "0"),
        (1, "1", 2, "processed_logprobs", "1"),
        (0, None, 1, "raw_logprobs", "0"),
        (0, "1", 2, "processed_logprobs", "1"),
        (0, " 1 ", 2, "processed_logprobs", " 1 "),
        (1, "00", 1, "raw_logprobs", "00"),
    ):
        monkeypatch.delenv("VLLM_USE_V2_MODEL_RUNNER", raising=False)
        if choice is not None:
            monkeypatch.setenv("VLLM_USE_V2_MODEL_RUNNER", choice)
        with machine_with(Driver(cards)):
            set_environment({})
            assert model_runner() == runner
            assert arguments(VllmPlacement(), folder)["logprobs_mode"] == mode
        assert os.environ.get("VLLM_USE_V2_MODEL_RUNNER") == left


@pytest.mark.parametrize("choice", ["", "true", "no"])
def test_what_vllm_does_not_read_as_a_choice_of_runner_is_an_error(
    choice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLLM_USE_V2_MODEL_RUNNER", choice)
    with pytest.raises(InputError, match=rf"VLLM_USE_V2_MODEL_RUNNER is '{choice}'; expected 1 or 0, or unset it"):
        model_runner()


@pytest.mark.vllm
@pytest.mark.parametrize("choice", ["0", "1", " 1 ", "00", "2", "", "true"])
def test_vllm_reads_the_choice_of_runner_as_we_do(choice: str, monkeypatch: pytest.MonkeyPatch) -> None:
    read = importlib.import_module("vllm.envs").environment_variables["VLLM_USE_V2_MODEL_RUNNER"]
    monkeypatch.setenv("VLLM_USE_V2_MODEL_RUNNER", choice)
    if choice in ("", "true"):
        with pytest.raises(ValueError, match="invalid literal"):
            read()
    else:
        assert (model_runner() == 2) is read()


def test_a_gpu_computes_more_responses_at_a_time_than_a_cpu(stub: type[StubLLM], tmp_path: Path) -> None:
    folder = make_tiny_policy(tmp_path)
    for cards, sequences in ((1, 1024), (0, 256)):
        with machine_with(Driver(cards)):
            assert arguments(VllmPlacement(), folder)["max_num_seqs"] == sequences
            assert arguments(VllmPlacement(max_sequences=7), folder)["max_num_seqs"] == 7


def test_extra_arguments_reach_vllm(stub: type[StubLLM], tmp_path: Path) -> None:
    folder = make_tiny_policy(tmp_path)
    extra = {"max_num_batched_tokens": 4096, "async_scheduling": False, "max_cudagraph_capture_size": 1024}
    for cards in (0, 1):
        with machine_with(Driver(cards)):
            assert arguments(VllmPlacement(extra=extra), folder).items() >= extra.items()
    with machine_with(Driver(1)):
        assert arguments(VllmPlacement(extra={"enable_chunked_prefill": True}), folder)["enable_chunked_prefill"]
    with machine_with(Driver(0)), pytest.raises(InputError, match="enable_chunked_prefill ends vllm-cpu"):
        arguments(VllmPlacement(extra={"enable_chunked_prefill": True}), folder)


def test_vllm_for_gpus_without_a_gpu_is_refused(stub: type[StubLLM], monkeypatch: pytest.MonkeyPatch) -> None:
    installed = {"vllm": "0.32.0"}

    def version(name: str) -> str:
        if name not in installed:
            raise PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr("stages.engines.loader.version", version)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    for cards in (0, 1):
        with machine_with(Driver(cards)) as patch:
            if not cards:
                with pytest.raises(
                    InputError, match=r"built for NVIDIA GPUs, and none is visible .*CUDA_VISIBLE_DEVICES"
                ):
                    check_installed("vllm")
                patch.setenv("VLLM_TARGET_DEVICE", "cpu")
            check_installed("vllm")
            check_installed("transformers")
    with machine_with(Driver(0)):
        for label in ("0.32.0+cpu", "0.32.0+rocm641"):
            installed["vllm"] = label
            check_installed("vllm")
        installed.clear()
        check_installed("vllm")


def test_vllm_that_has_died_between_two_calls_is_started_anew(
    stub: type[StubLLM], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    core = types.SimpleNamespace(resources=types.SimpleNamespace(engine_dead=False))
    monkeypatch.setattr(stub, "llm_engine", types.SimpleNamespace(engine_core=core), raising=False)
    folder = make_tiny_policy(tmp_path)
    with machine_with(Driver(1)):
        engine = VllmEngine(VllmPlacement())
        engine.load(folder, "a")
        engine.load(folder, "a")
        assert len(stub.started) == 1
        core.resources.engine_dead = True
        engine.load(folder, "a")
        assert len(stub.started) == 2 and engine.policy_key == "a"


def test_vllm_that_dies_before_it_takes_a_request_ends_the_stage(
    stub: type[StubLLM], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class EngineDeadError(Exception):
        pass

    class Refusing:
        model_config = types.SimpleNamespace(max_model_len=512)
        error: Exception = EngineDeadError("EngineCore encountered an issue.")

        def add_request(self, *_: Any) -> None:
            raise self.error

    folder = make_tiny_policy(tmp_path / "policy")
    monkeypatch.setattr(stub, "llm_engine", Refusing(), raising=False)
    monkeypatch.setattr(VllmEngine, "_params", lambda *_: None)
    monkeypatch.setattr("stages.engines.vllm_errors._SECONDS_FOR_A_CAUSE", 0.0)
    with machine_with(Driver(1)):
        engine = VllmEngine(VllmPlacement())
        engine.load(folder, "a")
        with pytest.raises(StageFailed, match="vLLM died while it answered"):
            generate(engine, [[1, 2]], SamplingParams(temperature=1.0, max_tokens=2), [[1]])
        # The policy has been moved to the store meanwhile: its shape is read from there.
        engine.load(folder, "a")
        engine.load(folder.rename(tmp_path / "store"), "a")
        Refusing.error = EngineDeadError("CUDA out of memory")
        with pytest.raises(StageFailed, match=r"by calculation.* weights 0\.0 GiB"):
            generate(engine, [[1, 2]], SamplingParams(temperature=1.0, max_tokens=2), [[1]])
        engine.load(tmp_path / "store", "a")
        Refusing.error = ValueError("presence_penalty must be in [-2, 2], got 3.0.")
        with pytest.raises(ValueError, match="presence_penalty"):
            generate(engine, [[1, 2]], SamplingParams(temperature=1.0, max_tokens=2), [[1]])
    assert len(stub.started) == 3


def test_errors_of_vllms_own_process_while_weights_are_loaded_are_one_line(
    stub: type[StubLLM], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There they arrive as plain Exceptions, and a process that has ended as EngineDeadError."""

    class EngineDeadError(Exception):
        pass

    folders = [make_tiny_policy(tmp_path / name) for name in ("a", "b")]
    errors = [Exception("Call to collective_rpc method failed: size mismatch\n for lm_head"), EngineDeadError("dead")]

    def rpc(self: StubLLM, method: str, args: tuple[str, ...] = ()) -> None:
        if method == "serl_reload" and errors:
            raise errors.pop(0)

    monkeypatch.setattr(stub, "collective_rpc", rpc, raising=False)
    monkeypatch.setattr("stages.engines.vllm_errors._SECONDS_FOR_A_CAUSE", 0.0)
    with machine_with(Driver(1)):
        engine = VllmEngine(VllmPlacement())
        engine.load(folders[0], "a")
        with pytest.raises(InputError, match=r"method failed: size mismatch for lm_head$"):
            engine.load(folders[1], "b")
        with pytest.raises(StageFailed, match=r"vLLM's process has ended \(.*\); run the same command again"):
            engine.load(folders[1], "b")
        engine.load(folders[1], "b")
        assert engine.policy_key == "b"
