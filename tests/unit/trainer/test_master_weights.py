"""Updates in bfloat16: 16-bit weights for compute, float32 masters, and their files."""

import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from stages.settings.trainer import TrainerPlacement
from stages.settings.update import CriticConfig, LoraConfig, UpdateConfig
from stages.trainer import master_weights, packed_attention
from stages.trainer.batches import pack_sequences
from stages.trainer.deepspeed_config import offloads_optimizer, offloads_weights, read_deepspeed_settings, zero_stage
from stages.trainer.job import Job
from stages.trainer.learner import has_fused_step
from stages.trainer.models import load_policy
from stages.trainer.state import load_counters
from storage.errors import InputError, TrainerError
from tests import varlen
from tests.tiny_models import make_tiny_policy
from tests.unit.trainer.rollouts import SavingTrainer, make_job, make_rows, write_rollout
from tests.unit.trainer.test_update import CONFIGS, _digests, _second

BFLOAT16 = TrainerPlacement(threads=1, micro_batch_tokens=64, dtype="bfloat16")
ROOT = Path(__file__).parents[3]
CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("masters")
    make_tiny_policy(folder / "policy", seed=1)
    vocabulary = json.loads((folder / "policy/config.json").read_text())["vocab_size"]
    write_rollout(folder / "rollout.parquet", make_rows(6, 4, vocabulary=vocabulary))
    return folder


def _job(folder: Path, name: str, **changes: Any) -> Job:
    """Return a first update in bfloat16."""
    return make_job(folder, folder / "policy", name=name, base=folder / "policy", **({"placement": BFLOAT16} | changes))


def _next(folder: Path, first: Job, name: str, **changes: Any) -> Job:
    """Return the update that follows `first`, with the same settings."""
    same = {"config": first.config, "base": first.base, "placement": first.placement}
    return _second(folder, first, name).model_copy(update=same | changes)


def _policy(job: Job) -> dict[str, torch.Tensor]:
    return load_file(job.output / "policy/model.safetensors")


def _masters(job: Job, name: str = "master") -> dict[str, torch.Tensor]:
    return load_file(job.output / f"trainer_state/{name}-00001.safetensors")


def _weights_of(job: Job) -> dict[str, torch.Tensor]:
    """Return what the next update continues from."""
    in_bfloat16 = job.placement.dtype == "bfloat16"
    return {name.removeprefix("model."): weight for name, weight in (_masters if in_bfloat16 else _policy)(job).items()}


def test_the_policy_is_rounded_and_the_state_has_masters(folder: Path, trainer: SavingTrainer) -> None:
    job = _job(folder, "rounded")
    result = trainer.run(job)
    policy, masters = _policy(job), _masters(job)
    assert policy.keys() == masters.keys()
    for name, master in masters.items():
        assert master.dtype == torch.float32 and torch.equal(policy[name], master.to(torch.bfloat16)), name
    # The masters hold more than the policy does.
    assert any(not torch.equal(master, policy[name].float()) for name, master in masters.items())
    assert json.loads((job.output / "policy/config.json").read_text())["dtype"] == "bfloat16"
    assert load_counters(job.output / "trainer_state")["version"] == 2
    assert result.metrics["behaviour_gap"] is not None


@pytest.mark.slow
def test_the_first_ratio_is_exactly_1(folder: Path, trainer: SavingTrainer) -> None:
    """One micro-batch holds all responses, so log-probabilities before the update and in its step are the same sums."""
    vocabulary = json.loads((folder / "policy/config.json").read_text())["vocab_size"]
    rows = make_rows(2, 3, vocabulary=vocabulary)
    assert sum(len(row["prompt_ids"] + row["response_ids"]) for row in rows) <= 64  # one micro-batch
    rollout = write_rollout(folder / "few.parquet", rows)
    metrics = trainer.run(_job(folder, "ratio", rollout=rollout)).metrics
    assert metrics["ratio_min"] == metrics["ratio_max"] == 1.0 and metrics["approx_kl"] == 0.0


