"""The optimiser between two updates, on disk: AdamW's moments as safetensors, counters as JSON.

Weights are float32 and live in the policy folder, so policy + state restore the trainer to the bit.
"""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from storage.errors import InputError

_MOMENTS = ("exp_avg", "exp_avg_sq")


def save_state(folder: Path, optimizer: torch.optim.AdamW, names: dict[torch.nn.Parameter, str], steps: int) -> None:
    """Write moments under `<moment>.<parameter name>` and the number of optimiser steps so far."""
    folder.mkdir(parents=True)
    tensors = {
        f"{moment}.{name}": optimizer.state[parameter][moment].contiguous()
        for parameter, name in names.items()
        for moment in _MOMENTS
    }
    save_file(tensors, folder / "optimizer.safetensors")
    (folder / "state.json").write_text(json.dumps({"optimiser_steps": steps}) + "\n")


def load_state(folder: Path, optimizer: torch.optim.AdamW, names: dict[torch.nn.Parameter, str]) -> int:
    """Put the moments back and return the number of optimiser steps so far. Raises InputError on a foreign state."""
    try:
        steps = int(json.loads((folder / "state.json").read_text())["optimiser_steps"])
        tensors = load_file(folder / "optimizer.safetensors")
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{folder}: not a trainer state ({error})") from error
    for parameter, name in names.items():
        moments = {moment: tensors.get(f"{moment}.{name}") for moment in _MOMENTS}
        if any(tensor is None or tensor.shape != parameter.shape for tensor in moments.values()):
            raise InputError(f"{folder}: the trainer state does not fit the policy, parameter {name} differs")
        optimizer.state[parameter] = {
            "step": torch.tensor(float(steps)),
            **{moment: tensor.to(parameter.device) for moment, tensor in moments.items() if tensor is not None},
        }
    return steps
