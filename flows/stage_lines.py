"""One form of progress for people without a progress bar: log files, and the logs of Prefect.

A line as a stage begins, one every 30 seconds while it works, one as it ends: what, how far, how fast, how long yet.
"""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from flows.reporting.number_format import duration_text
from stages.contract import Progress, Result

SECONDS_BETWEEN_LINES = 30.0


class Pace:
    """How far a stage is, and how long it still takes at the speed so far."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._done_before: int | None = None
        self.done, self.total, self.note = 0, 0, ""

    @property
    def seconds(self) -> float:
        """Seconds since the stage began."""
        return time.monotonic() - self._started

    @property
    def percent(self) -> float:
        """Share of the steps that are done."""
        return 100 * self.done / max(1, self.total)

    def update(self, done: int, total: int, note: str) -> None:
        """Take a report of the stage: steps done, steps in total, and a short note such as a speed."""
        if self._done_before is None and total:
            self._done_before = done  # the work of an earlier attempt says nothing about the speed of this one
        self.done, self.total, self.note = done, total, note

    def text(self) -> str:
        """Return the steps done, the note and the time left, as far as they are known."""
        if not self.total:
            return f"{self.note or 'no step finished yet'}, {duration_text(self.seconds)} so far"
        done_here = self.done - (self._done_before or 0)
        left = self.seconds / done_here * (self.total - self.done) if done_here else None
        return " · ".join(
            filter(
                None,
                (
                    f"{self.done:,} of {self.total:,}",
                    self.note,
                    f"{duration_text(self.seconds)} so far" if left is None else f"{duration_text(left)} left",
                ),
            )
        )


class StageLines:
    """Says how a stage goes. Use as a context manager around the stage's work.

    Args:
        say: takes a line.
        label: the stage in words, such as "iteration 2/3: sample_responses".
        size: amount of work in words; may be empty.
        next_progress: receives what the stage reports.
    """

    def __init__(
        self,
        say: Callable[[str], None],
        label: str,
        size: str,
        next_progress: Progress,
        *,
        seconds_between: float = SECONDS_BETWEEN_LINES,
    ) -> None:
        self._say, self._label, self._size, self._next = say, label, size, next_progress
        self._seconds_between = seconds_between
        self._pace = Pace()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._report, name="serl-progress", daemon=True)

    def __enter__(self) -> Self:
        self._say(f"{self._label} begins{f' ({self._size})' if self._size else ''}")
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()

    def progress(self, stage: str, done: int, total: int, note: str) -> None:
        """Take a report of the stage (see `stages.contract.Progress`)."""
        self._pace.update(done, total, note)
        self._next(stage, done, total, note)

    def done(self, result: Result, headline: str) -> None:
        """Say that the stage has ended."""
        if result.skipped:
            self._say(f"{self._label}: its outputs were there already")
        else:
            self._say(f"{self._label} took {duration_text(self._pace.seconds)}{f': {headline}' if headline else ''}")

    def _report(self) -> None:
        while not self._ended.wait(self._seconds_between):
            self._say(f"{self._label}: {self._pace.text()}")