@pytest.mark.parametrize(
    "config",
    [
        pytest.param(UpdateConfig(learning_rate=1e-3), marks=pytest.mark.slow),
        pytest.param(
            UpdateConfig(algorithm="ppo", learning_rate=1e-3, critic=CriticConfig(learning_rate=1e-2)),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            UpdateConfig(algorithm="grpo", learning_rate=1e-3, lora=LoraConfig(rank=4)), marks=pytest.mark.slow
        ),
    ],
    ids=["policy", "critic", "adapters"],
)
def test_a_restored_state_continues_to_the_same_bytes(
    folder: Path, trainer: SavingTrainer, fresh: SavingTrainer, config: UpdateConfig, request: pytest.FixtureRequest
) -> None:
    name = request.node.callspec.id
    first = _job(folder, f"{name}-first", config=config)
    trainer.run(first)
    live, restored = (_next(folder, first, f"{name}-{kind}") for kind in ("live", "restored"))
    trainer.run(live)
    fresh.run(restored)
    assert _digests(live) == _digests(restored)
    assert _masters(live).keys() == _masters(first).keys()
    assert all(not torch.equal(weight, _masters(first)[name]) for name, weight in _masters(live).items())
    if config.lora:
        adapter = load_file(live.output / "policy/adapter/adapter_model.safetensors")
        masters = {
            f"base_model.model.{key.replace('.default.', '.')}": weight for key, weight in _masters(live).items()
        }
        assert adapter.keys() == masters.keys()
        assert all(torch.equal(adapter[key], weight) for key, weight in masters.items())
    if config.algorithm == "ppo":
        critic = load_file(live.output / "trainer_state/critic/model.safetensors")
        masters = _masters(live, "critic_master")
        assert all(torch.equal(critic[key], weight.to(torch.bfloat16)) for key, weight in masters.items())


@pytest.mark.slow
def test_a_killed_update_resumes_from_its_checkpoint(folder: Path, trainer: SavingTrainer) -> None:
    config = UpdateConfig(learning_rate=1e-4, batch_responses=6, epochs=8)
    undisturbed = _job(folder, "undisturbed", config=config)
    trainer.run(undisturbed)
    placement = BFLOAT16.model_copy(update={"save_every_steps": 7})
    killed = _job(folder, "killed", config=config, placement=placement, checkpoint=folder / "checkpoints")
    with SavingTrainer(folder / "scratch") as process:

        def kill(done: int, total: int, note: str) -> None:
            if done >= 15 and process.pid is not None:
                os.kill(process.pid, signal.SIGKILL)

        with pytest.raises(TrainerError, match="died with exit code -9"):
            process.run(killed, kill)
        assert list((folder / "checkpoints").glob("after-*"))
        process.run(killed)
    assert _digests(killed) == _digests(undisturbed)


@pytest.mark.slow
def test_the_type_may_change_between_updates(folder: Path, trainer: SavingTrainer) -> None:
    """A step of size 0 leaves the weights that an update continues from as they are, in their full precision."""
    moving, resting = (UpdateConfig(learning_rate=rate, weight_decay=0.0) for rate in (1e-3, 1e-30))
    placements = {"float32": BFLOAT16.model_copy(update={"dtype": "float32"}), "bfloat16": BFLOAT16}
    with SavingTrainer(folder / "scratch") as other:
        processes = {"float32": other, "bfloat16": trainer}
        for before, after in (("float32", "bfloat16"), ("bfloat16", "float32")):
            first = _job(folder, f"from-{before}", config=moving, placement=placements[before])
            processes[before].run(first)
            second = _next(folder, first, f"to-{after}", config=resting, placement=placements[after])
            processes[after].run(second)
            expected, weights = _weights_of(first), _weights_of(second)
            assert expected.keys() == weights.keys() and len(weights) > 10
            assert all(torch.equal(weights[name], weight) for name, weight in expected.items())
            assert ("version" in load_counters(second.output / "trainer_state")) == (after == "bfloat16")
            back = _next(folder, second, f"back-to-{before}", config=resting, placement=placements[before])
            processes[before].run(back)
            assert all(torch.equal(_weights_of(back)[name], weight) for name, weight in expected.items())


def test_a_state_of_a_later_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text('{"optimiser_steps": 1, "version": 3}')
    with pytest.raises(InputError, match="a trainer state of version 3, and this software reads versions up to 2"):
        load_counters(tmp_path)


