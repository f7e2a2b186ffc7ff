"""The vLLM server of `serl serve`: its command line, and the gate that keeps requests for other policies out.

The gate is a middleware of vLLM's OpenAI-compatible server. When a run requests a policy, the gate loads its weights
into the server. A request gets through only if the server holds the policy that the request is meant for. So a server
that was started again, or that another run has given other weights, never answers with the wrong policy.

    GET  /serl/policy                              describes the server and the policy that it holds
    POST /serl/policy {folder, key, architecture}  loads that policy, once no request is under way
    POST /serl/sleep                               drops the policy and gives its GPU memory back, until the next one
    any other request with the header X-Serl-Policy: KEY   refused (409) unless the server holds the policy of that key
"""

import asyncio
import json
import os
import secrets
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from stages.engines.memory_advice import memory_advice
from stages.engines.tokenizer import architecture
from stages.engines.vllm_serve import MODULE, PROGRAM
from stages.settings.engines import VllmPlacement
from storage.code_version import code_version
from storage.errors import InputError

POLICY_PATH = "/serl/policy"
SLEEP_PATH = "/serl/sleep"
POLICY_HEADER = "x-serl-policy"
API_KEY = "VLLM_API_KEY"
"""Environment variable with the secret that requests have to carry, for vLLM and for the gate."""
MODEL = "policy"
"""The model's name on the server."""
_SECONDS_TO_DRAIN = 30.0
"""A load waits so long for the requests under way to end. Then it is refused, and the client tries again."""
_SECONDS_BETWEEN_TRIES = 0.05


def command(folder: Path, placement: VllmPlacement, *, host: str, port: int, model: Path | None = None) -> list[str]:
    """Return the command line of a vLLM server for the model in `folder`.

    `model` is another path of the same folder, which leads there until the server answers; None: the folder's own.
    """
    from stages.engines.vllm import arguments

    settings = arguments(placement, folder) | {
        "model": str(model or folder.resolve()),
        "data_parallel_size": placement.data_parallel,
        "served_model_name": MODEL,
        "middleware": f"{__name__}.{Gate.__name__}",
        "uvicorn_log_level": "warning",
        "host": host,
        "port": port,
    }
    flags = [flag for name, value in settings.items() for flag in _flag(name.replace("_", "-"), value)]
    return [sys.executable, "-m", MODULE, *flags]


def _flag(name: str, value: Any) -> list[str]:
    if value is None:
        return []
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    if isinstance(value, list):
        return [f"--{name}", *map(str, value)]
    return [f"--{name}", json.dumps(value) if isinstance(value, dict) else str(value)]


def serve(folder: Path, placement: VllmPlacement, *, host: str, port: int, threads: int) -> None:
    """Replace this process by a vLLM server for the model in `folder`.

    `threads` becomes OMP_NUM_THREADS, unless the user has set that variable.
    """
    from stages.engines.vllm import set_environment

    set_environment({"OMP_NUM_THREADS": str(threads)})
    python, _, _, *flags = command(folder, placement, host=host, port=port)
    os.execv(python, [python, "-c", PROGRAM, str(folder.resolve()), placement.model_dump_json(), *flags])


