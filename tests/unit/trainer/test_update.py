"""Whole updates in real trainer processes: gradients, state carried to the next update, and failures."""

import json
import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file

from stages.settings.trainer import TrainerPlacement
from stages.settings.update import CriticConfig, LoraConfig, UpdateConfig
from stages.trainer.job import Job, JobResult
from stages.trainer.launcher import TrainerProcess
from storage.errors import TrainerError
from tests.tiny_models import make_tiny_policy
from tests.unit.trainer.rollouts import SavingTrainer, following_job, make_job, make_rows, write_rollout

CONFIGS = Path(__file__).parents[3] / "configs/deepspeed"
ALGORITHMS = ("ppo", "reinforce_pp", "reinforce_pp_baseline", "grpo", "rloo", "dr_grpo")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trainer")
    make_tiny_policy(folder / "policy", seed=1)
    make_tiny_policy(folder / "reference", seed=2)
    vocabulary = json.loads((folder / "policy/config.json").read_text())["vocab_size"]
    write_rollout(folder / "rollout.parquet", make_rows(6, 4, vocabulary=vocabulary))
    return folder


class Trainers:
    """Running trainer processes by placement, because starting a process takes far longer than an update."""

    MOST = 4
    """Largest number of processes; each takes half a gigabyte."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._processes: dict[TrainerPlacement, SavingTrainer] = {}

    def at(self, placement: TrainerPlacement) -> SavingTrainer:
        """Return the process of a placement; if there are too many, the least recently used process is closed."""
        process = self._processes.pop(placement, None) or SavingTrainer(self._scratch)
        self._processes[placement] = process
        if len(self._processes) > self.MOST:
            self._processes.pop(next(iter(self._processes))).close()
        return process

    def run(self, job: Job, progress: Callable[[int, int, str], None] | None = None) -> JobResult:
        """Run a job in the process of its placement."""
        return self.at(job.placement).run(job, progress)

    def close(self) -> None:
        """End all processes."""
        for process in self._processes.values():
            process.close()


@pytest.fixture(scope="module")
def trainers(folder: Path) -> Iterator[Trainers]:
    trainers = Trainers(folder / "scratch")
    yield trainers
    trainers.close()


def _one_step(
    folder: Path, name: str, algorithm: str, settings: Mapping[str, Any] = MappingProxyType({}), **changes: Any
) -> Job:
    """Return a job of one optimiser step without gradient clipping: the first moment is a tenth of the gradient."""
    defaults = {
        "learning_rate": 1e-3,
        "batch_responses": 24,
        "max_grad_norm": 1e9,
        "kl_coef": 0.05,
        "importance_weight_cap": 1.5,
    }
    config = UpdateConfig.model_validate({"algorithm": algorithm, **defaults, **settings})
    reference = {"reference": folder / "reference", "reference_key": "reference"}
    return make_job(folder, folder / "policy", name=name, config=config, **(reference | changes))


def _gradient(job: Job) -> dict[str, np.ndarray[Any, Any]]:
    moments = load_file(job.output / "trainer_state" / "optimizer-00001.safetensors")
    prefix = "exp_avg."
    return {name.removeprefix(prefix): value / 0.1 for name, value in moments.items() if name.startswith(prefix)}


def _expected_gradient(job: Job) -> dict[str, np.ndarray[Any, Any]]:
    """Compute the same step plainly: one sequence at a time, the whole softmax, advantages in numpy."""
    import torch
    from transformers import AutoModelForCausalLM

    policy = AutoModelForCausalLM.from_pretrained(job.policy, dtype=torch.float32)
    reference = AutoModelForCausalLM.from_pretrained(job.reference, dtype=torch.float32)
    rows = pq.read_table(job.rollout).to_pylist()

    def logprobs(model: Any, row: dict[str, Any]) -> Any:
        tokens = torch.tensor([row["prompt_ids"] + row["response_ids"]])
        all_logprobs = (model(tokens).logits[0, :-1] / job.temperature).log_softmax(-1)[len(row["prompt_ids"]) - 1 :]
        response = torch.tensor(row["response_ids"])
        return all_logprobs.gather(1, response[:, None])[:, 0], -(all_logprobs.exp() * all_logprobs).sum(-1)

    policy_logprobs, entropies = zip(*(logprobs(policy, row) for row in rows), strict=True)
    with torch.no_grad():
        reference_logprobs = [logprobs(reference, row)[0] for row in rows]
    config = job.config
    rewards, group = np.array([row["reward"] for row in rows]), np.array([row["question_id"] for row in rows])
    if config.overlong == "penalise":
        # Responses have 11 tokens at most, and 4 of them are the buffer: no penalty up to 7 tokens, then a quarter
        # more with each token, and 1 for a response that was cut off.
        penalties = {8: 0.25, 9: 0.5, 10: 0.75, 11: 1.0}
        rewards = rewards - np.array([penalties.get(len(row["response_ids"]), 0.0) for row in rows])
    centred = rewards - np.array([rewards[group == g].mean() for g in group])
    mean_of_rest = np.array(
        [(rewards[group == g].sum() - r) / ((group == g).sum() - 1) for r, g in zip(rewards, group, strict=True)]
    )
    deviation = np.array([rewards[group == g].std(ddof=1) for g in group])
    scores = {
        "reinforce_pp_baseline": centred,
        "dr_grpo": centred,
        "rloo": rewards - mean_of_rest,
        "grpo": centred / (deviation + job.config.advantage_eps),
    }.get(job.config.algorithm, rewards)  # the values of a new critic are 0
    in_reward = job.config.algorithm in ("ppo", "reinforce_pp", "rloo")
    penalties_of_rows = [
        job.config.kl_coef * in_reward * (new.detach() - old).double().numpy()
        for new, old in zip(policy_logprobs, reference_logprobs, strict=True)
    ]
    advantages = np.concatenate([r - k[::-1].cumsum()[::-1] for r, k in zip(scores, penalties_of_rows, strict=True)])
    if job.config.algorithm not in ("grpo", "dr_grpo"):
        advantages = (advantages - advantages.mean()) / (advantages.std() + job.config.advantage_eps)
    logprobs_N, reference_N = torch.cat(policy_logprobs), torch.cat(reference_logprobs)
    behaviour_N = torch.tensor([value for row in rows for value in row["behaviour_logprobs"]])
    weights_N = (logprobs_N.detach() - behaviour_N).exp().clamp(max=job.config.importance_weight_cap)
    # At ratio 1 the clipped surrogate has the gradient of -weight * A * logprob.
    losses_N = -weights_N * torch.tensor(advantages) * logprobs_N - config.entropy_coef * torch.cat(entropies)
    if not in_reward:
        difference = reference_N - logprobs_N
        k3 = difference.exp() - difference - 1
        losses_N = losses_N + config.kl_coef * (difference.square() / 2 if config.kl_estimator == "k2" else k3)
    lengths = [len(row["response_ids"]) for row in rows]
    if config.overlong == "mask":
        complete = [row["finish_reason"] == "stop" for row in rows]
        assert 0 < sum(complete) < len(complete)
        losses_N = losses_N[np.repeat(complete, lengths)]
    if config.loss_aggregation == "sequence":
        torch.stack([part.mean() for part in losses_N.split(lengths)]).mean().backward()
    elif config.algorithm == "dr_grpo":
        (losses_N.sum() / (len(rows) * job.max_tokens)).backward()
    else:
        losses_N.mean().backward()
    return {name: parameter.grad.numpy() for name, parameter in policy.named_parameters()}


def _assert_close(actual: dict[str, np.ndarray[Any, Any]], expected: dict[str, np.ndarray[Any, Any]]) -> None:
    assert actual.keys() == expected.keys()
    for name, value in expected.items():
        scale = np.abs(value).max()
        np.testing.assert_allclose(actual[name], value, rtol=0, atol=1e-5 * scale, err_msg=name)


@pytest.mark.parametrize(
    ("algorithm", "settings"),
    [
        *((algorithm, {}) for algorithm in ALGORITHMS),
        # At the first step every ratio is 1, and all three losses have the same gradient.
        ("grpo", {"loss": "gspo"}),
        ("rloo", {"loss": "cispo"}),
        ("grpo", {"loss_aggregation": "sequence"}),
        ("reinforce_pp", {"entropy_coef": 0.3}),
        ("grpo", {"kl_estimator": "k2"}),
        ("grpo", {"overlong": "mask"}),
        ("dr_grpo", {"overlong": "penalise", "overlong_buffer": 4}),
    ],
)
def test_gradient_is_that_of_the_formula(
    folder: Path, trainer: SavingTrainer, algorithm: str, settings: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    job = _one_step(folder, request.node.name, algorithm, settings)
    trainer.run(job)
    _assert_close(_gradient(job), _expected_gradient(job))


def test_without_a_weight_of_the_kl_there_is_no_reference(folder: Path, trainer: TrainerProcess) -> None:
    """The gradient is that of a KL of weight 0; the folder of the reference does not even exist."""
    for algorithm in ("grpo", "reinforce_pp"):  # the KL is in the loss or in the reward
        job = _one_step(folder, f"no-kl-{algorithm}", algorithm, {"kl_coef": 0.0, "batch_responses": 12})
        notes: list[str] = []
        result = trainer.run(
            job.model_copy(update={"reference": folder / "nowhere", "reference_key": "nowhere"}),
            lambda done, total, note: notes.append(note),  # noqa: B023
        )
        assert result.metrics["kl"] is None and result.metrics["kl_coef"] == 0.0
        assert pq.read_table(job.output / "metrics.parquet")["kl"].to_pylist() == [None, None]
        assert any("loss" in note for note in notes) and not any("KL" in note or "nan" in note for note in notes)
        whole = _one_step(folder, f"no-kl-{algorithm}-whole", algorithm, {"kl_coef": 0.0})
        trainer.run(whole)
        _assert_close(_gradient(whole), _expected_gradient(whole))


def _placed(**changes: Any) -> TrainerPlacement:
    return TrainerPlacement(**({"threads": 1, "micro_batch_tokens": 64} | changes))


ONE_BY_ONE = _placed(micro_batch_tokens=1)
TWO_PROCESSES = _placed(processes_per_node=2, deepspeed=CONFIGS / "zero0.json")
ZERO = {
    1: _placed(deepspeed=CONFIGS / "zero1.json"),
    2: _placed(deepspeed=CONFIGS / "zero2.json"),
    3: _placed(deepspeed=CONFIGS / "zero3.json", gradient_checkpointing=True),
}
TWO_PROCESSES_ZERO = {
    stage: _placed(processes_per_node=2, deepspeed=CONFIGS / f"zero{stage}.json") for stage in (1, 2, 3)
}
OFFLOADED = _placed(processes_per_node=2, deepspeed=CONFIGS / "zero3_offload.json", micro_batch_tokens=10_000)


@pytest.mark.parametrize(
    "placement",
    [
        pytest.param(ONE_BY_ONE, id="one-by-one"),
        *(
            pytest.param(placement, id=name, marks=pytest.mark.slow)
            for name, placement in {
                "two-processes": TWO_PROCESSES,
                "whole-checkpointed": _placed(micro_batch_tokens=10_000, gradient_checkpointing=True),
                "zero1": ZERO[1],
                "two-processes-zero3-offload": OFFLOADED,
                "two-processes-zero2": TWO_PROCESSES_ZERO[2],
                # Later tests go on with these four processes (`Trainers.MOST`).
                "two-processes-zero1": TWO_PROCESSES_ZERO[1],
                "two-processes-zero3": TWO_PROCESSES_ZERO[3],
                "zero2": ZERO[2],
                "zero3-checkpointed": ZERO[3],
            }.items()
        ),
    ],
)
def test_gradient_does_not_depend_on_how_a_step_is_cut(
    folder: Path, trainers: Trainers, placement: TrainerPlacement, request: pytest.FixtureRequest
) -> None:
    """The authors' release averages per micro-batch, so that short micro-batches count more."""
    job = _one_step(folder, request.node.name, "grpo", placement=placement)
    result = trainers.run(job)
    _assert_close(_gradient(job), _expected_gradient(job))
    assert result.tokens == sum(len(row["response_ids"]) for row in pq.read_table(job.rollout).to_pylist())


