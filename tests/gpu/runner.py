"""Runs parts one after the other, each in a process of its own with a time limit; writes a line for each as it ends."""

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil

from tests.commands import REPOSITORY
from tests.gpu.record import MEASUREMENTS, TRACEBACK, Options
from tests.gpu.registry import Part

RESULTS = "results.jsonl"
SECONDS_BETWEEN_LINES = 30.0
SECONDS_FOR_SUMMARY = 10.0
"""Kept back of the time of a call, so that the summary is written before it is over."""
_PR_SET_CHILD_SUBREAPER = 36
Say = Callable[[str], None]


def read_results(out: Path) -> dict[str, dict[str, Any]]:
    """Return the results so far by part; a line that was cut when the machine was taken away counts as none."""
    found: dict[str, dict[str, Any]] = {}
    path = out / RESULTS
    for line in path.read_text(errors="replace").splitlines() if path.exists() else ():
        with contextlib.suppress(ValueError, TypeError, KeyError):
            result = json.loads(line)
            found[result["part"]] = result
    return found


def append_result(out: Path, result: dict[str, Any]) -> None:
    """Append a line, and return when it is on the disk."""
    with (out / RESULTS).open("a+b") as file:
        if file.tell() and (out / RESULTS).read_bytes()[-1:] != b"\n":
            file.write(b"\n")  # the line before was cut
        file.write(json.dumps(result, ensure_ascii=False).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


@dataclass(kw_only=True)
class Runner:
    """Runs the parts that have no result yet."""

    options: Options
    parts: Sequence[Part]
    end: float
    """Unix time at which the call has to be over."""
    say: Say
    after_each: Callable[[], None] = lambda: None
    """Called when a part has ended; writes the summary."""
    seconds_between_lines: float = SECONDS_BETWEEN_LINES
    environment: dict[str, str] = field(default_factory=lambda: dict(os.environ))

    def run(self) -> None:
        """Run all parts that there is time for."""
        _adopt_orphans()
        # What the small form has shown says nothing about a GPU.
        done = {
            name: result
            for name, result in read_results(self.options.out).items()
            if result.get("small") == self.options.small
        }
        for part in self.parts:
            left = self.end - SECONDS_FOR_SUMMARY - time.time()
            if part.name in done and not done[part.name].get("unfinished"):
                self.say(f"{part.name}: its result is there already ({_verdict(done[part.name])})")
            elif left < part.seconds:
                self.say(
                    f"{part.name}: not begun, it takes about {part.seconds:.0f} s and {max(0, left):.0f} s are left"
                )
            else:
                self._run(part, min(part.limit, left))
                self.after_each()

    def _run(self, part: Part, limit: float) -> None:
        folder = self.options.out / "parts" / part.name
        folder.mkdir(parents=True, exist_ok=True)
        for name in (MEASUREMENTS, TRACEBACK):
            (folder / name).unlink(missing_ok=True)
        started = time.time()
        replace(self.options, deadline=started + limit).write(folder)
        self.say(f"{part.name} begins: {part.what} (at most {limit:.0f} s)")
        with _child(part, folder, self.environment) as process, self._lines(part, folder, started):
            try:
                code: int | None = process.wait(limit)
            except subprocess.TimeoutExpired:
                code = None
        result = self._result(part, folder, time.time() - started, code, limit)
        append_result(self.options.out, result)
        self.say(f"{part.name} took {result['seconds']:.0f} s: {_verdict(result)}")

    def _result(self, part: Part, folder: Path, seconds: float, code: int | None, limit: float) -> dict[str, Any]:
        values = _measurements(folder)
        error = values.get("error")
        if code is None:
            error = f"timed out after {limit:.0f} s while: {values.get('note') or 'starting'}"
        elif code < 0:
            error = f"died of {_signal_name(-code)} while: {values.get('note') or 'starting'}"
        elif code != 0 and error is None:
            error = f"ended with exit code {code} while: {values.get('note') or 'starting'}; end of its log: "
            error += " ".join(_end_of(folder / "log.txt").split())
        checks = values.get("checks", [])
        traceback = folder / TRACEBACK
        return {
            "part": part.name,
            "passed": code == 0 and error is None and all(check["passed"] for check in checks),
            "seconds": round(seconds, 1),
            "figures": values.get("figures", {}),
            "checks": checks,
            "left_out": values.get("left_out", []),
            "error": error,
            "unfinished": values.get("unfinished"),
            "traceback": str(traceback) if traceback.exists() else None,
            "small": self.options.small,
            "ended": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        }

    @contextlib.contextmanager
    def _lines(self, part: Part, folder: Path, started: float) -> Iterator[None]:
        """Say every 30 s what the part is doing."""
        ended = threading.Event()

        def speak() -> None:
            while not ended.wait(self.seconds_between_lines):
                note = _measurements(folder).get("note") or "starting"
                self.say(f"{part.name}: {time.time() - started:.0f} s, {note}")

        thread = threading.Thread(target=speak, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


@contextlib.contextmanager
def _child(part: Part, folder: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """The process of a part; on leaving, it and all that it started are killed."""
    command = [sys.executable, "-m", "tests.gpu.child", "part", part.entry, str(folder)]
    before = _descendants()
    with (folder / "log.txt").open("ab") as log:
        process = subprocess.Popen(
            command, cwd=REPOSITORY, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        _kill_descendants(before)
        process.wait()


def _adopt_orphans() -> None:
    """Become the parent of descendants whose parent dies, so that they can be found and killed."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _descendants() -> set[int]:
    return {process.pid for process in psutil.Process().children(recursive=True)}


def _kill_descendants(spared: set[int]) -> None:
    """Kill all descendants of this process but some; processes that begin meanwhile too."""
    own = threading.get_native_id()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        alive = []
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                # nvidia-smi is asked by a thread of ours, and ends by itself.
                if process.pid in spared or process.pid == own or process.name() == "nvidia-smi":
                    continue
                if process.status() == psutil.STATUS_ZOMBIE:
                    _reap(process.pid)
                    continue
                process.kill()
                alive.append(process)
        if not alive:
            return
        time.sleep(0.05)


def _reap(pid: int) -> None:
    """Take the exit code of an adopted process, so that it disappears."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def _measurements(folder: Path) -> dict[str, Any]:
    try:
        values: dict[str, Any] = json.loads((folder / MEASUREMENTS).read_text())
    except (OSError, ValueError):
        return {}
    return values


def _end_of(log: Path) -> str:
    return log.read_text(errors="replace")[-400:] if log.exists() else ""


def _signal_name(number: int) -> str:
    with contextlib.suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"


def _verdict(result: dict[str, Any]) -> str:
    if result["passed"]:
        return f"passed so far ({result['unfinished']})" if result.get("unfinished") else "passed"
    failed = [check["name"] for check in result["checks"] if not check["passed"]]
    return "FAILED" + (f" ({result['error']})" if result["error"] else f" ({', '.join(failed)})")
