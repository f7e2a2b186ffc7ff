"""`compute.vllm.extra`: arguments of vLLM that change its speed or its memory, and nothing else.

What changes results, loads code, or has a setting of this software is refused with the reason. No vLLM here: the values
are checked on machines without it too.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, JsonValue, TypeAdapter, ValidationError

_WHOLE = Annotated[int, Field(ge=1, strict=True)]
_BOOLEAN = Annotated[bool, Field(strict=True)]
_SIZES = Annotated[list[_WHOLE], Field(min_length=1)]

_COMPILATION: dict[str, tuple[Any, str]] = {
    "mode": (Annotated[int, Field(ge=0, le=3, strict=True)], "a whole number from 0 to 3"),
    "cudagraph_mode": (
        Literal["NONE", "PIECEWISE", "FULL", "FULL_DECODE_ONLY", "FULL_AND_PIECEWISE"],
        "NONE, PIECEWISE, FULL, FULL_DECODE_ONLY or FULL_AND_PIECEWISE",
    ),
    "cudagraph_capture_sizes": (_SIZES, "a list of whole numbers, each at least 1"),
    "max_cudagraph_capture_size": (_WHOLE, "a whole number, at least 1"),
    "compile_sizes": (_SIZES, "a list of whole numbers, each at least 1"),
    "use_inductor_graph_partition": (_BOOLEAN, "true or false"),
}
"""Entries of `compilation_config`: type and words for it."""

ALLOWED: dict[str, tuple[Any, str]] = {
    "async_scheduling": (_BOOLEAN, "true or false"),
    "attention_backend": (
        Literal["FLASH_ATTN", "FLASHINFER", "TRITON_ATTN", "FLEX_ATTENTION"],
        "FLASH_ATTN, FLASHINFER, TRITON_ATTN or FLEX_ATTENTION",
    ),
    "block_size": (_WHOLE, "a whole number, at least 1"),
    "compilation_config": (dict[str, Any], f"a mapping with any of {', '.join(_COMPILATION)}"),
    "cudagraph_capture_sizes": _COMPILATION["cudagraph_capture_sizes"],
    "disable_cascade_attn": (_BOOLEAN, "true or false"),
    "disable_custom_all_reduce": (_BOOLEAN, "true or false"),
    "enable_chunked_prefill": (_BOOLEAN, "true or false"),
    "enable_flashinfer_autotune": (_BOOLEAN, "true or false"),
    "enable_prefix_caching": (_BOOLEAN, "true or false"),
    "enforce_eager": (_BOOLEAN, "true or false"),
    "long_prefill_token_threshold": (_WHOLE, "a whole number, at least 1"),
    "max_cudagraph_capture_size": _COMPILATION["max_cudagraph_capture_size"],
    "max_num_batched_tokens": (_WHOLE, "a whole number, at least 1"),
    "max_parallel_loading_workers": (_WHOLE, "a whole number, at least 1"),
    "num_gpu_blocks_override": (_WHOLE, "a whole number, at least 1"),
    "numa_bind": (_BOOLEAN, "true or false"),
    "optimization_level": (Annotated[int, Field(ge=0, le=3, strict=True)], "a whole number from 0 to 3"),
    "performance_mode": (
        Literal["balanced", "interactivity", "throughput"],
        "balanced, interactivity or throughput",
    ),
    "safetensors_load_strategy": (Literal["lazy", "eager", "prefetch"], "lazy, eager or prefetch"),
    "scheduler_reserve_full_isl": (_BOOLEAN, "true or false"),
}
"""Arguments of vLLM's EngineArgs that may be set: type and words for it."""

