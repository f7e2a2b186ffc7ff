"""The stage contract: a stage is a plain function with declared outputs, and `run_stage` is the only way to run it.

`run_stage` looks for the manifest of the stage's key. If the manifest exists, its outputs are returned and nothing
runs; this rule resumes a run. Otherwise the body runs, its tables are checked against the declared schemas, and the
manifest is written last. A killed stage also keeps the parts of a table that it had finished (`Work.shards`).

The order of writes is that of the stages: nothing is written before the manifest of the stage before it is there. A
stage may leave its last writes to a thread while later stages compute (`Work.commit_later`). Later stages then read the
folders that are about to be committed, and their own writes wait.

A key is a hash of all that determines an output: the stage's name, version and declared outputs, its settings, its
inputs' keys, seed, branch, iteration and round. Where and how a stage runs (devices, shard size, paths) never enters a
key.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import pyarrow as pa

from stages.settings import Settings
from stages.shared_resources import Resources
from stages.work import Inputs as Inputs
from stages.work import Work as Work
from stages.work import identity_of
from storage.artifact import ArtifactRef, Manifest, manifest_path, read_manifest
from storage.code_version import code_version
from storage.errors import CorruptArtifact, StageFailed
from storage.fingerprint import fingerprint
from storage.reader import check_sizes
from storage.store import Store
from storage.tables import columns, version_of
from storage.writer import record_speed, record_timing

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
    body: Callable[[Any, Inputs, Work], Metrics]
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
    """The run's seed, branch, iteration and round, which enter keys, and where and how stages run, which does not."""

    store: Store
    """The store of the run that outputs go to."""
    seed: int
    """The run's seed."""
    iteration: int
    """Iteration number; 0 is the starting policy and its evaluation."""
    round: int = 1
    """Round of the iteration. Stages that write, filter, answer and vote on questions run once per round."""
    note: str = ""
    """Where the iteration is, in words, for people; empty if there is nothing to say."""
    branch: int = 0
    """Number of rollbacks of the run; gives a repeated iteration other random numbers."""
    resources: Resources
    """Engine, trainer and verifier of this process, started when first used."""
    progress: Progress = no_progress
    """Callback that reports progress."""
    shard: WorkerShard = WorkerShard()
    """Position of this process among those that run the stage."""
    background: bool = False
    """Whether `run_stage` may return before the outputs are committed. Stages of this process may use them at once;
    whoever else reads them calls `resources.commits.wait` first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """Outputs of a stage, as `run_stage` returns them."""

    refs: dict[str, ArtifactRef]
    """One reference per output, by name."""
    metrics: dict[str, float | int | None]
    """The stage's metrics, as in its manifest."""
    skipped: bool
    """Whether the outputs existed already."""


