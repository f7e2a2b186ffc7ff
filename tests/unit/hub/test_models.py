"""Which files of a repository a model consists of, and what is said about repositories that are none."""

from pathlib import Path

import pytest

from stages.hub.client import HubError
from stages.hub.models import adapter_files, local_adapter, local_model, model_files, weight_files
from storage.errors import InputError
from tests.hub import Hub

TOKENIZER = ["tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt", "special_tokens_map.json"]
REPOSITORIES = {
    "one file": (
        ["config.json", "generation_config.json", *TOKENIZER, "model.safetensors"],
        [".gitattributes", "LICENSE", "README.md", "pytorch_model.bin", "onnx/model.onnx", "flax_model.msgpack"],
    ),
    "parts": (
        ["config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
         "model.safetensors.index.json", "tokenizer.model", "added_tokens.json", "chat_template.jinja"],
        ["pytorch_model.bin.index.json", "pytorch_model-00001-of-00002.bin", "original/params.json",
         "original/consolidated.00.pth", "configuration_x.py", "modeling_x.py", "figures/a.png"],
    ),
    "Mistral's own layout, too": (
        ["config.json", "model-00001-of-00001.safetensors", "model.safetensors.index.json", "tokenizer.json"],
        ["consolidated.safetensors", "params.json", "tekken.json", "tokenizer.model.v3"],
    ),
    "one file and parts": (
        ["config.json", "model.safetensors", "tokenizer.json"],
        ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json"],
    ),
    "several chat templates": (
        ["config.json", "model.safetensors", "tokenizer.json", "additional_chat_templates/tool_use.jinja",
         "chat_template.json"],
        ["additional_chat_templates/x.py", "additional_chat_templates/a/b.jinja", "1_Pooling/config.json"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REPOSITORIES)
def test_files_of_a_model(name: str) -> None:
    files, others = REPOSITORIES[name]
    assert sorted(model_files([*others, *files])) == sorted(files)
    assert weight_files(files) == [file for file in files if file.endswith(".safetensors")]


def test_files_of_an_adapter() -> None:
    files = ["adapter_config.json", "adapter_model.safetensors"]
    assert adapter_files([*files, "adapter_model.bin", "tokenizer.json", "checkpoint-1/adapter_config.json"]) == files


def message(hub: Hub, files: list[str], *, adapter: bool = False) -> str:
    hub.push("lab/tiny", dict.fromkeys(files, "{}"))
    with pytest.raises(InputError) as error:
        (local_adapter if adapter else local_model)("lab/tiny", {})
    assert "\n" not in str(error.value) and not any("/resolve/" in path for path in hub.paths())
    return str(error.value)


def test_a_repository_without_safetensors(hub: Hub) -> None:
    text = message(hub, ["config.json", "pytorch_model.bin", "tokenizer.json"])
    assert "has no weights as model*.safetensors (found pytorch_model.bin); pickles are never loaded" in text


def test_a_repository_without_weights(hub: Hub) -> None:
    assert "(found no weights)" in message(hub, ["config.json", "README.md"])


def test_a_repository_without_tokenizer(hub: Hub) -> None:
    assert "has no tokenizer (tokenizer.json" in message(hub, ["config.json", "model.safetensors"])


@pytest.mark.slow
def test_an_adapter_in_place_of_a_model_and_the_reverse(hub: Hub) -> None:
    assert "is an adapter, not a model" in message(hub, ["adapter_config.json", "adapter_model.safetensors"])
    text = message(hub, ["config.json", "model.safetensors", "tokenizer.json"], adapter=True)
    assert "has no adapter_config.json and no adapter_model.safetensors" in text


FILES = {"config.json": "{}", "model.safetensors": "w", "tokenizer.json": "{}"}


@pytest.mark.slow
def test_offline_a_whole_model_without_a_list_of_its_files_is_taken(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program may have filled the cache, without a list of the repository's files."""
    commit = hub.push("lab/tiny", FILES)
    model = local_model("lab/tiny", {})
    assert (model.repository, model.commit) == ("lab/tiny", commit)
    (model.folder.parent.parent / "trees" / f"{commit}.json").unlink()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert local_model("lab/tiny", {}) == model
    (model.folder / "tokenizer.json").unlink()
    with pytest.raises(HubError, match="HF_HUB_OFFLINE=1 forbids a download"):
        local_model("lab/tiny", {})
    monkeypatch.delenv("HF_HUB_OFFLINE")
    assert local_model("lab/tiny", {}) == model and (model.folder / "tokenizer.json").exists()


@pytest.mark.slow
def test_a_file_that_another_program_left_incomplete_is_replaced(hub: Hub) -> None:
    hub.push("lab/tiny", FILES)
    weights = local_model("lab/tiny", {}).folder / "model.safetensors"
    weights.resolve().write_text("")
    local_model("lab/tiny", {})
    assert weights.read_text() == "w"


def test_a_folder_needs_no_hub(hub: Hub, tmp_path: Path) -> None:
    assert local_model(str(tmp_path), {}).folder == tmp_path
    assert local_model("models/a/b", {}).repository is None and hub.requests == []
