"""What the body of a stage gets: its inputs, and `Work` for its outputs, seeds, progress and scratch space."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

import polars as pl
import pyarrow as pa

from stages.commits import LAST_SECONDS, PartQueue
from stages.shards import Shards
from stages.shared_resources import Resources
from storage.artifact import ArtifactRef, manifest_path
from storage.fingerprint import derive_seed
from storage.reader import output_of, read_folder, read_table
from storage.writer import Committer, Rows

if TYPE_CHECKING:
    from stages.contract import Context, Stage

Responses = TypeVar("Responses")

# Least time between two checks whether another process has committed the stage.
_SECONDS_BETWEEN_CHECKS = 2.0


class Inputs:
    """A stage's inputs. Each is read and checked when it is used."""

    def __init__(self, refs: Mapping[str, ArtifactRef], work: "Work") -> None:
        self.refs = dict(refs)
        self._work = work

    def __contains__(self, name: str) -> bool:
        return name in self.refs

    def table(self, name: str) -> pl.DataFrame:
        """Return the rows of an input table."""
        return read_table(self._committed(name))

    def over_rounds(self, name: str) -> pl.DataFrame:
        """Return the rows of an input table of all rounds, in order, with a column `round` in front.

        The input of round 1 is called `name`, those of later rounds as `input_of_round` says.
        """
        frames: list[pl.DataFrame] = []
        while (of_round := input_of_round(name, len(frames) + 1)) in self:
            frames.append(self.table(of_round).select(pl.lit(len(frames) + 1, pl.Int32).alias("round"), pl.all()))
        return pl.concat(frames)

    def metrics(self, name: str) -> Mapping[str, float | int | None]:
        """Return the metrics of the stage that wrote an input."""
        _, manifest, _ = output_of(self._committed(name))
        return manifest.metrics

    def folder(self, name: str) -> Path:
        """Return a local path of an input folder, which is valid until the stage ends.

        A folder that is just being committed is the one that the stage before it wrote: it need not be read back.
        """
        ref = self.refs[name]
        return self._work.resources.uncommitted_folder(ref.key, ref.kind) or read_folder(self._committed(name))

    def identity(self, name: str) -> str:
        """Return the content identity of an input: equal strings mean equal artifacts."""
        return identity_of(self.refs[name])

    def _committed(self, name: str) -> ArtifactRef:
        """Return the reference to an input when it can be read from the store."""
        with self._work.measure("commit_wait"):
            self._work.resources.commits.wait_for(self.refs[name].key)
        return self.refs[name]


