"""What stands for a stage's output: a small reference that travels, and the manifest that it points to.

One manifest per stage execution, listing every output of that stage, written last and create-only. With one manifest
per table, a stage killed between two of them and run again on a GPU could pair a policy of the first attempt with the
optimiser state of the second; with one per stage the outputs appear together or not at all.
"""

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from storage.errors import CorruptArtifact
from storage.fingerprint import canonical_json, short
from storage.store import Store

FORMAT = 1


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ArtifactRef(_Record):
    """All that crosses from one task to the next: which output (`kind`) of which identity (`key`), and where."""

    kind: str  # name of the output: a table such as "responses", or a folder such as "policy"
    key: str  # identity of the stage execution that wrote it: 64 hex digits, holds no location
    uri: str  # URI of the run that holds it
    path: str  # the manifest, relative to that run


class StoredFile(_Record):
    """One immutable file of an output."""

    path: str  # relative to the run, or absolute for a folder that was imported and not copied
    bytes: int
    sha256: str
    rows: int | None = None  # tables only


class Output(_Record):
    """One table (`columns` set) or one folder (`folder` set)."""

    files: tuple[StoredFile, ...]
    columns: dict[str, str] | None = None  # column name -> Arrow type
    folder: str | None = None  # relative to the run, or absolute for an imported folder

    @property
    def rows(self) -> int:
        return sum(file.rows or 0 for file in self.files)


class Manifest(_Record):
    """What a stage execution read, did and wrote. Holds no time, host or memory: those are in the timings table."""

    format: int = FORMAT
    stage: str
    version: int
    key: str
    iteration: int
    config: dict[str, Any]  # the settings that give meaning
    inputs: dict[str, str]  # input name -> "kind:key"
    seed: int
    branch: int
    code: str  # version of this software that wrote it
    outputs: dict[str, Output]
    metrics: dict[str, float | int | None]

    def refs(self, store: Store) -> dict[str, ArtifactRef]:
        path = manifest_path(self.stage, self.iteration, self.key)
        return {kind: ArtifactRef(kind=kind, key=self.key, uri=store.uri, path=path) for kind in self.outputs}

    def to_bytes(self) -> bytes:
        return canonical_json(self.model_dump(mode="json"))


def manifest_path(stage: str, iteration: int, key: str) -> str:
    return f"manifests/iteration={iteration:04d}/{stage}-{short(key)}.json"


def output_folder(kind: str, iteration: int, key: str) -> str:
    """One dataset per output, Hive style, so that a notebook can scan a run."""
    return f"{kind}/iteration={iteration:04d}/key={short(key)}"


def read_manifest(store: Store, path: str) -> Manifest:
    """Raises MissingArtifact or CorruptArtifact."""
    data = store.read(path)
    _check_format(store, path, data)
    try:
        manifest = Manifest.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        raise CorruptArtifact(
            f"{store.uri}/{path} is not a manifest of format {FORMAT}: {'.'.join(map(str, first['loc']))}: "
            f"{first['msg']}; delete it to recompute that stage"
        ) from None
    return manifest


def _check_format(store: Store, path: str, data: bytes) -> None:
    """Before the fields: those of a later format would read as corrupt, and deleting them as the way out."""
    try:
        found = json.loads(data)
    except ValueError:
        return
    if isinstance(found, dict) and found.get("format", FORMAT) != FORMAT:
        raise CorruptArtifact(
            f"{store.uri}/{path} has manifest format {found['format']}, this version reads {FORMAT}; "
            "use the version of serl that wrote it"
        )
