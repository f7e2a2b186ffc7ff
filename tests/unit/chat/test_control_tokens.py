"""Which added tokens are control text, in the files of a model folder and in a loaded tokenizer."""

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.chat.control_text import JOINT, ControlText
from stages.chat.control_tokens import TokenFinder, control_tokens, is_control_token
from stages.engines.tokenizer import load_tokenizer
from storage.errors import InputError
from tests.chat_templates import manifest, tokenizer_of

CONTROL = (
    "<|im_end|>", "<｜end▁of▁sentence｜>", "<tool_call>", "</think>", "<seed:eos>", "<image_soft_token>", "<|channel>",
    "[gMASK]", "[IMG]", "[THINK]", "[|endofturn|]", "[/TOOL_CALLS]", "◁think▷", "<unused17>", "<sop>", "[EOS]",
)  # fmt: skip
"""Control tokens of published tokenizers, special or not."""
SPECIAL = ("]~b]", "[e~[", ">>ANSWER<<", "/nothink", "Human:", "\\boxed", "<b>", "[1]")
"""Text that counts only if the token is special; the first four are published."""
TEXT = ("x", "#", " ", "\n\n", "    ", "▁▁", "\t\t")
"""Never control text: single characters and white space."""
WORDS = ("beta-blocker", "Kaplan Meier", "[0]", "[12]", "<a>", "<h1>", "<sub>", "</td>", "a<b", "[a, b]", "{x}")


@pytest.mark.parametrize("text", CONTROL)
def test_a_token_that_looks_like_a_control_token_is_one(text: str) -> None:
    assert is_control_token(text, special=True) and is_control_token(text, special=False)


@pytest.mark.parametrize("text", [*SPECIAL, *WORDS])
def test_other_tokens_are_control_text_only_if_special(text: str) -> None:
    assert is_control_token(text, special=True) and not is_control_token(text, special=False)


@pytest.mark.parametrize("text", ["", *TEXT])
def test_single_characters_and_white_space_are_text(text: str) -> None:
    assert not is_control_token(text, special=True) and not is_control_token(text, special=False)


def added(content: str, special: bool = False, **other: Any) -> dict[str, Any]:
    return {"content": content, "special": special, **other}


def write(folder: Path, name: str, content: Any) -> Path:
    (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


def test_every_file_of_a_tokenizer_is_read(tmp_path: Path) -> None:
    assert control_tokens(tmp_path) == control_tokens(tmp_path / "nowhere") == ()
    write(tmp_path, "tokenizer.json", {"added_tokens": [added("<a1>"), added("[ONE]"), added("two words")]})
    assert control_tokens(tmp_path) == ("[ONE]",)
    decoder = {"7": added("TWO", True), "8": added("a word")}
    roles = {"eos_token": added("THREE", __type="AddedToken"), "pad_token": "FOUR", "bos_token": None}
    write(tmp_path, "tokenizer_config.json", {"added_tokens_decoder": decoder, **roles, "add_bos_token": True})
    several = {"additional_special_tokens": ["FIVE", added("SIX")], "extra_special_tokens": {"image_token": "SEVEN"}}
    write(tmp_path, "special_tokens_map.json", several)
    write(tmp_path, "added_tokens.json", {"<eight>": 7, "nine": 8})
    assert control_tokens(tmp_path) == tuple(
        sorted(("[ONE]", "TWO", "THREE", "FOUR", "FIVE", "SIX", "SEVEN", "<eight>"))
    )


def test_a_token_is_special_if_one_file_says_so(tmp_path: Path) -> None:
    write(tmp_path, "tokenizer.json", {"added_tokens": [added("STOP"), added("GO", True)]})
    write(tmp_path, "special_tokens_map.json", {"eos_token": "STOP"})
    write(tmp_path, "tokenizer_config.json", {"added_tokens_decoder": {"1": added("GO")}})
    assert control_tokens(tmp_path) == ("GO", "STOP")


def test_a_file_that_has_changed_is_read_again(tmp_path: Path) -> None:
    write(tmp_path, "added_tokens.json", {"<one>": 1})
    assert control_tokens(tmp_path) == ("<one>",)
    write(tmp_path, "added_tokens.json", {"<two>": 1})
    os.utime(tmp_path / "added_tokens.json", ns=(1, 1))
    assert control_tokens(tmp_path) == ("<two>",)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tokenizer.json", "{"),
        ("tokenizer.json", "[" * 100_000),
        ("tokenizer.json", [1]),
        ("tokenizer.json", {"added_tokens": 3}),
        ("tokenizer.json", {"added_tokens": [{"special": True}]}),
        ("tokenizer.json", {"added_tokens": [{"content": 5}]}),
        ("tokenizer.json", '{"added_tokens": [{"content": "a\\ud800"}]}'),
        ("tokenizer_config.json", {"added_tokens_decoder": [added("<one>")]}),
        ("tokenizer_config.json", {"added_tokens_decoder": {"1": "<one>"}}),
        ("tokenizer_config.json", {"eos_token": 7}),
        ("special_tokens_map.json", {"additional_special_tokens": 7}),
        ("special_tokens_map.json", {"eos_token": {"text": "x"}}),
        ("added_tokens.json", ["<one>"]),
        ("added_tokens.json", "null"),
    ],
)
def test_a_malformed_file_is_an_error_of_one_line(tmp_path: Path, name: str, content: Any) -> None:
    write(tmp_path, name, content)
    with pytest.raises(InputError) as error:
        control_tokens(tmp_path)
    assert str(tmp_path / name) in str(error.value) and "copy the model's own there" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_text_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_bytes(b"\xff\xfe\x00{")
    with pytest.raises(InputError, match=r"tokenizer\.json cannot be read"):
        control_tokens(tmp_path)


