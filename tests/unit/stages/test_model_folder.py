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
    values = {"vocab_size": 9, "max_position_embeddings": 32, "dtype": "bfloat16"}
    config = read_model_config(write(tmp_path, values | {"_name_or_path": "lab/model-1.5B"}))
    assert (config.vocabulary, config.context) == (9, 32)
    assert config.bytes_per_weight == 2 and config.hub_name == "lab/model-1.5B"


def test_multimodal_model(tmp_path: Path) -> None:
    text = {"vocab_size": 9, "max_position_embeddings": 32}
    config = read_model_config(write(tmp_path, {"text_config": text, "torch_dtype": "float16"}))
    assert (config.vocabulary, config.context, config.bytes_per_weight) == (9, 32, 2)


def test_entries_that_are_not_recorded(tmp_path: Path) -> None:
    config = read_model_config(write(tmp_path, {"_name_or_path": "/home/me/model"}))
    assert config.hub_name is None and config.bytes_per_weight == 4


@pytest.mark.parametrize(
    ("config", "vocabulary", "context"),
    [
        # As published by Gemma 3 4B, which leaves out what is the default of its architecture.
        ({"model_type": "gemma3", "text_config": {"model_type": "gemma3_text", "hidden_size": 2560}}, 262_208, 131_072),
        ({"model_type": "gemma3", "text_config": {"vocab_size": 9}}, 9, 131_072),
        ({"model_type": "gpt2", "vocab_size": 60_000, "n_positions": 77}, 60_000, 77),
        ({"model_type": "a new one", "vocab_size": 9, "max_position_embeddings": 32.0}, 9, 32),
    ],
)
def test_entries_that_config_leaves_out_are_those_of_transformers(
    tmp_path: Path, config: dict[str, Any], vocabulary: int, context: int
) -> None:
    read = read_model_config(write(tmp_path, config))
    assert (read.vocabulary, read.context) == (vocabulary, context)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"model_type": "a new one"}, "its config.json has no vocab_size, and transformers does not know it for this"),
        ({}, "its config.json has no vocab_size, and transformers does not know it for this model; add the entry"),
        ({"model_type": "gemma3", "text_config": {"hidden_size": "x"}}, "its config.json has no vocab_size"),
        ({"vocab_size": "9"}, 'vocab_size in its config.json is "9"; expected a positive number'),
        ({"vocab_size": None}, "vocab_size in its config.json is null; expected a positive number"),
        ({"vocab_size": True}, "vocab_size in its config.json is true; expected a positive number"),
        ({"vocab_size": 0}, "vocab_size in its config.json is 0; expected a positive number"),
        ('{"vocab_size": NaN}', "vocab_size in its config.json is NaN; expected a positive number"),
        ({"vocab_size": [9]}, r"vocab_size in its config.json is \[9\]; expected a positive number"),
    ],
)
def test_a_number_that_is_not_known_is_an_input_error(tmp_path: Path, config: Any, message: str) -> None:
    with pytest.raises(InputError, match=f"model folder {tmp_path}: {message}") as error:
        _ = read_model_config(write(tmp_path, config)).vocabulary
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", [None, [1], "x", 3])
def test_a_language_model_that_is_no_group_is_an_input_error(tmp_path: Path, text: Any) -> None:
    with pytest.raises(InputError, match=f"model folder {tmp_path}: text_config in its config.json is .*, expected a"):
        read_model_config(write(tmp_path, {"vocab_size": 9, "text_config": text}))


def test_the_precision_may_be_that_of_the_language_model(tmp_path: Path) -> None:
    assert read_model_config(write(tmp_path, {"text_config": {"dtype": "bfloat16"}})).bytes_per_weight == 2


@pytest.mark.parametrize(("content", "message"), [("{", "cannot be read"), ([1], "holds list, expected a JSON object")])
def test_unusable_config_is_an_input_error(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(InputError, match=f"model folder {tmp_path}: its config.json {message}"):
        read_model_config(write(tmp_path, content))
    with pytest.raises(InputError, match="cannot be read"):
        read_model_config(tmp_path / "nowhere")


def test_an_entry_is_removed(tmp_path: Path) -> None:
    remove_from_model_config(write(tmp_path, {"b": 1, "a": 2, "_attn_implementation": "ours"}), "_attn_implementation")
    assert (tmp_path / "config.json").read_text() == '{\n  "a": 2,\n  "b": 1\n}\n'
