"""Part `engine`: starts, speed against bare vLLM, rules, seeds, log-probabilities, sleep, closing.

Each step is a process of its own (`engine_steps`), as each start of vLLM is in a run.
"""

import re
from pathlib import Path
from typing import Any

from tests.gpu import watch
from tests.gpu.child import run_step
from tests.gpu.parts import engine_steps as steps
from tests.gpu.policies import tiny_policy
from tests.gpu.record import Record

ROLLOUT = "rollout.parquet"
"""In the folder of the results: responses of the starting policy with vLLM's log-probabilities."""
_ERRORS = re.compile(r"CUDA Error|cumem_allocator|Traceback \(most recent call last\)|core dumped|EngineDeadError")
LIMITS = {"first": 270.0, "float32": 90.0, "bare": 150.0, "second": 150.0}
"""Seconds after which a step is killed, so that the next one has its turn."""
_LEAST_SECONDS = {"bare": 60.0, "conformance": 40.0}
"""A step is left out if the part has less time left."""


def run(record: Record) -> None:
    with record.measuring("first start, answers, sleep and close"):
        _first(record)
    with record.measuring("log-probabilities against transformers in float32"):
        _float32(record)
    if not record.small or record.options.engine == "vllm":
        with record.measuring("bare vLLM on the same requests"):
            _bare(record)
    else:
        record.leave_out("bare vLLM", "vLLM is not installed here")
    with record.measuring("second start, and the rules of engines"):
        _second(record)
    if record.small:
        record.leave_out("speed against bare vLLM, cold and warm start as checks", "only a GPU can show them")


def common(record: Record) -> dict[str, Any]:
    """Return the arguments that all steps take."""
    options = record.options
    return {"model": str(options.model), "kind": options.engine, "small": options.small}


def answer(record: Record, function: Any, **more: Any) -> dict[str, Any]:
    """Run the step `answer_all`, which leaves the rollout."""
    rollout = str(record.options.out / ROLLOUT)
    return run_step(record, function, **common(record), rollout=rollout, **more)


def _first(record: Record) -> None:
    found = answer(record, steps.answer_all, limit=LIMITS["first"])
    record.figure("cold_first_token_s", found["first_token_s"])
    record.figure("tokens_per_second", found["tokens_per_second"])
    record.figure("responses", found["responses"])
    record.figure("mean_tokens", found["mean_tokens"])
    if found["same_instance"] is not None:
        record.figure("share_of_own_llm_generate", found["tokens_per_second"] / found["same_instance"])
    # Float32 on a CPU keeps the promise to the token; in bfloat16 a near tie may be decided by its neighbours.
    wanted = 1.0 if record.small else 0.9
    record.at_least("alone_equal_share", found["alone"]["equal"], wanted, decides=record.small)
    record.at_least("alone_equal_first_tokens_share", found["alone"]["equal_first"], wanted)
    record.at_least("after_sleep_equal_share", found["after_sleep"]["equal"], wanted, decides=record.small)
    record.at_least("after_sleep_equal_first_tokens_share", found["after_sleep"]["equal_first"], wanted)
    record.figure("reload_s", found["reload_s"])
    asleep = watch.memory_gib(record.options.out, *found["asleep"])
    if record.small or asleep is None:
        record.leave_out("memory while asleep", "it needs a GPU and nvidia-smi")
    else:
        record.figure("card_memory_asleep_gib", asleep)
    record.figure("close_s", found["close_s"])
    _check_output(record, "closes_without_errors", found["output"])


def _check_output(record: Record, name: str, output: str) -> None:
    lines = [line.strip() for line in output.splitlines() if _ERRORS.search(line)]
    record.check(name, not lines, lines[:3], "no line about an error")


def _float32(record: Record) -> None:
    rollout = record.options.out / ROLLOUT
    found = run_step(
        record, steps.compare_float32, model=str(record.options.model), rollout=str(rollout), limit=LIMITS["float32"]
    )
    record.at_most("gap_to_float32_mean", found["mean"], 1e-4 if record.small else 0.015)
    for name in ("max", "p99"):
        record.figure(f"gap_to_float32_{name}", found[name])
    record.figure("gap_to_float32_tokens", found["tokens"])


def _bare(record: Record) -> None:
    if not record.small and record.seconds_left() < _LEAST_SECONDS["bare"]:
        record.leave_out("bare vLLM", "no time was left")
        return
    ours = record.figures.get("tokens_per_second")
    found = run_step(record, steps.answer_bare, **common(record), limit=LIMITS["bare"])
    record.figure("bare_tokens_per_second", found["same"])
    record.figure("bare_without_seeds_tokens_per_second", found["plain"])
    record.figure("bare_n_tokens_per_second", found["n"])
    record.figure("bare_first_token_s", found["first_token_s"])
    if ours is not None:
        record.at_least("ratio_to_bare", ours / found["same"], 0.95, decides=not record.small)


def _second(record: Record) -> None:
    if not record.small and record.seconds_left() < _LEAST_SECONDS["conformance"]:
        record.leave_out("conformance, warm start", "no time was left")
        return
    policy = tiny_policy(record.folder / "tiny")
    found = run_step(record, steps.follow_rules, **common(record), tiny=str(policy), limit=LIMITS["second"])
    record.at_most("warm_first_token_s", found["first_token_s"], 25.0, decides=not record.small)
    if not found["rules"]:
        record.leave_out("conformance", found["why_no_rules"])
        return
    failed = {name: error for name, error in found["rules"].items() if error is not None}
    record.figure("rules_kept", f"{len(found['rules']) - len(failed)} of {len(found['rules'])}")
    record.check("conformance", not failed, failed or "all rules kept", "all rules kept, float32")
    for name in found["left_out"]:
        record.leave_out(f"conformance: {name}", "it starts a second vLLM on the card")
    if found["rules_traceback"]:
        (record.folder / "traceback.txt").open("a").write(found["rules_traceback"])


def rollout_of(record: Record) -> Path:
    """Return responses of the starting policy with the engine's log-probabilities; have them written if needed."""
    path = record.options.out / ROLLOUT
    if not path.exists():
        record.note("the engine writes responses, because part engine has left none")
        answer(record, steps.answer_some)
    return path
