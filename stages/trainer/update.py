"""One policy update, from a rollout with rewards to the next policy (docs/explanation/method.md, 1).

The order: advantages need rewards, baselines and, for a penalty in the reward or a critic, what the models say of the
rollout before anything changes; then optimiser steps, each over its own share of the responses.
"""

import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from stages.rl import advantages, kl, losses
from stages.settings.update import UpdateConfig
from stages.trainer import speed
from stages.trainer.batches import Packing, Rollout, check_groups, minibatches, pack, read_rollout
from stages.trainer.job import METRIC_COLUMNS, SPEED_COLUMNS, Job, JobResult, Progress
from stages.trainer.steps import Columns, Metrics, Step, critic_step, policy_step, share_of, unpack
from stages.trainer.worker_state import Trainer
from storage.errors import InputError, TrainerError


def run_update(trainer: Trainer, job: Job, progress: Progress) -> JobResult:
    """Do one job and fill its output folder; done.json is written last."""
    clock = _Clock()
    _check_paths(trainer, job)
    rollout, scores_B = _read(job)
    checkpoint = None if job.checkpoint is None else _latest(trainer, job.checkpoint)
    trainer.prepare(job, checkpoint)
    _check_tokens(rollout, trainer.policy.module.model.config.vocab_size, job)
    clock.lap("load")
    if checkpoint is None:
        columns = _columns(trainer, rollout, scores_B, job, progress)
        metrics: list[Metrics] = []
    else:
        columns = Columns(**load_file(checkpoint / "columns.safetensors"))
        metrics = json.loads((checkpoint / "metrics.json").read_text())
    clock.lap("logprobs")
    batches = minibatches(len(rollout.prompts), job.config.batch_responses, job.config.epochs, job.seed)
    meter = speed.Meter(trainer.policy.module.model, trainer.device, trainer.world_size)
    for done in range(len(metrics), len(batches)):
        progress(done, len(batches), _note(metrics))
        step = Step(rollout=rollout, columns=columns, rows=batches[done], job=job)
        metrics.append(_step(trainer, step))
        lengths = [(len(rollout.prompts[row]), len(rollout.responses[row])) for row in step.rows]
        meter.lap(step=trainer.steps, lengths=lengths)
        _check_skipped(metrics, job.config.max_skipped_steps)
        every = job.placement.save_every_steps
        if job.checkpoint is not None and every and (done + 1) % every == 0 and done + 1 < len(batches):
            _save_checkpoint(trainer, job, job.checkpoint, columns, metrics)
    clock.lap("steps")
    summary = _summary(metrics)
    _adapt(trainer, job.config, rollout, columns)
    trainer.save(job, job.output)
    clock.lap("save")
    result = JobResult(
        optimiser_steps=len(batches),
        schedule_step=trainer.steps,
        responses=len(rollout.prompts),
        tokens=int(rollout.response_mask_BT.sum()),
        metrics=summary,
        seconds=clock.seconds,
    )
    if trainer.rank == 0:
        _write_table(metrics, METRIC_COLUMNS, job.output / "metrics.parquet")
        _write_table(meter.rows, SPEED_COLUMNS, job.output / "speed.parquet")
        (job.output / "done.json").write_text(result.model_dump_json(indent=1) + "\n")
    progress(len(batches), len(batches), "done")
    return result


def token_values(trainer: Trainer, rollout: Rollout, job: Job, module: Callable[[Packing], Tensor]) -> Tensor:
    """What `module` says of every response token [B, T], 0 on padding; shared out over the processes."""
    values_BT = torch.zeros(rollout.response_mask_BT.shape)
    for rows, real in share_of(trainer, rollout, list(range(len(rollout.prompts))), job):
        with torch.no_grad():
            values_N = module(pack(rollout, rows))
        if real:
            values_BT[rows] = unpack(rollout.response_mask_BT[rows], values_N.cpu())
    return trainer.sum_over_processes(values_BT)


def score(config: UpdateConfig, rollout: Rollout, max_tokens: int) -> Tensor:
    """What the last token of each response earns [B]: its reward, less a penalty for length, less a baseline."""
    rewards_B = rollout.rewards_B.double()
    if config.overlong == "penalise":
        rewards_B = rewards_B + advantages.overlong_penalty(
            rollout.response_mask_BT.sum(1),
            rollout.truncated_B,
            max_tokens=max_tokens,
            buffer=min(config.overlong_buffer, max_tokens),
        )
    if config.algorithm == "ppo":
        return rewards_B
    return advantages.ESTIMATORS[config.algorithm].baseline(rewards_B, rollout.group_B, config.advantage_eps)


