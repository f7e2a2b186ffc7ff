"""Low-rank adapters (arXiv 2106.09685) by peft: add them to a model, merge them, save and load them."""

import warnings
from collections.abc import Mapping
from pathlib import Path

import peft
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedModel

from stages.settings.update import LoraConfig
from stages.trainer.models import full_shape, save_model, set_weight
from storage.errors import InputError

FOLDER = "adapter"
"""Folder of the unmerged adapter inside a policy's folder."""

_PREFIX = "base_model.model."


def add(model: PreTrainedModel, config: LoraConfig, saved: Path, seed: int) -> None:
    """Add adapters to the model: those in the folder `saved`, or new ones if there is no such folder.

    New adapters change no output yet; `seed` decides their first weights.

    Raises InputError if the model has no layer with a name in `config.modules`, or if the saved adapters do not fit.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            peft.inject_adapter_in_model(_peft_config(config), model)
        except ValueError as error:
            raise InputError(f"update.lora: {' '.join(str(error).split())[:300]}") from error
    if not saved.is_dir():
        return
    try:
        tensors = load_file(saved / "adapter_model.safetensors")
    except (OSError, SafetensorError) as error:
        raise InputError(f"{saved}: not an adapter ({error})") from error
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            value = tensors.get(_PREFIX + name.replace(".default.", "."))
            if value is None or value.shape != full_shape(parameter):
                raise InputError(f"{saved}: the adapter does not fit update.lora, {name} differs")
            set_weight(parameter, value)


def merge(weights: Mapping[str, Tensor], config: LoraConfig) -> dict[str, Tensor]:
    """Return weights of a model without adapters that has the same outputs as the model with adapters.

    Each adapted weight becomes `W + up @ down * alpha / rank` (arXiv 2106.09685, section 4.1).
    """
    merged: dict[str, Tensor] = {}
    for name, weight in weights.items():
        if ".base_layer." in name:
            layer, suffix = name.split(".base_layer.")
            if suffix == "weight":
                down, up = (weights[f"{layer}.{part}.default.weight"] for part in ("lora_A", "lora_B"))
                weight = weight + (up @ down) * (config.alpha / config.rank)
            merged[f"{layer}.{suffix}"] = weight
        elif ".lora_" not in name:
            merged[name] = weight
    return merged


def merge_folder(model: Path, adapter: Path, target: Path) -> None:
    """Merge the peft adapter in folder `adapter` into the model in folder `model` and write the result to `target`.

    The weights keep the precision of the model.

    Raises InputError if the folder holds no adapter, or an adapter for another model.
    """
    try:
        base = AutoModelForCausalLM.from_pretrained(model, local_files_only=True, use_safetensors=True, dtype="auto")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # weights that do not fit are an error below
            adapted = peft.PeftModel.from_pretrained(base, str(adapter), local_files_only=True)
        with safe_open(adapter / "adapter_model.safetensors", "pt") as file:
            unmatched = sorted(set(file.keys()) ^ peft.get_peft_model_state_dict(adapted).keys())
        if unmatched:
            raise ValueError(f"{len(unmatched)} weights are in only one of the two, such as {unmatched[0]}")
        merged = adapted.merge_and_unload(safe_merge=True)
    except (ValueError, RuntimeError, KeyError, TypeError, OSError, SafetensorError) as error:
        raise InputError(
            f"adapter {adapter} cannot be merged into {model}: {' '.join(str(error).split())[:300]}"
        ) from error
    save_model(merged, merged.state_dict(), model, target)


def save(weights: Mapping[str, Tensor], config: LoraConfig, folder: Path) -> None:
    """Write the adapters among `weights` to `folder` in peft's format."""
    tensors = {_PREFIX + name.replace(".default.", "."): weight for name, weight in weights.items() if ".lora_" in name}
    _peft_config(config).save_pretrained(str(folder))
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})


def _peft_config(config: LoraConfig) -> peft.LoraConfig:
    return peft.LoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,
        target_modules="all-linear" if config.modules is None else list(config.modules),
        task_type="CAUSAL_LM",
    )
