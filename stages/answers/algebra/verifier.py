"""Equality of mathematical answers by math-verify, in worker processes that can be killed.

Departs from the authors' release, where a bare `except` turns every failure of the verifier into "not equal".
math-verify stops long comparisons with signal alarms. They work on the main thread only, so that on another thread
every comparison fails silently. Here every answer has a status, and the work is done in processes with limits of memory
and of CPU time (see `stages.answers.algebra.worker`). The limit is CPU time, so that a busy machine does not change
results. A limit of wall-clock time ends a worker that hangs without using CPU time.
"""

import json
import os
import queue
import select
import signal
import subprocess
import sys
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self, TypeVar

from stages.answers.algebra import worker as worker_program
from stages.answers.algebra.readings import MAX_ANSWER, Reading
from stages.answers.algebra.worker import DIED
from storage.errors import StageFailed

_START_SECONDS = 120.0
"""Limit of a worker's start. The import of sympy takes 1 to 2 s, and far longer on a busy machine."""
_WALL_CLOCK_FACTOR = 20
"""A worker counts as hung after this many times its limit of CPU time, measured by the wall clock."""
_REQUESTS_PER_WORKER = 50
"""Fewer requests than this are left to one worker, since the start of another takes a second."""
_MAX_FAILURES = 2
"""An answer that took part in this many failed comparisons is not compared any more in its group."""
_FAILED = ("timeout", "error")
_MAX_READINGS = 200_000
"""Readings that are kept in memory."""

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


