"""The vLLM servers of an engine: every server is given the policy, and requests are spread over those that hold it.

A lost server's requests go to the other servers. When a lost server answers again, it is given the policy once more
before it gets requests. While no server is ready, requests wait, for as long as `patience_seconds`.
"""

import asyncio
import logging
import queue
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

import aiohttp

from stages.engines.base import Completion
from stages.engines.feeding import PartialBatch, Request
from stages.engines.vllm_connection import (
    CONNECTION_ERRORS,
    HoldsOtherPolicy,
    LoadFailed,
    Policy,
    ServerConnection,
    ServerRefused,
    ServerUnfit,
    open_session,
)
from storage.errors import InputError, StageFailed

_SECONDS_BETWEEN_TRIES = 1.0
_SECONDS_BETWEEN_CHECKS = 15.0
"""How often a server that has requests is asked to describe itself: a machine that vanishes closes no connection."""
_MAX_TRIES = 5
"""A request is not sent again after it was refused, or its server was lost, so many times: the request may be what
crashes the servers."""
_MAX_FAILED_LOADS = 3
"""A server that fails to load a policy so many times in a row is not asked again."""

Results = queue.SimpleQueue[tuple[Request[Any], Completion | Exception]]
"""Every request that ended, with its response or with the error that ended it."""


