"""The policy update against TRL's GRPOTrainer: the same tiny model, responses, rewards and steps, in turn in one run.

    python -m tests.benchmarks.update [--quick] [--trl-environment FOLDER]

TRL has a separate virtual environment, which the first run makes (some minutes). The last line is JSON:

    ratio               our response tokens per second over TRL's: log-probabilities under policy and reference, four
                        optimiser steps of 64 responses of 20 to 512 tokens
    memory_ratio        peak memory of our process over TRL's
    two_process_ratio   tokens per second of two processes over one
    pass_ratio          TRL's seconds for a pass of the quickstart's policy (64 questions x 16 responses sampled,
                        scored, two steps) over those of our stages, commits included; our seconds are scaled up,
                        because TRL also trains on responses that we drop (of questions whose vote is tied)
    start_s             seconds until a worker is ready for its first job

Before the timing, both sides take one step on all responses, and their loss, KL and gradient norm have to agree.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from flows.config.load import load_config
from flows.run_loop import run_all
from stages.settings.trainer import TrainerPlacement
from stages.settings.update import UpdateConfig
from stages.shared_resources import Resources
from stages.trainer.job import Job
from stages.trainer.launcher import TrainerProcess
from storage.run import Run
from storage.store import Store
from tests.tiny_models import make_tiny_policy
from tests.unit.trainer.rollouts import SCHEMA

ROOT = Path(__file__).parents[2]
TRL = ("trl==1.16.*", "torch", "transformers")
"""Packages of TRL's environment; constraints.txt pins the last two."""
QUESTIONS, SAMPLES = 32, 8
TRL_UPDATE_BATCH = 8
"""Responses that TRL computes at a time in an update: the fastest of 2 to 64."""
TRL_PASS_BATCH = 128
"""Responses that TRL computes at a time in a pass: the fastest of 64 to 512."""
MICRO_BATCH_TOKENS = 2048


def make_work(folder: Path) -> int:
    """Write the models and a rollout; return the number of its response tokens."""
    sizes = {
        "hidden_size": 128,
        "intermediate_size": 352,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "max_position_embeddings": 1024,
        "initializer_range": 0.05,
    }
    for seed, name in ((1, "policy"), (2, "reference")):
        make_tiny_policy(folder / name, arch="llama", seed=seed, **sizes)
    vocabulary = json.loads((folder / "policy/config.json").read_text())["vocab_size"]
    rng = np.random.Generator(np.random.Philox(key=1))
    rows = []
    for question in range(QUESTIONS):
        prompt = rng.integers(5, vocabulary, int(rng.integers(20, 61))).tolist()
        rewards = rng.permutation([1.0, 0.0, *(rng.random(SAMPLES - 2) < 0.5)])
        for sample in range(SAMPLES):
            length = int(rng.integers(20, 513))
            rows.append(
                {
                    "question_id": f"q{question}",
                    "sample_index": sample,
                    "prompt_ids": prompt,
                    "response_ids": rng.integers(5, vocabulary, length).tolist(),
                    "behaviour_logprobs": [-float(np.log(vocabulary))] * length,
                    "finish_reason": "stop",
                    "reward": float(rewards[sample]),
                }
            )
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), folder / "rollout.parquet")
    return sum(len(row["response_ids"]) for row in rows)


def ours(process: TrainerProcess, folder: Path, name: str, *, steps: int, processes: int = 1) -> dict[str, Any]:
    """Do one update from the starting policy with our trainer."""
    rows = QUESTIONS * SAMPLES
    config = UpdateConfig(
        algorithm="grpo",
        learning_rate=1e-6,
        schedule="constant",
        warmup_fraction=0.0,
        kl_coef=0.04,
        batch_responses=rows // steps,
        max_grad_norm=1e9,
        importance_weight_cap=None,
        advantage_eps=1e-4,
    )
    job = Job(
        rollout=folder / "rollout.parquet",
        policy=folder / "policy",
        policy_key="policy",
        reference=folder / "reference",
        reference_key="reference",
        output=folder / name,
        output_policy_key=name,
        output_state_key=name,
        config=config,
        placement=TrainerPlacement(processes_per_node=processes, micro_batch_tokens=MICRO_BATCH_TOKENS),
        temperature=1.0,
        max_tokens=512,
        seed=1,
    )
    result = process.run(job)
    return {
        "seconds": result.seconds["logprobs"] + result.seconds["steps"],
        "peak_memory_mib": _peak(process.pid) if processes == 1 else None,
        **result.metrics,
    }


def _peak(pid: int | None) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def trl(python: Path, *arguments: str) -> dict[str, Any]:
    """Run the peer, with one thread; return its results."""
    command = [str(python), str(Path(__file__).with_name("trl_peer.py")), *arguments]
    done = subprocess.run(
        command, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"TRL failed:\n{done.stderr[-4000:]}")
    results: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return results


def environment(folder: Path) -> Path:
    """Return TRL's interpreter; make its environment if there is none."""
    python = folder / "bin/python"
    if not (folder / "made").exists():
        print(f"making TRL's environment in {folder} ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run(
            [str(python), "-m", "pip", "install", "--quiet", "-c", str(ROOT / "constraints.txt"), *TRL], check=True
        )
        (folder / "made").touch()
    return python


def check_agreement(process: TrainerProcess, python: Path, folder: Path) -> None:
    """Exit unless both sides agree on one step on all responses: with a single step their order does not matter."""
    theirs = trl(python, "update", str(folder), "--batch", str(TRL_UPDATE_BATCH), "--steps", "1", "--rounds", "1")
    mine = ours(process, folder, "agree", steps=1)
    for name, tolerance in (("loss", 1e-4), ("grad_norm", 1e-4), ("kl", 1e-3)):
        print(f"{name}: ours {mine[name]:.6g}, TRL's {theirs[name]:.6g}", flush=True)
        if abs(mine[name] - theirs[name]) > tolerance * abs(theirs[name]):
            sys.exit(f"{name} differs: the two sides do not do the same work")


