"""A lease has one owner. The lease of a dead process is free at once on this machine, else when it has expired."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import storage.lease
from storage.errors import RunBusy, StorageError
from storage.lease import EXPIRES_SECONDS, Owner, check_free, hold_lease, owner_of_run
from storage.store import Store
from tests.commands import REPOSITORY
from tests.helpers import memory_store


@pytest.fixture
def store() -> Store:
    return memory_store()


def other_machine(store: Store, number: int = 1, *, renewed: float, **changes: object) -> Owner:
    """A lease that was taken an hour ago elsewhere and renewed `renewed` seconds ago."""
    now = time.time()
    values = {"since": now - 3_600, "renewed": now - renewed, **changes}
    owner = Owner.model_validate(
        {"id": "x", "host": "gpu-7", "place": "another boot", "process": 4321, "born": "1", **values}
    )
    store.create(f"lease/{number:06d}.json", owner.model_dump_json().encode())
    return owner


def test_a_second_process_is_refused_until_the_first_has_ended(store: Store) -> None:
    with hold_lease(store):
        with pytest.raises(RunBusy, match=rf"process {os.getpid()}\) since .*; its lease is 0 s old, renewed 0 s ago"):
            check_free(store)
        with pytest.raises(RunBusy), hold_lease(store):
            pass
    check_free(store)
    with hold_lease(store):
        assert store.names("lease") == ["000002.json"], "the file of the earlier lease was not removed"


def test_leases_of_different_names_are_independent(store: Store) -> None:
    with hold_lease(store, "lease-ppo_update"):
        check_free(store)
        with hold_lease(store):
            assert (owner := owner_of_run(store)) and owner.process == os.getpid() and owner.is_active
            with pytest.raises(RunBusy, match=f"ppo_update of {store.uri}"), hold_lease(store, "lease-ppo_update"):
                pass
    assert (owner := owner_of_run(store)) and owner.released and not owner.is_active


def test_an_error_releases_the_lease(store: Store) -> None:
    with pytest.raises(KeyError), hold_lease(store):
        raise KeyError
    check_free(store)


def test_another_machines_lease_holds_while_it_is_renewed(store: Store) -> None:
    other_machine(store, renewed=EXPIRES_SECONDS - 5)
    with pytest.raises(RunBusy, match=r"by gpu-7 \(process 4321\).* lease is 3600 s old, renewed 55 s ago"):
        check_free(store)


def test_a_dead_machines_lease_expires(store: Store) -> None:
    other_machine(store, renewed=EXPIRES_SECONDS + 1)
    check_free(store)
    with hold_lease(store):
        assert store.names("lease") == ["000002.json"]


def test_a_released_lease_is_free(store: Store) -> None:
    other_machine(store, renewed=0, released=True)
    check_free(store)


def test_a_killed_process_of_this_machine_is_known_to_be_dead(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from storage.lease import hold_lease; from storage.store import Store\n"
        "with hold_lease(Store(sys.argv[1])):\n    os.kill(os.getpid(), signal.SIGKILL)"
    )
    store = Store(str(tmp_path))
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=REPOSITORY, check=False)
    assert done.returncode < 0 and store.names("lease") == ["000001.json"]
    check_free(store)


def test_a_new_process_with_the_owners_number_is_not_the_owner(store: Store) -> None:
    other_machine(store, renewed=0, place=storage.lease._process_space(), process=os.getpid(), born="12345")
    check_free(store)


def test_of_many_that_start_at_once_one_gets_the_lease(store: Store) -> None:
    other_machine(store, number=7, renewed=1_000)
    barrier, release = threading.Barrier(8), threading.Event()
    outcomes: list[str] = []

    def start() -> None:
        barrier.wait()
        try:
            with hold_lease(store):
                outcomes.append("works")
                release.wait(10)
        except RunBusy:
            outcomes.append("busy")

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    while len(outcomes) < 8:
        time.sleep(0.01)
    release.set()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["busy"] * 7 + ["works"]


def test_the_owner_renews_its_lease(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage.lease, "RENEW_SECONDS", 0.02)
    with hold_lease(store):
        first = Owner.model_validate_json(store.read("lease/000001.json"))
        deadline = time.monotonic() + 10
        while Owner.model_validate_json(store.read("lease/000001.json")).renewed_at == first.renewed_at:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_an_owner_notices_that_it_lost_the_lease(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage.lease, "RENEW_SECONDS", 0.02)
    with hold_lease(store) as lease:
        lease.check()
        other_machine(store, number=2, renewed=0)
        deadline = time.monotonic() + 10
        with pytest.raises(RunBusy, match="gpu-7"):
            while time.monotonic() < deadline:
                lease.check()
                time.sleep(0.01)
    with pytest.raises(RunBusy, match="gpu-7"):
        check_free(store)


def test_a_failed_renewal_does_not_end_the_work(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage.lease, "RENEW_SECONDS", 0.01)

    def fail(*_: object) -> None:
        raise StorageError("unreachable")

    with hold_lease(store) as lease:
        monkeypatch.setattr(Store, "replace", fail)
        time.sleep(0.05)
        lease.check()
        assert lease._thread.is_alive()
        monkeypatch.undo()


def test_a_damaged_lease_file_has_no_owner(store: Store) -> None:
    store.create("lease/000001.json", b'{"id": "x"')
    with hold_lease(store):
        pass
