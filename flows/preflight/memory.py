"""What `serl check` says about the memory that vLLM and the policy update take of a card, by calculation."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from flows.config.run import RunConfig
from stages.engines.vllm_memory import CONTEXT_BYTES, GRAPHS_BYTES, EngineMemory, engine_memory, gib
from stages.trainer.deepspeed_config import read_deepspeed_settings
from stages.trainer.memory import ModelShape, UpdateForm, UpdateMemory, largest_micro_batch, update_memory

LARGEST_SHARE = 0.97
"""Largest share of a card that is proposed for vLLM."""
_FEWEST_TOKENS = 512
"""Smallest micro-batch that is proposed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The GPUs of this machine."""

    cards: int
    card_bytes: int
    """Memory of the smallest card."""
    takes_bfloat16: bool
    """Whether all cards are known to compute in bfloat16."""


def memory_lines(config: RunConfig, shape: ModelShape, machine: Machine) -> Iterator[str]:
    """Yield what vLLM and the update take of each card, with what to lower if that is not enough."""
    if config.engine == "vllm":
        total = machine.card_bytes
        yield _engine_line(config, engine_memory(config.compute.vllm, shape, total), total)
    yield _update_line(config, shape, machine)


def _engine_line(config: RunConfig, memory: EngineMemory, total: int) -> str:
    vllm = config.compute.vllm
    line = (
        f"vLLM takes {gib(memory.requested)} GiB (compute.vllm.memory_share {vllm.memory_share:g}): weights "
        f"{gib(memory.weights)}, working memory about {gib(memory.working)}, cache "
    )
    if memory.cache_tokens < vllm.max_model_tokens:
        short = vllm.max_model_tokens * memory.cache_per_token - memory.cache
        fit = max(memory.cache_tokens // 256 * 256, 0)
        lower = f"lower compute.vllm.max_model_tokens to {fit}, or " if fit >= config.longest_sequence else ""
        needed = memory.weights + memory.working + vllm.max_model_tokens * memory.cache_per_token
        share = "raise memory_share, or " if needed < LARGEST_SHARE * total else ""
        return (
            f"{line}NOT ENOUGH for one sequence of {vllm.max_model_tokens:,} tokens, by about {gib(short)} GiB: {lower}"
            f"{share}set tensor_parallel: {2 * vllm.tensor_parallel}"
        )
    fit = memory.cache_tokens // config.longest_sequence
    sequences = vllm.sequences(on_gpu=True)
    at_once = f"{min(fit, sequences):,} sequences of {config.longest_sequence:,} tokens at a time"
    return f"{line}about {gib(memory.cache)} for {at_once}" + (
        f" (compute.vllm.max_sequences {sequences:,})" if fit >= sequences else f", of max_sequences {sequences:,}"
    )


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


def _update_line(config: RunConfig, shape: ModelShape, machine: Machine) -> str:
    total = machine.card_bytes
    form, room = update_form(config), room_of_update(config, total)
    tokens = micro_batch_tokens(config, shape, total)
    memory = update_memory(shape, form, tokens)
    turns = ""
    if config.engine == "vllm":
        both = config.compute.trainer.free_memory is False
        turns = " beside vLLM" if both else " while vLLM sleeps"
    line = (
        f"the update takes about {gib(memory.total)} GiB of {gib(room)}{turns}, with {tokens:,} tokens a micro-batch "
        f"({memory.text()})"
    )
    if memory.total <= room:
        return line
    smaller = smaller_update(config, shape, machine)
    return f"{line}: NOT ENOUGH, by about {gib(memory.total - room)} GiB: {smaller}"


def smaller_update(config: RunConfig, shape: ModelShape, machine: Machine) -> str:
    """Return the settings with which the update fits into each card of a machine."""
    total = machine.card_bytes
    form, tokens, room = update_form(config), micro_batch_tokens(config, shape, total), room_of_update(config, total)
    if fit := _largest(shape, form, tokens, room):
        return f"lower compute.trainer.micro_batch_tokens to {fit}"
    share = ", or a smaller compute.vllm.memory_share" if config.compute.trainer.free_memory is False else ""
    adapters = "train adapters (update.lora)" if form.adapter_rank is None else ""
    for settings, smaller in _smaller_forms(config, form, machine):
        if fit := _largest(shape, smaller, tokens, room):
            shares_most = smaller.zero_stage == 3 and smaller.gradient_checkpointing
            if fit < tokens and smaller.zero_stage and not shares_most:
                continue  # what comes next costs less time than smaller micro-batches
            lower = "" if fit == tokens else f", micro_batch_tokens: {fit}"
            if not smaller.offloads_weights:
                return f"set compute.trainer.{settings}{lower}"
            return f"set compute.trainer.{settings}{lower}{share}" + (f"; or {adapters}" if adapters else "")
    return f"use more or larger GPUs{share}" + (f", or {adapters}" if adapters else "")


def _smaller_forms(config: RunConfig, form: UpdateForm, machine: Machine) -> Iterator[tuple[str, UpdateForm]]:
    """Yield settings below `compute.trainer` that take less memory of a card, and the form of an update with them.

    Those that slow the update down least come first.
    """
    checkpointing = "gradient_checkpointing: true"
    forms = [("", form)]
    yield checkpointing, replace(form, gradient_checkpointing=True)
    if machine.takes_bfloat16 and form.bytes_per_weight == 4:
        forms.append(("dtype: bfloat16, ", replace(form, bytes_per_weight=2, packed_by_kernel=True)))
        yield "dtype: bfloat16", forms[-1][1]
        yield f"dtype: bfloat16, {checkpointing}", replace(forms[-1][1], gradient_checkpointing=True)
    if machine.cards > 1 and config.compute.trainer.nodes == 1 and not form.offloads_optimizer:
        processes = "" if form.processes == machine.cards else f"processes_per_node: {machine.cards}, "
        for dtype, shared in forms:
            for stage in (2, 3):
                smaller = replace(shared, processes=machine.cards, zero_stage=stage)
                settings = f"{dtype}{processes}deepspeed: configs/deepspeed/zero{stage}.json"
                yield settings, smaller
                yield f"{settings}, {checkpointing}", replace(smaller, gradient_checkpointing=True)
    for dtype, whole in forms:
        settings = f"{dtype}deepspeed: configs/deepspeed/zero3_offload.json, {checkpointing}"
        offload = replace(whole, gradient_checkpointing=True, zero_stage=3)
        yield settings, replace(offload, offloads_optimizer=True, offloads_weights=True)


def _largest(shape: ModelShape, form: UpdateForm, tokens: int, room: int) -> int | None:
    """Return the largest micro-batch, of `tokens`, half of them and so on, with which the update fits."""
    while tokens >= _FEWEST_TOKENS:
        if update_memory(shape, form, tokens).total <= room:
            return tokens
        tokens //= 2
    return None


def certain_bytes(memory: UpdateMemory) -> int:
    """Return what an update holds of a card in any case: weights, and the optimiser's own copies and moments."""
    return memory.weights + memory.masters + memory.moments
