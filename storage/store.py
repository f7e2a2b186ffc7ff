"""Create-only writes and plain reads under one root, on a local folder, in memory, or on S3.

A write is whole or absent: bytes go to memory or a temporary file first and appear under their name in one step. We
never write through an open fsspec file handle, because an exception inside `with fs.open(path, "wb")` leaves a valid
file with too few rows, on S3 too.
"""

import errno
import os
import shutil
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from storage.errors import MissingArtifact, NotWritable, StorageError

_memory_lock = threading.Lock()  # the in-memory file system has no atomic create of its own


class Store:
    """All reads and writes of one run. Paths are relative to `root` and use forward slashes."""

    def __init__(self, uri: str) -> None:
        """`uri`: a folder (`runs/quickstart`), `memory://name` or `s3://bucket/prefix`. Touches nothing yet."""
        try:
            fs, root = fsspec.core.url_to_fs(uri)
        except (ValueError, ImportError) as error:  # an unknown protocol, or one whose library is not installed
            raise StorageError(f"{uri} cannot be opened: {error}; expected a folder or s3://bucket/prefix") from None
        self.uri: str = str(uri).rstrip("/")
        self.fs: Any = fs
        self.root: str = root.rstrip("/")

    @property
    def is_local(self) -> bool:
        return isinstance(self.fs, LocalFileSystem)

    def path(self, path: str) -> str:
        """The file system's own name for `path`."""
        return f"{self.root}/{path}" if path else self.root

    def create(self, path: str, data: bytes) -> bool:
        """Write `data` at `path` unless something is there. True when this call wrote it, False when it was there.

        Raises NotWritable when the root refuses (permission, disk full); nothing is left behind then.
        """
        with self._refusals(path):
            if self.is_local:
                return self._link_into_place(path, lambda temporary: temporary.write_bytes(data))
            if isinstance(self.fs, MemoryFileSystem):
                with _memory_lock:
                    if self.fs.exists(self.path(path)):
                        return False
                    self.fs.pipe_file(self.path(path), data)
                    return True
            try:
                self.fs.pipe_file(self.path(path), data, mode="create")
            except FileExistsError:
                return False
            except OSError as error:
                # radosgw answers a lost create-only race with EINVAL (412), not with FileExistsError.
                if error.errno == errno.EINVAL and self.exists(path):
                    return False
                raise
            return True

    def create_from_file(self, path: str, source: Path) -> None:
        """Put a local file (weights) at `path`. Only for paths that contain their own digest: the last writer wins."""
        with self._refusals(path):
            if self.is_local:
                self._link_into_place(path, lambda temporary: shutil.copyfile(source, temporary))
            else:
                self.fs.put_file(str(source), self.path(path))

    def replace(self, path: str, data: bytes) -> None:
        """Write `data` at `path` over what is there: for views that can be drawn again (plots), never artifacts."""
        with self._refusals(path):
            if self.is_local:
                self._through_temporary(path, lambda temporary: temporary.write_bytes(data), os.replace)
            else:
                self.fs.pipe_file(self.path(path), data)

    def read(self, path: str) -> bytes:
        """The bytes at `path`; MissingArtifact when there are none."""
        try:
            return bytes(self.fs.cat_file(self.path(path)))
        except (FileNotFoundError, NotADirectoryError):
            raise MissingArtifact(f"{self.uri}/{path} does not exist") from None

    def exists(self, path: str) -> bool:
        return bool(self.fs.exists(self.path(path)))

    def size(self, path: str) -> int | None:
        """Bytes at `path`, or None when nothing is there."""
        try:
            return int(self.fs.size(self.path(path)))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def names(self, folder: str) -> list[str]:
        """Names directly under `folder`, sorted; empty when the folder does not exist."""
        try:
            entries = self.fs.ls(self.path(folder), detail=False)
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(str(entry).rstrip("/").rsplit("/", 1)[-1] for entry in entries)

    def download(self, path: str, target: Path) -> None:
        """Copy one file to a local path, whole or not at all."""
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
        try:
            self.fs.get_file(self.path(path), str(temporary))
            temporary.replace(target)
        except FileNotFoundError:
            raise MissingArtifact(f"{self.uri}/{path} does not exist") from None
        finally:
            temporary.unlink(missing_ok=True)

    def check_writable(self) -> None:
        """Raise NotWritable unless a small file can be created under the root."""
        with self._refusals(""):
            if self.is_local:
                _make_folder(Path(self.root))
                with tempfile.TemporaryFile(dir=self.root):
                    pass

    def _link_into_place(self, path: str, write: Callable[[Path], object]) -> bool:
        """A hard link either makes the name appear whole or fails since the name is taken."""
        try:
            self._through_temporary(path, write, os.link)
        except FileExistsError:
            return False
        return True

    def _through_temporary(
        self, path: str, write: Callable[[Path], object], publish: Callable[[Path, Path], None]
    ) -> None:
        """Write a temporary file, make it durable, then `publish` it under its name."""
        target = Path(self.path(path))
        # Temporary files live apart from the tables, so that a folder scan never meets a half-written part.
        temporary = Path(self.root) / ".tmp" / uuid.uuid4().hex
        _make_folder(temporary.parent)
        try:
            write(temporary)
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
            _make_folder(target.parent)
            publish(temporary, target)
            _sync_folder(target.parent)
        finally:
            temporary.unlink(missing_ok=True)

    @contextmanager
    def _refusals(self, path: str) -> Iterator[None]:
        """Turn the operating system's refusals into one clear error."""
        try:
            yield
        except (PermissionError, NotADirectoryError) as error:
            raise NotWritable(f"cannot write {self.uri}/{path}: {error.strerror}; choose another `root`") from error
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
                raise
            raise NotWritable(
                f"cannot write {self.uri}/{path}: {error.strerror}; what was committed is intact, run again after "
                "making room"
            ) from error


def _make_folder(folder: Path) -> None:
    """mkdir's FileExistsError would read as a lost race; a file in the folder's place is a refusal."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)) from None


def _sync_folder(folder: Path) -> None:
    """Make the new name itself survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
