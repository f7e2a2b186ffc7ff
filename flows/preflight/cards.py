"""Whether this machine's GPUs can do what a config asks of them; nothing here asks CUDA."""

import importlib.util
import os
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from flows.config.run import RunConfig
from flows.preflight.card_memory.advice import Machine, smaller_engine, smaller_update
from flows.preflight.card_memory.lines import memory_lines, needed_lines
from flows.preflight.memory import (
    certain_bytes,
    room_of_update,
    update_form,
)
from flows.preflight.shapes import policy_shape
from stages.engines.gpu import BFLOAT16_SINCE, Card, card_facts, cuda_version, driver_failure, has_gpu, on_all_gpus
from stages.engines.gpu_holders import holders_text, is_ours
from stages.engines.loader import NO_GPU, vllm_needs_gpu
from stages.engines.vllm_memory import CONTEXT_BYTES, engine_memory, gib
from stages.trainer.memory import update_memory
from storage.errors import InputError

_OLDEST_OF_CUDA_13 = (7, 5)

PATIENCE_SECONDS = 30.0
"""How long a run waits for a GPU that others hold."""


@dataclass(frozen=True, slots=True)
class Device:
    """What the engine and the trainer of a run compute on."""

    cards: tuple[Card, ...]
    """The cards of this machine; none if the run computes on the CPU, or on cards elsewhere."""
    on_gpu: bool

    @property
    def here(self) -> bool:
        """Whether the GPU is on this machine."""
        return bool(self.cards)


def device_of(config: RunConfig) -> Device:
    """Return what a run computes on: this machine's cards, if there are any; else cards elsewhere, or the CPU.

    Cards are elsewhere if the engine is on other machines (workers, servers), or is a vLLM that does not run here: then
    the config is checked on another machine than the one that will run it.
    """
    if config.engine == "fake":
        return Device((), on_gpu=False)
    if has_gpu() and (cards := card_facts()):
        return Device(cards, on_gpu=True)
    elsewhere = config.gpu == "deployment" or config.engine == "server"
    if config.engine == "vllm":
        elsewhere = elsewhere or vllm_needs_gpu() or importlib.util.find_spec("vllm") is None
    return Device((), on_gpu=elsewhere)


def on_this_machine(config: RunConfig) -> RunConfig:
    """Return the config with the numbers that `compute.gpus: all` stands for here, if there are GPUs here."""
    try:
        return config.model_copy(update={"compute": on_all_gpus(config.compute)})
    except InputError:
        return config


def check_cards(config: RunConfig) -> None:
    """Raise InputError if a GPU is missing, too old, too small or taken, with the settings that help.

    A GPU that is taken is looked at again for a while: processes of a run that was killed take seconds to end.
    """
    config, deadline = on_this_machine(config), time.monotonic() + PATIENCE_SECONDS
    while has_gpu() and _taken(config, card_facts(), alone=False) and time.monotonic() < deadline:
        time.sleep(1)
    if reason := refusal(config) or (_taken(config, card_facts(), alone=False) if has_gpu() else None):
        raise InputError(reason)


def refusal(config: RunConfig) -> str | None:
    """Return why this machine's GPUs cannot do what the config asks of them; None if nothing speaks against it.

    Only what is certain counts: memory is compared with weights and optimiser alone, whoever holds some of it now.
    """
    if config.engine == "fake":
        return None
    is_here = has_gpu()
    if not is_here and config.engine == "vllm" and vllm_needs_gpu():
        return NO_GPU
    try:
        config = config.model_copy(update={"compute": on_all_gpus(config.compute)})
    except InputError as error:
        return str(error)
    if not is_here:
        return None
    cards = card_facts()
    if not cards:
        listed = os.environ.get("CUDA_VISIBLE_DEVICES")
        return f"CUDA_VISIBLE_DEVICES is {listed!r}, which names no GPU of this machine (`nvidia-smi -L` lists them)"
    return _too_old(config, cards) or _too_few(config, cards) or _uneven(config) or _too_small(config, cards)


def _too_old(config: RunConfig, cards: Sequence[Card]) -> str | None:
    known = [card for card in cards if card.capability is not None]
    if not known:
        return None
    card = min(known, key=lambda card: card.capability or ())
    assert card.capability is not None
    has = f"{card.name} has {card.capability[0]}.{card.capability[1]}"
    if card.capability < _OLDEST_OF_CUDA_13 and cuda_version() >= 13:
        return (
            f"torch for CUDA {cuda_version()} needs a GPU of compute capability 7.5 or higher, and {has}; hide it "
            "(CUDA_VISIBLE_DEVICES=) to compute on the CPU, or install torch for CUDA 12"
        )
    if card.capability >= BFLOAT16_SINCE:
        return None
    settings = []
    if config.engine == "vllm" and config.compute.vllm.dtype in ("auto", "bfloat16"):
        settings.append("compute.vllm.dtype: float16 (or engine: transformers)")
    if config.compute.trainer.dtype == "bfloat16":
        settings.append("compute.trainer.dtype: float32")
    if not settings:
        return None
    return f"bfloat16 needs a GPU of compute capability 8.0 or higher, and {has}; set {' and '.join(settings)}"


def _too_few(config: RunConfig, cards: Sequence[Card]) -> str | None:
    vllm, trainer = config.compute.vllm, config.compute.trainer
    needs = {"compute.trainer.processes_per_node": trainer.processes_per_node}
    if config.engine == "vllm":
        needs["compute.vllm.tensor_parallel x data_parallel"] = vllm.tensor_parallel * vllm.data_parallel
    for setting, count in needs.items():
        if count > len(cards):
            return (
                f"{setting} is {count}, and CUDA finds {len(cards)} GPU(s) here; set at most {len(cards)}, or make "
                "more GPUs visible (CUDA_VISIBLE_DEVICES)"
            )
    return None


