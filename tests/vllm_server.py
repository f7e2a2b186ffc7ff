"""`serl serve` in a process of its own, with real vLLM."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.commands import REPOSITORY, environment
from tests.helpers import fake_config
from tests.kill.attempt import MARK, living_processes
from tests.policy_server import free_port

ORPHAN_SECONDS = 30.0
START_SECONDS = 180.0
"""A guard against hangs: it takes 15 to 40 s."""


class VllmServer:
    """Use as a context manager; `kill` and `start` as often as wanted."""

    def __init__(self, model: Path, *settings: str) -> None:
        self.port = free_port()
        self._home = tempfile.TemporaryDirectory()
        self._config = Path(self._home.name) / "config.json"
        self._config.write_text(fake_config(Path(self._home.name)).model_dump_json())
        self._model, self._settings = model, ("compute.vllm.cache_gib=0.1", *settings)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Returns once it answers."""
        self.begin()
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                with urllib.request.urlopen(f"{self.url}/serl/policy", timeout=10) as answer:
                    assert json.load(answer)["policy"] is None
                    return
            except OSError:
                assert self._process is not None and self._process.poll() is None, self.log()
                assert time.monotonic() < deadline, self.log()
                time.sleep(0.2)

    def begin(self) -> None:
        """Start it without waiting."""
        command = [sys.executable, "-m", "flows.cli", "serve", str(self._config), "--model", str(self._model)]
        command += ["--port", str(self.port), *(f"--set={setting}" for setting in self._settings)]
        with (Path(self._home.name) / "log.txt").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=REPOSITORY,
                env=environment(**{MARK: self._home.name}),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def log(self) -> str:
        return (Path(self._home.name) / "log.txt").read_text()[-3_000:]

    def kill(self) -> None:
        """SIGKILL to the server; the processes that it started end by themselves."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.kill()
        self._process.wait()
        deadline = time.monotonic() + ORPHAN_SECONDS
        while orphans := living_processes(Path(self._home.name)):
            if time.monotonic() > deadline:
                os.killpg(self._process.pid, signal.SIGKILL)
                raise AssertionError(f"processes {orphans} of a killed server lived on for {ORPHAN_SECONDS:.0f} s")
            time.sleep(0.1)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()
        self._home.cleanup()
