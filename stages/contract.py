"""The stage contract: a stage is a plain function with declared outputs, and `run_stage` is the only way to run it.

`run_stage` looks for the manifest of the stage's key. If the manifest exists, its outputs are returned and nothing
runs; this rule resumes a run. Otherwise the body runs, its tables are checked against the declared schemas, and the
manifest is written last. A killed stage also keeps the parts of a table that it had finished (`Work.shards`).

A key is a hash of all that determines an output: the stage's name, version and declared outputs, its settings, its
inputs' keys, seed, branch and iteration. Where and how a stage runs (devices, shard size, paths) never enters a key.
"""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from stages.settings import Settings
from stages.shared_resources import Resources
from storage.artifact import ArtifactRef, Manifest, manifest_path, read_manifest
from storage.code_version import code_version
from storage.errors import CorruptArtifact, StageFailed
from storage.fingerprint import derive_seed, fingerprint
from storage.reader import check_sizes, read_folder, read_table
from storage.store import Store
from storage.tables import columns, version_of
from storage.writer import Committer, Rows, record_speed, record_timing

# Least time between two checks whether another process has committed the stage.
_SECONDS_BETWEEN_CHECKS = 2.0

Metrics = Mapping[str, float | int | None]
Progress = Callable[[str, int, int, str], None]
"""Called with the stage's name, the steps done, the steps in total, and a short note."""
RowCount = Callable[[str], int]
"""Name of an input table -> its number of rows."""


def no_progress(stage: str, done: int, total: int, note: str) -> None:
    """Ignore progress, for tests and scripts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """One step of an iteration."""

    name: str
    """Name of the step in keys, paths and the UI."""
    version: int
    """Increased when a change of the code gives another output for the same settings and inputs; part of every key."""
    body: Callable[[Any, "Inputs", "Work"], Metrics]
    """(settings, inputs, work) -> metrics; writes its outputs through `work`."""
    tables: Mapping[str, pa.Schema] = field(default_factory=dict)
    """Output tables and their schemas; part of every key."""
    folders: tuple[str, ...] = ()
    """Output folders (weights); part of every key."""
    # The facts below say how a stage is run and shown. None of them enters a key.
    uses_gpu: bool = False
    """Whether the stage needs a model: with `gpu: deployment`, GPU workers run it."""
    shardable: bool = False
    """Whether several GPU workers may share the parts of its table."""
    token_metric: str | None = None
    """Metric that counts the response tokens of the stage; None if the stage has no such metric."""
    size: Callable[[Any, RowCount], str] = lambda settings, rows: ""
    """(settings, row counts of the inputs) -> amount of work in words, in ASCII; empty by default."""


@dataclass(frozen=True, slots=True)
class WorkerShard:
    """The position of this process among several that may run the same stage at once.

    No process hands out work. A part is done when its file exists. Each process does the parts of its own shard first,
    then continues with missing parts of other shards; the first process that finds all parts commits the stage for all.
    """

    rank: int = 0
    world_size: int = 1

    def order(self, parts: int) -> list[int]:
        """Return part numbers in the order in which this process does them.

        This shard's parts come first, in order, then those of other shards from the last backwards: two processes that
        work on the same parts meet as late as possible.
        """
        start, stop = (rank * parts // self.world_size for rank in (self.rank, self.rank + 1))
        return [*range(start, stop), *reversed([*range(stop, parts), *range(start)])]


@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """The run's seed, branch and iteration, which enter keys, and where and how stages run, which does not."""

    store: Store
    """The store of the run that outputs go to."""
    seed: int
    """The run's seed."""
    iteration: int
    """Iteration number; 0 is the starting policy and its evaluation."""
    branch: int = 0
    """Number of rollbacks of the run; gives a repeated iteration other random numbers."""
    resources: Resources
    """Engine, trainer and verifier of this process, started when first used."""
    progress: Progress = no_progress
    """Callback that reports progress."""
    shard: WorkerShard = WorkerShard()
    """Position of this process among those that run the stage."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """Outputs of a stage, as `run_stage` returns them."""

    refs: dict[str, ArtifactRef]
    """One reference per output, by name."""
    metrics: dict[str, float | int | None]
    """The stage's metrics, as in its manifest."""
    skipped: bool
    """Whether the outputs existed already."""


class Inputs:
    """A stage's inputs. Each is read and checked when it is used."""

    def __init__(self, refs: Mapping[str, ArtifactRef]) -> None:
        self.refs = dict(refs)

    def __contains__(self, name: str) -> bool:
        return name in self.refs

    def table(self, name: str) -> pl.DataFrame:
        """Return the rows of an input table."""
        return read_table(self.refs[name])

    def folder(self, name: str) -> Path:
        """Return a local path of an input folder."""
        return read_folder(self.refs[name])

    def identity(self, name: str) -> str:
        """Return the content identity of an input: equal strings mean equal artifacts."""
        return _input_identity(self.refs[name])


