"""One attempt at a run as its driver sees it: a process group of its own, its events, its death."""

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
"""A run that tells nothing for this long hangs."""
MARK = "SERL_KILL_TEST"
"""Environment variable that all processes of a run inherit: the trainer and the verifier lead groups of their own."""


class Attempt:
    """Use as a context manager: whatever happens, the group is dead at the end."""

    def __init__(self, config: RunConfig) -> None:
        """`config.root` gets the run, its scratch folders and the log `errors.txt` of all its attempts."""
        self.root = Path(config.root)
        self._config = config
        self._received = b""

    def __enter__(self) -> Self:
        scratch, settings = self.root / "scratch", self.root / "config.json"
        scratch.mkdir(parents=True, exist_ok=True)
        settings.write_text(self._config.model_dump_json())
        self._pipe, theirs = os.pipe()
        with (self.root / "errors.txt").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.kill.child", str(settings), str(theirs)],
                cwd=REPOSITORY, env=environment(TMPDIR=str(scratch), **{MARK: str(self.root)}), pass_fds=[theirs],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, start_new_session=True,
            )  # fmt: skip
        os.close(theirs)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()
        self.wait()
        os.close(self._pipe)

    def events(self) -> Iterator[Event]:
        """Every event, as it comes, until the process is gone. Raises TimeoutError when it hangs."""
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
        """SIGKILL to the whole group."""
        if self._process.returncode is None:  # else the number may be another process's by now
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def wait(self) -> int:
        """The exit code, -9 of a killed one."""
        return self._process.wait()


def living(root: Path) -> list[int]:
    """Processes that belong to a run, of whichever attempt."""
    mark = f"{MARK}={root}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # another user's, or gone
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found
