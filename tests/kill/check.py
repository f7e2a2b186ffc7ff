"""Compare a run that was killed many times with an undisturbed run, from files alone, without the software's code."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

COMPARED = ("stage", "iteration", "key", "seed", "inputs", "outputs", "metrics")
"""Fields of a manifest that must be equal; the version of the software may differ."""

ROW_KEYS = {
    "generations": ["prompt_id"],
    "candidates": ["candidate_id"],
    "accepted": ["question_id"],
    "responses": ["question_id", "sample_index"],
    "rewards": ["question_id", "sample_index"],
    "votes": ["question_id"],
    "chosen": ["question_id"],
    "grades": ["benchmark", "problem_id", "mode", "sample_index"],
}
"""Columns that identify a row of each table."""

_ARTIFACT_FILE = re.compile(r"(?P<home>[^/]+/iteration=\d{4}/key=(?P<key>k[0-9a-f]{12}))/(?P<name>.+)")


def differences(expected: Path, actual: Path) -> list[str]:
    """Return one line for each fault of a finished run and for each difference from an undisturbed run.

    Both runs have the same settings; `expected` is the undisturbed run.
    """
    return [
        *_different_manifests(expected, actual),
        *_different_lists(expected, actual),
        *faults(actual),
    ]


def faults(run: Path) -> list[str]:
    """Return one line for each fault of a finished run, without a comparison."""
    return [*_damaged_files(run), *_unreferenced_files(run), *_wrong_rows(run)]


def manifests(run: Path) -> dict[str, dict[str, Any]]:
    """Return every manifest by its path below the run."""
    return {path.relative_to(run).as_posix(): json.loads(path.read_bytes()) for path in run.glob("manifests/*/*.json")}


def _different_manifests(expected_run: Path, actual_run: Path) -> Iterator[str]:
    expected, actual = manifests(expected_run), manifests(actual_run)
    yield from (f"{path}: missing" for path in sorted(expected.keys() - actual.keys()))
    yield from (f"{path}: not in the undisturbed run" for path in sorted(actual.keys() - expected.keys()))
    for path in sorted(expected.keys() & actual.keys()):
        for field in COMPARED:
            if expected[path][field] != actual[path][field]:
                yield f"{path}: other {field}: {expected[path][field]} / {actual[path][field]}"


def _different_lists(expected_run: Path, actual_run: Path) -> Iterator[str]:
    """Compare the newest revisions and the tombstones of pruned weights."""
    if _newest_revision(expected_run) != _newest_revision(actual_run):
        yield "the newest revision names other manifests"
    expected, actual = _tombstones(expected_run), _tombstones(actual_run)
    yield from (f"{path}: missing, so weights were not let go" for path in sorted(expected - actual))
    yield from (f"{path}: not in the undisturbed run" for path in sorted(actual - expected))


def _newest_revision(run: Path) -> Any:
    paths = sorted(run.glob("revisions/*.json"))
    return json.loads(paths[-1].read_bytes())["iterations"] if paths else None


def _tombstones(run: Path) -> set[str]:
    return {path.relative_to(run).as_posix() for path in run.glob("tombstones/*/*.json")}


def _damaged_files(run: Path) -> Iterator[str]:
    tombstones = _tombstones(run)
    for path, kind, file in _listed(run):
        pruned = f"{path.replace('manifests/', 'tombstones/').removesuffix('.json')}-{kind}.json" in tombstones
        stored = run / file["path"]
        if pruned and stored.exists():
            yield f"{file['path']}: let go and still there"
        elif not pruned and not stored.is_file():
            yield f"{file['path']}: listed and missing"
        elif not pruned and hashlib.sha256(stored.read_bytes()).hexdigest() != file["sha256"]:
            yield f"{file['path']}: another digest than its manifest lists"


def _unreferenced_files(run: Path) -> Iterator[str]:
    listed = [(values["key"], file["path"]) for values, _, file in _listed_with_values(run)]
    files = {path for _, path in listed}
    homes = {match["home"] for path in files if (match := _ARTIFACT_FILE.fullmatch(path))}
    committed = {f"k{key[:12]}" for key, _ in listed}
    for path in sorted(path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()):
        match = _ARTIFACT_FILE.fullmatch(path)
        if match is None or path in files or (match["name"] == "plan.json" and match["home"] in homes):
            continue
        yield f"{path}: " + ("in a committed artifact, unlisted" if match["key"] in committed else "key not committed")


def _wrong_rows(run: Path) -> Iterator[str]:
    for path, values in manifests(run).items():
        for kind, columns in ROW_KEYS.items():
            if kind not in values["outputs"]:
                continue
            files = values["outputs"][kind]["files"]
            stored = [run / file["path"] for file in files if (run / file["path"]).is_file()]
            rows = [row for part in stored for row in pl.read_parquet(part).select(columns).rows()]
            if len(rows) != (planned := sum(file["rows"] for file in files)):
                yield f"{path}: {kind} has {len(rows)} rows, its manifest lists {planned}"
            yield from (f"{path}: {kind} has {row} twice" for row, count in Counter(rows).items() if count > 1)


def _listed(run: Path) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield (path of the manifest, name of the output, entry of the file) for every listed file."""
    for path, values in manifests(run).items():
        for kind, output in values["outputs"].items():
            yield from ((path, kind, file) for file in output["files"])


def _listed_with_values(run: Path) -> Iterator[tuple[dict[str, Any], str, dict[str, Any]]]:
    """Return (values of the manifest, name of the output, entry of the file) for every listed file."""
    values_by_path = manifests(run)
    return ((values_by_path[path], kind, file) for path, kind, file in _listed(run))
