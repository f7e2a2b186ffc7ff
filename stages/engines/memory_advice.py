"""What to set when vLLM says that memory is short. No torch here."""

import re

_HELD_BY_OTHERS = re.compile(r"Free memory on device", re.IGNORECASE)
_RAN_OUT = re.compile(r"out of memory|OutOfMemory|failed to allocate|alloc_failed", re.IGNORECASE)
_CACHE_TOO_SMALL = re.compile(r"memory|KV cache|max_model_len|num_gpu_blocks|cache blocks", re.IGNORECASE)


def memory_advice(message: str) -> str:
    """Return the settings that help, as the end of a sentence that has vLLM's `message`; "" if memory is not short.

    vLLM's own message says how much is held and how much is missing. It names vLLM's arguments, not our settings.
    """
    if _HELD_BY_OTHERS.search(message):
        return (
            "; another process holds the rest (nvidia-smi lists it): give the card to this run alone, or lower "
            "compute.vllm.memory_share to the free part; if that is too little for the model and its cache, lower "
            "max_model_tokens or max_sequences rather than raise memory_share"
        )
    if _RAN_OUT.search(message):
        return (
            "; lower compute.vllm.max_sequences (logits: sequences x vocabulary), "
            "compute.vllm.extra.max_num_batched_tokens (activations of prompts) or memory_share (weights and cache: "
            "what it leaves is for the rest), or give the card to this run alone"
        )
    if _CACHE_TOO_SMALL.search(message):
        return (
            "; lower compute.vllm.max_model_tokens or max_sequences, or raise memory_share (cache_gib on a CPU), or "
            "give the card to this run alone"
        )
    return ""
