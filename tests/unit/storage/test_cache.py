"""Weights from S3 are kept once per content, and those unused for longest are deleted first."""

import errno
import os
import shutil
import threading
import time
from pathlib import Path

import pytest

from storage import cache
from storage.errors import ConfigError


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SERL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SERL_CACHE_GB", "0.000001")  # 1,000 bytes
    return tmp_path / "cache"


def fill(content: str, size: int, age: float = 0) -> Path:
    """A folder of one file, last used `age` seconds ago."""
    folder = cache.fill(content, size, lambda target: (target / "weights").write_bytes(b"x" * size) and None)
    os.utime(folder, (time.time() - age, time.time() - age))
    return folder


def test_the_home_folder_is_found_without_a_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container's or scheduler's settings set variables as they are."""
    monkeypatch.setenv("HOME", "/home/me")
    for name, value, folder in (
        ("SERL_CACHE", "~/cache", "/home/me/cache"),
        ("SERL_CACHE", "", "/home/me/.cache/serl"),
        ("XDG_CACHE_HOME", "~/xdg", "/home/me/xdg/serl"),
        ("SERL_CACHE", "here", str(Path("here").absolute())),
    ):
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
        monkeypatch.delenv("SERL_CACHE", raising=False)
        monkeypatch.setenv(name, value)
        assert cache.root() == Path(folder)


def test_a_folder_is_made_once(root: Path) -> None:
    assert cache.find("aa") is None
    folder = fill("aa", 10)
    assert folder == root / "aa" == cache.find("aa")
    cache.fill("aa", 10, lambda _: pytest.fail("made again"))
    assert cache.holds(folder) and not cache.holds(root.parent)


def test_a_failed_download_leaves_nothing(root: Path) -> None:
    def fail(target: Path) -> None:
        (target / "half").write_bytes(b"x")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.fill("aa", 10, fail)
    assert list(root.iterdir()) == []


def test_the_folders_unused_for_longest_are_deleted(root: Path) -> None:
    fill("old", 400, age=9_000)
    fill("older", 400, age=10_000)
    fill("new", 400)
    assert sorted(path.name for path in root.iterdir()) == ["new", "old"]


def test_a_folder_that_was_found_counts_as_used(root: Path) -> None:
    fill("a", 400, age=10_000)
    fill("b", 400, age=9_000)
    assert cache.find("a")
    fill("c", 400)
    assert sorted(path.name for path in root.iterdir()) == ["a", "c"]


def test_a_folder_used_within_the_hour_stays(root: Path) -> None:
    """A process may be loading it."""
    fill("a", 900, age=600)
    fill("b", 900)
    assert sorted(path.name for path in root.iterdir()) == ["a", "b"]


def test_concurrent_downloads_end_with_one_folder(root: Path) -> None:
    barrier = threading.Barrier(4)

    def download(target: Path) -> None:
        barrier.wait()
        (target / "weights").write_bytes(b"x")

    folders: list[Path] = []
    threads = [threading.Thread(target=lambda: folders.append(cache.fill("aa", 1, download))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert folders == [root / "aa"] * 4
    assert [path.name for path in root.iterdir()] == ["aa"]


def test_adopted_files_are_found_and_hidden_ones_left_out(tmp_path: Path) -> None:
    (tmp_path / "model" / "deep").mkdir(parents=True)
    for name in ("weights", "deep/more", ".lock"):
        (tmp_path / "model" / name).write_text(name)
    cache.adopt("aa", tmp_path / "model", ["weights", "deep/more"])
    folder = cache.find("aa")
    assert folder and sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*")) == [
        "deep", "deep/more", "weights",
    ]  # fmt: skip


def test_adopted_files_of_another_file_system_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as those of main memory."""

    def link(source: Path, target: Path) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr("storage.local.os.link", link)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights").write_text("new")
    cache.adopt("aa", tmp_path / "model", ["weights"])
    shutil.rmtree(tmp_path / "model")
    folder = cache.find("aa")
    assert folder and (folder / "weights").read_text() == "new"


@pytest.mark.parametrize("text", ["plenty", "-1", "nan", ""])
def test_a_limit_that_is_not_a_number_is_an_error(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("SERL_CACHE_GB", text)
    with pytest.raises(ConfigError, match=f"SERL_CACHE_GB is '{text}', expected a number"):
        fill("aa", 1)
