"""A prefix of an S3 bucket as a root, through s3fs: which requests are retried, and what errors mean.

Two libraries retry by themselves: botocore sends a request up to ten times if it failed or was throttled, and s3fs
repeats a read whose body was cut short. Neither retries a listing that was cut short or a conflict of two conditional
writes; this module does. Every operation may be repeated, because a write is create-only or has only one writer.
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

_CHUNK_BYTES = 5 * 2**30
"""With chunks this large, s3fs splits no write of less than 5 GiB. Some stores ignore create-only for split writes."""
_ATTEMPTS = 6
_TEMPORARY = (errno.EREMOTEIO, errno.EBUSY, errno.EIO)
"""Codes that s3fs gives to HTTP 500 and 503 and to errors that it does not know, such as a conflict of two writes."""


class S3Prefix:
    """A `storage.store.Backend` over a prefix of a bucket."""

    failures: tuple[type[Exception], ...] = (
        OSError, boto.BotoCoreError, boto.ClientError, ResponseParserError, aiohttp.ClientError,
    )  # fmt: skip

    def __init__(self, path: str) -> None:
        """Open `path`, which is bucket/prefix. Raises StorageError if it holds credentials: logs would show them."""
        self.bucket, _, self.prefix = path.partition("/")
        if not self.bucket or "@" in self.bucket or ":" in self.bucket:
            fault = "no bucket" if not self.bucket else "more than a bucket's name before the first slash"
            raise StorageError(f"the root has {fault}; expected s3://bucket/prefix, and credentials in AWS_… variables")
        self._root = path
        self._fs = _file_system(attempts=10)

    def create(self, path: str, data: bytes) -> bool:
        """Write with one conditional PUT. Return False if an object exists; this call may have written it itself."""
        try:
            self._retry(lambda: self._fs.pipe_file(self._path(path), data, mode="create", chunksize=_CHUNK_BYTES))
        except FileExistsError:
            return False
        except OSError as error:
            # When another process created the object first, Ceph answers 412 without a reason; s3fs makes it EINVAL.
            if error.errno == errno.EINVAL and self._exists(path):
                return False
            raise
        return True

    def create_from_file(self, path: str, source: Path) -> None:
        """Upload in parallel pieces, unless an object of the same size exists: `path` contains the content's digest."""
        size = source.stat().st_size

        def put() -> None:
            try:
                self._fs.put_file(str(source), self._path(path))
            except self.failures:
                # If the answer to the request that ends an upload was lost, the request is sent again. The second one
                # fails because the upload has ended.
                if not self._holds(path, size):
                    raise

        if not self._holds(path, size):
            self._retry(put)

    def replace(self, path: str, data: bytes) -> None:
        self._retry(lambda: self._fs.pipe_file(self._path(path), data, chunksize=_CHUNK_BYTES))

    def remove(self, path: str) -> None:
        self._retry(lambda: self._fs.rm_file(self._path(path)))  # S3 gives no error if the object does not exist

    def read(self, path: str, start: int = 0, stop: int | None = None) -> bytes:
        """Read with one GET. s3fs asks for the size first unless it gets a `start`."""
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
        prefix = f"{self._path(folder)}/"
        return [entry[len(prefix) :] for entry in entries if _is_below(entry, prefix)]

    def listing(self, folder: str) -> dict[str, int]:
        entries = self._retry(lambda: self._fs.find(self._path(folder), detail=True))
        prefix, root_chars = f"{self._path(folder)}/", len(self._root) + 1
        return {name[root_chars:]: int(info["size"]) for name, info in entries.items() if _is_below(name, prefix)}

    def check_reachable(self) -> None:
        """Ask for one name below the prefix, with two attempts only."""
        file_system = _file_system(attempts=2)
        try:
            file_system.call_s3("list_objects_v2", Bucket=self.bucket, MaxKeys=1, Prefix=self.prefix)
        except FileNotFoundError:
            raise StorageError(f"there is no bucket {self.bucket}; create it, or correct `root`") from None

    def unfinished_uploads(self) -> list[tuple[str, int, str]]:
        prefix = f"{self.prefix}/" if self.prefix else ""
        request = {"Bucket": self.bucket, "Prefix": prefix}
        uploads = self._retry(lambda: self._fs.call_s3("list_multipart_uploads", **request)).get("Uploads", [])
        return [(upload["Key"][len(prefix) :], self._uploaded_bytes(upload), upload["UploadId"]) for upload in uploads]

    def _uploaded_bytes(self, upload: dict[str, str]) -> int:
        """Return the number of bytes that have arrived."""
        request = {"Bucket": self.bucket, "Key": upload["Key"], "UploadId": upload["UploadId"]}
        answer = self._retry(lambda: self._fs.call_s3("list_parts", **request))
        return sum(part["Size"] for part in answer.get("Parts", []))

    def abort_upload(self, path: str, upload_id: str) -> None:
        key = f"{self.prefix}/{path}" if self.prefix else path
        request = {"Bucket": self.bucket, "Key": key, "UploadId": upload_id}
        try:
            self._retry(lambda: self._fs.call_s3("abort_multipart_upload", **request))
        except FileNotFoundError:  # an earlier request of ours deleted it and its answer was lost
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
        """Return a path in the form that s3fs expects: bucket/prefix/path."""
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
        """Return the result of `operation`, retried for about half a minute while its failures are temporary."""
        for attempt in range(_ATTEMPTS - 1):
            try:
                return operation()
            except self.failures as error:
                if not _is_temporary(error):
                    raise
            time.sleep(random.uniform(0.5, 1) * 2**attempt)
        return operation()


def _is_below(name: str, prefix: str) -> bool:
    """Return whether `name`, as s3fs lists it, is a file or folder below `prefix`, which ends with a slash.

    s3fs may list two other entries. One is the folder itself, as a file of 0 bytes, when the folder's first object
    appears between two requests of one `find`. The other is the empty object "folder/" with which web consoles make
    a folder.
    """
    return name.startswith(prefix) and not name.endswith("/")


@cache
def _file_system(attempts: int) -> Any:
    return fsspec.filesystem(
        "s3",
        use_listings_cache=False,  # other processes write to the same prefix
        skip_instance_cache=True,  # this function caches
        config_kwargs={
            "retries": {"mode": "standard", "max_attempts": attempts},
            "connect_timeout": 10,
            "read_timeout": 60,
            "max_pool_connections": 50,
        },
    )


def _is_temporary(error: Exception) -> bool:
    """Return whether the same request may succeed later.

    False for a host that cannot be reached: botocore has already retried long enough.
    """
    if isinstance(error, boto.EndpointConnectionError | boto.ConnectTimeoutError):
        return False
    if isinstance(error, OSError) and not isinstance(error, TimeoutError | ConnectionError | aiohttp.ClientError):
        return error.errno in _TEMPORARY
    temporary = (boto.HTTPClientError, boto.ResponseStreamingError, boto.IncompleteReadError, ResponseParserError)
    return isinstance(error, (*temporary, TimeoutError, ConnectionError, aiohttp.ClientError))