def _uneven(config: RunConfig) -> str | None:
    """Return why vLLM cannot split the model between GPUs (vllm.config.model.verify_with_parallel_config)."""
    split = config.compute.vllm.tensor_parallel
    if config.engine != "vllm" or split == 1 or (shape := policy_shape(config)) is None or shape.heads % split == 0:
        return None
    smaller = [str(cards) for cards in range(1, split) if shape.splits_into(cards)]
    return (
        f"compute.vllm.tensor_parallel is {split}, which does not divide the model's {shape.heads} attention heads; "
        f"set {' or '.join(smaller[-3:])}"
    )


def _taken(config: RunConfig, cards: Sequence[Card], *, alone: bool) -> str | None:
    """Return why vLLM will not start on a card of which others hold too much: it refuses unless its share is free.

    Workers that share a card may hold it in turn, which vLLM itself has to judge. `alone`: whether no process of this
    run has started yet, so that memory is held by others even if the driver does not name them.
    """
    if config.engine != "vllm" or config.gpu != "inline":
        return None
    vllm = config.compute.vllm
    for number, card in enumerate(cards[: vllm.tensor_parallel * vllm.data_parallel]):
        if card.total is None or card.free is None:
            continue
        others = [holder for holder in card.holders if not is_ours(holder.pid)]
        if not others and not alone:
            continue
        ours = sum(holder.bytes or 0 for holder in card.holders if is_ours(holder.pid))
        free, requested = card.free + ours, int(card.total * vllm.memory_share)
        if free >= requested:
            continue
        share = max((free - CONTEXT_BYTES) / card.total, 0)
        lower = f", or set compute.vllm.memory_share to at most {share - 0.005:.2f}" if share > 0.05 else ""
        return (
            f"{gib(free)} of the {gib(card.total)} GiB of GPU {number} ({card.name}) are free, and vLLM takes "
            f"{gib(requested)} (compute.vllm.memory_share {vllm.memory_share:g}); {holders_text(others)}: end it, or "
            f"choose another GPU (CUDA_VISIBLE_DEVICES){lower}"
        )
    return None


def _too_small(config: RunConfig, cards: Sequence[Card]) -> str | None:
    if (total := smallest(cards)) is None or (shape := policy_shape(config)) is None:
        return None
    if config.engine == "vllm" and config.compute.vllm.quantization in (None, "fp8"):
        memory = engine_memory(config.compute.vllm, shape, total)
        if memory.weights >= memory.requested:
            return (
                f"vLLM needs {gib(memory.weights)} GiB for the weights, and compute.vllm.memory_share "
                f"{config.compute.vllm.memory_share:g} of {cards[0].name} is {gib(memory.requested)} GiB; "
                f"{smaller_engine(config, shape, _machine(cards, total))}"
            )
    held, room = certain_bytes(update_memory(shape, update_form(config), 1)), room_of_update(config, total)
    if held <= room:
        return None
    return (
        f"the update holds {gib(held)} GiB of weights and optimiser alone, and has {gib(room)} of the {gib(total)} GiB "
        f"of {cards[0].name}; {smaller_update(config, shape, _machine(cards, total))}"
    )


def smallest(cards: Sequence[Card]) -> int | None:
    """Return the memory of the smallest card; None if no card's memory is known."""
    return min((card.total for card in cards if card.total is not None), default=None)


def _machine(cards: Sequence[Card], card_bytes: int) -> Machine:
    """Return what cards with at least `card_bytes` of memory have in common."""
    known = all(card.capability is not None and card.capability >= BFLOAT16_SINCE for card in cards)
    return Machine(cards=len(cards), card_bytes=card_bytes, takes_bfloat16=known)


def gpu_lines(config: RunConfig, device: Device) -> list[str]:
    """Return lines of `serl check` about this machine's GPUs: their memory, and what the run takes of it.

    On a machine without a GPU: what cards elsewhere have to hold, or a setting that is meant for a GPU.
    """
    if not device.here and device.on_gpu:
        return _labelled(needed_lines(config, shape)) if (shape := policy_shape(config)) is not None else []
    if not device.here and config.engine != "fake" and (failure := driver_failure()):
        return _labelled([f"none: {failure}"])
    if not device.here:
        slow = not device.on_gpu and config.engine != "fake" and config.compute.trainer.dtype == "bfloat16"
        return ["gpu          none here: bfloat16 (compute.trainer.dtype) works on a CPU, but is slow"] if slow else []
    cards = device.cards
    names = " + ".join(f"{count} x {name}" for name, count in Counter(card.name for card in cards).items())
    if (total := smallest(cards)) is None:
        return [f"gpu          {names}; the driver does not say how much memory there is"]
    free = min((card.free for card in cards if card.free is not None), default=total)
    lines = [f"{names}, {gib(total)} GiB each, {gib(free)} free"]
    for number, card in enumerate(cards):
        if others := [holder for holder in card.holders if not is_ours(holder.pid)]:
            lines.append(f"on GPU {number}, {holders_text(others)}")
    if taken := _taken(config, cards, alone=True):
        lines.append(f"TAKEN NOW: {taken}")
    if (shape := policy_shape(config)) is None:
        lines.append(
            "how much memory a run takes cannot be calculated: the config.json of the policy lacks one of its sizes "
            "(hidden_size, num_hidden_layers, num_attention_heads, vocab_size), or one is no positive number"
        )
    else:
        lines += memory_lines(config, shape, _machine(cards, total))
    return _labelled(lines)


def _labelled(lines: Iterable[str]) -> list[str]:
    return [f"{'' if i else 'gpu':<12} {line}" for i, line in enumerate(lines)]
