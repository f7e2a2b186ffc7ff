"""Optimiser steps of policy and critic, with their metrics. Shapes: see `stages.rl`.

Departs from the authors' release: every loss is divided by totals of the whole optimiser step, over all processes, so
neither the size of a micro-batch nor the number of processes changes the gradient.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from stages.rl import kl, losses
from stages.settings.update import UpdateConfig
from stages.trainer.batches import Rollout, micro_batches, pack
from stages.trainer.job import Job
from stages.trainer.learner import Learner
from stages.trainer.models import TokenValues
from stages.trainer.schedule import learning_rate_at
from stages.trainer.trainer import Trainer
from stages.trainer.transfer import to_device

Metrics = dict[str, float | None]

_TOKEN_MEANS = ("kl", "approx_kl", "entropy", "clip_fraction", "ratio_mean")
"""Metrics that are means over response tokens, measured in every micro-batch."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenTargets:
    """Values of every response token [B, T] that are fixed before the first optimiser step; 0 on padding.

    Checkpoints hold them under the names of the fields.
    """

    old_logprobs_BT: Tensor
    """Log-probabilities (nats) under the policy before the update."""
    reference_logprobs_BT: Tensor
    """Log-probabilities (nats) under the reference policy; `old_logprobs_BT` if nothing uses the reference."""
    advantages_BT: Tensor
    """Advantages, computed over the whole rollout."""
    weights_BT: Tensor
    """Truncated importance weights; 1 on every response token if they are switched off."""
    values_BT: Tensor
    """The critic's values before the update; 0 without a critic."""
    returns_BT: Tensor
    """The targets of the critic's values; 0 without a critic."""

    def cut(self, rows: list[int], width: int, device: torch.device) -> "TokenTargets":
        """Return the first `width` tokens of some rows, in float32 on `device`."""
        values = {f.name: to_device(getattr(self, f.name)[rows, :width].float(), device) for f in fields(self)}
        return TokenTargets(**values)


@dataclass(frozen=True, kw_only=True)
class Step:
    """One optimiser step: its responses and the totals that losses are divided by."""

    rollout: Rollout
    """The responses of the whole update."""
    targets: TokenTargets
    """The fixed values of the whole update."""
    rows: list[int]
    """Rows of the rollout that this step trains on."""
    job: Job
    """The job of the update."""

    @cached_property
    def tokens(self) -> int:
        """Response tokens of the step. Cached, because every micro-batch needs the number."""
        return int(self.rollout.response_mask_BT[self.rows].sum())

    def weights(self, mask_BT: Tensor) -> Tensor:
        """Return the weight of each token of a micro-batch in the step's loss, [B, T], 0 on padding."""
        return losses.token_weights(
            mask_BT,
            self.job.config.loss_aggregation,
            tokens=self.tokens,
            responses=len(self.rows),
            max_tokens=self.job.max_tokens,
        )


def unpack(mask_BT: Tensor, values_N: Tensor) -> Tensor:
    """Return values of response tokens that lie end to end, [N], as [B, T] with 0 on padding."""
    return torch.zeros(mask_BT.shape, dtype=values_N.dtype, device=values_N.device).masked_scatter(mask_BT, values_N)


