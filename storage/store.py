"""Create-only writes and plain reads under one root: a local folder, S3, or memory.

A file is written completely or not at all: bytes go to memory or to a temporary file first and appear under their name
in one step. We never write through an open file handle of a file system library, because an exception inside
`with fs.open(path, "wb")` leaves a valid file with too few rows, on S3 too.

On S3, `create` may return False although this call wrote the file. A request whose answer was lost is sent again, and
the second request finds the bytes of the first. A caller that has to know who wrote the file reads it back.
"""

import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from storage.errors import MissingArtifact, NotWritable, StorageError
from storage.local import LocalFolder
from storage.memory import Memory

RANGE_BYTES = 32 * 2**20
"""Size of the ranges in which large files are read."""
PARALLEL_READS = 8
"""Number of ranges that are read at the same time. Of small files, four times as many are."""


class Backend(Protocol):
    """A kind of root: how bytes are written and read there.

    Paths are `str`, relative to the root, with forward slashes: they are keys of S3 objects too, which `pathlib.Path`
    would take for files of this machine. `read` and `size` raise FileNotFoundError when the file does not exist. A
    request that the root refuses raises one of `failures`. `Store` turns both into a StorageError. No method may leave
    a file that is only half written.
    """

    failures: tuple[type[Exception], ...]
    """Exceptions with which this kind of root refuses a request. Any other exception is a defect of our code."""

    def create(self, path: str, data: bytes) -> bool:
        """Write `data` at `path` and return True, or return False and change nothing when a file exists there.

        Of several processes that create the same path at once, one wins. Parts and manifests rely on that: two attempts
        at one stage can never mix their bytes.
        """

    def create_from_file(self, path: str, source: Path) -> None:
        """Write the content of a local file at `path`, unless a file exists there.

        For weights, which do not fit into memory. A local folder links the file, S3 uploads parallel pieces. The pieces
        cannot be create-only, so `path` has to contain a digest of the content.
        """

    def replace(self, path: str, data: bytes) -> None:
        """Write `data` at `path`, over an earlier file if one exists. A reader sees the old or the new bytes, whole."""

    def remove(self, path: str) -> None:
        """Delete the file at `path`. A file that does not exist is no error: a removal may be repeated."""

    def read(self, path: str, start: int = 0, stop: int | None = None) -> bytes:
        """Return the bytes of `path` from `start` up to `stop`, by default to the end.

        Large files are read in parallel ranges.
        """

    def size(self, path: str) -> int:
        """Return the number of bytes of the file at `path`. Raise FileNotFoundError for a folder too."""

    def names(self, folder: str) -> list[str]:
        """Return the names of files and folders directly under `folder`, in any order; none if it does not exist."""

    def listing(self, folder: str) -> dict[str, int]:
        """Return path -> number of bytes of all files under `folder`, at any depth.

        A walk by `names` and `size` would send a request to S3 for each file; a listing sends one per 1,000 files.
        """

    def check_reachable(self) -> None:
        """Raise StorageError, or one of `failures`, within seconds if the root cannot be reached."""

    def unfinished_uploads(self) -> list[tuple[str, int, str]]:
        """Return (path, bytes so far, id) of uploads that were started and never ended.

        They are no files, so no listing shows them, but S3 charges for them.
        """

    def abort_upload(self, path: str, upload_id: str) -> None:
        """Delete an unfinished upload. An upload that does not exist is no error."""

    def explain(self, error: Exception) -> str:
        """Return one line for the user: what failed, and what to do about it. `error` is one of `failures`."""