class Work:
    """What a stage's body works with: its outputs, their parts, seeds, progress and scratch space."""

    def __init__(self, stage: Stage, key: str, context: Context) -> None:
        self.stage = stage
        self.key = key
        self.context = context
        self.committer = Committer(context.store, stage.tables, stage.folders, context.iteration, key)
        self.speed: pa.Table | None = None
        self.actions_after_commit: list[Callable[[], None]] = []
        self._last_check = time.monotonic()
        self.scratch = Path(tempfile.mkdtemp(prefix=f"serl-{stage.name}-", dir=context.resources.scratch))

    @property
    def resources(self) -> Resources:
        return self.context.resources

    def write(self, table: str, rows: Rows) -> None:
        """Write a whole table; readers see it only when the manifest is written."""
        self.committer.write_table(table, rows)

    def write_folder(self, name: str, folder: Path) -> None:
        """Store a folder of files; readers see it only when the manifest is written."""
        self.committer.write_folder(name, folder)

    def import_folder(self, name: str, folder: Path, files: Sequence[str] | None = None) -> None:
        """Record a folder where it lies, so that a large model is not copied. On S3 a copy is stored.

        `files`: paths of the files to record, relative to the folder; None for all files.
        """
        self.committer.import_folder(name, folder, files)

    def shards(self, table: str, rows: int) -> "Shards":
        """Return the missing parts of a table, in the order in which this process does them.

        `rows`: number of rows of the table, or of the input by whose rows the parts are cut. The first attempt fixes
        the ranges by its shard size, in a create-only plan that later attempts follow.
        """
        plan = self.committer.plan(table, rows, self.resources.settings.shard_rows)
        order = self.context.shard.order(len(plan))
        return Shards(self, table, {part: range(*plan[part]) for part in order})

    def write_part(self, table: str, index: int, rows: Rows) -> None:
        """Commit one part, whole and create-only. A killed stage loses only the parts that it had not finished."""
        self.committer.write_part(table, index, rows)

    def parts(self, table: str) -> pl.DataFrame:
        """Return all parts of a table as one, in order."""
        return self.committer.read_parts(table)

    def record_speed(self, rows: pa.Table) -> None:
        """Record how fast parts of the work were. Speeds differ between equal runs, so no digest covers them."""
        self.speed = rows

    def after_commit(self, action: Callable[[], None]) -> None:
        """Call `action` when the outputs are committed; it is not called if the stage fails or is killed."""
        self.actions_after_commit.append(action)

    def identity(self, kind: str) -> str:
        """Return the content identity that output `kind` will have as another stage's input."""
        return f"{kind}:{self.key}"

    def seed(self, *names: str | int) -> int:
        """Return a 63-bit seed for `names` within this run, branch, iteration and stage."""
        return derive_seed(self.context.seed, self.context.branch, self.context.iteration, self.stage.name, *names)

    def progress(self, done: int, total: int, note: str = "") -> None:
        """Report progress.

        Raises an exception that ends the body, and that `run_stage` catches, if another process has committed the
        stage.
        """
        self.context.progress(self.stage.name, done, total, note)
        if self.context.shard.world_size > 1 and (now := time.monotonic()) > self._last_check + _SECONDS_BETWEEN_CHECKS:
            self._last_check = now
            if self.context.store.exists(manifest_path(self.stage.name, self.context.iteration, self.key)):
                raise _CommittedElsewhere


class Shards:
    """The missing parts of a table as (number, row range), in the order in which this process does them.

    Iteration checks for each part when its turn comes, since other processes may have written it meanwhile.
    """

    def __init__(self, work: Work, table: str, ranges: Mapping[int, range]) -> None:
        self.ranges = ranges
        self._work, self._table = work, table
        self._existing: set[int] = set()
        for part in ranges:
            self._exists(part)

    def __iter__(self) -> Iterator[tuple[int, range]]:
        for part, rows in self.ranges.items():
            if not self._exists(part):
                yield part, rows

    @property
    def missing(self) -> bool:
        """Whether any part is missing."""
        return any(not self._exists(part) for part in self.ranges)

    def between(self, start: int, stop: int) -> "Shards":
        """Return the shards of the rows from `start` to `stop`, with rows counted from `start`.

        A part that extends beyond these rows is cut.
        """
        cut = {part: range(max(rows.start, start), min(rows.stop, stop)) for part, rows in self.ranges.items()}
        inside = {part: range(rows.start - start, rows.stop - start) for part, rows in cut.items() if rows}
        return Shards(self._work, self._table, inside)

    def counting(self, each: int | Sequence[int]) -> Callable[[int, int], None]:
        """Return a progress callback for an engine (see `stages.engines.base`) that answers the rows of these parts.

        `each`: number of responses to every row, or one number for each row of the table.
        """
        responses = {
            part: each * len(rows) if isinstance(each, int) else sum(each[rows.start : rows.stop])
            for part, rows in self.ranges.items()
        }
        total = sum(responses.values())
        started = time.monotonic()

        def report(done: int, tokens: int) -> None:
            speed = tokens / max(time.monotonic() - started, 1e-3)
            in_existing_parts = sum(responses[part] for part in self._existing)
            self._work.progress(min(in_existing_parts + done, total), total, f"{speed:,.0f} tokens/s")

        return report

    def _exists(self, part: int) -> bool:
        if self._work.committer.has_part(self._table, part):
            self._existing.add(part)
        return part in self._existing


