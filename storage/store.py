"""Create-only writes and plain reads under one root: a local folder, S3, or memory.

A write is whole or absent: bytes go to memory or a temporary file first and appear under their name in one step. We
never write through an open file handle of a file system library, because an exception inside
`with fs.open(path, "wb")` leaves a valid file with too few rows, on S3 too.

`create` may say False for a write of its own: a request whose answer was lost is sent again, and then finds its own
bytes in the way. Whoever has to know the winner reads back what is there.
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
"""Large files are read in ranges of this size, `PARALLEL` at a time."""
PARALLEL = 8


class Backend(Protocol):
    """What a kind of root has to do. Paths are relative to the root.

    Reads raise FileNotFoundError for what is not there; anything else in `failures` is turned into a StorageError.
    """

    failures: tuple[type[Exception], ...]

    def create(self, path: str, data: bytes) -> bool: ...

    def create_from_file(self, path: str, source: Path) -> None: ...

    def replace(self, path: str, data: bytes) -> None: ...

    def remove(self, path: str) -> None: ...

    def read(self, path: str, start: int = 0, stop: int | None = None) -> bytes: ...

    def size(self, path: str) -> int: ...

    def names(self, folder: str) -> list[str]: ...

    def listing(self, folder: str) -> dict[str, int]: ...

    def check_reachable(self) -> None: ...

    def unfinished_uploads(self) -> list[tuple[str, int, str]]:
        """(path, bytes so far, id) of large writes that were begun and never ended."""

    def abort_upload(self, path: str, upload: str) -> None: ...

    def explain(self, error: Exception) -> str:
        """What failed and what to do, on one line."""


class Store:
    """All reads and writes of one run. Paths are relative to `root` and use forward slashes."""

    def __init__(self, uri: str) -> None:
        """`uri`: a folder (`runs/quickstart`), `s3://bucket/prefix` or `memory://name`. Touches nothing yet.

        Endpoint, region and credentials of S3 come from the usual AWS variables and files, never from `uri`.
        """
        self.uri = str(uri).rstrip("/")
        protocol, found, rest = self.uri.partition("://")
        self._backend: Backend
        if not found or protocol == "file":
            self.root = str(Path(rest if found else self.uri).expanduser().absolute())
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
        """Whether the files are files of this machine, at `root`."""
        return isinstance(self._backend, LocalFolder)

    # Writing

    def create(self, path: str, data: bytes) -> bool:
        """Write `data` at `path` unless something is there. True when this call wrote it, False when it was there.

        Raises NotWritable when the root refuses (permission, disk full); nothing is left behind then.
        """
        with self._explained("write", path):
            return self._backend.create(path, data)

    def create_from_file(self, path: str, source: Path) -> None:
        """Put a local file (weights) at `path`; it may be linked, so `source` is not to be written to afterwards.

        Only for paths that contain their own digest: on S3, where it goes up in parallel pieces, the last writer wins.
        """
        with self._explained("write", path):
            self._backend.create_from_file(path, source)

    def replace(self, path: str, data: bytes) -> None:
        """Write `data` at `path` over what is there: for leases and views (plots), never artifacts."""
        with self._explained("write", path):
            self._backend.replace(path, data)

    def remove(self, paths: Iterable[str]) -> None:
        """Delete files; one that is not there is no error."""
        for path in paths:
            with self._explained("remove", path):
                self._backend.remove(path)

    def abort_upload(self, path: str, upload: str) -> None:
        """Give up a large write that was begun and never ended."""
        with self._explained("remove", path):
            self._backend.abort_upload(path, upload)

    # Reading

    def read(self, path: str, size: int | None = None) -> bytes:
        """The bytes at `path`; in parallel ranges when their number is given and large.

        Raises MissingArtifact when there are none.
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
        """The bytes at each of many small paths, side by side; what is missing is left out."""

        def read(path: str) -> bytes | None:
            try:
                return self.read(path)
            except MissingArtifact:
                return None

        wanted = list(paths)
        if self.is_local:
            found = [read(path) for path in wanted]
        else:
            with ThreadPoolExecutor(4 * PARALLEL) as pool:
                found = list(pool.map(read, wanted))
        return {path: data for path, data in zip(wanted, found, strict=True) if data is not None}

    def exists(self, path: str) -> bool:
        return self.size(path) is not None

    def size(self, path: str) -> int | None:
        """Bytes of the file at `path`, or None when there is none."""
        try:
            with self._explained("read", path):
                return self._backend.size(path)
        except MissingArtifact:
            return None

    def names(self, folder: str) -> list[str]:
        """Names directly under `folder`, sorted; empty when the folder does not exist."""
        with self._explained("read", folder):
            return sorted(self._backend.names(folder))

    def listing(self, folder: str = "") -> dict[str, int]:
        """Every file under `folder` with its bytes, sorted; on S3 one request per 1,000 files."""
        with self._explained("read", folder):
            return dict(sorted(self._backend.listing(folder).items()))

    def unfinished_uploads(self) -> list[tuple[str, int, str]]:
        """(path, bytes so far, id) of large writes to S3 that were begun and never ended; they cost like files."""
        with self._explained("read", ""):
            return self._backend.unfinished_uploads()

    def download(self, path: str, target: Path, size: int) -> None:
        """Copy a file of `size` bytes to a local path, in parallel ranges, whole or not at all."""
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
        """The `size` bytes at `path` in order, a few hundred MB in memory at most."""
        batch = PARALLEL * RANGE_BYTES
        for start in range(0, size, batch):
            with self._explained("read", path), ThreadPoolExecutor(PARALLEL) as pool:
                ranges = _ranges(start, min(start + batch, size))
                yield from list(pool.map(lambda part: self._backend.read(path, *part), ranges))

    def snapshot(self, *folders: str) -> "Snapshot":
        """What is there now, read-only: one listing, and the contents of all files under `folders`, read at once."""
        sizes = self.listing()
        starts = tuple(f"{folder}/" for folder in folders)
        return Snapshot(self, sizes, self.read_many(path for path in sizes if path.startswith(starts)))

    # Whether the root can be used

    def check_reachable(self) -> None:
        """Raise StorageError when S3 cannot be reached with these credentials, or has no such bucket.

        Fails within seconds, where other requests are patient: a run of days outlives an outage of minutes.
        """
        with self._explained("reach", ""):
            self._backend.check_reachable()

    def check_writable(self) -> None:
        """Raise NotWritable unless small files can be created under the root, each once."""
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
    def _explained(self, what: str, path: str) -> Iterator[None]:
        """Turn the refusals of an operating system or object store into one clear line."""
        name = f"{self.uri}/{path}" if path else self.uri
        try:
            yield
        except FileNotFoundError:
            raise MissingArtifact(f"{name} does not exist") from None
        except self._backend.failures as error:
            refused = NotWritable if what == "write" else StorageError
            raise refused(f"cannot {what} {name}: {self._backend.explain(error)}") from error


