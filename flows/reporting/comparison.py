"""Comparison of two runs: settings that differ, results by iteration, and the first stage that differs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl
from rich.console import Group
from rich.table import Table
from rich.text import Text

from flows.config.diff import differences, flatten
from flows.reporting.lineage import producers, split_input
from flows.reporting.number_format import MISSING, number_text
from flows.reporting.results import iteration_results
from flows.reporting.terminal_tables import plain_table
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
"""Names of the compared values of each iteration, as in `flows.reporting.results.iteration_results`."""

LOCATION_SETTINGS = ("name", "root")
"""Settings that say where a run lies; they are not compared."""

ManifestPair = tuple[Manifest, Manifest]
"""Manifests of the same stage and iteration, of the first and of the second run."""


def compare(first: Run, second: Run) -> dict[str, Any]:
    """Return the differences of two runs as plain values.

    In every pair of values the first is that of `first`, and None stands for a value that a run does not have.

    Returns:
        `settings`: (dotted name, value, value) of each setting that differs.
        `results`: a row for each iteration of either run.
        `diverges`: the first stage whose key differs between the runs, with the reason; None if no key differs.
        `unequal_outputs`: (iteration, stage) of the stages with equal keys and different outputs. Rounding on another
        machine can cause these; usually there are none.
    """
    first_manifests, second_manifests = _by_iteration_and_stage(first), _by_iteration_and_stage(second)
    pairs = [(first_manifests[key], second_manifests[key]) for key in first_manifests if key in second_manifests]
    return {
        "settings": [list(change) for change in differences(_settings(first), _settings(second))],
        "results": _results(first, second),
        "diverges": _divergence(pairs, first, second),
        "unequal_outputs": [
            [manifest.iteration, manifest.name]
            for manifest, counterpart in pairs
            if manifest.key == counterpart.key and not _same_contents(manifest, first, counterpart, second)
        ],
    }


def draw_comparison(first: Run, second: Run) -> Group:
    """Return the comparison for a terminal of 80 columns. Of the results, only some columns are shown."""
    comparison = compare(first, second)
    settings, results = comparison["settings"], comparison["results"]
    return Group(
        Text(f"first   {first.store.uri}\nsecond  {second.store.uri}\n"),
        _settings_table(settings) if settings else Text("The settings are the same."),
        Text(),
        _results_table(results),
        Text("\n".join(["", _seconds_line(results), *_divergence_lines(comparison)])),
    )


def _by_iteration_and_stage(run: Run) -> dict[tuple[int, str], Manifest]:
    return {(manifest.iteration, manifest.name): manifest for manifest in producers(run).values()}


def _settings(run: Run) -> dict[str, Any]:
    return flatten({name: value for name, value in run.config.items() if name not in LOCATION_SETTINGS})


def _results(first: Run, second: Run) -> list[dict[str, Any]]:
    nothing = dict.fromkeys(MEASURES)
    rows = []
    for number in sorted({*first.iterations, *second.iterations}):
        first_results, second_results = (
            iteration_results(run, number) if number in run.iterations else nothing for run in (first, second)
        )
        rows.append({"iteration": number, **{name: [first_results[name], second_results[name]] for name in MEASURES}})
    return rows


def _divergence(pairs: Sequence[ManifestPair], first: Run, second: Run) -> dict[str, Any] | None:
    """Return the first stage whose key differs between the runs, and the reason; None if no key differs."""
    for manifest, counterpart in pairs:
        if manifest.key != counterpart.key:
            reasons = [
                f"{name} is {first_value} in the first, {second_value} in the second"
                for name, first_value, second_value in differences(
                    flatten(manifest.config), flatten(counterpart.config)
                )
            ]
            reasons += _input_reasons(manifest, first, counterpart, second)
            if (manifest.seed, manifest.branch) != (counterpart.seed, counterpart.branch):
                reasons.append("another seed" if reasons else "same settings, another seed")
            reason = "; ".join(reasons) or "same settings, another version of the stage"
            return {"iteration": manifest.iteration, "stage": manifest.name, "reason": reason}
    return None


def _input_reasons(manifest: Manifest, first: Run, counterpart: Manifest, second: Run) -> Iterator[str]:
    for name, first_input, second_input in differences(manifest.inputs, counterpart.inputs):
        first_origin, second_origin = _origin(first_input, first), _origin(second_input, second)
        if first_origin == second_origin:
            yield f"its input {name} is another one"
        else:
            yield f"its input {name} is from {first_origin} in the first, from {second_origin} in the second"


def _origin(identity: str | None, run: Run) -> str:
    """Return the iteration and stage that wrote an input of a stage."""
    if identity is None:
        return "nowhere"
    producer = producers(run).get(split_input(identity)[1])
    return f"{producer.iteration} {producer.name}" if producer else "another run"


def _same_contents(manifest: Manifest, first: Run, counterpart: Manifest, second: Run) -> bool:
    for kind, output in manifest.outputs.items():
        other_output = counterpart.outputs[kind]
        if _digests(output) == _digests(other_output):
            continue
        if output.folder is not None or not _sorted_rows(first, output).equals(_sorted_rows(second, other_output)):
            return False
    return True


def _sorted_rows(run: Run, table: Output) -> pl.DataFrame:
    """Return the rows sorted: how a table is cut into parts changes its bytes and the order of rows, but no row."""
    rows = read_parts(run.store, table)
    return rows.sort(rows.columns)


def _digests(output: Output) -> list[str]:
    return sorted(file.sha256 for file in output.files)


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
    first_accuracy, second_accuracy = row["pass1_sampled"]
    both_measured = None not in (first_accuracy, second_accuracy)
    yield f"{100 * (second_accuracy - first_accuracy):+.1f}" if both_measured else MISSING
    for name, form in (("maj_k", ".3f"), ("kept", "d")):
        yield from (number_text(value, form) for value in row[name])


def _seconds_line(results: Sequence[Mapping[str, Any]]) -> str:
    first_sum, second_sum = (sum(row["seconds"][side] or 0 for row in results) for side in (0, 1))
    return f"All stages together took {first_sum:,.1f} s in the first, {second_sum:,.1f} s in the second."


def _divergence_lines(comparison: Mapping[str, Any]) -> Iterator[str]:
    if divergence := comparison["diverges"]:
        yield f"The runs diverge at iteration {divergence['iteration']}, {divergence['stage']}: {divergence['reason']}."
    else:
        yield "The runs do not diverge: stages of both had the same settings and inputs."
    if unequal := comparison["unequal_outputs"]:
        (iteration, stage), more = unequal[0], f" and {len(unequal) - 1} more" if unequal[1:] else ""
        yield f"Same settings and inputs, but other outputs (rounding on another machine?): {iteration} {stage}{more}."
    else:
        yield "Stages with the same settings and inputs have the same outputs."
