"""A disk that is full or read-only, a real one: the run stops with one line, and goes on when there is room."""

import subprocess
import sys
from pathlib import Path

import pytest

from flows.run_loop import run_locally
from storage.errors import NotWritable
from storage.repair import find_damage
from storage.run import open_run
from storage.store import Store
from tests.commands import HANG_SECONDS, run
from tests.helpers import fake_config
from tests.kill.check import differences

NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount"]
"""Mounts of its own, so that no rights are needed and nothing stays mounted."""


def can_mount(folder: Path) -> bool:
    command = [*NAMESPACE, "mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=HANG_SECONDS).returncode == 0
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("trouble", ["full", "read-only"])
def test_a_disk_that_refuses(tmp_path: Path, trouble: str) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if not can_mount(disk):
        pytest.skip("needs unshare(1) and a kernel that lets a user mount in a namespace")
    (tmp_path / "undisturbed").mkdir()
    expected = fake_config(tmp_path / "undisturbed")
    run_locally(expected)
    module = "tests.integration.test_full_disk"
    run(*NAMESPACE, sys.executable, "-m", module, str(disk), expected.uri, trouble, expect=0)


def main(disk: Path, expected: Path, trouble: str) -> None:
    """In the namespace: run into the trouble, look at what is there, end the trouble, go on."""
    mount = ["mount", "-t", "tmpfs", "-o"]
    subprocess.run([*mount, "size=10m", "tmpfs", str(disk)], check=True)
    config = fake_config(disk)
    store = Store(config.uri)
    if trouble == "full":
        run_locally(config.model_copy(update={"iterations": 0}))
        subprocess.run([*mount, "remount,size=260k", "tmpfs", str(disk)], check=True)
        reason = "No space left on device; what was committed is intact, run again after making room"
    else:
        run_locally(config.model_copy(update={"iterations": 1}))
        subprocess.run([*mount, "remount,ro", "tmpfs", str(disk)], check=True)
        reason = "Read-only file system; check its permissions, or choose another `root`"
    with pytest.raises(NotWritable, match=reason):
        run_locally(config)
    assert list(find_damage(store, lambda *_: None)) == []
    done = open_run(config.uri).iterations
    assert done and len(done) < 3
    assert store.names(".tmp") == []
    subprocess.run([*mount, "remount,rw,size=10m", "tmpfs", str(disk)], check=True)
    run_locally(config)
    assert differences(expected, Path(config.uri)) == []


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