class Snapshot(Store):
    """A store as it was when looked at, for questions asked of it a thousand times."""

    def __init__(self, store: Store, sizes: Mapping[str, int], contents: Mapping[str, bytes]) -> None:
        super().__init__(store.uri)
        self._sizes = sizes
        self._contents = contents

    def size(self, path: str) -> int | None:
        return self._sizes.get(path)

    def names(self, folder: str) -> list[str]:
        start = f"{folder}/" if folder else ""
        return sorted({path[len(start) :].split("/", 1)[0] for path in self._sizes if path.startswith(start)})

    def listing(self, folder: str = "") -> dict[str, int]:
        start = f"{folder}/" if folder else ""
        return {path: size for path, size in self._sizes.items() if path.startswith(start)}

    def read(self, path: str, size: int | None = None) -> bytes:
        return self._contents[path] if path in self._contents else super().read(path, size)


def _in_ranges(size: int, fetch: Callable[[int, int], None]) -> None:
    """Call `fetch(start, stop)` for ranges that cover `size` bytes, several at a time."""
    pool = ThreadPoolExecutor(PARALLEL)
    try:
        for future in [pool.submit(fetch, *part) for part in _ranges(0, size)]:
            future.result()
    finally:
        pool.shutdown(cancel_futures=True)  # a stopped process must not fetch the rest first


def _ranges(start: int, stop: int) -> list[tuple[int, int]]:
    return [(low, min(low + RANGE_BYTES, stop)) for low in range(start, stop, RANGE_BYTES)]
