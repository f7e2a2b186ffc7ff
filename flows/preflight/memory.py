"""What vLLM and the policy update hold of a card, by calculation.

vLLM takes `memory_share` of the card (vllm.v1.worker.utils.request_memory), and gives its cache of keys and values what
weights and working memory leave. Working memory is what the largest step needs. vLLM measures it when it starts; here
it is calculated, roughly and on the large side.
"""

from dataclasses import dataclass

from flows.config.run import RunConfig
from stages.trainer.deepspeed_config import read_deepspeed_settings
from stages.trainer.memory import ModelShape, UpdateForm, UpdateMemory, largest_micro_batch

GIB = 2**30
CONTEXT_BYTES = int(0.7 * GIB)
"""Assumed memory of a process's CUDA context and libraries."""
_GRAPHS_BYTES = GIB
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
    working: int
    cache_per_token: int

    @property
    def cache(self) -> int:
        """Bytes that are left for keys and values; negative if nothing is left."""
        return self.requested - self.weights - self.working

    @property
    def cache_tokens(self) -> int:
        """Tokens whose keys and values fit."""
        return max(self.cache, 0) // max(self.cache_per_token, 1)


def engine_memory(config: RunConfig, shape: ModelShape, total: int) -> EngineMemory:
    """Return what vLLM uses of a card with `total` bytes."""
    placement = config.compute.vllm
    cards, bytes_per_value = placement.tensor_parallel, 4 if placement.dtype == "float32" else 2
    extra = placement.extra.get("max_num_batched_tokens")
    step = extra if isinstance(extra, int) else _STEP_TOKENS[total >= _LARGE_CARD]
    activations = 2 * bytes_per_value * step * (2 * shape.hidden + 2 * shape.intermediate)
    logits = _COPIES_OF_LOGITS * 4 * placement.sequences(on_gpu=True) * shape.vocabulary
    return EngineMemory(
        requested=int(total * placement.memory_share),
        weights=shape.parameters * (1 if placement.quantization == "fp8" else bytes_per_value) // cards,
        working=CONTEXT_BYTES + _GRAPHS_BYTES + activations // cards + logits,
        cache_per_token=2 * shape.layers * shape.key * bytes_per_value // cards,
    )


def needed_bytes(memory: EngineMemory, tokens: int) -> int:
    """Return what vLLM needs for weights, working memory and a cache of `tokens` tokens."""
    return memory.weights + memory.working + tokens * memory.cache_per_token


def update_form(config: RunConfig) -> UpdateForm:
    """Return the form of the run's updates on a GPU, uncompiled: compiled layers hold less.

    Raises InputError or ConfigError for DeepSpeed settings that cannot be used.
    """
    placement = config.compute.trainer
    return UpdateForm.of(placement, config.update, read_deepspeed_settings(placement), compiled=False)


def micro_batch_tokens(config: RunConfig, shape: ModelShape, total: int) -> int:
    """Return the tokens of a micro-batch on a card with `total` bytes: the setting, or what fits if it is `auto`."""
    tokens = config.compute.trainer.micro_batch_tokens
    if str(tokens) == "auto":
        return largest_micro_batch(shape, update_form(config), room_of_update(config, total))
    return int(tokens)


def room_of_update(config: RunConfig, total: int) -> int:
    """Return the bytes of a card with `total` bytes that the update may use."""
    if config.engine != "vllm":
        return total
    if config.compute.trainer.free_memory is False:
        return int(total * (1 - config.compute.vllm.memory_share))
    return total - CONTEXT_BYTES - _GRAPHS_BYTES


def certain_bytes(memory: UpdateMemory) -> int:
    """Return what an update holds of a card in any case: weights, and the optimiser's own copies and moments."""
    return memory.weights + memory.masters + memory.moments


def gib(count: float) -> str:
    """Return bytes in GiB, without the unit."""
    amount = count / GIB
    return f"{amount:.1f}" if amount < 100 else f"{amount:.0f}"
