"""The sample stage on vLLM against a bare `LLM.generate`, the time of loads and starts, and all engines' speed.

    .venv-vllm/bin/python -m tests.benchmarks.engine     (made by `make test-vllm`)

A random Qwen2 of the quickstart's size, 256 questions x 16 samples x 48 tokens, one thread. The bare call gets the same
prompts and settings in the same vLLM, also a seed for each response, and also returns ids, log-probabilities and text.
The last line is JSON:

ratio          tokens/s of the whole stage (encoding, generation, decoding, Parquet, manifest) over the bare call's
reload_s       seconds until another policy of the same architecture is loaded into the running vLLM
start_share    share of the time of a quickstart's iterations after iteration 0 that went into starts and loads
tokens_per_s   of each engine, and of transformers' own `generate`; this and the transformers engine get 64 questions
"""

import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import torch

from flows.config.load import load_config
from flows.reporting.results import iteration_results
from flows.run_loop import run_locally
from stages import schemas
from stages.contract import Context, run_stage
from stages.domains.arithmetic import problems
from stages.engines.base import Engine, SamplingParams, encode_question
from stages.engines.transformers import TransformersEngine
from stages.import_inputs import IMPORT_POLICY, content_of_policy
from stages.sample_responses import SAMPLE
from stages.settings.compute import Compute
from stages.settings.engines import EngineKind, ServerPlacement
from stages.settings.inputs import ImportPolicy
from stages.settings.sample import AnswerPrompt, SampleConfig
from stages.shared_resources import Resources
from storage.run import open_run
from storage.store import Store
from tests.benchmarks.decode import reference
from tests.helpers import generate, put_table
from tests.tiny_models import make_tiny_policy
from tests.vllm_server import VllmServer

QUESTIONS, SAMPLES, NEW_TOKENS, ROUNDS = 256, 16, 48, 3
SIZES = {"hidden_size": 96, "intermediate_size": 256, "num_attention_heads": 3, "num_key_value_heads": 3}
CONFIG = SampleConfig(responses=SAMPLES, max_tokens=NEW_TOKENS)


def main() -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        policies = [make_tiny_policy(folder / str(seed), seed=seed, **SIZES) for seed in (0, 1)]
        with Resources(Compute(threads=1, shard_rows=64), "vllm") as resources:
            ratio, rates = against_bare_generate(folder, policies[0], resources)
            reload_s = reload_seconds(resources.engine(), policies)
        rates["server"] = server_rate(folder, policies[0])
        rates["transformers"], rates["transformers_generate"] = transformers_rates(policies[0])
        share = start_share(folder / "runs", "vllm")
    print(json.dumps({"ratio": ratio, "reload_s": reload_s, "start_share": share, "tokens_per_s": rates}))


def against_bare_generate(folder: Path, policy: Path, resources: Resources) -> tuple[float, dict[str, float]]:
    """Run the stage and the bare call in turn; return the ratio of the medians, and the medians (tokens per second)."""
    engine: Any = resources.engine()
    sample = stage_of(folder / "run", policy, resources)
    sample(0)  # starts vLLM
    stage, bare = [], []
    for seed in range(1, ROUNDS + 1):
        stage.append(rate(lambda seed=seed: sample(seed)))
        bare.append(rate(lambda seed=seed: bare_generate(engine, seed)))
        print(f"sample stage {stage[-1]:8,.0f} tokens/s   bare LLM.generate {bare[-1]:8,.0f}")
    rates = {"vllm": round(median(stage)), "vllm_generate": round(median(bare))}
    return round(median(stage) / median(bare), 3), rates


def server_rate(folder: Path, policy: Path) -> float:
    """Return the tokens per second of the sample stage with a vLLM server on this machine, asked over HTTP."""
    with VllmServer(policy, "compute.vllm.cache_gib=1") as server:
        compute = Compute(threads=1, shard_rows=64, server=ServerPlacement(urls=(server.url,)))
        with Resources(compute, "server") as resources:
            sample = stage_of(folder / "server", policy, resources)
            sample(0)
            rates = [rate(lambda seed=seed: sample(seed)) for seed in range(1, ROUNDS + 1)]
    print("sample stage on a server", *(f"{each:8,.0f}" for each in rates), "tokens/s")
    return round(median(rates))


