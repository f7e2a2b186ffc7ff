"""The update sees kept responses and rewards, nothing else, and its outputs are the trainer's."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from stages import schemas
from stages.contract import Context, run_stage
from stages.ppo_update import PPO_UPDATE
from stages.settings.update import PpoUpdateConfig, UpdateConfig
from stages.trainer.fake import FakeTrainer
from stages.trainer.job import ROLLOUT_COLUMNS, Job, JobResult, Progress
from storage.artifact import ArtifactRef, read_manifest
from storage.reader import read_folder, read_table
from tests.helpers import fake_resources, put_policy, put_table


class RecordingTrainer(FakeTrainer):
    """Keeps the jobs that it was given."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.rollouts: list[list[dict[str, Any]]] = []

    def run(self, job: Job, progress: Progress) -> JobResult:
        self.jobs.append(job)
        self.rollouts.append(pq.read_table(job.rollout).to_pylist())
        return super().run(job, progress)


@pytest.fixture
def trainer(context: Context) -> RecordingTrainer:
    trainer = RecordingTrainer()
    context.resources._trainer = trainer
    return trainer


def config(temperature: float, **update: Any) -> PpoUpdateConfig:
    return PpoUpdateConfig(update=UpdateConfig(**update), temperature=temperature, max_tokens=8)


def inputs(context: Context, trained: Sequence[int] = (0, 1)) -> dict[str, ArtifactRef]:
    """Two kept questions and one dropped, two responses each; the rewards in another order than the responses."""
    decisions = {"q1": "kept", "q2": "too_easy", "q3": "kept"}
    numbers = {"responses": 2, "answered": 2, "share": 0.5, "margin": 0.5, "mean_reward": 0.5}
    classes = {"class_answers": ["1", "2"], "class_shares": [0.5, 0.5]}
    votes = [
        {"question_id": name, "question": "?", "majority_answer": "1", "decision": decision, **numbers, **classes}
        for name, decision in decisions.items()
    ]
    pairs = [(name, index) for name in ("q3", "q1", "q2") for index in (0, 1)]
    responses = [
        {
            "question_id": name,
            "sample_index": index,
            "seed": 0,
            "prompt_ids": [int(name[1])],
            "response_ids": [int(name[1]), index],
            "behaviour_logprobs": [-0.5, -index],
            "finish_reason": "stop",
            "response": "",
        }
        for name, index in pairs
    ]
    answer = {"answer": "1", "answer_class": 0, "status": "ok"}
    rewards = [
        {"question_id": n, "sample_index": i, "reward": float(i), "trained": i in trained, **answer}
        for n, i in sorted(pairs)
    ]
    policy = put_policy(context)
    return {
        "policy": policy,
        "reference": policy,
        "responses": put_table(context, "responses", schemas.RESPONSES, responses),
        "rewards": put_table(context, "rewards", schemas.REWARDS, rewards),
        "votes": put_table(context, "votes", schemas.VOTES, votes),
    }


def test_responses_that_only_vote_are_not_in_the_rollout(context: Context, trainer: RecordingTrainer) -> None:
    run_stage(PPO_UPDATE, inputs(context, trained=[1]), config(0.7), context)
    (rollout,) = trainer.rollouts
    assert [(row["question_id"], row["sample_index"]) for row in rollout] == [("q3", 1), ("q1", 1)]


def test_the_rollout_holds_kept_responses_with_their_rewards(context: Context, trainer: RecordingTrainer) -> None:
    run_stage(PPO_UPDATE, inputs(context), config(0.7), context)
    (rollout,) = trainer.rollouts
    assert tuple(rollout[0]) == ROLLOUT_COLUMNS
    assert [(row["question_id"], row["sample_index"], row["reward"]) for row in rollout] == [
        ("q3", 0, 0.0),
        ("q3", 1, 1.0),
        ("q1", 0, 0.0),
        ("q1", 1, 1.0),
    ]
    assert rollout[1]["response_ids"] == [3, 1] and rollout[1]["behaviour_logprobs"] == [-0.5, -1.0]


def test_the_job_names_its_weights(context: Context, trainer: RecordingTrainer) -> None:
    refs = inputs(context)
    result = run_stage(PPO_UPDATE, refs, config(0.7, learning_rate=1e-4), context)
    (job,) = trainer.jobs
    assert job.policy_key == job.reference_key == f"policy:{refs['policy'].key}"
    assert job.output_policy_key == f"policy:{result.refs['policy'].key}"
    assert job.state is None and job.temperature == 0.7 and job.config.learning_rate == 1e-4
    following = {**refs, "policy": result.refs["policy"], "trainer_state": result.refs["trainer_state"]}
    second = run_stage(PPO_UPDATE, following, config(0.7), replace(context, iteration=2))
    assert trainer.jobs[1].state_key == job.output_state_key
    assert trainer.jobs[1].policy_key == job.output_policy_key != trainer.jobs[1].reference_key
    assert second.metrics["train/schedule_step"] == 2


def test_without_a_weight_of_the_kl_the_reference_is_not_fetched(context: Context, trainer: RecordingTrainer) -> None:
    refs = inputs(context)
    nowhere = ArtifactRef(kind="policy", key="0" * 64, uri=refs["policy"].uri, path="iteration=0000/nowhere.json")
    following = {**refs, "policy": run_stage(PPO_UPDATE, refs, config(0.7), context).refs["policy"]}
    with pytest.raises(Exception, match="nowhere"):
        run_stage(PPO_UPDATE, {**following, "reference": nowhere}, config(0.7), replace(context, iteration=2))
    result = run_stage(
        PPO_UPDATE, {**following, "reference": nowhere}, config(0.7, kl_coef=0.0), replace(context, iteration=2)
    )
    assert trainer.jobs[-1].reference == trainer.jobs[-1].policy
    assert result.metrics["train/kl"] is None and read_table(result.refs["train_metrics"])["kl"].to_list() == [None]


def test_outputs_are_the_files_of_the_trainer(context: Context, trainer: RecordingTrainer) -> None:
    result = run_stage(PPO_UPDATE, inputs(context), config(1.0), context)
    assert read_table(result.refs["train_metrics"])["reward_mean"].to_list() == [0.5]
    assert result.metrics["train/responses"] == 4 and result.metrics["train/reward_mean"] == 0.5
    assert (read_folder(result.refs["policy"]) / "policy.json").is_file()
    assert result.refs["policy"].key == result.refs["trainer_state"].key


def test_no_label_is_an_input(context: Context, trainer: RecordingTrainer) -> None:
    result = run_stage(PPO_UPDATE, inputs(context), config(1.0), context)
    manifest = read_manifest(context.store, result.refs["policy"].path)
    assert set(manifest.inputs) == {"policy", "reference", "responses", "rewards", "votes"}


def test_placement_is_no_identity(context: Context, trainer: RecordingTrainer, tmp_path: Path) -> None:
    refs = inputs(context)
    run_stage(PPO_UPDATE, refs, config(1.0), context)
    with fake_resources(trainer={"processes_per_node": 4, "dtype": "bfloat16"}) as resources:
        other = replace(context, resources=resources)
        assert run_stage(PPO_UPDATE, refs, config(1.0), other).skipped
