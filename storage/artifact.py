"""What stands for a stage's output: a small reference that travels, and the manifest that it points to.

One manifest per stage execution, listing every output of that stage, written last and create-only. With one manifest
per table, a stage killed between two of them and run again on a GPU could pair a policy of the first attempt with the
optimiser state of the second; with one per stage the outputs appear together or not at all.
"""

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from storage.errors import CorruptArtifact, UnknownFormat
from storage.fingerprint import canonical_json, fingerprint, short
from storage.store import Store

FORMAT = 2
"""Of manifests. 2: tables have the version of their schema, the manifest the digest of its other fields. 1: neither."""


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
    version: int | None = None  # of the table's schema
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
        values = self.model_dump(mode="json")
        return canonical_json({**values, "sha256": fingerprint(values)})


def manifest_path(stage: str, iteration: int, key: str) -> str:
    return f"manifests/iteration={iteration:04d}/{stage}-{short(key)}.json"


def output_folder(kind: str, iteration: int, key: str) -> str:
    """One dataset per output, Hive style, so that a notebook can scan a run."""
    return f"{kind}/iteration={iteration:04d}/key={short(key)}"


def read_manifest(store: Store, path: str) -> Manifest:
    """Raises MissingArtifact, CorruptArtifact or UnknownFormat."""
    return parse_manifest(store, path, store.read(path))


def parse_manifest(store: Store, path: str, data: bytes) -> Manifest:
    """The manifest in `data`, which was read at `path`. Raises CorruptArtifact or UnknownFormat."""
    name = f"{store.uri}/{path}"
    try:
        values = json.loads(data)
    except ValueError:
        raise CorruptArtifact(f"{name} is not JSON; {repair_hint(store)}") from None
    if not isinstance(values, dict) or not isinstance(values.get("format"), int):
        raise CorruptArtifact(f"{name} is not a manifest: it has no format; {repair_hint(store)}")
    if values["format"] > FORMAT:
        raise UnknownFormat(
            f"{name} has manifest format {values['format']}, this version of serl reads up to {FORMAT}; use the "
            f"version that wrote it ({values.get('code', 'unknown')}) or a later one, or {repair_hint(store)}"
        )
    if values["format"] == FORMAT and values.pop("sha256", None) != fingerprint(values):
        raise CorruptArtifact(f"{name} was altered: its digest does not fit its content; {repair_hint(store)}")
    try:
        return Manifest.model_validate_json(canonical_json(_upgraded(values)))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise CorruptArtifact(f"{name} is not a manifest: {place}: {first['msg']}; {repair_hint(store)}") from None


def repair_hint(store: Store) -> str:
    """The way out of every damage, for messages."""
    return f"`serl repair {store.uri}` recomputes just that"


def _upgraded(values: dict[str, Any]) -> dict[str, Any]:
    """A manifest of an earlier format as one of today's."""
    if values["format"] == FORMAT:
        return values
    outputs = {
        kind: {**output, "version": 1} if output.get("columns") is not None else output
        for kind, output in values["outputs"].items()
    }
    return {**values, "format": FORMAT, "outputs": outputs}
