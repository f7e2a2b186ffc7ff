"""A trainer between two updates, on disk: AdamW's moments as safetensors, counters as JSON, the critic as a model.

Weights are float32 and live in the policy folder, so policy + state restore the trainer to the bit (on a CPU).
"""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from storage.errors import InputError

_FILE_BYTES = 2**32


def save_counters(folder: Path, counters: dict[str, Any]) -> None:
    """Write counters and other small values."""
    (folder / "state.json").write_text(json.dumps(counters, indent=1) + "\n")


def load_counters(folder: Path) -> dict[str, Any]:
    """Raises InputError when the folder holds no trainer state."""
    try:
        counters: dict[str, Any] = json.loads((folder / "state.json").read_text())
        return {"optimiser_steps": int(counters["optimiser_steps"]), **counters}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder}: not a trainer state ({error})") from error


def save_tensors(folder: Path, name: str, tensors: Iterable[tuple[str, Tensor]], write: bool) -> None:
    """Write tensors to files of about 4 GiB, one after the other, so that never all are in memory.

    Every process goes through them, as making one takes all; only the one that is to `write` does.
    """
    held: dict[str, Tensor] = {}
    number = 0

    def put() -> None:
        nonlocal held, number
        number += 1
        save_file(held, folder / f"{name}-{number:05d}.safetensors")
        held = {}

    for key, tensor in tensors:
        if write:
            held[key] = tensor.contiguous()
            if sum(value.nbytes for value in held.values()) >= _FILE_BYTES:
                put()
    if held:
        put()


def open_tensors(folder: Path, name: str, shapes: dict[str, torch.Size]) -> Callable[[str], Tensor]:
    """A function that reads one tensor by its key. Raises InputError unless there is one of each shape."""
    files: dict[str, Any] = {}
    try:
        for path in sorted(folder.glob(f"{name}-*.safetensors")):
            opened = safe_open(path, framework="pt")
            files |= dict.fromkeys(opened.keys(), opened)  # type: ignore[no-untyped-call]
    except (OSError, SafetensorError) as error:
        raise InputError(f"{folder}: not a trainer state ({error})") from error
    for key, shape in shapes.items():
        if key not in files or torch.Size(files[key].get_slice(key).get_shape()) != shape:
            raise InputError(
                f"{folder}: the trainer state does not fit the policy, {name} has no {key} of {list(shape)}"
            )
    return lambda key: files[key].get_tensor(key)
