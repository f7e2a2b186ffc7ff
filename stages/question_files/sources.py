"""What the readers of all forms share: a row, and the bytes and the text of a file."""

import gc
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from stages.question_files.encodings import check_utf8
from storage.errors import InputError

MAX_ROW_BYTES = 1_000_000
"""Longest row of a text file, in bytes of UTF-8."""
MAX_FILE_BYTES = 2_000_000_000
"""Largest JSON or CSV file, unpacked. JSON lines, Parquet and Arrow may be larger."""
MAX_DEPTH = 50
"""Deepest nesting of lists and objects in a row."""
EXPECTED = "JSON lines, JSON, CSV, TSV, Parquet or Arrow, plain or gzipped, or a folder of such files"
"""What errors say that a file should be."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file."""

    location: str
    """Such as "line 3" or "row 3"; with the file's name in a folder."""
    values: dict[str, Any]
    """Name of a field -> its value; empty if the row has a fault."""
    fault: str | None = None
    """Why the row cannot be read."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file that is read."""

    path: Path
    label: str
    """What the file is, with its path, for errors."""
    is_zipped: bool

    def open(self) -> BinaryIO:
        """Return the unpacked bytes. Raises InputError if the file cannot be opened."""
        try:
            return gzip.open(self.path) if self.is_zipped else self.path.open("rb")  # type: ignore[return-value]
        except OSError as error:
            raise InputError(f"{self.label} cannot be opened: {error}") from None

    def head(self) -> bytes:
        """Return the first bytes, unpacked. Raises InputError if the file is broken."""
        with self.open() as file:
            try:
                return file.read(1 << 16)
            except (OSError, EOFError, zlib.error) as error:
                raise InputError(f"{self.label} cannot be unpacked: {error}") from None

    def content(self) -> bytes:
        """Return all bytes. Raises InputError if there are too many, or the file is broken."""
        with self.open() as file:
            try:
                content = file.read(MAX_FILE_BYTES + 1)
            except (OSError, EOFError, zlib.error) as error:
                raise InputError(f"{self.label} cannot be unpacked: {error}") from None
        if len(content) > MAX_FILE_BYTES:
            raise InputError(f"{self.label} has more than {MAX_FILE_BYTES:,} bytes; split it, or save it as JSON lines")
        return content

    def text(self, encoding: str) -> str:
        """Return the whole text. Raises InputError, which names the likely encoding, if it is in another one."""
        return self.decoded(self.content(), encoding)

    def decoded(self, content: bytes, encoding: str) -> str:
        """Return bytes as text. Raises InputError, which names the likely encoding, if they are in another one."""
        check_utf8(content, self.label, encoding)
        try:
            return content.decode(encoding).removeprefix("\ufeff")
        except UnicodeDecodeError as error:
            raise InputError(
                f"{self.label} is not in the encoding {encoding} ({error.reason} at byte {error.start})"
            ) from None


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Pause the search for cycles, of which rows have none; it takes a quarter of the time of a large file."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
