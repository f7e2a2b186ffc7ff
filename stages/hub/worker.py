"""A child process that talks to the hub: `python -m stages.hub.worker`. See `stages.hub.client`, which starts it.

The request is a line of JSON on stdin. The answer is a line of JSON on stdout: {"result": …} or {"fault": …}. The
process ends when stdin is closed, so it does not outlive a parent that was killed. All files land in the cache of
huggingface_hub, as if huggingface_hub had downloaded them.
"""

import fcntl
import glob
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any, BinaryIO

from stages.hub.cache import has_content, is_digest, repository_folder, snapshot_folder
from stages.hub.faults import CutConnection, fault_of, is_transient, wait_time
from stages.hub.names import Repository, is_commit

_SMALL_BYTES = 1 << 20
"""Files of at most this size are downloaded without parts."""
_FILES_AT_ONCE = 4
_SECONDS_TO_CONNECT = 20
_LONGEST_WAIT = 300.0
"""Most seconds that the hub can make this process wait before the next attempt (Retry-After)."""


def find_commit(repository: Repository, request: Mapping[str, Any]) -> str:
    """Return the commit of the repository's revision."""
    from huggingface_hub import HfApi

    info = HfApi().repo_info(
        repository.name, repo_type=repository.kind, revision=repository.revision, timeout=_SECONDS_TO_CONNECT
    )
    if not info.sha or not is_commit(info.sha):
        raise ValueError(f"no commit in the answer for {repository.name}")
    return info.sha


def list_files(repository: Repository, request: Mapping[str, Any]) -> list[tuple[str, int, str]]:
    """Return path, bytes and blob name of each file of `request["commit"]`."""
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

    tree = HfApi().list_repo_tree(
        repository.name, repo_type=repository.kind, revision=request["commit"], recursive=True
    )
    return [
        (entry.path, entry.size, entry.lfs.sha256 if entry.lfs else entry.blob_id)
        for entry in tree
        if isinstance(entry, RepoFile)
    ]


def download(repository: Repository, request: Mapping[str, Any]) -> None:
    """Download `request["files"]` (path -> bytes) of `request["commit"]`, small files first.

    A file that is complete in the cache is not downloaded again. A large file goes on from the bytes that are there.
    """
    from huggingface_hub import snapshot_download

    commit, sizes, waits = request["commit"], request["files"], request["waits"]
    folder = snapshot_folder(repository, commit)
    for path, size in sizes.items():
        _drop_damaged(folder / path, size)
    small = [path for path, size in sizes.items() if size <= _SMALL_BYTES]
    patiently(
        waits,
        lambda: snapshot_download(
            repository.name,
            repo_type=repository.kind,
            revision=commit,
            allow_patterns=[glob.escape(path) for path in small],
        ),
    )
    pool = ThreadPoolExecutor(max_workers=_FILES_AT_ONCE)
    large = [path for path in sizes if path not in small]
    try:
        for future in as_completed(pool.submit(_download_file, repository, commit, path, waits) for path in large):
            future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # after an error, the other files end with this process
    if not is_commit(repository.revision):
        _write_ref(repository, commit)


def patiently(waits: list[float], action: Callable[[], Any], progress: Callable[[], int] = lambda: 0) -> Any:
    """Return what `action` returns; after an error that may pass, wait and try again.

    `waits`: seconds before each further attempt. `progress`: a number of bytes; when it has grown since the last
    attempt, the waits start over.
    """
    attempt, before = 0, progress()
    while True:
        try:
            return action()
        except Exception as error:
            now = progress()
            if now > before:
                attempt, before = 0, now
            if not is_transient(error) or attempt >= len(waits):
                raise
            time.sleep(min(max(waits[attempt], wait_time(error) or 0.0), _LONGEST_WAIT))
            attempt += 1


