"""Equality of mathematical answers by math-verify, in a worker process that can be killed.

Departs from the authors' release, where a bare `except` turns every failure of the verifier into "not equal":
math-verify stops long comparisons with signal alarms, which exist on the main thread only, so off it every comparison
fails silently. Here the worker runs on the main thread of its own process with limits on memory and, kept from outside,
on time (a power tower such as 9^{9^{9^9}} cannot be interrupted from inside), and every pair has a status.

Answers travel as JSON lines. This file is also the worker's program (`python -P verifier.py MEMORY_MIB SECONDS`), so it
imports nothing of this project at its top.
"""

import json
import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self, TextIO

STATUSES = ("equal", "different", "unparsable", "timeout", "error")
MAX_ANSWER = 300  # characters; the parser's time grows faster than the answer
_START_SECONDS = 120.0  # importing sympy takes 1-2 s, far longer on a machine that is busy starting


class Verifier:
    """Compares answers in one worker process, started at the first comparison. Safe to share between threads."""

    def __init__(self, *, seconds_per_pair: float = 5.0, memory_mib: int = 1_024) -> None:
        """`memory_mib` limits the worker's address space, of which the imports take 62 MiB."""
        self._seconds = seconds_per_pair
        self._memory = memory_mib
        self._process: subprocess.Popen[bytes] | None = None
        self._received = b""
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()
        """Statuses given so far."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def equal(self, pairs: Sequence[tuple[str, str]]) -> list[str]:
        """One status per pair of answers (LaTeX or plain): equal, different, unparsable, timeout or error.

        "equal" needs math-verify to say so in both directions, since its verify() is not symmetric. A pair that exceeds
        its time gives "timeout", one that exceeds the memory or kills the worker "error"; the rest go on in a new one.
        """
        with self._lock:
            statuses = [self._compare(left, right) for left, right in pairs]
            self.counts.update(statuses)
        return statuses

    def close(self) -> None:
        """End the worker; a later comparison starts another."""
        with self._lock:
            self._kill()

    def _compare(self, left: str, right: str) -> str:
        if max(len(left), len(right)) > MAX_ANSWER:
            return "unparsable"
        if self._process is None:
            self._start()
        try:
            return self._ask([left, right], self._seconds)
        except TimeoutError:
            self._kill()
            return "timeout"
        except OSError:  # the worker is gone: out of memory, or its parser overran the C stack
            self._kill()
            return "error"

    def _start(self) -> None:
        from storage.errors import StageFailed

        command = [sys.executable, "-P", __file__, str(self._memory), str(self._seconds)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
        )
        try:
            ready = self._ask(None, _START_SECONDS)
        except OSError as error:  # TimeoutError is one
            ready = repr(error)
        if ready != "ready":
            self._kill()
            raise StageFailed(
                f"the answer verifier did not start ({ready}); check that `import math_verify` works in "
                f"{sys.executable} within {self._memory} MiB"
            )

    def _ask(self, message: list[str] | None, seconds: float) -> str:
        """Send one message and wait for one answer; TimeoutError after `seconds`, OSError when the worker has died."""
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise BrokenPipeError("no worker")
        process.stdin.write(json.dumps(message).encode() + b"\n")
        process.stdin.flush()
        output, deadline = process.stdout.fileno(), time.monotonic() + seconds
        while b"\n" not in self._received:
            if not select.select([output], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise TimeoutError
            chunk = os.read(output, 65_536)
            if not chunk:
                raise BrokenPipeError("the worker ended")
            self._received += chunk
        line, _, self._received = self._received.partition(b"\n")
        return str(json.loads(line))

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None
        self._received = b""


def _serve(requests: TextIO, replies: TextIO, seconds: float) -> None:
    """The worker's loop: a JSON line in, a JSON line out, until the parent closes the pipe."""
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

    def status(left: str, right: str) -> str:
        first, second = parsed(left), parsed(right)
        if not first or not second:
            return "unparsable"
        return "equal" if same(first, second) and same(second, first) else "different"

    for line in requests:
        pair = json.loads(line)
        # Should the parent be killed while this computes without end, the alarm's default action ends this process.
        signal.setitimer(signal.ITIMER_REAL, 2 * seconds)
        try:
            reply = "ready" if pair is None else status(*pair)
        except MemoryError:
            return
        except Exception:  # untrusted model output: whatever sympy makes of it is a status, not a crash
            reply = "error"
        signal.setitimer(signal.ITIMER_REAL, 0)
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


def _main() -> None:
    import resource

    limit = int(sys.argv[1]) << 20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints must not read as a reply
    _serve(sys.stdin, replies, seconds=float(sys.argv[2]))


if __name__ == "__main__":
    _main()
