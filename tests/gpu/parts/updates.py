"""Updates of random weights in Qwen2's shapes, and how fast they are. Parts `trainer` and `memory` measure with it."""

import shutil
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from stages.settings.trainer import TrainerPlacement
from stages.settings.update import UpdateConfig
from stages.trainer.job import Job
from stages.trainer.launcher import TrainerProcess
from tests.gpu.child import run_step
from tests.gpu.policies import VOCABULARY, write_random_policies
from tests.gpu.record import Record
from tests.unit.trainer.rollouts import write_rollout

PROMPT_TOKENS, RESPONSE_TOKENS = (64, 256), (256, 1024)
"""Shortest and longest; a sixteenth of these in the small form."""
FILLED = 0.95
"""Share of a micro-batch that a step fills on average, so that few steps need two of them."""
STEPS, WARM_UP = 5, 2
"""Optimiser steps, and those of them that are not counted: kernels are compiled in them."""


@dataclass(frozen=True, kw_only=True)
class Form:
    """What is updated, and how."""

    shape: str
    tokens: int | str
    """Tokens of a micro-batch, or "auto"."""
    compiled: bool | None = None
    """None: the default."""
    checkpointing: bool = False
    small: bool = False
    """Short responses, few of them, float32."""
    steps: int = STEPS

    @property
    def step_tokens(self) -> int:
        """Tokens of an optimiser step: one micro-batch, so that its size is what is measured; many for "auto"."""
        return 64 * 1_024 if isinstance(self.tokens, str) else self.tokens


def measure(record: Record, form: Form) -> dict[str, Any]:
    """Do one update of a form; return median utilisation, speed and peak memory of the steps that count."""
    write_policies(record, [form])
    folder = _folder(record, form)
    policy = folder / "policy"
    divisor = 16 if form.small else 1
    mean_tokens = (sum(PROMPT_TOKENS) + sum(RESPONSE_TOKENS)) / 2 / divisor
    per_step = max(2, int(FILLED * form.step_tokens / mean_tokens))
    per_step = min(per_step, 8) if form.small else per_step
    rollout = write_rollout(folder / "rollout.parquet", _rows(form, per_step * form.steps, divisor))
    output = folder / "output"
    shutil.rmtree(output, ignore_errors=True)
    config = UpdateConfig(algorithm="reinforce_pp", learning_rate=1e-6, batch_responses=per_step, kl_coef=0.0)
    job = Job(
        rollout=rollout, policy=policy, policy_key=form.shape, reference=policy, reference_key=form.shape,
        output=output, output_policy_key="next", output_state_key="next-state", config=config,
        placement=placement_of(form), temperature=1.0, max_tokens=RESPONSE_TOKENS[1], seed=1,
    )  # fmt: skip
    with TrainerProcess(record.folder / "scratch") as process:
        result = process.run(job, lambda done, total, note: print(f"{done}/{total} {note}", flush=True))
    steps = pq.read_table(output / "speed.parquet").to_pylist()
    counted = steps[min(WARM_UP, len(steps) - 1) :]
    shares = [step["model_flops_utilisation"] for step in counted]
    shutil.rmtree(output, ignore_errors=True)  # gigabytes
    return {
        "model_flops_utilisation": None if None in shares else statistics.median(shares),
        "tokens_per_second": statistics.median(step["tokens_per_second"] for step in counted),
        "step_seconds": [step["seconds"] for step in steps],
        "peak_memory_mib": max(step["peak_memory_mib"] for step in steps),
        "loss": result.metrics["loss"],
        "seconds": result.seconds,
    }


def write_policies(record: Record, forms: Sequence[Form]) -> None:
    """Write random weights of the forms' shapes, unless they are there, in one process."""
    folders = {}
    for form in forms:
        policy = _folder(record, form) / "policy"
        if not (policy / "tokenizer.json").exists():  # written last
            shutil.rmtree(policy, ignore_errors=True)
            policy.mkdir(parents=True)
            folders[form.shape] = str(policy)
    if folders:
        run_step(record, write_random_policies, folders=folders, on_gpu=not record.small)


def _folder(record: Record, form: Form) -> Path:
    """Return the folder of a shape, the same for all parts and calls."""
    return record.options.out / "random" / form.shape


def placement_of(form: Form) -> TrainerPlacement:
    """Return the trainer's settings for a form; settings that this version does not know are left out."""
    values: dict[str, Any] = {
        "dtype": "float32" if form.small else "bfloat16",
        "micro_batch_tokens": form.tokens,
        "gradient_checkpointing": form.checkpointing,
        # No other update follows in this process. Moving the weights away would take seconds and much main memory.
        "free_memory": False,
    }
    if form.compiled is not None and "compile" in TrainerPlacement.model_fields:
        values["compile"] = form.compiled
    return TrainerPlacement.model_validate(values)


def _rows(form: Form, count: int, divisor: int) -> list[dict[str, Any]]:
    vocabulary = VOCABULARY[form.shape]
    rng = np.random.Generator(np.random.Philox(key=1))
    rows = []
    for question in range(count):
        prompt, response = (int(rng.integers(*limits)) // divisor for limits in (PROMPT_TOKENS, RESPONSE_TOKENS))
        rows.append(
            {
                "question_id": f"q{question}",
                # One response each, so that prompts are computed as often as the utilisation counts them.
                "sample_index": 0,
                "prompt_ids": rng.integers(5, vocabulary, prompt).tolist(),
                "response_ids": rng.integers(5, vocabulary, response).tolist(),
                "behaviour_logprobs": [-float(np.log(vocabulary))] * response,
                "finish_reason": "stop",
                "reward": float(rng.random() < 0.5),
            }
        )
    return rows
