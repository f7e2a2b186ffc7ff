"""Requests to one vLLM server (`serl serve`), and the exceptions for its error responses."""

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from stages.engines.base import Completion
from stages.engines.feeding import Request
from stages.engines.tokenizer import PolicyTokenizer
from stages.engines.vllm_server import API_KEY, MODEL, POLICY_HEADER, POLICY_PATH, headers
from storage.errors import StageFailed

_SECONDS_TO_DESCRIBE = 60.0
"""Time limit of `ServerConnection.describe`. `load` has no time limit."""


class ServerRefused(Exception):
    """The server answered, but did not do what was requested; a later try may succeed."""


class LoadFailed(ServerRefused):
    """The server tried to load the policy and failed."""


class HoldsOtherPolicy(ServerRefused):
    """The server holds another policy than the requested one."""


class ServerUnfit(Exception):
    """The server, as it was started, cannot serve the policy. A retry would not help."""


CONNECTION_ERRORS = (ServerRefused, aiohttp.ClientError, OSError, TimeoutError)
"""Errors after which the same server may be tried again later."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """A policy that servers are to hold."""

    folder: Path
    """Absolute: the server's machine has to see the folder under the same path."""
    key: str
    """Key of the policy's artifact."""
    architecture: str
    """See `stages.engines.tokenizer.architecture`."""
    context: int
    """Longest prompt + response that the model was made for, in tokens."""
    tokenizer: PolicyTokenizer


@dataclass(eq=False, slots=True)
class ServerConnection:
    """One server as the engine sees it. All methods run in the event loop of `session`."""

    url: str
    session: aiohttp.ClientSession
    description: dict[str, Any] = field(default_factory=dict)
    """The server's last description of itself (see `stages.engines.vllm_server`); empty before the first."""
    ready: bool = False
    """Whether the server holds the requested policy."""
    unfit: bool = False
    """Whether the server was given up: it cannot serve the requested policy, or failed to load a policy too often."""
    trouble: str = ""
    """Why the server is not ready, in the server's or the network's words; empty before the first try and if ready."""
    times_ready: int = 0
    """How often the server became ready. The error of a request that was sent before the last time says nothing about
    the server's present state."""
    lost: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the server is lost, cleared when it is ready again. The server's supervisor waits for this event."""
    requests: "set[asyncio.Task[Completion]]" = field(default_factory=set)
    """Requests that the server works on."""

    @property
    def occupancy(self) -> float:
        """Requests under way, divided by how many responses the server computes at once. Above 1, some wait."""
        return len(self.requests) / float(self.description["sequences"])

    async def describe(self) -> dict[str, Any]:
        """Return the server's description of itself. Raises ServerUnfit or one of CONNECTION_ERRORS."""
        timeout = aiohttp.ClientTimeout(total=_SECONDS_TO_DESCRIBE)
        async with self.session.get(self.url + POLICY_PATH, timeout=timeout) as response:
            return await _read_description(response)

    async def load(self, policy: Policy) -> dict[str, Any]:
        """Have the server hold `policy`; return the server's description after that.

        Raises ServerUnfit or one of CONNECTION_ERRORS; among these, HoldsOtherPolicy if another run's policy was loaded
        meanwhile.
        """
        content = {"folder": str(policy.folder), "key": policy.key, "architecture": policy.architecture}
        async with self.session.post(self.url + POLICY_PATH, json=content) as response:
            description = await _read_description(response)
        if description["policy"] != policy.key:
            raise HoldsOtherPolicy(f"it holds {description['policy']}")
        return description

    async def complete(self, request: Request[Any], policy: Policy, max_model_tokens: int) -> Completion:
        """Return the response to one request.

        Raises StageFailed for status 400, 401, 404 and 422, because a retry would not help; HoldsOtherPolicy for 409;
        ServerRefused for other errors and for a response that cannot be read; or another of CONNECTION_ERRORS.
        """
        params = request.params
        content = {
            "model": MODEL,
            "prompt": list(request.prompt),
            "seed": request.seed,
            "temperature": params.temperature,
            "top_p": params.top_p,
            "presence_penalty": params.presence_penalty,
            "max_tokens": min(params.max_tokens, max_model_tokens - len(request.prompt)),
            "stop": list(params.stop),
            "stop_token_ids": policy.tokenizer.stop_ids(params.stop),
            "logprobs": 0,
            "return_token_ids": True,
            "return_tokens_as_token_ids": True,
        }
        async with self.session.post(
            f"{self.url}/v1/completions", json=content, headers={POLICY_HEADER: policy.key}
        ) as response:
            text = await response.text()
        match response.status:
            case 200:
                return _parse_completion(text, request, policy.tokenizer)
            case 409:
                raise HoldsOtherPolicy(text)
            case 400 | 401 | 404 | 422:
                raise StageFailed(f"{self.url} refuses a request: {text[:300]}")
        raise ServerRefused(f"{self.url} answers {response.status}: {text[:300]}")


def open_session(secret: str | None = None) -> aiohttp.ClientSession:
    """Return a session for all servers. Call it in the event loop that is to use the session.

    Requests carry `secret`; None: `$VLLM_API_KEY`, if it is set.
    """
    return aiohttp.ClientSession(
        headers=headers() if secret is None else headers({API_KEY: secret}),
        # vLLM closes connections after 5 idle seconds. The session drops them after 3, so that no request is sent on a
        # connection that is being closed.
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=3),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=10),
    )


async def _read_description(response: aiohttp.ClientResponse) -> dict[str, Any]:
    """Return the server's description of itself from a response.

    Raises ServerUnfit, LoadFailed or ServerRefused if the response holds none.
    """
    if response.status == 404:
        raise ServerUnfit("it was not started by `serl serve`")
    text = await response.text()
    content = _parse_json(text)
    match response.status, content:
        case 200, {"policy": _, "architecture": _, "max_model_tokens": int(), "sequences": int()}:
            return dict(content)
        case 400 | 401, {"error": reason}:
            raise ServerUnfit(reason)
        case 500, {"error": reason}:
            raise LoadFailed(reason)
        case _, {"error": reason}:
            raise ServerRefused(reason)
        case status, _ if status > 500:  # a proxy in front of a server that is not up yet
            raise ServerRefused(f"{status} {text[:100]}")
    raise ServerUnfit(f"its answer of status {response.status} is not that of `serl serve`")


def _parse_completion(text: str, request: Request[Any], tokenizer: PolicyTokenizer) -> Completion:
    """Return the response that the server's JSON holds. Raises ServerRefused if there is none."""
    match _parse_json(text):
        case {
            "choices": [
                {
                    "token_ids": list(ids),
                    "logprobs": {"token_logprobs": list(logprobs)},
                    "finish_reason": "stop" | "length" as reason,
                }
            ]
        } if ids and len(ids) == len(logprobs):
            whole = Completion(token_ids=ids, logprobs=logprobs, finish_reason=reason, text=tokenizer.decode(ids))
            return tokenizer.complete(whole, request.prompt, request.params.stop)
    raise ServerRefused(f"expected one response as token ids with log-probabilities, found {text[:300]}")


def _parse_json(text: str) -> Any:
    """Return the value of a JSON text, None if the text is not JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
