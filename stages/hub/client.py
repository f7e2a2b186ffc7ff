"""Ask the hub for commits, lists of files and files. Each question is answered by a child process (`worker`).

Without a connection, or with HF_HUB_OFFLINE=1, the cache of huggingface_hub answers if it can.
"""

import json
import os
import selectors
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from stages.hub.cache import (
    RemoteFile,
    cached_commit,
    cached_listing,
    missing_files,
    only_inside,
    received_bytes,
    snapshot_folder,
)
from stages.hub.environment import cache_folder, endpoint, is_offline, user_environment
from stages.hub.faults import AGAIN, Fault, room_advice
from stages.hub.names import Repository, is_commit
from stages.hub.progress import DownloadProgress, note
from storage.errors import InputError

WAITS = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 60.0)
"""Seconds before each further attempt of a download that failed. They start over when bytes have arrived."""
_WAITS_OF_QUESTIONS = (1.0, 2.0, 4.0)
"""The same for questions without a download."""
_IMPATIENT = (1.0,)
"""The same for questions that the cache can answer instead."""
_SECONDS_WITHOUT_WORD = 5.0
"""The user is told when an answer takes longer than this."""
_SECONDS_OF_SILENCE = 900.0
"""A worker that neither answers nor receives bytes for so long hangs. The hub may ask it to wait for 300 s."""
_SPARE_BYTES = 1 << 26


