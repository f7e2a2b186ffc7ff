"""A trainer without a model, for trials of the pipeline with `engine: fake`. No heavy imports here.

Its policy folder and trainer state depend on its inputs, so that lineage and resume are tested as in a real run.
"""

import hashlib
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from stages.contract import Inputs, Metrics, Stage, Work
from stages.settings import Settings
from stages.settings.trainer import TrainerPlacement
from stages.trainer.job import METRIC_COLUMNS, SPEED_COLUMNS, Job, JobResult, Progress


class FakeTrainer:
    """A stand-in for `TrainerProcess` with the same methods."""

    _unsaved: tuple[Job, int] | None = None
    """The job whose trainer state is not written yet, and its step."""

    def start(self, placement: TrainerPlacement) -> None:
        """Do nothing: there is no process to start."""

    def run(self, job: Job, progress: Progress) -> JobResult:
        """Write policy and metrics from a digest of policy, rewards and seed; `wait_saved` writes the trainer state."""
        self.wait_saved()
        rewards = pq.read_table(job.rollout)["reward"].to_pylist()
        policy = json.loads((job.policy / "policy.json").read_text())
        steps = 0 if job.state is None else json.loads((job.state / "state.json").read_text())["steps"]
        content = hashlib.sha256(json.dumps([policy, rewards, job.seed]).encode()).hexdigest()
        _write(job.output / "policy" / "policy.json", {"content": content})
        self._unsaved = job, steps + 1
        metrics: dict[str, float | None] = {
            **dict.fromkeys(METRIC_COLUMNS, 0.0),
            "reward_mean": sum(rewards) / len(rewards),
            "responses": float(len(rewards)),
        }
        if not job.config.uses_reference:
            metrics["kl"] = None
        pq.write_table(
            pa.table({"step": [steps + 1], **{k: pa.array([v], pa.float64()) for k, v in metrics.items()}}),
            job.output / "metrics.parquet",
        )
        speed = {"step": [steps + 1], **{name: [0.0] for name in SPEED_COLUMNS}}
        pq.write_table(pa.table(speed), job.output / "speed.parquet")
        progress(1, 1, "")
        return JobResult(
            optimiser_steps=1, schedule_step=steps + 1, responses=len(rewards), tokens=0, metrics=metrics, seconds={}
        )

    def wait_saved(self) -> dict[str, float]:
        """Write the trainer state of the latest job."""
        if self._unsaved is not None:
            job, steps = self._unsaved
            _write(job.output / "trainer_state" / "state.json", {"steps": steps})
            self._unsaved = None
        return {}

    def close(self) -> None:
        """Forget the trainer state that is not written: there is no process to end."""
        self._unsaved = None


def fake_policy(config: Settings, inputs: Inputs, work: Work) -> Metrics:
    """Write the starting policy of a run with `engine: fake`."""
    _write(work.scratch / "policy" / "policy.json", {"content": "start"})
    work.write_folder("policy", work.scratch / "policy")
    return {}


FAKE_POLICY = Stage(name="fake_policy", version=1, body=fake_policy, folders=("policy",))


def _write(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(value))
