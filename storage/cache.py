"""Folders of weights on this machine's disk, for runs on S3: downloaded once per content, dropped when room is short.

A folder's name is the digest of its content, so a copy is right or absent wherever it came from. It lies under
`$SERL_CACHE` (`~/.cache/serl` when not set) and holds at most `$SERL_CACHE_GB` (100): the longest unused go first, but
none that was used within the hour, since somebody may be loading it.
"""

import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path

from storage.errors import ConfigError
from storage.local import link_or_copy

_IN_USE_SECONDS = 3_600


def root() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("SERL_CACHE") or Path(home) / "serl").absolute()


def holds(folder: Path) -> bool:
    """Whether `folder` lies in the cache, so that it may go one day."""
    return folder.is_relative_to(root().resolve())


def find(content: str) -> Path | None:
    """The folder with this content digest, marked as used now."""
    folder = root() / content
    try:
        os.utime(folder)
    except FileNotFoundError:
        return None
    return folder


def fill(content: str, size: int, write: Callable[[Path], None]) -> Path:
    """The folder with this content digest, made by `write` (into an empty folder) when it is not there.

    `size`: bytes that it will have. Whole or absent, also when several processes make it at once.
    """
    if found := find(content):
        return found
    _make_room(size)
    partial = root() / f"{content}.{uuid.uuid4().hex}"
    partial.mkdir(parents=True)
    try:
        write(partial)
        os.utime(partial)
        partial.rename(root() / content)
    except OSError:
        if not (root() / content).is_dir():  # else another process was first
            raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return root() / content


def adopt(content: str, folder: Path, names: Iterable[str]) -> None:
    """Take in files of a folder that lies on this machine already."""
    names = list(names)

    def link(target: Path) -> None:
        for name in names:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            link_or_copy(folder / name, target / name)

    fill(content, sum((folder / name).stat().st_size for name in names), link)


def drop(content: str) -> None:
    """Remove a folder that turned out to be damaged."""
    shutil.rmtree(root() / content, ignore_errors=True)


def _make_room(size: int) -> None:
    """Drop the longest unused folders until `size` more bytes fit; one that is larger than the whole cache goes in."""
    limit = _limit()
    folders = sorted((path for path in root().glob("*") if path.is_dir()), key=lambda path: path.stat().st_mtime)
    sizes = {path: sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) for path in folders}
    used = sum(sizes.values())
    for path in folders:
        if used + size <= limit or time.time() - path.stat().st_mtime < _IN_USE_SECONDS:
            break
        shutil.rmtree(path, ignore_errors=True)
        used -= sizes[path]


def _limit() -> float:
    text = os.environ.get("SERL_CACHE_GB", "100")
    try:
        return float(text) * 1e9
    except ValueError:
        raise ConfigError(f"SERL_CACHE_GB is {text!r}, expected a number of gigabytes such as 100") from None