def stage_of(folder: Path, policy: Path, resources: Resources) -> Callable[[int], int]:
    """Return a function that runs the sample stage with a seed and returns the number of sampled tokens."""
    context = Context(store=Store(str(folder)), seed=1, iteration=1, resources=resources)
    accepted = put_table(context, "accepted", schemas.ACCEPTED, questions())
    settings = ImportPolicy(path=str(policy), sha256=content_of_policy(str(policy)))
    inputs = {"policy": run_stage(IMPORT_POLICY, {}, settings, context).refs["policy"], "accepted": accepted}

    def sample(seed: int) -> int:
        return int(run_stage(SAMPLE, inputs, CONFIG, replace(context, seed=seed)).metrics["sample/tokens"] or 0)

    return sample


def bare_generate(engine: Any, seed: int) -> int:
    """Do the same work as a script without this software would, in the engine's vLLM; return the number of tokens."""
    from vllm import SamplingParams as VllmParams

    prompts = [{"prompt_token_ids": ids} for ids in prompt_ids(engine) for _ in range(SAMPLES)]
    params = [
        VllmParams(temperature=1.0, max_tokens=NEW_TOKENS, seed=seed * 10**6 + n, logprobs=0)
        for n in range(len(prompts))
    ]
    engine._llm.reset_prefix_cache()
    return sum(len(output.outputs[0].token_ids) for output in engine._llm.generate(prompts, params, use_tqdm=False))


def reload_seconds(engine: Engine, policies: Sequence[Path]) -> float:
    """Return the seconds of the slowest of several loads."""
    seconds = []
    for turn in range(6):
        started = time.perf_counter()
        engine.load(policies[turn % 2], f"reload {turn}")
        seconds.append(time.perf_counter() - started)
    return round(max(seconds), 3)


def transformers_rates(policy: Path) -> tuple[float, float]:
    """Return the tokens per second of our transformers engine and of transformers' own `generate`."""
    engine = TransformersEngine(device="cpu", threads=1)
    engine.load(policy, "tiny")
    prompts = prompt_ids(engine)[:64]
    seeds = [[SAMPLES * row + n for n in range(SAMPLES)] for row in range(len(prompts))]
    params = SamplingParams(temperature=1.0, max_tokens=NEW_TOKENS)
    ours, theirs = [], []
    for _ in range(ROUNDS):
        ours.append(
            rate(lambda: sum(len(c.token_ids) for row in generate(engine, prompts, params, seeds) for c in row))
        )
        theirs.append(rate(lambda: reference(engine._held_model(), prompts, engine.tokenizer.eos_ids)))
        print(f"transformers engine {ours[-1]:8,.0f} tokens/s   its own generate {theirs[-1]:8,.0f}")
    return round(median(ours)), round(median(theirs))


def start_share(root: Path, engine: EngineKind) -> float:
    """Return the share of starts and loads in a quickstart of two iterations, without iteration 0."""
    config = load_config(Path("configs/quickstart.yaml"), (f"root={root}", f"engine={engine}", "iterations=2"))
    run_locally(config)
    run = open_run(config.uri)
    rows = [iteration_results(run, number) for number in run.iterations if number]
    spent = sum(row["engine"]["start_seconds"] + row["engine"]["load_seconds"] for row in rows)
    return round(spent / sum(row["seconds"] for row in rows), 5)


def questions() -> list[dict[str, Any]]:
    texts = list(dict.fromkeys(problem.question for problem in problems("seed", 2 * QUESTIONS, 0)))[:QUESTIONS]
    return [
        {"question_id": schemas.question_id(text), "candidate_id": f"c{row}", "question": text, "similarity": 0.0}
        for row, text in enumerate(texts)
    ]


def prompt_ids(engine: Any) -> list[list[int]]:
    return [encode_question(engine, AnswerPrompt(), row["question"]) for row in questions()]


def rate(work: Callable[[], Any]) -> float:
    """Return the tokens per second of `work`, which returns its number of tokens."""
    started = time.perf_counter()
    return float(work()) / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
