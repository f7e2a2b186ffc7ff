"""The command line and the process of `serl serve`."""

import os
import runpy
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from stages.engines import vllm_serve, vllm_server
from stages.engines.vllm_server import API_KEY, command, headers
from stages.settings.engines import VllmPlacement
from tests.tiny_models import make_tiny_policy


def test_a_servers_flags_say_what_the_settings_say(tmp_path: Path) -> None:
    folder = make_tiny_policy(tmp_path / "policy")
    placement = VllmPlacement(tensor_parallel=2, data_parallel=4, quantization="fp8", max_model_tokens=300)
    program, *words = command(folder, placement, host="10.0.0.1", port=8001)
    assert program == sys.executable
    flags = dict(zip(words, [*words[1:], ""], strict=True))
    for name, value in {
        "--model": str(folder),
        "--tensor-parallel-size": "2",
        "--data-parallel-size": "4",
        "--quantization": "fp8",
        "--max-model-len": "300",
        "--host": "10.0.0.1",
        "--port": "8001",
        "--load-format": "safetensors",
        "--worker-extension-cls": "stages.engines.vllm_extension.Worker",
        "--middleware": "stages.engines.vllm_server.Gate",
    }.items():
        assert flags[name] == value
    assert "--trust-remote-code" not in words and "--enable-prefix-caching" in words
    assert "--quantization" not in command(folder, VllmPlacement(), host="h", port=1)


def test_the_secret_is_in_no_flag(tmp_path: Path) -> None:
    assert headers({API_KEY: "hidden"}) == {"Authorization": "Bearer hidden"} and headers({}) == {}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], list[str]]:
    """Have `serl serve` start a stand-in for vLLM's server; returns the stand-in's flags."""

    def run(server: Callable[[], None]) -> list[str]:
        executed: list[list[str]] = []
        folder = make_tiny_policy(tmp_path / "policy")
        monkeypatch.setattr(os, "environ", {name: value for name, value in os.environ.items() if "VLLM" not in name})
        monkeypatch.setattr(os, "execv", lambda program, words: executed.append(words))
        vllm_server.serve(folder, VllmPlacement(cache_gib=3), host="h", port=1, threads=2)
        ((_, _, program, *arguments),) = executed
        monkeypatch.setattr(sys, "argv", ["-c", *arguments])
        monkeypatch.setattr(runpy, "run_module", lambda module, run_name: server())
        assert program == vllm_serve.PROGRAM
        vllm_serve.main()
        return sys.argv[1:]

    return run


def test_a_server_gets_vllms_flags(run: Callable[..., list[str]], capfd: pytest.CaptureFixture[str]) -> None:
    assert run(lambda: None)[:2] == ["--dtype", "float32"]
    assert "serl: " not in capfd.readouterr().err


def test_a_server_that_cannot_start_says_the_cause(
    run: Callable[..., list[str]], capfd: pytest.CaptureFixture[str]
) -> None:
    def server() -> None:
        os.write(2, b"(EngineCore pid=9) ValueError: No available memory for the cache blocks. Try\n")
        raise RuntimeError("Engine core initialization failed. See root cause above.")

    with pytest.raises(SystemExit) as error:
        run(server)
    assert error.value.code == 2
    (line,) = [line for line in capfd.readouterr().err.splitlines() if line.startswith("serl: ")]
    assert "ValueError: No available memory" in line and "cache of keys and values 3.0 GiB [cache_gib]" in line


def test_a_port_that_is_taken_is_no_error_of_the_model(
    run: Callable[..., list[str]], capfd: pytest.CaptureFixture[str]
) -> None:
    def server() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken, socket.socket() as second:
            second.bind(taken.getsockname())

    with pytest.raises(SystemExit) as error:
        run(server)
    line = capfd.readouterr().err.splitlines()[-1]
    assert error.value.code == 2 and line.startswith("serl: vLLM cannot listen (") and "in use" in line


def test_a_server_whose_memory_ran_out_says_so_at_its_end(
    run: Callable[..., list[str]], capfd: pytest.CaptureFixture[str]
) -> None:
    """vLLM ends it without an error."""
    run(lambda: os.write(2, b"(EngineCore pid=9) torch.OutOfMemoryError: CUDA out of memory. Tried to\n"))
    line = capfd.readouterr().err.splitlines()[-1]
    assert line.startswith("serl: vLLM has ended (OutOfMemoryError: CUDA out of memory. Tried to); by calculation")
