"""The peer of `tests.benchmarks.update`: TRL's GRPOTrainer on the same work. Runs in TRL's environment.

This file imports nothing of the project.

    python trl_peer.py update FOLDER --batch 8 --steps 4
    python trl_peer.py pass FOLDER --batch 128

FOLDER holds policy/, reference/ and, for `update`, rollout.parquet, for `pass`, questions.json. The last line is JSON.
"""

import argparse
import json
import os
import re
import resource
import statistics
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

os.environ |= {"TRL_EXPERIMENTAL_SILENCE": "1", "HF_HUB_OFFLINE": "1"}

import datasets
import pyarrow.parquet as pq
import torch
import transformers
from trl import GRPOConfig, GRPOTrainer


class Clock(transformers.TrainerCallback):
    """Records when each optimiser step ended."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.ends.append(time.perf_counter())


def trainer_of(
    folder: Path, prompts: list[str], rows: int, samples: int, batch: int, steps: int, rounds: int, **settings: Any
) -> tuple[GRPOTrainer, Clock]:
    """Return a trainer that takes `steps` optimiser steps on each rollout of `rows` responses, `rounds` times."""
    if rows % (steps * batch):
        sys.exit(f"{rows} responses are not {steps} steps of whole batches of {batch}")
    rewards = settings.pop("reward_funcs")
    rollout_func = settings.pop("rollout_func", None)
    config = GRPOConfig(
        output_dir=str(folder / "trl"),
        per_device_train_batch_size=batch,
        gradient_accumulation_steps=rows // steps // batch,
        steps_per_generation=rows // batch,
        num_generations=samples,
        max_steps=steps * rounds,
        learning_rate=1e-6,
        lr_scheduler_type="constant",
        adam_beta2=0.95,
        max_grad_norm=1e9,
        beta=0.04,
        use_bias_correction_kl=False,  # multiplies the KL by the ratio, which is another gradient than GRPO's
        loss_type="dapo",
        gradient_checkpointing=False,
        bf16=False,
        use_cpu=True,
        report_to=[],
        save_strategy="no",
        logging_strategy="steps",
        logging_steps=1,
        disable_tqdm=True,
        dataloader_num_workers=0,
        shuffle_dataset=False,
        **settings,
    )
    clock = Clock()
    trainer = GRPOTrainer(
        model=transformers.AutoModelForCausalLM.from_pretrained(folder / "policy", dtype=torch.float32),
        processing_class=transformers.AutoTokenizer.from_pretrained(folder / "policy"),
        reward_funcs=rewards,
        args=config,
        train_dataset=datasets.Dataset.from_list([{"prompt": prompt} for prompt in prompts]),
        rollout_func=rollout_func,
        callbacks=[clock],
    )
    # TRL takes the starting policy as its reference; here the reference is another model, which both sides run.
    reference = transformers.AutoModelForCausalLM.from_pretrained(folder / "reference", dtype=torch.float32)
    trainer.ref_model.load_state_dict(reference.state_dict())
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer, clock


def update(folder: Path, batch: int, steps: int, rounds: int) -> dict[str, Any]:
    """Update on the responses of rollout.parquet; generation takes no time."""
    rows = pq.read_table(folder / "rollout.parquet").to_pylist()
    by_question: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_question.setdefault(row["question_id"], []).append(row)
    samples = len(rows) // len(by_question)
    starts: list[float] = []
    current: list[dict[str, Any]] = []

    def rollout(prompts: list[str], _: Any) -> dict[str, Any]:
        seen: Counter[str] = Counter()
        current.clear()
        for prompt in prompts:
            current.append(by_question[prompt][seen[prompt]])
            seen[prompt] += 1
        starts.append(time.perf_counter())
        return {
            "prompt_ids": [row["prompt_ids"] for row in current],
            "completion_ids": [row["response_ids"] for row in current],
            "logprobs": None,
        }

    trainer, clock = trainer_of(
        folder,
        list(by_question),
        len(rows),
        samples,
        batch,
        steps,
        rounds,
        rollout_func=rollout,
        reward_funcs=lambda completions, **_: [row["reward"] for row in current],
        max_completion_length=512,
    )
    trainer.train()
    seconds = [clock.ends[steps * (index + 1) - 1] - start for index, start in enumerate(starts[:rounds])]
    first = trainer.state.log_history[0]
    return {"seconds": seconds[-1], "loss": first["loss"], "grad_norm": first["grad_norm"], "kl": first["kl"]}


def whole_pass(folder: Path, batch: int, rounds: int) -> dict[str, Any]:
    """Sample 16 responses to every question, score them by the majority of boxed answers, take two optimiser steps."""
    questions = json.loads((folder / "questions.json").read_text())
    starts: list[float] = []

    def majority(prompts: list[str], completions: list[str], **_: Any) -> list[float]:
        answers = [(re.findall(r"\\boxed\{([^{}]*)\}", text) or [None])[-1] for text in completions]
        votes: dict[str, Counter[str]] = {}
        for prompt, answer in zip(prompts, answers, strict=True):
            if answer is not None:
                votes.setdefault(prompt, Counter())[answer] += 1
        best = {prompt: counts.most_common(1)[0][0] for prompt, counts in votes.items()}
        return [
            float(answer is not None and answer == best[prompt])
            for prompt, answer in zip(prompts, answers, strict=True)
        ]

    trainer, clock = trainer_of(
        folder,
        [f"{question}\n" for question in questions],
        16 * len(questions),
        16,
        batch,
        2,
        rounds,
        reward_funcs=majority,
        max_completion_length=48,
        temperature=1.0,
        top_k=0,
    )
    generate = trainer._generate

    def timed(prompts: list[Any]) -> Any:
        starts.append(time.perf_counter())
        return generate(prompts)

    trainer._generate = timed
    trainer.train()
    seconds = [clock.ends[2 * (index + 1) - 1] - start for index, start in enumerate(starts[:rounds])]
    return {"seconds": statistics.median(seconds[1:]), "rounds": len(seconds)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("part", choices=("update", "pass"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.part == "update":
        results = update(options.folder, options.batch, options.steps, options.rounds)
    else:
        results = whole_pass(options.folder, options.batch, options.rounds)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({**results, "peak_memory_mib": peak}), file=sys.stdout, flush=True)


if __name__ == "__main__":
    main()
