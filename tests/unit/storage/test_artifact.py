"""A manifest is read completely and in a known format, or an error names it."""

import json
from typing import Any

import pytest

from storage.artifact import Manifest, manifest_path, output_folder, read_manifest
from storage.errors import CorruptArtifact, MissingArtifact, UnknownFormat
from storage.store import Store
from tests.helpers import memory_store

KEY = "0123456789abcdef" * 4
PATH = "manifests/iteration=0002/vote_rewards-k0123456789ab.json"


def manifest(**changes: Any) -> Manifest:
    values: dict[str, Any] = {
        "stage": "vote_rewards",
        "version": 1,
        "key": KEY,
        "iteration": 2,
        "config": {"min_reward": 0.2},
        "inputs": {"accepted": "accepted:abc"},
        "seed": 3,
        "branch": 0,
        "code": "0.1.0",
        "outputs": {
            "votes": {"files": [{"path": "votes/x", "bytes": 1, "sha256": "00", "rows": 7}], "columns": {"a": "string"}}
        },
        "metrics": {"vote/kept": 4},
    }
    return Manifest.model_validate({**values, **changes})


def stored(data: bytes) -> Store:
    store = memory_store()
    store.create(PATH, data)
    return store


def test_paths_are_hive_style() -> None:
    assert manifest_path("vote_rewards", 2, KEY) == PATH
    assert output_folder("votes", 2, KEY) == "votes/iteration=0002/key=k0123456789ab"


def test_a_manifest_comes_back() -> None:
    assert read_manifest(stored(manifest().to_bytes()), PATH) == manifest()


def test_references_lead_to_the_manifest() -> None:
    store = stored(manifest().to_bytes())
    ref = manifest().refs(store)["votes"]
    assert (ref.kind, ref.key, ref.uri, ref.path) == ("votes", KEY, store.uri, PATH)
    assert manifest().outputs["votes"].rows == 7


def test_a_missing_manifest_is_named() -> None:
    with pytest.raises(MissingArtifact, match=PATH):
        read_manifest(memory_store(), PATH)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        manifest().to_bytes()[:-30],
        b"[]",
        b"\xff\xfe",
        b'{"stage": "vote_rewards"}',
        manifest().to_bytes().replace(b'"vote/kept":4', b'"vote/kept":5'),
    ],
)
def test_a_damaged_manifest_is_corrupt_and_says_how_to_repair(data: bytes) -> None:
    with pytest.raises(CorruptArtifact, match="serl repair memory://") as error:
        read_manifest(stored(data), PATH)
    assert PATH in str(error.value) and "\n" not in str(error.value)


def test_a_later_format_asks_for_another_version() -> None:
    newer = {**json.loads(manifest().to_bytes()), "format": 3, "pruned": True}
    with pytest.raises(UnknownFormat, match=r"manifest format 3, this version of serl reads up to 2.*0\.1\.0"):
        read_manifest(stored(json.dumps(newer).encode()), PATH)


def test_format_1_is_read_as_version_1_of_its_tables() -> None:
    values = json.loads(manifest(format=1).to_bytes())
    del values["sha256"], values["outputs"]["votes"]["version"]
    read = read_manifest(stored(json.dumps(values).encode()), PATH)
    assert read.outputs["votes"].version == 1
