"""What no manifest refers to: leftovers of killed processes, of attempts that were never finished, of repairs."""

import re
from dataclasses import dataclass

from storage.artifact import read_manifest
from storage.fingerprint import short
from storage.retention import tombstone_path
from storage.store import Store

_OURS = re.compile(r"[a-z_]+/iteration=\d{4}/key=(k[0-9a-f]{12})/")
"""Only what looks like a stage's output is ever called garbage; a user's own notes are not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Garbage:
    """One file that may go."""

    path: str
    bytes: int
    reason: str
    upload: str | None = None
    # Id of an unfinished upload to S3, which is not a file yet and costs all the same.


def find_garbage(store: Store, next_key: str | None) -> list[Garbage]:
    """Every file that may go. `next_key`: of the stage that a resumed run does next, whose finished parts it will use.

    Raises CorruptArtifact for a damaged manifest: what it listed cannot be told from garbage. Hold the run's lease
    meanwhile: a file that is being written is not listed by a manifest either.
    """
    sizes = store.listing()
    listed: set[str] = set()
    finished: set[str] = set()
    for path in sizes:
        if not path.startswith("manifests/"):
            continue
        manifest = read_manifest(store, path)
        finished.add(short(manifest.key))
        for kind, output in manifest.outputs.items():
            if tombstone_path(manifest, kind) not in sizes:
                listed.update(file.path for file in output.files)
    found = []
    for path, size in sizes.items():
        if path not in listed and (reason := _reason(path, finished, next_key)):
            found.append(Garbage(path=path, bytes=size, reason=reason))
    return found + [
        Garbage(path=path, bytes=size, reason="an upload that was never finished", upload=upload)
        for path, size, upload in store.unfinished_uploads()
    ]


def remove_garbage(store: Store, garbage: list[Garbage]) -> None:
    store.remove(item.path for item in garbage if item.upload is None)
    for item in garbage:
        if item.upload is not None:
            store.abort_upload(item.path, item.upload)


def _reason(path: str, finished: set[str], next_key: str | None) -> str | None:
    """Why a file that no manifest lists may go; None when it is none of that."""
    if path.startswith(".tmp/"):
        return "a temporary file of a killed process"
    if path.startswith("damaged/"):
        return "set aside by a repair"
    if not (found := _OURS.match(path)):
        return None
    if next_key and found[1] == short(next_key):
        return None
    if found[1] not in finished:
        return "of a stage that was never finished"
    # The plan of a finished stage is needed again should one of its parts be damaged.
    return None if path.endswith("/plan.json") else "not listed by its stage's manifest"
