"""The command line that `serl serve` starts."""

import sys
from pathlib import Path

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
