"""What config.json and its neighbours say of a model."""

import json
from pathlib import Path
from typing import Any

import pytest

from stages.model_folder import read_model_config, remove_from_model_config
from storage.errors import InputError


def write(folder: Path, content: Any, name: str = "config.json") -> Path:
    (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


def test_language_model(tmp_path: Path) -> None:
    values = {"vocab_size": 9, "max_position_embeddings": 32, "eos_token_id": [3, 1], "dtype": "bfloat16"}
    config = read_model_config(write(tmp_path, values | {"_name_or_path": "lab/model-1.5B"}))
    assert (config.vocabulary, config.context, config.eos_token_ids) == (9, 32, [3, 1])
    assert config.bytes_per_weight == 2 and config.hub_name == "lab/model-1.5B"


def test_multimodal_model(tmp_path: Path) -> None:
    text = {"vocab_size": 9, "max_position_embeddings": 32, "eos_token_id": 3}
    config = read_model_config(write(tmp_path, {"text_config": text, "torch_dtype": "float16"}))
    assert (config.vocabulary, config.context, config.eos_token_ids, config.bytes_per_weight) == (9, 32, [3], 2)


def test_entries_that_are_not_recorded(tmp_path: Path) -> None:
    config = read_model_config(write(tmp_path, {"_name_or_path": "/home/me/model"}))
    assert config.hub_name is None and config.eos_token_ids == [] and config.bytes_per_weight == 4


@pytest.mark.parametrize(("content", "message"), [("{", "cannot be read"), ([1], "holds list, expected a JSON object")])
def test_unusable_config_is_an_input_error(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(InputError, match=f"model folder {tmp_path}: its config.json {message}"):
        read_model_config(write(tmp_path, content))
    with pytest.raises(InputError, match="cannot be read"):
        read_model_config(tmp_path / "nowhere")


def test_an_entry_is_removed(tmp_path: Path) -> None:
    remove_from_model_config(write(tmp_path, {"b": 1, "a": 2, "_attn_implementation": "ours"}), "_attn_implementation")
    assert (tmp_path / "config.json").read_text() == '{\n  "a": 2,\n  "b": 1\n}\n'