def test_gradient_is_clipped_once_after_its_norm_is_measured(folder: Path, trainer: SavingTrainer) -> None:
    """By default DeepSpeed clips to 1 before the norm can be read."""
    job = _one_step(folder, "clipped", "grpo")
    job = job.model_copy(update={"config": job.config.model_copy(update={"max_grad_norm": 1.5})})
    expected = np.sqrt(sum((value**2).sum() for value in _expected_gradient(job).values()))
    assert expected > 2
    assert trainer.run(job).metrics["grad_norm"] == pytest.approx(expected, rel=1e-5)
    assert np.sqrt(sum((value**2).sum() for value in _gradient(job).values())) == pytest.approx(1.5, rel=1e-5)


def _second(folder: Path, first: Job, name: str) -> Job:
    """Return the update that follows `first`, with the default settings."""
    return following_job(folder, first, name=name, seed=6)


def _digests(job: Job) -> dict[str, bytes]:
    """Return the content of every output file that a digest covers."""
    return {
        str(path.relative_to(job.output)): path.read_bytes()
        for path in sorted(job.output.rglob("*"))
        if path.is_file() and path.name not in ("done.json", "speed.parquet")
    }


def _started(process: SavingTrainer, job: Job) -> int:
    """Start the process of a job, without the job; return the id of the process."""
    process.start(job.placement)
    assert process.pid is not None
    return process.pid


