"""Letting old outputs go. A tombstone, written first and create-only, says that their absence is meant.

The manifest stays as it is: what was there, with its digests, remains on record. A stage whose outputs were let go is
still done.
"""

from storage.artifact import Manifest, manifest_path
from storage.fingerprint import canonical_json
from storage.store import Store


def tombstone_path(manifest: Manifest, kind: str) -> str:
    path = manifest_path(manifest.stage, manifest.iteration, manifest.key)
    return f"{path.replace('manifests/', 'tombstones/', 1).removesuffix('.json')}-{kind}.json"


def is_pruned(store: Store, manifest: Manifest, kind: str) -> bool:
    """Whether output `kind` was let go. Only folders are."""
    return manifest.outputs[kind].folder is not None and store.exists(tombstone_path(manifest, kind))


def prune(store: Store, manifest: Manifest, kind: str) -> int:
    """Let a folder go; returns the bytes that it had, 0 for one that is not ours (an imported one)."""
    output = manifest.outputs[kind]
    if output.folder is None or output.folder.startswith("/"):
        return 0
    store.create(tombstone_path(manifest, kind), canonical_json({"kind": kind, "key": manifest.key}))
    store.remove(file.path for file in output.files)
    return sum(file.bytes for file in output.files)
