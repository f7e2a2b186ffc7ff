"""One policy update, from a rollout with rewards to the next policy (docs/explanation/method.md, section 1).

First the models compute log-probabilities and values of the rollout, and from them the advantages, before any weight
changes. Then come the optimiser steps, each over a part of the responses. Shapes: see `stages.rl`.
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
from stages.trainer.holding import reserved_memory
from stages.trainer.job import METRIC_COLUMNS, SPEED_COLUMNS, Job, JobResult, Progress
from stages.trainer.steps import Metrics, Step, TokenTargets, critic_step, local_micro_batches, policy_step, unpack
from stages.trainer.trainer import Trainer
from storage.errors import InputError, TrainerError


def run_update(trainer: Trainer, job: Job, progress: Progress) -> JobResult:
    """Do one job and write everything but the trainer state to its output folder; `save_state` is to follow.

    The update resumes from the newest checkpoint of the job if there is one.

    Raises InputError if the rollout or a folder of the job cannot be used, and TrainerError if too many steps are
    skipped.
    """
    clock = _Clock()
    _check_paths(trainer, job)
    rollout, scores_B = _read(job)
    checkpoint = None if job.checkpoint is None else _newest_checkpoint(trainer, job.checkpoint)
    clock.lap("read")
    if trainer.recall(job, checkpoint):
        clock.lap("to_device")
    trainer.prepare(job, checkpoint)
    _check_tokens(rollout, trainer.policy.module.vocabulary, job)
    clock.lap("load")
    if checkpoint is None:
        targets = _token_targets(trainer, rollout, scores_B, job, progress)
        metrics: list[Metrics] = []
        clock.part("reference", trainer.reference_seconds)
    else:
        targets = TokenTargets(**load_file(checkpoint / "columns.safetensors"))
        metrics = json.loads((checkpoint / "metrics.json").read_text())
    clock.lap("logprobs")
    batches = minibatches(len(rollout.prompts), job.config.batch_responses, job.config.epochs, job.seed)
    meter = speed.Meter(trainer.policy.module.model, trainer.device, trainer.world_size)
    for done in range(len(metrics), len(batches)):
        progress(done, len(batches), _note(metrics))
        step = Step(rollout=rollout, targets=targets, rows=batches[done], job=job)
        metrics.append(_step(trainer, step))
        lengths = [(len(rollout.prompts[row]), len(rollout.responses[row])) for row in step.rows]
        meter.lap(step=trainer.steps, lengths=lengths)
        _check_skipped(metrics, job.config.max_skipped_steps)
        every = job.placement.save_every_steps
        if job.checkpoint is not None and every and (done + 1) % every == 0 and done + 1 < len(batches):
            _save_checkpoint(trainer, job, job.checkpoint, targets, metrics)
    clock.lap("steps")
    summary = _summary(metrics)
    _adapt_kl_coefficient(trainer, job.config, rollout, targets)
    trainer.choose_holding()
    saves_first = trainer.saves_first
    if not saves_first:
        trainer.hold(job.output_policy_key, job.output_state_key)
        clock.lap("to_host")
    trainer.save_policy(job, job.output, memory=job.memory)
    clock.lap("save")
    if saves_first:
        trainer.save_state(job.output)
        clock.lap("save_state")
        trainer.hold(job.output_policy_key, job.output_state_key)
        clock.lap("to_host")
    result = JobResult(
        optimiser_steps=len(batches),
        schedule_step=trainer.steps,
        responses=len(rollout.prompts),
        tokens=int(rollout.response_mask_BT.sum()),
        metrics=summary,
        seconds=clock.seconds,
        held=trainer.holding,
        reserved_memory_mib=reserved_memory(trainer.device) / 2**20,
    )
    if trainer.rank == 0:
        _write_table(metrics, METRIC_COLUMNS, job.output / "metrics.parquet")
        _write_table(meter.rows, SPEED_COLUMNS, job.output / "speed.parquet")
    progress(len(batches), len(batches), "done")
    return result


def save_state(trainer: Trainer, job: Job, result: JobResult) -> dict[str, float]:
    """Write the trainer state after the job's update, unless it is written, and, last, done.json.

    Returns the seconds of each part.
    """
    clock = _Clock()
    if "save_state" not in result.seconds:
        trainer.save_state(job.output)
        clock.lap("save_state")
    if trainer.rank == 0:
        whole = result.model_copy(update={"seconds": result.seconds | clock.seconds})
        (job.output / "done.json").write_text(whole.model_dump_json(indent=1) + "\n")
    return clock.seconds


def token_values(trainer: Trainer, rollout: Rollout, job: Job, module: Callable[[Packing], Tensor]) -> Tensor:
    """Return the outputs of `module` for every response token, [B, T], 0 on padding.

    Each process computes a part of the responses; every process returns all outputs.
    """
    values_BT = torch.zeros(rollout.response_mask_BT.shape)
    for rows, real in local_micro_batches(trainer, rollout, list(range(len(rollout.prompts))), job):
        with torch.no_grad():
            values_N = module(pack(rollout, rows, end_to_end=trainer.end_to_end))
        if real:
            values_BT[rows] = unpack(rollout.response_mask_BT[rows], values_N.cpu())
    return trainer.sum_over_processes(values_BT)


def score(config: UpdateConfig, rollout: Rollout, max_tokens: int) -> Tensor:
    """Return the reward of each response minus a penalty for its length and a baseline, [B], float64.

    The baseline is that of the algorithm; ppo has none. `max_tokens` is the largest length of a response.
    """
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
    """Return advantages and, for ppo, the critic's targets (else 0); both [B, T], float32, 0 on padding.

    Args:
        config: settings of the update.
        scores_B: see `score`; they are the reward of the last token of each response.
        mask_BT: True on response tokens.
        penalty_BT: subtracted from the reward of every token.
        values_BT: the critic's values; ppo only.
    """
    rewards_BT = advantages.token_rewards(scores_B, penalty_BT, mask_BT)
    if config.algorithm == "ppo":
        raw_BT = advantages.gae(rewards_BT, values_BT, mask_BT, gamma=config.gamma, lam=config.gae_lambda)
        return advantages.whiten(raw_BT, mask_BT, config.advantage_eps), ((raw_BT + values_BT) * mask_BT).float()
    raw_BT = advantages.rewards_to_go(rewards_BT, config.gamma) * mask_BT
    if advantages.ESTIMATORS[config.algorithm].whitened:
        raw_BT = advantages.whiten(raw_BT, mask_BT, config.advantage_eps)
    return raw_BT.float(), torch.zeros(mask_BT.shape)


def _read(job: Job) -> tuple[Rollout, Tensor]:
    """Return the responses to train on and their scores.

    Scores are computed before truncated responses are masked, so that these still count in their group's mean.
    """
    rollout = read_rollout(job.rollout)
    if job.config.needs_groups:
        check_groups(rollout, job.rollout, job.config.algorithm)
    scores_B = score(job.config, rollout, job.max_tokens)
    if job.config.overlong != "mask":
        return rollout, scores_B
    complete = torch.nonzero(~rollout.truncated_B)[:, 0].tolist()
    if not complete:
        raise InputError(
            f"{job.rollout}: every response was cut off at {job.max_tokens} tokens and update.overlong is mask, so "
            "there is nothing to train on; raise sample.max_tokens"
        )
    return rollout.only(complete), scores_B[complete]


def _token_targets(trainer: Trainer, rollout: Rollout, scores_B: Tensor, job: Job, progress: Progress) -> TokenTargets:
    """Compute the values that are fixed before the first optimiser step."""
    progress(0, 1, f"log-probabilities, {trainer.micro_batch_tokens:,} tokens at a time")
    config, mask_BT = job.config, rollout.response_mask_BT

    def logprobs(model: Callable[..., tuple[Tensor, Tensor]]) -> Tensor:
        return token_values(trainer, rollout, job, lambda packing: model(packing, job.temperature, "none")[0])

    old_logprobs_BT = logprobs(trainer.policy.engine)
    reference_logprobs_BT = trainer.with_reference(job, logprobs) if config.uses_reference else None
    if reference_logprobs_BT is None:
        reference_logprobs_BT = old_logprobs_BT.clone()  # a checkpoint cannot hold one tensor under two names
    values_BT = torch.zeros_like(old_logprobs_BT)
    if trainer.critic is not None:
        values_BT = token_values(trainer, rollout, job, trainer.critic.engine)
    penalty_BT = torch.zeros_like(old_logprobs_BT)
    if config.kl_in == "reward" and config.uses_reference:
        penalty_BT = trainer.kl_coef * kl.ESTIMATORS[config.kl_estimator](old_logprobs_BT, reference_logprobs_BT)
    advantages_BT, returns_BT = compute_advantages(config, scores_B, mask_BT, penalty_BT, values_BT)
    weights_BT = torch.ones_like(old_logprobs_BT)
    if (cap := config.importance_weight_cap) is not None:
        weights_BT = losses.truncated_importance_weights(old_logprobs_BT, rollout.behaviour_logprobs_BT, cap)
    return TokenTargets(
        old_logprobs_BT=old_logprobs_BT,
        reference_logprobs_BT=reference_logprobs_BT,
        advantages_BT=advantages_BT,
        weights_BT=weights_BT * mask_BT,
        values_BT=values_BT,
        returns_BT=returns_BT,
    )


def _step(trainer: Trainer, step: Step) -> Metrics:
    """Take one step of the critic, if there is one, and of the policy; return their metrics."""
    metrics: Metrics = dict.fromkeys(METRIC_COLUMNS)
    if trainer.critic is not None:
        metrics |= critic_step(trainer, trainer.critic, step)
    skipped_critic = metrics["skipped"] or 0.0
    metrics |= policy_step(trainer, step)
    metrics["skipped"] = max(skipped_critic, metrics["skipped"] or 0.0)
    trainer.steps += 1
    return {name: _finite(value) for name, value in metrics.items()} | {"step": trainer.steps}


def _finite(value: float | None) -> float | None:
    """Return the value, or None if it is infinite or no number."""
    return value if value is not None and abs(value) < float("inf") else None


def _check_skipped(metrics: Sequence[Metrics], max_skipped: int) -> None:
    """Raise TrainerError if more than `max_skipped` steps were skipped."""
    skipped = sum(int(row["skipped"] or 0) for row in metrics)
    if skipped > max_skipped:
        last = metrics[-1]
        raise TrainerError(
            f"{skipped} optimiser steps of this update had a loss or gradient that is no number or too large (the last "
            f"one: loss {last['loss']}, gradient norm {last['grad_norm']}), more than update.max_skipped_steps "
            f"{max_skipped}; no policy was written, and the previous policy is unchanged; lower update.learning_rate"
        )


def _adapt_kl_coefficient(trainer: Trainer, config: UpdateConfig, rollout: Rollout, targets: TokenTargets) -> None:
    """Set the weight of the KL for the next update, from the KL of the policy that sampled this rollout."""
    if config.kl_target is None:
        return
    kl_BT = kl.ESTIMATORS[config.kl_estimator](targets.old_logprobs_BT, targets.reference_logprobs_BT)
    measured = kl_BT[rollout.response_mask_BT].double().mean().item()
    trainer.kl_coef = kl.adapted_coefficient(
        trainer.kl_coef,
        measured=measured,
        target=config.kl_target,
        horizon=config.kl_horizon,
        responses=len(rollout.prompts),
    )


def _save_checkpoint(
    trainer: Trainer, job: Job, folder: Path, targets: TokenTargets, metrics: Sequence[Metrics]
) -> None:
    """Write everything that the rest of the update needs; one rename completes it. Then remove earlier checkpoints."""
    partial, final = folder / "partial", _checkpoint_path(folder, len(metrics))
    if trainer.rank == 0:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
    trainer.wait_for_all()
    trainer.save_policy(job, partial)
    trainer.save_state(partial)
    if trainer.rank == 0:
        save_file({f.name: getattr(targets, f.name) for f in fields(targets)}, partial / "columns.safetensors")
        (partial / "metrics.json").write_text(json.dumps(metrics))
        earlier = sorted(folder.glob("after-*"))
        partial.rename(final)
        for path in earlier:
            shutil.rmtree(path, ignore_errors=True)
    trainer.wait_for_all()


def _newest_checkpoint(trainer: Trainer, folder: Path) -> Path | None:
    """Return the newest checkpoint that the first process sees; None if there is none.

    On other nodes a shared folder may lag behind, so all processes use the answer of the first.
    """
    steps = torch.zeros(1)
    if trainer.rank == 0 and (newest := max(folder.glob("after-*"), default=None)):
        steps[0] = int(newest.name.removeprefix("after-"))
    done = int(trainer.sum_over_processes(steps))
    return _checkpoint_path(folder, done) if done else None


def _checkpoint_path(folder: Path, steps: int) -> Path:
    return folder / f"after-{steps:06d}"


def _note(metrics: Sequence[Metrics]) -> str:
    """Return progress's note on the latest step."""
    if not metrics or metrics[-1]["loss"] is None:
        return "optimiser step"
    kl_text = "" if metrics[-1]["kl"] is None else f", KL {metrics[-1]['kl']:.4g}"
    return f"optimiser step (loss {metrics[-1]['loss']:.4g}{kl_text})"