def test_a_process_that_died_while_idle_is_started_again(folder: Path, fresh: SavingTrainer) -> None:
    job = make_job(folder, folder / "policy", name="died-idle")
    pid = _started(fresh, job)
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert fresh.run(job).optimiser_steps == 2
    assert fresh.pid != pid


def test_restored_state_continues_to_the_same_bytes(folder: Path, trainer: SavingTrainer, fresh: SavingTrainer) -> None:
    first = make_job(folder, folder / "policy", name="first")
    trainer.run(first)
    live = _second(folder, first, "live")
    reports: list[tuple[int, int, str]] = []
    result = trainer.run(live, lambda *report: reports.append(report))
    restored = _second(folder, first, "restored")
    fresh.run(restored)
    assert _digests(live) == _digests(restored)
    assert _digests(live)["policy/model.safetensors"] != _digests(first)["policy/model.safetensors"]
    assert (result.optimiser_steps, result.schedule_step) == (2, 4)
    assert pq.read_table(live.output / "metrics.parquet")["step"].to_pylist() == [3, 4]
    assert reports[-1] == (2, 2, "done")


def test_output_is_a_policy_folder_with_its_tokenizer(folder: Path, trainer: SavingTrainer) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    job = _one_step(folder, "loads", "grpo")
    trainer.run(job)
    model = AutoModelForCausalLM.from_pretrained(job.output / "policy")
    assert model.config.tie_word_embeddings
    before, after = (AutoTokenizer.from_pretrained(path) for path in (job.policy, job.output / "policy"))
    assert after.encode("Tom has 3 apples") == before.encode("Tom has 3 apples") != []
    assert after.chat_template == before.chat_template is not None
    assert after.eos_token_id == before.eos_token_id is not None
    done = json.loads((job.output / "done.json").read_text())
    # The policy differs from the reference, but at the first step not yet from the policy before the update.
    assert done["metrics"]["kl"] > 0
    assert done["metrics"]["ratio_mean"] == pytest.approx(1.0, abs=1e-5)


