"""A prefix of an S3 bucket as a root, through s3fs: how it is opened, what is tried again, what its errors mean.

Two layers try again on their own: botocore sends a request that failed or was refused as too much up to ten times, and
s3fs a read whose body broke off. What both let through (a listing cut short, a conflict of two conditional writes) is
tried again here. Every operation can be repeated: writes are create-only or of one writer.
"""

import errno
import random
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import botocore.exceptions as boto
import fsspec
from botocore.parsers import ResponseParserError

from storage.errors import StorageError

_T = TypeVar("_T")

_ONE_PUT = 5 * 2**30
"""Above half of this s3fs would split a write into pieces, and not every store honours create-only for those."""
_ATTEMPTS = 6
_PASSING = (errno.EREMOTEIO, errno.EBUSY, errno.EIO)
"""How s3fs spells 500, 503 and codes that it does not know, such as a conflict of two conditional writes."""


class S3Prefix:
    """See `storage.store.Backend`."""

    failures: tuple[type[Exception], ...] = (
        OSError, boto.BotoCoreError, boto.ClientError, ResponseParserError, aiohttp.ClientError,
    )  # fmt: skip

    def __init__(self, path: str) -> None:
        """`path`: bucket/prefix. Raises StorageError when it holds credentials, which would land in logs."""
        self.bucket, _, self.prefix = path.partition("/")
        if not self.bucket or "@" in self.bucket or ":" in self.bucket:
            found = "no bucket" if not self.bucket else "more than a bucket's name before the first slash"
            raise StorageError(f"the root has {found}; expected s3://bucket/prefix, and credentials in AWS_… variables")
        self._root = path
        self._fs = _file_system(attempts=10)

    def create(self, path: str, data: bytes) -> bool:
        """One conditional PUT. False when something is there (also our own write, when its answer was lost)."""
        try:
            self._retry(lambda: self._fs.pipe_file(self._path(path), data, mode="create", chunksize=_ONE_PUT))
        except FileExistsError:
            return False
        except OSError as error:
            # Ceph answers a lost create-only race with a 412 of no further detail, which arrives as EINVAL.
            if error.errno == errno.EINVAL and self._exists(path):
                return False
            raise
        return True

    def create_from_file(self, path: str, source: Path) -> None:
        """In parallel pieces, unless it is there: the name holds the content, and an object appears whole."""
        size = source.stat().st_size

        def put() -> None:
            try:
                self._fs.put_file(str(source), self._path(path))
            except self.failures:
                # A last request whose answer was lost finds its upload gone and the object there.
                if not self._holds(path, size):
                    raise

        if not self._holds(path, size):
            self._retry(put)

    def replace(self, path: str, data: bytes) -> None:
        self._retry(lambda: self._fs.pipe_file(self._path(path), data, chunksize=_ONE_PUT))

    def remove(self, path: str) -> None:
        self._retry(lambda: self._fs.rm_file(self._path(path)))  # S3 does not mind what is not there

    def read(self, path: str, start: int = 0, stop: int | None = None) -> bytes:
        """One GET: with a start given, s3fs does not ask for the size first."""
        if stop == start:
            return b""
        data = bytes(self._retry(lambda: self._fs.cat_file(self._path(path), start=start, end=stop)))
        if stop is not None and len(data) < stop - start:
            raise OSError(errno.EINVAL, f"it ends before byte {stop}")
        return data

    def size(self, path: str) -> int:
        info = self._retry(lambda: self._fs.info(self._path(path)))
        if info["type"] == "directory":
            raise FileNotFoundError(path)
        return int(info["size"])

    def names(self, folder: str) -> list[str]:
        try:
            entries = self._retry(lambda: self._fs.ls(self._path(folder), detail=False))
        except FileNotFoundError:
            return []
        start = f"{self._path(folder)}/"
        return [entry[len(start) :] for entry in entries if _is_below(entry, start)]

    def listing(self, folder: str) -> dict[str, int]:
        found = self._retry(lambda: self._fs.find(self._path(folder), detail=True))
        start, strip = f"{self._path(folder)}/", len(self._root) + 1
        return {name[strip:]: int(info["size"]) for name, info in found.items() if _is_below(name, start)}

    def check_reachable(self) -> None:
        """Ask for one name below the prefix, with little patience."""
        impatient = _file_system(attempts=2)
        try:
            impatient.call_s3("list_objects_v2", Bucket=self.bucket, MaxKeys=1, Prefix=self.prefix)
        except FileNotFoundError:
            raise StorageError(f"there is no bucket {self.bucket}; create it, or correct `root`") from None

    def unfinished_uploads(self) -> list[tuple[str, int, str]]:
        start = f"{self.prefix}/" if self.prefix else ""
        request = {"Bucket": self.bucket, "Prefix": start}
        found = self._retry(lambda: self._fs.call_s3("list_multipart_uploads", **request)).get("Uploads", [])
        return [(item["Key"][len(start) :], self._uploaded(item), item["UploadId"]) for item in found]

    def _uploaded(self, item: dict[str, str]) -> int:
        """Bytes of the pieces that have arrived."""
        request = {"Bucket": self.bucket, "Key": item["Key"], "UploadId": item["UploadId"]}
        answer = self._retry(lambda: self._fs.call_s3("list_parts", **request))
        return sum(part["Size"] for part in answer.get("Parts", []))

    def abort_upload(self, path: str, upload: str) -> None:
        key = f"{self.prefix}/{path}" if self.prefix else path
        request = {"Bucket": self.bucket, "Key": key, "UploadId": upload}
        try:
            self._retry(lambda: self._fs.call_s3("abort_multipart_upload", **request))
        except FileNotFoundError:  # our request before, whose answer was lost
            return

    def explain(self, error: Exception) -> str:
        reason = " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, boto.NoCredentialsError | boto.PartialCredentialsError):
            return f"{reason}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
        if isinstance(error, PermissionError):
            return f"{reason}; check the credentials and the bucket's policy"
        if isinstance(error, boto.ConnectionError):
            return f"{reason}; check the network and AWS_ENDPOINT_URL"
        return f"{reason}; what was committed is intact, run the same command again"

    def _path(self, path: str) -> str:
        return f"{self._root}/{path}" if path else self._root

    def _exists(self, path: str) -> bool:
        try:
            self.size(path)
        except FileNotFoundError:
            return False
        return True

    def _holds(self, path: str, size: int) -> bool:
        return self._exists(path) and self.size(path) == size

    def _retry(self, operation: Callable[[], _T]) -> _T:
        """`operation`'s result; failures that pass are tried again, for about half a minute."""
        for attempt in range(_ATTEMPTS - 1):
            try:
                return operation()
            except self.failures as error:
                if not _passes(error):
                    raise
            time.sleep(random.uniform(0.5, 1) * 2**attempt)
        return operation()


