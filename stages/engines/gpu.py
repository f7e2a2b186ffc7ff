"""Whether CUDA would find a GPU, without asking CUDA.

A process that has asked CUDA anything (`torch.cuda.is_available()` is enough) cannot fork a process that uses CUDA, and
the error comes from that process, minutes later. The driver's own library answers without such an effect.
"""

import ctypes
import os
import re
from functools import cache

from stages.settings.compute import Compute
from storage.errors import InputError

_LIBRARY = "libnvidia-ml.so.1"


def has_gpu() -> bool:
    """Return whether torch can use a GPU of this machine: one is there, visible, and torch is built for it."""
    import torch

    if torch.version.cuda is None:
        return False
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    # An empty list, or one that begins with an unknown number such as -1, hides all cards.
    return (visible is None or visible.strip()[:1] not in ("", "-")) and _cards() > 0


def visible_cards() -> list[str]:
    """Return the cards that this process may use, as CUDA_VISIBLE_DEVICES names them; none without a GPU."""
    if not has_gpu():
        return []
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return [str(number) for number in range(_cards())]
    cards = []
    for name in visible.split(","):
        # CUDA ignores all from the first name on that names no card. A name is a number or begins with GPU- or MIG-.
        if not re.match(r"\s*(\d+|GPU-|MIG-)", name) or (name.strip().isdigit() and int(name) >= _cards()):
            break
        cards.append(name.strip())
    return cards


def on_all_gpus(compute: Compute) -> Compute:
    """Return the settings with `gpus: all` replaced by this machine's numbers of copies and trainer processes.

    Raises InputError if there are too few GPUs for one copy of the model.
    """
    if compute.gpus is None:
        return compute
    cards, each = len(visible_cards()), compute.vllm.tensor_parallel
    if cards < each:
        raise InputError(
            f"compute.gpus is {compute.gpus}, and this process sees {cards} GPU(s), expected at least {each} "
            "(compute.vllm.tensor_parallel); remove compute.gpus to compute on a CPU"
        )
    vllm = compute.vllm.model_copy(update={"data_parallel": cards // each})
    trainer = compute.trainer.model_copy(update={"processes_per_node": cards})
    return compute.model_copy(update={"gpus": None, "vllm": vllm, "trainer": trainer})


@cache
def _cards() -> int:
    """Return the number of NVIDIA cards that the driver knows; 0 without a driver."""
    try:
        library = ctypes.CDLL(_LIBRARY)
    except OSError:
        return 0
    count = ctypes.c_uint()
    if library.nvmlInit_v2() != 0:
        return 0
    failed = library.nvmlDeviceGetCount_v2(ctypes.byref(count)) != 0
    library.nvmlShutdown()
    return 0 if failed else count.value
