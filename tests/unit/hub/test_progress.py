"""The lines of a download, with and without a terminal."""

import io

import pytest

from stages.hub import progress
from stages.hub.progress import DownloadProgress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def show(stream: io.StringIO, clock: list[float], seconds: float) -> None:
    """A download of 8 GB at 1 GB per 10 seconds that begins with 2 GB."""
    with DownloadProgress("model a/b", 3, 8 * 10**9, 2 * 10**9, stream) as shown:
        for step in range(1, 7):
            clock[0] += seconds
            shown.update((2 + step) * 10**9)
        shown.finish()


def test_a_line_now_and_then_without_a_terminal(clock: list[float]) -> None:
    stream = io.StringIO()
    show(stream, clock, 10.0)
    assert stream.getvalue().splitlines() == [
        "downloading model a/b: 8.0 GB in 3 files, of which 2.0 GB are here",
        "model a/b: 5.0 GB of 8.0 GB (62%), 100 MB/s",
        "model a/b: 8.0 GB of 8.0 GB (100%), 100 MB/s",
        "downloaded model a/b: 6.0 GB in 60 s (100 MB/s)",
    ]


def test_one_line_that_changes_on_a_terminal(clock: list[float]) -> None:
    stream = Terminal()
    show(stream, clock, 10.0)
    first, changing = stream.getvalue().split("\n", 1)
    assert first.startswith("downloading model a/b")
    assert changing.count("\r\x1b[K") == 8 and changing.count("\n") == 1
    assert "\r\x1b[Kmodel a/b: 3.0 GB of 8.0 GB (38%), 100 MB/s\r" in changing


def test_an_error_leaves_no_half_line_on_a_terminal(clock: list[float]) -> None:
    stream = Terminal()
    with pytest.raises(ValueError, match="x"), DownloadProgress("model a/b", 1, 10, 0, stream) as shown:
        clock[0] += 1
        shown.update(5)
        raise ValueError("x")
    assert stream.getvalue().endswith("\r\x1b[K")
