"""Pruning: folders of old weights are deleted, as the setting `keep` says.

Before the files are deleted, a tombstone file is written. It shows later that the files were pruned and not lost. The
manifest still lists the files with their digests, and the stage still counts as done.
"""

from storage.artifact import Manifest, manifest_path
from storage.fingerprint import canonical_json
from storage.store import Store


def tombstone_path(manifest: Manifest, kind: str) -> str:
    """Return the path of the tombstone of output `kind`, relative to the run."""
    path = manifest_path(manifest.stage, manifest.iteration, manifest.key)
    return f"{path.replace('manifests/', 'tombstones/', 1).removesuffix('.json')}-{kind}.json"


def is_pruned(store: Store, manifest: Manifest, kind: str) -> bool:
    """Return whether output `kind` was pruned. Tables never are."""
    return manifest.outputs[kind].folder is not None and store.exists(tombstone_path(manifest, kind))


def prune(store: Store, manifest: Manifest, kind: str) -> int:
    """Write the tombstone of a folder, delete its files and return the number of bytes that they had.

    Do nothing and return 0 for a table, and for a folder that was imported without a copy.
    """
    output = manifest.outputs[kind]
    if output.folder is None or output.folder.startswith("/"):
        return 0
    store.create(tombstone_path(manifest, kind), canonical_json({"kind": kind, "key": manifest.key}))
    store.remove(file.path for file in output.files)
    return sum(file.bytes for file in output.files)