def _download_file(repository: Repository, commit: str, path: str, waits: list[float]) -> None:
    """Download one file into the cache.

    A file behind Xet storage is left to huggingface_hub. For other files huggingface_hub forgets the bytes of an
    attempt that failed, so these are kept here, and the whole file is handed over as a blob of the cache.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url

    url = hf_hub_url(repository.name, path, repo_type=repository.kind, revision=commit)
    metadata = patiently(waits, lambda: get_hf_file_metadata(url, timeout=_SECONDS_TO_CONNECT))
    blob = metadata.etag or ""
    if metadata.size and metadata.xet_file_data is None and is_digest(blob):
        target = repository_folder(repository) / "blobs" / blob
        target.parent.mkdir(parents=True, exist_ok=True)
        _fetch_blob(url, target, metadata.size, waits)

    def finish() -> None:
        try:
            hf_hub_download(repository.name, path, repo_type=repository.kind, revision=commit)
        except (RuntimeError, ConnectionError, TimeoutError) as error:
            if metadata.xet_file_data is None:
                raise
            raise CutConnection(" ".join(str(error).split())[:200]) from None  # Xet storage has no class for it

    patiently(waits, finish)


def _fetch_blob(url: str, target: Path, size: int, waits: list[float]) -> None:
    """Download a file of `size` bytes to `target`, whose name is its digest. Another process may do the same."""
    partial = target.with_name(f"{target.name}.serl.incomplete")
    with partial.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if target.exists():
            partial.unlink(missing_ok=True)
            return
        for attempt in (1, 2):
            patiently(waits, lambda: _receive(url, file, size), lambda: partial.stat().st_size)
            if has_content(partial, target.name):
                break
            file.truncate(0)  # another process wrote to the file, where locks have no effect
            if attempt == 2:
                raise CutConnection("the bytes that arrived have another digest than the hub says")
        os.fsync(file.fileno())
        partial.replace(target)


def _receive(url: str, file: BinaryIO, size: int) -> None:
    """Append the missing bytes of a file of `size` bytes. Raises CutConnection if fewer arrive."""
    from huggingface_hub import get_session
    from huggingface_hub.utils import build_hf_headers, hf_raise_for_status  # type: ignore[attr-defined]

    have = os.fstat(file.fileno()).st_size
    if have > size:
        file.truncate(have := 0)
    if have == size:
        return
    headers = build_hf_headers() | {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with get_session().stream("GET", url, headers=headers, timeout=_SECONDS_TO_CONNECT) as response:
        hf_raise_for_status(response)
        if have and response.status_code != 206:
            file.truncate(have := 0)  # the server sends the whole file
        try:
            for chunk in response.iter_bytes():
                file.write(chunk)
        finally:
            file.flush()
    have = os.fstat(file.fileno()).st_size
    if have < size:
        raise CutConnection(f"after {have:,} of {size:,} bytes")


def _drop_damaged(path: Path, size: int) -> None:
    """Delete a file of the cache that has another size than the hub says, so that it is downloaded again."""
    if path.exists() and path.stat().st_size != size:
        path.resolve().unlink(missing_ok=True)
        path.unlink(missing_ok=True)


def _write_ref(repository: Repository, commit: str) -> None:
    """Record the commit of a branch or tag as huggingface_hub does, for a later start without the hub."""
    ref = repository_folder(repository) / "refs" / repository.revision
    ref.parent.mkdir(parents=True, exist_ok=True)
    temporary = ref.with_name(f"{ref.name}.{os.getpid()}.tmp")
    temporary.write_text(commit)
    temporary.replace(ref)


def _other_kind_exists(repository: Repository) -> bool:
    """Return whether the hub has a data set of the name of a model, or a model of the name of a data set."""
    from huggingface_hub import HfApi

    other = "dataset" if repository.kind == "model" else "model"
    try:
        HfApi().repo_info(repository.name, repo_type=other, timeout=_SECONDS_TO_CONNECT)
    except Exception:
        return False
    return True


_ACTIONS: dict[str, Callable[[Repository, Mapping[str, Any]], Any]] = {
    "commit": lambda repository, request: patiently(request["waits"], lambda: find_commit(repository, request)),
    "files": lambda repository, request: patiently(request["waits"], lambda: list_files(repository, request)),
    "download": download,
}


def main() -> None:
    """Answer the request on stdin."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print is no answer
    request = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    repository = Repository(**request["repository"])
    try:
        answer = {"result": _ACTIONS[request["action"]](repository, request)}
    except Exception as error:
        fault = fault_of(error, repository, False)
        if fault.kind == "missing":
            fault = fault_of(error, repository, _other_kind_exists(repository))
        answer = {"fault": {"kind": fault.kind, "message": fault.message}}
    answers.write(json.dumps(answer) + "\n")
    answers.flush()
    os._exit(0)  # threads that still download must not delay the answer


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    main()
