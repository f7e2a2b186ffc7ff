"""Several copies of the policy in vLLM, each a server of its own on its own GPUs, for `engine: vllm` on a whole node.

The copies are servers on loopback that belong to this process: it starts them, asks them as a client of `serl serve`
does, puts them to sleep during an update and ends them. Separate servers were chosen over one server with vLLM's own
data parallelism: copies that need not agree on each step cannot wait for each other, each has its own API process, and
if one dies the others go on. A copy that has died is started again with the next policy.
"""

import os
import secrets
import socket
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

from stages.chat.options import PLAIN, ChatOptions
from stages.engines.child_errors import Stderr
from stages.engines.gpu import has_gpu, visible_cards
from stages.engines.tokenizer import architecture
from stages.engines.vllm import OWNER, set_environment
from stages.engines.vllm_client import ServerEngine
from stages.engines.vllm_errors import as_input_error, died_while_answering
from stages.engines.vllm_process import EarlyStart, kill_group
from stages.engines.vllm_server import API_KEY, POLICY_PATH, SLEEP_PATH, command
from stages.settings.engines import ServerPlacement, VllmPlacement
from storage import compiled

_HOST = "127.0.0.1"
_SECONDS_BETWEEN_LOOKS = 0.2
_SECONDS_TO_END = 5.0
_SECONDS_TO_SLEEP = 120.0
_PROGRAM = "import runpy, stages.engines.vllm_extension; runpy.run_module({module!r}, run_name='__main__')"
"""The extension ends the process when its owner, the run, has ended: also an API process, which has no worker."""


