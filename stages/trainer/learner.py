"""One model in training, policy or critic: a DeepSpeed engine and its AdamW, with their state to save and restore.

DeepSpeed runs with `managed_gradient_accumulation` off: `backward` only adds to the gradient and `step` takes the
step, because the number of micro-batches of an optimiser step depends on the lengths of its responses.

Weights and moments have the same form at every ZeRO stage and number of processes, so an update with another placement
can continue from them.

In bfloat16 the model computes with 16-bit weights, and the optimiser keeps float32 masters of them: DeepSpeed does so
with ZeRO, and `MasterEngine` without. Gradients of micro-batches are added up in float32 at every stage.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

import deepspeed
import torch
import torch.distributed as dist
from deepspeed.utils import (
    safe_get_full_fp32_param,
    safe_get_full_optimizer_state,
    safe_set_full_fp32_param,
    safe_set_full_optimizer_state,
    safe_set_local_fp32_param,
    safe_set_local_optimizer_state,
)
from torch import Tensor, nn

from stages.settings.update import UpdateConfig
from stages.trainer.deepspeed_config import offloads_optimizer, zero_stage
from stages.trainer.master_weights import MasterEngine
from stages.trainer.models import TokenModel, full_shape

MOMENTS = ("exp_avg", "exp_avg_sq")
"""Names of AdamW's first and second moment."""
M = TypeVar("M", bound=TokenModel)


class _ClippedAdamW(torch.optim.AdamW):
    """AdamW that clips the gradient, keeps its norm, and skips the step if the norm is infinite or no number.

    For ZeRO stage 0 only: there DeepSpeed clips, but does not keep the norm and does not check it.
    """

    max_norm = 1.0
    """The gradient is scaled down to this norm."""
    norm = 0.0
    """Norm of the latest gradient before clipping."""

    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        parameters = [parameter for group in self.param_groups for parameter in group["params"]]
        self.norm = torch.nn.utils.clip_grad_norm_(parameters, self.max_norm).item()
        if math.isfinite(self.norm):
            super().step(closure)


