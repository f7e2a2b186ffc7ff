"""Reading a run: what notebooks, the command line and reports use.

    from storage.run import open_run
    run = open_run("runs/quickstart")
    run.table("votes", iteration=3)      # a Polars frame
    run.table("votes")                   # every iteration, with a column `iteration`
    run.files("votes", iteration=3)      # URIs of its Parquet files

`revisions/000001.json`, `000002.json`, … each list the current artifacts of every iteration together with the settings;
the newest is what a run is now. After a change of settings two artifacts of one iteration can stand side by side; only
one is current.
"""

import json
import re
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from storage import tables
from storage.artifact import ArtifactRef, Manifest, parse_manifest, repair_hint
from storage.errors import CorruptArtifact, InputError, MissingArtifact
from storage.fingerprint import canonical_json, fingerprint
from storage.reader import read_folder, read_table
from storage.store import Store

_BESIDE = ("timings", "speed")
"""Tables of what differs between two equal runs: they have no manifest, and are read from a listing."""


class Revision(BaseModel):
    """The current state of a run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    config: dict[str, Any]
    iterations: dict[int, dict[str, str]]  # iteration -> stage name -> path of its manifest
    breaches: tuple[dict[str, Any], ...] = ()  # what the watchdog found, in order


class Run:
    """The current artifacts of a run, read-only."""

    def __init__(self, store: Store, revision: Revision) -> None:
        self.store = store
        self.revision = revision
        self._manifests: dict[str, Manifest] = {}

    @property
    def config(self) -> dict[str, Any]:
        """The settings of the newest revision."""
        return self.revision.config

    @property
    def iterations(self) -> list[int]:
        """Finished iterations; 0 is the starting policy."""
        return sorted(self.revision.iterations)

    def manifests(self, iteration: int) -> dict[str, Manifest]:
        """Manifests of an iteration's stages, by stage name."""
        paths = self.revision.iterations.get(iteration, {})
        new = [path for path in paths.values() if path not in self._manifests]
        for path, data in self.store.read_many(new).items():
            self._manifests[path] = parse_manifest(self.store, path, data)
        if gone := [path for path in new if path not in self._manifests]:
            raise MissingArtifact(f"{self.store.uri}/{gone[0]} does not exist; {repair_hint(self.store)}")
        return {stage: self._manifests[path] for stage, path in paths.items()}

    def metrics(self, iteration: int) -> dict[str, float | int | None]:
        """All metrics of an iteration, by slash-keyed name."""
        return {
            name: value for manifest in self.manifests(iteration).values() for name, value in manifest.metrics.items()
        }

    def tables(self) -> list[str]:
        """Names of all tables, `timings` and (where something was updated) `speed` included."""
        names = {
            kind
            for iteration in self.iterations
            for manifest in self.manifests(iteration).values()
            for kind, output in manifest.outputs.items()
            if output.columns is not None
        }
        return [*sorted(names), *(name for name in _BESIDE if self.store.names(name))]

    def ref(self, kind: str, iteration: int) -> ArtifactRef:
        """The reference of one output. Raises MissingArtifact when this iteration has none."""
        return self.manifests(iteration)[self._stage_of(kind, iteration)].refs(self.store)[kind]

    def table(self, name: str, iteration: int | None = None) -> pl.DataFrame:
        """One table of one iteration, or of all of them with a column `iteration` in front.

        Raises MissingArtifact when no iteration asked for has it.
        """
        if iteration is not None:
            return self._beside(name, iteration) if name in _BESIDE else read_table(self.ref(name, iteration))
        frames = [
            self.table(name, number).select(pl.lit(number, pl.Int32).alias("iteration"), pl.all())
            for number in self.iterations
            if self._has(name, number)
        ]
        if not frames:
            raise MissingArtifact(f"{self.store.uri} has no table {name}; it has {', '.join(self.tables())}")
        return pl.concat(frames, how="diagonal")  # a later version of this software may have added a column

    def files(self, name: str, iteration: int) -> list[str]:
        """URIs of one table's Parquet files, for readers of their own: `pl.scan_parquet(run.files("votes", 3))`.

        Such a reader checks no digest. Raises MissingArtifact when the iteration has no such table.
        """
        output = self.manifests(iteration)[self._stage_of(name, iteration)].outputs[name]
        return [f"{self.store.uri}/{file.path}" for file in output.files]

    def policy(self, iteration: int | None = None) -> Path:
        """The local Hugging Face folder of the policy after an iteration; when none is given, of the newest, or of the
        last good one where the watchdog stopped the run.

        An iteration whose update was skipped has the policy of the one before.
        """
        last = self.newest_good if iteration is None else iteration
        for number in range(last, -1, -1) if last in self.iterations else ():
            for manifest in self.manifests(number).values():
                if "policy" in manifest.outputs:
                    return read_folder(manifest.refs(self.store)["policy"])
        raise MissingArtifact(f"{self.store.uri} has no policy at iteration {last}; finished: {self.iterations}")

    @property
    def newest_good(self) -> int:
        """The newest iteration, or the last good one where the watchdog stopped the run; -1 when there is none."""
        good = [breach["last_good"] for breach in self.revision.breaches if breach["action"] == "stop"]
        return good[-1] if good and good[-1] is not None else max(self.iterations, default=-1)

    def _has(self, name: str, iteration: int) -> bool:
        if name in _BESIDE:
            return bool(self.store.names(f"{name}/iteration={iteration:04d}"))
        return any(name in manifest.outputs for manifest in self.manifests(iteration).values())

    def _stage_of(self, kind: str, iteration: int) -> str:
        for stage, manifest in self.manifests(iteration).items():
            if kind in manifest.outputs:
                return stage
        raise MissingArtifact(f"{self.store.uri} has no {kind} at iteration {iteration}; finished: {self.iterations}")

    def _beside(self, name: str, iteration: int) -> pl.DataFrame:
        """How long the current artifacts took; not covered by digests, so read from a listing."""
        folder = f"{name}/iteration={iteration:04d}"
        current = {manifest.key for manifest in self.manifests(iteration).values()}
        found = self.store.read_many(f"{folder}/{file}" for file in self.store.names(folder)).values()
        if not found:
            raise MissingArtifact(f"{self.store.uri} has no {name} at iteration {iteration}")
        frame = pl.from_arrow(pa.concat_tables((tables.decode(data) for data in found), promote_options="default"))
        assert isinstance(frame, pl.DataFrame)
        return frame.filter(pl.col("key").is_in(current))


