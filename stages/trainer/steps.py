"""Optimiser steps of policy and critic, with what is measured on the way.

Departure from the authors' release: every loss is divided by totals of the whole optimiser step, on all processes, so
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
from stages.trainer.worker_state import Trainer

Metrics = dict[str, float | None]

_MEASURED = ("kl", "approx_kl", "entropy", "clip_fraction", "ratio_mean")


@dataclass(frozen=True, kw_only=True, slots=True)
class Columns:
    """What is fixed before the first optimiser step, one value per response token [B, T], 0 on padding."""

    old_logprobs_BT: Tensor
    """Under the policy before the update."""
    reference_logprobs_BT: Tensor
    """Under the reference policy."""
    advantages_BT: Tensor
    """Over the whole rollout."""
    weights_BT: Tensor
    """Truncated importance weights; 1 where they are switched off."""
    values_BT: Tensor
    """The critic's, before the update; 0 without one."""
    returns_BT: Tensor
    """What the critic should have said; 0 without one."""

    def cut(self, rows: list[int], width: int, device: torch.device) -> "Columns":
        """Some rows up to a length, on the device they are needed on."""
        values = {f.name: getattr(self, f.name)[rows, :width].to(device, torch.float32) for f in fields(self)}
        return Columns(**values)


@dataclass(frozen=True, kw_only=True)
class Step:
    """One optimiser step: its responses and the totals that losses are divided by."""

    rollout: Rollout
    columns: Columns
    rows: list[int]
    job: Job

    @cached_property
    def tokens(self) -> int:
        """Response tokens; asked for by every micro-batch."""
        return int(self.rollout.response_mask_BT[self.rows].sum())

    def weights(self, mask_BT: Tensor) -> Tensor:
        return losses.token_weights(
            mask_BT,
            self.job.config.loss_aggregation,
            tokens=self.tokens,
            responses=len(self.rows),
            max_tokens=self.job.max_tokens,
        )


def unpack(mask_BT: Tensor, values_N: Tensor) -> Tensor:
    """Values of response tokens laid end to end, as [B, T] with 0 on padding."""
    return torch.zeros(mask_BT.shape, dtype=values_N.dtype, device=values_N.device).masked_scatter(mask_BT, values_N)


