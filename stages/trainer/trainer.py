"""What a worker holds between two jobs: the policy in a DeepSpeed engine, its optimiser, the reference.

DeepSpeed runs with `managed_gradient_accumulation` off: `backward` only adds to the gradient, and `step` is the
boundary, because the number of micro-batches of an optimiser step follows from the lengths of its responses.
"""

import json
from collections.abc import Sequence
from typing import Any

import deepspeed
import torch
import torch.distributed as dist
from torch import Tensor

from stages.trainer.job import Job, TrainerPlacement
from stages.trainer.models import TokenLogprobs, load_model, save_model
from stages.trainer.state import load_state, save_state
from storage.errors import ConfigError, InputError


class Trainer:
    """Policy, optimiser and reference of one process of the trainer. The process group has to be up."""

    def __init__(self, placement: TrainerPlacement, device: torch.device) -> None:
        self.rank, self.processes = dist.get_rank(), dist.get_world_size()
        self.steps = 0
        """Optimiser steps taken over all updates: the position in the learning-rate schedule."""
        self.round_tokens = placement.micro_batch_tokens * self.processes
        """Tokens of one round of micro-batches, one for each process."""
        self._placement = placement
        self._device = device
        self._dtype = getattr(torch, placement.dtype)
        self._held: tuple[str, str | None] | None = None
        self._reference: TokenLogprobs | None = None
        self._reference_key: str | None = None
        self._max_grad_norm = 0.0
        self._grad_norm = 0.0

    def prepare(self, job: Job) -> None:
        """Hold exactly the policy and state that the job names, loading what differs, under the job's settings."""
        if self._held != (job.policy_key, job.state_key):
            self._load(job)
        self._max_grad_norm = job.config.max_grad_norm
        for group in self._optimizer.param_groups:
            group |= {"betas": job.config.betas, "weight_decay": job.config.weight_decay}
        # From here the weights are neither the old nor the new policy, until `save` names them.
        self._held = None

    def reference(self, job: Job) -> TokenLogprobs | None:
        """The reference policy, None where it is the policy itself."""
        if job.reference_key == job.policy_key:
            return None
        if job.reference_key != self._reference_key:
            self._reference = load_model(job.reference, dtype=self._dtype, device=self._device)
            self._reference_key = job.reference_key
        return self._reference

    def share(self, rounds: Sequence[list[int]]) -> list[list[int]]:
        """This process's rows of every round; empty where a round has fewer rows than there are processes."""
        return [rows[self.rank :: self.processes] for rows in rounds]

    def backward(self, loss: Tensor) -> None:
        """Add the gradient of this process's share of the loss. DeepSpeed averages over processes; we want the sum."""
        self.engine.backward(loss * self.processes, scale_wrt_gas=False)

    def step(self, learning_rate: float) -> float:
        """One optimiser step with the gradient so far; returns the gradient's norm before clipping."""
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        self.engine.step()
        self.steps += 1
        return self._grad_norm

    def save(self, job: Job) -> None:
        """Write policy and trainer state to the job's output folder."""
        save_model(self.policy.model, job.policy, job.output / "policy")
        save_state(job.output / "trainer_state", self._optimizer, self._names(), self.steps)

    def hold(self, policy_key: str, state_key: str) -> None:
        """Name the weights and state that are held now."""
        self._held = (policy_key, state_key)

    def sum_over_processes(self, values: Tensor) -> Tensor:
        """Sum of a CPU tensor over all processes."""
        if self.processes > 1:
            dist.all_reduce(values)
        return values

    def max_over_processes(self, value: Tensor) -> float:
        """Largest of a CPU tensor of one number over all processes."""
        if self.processes > 1:
            dist.all_reduce(value, op=dist.ReduceOp.MAX)
        return value.item()

    def _load(self, job: Job) -> None:
        self.policy = load_model(job.policy, dtype=self._dtype, device=self._device)
        if self._placement.gradient_checkpointing:
            self.policy.model.gradient_checkpointing_enable({"use_reentrant": False})
            self.policy.train()  # transformers checkpoints only in training mode; dropout is off in any case
        self._optimizer = torch.optim.AdamW(self.policy.parameters(), lr=job.config.learning_rate)
        self._optimizer.register_step_pre_hook(self._clip)
        self.engine, *_ = deepspeed.initialize(
            model=self.policy, optimizer=self._optimizer, config=_deepspeed_settings(self._placement)
        )
        self.steps = 0 if job.state is None else load_state(job.state, self._optimizer, self._names())

    def _names(self) -> dict[torch.nn.Parameter, str]:
        return {parameter: name for name, parameter in self.policy.model.named_parameters()}

    def _clip(self, *_: Any) -> None:
        # Without ZeRO DeepSpeed clips but forgets the norm; a step hook runs after the reduction over processes.
        self._grad_norm = torch.nn.utils.clip_grad_norm_(self.policy.parameters(), self._max_grad_norm).item()


def _deepspeed_settings(placement: TrainerPlacement) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    if placement.deepspeed is not None:
        try:
            settings = json.loads(placement.deepspeed.read_text())
        except (OSError, ValueError) as error:
            raise InputError(f"{placement.deepspeed}: DeepSpeed settings cannot be read ({error})") from error
    stage = settings.get("zero_optimization", {}).get("stage", 0)
    if stage != 0:
        raise ConfigError(f"{placement.deepspeed}: ZeRO stage {stage} is not supported yet, expected stage 0")
    return settings | {
        "train_micro_batch_size_per_gpu": 1,
        "gradient_accumulation_steps": 1,
        "managed_gradient_accumulation": False,
        "gradient_clipping": 0.0,  # clipped in the step hook, which also keeps the norm
    }
