"""Steps of parts `engine` and `rules`; each is a process of its own and returns a dictionary (see child.py)."""

import contextlib
import importlib
import inspect
import itertools
import os
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from stages.engines.base import Batch, Completion, Engine, SamplingParams
from stages.engines.loader import make_engine
from stages.settings.engines import VllmPlacement
from stages.settings.sample import BOXED
from storage.errors import InputError
from tests.gpu.child import keep
from tests.gpu.policies import tiny_policy
from tests.gpu.pytest_stand_in import without_pytest
from tests.gpu.questions import problems

FIRST_TOKENS = 4
"""Tokens that have to agree even in bfloat16."""
QUESTIONS_OF_ROLLOUT = 16
SAMPLES = 16
Rows = list[list[Completion]]


def placement(small: bool, **more: Any) -> VllmPlacement:
    """Return vLLM's settings: the defaults on a GPU, little memory in the small form."""
    return VllmPlacement(**({"cache_gib": 0.1, "max_model_tokens": 1_024} if small else {}), **more)


def requests(engine: Engine, small: bool) -> Batch:
    """Return the requests that all speeds are measured with: word problems, in the policy's chat if it has one."""
    count, samples, tokens = (6, 4, 24) if small else (48, SAMPLES, 256)
    prompts = [_prompt(engine, problem["question"]) for problem in problems(count, seed=3)]
    seeds = [[1_000 * row + sample for sample in range(samples)] for row in range(count)]
    return Batch(prompts=prompts, seeds=seeds, params=SamplingParams(temperature=1.0, max_tokens=tokens))


def _prompt(engine: Engine, question: str) -> list[int]:
    try:
        return engine.encode_chat([{"role": "user", "content": f"{question}\n{BOXED}"}])
    except InputError:  # no chat template
        return engine.encode(f"{question}\n{BOXED}\n")


def answer_all(*, started: float, model: str, kind: str, small: bool, rollout: str) -> dict[str, Any]:
    """Start the engine, answer, answer alone, sleep, wake, answer again, close."""
    engine = _engine(kind, small)
    engine.load(Path(model), "first")
    first_token_s = _first_token(engine, started)
    batch = requests(engine, small)
    rows = generate(engine, batch)
    write_rollout_of(batch, rows, Path(rollout))
    kept: dict[str, Any] = {
        "first_token_s": first_token_s,
        "responses": len(_flat(rows)),
        "mean_tokens": _tokens(rows) / len(_flat(rows)),
    }
    speeds: list[float] = []
    theirs: list[float] = []
    for _ in range(2):  # in turn, so that a card that slows down slows both
        before = time.perf_counter()
        rows = generate(engine, batch)
        speeds.append(_tokens(rows) / (time.perf_counter() - before))
        if (speed := _same_instance(engine, batch)) is not None:
            theirs.append(speed)
        print(f"{speeds[-1]:.0f} tokens/s, LLM.generate of the same vLLM: {theirs[-1:]}", flush=True)
        kept |= {"tokens_per_second": max(speeds), "same_instance": max(theirs, default=None)}
        keep(kept)
    alone = _alone(engine, batch, rows, count=4 if small else 12)
    keep(kept := {**kept, "alone": alone})
    check = Batch(prompts=batch.prompts[:16], seeds=[row[:2] for row in batch.seeds[:16]], params=batch.params)
    before_sleep = generate(engine, check)
    engine.sleep()
    asleep = time.time()
    if kind == "vllm" and not small:
        time.sleep(3.5)  # nvidia-smi is asked once a second, and answers later
    woken = time.time()
    engine.load(Path(model), "second")
    reload_s = time.time() - woken
    after_sleep = alike(_flat(generate(engine, check)), _flat(before_sleep))
    closing = time.time()
    engine.close()
    return {
        **kept,
        "after_sleep": after_sleep,
        "reload_s": reload_s,
        "asleep": [asleep + 1.0, woken],
        "close_s": time.time() - closing,
    }


def answer_some(*, started: float, model: str, kind: str, small: bool, rollout: str) -> dict[str, Any]:
    """Write the rollout and nothing else."""
    engine = _engine(kind, small)
    engine.load(Path(model), "first")
    batch = requests(engine, small)
    write_rollout_of(batch, generate(engine, batch), Path(rollout))
    engine.close()
    return {}


def _engine(kind: Any, small: bool, **settings: Any) -> Engine:
    return make_engine(kind, device="cpu" if small else "auto", vllm=placement(small, **settings))


def _first_token(engine: Engine, started: float) -> float:
    prompt = engine.encode("1 + 1 =")
    generate(engine, Batch(prompts=[prompt], seeds=[[1]], params=SamplingParams(temperature=1.0, max_tokens=1)))
    seconds = time.time() - started
    print(f"first token after {seconds:.1f} s", flush=True)
    return seconds


def generate(engine: Engine, batch: Batch) -> Rows:
    """Return the responses to one batch."""
    [(_, responses)] = engine.generate(iter([batch]))
    return responses