def _is_below(name: str, start: str) -> bool:
    """Whether `name`, as s3fs lists it, is a file or folder below `start`, which ends with a slash.

    Two entries are not: the folder itself, which s3fs lists as a file of 0 bytes when its first object appears between
    two requests of one `find`, and the empty object "folder/" with which consoles make a folder.
    """
    return name.startswith(start) and not name.endswith("/")


@cache
def _file_system(attempts: int) -> Any:
    return fsspec.filesystem(
        "s3",
        use_listings_cache=False,  # other processes write to the same prefix
        skip_instance_cache=True,  # we keep it ourselves
        config_kwargs={
            "retries": {"mode": "standard", "max_attempts": attempts},
            "connect_timeout": 10,
            "read_timeout": 60,
            "max_pool_connections": 50,
        },
    )


def _passes(error: Exception) -> bool:
    """Whether the same request may succeed later. A host that cannot be reached was tried long enough by botocore."""
    if isinstance(error, boto.EndpointConnectionError | boto.ConnectTimeoutError):
        return False
    if isinstance(error, OSError) and not isinstance(error, TimeoutError | ConnectionError | aiohttp.ClientError):
        return error.errno in _PASSING
    passing = (boto.HTTPClientError, boto.ResponseStreamingError, boto.IncompleteReadError, ResponseParserError)
    return isinstance(error, (*passing, TimeoutError, ConnectionError, aiohttp.ClientError))