class _CommittedElsewhere(Exception):
    """Another process has committed the stage."""


def stage_key(stage: Stage, inputs: Mapping[str, ArtifactRef], config: Settings, context: Context) -> str:
    """Return the identity of one execution: 64 hex digits."""
    return fingerprint(
        {
            "stage": stage.name,
            "version": stage.version,
            "tables": {name: [version_of(schema), columns(schema)] for name, schema in stage.tables.items()},
            "folders": list(stage.folders),
            "config": config.model_dump(mode="json"),
            "inputs": {name: _input_identity(ref) for name, ref in inputs.items()},
            "seed": context.seed,
            "branch": context.branch,
            # After a skipped update the next iteration has the same policy, but it must still write new questions.
            "iteration": context.iteration,
        }
    )


def _input_identity(ref: ArtifactRef) -> str:
    return f"{ref.kind}:{ref.key}"


def find_stage(stage: Stage, inputs: Mapping[str, ArtifactRef], config: Settings, context: Context) -> Result | None:
    """Return the committed outputs of this execution, or None. Checks the manifest and the size of every file.

    Outputs that retention has removed (see `storage.prune`) count as present. Raises MissingArtifact or
    CorruptArtifact if any other file is missing or differs in size from its manifest's record.
    """
    key = stage_key(stage, inputs, config, context)
    path = manifest_path(stage.name, context.iteration, key)
    if not context.store.exists(path):
        return None
    manifest = read_manifest(context.store, path)
    if manifest.key != key:
        raise CorruptArtifact(f"{context.store.uri}/{path} holds key {manifest.key}, expected {key}; delete it")
    check_sizes(context.store, manifest)
    return Result(refs=manifest.refs(context.store), metrics=dict(manifest.metrics), skipped=True)


def run_stage(stage: Stage, inputs: Mapping[str, ArtifactRef], config: Settings, context: Context) -> Result:
    """Return the outputs of `stage`; compute and commit them only if they do not exist.

    Raises whatever the body raises. Raises StageFailed if a metric is not finite. No manifest refers to an output of a
    failed execution.
    """
    if committed := find_stage(stage, inputs, config, context):
        return committed
    key = stage_key(stage, inputs, config, context)
    path = manifest_path(stage.name, context.iteration, key)
    work = Work(stage, key, context)
    started, counters_before = time.time(), context.resources.engine_counters()
    try:
        if stage.uses_gpu and stage.shardable and (note := context.resources.engine_starting()):
            work.progress(0, 0, note)
        metrics = dict(stage.body(config, Inputs(inputs), work))
        if infinite := {name: value for name, value in metrics.items() if value is not None and not isfinite(value)}:
            raise StageFailed(f"{stage.name} reports {infinite}: expected finite numbers; lower the learning rate")
        manifest = Manifest(
            stage=stage.name,
            version=stage.version,
            key=key,
            iteration=context.iteration,
            config=config.model_dump(mode="json"),
            inputs={name: _input_identity(ref) for name, ref in inputs.items()},
            seed=context.seed,
            branch=context.branch,
            code=code_version(),
            outputs=work.committer.outputs(),
            metrics=metrics,
        )
        if not context.store.create(path, manifest.to_bytes()):
            manifest = read_manifest(context.store, path)  # another attempt was first; its outputs count
    except Exception:
        # The failure of this process does not matter if another process has committed the stage.
        if context.shard.world_size == 1 or not context.store.exists(path):
            raise
        manifest = read_manifest(context.store, path)
    finally:
        shutil.rmtree(work.scratch, ignore_errors=True)
    counters_after = context.resources.engine_counters()
    record_timing(
        context.store,
        manifest,
        seconds=time.time() - started,
        started=started,
        engine={name: value - counters_before[name] for name, value in counters_after.items()},
    )
    if work.speed is not None:
        record_speed(context.store, manifest, work.speed)
    for action in work.actions_after_commit:
        action()
    return Result(refs=manifest.refs(context.store), metrics=dict(manifest.metrics), skipped=False)
