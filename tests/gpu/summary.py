"""OUT/summary.md: what passed, what did not and why; each figure next to what is wanted and what was seen before."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.gpu.registry import ARMS, REGULAR, part_name
from tests.gpu.runner import read_results

BASELINE = "H200, 2026-11-27, torch 2.13.0, vLLM 0.32.0, before this check existed"
SEEN_BEFORE = {
    "engine.cold_first_token_s": "115",
    "engine.tokens_per_second": "10,600",
    "rules.bare_tokens_per_second": "20,100 (one request each), 22,700 (n=16)",
    "engine.gap_to_float32_mean": "0.006 (trainer to vLLM)",
    "trainer.first_step_ratio": "1.0000",
    "trainer.gap_to_vllm_mean": "0.006",
    "trainer.around_the_steps_s": "27",
    "trainer.card_memory_after_update_gib": "9.5 held by the trainer",
    "trainer.utilisation 0.5B 8k tokens": "0.16",
    "trainer.utilisation 0.5B 32k tokens": "0.25",
    "trainer.utilisation 1.5B 16k tokens": "0.40",
    "trainer.utilisation 1.5B 16k tokens, not compiled": "0.33",
    "trainer.utilisation 1.5B 16k tokens, checkpointing": "0.33",
    "trainer.peak_gib 1.5B 16k tokens": "44",
    "trainer.peak_gib 1.5B 16k tokens, checkpointing": "19",
    "iteration.gpu_busy_percent": "15 to 25 while sampling",
}
"""Figure -> what was seen at the time of `BASELINE`."""


def write_summary(out: Path) -> None:
    """Write OUT/summary.md anew from the results so far."""
    partial = out / f"summary.md.{os.getpid()}"
    partial.write_text("\n".join(lines(out)) + "\n")
    partial.replace(out / "summary.md")


def lines(out: Path) -> Iterator[str]:
    """Yield the lines of the summary."""
    results = read_results(out)
    versions = _read(out / "versions.json")
    yield "# Check of a GPU machine"
    yield ""
    if any(result.get("small") for result in results.values()):
        yield "**Small form on a CPU: it shows that the code runs, and nothing about a GPU.**"
        yield ""
    yield ", ".join(f"{name} {_text(value)}" for name, value in versions.items())
    yield ""
    yield "| part | result | seconds | why not |"
    yield "|---|---|---|---|"
    for part in REGULAR:
        yield _line_of_part(part.name, results.get(part.name))
    yield from (_line_of_part(name, result) for name, result in results.items() if name not in _names())
    if any(part_name(arm) in results for arm in ARMS):
        from tests.gpu import learning  # imports what no other part needs here

        yield from learning.lines(out)
    yield from _failed_checks(results)
    yield from _table_of_figures(results)
    yield from _left_out(results)


def _names() -> set[str]:
    return {part.name for part in REGULAR}


def _line_of_part(name: str, result: dict[str, Any] | None) -> str:
    if result is None:
        return f"| {name} | not done | | |"
    failed = [check["name"] for check in result["checks"] if not check["passed"]]
    why = "; ".join(filter(None, (result["error"], f"checks: {', '.join(failed)}" if failed else "")))
    verdict = "passed" if result["passed"] else "**failed**"
    if unfinished := result.get("unfinished"):
        verdict += f", unfinished: {unfinished}"
    return f"| {name} | {verdict} | {result['seconds']:.0f} | {_cell(why)} |"


def _failed_checks(results: dict[str, dict[str, Any]]) -> Iterator[str]:
    rows = [(name, check) for name, result in results.items() for check in result["checks"] if not check["passed"]]
    if not rows:
        return
    yield from ("", "## What did not pass", "", "| part | check | seen | wanted |", "|---|---|---|---|")
    for name, check in rows:
        yield f"| {name} | {check['name']} | {_cell(_text(check['seen']))} | {_cell(check['wanted'])} |"
    for name, result in results.items():
        if result["traceback"]:
            yield from ("", f"Traceback of {name}: `{result['traceback']}`")


def _table_of_figures(results: dict[str, dict[str, Any]]) -> Iterator[str]:
    yield from ("", "## Figures", "", f"Seen before: {BASELINE}.", "")
    yield from ("| figure | seen | wanted | seen before |", "|---|---|---|---|")
    for name, result in results.items():
        wanted = {check["name"]: check["wanted"] for check in result["checks"]}
        for figure, value in result["figures"].items():
            before = SEEN_BEFORE.get(f"{name}.{figure}", "")
            yield f"| {name}.{figure} | {_cell(_text(value))} | {_cell(wanted.get(figure, ''))} | {before} |"


def _left_out(results: dict[str, dict[str, Any]]) -> Iterator[str]:
    rows = [f"- {name}: {_cell(what)}" for name, result in results.items() for what in result["left_out"]]
    if rows:
        yield from ("", "## Left out", "", *rows)


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(part)}" for name, part in value.items())
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"
    return str(value)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _read(path: Path) -> dict[str, Any]:
    try:
        values: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return values
