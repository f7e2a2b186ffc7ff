"""Part `engine`: a cold and a warm start, speed, seeds, log-probabilities, sleep, closing.

Each step is a process of its own (`engine_steps`), as each start of vLLM is in a run.
"""

import re
from pathlib import Path
from typing import Any

from tests.gpu import watch
from tests.gpu.child import run_recorded_step, run_step
from tests.gpu.parts import engine_steps as steps
from tests.gpu.record import Record

ROLLOUT = "rollout.parquet"
"""In the folder of the results: responses of the starting policy with vLLM's log-probabilities."""
_ERRORS = re.compile(r"CUDA Error|cumem_allocator|Traceback \(most recent call last\)|core dumped|EngineDeadError")
LIMITS = {"first": 250.0, "float32": 75.0, "again": 120.0}
"""Seconds after which a step is killed, so that the next one has its turn."""


def run(record: Record) -> None:
    with record.measuring("first start, answers, sleep and close"):
        _first(record)
    with record.measuring("log-probabilities against transformers in float32"):
        _float32(record)
    if record.small:
        record.leave_out("cold and warm start, and speed, as checks", "only a GPU can show them")
    else:
        with record.measuring("second start"):
            _again(record)


def common(record: Record) -> dict[str, Any]:
    """Return the arguments that all steps take."""
    options = record.options
    return {"model": str(options.model), "kind": options.engine, "small": options.small}


def _first(record: Record) -> None:
    rollout = str(record.options.out / ROLLOUT)
    found = run_recorded_step(
        record, steps.answer_all, _figures_of_first, **common(record), rollout=rollout, limit=LIMITS["first"]
    )
    asleep = watch.memory_gib(record.options.out, *found["asleep"])
    if record.small or asleep is None:
        record.leave_out("memory while asleep", "it needs a GPU and nvidia-smi")
    else:
        record.figure("card_memory_asleep_gib", asleep)
    _check_output(record, "closes_without_errors", found["output"])


def _figures_of_first(record: Record, found: dict[str, Any]) -> None:
    """Record what the step `answer_all` has measured, which is a part of it if the step has failed."""
    if "first_token_s" in found:
        record.figure("cold_first_token_s", found["first_token_s"])
    for name in ("tokens_per_second", "responses", "mean_tokens", "reload_s", "close_s"):
        if name in found:
            record.figure(name, found[name])
    if (theirs := found.get("same_instance")) is not None:
        record.figure("own_llm_generate_tokens_per_second", theirs)
        share = found["tokens_per_second"] / theirs
        record.at_least("share_of_own_llm_generate", share, 0.95, decides=not record.small)
    # Float32 on a CPU keeps the promise to the token; in bfloat16 a near tie may be decided by its neighbours.
    wanted = 1.0 if record.small else 0.9
    for name in ("alone", "after_sleep"):
        if name in found:
            record.at_least(f"{name}_equal_share", found[name]["equal"], wanted, decides=record.small)
            record.at_least(f"{name}_equal_first_tokens_share", found[name]["equal_first"], wanted)


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


def _again(record: Record) -> None:
    found = run_recorded_step(record, steps.start_again, _warm, **common(record), limit=LIMITS["again"])
    record.figure("close_asleep_s", found["close_s"])
    _check_output(record, "closes_asleep_without_errors", found["output"])


def _warm(record: Record, found: dict[str, Any]) -> None:
    if "first_token_s" in found:
        record.at_most("warm_first_token_s", found["first_token_s"], 25.0)


def rollout_of(record: Record) -> Path:
    """Return responses of the starting policy with the engine's log-probabilities; have them written if needed."""
    path = record.options.out / ROLLOUT
    if not path.exists():
        record.note("the engine writes responses, because part engine has left none")
        run_step(record, steps.answer_some, **common(record), rollout=str(path))
    return path
