"""Equality of mathematical answers by math-verify, in worker processes that can be killed.

Departs from the authors' release, where a bare `except` turns every failure of the verifier into "not equal":
math-verify stops long comparisons with signal alarms, which exist on the main thread only, so off it every comparison
fails silently. Here the workers are processes with limits on memory and CPU time, and every answer has a status. CPU
time decides, kept by the kernel from inside (a power tower such as 9^{9^{9^9}} cannot be interrupted by Python), so
that a busy machine does not change results; a wall clock kept from outside ends a worker that is stuck without using
any.

A worker that has imported sympy forks a child that does the work, and another when that one has died, which takes
milliseconds where an import takes seconds. Answers travel as JSON lines. This file is also the workers' program
(`python -P verifier.py MEMORY_MIB SECONDS`), so it imports nothing of this project at its top.
"""

import json
import os
import queue
import re
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
from typing import TYPE_CHECKING, Any, Self, TextIO, TypeVar

if TYPE_CHECKING:
    from stages.answers.latex_values import Reading

MAX_ANSWER = 300  # characters; the parser's time grows faster than the answer
_START_SECONDS = 120.0  # importing sympy takes 1-2 s, far longer on a machine that is busy starting
_STUCK = 20  # times the CPU limit, by the wall clock: then a worker is stuck, not slow
_REQUESTS_PER_WORKER = 50  # fewer than this are done by one: a start costs a second
_STRIKES = 2  # comparisons that may fail before an answer is not compared any more in its group
_FAILED = ("timeout", "error")
_REMEMBERED = 200_000  # readings kept
_DIED = "died"  # reply of a worker whose child died: with its exit status, negative for a signal
_FULL, _OUT_OF_MEMORY = 3, 4  # exit statuses of a child: another one takes over after this request; it died of it

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


