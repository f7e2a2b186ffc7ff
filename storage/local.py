"""A local folder as a root.

A file is written under a temporary name and then hard-linked to its own name. Of several processes that make the same
link, exactly one succeeds.
"""

import errno
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class LocalFolder:
    """A `storage.store.Backend` over a local folder."""

    failures: tuple[type[Exception], ...] = (OSError,)

    def __init__(self, root: Path) -> None:
        self.root = root

    def create(self, path: str, data: bytes) -> bool:
        return self._link_into_place(path, lambda temporary: temporary.write_bytes(data))

    def create_from_file(self, path: str, source: Path) -> None:
        self._link_into_place(path, lambda temporary: link_or_copy(source, temporary))

    def replace(self, path: str, data: bytes) -> None:
        self._through_temporary(path, lambda temporary: temporary.write_bytes(data), os.replace)

    def remove(self, path: str) -> None:
        target = self.root / path
        target.unlink(missing_ok=True)
        for folder in target.parents:
            if folder == self.root or not _remove_if_empty(folder):
                break

    def read(self, path: str, start: int = 0, stop: int | None = None) -> bytes:
        try:
            with (self.root / path).open("rb") as file:
                file.seek(start)
                return file.read(-1 if stop is None else stop - start)
        except NotADirectoryError as error:
            raise FileNotFoundError(*error.args) from None

    def size(self, path: str) -> int:
        target = self.root / path
        if not target.is_file():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return target.stat().st_size

    def names(self, folder: str) -> list[str]:
        try:
            return os.listdir(self.root / folder)
        except (FileNotFoundError, NotADirectoryError):
            return []

    def listing(self, folder: str) -> dict[str, int]:
        root_chars = len(str(self.root)) + 1
        return {path[root_chars:]: size for path, size in _walk(str(self.root / folder))}

    def check_reachable(self) -> None:
        """Do nothing: a folder needs no connection."""

    def unfinished_uploads(self) -> list[tuple[str, int, str]]:
        return []

    def abort_upload(self, path: str, upload_id: str) -> None:
        """Do nothing: nothing is uploaded."""

    def explain(self, error: Exception) -> str:
        assert isinstance(error, OSError)
        if error.errno in _FULL:
            return f"{error.strerror}; what was committed is intact, run again after making room"
        return f"{error.strerror or error}; check its permissions, or choose another `root`"

    def _link_into_place(self, path: str, write: Callable[[Path], object]) -> bool:
        """Write a file under a temporary name and link it to `path`. Return False if a file exists at `path`."""
        if (self.root / path).exists():  # a part of an earlier attempt; do not write all its bytes again to find out
            return False
        try:
            self._through_temporary(path, write, os.link)
        except FileExistsError:
            return False
        return True

    def _through_temporary(
        self, path: str, write: Callable[[Path], object], publish: Callable[[Path, Path], None]
    ) -> None:
        """Write a temporary file, flush it to disk, then `publish(temporary, target)`."""
        target = self.root / path
        # Temporary files are kept apart from the tables, so that a scan of a table's folder never reads half a part.
        temporary = self.root / ".tmp" / uuid.uuid4().hex
        _make_folder(temporary.parent)
        try:
            write(temporary)
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            _make_folder(target.parent)
            publish(temporary, target)
            _sync_folder(target.parent)
        finally:
            temporary.unlink(missing_ok=True)


def link_or_copy(source: Path, target: Path) -> None:
    """Hard-link `source` to `target`, or copy it if the two lie on different file systems.

    If `source` is a symbolic link, the file that it leads to is linked or copied.

    Raises FileExistsError when `target` exists.
    """
    try:
        os.link(source.resolve(), target)
    except FileExistsError:
        raise
    except OSError:
        shutil.copyfile(source, target)


def _walk(folder: str) -> Iterator[tuple[str, int]]:
    """Yield (path, bytes) of every file under `folder`, at any depth."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield from _walk(entry.path)
                    continue
                try:
                    size = entry.stat(follow_symlinks=False).st_size
                except FileNotFoundError:  # another process removed it meanwhile; the other files still exist
                    continue
                yield entry.path, size
    except FileNotFoundError:
        return


def _make_folder(folder: Path) -> None:
    """Make a folder and its parents. Raise NotADirectoryError if a file is in the way.

    mkdir's own FileExistsError would be mistaken for a file that another process created first.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)) from None


def _remove_if_empty(folder: Path) -> bool:
    """Remove a folder if it is empty. Return whether it was removed."""
    try:
        folder.rmdir()
    except OSError:
        return False
    return True


def _sync_folder(folder: Path) -> None:
    """Flush a folder to disk, so that a new name in it survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
