"""Garbage is what no manifest lists, and nothing else."""

from pathlib import Path

import pytest

from flows.config.run import RunConfig
from flows.run_loop import run_locally
from flows.run_progress import find_finished
from storage.artifact import manifest_path
from storage.errors import CorruptArtifact
from storage.garbage import find_garbage, remove_garbage
from storage.prune import prune
from storage.run import open_run
from storage.store import Store
from tests.helpers import fake_config


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    config = fake_config(tmp_path)
    run_locally(config)
    return config


def garbage_of(config: RunConfig, next_key: str | None = None) -> dict[str, str]:
    return {item.path: item.reason for item in find_garbage(Store(config.uri), next_key)}


def test_a_finished_run_has_none(config: RunConfig) -> None:
    assert garbage_of(config) == {}


def test_leftovers_of_every_kind_are_named_and_removed(config: RunConfig) -> None:
    store = Store(config.uri)
    before = store.listing()
    votes = open_run(config.uri).manifests(1)["vote_rewards"].outputs["votes"].files[0].path
    leftovers = {
        ".tmp/0123": "a temporary file of a killed process",
        f"{votes.rsplit('/', 1)[0]}/part-00000-ffffffffffff.parquet": "not listed by its stage's manifest",
        "votes/iteration=0007/key=k000000000000/part-00000.parquet": "of a stage that was never finished",
        "votes/iteration=0007/key=k000000000000/plan.json": "of a stage that was never finished",
        "damaged/iteration=0001/vote_rewards-k000000000000.json": "set aside by a repair",
    }
    for path in (*leftovers, "notes.txt", "my/iteration=0001/notes.txt", "reports/extra.png"):
        store.create(path, b"123")
    garbage = find_garbage(store, None)
    assert {item.path: item.reason for item in garbage} == leftovers
    assert {item.bytes for item in garbage} == {3}
    remove_garbage(store, garbage)
    assert store.listing().keys() - before.keys() == {"notes.txt", "my/iteration=0001/notes.txt", "reports/extra.png"}
    assert before.items() <= store.listing().items()
    assert not (Path(config.uri) / "votes" / "iteration=0007").exists()


def test_parts_of_the_next_stage_stay(config: RunConfig) -> None:
    run = open_run(config.uri)
    manifest = run.manifests(2)["sample_responses"]
    run.store.remove([manifest_path(manifest.stage, 2, manifest.key)])
    missing = find_finished(config, run.store).pending
    assert missing and missing.key == manifest.key
    assert garbage_of(config, missing.key) == {}
    parts = {file.path for file in manifest.outputs["responses"].files}
    assert {path for path in garbage_of(config) if not path.endswith("plan.json")} == parts


def test_leftover_files_of_pruned_weights_are_garbage(config: RunConfig) -> None:
    run = open_run(config.uri)
    manifest = run.manifests(1)["ppo_update"]
    prune(run.store, manifest, "trainer_state")
    (file,) = manifest.outputs["trainer_state"].files
    run.store.create(file.path, b"left")
    assert garbage_of(config) == {file.path: "not listed by its stage's manifest"}


def test_a_damaged_manifest_stops_the_search(config: RunConfig) -> None:
    store = Store(config.uri)
    store.replace(open_run(config.uri).revision.iterations[1]["vote_rewards"], b"{}")
    with pytest.raises(CorruptArtifact, match="serl repair"):
        find_garbage(store, None)
