"""A trainer process and its GPU's memory: room for micro-batches, and what holds how much when memory runs out."""

import logging
import os

import torch
from transformers import PreTrainedModel

from stages.trainer.memory import CPU_TOKENS, GIB, ModelShape, UpdateForm, largest_micro_batch, update_memory

_ALLOCATOR_VARIABLES = ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF")
_log = logging.getLogger(__name__)


def use_expandable_segments(device: torch.device) -> bool:
    """Let torch's allocator grow its blocks of a GPU's memory, and return whether it does so; False for a CPU.

    Micro-batches have various sizes, and blocks of fixed size would leave gaps that fit none. This is a setting of this
    process, not of its environment: vLLM's process has to be without. Variables that the user has set count instead. If
    the driver refuses or torch has no such setting, one warning says so, and blocks have fixed sizes.
    """
    if device.type != "cuda" or any(name in os.environ for name in _ALLOCATOR_VARIABLES):
        return False
    set_allocator = getattr(torch._C, "_accelerator_setAllocatorSettings", None)  # not part of torch's interface
    if set_allocator is None:
        _log.warning("memory of the GPU may fragment: this version of torch cannot grow blocks")
        return False
    try:
        set_allocator("expandable_segments:True")
        torch.empty(1, device=device)
    except RuntimeError as error:
        _log.warning("memory of the GPU may fragment: %s", " ".join(str(error).split())[:200])
        set_allocator("expandable_segments:False")
        return False
    return True


def shape_of(model: PreTrainedModel) -> ModelShape | None:
    """Return the shape of a model; None if its config has other entries than those that decide the shape."""
    parameters = sum(getattr(parameter, "ds_shape", parameter.shape).numel() for parameter in model.parameters())
    try:
        return ModelShape.of(model.config.get_text_config().to_dict(), parameters)
    except (KeyError, TypeError, ValueError):
        return None


def usable_memory(device: torch.device) -> int | None:
    """Return the bytes of a GPU that this process uses or may still take; None for a CPU."""
    if device.type != "cuda":
        return None
    return torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device)


def fitting_tokens(shape: ModelShape | None, form: UpdateForm, memory: int | None) -> int:
    """Return the tokens of a micro-batch: as many as fit, if shape and memory are known.

    Without them, the number that suits a CPU.
    """
    return CPU_TOKENS if shape is None or memory is None else largest_micro_batch(shape, form, memory)


def memory_text(shape: ModelShape | None, form: UpdateForm, tokens: int, device: torch.device) -> str:
    """Return what holds how much of a GPU's memory, by calculation and as seen, on one line; "" for a CPU."""
    if device.type != "cuda":
        return ""
    free, total = torch.cuda.mem_get_info(device)
    reserved = torch.cuda.memory_reserved(device)
    seen = (
        f"this process holds {reserved / GIB:.1f} GiB of the GPU's {total / GIB:.1f} GiB, at most "
        f"{torch.cuda.max_memory_allocated(device) / GIB:.1f} in tensors, and {free / GIB:.1f} are free"
    )
    if shape is None:
        return seen
    parts = update_memory(shape, form, tokens).text(advice=True)
    return f"{seen}; an update with micro-batches of {tokens:,} tokens takes, by calculation: {parts}"
