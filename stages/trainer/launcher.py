"""Starts the trainer process, gives it jobs and notices its death; joins the updates of another node. No torch here.

The process stays alive between updates, because starting it takes longer than a small update. Launcher and worker
exchange files in a scratch folder (`stages.trainer.worker` lists them); each file appears by one rename.
"""

import atexit
import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from stages.settings.trainer import TrainerPlacement
from stages.trainer.job import Job, JobResult, Progress
from storage import compiled
from storage.errors import TrainerError

_log = logging.getLogger(__name__)
_POLL_SECONDS = 0.02
_CLOSE_SECONDS = 5.0
_FAILURES = {"result": "the policy update failed", "saved": "the trainer state of a policy update was not written"}
_LOG_LINES = 15
_SECONDS_BETWEEN_JOINS = 1.0
_SECONDS_BETWEEN_REPORTS = 1.0
"""Progress is reported this often even if it has not changed, because the callback may want to stop the update."""


@dataclass(frozen=True, kw_only=True)
class _Workers:
    """The started processes of this node."""

    process: subprocess.Popen[bytes]
    placement: TrainerPlacement
    folder: Path
    """Folder of their messages and log."""
    warnings: list[str] = field(default_factory=list)
    """Their warnings, as far as they were passed on."""

    @property
    def alive(self) -> bool:
        return self.process.poll() is None


class TrainerProcess:
    """One trainer process (or one group of processes), started when first needed and again after an error.

    Use it as a context manager or call `close`. The process also ends with the interpreter, however that ends.
    """

    def __init__(self, scratch: Path) -> None:
        """Use the folder `scratch` for logs and messages; every start makes a new folder in it."""
        self._scratch = scratch
        self._workers: _Workers | None = None
        self._jobs = 0
        """Jobs that the workers were given."""
        self._unsaved: tuple[_Workers, int] | None = None
        """The latest job with a result, as long as nobody has waited for its trainer state."""

    def start(self, placement: TrainerPlacement) -> None:
        """Start the process without waiting for it, so that it loads while something else runs.

        Does nothing if a process with this placement is alive. A process with another placement may first write the
        trainer state of its latest job.
        """
        if self._workers is not None and self._workers.alive:
            if placement == self._workers.placement:
                return
            self.wait_saved()
        self.close()
        self._scratch.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="trainer-", dir=self._scratch)).resolve()
        (folder / "placement.json").write_text(placement.model_dump_json())
        process = _start(placement, folder, node_rank=0)
        self._workers, self._jobs = _Workers(process=process, placement=placement, folder=folder), 0
        atexit.register(self.close)

    @property
    def pid(self) -> int | None:
        """Id of the process; None if there is no process."""
        return None if self._workers is None else self._workers.process.pid

    def run(self, job: Job, progress: Progress | None = None) -> JobResult:
        """Do one update; return when policy and metrics are in the job's output folder.

        The process goes on to write the trainer state: `wait_saved` returns when that is complete. This call first
        waits for the trainer state of the job before this one.

        Raises TrainerError if the update fails or the process dies, or if the previous trainer state was not written.
        """
        self.wait_saved()
        self.start(job.placement)
        workers = self._workers
        assert workers is not None
        self._jobs += 1
        try:
            _write(workers.folder / f"job-{self._jobs:06d}.json", job.model_dump_json())
            answer = _wait(workers, "result", self._jobs, progress)
            result = JobResult.model_validate(answer["result"])
        except BaseException:
            # After any error the weights that the process holds are unknown.
            self.close()
            raise
        self._unsaved = workers, self._jobs
        if answer["ends"]:
            # The process keeps GPU memory that the engine needs. The next job starts another one.
            self.wait_saved()
            self.close()
        return result

    def wait_saved(self) -> dict[str, float]:
        """Wait until the trainer state of the latest job is written; return the seconds of each part of the writing.

        Another thread than that of `run` may call this. Returns {} if there was no job since the last call.

        Raises TrainerError if the trainer state was not written; the process is closed then.
        """
        unsaved = self._unsaved
        if unsaved is None:
            return {}
        workers, number = unsaved
        try:
            seconds: dict[str, float] = _wait(workers, "saved", number)["seconds"]
        except BaseException:
            if self._workers is workers:
                self.close()
            raise
        finally:
            if self._unsaved is unsaved:
                self._unsaved = None
        return seconds

    def close(self) -> None:
        """End the process at once, even during an update. Does nothing if there is no process."""
        workers, self._workers = self._workers, None
        atexit.unregister(self.close)
        if workers is not None:
            _end(workers.process)

    def __enter__(self) -> "TrainerProcess":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _wait(workers: _Workers, kind: str, job: int, progress: Progress | None = None) -> dict[str, Any]:
    """Poll for a job's answer of a kind, `result` or `saved`, and pass progress and warnings on; return the answer.

    Raises TrainerError if the answer is an error, or if the workers end without an answer.
    """
    folder = workers.folder
    last_state: dict[str, Any] = {}
    last_report = 0.0
    other_nodes = workers.placement.nodes - 1
    if progress is not None and not (folder / "ready.json").exists():
        waiting = f", waiting for {other_nodes} machine(s) to join" if other_nodes else ""
        progress(0, 1, f"starting the trainer{waiting}")
    while True:
        alive = workers.alive
        # Read after `alive`: if the process wrote its answer and then ended, the answer counts.
        answer = _read(folder / f"{kind}-{job:06d}.json")
        # Read after the answer: a job that has a result has written all its progress.
        state = _read(folder / "progress.json")
        for text in state.get("warnings", [])[len(workers.warnings) :]:
            workers.warnings.append(text)
            _log.warning("the trainer: %s", text)
        report_due = state != last_state or time.monotonic() > last_report + _SECONDS_BETWEEN_REPORTS
        if progress is not None and report_due and state.get("job") == job:
            last_state, last_report = state, time.monotonic()
            progress(state["done"], state["total"], state["note"])
        if "error" in answer:
            raise TrainerError(f"{_FAILURES[kind]}: {answer['error']} (traceback: {answer['traceback']})")
        if answer:
            return answer
        if not alive:
            raise TrainerError(_death_message(workers, kind))
        time.sleep(_POLL_SECONDS)


