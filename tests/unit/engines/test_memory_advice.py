"""Errors of vLLM about memory: which are recognised, what they say holds how much, and what to set."""

import importlib.util
import os
from dataclasses import replace
from pathlib import Path

import pytest

from stages.engines import memory_advice as module
from stages.engines.child_errors import Stderr
from stages.engines.gpu import Card, Holder
from stages.engines.memory_advice import held_text, memory_advice
from stages.engines.vllm_errors import as_input_error, died_while_answering
from stages.settings.engines import VllmPlacement
from storage.errors import InputError
from tests.cuda import H200, Driver, machine_with
from tests.tiny_models import make_tiny_policy

OTHERS = "another process holds the rest"
CACHE = "or raise memory_share (cache_gib on a CPU)"
RAN_OUT = "lower compute.vllm.max_sequences (logits"
CUDA_OUT_OF_MEMORY = (
    "OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 139.80 GiB of "
    "which 1.20 GiB is free. Including non-PyTorch memory, this process has 138.00 GiB memory in use."
)
MESSAGES = [
    # Of vLLM 0.32: file and line below the package, a piece of the source, the message as it is raised, the advice.
    (
        "v1/core/kv_cache_utils.py:1011",
        "No available memory for the cache blocks. ",
        "No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when initializing the "
        "engine (this flag also controls CPU memory reservation on the CPU backend, despite its name).",
        CACHE,
    ),
    (
        "v1/core/kv_cache_utils.py:1031",
        "To serve at least one request with the model's max seq len ",
        "To serve at least one request with the model's max seq len (4096), (2.1 GiB KV cache is needed, which is "
        "larger than the available KV cache memory (1.0 GiB). Based on the available memory, the estimated maximum "
        "model length is 2000. Try increasing `gpu_memory_utilization`",
        CACHE,
    ),
    (
        "v1/core/kv_cache_utils.py:2455",
        "Cannot auto-fit max_model_len: not enough GPU memory available ",
        "Cannot auto-fit max_model_len: not enough GPU memory available to serve even a single token.",
        CACHE,
    ),
    (
        "v1/worker/utils.py:763",
        "is less than desired GPU memory utilization ",
        "Free memory on device cuda:0 (2.1/79.2 GiB) on startup is less than desired GPU memory utilization (0.9, "
        "71.2 GiB). Decrease GPU memory utilization or reduce GPU memory used by other processes.",
        OTHERS,
    ),
    (
        "v1/worker/utils.py:732",
        "Externally held weights on device ",
        "Externally held weights on device cuda:0 (80.1/79.2 GiB) exceed the desired GPU memory utilization",
        OTHERS,
    ),
    (
        "v1/worker/gpu_worker.py:720",
        "Error in memory profiling. ",
        "AssertionError: Error in memory profiling. Initial free memory 50.1 GiB, current free memory 60.2 GiB.",
        OTHERS,
    ),
    (
        "v1/worker/gpu_model_runner.py:5140",
        "Failed to load model - not enough GPU memory. ",
        "Failed to load model - not enough GPU memory. Try lowering --gpu-memory-utilization to free memory",
        RAN_OUT,
    ),
    (
        "v1/worker/gpu_model_runner.py:5991",
        "CUDA out of memory occurred when warming up sampler with ",
        "CUDA out of memory occurred when warming up sampler with 1024 dummy requests. Please try lowering "
        "`max_num_seqs` or `gpu_memory_utilization` when initializing the engine.",
        RAN_OUT,
    ),
    (
        "v1/executor/multiproc_executor.py:445",
        "Worker failed with error '",
        "RuntimeError: Worker failed with error 'CUDA out of memory. Tried to allocate 2.00 GiB.', please check the "
        "stack trace above for the root cause",
        RAN_OUT,
    ),
    (
        "v1/worker/cpu_worker.py:84",
        "is less than desired CPU memory utilization ",
        "Available memory on node 0 (3.1/23.0 GiB) on startup is less than desired CPU memory utilization (0.9, 20.7)",
        RAN_OUT,
    ),
    (
        "v1/worker/cpu_worker.py:220",
        " allocation is less than requested memory for kv ",
        "Available memory on node 0 (3.1/23.0 GiB) on kv cache allocation is less than requested memory for kv (4 GiB)",
        RAN_OUT,
    ),
]
OTHER_MESSAGES = [
    # Of torch and CUDA, and messages that speak of memory although none is short.
    (CUDA_OUT_OF_MEMORY, RAN_OUT),
    ("AcceleratorError: CUDA error: out of memory", RAN_OUT),
    ("RuntimeError: CUDA Error: out of memory at /workspace/csrc/cumem_allocator.cpp:62", RAN_OUT),
    ("RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", RAN_OUT),
    ("RuntimeError: Triton Error [CUDA]: out of memory", RAN_OUT),
    ("RuntimeError: [enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried", RAN_OUT),
    ("MemoryError", RAN_OUT),
    ("ValueError: Unknown quantization method", ""),
    ("ValueError: max_num_batched_tokens (512) is smaller than max_model_len (4096).", ""),
    ("AcceleratorError: CUDA error: an illegal memory access was encountered", ""),
]