class Verifier:
    """Reads and compares answers in worker processes, started when there is work. Safe to share between threads."""

    def __init__(self, *, workers: int | None = None, seconds: float = 2.0, memory_mib: int = 1_024) -> None:
        """`workers`: processes at most, one per usable core when not given. `seconds`: CPU time for one answer or one
        pair. `memory_mib` limits a worker's address space, of which the imports take 62 MiB."""
        self._size = workers or len(os.sched_getaffinity(0))
        self._seconds = seconds
        self._memory = memory_mib
        self._all = [_Worker(seconds, memory_mib) for _ in range(self._size)]
        self._workers: queue.LifoQueue[_Worker] = queue.LifoQueue()  # free ones, the last used first: it is running
        for worker in self._all:
            self._workers.put(worker)
        self._readings: OrderedDict[str, Reading] = OrderedDict()
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()
        """Statuses given so far, of readings ("read ok", ...) and of pairs ("equal", ...)."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def read(self, answers: Sequence[str]) -> "list[Reading]":
        """What math-verify makes of each answer alone; a distinct answer is parsed once.

        "timed_out": it needs more than `seconds` of CPU. "too_large": it is longer than 300 characters, needs more
        than `memory_mib`, or overruns the C stack.
        """
        with self._lock:
            known = {answer: self._readings[answer] for answer in answers if answer in self._readings}
        new = [answer for answer in dict.fromkeys(answers) if answer not in known]
        found = dict(zip(new, self._spread(new, [1] * len(new), self._read), strict=True))
        with self._lock:
            self._readings.update(found)
            while len(self._readings) > _REMEMBERED:
                self._readings.popitem(last=False)
            self.counts.update(f"read {reading.status}" for reading in found.values())
        return [known.get(answer) or found[answer] for answer in answers]

    def equal(self, pairs: Sequence[tuple[str, str]]) -> list[str]:
        """One status per pair of answers (LaTeX or plain): equal, different, unparsable, timeout or error.

        "equal" needs math-verify to say so in both directions, since its verify() is not symmetric. A pair that exceeds
        its time gives "timeout", one that exceeds the memory or kills the worker "error"; the rest go on in a new one.
        """
        return [status for (status,) in self.equal_groups([[pair] for pair in pairs])]

    def equal_groups(self, groups: Sequence[Sequence[tuple[str, str]]]) -> list[list[str]]:
        """`equal` for groups of pairs, such as those of one question; a group is compared in order by one worker.

        An answer whose comparison does not end, neither with another nor with 1, is not compared any more in its group
        ("timeout"), nor is one that took part in two such comparisons. So k answers cost at most 2 k times `seconds`
        in failures, not k * (k - 1) / 2, and an answer that is easily compared loses nothing by hostile company.
        """
        asked = [group for group in groups if group]
        found = self._spread(asked, [len(group) for group in asked], self._compare_group)
        with self._lock:
            self.counts.update(status for statuses in found for status in statuses)
        in_order = iter(found)
        return [next(in_order) if group else [] for group in groups]

    def close(self) -> None:
        """End the workers; later work starts others."""
        for worker in [self._workers.get() for _ in range(self._size)]:
            worker.kill()
            self._workers.put(worker)

    def _spread(
        self, items: Sequence[Item], requests: Sequence[int], do: Callable[["_Worker", Item], Outcome]
    ) -> list[Outcome]:
        """`do` for each item, in their order, on as many workers as the number of requests is worth."""
        if not items:
            return []

        def one(item: Item) -> Outcome:
            worker = self._workers.get()
            try:
                return do(worker, item)
            finally:
                self._workers.put(worker)

        running = sum(worker.running for worker in self._all)
        useful = min(self._size, max(running, 1 + sum(requests) // _REQUESTS_PER_WORKER))
        if useful == 1:
            return [one(item) for item in items]
        with ThreadPoolExecutor(useful) as pool:
            return list(pool.map(one, items))

    def _read(self, worker: "_Worker", answer: str) -> "Reading":
        from stages.answers.latex_values import Reading

        if len(answer) > MAX_ANSWER:
            return Reading("too_large")
        try:
            status, what = worker.ask([answer])
        except TimeoutError:
            return Reading("timed_out")
        except OSError:
            return Reading("too_large")
        if what is None:
            return Reading(status)
        shape, numbers, letters_only, is_equation = what
        return Reading(status, shape, tuple(numbers), letters_only, ("", "") if is_equation else ())

    def _compare_group(self, worker: "_Worker", pairs: Iterable[tuple[str, str]]) -> list[str]:
        strikes: Counter[str] = Counter()
        statuses = []
        for pair in pairs:
            tried = max(strikes[answer] for answer in pair) < _STRIKES
            status = _compare(worker, pair) if tried else "timeout"
            statuses.append(status)
            if tried and status in _FAILED:
                # Whose fault was it? The one that cannot even be compared with 1 is out; else both share it.
                guilty = [
                    answer for answer in pair if not strikes[answer] and _compare(worker, (answer, "1")) in _FAILED
                ]
                strikes.update(dict.fromkeys(guilty, _STRIKES) if guilty else pair)
        return statuses


def _compare(worker: "_Worker", pair: tuple[str, str]) -> str:
    if max(map(len, pair)) > MAX_ANSWER:
        return "unparsable"
    try:
        return str(worker.ask(list(pair))[0])
    except TimeoutError:
        return "timeout"
    except OSError:
        return "error"


class _Worker:
    """One worker process, started at its first request and again after each death. Used by one thread at a time."""

    def __init__(self, seconds: float, memory_mib: int) -> None:
        self._seconds = seconds
        self._memory = memory_mib
        self._process: subprocess.Popen[bytes] | None = None
        self._received = b""
        self._number = 0  # of the newest request: a killed child's request may be answered after all, by the next one

    @property
    def running(self) -> bool:
        return self._process is not None

    def ask(self, answers: list[str]) -> list[Any]:
        """[status, what it is] of one answer, [status, None] of two. TimeoutError when its time is over, OSError when
        the worker died of it: out of memory, or the parser overran the C stack.

        A worker killed from outside is not the answer's fault: it is asked again, once.
        """
        for _ in range(2):
            if self._process is None:
                self._start()
            try:
                reply = self._exchange(answers, _STUCK * self._seconds)
            except TimeoutError:
                self.kill()
                raise
            except OSError:  # somebody killed the whole worker
                self.kill()
                continue
            if reply[0] != _DIED:
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
            os.killpg(process.pid, signal.SIGKILL)  # not yet waited for, so the number is still its own
            process.communicate()

    def _start(self) -> None:
        from storage.errors import StageFailed

        command = [sys.executable, "-P", __file__, str(self._memory), str(self._seconds)]
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
        """Send one request and wait for its reply; TimeoutError after `seconds`, OSError when the worker has died."""
        assert self._process is not None and self._process.stdin is not None
        self._number += 1
        self._process.stdin.write(json.dumps([self._number, answers]).encode() + b"\n")
        self._process.stdin.flush()
        while True:
            reply = self._receive(seconds)
            if reply[0] in (self._number, _DIED):
                return reply

    def _receive(self, seconds: float) -> Any:
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


def _serve_in_children(requests: TextIO, replies: TextIO, seconds: float, memory: int) -> None:
    """The worker: children do the work, one after the other, until the parent closes the pipe."""
    import math_verify  # noqa: F401  children have it from their start

    _say(replies, "ready")
    while True:
        child = os.fork()
        if not child:
            _serve(requests, replies, seconds, memory)
            os._exit(0)
        ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if ended == 0:
            return
        if ended != _FULL:
            _say(replies, [_DIED, ended])


def _say(replies: TextIO, message: object) -> None:
    replies.write(json.dumps(message) + "\n")
    replies.flush()


def _serve(requests: TextIO, replies: TextIO, seconds: float, memory: int) -> None:
    """A child's loop: a JSON line in, a JSON line out, until the pipe is closed."""
    from functools import lru_cache

    from math_verify import LatexExtractionConfig, parse, verify

    config = [LatexExtractionConfig(boxed_match_priority=0)]

    @lru_cache(maxsize=4_096)
    def parsed(answer: str) -> list[Any]:
        # A dollar sign (currency or delimiter) or the full stop of a sentence would end the formula early.
        latex = "\\boxed{" + re.sub(r"\\?\$|(?<!\\right)[.,;:\s]+\Z", "", answer) + "}"
        found: list[Any] = parse(latex, config, fallback_mode="no_fallback", parsing_timeout=None)
        return found

    def same(gold: list[Any], answer: list[Any]) -> bool:
        return bool(verify(gold, answer, float_rounding=6, timeout_seconds=None, raise_on_error=True))

    def reply_to(answers: list[str]) -> list[Any]:
        found = [parsed(answer) for answer in answers]
        if not all(found):
            # math-verify swallows MemoryError: an answer that it cannot read and that took much memory is too large.
            return ["too_large" if _nearly_full(memory) and len(answers) == 1 else "unparsable", None]
        if len(answers) == 1:
            return ["ok", _what(found[0])]
        return ["equal" if same(found[0], found[1]) and same(found[1], found[0]) else "different", None]

    for line in requests:
        number, answers = json.loads(line)
        # The default action ends this process, also in the middle of C code, and if the parent is gone.
        signal.setitimer(signal.ITIMER_PROF, seconds)
        try:
            reply = reply_to(answers)
        except MemoryError:
            os._exit(_OUT_OF_MEMORY)
        except Exception:  # untrusted model output: whatever sympy makes of it is a status, not a crash
            reply = ["unparsable" if len(answers) == 1 else "error", None]
        signal.setitimer(signal.ITIMER_PROF, 0)
        _say(replies, [number, *reply])
        if _nearly_full(memory):
            os._exit(_FULL)  # the next answer should not suffer for it


