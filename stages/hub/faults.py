"""What went wrong with the hub, in one line for the user. Errors of huggingface_hub are known by their classes' names.

The names are stable, while the HTTP library under huggingface_hub has changed.
"""

import errno
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from stages.hub.environment import cache_folder, endpoint, user_environment
from stages.hub.names import Repository

FaultKind = Literal["no connection", "missing", "gated", "revision", "no file", "busy", "space", "cache", "other"]

_TRANSIENT = (408, 429, 500, 502, 503, 504)
_FULL = (errno.ENOSPC, errno.EDQUOT)
_NOT_WRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR)
AGAIN = "run the same command again later: it goes on from what has arrived"


class CutConnection(Exception):
    """A connection ended before the whole file had arrived."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why the hub did not give what was asked for."""

    kind: FaultKind
    message: str
    """One line: what was found, and what to do."""


def is_transient(error: BaseException) -> bool:
    """Return whether the same request may succeed a little later."""
    if _status(error) is not None:
        return _status(error) in _TRANSIENT
    return "TransportError" in _classes(error) or isinstance(error, CutConnection | ConnectionError | TimeoutError)


def wait_time(error: BaseException) -> float | None:
    """Return the seconds that the hub asks to wait (Retry-After); None if the hub does not say."""
    response: Any = getattr(error, "response", None)
    text = response.headers.get("Retry-After", "") if response is not None else ""
    return float(text) if text.isdecimal() else None


def fault_of(error: BaseException, repository: Repository, other_kind_exists: bool) -> Fault:
    """Return the fault that an error of huggingface_hub stands for.

    `other_kind_exists`: the hub has a repository of this name of the other kind (a data set instead of a model, or a
    model instead of a data set).
    """
    label, page = repository.label, f"{endpoint()}/{repository.page}"
    classes, status, text = _classes(error), _status(error), _one_line(error)
    if "GatedRepoError" in classes:
        return Fault("gated", f"{label} is gated: {_gate(page)}")
    if "RevisionNotFoundError" in classes:
        return Fault(
            "revision",
            f"{label}: the repository exists and has no branch, tag or commit {repository.revision!r}; see {page} "
            "under Files and versions",
        )
    if "EntryNotFoundError" in classes and status == 404:
        return Fault("no file", f"{label}: a file does not exist in the repository ({text})")
    if "DisabledRepoError" in classes:
        return Fault("missing", f"{label}: the hub has disabled access to {page}")
    if status == 401 and "Invalid credentials" in _server_message(error):
        return Fault(
            "gated", f"{label}: the hub refuses your token (expired or mistyped); set HF_TOKEN to a token that is valid"
        )
    if status in (401, 404) or "RepositoryNotFoundError" in classes:
        return _missing(repository, other_kind_exists)
    if status == 403:
        return Fault("gated", f"{label}: the hub refuses access (403): {_gate(page)}")
    if status == 429:
        return Fault(
            "busy",
            f"{label}: too many requests to the hub (429); wait a few minutes, or set HF_TOKEN, which has a higher "
            f"limit; then {AGAIN}",
        )
    if status is not None and status >= 500:
        return Fault("busy", f"{label}: the hub answers with error {status}; {AGAIN}")
    return _fault_without_status(error, repository, text)


def _fault_without_status(error: BaseException, repository: Repository, text: str) -> Fault:
    label, classes = repository.label, _classes(error)
    if isinstance(error, CutConnection):
        return Fault("no connection", f"{label}: the connection to {endpoint()} was cut ({text}); {AGAIN}")
    if classes & {"TransportError", "OfflineModeIsEnabled", "ConnectionError", "TimeoutError"}:
        return Fault(
            "no connection",
            f"{label}: no connection to {endpoint()} ({type(error).__name__}: {text}), and no "
            f"{_local(repository)} {repository.name} is here; check the network, HTTPS_PROXY and HF_ENDPOINT; then "
            f"{AGAIN}",
        )
    for cause in _chain(error):
        if isinstance(cause, OSError) and cause.errno in _FULL:
            return Fault("space", f"{label}: the disk of {cache_folder()} is full; {room_advice()}; then {AGAIN}")
        if isinstance(cause, OSError) and cause.errno in _NOT_WRITABLE:
            return Fault("cache", f"{label}: {cache_folder()} cannot be written to ({_one_line(cause)}); set HF_HOME")
    if isinstance(error, ValueError):  # JSON was expected
        return Fault(
            "other",
            f"{label}: {endpoint()} does not answer as the hub does ({text}); check HF_ENDPOINT and the network's "
            "log-in page",
        )
    return Fault("other", f"{label}: the download failed ({type(error).__name__}: {text})")


def room_advice() -> str:
    """Return what to do about a full disk."""
    return "make room there, or set HF_HOME to a folder on a larger disk"


def _missing(repository: Repository, other_kind_exists: bool) -> Fault:
    label, model = repository.label, repository.kind == "model"
    if other_kind_exists:
        is_a, expected = ("a data set", "a model") if model else ("a model", "a data set")
        return Fault("missing", f"{label}: on the hub {repository.name} is {is_a}, expected {expected}")
    kind, local = "model" if model else "data set", _local(repository)
    return Fault(
        "missing",
        f"{label}: {endpoint()} has no {kind} of this name that you may read, and there is no {local} "
        f"{repository.name} here; check the name; for a private {kind} set HF_TOKEN",
    )


def _local(repository: Repository) -> str:
    """Return what a name may mean besides a repository of the hub."""
    return "folder" if repository.kind == "model" else "file or folder"


def _gate(page: str) -> str:
    token = "HF_TOKEN" in user_environment()
    account = "the account of your token (HF_TOKEN)" if token else "your account"
    then = "then run again" if token else "then set HF_TOKEN to a token of that account (or run `hf auth login`)"
    return f"accept its conditions with {account} at {page}, {then}"


def _classes(error: BaseException) -> set[str]:
    """Return the names of the classes of an error and of its causes."""
    return {kind.__name__ for link in _chain(error) for kind in type(link).__mro__}


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and its causes; an error about a cache without the file hides why the hub was not reached."""
    link: BaseException | None = error
    for _ in range(10):
        if link is None:
            return
        yield link
        link = link.__cause__


def _status(error: BaseException) -> int | None:
    """Return the HTTP status of the hub's answer; None if there was no answer."""
    for link in _chain(error):
        response: Any = getattr(link, "response", None)
        if response is not None:
            return int(response.status_code)
    return None


def _server_message(error: BaseException) -> str:
    responses: list[Any] = [getattr(link, "response", None) for link in _chain(error)]
    return next((response.headers.get("X-Error-Message", "") for response in responses if response is not None), "")


def _one_line(error: BaseException) -> str:
    """Return the innermost message, short and without the user's token."""
    text = " ".join(str(list(_chain(error))[-1]).split())[:200] or type(error).__name__
    token = user_environment().get("HF_TOKEN")
    return text.replace(token, "***") if token else text
