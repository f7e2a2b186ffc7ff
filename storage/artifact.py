"""References to a stage's outputs, and the manifests that they point to.

Each stage execution has one manifest. It lists every output of that stage, is written last and is create-only, so that
the outputs appear together or not at all. If each output had a manifest, a stage that is killed between two manifests
and run again could pair the policy of its first attempt with the optimiser state of its second. On a GPU the attempts
differ.
"""

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from storage.errors import CorruptArtifact, UnknownFormat
from storage.fingerprint import canonical_json, fingerprint, short
from storage.store import Store

FORMAT = 2
"""Format of the manifests written today.

1: the first format. 2: a table has the version of its schema, and the manifest a digest of its other fields.
"""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ArtifactRef(_Record):
    """A reference to one output of a stage. Tasks pass references to each other, never data."""

    kind: str
    """Name of the output: a table such as "responses", or a folder such as "policy"."""
    key: str
    """Identity of the stage execution that wrote the output, 64 hex digits. The run's location is no part of it."""
    uri: str
    """URI of the run that holds the output."""
    path: str
    """Path of the manifest, relative to that run."""


class StoredFile(_Record):
    """One immutable file of an output."""

    path: str
    """Relative to the run, or absolute for a folder that was imported without a copy."""
    bytes: int
    sha256: str
    rows: int | None = None
    """Number of rows; None unless the file is part of a table."""


class Output(_Record):
    """One table (`columns` set) or one folder (`folder` set)."""

    files: tuple[StoredFile, ...]
    columns: dict[str, str] | None = None
    """Column name -> Arrow type."""
    version: int | None = None
    """Version of the table's schema."""
    folder: str | None = None
    """Path of the folder, relative to the run, or absolute for a folder that was imported without a copy."""

    @property
    def rows(self) -> int:
        """Number of rows of a table; 0 for a folder."""
        return sum(file.rows or 0 for file in self.files)


class Manifest(_Record):
    """Inputs, settings and outputs of one stage execution.

    It holds no time, host or memory, so that two equal executions have equal manifests: those figures are in the table
    `timings`.
    """

    format: int = FORMAT
    stage: str
    version: int
    """Version of the stage."""
    key: str
    """Identity of the execution, 64 hex digits (see `stages.contract.stage_key`)."""
    iteration: int
    round: int = Field(1, exclude_if=lambda number: number == 1)
    """Round of the iteration, for stages that run once per round. Left out of files for round 1, so that a run without
    further rounds has the manifests that it always had."""
    config: dict[str, Any]
    """The settings on which the outputs depend."""
    inputs: dict[str, str]
    """Input name -> "kind:key" of the output that was read."""
    seed: int
    branch: int
    code: str
    """Version of this software that wrote the manifest."""
    outputs: dict[str, Output]
    metrics: dict[str, float | int | None]

    @property
    def name(self) -> str:
        """Name of the execution within its iteration (see `name_in_round`)."""
        return name_in_round(self.stage, self.round)

    def refs(self, store: Store) -> dict[str, ArtifactRef]:
        """Return output name -> reference, for a manifest that lies in `store`."""
        path = manifest_path(self.stage, self.iteration, self.key)
        return {kind: ArtifactRef(kind=kind, key=self.key, uri=store.uri, path=path) for kind in self.outputs}

    def to_bytes(self) -> bytes:
        """Return the manifest as canonical JSON, with the digest of its fields in a field `sha256`."""
        values = self.model_dump(mode="json")
        return canonical_json({**values, "sha256": fingerprint(values)})


def manifest_path(stage: str, iteration: int, key: str) -> str:
    """Return the path of a manifest, relative to the run."""
    return f"manifests/iteration={iteration:04d}/{stage}-{short(key)}.json"


def name_in_round(stage: str, number: int) -> str:
    """Return the name of a stage within an iteration: that of the stage in round 1, then `sample_responses.2`, ..."""
    return stage if number == 1 else f"{stage}.{number}"


def output_folder(kind: str, iteration: int, key: str) -> str:
    """Return the folder of one output, relative to the run.

    Names are Hive style (`iteration=0003`), so that Polars and DuckDB read them as columns.
    """
    return f"{kind}/iteration={iteration:04d}/key={short(key)}"


def read_manifest(store: Store, path: str) -> Manifest:
    """Return the manifest at `path`. Raises MissingArtifact, CorruptArtifact or UnknownFormat."""
    return parse_manifest(store, path, store.read(path))


def parse_manifest(store: Store, path: str, data: bytes) -> Manifest:
    """Return the manifest in `data`, which was read at `path`. Raises CorruptArtifact or UnknownFormat."""
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
        field = ".".join(map(str, first["loc"]))
        raise CorruptArtifact(f"{name} is not a manifest: {field}: {first['msg']}; {repair_hint(store)}") from None


def repair_hint(store: Store) -> str:
    """Return the part of a message that says how to repair any damage."""
    return f"`serl repair {store.uri}` recomputes just that"


def _upgraded(values: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a manifest of an earlier format as those of format `FORMAT`."""
    if values["format"] == FORMAT:
        return values
    outputs = {
        kind: {**output, "version": 1} if output.get("columns") is not None else output
        for kind, output in values["outputs"].items()
    }
    return {**values, "format": FORMAT, "outputs": outputs}
