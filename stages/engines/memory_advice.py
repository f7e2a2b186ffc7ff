"""What to set when vLLM says that memory is short, and what holds how much of it. No torch here."""

import logging
import re
from pathlib import Path

import psutil

from stages.engines.gpu import Card, card_facts, has_gpu
from stages.engines.gpu_holders import holders_text, is_ours
from stages.engines.vllm_memory import engine_memory, gib
from stages.model_shape import shape_of
from stages.settings.engines import VllmPlacement

_HELD_BY_OTHERS = re.compile(r"Free memory on device|Externally held weights on device|Error in memory profiling")
_CACHE_TOO_SMALL = re.compile(r"for the cache blocks|cache is needed|auto-fit max_model_len|stored in KV cache")
_RAN_OUT = re.compile(
    r"out of memory|OutOfMemory|not enough GPU memory|alloc_failed|cudaErrorMemoryAllocation|"
    r"failed to allocate|can't allocate memory|MemoryError|Available memory on node",
    re.IGNORECASE,
)


def memory_advice(message: str) -> str:
    """Return the settings that help, as the end of a sentence that has vLLM's `message`; "" if memory is not short.

    vLLM's own message says how much is missing. It names vLLM's arguments, not our settings.
    """
    if _HELD_BY_OTHERS.search(message):
        return (
            "; another process holds the rest (nvidia-smi lists it): give the card to this run alone, or lower "
            "compute.vllm.memory_share to the free part; if that is too little for the model and its cache, lower "
            "max_model_tokens or max_sequences rather than raise memory_share"
        )
    if _CACHE_TOO_SMALL.search(message):
        return (
            "; lower compute.vllm.max_model_tokens (and with it max_tokens of generate, sample and evaluate) or "
            "max_sequences, or raise memory_share (cache_gib on a CPU), or give the card to this run alone"
        )
    if _RAN_OUT.search(message):
        return (
            "; lower compute.vllm.max_sequences (logits: sequences x vocabulary), "
            "compute.vllm.extra.max_num_batched_tokens (activations of prompts) or memory_share (weights and cache: "
            "what it leaves is for the rest; cache_gib on a CPU), or give the card to this run alone"
        )
    return ""


def with_memory(message: str, placement: VllmPlacement, folder: Path, most_characters: int = 600) -> tuple[str, str]:
    """Return vLLM's message, cut, and what follows it: what holds how much memory and what to set.

    The second text is "" if memory is not short.
    """
    advice = memory_advice(message)
    if advice:
        try:
            advice = f"; {held_text(placement, folder)}{advice}"
        except Exception:  # nothing here may hide vLLM's own error
            logging.getLogger(__name__).debug("what holds the memory is not known", exc_info=True)
    return message[:most_characters], advice


def held_text(placement: VllmPlacement, folder: Path) -> str:
    """Return what holds how much memory, by calculation and as the driver says, with the settings that lower each.

    On a GPU the text is about the card, among those that vLLM uses, that has the least free memory.
    """
    shape = shape_of(folder)
    if not has_gpu():
        memory = psutil.virtual_memory()
        weights = "" if shape is None else f"weights {gib(_bytes_on_cpu(placement) * shape.parameters)} GiB, "
        return (
            f"by calculation vLLM holds {weights}cache of keys and values {gib(placement.cache_gib * 2**30)} GiB "
            f"[cache_gib], and of main memory {gib(memory.available)} of {gib(memory.total)} GiB are free now"
        )
    cards = card_facts()[: placement.tensor_parallel * placement.data_parallel]
    known = [(number, card) for number, card in enumerate(cards) if card.total is not None]
    if not known:
        return "the driver does not say how much memory there is"
    number, card = min(known, key=lambda pair: pair[1].free or 0)
    return f"GPU {number}, {_card_text(card)}" + (
        "" if shape is None else f"; {_parts_text(placement, engine_memory(placement, shape, card.total or 0).text())}"
    )


def _bytes_on_cpu(placement: VllmPlacement) -> int:
    return 2 if placement.dtype in ("bfloat16", "float16") else 4


def _card_text(card: Card) -> str:
    free = "" if card.free is None else f", {gib(card.free)} free now"
    others = [holder for holder in card.holders if not is_ours(holder.pid)]
    ours = sum(holder.bytes or 0 for holder in card.holders if is_ours(holder.pid))
    texts = [f"{card.name}, has {gib(card.total or 0)} GiB{free}"]
    texts += [f"this run's processes hold {gib(ours)} GiB"] * bool(ours) + [holders_text(others)] * bool(others)
    return "; ".join(texts)


def _parts_text(placement: VllmPlacement, parts: str) -> str:
    return (
        f"vLLM may take {placement.memory_share:g} of it (compute.vllm.memory_share), by calculation, with what lowers "
        f"each part in brackets: {parts}"
    )
