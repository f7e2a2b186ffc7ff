"""The share of a GPU that the policy update uses: a Qwen2 of 1.5 B random weights, micro-batches of 4,096 tokens, bf16.

    python -m tests.gpu.test_utilisation

The last line is JSON: `model_flops_utilisation` (median of all optimiser steps but the first; the aim on one H100 is
45 %), response tokens per second, peak memory, tokens of the counted steps. Without a GPU a toy model replaces the
Qwen2, and the utilisation is null.
"""

import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from stages.settings.trainer import TrainerPlacement
from stages.settings.update import UpdateConfig
from stages.trainer.job import Job
from stages.trainer.launcher import TrainerProcess
from tests.tiny_models import make_tiny_policy
from tests.unit.trainer.rollouts import write_rollout

QWEN2_1_5B: dict[str, Any] = {
    "vocab_size": 151_936,
    "hidden_size": 1536,
    "intermediate_size": 8960,
    "num_hidden_layers": 28,
    "num_attention_heads": 12,
    "num_key_value_heads": 2,
    "head_dim": 128,
    "max_position_embeddings": 4096,
    "initializer_range": 0.02,
}
TOY: dict[str, Any] = QWEN2_1_5B | {
    "vocab_size": 512,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 32,
}
STEPS, RESPONSES_PER_STEP = 5, 64
PROMPT_TOKENS, RESPONSE_TOKENS = (64, 256), (256, 1024)
"""Shortest and longest; a sixteenth of these with the toy model."""


def measure(folder: Path, *, full: bool) -> dict[str, Any]:
    """Do one update of `STEPS` steps, of the 1.5 B model if `full`, otherwise of the toy model; return the figures."""
    sizes, divisor = (QWEN2_1_5B, 1) if full else (TOY, 16)
    policy = make_tiny_policy(folder / "policy", arch="qwen2", **sizes)
    rng = np.random.Generator(np.random.Philox(key=1))
    rows = []
    for question in range(STEPS * RESPONSES_PER_STEP // divisor):
        prompt, response = (int(rng.integers(*limits)) // divisor for limits in (PROMPT_TOKENS, RESPONSE_TOKENS))
        rows.append(
            {
                "question_id": f"q{question}",
                # One response each, so that prompts are computed as often as the utilisation counts them.
                "sample_index": 0,
                "prompt_ids": rng.integers(5, sizes["vocab_size"], prompt).tolist(),
                "response_ids": rng.integers(5, sizes["vocab_size"], response).tolist(),
                "behaviour_logprobs": [-float(np.log(sizes["vocab_size"]))] * response,
                "finish_reason": "stop",
                "reward": float(rng.random() < 0.5),
            }
        )
    config = UpdateConfig(
        algorithm="reinforce_pp", learning_rate=1e-6, batch_responses=RESPONSES_PER_STEP // divisor, kl_coef=0.0
    )
    dtype = "bfloat16" if torch.cuda.is_available() else "float32"
    job = Job(
        rollout=write_rollout(folder / "rollout.parquet", rows),
        policy=policy,
        policy_key="policy",
        reference=policy,
        reference_key="policy",
        output=folder / "output",
        output_policy_key="next",
        output_state_key="next-state",
        config=config,
        placement=TrainerPlacement(micro_batch_tokens=4096 // divisor, dtype=dtype),
        temperature=1.0,
        max_tokens=RESPONSE_TOKENS[1],
        seed=1,
    )
    with TrainerProcess(folder / "scratch") as process:
        process.run(job, lambda done, total, note: print(f"{done}/{total} {note}", flush=True))
    steps = pq.read_table(job.output / "speed.parquet").to_pylist()[1:]
    shares = [step["model_flops_utilisation"] for step in steps]
    return {
        "model_flops_utilisation": None if None in shares else statistics.median(shares),
        "tokens_per_second": statistics.median(step["tokens_per_second"] for step in steps),
        "sequence_tokens": sum(step["sequence_tokens"] for step in steps),
        "peak_memory_mib": max(step["peak_memory_mib"] for step in steps),
        "steps": len(steps),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
    }


@pytest.mark.slow
def test_utilisation_of_a_toy_model_is_measured(tmp_path: Path) -> None:
    measured = measure(tmp_path, full=False)
    assert measured["steps"] == STEPS - 1
    longest = STEPS * RESPONSES_PER_STEP * (PROMPT_TOKENS[1] + RESPONSE_TOKENS[1]) / 16**2
    assert 0 < measured["sequence_tokens"] < longest
    assert measured["tokens_per_second"] > 0 and measured["peak_memory_mib"] > 0
    if torch.cuda.is_available():
        assert 0 < measured["model_flops_utilisation"] < 1
    else:
        assert measured["model_flops_utilisation"] is None


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        print(json.dumps(measure(Path(name), full=torch.cuda.is_available())))
