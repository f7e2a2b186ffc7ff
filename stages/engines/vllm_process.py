"""The processes of vLLM that this process cares for: started in the background, ended without leaving any behind."""

import multiprocessing
import multiprocessing.connection
import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import InvalidStateError
from contextlib import suppress
from operator import attrgetter
from typing import Any

import psutil

_SECONDS_TO_END = 10.0
_SECONDS_TO_CANCEL = 60.0


def end_at_once(llm: Any) -> None:
    """Kill the processes of a `vllm.LLM`.

    A process whose memory was given back by `sleep` cannot end by itself without an error: its destructors unmap that
    memory a second time ("CUDA Error: invalid argument at cumem_allocator.cpp"). It has nothing to save, and the driver
    frees what it holds. If this version of vLLM keeps its processes elsewhere, nothing is done, and vLLM ends them.
    """
    try:
        resources, processes = attrgetter("resources", "resources.engine_manager.processes")(llm.llm_engine.engine_core)
        process_ids = [process.pid for process in processes]
    except (AttributeError, TypeError):
        return
    # vLLM's monitor says "engine core exited unexpectedly" unless it knows.
    resources.engine_dead = True
    _kill(process_ids)
    for process in processes:
        process.join(_SECONDS_TO_END)


def end(llm: Any) -> None:
    """End the processes of a `vllm.LLM` in vLLM's own way.

    vLLM itself ends them when nothing refers to the LLM any more, but the traceback of an error may refer to it for
    long, and the next start needs the memory. If vLLM has no processes, or keeps them elsewhere, nothing is done.
    """
    with suppress(AttributeError):
        client = llm.llm_engine.engine_core
        if client.resources.engine_manager is not None:
            client.shutdown()


class EngineDeadError(RuntimeError):
    """vLLM's process has ended. vLLM's own error of this name cannot be imported without vLLM."""


def report_end(llm: Any) -> None:
    """Have a caller that waits for the processes of a `vllm.LLM` get an EngineDeadError when they end.

    A process that is killed, or that crashes in a driver, sends no last message. vLLM (v1/engine/core_client.py,
    `SyncMPClient`) notices its end, but leaves a caller waiting in `get_output` or `call_utility`. If vLLM has no
    processes, or keeps them elsewhere, nothing is done.
    """
    try:
        resources, processes, outputs, calls = attrgetter(
            "resources", "resources.engine_manager.processes", "outputs_queue", "utility_results"
        )(llm.llm_engine.engine_core)
    except (AttributeError, TypeError):
        return

    def watch() -> None:
        multiprocessing.connection.wait([process.sentinel for process in processes])
        # From now on vLLM refuses calls, so that none begins to wait after this thread has answered them.
        resources.engine_dead = True
        error = EngineDeadError("vLLM's process has ended")
        outputs.put(error)
        for future in list(calls.values()):
            with suppress(InvalidStateError):
                future.set_exception(error)

    threading.Thread(target=watch, name="serl-vllm-end", daemon=True).start()


def kill_engine_cores() -> None:
    """Kill every process of vLLM that this process has started, also one that is still starting."""
    _kill([child.pid for child in multiprocessing.active_children() if child.name.startswith("EngineCore")])


def kill_group(group_id: int) -> None:
    """Kill every process of a process group, but not the one that then removes the group's shared memory."""
    for process in psutil.process_iter():
        with suppress(psutil.Error, ProcessLookupError):
            if os.getpgid(process.pid) == group_id and "resource_tracker" not in " ".join(process.cmdline()):
                process.kill()


class EarlyStart:
    """A start that runs in a thread, so that something else can go on meanwhile.

    `start` is called in that thread. `kill` ends the processes that `start` has begun and makes it fail; it is called
    from another thread, any number of times.
    """

    def __init__(self, start: Callable[[], None], kill: Callable[[], None]) -> None:
        self._start, self._kill = start, kill
        self._cancelled = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="serl-vllm-start", daemon=True)
        self._thread.start()

    def wait(self) -> Exception | None:
        """Wait for the end of the start; return its error, None if there is none."""
        self._thread.join()
        return self._error

    def cancel(self) -> None:
        """End the start, wherever it is. A thread that still ran when the interpreter ends could crash it."""
        self._cancelled = True
        deadline = time.monotonic() + _SECONDS_TO_CANCEL
        while self._thread.is_alive() and time.monotonic() < deadline:
            self._kill()
            self._thread.join(0.2)
        self._kill()

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Find no module, but end a cancelled start: the imports of vLLM take up to half a minute."""
        if self._cancelled and threading.current_thread() is self._thread:
            raise _Cancelled

    def _run(self) -> None:
        sys.meta_path.insert(0, self)
        try:
            if not self._cancelled:
                self._start()
        except Exception as error:  # raised again by whoever needs what was started
            self._error = error
        except _Cancelled:
            pass
        finally:
            sys.meta_path.remove(self)


class _Cancelled(BaseException):
    """The start is no longer needed. Not an Exception, so that no error handler catches it."""


def _kill(process_ids: list[int | None]) -> None:
    """Kill processes and all that they have started."""
    with suppress(psutil.Error):
        for process_id in process_ids:
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(process_id)
                for each in (*process.children(recursive=True), process):
                    with suppress(psutil.NoSuchProcess):
                        each.kill()