def test_a_large_file_is_parsed_once(tmp_path: Path) -> None:
    """11 MB take 0.4 s; `serl` resolves a run's settings several times."""
    merges = [[f"a{number}", f"b{number}"] for number in range(320_000)]
    content = json.dumps({"added_tokens": [added("<one>")], "model": {"merges": merges}}, indent=1)
    assert len(content) > 11_000_000
    write(tmp_path, "tokenizer.json", content)
    assert control_tokens(tmp_path) == ("<one>",)
    began = time.process_time()
    for _ in range(100):
        control_tokens(tmp_path)
    assert time.process_time() - began < 1


def tiny(*tokens: tuple[str, bool]) -> Any:
    """A byte-level tokenizer with added tokens (text, special)."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False)
    tokenizer.train_from_iterator(["Does a beta-blocker help? Take 5    mg."], trainer)
    for text, special in tokens:
        token = AddedToken(text, special=special, normalized=False)
        (tokenizer.add_special_tokens if special else tokenizer.add_tokens)([token])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer)


def test_a_loaded_tokenizer_has_the_control_tokens_of_its_folder(tmp_path: Path) -> None:
    special = [(text, True) for text in (*SPECIAL[:6], "<|im_end|>", "\n\n")]
    tokenizer = tiny(*special, *((text, False) for text in (*CONTROL[2:8], *WORDS, "    ")))
    tokenizer.save_pretrained(tmp_path)
    control = ControlText(load_tokenizer(tmp_path))
    assert tuple(sorted(control.tokens)) == control_tokens(tmp_path)
    assert set(control.tokens) == {*SPECIAL[:6], "<|im_end|>", *CONTROL[2:8]}


def test_words_and_spaces_that_a_tokenizer_adds_keep_their_ids() -> None:
    tokenizer = tiny(("beta-blocker", False), ("    ", False), ("<sub>", False), ("\n\n", True), ("<|im_end|>", True))
    control = ControlText(tokenizer)
    harmless = "Does a beta-blocker help?\n\nTake 5    mg of H<sub>2</sub>O."
    assert control.jointed(harmless) == harmless and control.found_in(harmless) is None
    plain = tokenizer.encode(harmless, add_special_tokens=False)
    assert control.encode(control.jointed(harmless)) == plain
    added_ids = tokenizer.convert_tokens_to_ids(["beta-blocker", "    ", "<sub>"])
    assert set(added_ids) <= set(plain)
    # With a control token behind it the rest of the text has the same ids.
    hostile = control.jointed(f"{harmless}<|im_end|>")
    assert JOINT in hostile and control.encode(hostile)[: len(plain) - 1] == plain[:-1]
    assert tokenizer.convert_tokens_to_ids("<|im_end|>") not in control.encode(hostile)


@pytest.mark.skipif(not manifest(), reason="the published chat templates are not on this machine")
@pytest.mark.parametrize("family", sorted(manifest()))
def test_all_control_tokens_of_a_published_family_are_known(family: str, tmp_path: Path) -> None:
    tokenizer_of(family).save_pretrained(tmp_path)
    tokens = manifest()[family]
    names = {tokens["bos"], tokens["eos"], tokens["end"], *tokens["gen"], *tokens["special"], *tokens["plain"]}
    assert set(control_tokens(tmp_path)) == names - {None}
    assert set(ControlText(load_tokenizer(tmp_path)).tokens) == names - {None}


def test_the_first_and_longest_token_is_found() -> None:
    finder = TokenFinder(["<s>", "<s>x", "[EOS]", "ab"])
    assert finder.first_in("1 [EOS] <s>") == "[EOS]"
    assert finder.first_in("1 <s>x") == "<s>x"
    assert finder.first_in("1 <s>y") == "<s>"
    assert finder.first_in("aab") == "ab"
    assert finder.first_in("< s> [EOS a b") is None
    assert TokenFinder().first_in("<s>") is None


@given(st.lists(st.text("<s>|[a]", min_size=1, max_size=4), max_size=5), st.text("<s>|[a]", max_size=30))
def test_a_token_is_found_exactly_if_the_text_contains_it(tokens: list[str], text: str) -> None:
    contained = [token for token in tokens if token in text]
    first = TokenFinder(tokens).first_in(text)
    assert (first is None) == (not contained)
    if first is not None:
        assert text.index(first) == min(map(text.index, contained))


def test_thousands_of_tokens_are_searched_in_linear_time() -> None:
    finder = TokenFinder(f"<unused{number}>" for number in range(6_000))
    began = time.process_time()
    for text in ("<" * 10**6, "<unused" * 10**5, "<unused5999" * 10**5, "a" * 10**7):
        assert finder.first_in(text) is None
    assert time.process_time() - began < 10
