"""Reading a run, for notebooks, the command line and reports.

    from storage.run import open_run
    run = open_run("runs/quickstart")
    run.table("votes", iteration=3)      # a Polars frame
    run.table("votes")                   # every iteration, with a column `iteration`
    run.files("votes", iteration=3)      # URIs of its Parquet files

An iteration with rounds has several tables `votes`, one of each round: they are read as one, with a column `round`.

A revision (`revisions/000001.json`, `000002.json`, …) lists the settings of a run and the current artifacts of every
iteration. The newest revision is the current state of the run. After a change of settings, a run may hold two artifacts
of one stage and iteration; the newest revision lists one of them.
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

_STAGES_OF_ROUNDS = (
    *("draw_instructions", "generate_instructions", "filter_instructions"),
    *("try_questions", "sample_responses", "sample_voters", "vote_rewards"),
)
"""Stages that run once in every round of an iteration, if the run has rounds."""
_OVER_ROUNDS = "choose_questions"
"""Stage after the rounds, whose metrics are those of all rounds together."""
_GROWING_TABLES = ("bank", "pool", "seed_overlaps")
"""Tables of rounds that hold all that those of earlier rounds hold."""
_TABLES_WITHOUT_MANIFEST = ("timings", "speed")
"""Tables whose content differs between two equal runs. No manifest lists their files, so they are found by listing."""


class Revision(BaseModel):
    """The current state of a run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    config: dict[str, Any]
    """The settings of the run."""
    iterations: dict[int, dict[str, str]]
    """Iteration -> stage name, such as sample_responses, sample_responses.2 (of round 2), ... -> path of its
    manifest."""
    breaches: tuple[dict[str, Any], ...] = ()
    """The bounds that the watchdog found breached, in order (fields of `flows.watchdog.Breach`)."""


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
        """The finished iterations, in order. Iteration 0 is the starting policy."""
        return sorted(self.revision.iterations)

    def manifests(self, iteration: int) -> dict[str, Manifest]:
        """Return stage name -> manifest of an iteration; empty if the iteration is not finished.

        Stages of the second round are called `sample_responses.2`, and so on.

        Raises MissingArtifact, CorruptArtifact or UnknownFormat when a manifest cannot be read.
        """
        paths = self.revision.iterations.get(iteration, {})
        unread = [path for path in paths.values() if path not in self._manifests]
        for path, data in self.store.read_many(unread).items():
            self._manifests[path] = parse_manifest(self.store, path, data)
        if missing := [path for path in unread if path not in self._manifests]:
            raise MissingArtifact(f"{self.store.uri}/{missing[0]} does not exist; {repair_hint(self.store)}")
        return {stage: self._manifests[path] for stage, path in paths.items()}

    def metrics(self, iteration: int) -> dict[str, float | int | None]:
        """Return metric name, such as "vote/kept", -> value, for all stages of an iteration, over all its rounds."""
        manifests = sorted(self.manifests(iteration).values(), key=lambda manifest: manifest.stage == _OVER_ROUNDS)
        return {name: value for manifest in manifests for name, value in manifest.metrics.items()}

    def tables(self) -> list[str]:
        """Return the names of all tables, with `timings` and, if a policy was updated, `speed` at the end."""
        names = {
            kind
            for iteration in self.iterations
            for manifest in self.manifests(iteration).values()
            for kind, output in manifest.outputs.items()
            if output.columns is not None
        }
        return [*sorted(names), *(name for name in _TABLES_WITHOUT_MANIFEST if self.store.names(name))]

    def ref(self, kind: str, iteration: int) -> ArtifactRef:
        """Return the reference to one output, of the last round if there are several.

        Raises MissingArtifact when the iteration has no such output.
        """
        return self.writers(kind, iteration)[-1].refs(self.store)[kind]

    def writers(self, kind: str, iteration: int) -> list[Manifest]:
        """Return the manifests of the stages that wrote an output, in the order of rounds.

        Of `bank`, `pool` and `seed_overlaps` only the last one, because it has all rows of the others. Raises
        MissingArtifact when the iteration has no such output.
        """
        manifests = [manifest for manifest in self.manifests(iteration).values() if kind in manifest.outputs]
        if not manifests:
            raise MissingArtifact(
                f"{self.store.uri} has no {kind} at iteration {iteration}; finished: {self.iterations}"
            )
        manifests.sort(key=lambda manifest: manifest.round)
        return manifests[-1:] if kind in _GROWING_TABLES else manifests

    def table(self, name: str, iteration: int | None = None) -> pl.DataFrame:
        """Return a table of one iteration. Without `iteration`: of all iterations, with a column `iteration` in front.

        If the run has rounds (`questions_per_update`), the rows of all rounds are returned, with a column `round`.
        Raises MissingArtifact when the iteration, or every iteration, lacks the table.
        """
        if iteration is not None:
            if name in _TABLES_WITHOUT_MANIFEST:
                return self._table_without_manifest(name, iteration)
            frames = [
                self._with_round(read_table(manifest.refs(self.store)[name]), manifest, name)
                for manifest in self.writers(name, iteration)
            ]
            return pl.concat(frames)
        frames = [
            self.table(name, number).select(pl.lit(number, pl.Int32).alias("iteration"), pl.all())
            for number in self.iterations
            if self._has(name, number)
        ]
        if not frames:
            raise MissingArtifact(f"{self.store.uri} has no table {name}; it has {', '.join(self.tables())}")
        return pl.concat(frames, how="diagonal")  # a later version of this software may have added a column

    def files(self, name: str, iteration: int) -> list[str]:
        """Return the URIs of a table's Parquet files, for other readers: `pl.scan_parquet(run.files("votes", 3))`.

        Other readers do not check digests. Raises MissingArtifact when the iteration has no such table.
        """
        outputs = [manifest.outputs[name] for manifest in self.writers(name, iteration)]
        return [f"{self.store.uri}/{file.path}" for output in outputs for file in output.files]

    def policy(self, iteration: int | None = None) -> Path:
        """Return the local Hugging Face folder of the policy after an iteration, by default after `newest_good`.

        An iteration whose update was skipped has the policy of the iteration before. Raises MissingArtifact when the
        iteration is not finished, and as `read_folder` does.
        """
        last = self.newest_good if iteration is None else iteration
        for number in range(last, -1, -1) if last in self.iterations else ():
            for manifest in self.manifests(number).values():
                if "policy" in manifest.outputs:
                    return read_folder(manifest.refs(self.store)["policy"])
        raise MissingArtifact(f"{self.store.uri} has no policy at iteration {last}; finished: {self.iterations}")

    @property
    def newest_good(self) -> int:
        """The newest iteration; -1 if none is finished.

        If the watchdog stopped the run: the iteration of the last good policy, if there was a good one.
        """
        last_good = [breach["last_good"] for breach in self.revision.breaches if breach["action"] == "stop"]
        return last_good[-1] if last_good and last_good[-1] is not None else max(self.iterations, default=-1)

    def _has(self, name: str, iteration: int) -> bool:
        """Return whether an iteration has the table `name`."""
        if name in _TABLES_WITHOUT_MANIFEST:
            return bool(self.store.names(f"{name}/iteration={iteration:04d}"))
        return any(name in manifest.outputs for manifest in self.manifests(iteration).values())

    def _with_round(self, frame: pl.DataFrame, manifest: Manifest, name: str) -> pl.DataFrame:
        """Return a table with the column `round` in front, if its stage runs in rounds and the run has rounds."""
        has_rounds = self.config.get("questions_per_update") is not None and manifest.stage in _STAGES_OF_ROUNDS
        if not has_rounds or name in _GROWING_TABLES:
            return frame
        return frame.select(pl.lit(manifest.round, pl.Int32).alias("round"), pl.all())

    def _table_without_manifest(self, name: str, iteration: int) -> pl.DataFrame:
        """Return the rows of `timings` or `speed` that belong to the current artifacts of an iteration."""
        folder = f"{name}/iteration={iteration:04d}"
        current_keys = {manifest.key for manifest in self.manifests(iteration).values()}
        contents = self.store.read_many(f"{folder}/{file}" for file in self.store.names(folder)).values()
        if not contents:
            raise MissingArtifact(f"{self.store.uri} has no {name} at iteration {iteration}")
        frame = pl.from_arrow(pa.concat_tables((tables.decode(data) for data in contents), promote_options="default"))
        assert isinstance(frame, pl.DataFrame)
        return frame.filter(pl.col("key").is_in(current_keys))


def open_run(uri: str) -> Run:
    """Open a run for reading.

    Raises InputError when `uri` is not a run, StorageError when S3 cannot be reached, CorruptArtifact when the newest
    revision is damaged.
    """
    store = Store(uri)
    store.check_reachable()
    revision = newest_revision(store)
    if revision is None:
        raise InputError(
            f"{uri} is not a run: it has no revisions; expected a folder such as runs/quickstart or s3://bucket/runs/name"
        )
    return Run(store, revision)


def newest_revision(store: Store) -> Revision | None:
    """Return the current state of the run; None if the run has not been started.

    Raises CorruptArtifact when the newest revision is damaged.
    """
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
    """Write `revision` as the newest, unless the newest is equal to it."""
    values = json.loads(revision.model_dump_json())
    data = canonical_json({**values, "sha256": fingerprint(values)})
    while newest_revision(store) != revision:
        number = max(_revision_numbers(store), default=0) + 1
        store.create(f"revisions/{number:06d}.json", data)


def _revision_numbers(store: Store) -> list[int]:
    """Return the numbers of all revisions, in order."""
    return sorted(int(name[:6]) for name in store.names("revisions") if re.fullmatch(r"\d{6}\.json", name))