def _death_message(workers: _Workers, kind: str) -> str:
    several = workers.placement.world_size > 1
    # The surviving processes usually report the loss themselves, unless they ended before they could.
    death = "a process of the trainer was lost, and the others ended" if several else "the trainer process died"
    missing = "it answered" if kind == "result" else "the trainer state of its update was written"
    return f"{death} with exit code {workers.process.returncode} before {missing}; end of {_end_of_log(workers.folder)}"


def join(placement: TrainerPlacement, node_rank: int, say: Callable[[str], None]) -> None:
    """Take part in the updates of node 0, one after the other, as node `node_rank` (from 1). Never returns.

    Each event is reported to `say`, one line at a time.
    """
    while True:
        with tempfile.TemporaryDirectory(prefix="serl-join-") as name:
            folder = Path(name)
            say(f"machine {node_rank} of {placement.nodes}: waiting for the update at {placement.rendezvous}")
            process = _start(placement, folder, node_rank)
            try:
                while not (folder / "ready.json").exists() and process.poll() is None:
                    time.sleep(_POLL_SECONDS)
                if process.poll() is None:
                    say("joined")
                process.wait()
            finally:
                _end(process)
            failures = [_read(path)["error"] for path in sorted(folder.glob("result-*.json"))]
            say(f"ended: {failures[0] if failures else _end_of_log(folder)}")
        time.sleep(_SECONDS_BETWEEN_JOINS)


def _start(placement: TrainerPlacement, folder: Path, node_rank: int) -> subprocess.Popen[bytes]:
    """Start the workers of one node; they end when their standard input closes."""
    with open(folder / "worker.log", "wb") as log:
        return subprocess.Popen(
            _command(placement, folder, node_rank),
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=_environment(placement),
            start_new_session=True,
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the workers of this node; they may have ended already."""
    if process.stdin is not None:
        process.stdin.close()
    process.terminate()
    try:
        process.wait(_CLOSE_SECONDS)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _command(placement: TrainerPlacement, folder: Path, node_rank: int) -> list[str]:
    worker = ["stages.trainer.worker", str(folder)]
    if placement.world_size == 1:
        return [sys.executable, "-m", *worker]
    meeting_point = ["--standalone"]
    if placement.rendezvous:
        host, port = placement.rendezvous.rsplit(":", 1)
        nodes = ["--nnodes", str(placement.nodes), "--node-rank", str(node_rank)]
        meeting_point = [*nodes, "--master-addr", host, "--master-port", port]
    processes = ["--nproc-per-node", str(placement.processes_per_node)]
    return [sys.executable, "-m", "torch.distributed.run", *meeting_point, *processes, "--module", *worker]


def _end_of_log(folder: Path) -> str:
    log = folder / "worker.log"
    tail = " | ".join(log.read_text(errors="replace").splitlines()[-_LOG_LINES:])
    return f"{log}: {tail or '(empty)'}"


def _environment(placement: TrainerPlacement) -> dict[str, str]:
    root = str(Path(__file__).resolve().parents[2])
    path = os.environ.get("PYTHONPATH")
    loopback = {"GLOO_SOCKET_IFNAME": os.environ.get("GLOO_SOCKET_IFNAME", "lo")} if placement.nodes == 1 else {}
    return {
        **os.environ,
        **compiled.variables(),
        **loopback,
        "PYTHONPATH": f"{root}{os.pathsep}{path}" if path else root,
        "OMP_NUM_THREADS": str(placement.threads),
        "MKL_NUM_THREADS": str(placement.threads),
        # With threads that spin while they wait, an update was 20 times slower on two busy cores.
        "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "PASSIVE"),
        "HF_HUB_OFFLINE": "1",
    }


def _write(path: Path, text: str) -> None:
    """Write a file that other processes see either whole or not at all."""
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(text)
    partial.rename(path)


def _read(path: Path) -> dict[str, Any]:
    """Return the content of a JSON file, {} if there is no file."""
    try:
        content: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    return content