def test_a_failed_update_gives_the_reason_and_the_next_works(folder: Path, fresh: SavingTrainer) -> None:
    good = make_job(folder, folder / "policy", name="after-failure")
    bad = good.model_copy(update={"policy": folder / "nowhere", "policy_key": "nowhere"})
    with pytest.raises(TrainerError, match=r"nowhere: not a Hugging Face model folder.*traceback: .*\.txt"):
        fresh.run(bad)
    assert fresh.run(good).optimiser_steps == 2


def _trained(folder: Path, name: str, config: UpdateConfig, **changes: Any) -> Job:
    """Return the first of two updates, with a reference that is not the policy."""
    defaults = {"reference": folder / "reference", "reference_key": "reference", "base": folder / "policy"}
    return make_job(folder, folder / "policy", name=name, config=config, **(defaults | changes))


def _next(folder: Path, first: Job, name: str, **changes: Any) -> Job:
    """Return the update that follows `first`, with the same settings."""
    job = _second(folder, first, name)
    return job.model_copy(update={"config": first.config, "base": first.base, **changes})


@pytest.mark.parametrize(
    "config",
    [
        UpdateConfig(algorithm="ppo", learning_rate=1e-3, critic=CriticConfig(learning_rate=1e-2)),
        UpdateConfig(algorithm="grpo", learning_rate=1e-3, kl_target=0.01, kl_horizon=30, lora=LoraConfig(rank=4)),
    ],
    ids=["critic", "adapters"],
)
def test_critic_and_adapters_are_restored_to_the_same_bytes(
    folder: Path,
    trainer: SavingTrainer,
    fresh: SavingTrainer,
    config: UpdateConfig,
    request: pytest.FixtureRequest,
) -> None:
    name = request.node.callspec.id
    first = _trained(folder, f"{name}-first", config)
    trainer.run(first)
    live = _next(folder, first, f"{name}-live")
    result = trainer.run(live)
    restored = _next(folder, first, f"{name}-restored")
    fresh.run(restored)
    assert _digests(live) == _digests(restored) != _digests(first)
    rows = pq.read_table(live.output / "metrics.parquet").to_pylist()
    if config.algorithm == "ppo":
        before = pq.read_table(first.output / "metrics.parquet").to_pylist()
        assert rows[-1]["value_loss"] < before[0]["value_loss"] and result.metrics["critic_grad_norm"] is not None
        assert abs(rows[0]["value_mean"]) > 0
    else:
        # The KL was far above its target, so its weight rose by 20 % x 24 responses / 30.
        assert rows[0]["kl_coef"] == pytest.approx(config.kl_coef * 1.16)
        assert sorted(path.name for path in (live.output / "policy/adapter").iterdir()) == [
            "adapter_config.json",
            "adapter_model.safetensors",
        ]


