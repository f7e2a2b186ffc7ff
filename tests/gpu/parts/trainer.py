"""Part `trainer`: a real update of the starting policy, then how much of the card updates of random weights use."""

import itertools
import math
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from stages.settings.trainer import TrainerPlacement
from stages.settings.update import UpdateConfig
from stages.trainer.job import Job, JobResult
from stages.trainer.launcher import TrainerProcess
from tests.gpu import watch
from tests.gpu.parts.engine import rollout_of
from tests.gpu.parts.updates import Form, measure, write_policies
from tests.gpu.record import Record

SECONDS_AROUND = 5.0
"""Wanted: seconds of an update of 0.5 B that are not its steps, once the trainer process runs."""
GIB_AFTER = 1.0
"""Wanted: memory of the card that an update leaves taken."""

SECONDS_OF_SAMPLES = (1.0, 2.5)
"""Seconds after which nvidia-smi's samples count, and for how long they are collected."""


def run(record: Record) -> None:
    with record.measuring("an update of the starting policy"):
        try:
            _real_update(record)
        finally:
            shutil.rmtree(record.folder / "updates", ignore_errors=True)  # gigabytes
    rows = rows_of_table(record.small)
    with record.measuring("random weights"):
        write_policies(record, [row.form for row in rows if record.small or record.seconds_left() >= row.seconds])
    for row in rows:
        if not record.small and record.seconds_left() < row.seconds:
            record.leave_out(row.name, "no time was left")
            continue
        with record.measuring(f"utilisation of {row.name}"):
            _row(record, row)
    if record.small:
        record.leave_out("utilisation, memory of the card, torch.compile on a GPU", "only a GPU can show them")


def placement(record: Record, **more: Any) -> TrainerPlacement:
    """Return how updates run here: bfloat16 on a GPU, all else by default."""
    return TrainerPlacement(**{"dtype": "float32" if record.small else "bfloat16", **more})


def first_job(record: Record, rollout: Path, name: str, *, config: UpdateConfig, **changes: Any) -> Job:
    """Return a first update of the starting policy."""
    model = record.options.model
    job = Job(
        rollout=rollout, policy=model, policy_key="start", reference=model, reference_key="start",
        output=record.folder / "updates" / f"{name}-{time.time():.0f}", output_policy_key=f"{name}-policy",
        output_state_key=f"{name}-state", config=config, placement=placement(record), temperature=1.0,
        max_tokens=256, seed=1,
    )  # fmt: skip
    return job.model_copy(update=changes)


def following(job: Job, name: str) -> Job:
    """Return the update after `job`, from what it leaves."""
    return job.model_copy(
        update={
            "policy": job.output / "policy",
            "policy_key": job.output_policy_key,
            "state": job.output / "trainer_state",
            "state_key": job.output_state_key,
            "output": job.output.with_name(f"{job.output.name}-{name}"),
            "output_policy_key": f"{name}-policy",
            "output_state_key": f"{name}-state",
        }
    )


def update_config(record: Record, **more: Any) -> UpdateConfig:
    """Return settings of a short update."""
    values = {"learning_rate": 1e-6, "batch_responses": 8 if record.small else 64, "kl_coef": 0.0, **more}
    return UpdateConfig(**values)


def metrics_of(job: Job) -> list[dict[str, Any]]:
    return list(pq.read_table(job.output / "metrics.parquet").to_pylist())


def do(record: Record, process: TrainerProcess, job: Job) -> tuple[JobResult, float]:
    """Do an update; return its result and the seconds that it took as a whole."""
    job.output.parent.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    result = process.run(job, lambda done, total, note: print(f"{done}/{total} {note}", flush=True))
    return result, time.perf_counter() - started


def wait_saved(process: TrainerProcess) -> float:
    """Wait until the trainer state is written, if that goes on after the update; return the seconds."""
    started = time.perf_counter()
    if hasattr(process, "wait_saved"):
        process.wait_saved()
    return time.perf_counter() - started


def check_ratio(record: Record, name: str, job: Job) -> None:
    """Check that the first step of an update begins at the policy that sampled: all ratios are 1."""
    first = metrics_of(job)[0]
    seen = {part: first[f"ratio_{part}"] for part in ("mean", "min", "max")}
    record.figure(name, {part: f"{value:.4f}" if value is not None else None for part, value in seen.items()})
    # In bfloat16 single tokens differ in the last digits between two ways of packing the same rows.
    tolerances = {"mean": 5e-5, "min": 5e-5 if record.small else 0.1, "max": 5e-5 if record.small else 0.1}
    close = all(value is not None and abs(value - 1) < tolerances[part] for part, value in seen.items())
    record.check(name, close, seen, "1.0000")


