"""The calculated memory of an update: against peaks seen on an H200, and how each setting changes it."""

import os
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedConfig

from stages.settings.trainer import TrainerPlacement
from stages.settings.update import LoraConfig, UpdateConfig
from stages.trainer import gpu_memory, worker
from stages.trainer.memory import (
    FEWEST_TOKENS,
    GIB,
    MOST_TOKENS,
    ModelShape,
    UpdateForm,
    largest_micro_batch,
    update_memory,
)

QWEN2_1_5B = ModelShape.of(
    {
        "vocab_size": 151_936,
        "hidden_size": 1536,
        "intermediate_size": 8960,
        "num_hidden_layers": 28,
        "num_attention_heads": 12,
        "num_key_value_heads": 2,
    },
    1_543_714_304,
)


def _form(**changes: object) -> UpdateForm:
    return UpdateForm(**{"reference": False, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(("checkpointing", "seen"), [(False, 44), (True, 19)])
def test_peaks_that_an_h200_showed_are_just_below_the_calculated_ones(checkpointing: bool, seen: float) -> None:
    """The optimiser took no step there, so masters and moments had no memory."""
    memory = update_memory(QWEN2_1_5B, _form(gradient_checkpointing=checkpointing), 16_384)
    measured = (memory.weights + memory.gradients + memory.activations + memory.logits) / GIB
    assert seen <= measured <= 1.3 * seen


def test_optimiser_and_gradients_by_stage_of_zero() -> None:
    n = QWEN2_1_5B.parameters
    by_stage = [update_memory(QWEN2_1_5B, _form(zero_stage=stage, processes=4), 4096) for stage in range(4)]
    assert [memory.weights for memory in by_stage] == [2 * n, 2 * n, 2 * n, 2 * n // 4]
    assert [memory.masters for memory in by_stage] == [4 * n, n, n, n]
    assert [memory.moments for memory in by_stage] == [8 * n, 2 * n, 2 * n, 2 * n]
    assert [memory.gradients for memory in by_stage] == [6 * n, 6 * n, 3 * n, n + 2 * n // 4]
    offloaded = update_memory(QWEN2_1_5B, _form(zero_stage=3, offloads_optimizer=True, offloads_weights=True), 4096)
    assert (offloaded.weights, offloaded.masters, offloaded.moments) == (0, 0, 0)
    plain = update_memory(QWEN2_1_5B, _form(bytes_per_weight=4), 4096)
    assert (plain.weights, plain.masters, plain.moments, plain.gradients) == (4 * n, 0, 8 * n, 4 * n)


def test_critic_reference_and_adapters() -> None:
    n = QWEN2_1_5B.parameters
    alone = update_memory(QWEN2_1_5B, _form(), 4096)
    both = update_memory(QWEN2_1_5B, _form(critic=True, reference=True), 4096)
    assert (both.weights, both.moments, both.reference) == (2 * alone.weights, 2 * alone.moments, 2 * n)
    assert both.activations == alone.activations
    adapted = update_memory(QWEN2_1_5B, _form(adapter_rank=16), 4096)
    trained = QWEN2_1_5B.adapter_parameters(16)
    assert 15e6 < trained < 25e6
    assert (adapted.weights, adapted.moments) == (2 * (n + trained), 8 * trained)


def test_settings_decide_the_form() -> None:
    placement = TrainerPlacement(dtype="bfloat16", processes_per_node=2, gradient_checkpointing=True)
    config = UpdateConfig(algorithm="ppo", kl_coef=0.0, lora=LoraConfig(rank=8))
    zero = {"zero_optimization": {"stage": 3, "offload_optimizer": {"device": "cpu"}}}
    assert UpdateForm.of(placement, config, zero, compiled=False) == UpdateForm(
        bytes_per_weight=2,
        zero_stage=3,
        processes=2,
        offloads_optimizer=True,
        gradient_checkpointing=True,
        compiled=False,
        adapter_rank=8,
        reference=False,
        critic=True,
    )
    form = UpdateForm.of(TrainerPlacement(deepspeed=Path("x")), UpdateConfig(), {}, compiled=False)
    assert (form.bytes_per_weight, form.reference, form.packed_by_kernel) == (4, True, False)


@pytest.mark.parametrize(
    "change", [{"gradient_checkpointing": False}, {"compiled": False}, {"packed_by_kernel": False}, {"critic": True}]
)
def test_less_memory_means_smaller_micro_batches(change: dict[str, bool]) -> None:
    small = UpdateForm(gradient_checkpointing=True)
    large = UpdateForm(**{"gradient_checkpointing": True, **change})
    sizes = [largest_micro_batch(QWEN2_1_5B, small, memory * GIB) for memory in (0, 24, 48, 60, 80, 140)]
    assert sizes == sorted(sizes) and sizes[0] == FEWEST_TOKENS and sizes[-1] == MOST_TOKENS
    assert all(size % 1024 == 0 for size in sizes)
    for memory in (40, 50, 60):
        assert largest_micro_batch(QWEN2_1_5B, large, memory * GIB) <= largest_micro_batch(
            QWEN2_1_5B, small, memory * GIB
        )
    size = largest_micro_batch(QWEN2_1_5B, UpdateForm(), 80 * GIB)
    assert FEWEST_TOKENS < size < MOST_TOKENS
    assert update_memory(QWEN2_1_5B, UpdateForm(), size).total <= 80 * GIB
    assert update_memory(QWEN2_1_5B, UpdateForm(), size + 1024).total > 80 * GIB


def test_configs_of_other_architectures() -> None:
    gpt2 = ModelShape.of({"vocab_size": 9, "n_embd": 64, "n_head": 4, "n_layer": 2}, 1)
    assert (gpt2.intermediate, gpt2.query, gpt2.key) == (256, 64, 64)
    experts = {"vocab_size": 9, "hidden_size": 64, "num_attention_heads": 4, "num_hidden_layers": 2, "head_dim": 32}
    mixture = experts | {"intermediate_size": 100, "num_experts_per_tok": 4, "moe_intermediate_size": 50}
    shape = ModelShape.of(mixture, 1)
    assert (shape.intermediate, shape.query) == (200, 128)
    with pytest.raises(KeyError, match="hidden_size"):
        ModelShape.of({"vocab_size": 9}, 1)


class _Model(torch.nn.Linear):
    def __init__(self, **config: int) -> None:
        super().__init__(3, 5, bias=False)
        text = PreTrainedConfig(vocab_size=9, num_attention_heads=2, num_hidden_layers=2, **config)
        self.config = PreTrainedConfig(text_config=text)
        self.config.get_text_config = lambda: text  # type: ignore[method-assign, assignment]


def test_size_of_micro_batches_by_free_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    known, unknown = (gpu_memory.shape_of(_Model(**config)) for config in ({"hidden_size": 32}, {}))  # type: ignore[arg-type]
    assert known is not None and (known.parameters, known.hidden, unknown) == (15, 32, None)
    assert gpu_memory.usable_memory(torch.device("cpu")) is None
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (50 * GIB, 80 * GIB))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 20 * GIB)
    memory = gpu_memory.usable_memory(torch.device("cuda"))
    assert memory == 70 * GIB
    form = UpdateForm()
    expected = largest_micro_batch(QWEN2_1_5B, form, 70 * GIB)
    assert gpu_memory.fitting_tokens(QWEN2_1_5B, form, memory) == expected
    assert gpu_memory.fitting_tokens(unknown, form, memory) == gpu_memory.fitting_tokens(QWEN2_1_5B, form, None) == 8192


@pytest.mark.parametrize(
    ("device", "variables", "refuses", "expected"),
    [
        ("cpu", {}, False, []),
        ("cuda", {}, False, ["expandable_segments:True"]),
        ("cuda", {}, True, ["expandable_segments:True", "expandable_segments:False"]),
        ("cuda", {"PYTORCH_ALLOC_CONF": "max_split_size_mb:512"}, False, []),
        ("cuda", {"PYTORCH_CUDA_ALLOC_CONF": ""}, False, []),
    ],
)
def test_blocks_of_memory_grow_on_a_gpu_unless_the_user_decides(
    device: str,
    variables: dict[str, str],
    refuses: bool,
    expected: list[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings: list[str] = []

    def allocate(*_: object, **__: object) -> None:
        if refuses:
            raise RuntimeError("CUDA driver error: operation not supported\nmore lines")

    for name in ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch._C, "_accelerator_setAllocatorSettings", settings.append)
    monkeypatch.setattr(torch, "empty", allocate)
    before = dict(os.environ)
    assert gpu_memory.use_expandable_segments(torch.device(device)) == (expected == ["expandable_segments:True"])
    assert settings == expected and dict(os.environ) == before  # vLLM's process inherits no such setting
    assert len(caplog.messages) == refuses


def test_a_torch_without_the_setting_keeps_blocks_of_fixed_sizes(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delattr(torch._C, "_accelerator_setAllocatorSettings")
    assert not gpu_memory.use_expandable_segments(torch.device("cuda", 0)) and len(caplog.messages) == 1


def test_what_holds_memory_is_said_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (2 * GIB, 80 * GIB))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 71 * GIB)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 70 * GIB)
    text = gpu_memory.memory_text(QWEN2_1_5B, UpdateForm(), 32_768, torch.device("cuda"))
    assert "holds 71.0 GiB of the GPU's 80.0 GiB, at most 70.0 in tensors, and 2.0 are free; " in text
    assert "32,768 tokens takes, by calculation: activations " in text
    for part in (
        "(micro_batch_tokens, gradient_checkpointing, compile)",
        "logits 7.4 (micro_batch_tokens)",
        "reference 2.9 (update.kl_coef: 0)",
        "moments 11.5 (ZeRO stage 1, offload_optimizer, update.lora)",
    ):
        assert part in text
    assert gpu_memory.memory_text(QWEN2_1_5B, UpdateForm(), 1, torch.device("cpu")) == ""


@pytest.mark.parametrize(
    ("error", "starts", "contains"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), "out of memory: lower", "held much"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"), "out of memory: lower", "held much"),
        (MemoryError(), "out of memory: lower", "gradient_checkpointing"),
        (RuntimeError("CUDA error: device-side assert\n triggered"), "the GPU or its driver failed", "the next start"),
        (RuntimeError("CUDA driver error: unknown error"), "the GPU or its driver failed", "unknown error"),
        (RuntimeError("NCCL error: unhandled CUDA error"), "a process of the trainer was lost", "NCCL"),
        (ValueError("plain"), "ValueError: plain", ""),
    ],
)
def test_reasons_in_one_line(error: Exception, starts: str, contains: str) -> None:
    error.add_note("held much")
    reason = worker._reason(error)
    assert reason.startswith(starts) and contains in reason and "\n" not in reason


def test_parts_are_named_largest_first() -> None:
    text = update_memory(QWEN2_1_5B, _form(), 4096).text()
    assert text.startswith("moments 11.5, ") and text.endswith(" GiB") and "reference" not in text