@pytest.mark.slow
def test_released_memory_changes_no_result(folder: Path, trainer: SavingTrainer) -> None:
    config = UpdateConfig(algorithm="ppo", learning_rate=1e-3, critic=CriticConfig(learning_rate=1e-3))
    first = _trained(folder, "held-first", config)
    trainer.run(first)
    second = _next(folder, first, "held-second")
    trainer.run(second)
    placement = first.placement.model_copy(update={"free_memory": True})
    with SavingTrainer(folder / "scratch") as process:
        freed = _trained(folder, "freed-first", config, placement=placement)
        process.run(freed)
        again = _next(folder, freed, "freed-second", placement=placement)
        process.run(again)
    assert _digests(again) == _digests(second)


def test_a_critic_is_loaded_when_the_algorithm_needs_it(
    folder: Path, trainer: SavingTrainer, fresh: SavingTrainer
) -> None:
    """The process has loaded the policy already, but without a critic."""
    trainer.run(_trained(folder, "no-critic", UpdateConfig(algorithm="grpo")))
    held = _trained(folder, "now-critic", UpdateConfig(algorithm="ppo"))
    first = _next(folder, _trained(folder, "no-critic", UpdateConfig(algorithm="grpo")), "to-ppo")
    assert trainer.run(held).metrics["value_loss"] is not None
    with pytest.raises(TrainerError, match="has no critic; it was not left by algorithm: ppo"):
        fresh.run(first.model_copy(update={"config": UpdateConfig(algorithm="ppo")}))