@pytest.mark.slow
def test_masters_that_do_not_fit_are_refused(folder: Path, trainer: SavingTrainer, fresh: SavingTrainer) -> None:
    first = _job(folder, "unfit-first")
    trainer.run(first)
    path = first.output / "trainer_state/master-00001.safetensors"
    masters = load_file(path)
    masters.popitem()
    save_file(masters, path)
    with pytest.raises(TrainerError, match="does not fit the policy, master has no "):
        fresh.run(_next(folder, first, "unfit"))


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_every_zero_stage_trains_as_a_plain_loop_does(folder: Path, tmp_path: Path, processes: int) -> None:
    """Sums of micro-batches are in float32, weights are rounded masters; one step in five is skipped."""
    stages = ["0", "1", "2", "3", "3offload"] if processes == 1 else ["0", "1", "2", "3"]
    launch = [] if processes == 1 else ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    script = [*launch, "-m", "tests.unit.trainer.learner_steps", str(folder / "policy"), str(tmp_path / "out"), *stages]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    run = subprocess.run([sys.executable, *script], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    for stage in stages:
        weights, expected = (load_file(tmp_path / f"out/{kind}-{stage}.safetensors") for kind in ("stage", "loop"))
        norms, expected_norms = (
            json.loads((tmp_path / f"out/{kind}-{stage}.json").read_text()) for kind in ("stage", "loop")
        )
        assert norms == [norm and pytest.approx(norm, rel=1e-5) for norm in expected_norms], stage
        for name, weight in expected.items():
            torch.testing.assert_close(weights[name], weight, rtol=0, atol=1e-6, msg=name)


def test_a_step_with_the_kernel_of_a_gpu(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in refuses float32; the gradient is scaled to the norm, and a step without a number is skipped."""
    monkeypatch.setattr(packed_attention, "has_kernel", lambda device, dtype: dtype != torch.float32)
    monkeypatch.setattr(packed_attention, "_largest_head", lambda device: 256)
    varlen.install()
    packing = pack_sequences([(0, [5, 6, 7], [8, 9, 10]), (0, [5, 6, 7], [11, 12, 13])], end_to_end=True)
    monkeypatch.setattr(master_weights.dist, "get_world_size", lambda: 1)
    policy = load_policy(folder / "policy", dtype=torch.float32, device=CPU)
    before = {name: weight.detach().clone() for name, weight in policy.named_parameters()}
    policy.dtype = torch.bfloat16
    trained = list(policy.parameters())
    engine = master_weights.MasterEngine(policy, trained, torch.bfloat16, fused=False)
    names = dict(policy.named_parameters())
    assert all(torch.equal(engine.part(engine.master, names[name]), weight) for name, weight in before.items())
    engine.optimizer.param_groups[0]["lr"] = 1e-3
    losses = []
    for _ in range(3):
        for _ in range(2):
            logprobs_N, _ = engine(packing, 1.0)
            loss = -logprobs_N.mean()
            engine.backward(loss)
            assert all(weight.grad is None for weight in trained)
        losses.append(loss.item())
        engine.step()
        for name, weight in names.items():
            assert torch.equal(weight.detach(), engine.part(engine.master, weight).to(torch.bfloat16)), name
    assert losses[0] > losses[1] > losses[2] and engine.norm > 1
    moment = engine.optimizer.state[engine.master]["exp_avg"].norm().item()
    engine.backward(engine(packing, 1.0)[0].mean() * float("nan"))
    engine.step()
    assert not math.isfinite(engine.norm) and engine.gradient.abs().max() == 0
    assert engine.optimizer.state[engine.master]["exp_avg"].norm().item() == moment <= 1.0
    engine.destroy()


def test_rotary_frequencies_stay_in_float32(folder: Path) -> None:
    policy = load_policy(folder / "policy", dtype=torch.bfloat16, device=CPU)
    frequencies = [buffer for name, buffer in policy.named_buffers() if "inv_freq" in name]
    assert frequencies and all(buffer.dtype == torch.float32 for buffer in frequencies)
    assert {weight.dtype for weight in policy.parameters()} == {torch.bfloat16}


def test_the_step_is_one_kernel_on_a_gpu() -> None:
    offloaded = {"zero_optimization": {"stage": 3, "offload_optimizer": {"device": "cpu"}}}
    assert has_fused_step(GPU, {}) and has_fused_step(GPU, {"zero_optimization": {"stage": 2}})
    assert not has_fused_step(GPU, offloaded) and not has_fused_step(CPU, {})


def test_an_offloaded_optimiser_takes_stage_3(tmp_path: Path) -> None:
    """DeepSpeed adds up gradients in bfloat16 if it offloads the optimiser at stage 1 or 2."""
    path = tmp_path / "settings.json"
    path.write_text('{"zero_optimization": {"stage": 2, "offload_optimizer": {"device": "cpu"}}}')
    for dtype, stage in (("float32", 2), ("bfloat16", 3)):
        settings = read_deepspeed_settings(TrainerPlacement.model_validate({"dtype": dtype, "deepspeed": path}))
        assert zero_stage(settings) == stage and offloads_optimizer(settings) and not offloads_weights(settings)
    for name in ("zero1", "zero2", "zero3"):
        placement = TrainerPlacement.model_validate({"dtype": "bfloat16", "deepspeed": CONFIGS / f"{name}.json"})
        settings = read_deepspeed_settings(placement)
        assert zero_stage(settings) == int(name[-1]) and not offloads_optimizer(settings)
    assert offloads_weights({"zero_optimization": {"stage": 3, "offload_param": {"device": "nvme"}}})
