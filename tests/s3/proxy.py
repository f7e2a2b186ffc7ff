"""A proxy in front of an S3 server that makes a share of the requests fail, as networks and services do.

It copies bytes and parses only enough to know where a message ends. A signature covers path, query and headers as they
were sent, so a proxy that decodes and rewrites them would break it.
"""

import asyncio
import contextlib
import random
import socket
import struct
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

FAULTS: tuple[str, ...] = ("500", "503", "reset_before", "reset_after", "slow", "cut")
"""Kinds of faults:

- 500, 503: an error response of the service; the server gets no request.
- reset_before: a lost connection; the server gets no request.
- reset_after: a connection that is lost after the server has done its work; to the client it looks like reset_before.
- slow: a late response.
- cut: half a response.
"""

ERRORS = {
    "500": ("500 Internal Server Error", "InternalError", "We encountered an internal error. Please try again."),
    "503": ("503 Slow Down", "SlowDown", "Please reduce your request rate."),
}
SLOW_SECONDS = (0.5, 2.0)
"""Shortest and longest delay of a late response."""
PIECE = 1 << 18
"""Bytes that are copied at a time."""


class FaultProxy:
    """A proxy with faults.

    `share` (0 to 1, share of requests with a fault) and `faults` (the kinds to draw from) can be changed at any time;
    a share of 0 turns the faults off.
    """

    def __init__(self, target: str, share: float, seed: int) -> None:
        address = urlsplit(target)
        assert address.scheme == "http" and address.hostname and address.port, target
        self.share = share
        self.faults = FAULTS
        self.requests = 0
        self.injected: Counter[str] = Counter()
        self.endpoint = ""
        self._target = (address.hostname, address.port)
        self._random = random.Random(seed)
        self._error: BaseException | None = None
        self._listening = threading.Event()

    async def serve(self) -> None:
        """Listen until `stop` is called."""
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        connections: set[asyncio.Task[None]] = set()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            # A plain function that starts a task: asyncio would log its own tasks as errors if the proxy ends them.
            task = asyncio.ensure_future(self._connection(reader, writer))
            connections.add(task)

            def end_connection(_: object) -> None:
                connections.discard(task)
                _reset(writer)  # Not in the task, because a task that is cancelled before its first step runs no line.

            task.add_done_callback(end_connection)

        server = await asyncio.start_server(accept, "127.0.0.1", 0, limit=4 * PIECE, backlog=1024)
        self.endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._listening.set()
        try:
            await self._stop.wait()
        finally:
            server.close()
            for task in connections:
                task.cancel()
            await asyncio.gather(*connections, return_exceptions=True)

    def stop(self) -> None:
        """End `serve` and every connection; callable from another thread."""
        self._loop.call_soon_threadsafe(self._stop.set)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one client's connection until either side ends it."""
        try:
            while (request := await _read_head(reader)) and await self._exchange(request, reader, writer):
                pass
            await _close(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # One side ended the connection; the reset that follows tells the other side.
        except Exception as error:
            # Kept and raised at the end: the client would take the proxy's error for an injected fault, and retry.
            self._error = self._error or error

    async def _exchange(self, request: "Head", client: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; return whether the connection stays open."""
        self.requests += 1
        fault = self._random.choice(self.faults) if self._random.random() < self.share else None
        if fault:
            self.injected[fault] += 1
        if fault == "reset_before":
            _reset(writer)
            return False
        body = _body(request, client)
        if fault in ERRORS:
            # The client reads the response only after it has sent everything.
            if request.headers.get("expect"):
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            async for _ in body:
                pass
            writer.write(_error_response(fault, request))
            await writer.drain()
            return True

        # A new connection for each request: the server could end a kept connection just as it is used again.
        server, server_writer = await asyncio.open_connection(*self._target, limit=4 * PIECE)
        server_writer.write(request.raw)
        sending = asyncio.ensure_future(_send(body, server_writer))
        try:
            while (response := await _require_head(server)).status < 200:
                writer.write(response.raw)
            if fault == "slow":
                await asyncio.sleep(self._random.uniform(*SLOW_SECONDS))
            if fault == "reset_after" or (fault == "cut" and _is_empty(response, request)):
                # At the end of the response the server has done its work.
                async for _ in _body(response, server, request):
                    pass
                _reset(writer)
                return False
            if fault == "cut":
                await _send_half(response, _body(response, server, request), writer)
                _reset(writer)
                return False
            # If the response comes before the request's end (a refusal without "100 Continue"), the next bytes on the
            # client's connection may be the rest of this request or the next request, so the connection has to end.
            ends = not sending.done() or response.ends_connection
            writer.write(response.raw if sending.done() else response.raw[:-2] + b"Connection: close\r\n\r\n")
            await _send(_body(response, server, request), writer)
            return not ends
        finally:
            sending.cancel()
            _reset(server_writer)  # Before the wait, because a stop of the proxy may cut the wait short.
            await asyncio.gather(sending, return_exceptions=True)


@contextmanager
def fault_proxy(target: str, share: float, seed: int) -> Iterator[FaultProxy]:
    """Run a proxy in front of the server at `target` in a separate thread; it makes `share` of the requests fail.

    The same seed draws the same faults for the same order of requests. Clients that send several requests at once have
    no fixed order.
    """
    proxy = FaultProxy(target, share, seed)
    thread = threading.Thread(target=lambda: asyncio.run(proxy.serve()), name="fault-proxy", daemon=True)
    thread.start()
    if not proxy._listening.wait(10):
        raise RuntimeError("the proxy does not listen")
    try:
        yield proxy
    finally:
        proxy.stop()
        thread.join(10)
    if proxy._error:
        raise proxy._error


@dataclass(frozen=True)
class Head:
    """The head of a request or a response."""

    raw: bytes
    """The bytes as received, with the empty line at the end."""
    first: str
    """The first line."""
    headers: dict[str, str]
    """Values of the fields by lower-case name."""

    @property
    def method(self) -> str:
        return self.first.split(" ", 1)[0]

    @property
    def status(self) -> int:
        return int(self.first.split(" ", 2)[1])

    @property
    def length(self) -> int | None:
        """Announced length of the body in bytes; None if there is none."""
        if "transfer-encoding" in self.headers or "content-length" not in self.headers:
            return None
        return int(self.headers["content-length"])

    @property
    def chunked(self) -> bool:
        return self.headers.get("transfer-encoding", "").lower() == "chunked"

    @property
    def ends_connection(self) -> bool:
        """For a response: whether the connection ends after it."""
        announced = self.headers.get("connection", "").lower() == "close" or self.first.startswith("HTTP/1.0")
        return announced or (self.length is None and not self.chunked and self.status not in (204, 304))


async def _read_head(reader: asyncio.StreamReader) -> Head | None:
    """Read the next head; return None if the connection ended in order before it."""
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if not error.partial:
            return None
        raise
    first, *lines = raw.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    pairs = (line.split(":", 1) for line in lines)
    return Head(raw, first, {name.strip().lower(): value.strip() for name, value in pairs})


async def _require_head(reader: asyncio.StreamReader) -> Head:
    """Read the next head; raise ConnectionResetError if there is none."""
    head = await _read_head(reader)
    if head is None:
        raise ConnectionResetError("the server ended the connection without an answer")
    return head


def _is_empty(response: Head, request: Head) -> bool:
    """Return whether a response has no body."""
    return request.method == "HEAD" or response.status in (204, 304) or response.length == 0


async def _body(head: Head, reader: asyncio.StreamReader, request: Head | None = None) -> AsyncIterator[bytes]:
    """Yield the body of a message in pieces, with the marks between chunks as received.

    `request` is the request of a response; for the body of a request it is None.
    """
    if request is not None and _is_empty(head, request):
        return
    if head.chunked:
        size = -1
        while size != 0:
            line = await reader.readuntil(b"\r\n")
            yield line
            size = int(line.split(b";", 1)[0], 16)
            async for piece in _exactly(size, reader):
                yield piece
            if size:
                yield await reader.readexactly(2)
        while (line := await reader.readuntil(b"\r\n")) != b"\r\n":  # Trailers, as checksums are.
            yield line
        yield line
    elif head.length is not None:
        async for piece in _exactly(head.length, reader):
            yield piece
    elif request is not None:
        # A response without an announced length ends with its connection.
        while piece := await reader.read(PIECE):
            yield piece


async def _exactly(size: int, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Yield `size` bytes in pieces; raise IncompleteReadError if the connection ends before."""
    while size > 0:
        piece = await reader.read(min(size, PIECE))
        if not piece:
            raise asyncio.IncompleteReadError(b"", size)
        size -= len(piece)
        yield piece


async def _send(body: AsyncIterator[bytes], writer: asyncio.StreamWriter) -> None:
    """Write a whole body."""
    async for piece in body:
        writer.write(piece)
        await writer.drain()
    await writer.drain()


async def _send_half(response: Head, body: AsyncIterator[bytes], writer: asyncio.StreamWriter) -> None:
    """Write the head and the first half of the body.

    A body in chunks is read whole, because its length is known only at its end. Such bodies are listings, which fit
    into memory.
    """
    writer.write(response.raw)
    if response.length is None:
        whole_body = b"".join([piece async for piece in body])
        writer.write(whole_body[: len(whole_body) // 2])
        await writer.drain()
        return
    remaining = response.length // 2
    async for piece in body:
        writer.write(piece[:remaining])
        await writer.drain()
        remaining -= len(piece)
        if remaining <= 0:
            return


def _error_response(kind: str, request: Head) -> bytes:
    """Return an error response of S3, in bytes."""
    status, code, message = ERRORS[kind]
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    if request.method == "HEAD":
        body = ""
    return (f"HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n\r\n{body}").encode()


def _reset(writer: asyncio.StreamWriter) -> None:
    """End the connection at once, so that the other side's next read fails.

    An orderly end would look like the end of a response. On a connection that has ended, this does nothing.
    """
    if not writer.transport.is_closing():
        connection: socket.socket = writer.get_extra_info("socket")
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _close(writer: asyncio.StreamWriter) -> None:
    """End the connection after all written bytes are sent."""
    writer.close()
    await writer.wait_closed()