@pytest.mark.slow
@pytest.mark.parametrize("stage", [1, 3])
def test_another_placement_continues_from_a_state(
    folder: Path, trainers: Trainers, trainer: SavingTrainer, stage: int
) -> None:
    """The files of a state depend neither on the ZeRO stage nor on the number of processes."""
    config = UpdateConfig(algorithm="ppo", learning_rate=1e-3, critic=CriticConfig(learning_rate=1e-3))
    first = _trained(folder, f"placed-{stage}-first", config)
    trainer.run(first)
    same = _next(folder, first, f"placed-{stage}-same")
    expected = trainer.run(same)
    moved = _next(folder, first, f"placed-{stage}-moved", placement=TWO_PROCESSES_ZERO[stage])
    result = trainers.run(moved)
    back = _next(folder, moved, f"placed-{stage}-back")
    trainer.run(back)
    for name in ("loss", "grad_norm", "value_loss", "critic_grad_norm", "kl"):
        assert result.metrics[name] == pytest.approx(expected.metrics[name], rel=1e-4, abs=1e-6), name
    weights, expected_weights = (load_file(job.output / "policy/model.safetensors") for job in (moved, same))
    for name, weight in expected_weights.items():
        # Adam divides a tiny gradient by its size, which rounding decides. The tolerance is a hundredth of a step.
        np.testing.assert_allclose(weights[name], weight, rtol=0, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("zero", [None, *(pytest.param(stage, marks=pytest.mark.slow) for stage in (2, 3))])
def test_steps_that_explode_are_skipped_and_counted(
    folder: Path, trainers: Trainers, fresh: SavingTrainer, zero: int | None
) -> None:
    config = UpdateConfig(
        algorithm="grpo", learning_rate=1.0, warmup_fraction=0.0, batch_responses=6, max_skipped_steps=4, kl_coef=1.0
    )
    placement = _placed() if zero is None else ZERO[zero]
    process = fresh if zero is None else trainers.at(placement)
    job = _trained(folder, f"explodes-{zero}", config, placement=placement)
    result = process.run(job)
    rows = pq.read_table(job.output / "metrics.parquet").to_pylist()
    # The first step has a rate of 1, so the loss of every later step is huge or no number.
    assert [row["skipped"] for row in rows] == [0, 1, 1, 1] and rows[0]["loss"] is not None
    assert result.metrics["skipped"] == 3 and result.metrics["loss"] == pytest.approx(rows[0]["loss"])
    assert all(np.isfinite(w).all() for w in load_file(job.output / "policy/model.safetensors").values())
    strict = job.model_copy(
        update={"output": folder / f"strict-{zero}", "config": config.model_copy(update={"max_skipped_steps": 2})}
    )
    with pytest.raises(TrainerError, match=r"3 optimiser steps .*more than update.max_skipped_steps 2; no policy"):
        process.run(strict)
    assert not strict.output.exists()


@pytest.mark.slow
def test_a_killed_update_resumes_from_its_checkpoint(folder: Path, trainer: SavingTrainer) -> None:
    config = UpdateConfig(algorithm="ppo", learning_rate=1e-4, batch_responses=6, epochs=15)
    undisturbed = _trained(folder, "undisturbed", config)  # without checkpoints, which change nothing
    trainer.run(undisturbed)
    placement = _placed(save_every_steps=7)
    killed = _trained(folder, "killed-half-way", config, placement=placement, checkpoint=folder / "checkpoints")
    with SavingTrainer(folder / "scratch") as process:

        def kill(done: int, total: int, note: str) -> None:
            if done >= 25 and process.pid is not None:
                os.kill(process.pid, signal.SIGKILL)

        with pytest.raises(TrainerError, match="died with exit code -9"):
            process.run(killed, kill)
        (checkpoint,) = [path.name for path in (folder / "checkpoints").glob("after-*")]
        steps_in_checkpoint = int(checkpoint.removeprefix("after-"))
        assert not killed.output.exists() and steps_in_checkpoint >= 21
        steps_done: list[int] = []
        process.run(killed, lambda done, total, note: steps_done.append(done) if total > 1 else None)
    assert min(steps_done) >= steps_in_checkpoint
    assert _digests(killed) == _digests(undisturbed)


def test_a_lost_process_ends_the_others(folder: Path, trainers: Trainers) -> None:
    """Without this, the other process would wait in a collective operation for half an hour."""
    config = UpdateConfig(learning_rate=1e-4, batch_responses=6, epochs=100)
    process = trainers.at(TWO_PROCESSES)
    kill_times: list[float] = []

    def kill(done: int, total: int, note: str) -> None:
        if done >= 2 and not kill_times:
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            os.kill(int(children[-1]), signal.SIGKILL)
            kill_times.append(time.monotonic())

    with pytest.raises(TrainerError, match="a process of the trainer was lost"):
        process.run(_trained(folder, "lost", config, placement=TWO_PROCESSES), kill)
    assert time.monotonic() - kill_times[0] < 300


@pytest.mark.slow
def test_out_of_memory_names_the_setting_to_lower(folder: Path) -> None:
    """The process may use 300 MB more than after a small update, and its job computes 80,000 tokens at once."""
    vocabulary = json.loads((folder / "policy/config.json").read_text())["vocab_size"]
    rows = make_rows(20, 10, vocabulary=vocabulary)
    for row in rows:
        row["response_ids"], row["behaviour_logprobs"] = row["response_ids"][:1] * 400, [-5.0] * 400
    job = make_job(
        folder,
        folder / "policy",
        name="too-large",
        rollout=write_rollout(folder / "large.parquet", rows),
        placement=TrainerPlacement(micro_batch_tokens=1_000_000),
        max_tokens=400,
    )
    with SavingTrainer(folder / "scratch-small") as process:
        process.run(make_job(folder, folder / "policy", name="small", placement=job.placement))
        assert process.pid is not None
        pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[0])
        limit = pages * os.sysconf("SC_PAGE_SIZE") + 300_000_000
        resource.prlimit(process.pid, resource.RLIMIT_AS, (limit, limit))
        with pytest.raises(TrainerError, match=r"out of memory: lower compute\.trainer\.micro_batch_tokens") as error:
            process.run(job)
        assert "allocate" in str(error.value)


