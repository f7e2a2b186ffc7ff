"""Bytes are used only after their digest was checked, and an error names the file."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from stages.contract import Context
from storage import cache
from storage.artifact import ArtifactRef
from storage.errors import CorruptArtifact, MissingArtifact
from storage.reader import output_of, read_folder, read_table
from storage.store import Store
from tests.helpers import fake_resources, memory_store, put_policy, put_table

SCHEMA = pa.schema([("id", pa.string())])
ROWS = [{"id": "a"}, {"id": "b"}]


@pytest.fixture
def context(tmp_path: Path) -> Iterator[Context]:
    with fake_resources(scratch=tmp_path) as resources:
        yield Context(store=Store(str(tmp_path / "run")), seed=1, iteration=0, resources=resources)


def stored_files(ref: ArtifactRef) -> list[Path]:
    store, _, output = output_of(ref)
    return [Path(store.root) / file.path for file in output.files]


def test_a_table_comes_back(context: Context) -> None:
    ref = put_table(context, "votes", SCHEMA, ROWS)
    assert read_table(ref).to_dicts() == ROWS


@pytest.mark.parametrize("same_size", [True, False])
def test_a_changed_part_is_corrupt_and_named(context: Context, same_size: bool) -> None:
    ref = put_table(context, "votes", SCHEMA, ROWS)
    (part,) = stored_files(ref)
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.write_bytes(data if same_size else data[:-1])
    with pytest.raises(CorruptArtifact, match=f"{part.name} is damaged.*serl repair"):
        read_table(ref)


def test_a_missing_part_is_named(context: Context) -> None:
    ref = put_table(context, "votes", SCHEMA, ROWS)
    (part,) = stored_files(ref)
    part.unlink()
    with pytest.raises(MissingArtifact, match=part.name):
        read_table(ref)


def test_a_manifest_of_another_key_is_refused(context: Context) -> None:
    ref = put_table(context, "votes", SCHEMA, ROWS)
    with pytest.raises(CorruptArtifact, match="expected 1111"):
        read_table(ref.model_copy(update={"key": "1111"}))


def test_changed_weights_are_found_on_read(context: Context) -> None:
    ref = put_policy(context)
    (weights,) = stored_files(ref)
    assert read_folder(ref) == weights.parent
    weights.write_bytes(weights.read_bytes().replace(b"start", b"START"))
    with pytest.raises(CorruptArtifact, match=r"policy\.json is damaged: \d+ bytes and another sha256"):
        read_folder(ref)


def test_missing_weights_are_named(context: Context) -> None:
    ref = put_policy(context)
    stored_files(ref)[0].unlink()
    with pytest.raises(MissingArtifact, match=r"policy\.json does not exist"):
        read_folder(ref)


def test_weights_of_a_remote_store_are_read_from_the_cache(
    context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERL_CACHE", str(tmp_path / "cache"))
    ref = put_policy(replace(context, store=memory_store()))
    folder = read_folder(ref)
    assert folder.parent == tmp_path / "cache"
    assert (folder / "policy.json").read_text() == '{"content": "start"}'


def test_a_damaged_copy_in_the_cache_is_downloaded_again(
    context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Regression: the error told the user to delete the artifact, which was undamaged."""
    monkeypatch.setenv("SERL_CACHE", str(tmp_path / "cache"))
    ref = put_policy(replace(context, store=memory_store()))
    (read_folder(ref) / "policy.json").write_text('{"content": "START"}')
    assert (read_folder(ref) / "policy.json").read_text() == '{"content": "start"}'


def test_damage_of_remote_weights_is_found_after_the_download(
    context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERL_CACHE", str(tmp_path / "cache"))
    ref = put_policy(replace(context, store=memory_store()))
    store, _, output = output_of(ref)
    store.replace(output.files[0].path, b'{"content": "START"}')
    cache.drop(read_folder(ref).name)
    with pytest.raises(CorruptArtifact, match=r"policy\.json is damaged.*serl repair memory://"):
        read_folder(ref)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_table_cannot_be_read_as_a_folder(context: Context) -> None:
    ref = put_table(context, "votes", SCHEMA, ROWS)
    with pytest.raises(MissingArtifact, match="is a table, not a folder"):
        read_folder(ref)
