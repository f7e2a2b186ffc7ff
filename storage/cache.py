"""A cache of weight folders on this machine's disk, for runs on S3. Equal content is downloaded once.

The cache lies under `$SERL_CACHE` (`~/.cache/serl` if not set) and has at most `$SERL_CACHE_GB` gigabytes (100 if not
set). When it is full, the folders that were unused for longest are deleted. A folder that was used within the last hour
is kept even then, since a process may be loading it. The name of a folder is the digest of its content, so a folder
that one run downloaded serves every other run.

The subfolder `compiled` (see `storage.compiled`) neither counts nor is deleted here.
"""

import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path

from storage.errors import ConfigError
from storage.local import link_or_copy

COMPILED = "compiled"
"""Subfolder that is not part of this cache."""
_IN_USE_SECONDS = 3_600


def root() -> Path:
    """Return the folder of the cache. A `~` at its start is the home folder: no shell may have read the variable."""
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.path.expanduser(os.environ.get("SERL_CACHE") or os.path.join(home, "serl"))).absolute()


def holds(folder: Path) -> bool:
    """Return whether `folder` lies in the cache, where it may be deleted later."""
    return folder.is_relative_to(root().resolve())


def find(content_digest: str) -> Path | None:
    """Return the cached folder with this content digest and mark it as used now; None if there is none."""
    folder = root() / content_digest
    try:
        os.utime(folder)
    except FileNotFoundError:
        return None
    return folder


def fill(content_digest: str, size: int, write: Callable[[Path], None]) -> Path:
    """Return the folder with this content digest, and make it first if the cache does not have it.

    `size`: bytes of the whole folder. `write(folder)` has to write its files into an empty folder. The folder appears
    in the cache complete or not at all, also when several processes make it at once.
    """
    if folder := find(content_digest):
        return folder
    _make_room(size)
    partial = root() / f"{content_digest}.{uuid.uuid4().hex}"
    partial.mkdir(parents=True)
    try:
        write(partial)
        os.utime(partial)
        partial.rename(root() / content_digest)
    except OSError:
        if not (root() / content_digest).is_dir():  # else another process was first
            raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return root() / content_digest


def adopt(content_digest: str, folder: Path, names: Iterable[str]) -> None:
    """Add the files `names` of a folder of this machine to the cache, as hard links if possible."""
    names = list(names)

    def link(target: Path) -> None:
        for name in names:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            link_or_copy(folder / name, target / name)

    fill(content_digest, sum((folder / name).stat().st_size for name in names), link)


def drop(content_digest: str) -> None:
    """Delete a cached folder that is damaged."""
    shutil.rmtree(root() / content_digest, ignore_errors=True)


def _make_room(size: int) -> None:
    """Delete the folders that were unused for longest until `size` more bytes fit, or only folders in use are left."""
    limit = gigabytes("SERL_CACHE_GB", 100)
    folders = [path for path in root().glob("*") if path.is_dir() and path.name != COMPILED]
    folders.sort(key=lambda path: path.stat().st_mtime)
    sizes = {path: sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) for path in folders}
    used = sum(sizes.values())
    for path in folders:
        if used + size <= limit or time.time() - path.stat().st_mtime < _IN_USE_SECONDS:
            break
        shutil.rmtree(path, ignore_errors=True)
        used -= sizes[path]


def gigabytes(variable: str, default: int) -> float:
    """Return the bytes that an environment variable allows, in gigabytes. Raises ConfigError unless it is a number."""
    text = os.environ.get(variable, str(default))
    try:
        limit = float(text) * 1e9
    except ValueError:
        limit = -1.0
    if not limit >= 0:  # -1 and nan would delete everything
        raise ConfigError(f"{variable} is {text!r}, expected a number of gigabytes such as {default}")
    return limit
