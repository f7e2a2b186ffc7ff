"""The sample stage on vLLM against a bare `LLM.generate`, the time of loads and starts, and all engines' speed.

    .venv-vllm/bin/python -m tests.benchmarks.engine     (made by `make test-vllm`)

A random Qwen2 of the quickstart's size, 256 questions x 16 samples x 48 tokens, one thread. The bare call gets the same
prompts and settings in the same vLLM, also a seed for each response, and also returns ids, log-probabilities and text.
The last line is JSON:

ratio          tokens/s of the whole stage (encoding, generation, decoding, Parquet, manifest) over the bare call's
engine_ratio   tokens/s of the engine's `generate` alone over those of the bare call with the very same requests (vLLM
               makes no text, and returns nothing before a response has ended)
group_ratio    tokens/s of the bare call with one request of n = 16 for each question, over those of 16 requests each.
               vLLM seeds the responses of such a request with seed, seed + 1, ...; the engine's seeds are hashes
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
            ratios, rates = against_bare_generate(folder, policies[0], resources)
            reload_s = reload_seconds(resources.engine(), policies)
        rates["server"] = server_rate(folder, policies[0])
        rates["transformers"], rates["transformers_generate"] = transformers_rates(policies[0])
        share = start_share(folder / "runs", "vllm")
    print(json.dumps({**ratios, "reload_s": reload_s, "start_share": share, "tokens_per_s": rates}))


def against_bare_generate(
    folder: Path, policy: Path, resources: Resources
) -> tuple[dict[str, float], dict[str, float]]:
    """Run the stage, the engine and the bare calls in turn; return ratios and rates (tokens per second), of medians."""
    engine: Any = resources.engine()
    sample = stage_of(folder / "run", policy, resources)
    sample(0)  # starts vLLM
    ways: dict[str, Callable[[int], int]] = {
        "vllm": sample,
        "vllm_engine": lambda seed: engine_generate(engine, seed),
        "vllm_generate": lambda seed: bare_generate(engine, seed),
        "vllm_same_requests": lambda seed: bare_generate(engine, seed, detokenize=False),
        "vllm_groups": lambda seed: bare_generate(engine, seed, n=SAMPLES),
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for seed in range(1, ROUNDS + 1):
        for name, work in ways.items():
            rates[name].append(rate(lambda seed=seed, work=work: work(seed)))
        print("   ".join(f"{name} {values[-1]:8,.0f}" for name, values in rates.items()), "tokens/s")
    medians = {name: round(median(values)) for name, values in rates.items()}
    pairs = {
        "ratio": ("vllm", "vllm_generate"),
        "engine_ratio": ("vllm_engine", "vllm_same_requests"),
        "group_ratio": ("vllm_groups", "vllm_generate"),
    }
    return {name: round(medians[ours] / medians[bare], 3) for name, (ours, bare) in pairs.items()}, dict(medians)


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


def engine_generate(engine: Any, seed: int) -> int:
    """Sample with the engine alone, without a stage around it; return the number of tokens."""
    prompts = prompt_ids(engine)
    seeds = [[seed * 10**6 + SAMPLES * row + n for n in range(SAMPLES)] for row in range(len(prompts))]
    engine._llm.reset_prefix_cache()
    done = generate(engine, prompts, SamplingParams(temperature=1.0, max_tokens=NEW_TOKENS), seeds)
    return sum(len(completion.token_ids) for row in done for completion in row)


def bare_generate(engine: Any, seed: int, n: int = 1, detokenize: bool = True) -> int:
    """Do the same work as a script without this software would, in the engine's vLLM; return the number of tokens.

    `n`: responses of one request. `detokenize`: False for requests as the engine makes them.
    """
    from vllm import SamplingParams as VllmParams
    from vllm.sampling_params import RequestOutputKind

    prompts = [{"prompt_token_ids": ids} for ids in prompt_ids(engine) for _ in range(SAMPLES // n)]
    as_ours = {} if detokenize else {"flat_logprobs": True, "output_kind": RequestOutputKind.FINAL_ONLY}
    params = [
        VllmParams(
            temperature=1.0,
            max_tokens=NEW_TOKENS,
            n=n,
            seed=seed * 10**6 + n * row,
            logprobs=0,
            detokenize=detokenize,
            stop_token_ids=engine.tokenizer.stop_ids(()),
            **as_ours,
        )
        for row in range(len(prompts))
    ]
    engine._llm.reset_prefix_cache()
    outputs = engine._llm.generate(prompts, params, use_tqdm=False)
    return sum(len(response.token_ids) for output in outputs for response in output.outputs)


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