class ServerPool:
    """Servers that are to hold one policy. Made in, and used from, one event loop only.

    `is_loaded` says whether the engine has a policy; before that, no message is logged when a server becomes ready.
    `secret` is what requests carry (see `open_session`).
    """

    def __init__(
        self, urls: Sequence[str], patience_seconds: float, is_loaded: Callable[[], bool], secret: str | None = None
    ) -> None:
        self.session = open_session(secret)
        self.servers = [ServerConnection(url, self.session) for url in urls]
        self.max_model_tokens = 0
        """Longest prompt + response, in tokens, that the policy and every server allow."""
        self.max_requests = 0
        """Number of requests that are worth having under way at the same time."""
        self._patience = patience_seconds
        self._is_loaded = is_loaded
        self._policy: Policy
        self._supervisors: list[asyncio.Task[None]] = []
        """One task for each server; it keeps the policy on that server."""
        self._requests: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        """Set when a server becomes ready, is lost or is given up."""
        self._last_choice: tuple[PartialBatch[Any] | None, int, ServerConnection] = None, 0, self.servers[0]
        self._log = logging.getLogger(__name__)

    async def close(self) -> None:
        """End everything that is under way, and close the connections."""
        await _cancel([*self._supervisors, *self._requests])
        await self.session.close()

    async def describe_all(self) -> None:
        """Ask every server to describe itself. Raises InputError if none answers."""

        async def describe(server: ServerConnection) -> None:
            try:
                server.description = await server.describe()
                server.trouble = f"it runs {server.description['model']}"
            except (ServerUnfit, *CONNECTION_ERRORS) as error:
                server.trouble = str(error) or type(error).__name__

        await asyncio.gather(*map(describe, self.servers))
        if not any(server.description for server in self.servers):
            raise InputError(f"no server answers ({self.troubles()}); start one with `serl serve`, and name it in "
                             "compute.server.urls")  # fmt: skip

    async def hold(self, policy: Policy) -> None:
        """Have the servers of this architecture hold the policy, from now on.

        Returns when every server was tried and at least one is ready. Raises InputError or StageFailed if none gets
        ready.
        """
        self._policy = policy
        await _cancel(self._supervisors)
        for server in self.servers:
            server.ready, server.unfit, server.trouble = False, False, ""
        self._supervisors = [asyncio.create_task(self._supervise(server, policy)) for server in self.servers]
        ready = await self._wait_for_ready(lambda: all(server.ready or server.trouble for server in self.servers))
        descriptions = [server.description for server in ready]
        self.max_model_tokens = min([policy.context, *(each["max_model_tokens"] for each in descriptions)])
        # Each server has as many requests waiting as it works on, and a server that comes back later finds its share.
        self.max_requests = 2 * len(self.servers) * max(each["sequences"] for each in descriptions)

    async def let_go(self) -> None:
        """Load the policy into no server any more, until the next `hold`; servers keep what they hold."""
        await _cancel(self._supervisors)

    def submit(self, request: Request[Any], results: Results) -> None:
        """Begin a request; it ends with an entry in `results`, unless it is cancelled."""
        task = asyncio.get_running_loop().create_task(self._put_result(request, results))
        self._requests.add(task)
        task.add_done_callback(self._requests.discard)

    async def cancel_requests(self) -> None:
        """Drop the requests that are under way."""
        await _cancel(self._requests)

    def troubles(self) -> str:
        """Return why each server is not ready, for an error message."""
        return "; ".join(f"{server.url}: {server.trouble or 'is loading'}" for server in self.servers)

    async def _supervise(self, server: ServerConnection, policy: Policy) -> None:
        """Give the server the policy, and again after every loss; return when the server is given up."""
        failed_loads = 0
        while failed_loads < _MAX_FAILED_LOADS:
            try:
                server.description = await server.describe()
                if server.description["architecture"] != policy.architecture:
                    raise ServerUnfit(f"it runs another model ({server.description['model']})")
                server.description = await server.load(policy)
                if server.trouble and self._is_loaded():
                    self._log.warning("%s answers again", server.url)
                server.ready, server.trouble, failed_loads = True, "", 0
                server.times_ready += 1
                server.lost.clear()
                self._changed.set()
                await self._wait_until_lost(server, policy)
            except ServerUnfit as error:
                self._mark_lost(server, error)
                break
            except CONNECTION_ERRORS as error:
                self._mark_lost(server, error)
                failed_loads += isinstance(error, LoadFailed)
            await asyncio.sleep(_SECONDS_BETWEEN_TRIES)
        server.unfit = True
        self._changed.set()

    async def _wait_until_lost(self, server: ServerConnection, policy: Policy) -> None:
        """Return when a request noticed that the server is lost, or raise the error that shows it."""
        while server.ready:
            try:
                async with asyncio.timeout(_SECONDS_BETWEEN_CHECKS):
                    await server.lost.wait()
            except TimeoutError:
                if server.requests and (await server.describe())["policy"] != policy.key:
                    raise HoldsOtherPolicy("it holds another policy now") from None

    def _mark_lost(self, server: ServerConnection, error: Exception, times_ready: int | None = None) -> None:
        """Send the server's requests to other servers.

        `times_ready` is the server's value when the failed request was sent. If the server has become ready again
        since then, nothing is done.
        """
        if times_ready not in (None, server.times_ready):
            return
        server.trouble = " ".join(str(error).split()) or type(error).__name__
        if server.ready:
            self._log.warning(
                "%s is lost (%s); its %d requests go to other servers or wait for at most %.0f s",
                server.url, server.trouble, len(server.requests), self._patience,
            )  # fmt: skip
        server.ready = False
        server.lost.set()
        # A server that still answers (it was given another policy, say) first finishes the requests that it has.
        if not isinstance(error, ServerRefused | ServerUnfit):
            for task in list(server.requests):
                task.cancel()
        self._changed.set()

    async def _wait_for_ready(self, is_enough: Callable[[], bool] = lambda: True) -> list[ServerConnection]:
        """Return the servers that are ready, as soon as there are any and `is_enough` says so.

        Raises InputError if every server was given up, StageFailed if none is ready in time.
        """
        deadline = time.monotonic() + self._patience
        while not ((ready := [server for server in self.servers if server.ready]) and is_enough()):
            if all(server.unfit for server in self.servers):
                raise InputError(f"no server can hold this policy: {self.troubles()}")
            seconds_left = deadline - time.monotonic()
            if seconds_left <= 0:
                raise StageFailed(
                    f"no server could be asked for {self._patience:.0f} s: {self.troubles()}. Start one "
                    "(`serl serve`) and run the same command again, which continues from here"
                )
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds_left):  # `wait_for` of Python 3.11 can lose a cancellation
                    await self._changed.wait()
        return ready

    async def _put_result(self, request: Request[Any], results: Results) -> None:
        try:
            results.put((request, await self._complete(request)))
        except Exception as error:  # raised again in the thread that reads `results`
            results.put((request, error))

    async def _complete(self, request: Request[Any]) -> Completion:
        """Return the response, from whichever server gives it."""
        tries, trouble = 0, ""
        while tries < _MAX_TRIES:
            server = self._choose(request, await self._wait_for_ready())
            times_ready = server.times_ready
            sent = asyncio.create_task(server.complete(request, self._policy, self.max_model_tokens))
            server.requests.add(sent)
            sent.add_done_callback(server.requests.discard)
            try:
                return await sent
            except asyncio.CancelledError:
                if (this := asyncio.current_task()) and this.cancelling():
                    raise
                tries, trouble = tries + 1, server.trouble
            except HoldsOtherPolicy as error:
                self._mark_lost(server, error, times_ready)
            except ServerRefused as error:  # perhaps because of this request, not of the server's state
                tries, trouble = tries + 1, str(error)
                await asyncio.sleep(_SECONDS_BETWEEN_TRIES)
            except CONNECTION_ERRORS as error:
                self._mark_lost(server, error, times_ready)
                tries += not isinstance(error, aiohttp.ClientConnectorError)
                trouble = str(error)
        prompt = self._policy.tokenizer.decode(request.prompt[:20])
        raise StageFailed(
            f"the prompt that starts with {prompt!r} was sent {tries} times and never answered ({trouble}): it may be "
            "what ends the servers; their own output says more"
        )

    def _choose(self, request: Request[Any], ready: list[ServerConnection]) -> ServerConnection:
        """Return the least busy server; responses to one prompt share a server, so that the prompt is computed once."""
        partial, prompt_index, server = self._last_choice
        if (partial, prompt_index) != (request.partial, request.prompt_index) or server not in ready:
            server = min(ready, key=lambda candidate: candidate.occupancy)
            self._last_choice = request.partial, request.prompt_index, server
        return server


async def _cancel(tasks: Iterable["asyncio.Task[Any]"]) -> None:
    """End tasks, and wait until they have ended."""
    cancelled = list(tasks)
    for task in cancelled:
        task.cancel()
    await asyncio.gather(*cancelled, return_exceptions=True)
