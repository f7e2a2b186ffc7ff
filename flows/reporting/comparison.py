"""Two runs side by side: where their settings differ, what came out, and at which stage they part."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl
from rich.console import Group
from rich.table import Table
from rich.text import Text

from flows.config.diff import differences, flatten
from flows.reporting.lineage import producers, split_input
from flows.reporting.results import iteration_results
from flows.reporting.tables import plain_table
from flows.reporting.text import MISSING, number_text
from storage.artifact import Manifest, Output
from storage.reader import read_parts
from storage.run import Run

MEASURES = (
    "pass1_sampled",
    "pass1_sampled_interval",
    "pass1_greedy",
    "maj_k",
    "accepted",
    "kept",
    "vote_share",
    "kl",
    "seconds",
)
"""What is compared of each iteration, by its name in `flows.reporting.results.iteration_results`."""

OWN = ("name", "root")
"""Settings that say where a run lies, not what it does."""


Pair = tuple[Manifest, Manifest]


def compare(first: Run, second: Run) -> dict[str, Any]:
    """Plain values; of every pair the first is of `first`, and None where that run has none.

    `settings`: (dotted name, value, value) of what differs. `results`: a row per iteration of either run. `diverges`:
    the first stage of both that has another key, with the reason. `unequal_outputs`: (iteration, stage) of equal keys
    whose outputs still hold something else, as they may on another machine; empty where all are the same.
    """
    made, others = _by_place(first), _by_place(second)
    common = [(made[place], others[place]) for place in made if place in others]
    return {
        "settings": [list(change) for change in differences(_settings(first), _settings(second))],
        "results": _results(first, second),
        "diverges": _divergence(common, first, second),
        "unequal_outputs": [
            [one.iteration, one.stage]
            for one, other in common
            if one.key == other.key and not _same_contents(one, first, other, second)
        ],
    }


def _by_place(run: Run) -> dict[tuple[int, str], Manifest]:
    return {(manifest.iteration, manifest.stage): manifest for manifest in producers(run).values()}


def _settings(run: Run) -> dict[str, Any]:
    return flatten({name: value for name, value in run.config.items() if name not in OWN})


def _results(first: Run, second: Run) -> list[dict[str, Any]]:
    none = dict.fromkeys(MEASURES)
    rows = []
    for number in sorted({*first.iterations, *second.iterations}):
        one, other = (iteration_results(run, number) if number in run.iterations else none for run in (first, second))
        rows.append({"iteration": number, **{name: [one[name], other[name]] for name in MEASURES}})
    return rows


def _divergence(common: Sequence[Pair], first: Run, second: Run) -> dict[str, Any] | None:
    for one, other in common:
        if one.key != other.key:
            reasons = [
                f"{name} is {was} in the first, {now} in the second"
                for name, was, now in differences(flatten(one.config), flatten(other.config))
            ]
            reasons += _input_reasons(one, first, other, second)
            if (one.seed, one.branch) != (other.seed, other.branch):
                reasons.append("another seed" if reasons else "same settings, another seed")
            reason = "; ".join(reasons) or "same settings, another version of the stage"
            return {"iteration": one.iteration, "stage": one.stage, "reason": reason}
    return None


def _input_reasons(one: Manifest, first: Run, other: Manifest, second: Run) -> Iterator[str]:
    for name, was, now in differences(one.inputs, other.inputs):
        origins = _origin(was, first), _origin(now, second)
        if origins[0] == origins[1]:
            yield f"its input {name} is another one"
        else:
            yield f"its input {name} is from {origins[0]} in the first, from {origins[1]} in the second"


def _origin(identity: str | None, run: Run) -> str:
    if identity is None:
        return "nowhere"
    producer = producers(run).get(split_input(identity)[1])
    return f"{producer.iteration} {producer.stage}" if producer else "another run"


def _same_contents(one: Manifest, first: Run, other: Manifest, second: Run) -> bool:
    for kind, output in one.outputs.items():
        twin = other.outputs[kind]
        if _digests(output) == _digests(twin):
            continue
        if output.folder is not None or not _rows(first, output).equals(_rows(second, twin)):
            return False
    return True


def _rows(run: Run, table: Output) -> pl.DataFrame:
    """In an order of their own: how a table is cut into parts changes bytes and the order of rows, but no row."""
    rows = read_parts(run.store, table)
    return rows.sort(rows.columns)


def _digests(output: Output) -> list[str]:
    return sorted(file.sha256 for file in output.files)


def draw_comparison(first: Run, second: Run) -> Group:
    """The comparison for a terminal; fits into 80 columns. Of the results, accuracies and questions kept."""
    found = compare(first, second)
    return Group(
        Text(f"first   {first.store.uri}\nsecond  {second.store.uri}\n"),
        _settings_table(found["settings"]) if found["settings"] else Text("The settings are the same."),
        Text(),
        _results_table(found["results"]),
        Text("\n".join(["", _seconds_line(found["results"]), *_parting_lines(found)])),
    )


def _settings_table(settings: Sequence[Sequence[Any]]) -> Table:
    table = plain_table("Settings that differ")
    table.add_column("setting", no_wrap=True)
    table.add_column("first", overflow="fold")
    table.add_column("second", overflow="fold")
    for name, *values in settings:
        table.add_row(name, *(Text(MISSING if value is None else str(value)) for value in values))
    return table


def _results_table(results: Sequence[dict[str, Any]]) -> Table:
    table = plain_table("Accuracy on held-out problems")
    for name in (
        *("it", "first\npass@1", "\n95 %", "second\npass@1", "\n95 %", "\npoints"),
        *("first\nmaj@k", "second\nmaj@k", "first\nkept", "second\nkept"),
    ):
        table.add_column(name, justify="right", no_wrap=True)
    for row in results:
        table.add_row(*_cells(row))
    return table


def _cells(row: Mapping[str, Any]) -> Iterator[str]:
    yield str(row["iteration"])
    for accuracy, interval in zip(row["pass1_sampled"], row["pass1_sampled_interval"], strict=True):
        yield number_text(accuracy, ".3f")
        yield f"{interval[0]:.2f}–{interval[1]:.2f}" if interval else MISSING
    before, after = row["pass1_sampled"]
    yield MISSING if None in (before, after) else f"{100 * (after - before):+.1f}"
    for name, form in (("maj_k", ".3f"), ("kept", "d")):
        yield from (number_text(value, form) for value in row[name])


def _seconds_line(results: Sequence[Mapping[str, Any]]) -> str:
    sums = [sum(row["seconds"][side] or 0 for row in results) for side in (0, 1)]
    return f"All stages together took {sums[0]:,.1f} s in the first, {sums[1]:,.1f} s in the second."


def _parting_lines(found: Mapping[str, Any]) -> Iterator[str]:
    if place := found["diverges"]:
        yield f"They part at iteration {place['iteration']}, {place['stage']}: {place['reason']}."
    else:
        yield "They part nowhere: stages of both were made from the same settings and inputs."
    if other := found["unequal_outputs"]:
        (iteration, stage), more = other[0], f" and {len(other) - 1} more" if other[1:] else ""
        yield f"Made from the same, but not the same (rounding on another machine?): {iteration} {stage}{more}."
    else:
        yield "What was made from the same settings and inputs is the same."
