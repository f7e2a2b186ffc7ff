"""Pruning: folders of old weights are deleted, as the setting `keep` says.

Before the files are deleted, a tombstone file is written. It tells a pruned output from a lost one. The manifest keeps
its record of the files and their digests, and the stage still counts as done.
"""

from storage.artifact import Manifest, manifest_path
from storage.fingerprint import canonical_json
from storage.store import Store


def tombstone_path(manifest: Manifest, kind: str) -> str:
    """Return the path of the tombstone of output `kind`, relative to the run."""
    path = manifest_path(manifest.stage, manifest.iteration, manifest.key)
    return f"{path.replace('manifests/', 'tombstones/', 1).removesuffix('.json')}-{kind}.json"


def is_pruned(store: Store, manifest: Manifest, kind: str) -> bool:
    """Whether output `kind` was pruned. Tables never are."""
    return manifest.outputs[kind].folder is not None and store.exists(tombstone_path(manifest, kind))


def prune(store: Store, manifest: Manifest, kind: str) -> int:
    """Prune a folder and return the bytes that it had. An imported folder is left alone and counts 0."""
    output = manifest.outputs[kind]
    if output.folder is None or output.folder.startswith("/"):
        return 0
    store.create(tombstone_path(manifest, kind), canonical_json({"kind": kind, "key": manifest.key}))
    store.remove(file.path for file in output.files)
    return sum(file.bytes for file in output.files)