class Work:
    """What a stage's body works with: its outputs, their parts, seeds, progress and scratch space.

    A context manager: at the end of the `with` block the finished parts are stored, and `scratch` is removed, or when
    the commit in the background has ended.
    """

    def __init__(self, stage: "Stage", key: str, context: "Context") -> None:
        self.stage = stage
        self.key = key
        self.context = context
        self.committer = Committer(context.store, stage.tables, stage.folders, context.iteration, key)
        self.speed: pa.Table | None = None
        self.actions_after_commit: list[Callable[[], None]] = []
        self.finish: Callable[[], None] | None = None
        self.complete_folders: Mapping[str, Path] = {}
        self.seconds = dict.fromkeys(("gpu", "trainer_load", "trainer_save", "commit_wait"), 0.0)
        """Seconds by purpose (see the columns of `TIMINGS` in storage/writer.py)."""
        self._parts = PartQueue(before=context.resources.commits.wait)
        self._last_check = time.monotonic()
        self.temporary: list[Path] = []
        """Folders that are removed when nothing reads them any more."""
        self.scratch = self._make_temporary(context.resources.scratch)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        stopped = kind is not None and not issubclass(kind, Exception)
        self._parts.close(LAST_SECONDS if stopped else None)
        commits = self.resources.commits
        commits.tidy()
        for folder in self.temporary:
            if not commits.owns(folder):
                shutil.rmtree(folder, ignore_errors=True)

    @property
    def resources(self) -> Resources:
        return self.context.resources

    def wait_for_earlier_stage(self) -> None:
        """Return when the outputs of the stage before are committed. Raises what their commit raised."""
        with self.measure("commit_wait"):
            self.resources.commits.wait()

    def write(self, table: str, rows: Rows) -> None:
        """Write a whole table; readers see it only when the manifest is written."""
        self.wait_for_earlier_stage()
        self.committer.write_table(table, rows)

    def write_folder(self, name: str, folder: Path) -> None:
        """Store a folder of files; readers see it only when the manifest is written."""
        self.wait_for_earlier_stage()
        self.committer.write_folder(name, folder)

    def import_folder(self, name: str, folder: Path, files: Sequence[str] | None = None) -> None:
        """Record a folder where it lies, so that a large model is not copied. On S3 a copy is stored.

        `files`: paths of the files to record, relative to the folder; None for all files.
        """
        self.wait_for_earlier_stage()
        self.committer.import_folder(name, folder, files)

    def commit_later(self, folders: Mapping[str, Path], finish: Callable[[], None]) -> None:
        """Let `finish` write the rest of the outputs when the body has returned, while later stages compute.

        All metrics have to be known when the body returns. An error of `finish` ends the run as one of the body does.

        Args:
            folders: output folders that are complete now, by name; later stages of this process read them at once.
            finish: writes what the body has not written. It may use `scratch`, and no engine.
        """
        self.complete_folders, self.finish = dict(folders), finish

    def memory_folder(self) -> Path | None:
        """Return a new folder in main memory, for a folder that later stages read before it is committed.

        None if they read it from the store alone, or if this process uses no main memory for files (see
        `Resources.memory`). The folder is removed as `scratch` is.
        """
        if not self.context.background or self.context.shard.world_size > 1:
            return None
        parent = self.resources.memory()
        try:
            return None if parent is None else self._make_temporary(parent)
        except OSError:  # full, or removed by the system, as systemd does when a user logs out (RemoveIPC)
            return None

    def _make_temporary(self, parent: Path) -> Path:
        folder = Path(tempfile.mkdtemp(prefix=f"serl-{self.stage.name}-", dir=parent))
        self.temporary.append(folder)
        return folder

    def shards(self, table: str, rows: int) -> Shards:
        """Return the missing parts of a table, in the order in which this process does them.

        `rows`: number of rows of the table, or of the input by whose rows the parts are cut. The first attempt fixes
        the ranges by its shard size, in a create-only plan that later attempts follow.
        """
        may_write = not self.resources.commits.pending
        if may_write:
            self.wait_for_earlier_stage()  # raises the error of a commit that has just failed
        plan = self.committer.plan(table, rows, self.resources.settings.shard_rows, write_now=may_write)
        order = self.context.shard.order(len(plan))
        return Shards(self, table, {part: range(*plan[part]) for part in order})

    def write_part(self, table: str, index: int, rows: Rows) -> None:
        """Write one part, whole and create-only. A killed stage loses only the parts that it had not finished.

        The part is stored in a thread, in order, while the caller goes on. Raises what the storing of an earlier part
        raised.
        """
        size, store = self.committer.encode_part(table, index, rows)
        with self.measure("commit_wait"):
            self._parts.put(size, store)
        if self.context.shard.world_size > 1:  # other processes do the parts that they do not see
            self.store_parts()

    def parts(self, table: str) -> pl.DataFrame:
        """Return all parts of a table as one, in order."""
        self.store_parts()
        return self.committer.read_parts(table)

    def store_parts(self) -> None:
        """Return when all parts are stored. Raises what the storing of one raised."""
        with self.measure("commit_wait"):
            self._parts.flush()

    def responses(self, generated: Iterator[Responses]) -> Iterator[Responses]:
        """Yield what an engine's `generate` yields, and count the time that the engine takes as time at work."""
        while True:
            with self.measure("gpu"):
                batch = next(generated, None)
            if batch is None:
                return
            yield batch

    @contextmanager
    def measure(self, purpose: str) -> Iterator[None]:
        """Add the time that a `with` block takes to `seconds`."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.seconds[purpose] += time.monotonic() - started

    def record_speed(self, rows: pa.Table) -> None:
        """Record how fast parts of the work were. Speeds differ between equal runs, so no digest covers them."""
        self.speed = rows

    def after_commit(self, action: Callable[[], None]) -> None:
        """Call `action` when the outputs are committed; it is not called if the stage fails or is killed."""
        self.actions_after_commit.append(action)

    def identity(self, kind: str) -> str:
        """Return the content identity that output `kind` will have as another stage's input."""
        return f"{kind}:{self.key}"

    def seed(self, *names: str | int, stage: str | None = None) -> int:
        """Return a 63-bit seed for `names` within this run, branch, iteration, round and stage.

        `stage`: name of the stage, for one that does part of another stage's work; by default this stage.
        """
        context, stage = self.context, stage or self.stage.name
        of_round = () if context.round == 1 else ("round", context.round)
        return derive_seed(context.seed, context.branch, context.iteration, stage, *of_round, *names)

    def progress(self, done: int, total: int, note: str = "") -> None:
        """Report progress.

        Raises an exception that ends the body, and that `run_stage` catches, if another process has committed the
        stage. Raises the error of an earlier stage whose commit failed: nothing of this stage can be written any more.
        """
        self.resources.commits.check()
        self.context.progress(self.stage.name, done, total, note)
        if self.context.shard.world_size > 1 and (now := time.monotonic()) > self._last_check + _SECONDS_BETWEEN_CHECKS:
            self._last_check = now
            if self.context.store.exists(manifest_path(self.stage.name, self.context.iteration, self.key)):
                raise _CommittedElsewhere


class _CommittedElsewhere(Exception):
    """Another process has committed the stage."""


def input_of_round(name: str, number: int) -> str:
    """Return the name of an input of which there is one per round: `responses`, `responses_2`, `responses_3`, ..."""
    return name if number == 1 else f"{name}_{number}"


def identity_of(ref: ArtifactRef) -> str:
    """Return the content identity of an artifact: equal strings mean equal artifacts."""
    return f"{ref.kind}:{ref.key}"
