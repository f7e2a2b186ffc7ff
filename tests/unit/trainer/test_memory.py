"""The calculated memory of an update: against peaks seen on an H200, and how each setting changes it."""

from pathlib import Path

import pytest

from stages.settings.trainer import TrainerPlacement
from stages.settings.update import LoraConfig, UpdateConfig
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


def test_parts_are_named_largest_first() -> None:
    text = update_memory(QWEN2_1_5B, _form(), 4096).text()
    assert text.startswith("moments 11.5, ") and text.endswith(" GiB") and "reference" not in text
