"""One policy update, from a rollout with rewards to the next policy (METHOD.md, stage 5).

The order: log-probabilities of the rollout under the policy as it stands and under the reference; advantages over the
whole rollout; then optimiser steps, each over its own share of the responses.

Departure from the authors' release: every loss is divided by the response tokens of the whole optimiser step, on all
processes, so neither the size of a micro-batch nor the number of processes changes the gradient.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from stages.rl import advantages, kl, losses
from stages.trainer.batches import Rollout, micro_batches, minibatches, model_input, read_rollout
from stages.trainer.job import METRIC_COLUMNS, Job, JobResult, Progress, UpdateConfig, learning_rate_at
from stages.trainer.models import TokenLogprobs
from stages.trainer.trainer import Trainer
from storage.errors import InputError, TrainerError

_MEASURED = ("policy_loss", "kl", "approx_kl", "clip_fraction", "ratio_mean", "entropy")


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


def run_update(trainer: Trainer, job: Job, progress: Progress) -> JobResult:
    """Do one job and fill its output folder; done.json is written last."""
    clock = _Clock()
    rollout = read_rollout(job.rollout)
    trainer.prepare(job)
    _check_tokens(rollout, trainer.policy, job)
    clock.lap("load")
    columns = _columns(trainer, rollout, job, progress)
    clock.lap("logprobs")
    batches = minibatches(len(rollout.prompts), job.config.batch_responses, job.config.epochs, job.seed)
    metrics = []
    for index, rows in enumerate(batches):
        progress(index, len(batches), "optimiser step")
        metrics.append(_optimiser_step(trainer, rollout, columns, rows, job) | {"step": trainer.steps})
    clock.lap("steps")
    if trainer.rank == 0:
        trainer.save(job)
        _write_metrics(metrics, job.output / "metrics.parquet")
    clock.lap("save")
    result = JobResult(
        optimiser_steps=len(batches),
        schedule_step=trainer.steps,
        responses=len(rollout.prompts),
        tokens=int(rollout.response_mask_BT.sum()),
        metrics=_summary(metrics),
        seconds=clock.seconds,
    )
    if trainer.rank == 0:
        (job.output / "done.json").write_text(result.model_dump_json(indent=1) + "\n")
    progress(len(batches), len(batches), "done")
    return result


def token_logprobs(trainer: Trainer, model: TokenLogprobs, rollout: Rollout, temperature: float) -> Tensor:
    """Log-probability of every response token under `model` [B, T], 0 on padding; shared out over the processes."""
    logprobs_BT = torch.zeros(rollout.response_mask_BT.shape)
    for rows in trainer.share(micro_batches(range(len(rollout.prompts)), rollout.lengths(), trainer.round_tokens)):
        if rows:
            with torch.no_grad():
                logprobs_N, _ = model(model_input(rollout, rows), temperature)
            logprobs_BT[rows] = _unpack(rollout.response_mask_BT[rows], logprobs_N.cpu())
    return trainer.sum_over_processes(logprobs_BT)


def compute_advantages(config: UpdateConfig, rollout: Rollout, old_BT: Tensor, reference_BT: Tensor) -> Tensor:
    """Advantages [B, T] of the configured algorithm."""
    mask_BT, eps = rollout.response_mask_BT, config.advantage_eps
    if config.algorithm == "reinforce_pp":
        kl_BT = kl.k1(old_BT, reference_BT)
        return advantages.reinforce_pp(rollout.rewards_B, kl_BT, mask_BT, kl_coef=config.kl_coef, eps=eps)
    estimate = advantages.grpo if config.algorithm == "grpo" else advantages.reinforce_pp_baseline
    return estimate(rollout.rewards_B, rollout.group_B, mask_BT, eps=eps)


def _columns(trainer: Trainer, rollout: Rollout, job: Job, progress: Progress) -> Columns:
    progress(0, 1, "log-probabilities")
    old_BT = token_logprobs(trainer, trainer.policy, rollout, job.temperature)
    reference = trainer.reference(job)
    reference_BT = old_BT if reference is None else token_logprobs(trainer, reference, rollout, job.temperature)
    weights_BT = torch.ones_like(old_BT)
    if job.config.tis_cap is not None:
        weights_BT = losses.truncated_importance_weights(old_BT, rollout.behaviour_logprobs_BT, job.config.tis_cap)
    return Columns(
        old_logprobs_BT=old_BT,
        reference_logprobs_BT=reference_BT,
        advantages_BT=compute_advantages(job.config, rollout, old_BT, reference_BT),
        weights_BT=weights_BT * rollout.response_mask_BT,
    )


def _optimiser_step(
    trainer: Trainer, rollout: Rollout, columns: Columns, rows: list[int], job: Job
) -> dict[str, float]:
    tokens = int(rollout.response_mask_BT[rows].sum())
    sums = torch.zeros(len(_MEASURED), dtype=torch.float64)
    ratio_max = torch.zeros(1)
    for part in trainer.share(micro_batches(rows, rollout.lengths(), trainer.round_tokens)):
        loss, part_sums, part_ratio_max = _micro_batch(trainer, rollout, columns, part or rows[:1], job, tokens)
        # A process left without rows computes one for nothing, as all have to take part in every collective.
        weight = float(bool(part))
        trainer.backward(loss * weight)
        sums += part_sums * weight
        ratio_max = torch.maximum(ratio_max, part_ratio_max * weight)
    learning_rate = learning_rate_at(job.config, trainer.steps)
    grad_norm = trainer.step(learning_rate)
    if not math.isfinite(grad_norm):
        raise TrainerError(f"gradient norm is {grad_norm} at optimiser step {trainer.steps}; no policy was written")
    means = dict(zip(_MEASURED, (trainer.sum_over_processes(sums) / tokens).tolist(), strict=True))
    return {
        "loss": means["policy_loss"] + _kl_loss_coef(job.config) * means["kl"],
        **means,
        "ratio_max": trainer.max_over_processes(ratio_max),
        **_fixed_metrics(rollout, columns, rows, job.config.tis_cap),
        "grad_norm": grad_norm,
        "learning_rate": learning_rate,
    }


def _micro_batch(
    trainer: Trainer, rollout: Rollout, columns: Columns, rows: list[int], job: Job, tokens: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Loss to differentiate, sums over tokens of `_MEASURED`, largest ratio."""
    logprobs_N, entropy_N = trainer.engine(model_input(rollout, rows), job.temperature)
    mask_BT, device = rollout.response_mask_BT[rows].to(logprobs_N.device), logprobs_N.device
    logprobs_BT = _unpack(mask_BT, logprobs_N)
    old_BT, reference_BT = (
        values[rows].to(device) for values in (columns.old_logprobs_BT, columns.reference_logprobs_BT)
    )
    surrogate_BT, ratio_BT, clipped_BT = losses.clipped_surrogate(
        logprobs_BT, old_BT, columns.advantages_BT[rows].to(device), clip=job.config.clip
    )
    policy_loss_BT = surrogate_BT * columns.weights_BT[rows].to(device)
    kl_BT = kl.k3(logprobs_BT, reference_BT)
    loss = losses.token_mean(policy_loss_BT + _kl_loss_coef(job.config) * kl_BT, mask_BT, tokens)
    with torch.no_grad():
        measured = (
            policy_loss_BT,
            kl_BT,
            kl.k3(old_BT, logprobs_BT),
            clipped_BT,
            ratio_BT,
            _unpack(mask_BT, entropy_N),
        )
        sums = torch.stack([(values_BT * mask_BT).sum() for values_BT in measured]).double().cpu()
        return loss, sums, (ratio_BT * mask_BT).max().cpu()


