"""Writing a stage's outputs: whole tables, tables in parts, folders of weights, and the timing of the execution.

A part is written whole, once, create-only; a part that exists is done. Whole tables and folders carry their digest in
their name, so that a second attempt whose bytes differ (a GPU) can never mix with what a killed first one left.
"""

import os
import platform
import resource
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import polars as pl
import pyarrow as pa

from storage import cache, tables
from storage.artifact import Manifest, Output, StoredFile, output_folder, repair_hint
from storage.errors import CorruptArtifact, StorageError
from storage.fingerprint import SHORT, canonical_json, digest, digest_file, digest_files
from storage.reader import read_parts
from storage.store import Store

Rows: TypeAlias = Sequence[Mapping[str, Any]] | pa.Table

TIMINGS = pa.schema(
    [
        ("stage", pa.string()),
        ("key", pa.string()),
        ("seconds", pa.float64()),
        ("started", pa.timestamp("ms", tz="UTC")),
        ("peak_memory_mib", pa.float64()),
        ("host", pa.string()),
        ("process", pa.int64()),
        ("engine_starts", pa.int64()),
        ("engine_start_seconds", pa.float64()),
        ("engine_loads", pa.int64()),
        ("engine_load_seconds", pa.float64()),
    ]
)


class Committer:
    """Collects the outputs of one execution. Nothing it writes counts until a manifest lists it."""

    def __init__(
        self, store: Store, schemas: Mapping[str, pa.Schema], folders: Sequence[str], iteration: int, key: str
    ) -> None:
        self.store = store
        self.schemas = schemas
        self.folders = tuple(folders)
        self._home = {kind: output_folder(kind, iteration, key) for kind in (*schemas, *folders)}
        self._plans: dict[str, list[tuple[int, int]]] = {}
        self._parts: dict[str, StoredFile] = {}
        self._there: set[str] = set()
        self._whole: dict[str, Output] = {}

    def stage_table(self, table: str, rows: Rows) -> None:
        data = self._encode(table, rows)
        path = f"{self._home[table]}/part-00000-{digest(data)[:SHORT]}.parquet"
        self.store.create(path, data)
        self._whole[table] = self._table(table, [_stored(path, data)])

    def stage_folder(self, name: str, folder: Path) -> None:
        """Store the files of `folder`, which are not to be written to afterwards: they may be linked."""
        digests = {file: digest_file(folder / file) for file in files_under(folder)}
        content = digest_files(list(digests.items()))
        home = f"{self._home[name]}/{content[:SHORT]}"
        stored = []
        for file, sha256 in digests.items():
            self.store.create_from_file(f"{home}/{file}", folder / file)
            size = (folder / file).stat().st_size
            stored.append(StoredFile(path=f"{home}/{file}", bytes=size, sha256=sha256))
        self._whole[name] = Output(files=tuple(stored), folder=home)
        if not self.store.is_local:
            cache.adopt(content, folder, digests)  # the next stage on this machine reads it without a download

    def import_folder(self, name: str, folder: Path) -> None:
        """Record a folder where it lies; on S3, and for a folder that lies in the cache, store a copy of it."""
        folder = folder.resolve()
        if not self.store.is_local or cache.holds(folder):
            self.stage_folder(name, folder)
            return
        stored = tuple(
            StoredFile(path=str(folder / file), bytes=(folder / file).stat().st_size, sha256=digest_file(folder / file))
            for file in files_under(folder)
        )
        self._whole[name] = Output(files=stored, folder=str(folder))

    def plan(self, table: str, rows: int, shard_rows: int) -> list[tuple[int, int]]:
        """Row ranges of the parts of `table`: those of the first attempt, whatever `shard_rows` is now."""
        path = f"{self._home[table]}/plan.json"
        ranges = [(start, min(start + shard_rows, rows)) for start in range(0, rows, shard_rows)] or [(0, 0)]
        wanted = canonical_json({"rows": rows, "ranges": ranges})
        if not self.store.create(path, wanted):
            ranges = self._read_plan(path, rows)
        self._plans[table] = ranges
        return ranges

    def _read_plan(self, path: str, rows: int) -> list[tuple[int, int]]:
        try:
            planned, ranges = tables.parse_plan(self.store.read(path))
        except ValueError:
            raise CorruptArtifact(f"{self.store.uri}/{path} is not a plan; {repair_hint(self.store)}") from None
        if planned != rows:
            raise CorruptArtifact(
                f"{self.store.uri}/{path} plans {planned} rows, this attempt has {rows}; delete that folder"
            )
        return ranges

    def has_part(self, table: str, index: int) -> bool:
        """Whether it is there; what was once is not looked for again."""
        path = self._part(table, index)
        if path not in self._there and self.store.exists(path):
            self._there.add(path)
        return path in self._there

    def write_part(self, table: str, index: int, rows: Rows) -> None:
        path, data = self._part(table, index), self._encode(table, rows)
        if self.store.create(path, data):
            self._parts[path] = _stored(path, data)
        self._there.add(path)

    def read_parts(self, table: str) -> pl.DataFrame:
        return read_parts(self.store, self._sharded(table))

    def outputs(self) -> dict[str, Output]:
        """Every declared output. Raises StorageError when the body forgot one."""
        found = {**self._whole, **{table: self._sharded(table) for table in self._plans}}
        if missing := sorted({*self.schemas, *self.folders} - found.keys()):
            raise StorageError(f"the stage wrote no {', '.join(missing)}")
        return {kind: found[kind] for kind in (*self.schemas, *self.folders)}

    def _part(self, table: str, index: int) -> str:
        return f"{self._home[table]}/part-{index:05d}.parquet"

    def _sharded(self, table: str) -> Output:
        return self._table(table, [self._stored_part(table, index) for index in range(len(self._plans[table]))])

    def _stored_part(self, table: str, index: int) -> StoredFile:
        """A part of this attempt, or of an earlier one, which has to be looked at."""
        path = self._part(table, index)
        if path not in self._parts:
            try:
                self._parts[path] = _stored(path, self.store.read(path), check=True)
            except ValueError as error:
                raise CorruptArtifact(
                    f"{self.store.uri}/{path} cannot be read ({error}); {repair_hint(self.store)}"
                ) from None
        return self._parts[path]

    def _table(self, table: str, files: Sequence[StoredFile]) -> Output:
        schema = self.schemas[table]
        return Output(files=tuple(files), columns=tables.columns(schema), version=tables.version_of(schema))

    def _encode(self, table: str, rows: Rows) -> bytes:
        if table not in self.schemas:
            raise StorageError(f"the stage declares no table {table}; it declares {', '.join(self.schemas) or 'none'}")
        schema = self.schemas[table]
        if not isinstance(rows, pa.Table):
            rows = tables.make_table(rows, schema)
        tables.check_schema(rows, schema)
        return tables.encode(rows.replace_schema_metadata(schema.metadata))


