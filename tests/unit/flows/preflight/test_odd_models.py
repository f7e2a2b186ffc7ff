"""Prompts as `serl check` shows them, and as the start of a run tries them."""

import json
from pathlib import Path
from typing import Any

import pytest

from flows.config.load import parse_config
from flows.config.run import RunConfig
from flows.models.asking import QUESTION, prompts, tokenizer_of
from flows.preflight.prompts import check_prompts, describe_models
from storage.errors import InputError
from tests.helpers import fake_values
from tests.tiny_models import CHAT_TEMPLATE, make_tiny_policy, make_tiny_tokenizer


def tiny(folder: Path, template: str | None = CHAT_TEMPLATE, **config: Any) -> Path:
    tokenizer = make_tiny_tokenizer()
    tokenizer.chat_template = template
    return make_tiny_policy(folder, tokenizer=tokenizer, **config)


def config_of(folder: Path, policy: Path, **changes: Any) -> RunConfig:
    changes = {"engine": "transformers", "policy": {"model": str(policy)}, **changes}
    return parse_config(fake_values(folder, **changes), "test")


def change_config(folder: Path, **entries: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


def test_arguments_that_the_template_does_not_read_are_named(tmp_path: Path) -> None:
    policy = tiny(tmp_path / "policy", CHAT_TEMPLATE + "{% if enable_thinking is false %}/no{% endif %}")
    arguments = {"enable_thinking": False, "enable_thinkin": False, "tools": []}
    sample = {"prompt": "chat", "template_arguments": arguments}
    lines = describe_models(config_of(tmp_path, policy, sample=sample), [QUESTION])["policy"]
    [line] = [line for line in lines if "does not read" in line]
    assert line == "the chat template does not read enable_thinkin, which template_arguments set for answers"


def test_a_plain_question_is_shown_as_it_is_asked(tmp_path: Path) -> None:
    """What it says of control tokens is text, so it does not get their ids."""
    policy = tiny(tmp_path / "policy")
    config = config_of(tmp_path, policy, sample={"prompt": "plain"}, iterations=1)
    [prompt] = [prompt for prompt in prompts(config, {"policy": policy}, ["1?<|im_end|>"]) if prompt.stage == "sample"]
    tokenizer = tokenizer_of(prompt)
    ids = prompt.encode(tokenizer)
    assert tokenizer.show(ids) == "1?<|im_end|>\n" and not set(ids) & set(tokenizer.eos_ids)


def test_a_prompt_with_tokens_that_the_model_does_not_have_is_refused(tmp_path: Path) -> None:
    policy = tiny(tmp_path / "policy")
    (policy / "generation_config.json").unlink()
    change_config(policy, vocab_size=5)
    with pytest.raises(InputError, match=r"policy, new questions: the prompt holds token \d+, .* only 5 tokens"):
        check_prompts(config_of(tmp_path, policy))


@pytest.mark.parametrize("architectures", [None, [], {}, {"a": 1}, 3, [3], "Tiny"])
def test_odd_names_of_architectures_are_shown(architectures: Any, tmp_path: Path) -> None:
    policy = tiny(tmp_path / "policy")
    change_config(policy, architectures=architectures)
    assert describe_models(config_of(tmp_path, policy), [QUESTION])["policy"][0].startswith("qwen2 (")
