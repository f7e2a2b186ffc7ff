"""Tokenizers and architectures of model folders."""

import json
from pathlib import Path

import pytest

from stages.engines.tokenizer import architecture
from stages.trainer.models import save_model
from tests.tiny_models import make_tiny_policy


def in_the_words_of_the_hub(folder: Path) -> None:
    """As older versions of transformers wrote it, and as most folders on the hub have it."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    rope = config.pop("rope_parameters")
    config.pop("layer_types", None)
    config |= {"rope_theta": rope["rope_theta"], "torch_dtype": "bfloat16", "transformers_version": "4.43.1"}
    path.write_text(json.dumps(config))


@pytest.mark.parametrize("arch", ["qwen2", "llama"])
def test_an_updated_policy_has_the_architecture_of_the_hubs_folder(arch: str, tmp_path: Path) -> None:
    """vLLM was started anew after the first update, since config.json had been written in newer words."""
    from transformers import AutoModelForCausalLM

    first = make_tiny_policy(tmp_path / "first", arch=arch, attention_dropout=0.1)
    in_the_words_of_the_hub(first)
    model = AutoModelForCausalLM.from_pretrained(first)
    model.config.attention_dropout = 0.0  # as the trainer has it
    save_model(model, model.state_dict(), first, tmp_path / "second")
    before, after = (json.loads((folder / "config.json").read_text()) for folder in (first, tmp_path / "second"))
    assert "rope_theta" in before and "rope_theta" not in after
    assert architecture(first) == architecture(tmp_path / "second")


def test_other_shapes_words_or_tokens_are_another_architecture(tmp_path: Path) -> None:
    folder = make_tiny_policy(tmp_path / "a")
    original = architecture(folder)
    assert original == architecture(make_tiny_policy(tmp_path / "b", seed=1))
    assert original != architecture(make_tiny_policy(tmp_path / "c", num_hidden_layers=3))
    assert original != architecture(
        make_tiny_policy(tmp_path / "d", rope_parameters={"rope_type": "default", "rope_theta": 5e5})
    )
    tokens = json.loads((folder / "tokenizer.json").read_text())
    (folder / "tokenizer.json").write_text(json.dumps({**tokens, "model": {**tokens["model"], "merges": []}}))
    assert original != architecture(folder)
