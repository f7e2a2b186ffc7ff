"""Starts the trainer process, hands it jobs, and notices when it dies; lends a machine to another's. No torch here.

The process stays alive between updates: starting it takes longer than a small update. The two sides talk through files
in a scratch folder (`stages.trainer.worker` lists them), each put in place by one rename.
"""

import atexit
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from stages.settings.trainer import TrainerPlacement
from stages.trainer.job import Job, JobResult, Progress
from storage.errors import TrainerError

_POLL_SECONDS = 0.02
_CLOSE_SECONDS = 5.0
_LOG_LINES = 15
_SECONDS_BETWEEN_JOINS = 1.0
_SECONDS_BETWEEN_REPORTS = 1.0  # also where nothing has changed: whoever is told may want to stop the update


class TrainerProcess:
    """One trainer process (or one group of them), started when first needed and again after an error.

    Use it as a context manager or call `close`; it also ends with the interpreter, however that ends.
    """

    def __init__(self, scratch: Path) -> None:
        """`scratch` is a folder for logs and messages; every start uses a fresh one inside it."""
        self._scratch = scratch
        self._process: subprocess.Popen[bytes] | None = None
        self._placement: TrainerPlacement | None = None
        self._folder = scratch
        self._jobs = 0

    def start(self, placement: TrainerPlacement) -> None:
        """Start the process without waiting for it, so that it loads while something else runs."""
        if self._process is not None and self._process.poll() is None and placement == self._placement:
            return
        self.close()
        self._scratch.mkdir(parents=True, exist_ok=True)
        self._folder = Path(tempfile.mkdtemp(prefix="trainer-", dir=self._scratch)).resolve()
        (self._folder / "placement.json").write_text(placement.model_dump_json())
        self._process = _start(placement, self._folder, node_rank=0)
        self._placement, self._jobs = placement, 0
        atexit.register(self.close)

    @property
    def pid(self) -> int | None:
        """Id of the process, None when there is none."""
        return None if self._process is None else self._process.pid

    def run(self, job: Job, progress: Progress | None = None) -> JobResult:
        """Do one update and wait for it. Raises TrainerError when it fails or the process dies."""
        self.start(job.placement)
        self._jobs += 1
        try:
            _write(self._folder / f"job-{self._jobs:06d}.json", job.model_dump_json())
            return JobResult.model_validate(self._wait(progress)["result"])
        except BaseException:
            # Whatever happened, the weights the process holds are unknown now.
            self.close()
            raise

    def close(self) -> None:
        """End the process, at once if it is idle or not. Does nothing when there is none."""
        process, self._process = self._process, None
        atexit.unregister(self.close)
        if process is not None:
            _end(process)

    def __enter__(self) -> "TrainerProcess":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _wait(self, progress: Progress | None) -> dict[str, Any]:
        """Poll for the answer to the latest job, passing progress on."""
        seen: dict[str, Any] = {}
        told = 0.0
        others = 0 if self._placement is None else self._placement.nodes - 1
        if progress is not None and not (self._folder / "ready.json").exists():
            progress(0, 1, f"starting the trainer{f', waiting for {others} machine(s) to join' if others else ''}")
        while True:
            alive = self._process is not None and self._process.poll() is None
            # Asked for after `alive`: a process that answered and then ended has answered.
            answer = _read(self._folder / f"result-{self._jobs:06d}.json")
            # Asked for after the answer: a job that has answered has told all its progress.
            state = _read(self._folder / "progress.json")
            told_of = state != seen or time.monotonic() > told + _SECONDS_BETWEEN_REPORTS
            if progress is not None and told_of and state.get("job") == self._jobs:
                seen, told = state, time.monotonic()
                progress(state["done"], state["total"], state["what"])
            if "error" in answer:
                raise TrainerError(f"the policy update failed: {answer['error']} (traceback: {answer['traceback']})")
            if answer:
                return answer
            if not alive:
                raise TrainerError(self._obituary())
            time.sleep(_POLL_SECONDS)

    def _obituary(self) -> str:
        code = None if self._process is None else self._process.returncode
        several = self._placement is not None and self._placement.world_size > 1
        # The others usually say so themselves, unless they were ended before they could.
        what = "a process of the trainer was lost, and the others ended" if several else "the trainer process died"
        return f"{what} with exit code {code} before it answered; end of {_end_of_log(self._folder)}"


def join(placement: TrainerPlacement, node_rank: int, say: Callable[[str], None]) -> None:
    """Lend this machine, number `node_rank` from 1, to the updates of machine 0, one after the other; never returns.

    What happens is told to `say`, a line at a time.
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
    """Start the workers of one machine, which end when their standard input closes."""
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
    """End the workers of this machine, which may have ended already."""
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
    where = ["--standalone"]
    if placement.rendezvous:
        host, port = placement.rendezvous.rsplit(":", 1)
        nodes = ["--nnodes", str(placement.nodes), "--node-rank", str(node_rank)]
        where = [*nodes, "--master-addr", host, "--master-port", port]
    run = ["-m", "torch.distributed.run", *where, "--nproc-per-node", str(placement.processes_per_node), "--module"]
    return [sys.executable, *run, *worker]


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
        **loopback,
        "PYTHONPATH": f"{root}{os.pathsep}{path}" if path else root,
        "OMP_NUM_THREADS": str(placement.threads),
        "MKL_NUM_THREADS": str(placement.threads),
        # Threads that spin while they wait made an update 20 times slower on two busy cores.
        "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "PASSIVE"),
        "HF_HUB_OFFLINE": "1",
    }


def _write(path: Path, text: str) -> None:
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(text)
    partial.rename(path)


def _read(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    return content
