"""One model in training, policy or critic: a DeepSpeed engine, its AdamW, and both to and from disk.

DeepSpeed runs with `managed_gradient_accumulation` off: `backward` only adds to the gradient, and `step` is the
boundary, because the number of micro-batches of an optimiser step follows from the lengths of its responses.

What is written does not depend on ZeRO's stage or the number of processes, so another placement can go on from it.
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

M = TypeVar("M", bound=TokenModel)


class _ClippedAdamW(torch.optim.AdamW):
    """AdamW that clips first, keeps the norm, and does nothing where that is no number.

    For ZeRO stage 0 only, where DeepSpeed clips but forgets the norm, and checks nothing.
    """

    max_norm = 1.0
    norm = 0.0

    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        parameters = [parameter for group in self.param_groups for parameter in group["params"]]
        self.norm = torch.nn.utils.clip_grad_norm_(parameters, self.max_norm).item()
        if math.isfinite(self.norm):
            super().step(closure)


class Learner(Generic[M]):
    """A model, its gradient and its optimiser. Every process of the group has to make the same calls."""

    def __init__(self, module: M, deepspeed_settings: dict[str, Any]) -> None:
        self.stage = zero_stage(deepspeed_settings)
        self.applied_steps = 0
        """Optimiser steps that changed the weights; Adam's bias correction goes by it."""
        self.module = module
        trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
        kind = torch.optim.AdamW if self.stage else _ClippedAdamW
        self._world_size = dist.get_world_size()
        self.optimizer: Any = kind(trained, lr=0.0)
        self.engine, *_ = deepspeed.initialize(
            model=module,
            optimizer=self.optimizer,
            config={
                # Else offloading the optimiser demands DeepSpeed's own Adam, which is compiled on first use.
                "zero_force_ds_cpu_optimizer": False,
                **deepspeed_settings,
                "train_micro_batch_size_per_gpu": 1,
                "gradient_accumulation_steps": 1,
                "managed_gradient_accumulation": False,
                "gradient_clipping": 1.0 if self.stage else 0.0,
            },
        )

    def configure(self, config: UpdateConfig) -> None:
        """Take over settings that may differ between two updates."""
        for group in self.optimizer.param_groups:
            group |= {"betas": config.betas, "weight_decay": config.weight_decay}
        if self.stage:
            self.engine.optimizer.clip_grad = config.max_grad_norm
        else:
            self.optimizer.max_norm = config.max_grad_norm

    def backward(self, loss: Tensor) -> None:
        """Add the gradient of this process's share of the loss. DeepSpeed averages over processes; we want the sum."""
        self.engine.backward(loss * self._world_size, scale_wrt_gas=False)

    def step(self, learning_rate: float) -> float:
        """One optimiser step with the gradient so far; returns the gradient's norm before clipping.

        Where that is infinite or no number, nothing is changed and the gradient is thrown away.
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
        """All weights by their name in the Hugging Face model, whole, on the CPU of the first process; {} elsewhere."""
        found: dict[str, Tensor] = {}
        for name, parameter in self.module.model.named_parameters():
            with deepspeed.zero.GatheredParameters([parameter], enabled=hasattr(parameter, "ds_id")):
                if dist.get_rank() == 0:
                    found[name] = parameter.detach().cpu().clone()
        return found

    def moments(self) -> Iterator[tuple[str, Tensor]]:
        """AdamW's moments, `<moment>.<parameter>` and whole, one at a time; none before the first step."""
        for name, parameter in self._trained():
            for moment in MOMENTS:
                if self.applied_steps:
                    yield f"{moment}.{name}", self._moment(parameter, moment)

    def restore(self, moments: Callable[[str], Tensor], applied_steps: int) -> None:
        """Put moments and the number of steps back; `moments` returns one by name."""
        self.applied_steps = applied_steps
        if not applied_steps:
            return
        # Stage 3 lends AdamW its flat parameters for the time of a step only.
        groups = (
            self.optimizer.param_groups
            if self.stage < 3
            else [{"params": self.engine.optimizer.fp32_partitioned_groups_flat}]
        )
        for flat in (parameter for group in groups for parameter in group["params"]):
            self.optimizer.state[flat] = {
                # A float32 scalar on the CPU, as AdamW makes it.
                "step": torch.tensor(float(applied_steps)),
                **{moment: torch.zeros_like(flat) for moment in MOMENTS},
            }
        if self.stage in (1, 2):
            # Otherwise done by the first step: lets each parameter find its part of the flat moments.
            self.engine.optimizer._lazy_init_hp_params_optimizer_state()
        for name, parameter in self._trained():
            for moment in MOMENTS:
                self._set_moment(parameter, moment, moments(f"{moment}.{name}").to(parameter.device))

    def shapes(self) -> dict[str, torch.Size]:
        """Shape of each trained parameter."""
        return {name: full_shape(parameter) for name, parameter in self._trained()}

    def _trained(self) -> list[tuple[str, nn.Parameter]]:
        return [(name, p) for name, p in self.module.model.named_parameters() if p.requires_grad]

    def _moment(self, parameter: nn.Parameter, moment: str) -> Tensor:
        whole = safe_get_full_optimizer_state if self.stage else lambda p, name: self.optimizer.state[p][name]
        value: Tensor = whole(parameter, moment)
        return value.cpu()

    def _set_moment(self, parameter: nn.Parameter, moment: str, value: Tensor) -> None:
        if self.stage == 0:
            self.optimizer.state[parameter][moment].copy_(value)
        elif self.stage < 3:
            safe_set_full_optimizer_state(parameter, value, moment)
        else:
            # DeepSpeed's own setter for whole values cannot cut one whose size the processes do not divide.
            size = -(-value.numel() // self._world_size)
            padded = nn.functional.pad(value.flatten(), (0, size * self._world_size - value.numel()))
            safe_set_local_optimizer_state(parameter, padded[dist.get_rank() * size :][:size], moment)
