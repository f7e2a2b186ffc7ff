"""Rows of the files that a run starts from: JSONL or Parquet, read with errors that name the file and the line."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from storage.errors import InputError
from storage.fingerprint import digest_file

MAX_ROW_BYTES = 1_000_000


def read_rows(name: str, what: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(place, row) of each row of a JSONL or Parquet file.

    Raises InputError that names the file and line when it is missing, empty or malformed.
    """
    path = Path(name)
    if not path.is_file():
        raise InputError(f"{what} {name} does not exist; expected a .jsonl or .parquet file")
    if path.suffix not in (".jsonl", ".parquet"):
        raise InputError(f"{what} {name} ends in {path.suffix or 'nothing'}; expected .jsonl or .parquet")
    empty = True
    for place, row in _parquet_rows(path, what) if path.suffix == ".parquet" else _json_rows(path, what):
        empty = False
        yield place, row
    if empty:
        raise InputError(f"{what} {name} has no rows; expected at least one question")


def _json_rows(path: Path, what: str) -> Iterator[tuple[str, dict[str, Any]]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            if len(line) > MAX_ROW_BYTES:
                raise InputError(f"{what} {path}, line {number}: {len(line)} bytes; expected at most {MAX_ROW_BYTES}")
            try:
                row = json.loads(line)
                json.dumps(row, ensure_ascii=False).encode()  # half a surrogate pair is JSON, but no text
            except (ValueError, RecursionError) as error:  # also UnicodeDecodeError
                raise InputError(
                    f"{what} {path}, line {number}: not JSON ({error}); expected one object per line"
                ) from None
            if not isinstance(row, dict):
                raise InputError(f"{what} {path}, line {number}: found {type(row).__name__}, expected a JSON object")
            yield f"line {number}", row


def _parquet_rows(path: Path, what: str) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{what} {path} is not a Parquet file: {error}") from None
    for number, row in enumerate(table.to_pylist(), start=1):
        yield f"row {number}", row


def content_of_file(name: str, what: str) -> str:
    """sha256 of a file; InputError when there is none."""
    if not Path(name).is_file():
        raise InputError(f"{what} {name} does not exist; expected a .jsonl or .parquet file")
    return digest_file(Path(name))
