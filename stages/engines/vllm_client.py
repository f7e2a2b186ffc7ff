"""The engine of several machines: vLLM servers (`serl serve`) that stay warm whoever asks them, run after run.

Prompts and responses travel as token ids over the OpenAI-compatible API, one request per response, each with its own
seed. Every request names the policy that it is meant for, and a server that holds another one refuses it (see
`stages.engines.vllm_server`). A server that is lost hands its requests to the others; when it answers again it is given
the policy anew before it is used. While none answers, the stage waits, for as long as `patience_seconds`.
"""

import asyncio
import json
import logging
import queue
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import aiohttp

from stages.engines.base import AnyBatch, Completion, Progress, Responses, cut_at_stop
from stages.engines.feeding import Open, Request, feed
from stages.engines.tokenizer import PolicyTokenizer, TokenizingEngine, architecture
from stages.engines.vllm_server import HEADER, MODEL, PATH, headers
from stages.model_folder import read_model_config
from stages.settings.engines import ServerPlacement
from storage.errors import InputError, StageFailed

_SECONDS_BETWEEN_TRIES = 1.0
_SECONDS_BETWEEN_LOOKS = 15.0
"""How often a server that has requests is asked whether it is there: a machine that vanishes closes no connection."""
_SECONDS_TO_ANSWER = 60.0
"""After this long without a word about itself a server counts as lost; a load is waited for without limit."""
_MOST_TRIES = 5
"""A request that was with so many servers when they were lost is not sent again: it may be what ends them."""
_MOST_LOADS = 3
"""A server that fails to load a policy so many times in a row is not asked again."""

Answers = queue.SimpleQueue[tuple[Request[Any], Completion | Exception]]
Done = TypeVar("Done")


class _Refused(Exception):
    """The server answers, but not as hoped; it may later."""


class _CannotLoad(_Refused):
    """The server tried to load the policy and failed."""


class _OtherPolicy(_Refused):
    """The server holds another policy than the one that a request is meant for."""


class _Unfit(Exception):
    """The server never can hold the policy."""


_LOST = (_Refused, aiohttp.ClientError, OSError, TimeoutError)


@dataclass(eq=False, slots=True)
class _Server:
    """One server as this engine sees it."""

    url: str
    state: dict[str, Any] = field(default_factory=dict)
    """What it last said of itself; empty before that."""
    ready: bool = False
    """It holds the policy that is asked."""
    unfit: bool = False
    """It never will."""
    trouble: str = ""
    """Why it is not ready, in its own or the network's words; empty before it was tried."""
    lives: int = 0
    """How often it became ready: an old failure says nothing about a new life."""
    lost: asyncio.Event = field(default_factory=asyncio.Event)
    asked: "set[asyncio.Task[Completion]]" = field(default_factory=set)
    """Requests that it works on."""


@dataclass(frozen=True, slots=True)
class _Policy:
    folder: Path
    key: str
    architecture: str


