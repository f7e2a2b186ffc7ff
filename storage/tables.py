"""Tables as Parquet bytes with a declared, versioned schema. The same rows give the same bytes."""

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from storage.errors import SchemaMismatch

_VERSION = b"serl.version"


def versioned(version: int, columns: Sequence[pa.Field]) -> pa.Schema:
    """A schema with its version, which every file of the table carries in its metadata and its manifest repeats."""
    return pa.schema(columns, metadata={_VERSION: str(version).encode()})


def version_of(schema: pa.Schema) -> int:
    """The version that `versioned` gave it; 1 without one, as in files of manifest format 1."""
    return int((schema.metadata or {}).get(_VERSION, b"1"))


def make_table(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    """Rows as an Arrow table of exactly `schema`.

    Raises SchemaMismatch when a row lacks a column, has one too many, or holds a value of another type.
    """
    expected = set(schema.names)
    for index, row in enumerate(rows):
        if row.keys() != expected:
            missing, extra = sorted(expected - row.keys()), sorted(row.keys() - expected)
            raise SchemaMismatch(f"row {index}: missing columns {missing}, unexpected columns {extra}")
    whole = [field.name for field in schema if pa.types.is_integer(field.type)]
    for index, row in enumerate(rows):
        for name in whole:
            if isinstance(row[name], float):  # Arrow would cut 1.5 to 1 without a word
                raise SchemaMismatch(f"row {index}: {name} is {row[name]!r}, expected a whole number")
    try:
        return pa.Table.from_pylist(list(rows), schema=schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        raise SchemaMismatch(f"rows do not fit the schema {columns(schema)}: {error}") from error


def check_schema(table: pa.Table, schema: pa.Schema) -> None:
    """Raises SchemaMismatch unless `table` has exactly the columns and types of `schema`."""
    if not table.schema.equals(schema):
        raise SchemaMismatch(f"found columns {columns(table.schema)}, expected {columns(schema)}")
    for field in schema:
        if not field.nullable and table[field.name].null_count:
            raise SchemaMismatch(f"column {field.name} holds {table[field.name].null_count} nulls, expected none")


def columns(schema: pa.Schema) -> dict[str, str]:
    return {field.name: str(field.type) for field in schema}


def encode(table: pa.Table) -> bytes:
    """Parquet bytes, zstd. Floats are split by byte: log-probabilities hardly repeat, their leading bytes do.

    No dictionaries: on tables of tokens and text they cost a third of the time and save nothing that zstd does not.
    """
    split = [name for name, kind in _leaves(table.schema) if pa.types.is_floating(kind)]
    sink = io.BytesIO()
    pq.write_table(
        table,
        sink,
        compression="zstd",
        use_dictionary=False,
        column_encoding=dict.fromkeys(split, "BYTE_STREAM_SPLIT"),
        write_page_checksum=True,  # for a part that is not committed yet, whose digest nothing records
    )
    return sink.getvalue()


def _leaves(schema: pa.Schema) -> list[tuple[str, pa.DataType]]:
    """(Parquet's name, type of its values) of every column."""
    return [
        (f"{field.name}.list.element", field.type.value_type)
        if pa.types.is_list(field.type)
        else (field.name, field.type)
        for field in schema
    ]


def decode(data: bytes) -> pa.Table:
    return pq.read_table(io.BytesIO(data))


def count_rows(data: bytes, *, check: bool = False) -> int:
    """Rows of a Parquet file, from its footer; with `check` all of it is read and held against its checksums.

    Raises ValueError when it is not a Parquet file or is damaged.
    """
    try:
        if check:
            return int(pq.read_table(io.BytesIO(data), page_checksum_verification=True).num_rows)
        return int(pq.read_metadata(io.BytesIO(data)).num_rows)
    except OSError as error:  # a wrong checksum; ArrowInvalid is a ValueError already
        raise ValueError(str(error)) from None


def parse_plan(data: bytes) -> tuple[int, list[tuple[int, int]]]:
    """(rows, row range of each part) of a `plan.json`. Raises ValueError when it is damaged."""
    try:
        plan = json.loads(data)
        return int(plan["rows"]), [(int(start), int(stop)) for start, stop in plan["ranges"]]
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a plan: {error!r}") from None
