"""Tables as Parquet bytes with a declared, versioned schema. The same rows give the same bytes."""

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from storage.errors import SchemaMismatch

_VERSION_KEY = b"serl.version"


def versioned(version: int, columns: Sequence[pa.Field]) -> pa.Schema:
    """Return a schema with its version. Every file of the table has the version in its metadata."""
    return pa.schema(columns, metadata={_VERSION_KEY: str(version).encode()})


def version_of(schema: pa.Schema) -> int:
    """Return the version of a schema; 1 if it has none, as in files of manifest format 1."""
    return int((schema.metadata or {}).get(_VERSION_KEY, b"1"))


def make_table(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    """Return rows as an Arrow table of exactly `schema`.

    Raises SchemaMismatch if a row lacks a column, has one too many, holds a float for an integer, or holds a value that
    Arrow cannot convert to the column's type. Nulls are not checked here; `check_schema` does that.
    """
    expected = set(schema.names)
    for index, row in enumerate(rows):
        if row.keys() != expected:
            missing, extra = sorted(expected - row.keys()), sorted(row.keys() - expected)
            raise SchemaMismatch(f"row {index}: missing columns {missing}, unexpected columns {extra}")
    integer_columns = [field.name for field in schema if pa.types.is_integer(field.type)]
    for index, row in enumerate(rows):
        for name in integer_columns:
            if isinstance(row[name], float):  # Arrow would cut 1.5 to 1 without an error
                raise SchemaMismatch(f"row {index}: {name} is {row[name]!r}, expected a whole number")
    try:
        return pa.Table.from_pylist(list(rows), schema=schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        raise SchemaMismatch(f"rows do not fit the schema {columns(schema)}: {error}") from error


def check_schema(table: pa.Table, schema: pa.Schema) -> None:
    """Raise SchemaMismatch unless `table` has exactly the columns and types of `schema`, and only allowed nulls."""
    if not table.schema.equals(schema):
        raise SchemaMismatch(f"found columns {columns(table.schema)}, expected {columns(schema)}")
    for field in schema:
        if not field.nullable and table[field.name].null_count:
            raise SchemaMismatch(f"column {field.name} holds {table[field.name].null_count} nulls, expected none")


def columns(schema: pa.Schema) -> dict[str, str]:
    """Return column name -> Arrow type of a schema, as a manifest records them."""
    return {field.name: str(field.type) for field in schema}


def encode(table: pa.Table) -> bytes:
    """Return a table as Parquet bytes, compressed with zstd. The same table gives the same bytes.

    Float columns use BYTE_STREAM_SPLIT: whole log-probabilities rarely repeat, but their leading bytes do, so zstd can
    compress those. Dictionary encoding is off: on tables of tokens and text, it took a third of the writing time and
    saved no space beyond zstd.
    """
    float_columns = [name for name, kind in _leaves(table.schema) if pa.types.is_floating(kind)]
    sink = io.BytesIO()
    pq.write_table(
        table,
        sink,
        compression="zstd",
        use_dictionary=False,
        column_encoding=dict.fromkeys(float_columns, "BYTE_STREAM_SPLIT"),
        write_page_checksum=True,  # the only check of a part until the manifest, written last, holds its digest
    )
    return sink.getvalue()


def _leaves(schema: pa.Schema) -> list[tuple[str, pa.DataType]]:
    """Return (path inside Parquet, type of the values or of the list elements) of every column."""
    return [
        (f"{field.name}.list.element", field.type.value_type)
        if pa.types.is_list(field.type)
        else (field.name, field.type)
        for field in schema
    ]


def decode(data: bytes) -> pa.Table:
    """Return the table in Parquet bytes."""
    return pq.read_table(io.BytesIO(data))


def count_rows(data: bytes, *, check: bool = False) -> int:
    """Return the number of rows of a Parquet file, from its footer.

    With `check`, the whole content is read and compared with its checksums. Raises ValueError when `data` is not a
    Parquet file or is damaged.
    """
    try:
        if check:
            return int(pq.read_table(io.BytesIO(data), page_checksum_verification=True).num_rows)
        return int(pq.read_metadata(io.BytesIO(data)).num_rows)
    except OSError as error:  # a wrong checksum; other damage is ArrowInvalid, which is a ValueError
        raise ValueError(str(error)) from None


def parse_plan(data: bytes) -> tuple[int, list[tuple[int, int]]]:
    """Return (rows, row range of each part) from the bytes of a `plan.json`, which cuts a stage's table into parts.

    Raises ValueError if the plan is damaged.
    """
    try:
        plan = json.loads(data)
        return int(plan["rows"]), [(int(start), int(stop)) for start, stop in plan["ranges"]]
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a plan: {error!r}") from None
