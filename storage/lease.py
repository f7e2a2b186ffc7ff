"""Leases, so that one process at a time works on a run. A second process stops and names the owner.

A lease is a numbered, create-only file, `lease/000007.json`. The file with the highest number counts. Of several
processes that try to take a lease over, exactly one creates the next file. The owner renews its lease every 15 seconds;
a lease that was not renewed for a minute has expired. If the owner ran in this machine's current boot and process
namespace, /proc tells whether the owner is alive, so the lease of a killed process is free at once.

There is one lease on the whole run. GPU workers (`flows.gpu_stages`) also take a lease `lease-STAGE` while they run a
stage whose parts cannot be shared, such as the policy update.

Leases only prevent the same work from being done twice; data are safe without them. If two owners ever work at once
(because clocks differ or a machine was suspended), create-only writes let only one of them write each part and
manifest.
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
"""Name of the lease on the whole run, and the folder that holds its files."""
EXPIRES_SECONDS = 60.0
RENEW_SECONDS = 15.0


class Owner(BaseModel):
    """The owner of a lease, as its file records it. Times are seconds since the epoch."""

    model_config = ConfigDict(frozen=True)

    id: str
    """A random id, so that a process recognises its own file."""
    host: str
    place: str
    """Boot id and process namespace of the machine, within which process numbers are unique; empty if unknown."""
    process: int
    """Process number."""
    born: str
    """Start time of the process in clock ticks since boot, as text. A later process of the same number has another."""
    since: float
    renewed: float
    released: bool = False

    @property
    def works(self) -> bool:
        """Whether the owner is still at work.

        If the owner ran in this machine's current boot and process namespace: whether its process is alive. Otherwise:
        whether it renewed its lease within the last minute.
        """
        if self.released:
            return False
        if self.place and self.place == _place():
            return bool(self.born) and self.born == _born(self.process)
        return time.time() - self.renewed < EXPIRES_SECONDS


class Lease:
    """A lease that this process holds. A thread renews it. Call `check` before any long work."""

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
        """Raise RunBusy if another process has taken the lease.

        For example, this machine was suspended for more than a minute.
        """
        if self._taken_by:
            raise _busy(self._store, self._name, self._taken_by)

    def release(self) -> None:
        """Stop renewing and mark the lease as free."""
        self._ended.set()
        self._thread.join()
        try:
            self._write(released=True)
        except StorageError:  # on a full disk nothing can be written, but the file can be removed
            with suppress(StorageError):
                self._store.remove([_path(self._name, self._number)])

    def _renew(self) -> None:
        while not self._ended.wait(RENEW_SECONDS):
            with suppress(StorageError):  # the lease expires only after four missed renewals
                self._write(renewed=time.time())
                number, owner = _newest(self._store, self._name)
                if number > self._number:
                    self._taken_by = owner

    def _write(self, **changes: object) -> None:
        self._owner = self._owner.model_copy(update=changes)
        self._store.replace(_path(self._name, self._number), self._owner.model_dump_json().encode())


@contextmanager
def hold_lease(store: Store, name: str = RUN) -> Iterator[Lease]:
    """Take the lease `name` for the duration of a `with` block. Raises RunBusy if another process holds it.

    `name` is `RUN`, or "lease-" and a stage's name.
    """
    now = time.time()
    process = os.getpid()
    owner = Owner(
        id=uuid.uuid4().hex, host=platform.node(), place=_place(), process=process, born=_born(process), since=now,
        renewed=now,
    )  # fmt: skip
    lease = Lease(store, name, _take(store, name, owner), owner)
    try:
        yield lease
    finally:
        lease.release()


def check_free(store: Store) -> None:
    """Raise RunBusy if a process works on the run."""
    owner = owner_of_run(store)
    if owner and owner.works:
        raise _busy(store, RUN, owner)


def owner_of_run(store: Store) -> Owner | None:
    """Return the process that works on the run, or was the last to do so; None if no lease file can be read."""
    return _newest(store, RUN)[1]


def _take(store: Store, name: str, owner: Owner) -> int:
    """Take a lease for `owner` and return the number of its file. Raises RunBusy if another process holds it."""
    while True:
        number, previous = _newest(store, name)
        if previous and previous.works:
            raise _busy(store, name, previous)
        number += 1
        store.create(_path(name, number), owner.model_dump_json().encode())
        # Read the file back. `create` may return False for our own write (see `storage.store`); and when it returned
        # True, other processes may have taken and released leases since we looked for the newest.
        newest_number, newest = _newest(store, name)
        if newest_number == number and newest and newest.id == owner.id:
            store.remove(_path(name, old) for old in _numbers(store, name) if old < number)
            return number
        if newest and newest.id != owner.id and newest_number > number:
            store.remove([_path(name, number)])


def _newest(store: Store, name: str) -> tuple[int, Owner | None]:
    """Return the highest number and its owner; (0, None) if there is no lease file.

    The owner is None if the file has just been removed, or is damaged.
    """
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
    """Return the error that names the owner of a lease."""
    now = time.time()
    leased = store.uri if name == RUN else f"{name.removeprefix(f'{RUN}-')} of {store.uri}"
    return RunBusy(
        f"{leased} is being worked on by {owner.host} (process {owner.process}) since "
        f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(owner.since))}; its lease is {now - owner.since:.0f} s "
        f"old, renewed {now - owner.renewed:.0f} s ago. Wait for it or stop it; if that machine has failed, the lease "
        f"expires {EXPIRES_SECONDS:.0f} s after it was last renewed"
    )


def _place() -> str:
    """Return boot id and process namespace of this machine (see `Owner.place`); empty if /proc cannot be read."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _born(process: int) -> str:
    """Return the start time of a process in ticks since boot; empty if the process does not exist or is dead."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]
