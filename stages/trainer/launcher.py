"""Starts the trainer process, hands it jobs, and notices when it dies. No torch here.

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
from pathlib import Path
from types import TracebackType
from typing import Any

from stages.trainer.config import TrainerPlacement
from stages.trainer.job import Job, JobResult, Progress
from storage.errors import TrainerError

_POLL_SECONDS = 0.02
_CLOSE_SECONDS = 5.0
_LOG_LINES = 15


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
        with open(self._folder / "worker.log", "wb") as log:
            self._process = subprocess.Popen(
                _command(placement, self._folder),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=_environment(placement),
                start_new_session=True,
            )
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
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        process.terminate()
        try:
            process.wait(_CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def __enter__(self) -> "TrainerProcess":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _wait(self, progress: Progress | None) -> dict[str, Any]:
        """Poll for the answer to the latest job, passing progress on."""
        seen: dict[str, Any] = {}
        while True:
            alive = self._process is not None and self._process.poll() is None
            state = _read(self._folder / "progress.json")
            if progress is not None and state != seen and state.get("job") == self._jobs:
                seen = state
                progress(state["done"], state["total"], state["what"])
            # Asked for after `alive`: a process that answered and then ended has answered.
            answer = _read(self._folder / f"result-{self._jobs:06d}.json")
            if "error" in answer:
                raise TrainerError(f"the policy update failed: {answer['error']} (traceback: {answer['traceback']})")
            if answer:
                return answer
            if not alive:
                raise TrainerError(self._obituary())
            time.sleep(_POLL_SECONDS)

    def _obituary(self) -> str:
        code = None if self._process is None else self._process.returncode
        log = self._folder / "worker.log"
        tail = " | ".join(log.read_text(errors="replace").splitlines()[-_LOG_LINES:])
        return f"the trainer process died with exit code {code} before it answered; end of {log}: {tail or '(empty)'}"


def _command(placement: TrainerPlacement, folder: Path) -> list[str]:
    worker = ["stages.trainer.worker", str(folder)]
    if placement.processes == 1:
        return [sys.executable, "-m", *worker]
    run = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(placement.processes), "--module"]
    return [sys.executable, *run, *worker]


def _environment(placement: TrainerPlacement) -> dict[str, str]:
    root = str(Path(__file__).resolve().parents[2])
    path = os.environ.get("PYTHONPATH")
    return os.environ | {
        "PYTHONPATH": f"{root}{os.pathsep}{path}" if path else root,
        "OMP_NUM_THREADS": str(placement.threads),
        "MKL_NUM_THREADS": str(placement.threads),
        # Threads that spin while they wait made an update 20 times slower on two busy cores.
        "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "PASSIVE"),
        "HF_HUB_OFFLINE": "1",
        "GLOO_SOCKET_IFNAME": os.environ.get("GLOO_SOCKET_IFNAME", "lo"),
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
