"""`compute.vllm.extra`: what may be set, and what the error says about the rest."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from stages.engines.vllm_server import command
from stages.settings.engines import VllmPlacement
from stages.settings.vllm_extra import ALLOWED
from tests.tiny_models import make_tiny_policy

VALUES: dict[str, Any] = {
    "attention_backend": "FLASH_ATTN",
    "compilation_config": {"cudagraph_mode": "FULL", "compile_sizes": [1]},
    "cudagraph_capture_sizes": [1, 2, 1024],
    "optimization_level": 1,
    "performance_mode": "throughput",
    "safetensors_load_strategy": "eager",
}
"""A value of each kind of argument that is neither a switch nor a number."""


def value_of(name: str) -> Any:
    return VALUES[name] if name in VALUES else True if ALLOWED[name][1] == "true or false" else 8


@pytest.mark.parametrize("name", ALLOWED)
def test_arguments_of_speed_and_memory_are_taken(name: str) -> None:
    extra = {name: value_of(name)}
    assert VllmPlacement(extra=extra).extra == extra
    with pytest.raises(ValidationError, match=f"{name}: expected .*, found 'x y'"):
        VllmPlacement(extra={name: "x y"})


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"gpu_memory_utilization": 0.5}, "has a setting here: use compute.vllm.memory_share"),
        ({"max_num_seqs": 8}, "use compute.vllm.max_sequences"),
        ({"dtype": "half"}, "use compute.vllm.dtype"),
        ({"max_sequences": 8}, "max_sequences is no argument of vLLM: use compute.vllm.max_sequences"),
        ({"memory_share": 0.5}, "use compute.vllm.memory_share"),
        ({"MAX_NUM_BATCHED_TOKENS": 8}, "did you mean max_num_batched_tokens"),
        ({"kv_cache_dtypes": "fp8"}, "kv_cache_dtypes is no argument of speed or memory that is known here"),
        ({"kv_cache_dtype": "fp8"}, "kv_cache_dtype cannot be set: it changes results"),
        ({"speculative_config": {}}, "it changes results"),
        ({"trust_remote_code": True}, "it loads code"),
        ({"worker_extension_cls": "a.B"}, "this software sets it itself"),
        ({"kv_offloading_size": 4}, "keeps weights or cache that new weights do not replace"),
        ({"max_num_batched_token": 8}, "did you mean max_num_batched_tokens"),
        ({"max-num-batched-tokens": 8}, "did you mean max_num_batched_tokens"),
        ({"qwertz": 8}, "no argument of speed or memory that is known here; allowed: async_scheduling, "),
        ({7: 8}, "7 is no argument"),
        ({"max_num_batched_tokens": 0}, "expected a whole number, at least 1, found 0"),
        ({"max_num_batched_tokens": "8"}, "expected a whole number, at least 1, found '8'"),
        ({"max_num_batched_tokens": None}, "expected a whole number, at least 1, found None"),
        ({"async_scheduling": 1}, "expected true or false, found 1"),
        ({"cudagraph_capture_sizes": []}, "expected a list of whole numbers"),
        ({"attention_backend": "CUSTOM"}, "expected FLASH_ATTN"),
        ({"compilation_config": {"backend": "my.module"}}, r"compilation_config.backend cannot be set: .* load code"),
        ({"compilation_config": {"cudagraph_mode": "ALL"}}, "compilation_config.cudagraph_mode: expected NONE"),
        (
            {"compilation_config": {"cudagraph_capture_sizes": [1]}, "max_cudagraph_capture_size": 2},
            "stand both in compilation_config and outside",
        ),
        ("max_num_batched_tokens=8", "valid dictionary"),
        (None, "valid dictionary"),
    ],
)
def test_everything_else_is_refused_with_what_to_write_instead(extra: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        VllmPlacement(extra=extra)


def test_a_server_gets_them_as_flags(tmp_path: Path) -> None:
    extra = {name: value_of(name) for name in ("cudagraph_capture_sizes", "async_scheduling", "compilation_config")}
    words = command(make_tiny_policy(tmp_path), VllmPlacement(extra=extra), host="h", port=1)
    flags = " ".join(words)
    assert "--cudagraph-capture-sizes 1 2 1024 --async-scheduling" in flags
    assert words[words.index("--compilation-config") + 1] == '{"cudagraph_mode": "FULL", "compile_sizes": [1]}'


@pytest.mark.vllm
def test_vllm_knows_every_one_of_them(tmp_path: Path) -> None:
    from vllm import EngineArgs
    from vllm.entrypoints.launchers.cli_args import make_arg_parser
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    assert ALLOWED.keys() <= {field.name for field in dataclasses.fields(EngineArgs)}
    parser = make_arg_parser(FlexibleArgumentParser())
    for name in ALLOWED:
        extra = {name: value_of(name)}
        if name != "enable_chunked_prefill":
            words = command(make_tiny_policy(tmp_path), VllmPlacement(extra=extra), host="h", port=1)
            assert getattr(parser.parse_args(words[3:]), name) is not None
            EngineArgs("x", **extra)
