"""What `serl check` says about the memory that vLLM and the update take of a card."""

import math
from collections.abc import Iterator
from dataclasses import replace

from flows.config.run import RunConfig
from flows.preflight.card_memory.advice import LARGE_NODE, Machine, smaller_engine, smaller_update
from flows.preflight.memory import micro_batch_tokens, room_of_update, update_form
from stages.engines.vllm_memory import EngineMemory, engine_memory, gib
from stages.trainer.memory import FEWEST_TOKENS, ModelShape, UpdateForm, update_memory


def memory_lines(config: RunConfig, shape: ModelShape, machine: Machine) -> Iterator[str]:
    """Yield what vLLM and the update take of each card, with what to set if that is not enough."""
    if config.engine == "vllm":
        yield _engine_line(config, engine_memory(config.compute.vllm, shape, machine.card_bytes), shape, machine)
    yield _update_line(config, shape, machine)


def _engine_line(config: RunConfig, memory: EngineMemory, shape: ModelShape, machine: Machine) -> str:
    vllm = config.compute.vllm
    line = (
        f"vLLM takes {gib(memory.requested)} GiB (compute.vllm.memory_share {vllm.memory_share:g}): weights "
        f"{gib(memory.weights)}, working memory about {gib(memory.working)}, cache "
    )
    if memory.cache_tokens < vllm.max_model_tokens:
        short = vllm.max_model_tokens * memory.cache_per_token - memory.cache
        return (
            f"{line}NOT ENOUGH for one sequence of {vllm.max_model_tokens:,} tokens (compute.vllm.max_model_tokens), "
            f"by about {gib(short)} GiB: {smaller_engine(config, shape, machine)}"
        )
    fit, sequences = memory.cache_tokens // config.longest_sequence, vllm.sequences(on_gpu=True)
    allowed = f"compute.vllm.max_sequences {'would allow' if fit < sequences else 'allows no more than'} {sequences:,}"
    return (
        f"{line}about {gib(memory.cache)} for {min(fit, sequences):,} sequences of {config.longest_sequence:,} tokens "
        f"at a time ({allowed})"
    )


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
    short = memory.total - room
    return f"{line}: NOT ENOUGH, by about {gib(short)} GiB: {smaller_update(config, shape, machine)}"


def needed_lines(config: RunConfig, shape: ModelShape) -> Iterator[str]:
    """Yield how large the cards have to be at least if they are not on this machine."""
    share, form = config.compute.vllm.memory_share, update_form(config)
    tokens = config.compute.trainer.micro_batch_tokens
    tokens = FEWEST_TOKENS if isinstance(tokens, str) else tokens
    lines, engine = [], 0
    if config.engine == "vllm":
        needs = engine_memory(config.compute.vllm, shape, 0).needed(config.compute.vllm.max_model_tokens)
        engine = math.ceil(needs / share / 2**30)
        lines.append(f"vLLM needs {engine} GiB (compute.vllm.memory_share {share:g}) for one sequence at a time")
    shares = config.compute.gpus is not None and form.zero_stage > 0
    if shares:
        form = replace(form, processes=LARGE_NODE)
    update = _card_of_update(config, shape, form, tokens)
    held = update_memory(shape, form, tokens).text()
    lines.append(f"the update needs {update} GiB, with {tokens:,} tokens a micro-batch ({held})")
    where = "a worker" if config.gpu == "deployment" else "the run"
    count = ""
    if shares:
        alone = max(_card_of_update(config, shape, replace(form, processes=1), tokens), engine)
        count = f" if there are {LARGE_NODE} (compute.gpus: all), {alone} GiB if there is one"
    yield (
        f"none here; each GPU of {where} needs at least {max(update, engine)} GiB{count}, by calculation (`serl check` "
        "on that machine says more)"
    )
    yield from lines


def _card_of_update(config: RunConfig, shape: ModelShape, form: UpdateForm, tokens: int) -> int:
    """Return the GiB that a card needs for an update. `room_of_update` grows in proportion to the card."""
    beside = -room_of_update(config, 0)
    of_each_byte = (room_of_update(config, 2**40) + beside) / 2**40
    return math.ceil((update_memory(shape, form, tokens).total + beside) / max(of_each_byte, 0.01) / 2**30)
