"""The engine whose models run on vLLM servers (`serl serve`), which keep running from run to run.

Prompts and responses travel as token ids over the OpenAI-compatible API: one request per response, each with its own
seed. Every request names the policy that it is meant for, and a server that holds another policy refuses the request
(see `stages.engines.vllm_server`). `stages.engines.vllm_server_pool` spreads the requests and copes with lost servers.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from stages.chat.options import PLAIN, ChatOptions
from stages.engines.base import AnyBatch, Completion, Progress, Responses
from stages.engines.feeding import Request, feed
from stages.engines.tokenizer import PolicyTokenizer, TokenizingEngine, architecture
from stages.engines.vllm_connection import Policy
from stages.engines.vllm_server_pool import Results, ServerPool
from stages.model_folder import read_model_config
from stages.settings.engines import ServerPlacement
from storage.errors import InputError

_SECONDS_BETWEEN_CHECKS = 1.0

Result = TypeVar("Result")


class ServerEngine(TokenizingEngine):
    """An `Engine` (see base) on vLLM servers. Sends no request to a server before `load`.

    Requests carry `secret`; None: `$VLLM_API_KEY`, if it is set.
    """

    on_gpu = False

    def __init__(self, placement: ServerPlacement, *, secret: str | None = None) -> None:
        super().__init__()
        self._loop = asyncio.new_event_loop()
        # The pool lives in this thread; the caller's thread waits at the queue of results.
        self._thread = threading.Thread(target=self._loop.run_forever, name="serl-servers", daemon=True)
        self._thread.start()
        self._results: Results = queue.SimpleQueue()

        async def make_pool() -> ServerPool:
            return ServerPool(placement.urls, placement.patience_seconds, lambda: self._key is not None, secret)

        self._pool = self._run(make_pool())

    @property
    def max_model_tokens(self) -> int:
        return self._pool.max_model_tokens

    def load(self, folder: Path, key: str, chat: ChatOptions = PLAIN) -> None:
        if key == self._key:
            self.tokenizer.ask_as(chat)
            return
        self._key = None
        started = time.perf_counter()
        self._tokenizer = PolicyTokenizer(folder, chat)
        policy = Policy(
            folder=folder.resolve(),
            key=key,
            architecture=architecture(folder),
            context=read_model_config(folder).context,
            tokenizer=self._tokenizer,
        )
        self._run(self._pool.hold(policy), check=self._check_servers)
        self.counters.loads += 1
        self.counters.load_seconds += time.perf_counter() - started
        self._key = key

    def generate(
        self, batches: Iterable[AnyBatch], progress: Progress | None = None
    ) -> Iterator[tuple[AnyBatch, Responses]]:
        tokenizer, max_model_tokens = self.tokenizer, self.max_model_tokens
        self._drop_requests()

        def submit(request: Request[AnyBatch]) -> None:
            self._loop.call_soon_threadsafe(self._pool.submit, request, self._results)

        return feed(
            batches,
            max_requests=self._pool.max_requests,
            check=lambda batch: tokenizer.check(batch, max_model_tokens),
            submit=submit,
            wait=self._wait,
            progress=progress,
        )

    def sleep(self) -> None:
        """Forget the policy, and drop requests that nobody waits for; the servers keep what they hold."""
        if self._key is not None:
            self._key = None
            self._drop_requests()

    def close(self) -> None:
        self._key = None
        if not self._loop.is_closed():
            self._run(self._pool.close())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def check(self, models: Mapping[str, Path], longest: int) -> None:
        """Raise InputError unless each of `models` has a server of its architecture, and those servers take `longest`.

        Args:
            models: folders, by what each model is for ("policy", "voter NAME"), which error messages mention.
            longest: longest prompt + response, in tokens; a model's own context may be shorter.
        """
        self._run(self._pool.describe_all())
        servers = self._pool.servers
        for purpose, folder in models.items():
            required = architecture(folder)
            matches = [server for server in servers if server.description.get("architecture") == required]
            if not matches:
                raise InputError(f"no server runs the model of {purpose}, {folder}: {self._pool.troubles()}; start one "
                                 "with `serl serve`, and name it in compute.server.urls")  # fmt: skip
            for server in matches:
                limit = server.description["max_model_tokens"]
                if limit < min(longest, read_model_config(folder).context):
                    raise InputError(f"{server.url} takes {limit} tokens, and prompts and responses may have {longest} "
                                     "together; raise compute.vllm.max_model_tokens and start it again")  # fmt: skip

    def _run(self, work: Coroutine[Any, Any, Result], check: Callable[[], None] = lambda: None) -> Result:
        """Run a coroutine in the pool's thread, and return its result; call `check` every second meanwhile."""
        running = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            while True:
                with suppress(TimeoutError):
                    return running.result(_SECONDS_BETWEEN_CHECKS)
                if running.done():
                    return running.result()
                check()
        except BaseException:
            running.cancel()
            raise

    def _check_servers(self) -> None:
        """Raise an error if it is of no use to wait for the servers, to load a policy or to answer."""

    def _wait(self) -> list[tuple[Request[Any], Completion]]:
        """Return the responses that have come, at least one.

        Raises StageFailed or InputError if a request cannot be answered.
        """
        ended = [self._next_result()]
        while not self._results.empty():
            ended.append(self._results.get())
        completions = []
        for request, result in ended:
            if isinstance(result, Exception):
                raise result
            completions.append((request, result))
        return completions

    def _next_result(self) -> tuple[Request[Any], Completion | Exception]:
        while True:
            with suppress(queue.Empty):
                return self._results.get(timeout=_SECONDS_BETWEEN_CHECKS)
            self._check_servers()

    def _drop_requests(self) -> None:
        """Drop the requests of an earlier `generate` that was not read to its end."""
        self._run(self._pool.cancel_requests())
        self._results = queue.SimpleQueue()