@pytest.mark.parametrize(("message", "advice"), [*(row[2:] for row in MESSAGES), *OTHER_MESSAGES])
def test_advice_on_memory_is_for_what_is_short(message: str, advice: str) -> None:
    assert advice in memory_advice(message) and bool(memory_advice(message)) == bool(advice)


@pytest.mark.vllm
def test_the_messages_are_vllms() -> None:
    spec = importlib.util.find_spec("vllm")
    assert spec is not None and spec.submodule_search_locations is not None
    for place, piece, *_ in MESSAGES:
        text = Path(spec.submodule_search_locations[0], place.partition(":")[0]).read_text()
        assert piece in text, place


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_policy(tmp_path_factory.mktemp("policy"))


def on(driver: Driver | None, placement: VllmPlacement, folder: Path) -> str:
    with machine_with(driver):
        return held_text(placement, folder)


def test_every_part_of_a_card_comes_with_the_setting_that_lowers_it(folder: Path) -> None:
    ours, theirs = Holder(os.getpid(), 9 * 2**30), Holder(2**30, 30 * 2**30)
    busy = replace(H200, free=20 * 2**30, holders=(ours, theirs))
    text = on(Driver([H200, busy, H200]), VllmPlacement(data_parallel=2), folder)
    assert text.startswith(
        "GPU 1, NVIDIA H200, has 140 GiB, 20.0 free now; this run's processes hold 9.0 GiB; process 1073741824 holds "
        "30.0 GiB; vLLM may take 0.9 of it (compute.vllm.memory_share), by calculation, with what lowers each part in "
        "brackets: cache of keys and values 125 GiB [memory_share], captured graphs 1.0 GiB [extra.enforce_eager: "
    )
    for part in ("weights", "activations", "logits"):
        assert part in text
    assert "captured graphs 0.0 GiB" in on(Driver(1), VllmPlacement(extra={"enforce_eager": True}), folder)


def test_on_a_cpu_main_memory_counts(folder: Path, tmp_path: Path) -> None:
    text = on(None, VllmPlacement(cache_gib=3), folder)
    assert text.startswith("by calculation vLLM holds weights 0.0 GiB, cache of keys and values 3.0 GiB [cache_gib]")
    assert "weights" not in on(None, VllmPlacement(), tmp_path)


def test_what_is_not_known_is_left_out(folder: Path, tmp_path: Path) -> None:
    assert on(Driver([Card("NVIDIA Old")]), VllmPlacement(), folder).startswith("the driver does not say")
    assert on(Driver(1), VllmPlacement(), tmp_path) == "GPU 0, NVIDIA H200, has 140 GiB, 140 free now"


def test_an_error_that_has_what_holds_the_memory_is_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with machine_with(Driver(1)), pytest.raises(InputError) as error, as_input_error(folder, VllmPlacement()):
        raise RuntimeError(CUDA_OUT_OF_MEMORY.replace(". ", ".\n") + " padding" * 90)
    text = str(error.value)
    assert "\n" not in text and "GPU 0, NVIDIA H200" in text and RAN_OUT in text
    with machine_with(Driver(1)):
        died = str(died_while_answering(Stderr(), CUDA_OUT_OF_MEMORY, VllmPlacement(), folder))
        assert "logits (sequences x vocabulary)" in died and died.endswith("parts that are finished")
        monkeypatch.setattr(module, "card_facts", lambda: 1 / 0)
        died = str(died_while_answering(Stderr(), CUDA_OUT_OF_MEMORY, VllmPlacement(), folder))
        assert RAN_OUT in died and "GPU 0, NVIDIA" not in died
