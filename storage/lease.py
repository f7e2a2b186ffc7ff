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

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from storage.errors import MissingArtifact, RunBusy, StorageError
from storage.store import Store

RUN_LEASE = "lease"
"""Name of the lease on the whole run, and the folder that holds its files."""
EXPIRES_SECONDS = 60.0
RENEW_SECONDS = 15.0


class Owner(BaseModel):
    """The owner of a lease, as the lease's file records it. Times are seconds since the epoch.

    Aliases are the names in the file. They stay as they are, because other versions of this software read the file.
    """

    model_config = ConfigDict(frozen=True, populate_by_name=True, serialize_by_alias=True)

    id: str
    """A random id, so that a process recognises its own file."""
    host: str
    process_space: str = Field(alias="place")
    """Boot id and process namespace of the machine, within which process numbers are unique; empty if unknown."""
    process: int
    """Process number."""
    process_start: str = Field(alias="born")
    """Start time of the process in clock ticks since boot, as text. A later process of the same number has another."""
    acquired_at: float = Field(alias="since")
    renewed_at: float = Field(alias="renewed")
    released: bool = False

    @property
    def is_active(self) -> bool:
        """Whether the owner still holds the lease: it has not released it, and its process is alive.

        If the owner ran in this machine's current boot and process namespace, /proc tells whether the process is alive.
        Otherwise a process counts as alive if it renewed its lease within the last minute.
        """
        if self.released:
            return False
        if self.process_space and self.process_space == _process_space():
            return bool(self.process_start) and self.process_start == _process_start(self.process)
        return time.time() - self.renewed_at < EXPIRES_SECONDS


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

        That can happen if this machine was suspended for more than a minute.
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
                self._write(renewed_at=time.time())
                number, owner = _newest(self._store, self._name)
                if number > self._number:
                    self._taken_by = owner

    def _write(self, **changes: object) -> None:
        self._owner = self._owner.model_copy(update=changes)
        self._store.replace(_path(self._name, self._number), self._owner.model_dump_json().encode())


@contextmanager
def hold_lease(store: Store, name: str = RUN_LEASE) -> Iterator[Lease]:
    """Take the lease `name` for the duration of a `with` block. Raises RunBusy if another process holds it.

    `name`: "lease" for the whole run, "lease-STAGE" for one stage.
    """
    now = time.time()
    process = os.getpid()
    owner = Owner(
        id=uuid.uuid4().hex,
        host=platform.node(),
        process_space=_process_space(),
        process=process,
        process_start=_process_start(process),
        acquired_at=now,
        renewed_at=now,
    )
    lease = Lease(store, name, _take(store, name, owner), owner)
    try:
        yield lease
    finally:
        lease.release()


def check_free(store: Store) -> None:
    """Raise RunBusy if a process works on the run."""
    owner = owner_of_run(store)
    if owner and owner.is_active:
        raise _busy(store, RUN_LEASE, owner)


def owner_of_run(store: Store) -> Owner | None:
    """Return the owner of the run's newest lease, who may have released it; None if no lease file can be read."""
    return _newest(store, RUN_LEASE)[1]


def _take(store: Store, name: str, owner: Owner) -> int:
    """Take a lease for `owner` and return the number of its file. Raises RunBusy if another process holds it."""
    while True:
        number, previous = _newest(store, name)
        if previous and previous.is_active:
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
    acquired = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(owner.acquired_at))
    leased = store.uri if name == RUN_LEASE else f"{name.removeprefix(f'{RUN_LEASE}-')} of {store.uri}"
    return RunBusy(
        f"{leased} is being worked on by {owner.host} (process {owner.process}) since {acquired}; "
        f"its lease is {now - owner.acquired_at:.0f} s old, renewed {now - owner.renewed_at:.0f} s ago. Wait for it or "
        f"stop it; if that machine has failed, the lease expires {EXPIRES_SECONDS:.0f} s after it was last renewed"
    )


def _process_space() -> str:
    """Return the `Owner.process_space` of this process; empty if /proc cannot be read."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _process_start(process: int) -> str:
    """Return the start time of a process in ticks since boot; empty if the process does not exist or is dead."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]