_OURS = {
    "data_parallel_size": "compute.vllm.data_parallel",
    "dtype": "compute.vllm.dtype",
    "gpu_memory_utilization": "compute.vllm.memory_share",
    "kv_cache_memory_bytes": "compute.vllm.memory_share (cache_gib on a CPU)",
    "max_model_len": "compute.vllm.max_model_tokens",
    "max_num_seqs": "compute.vllm.max_sequences",
    "model": "model",
    "pipeline_parallel_size": "compute.vllm.tensor_parallel",
    "quantization": "compute.vllm.quantization",
    "seed": "seed",
    "swap_space": "compute.vllm.memory_share (cache_gib on a CPU)",
    "tensor_parallel_size": "compute.vllm.tensor_parallel",
}
_OUR_NAMES = (
    "cache_gib",
    "data_parallel",
    "max_model_tokens",
    "max_sequences",
    "memory_share",
    "tensor_parallel",
)
"""Settings of `compute.vllm`, which stand one level higher than `extra`."""
_RESULTS = "it changes results"
_CODE = "it loads code"
_INTERNAL = "this software sets it itself"
_KEEPS_OLD = "it keeps weights or cache that new weights do not replace"
_REFUSED = {
    "kv_cache_dtype": _RESULTS,
    "kv_cache_dtype_skip_layers": _RESULTS,
    "calculate_kv_scales": _RESULTS,
    "mamba_cache_dtype": _RESULTS,
    "mamba_ssm_cache_dtype": _RESULTS,
    "quantization_config": _RESULTS,
    "use_fp64_gumbel": _RESULTS,
    "override_generation_config": _RESULTS,
    "disable_sliding_window": _RESULTS,
    "speculative_config": _RESULTS,
    "watermark_config": _RESULTS,
    "enable_lora": _RESULTS,
    "hf_overrides": _RESULTS,
    "rope_scaling": _RESULTS,
    "config_format": _CODE,
    "distributed_executor_backend": _CODE,
    "hf_config_path": _CODE,
    "io_processor_plugin": _CODE,
    "logits_processors": _CODE,
    "model_class_overrides": _CODE,
    "model_impl": _CODE,
    "reasoning_parser_plugin": _CODE,
    "scheduler_cls": _CODE,
    "trust_remote_code": _CODE,
    "worker_cls": _CODE,
    "worker_extension_cls": _INTERNAL,
    "disable_log_stats": _INTERNAL,
    "enable_sleep_mode": _INTERNAL,
    "generation_config": _INTERNAL,
    "load_format": _INTERNAL,
    "logprobs_mode": _INTERNAL,
    "served_model_name": _INTERNAL,
    "skip_tokenizer_init": _INTERNAL,
    "tokenizer": _INTERNAL,
    "tokenizer_mode": _INTERNAL,
    "weight_transfer_config": _INTERNAL,
    "cpu_offload_gb": _KEEPS_OLD,
    "offload_backend": _KEEPS_OLD,
    "kv_offloading_size": _KEEPS_OLD,
    "kv_offloading_backend": _KEEPS_OLD,
    "kv_transfer_config": _KEEPS_OLD,
}


def _checked(extra: Any) -> Any:
    """Return `extra` if all its names and values are allowed. Raises ValueError, which says what to write instead."""
    if isinstance(extra, Mapping):
        for name, value in extra.items():
            _check(str(name), value)
        if set(_SIZE_NAMES).intersection(extra) and set(_SIZE_NAMES).intersection(extra.get("compilation_config", ())):
            raise ValueError(
                f"{' and '.join(_SIZE_NAMES)} stand both in compilation_config and outside; keep one place"
            )
    return extra


_SIZE_NAMES = ("cudagraph_capture_sizes", "max_cudagraph_capture_size")


def _check(name: str, value: Any) -> None:
    if name in _OUR_NAMES:
        raise ValueError(f"{name} is no argument of vLLM: use compute.vllm.{name}")
    if name in _OURS:
        raise ValueError(f"{name} has a setting here: use {_OURS[name]}")
    if name in _REFUSED:
        raise ValueError(f"{name} cannot be set: {_REFUSED[name]}, and `extra` is for speed and memory only")
    if name not in ALLOWED:
        close = get_close_matches(name.replace("-", "_").lower(), [*ALLOWED, *_OURS], n=1)
        hint = f"did you mean {close[0]}? Allowed" if close else "allowed"
        raise ValueError(f"{name} is no argument of speed or memory that is known here; {hint}: {', '.join(ALLOWED)}")
    _check_value(name, value, ALLOWED[name])
    if name == "compilation_config":
        for entry, inner in value.items():
            if entry not in _COMPILATION:
                raise ValueError(
                    f"compilation_config.{entry} cannot be set: it may change results or load code; allowed: "
                    f"{', '.join(_COMPILATION)}"
                )
            _check_value(f"{name}.{entry}", inner, _COMPILATION[entry])


def _check_value(name: str, value: Any, expected: tuple[Any, str]) -> None:
    kind, words = expected
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError:
        raise ValueError(f"{name}: expected {words}, found {value!r}") from None


VllmExtra = Annotated[dict[str, JsonValue], BeforeValidator(_checked)]
"""Arguments of vLLM by their names in its EngineArgs, all of them in `ALLOWED`."""