def policy_step(trainer: Trainer, step: Step) -> Metrics:
    """One step of the policy; its metrics."""
    job, config = step.job, step.job.config
    sums, losses_sum = torch.zeros(len(_MEASURED), dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
    # The largest ratio, and the negative of the smallest.
    extremes = torch.full((2,), -math.inf)

    entropy = "trained" if config.entropy_coef else "measured"

    def loss_of(rows: list[int], real: bool) -> Tensor:
        packing = pack(step.rollout, rows)
        logprobs_N, entropy_N = trainer.policy.engine(packing, job.temperature, entropy)
        mask_BT, columns = _cut(step, rows, logprobs_N.device)
        loss, policy_loss, measured, ratio_BT = _policy_loss(
            config, columns, mask_BT, unpack(mask_BT, logprobs_N), unpack(mask_BT, entropy_N), step, trainer.kl_coef
        )
        if real:
            ratios = ratio_BT[mask_BT]
            sums.add_(measured.double().cpu())
            losses_sum.add_(torch.stack([loss.detach(), policy_loss]).double().cpu())
            torch.maximum(extremes, torch.stack([ratios.max(), -ratios.min()]).cpu(), out=extremes)
        return loss

    learning_rate = learning_rate_at(config, trainer.steps)
    grad_norm = _accumulate_and_step(trainer, trainer.policy, step, loss_of, learning_rate)
    loss, policy_loss = trainer.sum_over_processes(losses_sum).tolist()
    high, negative_low = trainer.max_over_processes(extremes).tolist()
    means = (trainer.sum_over_processes(sums) / step.tokens).tolist()
    return {
        "loss": loss,
        "policy_loss": policy_loss,
        **dict(zip(_MEASURED, means, strict=True)),
        "kl_coef": trainer.kl_coef,
        "ratio_min": -negative_low,
        "ratio_max": high,
        "grad_norm": grad_norm,
        "learning_rate": learning_rate,
        "skipped": float(not math.isfinite(grad_norm)),
        **_known_before(step),
    }


def critic_step(trainer: Trainer, critic: Learner[TokenValues], step: Step) -> Metrics:
    """One step of the critic; its metrics."""
    job, settings = step.job, step.job.config.critic
    loss_sum = torch.zeros(1, dtype=torch.float64)

    def loss_of(rows: list[int], real: bool) -> Tensor:
        values_N = critic.engine(pack(step.rollout, rows))
        mask_BT, columns = _cut(step, rows, values_N.device)
        loss_BT = losses.value_loss(
            unpack(mask_BT, values_N), columns.values_BT, columns.returns_BT, settings.value_clip
        )
        loss = (loss_BT * step.weights(mask_BT)).sum()
        if real:
            loss_sum.add_(loss.detach().double().cpu())
        return loss

    share = learning_rate_at(job.config, trainer.steps) / job.config.learning_rate
    grad_norm = _accumulate_and_step(trainer, critic, step, loss_of, share * settings.learning_rate)
    mask_BT = step.rollout.response_mask_BT[step.rows]
    returns_N = step.columns.returns_BT[step.rows][mask_BT].double()
    values_N = step.columns.values_BT[step.rows][mask_BT].double()
    spread = returns_N.var(correction=0)
    return {
        "value_loss": trainer.sum_over_processes(loss_sum).item(),
        "value_mean": values_N.mean().item(),
        "return_mean": returns_N.mean().item(),
        "explained_variance": (1 - (returns_N - values_N).var(correction=0) / spread).item() if spread > 0 else 0.0,
        "critic_grad_norm": grad_norm,
        "skipped": float(not math.isfinite(grad_norm)),
    }


def share_of(trainer: Trainer, rollout: Rollout, rows: list[int], job: Job) -> Iterator[tuple[list[int], bool]]:
    """This process's micro-batches of `rows`, and whether they count.

    A process left without rows computes one for nothing, as all have to take part in every collective.
    """
    cut = micro_batches(rollout, rows, tokens=job.placement.micro_batch_tokens, world_size=trainer.world_size)
    for part in trainer.share(cut):
        yield part or rows[:1], bool(part)


def _accumulate_and_step(
    trainer: Trainer,
    learner: Learner[Any],
    step: Step,
    loss_of: Callable[[list[int], bool], Tensor],
    learning_rate: float,
) -> float:
    """Add up the gradient over micro-batches and take the step; returns the gradient's norm, infinite if skipped."""
    parts = list(share_of(trainer, step.rollout, step.rows, step.job))
    total = torch.zeros(1, dtype=torch.float64)
    for number, (rows, real) in enumerate(parts, 1):
        loss = loss_of(rows, real)
        if real:
            total += loss.detach().double().cpu()
        if number == len(parts) and not abs(trainer.sum_over_processes(total).item()) <= step.job.config.max_loss:
            # The way to throw away a gradient at every stage of ZeRO: one that is no number is not applied.
            loss = loss * math.nan
        learner.backward(loss * float(real) if not loss.isnan() else loss)
    return learner.step(learning_rate)


def _policy_loss(
    config: UpdateConfig,
    columns: Columns,
    mask_BT: Tensor,
    logprobs_BT: Tensor,
    entropy_BT: Tensor,
    step: Step,
    kl_coef: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Loss to differentiate, the part of it that is the policy's, sums over tokens of `_MEASURED`, ratios."""
    loss_BT, ratio_BT, clipped_BT = losses.policy_loss(
        logprobs_BT,
        columns.old_logprobs_BT,
        columns.advantages_BT,
        mask_BT,
        kind=config.loss,
        clip=config.clip,
        clip_high=config.upper_clip,
        dual_clip=config.dual_clip,
    )
    weights_BT = step.weights(mask_BT)
    policy_loss = (loss_BT * columns.weights_BT * weights_BT).sum()
    loss = policy_loss
    if config.kl_in == "loss":
        penalty_BT = kl.ESTIMATORS[config.kl_estimator](logprobs_BT, columns.reference_logprobs_BT)
        loss = loss + kl_coef * (penalty_BT * weights_BT).sum()
    if config.entropy_coef:
        loss = loss - config.entropy_coef * (entropy_BT * weights_BT).sum()
    with torch.no_grad():
        measured = (
            kl.k3(logprobs_BT, columns.reference_logprobs_BT),
            kl.k3(columns.old_logprobs_BT, logprobs_BT),
            entropy_BT,
            clipped_BT,
            ratio_BT,
        )
        return loss, policy_loss.detach(), torch.stack([(v * mask_BT).sum() for v in measured]), ratio_BT.detach()


def _cut(step: Step, rows: list[int], device: torch.device) -> tuple[Tensor, Columns]:
    width = max(len(step.rollout.responses[row]) for row in rows)
    return step.rollout.response_mask_BT[rows, :width].to(device), step.columns.cut(rows, width, device)


def _known_before(step: Step) -> Metrics:
    """What is known of the step's responses without the model."""
    rollout, columns, rows = step.rollout, step.columns, step.rows
    mask_BT, cap = rollout.response_mask_BT[rows], step.job.config.importance_weight_cap
    gap_N = (columns.old_logprobs_BT[rows] - rollout.behaviour_logprobs_BT[rows])[mask_BT].abs().double()
    weights_N, advantages_N = columns.weights_BT[rows][mask_BT].double(), columns.advantages_BT[rows][mask_BT].double()
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
