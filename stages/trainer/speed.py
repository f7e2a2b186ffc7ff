"""Speed and memory of optimiser steps."""

import resource
import time
from collections.abc import Sequence

import torch
from transformers import PreTrainedModel

from stages.engines.card_speeds import card_speed


class Meter:
    """Measures optimiser steps: one row per step, see `SPEED_COLUMNS`."""

    def __init__(self, model: PreTrainedModel, device: torch.device, world_size: int) -> None:
        self.rows: list[dict[str, float | None]] = []
        self._device, self._world_size = device, world_size
        config = model.config.get_text_config()
        self._vocabulary_weights = config.vocab_size * config.hidden_size
        shapes = [getattr(parameter, "ds_shape", parameter.shape) for parameter in model.parameters()]
        embeddings = 1 if config.tie_word_embeddings else 2
        self._body_weights = sum(shape.numel() for shape in shapes) - embeddings * self._vocabulary_weights
        self._layer_widths = config.num_hidden_layers * config.hidden_size
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)  # loading, and the compiler's trial, may have taken more
        self._last = time.perf_counter()

    def lap(self, *, step: int, lengths: Sequence[tuple[int, int]]) -> None:
        """Record that a step has ended.

        Args:
            step: number of the step over all updates.
            lengths: (prompt tokens, response tokens) of each response of the step.
        """
        now = time.perf_counter()
        seconds, self._last = now - self._last, now
        response_tokens = sum(response for _, response in lengths)
        sequence_tokens = sum(prompt + response for prompt, response in lengths)
        self.rows.append(
            {
                "step": step,
                "seconds": seconds,
                "tokens_per_second": response_tokens / seconds,
                "sequence_tokens": float(sequence_tokens),
                "peak_memory_mib": self._peak_memory() / 2**20,
                "model_flops_utilisation": self._utilisation(lengths, seconds),
            }
        )

    def _utilisation(self, lengths: Sequence[tuple[int, int]], seconds: float) -> float | None:
        """Return useful floating-point operations per second as a share of the device's peak, None if that is unknown.

        The count is that of PaLM (arXiv 2204.02311, appendix B): 6 operations per weight and token, with the output
        layer for response tokens only, plus those of attention, of which causal masking leaves half. Recomputed
        activations do not count.
        """
        if self._device.type != "cuda":
            return None
        card = card_speed(torch.cuda.get_device_name(self._device))
        if card is None:
            return None
        flops: int = sum(
            6 * self._body_weights * (prompt + response)
            + 6 * self._vocabulary_weights * response
            + 6 * self._layer_widths * (prompt + response) ** 2
            for prompt, response in lengths
        )
        return float(flops / (seconds * card.flops * self._world_size))

    def _peak_memory(self) -> int:
        """Return the peak memory of this process in bytes."""
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device)
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
