"""Reading a stage's outputs through its manifest. Every digest is checked before the bytes are used."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa

from storage import cache, tables
from storage.artifact import ArtifactRef, Manifest, Output, StoredFile, read_manifest, repair_hint
from storage.errors import CorruptArtifact, MissingArtifact, Pruned, StorageError
from storage.fingerprint import digest, digest_file, digest_files
from storage.prune import is_pruned
from storage.store import Store


def output_of(ref: ArtifactRef) -> tuple[Store, Manifest, Output]:
    """Return the store, the manifest and the output that a reference points to. Raises as `read_manifest` does."""
    store = Store(ref.uri)
    manifest = read_manifest(store, ref.path)
    if manifest.key != ref.key:
        raise CorruptArtifact(f"{ref.uri}/{ref.path} holds key {manifest.key}, expected {ref.key}")
    return store, manifest, manifest.outputs[ref.kind]


def read_table(ref: ArtifactRef) -> pl.DataFrame:
    """Return the whole table that `ref` points to. Raises MissingArtifact and CorruptArtifact as `read_file` does."""
    store, _, output = output_of(ref)
    return read_parts(store, output)


def read_parts(store: Store, output: Output) -> pl.DataFrame:
    """Return the parts of a table as one frame, in their order."""
    parts = [tables.decode(read_file(store, file)) for file in output.files]
    frame = pl.from_arrow(pa.concat_tables(parts))
    assert isinstance(frame, pl.DataFrame)
    return frame


def read_file(store: Store, file: StoredFile) -> bytes:
    """Return the bytes of one stored file.

    Raises MissingArtifact if it does not exist, CorruptArtifact if its bytes differ from the recorded digest.
    """
    try:
        data = store.read(file.path, file.bytes)
    except MissingArtifact:
        raise _missing(store, file) from None
    if len(data) != file.bytes or digest(data) != file.sha256:
        raise _corrupt(store, file, len(data))
    return data


def read_folder(ref: ArtifactRef) -> Path:
    """Return a local folder with the files that `ref` points to, after a check of their digests.

    From S3 a folder is downloaded into the cache, once per machine and content. Raises Pruned if the folder was pruned,
    MissingArtifact if `ref` points to a table, and MissingArtifact and CorruptArtifact as `read_file` does.
    """
    store, manifest, output = output_of(ref)
    if output.folder is None:
        raise MissingArtifact(f"{ref.kind} of {ref.uri}/{ref.path} is a table, not a folder")
    if is_pruned(store, manifest, ref.kind):
        raise Pruned(
            f"{ref.kind} of iteration {manifest.iteration} of {ref.uri} was let go (setting `keep`); "
            f"{repair_hint(store)} and what leads to it"
        )
    files = {Path(file.path).relative_to(output.folder): file for file in output.files}
    if store.is_local or Path(output.folder).is_absolute():
        folder = Path(store.root) / output.folder
        for name, file in files.items():
            check_local(store, file, folder / name)
        return folder
    content_digest = digest_files([(name.as_posix(), file.sha256) for name, file in files.items()])

    def download(target: Path) -> None:
        for name, file in files.items():
            try:
                store.download(file.path, target / name, file.bytes)
            except MissingArtifact:
                raise _missing(store, file) from None
            check_local(store, file, target / name)

    cached = cache.find(content_digest)
    if cached and any(not _is_whole(file, cached / name) for name, file in files.items()):
        cache.drop(content_digest)
    return cache.fill(content_digest, sum(file.bytes for file in output.files), download)


def check_sizes(store: Store, manifest: Manifest) -> None:
    """Raise MissingArtifact or CorruptArtifact unless every file exists with its recorded size, or was pruned."""
    for kind, output in manifest.outputs.items():
        for file in output.files:
            size = _size(store, file)
            if size == file.bytes:
                continue
            if is_pruned(store, manifest, kind):
                break
            raise _missing(store, file) if size is None else _corrupt(store, file, size)


def check_output(store: Store, manifest: Manifest, kind: str) -> Iterator[tuple[StoredFile, StorageError]]:
    """Yield every damaged file of an output with the error that reading it would raise.

    All bytes are read and compared with their digests; they are kept neither in memory nor on disk.
    """
    output = manifest.outputs[kind]
    if is_pruned(store, manifest, kind):
        return
    for file in output.files:
        try:
            if store.is_local or Path(file.path).is_absolute():
                check_local(store, file, Path(store.root) / file.path)
            else:
                _check_remote(store, file)
        except (MissingArtifact, CorruptArtifact) as damage:
            yield file, damage


def check_local(store: Store, file: StoredFile, path: Path) -> None:
    """Raise MissingArtifact or CorruptArtifact unless the local file `path` has the bytes of the stored file."""
    if not path.is_file():
        raise _missing(store, file)
    if not _is_whole(file, path):
        raise _corrupt(store, file, path.stat().st_size)


def _check_remote(store: Store, file: StoredFile) -> None:
    """Raise MissingArtifact or CorruptArtifact unless the store has the file with its digest."""
    size = store.size(file.path)
    if size is None:
        raise _missing(store, file)
    sha256 = hashlib.sha256()
    for chunk in store.chunks(file.path, size) if size == file.bytes else ():
        sha256.update(chunk)
    if sha256.hexdigest() != file.sha256:
        raise _corrupt(store, file, size)


def _is_whole(file: StoredFile, path: Path) -> bool:
    return path.is_file() and path.stat().st_size == file.bytes and digest_file(path) == file.sha256


def _size(store: Store, file: StoredFile) -> int | None:
    if not Path(file.path).is_absolute():
        return store.size(file.path)
    return Path(file.path).stat().st_size if Path(file.path).is_file() else None


def _missing(store: Store, file: StoredFile) -> MissingArtifact:
    return MissingArtifact(f"{_name(store, file)} does not exist, although a manifest lists it; {repair_hint(store)}")


def _corrupt(store: Store, file: StoredFile, size: int) -> CorruptArtifact:
    return CorruptArtifact(
        f"{_name(store, file)} is damaged: {size} bytes and another sha256 than its manifest records ({file.bytes} "
        f"bytes); {repair_hint(store)}"
    )


def _name(store: Store, file: StoredFile) -> str:
    return file.path if Path(file.path).is_absolute() else f"{store.uri}/{file.path}"
