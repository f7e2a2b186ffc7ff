"""Runs with models of a hub on this machine: what is downloaded, what identifies them, and how a run resumes."""

from pathlib import Path
from typing import Any

import pytest

from flows.config.load import parse_config
from flows.config.run import RunConfig
from flows.preflight.checks import check_inputs
from flows.preflight.description import describe
from flows.reporting.hub_export import export
from flows.run_progress import find_finished
from stages.hub.cache import snapshot_folder
from stages.hub.names import Repository
from storage.errors import InputError, MissingArtifact
from storage.repair import find_damage, set_aside
from storage.run import newest_revision, open_run
from storage.store import Store
from tests.commands import serl
from tests.helpers import keys_of, run_here
from tests.hub import Hub
from tests.tiny_models import make_tiny_policy, saved_adapter

NAME = "lab/tiny-instruct"
NEVER = {"pytorch_model.bin": b"pickle", "modeling_tiny.py": "print('code')", "onnx/model.onnx": b"1", "README.md": "#"}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models of one architecture, and an adapter for the first."""
    root = tmp_path_factory.mktemp("models")
    for seed, name in enumerate(("first", "second")):
        make_tiny_policy(root / name, seed=seed)
    saved_adapter(root / "adapter", root / "first")
    return root


def push(hub: Hub, folder: Path, name: str = NAME) -> str:
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.iterdir()}
    return hub.push(name, {**files, **NEVER})


def config_of(folder: Path, model: str = NAME, **more: Any) -> RunConfig:
    values: dict[str, Any] = {
        "name": "hub",
        "root": str(folder / "runs"),
        "iterations": 1,
        "domain": "arithmetic",
        "seeds": {"domain": "arithmetic", "count": 8},
        "policy": {"model": model},
        "generate": {"questions": 4, "examples": 4, "over_generation": 2, "max_tokens": 32, "max_prompt_tokens": 400},
        "filter": {"max_similarity": 1.0, "rules": {"min_words": 1}},
        "sample": {"responses": 4, "max_tokens": 16, "max_prompt_tokens": 400},
        "evaluate": {
            "benchmarks": [{"name": "heldout", "domain": "arithmetic", "count": 4}],
            "protocol": {"samples": 2, "max_tokens": 16},
        },
        "compute": {"threads": 1, "trainer": {"threads": 1}},
        **more,
    }
    return parse_config(values, "test")


def test_a_run_by_a_hub_name_keeps_its_commit(
    hub: Hub, folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    commit = push(hub, folders / "first")
    config = config_of(tmp_path)
    text = describe(config)
    snapshot = snapshot_folder(Repository(NAME), commit)
    assert f"policy       {NAME} of the hub (commit {commit}, in {snapshot})\n" in text
    assert sorted(path.name for path in snapshot.iterdir()) == sorted(
        path.name for path in (folders / "first").iterdir()
    )
    assert not any(name in path for path in hub.paths() for name in NEVER)
    check_inputs(find_finished(config, Store(config.uri)).resolved)

    progress = run_here(config)
    assert progress.complete and progress.config.hub_commits == {NAME: commit}
    revision = newest_revision(Store(config.uri))
    assert revision is not None and revision.config["hub_commits"] == {NAME: commit}
    manifest = open_run(config.uri).manifests(0)["import_policy"]
    assert manifest.config == {"repository": NAME, "commit": commit}
    recorded = {Path(file.path).name for file in manifest.outputs["policy"].files}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= recorded and not recorded & NEVER.keys()
    before = keys_of(config)

    # Weights that were trained come with the files of the model, and with no others.
    trained = {path.name for path in open_run(config.uri).policy(1).iterdir()}
    assert not trained & NEVER.keys() and "tokenizer.json" in trained

    # Another program adds files, the hub goes on, and the run stays with its commit.
    (snapshot / "pytorch_model.bin").write_bytes(b"pickle")
    assert push(hub, folders / "second") != commit
    hub.requests.clear()
    longer = config_of(tmp_path, iterations=2)
    assert run_here(longer).config.hub_commits == {NAME: commit}
    assert hub.requests == [], "everything needed is here"
    assert {name: key for name, key in keys_of(longer).items() if name in before} == before

    # Without a connection, and when the user forbids connections.
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert find_finished(longer, Store(longer.uri)).complete
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert find_finished(longer, Store(longer.uri)).complete
    capfd.readouterr()
    export(config.uri, 0, tmp_path / "export", None, lambda line: None)
    assert f"base_model: {NAME}\n" in (tmp_path / "export" / "policy" / "README.md").read_text()
    assert not {path.name for path in (tmp_path / "export" / "policy").iterdir()} & {"pytorch_model.bin"}

    # A new run takes what the hub has now.
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    other = config_of(tmp_path, name="other")
    assert find_finished(other, Store(other.uri)).config.hub_commits == {NAME: hub.refs["model", NAME, "main"]}


@pytest.mark.slow
def test_files_that_were_deleted_come_again(hub: Hub, folders: Path, tmp_path: Path) -> None:
    commit = push(hub, folders / "first")
    config = config_of(tmp_path, iterations=0)
    assert run_here(config).complete
    push(hub, folders / "second")
    weights = snapshot_folder(Repository(NAME), commit) / "model.safetensors"
    weights.resolve().unlink()
    weights.unlink()
    assert find_finished(config, Store(config.uri)).complete
    assert weights.read_bytes() == (folders / "first" / "model.safetensors").read_bytes()


@pytest.mark.slow
def test_voters_and_adapters_of_the_hub(hub: Hub, folders: Path, tmp_path: Path) -> None:
    first, second = push(hub, folders / "first"), push(hub, folders / "second", "lab/other")
    adapter = hub.push("lab/adapter", folders / "adapter")
    config = config_of(
        tmp_path,
        iterations=0,
        policy={"model": NAME, "adapter": "lab/adapter"},
        voters=[{"name": "other", "model": f"lab/other@{second}", "responses": 2}],
    )
    progress = find_finished(config, Store(config.uri))
    assert progress.config.hub_commits == {NAME: first, "lab/adapter": adapter, f"lab/other@{second}": second}
    text = describe(config)
    assert (
        f"{NAME} of the hub (commit {first}" in text
        and f"with adapter lab/adapter of the hub (commit {adapter}" in text
    )
    assert f"other: lab/other@{second} of the hub (commit {second}" in text
    assert run_here(config).complete
    manifest = open_run(config.uri).manifests(0)["import_policy"]
    assert manifest.config == {
        "repository": NAME, "commit": first, "adapter_repository": "lab/adapter", "adapter_commit": adapter
    }  # fmt: skip
    files = {Path(file.path).name for file in manifest.outputs["policy"].files}
    assert "model.safetensors" in files and "adapter_config.json" not in files


@pytest.mark.slow
def test_on_s3_a_copy_is_stored(hub: Hub, folders: Path, tmp_path: Path) -> None:
    push(hub, folders / "first")
    config = config_of(tmp_path, iterations=0, root="memory://hub-models")
    assert run_here(config).complete
    folder = open_run(config.uri).policy(0)
    assert (folder / "model.safetensors").read_bytes() == (folders / "first" / "model.safetensors").read_bytes()
    assert not any(path.is_symlink() for path in folder.iterdir())


@pytest.mark.slow
def test_an_edited_file_of_the_cache_is_an_error(hub: Hub, folders: Path, tmp_path: Path) -> None:
    push(hub, folders / "first")
    config = config_of(tmp_path, iterations=0)
    find_finished(config, Store(config.uri))
    (weights,) = tmp_path.glob("hf-home/hub/*/snapshots/*/model.safetensors")
    weights.resolve().write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(InputError, match=r"model.safetensors has been changed: its content is not that of model lab/"):
        run_here(config)


@pytest.mark.slow
def test_a_cache_that_has_moved(hub: Hub, folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = push(hub, folders / "first")
    config = config_of(tmp_path, iterations=0)
    run_here(config)
    before = keys_of(config)
    push(hub, folders / "second")
    (tmp_path / "hf-home").rename(tmp_path / "moved")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "moved"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    store = Store(config.uri)
    with pytest.raises(MissingArtifact, match="serl repair"):
        run_here(config)
    set_aside(store, list(find_damage(store, lambda *_: None)))
    assert run_here(config).config.hub_commits == {NAME: commit} and keys_of(config) == before


@pytest.mark.slow
def test_a_commit_of_the_config_wins(hub: Hub, folders: Path, tmp_path: Path) -> None:
    commit = push(hub, folders / "first")
    push(hub, folders / "second")
    config = config_of(tmp_path, hub_commits={NAME: commit})
    assert find_finished(config, Store(config.uri)).config.hub_commits == {NAME: commit}


def test_a_folder_wins(hub: Hub, folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    push(hub, folders / "first")
    monkeypatch.chdir(tmp_path)
    make_tiny_policy(tmp_path / NAME, seed=3)
    config = config_of(tmp_path)
    progress = find_finished(config, Store(config.uri))
    assert progress.config.hub_commits == {} and hub.requests == []
    settings = progress.resolved.import_policy[1].model_dump(mode="json")
    assert list(settings) == ["sha256"]
    with pytest.raises(InputError, match=r"policy folder lab/typo does not exist; .*because lab exists here"):
        find_finished(config_of(tmp_path, "lab/typo"), Store(config.uri))
    assert hub.requests == []


@pytest.mark.slow
def test_the_command_line_says_what_is_wrong_in_one_line(hub: Hub, folders: Path, tmp_path: Path) -> None:
    push(hub, folders / "first")
    hub.gated = {NAME}
    settings = [f"--set={setting}" for setting in (f"policy={{model: {NAME}}}", f"root={tmp_path}")]
    command = ["check", "configs/quickstart.yaml", *settings]
    failed = serl(*command, expect=2)
    (line,) = [line for line in failed.stderr.splitlines() if not line.startswith("downloading")]
    assert f"model {NAME} is gated: accept its conditions with your account at {hub.url}/{NAME}" in line
    hub.gated = set()
    checked = serl(*command, expect=0)
    assert f"policy       {NAME} of the hub (commit {hub.refs['model', NAME, 'main']}" in checked.stdout
    assert [line.split()[0] for line in checked.stderr.splitlines()] == ["downloading", "downloaded"]
