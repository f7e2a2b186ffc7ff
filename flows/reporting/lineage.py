"""Lineage: which stage read which artifacts and wrote which, from the manifests of a run's newest revision."""

import textwrap
from collections.abc import Iterator, Mapping
from graphlib import TopologicalSorter
from itertools import groupby
from typing import Any

from flows.reporting.number_format import size_text
from stages.evaluate import EVALUATE
from storage.artifact import Manifest, Output
from storage.fingerprint import short
from storage.run import Run

WIDTH = 110
"""Columns of the drawing."""

_UNBROKEN_SPACE = "\N{NO-BREAK SPACE}"
"""Replaces spaces at which a line may not be broken."""


def lineage(run: Run) -> dict[str, Any]:
    """Return the stages of the newest revision with their inputs and outputs, ordered as in `producers`.

    `rows` is None for weights. `stage` and `iteration` of an input are None if the revision has no producer of that
    input.
    """
    manifests = producers(run)
    return {"run": run.store.uri, "nodes": [_node(manifest, manifests) for manifest in manifests.values()]}


def producers(run: Run) -> dict[str, Manifest]:
    """Return the manifests of the newest revision by key, in the order in which an uninterrupted run writes them."""
    return {manifest.key: manifest for number in run.iterations for manifest in _in_order(run.manifests(number))}


def draw_lineage(run: Run) -> str:
    """Return the lineage for a terminal: the outputs of each stage and, after an arrow, the inputs."""
    values = lineage(run)
    name_width = max((len(node["stage"]) for node in values["nodes"]), default=0)
    lines = [values["run"]]
    for iteration, nodes in groupby(values["nodes"], key=lambda node: node["iteration"]):
        lines += ["", f"iteration {iteration}"]
        for node in nodes:
            lines += _stage_lines(node, name_width)
    return "\n".join([*lines, *_version_lines(values["nodes"])])


def split_input(identity: str) -> tuple[str, str]:
    """Return (kind, key) of an input of a manifest, which is stored as `kind:key`."""
    kind, _, key = identity.partition(":")
    return kind, key


def _in_order(manifests: Mapping[str, Manifest]) -> list[Manifest]:
    """Sort the stages of an iteration so that each comes after the stages it reads from.

    A stored revision has the stages sorted by name.
    """
    stage_of = {manifest.key: stage for stage, manifest in sorted(manifests.items())}
    sources = {
        stage: [stage_of[key] for _, key in map(split_input, manifests[stage].inputs.values()) if key in stage_of]
        for stage in stage_of.values()
    }
    # After a skipped update the evaluation reads nothing of its iteration, but still comes last.
    order = sorted(TopologicalSorter(sources).static_order(), key=lambda stage: stage == EVALUATE.name)
    return [manifests[stage] for stage in order]


def _node(manifest: Manifest, manifests: Mapping[str, Manifest]) -> dict[str, Any]:
    return {
        "stage": manifest.name,
        "iteration": manifest.iteration,
        "key": short(manifest.key),
        "code": manifest.code,
        "inputs": {name: _source(*split_input(identity), manifests) for name, identity in manifest.inputs.items()},
        "outputs": {kind: _contents(output) for kind, output in manifest.outputs.items()},
    }


def _source(kind: str, key: str, manifests: Mapping[str, Manifest]) -> dict[str, Any]:
    producer = manifests.get(key)
    return {
        "kind": kind,
        "stage": producer.name if producer else None,
        "iteration": producer.iteration if producer else None,
        "key": short(key),
    }


def _contents(output: Output) -> dict[str, int | None]:
    return {
        "rows": None if output.columns is None else output.rows,
        "files": len(output.files),
        "bytes": sum(file.bytes for file in output.files),
    }


def _stage_lines(node: Mapping[str, Any], name_width: int) -> list[str]:
    first = f"  {node['stage']:<{name_width}}  {node['key']}  "
    margin = " " * len(first)
    outputs = [f"{kind} {_amount(contents)}" for kind, contents in node["outputs"].items()]
    sources = list(_sources(node["inputs"]))
    return [*_wrapped(outputs, first, margin), *_wrapped(sources, f"{margin}<- ", f"{margin}   ")]


def _wrapped(parts: list[str], first: str, following: str) -> list[str]:
    """Join the parts with commas and break lines between parts only."""
    wrapper = textwrap.TextWrapper(WIDTH, first, following, break_long_words=False, break_on_hyphens=False)
    lines = wrapper.wrap(", ".join(part.replace(" ", _UNBROKEN_SPACE) for part in parts))
    return [line.replace(_UNBROKEN_SPACE, " ") for line in lines]


def _amount(contents: Mapping[str, Any]) -> str:
    return size_text(contents["bytes"]) if contents["rows"] is None else f"{contents['rows']:,}"


def _sources(inputs: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield the inputs of each producer, such as `rewards + votes (1 vote_rewards)`, the latest iteration first."""
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
    """Return lines that say which versions of the code wrote which stages; none if there was one version only."""
    by_version: dict[str, list[str]] = {}
    for node in nodes:
        by_version.setdefault(node["code"], []).append(f"{node['iteration']} {node['stage']}")
    if len(by_version) < 2:
        return []
    return [
        "",
        f"written by {len(by_version)} versions of serl",
        *(f"  {code}: {len(stages)} (first {stages[0]}, last {stages[-1]})" for code, stages in by_version.items()),
    ]
