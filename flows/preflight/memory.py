"""What vLLM and the policy update hold of a card, by calculation, and what `serl check` says about it.

vLLM takes `memory_share` of the card (vllm.v1.worker.utils.request_memory), and gives its cache of keys and values what
weights and working memory leave. Working memory is what the largest step needs. vLLM measures it when it starts; here
it is calculated, roughly and on the large side.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from flows.config.run import RunConfig
from stages.trainer.deepspeed_config import read_deepspeed_settings
from stages.trainer.memory import ModelShape, UpdateForm, UpdateMemory, largest_micro_batch, update_memory

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


def memory_lines(config: RunConfig, shape: ModelShape, machine: Machine) -> Iterator[str]:
    """Yield what vLLM and the update take of each card, with what to lower if that is not enough."""
    if config.engine == "vllm":
        total = machine.card_bytes
        yield _engine_line(config, engine_memory(config, shape, total), total)
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
    return total - CONTEXT_BYTES - _GRAPHS_BYTES


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


def gib(count: float) -> str:
    """Return bytes in GiB, without the unit."""
    amount = count / GIB
    return f"{amount:.1f}" if amount < 100 else f"{amount:.0f}"
