"""What the cache of huggingface_hub holds. Nothing here asks the hub or changes the cache.

models--OWNER--NAME/refs/main               a commit
models--OWNER--NAME/snapshots/COMMIT/…      files, as links into blobs/
models--OWNER--NAME/trees/COMMIT.json       the list of all files of a commit
"""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from stages.hub.environment import cache_folder
from stages.hub.names import Repository, is_commit
from storage.fingerprint import digest_file


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file of a repository."""

    path: str
    """Relative to the repository."""
    size: int
    """Bytes."""
    blob: str
    """Name of the file's content in `blobs/`."""


def repository_folder(repository: Repository) -> Path:
    """Return the folder of a repository in the cache, which need not exist."""
    return cache_folder() / repository.folder_name


def snapshot_folder(repository: Repository, commit: str) -> Path:
    """Return the folder with the files of a commit, which need not exist."""
    return repository_folder(repository) / "snapshots" / commit


def is_snapshot(folder: Path) -> bool:
    """Return whether a folder holds a commit in a cache of huggingface_hub."""
    return folder.parent.name == "snapshots" and is_commit(folder.name) and "--" in folder.parent.parent.name


def cached_commit(repository: Repository) -> str | None:
    """Return the commit that the repository's revision had when it was last downloaded; None if that is unknown."""
    if is_commit(repository.revision):
        return repository.revision
    try:
        commit = (repository_folder(repository) / "refs" / repository.revision).read_text().strip()
    except OSError:
        return None
    return commit if is_commit(commit) else None


def cached_listing(repository: Repository, commit: str) -> list[RemoteFile] | None:
    """Return all files of a commit as the hub listed them at a download; None if no list was kept."""
    try:
        text = (repository_folder(repository) / "trees" / f"{commit}.json").read_text()
        return only_inside(
            RemoteFile(path, int(entry["size"]), entry.get("lfs_sha256") or entry["blob_id"])
            for path, entry in json.loads(text)["files"].items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def only_inside(files: Iterable[RemoteFile]) -> list[RemoteFile]:
    """Return the files whose paths lead into the repository, and not out of it."""
    return [
        file
        for file in files
        if not file.path.startswith("/") and ".." not in Path(file.path).parts and "/" not in file.blob
    ]


def missing_files(repository: Repository, commit: str, files: Iterable[RemoteFile]) -> list[RemoteFile]:
    """Return the files that the cache does not have, or has with another size."""
    folder = snapshot_folder(repository, commit)
    return [file for file in files if _size(folder / file.path) != file.size]


def is_digest(blob: str) -> bool:
    """Return whether the name of a content is its digest: 40 digits by git, 64 digits (sha256) by git-lfs."""
    return re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", blob) is not None


def has_content(path: Path, blob: str) -> bool:
    """Return whether a file has the content with the name `blob`, which is a digest."""
    if len(blob) == 64:
        return digest_file(path) == blob
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size)
    with path.open("rb") as content:
        while chunk := content.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest() == blob


def received_bytes(repository: Repository, files: Iterable[RemoteFile]) -> int:
    """Return how many bytes of the files the cache has, including those of files that are not complete."""
    blobs = repository_folder(repository) / "blobs"
    total = 0
    for file in files:
        whole = _size(blobs / file.blob)
        parts = (_size(part) or 0 for part in blobs.glob(f"{file.blob}.*incomplete"))
        total += min(max(parts, default=0) if whole is None else whole, file.size)
    return total


def _size(path: Path) -> int | None:
    """Return the bytes of a file on the disk; None if there is no file. Holes of a sparse file do not count."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size if not path.name.endswith("incomplete") else min(status.st_size, status.st_blocks * 512)
