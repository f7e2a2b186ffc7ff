"""Shutdown on SIGTERM, which a preempted machine sends: clean up and end the process within ten seconds.

A run may stop at any moment, because outputs that are not committed completely do not count. Cleanup means to end the
trainer, remove scratch files and release the lease. If cleanup hangs, for example because the same signal ended the
Prefect server and the client keeps retrying, the process ends without it. Its lease then expires, and the next process
removes its scratch folder.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

CLEANUP_SECONDS = 8.0
"""Seconds between the signal and the end of a process whose cleanup hangs."""
EXIT_CODE = 128 + signal.SIGTERM
MESSAGE = "serl: stopped by SIGTERM; run the same command again to go on from here"


class Terminated(KeyboardInterrupt):
    """The process received SIGTERM. Not an Exception, so that no error handler catches it."""


@contextmanager
def stoppable() -> Iterator[None]:
    """Raise Terminated in the main thread on SIGTERM, and end the process if cleanup takes too long."""
    with end_in_time():
        handler = signal.signal(signal.SIGTERM, _terminate)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, handler)


@contextmanager
def end_in_time() -> Iterator[None]:
    """End the process if cleanup after SIGTERM takes too long, whichever handler the signal has. Main thread only."""
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    finished = threading.Event()
    # Prefect replaces our signal handler while a flow runs, but Python still writes each signal's number to this pipe.
    previous_fd = signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    threading.Thread(target=_end_late_process, args=(read_end, finished), daemon=True).start()
    try:
        yield
    finally:
        finished.set()
        signal.set_wakeup_fd(previous_fd)
        os.close(write_end)  # ends the thread


def _terminate(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second signal must not interrupt the cleanup
    raise Terminated


def _end_late_process(read_end: int, finished: threading.Event) -> None:
    """End the process if SIGTERM arrives and `finished` is not set within CLEANUP_SECONDS."""
    with os.fdopen(read_end, "rb", buffering=0) as signals:
        while number := signals.read(1):
            if number[0] == signal.SIGTERM and not finished.wait(CLEANUP_SECONDS):
                show_cursor = "\x1b[?25h" if sys.stderr.isatty() else ""
                os.write(2, f"{show_cursor}{MESSAGE}\n".encode())
                os._exit(EXIT_CODE)