class Learner(Generic[M]):
    """A model, its gradient and its optimiser. Every process of the group has to make the same calls."""

    engine: Any
    """Called with the module's arguments, it returns the module's outputs: a DeepSpeed engine or a `MasterEngine`."""
    optimizer: Any
    """torch's AdamW, of which a DeepSpeed engine may hold a wrapper."""

    def __init__(self, module: M, deepspeed_settings: dict[str, Any], dtype: torch.dtype = torch.float32) -> None:
        """Prepare a module for training in `dtype`. Its weights have to be in float32, also those of masters."""
        self.stage = zero_stage(deepspeed_settings)
        """ZeRO stage."""
        self.applied_steps = 0
        """Optimiser steps that changed the weights; Adam's bias correction uses this number."""
        self.module = module
        module.dtype = dtype
        self.has_masters = dtype != torch.float32
        """Whether the optimiser has float32 masters of 16-bit weights."""
        self.read: Callable[..., Tensor] = read_on_cpu
        """Takes the arguments of `read_on_cpu`, and finds tensors that have left their device as well."""
        self._world_size = dist.get_world_size()
        trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
        fused = self._fused = has_fused_step(trained[0].device, deepspeed_settings)
        if self.has_masters and not self.stage:
            self.engine = MasterEngine(module, trained, dtype, fused=fused)
            self.optimizer = self.engine.optimizer
            return
        optimizer_class = torch.optim.AdamW if self.stage else _ClippedAdamW
        self.optimizer = optimizer_class(trained, lr=0.0, fused=fused or None)
        masters = self._round(dtype) if self.has_masters else {}
        self.engine, *_ = deepspeed.initialize(
            model=module,
            optimizer=self.optimizer,
            config={
                # Without this setting, offloading requires DeepSpeed's own Adam, which is compiled on first use.
                "zero_force_ds_cpu_optimizer": False,
                **deepspeed_settings,
                **(_bfloat16_settings(deepspeed_settings) if self.has_masters else {}),
                "train_micro_batch_size_per_gpu": 1,
                "gradient_accumulation_steps": 1,
                "managed_gradient_accumulation": False,
                "gradient_clipping": 1.0 if self.stage else 0.0,
            },
        )
        for parameter, master in masters.items():
            # DeepSpeed made its masters from the rounded weights.
            set_master = safe_set_full_fp32_param if self.stage < 3 else safe_set_local_fp32_param
            set_master(parameter, master)

    def configure(self, config: UpdateConfig) -> None:
        """Apply the settings that may differ between two updates."""
        for group in self.optimizer.param_groups:
            group |= {"betas": config.betas, "weight_decay": config.weight_decay}
        if self.stage:
            self.engine.optimizer.clip_grad = config.max_grad_norm
        elif self.has_masters:
            self.engine.max_norm = config.max_grad_norm
        else:
            self.optimizer.max_norm = config.max_grad_norm

    def backward(self, loss: Tensor) -> None:
        """Add the gradient of this process's share of the loss.

        The gradient of all processes is the sum of the shares. DeepSpeed averages, so the loss is scaled up.
        """
        if isinstance(self.engine, MasterEngine):
            self.engine.backward(loss)
            return
        self.engine.backward(loss * self._world_size, scale_wrt_gas=False)

    def step(self, learning_rate: float) -> float:
        """Take one optimiser step with the gradient so far; return the gradient's norm before clipping.

        If the norm is infinite or no number, the weights stay as they are and the gradient is dropped.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.engine.step()
        if self.stage:
            norm = float(self.engine.get_global_grad_norm())
        else:
            norm = self.engine.norm if self.has_masters else self.optimizer.norm
        if self.stage and self.engine.optimizer.overflow:
            norm = math.inf
        self.applied_steps += math.isfinite(norm)
        return norm

    @torch.no_grad()
    def weights(self, *, masters: bool = False) -> dict[str, Tensor]:
        """Return all weights, whole and on the CPU, by their name in the Hugging Face model.

        Only the first process returns them; the other processes return {}. They are not to be changed.

        Args:
            masters: return masters in place of the weights that they are rounded to.
        """
        weights: dict[str, Tensor] = {}
        for name, parameter in self.module.model.named_parameters():
            if masters and self.has_masters and parameter.requires_grad:
                master = self._master(parameter)
                if dist.get_rank() == 0:
                    weights[name] = master
                continue
            with deepspeed.zero.GatheredParameters([parameter], enabled=hasattr(parameter, "ds_id")):
                if dist.get_rank() == 0:
                    value = self.read(parameter)
                    # A part of a larger tensor, or one that is whole only for now, is copied.
                    part = hasattr(parameter, "ds_id") or value.untyped_storage().nbytes() != value.nbytes
                    weights[name] = value.clone() if part else value
        return weights

    def tensors(self) -> Iterator[Tensor]:
        """Yield all tensors that last from one update to the next: weights, buffers, masters and moments.

        Tensors that share memory may all be among them. With ZeRO 1 and 2 these are the parts of this process; of ZeRO
        3 they are not all.
        """
        yield from self.module.parameters()
        yield from self.module.buffers()
        for group in self.optimizer.param_groups:
            yield from group["params"]
        for state in self.optimizer.state.values():
            yield from (value for value in state.values() if isinstance(value, Tensor))

    def scratch(self) -> Iterator[Tensor]:
        """Yield gradients that are zero from one update to the next."""
        if isinstance(self.engine, MasterEngine):
            yield self.engine.gradient
        elif self.stage:
            # Stage 1 in bfloat16 zeroes them after each step; the other cases have none between two updates.
            yield from getattr(self.engine.optimizer, "fp32_groups_gradients_flat", ())

    def drop_gradients(self) -> None:
        """Release gradients that are left from the latest step."""
        for parameter in self.module.parameters():
            parameter.grad = None

    def masters(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the masters of trained weights, whole and on the CPU, as (parameter, tensor)."""
        for name, parameter in self._trained():
            yield name, self._master(parameter)

    def moments(self) -> Iterator[tuple[str, Tensor]]:
        """Yield AdamW's moments, whole, as (`<moment>.<parameter>`, tensor); none before the first step."""
        for name, parameter in self._trained():
            for moment in MOMENTS:
                if self.applied_steps:
                    yield f"{moment}.{name}", self._moment(parameter, moment)

    def restore(self, moments: Callable[[str], Tensor], applied_steps: int) -> None:
        """Set the moments and the number of steps.

        Args:
            moments: returns a moment by its name, `<moment>.<parameter>`.
            applied_steps: number of steps that changed the weights; with 0 there are no moments to restore.
        """
        self.applied_steps = applied_steps
        if not applied_steps:
            return
        # At stage 3 AdamW's parameter groups hold the flat parameters only during a step.
        groups = (
            self.optimizer.param_groups
            if self.stage < 3
            else [{"params": self.engine.optimizer.fp32_partitioned_groups_flat}]
        )
        for flat in (parameter for group in groups for parameter in group["params"]):
            self.optimizer.state[flat] = {
                # A float32 scalar where AdamW itself has it.
                "step": torch.tensor(float(applied_steps), device=flat.device if self._fused else "cpu"),
                **{moment: torch.zeros_like(flat) for moment in MOMENTS},
            }
        if self.stage in (1, 2):
            # Links each parameter to its part of the flat moments; otherwise only the first step does that.
            self.engine.optimizer._lazy_init_hp_params_optimizer_state()
        for name, parameter in self._trained():
            for moment in MOMENTS:
                self._set_moment(parameter, moment, moments(f"{moment}.{name}").to(parameter.device))

    def shapes(self) -> dict[str, torch.Size]:
        """Return the whole shape of each trained parameter."""
        return {name: full_shape(parameter) for name, parameter in self._trained()}

    def _trained(self) -> list[tuple[str, nn.Parameter]]:
        return [(name, p) for name, p in self.module.model.named_parameters() if p.requires_grad]

    def _moment(self, parameter: nn.Parameter, moment: str) -> Tensor:
        if self.stage:
            value: Tensor = safe_get_full_optimizer_state(parameter, moment)
            return value.cpu()
        if self.has_masters:
            return self._read_part(self.optimizer.state[self.engine.master][moment], parameter)
        return self.read(self.optimizer.state[parameter][moment])

    def _master(self, parameter: nn.Parameter) -> Tensor:
        if self.stage:
            value: Tensor = safe_get_full_fp32_param(parameter)
            return value.detach().cpu()
        return self._read_part(self.engine.master, parameter)

    def _read_part(self, flat: Tensor, parameter: nn.Parameter) -> Tensor:
        """Return the part of a flat tensor of the engine that belongs to a parameter, on the CPU."""
        return self.read(flat, self.engine.start(parameter), parameter.numel()).view(parameter.shape)

    @torch.no_grad()
    def _round(self, dtype: torch.dtype) -> dict[nn.Parameter, Tensor]:
        """Round all weights to `dtype`; return what the trained ones were, each whole, or the part of this process."""
        masters: dict[nn.Parameter, Tensor] = {}
        for parameter in self.module.parameters():
            stored: Tensor = getattr(parameter, "ds_tensor", parameter)
            if parameter.requires_grad:
                masters[parameter] = stored.detach().clone()
            stored.data = stored.data.to(dtype)
            parameter.data = parameter.data.to(dtype)
        return masters

    def _set_moment(self, parameter: nn.Parameter, moment: str, value: Tensor) -> None:
        if self.stage == 0 and self.has_masters:
            self.engine.part(self.optimizer.state[self.engine.master][moment], parameter).copy_(value)
        elif self.stage == 0:
            self.optimizer.state[parameter][moment].copy_(value)
        elif self.stage < 3:
            safe_set_full_optimizer_state(parameter, value, moment)
        else:
            # DeepSpeed's setter for whole values fails if the size is not a multiple of the number of processes.
            size = -(-value.numel() // self._world_size)
            padded = nn.functional.pad(value.flatten(), (0, size * self._world_size - value.numel()))
            safe_set_local_optimizer_state(parameter, padded[dist.get_rank() * size :][:size], moment)


def has_fused_step(device: torch.device, deepspeed_settings: dict[str, Any]) -> bool:
    """Return whether AdamW's step is one kernel: on a GPU, unless masters and moments are in main memory."""
    return device.type == "cuda" and not offloads_optimizer(deepspeed_settings)


def _bfloat16_settings(deepspeed_settings: dict[str, Any]) -> dict[str, Any]:
    """Return DeepSpeed's settings for 16-bit weights with float32 masters and gradients that are summed in float32."""
    return {
        "bf16": {"enabled": True, "check_grad_overflow": True},
        "data_types": {**deepspeed_settings.get("data_types", {}), "grad_accum_dtype": "fp32"},
        "communication_data_type": deepspeed_settings.get("communication_data_type", "fp32"),
    }


def read_on_cpu(tensor: Tensor, start: int = 0, size: int | None = None) -> Tensor:
    """Return the values of a tensor on the CPU, or `size` values of a flat tensor from `start` on.

    They are not to be changed.
    """
    return (tensor if size is None else tensor[start : start + size]).detach().cpu()
