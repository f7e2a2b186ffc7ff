"""Reading a stage's outputs through its manifest, with every digest checked before the bytes are used."""

import tempfile
from functools import cache
from pathlib import Path

import polars as pl
import pyarrow as pa

from storage import tables
from storage.artifact import ArtifactRef, Manifest, Output, StoredFile, read_manifest
from storage.errors import CorruptArtifact, MissingArtifact
from storage.fingerprint import digest, digest_file
from storage.store import Store


def output_of(ref: ArtifactRef) -> tuple[Store, Manifest, Output]:
    store = Store(ref.uri)
    manifest = read_manifest(store, ref.path)
    if manifest.key != ref.key:
        raise CorruptArtifact(f"{ref.uri}/{ref.path} holds key {manifest.key}, expected {ref.key}")
    return store, manifest, manifest.outputs[ref.kind]


def read_table(ref: ArtifactRef) -> pl.DataFrame:
    """The whole table behind `ref`. Raises CorruptArtifact when a part differs from its digest."""
    store, _, output = output_of(ref)
    return read_parts(store, output)


def read_parts(store: Store, output: Output) -> pl.DataFrame:
    parts = [tables.decode(read_file(store, file)) for file in output.files]
    frame = pl.from_arrow(pa.concat_tables(parts))
    assert isinstance(frame, pl.DataFrame)
    return frame


def read_file(store: Store, file: StoredFile) -> bytes:
    data = store.read(file.path)
    if len(data) != file.bytes or digest(data) != file.sha256:
        raise _corrupt(f"{store.uri}/{file.path}", len(data), file)
    return data


def read_folder(ref: ArtifactRef) -> Path:
    """A local folder with the files behind `ref`, checked; on S3 they are downloaded once per machine and digest."""
    store, _, output = output_of(ref)
    if output.folder is None:
        raise MissingArtifact(f"{ref.kind} of {ref.uri}/{ref.path} is a table, not a folder")
    if Path(output.folder).is_absolute():
        folder = Path(output.folder)
    elif store.is_local:
        folder = Path(store.path(output.folder))
    else:
        folder = _download_root() / output.folder.rsplit("/", 1)[-1]
        for file in output.files:
            target = folder / Path(file.path).relative_to(output.folder)
            if not target.exists():
                store.download(file.path, target)
    for file in output.files:
        _check(folder / Path(file.path).relative_to(output.folder), file)
    return folder


@cache
def _download_root() -> Path:
    folder = Path(tempfile.gettempdir()) / "serl-downloads"
    folder.mkdir(exist_ok=True)
    return folder


def _check(path: Path, file: StoredFile) -> None:
    if not path.is_file():
        raise MissingArtifact(f"{path} does not exist, although a manifest lists it")
    size = path.stat().st_size
    if size != file.bytes or digest_file(path) != file.sha256:
        raise _corrupt(str(path), size, file)


def _corrupt(name: str, size: int, file: StoredFile) -> CorruptArtifact:
    return CorruptArtifact(
        f"{name} has {size} bytes and another sha256 than its manifest records ({file.bytes} bytes); delete it and the "
        "manifest that lists it to recompute that stage"
    )
