"""Compiled decoder layers: the same results, few compilations, and a fallback for what cannot be compiled."""

import logging
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._dynamo.utils import counters

from stages.trainer import compiled, packed_attention
from stages.trainer.batches import Packing, pack_sequences
from stages.trainer.models import TokenLogprobs, check_model, load_policy
from tests import varlen
from tests.tiny_models import make_tiny_policy

CPU, GPU = torch.device("cpu"), torch.device("cuda")
SIZES = (3, 17, 40, 1, 70)
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # torch reads `.grad` of tensors that are no leaves


@pytest.fixture(autouse=True)
def aot_eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything of `torch.compile` but the writing of kernels, which takes half a minute on a CPU."""
    torch._dynamo.reset()
    counters.clear()
    monkeypatch.setattr(compiled, "_BACKEND", "aot_eager")


@pytest.mark.parametrize(
    ("setting", "on_gpu", "on_cpu"), [("auto", True, False), (True, True, True), (False, False, False)]
)
def test_layers_are_compiled_on_a_gpu_without_stage_3(setting: Any, on_gpu: bool, on_cpu: bool) -> None:
    assert compiled.compiles(setting, GPU, 0) == compiled.compiles(setting, GPU, 2) == on_gpu
    assert compiled.compiles(setting, CPU, 0) == on_cpu
    assert not compiled.compiles(setting, GPU, 3) and not compiled.compiles(setting, CPU, 3)


def _policies(folder: Path, dtype: torch.dtype) -> tuple[TokenLogprobs, TokenLogprobs]:
    plain, other = (load_policy(folder, dtype=dtype, device=CPU) for _ in range(2))
    return plain, other


def _packing(size: int, *, end_to_end: bool) -> Packing:
    sequences = [(0, [5, 6, 7], list(range(5, 5 + size + row))) for row in range(1 + size % 4)]
    return pack_sequences(sequences, end_to_end=end_to_end)


def _results(policy: TokenLogprobs, packing: Packing) -> tuple[Tensor, dict[str, Tensor]]:
    policy.zero_grad()
    logprobs_N, _ = policy(packing, 1.0)
    logprobs_N.sum().backward()
    return logprobs_N.detach(), {name: p.grad for name, p in policy.named_parameters() if p.grad is not None}


@pytest.mark.slow
def test_padded_rows_with_gradient_checkpointing(tmp_path: Path) -> None:
    """In float32 on a CPU, where attention itself is not compiled."""
    plain, policy = _policies(make_tiny_policy(tmp_path), torch.float32)
    policy.model.gradient_checkpointing_enable({"use_reentrant": False})
    policy.train()
    _compile(policy, end_to_end=False)
    assert all(parameter.grad is None for parameter in policy.parameters())
    graphs = counters["stats"]["unique_graphs"]
    for size in SIZES:
        packing = _packing(size, end_to_end=False)
        (expected, expected_gradients), (logprobs_N, gradients) = (_results(p, packing) for p in (plain, policy))
        torch.testing.assert_close(logprobs_N, expected, atol=1e-5, rtol=1e-5)
        for name, gradient in gradients.items():
            torch.testing.assert_close(gradient, expected_gradients[name], atol=1e-4, rtol=1e-4, msg=name)
        with torch.no_grad():
            torch.testing.assert_close(policy(packing, 1.0)[0], expected, atol=1e-5, rtol=1e-5)
    check_model(policy, tmp_path)  # which computes with transformers' own attention in between
    assert counters["stats"]["unique_graphs"] == graphs  # the trial has compiled everything


@pytest.mark.slow
def test_rows_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In bfloat16 with the kernel's stand-in: a layer is one graph, sliding window or not, whatever the lengths."""
    varlen.install()
    monkeypatch.setattr(packed_attention, "has_kernel", lambda device, dtype: dtype != torch.float32)
    monkeypatch.setattr(packed_attention, "_largest_head", lambda device: 256)
    config: dict[str, Any] = {"layer_types": ["sliding_attention", "full_attention"], "sliding_window": 4}
    plain, policy = _policies(make_tiny_policy(tmp_path, arch="gemma3_text", **config), torch.bfloat16)
    _compile(policy, end_to_end=True)
    graphs = counters["stats"]["unique_graphs"]
    assert graphs <= 4 and not counters["graph_break"]
    for size in SIZES:
        packing = _packing(size, end_to_end=True)
        (expected, expected_gradients), (logprobs_N, gradients) = (_results(p, packing) for p in (plain, policy))
        torch.testing.assert_close(logprobs_N, expected, atol=0.1, rtol=0.05)
        for name, gradient in gradients.items():
            assert (gradient - expected_gradients[name]).norm() <= 0.1 * expected_gradients[name].norm() + 1e-3, name
        with torch.no_grad():
            # The ratio of new to old probabilities starts at 1.
            torch.testing.assert_close(policy(packing, 1.0)[0], logprobs_N, atol=0, rtol=0)
    assert counters["stats"]["unique_graphs"] == graphs


