"""Which artifact came from which, as the manifests of a run's newest revision say."""

import textwrap
from collections.abc import Iterator, Mapping
from graphlib import TopologicalSorter
from itertools import groupby
from typing import Any

from flows.reporting.text import size_text
from stages.evaluate import EVALUATE
from storage.artifact import Manifest, Output
from storage.fingerprint import short
from storage.run import Run

WIDTH = 110
"""Columns of the drawing."""

_GLUE = "\N{NO-BREAK SPACE}"  # holds together what no line is to be broken at


def lineage(run: Run) -> dict[str, Any]:
    """Every current stage execution in the order of the run: what it read, from whom, and what it wrote.

    `rows` is None for weights; `stage` and `iteration` of an input are None where the revision knows no such producer.
    """
    found = producers(run)
    return {"run": run.store.uri, "nodes": [_node(manifest, found) for manifest in found.values()]}


def producers(run: Run) -> dict[str, Manifest]:
    """The manifest behind every key of the newest revision, in the order in which an uninterrupted run writes them."""
    return {manifest.key: manifest for number in run.iterations for manifest in _in_order(run.manifests(number))}


def draw_lineage(run: Run) -> str:
    """The lineage for a terminal: per stage its outputs, and below them, behind an arrow, what they were made from."""
    values = lineage(run)
    names = max((len(node["stage"]) for node in values["nodes"]), default=0)
    lines = [values["run"]]
    for iteration, nodes in groupby(values["nodes"], key=lambda node: node["iteration"]):
        lines += ["", f"iteration {iteration}"]
        for node in nodes:
            lines += _stage_lines(node, names)
    return "\n".join([*lines, *_version_lines(values["nodes"])])


def split_input(identity: str) -> tuple[str, str]:
    """(kind, key) of an input as a manifest holds it, `kind:key`."""
    kind, _, key = identity.partition(":")
    return kind, key


def _in_order(manifests: Mapping[str, Manifest]) -> list[Manifest]:
    """What a stage reads comes before it. A stored revision has the stages by name."""
    stage_of = {manifest.key: stage for stage, manifest in sorted(manifests.items())}
    reads = {
        stage: [stage_of[key] for _, key in map(split_input, manifests[stage].inputs.values()) if key in stage_of]
        for stage in stage_of.values()
    }
    # After a skipped update the evaluation reads nothing of its iteration, but still comes last.
    order = sorted(TopologicalSorter(reads).static_order(), key=lambda stage: stage == EVALUATE.name)
    return [manifests[stage] for stage in order]


def _node(manifest: Manifest, found: Mapping[str, Manifest]) -> dict[str, Any]:
    return {
        "stage": manifest.stage,
        "iteration": manifest.iteration,
        "key": short(manifest.key),
        "code": manifest.code,
        "inputs": {name: _source(*split_input(identity), found) for name, identity in manifest.inputs.items()},
        "outputs": {kind: _contents(output) for kind, output in manifest.outputs.items()},
    }


def _source(kind: str, key: str, found: Mapping[str, Manifest]) -> dict[str, Any]:
    producer = found.get(key)
    place = (
        {"stage": producer.stage, "iteration": producer.iteration} if producer else {"stage": None, "iteration": None}
    )
    return {"kind": kind, **place, "key": short(key)}


def _contents(output: Output) -> dict[str, int | None]:
    return {
        "rows": None if output.columns is None else output.rows,
        "files": len(output.files),
        "bytes": sum(file.bytes for file in output.files),
    }


def _stage_lines(node: Mapping[str, Any], names: int) -> list[str]:
    first = f"  {node['stage']:<{names}}  {node['key']}  "
    margin = " " * len(first)
    outputs = [f"{kind} {_amount(contents)}" for kind, contents in node["outputs"].items()]
    sources = list(_sources(node["inputs"]))
    return [*_wrapped(outputs, first, margin), *_wrapped(sources, f"{margin}<- ", f"{margin}   ")]


def _wrapped(parts: list[str], first: str, following: str) -> list[str]:
    """The parts with commas between them, broken between parts alone."""
    wrapper = textwrap.TextWrapper(WIDTH, first, following, break_long_words=False, break_on_hyphens=False)
    lines = wrapper.wrap(", ".join(part.replace(" ", _GLUE) for part in parts))
    return [line.replace(_GLUE, " ") for line in lines]


def _amount(contents: Mapping[str, Any]) -> str:
    return size_text(contents["bytes"]) if contents["rows"] is None else f"{contents['rows']:,}"


def _sources(inputs: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """`rewards + votes (1 vote_rewards)`: the inputs by their producer, what is nearest first."""
    by_producer: dict[str, list[str]] = {}
    for name, source in sorted(inputs.items(), key=lambda item: -(item[1]["iteration"] or 0)):
        if source["stage"]:
            producer = f"{source['iteration']} {source['stage']}"
        else:
            producer = f"{source['key']}, not of this run"
        by_producer.setdefault(producer, []).append(name if name == source["kind"] else f"{source['kind']} as {name}")
    for producer, names in by_producer.items():
        yield f"{' + '.join(names)} ({producer})"


def _version_lines(nodes: list[dict[str, Any]]) -> list[str]:
    """Which versions of the code wrote what, where there was more than one."""
    written: dict[str, list[str]] = {}
    for node in nodes:
        written.setdefault(node["code"], []).append(f"{node['iteration']} {node['stage']}")
    if len(written) < 2:
        return []
    return [
        "",
        f"written by {len(written)} versions of serl",
        *(f"  {code}: {len(stages)} (first {stages[0]}, last {stages[-1]})" for code, stages in written.items()),
    ]
