"""Reads the files that a run starts from, JSONL or Parquet. Errors name the file and the line."""

import json
from collections.abc import Iterator
from math import isnan
from pathlib import Path
from string import whitespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from storage.errors import InputError
from storage.fingerprint import digest_file

MAX_ROW_BYTES = 1_000_000
"""Longest line of a JSONL file."""


def read_rows(name: str, label: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (location, row) for each row of a JSONL or Parquet file; a location is "line 3" or "row 3".

    `label` says in errors what the file is. Raises InputError, with file and line, if the file is missing, empty or
    malformed.
    """
    path = Path(name)
    if not path.is_file():
        raise InputError(f"{label} {name} does not exist; expected a .jsonl or .parquet file")
    if path.suffix not in (".jsonl", ".parquet"):
        raise InputError(f"{label} {name} ends in {path.suffix or 'nothing'}; expected .jsonl or .parquet")
    empty = True
    for location, row in _parquet_rows(path, label) if path.suffix == ".parquet" else _json_rows(path, label):
        empty = False
        yield location, row
    if empty:
        raise InputError(f"{label} {name} has no rows; expected at least one question")


def _json_rows(path: Path, label: str) -> Iterator[tuple[str, dict[str, Any]]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            if len(line) > MAX_ROW_BYTES:
                raise InputError(f"{label} {path}, line {number}: {len(line)} bytes; expected at most {MAX_ROW_BYTES}")
            try:
                row = json.loads(line)
                json.dumps(row, ensure_ascii=False).encode()  # half a surrogate pair is valid JSON but not text
            except (ValueError, RecursionError) as error:  # also UnicodeDecodeError
                raise InputError(
                    f"{label} {path}, line {number}: not JSON ({error}); expected one object per line"
                ) from None
            if not isinstance(row, dict):
                raise InputError(f"{label} {path}, line {number}: found {type(row).__name__}, expected a JSON object")
            yield f"line {number}", row


def _parquet_rows(path: Path, label: str) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{label} {path} is not a Parquet file: {error}") from None
    for number, row in enumerate(table.to_pylist(), start=1):
        yield f"row {number}", row


def is_filled(value: Any) -> bool:
    """Return whether a field of a row holds something: not null, NaN, a blank text, or a list of nothing but these.

    pandas writes NaN for a cell without a value, or "nan" or "<NA>" if its column was made text. Other words ("None",
    "N/A") may be answers.
    """
    if isinstance(value, str):
        return value.strip(f"{whitespace}\u00a0\u200b\u2060\u3000\ufeff") not in ("", "nan", "NaN", "<NA>")
    if isinstance(value, float):
        return not isnan(value)
    return any(map(is_filled, value)) if isinstance(value, list) else value is not None


def content_of_file(name: str, label: str) -> str:
    """Return the sha256 of a file. Raises InputError if the file does not exist."""
    if not Path(name).is_file():
        raise InputError(f"{label} {name} does not exist; expected a .jsonl or .parquet file")
    return digest_file(Path(name))