class ServerEngine(TokenizingEngine):
    """An `Engine` (see base) whose models run elsewhere. Nothing is asked of a server before `load`."""

    on_gpu = False

    def __init__(self, placement: ServerPlacement) -> None:
        super().__init__()
        self._patience = placement.patience_seconds
        self._servers = [_Server(url) for url in placement.urls]
        self._asked: _Policy
        self._longest = self._ahead = 0
        self._last: tuple[Open[Any] | None, int, _Server] = None, 0, self._servers[0]
        self._log = logging.getLogger(__name__)
        self._loop = asyncio.new_event_loop()
        # All that talks to servers happens in this thread; `generate` waits at the queue.
        self._thread = threading.Thread(target=self._loop.run_forever, name="serl-servers", daemon=True)
        self._thread.start()
        self._answers: Answers = queue.SimpleQueue()
        self._waiting: set[asyncio.Task[None]] = set()
        self._keepers: list[asyncio.Task[None]] = []
        self._changed: asyncio.Event
        self._session: aiohttp.ClientSession
        self._do(self._open())

    @property
    def max_model_tokens(self) -> int:
        return self._longest

    def load(self, folder: Path, key: str) -> None:
        if key == self._key:
            return
        self._key = None
        started = time.perf_counter()
        self._tokenizer = PolicyTokenizer(folder)
        self._asked = _Policy(folder.resolve(), key, architecture(folder))
        states = [server.state for server in self._do(self._bring(self._asked))]
        self._longest = min([read_model_config(folder).context, *(state["max_model_tokens"] for state in states)])
        # Each server has as many waiting as it works on; one that comes back later finds its share.
        self._ahead = 2 * len(self._servers) * max(state["sequences"] for state in states)
        self.use.loads += 1
        self.use.load_seconds += time.perf_counter() - started
        self._key = key

    def generate(
        self, batches: Iterable[AnyBatch], progress: Progress | None = None
    ) -> Iterator[tuple[AnyBatch, Responses]]:
        tokenizer, longest = self.tokenizer, self.max_model_tokens
        self._forget()

        def submit(request: Request[AnyBatch]) -> None:
            self._loop.call_soon_threadsafe(self._begin, request, self._answers)

        return feed(
            batches,
            ahead=self._ahead,
            check=lambda batch: tokenizer.check(batch, longest),
            submit=submit,
            wait=self._wait,
            progress=progress,
        )

    def sleep(self) -> None:
        """The servers keep what they hold."""
        self._key = None

    def close(self) -> None:
        self._key = None
        if not self._loop.is_closed():
            self._do(self._end())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def check(self, models: Mapping[str, Path], longest: int) -> None:
        """Raises InputError unless servers answer that run every one of `models`, and take `longest` tokens."""
        self._do(self._look())
        for what, folder in models.items():
            wanted = architecture(folder)
            fit = [server for server in self._servers if server.state.get("architecture") == wanted]
            if not fit:
                raise InputError(f"no server runs the model of {what}, {folder}: {self._troubles()}; start one with "
                                 "`serl serve`, and name it in compute.server.urls")  # fmt: skip
            for server in fit:
                if (most := server.state["max_model_tokens"]) < min(longest, read_model_config(folder).context):
                    raise InputError(f"{server.url} takes {most} tokens, and prompts and responses may have {longest} "
                                     "together; raise compute.vllm.max_model_tokens and start it again")  # fmt: skip

    def _do(self, work: Coroutine[Any, Any, Done]) -> Done:
        """Have the other thread do it, and wait."""
        running = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return running.result()
        except BaseException:
            running.cancel()
            raise

    def _ready(self) -> list[_Server]:
        return [server for server in self._servers if server.ready]

    def _wait(self) -> list[tuple[Request[Any], Completion]]:
        """Responses that have come, at least one. Raises StageFailed where a request cannot be answered."""
        ended = [self._answers.get()]
        while not self._answers.empty():
            ended.append(self._answers.get())
        completions = []
        for request, found in ended:
            if isinstance(found, Exception):
                raise found
            completions.append((request, found))
        return completions

    def _forget(self) -> None:
        """Drop what a `generate` that was not read to its end left."""
        self._do(_cancel(self._waiting))
        self._answers = queue.SimpleQueue()

    # What follows runs in the other thread.

    async def _open(self) -> None:
        self._changed = asyncio.Event()
        self._session = aiohttp.ClientSession(
            headers=headers(),
            # vLLM closes connections that were idle for 5 s: one that is just being closed is never used.
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=3),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=10),
        )

    async def _end(self) -> None:
        await _cancel([*self._keepers, *self._waiting])
        await self._session.close()

    async def _look(self) -> None:
        """Ask every server what it is. Raises InputError where none answers."""

        async def look(server: _Server) -> None:
            try:
                server.state = await self._told(server)
                server.trouble = f"it runs {server.state['model']}"
            except (_Unfit, *_LOST) as error:
                server.trouble = str(error) or type(error).__name__

        await asyncio.gather(*map(look, self._servers))
        if not any(server.state for server in self._servers):
            raise InputError(f"no server answers ({self._troubles()}); start one with `serl serve`, and name it in "
                             "compute.server.urls")  # fmt: skip

    async def _bring(self, policy: _Policy) -> list[_Server]:
        """Have the servers of this model hold the policy; returns those that do, once each was tried and one does."""
        await _cancel(self._keepers)
        for server in self._servers:
            server.ready, server.unfit, server.trouble = False, False, ""
        self._keepers = [asyncio.create_task(self._keep(server, policy)) for server in self._servers]
        return await self._some_ready(lambda: all(server.ready or server.trouble for server in self._servers))

    async def _keep(self, server: _Server, policy: _Policy) -> None:
        """Give the server the policy, again whenever it is lost; ends where it never can hold it."""
        failed = 0
        while failed < _MOST_LOADS:
            try:
                server.state = await self._told(server)
                if server.state["architecture"] != policy.architecture:
                    raise _Unfit(f"it runs another model ({server.state['model']})")
                server.state = await self._told(server, policy)
                if server.trouble and self._key == policy.key:
                    self._log.warning("%s answers again", server.url)
                server.ready, server.trouble, failed = True, "", 0
                server.lives += 1
                server.lost.clear()
                self._changed.set()
                await self._watch(server, policy)
            except _Unfit as error:
                self._lose(server, error)
                break
            except _LOST as error:
                self._lose(server, error)
                failed += isinstance(error, _CannotLoad)
            await asyncio.sleep(_SECONDS_BETWEEN_TRIES)
        server.unfit = True
        self._changed.set()

    async def _watch(self, server: _Server, policy: _Policy) -> None:
        """Ends, or raises, when the server is lost."""
        while server.ready:
            try:
                async with asyncio.timeout(_SECONDS_BETWEEN_LOOKS):
                    await server.lost.wait()
            except TimeoutError:
                if server.asked and (await self._told(server))["policy"] != policy.key:
                    raise _OtherPolicy("it holds another policy now") from None

    def _lose(self, server: _Server, error: Exception, life: int | None = None) -> None:
        """Its requests look for another server; `life`: the one that the error is of."""
        if life not in (None, server.lives):
            return
        server.trouble = " ".join(str(error).split()) or type(error).__name__
        if server.ready:
            self._log.warning(
                "%s is lost (%s); its %d requests go to others or wait for at most %.0f s",
                server.url, server.trouble, len(server.asked), self._patience,
            )  # fmt: skip
        server.ready = False
        server.lost.set()
        # A server that answers, if only that it was given another policy, first ends what it works on.
        for task in [] if isinstance(error, _Refused | _Unfit) else list(server.asked):
            task.cancel()
        self._changed.set()

    async def _told(self, server: _Server, policy: _Policy | None = None) -> dict[str, Any]:
        """What a server says of itself, once it holds `policy` if that is given."""
        if policy is None:
            asked = self._session.get(server.url + PATH, timeout=aiohttp.ClientTimeout(total=_SECONDS_TO_ANSWER))
        else:
            wanted = {"folder": str(policy.folder), "key": policy.key, "architecture": policy.architecture}
            asked = self._session.post(server.url + PATH, json=wanted)
        async with asked as response:
            if response.status == 404:
                raise _Unfit("it was not started by `serl serve`")
            said = await response.text()
            match response.status, _read(said):
                case 200, {"policy": held, "architecture": _, "max_model_tokens": int(), "sequences": int()}:
                    if policy and held != policy.key:
                        raise _OtherPolicy(f"it holds {held}")
                    return dict(_read(said))
                case 400 | 401, {"error": why}:
                    raise _Unfit(why)
                case 500, {"error": why}:
                    raise _CannotLoad(why)
                case _, {"error": why}:
                    raise _Refused(why)
                case status, _ if status > 500:  # a proxy before a server that is not there yet
                    raise _Refused(f"{status} {said[:100]}")
            raise _Unfit(f"its answer of status {response.status} is not that of `serl serve`")

    async def _some_ready(self, enough: Callable[[], bool] = lambda: True) -> list[_Server]:
        """The servers that can be asked, once there are any. Raises InputError or StageFailed where there are none."""
        deadline = time.monotonic() + self._patience
        while not ((ready := self._ready()) and enough()):
            if all(server.unfit for server in self._servers):
                raise InputError(f"no server can hold this policy: {self._troubles()}")
            left = deadline - time.monotonic()
            if left <= 0:
                raise StageFailed(
                    f"no server could be asked for {self._patience:.0f} s: {self._troubles()}. Start one "
                    "(`serl serve`) and run the same command again, which goes on from here"
                )
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(left):  # `wait_for` of Python 3.11 can lose a cancellation
                    await self._changed.wait()
        return ready

    def _troubles(self) -> str:
        return "; ".join(f"{server.url}: {server.trouble or 'is loading'}" for server in self._servers)

    def _begin(self, request: Request[Any], answers: Answers) -> None:
        task = self._loop.create_task(self._answer(request, answers))
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def _answer(self, request: Request[Any], answers: Answers) -> None:
        try:
            answers.put((request, await self._complete(request)))
        except Exception as error:  # it is raised in the thread that waits
            answers.put((request, error))

    async def _complete(self, request: Request[Any]) -> Completion:
        """The response, from whichever server gives it."""
        tries, trouble = 0, ""
        while tries < _MOST_TRIES:
            server = self._choose(request, await self._some_ready())
            life = server.lives
            asked = asyncio.create_task(self._ask(server, request))
            server.asked.add(asked)
            asked.add_done_callback(server.asked.discard)
            try:
                return await asked
            except asyncio.CancelledError:
                if (me := asyncio.current_task()) and me.cancelling():
                    raise
                tries, trouble = tries + 1, server.trouble
            except _OtherPolicy as error:
                self._lose(server, error, life)
            except _Refused as error:  # not the server's state, perhaps this request's doing
                tries, trouble = tries + 1, str(error)
                await asyncio.sleep(_SECONDS_BETWEEN_TRIES)
            except _LOST as error:
                self._lose(server, error, life)
                tries += not isinstance(error, aiohttp.ClientConnectorError)
                trouble = str(error)
        raise StageFailed(
            f"the prompt that starts with {self.decode(request.prompt[:20])!r} was sent {tries} times and never "
            f"answered ({trouble}): it may be what ends the servers; their own output says more"
        )

    def _choose(self, request: Request[Any], ready: list[_Server]) -> _Server:
        """The least busy one; responses to one prompt go together, so that it is computed once."""
        opened, place, server = self._last
        if (opened, place) != (request.open, request.place) or server not in ready:
            server = min(ready, key=lambda one: len(one.asked) / one.state["sequences"])
            self._last = request.open, request.place, server
        return server

    async def _ask(self, server: _Server, request: Request[Any]) -> Completion:
        params = request.params
        wanted = {
            "model": MODEL,
            "prompt": list(request.prompt),
            "seed": request.seed,
            "temperature": params.temperature,
            "top_p": params.top_p,
            "presence_penalty": params.presence_penalty,
            "max_tokens": min(params.max_tokens, self._longest - len(request.prompt)),
            "stop": list(params.stop),
            "stop_token_ids": self.tokenizer.eos_ids,
            "logprobs": 0,
            "return_token_ids": True,
            "return_tokens_as_token_ids": True,
        }
        async with self._session.post(
            f"{server.url}/v1/completions", json=wanted, headers={HEADER: self._asked.key}
        ) as response:
            said = await response.text()
        match response.status:
            case 200:
                return self._completion(request, said)
            case 409:
                raise _OtherPolicy(said)
            case 400 | 401 | 404 | 422:
                raise StageFailed(f"{server.url} refuses a request: {said[:300]}")
        raise _Refused(f"{server.url} answers {response.status}: {said[:300]}")

    def _completion(self, request: Request[Any], said: str) -> Completion:
        match _read(said):
            case {
                "choices": [
                    {
                        "token_ids": list(ids),
                        "logprobs": {"token_logprobs": list(logprobs)},
                        "finish_reason": "stop" | "length" as reason,
                    }
                ]
            } if ids and len(ids) == len(logprobs):
                whole = Completion(token_ids=ids, logprobs=logprobs, finish_reason=reason, text=self.decode(ids))
                return cut_at_stop(whole, request.params.stop, self.decode)
        raise _Refused(f"expected one response as token ids with log-probabilities, found {said[:300]}")


def _read(said: str) -> Any:
    """What JSON says; None of anything else."""
    try:
        return json.loads(said)
    except (ValueError, RecursionError):
        return None


async def _cancel(tasks: Iterable["asyncio.Task[Any]"]) -> None:
    """End tasks, and wait until they have ended."""
    ended = list(tasks)
    for task in ended:
        task.cancel()
    await asyncio.gather(*ended, return_exceptions=True)