def policy_step(trainer: Trainer, step: Step) -> Metrics:
    """Take one optimiser step of the policy; return its metrics."""
    job, config = step.job, step.job.config
    # Sums stay on the device until the step is taken: to read one is to wait for all that the GPU was asked to do.
    token_sums, losses_sum = (
        torch.zeros(n, dtype=torch.float64, device=trainer.device) for n in (len(_TOKEN_MEANS), 2)
    )
    # The largest ratio and the negative of the smallest, so that both are maxima over processes.
    extremes = torch.full((2,), -math.inf, device=trainer.device)

    entropy = "trained" if config.entropy_coef else "measured"

    def loss_of(rows: list[int], real: bool) -> Tensor:
        packing = pack(step.rollout, rows, end_to_end=trainer.end_to_end)
        logprobs_N, entropy_N = trainer.policy.engine(packing, job.temperature, entropy)
        mask_BT, targets = _cut(step, rows, logprobs_N.device)
        loss, policy_loss, sums, ratio_BT = _policy_loss(
            config, targets, mask_BT, unpack(mask_BT, logprobs_N), unpack(mask_BT, entropy_N), step, trainer.kl_coef
        )
        if real:
            token_sums.add_(sums.double())
            losses_sum.add_(torch.stack([loss.detach(), policy_loss]).double())
            ratios_2BT = torch.stack([ratio_BT, -ratio_BT]).masked_fill(~mask_BT, -math.inf)
            torch.maximum(extremes, ratios_2BT.amax((1, 2)), out=extremes)
        return loss

    learning_rate = learning_rate_at(config, trainer.steps)
    grad_norm = _accumulate_and_step(trainer, trainer.policy, step, loss_of, learning_rate)
    loss, policy_loss = trainer.sum_over_processes(losses_sum.cpu()).tolist()
    ratio_max, negative_ratio_min = trainer.max_over_processes(extremes.cpu()).tolist()
    sums = trainer.sum_over_processes(token_sums.cpu())
    means = dict(zip(_TOKEN_MEANS, (sums / step.tokens).tolist(), strict=True))
    if not config.uses_reference:
        del means["kl"]
    return {
        "loss": loss,
        "policy_loss": policy_loss,
        **means,
        "kl_coef": trainer.kl_coef,
        "ratio_min": -negative_ratio_min,
        "ratio_max": ratio_max,
        "grad_norm": grad_norm,
        "learning_rate": learning_rate,
        "skipped": float(not math.isfinite(grad_norm)),
        **_data_metrics(step),
    }


def critic_step(trainer: Trainer, critic: Learner[TokenValues], step: Step) -> Metrics:
    """Take one optimiser step of the critic; return its metrics."""
    job, settings = step.job, step.job.config.critic
    loss_sum = torch.zeros(1, dtype=torch.float64, device=trainer.device)

    def loss_of(rows: list[int], real: bool) -> Tensor:
        values_N = critic.engine(pack(step.rollout, rows, end_to_end=trainer.end_to_end))
        mask_BT, targets = _cut(step, rows, values_N.device)
        loss_BT = losses.value_loss(
            unpack(mask_BT, values_N), targets.values_BT, targets.returns_BT, settings.value_clip
        )
        loss = (loss_BT * step.weights(mask_BT)).sum()
        if real:
            loss_sum.add_(loss.detach().double())
        return loss

    share_of_highest_rate = learning_rate_at(job.config, trainer.steps) / job.config.learning_rate
    grad_norm = _accumulate_and_step(trainer, critic, step, loss_of, share_of_highest_rate * settings.learning_rate)
    mask_BT = step.rollout.response_mask_BT[step.rows]
    returns_N = step.targets.returns_BT[step.rows][mask_BT].double()
    values_N = step.targets.values_BT[step.rows][mask_BT].double()
    variance = returns_N.var(correction=0)
    return {
        "value_loss": trainer.sum_over_processes(loss_sum.cpu()).item(),
        "value_mean": values_N.mean().item(),
        "return_mean": returns_N.mean().item(),
        "explained_variance": (1 - (returns_N - values_N).var(correction=0) / variance).item() if variance > 0 else 0.0,
        "critic_grad_norm": grad_norm,
        "skipped": float(not math.isfinite(grad_norm)),
    }


def local_micro_batches(
    trainer: Trainer, rollout: Rollout, rows: list[int], job: Job
) -> Iterator[tuple[list[int], bool]]:
    """Yield the micro-batches of `rows` that this process computes, each with whether its results count.

    For an empty micro-batch the process computes the first row and its result does not count, because every process
    has to take part in every collective operation.
    """
    batches = micro_batches(
        rollout,
        rows,
        tokens=trainer.micro_batch_tokens,
        world_size=trainer.world_size,
        end_to_end=trainer.end_to_end,
    )
    for micro_batch in trainer.share(batches):
        yield micro_batch or rows[:1], bool(micro_batch)


