"""What vLLM holds of a GPU, by calculation: for `serl check`, and for errors when memory is short. No torch here.

vLLM takes `memory_share` of the card (vllm.v1.worker.utils.request_memory), and gives its cache of keys and values what
weights and working memory leave. Working memory is what the largest step needs. vLLM measures it when it starts; here
it is calculated, roughly and on the large side.
"""

from dataclasses import dataclass

from stages.settings.engines import VllmPlacement
from stages.trainer.memory import GIB, ModelShape

CONTEXT_BYTES = int(0.7 * GIB)
"""Assumed memory of a process's CUDA context and libraries."""
GRAPHS_BYTES = GIB
"""Assumed memory of captured CUDA graphs, which a sleeping vLLM keeps."""
_STEP_TOKENS, _LARGE_CARD = (8_192, 16_384), 70 * GIB
"""Most prompt tokens of a step by vLLM's default (EngineArgs.get_batch_defaults), on cards that are smaller than the
size and on larger ones."""
_COPIES_OF_LOGITS = 4
"""float32 copies of a step's logits: processed, softmax, noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineMemory:
    """Bytes on each card that vLLM uses."""

    requested: int
    """`memory_share` of the card."""
    weights: int
    activations: int
    """Of the largest step's tokens."""
    logits: int
    """Of the sampled rows of a step: sequences x vocabulary."""
    graphs: int
    """Captured CUDA graphs."""
    context: int
    """CUDA and its libraries."""
    cache_per_token: int

    @property
    def working(self) -> int:
        """Bytes of everything but weights and cache."""
        return self.activations + self.logits + self.graphs + self.context

    @property
    def cache(self) -> int:
        """Bytes that are left for keys and values; negative if nothing is left."""
        return self.requested - self.weights - self.working

    @property
    def cache_tokens(self) -> int:
        """Tokens whose keys and values fit."""
        return max(self.cache, 0) // max(self.cache_per_token, 1)

    def needed(self, tokens: int) -> int:
        """Return the bytes of weights, working memory and a cache of `tokens` tokens."""
        return self.weights + self.working + tokens * self.cache_per_token

    def text(self) -> str:
        """Return the parts in GiB, the largest first, each with the settings of `compute.vllm` that lower it."""
        parts = (
            (max(self.cache, 0), "cache of keys and values", "memory_share"),
            (self.weights, "weights", "tensor_parallel, quantization: fp8"),
            (self.activations, "activations of a step's tokens", "extra.max_num_batched_tokens"),
            (self.logits, "logits (sequences x vocabulary)", "max_sequences"),
            (self.graphs, "captured graphs", "extra.enforce_eager: true"),
            (self.context, "CUDA itself", ""),
        )
        return ", ".join(
            f"{name} {gib(held)} GiB" + (f" [{settings}]" if settings else "")
            for held, name, settings in sorted(parts, reverse=True)
        )


def engine_memory(placement: VllmPlacement, shape: ModelShape, total: int) -> EngineMemory:
    """Return what vLLM uses of a card with `total` bytes."""
    cards, bytes_per_value = placement.tensor_parallel, 4 if placement.dtype == "float32" else 2
    extra = placement.extra.get("max_num_batched_tokens")
    step = extra if isinstance(extra, int) else _STEP_TOKENS[total >= _LARGE_CARD]
    activations = 2 * bytes_per_value * step * (2 * shape.hidden + 2 * shape.intermediate)
    return EngineMemory(
        requested=int(total * placement.memory_share),
        weights=shape.parameters * (1 if placement.quantization == "fp8" else bytes_per_value) // cards,
        activations=activations // cards,
        logits=_COPIES_OF_LOGITS * 4 * placement.sequences(on_gpu=True) * shape.vocabulary,
        graphs=0 if placement.extra.get("enforce_eager") else GRAPHS_BYTES,
        context=CONTEXT_BYTES,
        cache_per_token=2 * shape.layers * shape.key * bytes_per_value // cards,
    )


def gib(count: float) -> str:
    """Return bytes in GiB, without the unit."""
    amount = count / GIB
    return f"{amount:.1f}" if amount < 100 else f"{amount:.0f}"
