"""Stage 5: the policy update on the kept questions (paper, section 3.3), in a separate trainer process.

The stage writes the rollout to a file, gives a job to the trainer process (DeepSpeed) and commits the trainer's
outputs while later stages use the new policy. The update gets responses and rewards, never a label. Dropped questions
are not in the rollout, so advantages are whitened over kept questions only.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from stages import schemas
from stages.choose_questions import UPDATE
from stages.contract import Inputs, Metrics, Stage, Work
from stages.settings.update import PpoUpdateConfig
from stages.trainer.job import Job


def ppo_update(config: PpoUpdateConfig, inputs: Inputs, work: Work) -> Metrics:
    """Write the folders `policy` and `trainer_state`, and the table `train_metrics`."""
    rollout = work.scratch / "rollout.parquet"
    pq.write_table(_rollout(inputs).to_arrow(), rollout)
    output, policy = work.scratch / "output", inputs.folder("policy")
    job = Job(
        rollout=rollout,
        policy=policy,
        policy_key=inputs.identity("policy"),
        # A reference that nothing reads is not fetched from S3 either.
        reference=inputs.folder("reference") if config.update.uses_reference else policy,
        reference_key=inputs.identity("reference"),
        state=inputs.folder("trainer_state") if "trainer_state" in inputs else None,
        state_key=inputs.identity("trainer_state") if "trainer_state" in inputs else None,
        base=inputs.folder("base") if "base" in inputs else None,
        checkpoint=_checkpoints(work),
        output=output,
        memory=work.memory_folder(),
        output_policy_key=work.identity("policy"),
        output_state_key=work.identity("trainer_state"),
        config=config.update,
        placement=work.resources.trainer_placement,
        temperature=config.temperature,
        max_tokens=config.max_tokens,
        seed=work.seed(),
    )
    work.resources.free_gpu()
    trainer, started = work.resources.trainer(), time.monotonic()
    result = trainer.run(job, work.progress)
    _record_seconds(work, time.monotonic() - started, result.seconds)
    work.write("train_metrics", pq.read_table(output / "metrics.parquet"))
    work.record_speed(pq.read_table(output / "speed.parquet"))

    def finish() -> None:
        work.write_folder("policy", output / "policy")
        trainer.wait_saved()
        work.write_folder("trainer_state", output / "trainer_state")

    work.commit_later({"policy": output / "policy"}, finish)
    return {
        "train/optimiser_steps": result.optimiser_steps,
        "train/schedule_step": result.schedule_step,
        "train/responses": result.responses,
        "train/tokens": result.tokens,
        **{f"train/{name}": value for name, value in result.metrics.items()},
    }


def _record_seconds(work: Work, whole: float, seconds: Mapping[str, float]) -> None:
    """Record what the time of the update went to. `seconds`: as in `JobResult`, a part of the time `whole`."""
    working, saving = (sum(seconds.get(name, 0.0) for name in names) for names in (("logprobs", "steps"), ("save",)))
    work.seconds["gpu"] += working
    work.seconds["trainer_save"] += saving
    work.seconds["trainer_load"] += max(0.0, whole - working - saving)  # with the start of the trainer, if it was late


def _checkpoints(work: Work) -> Path | None:
    """Return the folder of this update's checkpoints, or None if checkpoints are switched off.

    The folder stays if the process is killed. It is removed when the update is committed.
    """
    placement = work.resources.settings.trainer
    if placement.save_every_steps is None:
        return None
    parent = placement.checkpoints or Path(tempfile.gettempdir()) / f"serl-checkpoints-{os.getuid()}"
    folder = parent / work.key
    work.after_commit(lambda: shutil.rmtree(folder, ignore_errors=True))
    return folder


def _rollout(inputs: Inputs) -> pl.DataFrame:
    """Return the responses to train on with their rewards, one row per response.

    They are the responses to the chosen questions of all rounds or, in a run without rounds, to all kept questions.
    """
    if "chosen" in inputs:
        questions = inputs.table("chosen").filter(pl.col("use") == UPDATE)
    else:
        questions = inputs.table("votes").filter(pl.col("decision") == "kept")
    trained = inputs.over_rounds("rewards").filter("trained")
    rewards = trained.select("question_id", "sample_index", pl.col("reward").cast(pl.Float32))
    columns = ("question_id", "sample_index", "prompt_ids", "response_ids", "behaviour_logprobs", "finish_reason")
    responses = inputs.over_rounds("responses").select(columns)
    responses = responses.join(questions, on="question_id", how="semi", maintain_order="left")
    return responses.join(rewards, on=["question_id", "sample_index"], how="inner", maintain_order="left")


PPO_UPDATE = Stage(
    name="ppo_update",
    version=3,
    body=ppo_update,
    tables={"train_metrics": schemas.TRAIN_METRICS},
    folders=("policy", "trainer_state"),
    uses_gpu=True,
    token_metric="train/tokens",
    size=lambda settings, rows: f"{rows('responses'):,} responses",
)
