"""Files of the trainer state between two updates: AdamW's moments as safetensors, counters as JSON.

The folder also holds the critic as a model. The policy's weights are in the policy folder. After an update in bfloat16
the weights in both folders are rounded, and the state holds the float32 masters of trained weights too. So policy and
state together restore the trainer bit for bit (on a CPU).
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

_VERSION = 2
"""Version of a state with masters. A state without masters has no version and is that of every release."""
_FILE_BYTES = 2**32
"""A file of tensors is written when it holds this many bytes."""


def save_counters(folder: Path, counters: dict[str, Any], *, masters: bool = False) -> None:
    """Write counters and other small values to state.json, and the version if the state has `masters`."""
    counters = {"version": _VERSION, **counters} if masters else counters
    (folder / "state.json").write_text(json.dumps(counters, indent=1) + "\n")


def load_counters(folder: Path) -> dict[str, Any]:
    """Return the counters of state.json.

    Raises InputError if the folder holds no trainer state, or one of a later version.
    """
    try:
        counters: dict[str, Any] = json.loads((folder / "state.json").read_text())
        counters = {"optimiser_steps": int(counters["optimiser_steps"]), **counters}
        version = int(counters.get("version", 1))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder}: not a trainer state ({error})") from error
    if version > _VERSION:
        raise InputError(
            f"{folder}: a trainer state of version {version}, and this software reads versions up to {_VERSION}; "
            "continue with the later SeRL that wrote it"
        )
    return counters


def has_masters(counters: dict[str, Any]) -> bool:
    """Return whether the state with these counters holds masters."""
    return int(counters.get("version", 1)) >= _VERSION


def save_tensors(folder: Path, name: str, tensors: Iterable[tuple[str, Tensor]], write: bool) -> None:
    """Write tensors to files of about 4 GiB, one after the other, so that they are never all in memory.

    Every process has to iterate over `tensors`, because gathering a tensor takes all processes. Only the process with
    `write` writes files.
    """
    pending: dict[str, Tensor] = {}
    number = 0

    def write_file() -> None:
        nonlocal pending, number
        number += 1
        save_file(pending, folder / f"{name}-{number:05d}.safetensors")
        pending = {}

    for key, tensor in tensors:
        if write:
            pending[key] = tensor.contiguous()
            if sum(value.nbytes for value in pending.values()) >= _FILE_BYTES:
                write_file()
    if pending:
        write_file()


def open_tensors(folder: Path, name: str, shapes: dict[str, torch.Size]) -> Callable[[str], Tensor]:
    """Return a function that reads one tensor by its key.

    Raises InputError unless the files hold a tensor of each key and shape in `shapes`.
    """
    files: dict[str, Any] = {}
    try:
        for path in sorted(folder.glob(f"{name}-*.safetensors")):
            file = safe_open(path, framework="pt")
            files |= dict.fromkeys(file.keys(), file)  # type: ignore[no-untyped-call]
    except (OSError, SafetensorError) as error:
        raise InputError(f"{folder}: not a trainer state ({error})") from error
    for key, shape in shapes.items():
        if key not in files or torch.Size(files[key].get_slice(key).get_shape()) != shape:
            raise InputError(
                f"{folder}: the trainer state does not fit the policy, {name} has no {key} of {list(shape)}"
            )
    return lambda key: files[key].get_tensor(key)
