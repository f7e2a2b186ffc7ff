"""The state of a worker between two jobs: policy and critic with their optimisers, the reference, counters."""

import gc
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from transformers import PreTrainedModel

from stages.settings.trainer import TrainerPlacement
from stages.settings.update import LoraConfig
from stages.trainer import adapters
from stages.trainer.deepspeed_config import read_deepspeed_settings, zero_stage
from stages.trainer.job import Job
from stages.trainer.learner import MOMENTS, Learner
from stages.trainer.models import (
    TokenLogprobs,
    TokenValues,
    check_model,
    full_shape,
    load_critic,
    load_policy,
    save_model,
    set_weight,
)
from stages.trainer.state import has_masters, load_counters, open_tensors, save_counters, save_tensors
from storage.errors import InputError

_MASTERS = {"optimizer": "master", "critic_optimizer": "critic_master"}
"""Name of a learner's moments in files of the state -> name of its masters there."""


class Trainer:
    """Policy, critic, optimisers and reference of one process of the trainer.

    The process group of torch.distributed has to be initialised. Every process of the group has to make the same calls.
    """

    policy: Learner[TokenLogprobs]
    critic: Learner[TokenValues] | None
    """PPO's critic; None for the other algorithms."""

    def __init__(self, placement: TrainerPlacement, device: torch.device) -> None:
        self.rank, self.world_size = dist.get_rank(), dist.get_world_size()
        self.device = device
        self.steps = 0
        """Optimiser steps over all updates, skipped steps included: the position in the learning-rate schedule."""
        self.kl_coef = 0.0
        """Weight of the KL to the reference in this update."""
        self._placement = placement
        self._deepspeed = read_deepspeed_settings(placement)
        self._dtype: torch.dtype = getattr(torch, placement.dtype)
        self._loaded_keys: tuple[str, str | None] | None = None
        """Keys of policy and state that are loaded; None if the weights have no key."""
        self._loaded_parts: tuple[bool, LoraConfig | None] | None = None
        """See `_parts`."""
        self._reference: TokenLogprobs | None = None
        self._reference_key: str | None = None

    def prepare(self, job: Job, checkpoint: Path | None) -> None:
        """Load the policy and state of the job, or those of a checkpoint, unless they are loaded; apply its settings.

        Raises InputError if a folder cannot be used.
        """
        if checkpoint is not None:
            self._load(job, checkpoint / "policy", checkpoint / "trainer_state")
        elif self._loaded_keys != (job.policy_key, job.state_key) or self._loaded_parts != _parts(job):
            self._load(job, job.policy, job.state)
        if job.config.kl_target is None:
            self.kl_coef = job.config.kl_coef
        for learner in self._learners().values():
            learner.configure(job.config)
        # From here on the weights are neither the old nor the new policy, until `hold` sets their keys.
        self._loaded_keys = None

    def with_reference(self, job: Job, use: Callable[[TokenLogprobs], Tensor]) -> Tensor | None:
        """Return the result of `use` on the reference policy; None if the reference is the policy itself."""
        if job.reference_key == job.policy_key:
            return None
        if job.reference_key != self._reference_key:
            self._reference = load_policy(job.reference, dtype=self._dtype, device=self.device)
            self._reference_key = job.reference_key
        assert self._reference is not None
        result = use(self._reference)
        if self.device.type == "cuda":
            # Weights that are used once per update would take up GPU memory.
            self._reference = self._reference_key = None
            torch.cuda.empty_cache()
        return result

    def share(self, micro_batches: Sequence[list[int]]) -> list[list[int]]:
        """Return the micro-batches of this process.

        Their number is the same for every process, and some may be empty.
        """
        return list(micro_batches[self.rank :: self.world_size])

    def save(self, job: Job, folder: Path) -> None:
        """Write policy and trainer state to `folder`/policy and `folder`/trainer_state."""
        state = folder / "trainer_state"
        weights = {name: learner.weights() for name, learner in self._learners().items()}
        if self.rank == 0:
            state.mkdir(parents=True)
            policy, lora = weights["optimizer"], job.config.lora
            merged = policy if lora is None else adapters.merge(policy, lora)
            save_model(self.policy.module.model, self._rounded(merged), job.policy, folder / "policy")
            if lora is not None:
                adapters.save(policy, lora, folder / "policy" / adapters.FOLDER)
            if self.critic is not None:
                critic = self._rounded(weights["critic_optimizer"])
                save_model(self.critic.module.model, critic, None, state / "critic")
        for name, learner in self._learners().items():
            save_tensors(state, name, learner.moments(), write=self.rank == 0)
            if self._has_masters and self.rank == 0:
                masters = ((key, weights[name][key]) for key in learner.shapes())
                save_tensors(state, _MASTERS[name], masters, write=True)
        if self.rank == 0:
            applied = {name: learner.applied_steps for name, learner in self._learners().items()}
            counters = {"optimiser_steps": self.steps, "applied_steps": applied, "kl_coef": self.kl_coef}
            save_counters(state, counters, masters=self._has_masters)

    def hold(self, policy_key: str, state_key: str) -> None:
        """Set the keys of the loaded weights and state, or release their memory if the placement says so."""
        self._loaded_keys = (policy_key, state_key)
        on_gpu = self.device.type == "cuda"
        if on_gpu if self._placement.free_memory is None else self._placement.free_memory:
            self._drop()
            self._reference = self._reference_key = None
            if on_gpu:
                torch.cuda.empty_cache()

    def sum_over_processes(self, values: Tensor) -> Tensor:
        """Return the sum of a CPU tensor over all processes; the tensor itself may be overwritten."""
        if self.world_size > 1:
            dist.all_reduce(values)
        return values

    def max_over_processes(self, values: Tensor) -> Tensor:
        """Return the maximum over all processes of each element of a CPU tensor; the tensor may be overwritten."""
        if self.world_size > 1:
            dist.all_reduce(values, op=dist.ReduceOp.MAX)
        return values

    def wait_for_all(self) -> None:
        """Return when every process has made this call."""
        if self.world_size > 1:
            dist.barrier()

    def _learners(self) -> dict[str, Learner[Any]]:
        """Return policy and critic, by the name of the file that holds their moments."""
        return {"optimizer": self.policy} | ({"critic_optimizer": self.critic} if self.critic is not None else {})

    @property
    def _has_masters(self) -> bool:
        return self._dtype != torch.float32

    def _rounded(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return weights in the type of the placement."""
        return {name: weight.to(self._dtype) for name, weight in weights.items()}

    def _drop(self) -> None:
        """Release the memory of weights, gradients and moments."""
        if hasattr(self, "policy"):
            for learner in self._learners().values():
                learner.engine.destroy()
            del self.policy
            self.critic = None
        self._loaded_keys = None
        gc.collect()

    def _load(self, job: Job, policy: Path, state: Path | None) -> None:
        """Load policy, critic, moments and counters from folders, under the settings of the job."""
        self._drop()
        self._loaded_parts = _parts(job)
        lora = job.config.lora
        counters: dict[str, Any] = {"optimiser_steps": 0} if state is None else load_counters(state)
        with _PartitionedLoading(self._deepspeed):
            if lora is None:
                module = load_policy(policy, dtype=torch.float32, device=self.device)
            else:
                if job.base is None:
                    raise InputError("update.lora: the job names no base policy that adapters are trained on")
                module = load_policy(job.base, dtype=torch.float32, device=self.device)
                adapters.add(module.model, lora, policy / adapters.FOLDER, job.seed)
        if state is not None and has_masters(counters):
            _set_masters(module.model, state, _MASTERS["optimizer"])
        self.policy = Learner(module, self._deepspeed, self._dtype)
        if self.policy.stage < 3:
            check_model(module, policy)
        self.critic = None
        if job.config.algorithm == "ppo":
            saved = None if state is None else state / "critic"
            if saved is not None and not saved.is_dir():
                raise InputError(f"{state}: the trainer state has no critic; it was not left by algorithm: ppo")
            with _PartitionedLoading(self._deepspeed):
                critic = load_critic(
                    policy if saved is None else saved, new=saved is None, dtype=torch.float32, device=self.device
                )
            if state is not None and has_masters(counters):
                _set_masters(critic.model, state, _MASTERS["critic_optimizer"])
            self.critic = Learner(critic, self._deepspeed, self._dtype)
        if self._placement.gradient_checkpointing:
            for learner in self._learners().values():
                learner.module.model.gradient_checkpointing_enable({"use_reentrant": False})
                learner.module.train()  # transformers checkpoints only in training mode; dropout is off in any case
        self.steps = counters["optimiser_steps"]
        self.kl_coef = counters.get("kl_coef", job.config.kl_coef)
        if state is not None:
            for name, learner in self._learners().items():
                applied = int(counters["applied_steps"][name])
                shapes = {
                    f"{moment}.{parameter}": shape
                    for parameter, shape in learner.shapes().items()
                    for moment in MOMENTS
                    if applied
                }
                learner.restore(open_tensors(state, name, shapes), applied)


def _parts(job: Job) -> tuple[bool, LoraConfig | None]:
    """Return whether there is a critic, and the settings of adapters; a change of either requires loading again."""
    return job.config.algorithm == "ppo", job.config.lora


def _set_masters(model: PreTrainedModel, state: Path, name: str) -> None:
    """Replace the trained weights, which the model's folder has rounded, by their masters in the state."""
    trained = {key: parameter for key, parameter in model.named_parameters() if parameter.requires_grad}
    masters = open_tensors(state, name, {key: full_shape(parameter) for key, parameter in trained.items()})
    for key, parameter in trained.items():
        set_weight(parameter, masters(key))


class _PartitionedLoading:
    """A context in which transformers loads a model already partitioned over the processes, for ZeRO stage 3."""

    def __init__(self, deepspeed_settings: dict[str, Any]) -> None:
        self._settings = deepspeed_settings
        self._config: object = None

    def __enter__(self) -> None:
        if zero_stage(self._settings) == 3:
            from transformers.integrations import HfDeepSpeedConfig

            # In effect for as long as the object lives.
            self._config = HfDeepSpeedConfig(self._settings | {"train_micro_batch_size_per_gpu": 1})

    def __exit__(self, *_: object) -> None:
        self._config = None