def _summary(metrics: Sequence[Metrics]) -> Metrics:
    """Return the metrics of the whole update, over the steps taken (see `JobResult.metrics`)."""
    taken = [row for row in metrics if not row["skipped"]]
    totals = {name: sum(row[name] or 0.0 for row in taken) for name in ("tokens", "responses")}
    summary: Metrics = {}
    for name in METRIC_COLUMNS:
        known = [(row[name], row["tokens"]) for row in taken if row[name] is not None]
        summary[name] = sum(value * n for value, n in known) / sum(n for _, n in known) if known else None  # type: ignore[operator, misc]
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
    """Write rows as Parquet with an integer `step` and float columns."""
    schema = pa.schema([("step", pa.int64()), *((name, pa.float64()) for name in columns)])
    pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), path)


def _check_paths(trainer: Trainer, job: Job) -> None:
    """Raise InputError if some processes see a file or folder of the job and other processes do not."""
    paths = [path for path in (job.rollout, job.policy, job.reference, job.state, job.base) if path is not None]
    missing = trainer.sum_over_processes(torch.tensor([float(not path.exists()) for path in paths]))
    for path, processes in zip(paths, missing.tolist(), strict=True):
        if 0 < processes < trainer.world_size:
            raise InputError(
                f"{path}: {processes:.0f} of the trainer's {trainer.world_size} processes do not see it; with several "
                "compute.trainer.nodes, the run's folder ($SERL_CACHE, on S3) and compute.scratch have to lie on "
                "disks that they share"
            )


def _check_tokens(rollout: Rollout, vocabulary: int, job: Job) -> None:
    """Raise InputError if a token id is not in the policy's vocabulary."""
    largest = max(max(tokens) for tokens in (*rollout.prompts, *rollout.responses))
    if largest >= vocabulary:
        raise InputError(
            f"{job.rollout}: token id {largest} is not in the vocabulary of {job.policy} ({vocabulary} entries); the "
            "responses were sampled by another model, or with another tokenizer"
        )


class _Clock:
    """Measures the seconds of each named part of an update."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()
        self._separate = 0.0

    def lap(self, name: str) -> None:
        """End the part `name`, which began at the end of the part before it."""
        now = time.perf_counter()
        self.seconds[name], self._last = round(now - self._last - self._separate, 3), now
        self._separate = 0.0

    def part(self, name: str, seconds: float) -> None:
        """Count seconds of the part that has not ended yet under a name of their own."""
        self.seconds[name] = round(seconds, 3)
        self._separate += seconds