class Gate:
    """The middleware that keeps requests for other policies out; one gate serves all copies of the server's model."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._key: str | None = None
        self._prepared = False
        self._asleep = False
        self._started_with = ""
        """Path of the model that the server was started with; it may be a link that another server uses later."""
        self._model = Path()
        """The folder that this path led to."""
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._loading = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        if request.url.path in (POLICY_PATH, SLEEP_PATH):
            await (await self._answer(request))(scope, receive, send)
        elif (requested_key := request.headers.get(POLICY_HEADER)) is None:
            await self._app(scope, receive, send)
        elif self._loading.locked() or requested_key != self._key:
            await _refuse(409, f"it holds {self._key or 'no policy yet'}")(scope, receive, send)
        else:
            await self._pass(scope, receive, send)

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._under_way += 1
        self._idle.clear()
        try:
            await self._app(scope, receive, send)
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()

    async def _answer(self, request: Request) -> JSONResponse:
        if not _is_allowed(request):
            return _refuse(401, f"it asks for ${API_KEY}")
        engine = request.app.state.engine_client
        if engine.vllm_config.model_config.model != self._started_with:
            self._started_with = engine.vllm_config.model_config.model
            self._model = Path(self._started_with).resolve()
        if request.url.path == SLEEP_PATH:
            if request.method != "POST":
                return _refuse(405, f"{SLEEP_PATH} takes POST only")
            async with self._loading:
                if (refusal := await self._sleep(engine)) is not None:
                    return refusal
        elif request.method == "POST":
            try:
                content = await request.json()
                folder, key, expected = Path(content["folder"]), str(content["key"]), str(content["architecture"])
            except (ValueError, KeyError, TypeError):
                return _refuse(400, "expected a JSON object with folder, key and architecture")
            async with self._loading:
                if (refusal := await self._load(engine, folder, key, expected)) is not None:
                    return refusal
        return JSONResponse(self._description(engine.vllm_config))

    def _description(self, config: Any) -> dict[str, Any]:
        return {
            "serl": code_version(),
            "policy": self._key,
            "architecture": architecture(self._model),
            "model": str(self._model),
            "max_model_tokens": config.model_config.max_model_len,
            "sequences": config.scheduler_config.max_num_seqs * config.parallel_config.data_parallel_size,
        }

    async def _load(self, engine: Any, folder: Path, key: str, expected: str) -> JSONResponse | None:
        """Load the weights into every copy of the model; return the refusal if that is not possible.

        `expected` is the folder's architecture on the client's machine.
        """
        if key == self._key:
            return None
        try:
            requested = architecture(folder)
        except InputError as error:
            return _refuse(400, f"on its machine: {error}; it has to see the run's folder under the same path")
        if requested != expected:
            return _refuse(400, f"{folder} is another model on its machine, or its transformers is of another version")
        if requested != architecture(self._model):
            return _refuse(400, f"it runs {self._model}, another architecture than {folder}")
        if (refusal := await self._drain()) is not None:
            return refusal
        self._key = None
        try:
            if not self._prepared:
                await engine.collective_rpc("serl_prepare")
                self._prepared = True
            if self._asleep:
                # The weights come back before the cache, because reading them takes memory that the cache would fill.
                await engine.wake_up(["weights"])
            await engine.collective_rpc("serl_reload", args=(str(folder),))
            if self._asleep:
                await engine.wake_up(["kv_cache"])
                self._asleep = False
            await _forget_prefixes(engine)
        except Exception as error:  # the run that requested the policy gets whatever vLLM raises
            message = " ".join(str(error).split())
            return _refuse(500, f"{folder} cannot be loaded: {message[:300]}{memory_advice(message)}")
        self._key = key
        return None

    async def _sleep(self, engine: Any) -> JSONResponse | None:
        """Drop the policy and give its memory back; return the refusal if that is not possible."""
        if self._asleep:
            return None
        if (refusal := await self._drain()) is not None:
            return refusal
        self._key = None
        try:
            await engine.sleep(2)
        except Exception as error:  # whatever vLLM raises
            return _refuse(500, f"it cannot sleep: {' '.join(str(error).split())[:300]}")
        self._asleep = True
        return None

    async def _drain(self) -> JSONResponse | None:
        """Wait for the requests under way; return the refusal if they take too long."""
        try:
            async with asyncio.timeout(_SECONDS_TO_DRAIN):
                await self._idle.wait()
        except TimeoutError:
            return _refuse(503, f"{self._under_way} requests for {self._key} are under way, of another run")
        return None


async def _forget_prefixes(engine: Any) -> None:
    """Have vLLM drop what it cached with other weights. It refuses while a step of dropped requests is computed.

    Raises RuntimeError if it still refuses when that step should have ended long ago.
    """
    deadline = time.monotonic() + _SECONDS_TO_DRAIN
    while await engine.reset_prefix_cache() is False:
        if time.monotonic() > deadline:
            raise RuntimeError("vLLM does not drop what it cached with the old weights")
        await asyncio.sleep(_SECONDS_BETWEEN_TRIES)


def headers(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the headers that a request to a server needs: the secret, if there is one."""
    secret = environment.get(API_KEY)
    return {"Authorization": f"Bearer {secret}"} if secret else {}


def _is_allowed(request: Request) -> bool:
    expected = headers().get("Authorization", "")
    return secrets.compare_digest(request.headers.get("Authorization", "").encode(), expected.encode()) or not expected


def _refuse(status: int, reason: str) -> JSONResponse:
    return JSONResponse({"error": reason}, status_code=status)
