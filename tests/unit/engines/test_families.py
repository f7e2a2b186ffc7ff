"""The tokenizers of all families, from model folders as engines read them."""

import json
from pathlib import Path
from typing import Any

import pytest

from stages.chat.template import ChatTemplate
from stages.engines.tokenizer import PolicyTokenizer
from storage.errors import InputError
from tests.chat_templates import manifest, tokenizer_of
from tests.tiny_models import CHAT_TEMPLATE, make_tiny_tokenizer

REFUSED = {"hermes-2-pro-tool"}
USER = {"role": "user", "content": "What is 2+2?"}
EOS_OF_ANOTHER_MODEL = 3


def folder_of(tokenizer: Any, folder: Path, generation: Any = None, **config: Any) -> Path:
    tokenizer.save_pretrained(folder)
    (folder / "config.json").write_text(json.dumps({"vocab_size": len(tokenizer), **config}))
    if generation is not None:
        text = generation if isinstance(generation, str) else json.dumps(generation)
        (folder / "generation_config.json").write_text(text)
    return folder


@pytest.mark.skipif(not manifest(), reason="the published chat templates are not on this machine")
@pytest.mark.parametrize("family", sorted(set(manifest()) - REFUSED))
def test_a_family_is_asked_and_stopped_from_its_folder(family: str, tmp_path: Path) -> None:
    tokens, tokenizer = manifest()[family], tokenizer_of(family)
    template = ChatTemplate(tokenizer, family)
    for name, generation in (("bare", None), ("whole", {"eos_token_id": EOS_OF_ANOTHER_MODEL}), ("empty", {})):
        policy = PolicyTokenizer(folder_of(tokenizer, tmp_path / name, generation))
        assert policy.encode_chat([USER]) == template.encode([USER])
        ends = [tokenizer.convert_ids_to_tokens(token) for token in policy.eos_ids]
        assert tokens["end"] in ends and tokens["eos"] in ends
        assert (EOS_OF_ANOTHER_MODEL in policy.eos_ids) >= (name == "whole")
    plain = policy.encode("What is 2+2?")
    assert plain == tokenizer("What is 2+2?")["input_ids"]
    assert plain.count(tokenizer.bos_token_id) == (1 if tokens["bos"] else 0)


@pytest.mark.parametrize(
    "generation",
    ["{", "[]", '"x"', "[[1]]", "[" * 100_000, '{"eos_token_id": "x"}', '{"eos_token_id": [[1]]}',
     '{"eos_token_id": -1}', '{"eos_token_id": [2, 1000000]}', '{"eos_token_id": 100000000000000000000}'],
)  # fmt: skip
def test_a_malformed_generation_config_is_one_line(generation: str, tmp_path: Path) -> None:
    folder = folder_of(make_tiny_tokenizer(), tmp_path, generation)
    with pytest.raises(InputError, match=r"generation_config\.json") as error:
        PolicyTokenizer(folder)
    assert "\n" not in str(error.value)


def test_stop_tokens_of_every_place_count(tmp_path: Path) -> None:
    tokenizer = make_tiny_tokenizer()
    folder = folder_of(
        tokenizer,
        tmp_path,
        {"eos_token_id": [11, 12]},
        eos_token_id=13,
        text_config={"eos_token_id": [14], "vocab_size": len(tokenizer)},
    )
    policy = PolicyTokenizer(folder)
    assert policy.eos_ids == [tokenizer.eos_token_id, 11, 12, 13, 14]
    start = tokenizer.convert_tokens_to_ids("<|im_start|>")
    assert policy.stop_ids(("<|im_start|>", "no token")) == sorted([*policy.eos_ids, start])


@pytest.mark.parametrize("changes", [{"unk_token": ""}, {"padding_side": "x"}, {"added_tokens_decoder": []}])
def test_a_tokenizer_that_cannot_be_read_is_one_line(changes: dict[str, Any], tmp_path: Path) -> None:
    folder = folder_of(make_tiny_tokenizer(), tmp_path)
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(
        InputError, match=r"its tokenizer cannot be read .*; copy the model's own tokenizer\.json"
    ) as error:
        PolicyTokenizer(folder)
    assert "\n" not in str(error.value)


def test_an_end_of_text_that_the_model_does_not_have_ends_nothing(tmp_path: Path) -> None:
    tokenizer = make_tiny_tokenizer()
    tokenizer.eos_token = "<|new|>"
    folder = folder_of(tokenizer, tmp_path, vocab_size=len(tokenizer) - 1)
    assert PolicyTokenizer(folder).eos_ids == [tokenizer.convert_tokens_to_ids("<|im_end|>")]


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (None, "has no chat template"),
        ("", "has no chat template"),
        ("{% for %}", "refuses the prompt"),
        ("{{ raise_exception('No!\\nNever.') }}", r"refuses the prompt \(No!\)"),
        ({"tool_use": CHAT_TEMPLATE}, "none named default"),
        ("{{ messages | length }}", "writes the question not at all"),
    ],
)
def test_a_template_that_cannot_be_used_is_one_line(template: Any, message: str, tmp_path: Path) -> None:
    """A plain prompt needs no template."""
    tokenizer = make_tiny_tokenizer()
    tokenizer.chat_template = template
    policy = PolicyTokenizer(folder_of(tokenizer, tmp_path))
    assert policy.encode("2+2?")
    with pytest.raises(InputError, match=message) as error:
        policy.encode_chat([USER])
    assert "\n" not in str(error.value)


def test_a_template_beside_the_tokenizer_is_found(tmp_path: Path) -> None:
    tokenizer = make_tiny_tokenizer()
    expected = PolicyTokenizer(folder_of(tokenizer, tmp_path / "a")).encode_chat([USER])
    tokenizer.chat_template = None
    folder = folder_of(tokenizer, tmp_path / "b")
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": CHAT_TEMPLATE}))
    assert PolicyTokenizer(folder).encode_chat([USER]) == expected
    (folder / "chat_template.json").write_text("[]")
    with pytest.raises(InputError, match=r"chat_template\.json holds no `chat_template`"):
        PolicyTokenizer(folder)