def test_a_killed_process_is_noticed(folder: Path, fresh: SavingTrainer) -> None:
    """Without this, the wait for the result of a dead process would never end."""
    job = make_job(folder, folder / "policy", name="killed")
    pid = _started(fresh, job)
    os.kill(pid, signal.SIGSTOP)  # the process is alive when the job is sent, and does not start it
    killer = threading.Timer(0.5, os.kill, (pid, signal.SIGKILL))
    killer.start()
    with pytest.raises(TrainerError, match="died with exit code -9"):
        fresh.run(job)
    killer.join()


SLOW_STATE = """
import pathlib, time
mkdir = pathlib.Path.mkdir
def slow(self, *args, **settings):
    if self.name == "trainer_state" and pathlib.Path({switch!r}).exists():
        time.sleep(60)
    mkdir(self, *args, **settings)
pathlib.Path.mkdir = slow
"""
"""Code that delays the writing of a trainer state by a minute as long as the file `switch` exists."""


@pytest.mark.slow
def test_a_process_killed_while_it_saves_leaves_no_complete_output(
    folder: Path, trainer: SavingTrainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = make_job(folder, folder / "policy", name="undisturbed-first")
    trainer.run(first)
    switch = tmp_path / "switch"
    switch.touch()
    (tmp_path / "sitecustomize.py").write_text(SLOW_STATE.format(switch=str(switch)))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with TrainerProcess(folder / "scratch") as process:
        killed = make_job(folder, folder / "policy", name="killed-while-saving")
        assert process.run(killed).optimiser_steps == 2
        assert (killed.output / "policy/config.json").is_file() and not (killed.output / "done.json").exists()
        pid = process.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(
            TrainerError, match=r"^the trainer process died with exit code -9 before the trainer state .*"
        ):
            process.wait_saved()
        assert process.wait_saved() == {} and not (killed.output / "done.json").exists()
        switch.unlink()
        again = killed.model_copy(update={"output": folder / "again"})
        process.run(again)
        # The process waits with the next job until it has written the state.
        following = _second(folder, again, "following")
        process.run(following)
        assert process.pid != pid and process.wait_saved().keys() == {"save_state"}
    assert _digests(again) == _digests(first)
    expected = _second(folder, first, "undisturbed-second")
    trainer.run(expected)
    assert _digests(following) == _digests(expected)


@pytest.mark.slow
def test_a_state_that_cannot_be_written_is_an_error_after_the_result(folder: Path, fresh: SavingTrainer) -> None:
    job = make_job(folder, folder / "policy", name="state-in-the-way")
    (job.output / "trainer_state").mkdir(parents=True)
    assert TrainerProcess.run(fresh, job).optimiser_steps == 2
    with pytest.raises(TrainerError, match=r"^the trainer state of a policy update was not written: FileExistsError"):
        fresh.wait_saved()
    assert fresh.pid is None and not (job.output / "done.json").exists()
    assert fresh.run(make_job(folder, folder / "policy", name="after-that")).optimiser_steps == 2


def test_the_process_ends_with_its_parent(folder: Path) -> None:
    """A trainer that outlives its killed parent would hold the GPU."""
    import subprocess
    import sys

    code = (
        "import sys, time; from pathlib import Path\n"
        "from stages.settings.trainer import TrainerPlacement; from stages.trainer.launcher import TrainerProcess\n"
        "process = TrainerProcess(Path(sys.argv[1])); process.start(TrainerPlacement(threads=1))\n"
        "print(process.pid, flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", code, str(folder / "scratch")]
    with subprocess.Popen(command, cwd=Path(__file__).parents[3], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        time.sleep(1.0)
        parent.kill()
    deadline = time.monotonic() + 120
    while _alive(child) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not _alive(child)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