def _stored(path: str, data: bytes, *, check: bool = False) -> StoredFile:
    return StoredFile(path=path, bytes=len(data), sha256=digest(data), rows=tables.count_rows(data, check=check))


def files_under(folder: Path) -> list[str]:
    """Names of all files below `folder`, hidden ones left out."""
    files = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    return sorted(file for file in files if not any(part.startswith(".") for part in Path(file).parts))


def record_timing(
    store: Store, manifest: Manifest, *, seconds: float, started: float, engine: Mapping[str, float]
) -> None:
    """Add a row to `timings`, which no digest covers: it says what differs between two equal runs.

    `engine`: what the execution spent on starting an engine and on loading policies into it.
    """
    row = {
        "stage": manifest.stage,
        "key": manifest.key,
        "seconds": seconds,
        "started": int(started * 1000),
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "host": platform.node(),
        "process": os.getpid(),
        **{f"engine_{name}": value for name, value in engine.items()},
    }
    name = f"{manifest.stage}-{uuid.uuid4().hex[:SHORT]}"
    data = tables.encode(tables.make_table([row], TIMINGS))
    store.create(f"timings/iteration={manifest.iteration:04d}/{name}.parquet", data)


def record_speed(store: Store, manifest: Manifest, rows: pa.Table) -> None:
    """Add a table of how fast the parts of a stage were; like its timing covered by no digest."""
    rows = rows.add_column(0, "key", pa.array([manifest.key] * len(rows)))
    name = f"{manifest.stage}-{uuid.uuid4().hex[:SHORT]}"
    store.create(f"speed/iteration={manifest.iteration:04d}/{name}.parquet", tables.encode(rows))