class HubError(InputError):
    """The hub did not give what was asked for."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.kind = fault.kind


def find_commit(repository: Repository) -> str:
    """Return the commit that the hub has at the repository's revision; without a connection, the cache's.

    Raises HubError if the hub does not know the repository or the revision, or if nobody can tell the commit.
    """
    if is_commit(repository.revision):
        return repository.revision
    cached = cached_commit(repository)
    if is_offline():
        if cached is None:
            raise HubError(_not_in_cache(repository))
        return cached
    try:
        commit: str = _ask("commit", repository, waits=_IMPATIENT if cached else _WAITS_OF_QUESTIONS)
    except HubError as error:
        if error.kind not in ("no connection", "busy") or cached is None:
            raise
        note(f"{error}; taken from the cache instead: commit {cached}")
        return cached
    return commit


def list_files(repository: Repository, commit: str) -> list[RemoteFile]:
    """Return all files of a commit. The list that a download left in the cache is taken if there is one.

    Raises HubError if there is none and the hub does not answer.
    """
    if (cached := cached_listing(repository, commit)) is not None:
        return cached
    if is_offline():
        raise HubError(_not_in_cache(repository, commit))
    at_commit = Repository(repository.name, repository.kind, commit)
    has_files = snapshot_folder(repository, commit).is_dir()
    entries = _ask("files", at_commit, commit=commit, waits=_IMPATIENT if has_files else _WAITS_OF_QUESTIONS)
    return only_inside(RemoteFile(*entry) for entry in entries)


def download(repository: Repository, commit: str, files: Sequence[RemoteFile]) -> Path:
    """Return the folder of a commit in the cache, after a download of those of its files that are missing there.

    Raises HubError if a file is missing and the hub does not give it, or if the disk has no room for it.
    """
    folder = snapshot_folder(repository, commit)
    missing = missing_files(repository, commit, files)
    if not missing:
        return folder
    if is_offline():
        raise HubError(_not_in_cache(repository, commit, [file.path for file in missing]))
    total, received = sum(file.size for file in missing), received_bytes(repository, missing)
    _check_room(repository, total - received)
    with DownloadProgress(f"{repository.label} (commit {commit[:12]})", len(missing), total, received) as progress:
        _ask(
            "download",
            repository,
            commit=commit,
            files={file.path: file.size for file in missing},
            waits=WAITS,
            meanwhile=lambda: progress.update(received_bytes(repository, missing)),
        )
        progress.finish()
    if missing := missing_files(repository, commit, files):
        raise HubError(
            Fault(
                "other",
                f"{repository.label}: {missing[0].path} did not arrive with its size, {missing[0].size:,} bytes",
            )
        )
    return folder


def _not_in_cache(repository: Repository, commit: str | None = None, missing: Sequence[str] = ()) -> Fault:
    """Return the fault of a repository that is asked for offline and is not, or not completely, in the cache."""
    of_commit = f" of commit {commit}" if commit else ""
    nothing = f"does not have its commit {commit}" if commit else "does not have it"
    lacks = f"lacks {', '.join(missing[:3])}{' and more' if missing[3:] else ''}{of_commit}" if missing else ""
    revision = commit or repository.revision
    kind = " --repo-type dataset" if repository.kind == "dataset" else ""
    return Fault(
        "no connection",
        f"{repository.label}: HF_HUB_OFFLINE=1 forbids a download, and the cache {cache_folder()} "
        f"{lacks or nothing}; on a machine with a connection and the same HF_HOME: hf download "
        f"{repository.name}{kind}{'' if revision == 'main' else f' --revision {revision}'}",
    )


def _check_room(repository: Repository, needed: int) -> None:
    folder = cache_folder()
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if needed + _SPARE_BYTES > free:
        raise HubError(
            Fault(
                "space",
                f"{repository.label} needs {needed / 1e9:,.1f} GB in {folder}, where {free / 1e9:,.1f} GB are free; "
                f"{room_advice()}",
            )
        )


def _ask(action: str, repository: Repository, *, meanwhile: Callable[[], int] | None = None, **request: Any) -> Any:
    """Return the answer of a worker. Raises HubError if the answer is a fault.

    `meanwhile` is called a few times per second until the answer is there. It returns the bytes that have arrived.
    Without it, a line says that the answer takes long.
    """
    meanwhile = meanwhile or _note_once(f"{repository.label}: waiting for {endpoint()}")
    question = json.dumps({"action": action, "repository": asdict(repository), **request})
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "stages.hub.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=_environment(),
            text=True,
        )
        assert process.stdin and process.stdout
        try:
            with suppress(BrokenPipeError):  # a worker that has died at once left its reason in the log
                process.stdin.write(question + "\n")
                process.stdin.flush()
            if not _answers(process, meanwhile):
                raise HubError(_silence(repository))
            answer = process.stdout.read()
        finally:
            process.kill()
            process.wait()
            with suppress(BrokenPipeError):
                process.stdin.close()
            process.stdout.close()
        log.seek(0)
        return _result(answer, repository, log.read().decode(errors="replace"))


def _note_once(line: str) -> Callable[[], int]:
    """Return a function that prints a line when it is called for the first time after a while, and returns 0."""
    due: list[float] = [time.monotonic() + _SECONDS_WITHOUT_WORD]

    def remind() -> int:
        if due and time.monotonic() > due[0]:
            due.clear()
            note(line)
        return 0

    return remind


def _answers(process: "subprocess.Popen[str]", meanwhile: Callable[[], int]) -> bool:
    """Return True when the worker has written its answer or has ended, False when it hangs."""
    assert process.stdout
    alive, received = time.monotonic(), -1
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while not selector.select(timeout=0.2):
            if (now := meanwhile()) != received:
                alive, received = time.monotonic(), now
            if time.monotonic() > alive + _SECONDS_OF_SILENCE:
                return False
    return True


def _silence(repository: Repository) -> Fault:
    return Fault(
        "no connection",
        f"{repository.label}: nothing has arrived from {endpoint()} for {_SECONDS_OF_SILENCE:.0f} s; {AGAIN}",
    )


def _result(answer: str, repository: Repository, log: str) -> Any:
    try:
        values: Mapping[str, Any] = json.loads(answer.strip().rpartition("\n")[2])
    except ValueError:
        last = " ".join(log.split()[-30:]) or "no output"
        fault = Fault("other", f"{repository.label}: the process that downloads has died ({last})")
        raise HubError(fault) from None
    if fault_values := values.get("fault"):
        raise HubError(Fault(**fault_values))
    return values["result"]


def _environment() -> dict[str, str]:
    """Return the user's environment, for a process that can import `stages`, without progress bars and telemetry."""
    root = str(Path(__file__).resolve().parents[2])
    environment = user_environment()
    path = environment.get("PYTHONPATH")
    return {
        **environment,
        "PYTHONPATH": f"{root}{os.pathsep}{path}" if path else root,
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