def time_updates(python: Path, folder: Path, tokens: int, rounds: int) -> dict[str, float]:
    seconds: dict[str, list[float]] = {"ours": [], "trl": [], "two": []}
    memory: dict[str, list[float]] = {"ours": [], "trl": []}
    with TrainerProcess(folder / "scratch") as single, TrainerProcess(folder / "scratch-2") as double:
        check_agreement(single, python, folder)
        ours(double, folder, "warm-up-2", steps=4, processes=2)
        for number in range(rounds):
            mine = ours(single, folder, f"one-{number}", steps=4)
            theirs = trl(python, "update", str(folder), "--batch", str(TRL_UPDATE_BATCH))
            both = ours(double, folder, f"two-{number}", steps=4, processes=2)
            for name, results in (("ours", mine), ("trl", theirs), ("two", both)):
                seconds[name].append(results["seconds"])
                print(f"{name}: {results['seconds']:.2f} s, {tokens / results['seconds']:.0f} tokens/s", flush=True)
            memory["ours"].append(mine["peak_memory_mib"])
            memory["trl"].append(theirs["peak_memory_mib"])
    single_s, trl_s, double_s = (statistics.median(seconds[name]) for name in ("ours", "trl", "two"))
    return {
        "ratio": trl_s / single_s,
        "memory_ratio": statistics.median(memory["ours"]) / statistics.median(memory["trl"]),
        "two_process_ratio": single_s / double_s,
        "tokens_per_second": tokens / single_s,
        "trl_tokens_per_second": tokens / trl_s,
        "peak_memory_mib": statistics.median(memory["ours"]),
        "trl_peak_memory_mib": statistics.median(memory["trl"]),
    }


def time_pass(python: Path, folder: Path, rounds: int) -> dict[str, float]:
    """Time the stages of the quickstart, with all questions kept, and TRL on the same policy and questions."""
    mine, theirs = [], []
    settings = (
        f"root={folder / 'run'}",
        "vote={min_reward: 0.0, max_reward: 1.0}",
        "evaluate.every=1000",
        "evaluate.protocol.samples=1",
        "update.algorithm=grpo",
    )
    config = load_config(ROOT / "configs/quickstart.yaml", settings)
    store = Store(config.uri)
    with Resources(config.compute, config.engine) as resources:
        # The first iteration is not counted: it has no optimiser state to read, and fills the caches.
        for iteration in range(1, rounds + 2):
            longer = load_config(ROOT / "configs/quickstart.yaml", (*settings, f"iterations={iteration}"))
            run = Run(store, run_all(longer, store, resources).revision())
            if iteration > 1:
                mine.append(_seconds_of_stages(run, iteration))
                theirs.append(_trl_pass(python, run, iteration, folder / f"trl-{iteration}"))
    return {
        "pass_ratio": statistics.median(theirs) / statistics.median(mine),
        "pass_s": statistics.median(mine),
        "trl_pass_s": statistics.median(theirs),
    }


def _seconds_of_stages(run: Run, iteration: int) -> float:
    """Return the seconds of our stages, scaled to a training on all responses."""
    timings, sampled = run.table("timings", iteration), run.table("responses", iteration).height
    seconds = {
        name: timings.filter(stage=name)["seconds"].sum() for name in ("sample_responses", "vote_rewards", "ppo_update")
    }
    trained = run.manifests(iteration)["ppo_update"].metrics["train/responses"]
    print(f"ours: {sum(seconds.values()):.2f} s {seconds}, {trained:.0f} of {sampled} responses trained on", flush=True)
    return float(sum(seconds.values()) * sampled / trained)


def _trl_pass(python: Path, run: Run, iteration: int, folder: Path) -> float:
    """Return TRL's seconds for a pass with the policy and the questions of an iteration."""
    folder.mkdir()
    (folder / "policy").symlink_to(run.policy(iteration - 1).resolve())
    (folder / "reference").symlink_to(run.policy(0).resolve())
    questions = run.table("accepted", iteration)["question"].to_list()
    if len(questions) != 64:
        sys.exit(f"{len(questions)} questions were accepted, expected 64: the two sides would not do the same work")
    (folder / "questions.json").write_text(json.dumps(questions))
    seconds: float = trl(python, "pass", str(folder), "--batch", str(TRL_PASS_BATCH), "--rounds", "4")["seconds"]
    print(f"TRL: {seconds:.2f} s", flush=True)
    return seconds


def time_start(folder: Path) -> float:
    """Return the seconds until a worker is ready for its first job."""
    with TrainerProcess(folder / "start") as process:
        started = time.perf_counter()
        process.start(TrainerPlacement())
        while not list((folder / "start").glob("*/ready.json")):
            time.sleep(0.02)
        return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="one round instead of three")
    parser.add_argument("--trl-environment", type=Path, default=Path(tempfile.gettempdir()) / "serl-benchmark-trl")
    options = parser.parse_args()
    rounds = 1 if options.quick else 3
    python = environment(options.trl_environment)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tokens = make_work(folder)
        results = time_updates(python, folder, tokens, rounds)
        results["start_s"] = statistics.median(time_start(folder / str(number)) for number in range(rounds))
        (folder / "pass").mkdir()
        results |= time_pass(python, folder / "pass", rounds)
    print(json.dumps({key: round(value, 3) for key, value in results.items()}))


if __name__ == "__main__":
    main()
