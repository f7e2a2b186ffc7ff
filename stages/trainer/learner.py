"""One model in training, policy or critic: a DeepSpeed engine and its AdamW, with their state to save and restore.

DeepSpeed runs with `managed_gradient_accumulation` off: `backward` only adds to the gradient and `step` takes the
step, because the number of micro-batches of an optimiser step depends on the lengths of its responses.

Weights and moments have the same form at every ZeRO stage and number of processes, so an update with another placement
can continue from them.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

import deepspeed
import torch
import torch.distributed as dist
from deepspeed.utils import (
    safe_get_full_optimizer_state,
    safe_set_full_optimizer_state,
    safe_set_local_optimizer_state,
)
from torch import Tensor, nn

from stages.settings.update import UpdateConfig
from stages.trainer.deepspeed_config import zero_stage
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

    def __init__(self, module: M, deepspeed_settings: dict[str, Any]) -> None:
        self.stage = zero_stage(deepspeed_settings)
        """ZeRO stage."""
        self.applied_steps = 0
        """Optimiser steps that changed the weights; Adam's bias correction uses this number."""
        self.module = module
        self.to_cpu: Callable[[Tensor], Tensor] = lambda tensor: tensor.detach().cpu()
        """Returns the values of a tensor on the CPU; they are not to be changed."""
        trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
        optimizer_class = torch.optim.AdamW if self.stage else _ClippedAdamW
        self._world_size = dist.get_world_size()
        self.optimizer: Any = optimizer_class(trained, lr=0.0)
        self.engine, *_ = deepspeed.initialize(
            model=module,
            optimizer=self.optimizer,
            config={
                # Without this setting, offloading requires DeepSpeed's own Adam, which is compiled on first use.
                "zero_force_ds_cpu_optimizer": False,
                **deepspeed_settings,
                "train_micro_batch_size_per_gpu": 1,
                "gradient_accumulation_steps": 1,
                "managed_gradient_accumulation": False,
                "gradient_clipping": 1.0 if self.stage else 0.0,
            },
        )

    def configure(self, config: UpdateConfig) -> None:
        """Apply the settings that may differ between two updates."""
        for group in self.optimizer.param_groups:
            group |= {"betas": config.betas, "weight_decay": config.weight_decay}
        if self.stage:
            self.engine.optimizer.clip_grad = config.max_grad_norm
        else:
            self.optimizer.max_norm = config.max_grad_norm

    def backward(self, loss: Tensor) -> None:
        """Add the gradient of this process's share of the loss.

        The gradient of all processes is the sum of the shares. DeepSpeed averages, so the loss is scaled up.
        """
        self.engine.backward(loss * self._world_size, scale_wrt_gas=False)

    def step(self, learning_rate: float) -> float:
        """Take one optimiser step with the gradient so far; return the gradient's norm before clipping.

        If the norm is infinite or no number, the weights stay as they are and the gradient is dropped.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.engine.step()
        norm = float(self.engine.get_global_grad_norm()) if self.stage else self.optimizer.norm
        if self.stage and self.engine.optimizer.overflow:
            norm = math.inf
        self.applied_steps += math.isfinite(norm)
        return norm

    @torch.no_grad()
    def weights(self) -> dict[str, Tensor]:
        """Return all weights, whole and on the CPU, by their name in the Hugging Face model.

        Only the first process returns them; the other processes return {}.
        """
        weights: dict[str, Tensor] = {}
        for name, parameter in self.module.model.named_parameters():
            with deepspeed.zero.GatheredParameters([parameter], enabled=hasattr(parameter, "ds_id")):
                if dist.get_rank() == 0:
                    value = self.to_cpu(parameter)
                    # A part of a larger tensor, or one that is whole only for now, is copied.
                    part = hasattr(parameter, "ds_id") or value.untyped_storage().nbytes() != value.nbytes
                    weights[name] = value.clone() if part else value
        return weights

    def tensors(self) -> Iterator[Tensor]:
        """Yield all tensors that last from one update to the next: weights, buffers, masters and moments."""
        yield from self.module.parameters()
        yield from self.module.buffers()
        for group in self.optimizer.param_groups:
            yield from group["params"]
        for state in self.optimizer.state.values():
            yield from (value for value in state.values() if isinstance(value, Tensor))

    def scratch(self) -> Iterator[Tensor]:
        """Yield tensors that are zero from one update to the next."""
        yield from ()

    def drop_gradients(self) -> None:
        """Release gradients that are left from the latest step."""
        for parameter in self.module.parameters():
            parameter.grad = None

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
                # A float32 scalar on the CPU, as in AdamW itself.
                "step": torch.tensor(float(applied_steps)),
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
        return self.to_cpu(self.optimizer.state[parameter][moment])

    def _set_moment(self, parameter: nn.Parameter, moment: str, value: Tensor) -> None:
        if self.stage == 0:
            self.optimizer.state[parameter][moment].copy_(value)
        elif self.stage < 3:
            safe_set_full_optimizer_state(parameter, value, moment)
        else:
            # DeepSpeed's setter for whole values fails if the size is not a multiple of the number of processes.
            size = -(-value.numel() // self._world_size)
            padded = nn.functional.pad(value.flatten(), (0, size * self._world_size - value.numel()))
            safe_set_local_optimizer_state(parameter, padded[dist.get_rank() * size :][:size], moment)
