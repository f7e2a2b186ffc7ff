"""Log-probabilities of vLLM's two samplers, with stand-ins for the samplers: before penalty and cut, at temperature."""

import logging
import types
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from stages.engines import vllm_extension
from stages.engines.vllm_extension import Worker, keep_uncut, scale_logprobs

LOGITS = torch.randn(4, 50, generator=torch.Generator().manual_seed(0), dtype=torch.float32).bfloat16()


class Sampler2:
    """As vLLM's sampler of model runner 2 (v1/worker/gpu/sample/sampler.py), without its kernels."""

    def __init__(self, temperature: list[float], top_p: list[float], penalty: list[float]) -> None:
        self.sampling_states = types.SimpleNamespace(
            temperature=types.SimpleNamespace(np=np.array(temperature, np.float32)),
            top_p=types.SimpleNamespace(np=np.array(top_p, np.float32)),
            apply_temperature=self._divide,
        )
        self.penalties_state = types.SimpleNamespace(use_penalty=np.array(penalty) != 0)
        self._penalty = penalty

    def _divide(self, logits: Tensor, expanded_rows: Tensor, rows_np: np.ndarray[Any, Any]) -> None:
        for i, row in enumerate(rows_np):
            if (temperature := float(self.sampling_states.temperature.np[row])) not in (0, 1):
                logits[i] /= temperature

    def sample(
        self, logits: Tensor, expanded_rows: Tensor, rows: Tensor, rows_np: Any, pos: Tensor, return_logprobs: bool
    ) -> tuple[Tensor, Tensor]:
        processed = torch.empty_like(logits, dtype=torch.float32).copy_(logits)
        for i, row in enumerate(rows_np):
            processed[i, :10] -= self._penalty[row]
        self._divide(processed, expanded_rows, rows_np)
        for i, row in enumerate(rows_np):
            if self.sampling_states.top_p.np[row] < 1:
                processed[i, processed[i] < processed[i].median()] = -torch.inf
        return processed.argmax(-1), processed


def logprobs(sampler: Sampler2, rows: list[int]) -> tuple[Tensor, Tensor]:
    """Return the tokens and the log-probabilities of all tokens, as the sampler's `__call__` takes them."""
    index = torch.tensor(rows)
    logits = LOGITS[index]
    before = logits.clone()
    sampled, processed = sampler.sample(logits, index, index, np.array(rows), index, return_logprobs=True)
    assert torch.equal(logits, before)
    return sampled, processed.float().log_softmax(-1)


@pytest.mark.parametrize("top_p", [1.0, 0.9])
@pytest.mark.parametrize("penalty", [0.0, 1.5])
@pytest.mark.parametrize("temperature", [0.0, 0.6, 1.0])
def test_runner_2_gives_those_of_the_full_distribution(temperature: float, penalty: float, top_p: float) -> None:
    """The other rows are greedy or of temperature 1, and neither cut nor penalised."""
    settings = ([0.0, temperature, 1.0, temperature], [1.0, top_p, 1.0, 1.0], [0.0, 0.0, 0.0, penalty])
    sampler, rows = Sampler2(*settings), [3, 1, 0, 2]
    keep_uncut(sampler)
    sampled, found = logprobs(sampler, rows)
    scale = torch.tensor([settings[0][row] or 1.0 for row in rows])
    torch.testing.assert_close(found, (LOGITS[rows].float() / scale[:, None]).log_softmax(-1))
    assert torch.equal(sampled, logprobs(Sampler2(*settings), rows)[0])


def test_batches_without_cut_and_penalty_are_left_to_vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows 1 and 2 of the batch; row 0 is cut, but of another batch."""
    sampler = Sampler2([0.7, 0.7, 0.7], [0.9, 1.0, 1.0], [1.0, 0.0, 0.0])
    keep_uncut(sampler)
    monkeypatch.setattr(sampler.sampling_states, "apply_temperature", None)
    index = torch.tensor([1, 2])
    _, processed = sampler.sample(LOGITS[index], index, index, np.array([1, 2]), index, return_logprobs=True)
    torch.testing.assert_close(processed, LOGITS[index].float() / 0.7)


def test_an_unknown_sampler_is_refused() -> None:
    with pytest.raises(RuntimeError, match=r"SimpleNamespace, whose .* set VLLM_USE_V2_MODEL_RUNNER=0"):
        keep_uncut(types.SimpleNamespace(sample=None))


class Sampler1(torch.nn.Module):
    """As vLLM's sampler of model runner 1 (v1/sample/sampler.py), in the mode that runner 2 was to have."""

    def __init__(self) -> None:
        super().__init__()
        self.logprobs_mode = "processed_logprobs"
        self.topk_topp_sampler = types.SimpleNamespace(logprobs_mode="processed_logprobs")

    def compute_logprobs(self, logits: Tensor) -> Tensor:
        raise AssertionError("vLLM's own")

    def forward(self, logits: Tensor, sampling_metadata: Any) -> Tensor:
        assert self.logprobs_mode == self.topk_topp_sampler.logprobs_mode == "raw_logprobs"
        return self.compute_logprobs(logits)


@pytest.mark.parametrize("named", [True, False])
def test_runner_1_gives_those_at_the_temperature(named: bool) -> None:
    sampler = Sampler1()
    scale_logprobs(sampler)
    metadata = types.SimpleNamespace(temperature=torch.tensor([0.0, 0.5, 1.0, 2.0]))
    found = sampler(LOGITS, sampling_metadata=metadata) if named else sampler(LOGITS, metadata)
    scale = torch.tensor([1.0, 0.5, 1.0, 2.0])
    torch.testing.assert_close(found, (LOGITS.float() / scale[:, None]).log_softmax(-1))
    torch.testing.assert_close(sampler(LOGITS, types.SimpleNamespace(temperature=None)), LOGITS.float().log_softmax(-1))


def test_a_worker_prepares_the_sampler_of_its_runner_and_says_which_it_got(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    prepared: list[str] = []
    monkeypatch.setattr(vllm_extension, "keep_uncut", lambda _: prepared.append("2"))
    monkeypatch.setattr(vllm_extension, "scale_logprobs", lambda _: prepared.append("1"))
    caplog.set_level(logging.WARNING)
    for requested, runs, warnings in ((2, 2, 0), (2, 1, 1), (1, 1, 1)):
        monkeypatch.setattr(vllm_extension, "model_runner", lambda requested=requested: requested)
        worker = Worker()
        worker.model_runner = types.SimpleNamespace(sampler=None)
        worker.use_v2_model_runner = runs == 2  # type: ignore[attr-defined]
        worker.serl_prepare()
        assert prepared.pop() == str(runs) and len(caplog.records) == warnings
    assert "runs this model with model runner 1" in caplog.text
