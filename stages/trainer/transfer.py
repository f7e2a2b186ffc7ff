"""Moves small tensors to the model's device without waiting for it."""

import torch
from torch import Tensor


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Return a CPU tensor on `device`.

    A copy from ordinary memory would wait until the GPU has done all that was asked of it before. One from pinned
    memory waits in the GPU's queue, and torch keeps that memory until it was read.
    """
    if not has_queue(device):
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def has_queue(device: torch.device) -> bool:
    """Return whether a device computes in its own queue, from which pinned memory can be read later: a GPU does."""
    return device.type == "cuda"
