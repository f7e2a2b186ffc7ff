"""Shutdown: SIGTERM ends the process in time, with one line and its exit code, whatever the process does."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from flows.shutdown import EXIT_CODE, MESSAGE, Terminated, stoppable
from tests.commands import HANG_SECONDS, REPOSITORY

HANGING = """
import signal, sys, time
import flows.shutdown
flows.shutdown.CLEANUP_SECONDS = 0.5
with flows.shutdown.stoppable():
    if sys.argv[1] == "another handler":
        signal.signal(signal.SIGTERM, lambda *_: None)  # as a library does that cleans up first
    try:
        print("ready", flush=True)
        time.sleep(60)
    finally:
        time.sleep(60)
"""


def test_sigterm_raises_and_handlers_are_restored() -> None:
    before = signal.getsignal(signal.SIGTERM), threading.active_count()
    with pytest.raises(Terminated), stoppable():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(10)
    deadline = time.monotonic() + 10
    while (signal.getsignal(signal.SIGTERM), threading.active_count()) != before:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_nothing_happens_without_a_signal() -> None:
    with stoppable():
        pass


@pytest.mark.parametrize("how", ["cleanup hangs", "another handler"])
def test_hanging_process_is_ended(how: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HANGING, how], cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout and process.stderr
        assert process.stdout.readline() == "ready\n"
        process.terminate()
        assert process.wait(timeout=HANG_SECONDS) == EXIT_CODE == 143
        assert process.stderr.read() == f"{MESSAGE}\n"