class Store:
    """All reads and writes of one run. Paths are relative to `root` and use forward slashes."""

    def __init__(self, uri: str) -> None:
        """Open a root; nothing is read or written yet.

        `uri`: a folder (`runs/quickstart`), `s3://bucket/prefix` or `memory://name`. Endpoint, region and credentials
        of S3 come from the usual AWS variables and files, never from `uri`. Raises StorageError for another protocol.
        """
        self.uri = str(uri).rstrip("/")
        protocol, separator, rest = self.uri.partition("://")
        self._backend: Backend
        if not separator or protocol == "file":
            self.root = str(Path(rest if separator else self.uri).expanduser().absolute())
            self._backend = LocalFolder(Path(self.root))
        elif protocol == "s3":
            from storage.s3 import S3Prefix  # s3fs takes half a second to import

            self.root = rest
            self._backend = S3Prefix(rest)
        elif protocol == "memory":
            self.root = rest
            self._backend = Memory(rest)
        else:
            raise StorageError(f"{uri} cannot be opened: expected a folder or s3://bucket/prefix")

    @property
    def is_local(self) -> bool:
        """Whether the root is a folder of this machine, at the path `root`."""
        return isinstance(self._backend, LocalFolder)

    # Writing

    def create(self, path: str, data: bytes) -> bool:
        """Write `data` at `path` unless a file exists there. Return True if this call wrote, False if a file existed.

        Raises NotWritable when the root refuses (permission, disk full); nothing is left behind then.
        """
        with self._explained("write", path):
            return self._backend.create(path, data)

    def create_from_file(self, path: str, source: Path) -> None:
        """Store a local file (weights) at `path`. Do not write to `source` afterwards: the two may be linked.

        Only for paths that contain a digest of the content: on S3 the file is uploaded in parallel pieces, and the
        last writer wins.
        """
        with self._explained("write", path):
            self._backend.create_from_file(path, source)

    def replace(self, path: str, data: bytes) -> None:
        """Write `data` at `path`, over an earlier file if one exists. For leases and reports, never for artifacts."""
        with self._explained("write", path):
            self._backend.replace(path, data)

    def remove(self, paths: Iterable[str]) -> None:
        """Delete files. A file that does not exist is no error."""
        for path in paths:
            with self._explained("remove", path):
                self._backend.remove(path)

    def abort_upload(self, path: str, upload_id: str) -> None:
        """Delete an upload of `unfinished_uploads`, by its path and id."""
        with self._explained("remove", path):
            self._backend.abort_upload(path, upload_id)

    # Reading

    def read(self, path: str, size: int | None = None) -> bytes:
        """Return the bytes of the file at `path`. Raises MissingArtifact when the file does not exist.

        `size`: number of bytes of the file, if known. On S3 a file of more than `RANGE_BYTES` is then read in parallel.
        """
        with self._explained("read", path):
            if self.is_local or size is None or size <= RANGE_BYTES:
                return self._backend.read(path)
            data = bytearray(size)

            def fetch(start: int, stop: int) -> None:
                data[start:stop] = self._backend.read(path, start, stop)

            _in_ranges(size, fetch)
            return bytes(data)

    def read_many(self, paths: Iterable[str]) -> dict[str, bytes]:
        """Return path -> bytes of many small files, read in parallel. Files that do not exist are left out."""

        def read(path: str) -> bytes | None:
            try:
                return self.read(path)
            except MissingArtifact:
                return None

        paths = list(paths)
        if self.is_local:
            contents = [read(path) for path in paths]
        else:
            with ThreadPoolExecutor(4 * PARALLEL_READS) as pool:
                contents = list(pool.map(read, paths))
        return {path: data for path, data in zip(paths, contents, strict=True) if data is not None}

    def exists(self, path: str) -> bool:
        """Return whether a file exists at `path`."""
        return self.size(path) is not None

    def size(self, path: str) -> int | None:
        """Return the number of bytes of the file at `path`; None if the file does not exist."""
        try:
            with self._explained("read", path):
                return self._backend.size(path)
        except MissingArtifact:
            return None

    def names(self, folder: str) -> list[str]:
        """Return the names directly under `folder`, sorted; none if the folder does not exist."""
        with self._explained("read", folder):
            return sorted(self._backend.names(folder))

    def listing(self, folder: str = "") -> dict[str, int]:
        """Return path -> size of every file under `folder`, sorted. On S3 that takes one request per 1,000 files."""
        with self._explained("read", folder):
            return dict(sorted(self._backend.listing(folder).items()))

    def unfinished_uploads(self) -> list[tuple[str, int, str]]:
        """Return (path, bytes so far, id) of uploads to S3 that were started and never ended. They cost like files."""
        with self._explained("read", ""):
            return self._backend.unfinished_uploads()

    def download(self, path: str, target: Path, size: int) -> None:
        """Copy a file of `size` bytes to a local path, completely or not at all, in parallel ranges.

        Raises MissingArtifact when the file does not exist.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
        try:
            with self._explained("read", path), temporary.open("wb") as file:
                file.truncate(size)

                def fetch(start: int, stop: int) -> None:
                    os.pwrite(file.fileno(), self._backend.read(path, start, stop), start)

                _in_ranges(size, fetch)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)

    def chunks(self, path: str, size: int) -> Iterator[bytes]:
        """Yield the `size` bytes of the file at `path` in order, with at most a few hundred MB in memory."""
        batch = PARALLEL_READS * RANGE_BYTES
        for start in range(0, size, batch):
            with self._explained("read", path), ThreadPoolExecutor(PARALLEL_READS) as pool:
                ranges = _ranges(start, min(start + batch, size))
                yield from list(pool.map(lambda part: self._backend.read(path, *part), ranges))

    def snapshot(self, *folders: str) -> "Snapshot":
        """Return the present state of the store: one listing, and the contents of all files under `folders`."""
        sizes = self.listing()
        prefixes = tuple(f"{folder}/" for folder in folders)
        return Snapshot(self, sizes, self.read_many(path for path in sizes if path.startswith(prefixes)))

    # Whether the root can be used

    def check_reachable(self) -> None:
        """Raise StorageError when S3 cannot be reached with these credentials, or has no such bucket.

        Fails within seconds. Other requests are repeated for longer, so that a run of days survives an outage of
        minutes.
        """
        with self._explained("reach", ""):
            self._backend.check_reachable()

    def check_writable(self) -> None:
        """Raise NotWritable unless a file can be created under the root, and cannot be created a second time."""
        probe = f".tmp/probe-{uuid.uuid4().hex}"
        with self._explained("write", ""):
            self._backend.create(probe, b"first")
            second = self._backend.create(probe, b"second")
            kept = self._backend.read(probe)
            self._backend.remove(probe)
        if second or kept != b"first":
            raise NotWritable(
                f"{self.uri}: the object store ignores conditional writes (PUT with If-None-Match: *), so two attempts "
                "could overwrite each other; use one that honours them, such as AWS S3, MinIO or Ceph"
            )

    @contextmanager
    def _explained(self, action: str, path: str) -> Iterator[None]:
        """Turn an exception of the operating system or object store into a StorageError with a message of one line."""
        name = f"{self.uri}/{path}" if path else self.uri
        try:
            yield
        except FileNotFoundError:
            raise MissingArtifact(f"{name} does not exist") from None
        except self._backend.failures as error:
            error_type = NotWritable if action == "write" else StorageError
            raise error_type(f"cannot {action} {name}: {self._backend.explain(error)}") from error


class Snapshot(Store):
    """A store that answers from the sizes and contents that `Store.snapshot` read.

    Thousands of lookups then need no further request to S3. The content of files outside the folders of the snapshot
    is still read from the store.
    """

    def __init__(self, store: Store, sizes: Mapping[str, int], contents: Mapping[str, bytes]) -> None:
        super().__init__(store.uri)
        self._sizes = sizes
        self._contents = contents

    def size(self, path: str) -> int | None:
        return self._sizes.get(path)

    def names(self, folder: str) -> list[str]:
        prefix = f"{folder}/" if folder else ""
        return sorted({path[len(prefix) :].split("/", 1)[0] for path in self._sizes if path.startswith(prefix)})

    def listing(self, folder: str = "") -> dict[str, int]:
        prefix = f"{folder}/" if folder else ""
        return {path: size for path, size in self._sizes.items() if path.startswith(prefix)}

    def read(self, path: str, size: int | None = None) -> bytes:
        return self._contents[path] if path in self._contents else super().read(path, size)


def _in_ranges(size: int, fetch: Callable[[int, int], None]) -> None:
    """Call `fetch(start, stop)` for ranges that cover `size` bytes, `PARALLEL_READS` at a time."""
    pool = ThreadPoolExecutor(PARALLEL_READS)
    try:
        for future in [pool.submit(fetch, *part) for part in _ranges(0, size)]:
            future.result()
    finally:
        pool.shutdown(cancel_futures=True)  # a process that is stopped must not fetch the remaining ranges first


def _ranges(start: int, stop: int) -> list[tuple[int, int]]:
    """Return the (start, stop) of consecutive ranges of at most `RANGE_BYTES`."""
    return [(low, min(low + RANGE_BYTES, stop)) for low in range(start, stop, RANGE_BYTES)]
