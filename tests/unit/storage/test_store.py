"""A file is written completely or not at all, the first write wins, and a refusal is an error of one line."""

import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage import local
from storage.errors import MissingArtifact, NotWritable, SerlError, StorageError
from storage.store import Store
from tests.helpers import memory_store


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    yield Store(str(tmp_path / "run")) if request.param == "local" else memory_store()


def files_under(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def test_the_first_create_wins(store: Store) -> None:
    assert store.create("votes/part.parquet", b"first")
    assert not store.create("votes/part.parquet", b"second")
    assert store.read("votes/part.parquet") == b"first"


def test_many_threads_have_exactly_one_winner(store: Store) -> None:
    threads, won = 16, []
    barrier = threading.Barrier(threads)

    def race(number: int) -> None:
        barrier.wait()
        if store.create("manifests/one.json", f"{number}".encode() * 10_000):
            won.append(number)

    racing = [threading.Thread(target=race, args=(number,)) for number in range(threads)]
    for thread in racing:
        thread.start()
    for thread in racing:
        thread.join()
    assert len(won) == 1
    assert store.read("manifests/one.json") == f"{won[0]}".encode() * 10_000
    assert store.names("manifests") == ["one.json"]


def test_reads_of_a_file_that_does_not_exist(store: Store) -> None:
    assert not store.exists("votes/x")
    assert store.size("votes/x") is None
    assert store.names("votes") == []
    with pytest.raises(MissingArtifact, match="votes/x does not exist"):
        store.read("votes/x")


def test_names_are_sorted_and_direct(store: Store) -> None:
    for path in ("t/b.json", "t/a.json", "t/deep/c.json"):
        store.create(path, b"1")
    assert store.names("t") == ["a.json", "b.json", "deep"]
    assert store.size("t/a.json") == 1


def test_a_file_removed_during_a_listing_hides_no_other(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    for number in range(9):
        store.create(f"t/{number}", b"1")
    order = [entry.path for entry in os.scandir(tmp_path / "t")]
    entries = local._walk(str(tmp_path / "t"))
    assert next(entries) == (order[0], 1)
    os.remove(order[1])
    assert list(entries) == [(path, 1) for path in order[2:]]


def test_replace_overwrites(store: Store) -> None:
    store.replace("reports/curve.png", b"old")
    store.replace("reports/curve.png", b"newer")
    assert store.read("reports/curve.png") == b"newer"


def test_a_file_is_stored_and_downloaded_whole(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "weights"
    source.write_bytes(b"w" * 100_000)
    store.create_from_file("policy/abc/weights", source)
    store.create_from_file("policy/abc/weights", source)
    store.download("policy/abc/weights", tmp_path / "there" / "weights", 100_000)
    assert (tmp_path / "there" / "weights").read_bytes() == b"w" * 100_000
    assert files_under(tmp_path / "there") == ["weights"]


def test_a_failed_download_leaves_nothing(store: Store, tmp_path: Path) -> None:
    with pytest.raises(MissingArtifact):
        store.download("policy/none", tmp_path / "there" / "weights", 1)
    assert files_under(tmp_path / "there") == []


def test_no_temporary_file_stays(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    store.create("a/b", b"1")
    store.create("a/b", b"2")
    store.replace("a/c", b"3")
    assert files_under(tmp_path) == ["a/b", "a/c"]


def test_an_interrupted_write_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Path.write_bytes

    def half(path: Path, data: bytes) -> int:
        write(path, data[: len(data) // 2])
        raise KeyboardInterrupt

    store = Store(str(tmp_path))
    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(KeyboardInterrupt):
        store.create("votes/part", b"0123456789")
    monkeypatch.undo()
    assert files_under(tmp_path) == []
    assert store.create("votes/part", b"whole")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
@pytest.mark.parametrize("when", ["writing", "linking"])
def test_a_full_or_read_only_disk_is_one_line_and_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, when: str
) -> None:
    write = Path.write_bytes

    def refuse(*arguments: object) -> int:
        if when == "writing":
            write(arguments[0], arguments[1][:3])  # type: ignore[arg-type,index]
        raise OSError(code, os.strerror(code))

    store = Store(str(tmp_path))
    monkeypatch.setattr(*((Path, "write_bytes", refuse) if when == "writing" else (os, "link", refuse)))
    with pytest.raises(NotWritable) as error:
        store.create("votes/part", b"0123456789")
    monkeypatch.undo()
    assert os.strerror(code) in str(error.value) and "votes/part" in str(error.value)
    assert "\n" not in str(error.value)
    assert files_under(tmp_path) == []


def test_permission_denied_is_not_writable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(NotWritable, match="Permission denied; check its permissions, or choose another `root`"):
        Store(str(tmp_path)).create("a", b"1")


def test_a_root_below_a_file_is_not_writable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    store = Store(str(tmp_path / "file" / "run"))
    with pytest.raises(NotWritable, match="Not a directory"):
        store.check_writable()
    with pytest.raises(NotWritable, match="Not a directory"):
        store.create("a", b"1")


def test_a_root_that_is_a_file_is_not_writable(tmp_path: Path) -> None:
    """Regression: Path.mkdir(exist_ok=True) raises FileExistsError on a file, which reached the user as a traceback."""
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(NotWritable):
        Store(str(tmp_path / "file")).check_writable()


def test_a_file_in_place_of_a_folder_is_not_a_lost_race(tmp_path: Path) -> None:
    """Regression: mkdir's FileExistsError was taken for a file at `path`, so create returned False without a file."""
    (tmp_path / "votes").write_text("a file where the table's folder belongs")
    with pytest.raises(StorageError):
        Store(str(tmp_path)).create("votes/part", b"1")


def test_check_writable_leaves_no_file(tmp_path: Path) -> None:
    Store(str(tmp_path / "run")).check_writable()
    assert files_under(tmp_path) == []


def test_opening_a_store_touches_nothing(tmp_path: Path) -> None:
    Store(str(tmp_path / "run")).exists("a")
    assert not (tmp_path / "run").exists()


def test_an_unknown_protocol_is_an_error() -> None:
    """Regression: the ValueError or ImportError of fsspec reached the user as a traceback."""
    with pytest.raises(SerlError):
        Store("nosuchprotocol://bucket/prefix")
