"""Writing a stage's outputs: whole tables, tables in parts, folders of weights, and the timing of the execution.

A part is written completely, once and create-only, so a part that exists is done. The path of a whole table or folder
contains its digest. On a GPU a second attempt may compute other bytes than a killed first attempt left. A part, whole
table or folder never holds bytes of both.
"""

import os
import platform
import resource
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import polars as pl
import pyarrow as pa

from storage import cache, tables
from storage.artifact import Manifest, Output, StoredFile, output_folder, repair_hint
from storage.errors import CorruptArtifact, StorageError
from storage.fingerprint import SHORT_DIGITS, canonical_json, digest, digest_file, digest_files
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
        ("on_gpu", pa.bool_()),
        ("gpu_seconds", pa.float64()),
        ("trainer_load_seconds", pa.float64()),
        ("trainer_save_seconds", pa.float64()),
        ("commit_wait_seconds", pa.float64()),
        ("background_seconds", pa.float64()),
    ]
)


class Committer:
    """Writes and collects the outputs of one stage execution. No reader sees them until a manifest lists them.

    `schemas` (table name -> schema) and `folders` (names) are the outputs that the stage declares.
    """

    def __init__(
        self, store: Store, schemas: Mapping[str, pa.Schema], folders: Sequence[str], iteration: int, key: str
    ) -> None:
        self.store = store
        self.schemas = schemas
        self.folders = tuple(folders)
        self._output_folders = {kind: output_folder(kind, iteration, key) for kind in (*schemas, *folders)}
        self._plans: dict[str, list[tuple[int, int]]] = {}
        self._unwritten_plans: dict[str, bytes] = {}
        self._parts: dict[str, StoredFile] = {}
        self._existing_parts: set[str] = set()
        self._whole_outputs: dict[str, Output] = {}

    def write_table(self, table: str, rows: Rows) -> None:
        """Write a whole table. Raises SchemaMismatch when the rows do not fit the declared schema."""
        data = self._encode(table, rows)
        path = f"{self._output_folders[table]}/part-00000-{digest(data)[:SHORT_DIGITS]}.parquet"
        self.store.create(path, data)
        self._whole_outputs[table] = self._table_output(table, [_stored(path, data)])

    def write_folder(self, name: str, folder: Path, files: Sequence[str] | None = None) -> None:
        """Store the files of `folder`, or those of them that `files` lists by relative path.

        Do not write to them afterwards: they may be linked.
        """
        digests = {file: digest_file(folder / file) for file in files or files_under(folder)}
        content_digest = digest_files(list(digests.items()))
        target = f"{self._output_folders[name]}/{content_digest[:SHORT_DIGITS]}"
        stored = []
        for file, sha256 in digests.items():
            self.store.create_from_file(f"{target}/{file}", folder / file)
            size = (folder / file).stat().st_size
            stored.append(StoredFile(path=f"{target}/{file}", bytes=size, sha256=sha256))
        self._whole_outputs[name] = Output(files=tuple(stored), folder=target)
        if not self.store.is_local:
            cache.adopt(content_digest, folder, digests)  # the next stage on this machine reads it without a download

    def import_folder(self, name: str, folder: Path, files: Sequence[str] | None = None) -> None:
        """Record a user's folder, or those of its files that `files` lists, by its absolute path, without a copy.

        On S3, and for a folder that lies in the cache and may be deleted there, store a copy.
        """
        folder = folder.resolve()
        if not self.store.is_local or cache.holds(folder):
            self.write_folder(name, folder, files)
            return
        stored = tuple(
            StoredFile(path=str(folder / file), bytes=(folder / file).stat().st_size, sha256=digest_file(folder / file))
            for file in files or files_under(folder)
        )
        self._whole_outputs[name] = Output(files=stored, folder=str(folder))

    def plan(self, table: str, rows: int, shard_rows: int, *, write_now: bool = True) -> list[tuple[int, int]]:
        """Return the (start, stop) rows of each part of `table`.

        `rows`: number of rows of the table, or of the input that the parts are cut by. `write_now`: whether a plan may
        be written already; if not, it is written before the first part.

        The first attempt cuts parts of `shard_rows` rows and writes the plan. Later attempts read that plan, whatever
        their `shard_rows`, so that the parts of the first attempt fit. Raises CorruptArtifact when the plan is damaged
        or has another number of rows.
        """
        path = f"{self._output_folders[table]}/plan.json"
        ranges = [(start, min(start + shard_rows, rows)) for start in range(0, rows, shard_rows)] or [(0, 0)]
        plan = canonical_json({"rows": rows, "ranges": ranges})
        if not write_now and not self.store.exists(path):
            self._unwritten_plans[table] = plan
        elif not self.store.create(path, plan):
            ranges = self._read_plan(path, rows)
        self._plans[table] = ranges
        return ranges

    def _write_plan(self, table: str) -> None:
        """Write the plan of a table, unless it is there. Raises StorageError if another process wrote another plan."""
        plan = self._unwritten_plans.get(table)
        path = f"{self._output_folders[table]}/plan.json"
        if plan is not None and not self.store.create(path, plan) and self.store.read(path) != plan:
            raise StorageError(
                f"{self.store.uri}/{path} was written by another process meanwhile, which cuts other parts; run the "
                "same command again, which follows it"
            )
        self._unwritten_plans.pop(table, None)

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
        """Return whether a part of a planned table exists. After the first True the store is not asked again."""
        path = self._part_path(table, index)
        if path not in self._existing_parts and self.store.exists(path):
            self._existing_parts.add(path)
        return path in self._existing_parts

    def write_part(self, table: str, index: int, rows: Rows) -> None:
        """Write one part of a planned table. A part that exists stays as it is."""
        _, write = self.encode_part(table, index, rows)
        write()

    def encode_part(self, table: str, index: int, rows: Rows) -> tuple[int, Callable[[], None]]:
        """Return the number of bytes of one part, and a function that writes it. From now on the part counts as there.

        Raises SchemaMismatch when the rows do not fit the declared schema.
        """
        path, data = self._part_path(table, index), self._encode(table, rows)

        def write() -> None:
            self._write_plan(table)
            if self.store.create(path, data):
                self._parts[path] = _stored(path, data)

        self._existing_parts.add(path)
        return len(data), write

    def read_parts(self, table: str) -> pl.DataFrame:
        """Return a planned table. All its parts have to exist."""
        return read_parts(self.store, self._table_of_parts(table))

    def outputs(self) -> dict[str, Output]:
        """Return the records of all declared outputs. Raises StorageError when the stage did not write one of them."""
        outputs = {**self._whole_outputs, **{table: self._table_of_parts(table) for table in self._plans}}
        if missing := sorted({*self.schemas, *self.folders} - outputs.keys()):
            raise StorageError(f"the stage wrote no {', '.join(missing)}")
        return {kind: outputs[kind] for kind in (*self.schemas, *self.folders)}

    def _part_path(self, table: str, index: int) -> str:
        return f"{self._output_folders[table]}/part-{index:05d}.parquet"

    def _table_of_parts(self, table: str) -> Output:
        return self._table_output(table, [self._stored_part(table, index) for index in range(len(self._plans[table]))])

    def _stored_part(self, table: str, index: int) -> StoredFile:
        """Return the record of a part. A part that an earlier attempt wrote is read and checked first."""
        path = self._part_path(table, index)
        if path not in self._parts:
            try:
                self._parts[path] = _stored(path, self.store.read(path), check=True)
            except ValueError as error:
                raise CorruptArtifact(
                    f"{self.store.uri}/{path} cannot be read ({error}); {repair_hint(self.store)}"
                ) from None
        return self._parts[path]

    def _table_output(self, table: str, files: Sequence[StoredFile]) -> Output:
        schema = self.schemas[table]
        return Output(files=tuple(files), columns=tables.columns(schema), version=tables.version_of(schema))

    def _encode(self, table: str, rows: Rows) -> bytes:
        """Return rows as Parquet bytes.

        Raises StorageError for an undeclared table, SchemaMismatch when the rows do not fit the declared schema.
        """
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
    """Return the paths of all files below `folder`, relative to it and sorted, without hidden files and folders."""
    files = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    return sorted(file for file in files if not any(part.startswith(".") for part in Path(file).parts))


