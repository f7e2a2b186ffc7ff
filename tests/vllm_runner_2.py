"""vLLM's model runner 2, which samples on GPUs, on a CPU: Triton's interpreter runs its kernels.

    python -m tests.vllm_runner_2 FOLDER        (needs `pip install --no-deps triton`)

Prints JSON for the tiny policy in FOLDER: under "worst" the largest difference to transformers' log-probabilities for
each way of sampling, under "alone" whether a response is the same without its neighbours.
"""

import json
import os
import sys
import types
from pathlib import Path
from typing import Any

os.environ |= {"TRITON_INTERPRET": "1", "VLLM_USE_V2_MODEL_RUNNER": "1"}

import torch
import triton.backends
from transformers import AutoModelForCausalLM

from stages.engines.base import SamplingParams
from stages.engines.vllm import VllmEngine
from stages.settings.engines import VllmPlacement
from tests.helpers import generate
from tests.tiny_models import logprobs_of

PROMPTS = [[5, 17, 33, 9, 80, 41, 7], [9, 8, 7]]
SEEDS = [[1, 2], [3, 2**62 + 5]]
WAYS: dict[str, dict[str, Any]] = {
    "greedy": {"temperature": 0.0},
    "whole": {"temperature": 1.0},
    "colder": {"temperature": 0.7},
    "cut and penalised": {"temperature": 0.7, "top_p": 0.9, "presence_penalty": 1.0},
    "greedy, penalised": {"temperature": 0.0, "presence_penalty": 1.0},
}


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    interpret_kernels()
    engine = VllmEngine(VllmPlacement(cache_gib=0.1, max_sequences=8, max_model_tokens=64))
    engine.load(folder, "policy")
    worker = engine._llm.llm_engine.model_executor.driver_worker.worker
    assert worker.use_v2_model_runner
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    worst, alone = {}, {}
    for name, settings in WAYS.items():
        params = SamplingParams(max_tokens=10, **settings)
        done = generate(engine, PROMPTS, params, SEEDS)
        worst[name] = 0.0
        for prompt, completions in zip(PROMPTS, done, strict=True):
            for completion in completions:
                expected = logprobs_of(model, prompt, completion.token_ids, settings["temperature"] or 1.0)
                chosen = expected.gather(1, torch.tensor(completion.token_ids)[:, None])[:, 0]
                gap = (torch.tensor(completion.logprobs) - chosen).abs().max().item()
                worst[name] = max(worst[name], gap)
        [[single]] = generate(engine, PROMPTS[1:], params, [SEEDS[1][1:]])
        alone[name] = single.token_ids == done[1][1].token_ids
    print(json.dumps({"worst": worst, "alone": alone}))


def interpret_kernels() -> None:
    """Have vLLM believe that Triton has a backend for CPUs, and replace the one kernel that the interpreter refuses."""
    driver = types.SimpleNamespace(is_active=lambda: True)
    triton.backends.backends["cpu"] = types.SimpleNamespace(driver=driver, compiler=None)
    from vllm.v1.sample.ops import topk_topp_sampler
    from vllm.v1.worker.gpu.sample import sampler, states

    def cut(logits: torch.Tensor, k: torch.Tensor | None, p: torch.Tensor | None) -> torch.Tensor:
        return logits if k is None and p is None else topk_topp_sampler.apply_top_k_top_p_pytorch(logits, k, p)

    sampler.apply_top_k_top_p = states.apply_top_k_top_p = cut


if __name__ == "__main__":
    main(Path(sys.argv[1]))
