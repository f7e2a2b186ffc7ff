"""How far a download is: one line that changes on a terminal, a new line now and then elsewhere. On stderr."""

import shutil
import sys
import time
from types import TracebackType
from typing import Self, TextIO

SECONDS_BETWEEN_LINES = 30.0
"""Without a terminal."""
_SECONDS_ON_TERMINAL = 0.5
_SECONDS_OF_SPEED = 10.0
"""The speed is the mean over about this time."""


def note(line: str) -> None:
    """Print a line for the user."""
    print(line, file=sys.stderr, flush=True)


class DownloadProgress:
    """Shows the progress of one download.

    Args:
        name: what is downloaded.
        files: number of files.
        total: bytes of all files.
        received: bytes that are there from an earlier attempt.
        stream: where to print; None for stderr.
    """

    def __init__(self, name: str, files: int, total: int, received: int, stream: TextIO | None = None) -> None:
        self._name, self._total, self._first = name, total, received
        self._stream = stream or sys.stderr
        self._on_terminal = self._stream.isatty()
        self._started = self._shown = time.monotonic()
        self._recent = [(self._started, received)]
        there = f", of which {_size(received)} are here" if received else ""
        self._line(f"downloading {name}: {_size(total)} in {files} file{'' if files == 1 else 's'}{there}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._on_terminal:
            self._clear()

    def update(self, received: int) -> int:
        """Show how many bytes are there, unless that was shown a moment ago. Return that number."""
        now = time.monotonic()
        if now - self._shown < (_SECONDS_ON_TERMINAL if self._on_terminal else SECONDS_BETWEEN_LINES):
            return received
        self._shown = now
        self._recent.append((now, received))
        while len(self._recent) > 2 and self._recent[1][0] < now - _SECONDS_OF_SPEED:
            del self._recent[0]
        since, before = self._recent[0]
        seconds = now - since
        share = received / self._total if self._total else 1.0
        speed = max(received - before, 0) / seconds if seconds else 0.0
        text = f"{self._name}: {_size(received)} of {_size(self._total)} ({share:.0%}), {_size(speed)}/s"
        if self._on_terminal:
            width = shutil.get_terminal_size().columns
            self._stream.write(f"\r\x1b[K{text[: width - 1]}")  # a line that wraps cannot be taken back
            self._stream.flush()
        else:
            self._line(text)
        return received

    def finish(self) -> None:
        """Say that the download is complete."""
        seconds = max(time.monotonic() - self._started, 1e-3)
        received = self._total - self._first
        if self._on_terminal:
            self._clear()
        self._line(f"downloaded {self._name}: {_size(received)} in {seconds:,.0f} s ({_size(received / seconds)}/s)")

    def _line(self, text: str) -> None:
        self._stream.write(f"{text}\n")
        self._stream.flush()

    def _clear(self) -> None:
        self._stream.write("\r\x1b[K")
        self._stream.flush()


def _size(count: float) -> str:
    """Return a number of bytes in words."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:,.0f} {unit if unit != 'bytes' or round(count) != 1 else 'byte'}"
        count /= 1000
    return f"{count:,.1f} GB"