def open_run(uri: str) -> Run:
    """Open a run for reading. Raises InputError when there is none at `uri`, StorageError when S3 cannot be reached."""
    store = Store(uri)
    store.check_reachable()
    revision = newest_revision(store)
    if revision is None:
        raise InputError(
            f"{uri} is not a run: it has no revisions; expected a folder such as runs/quickstart or s3://bucket/runs/name"
        )
    return Run(store, revision)


def newest_revision(store: Store) -> Revision | None:
    """What the run is now; None when nothing has been started. Raises CorruptArtifact."""
    numbers = _revision_numbers(store)
    if not numbers:
        return None
    name = f"revisions/{numbers[-1]:06d}.json"
    values: Any = None
    try:
        values = json.loads(store.read(name))
        sha256 = values.pop("sha256", None)  # none in runs of manifest format 1
        revision = Revision.model_validate_json(canonical_json(values))
    except (ValueError, AttributeError):  # ValidationError is a ValueError
        sha256, revision = "", None
    if revision is None or sha256 not in (None, fingerprint(values)):
        raise CorruptArtifact(
            f"{store.uri}/{name} is damaged: not a revision, or its digest does not fit; delete it and run again (it "
            "repeats what manifests hold)"
        )
    return revision


def write_revision(store: Store, revision: Revision) -> None:
    """Make `revision` the newest, unless it is already."""
    values = json.loads(revision.model_dump_json())
    data = canonical_json({**values, "sha256": fingerprint(values)})
    while newest_revision(store) != revision:
        number = max(_revision_numbers(store), default=0) + 1
        store.create(f"revisions/{number:06d}.json", data)


def _revision_numbers(store: Store) -> list[int]:
    return sorted(int(name[:6]) for name in store.names("revisions") if re.fullmatch(r"\d{6}\.json", name))
