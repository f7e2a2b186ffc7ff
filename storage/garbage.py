"""Garbage collection: files that no manifest lists, left by killed processes, unfinished attempts and repairs."""

import re
from dataclasses import dataclass

from storage.artifact import read_manifest
from storage.fingerprint import short
from storage.prune import tombstone_path
from storage.store import Store

_STAGE_OUTPUT = re.compile(r"[a-z_]+/iteration=\d{4}/key=(k[0-9a-f]{12})/")
"""Paths of stage outputs. Other files, such as a user's notes in the folder of a run, are never garbage."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Garbage:
    """One file, or one unfinished upload to S3, that may be deleted."""

    path: str
    bytes: int
    reason: str
    upload_id: str | None = None
    """Id of the unfinished upload; None for a file. S3 charges for both."""


def find_garbage(store: Store, next_key: str | None) -> list[Garbage]:
    """Return every file and unfinished upload of a run that may be deleted.

    `next_key` is the key of the stage that a resumed run executes next, None if the run is finished. The existing parts
    of that stage are no garbage, because the resumed run uses them.

    Hold the run's lease meanwhile, since no manifest lists a file that is being written. Raises CorruptArtifact or
    UnknownFormat if a manifest cannot be read, because the files that it lists would be taken for garbage.
    """
    sizes = store.listing()
    listed_files: set[str] = set()
    finished_keys: set[str] = set()
    for path in sizes:
        if not path.startswith("manifests/"):
            continue
        manifest = read_manifest(store, path)
        finished_keys.add(short(manifest.key))
        for kind, output in manifest.outputs.items():
            if tombstone_path(manifest, kind) not in sizes:
                listed_files.update(file.path for file in output.files)
    garbage = []
    for path, size in sizes.items():
        if path not in listed_files and (reason := _reason(path, finished_keys, next_key)):
            garbage.append(Garbage(path=path, bytes=size, reason=reason))
    return garbage + [
        Garbage(path=path, bytes=size, reason="an upload that was never finished", upload_id=upload_id)
        for path, size, upload_id in store.unfinished_uploads()
    ]


def remove_garbage(store: Store, garbage: list[Garbage]) -> None:
    """Delete the files and unfinished uploads that `find_garbage` returned."""
    store.remove(item.path for item in garbage if item.upload_id is None)
    for item in garbage:
        if item.upload_id is not None:
            store.abort_upload(item.path, item.upload_id)


def _reason(path: str, finished_keys: set[str], next_key: str | None) -> str | None:
    """Return why a file that no manifest lists may be deleted; None if it may not."""
    if path.startswith(".tmp/"):
        return "a temporary file of a killed process"
    if path.startswith("damaged/"):
        return "set aside by a repair"
    if not (match := _STAGE_OUTPUT.match(path)):
        return None
    key = match[1]
    if next_key and key == short(next_key):
        return None
    if key not in finished_keys:
        return "of a stage that was never finished"
    # The plan of a finished stage is needed again if one of its parts is damaged.
    return None if path.endswith("/plan.json") else "not listed by its stage's manifest"