def _kl_loss_coef(config: UpdateConfig) -> float:
    return 0.0 if config.algorithm == "reinforce_pp" else config.kl_coef


def _fixed_metrics(rollout: Rollout, columns: Columns, rows: list[int], tis_cap: float | None) -> dict[str, float]:
    """What is known of the step's responses without the model."""
    mask_BT = rollout.response_mask_BT[rows]
    gap_N = (columns.old_logprobs_BT[rows] - rollout.behaviour_logprobs_BT[rows])[mask_BT]
    weights_N, advantages_N = columns.weights_BT[rows][mask_BT], columns.advantages_BT[rows][mask_BT]
    capped = 0.0 if tis_cap is None else (weights_N >= tis_cap).double().mean().item()
    return {
        "tis_mean": weights_N.double().mean().item(),
        "tis_capped": capped,
        "behaviour_gap": gap_N.abs().double().mean().item(),
        "advantage_mean": advantages_N.double().mean().item(),
        "advantage_std": advantages_N.double().std(correction=0).item(),
        "reward_mean": rollout.rewards_B[rows].double().mean().item(),
        "response_length": mask_BT.sum().item() / len(rows),
        "responses": float(len(rows)),
        "tokens": float(mask_BT.sum().item()),
    }


def _unpack(mask_BT: Tensor, values_N: Tensor) -> Tensor:
    return torch.zeros(mask_BT.shape, dtype=values_N.dtype, device=values_N.device).masked_scatter(mask_BT, values_N)


def _summary(metrics: Sequence[dict[str, float]]) -> dict[str, float]:
    """Over all optimiser steps: token-weighted means, the largest ratio, the last learning rate, totals."""
    tokens = sum(row["tokens"] for row in metrics)
    summary = {name: sum(row[name] * row["tokens"] for row in metrics) / tokens for name in METRIC_COLUMNS}
    return summary | {
        "ratio_max": max(row["ratio_max"] for row in metrics),
        "learning_rate": metrics[-1]["learning_rate"],
        "tokens": tokens,
        "responses": sum(row["responses"] for row in metrics),
        "response_length": tokens / sum(row["responses"] for row in metrics),
    }


def _write_metrics(metrics: Sequence[dict[str, float]], path: Path) -> None:
    schema = pa.schema([("step", pa.int64()), *((name, pa.float64()) for name in METRIC_COLUMNS)])
    pq.write_table(pa.Table.from_pylist(list(metrics), schema=schema), path)


def _check_tokens(rollout: Rollout, policy: TokenLogprobs, job: Job) -> None:
    words = policy.model.get_input_embeddings().num_embeddings
    largest = max(max(tokens) for tokens in (*rollout.prompts, *rollout.responses))
    if largest >= words:
        raise InputError(
            f"{job.rollout}: token id {largest} is not in the vocabulary of {job.policy} ({words} entries)"
        )


class _Clock:
    """Seconds of each named part."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.seconds[name], self._last = round(now - self._last, 3), now
