"""What vLLM, Triton and Inductor compile, kept for later runs in `$SERL_CACHE/compiled`.

It has at most `$SERL_COMPILED_GB` gigabytes (20 if not set). When a process starts to use the folder, and no other
process of this machine uses it, what was unused for longest is deleted until the rest fits. What was used within the
last hour stays.

If the folder cannot be written, or its disk is full, a warning names it, and a temporary folder takes its place.
"""

import atexit
import fcntl
import hashlib
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from storage import cache

VARIABLES = {"VLLM_CACHE_ROOT": "vllm", "TRITON_CACHE_DIR": "triton", "TORCHINDUCTOR_CACHE_DIR": "inductor"}
"""Environment variables that name the folders of the compilers, and our subfolder for each."""

_IN_USE_SECONDS = 3_600
_LEAST_FREE_BYTES = 512 * 2**20
"""With less space than this on the disk, a compiler may fail half-way."""

_folders: dict[Path, Path | None] = {}
"""Folder of this process by the value of `root()`: the same one, a temporary one, or None if there is neither."""
_locks: list[int] = []
"""File descriptors that say, for as long as this process lives, that it uses the folder."""


def root() -> Path:
    """Return the folder for compiled code."""
    return cache.root() / cache.COMPILED


def variables() -> dict[str, str]:
    """Return the environment variables that tell the compilers where to keep what they compile.

    Variables that the user has set are left out. Raises ConfigError when `$SERL_COMPILED_GB` is not a number.
    """
    names = [name for name in VARIABLES if name not in os.environ]
    if not names or (folder := _folder()) is None:
        return {}
    return {name: str(folder / VARIABLES[name]) for name in names}


@contextmanager
def stable_path(model: Path) -> Iterator[Path]:
    """Provide a path of a model folder that does not change from run to run, nor from iteration to iteration.

    vLLM's key of compiled code has the path of the model in it (vllm/config/model.py, `compute_hash`), and a policy
    has another folder in each iteration. The path is a link that depends on the model's config.json alone, and that
    holds within the context only. While another process uses the link, `model` itself is provided.
    """
    folder = _folder()
    if folder != root():  # a temporary folder has another name in each run
        yield model
        return
    lock = None
    try:
        config = hashlib.sha256((model / "config.json").read_bytes()).hexdigest()[:16]
        link = folder / "models" / config
        link.parent.mkdir(exist_ok=True)
        lock = os.open(link.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o644)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        partial = link.with_suffix(f".{os.getpid()}")
        partial.unlink(missing_ok=True)
        partial.symlink_to(model.resolve())
        partial.rename(link)
        path = link
    except OSError:
        path = model
    try:
        yield path
    finally:
        if lock is not None:
            os.close(lock)


def _folder() -> Path | None:
    """Return this process's folder for compiled code; None if not even a temporary folder can be made."""
    requested = root()
    if requested not in _folders:
        _folders[requested] = _open(requested)
    return _folders[requested]


def _open(requested: Path) -> Path | None:
    limit = cache.gigabytes("SERL_COMPILED_GB", 20)
    try:
        for subfolder in VARIABLES.values():
            (requested / subfolder).mkdir(parents=True, exist_ok=True)
        lock = os.open(requested / "in-use.lock", os.O_RDWR | os.O_CREAT, 0o644)
        # A server replaces its process by vLLM's (`os.execv`), and goes on using the folder.
        os.set_inheritable(lock, True)
        _locks.append(lock)
        if _lock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB):
            _make_room(requested, limit)
        _lock(lock, fcntl.LOCK_SH)  # waits for a process that makes room, which takes seconds
        _try_to_write(requested)
        return requested
    except OSError as error:
        reason = error.strerror or str(error)
    try:
        temporary = Path(tempfile.mkdtemp(prefix="serl-compiled-"))
        atexit.register(_remove, temporary, os.getpid())
    except OSError:
        temporary = None
    logging.getLogger(__name__).warning(
        "%s cannot keep compiled code (%s): this process compiles anew; set SERL_CACHE to a folder "
        "that can be written and has space",
        requested, reason,
    )  # fmt: skip
    return temporary


def _lock(descriptor: int, kind: int) -> bool:
    """Lock the file; return False if another process has it, or if the file system has no locks."""
    with suppress(OSError):
        fcntl.flock(descriptor, kind)
        return True
    return False


def _try_to_write(folder: Path) -> None:
    """Raise OSError if nothing can be written to `folder`, or its disk is full."""
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"x" * 4096)
        file.flush()
    if (free := shutil.disk_usage(folder).free) < _LEAST_FREE_BYTES:
        raise OSError(f"only {free / 2**20:,.0f} MiB of its disk are free")


def _make_room(folder: Path, limit: float) -> None:
    """Delete what was unused for longest until the rest has `limit` bytes. No other process may use the folder."""
    entries = []
    for entry in _entries(folder):
        files = [file.stat() for file in entry.rglob("*") if file.is_file()] if entry.is_dir() else [entry.stat()]
        if files:
            last_used = max(max(file.st_atime, file.st_mtime) for file in files)
            entries.append((last_used, sum(file.st_size for file in files), entry))
    used = sum(size for _, size, _ in entries)
    for last_used, size, entry in sorted(entries):
        if used <= limit or time.time() - last_used < _IN_USE_SECONDS:
            break
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)
        used -= size


def _entries(folder: Path) -> Iterator[Path]:
    """Yield the smallest folders and files that compilers read as a whole, so that none is deleted in part."""
    vllm = folder / "vllm"
    of_graphs = (vllm / "torch_compile_cache", vllm / "torch_compile_cache" / "torch_aot_compile")
    for parent in (folder / "triton", folder / "inductor", vllm, *of_graphs):
        if parent.is_dir():
            yield from (entry for entry in parent.iterdir() if entry not in of_graphs)


def _remove(temporary: Path, process: int) -> None:
    """Remove the temporary folder of this process, not that of a parent that was forked."""
    if process == os.getpid():
        shutil.rmtree(temporary, ignore_errors=True)
