"""Whether CUDA would find a GPU, without asking CUDA.

A process that has asked CUDA anything (`torch.cuda.is_available()` is enough) cannot fork a process that uses CUDA, and
the error comes from that process, minutes later. The driver's own library answers without such an effect.
"""

import ctypes
import os
from functools import cache

_LIBRARY = "libnvidia-ml.so.1"


def has_gpu() -> bool:
    """Return whether torch can use a GPU of this machine: one is there, visible, and torch is built for it."""
    import torch

    if torch.version.cuda is None:
        return False
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    # An empty list, or one that begins with an unknown number such as -1, hides all cards.
    return (visible is None or visible.strip()[:1] not in ("", "-")) and _cards() > 0


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