def compute_advantages(
    config: UpdateConfig, scores_B: Tensor, mask_BT: Tensor, penalty_BT: Tensor, values_BT: Tensor
) -> tuple[Tensor, Tensor]:
    """Advantages and, for ppo, the critic's targets [B, T], 0 on padding; `penalty_BT` is taken from every reward."""
    rewards_BT = advantages.token_rewards(scores_B, penalty_BT, mask_BT)
    if config.algorithm == "ppo":
        raw_BT = advantages.gae(rewards_BT, values_BT, mask_BT, gamma=config.gamma, lam=config.gae_lambda)
        return advantages.whiten(raw_BT, mask_BT, config.advantage_eps), ((raw_BT + values_BT) * mask_BT).float()
    raw_BT = advantages.rewards_to_go(rewards_BT, config.gamma) * mask_BT
    if advantages.ESTIMATORS[config.algorithm].whitened:
        raw_BT = advantages.whiten(raw_BT, mask_BT, config.advantage_eps)
    return raw_BT.float(), torch.zeros(mask_BT.shape)


def _read(job: Job) -> tuple[Rollout, Tensor]:
    """The responses to train on, and what the last token of each earns: filtered first, whitened later."""
    rollout = read_rollout(job.rollout)
    if job.config.needs_groups:
        check_groups(rollout, job.rollout, job.config.algorithm)
    scores_B = score(job.config, rollout, job.max_tokens)
    if job.config.overlong != "mask":
        return rollout, scores_B
    whole = torch.nonzero(~rollout.truncated_B)[:, 0].tolist()
    if not whole:
        raise InputError(
            f"{job.rollout}: every response was cut off at {job.max_tokens} tokens and update.overlong is mask, so "
            "there is nothing to train on; raise sample.max_tokens"
        )
    return rollout.only(whole), scores_B[whole]


def _columns(trainer: Trainer, rollout: Rollout, scores_B: Tensor, job: Job, progress: Progress) -> Columns:
    progress(0, 1, "log-probabilities")
    config, mask_BT = job.config, rollout.response_mask_BT

    def logprobs(model: Callable[..., tuple[Tensor, Tensor]]) -> Tensor:
        return token_values(trainer, rollout, job, lambda packing: model(packing, job.temperature, "none")[0])

    old_BT = logprobs(trainer.policy.engine)
    reference_BT = trainer.with_reference(job, logprobs)
    if reference_BT is None:
        reference_BT = old_BT
    values_BT = torch.zeros_like(old_BT)
    if trainer.critic is not None:
        values_BT = token_values(trainer, rollout, job, trainer.critic.engine)
    penalty_BT = torch.zeros_like(old_BT)
    if config.kl_in == "reward":
        penalty_BT = trainer.kl_coef * kl.ESTIMATORS[config.kl_estimator](old_BT, reference_BT)
    advantages_BT, returns_BT = compute_advantages(config, scores_B, mask_BT, penalty_BT, values_BT)
    weights_BT = torch.ones_like(old_BT)
    if (cap := config.importance_weight_cap) is not None:
        weights_BT = losses.truncated_importance_weights(old_BT, rollout.behaviour_logprobs_BT, cap)
    return Columns(
        old_logprobs_BT=old_BT,
        reference_logprobs_BT=reference_BT,
        advantages_BT=advantages_BT,
        weights_BT=weights_BT * mask_BT,
        values_BT=values_BT,
        returns_BT=returns_BT,
    )


def _step(trainer: Trainer, step: Step) -> Metrics:
    metrics: Metrics = dict.fromkeys(METRIC_COLUMNS)
    if trainer.critic is not None:
        metrics |= critic_step(trainer, trainer.critic, step)
    skipped_critic = metrics["skipped"] or 0.0
    metrics |= policy_step(trainer, step)
    metrics["skipped"] = max(skipped_critic, metrics["skipped"] or 0.0)
    trainer.steps += 1
    return {name: _finite(value) for name, value in metrics.items()} | {"step": trainer.steps}


def _finite(value: float | None) -> float | None:
    return value if value is not None and abs(value) < float("inf") else None


def _check_skipped(metrics: Sequence[Metrics], most: int) -> None:
    skipped = sum(int(row["skipped"] or 0) for row in metrics)
    if skipped > most:
        last = metrics[-1]
        raise TrainerError(
            f"{skipped} optimiser steps of this update had a loss or gradient that is no number or too large (the last "
            f"one: loss {last['loss']}, gradient norm {last['grad_norm']}), more than update.max_skipped_steps "
            f"{most}; no policy was written, the one before is as it was; lower update.learning_rate"
        )