def stage_key(stage: Stage, inputs: Mapping[str, ArtifactRef], config: Settings, context: Context) -> str:
    """Return the identity of one execution: 64 hex digits."""
    return fingerprint(
        {
            "stage": stage.name,
            "version": stage.version,
            "tables": {name: [version_of(schema), columns(schema)] for name, schema in stage.tables.items()},
            "folders": list(stage.folders),
            "config": config.model_dump(mode="json"),
            "inputs": {name: identity_of(ref) for name, ref in inputs.items()},
            "seed": context.seed,
            "branch": context.branch,
            # After a skipped update the next iteration has the same policy, but it must still write new questions.
            "iteration": context.iteration,
            # Left out in round 1, so that keys are the same with one round and without rounds.
            **({"round": context.round} if context.round > 1 else {}),
        }
    )


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

    With `context.background`, a stage that calls `Work.commit_later` is committed while the caller goes on.

    Raises whatever the body raises. Raises StageFailed if a metric is not finite. No manifest refers to an output of a
    failed execution.
    """
    if committed := find_stage(stage, inputs, config, context):
        return committed
    execution = _Execution(stage, inputs, config, context)
    with execution.work as work:
        try:
            execution.compute()
            # Processes that share a stage race to commit it, and each has to know at once whose outputs count.
            if work.finish is not None and context.background and context.shard.world_size == 1:
                return execution.commit_in_background()
            manifest = execution.commit()
        except Exception:
            # The failure of this process does not matter if another process has committed the stage.
            if context.shard.world_size == 1 or not context.store.exists(execution.path):
                raise
            manifest = read_manifest(context.store, execution.path)
    execution.record(manifest)
    return Result(refs=manifest.refs(context.store), metrics=dict(manifest.metrics), skipped=False)


class _Execution:
    """One execution of a stage whose outputs do not exist yet."""

    def __init__(self, stage: Stage, inputs: Mapping[str, ArtifactRef], config: Settings, context: Context) -> None:
        self._stage, self._inputs, self._config, self._context = stage, inputs, config, context
        self._commits = context.resources.commits
        self._started = time.time()
        self._counters_before = context.resources.engine_counters()
        self._ended: tuple[float, dict[str, float]] | None = None
        """When later stages may have begun, and what the engine had done until then; None while this stage runs."""
        self._metrics: dict[str, float | int | None] = {}
        self.key = stage_key(stage, inputs, config, context)
        self.path = manifest_path(stage.name, context.iteration, self.key)
        self.work = Work(stage, self.key, context)

    def compute(self) -> None:
        """Run the body. Raises StageFailed if a metric is not finite."""
        stage, starting = self._stage, self._context.resources.engine_starting
        if stage.uses_gpu and stage.shardable and (note := starting()):
            self.work.progress(0, 0, note)
        metrics = dict(self._stage.body(self._config, Inputs(self._inputs, self.work), self.work))
        if infinite := {name: value for name, value in metrics.items() if value is not None and not isfinite(value)}:
            raise StageFailed(
                f"{self._stage.name} reports {infinite}: expected finite numbers; lower the learning rate"
            )
        self._metrics = metrics

    def commit(self) -> Manifest:
        """Write what is left of the outputs, then the manifest; return the manifest that counts."""
        store, work = self._context.store, self.work
        work.store_parts()
        work.wait_for_earlier_stage()
        if work.finish is not None:
            work.finish()
        manifest = Manifest(
            stage=self._stage.name,
            version=self._stage.version,
            key=self.key,
            iteration=self._context.iteration,
            round=self._context.round,
            config=self._config.model_dump(mode="json"),
            inputs={name: identity_of(ref) for name, ref in self._inputs.items()},
            seed=self._context.seed,
            branch=self._context.branch,
            code=code_version(),
            outputs=work.committer.outputs(),
            metrics=self._metrics,
        )
        if self._commits.given_up:  # the process ends, and files that `finish` was to store may be gone
            raise StageFailed(f"{self._stage.name} was stopped before its outputs were committed")
        if store.create(self.path, manifest.to_bytes()):
            return manifest
        return read_manifest(store, self.path)  # another attempt was first; its outputs count

    def commit_in_background(self) -> Result:
        """Begin to commit the outputs in a thread, and return them."""

        def commit() -> None:
            committed = self.commit()
            if committed.metrics != self._metrics or committed.outputs != self.work.committer.outputs():
                # Later stages of this process have used other outputs than those that count.
                raise StageFailed(
                    f"another process has committed {self._stage.name} of iteration {self._context.iteration} with "
                    "other outputs; run the same command again, which goes on from those"
                )
            self.record(committed)

        self._ended = time.time(), self._engine_counters()
        self._commits.begin(self.key, self.work.complete_folders, commit, self.work.temporary)
        refs = {
            kind: ArtifactRef(kind=kind, key=self.key, uri=self._context.store.uri, path=self.path)
            for kind in (*self._stage.tables, *self._stage.folders)
        }
        return Result(refs=refs, metrics=dict(self._metrics), skipped=False)

    def record(self, manifest: Manifest) -> None:
        """Record how long the execution took, and do what was to be done after the commit."""
        self._commits.wait()
        now = time.time()
        ended, engine_counters = self._ended or (now, self._engine_counters())
        record_timing(
            self._context.store,
            manifest,
            started=self._started,
            seconds=ended - self._started,
            purposes={
                **engine_counters,
                **{f"{purpose}_seconds": seconds for purpose, seconds in self.work.seconds.items()},
                "background_seconds": now - ended,
            },
            on_gpu=self._stage.uses_gpu and self._context.resources.on_gpu,
        )
        if self.work.speed is not None:
            record_speed(self._context.store, manifest, self.work.speed)
        for action in self.work.actions_after_commit:
            action()

    def _engine_counters(self) -> dict[str, float]:
        """Return what the engine has done since this execution began, by the names of the columns of `timings`."""
        counters = self._context.resources.engine_counters()
        return {f"engine_{name}": value - self._counters_before[name] for name, value in counters.items()}
