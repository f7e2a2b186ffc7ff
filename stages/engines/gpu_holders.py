"""Processes that hold memory of a card: which are of this run, and how the others are named. Nothing here asks CUDA."""

import os
from collections.abc import Sequence
from pathlib import Path

from stages.engines.gpu import Holder
from stages.engines.vllm_memory import gib


def is_ours(pid: int) -> bool:
    """Return whether a process is this one or was started by it, directly or not. Linux only; elsewhere False."""
    while pid:
        if pid == os.getpid():
            return True
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            return False
        pid = next((int(line.split()[1]) for line in status.splitlines() if line.startswith("PPid:")), 0)
    return False


def holders_text(holders: Sequence[Holder]) -> str:
    """Return which processes hold memory of a card, the largest first."""
    if not holders:
        return "other processes, which the driver does not name, hold the rest"
    ordered = sorted(holders, key=lambda holder: -(holder.bytes or 0))
    texts = [
        f"process {holder.pid} holds {'some' if holder.bytes is None else f'{gib(holder.bytes)} GiB'}"
        for holder in ordered[:3]
    ]
    return ", ".join(texts) + (f", and {len(ordered) - 3} more" if len(ordered) > 3 else "")
