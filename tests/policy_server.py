"""A stand-in for `serl serve` without vLLM: our own gate before vLLM's protocol, answered by the transformers engine.

What vLLM itself makes of the same requests is tested with `-m vllm`.
"""

import asyncio
import random
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Any, Self

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from stages.engines.base import Batch, Completion, SamplingParams
from stages.engines.transformers import TransformersEngine
from stages.engines.vllm_server import MODEL, Gate

_LOADING = threading.Lock()
"""transformers reads one model at a time in a process."""


def free_port() -> int:
    """A port on loopback to listen at, again and again: none that the other end of a connection may be given."""
    while True:
        with suppress(OSError), socket.socket() as tried:
            tried.bind(("127.0.0.1", random.randint(20_000, 32_000)))
            return int(tried.getsockname()[1])


class PolicyServer:
    """One server on loopback, in a thread. Use as a context manager; `kill` and `start` as often as wanted.

    `before` is called with the text of every prompt before it is answered, and may wait, kill the server, or return a
    response to give instead.
    """

    def __init__(self, model: Path, *, before: Callable[[str], Response | None] = lambda prompt: None) -> None:
        self.model, self.before = model, before
        self.loaded: list[str] = []
        """Folders of the policies it was given, by all its lives."""
        self.memory: list[str] = []
        """What was asked of its GPU memory."""
        self.keeps_prefixes = 0
        """How often it still refuses to drop what it has cached."""
        self.linger = 0.0
        """Every response is held back for at most so many seconds."""
        self.answered: list[str] = []
        """Prompts that it answered."""
        self.port = free_port()
        self._engine = TransformersEngine(device="cpu", threads=1)
        self._return: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        app = Starlette(
            routes=[Route("/v1/completions", self._complete, methods=["POST"])], middleware=[Middleware(Gate)]
        )
        app.state.engine_client = self
        self._wanted: list[tuple[Batch, asyncio.Future[Completion]]] = []
        self._server = uvicorn.Server(uvicorn.Config(app, port=self.port, log_level="critical", lifespan="off"))
        self._thread = threading.Thread(target=lambda: asyncio.run(self._live()), daemon=True)
        self._dying = False
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive()
            time.sleep(0.01)

    async def _live(self) -> None:
        self._loop = asyncio.get_running_loop()
        await self._server.serve()

    def kill(self, back_after: float | None = None) -> None:
        """Every connection is cut, whatever is under way; the server may come back after so many seconds."""
        if self._dying:
            return
        self._dying = True

        asyncio.run_coroutine_threadsafe(self._cut(), self._loop)
        if back_after is not None:
            self._return = threading.Thread(target=self._come_back, args=(self._thread, back_after))
            self._return.start()
        elif threading.current_thread() is not self._thread:
            self._thread.join()

    async def _cut(self) -> None:
        for listening in self._server.servers:
            listening.close()
        for _ in range(12):  # some had been accepted and were not yet among the connections
            for connection in list(self._server.server_state.connections):
                connection.transport.abort()
            await asyncio.sleep(0.01)
        self._server.should_exit = self._server.force_exit = True

    def _come_back(self, former: threading.Thread, seconds: float) -> None:
        former.join()
        time.sleep(seconds)
        self.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._return is not None:
            self._return.join()
        self.kill()
        self._thread.join()

    # What the gate asks of vLLM.

    @property
    def vllm_config(self) -> Any:
        return SimpleNamespace(
            model_config=SimpleNamespace(model=str(self.model), max_model_len=512),
            scheduler_config=SimpleNamespace(max_num_seqs=8),
            parallel_config=SimpleNamespace(data_parallel_size=1),
        )

    async def collective_rpc(self, method: str, args: tuple[str, ...] = ()) -> None:
        if method == "serl_reload":
            self.loaded.append(args[0])
            with _LOADING:
                self._engine.load(Path(args[0]), f"load {len(self.loaded)}")

    async def reset_prefix_cache(self) -> bool:
        self.keeps_prefixes -= 1
        return self.keeps_prefixes < 0

    async def sleep(self, level: int) -> None:
        self.memory.append(f"sleep {level}")

    async def wake_up(self, tags: list[str]) -> None:
        self.memory.append(f"wake {tags[0]}, {len(self.loaded)} loaded")

    # vLLM's protocol.

    async def _complete(self, request: Request) -> Response:
        asked = await request.json()
        assert asked["model"] == MODEL and asked["return_token_ids"] and asked["logprobs"] == 0
        assert asked["stop_token_ids"] == self._engine.tokenizer.stop_ids(asked["stop"])
        prompt = self._engine.decode(asked["prompt"])
        if (instead := self.before(prompt)) is not None:
            return instead
        names = ("temperature", "top_p", "presence_penalty", "max_tokens", "stop")
        params = SamplingParams(**{name: tuple(v) if isinstance(v := asked[name], list) else v for name in names})
        batch = Batch(prompts=[asked["prompt"]], seeds=[[asked["seed"]]], params=params)
        if self._dying:  # a killed process answers nothing any more
            await asyncio.sleep(60)
        done = await self._together(batch)
        await asyncio.sleep(random.uniform(0, self.linger))
        self.answered.append(prompt)
        choice = {
            "text": done.text,
            "token_ids": done.token_ids,
            "logprobs": {"token_logprobs": done.logprobs},
            "finish_reason": done.finish_reason,
        }
        return JSONResponse({"choices": [choice]})

    async def _together(self, batch: Batch) -> Completion:
        """Requests that are there at the same time are answered together, as vLLM does."""
        mine: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()
        self._wanted.append((batch, mine))
        await asyncio.sleep(0.01)
        wanted, self._wanted = self._wanted, []
        for params in {one.params: None for one, _ in wanted}:
            alike = [(one, future) for one, future in wanted if one.params == params]
            whole = Batch(
                prompts=[one.prompts[0] for one, _ in alike], seeds=[one.seeds[0] for one, _ in alike], params=params
            )
            [(_, responses)] = self._engine.generate([whole])
            for (_, future), (completion,) in zip(alike, responses, strict=True):
                if not future.done():
                    future.set_result(completion)
        return await mine
