"""Speed and memory of optimiser steps, on a CPU and on a stand-in for a GPU."""

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from stages.trainer.speed import Meter


@pytest.fixture(scope="module")
def model() -> PreTrainedModel:
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = AutoConfig.for_model("qwen2", vocab_size=50, num_key_value_heads=1, tie_word_embeddings=True, **sizes)
    tiny: PreTrainedModel = AutoModelForCausalLM.from_config(config)
    return tiny


def test_a_cpu_has_no_peak(model: PreTrainedModel) -> None:
    meter = Meter(model, torch.device("cpu"), world_size=1)
    meter.lap(step=1, lengths=[(4, 8)])
    (row,) = meter.rows
    assert row["model_flops_utilisation"] is None and (row["peak_memory_mib"] or 0) > 10


@pytest.mark.parametrize(("name", "peak"), [("NVIDIA H200", 989e12), ("NVIDIA L4", 121e12), ("NVIDIA Z9000", None)])
def test_a_gpu_is_compared_with_its_peak(
    model: PreTrainedModel, monkeypatch: pytest.MonkeyPatch, name: str, peak: float | None
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: name)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 3 * 2**20)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: None)
    meter = Meter(model, torch.device("cuda"), world_size=2)
    meter.lap(step=1, lengths=[(4, 8), (2, 3)])
    (row,) = meter.rows
    assert row["peak_memory_mib"] == 3.0
    body = sum(parameter.numel() for parameter in model.parameters()) - 50 * 16
    operations = sum(6 * body * (p + r) + 6 * 50 * 16 * r + 6 * 2 * 16 * (p + r) ** 2 for p, r in ((4, 8), (2, 3)))
    expected = peak and operations / ((row["seconds"] or 0) * 2 * peak)
    assert row["model_flops_utilisation"] == (None if expected is None else pytest.approx(expected))
