"""A proxy before an S3 server that makes a share of the requests fail, in the ways in which networks and services do.

It copies bytes and parses only what tells where a message ends: a signature covers the path, the query and the headers
as they were sent, so a proxy that decodes and writes them anew breaks it.
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
"""An error answer of the service (500, 503) or a lost connection without a request to the server; a lost connection
after the server has done its work (the client cannot tell it from the one before); a late answer; half an answer."""

ERRORS = {
    "500": ("500 Internal Server Error", "InternalError", "We encountered an internal error. Please try again."),
    "503": ("503 Slow Down", "SlowDown", "Please reduce your request rate."),
}
SLOW_SECONDS = (0.5, 2.0)
PIECE = 1 << 18


class FaultProxy:
    """A running proxy. `share` (0 to 1) and `faults` (the kinds to draw from) can be changed at any time; a share of 0
    turns the faults off."""

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
            # A plain function with tasks of its own: asyncio would log the ones that end with the proxy as errors.
            task = asyncio.ensure_future(self._connection(reader, writer))
            connections.add(task)

            def ended(_: object) -> None:
                connections.discard(task)
                _reset(writer)  # Here and not in the task: one that is cancelled before its first step runs no line.

            task.add_done_callback(ended)

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
        """End `serve` and every connection; from another thread."""
        self._loop.call_soon_threadsafe(self._stop.set)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one client's connection until either side ends it."""
        try:
            while (request := await _read_head(reader)) and await self._exchange(request, reader, writer):
                pass
            await _close(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # Of either side: the other one learns of it by the reset that follows.
        except Exception as error:
            # The client would take an error of the proxy for a fault that was injected, and try again.
            self._error = self._error or error

    async def _exchange(self, request: "Head", client: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; False where the connection ends with it."""
        self.requests += 1
        fault = self._random.choice(self.faults) if self._random.random() < self.share else None
        if fault:
            self.injected[fault] += 1
        if fault == "reset_before":
            _reset(writer)
            return False
        body = _body(request, client)
        if fault in ERRORS:
            # The client reads the answer only after it has sent everything.
            if request.headers.get("expect"):
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            async for _ in body:
                pass
            writer.write(_error_answer(fault, request))
            await writer.drain()
            return True

        # A connection for each request: one that is kept could be ended by the server just as it is used again.
        server, server_writer = await asyncio.open_connection(*self._target, limit=4 * PIECE)
        server_writer.write(request.raw)
        sending = asyncio.ensure_future(_send(body, server_writer))
        try:
            while (answer := await _need_head(server)).status < 200:
                writer.write(answer.raw)
            if fault == "slow":
                await asyncio.sleep(self._random.uniform(*SLOW_SECONDS))
            if fault == "reset_after" or (fault == "cut" and _is_empty(answer, request)):
                # Read to its end: then the server has done its work.
                async for _ in _body(answer, server, request):
                    pass
                _reset(writer)
                return False
            if fault == "cut":
                await _send_half(answer, _body(answer, server, request), writer)
                _reset(writer)
                return False
            # An answer before the request's end (a refusal without "100 Continue"): what follows on the client's
            # connection may be the rest of this request or the next one.
            ends = not sending.done() or answer.ends_connection
            writer.write(answer.raw if sending.done() else answer.raw[:-2] + b"Connection: close\r\n\r\n")
            await _send(_body(answer, server, request), writer)
            return not ends
        finally:
            sending.cancel()
            _reset(server_writer)  # Before the wait, which a stop of the proxy may cut short.
            await asyncio.gather(sending, return_exceptions=True)


@contextmanager
def fault_proxy(target: str, share: float, seed: int) -> Iterator[FaultProxy]:
    """A proxy before the server at `target`, in a thread of its own, that spoils `share` of the requests.

    The same seed draws the same faults for the same order of requests; clients that send several at once have none.
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
    """The first lines of a request or an answer: as they came, and their fields by lower-case name."""

    raw: bytes
    first: str
    headers: dict[str, str]

    @property
    def method(self) -> str:
        return self.first.split(" ", 1)[0]

    @property
    def status(self) -> int:
        return int(self.first.split(" ", 2)[1])

    @property
    def length(self) -> int | None:
        """The body's bytes where they are announced."""
        if "transfer-encoding" in self.headers or "content-length" not in self.headers:
            return None
        return int(self.headers["content-length"])

    @property
    def chunked(self) -> bool:
        return self.headers.get("transfer-encoding", "").lower() == "chunked"

    @property
    def ends_connection(self) -> bool:
        """Of an answer: no other one follows on the connection."""
        announced = self.headers.get("connection", "").lower() == "close" or self.first.startswith("HTTP/1.0")
        return announced or (self.length is None and not self.chunked and self.status not in (204, 304))


async def _read_head(reader: asyncio.StreamReader) -> Head | None:
    """The next head; None where the connection ended orderly before it."""
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if not error.partial:
            return None
        raise
    first, *lines = raw.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    pairs = (line.split(":", 1) for line in lines)
    return Head(raw, first, {name.strip().lower(): value.strip() for name, value in pairs})


async def _need_head(reader: asyncio.StreamReader) -> Head:
    head = await _read_head(reader)
    if head is None:
        raise ConnectionResetError("the server ended the connection without an answer")
    return head


def _is_empty(answer: Head, request: Head) -> bool:
    return request.method == "HEAD" or answer.status in (204, 304) or answer.length == 0


async def _body(head: Head, reader: asyncio.StreamReader, request: Head | None = None) -> AsyncIterator[bytes]:
    """A message's body in pieces, with the marks between chunks as they came; an answer needs its request."""
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
        # An answer that says nothing ends with its connection.
        while piece := await reader.read(PIECE):
            yield piece


async def _exactly(size: int, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while size > 0:
        piece = await reader.read(min(size, PIECE))
        if not piece:
            raise asyncio.IncompleteReadError(b"", size)
        size -= len(piece)
        yield piece


async def _send(body: AsyncIterator[bytes], writer: asyncio.StreamWriter) -> None:
    async for piece in body:
        writer.write(piece)
        await writer.drain()
    await writer.drain()


async def _send_half(answer: Head, body: AsyncIterator[bytes], writer: asyncio.StreamWriter) -> None:
    """The head and the first half of the body. Half of what length is only known at the end of chunks: those are
    listings, which fit into memory."""
    writer.write(answer.raw)
    if answer.length is None:
        whole = b"".join([piece async for piece in body])
        writer.write(whole[: len(whole) // 2])
        await writer.drain()
        return
    left = answer.length // 2
    async for piece in body:
        writer.write(piece[:left])
        await writer.drain()
        left -= len(piece)
        if left <= 0:
            return


def _error_answer(kind: str, request: Head) -> bytes:
    status, code, message = ERRORS[kind]
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    if request.method == "HEAD":
        body = ""
    return (f"HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n\r\n{body}").encode()


def _reset(writer: asyncio.StreamWriter) -> None:
    """End the connection at once; the other side's next read fails, where an orderly end would look like an answer's
    end. Without effect on a connection that has ended."""
    if not writer.transport.is_closing():
        connection: socket.socket = writer.get_extra_info("socket")
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _close(writer: asyncio.StreamWriter) -> None:
    """End the connection after what was written has gone."""
    writer.close()
    await writer.wait_closed()