class VllmCopies(ServerEngine):
    """An `Engine` (see base) on `placement.data_parallel` vLLM servers of this process, each with `threads` threads.

    Raises nothing before `load`, which raises InputError if vLLM cannot run the model.
    """

    def __init__(self, placement: VllmPlacement, *, threads: int = 1) -> None:
        self._placement, self._threads = placement, threads
        self._secret = os.environ.get(API_KEY) or secrets.token_urlsafe(32)
        # The sockets keep the ports for the servers: nobody else is given them, and a server may listen at them.
        self._sockets = [_bound_socket() for _ in range(placement.data_parallel)]
        urls = tuple(f"http://{_HOST}:{sock.getsockname()[1]}" for sock in self._sockets)
        self._processes: list[subprocess.Popen[bytes] | None] = [None] * placement.data_parallel
        self._architecture = ""
        self._folder = Path()
        """The folder of the policy that `load` was last called with."""
        self._early: EarlyStart | None = None
        self._is_loading = False
        self._asleep = False
        self._stderr = Stderr()
        """What the servers have written."""
        super().__init__(ServerPlacement(urls=urls), secret=self._secret)

    @property
    def on_gpu(self) -> bool:  # type: ignore[override]
        return (self._early is not None or any(self._processes)) and has_gpu()

    @property
    def starting(self) -> str:
        is_running = self._early is None and all(process is not None for process in self._processes)
        return "" if is_running else f"starting {len(self._processes)} copies of vLLM"

    def start(self, folder: Path) -> None:
        if self._early is None and not any(self._processes):
            set_environment({})
            self._early = EarlyStart(lambda: self._start_missing(folder), self._kill_all)

    def load(self, folder: Path, key: str, chat: ChatOptions = PLAIN) -> None:
        self._folder = folder
        if key != self._key or self._missing():
            self._key = None
            self._have_running(folder)
        self._is_loading = True
        try:
            super().load(folder, key, chat)
        finally:
            self._is_loading = False
        self._asleep = False

    def sleep(self) -> None:
        """Give the memory back: the servers sleep until the next `load`."""
        super().sleep()
        self._take_over()
        if not has_gpu() or self._asleep:
            return
        self._run(self._pool.let_go())  # a copy that was lost and answers again would be woken up by a load
        for index, process in enumerate(self._processes):
            if process is None or process.poll() is not None:
                continue
            try:
                self._request(index, SLEEP_PATH, "POST", _SECONDS_TO_SLEEP)
            except OSError:
                self._end(index)  # the next `load` starts it again
        self._asleep = True

    def close(self) -> None:
        if self._early is not None:
            self._early.cancel()
            self._early = None
        super().close()
        for index in range(len(self._processes)):
            self._end(index)
        for sock in self._sockets:
            sock.close()

    def _have_running(self, folder: Path) -> None:
        """Start every copy that does not run, and all of them if they run another architecture."""
        started = time.perf_counter()
        starts = self._early is not None
        error = self._take_over()
        new_architecture = architecture(folder)
        if error is not None and new_architecture == self._architecture:
            raise error
        if new_architecture != self._architecture:
            for index in range(len(self._processes)):
                self._end(index)
        if self._missing():
            starts = True
            self._start_missing(folder)
        if starts:
            self.counters.starts += 1
            self.counters.start_seconds += time.perf_counter() - started

    def _take_over(self) -> Exception | None:
        """Wait for the start that `start` has begun, if there is one; return its error."""
        error = self._early.wait() if self._early is not None else None
        self._early = None
        return error

    def _missing(self) -> list[int]:
        """Return the numbers of the copies that do not run."""
        return [index for index, process in enumerate(self._processes) if process is None or process.poll() is not None]

    def _start_missing(self, folder: Path) -> None:
        """Start the copies that do not run, all at once, and wait until they answer. Raises InputError."""
        self._architecture = architecture(folder)
        with as_input_error(folder, self._placement, stderr=self._stderr), compiled.stable_path(folder) as path:
            set_environment({})
            missing = self._missing()
            try:
                for index in missing:
                    self._end(index)  # of a copy that has died, another process may have stayed
                    self._processes[index] = self._spawn(index, folder, path)
                while not all(self._answers(index) for index in missing):
                    if dead := [index for index in missing if index in self._missing()]:
                        raise RuntimeError(f"copy {dead[0]} ended before it answered. See root cause above")
                    time.sleep(_SECONDS_BETWEEN_LOOKS)
            except BaseException:
                for index in missing:
                    self._end(index)
                raise

    def _spawn(self, index: int, folder: Path, path: Path) -> subprocess.Popen[bytes]:
        port = self._sockets[index].getsockname()[1]
        placement = self._placement.model_copy(update={"data_parallel": 1})
        python, _, module, *flags = command(folder, placement, host=_HOST, port=port, model=path)
        environment = {
            **os.environ,
            **self._cards(index),
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(self._threads)),
            OWNER: str(os.getpid()),
            API_KEY: self._secret,
            "PYTHONPATH": os.pathsep.join(filter(None, (_ROOT, os.environ.get("PYTHONPATH")))),
        }
        environment.pop("VLLM_ENABLE_V1_MULTIPROCESSING", None)  # for vLLM in this process
        return subprocess.Popen(
            [python, "-c", _PROGRAM.format(module=module), *flags],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=2,  # vLLM logs there, and `Stderr` keeps it
            start_new_session=True,
        )

    def _cards(self, index: int) -> dict[str, str]:
        """Return the environment variable that gives copy `index` its GPUs; nothing without a GPU."""
        cards, each = visible_cards(), self._placement.tensor_parallel
        if not cards:
            return {}
        return {"CUDA_VISIBLE_DEVICES": ",".join(cards[index * each : (index + 1) * each])}

    def _answers(self, index: int) -> bool:
        """Return whether the copy answers. Raises RuntimeError if its answer is an error."""
        try:
            self._request(index, POLICY_PATH, "GET", seconds=10)
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"copy {index} answers {error.code}. See root cause above") from None
        except OSError:
            return False
        return True

    def _request(self, index: int, path: str, method: str, seconds: float) -> None:
        """Ask something of a copy. Raises OSError if the copy does not answer, or refuses."""
        request = urllib.request.Request(
            self._pool.servers[index].url + path,
            method=method,
            headers={"Authorization": f"Bearer {self._secret}"},
            data=b"" if method == "POST" else None,
        )
        with _DIRECTLY.open(request, timeout=seconds):
            pass

    def _check_servers(self) -> None:
        dead = self._missing()
        if len(dead) == len(self._processes) or (self._is_loading and dead):
            raise died_while_answering(self._stderr, f"copy {dead[0]} of vLLM ended", self._placement, self._folder)

    def _kill_all(self) -> None:
        for process in self._processes:
            if process is not None:
                kill_group(process.pid)

    def _end(self, index: int) -> None:
        """End a copy and all its processes; one that sleeps is killed (see `vllm_process.end_at_once`)."""
        process, self._processes[index] = self._processes[index], None
        if process is None:
            return
        if not self._asleep and process.poll() is None:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(_SECONDS_TO_END)
        kill_group(process.pid)
        process.wait()


_ROOT = str(Path(__file__).resolve().parents[2])
_DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Opens addresses of this machine without a proxy."""


def _bound_socket() -> socket.socket:
    """Return a socket with a port of loopback that nothing else uses."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((_HOST, 0))
    return sock
