"""Finding the damage in a run and setting it aside, so that exactly the damaged outputs are computed again.

Every file that a manifest lists is read and compared with its digest. A damaged file is removed, and the manifest of
its stage is moved to `damaged/`. A stage without a manifest is not done, so the next run computes it again, except for
the parts that are undamaged.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from storage import tables
from storage.artifact import Manifest, read_manifest
from storage.errors import CorruptArtifact, StorageError, UnknownFormat
from storage.fingerprint import short
from storage.prune import is_pruned, tombstone_path
from storage.reader import check_output
from storage.store import Store

Progress = Callable[[int, int, str], None]
"""Called before each manifest with (its number from 1, number of manifests, its path)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Damage:
    """One damaged file or manifest."""

    message: str
    """A line for the user that says what is damaged and how."""
    manifest: str | None
    """Path of the manifest that lists the file, or is itself damaged; None for a part of an unfinished stage."""
    file: str | None
    """Path of the damaged file, relative to the run; None for a damaged manifest or imported file."""


def find_damage(store: Store, progress: Progress) -> Iterator[Damage]:
    """Yield all damage of a run: in files that manifests list, in manifests, and in parts of unfinished stages."""
    sizes = store.listing()
    paths = [path for path in sizes if path.startswith("manifests/")]
    finished_keys = set()
    for number, path in enumerate(paths, start=1):
        progress(number, len(paths), path)
        finished_keys.add(path.removesuffix(".json").rsplit("-", 1)[1])
        try:
            manifest = read_manifest(store, path)
        except (CorruptArtifact, UnknownFormat) as error:
            yield Damage(message=str(error), manifest=path, file=None)
            continue
        for kind in manifest.outputs:
            for file, damage in check_output(store, manifest, kind):
                path_in_run = None if file.path.startswith("/") else file.path
                yield Damage(message=str(damage), manifest=path, file=path_in_run)
    for path in sizes:
        if f"/key={short('')}" in path and path.split("/key=", 1)[1].split("/", 1)[0] not in finished_keys:
            yield from _damaged_part(store, path)


def _damaged_part(store: Store, path: str) -> Iterator[Damage]:
    """Yield the damage of a part or plan that no manifest lists yet.

    Its digest is not recorded anywhere, so a part is checked against the checksums inside the Parquet file.
    """
    try:
        if path.endswith(".parquet"):
            tables.count_rows(store.read(path), check=True)
        elif path.endswith("/plan.json"):
            tables.parse_plan(store.read(path))
    except ValueError as error:  # pa.ArrowInvalid is a ValueError
        yield Damage(message=f"{store.uri}/{path} cannot be read: {error}", manifest=None, file=path)


def set_aside(store: Store, damages: Sequence[Damage]) -> list[str]:
    """Remove damaged files and move the manifests of their stages to `damaged/`.

    If such a stage reads weights that were pruned, the manifests of the stages that made these weights are moved too.
    Returns one line per stage that the next run will compute again.
    """
    manifests = {path: _manifest_or_none(store, path) for path in store.listing("manifests")}
    path_of_key = {manifest.key: path for path, manifest in manifests.items() if manifest}
    recomputed = list(dict.fromkeys(damage.manifest for damage in damages if damage.manifest))
    reasons = dict.fromkeys(recomputed, "damaged")
    for path in recomputed:  # the list grows during the loop, so that producers of producers are included
        manifest = manifests[path]
        for kind, producer in _pruned_inputs(store, manifest, manifests, path_of_key) if manifest else ():
            if producer not in recomputed:
                recomputed.append(producer)
                reasons[producer] = f"its {kind} was let go and is needed"
    store.remove(damage.file for damage in damages if damage.file)
    for path in recomputed:
        manifest = manifests[path]
        if manifest:
            store.remove(
                tombstone_path(manifest, kind) for kind in manifest.outputs if is_pruned(store, manifest, kind)
            )
        store.create(path.replace("manifests/", "damaged/", 1), store.read(path))
        store.remove([path])
    return [f"{path.removeprefix('manifests/')}: {reasons[path]}" for path in recomputed]


def _pruned_inputs(
    store: Store, manifest: Manifest, manifests: dict[str, Manifest | None], path_of_key: dict[str, str]
) -> Iterator[tuple[str, str]]:
    """Yield each pruned input of a stage, as (kind, path of the manifest of the stage that made it)."""
    for identity in manifest.inputs.values():
        kind, key = identity.split(":", 1)
        producer = manifests.get(path_of_key.get(key, ""))
        if producer and kind in producer.outputs and is_pruned(store, producer, kind):
            yield kind, path_of_key[key]


def _manifest_or_none(store: Store, path: str) -> Manifest | None:
    """Return the manifest at `path`; None if it cannot be read."""
    try:
        return read_manifest(store, path)
    except StorageError:
        return None
