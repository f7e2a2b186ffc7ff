"""Tokens per second of the decode loop against transformers' `generate`, on the work of a quickstart sampling stage.

    python -m tests.benchmarks.decode

A random Qwen2 of the quickstart's size, 64 prompts x 16 samples x 48 tokens, one thread. In the main figure no row ends
early, so both sides compute the same number of tokens; in a second figure rows end at random, as those of trained
models do. The last line is one JSON object.
"""

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from stages.engines.base import SamplingParams
from stages.engines.transformers import TransformersEngine
from tests.helpers import generate
from tests.tiny_models import make_tiny_policy

QUESTIONS, SAMPLES, NEW_TOKENS = 64, 16, 48


def main() -> None:
    torch.set_num_threads(1)
    engine = TransformersEngine(device="cpu", threads=1)
    with tempfile.TemporaryDirectory() as folder:
        sizes = {"hidden_size": 96, "intermediate_size": 256, "num_attention_heads": 3, "num_key_value_heads": 3}
        make_tiny_policy(Path(folder), **sizes, vocab_size=550, initializer_range=0.05)
        engine.load(Path(folder), "tiny")
    rng = np.random.Generator(np.random.Philox(key=1))
    prompts = [rng.integers(3, 300, size=int(n)).tolist() for n in rng.integers(20, 41, size=QUESTIONS)]
    seeds = rng.integers(0, 2**63, size=(QUESTIONS, SAMPLES)).tolist()
    params = SamplingParams(temperature=1.0, max_tokens=NEW_TOKENS)
    model = engine._held_model()
    vocabulary = model.config.vocab_size

    results = {}
    for name, eos in (("full", []), ("early_ends", list(range(0, vocabulary, 24)))):
        engine.tokenizer.eos_ids = eos
        ours = best_rate(lambda: sum(len(c.token_ids) for cs in generate(engine, prompts, params, seeds) for c in cs))
        theirs = best_rate(lambda eos=eos: reference(model, prompts, eos))
        ratio = round(ours / theirs, 2)
        results[name] = {"ours": round(ours), "transformers_generate": round(theirs), "ratio": ratio}
        print(f"{name:>10}: ours {ours:8,.0f} tokens/s   transformers generate {theirs:8,.0f}   {ratio} x")
    print(json.dumps(results))


def reference(model: Any, prompts: list[list[int]], eos: list[int]) -> int:
    """Do the same work by `generate`, all prompts in one left-padded batch; return the number of tokens."""
    width = max(map(len, prompts))
    ids = torch.tensor([[0] * (width - len(p)) + p for p in prompts])
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts])
    with torch.inference_mode():
        out = model.generate(
            ids,
            attention_mask=mask,
            do_sample=True,
            num_return_sequences=SAMPLES,
            max_new_tokens=NEW_TOKENS,
            eos_token_id=eos or None,
            pad_token_id=0,
        )[:, width:]
    if not eos:
        return int(out.numel())
    ended = torch.isin(out, torch.tensor(eos))
    return int(((ended.cumsum(-1) - ended.long()) == 0).sum())


def best_rate(work: Callable[[], int], repeats: int = 3) -> float:
    """Return the tokens per second of the fastest of `repeats` runs; other processes can only slow a run down."""
    rates = []
    for _ in range(repeats):
        start = time.perf_counter()
        tokens = work()
        rates.append(tokens / (time.perf_counter() - start))
    return max(rates)


if __name__ == "__main__":
    main()