class Verifier:
    """Reads and compares answers in worker processes, which start when there is work. Threads may share a verifier."""

    def __init__(self, *, workers: int | None = None, seconds: float = 2.0, memory_mib: int = 1_024) -> None:
        """Make a verifier; no process is started yet.

        Args:
            workers: largest number of processes, by default one for each usable core.
            seconds: CPU time for one answer or one pair.
            memory_mib: address space of a worker, of which the imports take 62 MiB.
        """
        self._all_workers = [_Worker(seconds, memory_mib) for _ in range(workers or len(os.sched_getaffinity(0)))]
        # The free workers. The last used is taken first, because its process is running.
        self._workers: queue.LifoQueue[_Worker] = queue.LifoQueue()
        for worker in self._all_workers:
            self._workers.put(worker)
        self._readings: OrderedDict[str, Reading] = OrderedDict()
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()
        """Numbers of all statuses so far, of readings ("read ok", ...) and of pairs ("equal", ...)."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def read(self, answers: Sequence[str]) -> list[Reading]:
        """Return math-verify's reading of each answer. Equal answers are parsed once.

        Status "timed_out": the answer needs more than `seconds` of CPU time. Status "too_large": it is longer than 300
        characters, needs more than `memory_mib`, or overruns the C stack. Raises StageFailed when no worker starts.
        """
        with self._lock:
            known = {answer: self._readings[answer] for answer in answers if answer in self._readings}
        new = [answer for answer in dict.fromkeys(answers) if answer not in known]
        new_readings = dict(zip(new, self._spread(new, [1] * len(new), _read), strict=True))
        with self._lock:
            self._readings.update(new_readings)
            while len(self._readings) > _MAX_READINGS:
                self._readings.popitem(last=False)
            self.counts.update(f"read {reading.status}" for reading in new_readings.values())
        return [known.get(answer) or new_readings[answer] for answer in answers]

    def equal(self, pairs: Sequence[tuple[str, str]]) -> list[str]:
        """Return the status of each pair of answers (LaTeX or plain): equal, different, unparsable, timeout or error.

        "equal" means that math-verify calls the pair equal in both directions, since its verify() is not symmetric.
        "unparsable" means that one of the answers is longer than 300 characters or cannot be parsed. "timeout" means
        that the pair needs more than `seconds` of CPU time. "error" means that math-verify raises an exception, or that
        the pair needs more memory or kills the worker. The remaining pairs are compared all the same. Raises
        StageFailed when no worker starts.
        """
        return [status for (status,) in self.equal_groups([[pair] for pair in pairs])]

    def equal_groups(self, groups: Sequence[Sequence[tuple[str, str]]]) -> list[list[str]]:
        """Return the statuses of `equal` for groups of pairs, such as the pairs of one question.

        One worker compares a group, in order. When a comparison fails, each of its answers is compared with 1. An
        answer that fails at that, or took part in two failed comparisons, is not compared any more in its group; its
        remaining pairs get "timeout". So k answers cost at most 2 k times `seconds` in failures, not k * (k - 1) / 2
        times, and an ordinary answer is not affected by a hostile one in its group.
        """
        nonempty_groups = [group for group in groups if group]
        statuses = self._spread(nonempty_groups, [len(group) for group in nonempty_groups], _compare_group)
        with self._lock:
            self.counts.update(status for of_group in statuses for status in of_group)
        in_order = iter(statuses)
        return [next(in_order) if group else [] for group in groups]

    def close(self) -> None:
        """End the worker processes. Later work starts new ones."""
        for worker in [self._workers.get() for _ in self._all_workers]:
            worker.kill()
            self._workers.put(worker)

    def _spread(
        self, items: Sequence[Item], requests: Sequence[int], process: Callable[["_Worker", Item], Outcome]
    ) -> list[Outcome]:
        """Return `process(worker, item)` of each item, in order, from as many workers as are worth their start.

        `requests`: number of requests that each item takes.
        """
        if not items:
            return []

        def process_with_free_worker(item: Item) -> Outcome:
            worker = self._workers.get()
            try:
                return process(worker, item)
            finally:
                self._workers.put(worker)

        running = sum(worker.running for worker in self._all_workers)
        workers = min(len(self._all_workers), max(running, 1 + sum(requests) // _REQUESTS_PER_WORKER))
        if workers == 1:
            return [process_with_free_worker(item) for item in items]
        with ThreadPoolExecutor(workers) as pool:
            return list(pool.map(process_with_free_worker, items))


def _read(worker: "_Worker", answer: str) -> Reading:
    """Return the reading of one answer."""
    if len(answer) > MAX_ANSWER:
        return Reading("too_large")
    try:
        status, fields = worker.ask([answer])
    except TimeoutError:
        return Reading("timed_out")
    except OSError:
        return Reading("too_large")
    if fields is None:
        return Reading(status)
    shape, numbers, letters_only, is_equation = fields
    return Reading(status, shape, tuple(numbers), letters_only, ("", "") if is_equation else ())


def _compare_group(worker: "_Worker", pairs: Iterable[tuple[str, str]]) -> list[str]:
    """Return the status of each pair of a group (see `Verifier.equal_groups`)."""
    failures: Counter[str] = Counter()
    statuses = []
    for pair in pairs:
        if max(failures[answer] for answer in pair) >= _MAX_FAILURES:
            statuses.append("timeout")
            continue
        status = _compare(worker, pair)
        statuses.append(status)
        if status in _FAILED:
            # An answer that cannot even be compared with 1 caused the failure. Else it counts for both answers.
            causes = [answer for answer in pair if not failures[answer] and _compare(worker, (answer, "1")) in _FAILED]
            failures.update(dict.fromkeys(causes, _MAX_FAILURES) if causes else pair)
    return statuses


def _compare(worker: "_Worker", pair: tuple[str, str]) -> str:
    """Return the status of one pair."""
    if max(map(len, pair)) > MAX_ANSWER:
        return "unparsable"
    try:
        return str(worker.ask(list(pair))[0])
    except TimeoutError:
        return "timeout"
    except OSError:
        return "error"


class _Worker:
    """One worker process, started at its first request and again after each death. One thread at a time uses it."""

    def __init__(self, seconds: float, memory_mib: int) -> None:
        self._seconds = seconds
        self._memory = memory_mib
        self._process: subprocess.Popen[bytes] | None = None
        self._received = b""
        # Number of the newest request. A request of a child that was killed may still get a reply, from the next child.
        self._number = 0

    @property
    def running(self) -> bool:
        return self._process is not None

    def ask(self, answers: list[str]) -> list[Any]:
        """Return [status, fields of a reading or None] for one answer, [status, None] for a pair.

        Raises TimeoutError when the request needs too much CPU time, OSError when it kills the worker: it ran out of
        memory, or the parser overran the C stack. If the worker was killed from outside, the request is repeated once.
        """
        for _ in range(2):
            if self._process is None:
                self._start()
            try:
                reply = self._exchange(answers, _WALL_CLOCK_FACTOR * self._seconds)
            except TimeoutError:
                self.kill()
                raise
            except OSError:  # another process killed the whole worker
                self.kill()
                continue
            if reply[0] != DIED:
                return list(reply[1:])
            if reply[1] == -signal.SIGPROF:
                raise TimeoutError("over its CPU time")
            if reply[1] != -signal.SIGKILL:
                break
        raise BrokenPipeError("the worker died of it")

    def kill(self) -> None:
        """End the worker and its child."""
        process, self._process, self._received = self._process, None, b""
        if process is not None:
            # The process was not waited for yet, so no other process can have its number.
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()

    def _start(self) -> None:
        """Start the process and wait until it is ready. Raises StageFailed if it does not get ready."""
        command = [sys.executable, "-P", worker_program.__file__, str(self._memory), str(self._seconds)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
        )
        try:
            ready = self._receive(_START_SECONDS)
        except OSError as error:
            ready = repr(error)
        if ready != "ready":
            self.kill()
            raise StageFailed(
                f"the answer verifier did not start ({ready}); check that `import math_verify` works in "
                f"{sys.executable} within {self._memory} MiB"
            )

    def _exchange(self, answers: list[str], seconds: float) -> Any:
        """Send a request and return its reply. Raises TimeoutError after `seconds`, OSError if the worker has died."""
        assert self._process is not None and self._process.stdin is not None
        self._number += 1
        self._process.stdin.write(json.dumps([self._number, answers]).encode() + b"\n")
        self._process.stdin.flush()
        while True:
            reply = self._receive(seconds)
            if reply[0] in (self._number, DIED):
                return reply

    def _receive(self, seconds: float) -> Any:
        """Return the next message of the worker. Raises as `_exchange` does."""
        assert self._process is not None and self._process.stdout is not None
        output, deadline = self._process.stdout.fileno(), time.monotonic() + seconds
        while b"\n" not in self._received:
            if not select.select([output], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise TimeoutError
            chunk = os.read(output, 65_536)
            if not chunk:
                raise BrokenPipeError("the worker ended")
            self._received += chunk
        line, _, self._received = self._received.partition(b"\n")
        return json.loads(line)
