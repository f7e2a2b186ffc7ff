"""The state of a worker between two jobs: policy and critic with their optimisers, the reference, counters."""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import transformers
from torch import Tensor

from stages.settings.trainer import TrainerPlacement
from stages.settings.update import LoraConfig
from stages.trainer import adapters
from stages.trainer.batches import Packing
from stages.trainer.compiled import compile_layers, compiles
from stages.trainer.deepspeed_config import offloads, read_deepspeed_settings, zero_stage
from stages.trainer.gpu_memory import fitting_tokens, memory_text, shape_of, usable_memory
from stages.trainer.holding import (
    Holding,
    HostMemory,
    available_host_memory,
    choose_holding,
    holds_too_much,
    release_cached_memory,
    reserved_memory,
    try_to_move,
)
from stages.trainer.job import Job
from stages.trainer.learner import MOMENTS, Learner
from stages.trainer.loading import PartitionedLoading, set_masters
from stages.trainer.memory import CPU_TOKENS, UpdateForm
from stages.trainer.models import (
    TokenLogprobs,
    TokenValues,
    check_model,
    load_critic,
    load_policy,
    save_model,
)
from stages.trainer.packed_attention import has_kernel
from stages.trainer.policy_files import write_policy
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
        self.micro_batch_tokens = CPU_TOKENS
        """Most tokens that this process computes at a time in this update."""
        self._placement = placement
        self._deepspeed = read_deepspeed_settings(placement)
        self._dtype: torch.dtype = getattr(torch, placement.dtype)
        self._loaded_keys: tuple[str, str | None] | None = None
        """Keys of policy and state that are loaded; None if the weights have no key."""
        self._loaded_parts: tuple[bool, LoraConfig | None] | None = None
        """See `_parts`."""
        self._reference: TokenLogprobs | None = None
        self._reference_key: str | None = None
        self._checked: set[str] = set()
        """Digests of the architectures that `check_model` has accepted."""
        self._host, self._reference_host = HostMemory(device), HostMemory(device)
        """Host memory of policy and critic, and of the reference."""
        self.holding: Holding = "device"
        """Where policy and critic are from the latest `hold` on."""
        self.ends = False
        """Whether this process is to end after the job, because it keeps GPU memory that the engine needs."""
        self.reference_seconds = 0.0
        """Seconds that it took to bring the reference to the device in this job."""
        self._reference_changed = True
        """Whether the reference in host memory, if any, is another one."""
        self._can_move = zero_stage(self._deepspeed) < 3 and not offloads(self._deepspeed)
        """Whether policy and critic can be moved to host memory; False once that has failed."""

    def recall(self, job: Job, checkpoint: Path | None) -> bool:
        """Bring policy and critic back from host memory if the job names them; return whether they were there."""
        if not self._host.away or checkpoint is not None or not self._has(job):
            return False
        return self._moves(self._host.give_back)

    def prepare(self, job: Job, checkpoint: Path | None) -> None:
        """Load the policy and state of the job, or those of a checkpoint, unless they are loaded; apply its settings.

        Raises InputError if a folder cannot be used.
        """
        if checkpoint is not None:
            self._load(job, checkpoint / "policy", checkpoint / "trainer_state")
        elif not self._has(job):
            self._load(job, job.policy, job.state)
        self.reference_seconds = 0.0
        if job.config.kl_target is None:
            self.kl_coef = job.config.kl_coef
        for learner in self._learners().values():
            learner.configure(job.config)
        self.micro_batch_tokens = self._micro_batch_tokens(job)
        # From here on the weights are neither the old nor the new policy, until `hold` sets their keys.
        self._loaded_keys = None

    def with_reference(self, job: Job, use: Callable[[TokenLogprobs], Tensor]) -> Tensor | None:
        """Return the result of `use` on the reference policy; None if the reference is the policy itself."""
        if job.reference_key == job.policy_key:
            return None
        begin = time.perf_counter()
        if job.reference_key != self._reference_key:
            self._drop_reference()
            self._reference = load_policy(job.reference, dtype=self._dtype, device=self.device)
            self._reference_key = job.reference_key
            self._compile_layers(self._reference, trains=False)
        self._reference_host.give_back()
        self.reference_seconds = time.perf_counter() - begin
        assert self._reference is not None
        result = use(self._reference)
        self._put_reference_away()
        return result

    def memory_text(self, job: Job) -> str:
        """Return what holds how much of the GPU's memory, on one line; "" on a CPU, or if nothing is loaded."""
        if not hasattr(self, "policy"):
            return ""
        shape = shape_of(self.policy.module.model)
        return memory_text(shape, self._form(job), self.micro_batch_tokens, self.device)

    @property
    def end_to_end(self) -> bool:
        """Whether rows are packed end to end (see `stages.trainer.packed_attention`)."""
        return has_kernel(self.device, self._dtype)

    def share(self, micro_batches: Sequence[list[int]]) -> list[list[int]]:
        """Return the micro-batches of this process: the same number for every process, some of them empty."""
        return list(micro_batches[self.rank :: self.world_size])

    def save_policy(self, job: Job, folder: Path, *, memory: Path | None = None) -> None:
        """Write the policy to `folder`/policy, or to a folder in `memory` that this is a link to."""
        lora = job.config.lora
        weights = self.policy.weights(masters=lora is not None)
        if self.rank > 0:
            return
        merged = weights if lora is None else adapters.merge(weights, lora)
        rounded = {name: weight.to(self._dtype) for name, weight in merged.items()}

        def write(target: Path) -> None:
            save_model(self.policy.module.model, rounded, job.policy, target)
            if lora is not None:
                adapters.save(weights, lora, target / adapters.FOLDER)

        write_policy(write, folder / "policy", memory=memory, weights=rounded)

    def save_state(self, folder: Path) -> None:
        """Write critic, masters, moments and counters to `folder`/trainer_state."""
        state = folder / "trainer_state"
        if self.rank == 0:
            state.mkdir(parents=True)
        if self.critic is not None:
            critic_weights = self.critic.weights()
            if self.rank == 0:
                save_model(self.critic.module.model, critic_weights, None, state / "critic")
        for name, learner in self._learners().items():
            save_tensors(state, name, learner.moments(), write=self.rank == 0)
            if self._has_masters:
                save_tensors(state, _MASTERS[name], learner.masters(), write=self.rank == 0)
        if self.rank == 0:
            applied = {name: learner.applied_steps for name, learner in self._learners().items()}
            counters = {"optimiser_steps": self.steps, "applied_steps": applied, "kl_coef": self.kl_coef}
            save_counters(state, counters, masters=self._has_masters)

    def choose_holding(self) -> None:
        """Decide where policy and critic are after this job, the same for all processes; allocate host memory."""
        tensors = self._tensors()
        missing = self._host.missing_bytes(tensors)
        holding = choose_holding(
            self.device,
            self._placement.free_memory,
            can_move=self._can_move,
            needed=missing * self._placement.processes_per_node,
            available=available_host_memory(),
        )
        fails = holding == "nowhere" or (holding == "host" and not self._host.reserve(tensors))
        if self.max_over_processes(torch.tensor([float(fails)])).item():
            holding = "nowhere"
        self.holding = holding

    @property
    def saves_first(self) -> bool:
        """Whether policy and state are saved before `hold`: if they are nowhere, or if DeepSpeed has to read them."""
        return self.holding == "nowhere" or (self.holding == "host" and self.policy.stage > 0)

    def hold(self, policy_key: str, state_key: str) -> None:
        """Set the keys of the loaded weights and state, and move them to the place that `choose_holding` has decided.

        Saving has to come first if `saves_first`.
        """
        self._loaded_keys = (policy_key, state_key)
        if self.holding == "device":
            return
        if self.holding == "host":
            for learner in self._learners().values():
                learner.drop_gradients()
            if not self.saves_first:
                self._take()
            elif not self._moves(self._take):
                self.holding = "nowhere"
        else:
            self._drop()
            if self.device.type != "cuda":  # on a GPU the reference is in host memory already
                self._drop_reference()
        release_cached_memory(self.device)
        keeps = float(holds_too_much(self.holding, reserved_memory(self.device)))
        self.ends = bool(self.max_over_processes(torch.tensor([keeps])).item())

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

    def _tensors(self) -> list[Tensor]:
        """Return what has to last until the next update."""
        return [tensor for learner in self._learners().values() for tensor in learner.tensors()]

    def _take(self) -> None:
        learners = self._learners().values()
        self._host.take(self._tensors(), scratch=[tensor for learner in learners for tensor in learner.scratch()])

    def _moves(self, move: Callable[[], None]) -> bool:
        """Return whether a move between host memory and device works for all processes.

        If not, policy and critic are dropped. This and later updates load them from files.
        """
        fails = float(not try_to_move(move))
        if not self.max_over_processes(torch.tensor([fails])).item():
            return True
        self._can_move = False
        self._drop()
        return False

    def _learners(self) -> dict[str, Learner[Any]]:
        """Return policy and critic, by the name of the file that holds their moments."""
        return {"optimizer": self.policy} | ({"critic_optimizer": self.critic} if self.critic is not None else {})

    def _has(self, job: Job) -> bool:
        """Return whether policy, critic and optimisers are those that the job starts from."""
        return self._loaded_keys == (job.policy_key, job.state_key) and self._loaded_parts == job.parts

    def _put_reference_away(self) -> None:
        """Move the reference to host memory on a GPU: weights that are used once per update would take its memory."""
        assert self._reference is not None
        tensors = [*self._reference.parameters(), *self._reference.buffers()]
        missing = self._reference_host.missing_bytes(tensors) * self._placement.processes_per_node
        holding = choose_holding(self.device, None, needed=missing, available=available_host_memory())
        if holding == "host" and self._reference_host.reserve(tensors):
            self._reference_host.take(tensors, changed=self._reference_changed)
            self._reference_changed = False
        elif holding != "device":
            del tensors  # they would keep the memory in use
            self._drop_reference()
        if holding != "device":
            release_cached_memory(self.device)

    def _drop_reference(self) -> None:
        self._reference = self._reference_key = None
        self._reference_host.clear()
        self._reference_changed = True

    def _check(self, module: TokenLogprobs, folder: Path) -> None:
        """Check that the policy can be trained here, once for each architecture."""
        config = json.loads(module.model.config.to_json_string(use_diff=False))
        config.pop("_name_or_path", None)
        digest = json.dumps([config, str(module.dtype), transformers.__version__], sort_keys=True)
        if digest not in self._checked:
            check_model(module, folder)
            self._checked.add(digest)

    @property
    def _has_masters(self) -> bool:
        return self._dtype != torch.float32

    def _compile_layers(self, module: TokenLogprobs | TokenValues, *, trains: bool = True) -> None:
        """Compile a model's layers if the placement says so."""
        if not compiles(self._placement.compile, self.device, zero_stage(self._deepspeed)):
            return

        def compute(packing: Packing) -> Tensor:
            output: Tensor = module(packing, 1.0)[0] if isinstance(module, TokenLogprobs) else module(packing)
            return output

        compile_layers(module.model, compute, end_to_end=self.end_to_end, trains=trains)

    def _form(self, job: Job) -> UpdateForm:
        """Return the form of the update, on which its memory depends."""
        compiled = compiles(self._placement.compile, self.device, zero_stage(self._deepspeed))
        return UpdateForm.of(self._placement, job.config, self._deepspeed, compiled=compiled)

    def _micro_batch_tokens(self, job: Job) -> int:
        """Return the most tokens that this process computes at a time, the same number for every process."""
        tokens = self._placement.micro_batch_tokens
        if tokens == "auto":
            shape = shape_of(self.policy.module.model)
            fitting = fitting_tokens(shape, self._form(job), usable_memory(self.device))
            tokens = -int(self.max_over_processes(torch.tensor([-float(fitting)])))
        return tokens

    def _drop(self) -> None:
        """Release the memory of weights, gradients and moments."""
        if hasattr(self, "policy"):
            self._destroy_engines()
            del self.policy
            self.critic = None
        self._loaded_keys = None
        self._host.clear()
        release_cached_memory(self.device)

    def _destroy_engines(self) -> None:
        """Remove the hooks and buffers of the engines.

        A function of its own, because a learner that a variable still names cannot be collected as garbage.
        """
        for learner in self._learners().values():
            learner.engine.destroy()

    def _load(self, job: Job, policy: Path, state: Path | None) -> None:
        """Load policy, critic, moments and counters from folders, under the settings of the job."""
        self._drop()
        self._loaded_parts = job.parts
        lora = job.config.lora
        counters: dict[str, Any] = {"optimiser_steps": 0} if state is None else load_counters(state)
        with PartitionedLoading(self._deepspeed):
            if lora is None:
                module = load_policy(policy, dtype=torch.float32, device=self.device)
            else:
                if job.base is None:
                    raise InputError("update.lora: the job names no base policy that adapters are trained on")
                module = load_policy(job.base, dtype=torch.float32, device=self.device)
                adapters.add(module.model, lora, policy / adapters.FOLDER, job.seed)
        if state is not None and has_masters(counters):
            set_masters(module.model, state, _MASTERS["optimizer"])
        self.policy = Learner(module, self._deepspeed, self._dtype)
        if self.policy.stage < 3:
            self._check(module, policy)
        self.critic = None
        if job.config.algorithm == "ppo":
            saved = None if state is None else state / "critic"
            if saved is not None and not saved.is_dir():
                raise InputError(f"{state}: the trainer state has no critic; it was not left by algorithm: ppo")
            with PartitionedLoading(self._deepspeed):
                critic = load_critic(saved or policy, new=saved is None, dtype=torch.float32, device=self.device)
            if state is not None and has_masters(counters):
                set_masters(critic.model, state, _MASTERS["critic_optimizer"])
            self.critic = Learner(critic, self._deepspeed, self._dtype)
        if self._placement.gradient_checkpointing:
            for learner in self._learners().values():
                learner.module.model.gradient_checkpointing_enable({"use_reentrant": False})
                learner.module.train()  # transformers checkpoints only in training mode; dropout is off in any case
        for learner in self._learners().values():
            self._compile_layers(learner.module)
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
        for learner in self._learners().values():
            learner.read = self._host.read
