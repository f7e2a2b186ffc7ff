"""What the policy update may use of a card, and what it holds in any case, by calculation."""

from flows.config.run import RunConfig
from stages.engines.vllm_memory import CONTEXT_BYTES, GRAPHS_BYTES
from stages.trainer.deepspeed_config import read_deepspeed_settings
from stages.trainer.memory import ModelShape, UpdateForm, UpdateMemory, largest_micro_batch


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
    return total - CONTEXT_BYTES - GRAPHS_BYTES


def certain_bytes(memory: UpdateMemory) -> int:
    """Return what an update holds of a card in any case: weights, and the optimiser's own copies and moments."""
    return memory.weights + memory.masters + memory.moments