def _what(found: list[Any]) -> list[Any] | None:
    """Shape, numbers, letters_only and whether it is an equation, of the `Reading` of a parsed answer."""
    from math_verify.grader import is_equation, is_relation, take_last_relation
    from sympy import E, FiniteSet, Interval, MatrixBase, Mul, Symbol, Tuple, Union

    if len(found) != 1:
        return None
    (what,) = found
    shape, members, equation = "value", [what], is_equation(what)
    if equation:
        members = [take_last_relation(what).rhs]
    elif is_relation(what):
        return ["inequality", [], False, False]
    elif isinstance(what, Union):
        return ["union", [], False, False] if any(isinstance(part, Interval) for part in what.args) else None
    elif isinstance(what, Interval):
        shape, members = "several", [what.start, what.end]
    elif isinstance(what, FiniteSet | Tuple):
        shape, members = "several", list(what.args)
    elif isinstance(what, MatrixBase):
        shape, members = "matrix", list(what.flat())
    numbers = [_value(member) for member in members]
    if None in numbers:
        return None
    factors = Mul.make_args(members[0]) if shape == "value" else ()
    letters_only = all(isinstance(factor, Symbol) or factor == E for factor in factors)
    return [shape, numbers, letters_only and shape == "value", bool(equation)]


def _value(expression: Any) -> float | None:
    """What an expression is worth, each letter standing for its number; None where that is not what counts."""
    from math import isfinite

    from sympy import Derivative, Expr, Integral, Limit, Product, Rational, Sum, Symbol, UnevaluatedExpr, oo

    from stages.answers.latex_values import letter_value

    if expression in (oo, -oo):
        return float(expression)
    if not isinstance(expression, Expr):
        return None
    if expression.has(UnevaluatedExpr, Derivative, Integral, Limit, Product, Sum) or expression.count_ops() > 50:
        return None
    chosen = {}
    for symbol in expression.free_symbols:
        if not isinstance(symbol, Symbol):
            return None
        chosen[symbol] = Rational(letter_value(symbol.name))
    try:
        value = complex(expression.subs(chosen).evalf(15))
    except Exception:
        return None
    return value.real if value.imag == 0 and isfinite(value.real) else None


def _nearly_full(memory: int) -> bool:
    """Whether this process has ever had half the address space it may have."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmPeak:")) << 10 > memory / 2


def _main() -> None:
    import resource

    limit = int(sys.argv[1]) << 20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints must not read as a reply
    _serve_in_children(sys.stdin, replies, seconds=float(sys.argv[2]), memory=limit)


if __name__ == "__main__":
    _main()