def _flat(rows: Rows) -> list[Completion]:
    return list(itertools.chain.from_iterable(rows))


def _tokens(rows: Rows) -> int:
    return sum(len(completion.token_ids) for completion in _flat(rows))


def _alone(engine: Engine, batch: Batch, together: Rows, count: int) -> dict[str, float]:
    """Return how many responses have the same tokens when they are the only one."""
    alone = [
        generate(engine, Batch(prompts=[batch.prompts[row]], seeds=[batch.seeds[row][:1]], params=batch.params))[0][0]
        for row in range(count)
    ]
    return alike(alone, [together[row][0] for row in range(count)])


def alike(found: Sequence[Completion], expected: Sequence[Completion]) -> dict[str, float]:
    """Return the share of responses with the same tokens, and that of responses with the same first tokens."""
    pairs = [(a.token_ids, b.token_ids) for a, b in zip(found, expected, strict=True)]
    return {
        "equal": sum(a == b for a, b in pairs) / len(pairs),
        "equal_first": sum(a[:FIRST_TOKENS] == b[:FIRST_TOKENS] for a, b in pairs) / len(pairs),
    }


def _same_instance(engine: Engine, batch: Batch) -> float | None:
    """Return tokens per second of `LLM.generate` of the engine's own vLLM, one round; None if it cannot be asked."""
    llm = getattr(engine, "_llm", None)
    if llm is None:
        return None
    try:
        return _bare_speed(llm, batch, seeds=True, rounds=1)
    except Exception as error:  # our engine's internals may change
        print(f"LLM.generate of the engine's own vLLM was not measured: {error}", flush=True)
        return None


def _bare_speed(llm: Any, batch: Batch, *, seeds: bool, together: bool = False, rounds: int = 2) -> float:
    """Return tokens per second of `LLM.generate`, the best of all rounds.

    `seeds`: each request has its seed, and log-probabilities are asked for, as we do; `together`: one request for all
    samples of a prompt.
    """
    from vllm import SamplingParams as VllmParams

    prompts, params = [], []
    for prompt, row in zip(batch.prompts, batch.seeds, strict=True):
        for seed in row[:1] if together else row:
            prompts.append({"prompt_token_ids": list(prompt)})
            more: dict[str, Any] = {"seed": seed, "logprobs": 0} if seeds else {}
            more |= {"n": len(row)} if together else {}
            wanted = batch.params
            params.append(VllmParams(temperature=wanted.temperature, max_tokens=wanted.max_tokens, **more))
    speeds = []
    for _ in range(rounds):
        before = time.perf_counter()
        outputs = llm.generate(prompts, params, use_tqdm=False)
        tokens = sum(len(sample.token_ids) for output in outputs for sample in output.outputs)
        speeds.append(tokens / (time.perf_counter() - before))
    return max(speeds)


def answer_bare(*, started: float, model: str, kind: str, small: bool) -> dict[str, Any]:
    """Answer the same requests with `vllm.LLM` under its own defaults: with seeds, without, and with n samples each."""
    on_cpu: dict[str, Any] = {}
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("VLLM_WORKER_MULTIPROC_METHOD", "spawn")
    if small:
        os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
        os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")
        on_cpu = {
            "kv_cache_memory_bytes": 2**27, "enforce_eager": True, "enable_chunked_prefill": False,
            "max_num_batched_tokens": 8_192, "dtype": "float32",
        }  # fmt: skip
    from vllm import LLM
    from vllm import SamplingParams as VllmParams

    from stages.engines.tokenizer import PolicyTokenizer

    batch = requests(_TokenizerOnly(PolicyTokenizer(Path(model))), small)  # type: ignore[arg-type]
    arguments = {"dtype": "bfloat16", "max_model_len": 1_024 if small else 4_096, **on_cpu}
    with _compiled_by_engine(Path(model)) as path:
        llm = LLM(str(path), **arguments)
    llm.generate([{"prompt_token_ids": list(batch.prompts[0])}], VllmParams(max_tokens=1), use_tqdm=False)
    kept: dict[str, Any] = {"first_token_s": time.time() - started}
    kept["same"] = _bare_speed(llm, batch, seeds=True)
    keep(kept)
    kept["plain"] = _bare_speed(llm, batch, seeds=False)
    keep(kept)
    return kept | {"n": _bare_speed(llm, batch, seeds=True, together=True)}


@contextlib.contextmanager
def _compiled_by_engine(model: Path) -> Iterator[Path]:
    """Provide the model's path with which vLLM finds what the engine has compiled, if this version keeps that."""
    try:
        compiled = importlib.import_module("storage.compiled")
    except ImportError:
        yield model
        return
    for name, value in compiled.variables().items():
        os.environ.setdefault(name, value)
    with compiled.stable_path(model) as path:
        yield path


class _TokenizerOnly:
    """What `requests` asks of an engine."""

    def __init__(self, tokenizer: Any) -> None:
        self.encode, self.encode_chat = tokenizer.encode, tokenizer.encode_chat


