"""A small Hugging Face hub on this machine, for tests: models and data sets in memory, which can be told to fail.

Serves what huggingface_hub asks for: repository information, file trees, and files with ETag, ranges, and redirects to
another host (`localhost` instead of `127.0.0.1`) for large files, as the hub keeps them in large file storage.
"""

import hashlib
import json
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

LARGE_BYTES = 1 << 20
"""Files of more bytes are in large file storage."""


@dataclass
class Failure:
    """What happens to the requests whose path matches `pattern`, `times` times (-1: always)."""

    pattern: str
    status: int = 0
    """HTTP status of the answer; 0 for the right answer."""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None
    """Text of the answer, instead of what the hub would say."""
    cut_after: int | None = None
    """Bytes of the body after which the connection ends."""
    reset: bool = False
    """Whether the connection ends with a reset instead of an orderly end."""
    times: int = -1


@dataclass
class Request:
    """A request that the hub got."""

    method: str
    path: str
    range: str | None
    authorization: str | None


@dataclass
class Hub:
    """The content of the hub and what it does."""

    url: str = ""
    commits: dict[tuple[str, str, str], dict[str, bytes]] = field(default_factory=dict)
    """(kind, name, commit) -> the files."""
    refs: dict[tuple[str, str, str], str] = field(default_factory=dict)
    """(kind, name, branch or tag) -> commit."""
    gated: set[str] = field(default_factory=set)
    """Names whose files only `tokens` may read; everybody sees that they exist."""
    private: set[str] = field(default_factory=set)
    """Names that only `tokens` may see."""
    tokens: set[str] = field(default_factory=set)
    failures: list[Failure] = field(default_factory=list)
    bytes_per_second: float | None = None
    """Speed of each download; None for full speed."""
    requests: list[Request] = field(default_factory=list)

    def push(
        self, name: str, files: Mapping[str, bytes | str] | Path, *, kind: str = "model", branch: str = "main"
    ) -> str:
        """Make the files (or those of a folder) the whole content of a branch; return the commit."""
        if isinstance(files, Path):
            files = {
                path.relative_to(files).as_posix(): path.read_bytes() for path in files.rglob("*") if path.is_file()
            }
        contents = {path: data.encode() if isinstance(data, str) else data for path, data in files.items()}
        parts = [f"{path} {hashlib.sha1(data).hexdigest()}" for path, data in sorted(contents.items())]
        commit = hashlib.sha1("\n".join([kind, name, *parts]).encode()).hexdigest()
        self.commits[kind, name, commit] = contents
        self.refs[kind, name, branch] = commit
        return commit

    def fail(self, pattern: str, status: int = 0, **how: Any) -> None:
        """Let requests whose path matches `pattern` fail, as the fields of `Failure` say."""
        self.failures.append(Failure(pattern, status, **how))

    def paths(self, method: str = "GET") -> list[str]:
        """The paths of all requests so far."""
        return [request.path for request in self.requests if request.method == method]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append(
            Request(self.command, path, self.headers.get("Range"), self.headers.get("Authorization"))
        )
        failure = next((one for one in self.hub.failures if one.times and re.search(one.pattern, path)), None)
        if failure and (failure.cut_after is None or self.command == "GET"):
            failure.times -= 1
            if failure.status:
                self._send(failure.status, (failure.body or "").encode(), dict(failure.headers))
                return
            if failure.body is not None:
                self._send(200, failure.body.encode(), dict(failure.headers))
                return
        else:
            failure = None
        if match := re.fullmatch(r"/cdn/(\w+)", path):
            self._send_content(self._content(match[1]), match[1], {}, failure)
        elif match := re.fullmatch(r"/api/(model|dataset)s/([^/]+/[^/]+)(?:/(revision|tree)/(.+))?", path):
            self._send_api(match[1], match[2], match[3] or "revision", match[4] or "main")
        elif match := re.fullmatch(r"/(datasets/)?([^/]+/[^/]+)/resolve/(refs/[^/]+/[^/]+|[^/]+)/(.+)", path):
            self._send_file("dataset" if match[1] else "model", match[2], match[3], match[4], failure)
        else:
            self._refuse(404, "", f"no route {path}")

    def _may_read(self) -> bool:
        return self.headers.get("Authorization", "").removeprefix("Bearer ") in self.hub.tokens

    def _commit(self, kind: str, name: str, revision: str) -> str | None:
        """The commit of a revision; None after an answer that there is none."""
        known = any(key[:2] == (kind, name) for key in self.hub.commits)
        if not known or (name in self.hub.private and not self._may_read()):
            # The hub does not tell strangers whether a repository exists.
            if self._may_read():
                self._refuse(404, "RepoNotFound", "Repository not found")
            else:
                self._refuse(401, "", "Invalid username or password.")
            return None
        commit = self.hub.refs.get((kind, name, revision), revision)
        if (kind, name, commit) not in self.hub.commits:
            self._refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            return None
        return commit

    def _send_api(self, kind: str, name: str, what: str, revision: str) -> None:
        commit = self._commit(kind, name, revision)
        if commit is None:
            return
        files = self.hub.commits[kind, name, commit]
        if what == "revision":
            gated = "manual" if name in self.hub.gated else False
            values: Any = {
                "id": name,
                "sha": commit,
                "gated": gated,
                "siblings": [{"rfilename": path} for path in files],
            }
            if kind == "model":
                values["modelId"] = name
        else:
            values = [_tree_entry(path, data) for path, data in files.items()]
        self._send(200, json.dumps(values).encode(), {"Content-Type": "application/json"})

    def _send_file(self, kind: str, name: str, revision: str, path: str, failure: Failure | None) -> None:
        commit = self._commit(kind, name, revision)
        if commit is None:
            return
        if name in self.hub.gated and not self._may_read():
            signed_in = "Authorization" in self.headers
            self._refuse(403 if signed_in else 401, "GatedRepo", f"Access to {kind} {name} is restricted.")
            return
        data = self.hub.commits[kind, name, commit].get(path)
        if data is None:
            self._refuse(404, "EntryNotFound", "Entry not found", {"X-Repo-Commit": commit})
            return
        headers = {"X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        if len(data) <= LARGE_BYTES:
            self._send_content(data, _blob(data), headers, failure)
            return
        sha256 = hashlib.sha256(data).hexdigest()
        headers |= {"X-Linked-Etag": f'"{sha256}"', "X-Linked-Size": str(len(data))}
        location = f"{self.hub.url.replace('127.0.0.1', 'localhost')}/cdn/{sha256}"
        self._send(302, b"", {**headers, "Location": location})

    def _content(self, sha256: str) -> bytes:
        contents = (data for files in self.hub.commits.values() for data in files.values())
        return next(data for data in contents if hashlib.sha256(data).hexdigest() == sha256)

    def _send_content(self, data: bytes, etag: str, headers: dict[str, str], failure: Failure | None) -> None:
        start, status = 0, 200
        if match := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")):
            start, status = int(match[1]), 206
            headers = {**headers, "Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}
        self._send(status, data[start:], {**headers, "ETag": f'"{etag}"'}, failure)

    def _refuse(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        more = {"X-Error-Code": code} if code else {}
        body = json.dumps({"error": message}).encode()
        self._send(status, body, {**(headers or {}), **more, "X-Error-Message": message})

    def _send(self, status: int, body: bytes, headers: dict[str, str], failure: Failure | None = None) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        end = len(body) if failure is None or failure.cut_after is None else failure.cut_after
        step = 1 << 16
        for start in range(0, min(end, len(body)), step):
            self.wfile.write(body[start : min(start + step, end)])
            if self.hub.bytes_per_second:
                time.sleep(step / self.hub.bytes_per_second)
        if end < len(body):
            self.close_connection = True
            self.wfile.flush()
            if failure and failure.reset:
                time.sleep(0.2)  # so that the client has read what was sent
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            else:
                self.connection.shutdown(socket.SHUT_RDWR)
            self.connection.close()


def _blob(data: bytes) -> str:
    """The name that git gives to a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def _tree_entry(path: str, data: bytes) -> dict[str, Any]:
    entry = {"type": "file", "path": path, "size": len(data), "oid": _blob(data)}
    if len(data) > LARGE_BYTES:
        lfs = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 135}
        return {**entry, "lfs": lfs}
    return entry


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that go away are part of the tests."""


@contextmanager
def running_hub() -> Iterator[Hub]:
    """Yield a hub that serves until the block ends."""
    hub = Hub()
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
