"""Whole outputs are named by their digest; parts are written once and follow the plan of the first attempt."""

from pathlib import Path

import pyarrow as pa
import pytest

from storage.errors import CorruptArtifact, SchemaMismatch, StorageError
from storage.store import Store
from storage.writer import Committer
from tests.helpers import memory_store

SCHEMA = pa.schema([("id", pa.int64())])
KEY = "ab" * 32


def committer(store: Store, folders: tuple[str, ...] = ()) -> Committer:
    return Committer(store, {"votes": SCHEMA}, folders, 1, KEY)


def rows(*numbers: int) -> list[dict[str, int]]:
    return [{"id": number} for number in numbers]


def test_a_whole_table_is_named_by_its_digest() -> None:
    """The bytes of a second attempt, which may differ on a GPU, must not mix with those of a killed first one."""
    store = memory_store()
    for numbers in ((1, 2), (1, 3), (1, 2)):
        attempt = committer(store)
        attempt.write_table("votes", rows(*numbers))
        (file,) = attempt.outputs()["votes"].files
        assert file.rows == 2 and file.sha256[:12] in file.path
    assert len(store.names("votes/iteration=0001/key=kabababababab")) == 2


@pytest.mark.parametrize(
    ("count", "size", "ranges"),
    [(5, 2, [(0, 2), (2, 4), (4, 5)]), (4, 2, [(0, 2), (2, 4)]), (3, 10, [(0, 3)]), (0, 10, [(0, 0)])],
)
def test_a_plan_covers_all_rows(count: int, size: int, ranges: list[tuple[int, int]]) -> None:
    assert committer(memory_store()).plan("votes", count, size) == ranges


def test_a_later_plan_follows_the_first() -> None:
    store = memory_store()
    committer(store).plan("votes", 5, 2)
    assert committer(store).plan("votes", 5, 4) == [(0, 2), (2, 4), (4, 5)]


def test_a_plan_for_another_number_of_rows_is_corrupt() -> None:
    store = memory_store()
    committer(store).plan("votes", 5, 2)
    with pytest.raises(CorruptArtifact, match="plans 5 rows, this attempt has 6; delete that folder"):
        committer(store).plan("votes", 6, 2)


def test_the_first_part_stays() -> None:
    attempt = committer(memory_store())
    attempt.plan("votes", 4, 2)
    assert not attempt.has_part("votes", 0)
    attempt.write_part("votes", 0, rows(1, 2))
    attempt.write_part("votes", 0, rows(8, 9))
    attempt.write_part("votes", 1, rows(3, 4))
    assert attempt.has_part("votes", 0)
    assert attempt.read_parts("votes")["id"].to_list() == [1, 2, 3, 4]
    assert attempt.outputs()["votes"].rows == 4


def test_a_forgotten_output_is_named() -> None:
    attempt = committer(memory_store(), folders=("policy",))
    attempt.write_table("votes", rows(1))
    with pytest.raises(StorageError, match="wrote no policy"):
        attempt.outputs()


def test_an_undeclared_table_is_an_error() -> None:
    """Regression: it was a bare KeyError."""
    with pytest.raises(StorageError, match="vots"):
        committer(memory_store()).write_table("vots", rows(1))


def test_a_table_of_a_different_schema_is_not_written() -> None:
    store = memory_store()
    with pytest.raises(SchemaMismatch):
        committer(store).write_table("votes", pa.table({"id": ["text"]}))
    assert store.names("") == []


def test_a_folder_is_copied_and_listed_file_by_file(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "sub" / "weights").write_bytes(b"12345")
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "stamp").write_text("of a download")
    store = memory_store()
    attempt = Committer(store, {}, ("policy",), 1, KEY)
    attempt.write_folder("policy", tmp_path)
    output = attempt.outputs()["policy"]
    assert output.folder is not None and output.columns is None
    names = [file.path.removeprefix(f"{output.folder}/") for file in output.files]
    assert names == ["config.json", "sub/weights"]
    assert store.read(output.files[1].path) == b"12345"


def test_an_imported_folder_is_recorded_without_a_copy(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "model.safetensors").write_bytes(b"12345")
    store = Store(str(tmp_path / "run"))
    attempt = Committer(store, {}, ("policy",), 0, KEY)
    attempt.import_folder("policy", model)
    assert attempt.outputs()["policy"].files[0].path == str(model / "model.safetensors")
    assert store.names("") == []
