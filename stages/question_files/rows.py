"""Rows of a file of questions: JSON lines, JSON, CSV, TSV, Parquet or Arrow, plain or gzipped, or a folder of these.

The content decides how a file is read, not its ending. Reading is lazy where the form allows it. A row that cannot be
read is a `Row` with a fault, so that the caller sees all faults of a file at once.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from stages.question_files.encodings import detected_encoding
from stages.question_files.json_rows import json_file
from stages.question_files.sources import EXPECTED, Row, Source
from stages.question_files.table_rows import table_file
from stages.settings.inputs import HubSplit
from stages.settings.questions import QuestionFormat
from storage.errors import InputError
from storage.fingerprint import digest_file, digest_files

_OTHER_FORMS = (
    (b"PK\x03\x04", "a zip archive or an Excel file", "unpack it, or save the sheet as CSV"),
    (b"\xd0\xcf\x11\xe0", "an old Excel file", "save the sheet as CSV"),
    (b"BZh", "compressed by bzip2", "unpack it"),
    (b"\xfd7zXZ", "compressed by xz", "unpack it"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd", "unpack it"),
    (b"SQLite format 3", "an SQLite database", "save the table as CSV"),
    (b"%PDF", "a PDF", "save the questions as JSON lines or CSV"),
    (b"\x80\x04\x95", "a Python pickle, which is never opened", "save the rows as JSON lines"),
    (b"version https://git-lfs", "a pointer of Git LFS, not the file", "run `git lfs pull`"),
    (
        b"<",
        "HTML or XML, perhaps a page of the site or an export of a quiz",
        "download the raw file, or save the questions as CSV or JSON lines",
    ),
)
"""First bytes of forms that are not read, what they are, and what to do."""
_SPLIT = re.compile(r"(train|test|dev|val|validation)(?=[-_.])", re.IGNORECASE)
"""How the names of files start that belong to different parts of a data set."""


@dataclass(frozen=True, slots=True)
class File:
    """A file whose form is known."""

    form: str
    """Such as "JSON lines" or "CSV (cp1252)"."""
    rows: Iterable[Row]
    """The rows, which can be gone through once."""
    has_header: bool = True
    """False for a CSV or TSV file whose columns have numbers ("0", "1", ...) as names."""


def open_file(name: str | HubSplit, label: str, row_format: QuestionFormat) -> File:
    """Return the rows of a file, of a folder of files, or of a split of a data set of the hub.

    `label` says in errors what the file is. Raises InputError, also while rows are read, if the file is missing, or is
    none of the known forms.
    """
    if isinstance(name, HubSplit):
        return _open_split(name, label, row_format)
    path = _existing(name, label)
    if path.is_dir():
        return _open_folder(path, label, row_format)
    return _open_file(path, f"{label} {name}", row_format)


def _existing(name: str, label: str) -> Path:
    """Return the path of a file or folder. Raises InputError if there is none that can be opened."""
    path = Path(name)
    try:
        if name.strip() and path.is_dir():
            next(path.iterdir(), None)
            return path
        if path.is_file():
            with path.open("rb"):
                return path
        exists = bool(name.strip()) and path.exists()
    except OSError as error:
        raise InputError(f"{label} {name[:200]} cannot be opened: {error.strerror or error}") from None
    if exists:
        raise InputError(f"{label} {name} is a device or a pipe; expected {EXPECTED}")
    raise InputError(f"{label} {name or '(an empty path)'} does not exist; expected {EXPECTED}")


def content_of(name: str, label: str) -> str:
    """Return the digest of a file, or of the files of a folder. Raises InputError if there is none."""
    path = _existing(name, label)
    if path.is_dir():
        return digest_files([(part.name, digest_file(part)) for part in parts_of(path)])
    return digest_file(path)


def parts_of(path: Path) -> list[Path]:
    """Return the files of a folder in the order of their names, without hidden ones and notes about the data."""
    skipped = (".", "_", "README", "LICENSE", "dataset_info", "dataset_dict", "state.json", "dataset_infos")
    return sorted(part for part in path.iterdir() if part.is_file() and not part.name.startswith(skipped))


def _open_folder(path: Path, label: str, row_format: QuestionFormat) -> File:
    parts = parts_of(path)
    if not parts:
        folders = sorted(part.name for part in path.iterdir() if part.is_dir())
        hint = f"it has the folders {', '.join(folders)[:200]}: name one of them" if folders else f"expected {EXPECTED}"
        raise InputError(f"{label} {path} is a folder without files; {hint}")
    splits = {match[1].lower() for part in parts if (match := _SPLIT.match(part.name))}
    if len(splits) > 1:
        raise InputError(
            f"{label} {path} is a folder with files of {', '.join(sorted(splits))}; name one file, or a folder with "
            "the files of one part"
        )
    return _joined([(part.name, _open_file(part, f"{label} {part}", row_format)) for part in parts])


def _open_split(split: HubSplit, label: str, row_format: QuestionFormat) -> File:
    files = []
    for name in split.files:
        path = _existing(str(Path(split.folder, name)), label)
        files.append((name, _open_file(path, f"{label} {split.repository} {name}", row_format)))
    return files[0][1] if len(files) == 1 else _joined(files)


def _joined(files: Sequence[tuple[str, File]]) -> File:
    """Return files, each with its name, as one file."""
    rows = (Row(f"{name}, {row.location}", row.values, row.fault) for name, file in files for row in file.rows)
    forms = list(dict.fromkeys(file.form for _, file in files))
    count = f"{len(files)} files" if len(files) > 1 else "1 file"
    return File(f"{count}, {', '.join(forms)}", rows, all(file.has_header for _, file in files))


def _open_file(path: Path, label: str, row_format: QuestionFormat) -> File:
    with path.open("rb") as file:
        source = Source(path, label, is_zipped=file.read(2) == b"\x1f\x8b")
    zipped = ", gzipped" if source.is_zipped else ""
    head = source.head()
    if source.is_zipped and head[:2] == b"\x1f\x8b":
        raise InputError(f"{label} is gzipped twice; unpack it once")
    if not head.strip(b"\xef\xbb\xbf \t\r\n"):
        raise InputError(f"{label} is empty; expected at least one question")
    if head[:4] == b"PAR1" and not source.is_zipped:
        return File("Parquet", _arrow_rows(pq.ParquetFile, path, label))
    if source.is_zipped and head.startswith((b"ARROW1", b"PAR1")):
        raise InputError(f"{label} is a gzipped Parquet or Arrow file; unpack it")
    if head[:6] == b"ARROW1" or head[:4] == b"\xff\xff\xff\xff":
        opened = pa.ipc.open_file if head[:6] == b"ARROW1" else pa.ipc.open_stream
        return File("Arrow", _arrow_rows(opened, path, label))
    for start, form, advice in _OTHER_FORMS:
        if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(start):
            raise InputError(f"{label} is {form}; {advice}. Expected {EXPECTED}")
    encoding = row_format.encoding or detected_encoding(head)
    text = head.decode(encoding or "utf-8", errors="replace").lstrip("\ufeff \t\r\n")
    if text.startswith(("[", "{")) or {".json", ".jsonl", ".ndjson"} & {suffix.lower() for suffix in path.suffixes}:
        is_list = text.startswith("[")
        form, rows = json_file(source, encoding or "utf-8-sig", row_format.rows, is_list=is_list)
        shown = "" if (encoding or "utf-8").startswith("utf-8") else f" in {encoding}"
        return File(form + shown + zipped, rows)
    form, rows, has_header = table_file(source, row_format)
    return File(form + zipped, rows, has_header)


def _arrow_rows(opened: Any, path: Path, label: str) -> Iterator[Row]:
    try:
        reader = opened(path) if opened is pq.ParquetFile else opened(pa.memory_map(str(path)))
        batches = reader.iter_batches(batch_size=4_096) if opened is pq.ParquetFile else _batches(reader)
        number = 0
        for batch in batches:
            binary = [field.name for field in batch.schema if _is_binary(field.type)]
            for row in batch.to_pylist(maps_as_pydicts="lossy"):
                number += 1
                yield Row(f"row {number}", _with_text(row, binary) if binary else row)
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{label} cannot be read as Parquet or Arrow: {reason}") from None


def _is_binary(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_binary(kind.value_type)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _with_text(row: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return a row whose binary fields are texts, if they are UTF-8."""
    texts = {}
    for name in names:
        try:
            texts[name] = row[name].decode() if row[name] is not None else None
        except UnicodeDecodeError:
            continue
    return {**row, **texts}


def _batches(reader: Any) -> Iterator[pa.RecordBatch]:
    if hasattr(reader, "num_record_batches"):
        yield from (reader.get_batch(index) for index in range(reader.num_record_batches))
    else:
        yield from reader