def _accumulate_and_step(
    trainer: Trainer,
    learner: Learner[Any],
    step: Step,
    loss_of: Callable[[list[int], bool], Tensor],
    learning_rate: float,
) -> float:
    """Add up the gradient over micro-batches and take the step.

    Returns the gradient's norm before clipping. The step was skipped if the norm is infinite or no number.
    """
    batches = list(local_micro_batches(trainer, step.rollout, step.rows, step.job))
    total_loss = torch.zeros(1, dtype=torch.float64, device=trainer.device)
    for number, (rows, real) in enumerate(batches, 1):
        loss = loss_of(rows, real)
        if real:
            total_loss += loss.detach().double()
        is_last = number == len(batches)
        if is_last and not abs(trainer.sum_over_processes(total_loss.cpu()).item()) <= step.job.config.max_loss:
            # Drops the gradient at every stage of ZeRO: a gradient that is no number is not applied.
            loss = loss * math.nan
        if not real:
            loss = torch.where(loss.isnan(), loss, loss * 0.0)
        learner.backward(loss)
    return learner.step(learning_rate)


def _policy_loss(
    config: UpdateConfig,
    targets: TokenTargets,
    mask_BT: Tensor,
    logprobs_BT: Tensor,
    entropy_BT: Tensor,
    step: Step,
    kl_coef: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the loss to differentiate, its policy part, the sums over tokens of `_TOKEN_MEANS`, and the ratios."""
    loss_BT, ratio_BT, clipped_BT = losses.policy_loss(
        logprobs_BT,
        targets.old_logprobs_BT,
        targets.advantages_BT,
        mask_BT,
        kind=config.loss,
        clip=config.clip,
        clip_high=config.upper_clip,
        dual_clip=config.dual_clip,
    )
    weights_BT = step.weights(mask_BT)
    policy_loss = (loss_BT * targets.weights_BT * weights_BT).sum()
    loss = policy_loss
    if config.kl_in == "loss" and config.uses_reference:
        penalty_BT = kl.ESTIMATORS[config.kl_estimator](logprobs_BT, targets.reference_logprobs_BT)
        loss = loss + kl_coef * (penalty_BT * weights_BT).sum()
    if config.entropy_coef:
        loss = loss - config.entropy_coef * (entropy_BT * weights_BT).sum()
    with torch.no_grad():
        measured = (
            kl.k3(logprobs_BT, targets.reference_logprobs_BT),
            kl.k3(targets.old_logprobs_BT, logprobs_BT),
            entropy_BT,
            clipped_BT,
            ratio_BT,
        )
        sums = torch.stack([(value_BT * mask_BT).sum() for value_BT in measured])
        return loss, policy_loss.detach(), sums, ratio_BT.detach()


def _cut(step: Step, rows: list[int], device: torch.device) -> tuple[Tensor, TokenTargets]:
    """Return mask and targets of a micro-batch, [B, T] with the length of its longest response as T."""
    width = max(len(step.rollout.responses[row]) for row in rows)
    return to_device(step.rollout.response_mask_BT[rows, :width], device), step.targets.cut(rows, width, device)


def _data_metrics(step: Step) -> Metrics:
    """Return the metrics of the step's responses that are known before the first optimiser step."""
    rollout, targets, rows = step.rollout, step.targets, step.rows
    mask_BT, cap = rollout.response_mask_BT[rows], step.job.config.importance_weight_cap
    gap_N = (targets.old_logprobs_BT[rows] - rollout.behaviour_logprobs_BT[rows])[mask_BT].abs().double()
    weights_N, advantages_N = targets.weights_BT[rows][mask_BT].double(), targets.advantages_BT[rows][mask_BT].double()
    return {
        "tis_mean": weights_N.mean().item(),
        "tis_capped": 0.0 if cap is None else (weights_N >= cap).double().mean().item(),
        "behaviour_gap": gap_N.mean().item(),
        "behaviour_gap_max": gap_N.max().item(),
        "advantage_mean": advantages_N.mean().item(),
        "advantage_std": advantages_N.std(correction=0).item(),
        "reward_mean": rollout.rewards_B[rows].double().mean().item(),
        "response_length": mask_BT.sum().item() / len(rows),
        "truncated": rollout.truncated_B[rows].double().mean().item(),
        "responses": float(len(rows)),
        "tokens": float(step.tokens),
    }
