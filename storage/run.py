"""Reading a run: what notebooks, the command line and reports use.

    from storage.run import open_run
    run = open_run("runs/quickstart")
    run.table("votes", iteration=3)      # a Polars frame
    run.table("votes")                   # every iteration, with a column `iteration`

`revisions/000001.json`, `000002.json`, … each list the current artifacts of every iteration together with the settings;
the newest is what a run is now. After a change of settings two artifacts of one iteration can stand side by side; only
one is current.
"""

import json
import re
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import BaseModel, ConfigDict, ValidationError

from storage import tables
from storage.artifact import ArtifactRef, Manifest, read_manifest
from storage.commit import TIMINGS
from storage.errors import CorruptArtifact, InputError, MissingArtifact
from storage.fingerprint import canonical_json
from storage.reading import read_folder, read_table
from storage.store import Store


class Revision(BaseModel):
    """The current state of a run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    config: dict[str, Any]
    iterations: dict[int, dict[str, str]]  # iteration -> stage name -> path of its manifest


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
        found = {}
        for stage, path in self.revision.iterations.get(iteration, {}).items():
            if path not in self._manifests:
                self._manifests[path] = read_manifest(self.store, path)
            found[stage] = self._manifests[path]
        return found

    def metrics(self, iteration: int) -> dict[str, float | int | None]:
        """All metrics of an iteration, by slash-keyed name."""
        return {
            name: value for manifest in self.manifests(iteration).values() for name, value in manifest.metrics.items()
        }

    def tables(self) -> list[str]:
        """Names of all tables, `timings` included."""
        names = {
            kind
            for iteration in self.iterations
            for manifest in self.manifests(iteration).values()
            for kind, output in manifest.outputs.items()
            if output.columns is not None
        }
        return [*sorted(names), "timings"]

    def ref(self, kind: str, iteration: int) -> ArtifactRef:
        """The reference of one output. Raises MissingArtifact when this iteration has none."""
        for manifest in self.manifests(iteration).values():
            if kind in manifest.outputs:
                return manifest.refs(self.store)[kind]
        raise MissingArtifact(f"{self.store.uri} has no {kind} at iteration {iteration}; finished: {self.iterations}")

    def table(self, name: str, iteration: int | None = None) -> pl.DataFrame:
        """One table of one iteration, or of all of them with a column `iteration` in front.

        Raises MissingArtifact when no iteration asked for has it.
        """
        if iteration is not None:
            return self._timings(iteration) if name == "timings" else read_table(self.ref(name, iteration))
        frames = [
            self.table(name, number).select(pl.lit(number, pl.Int32).alias("iteration"), pl.all())
            for number in self.iterations
            if name == "timings" or any(name in manifest.outputs for manifest in self.manifests(number).values())
        ]
        if not frames:
            raise MissingArtifact(f"{self.store.uri} has no table {name}; it has {', '.join(self.tables())}")
        return pl.concat(frames)

    def policy(self, iteration: int | None = None) -> Path:
        """The local Hugging Face folder of the policy after an iteration; of the newest one when not given.

        An iteration whose update was skipped has the policy of the one before.
        """
        last = max(self.iterations, default=-1) if iteration is None else iteration
        for number in range(last, -1, -1) if last in self.iterations else ():
            for manifest in self.manifests(number).values():
                if "policy" in manifest.outputs:
                    return read_folder(manifest.refs(self.store)["policy"])
        raise MissingArtifact(f"{self.store.uri} has no policy at iteration {last}; finished: {self.iterations}")

    def _timings(self, iteration: int) -> pl.DataFrame:
        """Timings of the current artifacts; not covered by digests, so read from a listing."""
        folder = f"timings/iteration={iteration:04d}"
        current = {manifest.key for manifest in self.manifests(iteration).values()}
        rows = [
            row
            for name in self.store.names(folder)
            for row in tables.decode(self.store.read(f"{folder}/{name}")).to_pylist()
        ]
        frame = pl.from_arrow(tables.make_table([row for row in rows if row["key"] in current], TIMINGS))
        assert isinstance(frame, pl.DataFrame)
        return frame


def open_run(uri: str) -> Run:
    """Open a run for reading. Raises InputError when there is none at `uri`."""
    store = Store(uri)
    revision = newest_revision(store)
    if revision is None:
        raise InputError(f"{uri} is not a run: it has no revisions; expected a folder such as runs/quickstart")
    return Run(store, revision)


def newest_revision(store: Store) -> Revision | None:
    numbers = _revision_numbers(store)
    if not numbers:
        return None
    name = f"revisions/{numbers[-1]:06d}.json"
    try:
        return Revision.model_validate_json(store.read(name))
    except ValidationError as error:
        raise CorruptArtifact(f"{store.uri}/{name} is not a revision: {error.errors()[0]['msg']}") from None


def write_revision(store: Store, revision: Revision) -> None:
    """Make `revision` the newest, unless it is already."""
    data = canonical_json(json.loads(revision.model_dump_json()))
    while newest_revision(store) != revision:
        number = max(_revision_numbers(store), default=0) + 1
        store.create(f"revisions/{number:06d}.json", data)


def _revision_numbers(store: Store) -> list[int]:
    return sorted(int(name[:6]) for name in store.names("revisions") if re.fullmatch(r"\d{6}\.json", name))
