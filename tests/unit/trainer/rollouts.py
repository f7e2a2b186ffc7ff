"""Rollouts and jobs for the tests of the trainer."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stages.settings.trainer import TrainerPlacement
from stages.settings.update import UpdateConfig
from stages.trainer.job import Job, JobResult, Progress
from stages.trainer.launcher import TrainerProcess

SCHEMA = pa.schema(
    [
        ("question_id", pa.string()),
        ("sample_index", pa.int32()),
        ("prompt_ids", pa.list_(pa.int32())),
        ("response_ids", pa.list_(pa.int32())),
        ("behaviour_logprobs", pa.list_(pa.float32())),
        ("finish_reason", pa.string()),
        ("reward", pa.float32()),
    ]
)


class SavingTrainer(TrainerProcess):
    """A trainer process whose updates end when the trainer state is written as well."""

    def run(self, job: Job, progress: Progress | None = None) -> JobResult:
        """Do one update and wait for its trainer state."""
        result = super().run(job, progress)
        self.wait_saved()
        return result


def make_rows(questions: int, samples: int, *, vocabulary: int, seed: int = 0) -> list[dict[str, Any]]:
    """Return random responses of 1 to 11 tokens with random rewards.

    The log-probabilities are near those of random weights.

    Args:
        questions: number of questions.
        samples: responses to each question.
        vocabulary: token ids are below this number.
        seed: seed of all random values.
    """
    rng = np.random.Generator(np.random.Philox(key=seed))
    rows: list[dict[str, Any]] = []
    for question in range(questions):
        prompt = rng.integers(1, vocabulary, int(rng.integers(2, 8))).tolist()
        for sample in range(samples):
            length = int(rng.integers(1, 12))
            rows.append(
                {
                    "question_id": f"q{question}",
                    "sample_index": sample,
                    "prompt_ids": prompt,
                    "response_ids": rng.integers(1, vocabulary, length).tolist(),
                    "behaviour_logprobs": (-np.log(vocabulary) + 0.5 * rng.standard_normal(length)).tolist(),
                    "finish_reason": "length" if length == 11 else "stop",
                    "reward": float(rng.random() < 0.5),
                }
            )
    return rows


def write_rollout(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """Write rows as a rollout; return the path."""
    pq.write_table(pa.Table.from_pylist(list(rows), schema=SCHEMA), path)
    return path


def make_job(folder: Path, policy: Path, *, name: str = "out", **changes: Any) -> Job:
    """Return the job of a first update of `policy` on folder/rollout.parquet; the reference is the policy itself.

    `changes` replace fields of the job.
    """
    job = Job(
        rollout=folder / "rollout.parquet",
        policy=policy,
        policy_key=str(policy),
        reference=policy,
        reference_key=str(policy),
        output=folder / name,
        output_policy_key=f"{name}-policy",
        output_state_key=f"{name}-state",
        config=UpdateConfig(learning_rate=1e-3, batch_responses=16),
        placement=TrainerPlacement(threads=1, micro_batch_tokens=64),
        temperature=0.8,
        max_tokens=11,
        seed=5,
    )
    return job.model_copy(update=changes)


def following_job(folder: Path, first: Job, *, name: str, **changes: Any) -> Job:
    """Return the update that follows `first`, with its reference. `changes`: as in `make_job`."""
    values = {
        "policy_key": first.output_policy_key,
        "reference": first.reference,
        "reference_key": first.reference_key,
        "state": first.output / "trainer_state",
        "state_key": first.output_state_key,
        **changes,
    }
    return make_job(folder, first.output / "policy", name=name, **values)
