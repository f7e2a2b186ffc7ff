"""SIGTERM, as a preempted machine gets it: stop, tidy up, be gone within ten seconds.

Any moment is safe to stop at, since what is not committed whole does not exist. The time goes into tidying up: ending
the trainer, removing scratch files, giving the lease back. Where that hangs (a Prefect server that the same signal
ended is asked again and again) the process simply ends: its lease is free and its scratch folder is found by the next.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

TIDY_UP_SECONDS = 8.0
EXIT_CODE = 128 + signal.SIGTERM
MESSAGE = "serl: stopped by SIGTERM; run the same command again to go on from here"


class Terminated(KeyboardInterrupt):
    """SIGTERM has come. Not an Exception: nothing that handles errors is to hold it up."""


@contextmanager
def stoppable() -> Iterator[None]:
    """Raise Terminated in the main thread on SIGTERM, and end the process when that takes too long."""
    with end_in_time():
        handler = signal.signal(signal.SIGTERM, _terminate)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, handler)


@contextmanager
def end_in_time() -> Iterator[None]:
    """End the process when tidying up after SIGTERM takes too long, whoever handles the signal. Main thread only."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    finished = threading.Event()
    # Prefect puts its own handler in the place of ours while a flow runs; every signal's number comes through here.
    wakeup = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    threading.Thread(target=_enforce, args=(reading, finished), daemon=True).start()
    try:
        yield
    finally:
        finished.set()
        signal.set_wakeup_fd(wakeup)
        os.close(writing)  # ends the thread


def _terminate(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not break the tidying up
    raise Terminated


def _enforce(reading: int, finished: threading.Event) -> None:
    with os.fdopen(reading, "rb", buffering=0) as signals:
        while number := signals.read(1):
            if number[0] == signal.SIGTERM and not finished.wait(TIDY_UP_SECONDS):
                show_cursor = "\x1b[?25h" if sys.stderr.isatty() else ""
                os.write(2, f"{show_cursor}{MESSAGE}\n".encode())
                os._exit(EXIT_CODE)
