"""What the processes of vLLM write to stderr, so that an error can say its cause.

vLLM's own error says "Engine core initialization failed. See root cause above", and the cause stands in the output of
another process.
"""

import os
import re
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_KEPT_LINES = 400
_ERROR = re.compile(r"(?<![\w.])(?:\w+\.)*(?P<name>[A-Z]\w*(?:Error|Exception|Exit)): (?P<message>\S.*)")
_NO_CAUSE = re.compile(r"initialization failed|See root cause above|EngineDeadError|EngineCore encountered an issue")
_LONGEST_LINE = 1 << 16


class Stderr:
    """Keeps the last lines that this process and those that it starts write to stderr, and passes all of them on."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)

    @contextmanager
    def of_children(self) -> Iterator[None]:
        """Within the context, children inherit a stderr that is kept; it is passed on for as long as they live.

        Nothing is kept if this process was started without a stderr.
        """
        try:
            own = os.dup(2)
        except OSError:
            yield
            return
        read, write = os.pipe()
        os.dup2(write, 2)
        os.close(write)
        pump = threading.Thread(target=self._pass_on, args=(read, own), name="serl-stderr", daemon=True)
        pump.start()
        try:
            yield
        finally:
            os.dup2(own, 2)
            pump.join(timeout=0.5)  # at once if no child lives on

    def last_error(self, patience_seconds: float = 0.0) -> str | None:
        """Return the last error that says a cause, as "ValueError: message" in one line; None without one.

        `patience_seconds`: how long to wait for one, since output of other processes arrives a little later.
        """
        deadline = time.monotonic() + patience_seconds
        while (error := self._last_error()) is None and time.monotonic() < deadline:
            time.sleep(0.05)
        return error

    def _last_error(self) -> str | None:
        for line in reversed(tuple(self._lines)):
            match = _ERROR.search(line)
            if match and not _NO_CAUSE.search(line):
                return f"{match['name']}: {' '.join(match['message'].split())}"
        return None

    def _pass_on(self, read: int, own: int) -> None:
        unfinished = b""
        with os.fdopen(read, "rb", buffering=0) as pipe:
            while data := pipe.read(1 << 16):
                with suppress(OSError):  # nobody reads our stderr any more
                    os.write(own, data)
                *lines, unfinished = (unfinished + data).split(b"\n")
                self._lines.extend(line.decode(errors="replace") for line in lines)
                unfinished = unfinished[-_LONGEST_LINE:]
        if unfinished:
            self._lines.append(unfinished.decode(errors="replace"))
        os.close(own)
