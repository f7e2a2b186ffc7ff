"""How fast optimiser steps are, and what memory they need."""

import resource
import time
from collections.abc import Sequence

import torch
from transformers import PreTrainedModel

_PEAK_FLOPS = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "L4": 121e12}
"""Dense 16-bit tensor throughput by a part of the device's name (makers' data sheets)."""


class Meter:
    """One row per optimiser step, see `SPEED_COLUMNS`."""

    def __init__(self, model: PreTrainedModel, device: torch.device, world_size: int) -> None:
        self.rows: list[dict[str, float | None]] = []
        self._device, self._world_size = device, world_size
        config = model.config
        self._vocabulary_weights = config.vocab_size * config.hidden_size
        shapes = [getattr(parameter, "ds_shape", parameter.shape) for parameter in model.parameters()]
        embeddings = 1 if config.tie_word_embeddings else 2
        self._body_weights = sum(shape.numel() for shape in shapes) - embeddings * self._vocabulary_weights
        self._attention = config.num_hidden_layers * config.hidden_size
        self._last = time.perf_counter()

    def lap(self, *, step: int, lengths: Sequence[tuple[int, int]]) -> None:
        """The step has ended; `lengths` are prompt and response tokens of its responses."""
        now = time.perf_counter()
        seconds, self._last = now - self._last, now
        responses = sum(response for _, response in lengths)
        tokens = sum(prompt + response for prompt, response in lengths)
        self.rows.append(
            {
                "step": step,
                "seconds": seconds,
                "tokens_per_second": responses / seconds,
                "sequence_tokens": float(tokens),
                "peak_memory_mib": self._peak_memory() / 2**20,
                "model_flops_utilisation": self._utilisation(lengths, seconds),
            }
        )

    def _utilisation(self, lengths: Sequence[tuple[int, int]], seconds: float) -> float | None:
        """Useful floating-point operations per second over what the device could do (PaLM, arXiv 2204.02311,
        appendix B): 6 per weight and token, of the output layer for response tokens only, and attention's, of which
        causal masking leaves half. Recomputed activations do not count."""
        if self._device.type != "cuda":
            return None
        name = torch.cuda.get_device_name(self._device)
        peak = next((flops for part, flops in _PEAK_FLOPS.items() if part in name), None)
        if peak is None:
            return None
        flops: int = sum(
            6 * self._body_weights * (prompt + response)
            + 6 * self._vocabulary_weights * response
            + 6 * self._attention * (prompt + response) ** 2
            for prompt, response in lengths
        )
        return float(flops / (seconds * peak * self._world_size))

    def _peak_memory(self) -> int:
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device)
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
