"""Every kind of damage is found before use, and exactly what is damaged is computed again."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from flows.config.run import RunConfig
from flows.maintenance.repair import drop_damaged_revisions
from flows.run_loop import run_locally
from flows.run_progress import find_finished
from storage.artifact import manifest_path
from storage.errors import CorruptArtifact, MissingArtifact, StorageError, UnknownFormat
from storage.fingerprint import canonical_json, fingerprint
from storage.reader import read_folder, read_table
from storage.repair import Damage, find_damage, set_aside
from storage.run import Run, newest_revision, open_run
from storage.store import Store
from tests.helpers import fake_config, tree
from tests.kill.check import differences


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    config = fake_config(tmp_path)
    run_locally(config)
    return config


def damages(store: Store) -> list[Damage]:
    return list(find_damage(store, lambda *_: None))


def file_of(run: Run, kind: str, iteration: int) -> Path:
    manifest = next(m for m in run.manifests(iteration).values() if kind in m.outputs)
    return Path(run.store.root) / manifest.outputs[kind].files[0].path


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


FOUND_BY_SIZE: list[Callable[[Path], None]] = [cut, lambda path: path.unlink()]


@pytest.mark.parametrize("damage", [*FOUND_BY_SIZE, flip_a_bit], ids=["cut", "missing", "a flipped bit"])
@pytest.mark.parametrize(("kind", "stage"), [("responses", "sample_responses"), ("policy", "ppo_update")])
def test_damage_is_found_and_only_that_is_computed_again(
    config: RunConfig, tmp_path: Path, damage: Callable[[Path], None], kind: str, stage: str
) -> None:
    run = open_run(config.uri)
    path = file_of(run, kind, 1)
    damage(path)
    read = read_folder if kind == "policy" else read_table
    with pytest.raises((CorruptArtifact, MissingArtifact), match=f"{path.name}.*serl repair {config.uri}"):
        read(run.ref(kind, 1))
    if damage is not flip_a_bit:
        with pytest.raises(StorageError, match=f"{path.name}.*serl repair {config.uri}"):
            find_finished(config, run.store)

    found_damages = damages(run.store)
    manifest = run.revision.iterations[1][stage]
    assert [(item.manifest, f"{run.store.root}/{item.file}") for item in found_damages] == [(manifest, str(path))]
    (line,) = set_aside(run.store, found_damages)
    assert line == f"{manifest.removeprefix('manifests/')}: damaged"
    before = tree(Path(config.uri))
    run_locally(config)
    assert damages(run.store) == []
    after = tree(Path(config.uri))
    new = {name for name in after if before.get(name) != after[name]} - {name for name in after if "lease" in name}
    written_folders = {name.split("/")[0] for name in new}
    assert written_folders <= {"manifests", "timings", "speed", "revisions", kind} and f"{manifest}" in new
    (tmp_path / "whole").mkdir()
    whole = config.model_copy(update={"root": str(tmp_path / "whole")})
    run_locally(whole)
    assert differences(Path(whole.uri), Path(config.uri)) == []


def altered(store: Store, path: str, **changes: object) -> None:
    values = {**json.loads(store.read(path)), **changes}
    store.replace(path, canonical_json(values))


def test_a_manifest_of_a_later_format(config: RunConfig) -> None:
    store = Store(config.uri)
    path = open_run(config.uri).revision.iterations[1]["vote_rewards"]
    altered(store, path, format=9, code="7.0")
    with pytest.raises(UnknownFormat, match=rf"{path} has manifest format 9.*\(7\.0\).*serl repair"):
        find_finished(config, store)
    assert [damage.manifest for damage in damages(store)] == [path]


def test_an_altered_manifest(config: RunConfig) -> None:
    store = Store(config.uri)
    path = open_run(config.uri).revision.iterations[1]["vote_rewards"]
    altered(store, path, metrics={"vote/kept": 3})
    with pytest.raises(CorruptArtifact, match=f"{path} was altered.*serl repair"):
        find_finished(config, store)
    set_aside(store, damages(store))
    assert not store.exists(path) and store.exists(path.replace("manifests", "damaged"))
    run_locally(config)
    assert store.exists(path) and damages(store) == []


def test_pruned_weights_that_are_needed_are_computed_again(tmp_path: Path) -> None:
    """The update of iteration 3 is damaged and reads an optimiser state that was pruned, as does the one before it."""
    config = fake_config(tmp_path, iterations=4, keep={"trainer_states": 1, "policies": {"every": 1}})
    run_locally(config)
    run = open_run(config.uri)
    cut(file_of(run, "train_metrics", 3))
    lines = set_aside(run.store, damages(run.store))
    assert [(line.split("-k")[0], line.split(": ")[1]) for line in lines] == [
        ("iteration=0003/ppo_update", "damaged"),
        ("iteration=0002/ppo_update", "its trainer_state was let go and is needed"),
        ("iteration=0001/ppo_update", "its trainer_state was let go and is needed"),
    ]
    run_locally(config)
    assert damages(run.store) == []
    (tmp_path / "whole").mkdir()
    whole = config.model_copy(update={"root": str(tmp_path / "whole")})
    run_locally(whole)
    assert differences(Path(whole.uri), Path(config.uri)) == []


def test_a_damaged_part_of_an_unfinished_stage(config: RunConfig) -> None:
    """Its digest is not recorded yet; the checksums inside the Parquet file find the damage."""
    run = open_run(config.uri)
    manifest = run.manifests(2)["sample_responses"]
    run.store.remove([manifest_path(manifest.stage, 2, manifest.key)])
    part = Path(run.store.root) / manifest.outputs["responses"].files[1].path
    column = pq.read_metadata(part).row_group(0).column(0)
    data = bytearray(part.read_bytes())
    data[column.data_page_offset + column.total_compressed_size - 1] ^= 1  # the last byte of a page
    part.write_bytes(data)
    with pytest.raises(CorruptArtifact, match=rf"{part.name} cannot be read .*serl repair"):
        run_locally(config)
    (damage,) = damages(run.store)
    assert damage.manifest is None and damage.file == manifest.outputs["responses"].files[1].path
    set_aside(run.store, [damage])
    run_locally(config)
    assert run.manifests(2)["sample_responses"].outputs == manifest.outputs and damages(run.store) == []


def test_a_plan_that_cannot_be_read(config: RunConfig) -> None:
    run = open_run(config.uri)
    manifest = run.manifests(2)["sample_responses"]
    run.store.remove([manifest_path(manifest.stage, 2, manifest.key)])
    plan = next(path for path in run.store.listing("responses/iteration=0002") if path.endswith("plan.json"))
    run.store.replace(plan, b'{"rows": 3')
    with pytest.raises(CorruptArtifact, match=r"plan\.json is not a plan; `serl repair"):
        run_locally(config)
    set_aside(run.store, damages(run.store))
    run_locally(config)
    assert damages(run.store) == []


def test_a_damaged_revision_is_dropped_for_the_one_before(config: RunConfig) -> None:
    store = Store(config.uri)
    newest = store.names("revisions")[-1]
    before = newest_revision(store)
    values = json.loads(store.read(f"revisions/{newest}"))
    store.replace(f"revisions/{newest}", canonical_json({**values, "iterations": {}}))
    assert values["sha256"] != fingerprint({**values, "iterations": {}})
    with pytest.raises(CorruptArtifact, match=f"revisions/{newest} is damaged"):
        open_run(config.uri)
    assert drop_damaged_revisions(store) == [f"revisions/{newest}"]
    run_locally(config)
    assert newest_revision(store) == before


def test_an_undamaged_run_has_no_damage(config: RunConfig) -> None:
    assert damages(Store(config.uri)) == []
