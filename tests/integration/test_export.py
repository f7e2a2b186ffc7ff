"""`serl export`: what a person uploads to the Hugging Face hub loads there, and says nothing that it should not."""

import shutil
from pathlib import Path
from typing import Any

import huggingface_hub
import polars as pl
import pytest
import torch
import yaml
from huggingface_hub import DatasetCard, ModelCard
from transformers import AutoModelForCausalLM, AutoTokenizer

from flows.config.load import parse_config
from flows.reporting.hub_export import export
from flows.run_loop import run_locally
from storage.errors import InputError
from storage.run import open_run
from tests.helpers import fake_config


def quiet(line: str) -> None:
    pass


@pytest.fixture(scope="module")
def exported(cut_quickstart: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    said: list[str] = []
    parent = tmp_path_factory.mktemp("exported")
    folder = export(str(cut_quickstart), None, parent / "out", None, said.append)
    assert folder == parent / "out" and "policy after iteration 2" in said[0] and "questions" in said[1]
    assert [path.name for path in parent.iterdir()] == ["out"]
    return folder


def test_the_policy_loads_and_is_the_runs(cut_quickstart: Path, exported: Path) -> None:
    policy = exported / "policy"
    model = AutoModelForCausalLM.from_pretrained(policy)
    ours = AutoModelForCausalLM.from_pretrained(open_run(str(cut_quickstart)).policy(2))
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), ours.parameters(), strict=True))
    assert AutoTokenizer.from_pretrained(policy).eos_token
    assert not list(exported.rglob("*.bin")) and not list(exported.rglob("*.pt"))


def test_the_model_card_holds_results_and_settings(cut_quickstart: Path, exported: Path) -> None:
    card = ModelCard.load(exported / "policy" / "README.md")
    assert card.data.library_name == "transformers" and card.data.pipeline_tag == "text-generation"
    assert "base_model" not in card.data.to_dict()  # it was made on the spot
    (row,) = open_run(str(cut_quickstart)).table("results", 2).filter(metric="pass1_greedy", slice="all").to_dicts()
    assert f"| heldout | 12 | plain | {row['value']:.3f} {row['low']:.2f}–{row['high']:.2f} |" in card.text
    kept = sum(open_run(str(cut_quickstart)).metrics(number)["vote/kept"] for number in (1, 2))  # type: ignore[misc]
    assert f"trained on {kept} questions" in card.text and "| update | reinforce_pp_baseline |" in card.text
    again = parse_config(yaml.safe_load((exported / "policy" / "run.yaml").read_text()), "run.yaml")
    assert again.seed == 1 and again.sample.responses == 16 and again.root == "runs"


def test_the_questions_are_a_data_set(cut_quickstart: Path, exported: Path) -> None:
    folder = exported / "questions"
    card = DatasetCard.load(folder / "README.md")
    (config,) = card.data.to_dict()["configs"]
    (files,) = config["data_files"]
    assert files["split"] == "train"
    found = pl.read_parquet(list(folder.glob(files["path"])))
    votes = open_run(str(cut_quickstart)).table("votes").sort("iteration", "question_id")
    found = found.sort("iteration", "question_id")
    assert found["question"].to_list() == votes["question"].to_list()
    assert found["vote_share"].to_list() == votes["share"].to_list()
    assert found["kept"].to_list() == [decision == "kept" for decision in votes["decision"]]
    for column in found.columns:
        assert f"| {column} |" in card.text


def test_no_place_and_no_label_gets_out(cut_quickstart: Path, exported: Path) -> None:
    for file in exported.rglob("*"):
        if file.suffix in (".md", ".yaml"):
            assert str(cut_quickstart.parent) not in file.read_text() and "/tmp" not in file.read_text()
    assert "label" not in pl.read_parquet_schema(exported / "questions" / "data" / "train.parquet")


def test_a_folder_with_something_in_it_stays_as_it_is(cut_quickstart: Path, tmp_path: Path) -> None:
    (folder := tmp_path / "out").mkdir()
    (folder / "mine").write_text("x")
    with pytest.raises(InputError, match="out is there already and not empty; name another folder with --output"):
        export(str(cut_quickstart), None, folder, None, quiet)
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "mine"]


def test_nothing_half_written_stays(cut_quickstart: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(shutil, "copytree", full)
    with pytest.raises(OSError, match="no space left"):
        export(str(cut_quickstart), None, tmp_path / "out", None, quiet)
    assert list(tmp_path.iterdir()) == []


def test_a_run_without_weights_is_refused(tmp_path: Path) -> None:
    config = fake_config(tmp_path, iterations=0)
    run_locally(config)
    with pytest.raises(InputError, match="engine: fake, which has no weights to export"):
        export(config.uri, None, tmp_path / "out", None, quiet)


class Hub:
    """Stands in for the hub's client, and remembers what it was asked for."""

    asked: list[tuple[Any, ...]] = []  # noqa: RUF012
    fails = False

    def __init__(self, token: str) -> None:
        assert token == "hf_secret"

    def create_repo(self, name: str, *, repo_type: str, private: bool, exist_ok: bool) -> str:
        assert private and exist_ok
        self.asked.append(("create", name, repo_type))
        return f"https://hub/{name}"

    def upload_folder(self, *, repo_id: str, repo_type: str, folder_path: Path) -> None:
        if self.fails:
            raise OSError("connection\nreset")
        self.asked.append(("upload", repo_id, repo_type, sorted(path.name for path in folder_path.iterdir())))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> type[Hub]:
    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    monkeypatch.setattr(Hub, "asked", [])
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    return Hub


def test_push_uploads_both_privately(cut_quickstart: Path, tmp_path: Path, hub: type[Hub]) -> None:
    folder = export(str(cut_quickstart), 1, tmp_path / "out", "lab/policy", quiet)
    assert hub.asked[0] == ("create", "lab/policy", "model") and hub.asked[1][:3] == ("upload", "lab/policy", "model")
    assert {"README.md", "model.safetensors", "run.yaml", "tokenizer.json"} <= set(hub.asked[1][3])
    assert hub.asked[2] == ("create", "lab/policy-questions", "dataset")
    assert hub.asked[3] == ("upload", "lab/policy-questions", "dataset", ["README.md", "data"])
    for file in folder.rglob("*"):
        assert not file.is_file() or b"hf_secret" not in file.read_bytes()


def test_push_says_what_is_missing_before_it_writes(
    cut_quickstart: Path, tmp_path: Path, hub: type[Hub], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="expected OWNER/NAME"):
        export(str(cut_quickstart), None, tmp_path / "out", "policy", quiet)
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(InputError, match="export HF_TOKEN"):
        export(str(cut_quickstart), None, tmp_path / "out", "lab/policy", quiet)
    assert list(tmp_path.iterdir()) == [] and hub.asked == []


def test_an_upload_that_fails_leaves_the_folder_and_says_how_to_go_on(
    cut_quickstart: Path, tmp_path: Path, hub: type[Hub], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "fails", True)
    expected = r"lab/policy was not uploaded \(OSError: connection reset\); .*out is whole: hf upload lab/policy "
    with pytest.raises(InputError, match=expected):
        export(str(cut_quickstart), None, tmp_path / "out", "lab/policy", quiet)
    assert (tmp_path / "out" / "questions" / "README.md").exists()