def _adapt(trainer: Trainer, config: UpdateConfig, rollout: Rollout, columns: Columns) -> None:
    """Steer the weight of the KL for the next update, by the KL of the policy that sampled this rollout."""
    if config.kl_target is None:
        return
    kl_BT = kl.ESTIMATORS[config.kl_estimator](columns.old_logprobs_BT, columns.reference_logprobs_BT)
    measured = kl_BT[rollout.response_mask_BT].double().mean().item()
    trainer.kl_coef = kl.adapted_coefficient(
        trainer.kl_coef,
        measured=measured,
        target=config.kl_target,
        horizon=config.kl_horizon,
        responses=len(rollout.prompts),
    )


def _save_checkpoint(trainer: Trainer, job: Job, folder: Path, columns: Columns, metrics: Sequence[Metrics]) -> None:
    """Everything the rest of the update needs, put in place by one rename; the one before is removed then."""
    partial, final = folder / "partial", _after(folder, len(metrics))
    if trainer.rank == 0:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
    trainer.wait_for_all()
    trainer.save(job, partial)
    if trainer.rank == 0:
        save_file({f.name: getattr(columns, f.name) for f in fields(columns)}, partial / "columns.safetensors")
        (partial / "metrics.json").write_text(json.dumps(metrics))
        earlier = sorted(folder.glob("after-*"))
        partial.rename(final)
        for path in earlier:
            shutil.rmtree(path, ignore_errors=True)
    trainer.wait_for_all()


def _latest(trainer: Trainer, folder: Path) -> Path | None:
    """The newest checkpoint as the first process sees it; None without any. Shared folders lag behind elsewhere."""
    steps = torch.zeros(1)
    if trainer.rank == 0 and (newest := max(folder.glob("after-*"), default=None)):
        steps[0] = int(newest.name.removeprefix("after-"))
    done = int(trainer.sum_over_processes(steps))
    return _after(folder, done) if done else None


def _after(folder: Path, steps: int) -> Path:
    return folder / f"after-{steps:06d}"


def _note(metrics: Sequence[Metrics]) -> str:
    """What progress says of the latest step."""
    if not metrics or metrics[-1]["loss"] is None:
        return "optimiser step"
    return f"optimiser step (loss {metrics[-1]['loss']:.4g}, KL {metrics[-1]['kl']:.4g})"


def _summary(metrics: Sequence[Metrics]) -> Metrics:
    """Over the steps taken: token-weighted means, extremes of the ratio, the last learning rate, totals."""
    taken = [row for row in metrics if not row["skipped"]]
    totals = {name: sum(row[name] or 0.0 for row in taken) for name in ("tokens", "responses")}
    summary: Metrics = {}
    for name in METRIC_COLUMNS:
        known = [(row[name], row["tokens"]) for row in taken if row[name] is not None]
        summary[name] = sum(v * n for v, n in known) / sum(n for _, n in known) if known else None  # type: ignore[operator, misc]
    if taken:
        summary["ratio_min"] = min(row["ratio_min"] or 0.0 for row in taken)
        summary["ratio_max"] = max(row["ratio_max"] or 0.0 for row in taken)
        summary["response_length"] = totals["tokens"] / totals["responses"]
        summary["behaviour_gap_max"] = max(row["behaviour_gap_max"] or 0.0 for row in taken)
    return (
        summary
        | totals
        | {
            "learning_rate": metrics[-1]["learning_rate"],
            "skipped": float(len(metrics) - len(taken)),
        }
    )


def _write_table(rows: Sequence[Metrics], columns: Sequence[str], path: Path) -> None:
    schema = pa.schema([("step", pa.int64()), *((name, pa.float64()) for name in columns)])
    pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), path)


def _check_paths(trainer: Trainer, job: Job) -> None:
    """Raises InputError where some processes see what the job names and others do not."""
    paths = [path for path in (job.rollout, job.policy, job.reference, job.state, job.base) if path is not None]
    missing = trainer.sum_over_processes(torch.tensor([float(not path.exists()) for path in paths]))
    for path, blind in zip(paths, missing.tolist(), strict=True):
        if 0 < blind < trainer.world_size:
            raise InputError(
                f"{path}: {blind:.0f} of the trainer's {trainer.world_size} processes do not see it; with several "
                "compute.trainer.nodes, the run's folder ($SERL_CACHE, on S3) and compute.scratch have to lie on "
                "disks that they share"
            )


def _check_tokens(rollout: Rollout, vocabulary: int, job: Job) -> None:
    largest = max(max(tokens) for tokens in (*rollout.prompts, *rollout.responses))
    if largest >= vocabulary:
        raise InputError(
            f"{job.rollout}: token id {largest} is not in the vocabulary of {job.policy} ({vocabulary} entries); the "
            "responses were sampled by another model, or with another tokenizer"
        )


class _Clock:
    """Seconds of each named part."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.seconds[name], self._last = round(now - self._last, 3), now