def write_rollout_of(batch: Batch, rows: Rows, path: Path) -> None:
    """Write the responses to the first questions as a rollout; rewards are 0 and 1 in turn."""
    from tests.unit.trainer.rollouts import write_rollout

    table = [
        {
            "question_id": f"q{number}",
            "sample_index": sample,
            "prompt_ids": list(batch.prompts[number]),
            "response_ids": completion.token_ids,
            "behaviour_logprobs": completion.logprobs,
            "finish_reason": completion.finish_reason,
            "reward": float((number + sample) % 2),
        }
        for number, row in enumerate(rows[:QUESTIONS_OF_ROLLOUT])
        for sample, completion in enumerate(row)
    ]
    partial = path.with_name(f"{path.name}.partial")
    write_rollout(partial, table)
    partial.replace(path)


def compare_float32(*, started: float, model: str, rollout: str, responses: int = 64) -> dict[str, Any]:
    """Compare the engine's log-probabilities with those of transformers in float32."""
    import pyarrow.parquet as pq
    import torch
    from transformers import AutoModelForCausalLM

    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32, local_files_only=True).to(device).eval()
    table = pq.read_table(rollout).to_pylist()
    gaps = []
    for row in table[:: max(1, len(table) // responses)]:
        prompt, response = row["prompt_ids"], row["response_ids"]
        with torch.no_grad():
            logits = network(torch.tensor([prompt + response], device=device)).logits[0, len(prompt) - 1 : -1]
        chosen = logits.float().log_softmax(-1).gather(1, torch.tensor(response, device=device)[:, None])[:, 0]
        gaps.append((chosen.cpu() - torch.tensor(row["behaviour_logprobs"])).abs())
    gap = torch.cat(gaps).double()
    return {
        "mean": gap.mean().item(),
        "max": gap.max().item(),
        "p99": gap.quantile(0.99).item(),
        "tokens": gap.numel(),
    }


def start_again(*, started: float, model: str, kind: str, small: bool) -> dict[str, Any]:
    """Start the engine a second time, in a new process, and close it while it sleeps."""
    engine = _engine(kind, small)
    engine.load(Path(model), "first")
    kept = {"first_token_s": _first_token(engine, started)}
    keep(kept)
    engine.sleep()
    closing = time.time()
    engine.close()
    return kept | {"close_s": time.time() - closing}


def follow_rules(*, started: float, model: str, kind: str, small: bool, tiny: str) -> dict[str, Any]:
    """Try the rules that all engines keep, with a tiny policy in float32 that is written to the folder `tiny`."""
    if small:  # one process less
        start_again(started=started, model=model, kind=kind, small=small)
    found: dict[str, Any] = {"rules": {}, "left_out": [], "rules_traceback": "", "why_no_rules": ""}
    try:
        with without_pytest():
            from tests.unit.engines import test_conformance as conformance
    except ImportError as error:
        return found | {"why_no_rules": f"the suite cannot be imported here: {error}"}
    if not small:
        # Triton's attention multiplies float32 with 10 bits of mantissa (TF32).
        conformance.LOGPROB_TOLERANCE = 5e-3
    engine = _engine(kind, small, dtype="float32")
    try:
        engine.load(tiny_policy(Path(tiny)), "k1")
    except Exception as error:
        found["rules_traceback"] = "".join(traceback.format_exception(error))
        return found | {"rules": {"start in float32": " ".join(f"{type(error).__name__}: {error}".split())[:300]}}
    for name, function in _rules(conformance):
        needed = set(inspect.signature(function).parameters)
        for label, values in _cases(function):
            if needed - {"engine"} - set(values):
                found["left_out"].append(label)
                continue
            print(label, flush=True)
            try:
                function(engine, **values)
                found["rules"][label] = None
            except BaseException as error:  # pytest.raises fails with a BaseException
                found["rules"][label] = " ".join(f"{type(error).__name__}: {error}".split())[:200]
                found["rules_traceback"] += f"{name}\n{''.join(traceback.format_exception(error))}\n"
                if isinstance(error, KeyboardInterrupt):
                    raise
            keep(found)
    engine.close()
    return found


def _rules(module: Any) -> Iterator[tuple[str, Any]]:
    for name, value in vars(module).items():
        if name.startswith("test_") and inspect.isfunction(value):
            yield name, value


def _cases(function: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (label, arguments) for each value of pytest's `parametrize`; once without arguments if there is none."""
    name = function.__name__.removeprefix("test_")
    marks = [mark for mark in getattr(function, "pytestmark", []) if mark.name == "parametrize"]
    if not marks:
        yield name, {}
        return
    names, values = marks[0].args[:2]
    names = [part.strip() for part in names.split(",")] if isinstance(names, str) else list(names)
    for number, value in enumerate(values):
        value = getattr(value, "values", value)
        row = value if isinstance(value, tuple) and len(names) > 1 else (value,)
        yield f"{name}-{number}", dict(zip(names, row, strict=True))