def record_timing(
    store: Store, manifest: Manifest, *, seconds: float, started: float, on_gpu: bool, purposes: Mapping[str, float]
) -> None:
    """Add a row to the table `timings`. No manifest lists it, because times differ between two equal runs.

    `seconds`: duration of the execution. `started`: seconds since the epoch. `on_gpu`: whether it used a GPU.
    `purposes`: the rest of the columns of `TIMINGS`, numbers and seconds by what they were for.
    """
    row = {
        "stage": manifest.stage,
        "key": manifest.key,
        "seconds": seconds,
        "started": int(started * 1000),
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "host": platform.node(),
        "process": os.getpid(),
        "on_gpu": on_gpu,
        **purposes,
    }
    name = f"{manifest.stage}-{uuid.uuid4().hex[:SHORT_DIGITS]}"
    data = tables.encode(tables.make_table([row], TIMINGS))
    store.create(f"timings/iteration={manifest.iteration:04d}/{name}.parquet", data)


def record_speed(store: Store, manifest: Manifest, rows: pa.Table) -> None:
    """Add rows to the table `speed`: how fast the parts of a stage were. No manifest lists it, as with `timings`."""
    rows = rows.add_column(0, "key", pa.array([manifest.key] * len(rows)))
    name = f"{manifest.stage}-{uuid.uuid4().hex[:SHORT_DIGITS]}"
    store.create(f"speed/iteration={manifest.iteration:04d}/{name}.parquet", tables.encode(rows))