def test_a_model_that_cannot_be_compiled_runs_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(graph: object, inputs: object) -> None:
        raise ValueError("no C++ compiler\nhere")

    monkeypatch.setattr(compiled, "_BACKEND", refuse)
    plain, policy = _policies(make_tiny_policy(tmp_path), torch.float32)
    with caplog.at_level(logging.WARNING):
        _compile(policy, end_to_end=False)
        results = [_results(p, _packing(5, end_to_end=False)) for p in (plain, policy)]
    assert torch.equal(results[0][0], results[1][0])
    lines = [record.getMessage() for record in caplog.records if record.name == compiled.__name__]
    assert len(lines) == 1 and "\n" not in lines[0]
    assert lines[0].startswith("Qwen2DecoderLayer runs without torch.compile") and "no C++ compiler here" in lines[0]


def test_a_gpu_tries_a_micro_batch_of_an_updates_size_and_a_small_one_if_memory_runs_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert compiled.trial_repeats(CPU) == (1,) and compiled.trial_repeats(GPU)[1:] == (1,)
    policy = load_policy(make_tiny_policy(tmp_path), dtype=torch.float32, device=CPU)
    monkeypatch.setattr(compiled, "trial_repeats", lambda device: (118, 1))
    sizes = []

    def compute(packing: Packing) -> Tensor:
        sizes.append(len(packing.tokens))
        if len(sizes) == 1:
            raise torch.OutOfMemoryError
        return torch.zeros(1, requires_grad=True)

    compiled.compile_layers(policy.model, compute, end_to_end=True)
    assert sizes == [8260, 70, 70]
    assert isinstance(policy.model.base_model.layers[0].forward, compiled._CompiledForward)


def test_a_later_refusal_turns_all_layers_off_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise torch._dynamo.exc.Unsupported("a new shape")

    plain, policy = _policies(make_tiny_policy(tmp_path), torch.float32)
    monkeypatch.setattr(compiled, "_try", lambda *_: None)
    monkeypatch.setattr(torch, "compile", lambda forward, **_: refused)
    _compile(policy, end_to_end=False)
    with caplog.at_level(logging.WARNING):
        results = [_results(p, _packing(5, end_to_end=False)) for p in (plain, policy)]
    assert torch.equal(results[0][0], results[1][0])
    assert len([record for record in caplog.records if record.name == compiled.__name__]) == 1
    assert all("forward" not in vars(layer) for layer in policy.modules())


def _compile(policy: TokenLogprobs, *, end_to_end: bool) -> None:
    compiled.compile_layers(policy.model, lambda packing: policy(packing, 1.0)[0], end_to_end=end_to_end)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="the compiler's C++ compiler, g++, is not on this machine")
def test_kernels_round_as_the_layers_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With and without gradients, in 16 bits: else the ratio of new to old probabilities would not start at 1."""
    monkeypatch.setattr(compiled, "_BACKEND", "inductor")
    plain, policy = _policies(make_tiny_policy(tmp_path), torch.bfloat16)
    _compile(policy, end_to_end=False)
    packing = _packing(40, end_to_end=False)
    with torch.no_grad():
        expected, logprobs_N = plain(packing, 1.0)[0], policy(packing, 1.0)[0]
    assert isinstance(policy.model.base_model.layers[0].forward, compiled._CompiledForward)
    assert torch.equal(logprobs_N, expected) and torch.equal(policy(packing, 1.0)[0], expected)
