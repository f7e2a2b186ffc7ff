"""Part `rules`: the speed of bare vLLM under its own defaults, and the rules that all engines keep."""

from typing import Any

from tests.gpu.child import run_recorded_step
from tests.gpu.parts import engine_steps as steps
from tests.gpu.parts.engine import common
from tests.gpu.record import Record
from tests.gpu.runner import read_results

LIMITS = {"bare": 190.0, "rules": 150.0}
"""Seconds after which a step is killed."""
_LEAST_SECONDS = {"bare": 90.0, "rules": 60.0}
"""A step is left out if the part has less time left."""


def run(record: Record) -> None:
    if record.small and record.options.engine != "vllm":
        record.leave_out("bare vLLM", "vLLM is not installed here")
    elif not record.small and record.seconds_left() < _LEAST_SECONDS["bare"]:
        record.leave_out("bare vLLM", "no time was left")
    else:
        with record.measuring("bare vLLM on the requests of part engine"):
            _bare(record)
    if not record.small and record.seconds_left() < _LEAST_SECONDS["rules"]:
        record.leave_out("conformance", "no time was left")
    else:
        with record.measuring("the rules of engines"):
            _rules(record)
    if record.small:
        record.leave_out("speed against bare vLLM as a check", "only a GPU can show it")


def _bare(record: Record) -> None:
    run_recorded_step(record, steps.answer_bare, _figures_of_bare, **common(record), limit=LIMITS["bare"])


def _figures_of_bare(record: Record, found: dict[str, Any]) -> None:
    names = {
        "first_token_s": "bare_first_token_s", "same": "bare_tokens_per_second",
        "plain": "bare_without_seeds_tokens_per_second", "n": "bare_n_tokens_per_second",
    }  # fmt: skip
    for name, figure in names.items():
        if name in found:
            record.figure(figure, found[name])
    ours = _tokens_per_second_of_engine(record)
    if "same" in found and ours is not None:
        record.at_least("ratio_to_bare", ours / found["same"], 0.95, decides=not record.small)
    elif ours is None:
        record.leave_out("ratio_to_bare", "part engine has not measured its speed")


def _tokens_per_second_of_engine(record: Record) -> float | None:
    """Return what part `engine` has measured in this folder, None if it has not."""
    result = read_results(record.options.out).get("engine", {})
    if result.get("small") != record.small:
        return None
    speed: float | None = result.get("figures", {}).get("tokens_per_second")
    return speed


def _rules(record: Record) -> None:
    policy = str(record.folder / "tiny")
    found = run_recorded_step(
        record, steps.follow_rules, _figures_of_rules, **common(record), tiny=policy, limit=LIMITS["rules"]
    )
    if not found["rules"]:
        record.leave_out("conformance", found["why_no_rules"])


def _figures_of_rules(record: Record, found: dict[str, Any]) -> None:
    """Record which rules were kept, if any were tried."""
    if not found.get("rules"):
        return
    failed = {name: error for name, error in found["rules"].items() if error is not None}
    record.figure("rules_kept", f"{len(found['rules']) - len(failed)} of {len(found['rules'])}")
    record.check("conformance", not failed, failed or "all rules kept", "all rules kept, float32")
    for name in found["left_out"]:
        record.leave_out(f"conformance: {name}", "it starts a second vLLM on the card or loads another policy")
    if found["rules_traceback"]:
        (record.folder / "traceback.txt").open("a").write(found["rules_traceback"])