def _real_update(record: Record) -> None:
    rollout, options = rollout_of(record), record.options
    before = _memory_now(record)
    job = first_job(record, rollout, "first", config=update_config(record))
    with TrainerProcess(record.folder / "scratch") as process:
        started = time.time()
        result, seconds = do(record, process, job)
        record.figure("first_update_s", {"whole": seconds, **result.seconds})
        record.figure("state_written_after_s", wait_saved(process))
        check_ratio(record, "first_step_ratio", job)
        first = metrics_of(job)[0]
        record.at_most("gap_to_vllm_mean", _number(first["behaviour_gap"]), 1e-4 if record.small else 0.01)
        record.figure("gap_to_vllm_max", first["behaviour_gap_max"])
        record.figure("kl_after", [step["kl"] for step in metrics_of(job)])
        second = following(job, "second")
        record.note("the next update in the same process")
        result, seconds = do(record, process, second)
        busy = sum(result.seconds.get(name, 0.0) for name in ("logprobs", "steps"))
        record.figure("second_update_s", {"whole": seconds, **result.seconds})
        record.at_most("around_the_steps_s", seconds - busy, SECONDS_AROUND, decides=not record.small)
        check_ratio(record, "second_update_first_step_ratio", second)
        wait_saved(process)
        if record.small or before is None:
            record.leave_out("memory of the card before, in and after an update", "it needs a GPU and nvidia-smi")
            return
        peak = watch.memory_gib(options.out, started, time.time())
        record.figure("card_memory_before_gib", before)
        record.figure("card_memory_in_update_gib", peak)
        after = _memory_now(record)
        if after is not None:
            record.at_most("card_memory_after_update_gib", after - before, GIB_AFTER)
    ended = _memory_now(record)
    if ended is not None:
        record.figure("card_memory_after_close_gib", ended - before)


def _number(value: float | None) -> float:
    return math.inf if value is None else value


def _memory_now(record: Record) -> float | None:
    """Return the memory in use on the card, from nvidia-smi's samples of the next seconds; None if unknown."""
    if record.small:
        return None
    before, during = SECONDS_OF_SAMPLES
    time.sleep(before)
    start = time.time() - 1e-3
    for _ in range(4):  # nvidia-smi itself may take seconds
        time.sleep(during)
        if (seen := watch.memory_gib(record.options.out, start, time.time())) is not None:
            return seen
    return None


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of the table of utilisations."""

    name: str
    form: Form
    wanted: float | None = None
    """Goal for the share of the card's peak."""
    seconds: float = 60.0
    """Left out if less time is left."""


def rows_of_table(small: bool) -> list[Row]:
    """Return the measurements, the most telling first."""
    if small:
        return [Row(name="toy 512 tokens", form=Form(shape="toy", tokens=512, small=True))]
    k = 1_024
    return [
        Row(name="0.5B 32k tokens", form=Form(shape="0.5B", tokens=32 * k), wanted=0.33, seconds=75),
        Row(name="1.5B 16k tokens", form=Form(shape="1.5B", tokens=16 * k), wanted=0.45, seconds=90),
        Row(name="0.5B 8k tokens", form=Form(shape="0.5B", tokens=8 * k)),
        Row(name="1.5B 16k tokens, not compiled", form=Form(shape="1.5B", tokens=16 * k, compiled=False)),
        Row(name="1.5B 16k tokens, checkpointing", form=Form(shape="1.5B", tokens=16 * k, checkpointing=True)),
    ]


def _row(record: Record, row: Row) -> None:
    found = measure(record, row.form)
    share = found["model_flops_utilisation"]
    if share is not None:
        name = f"utilisation {row.name}"
        record.figure(name, share)
        if row.wanted is not None:
            record.check(name, share >= row.wanted, share, f">= {row.wanted:g}")
    elif not record.small:
        record.leave_out(f"utilisation {row.name}", "the peak of this card is not known (stages/trainer/speed.py)")
    record.figure(f"peak_gib {row.name}", found["peak_memory_mib"] / 1024)
    record.figure(f"step_s {row.name}", found["step_seconds"])
    record.figure(f"tokens_per_second {row.name}", found["tokens_per_second"])
    numbers = list(itertools.chain(found["step_seconds"], [found["loss"] or 0.0]))
    record.check(f"finite {row.name}", all(math.isfinite(number) for number in numbers), found["loss"], "finite")
