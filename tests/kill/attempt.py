"""One attempt at a run as its driver sees it: a separate process group, its events, its death."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from flows.config.run import RunConfig
from tests.commands import REPOSITORY, environment
from tests.kill.events import Event

SILENCE_SECONDS = 600.0
"""A run without an event for this long counts as hanging."""
MARK = "SERL_KILL_TEST"
"""Environment variable that all processes of a run inherit. They are found by it, because trainer and verifier are in
other process groups."""


class Attempt:
    """One attempt at a run, as a context manager: on leaving, the process group is killed."""

    def __init__(self, config: RunConfig) -> None:
        """Write the run, its scratch folders and the log `errors.txt` of all its attempts to `config.root`."""
        self.root = Path(config.root)
        self._config = config
        self._received = b""

    def __enter__(self) -> Self:
        scratch, settings = self.root / "scratch", self.root / "config.json"
        scratch.mkdir(parents=True, exist_ok=True)
        settings.write_text(self._config.model_dump_json())
        self._pipe, write_end = os.pipe()
        with (self.root / "errors.txt").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.kill.child", str(settings), str(write_end)],
                cwd=REPOSITORY, env=environment(TMPDIR=str(scratch), **{MARK: str(self.root)}), pass_fds=[write_end],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, start_new_session=True,
            )  # fmt: skip
        os.close(write_end)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()
        self.wait()
        os.close(self._pipe)

    def events(self) -> Iterator[Event]:
        """Yield every event as it arrives, until the process has ended.

        Raises TimeoutError if there is no event for `SILENCE_SECONDS`.
        """
        while True:
            *lines, self._received = self._received.split(b"\n")
            yield from map(Event.from_line, lines)
            if not select.select([self._pipe], [], [], SILENCE_SECONDS)[0]:
                raise TimeoutError(f"no event for {SILENCE_SECONDS:.0f} s")
            chunk = os.read(self._pipe, 65_536)
            if not chunk:
                return
            self._received += chunk

    def kill(self) -> None:
        """Send SIGKILL to the whole process group."""
        if self._process.returncode is None:  # after the end, another process may have the same id
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def wait(self) -> int:
        """Wait for the end of the process and return its exit code, -9 if it was killed."""
        return self._process.wait()


def living_processes(root: Path) -> list[int]:
    """Return the ids of all living processes of a run, of any attempt."""
    mark = f"{MARK}={root}".encode()
    processes = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # the process has another user, or has ended
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                processes.append(int(folder.name))
    return processes
