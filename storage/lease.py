"""One worker at a time on a run: who has the lease works, others stop and say whose it is.

A lease is a numbered, create-only file, `lease/000007.json`; the highest number counts, so of several that try to
take over exactly one creates the next. Its owner renews it every quarter of a minute; one that was not renewed for a
minute has expired. An owner on this machine is looked for among its processes, so that the lease of a killed process
is free at once.

There is one lease on the run. If several processes share its GPU stages (`flows.orchestration.gpu_runs`), there is one
more on each stage that only one of them can do.

The lease saves work, it does not protect data: should two owners ever run (clocks an hour apart, a machine that slept),
the create-only writes of parts and manifests decide, as they always do.
"""

import os
import platform
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from storage.errors import MissingArtifact, RunBusy, StorageError
from storage.store import Store

RUN = "lease"
"""Name of the lease on the whole run, and the folder that it lies in."""
EXPIRES_SECONDS = 60.0
RENEW_SECONDS = 15.0


class Owner(BaseModel):
    """Who has a lease; times are seconds since the epoch."""

    model_config = ConfigDict(frozen=True)

    id: str
    host: str
    place: str  # machine since its boot, and process namespace; empty where that cannot be told
    process: int
    born: str  # when the process started, so that another of the same number is not taken for it
    since: float
    renewed: float
    released: bool = False

    @property
    def works(self) -> bool:
        if self.released:
            return False
        if self.place and self.place == _place():
            return bool(self.born) and self.born == _born(self.process)
        return time.time() - self.renewed < EXPIRES_SECONDS


class Lease:
    """A lease that this process has. `check` before anything long."""

    def __init__(self, store: Store, name: str, number: int, owner: Owner) -> None:
        self._store = store
        self._name = name
        self._number = number
        self._owner = owner
        self._taken_by: Owner | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raises RunBusy when the lease was lost, as after an hour of sleep."""
        if self._taken_by:
            raise _busy(self._store, self._name, self._taken_by)

    def release(self) -> None:
        self._ended.set()
        self._thread.join()
        try:
            self._write(released=True)
        except StorageError:  # a full disk lets nothing be written, but removed
            with suppress(StorageError):
                self._store.remove([_path(self._name, self._number)])

    def _renew(self) -> None:
        while not self._ended.wait(RENEW_SECONDS):
            with suppress(StorageError):  # the next time will do
                self._write(renewed=time.time())
                number, owner = _newest(self._store, self._name)
                if number > self._number:
                    self._taken_by = owner

    def _write(self, **changes: object) -> None:
        self._owner = self._owner.model_copy(update=changes)
        self._store.replace(_path(self._name, self._number), self._owner.model_dump_json().encode())


@contextmanager
def hold_lease(store: Store, name: str = RUN) -> Iterator[Lease]:
    """Work on a run, or on what else has this name, alone. Raises RunBusy when somebody else does."""
    now = time.time()
    process = os.getpid()
    mine = Owner(
        id=uuid.uuid4().hex, host=platform.node(), place=_place(), process=process, born=_born(process), since=now,
        renewed=now,
    )  # fmt: skip
    lease = Lease(store, name, _take(store, name, mine), mine)
    try:
        yield lease
    finally:
        lease.release()


def check_free(store: Store) -> None:
    """Raises RunBusy when somebody works on the run."""
    owner = owner_of_run(store)
    if owner and owner.works:
        raise _busy(store, RUN, owner)


def owner_of_run(store: Store) -> Owner | None:
    """Who works on the run, or did last; None when that is not known."""
    return _newest(store, RUN)[1]


def _take(store: Store, name: str, mine: Owner) -> int:
    """The number under which `mine` was written. Raises RunBusy."""
    while True:
        number, owner = _newest(store, name)
        if owner and owner.works:
            raise _busy(store, name, owner)
        number += 1
        store.create(_path(name, number), mine.model_dump_json().encode())
        # Read back: a create that says False may be ours, and one that says True late, after others came and went.
        newest, owner = _newest(store, name)
        if newest == number and owner and owner.id == mine.id:
            store.remove(_path(name, old) for old in _numbers(store, name) if old < number)
            return number
        if owner and owner.id != mine.id and newest > number:
            store.remove([_path(name, number)])


def _newest(store: Store, name: str) -> tuple[int, Owner | None]:
    """The highest number and its owner; None when it is gone or half a file. (0, None) when there is none."""
    number = max(_numbers(store, name), default=0)
    try:
        return number, Owner.model_validate_json(store.read(_path(name, number)))
    except (MissingArtifact, ValidationError):
        return number, None


def _numbers(store: Store, name: str) -> list[int]:
    return [int(file[:6]) for file in store.names(name) if file[:6].isdecimal() and file[6:] == ".json"]


def _path(name: str, number: int) -> str:
    return f"{name}/{number:06d}.json"


def _busy(store: Store, name: str, owner: Owner) -> RunBusy:
    now = time.time()
    what = store.uri if name == RUN else f"{name.removeprefix(f'{RUN}-')} of {store.uri}"
    return RunBusy(
        f"{what} is being worked on by {owner.host} (process {owner.process}) since "
        f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(owner.since))}; its lease is {now - owner.since:.0f} s "
        f"old, renewed {now - owner.renewed:.0f} s ago. Wait for it or stop it; should that machine be gone, the lease "
        f"expires {EXPIRES_SECONDS:.0f} s after it was last renewed"
    )


def _place() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _born(process: int) -> str:
    """Start time of a process in ticks since boot; empty when there is no such process, or a dead one only."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]
