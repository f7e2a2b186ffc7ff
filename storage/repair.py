"""Finding what is damaged in a run, and setting it aside so that exactly that is computed again.

Everything that a manifest lists is read and held against its digest. A damaged file is removed; the manifest of its
stage goes to `damaged/`, and without it the stage is not done. Parts of the stage that are whole stay and are used.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from storage import tables
from storage.artifact import Manifest, read_manifest
from storage.errors import CorruptArtifact, StorageError, UnknownFormat
from storage.fingerprint import short
from storage.reader import check_output
from storage.retention import is_pruned, tombstone_path
from storage.store import Store

Progress = Callable[[int, int, str], None]  # (checked, in all, what)


@dataclass(frozen=True, kw_only=True, slots=True)
class Damage:
    """One thing that is wrong."""

    what: str
    # One line for people.
    manifest: str | None
    # Path of the manifest that lists it, or that is damaged itself; None for a part of an unfinished stage.
    file: str | None
    # The damaged file, relative to the run; None where only the manifest has to go.


def find_damage(store: Store, progress: Progress) -> Iterator[Damage]:
    """Everything wrong with what manifests list, with manifests themselves, and with parts of unfinished stages."""
    sizes = store.listing()
    paths = [path for path in sizes if path.startswith("manifests/")]
    finished = set()
    for done, path in enumerate(paths, start=1):
        progress(done, len(paths), path)
        finished.add(path.removesuffix(".json").rsplit("-", 1)[1])
        try:
            manifest = read_manifest(store, path)
        except (CorruptArtifact, UnknownFormat) as error:
            yield Damage(what=str(error), manifest=path, file=None)
            continue
        for kind in manifest.outputs:
            for file, damage in check_output(store, manifest, kind):
                yield Damage(what=str(damage), manifest=path, file=None if file.path.startswith("/") else file.path)
    for path in sizes:
        if f"/key={short('')}" in path and path.split("/key=", 1)[1].split("/", 1)[0] not in finished:
            yield from _damaged_part(store, path)


def _damaged_part(store: Store, path: str) -> Iterator[Damage]:
    """A part that no manifest lists yet has no digest on record; Parquet's own checksums tell."""
    try:
        if path.endswith(".parquet"):
            tables.count_rows(store.read(path), check=True)
        elif path.endswith("/plan.json"):
            tables.parse_plan(store.read(path))
    except ValueError as error:  # pa.ArrowInvalid is one
        yield Damage(what=f"{store.uri}/{path} cannot be read: {error}", manifest=None, file=path)


def set_aside(store: Store, damages: Sequence[Damage]) -> list[str]:
    """Remove damaged files and move manifests to `damaged/`; returns a line per stage that will be computed again.

    Where such a stage needs weights that were let go, the stages that made them are computed again as well.
    """
    manifests = {path: _readable(store, path) for path in store.listing("manifests")}
    by_key = {manifest.key: path for path, manifest in manifests.items() if manifest}
    again = list(dict.fromkeys(damage.manifest for damage in damages if damage.manifest))
    reasons = dict.fromkeys(again, "damaged")
    for path in again:  # grows while we go
        manifest = manifests[path]
        for kind, producer in _let_go_inputs(store, manifest, manifests, by_key) if manifest else ():
            if producer not in again:
                again.append(producer)
                reasons[producer] = f"its {kind} was let go and is needed"
    store.remove(damage.file for damage in damages if damage.file)
    for path in again:
        manifest = manifests[path]
        if manifest:
            store.remove(
                tombstone_path(manifest, kind) for kind in manifest.outputs if is_pruned(store, manifest, kind)
            )
        store.create(path.replace("manifests/", "damaged/", 1), store.read(path))
        store.remove([path])
    return [f"{path.removeprefix('manifests/')}: {reasons[path]}" for path in again]


def _let_go_inputs(
    store: Store, manifest: Manifest, manifests: dict[str, Manifest | None], by_key: dict[str, str]
) -> Iterator[tuple[str, str]]:
    """(kind, path of the manifest that made it) of the inputs of `manifest` that were let go."""
    for identity in manifest.inputs.values():
        kind, key = identity.split(":", 1)
        producer = manifests.get(by_key.get(key, ""))
        if producer and kind in producer.outputs and is_pruned(store, producer, kind):
            yield kind, by_key[key]


def _readable(store: Store, path: str) -> Manifest | None:
    try:
        return read_manifest(store, path)
    except StorageError:
        return None
