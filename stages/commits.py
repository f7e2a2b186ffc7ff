"""Writes in the background: the commit of a stage while later stages compute, and the parts of a running stage.

The order of writes is the same as without threads. While a commit is under way, later stages may compute, but nothing
of theirs is written before it has ended well.
"""

import queue
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from storage.errors import StageFailed

LAST_SECONDS = 2.0
"""Seconds that finished parts get when a signal ends the process, and then a commit (see `flows.shutdown`)."""
MOST_WAITING_BYTES = 512 * 2**20
"""Most bytes of parts that wait to be written."""


class Commits:
    """The background commit of this process. There is at most one at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()
        self._ended.set()
        self._error: BaseException | None = None
        self._key: str | None = None
        self._folders: Mapping[str, Path] = {}
        self._temporary: Sequence[Path] = ()
        self._actions: list[Callable[[], None]] = []
        self.given_up = False
        """Whether this process ends without the commit under way: its manifest must not be written any more."""

    def begin(
        self, key: str, folders: Mapping[str, Path], commit: Callable[[], object], temporary: Sequence[Path]
    ) -> None:
        """Call `commit` in a thread, after the commit before it. Raises what that commit raised.

        Args:
            key: key of the stage execution.
            folders: output folders by name, as far as they are complete, for later stages of this process.
            commit: writes all outputs and the manifest.
            temporary: folders that `commit` reads. They are removed by `tidy`.
        """
        self.wait()
        self.tidy()
        self._key, self._folders, self._temporary = key, dict(folders), tuple(temporary)
        self._ended.clear()
        # A daemon: a process that was told to end does not wait for an upload.
        self._thread = threading.Thread(target=self._run, args=(commit,), name="serl-commit", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # the system has no thread left: nothing may wait for this commit
            self._ended.set()
            raise

    @property
    def pending(self) -> bool:
        """Whether a commit is under way."""
        return not self._ended.is_set()

    def wait(self) -> None:
        """Return when no commit is under way; at once in the thread of the commit itself.

        Raises what the commit raised, now and at every later call: what depends on a lost commit is never written.
        """
        if threading.current_thread() is not self._thread:
            self._ended.wait()
            self.check()

    def check(self) -> None:
        """Raise what a commit raised, without waiting."""
        if self._error is not None:
            raise self._error

    def wait_for(self, key: str) -> None:
        """Return when the outputs of the execution `key` can be read from the store. Raises as `wait` does."""
        if key == self._key:
            self.wait()

    def folder(self, key: str, name: str) -> Path | None:
        """Return the local folder of an output whose commit is under way; None if there is none."""
        return self._folders.get(name) if key == self._key and self.pending else None

    def then(self, action: Callable[[], None]) -> None:
        """Call `action` when the commit under way has ended, well or not; now if none is under way."""
        with self._lock:
            if self.pending:
                self._actions.append(action)
                return
        action()

    def owns(self, folder: Path) -> bool:
        """Return whether a temporary folder belongs to a commit; `tidy` removes it."""
        return folder in self._temporary

    def tidy(self) -> None:
        """Remove the files of a commit that has ended. Call it when no stage uses a folder that `folder` returned."""
        if not self.pending:
            for folder in self._temporary:
                shutil.rmtree(folder, ignore_errors=True)
            self._temporary = ()

    def close(self, seconds: float | None = None) -> None:
        """Wait for the commit under way, `seconds` at most (None: as long as it takes), and then give it up.

        Raises nothing: the caller is about to end, or to raise another error.
        """
        ended = False
        try:
            ended = self._ended.wait(seconds)
        finally:  # also if a signal ends the wait
            if not ended:
                self.given_up = True
                self._end(StageFailed("the process was stopped before the outputs were committed"))
        if ended and self._thread is not None and self._thread.is_alive():
            self._thread.join(LAST_SECONDS)  # the actions that follow, such as the release of a lease
        self.tidy()

    def _run(self, commit: Callable[[], object]) -> None:
        error: BaseException | None = None
        try:
            commit()
        except BaseException as raised:
            error = raised
        self._end(error)

    def _end(self, error: BaseException | None) -> None:
        """End the commit under way, unless it was given up before."""
        with self._lock:
            if not self.pending:
                return
            self._error = error
            self._ended.set()
            actions, self._actions = self._actions, []
        for action in actions:
            action()


class PartQueue:
    """Writes parts in a thread, one after the other, so that the thread which feeds the engine never waits for a disk.

    `before`: called in that thread before each write; may wait, and may raise.
    """

    def __init__(self, before: Callable[[], None]) -> None:
        self._before = before
        self._writes: queue.SimpleQueue[tuple[int, Callable[[], None]] | None] = queue.SimpleQueue()
        self._changed = threading.Condition()
        self._waiting_bytes = self._waiting = 0
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None

    def put(self, size: int, write: Callable[[], None]) -> None:
        """Have `write`, of `size` bytes, called later. Raises what an earlier write raised.

        Waits while more than `MOST_WAITING_BYTES` are left to write.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._error or self._waiting_bytes <= MOST_WAITING_BYTES)
            self._check()
            self._waiting += 1
            self._waiting_bytes += size
        if self._thread is None:
            thread = threading.Thread(target=self._work, name="serl-parts", daemon=True)
            thread.start()
            self._thread = thread
        self._writes.put((size, write))

    def flush(self) -> None:
        """Return when everything is written. Raises what a write raised."""
        with self._changed:
            self._changed.wait_for(lambda: self._error or not self._waiting)
            self._check()

    def close(self, seconds: float | None) -> None:
        """End the thread after the writes that are left, or after `seconds`. Raises nothing."""
        self._writes.put(None)
        if self._thread is not None:
            self._thread.join(seconds)

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        while item := self._writes.get():
            size, write = item
            error: BaseException | None = None
            try:
                if self._error is None:
                    self._before()
                    write()
            except BaseException as raised:
                error = raised
            with self._changed:
                self._waiting -= 1
                self._waiting_bytes -= size
                self._error = self._error or error
                self._changed.notify_all()
