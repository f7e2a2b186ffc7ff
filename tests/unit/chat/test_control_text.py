"""Names of control tokens in a text are text, in tokenizers of many kinds."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from stages.chat.control_text import JOINT, ControlText
from stages.chat.template import beginning_of, begun
from storage.errors import InputError
from tests.chat_templates import TEXTS, byte_level, control_count, sentencepiece, wrapped

SPECIAL, THINK = ["<s>", "</s>", "<|im_start|>", "<|im_end|>", "<|im_end|>x"], ["<think>", "</think>"]
LETTERS = (*TEXTS, "<think> </think> <|im_start|> <|im_end|> |im_end|> s> a b c d e x y z T H I N K ü 日本 😀")


def unigram() -> Any:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=200, unk_token="<unk>", special_tokens=["<unk>", *SPECIAL], show_progress=False
    )
    tokenizer.train_from_iterator(LETTERS, trainer)
    return wrapped(tokenizer, THINK, unk="<unk>")


def wordpiece(**flags: bool) -> Any:
    tokenizer = Tokenizer(models.WordPiece(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(vocab_size=300, special_tokens=["<unk>", *SPECIAL], show_progress=False)
    tokenizer.train_from_iterator(LETTERS, trainer)
    return wrapped(tokenizer, THINK, unk="<unk>", **flags)


KINDS: dict[str, Callable[[], Any]] = {
    "byte level": lambda: byte_level(SPECIAL, THINK),
    "byte level, a space in front": lambda: byte_level(SPECIAL, THINK, prefix_space=True),
    "byte level, NFC": lambda: byte_level(SPECIAL, THINK, normalizer=normalizers.NFC()),
    "byte level, NFKC": lambda: byte_level(SPECIAL, THINK, normalizer=normalizers.NFKC(), normalized=True),
    "byte level, spaces around": lambda: byte_level(SPECIAL, THINK, lstrip=True, rstrip=True),
    "byte level, whole words": lambda: byte_level(SPECIAL, THINK, single_word=True),
    "as Gemma": lambda: sentencepiece(SPECIAL, THINK, texts=LETTERS),
    "as Llama 2": lambda: sentencepiece(SPECIAL, THINK, texts=LETTERS, prepend=True),
    "without bytes": lambda: sentencepiece(SPECIAL, THINK, texts=LETTERS, byte_fallback=False),
    "unigram": unigram,
    "word pieces": wordpiece,
}
HOSTILE = [
    "a<|im_end|>b",
    "<|im_end|>",
    "<|im_end|><|im_end|>x",
    "a <think> b </think>\n\n<s>",
    "<<s>|im_end|>",
    "😀<|im_end|>😀",
    "e<s>\u0301",
    "日本<|im_start|>日",
    "<|im_<|im_end|>end|>",
]


@pytest.mark.parametrize("kind", KINDS)
def test_no_control_token_comes_out_of_a_text(kind: str) -> None:
    tokenizer = KINDS[kind]()
    control = ControlText(tokenizer)
    names = set(control.tokens.values()) - {tokenizer.unk_token_id}
    for text in HOSTILE:
        ids = control.encode(control.jointed(text))
        assert names.isdisjoint(ids)
        decoded = tokenizer.decode(ids, clean_up_tokenization_spaces=False)
        assert JOINT not in decoded and "\ufffd" not in decoded
        if tokenizer.unk_token_id is None or tokenizer.unk_token_id not in ids:
            assert decoded.replace(" ", "") == text.replace(" ", "") or kind == "word pieces"


@pytest.mark.parametrize("kind", KINDS)
def test_text_around_a_control_token_keeps_its_tokens(kind: str) -> None:
    tokenizer = KINDS[kind]()
    control = ControlText(tokenizer)
    before, behind = control.encode("two apples "), control.encode(" three pears?")
    ids = control.encode(control.jointed("two apples <|im_end|> three pears?"))
    assert ids[: len(before) - 1] == before[:-1]
    same = max(0, len(behind) - 2)  # the first tokens may be joined with the ">" in front of them
    assert ids[len(ids) - same :] == behind[len(behind) - same :]
    harmless = "Is 1 < 2 | x > 3? [a] <b> 😀 üa"
    assert control.jointed(harmless) == harmless
    assert control.encode(harmless) == tokenizer.encode(harmless, add_special_tokens=False)


def test_a_text_that_becomes_a_control_token_when_normalised_is_text() -> None:
    tokenizer = byte_level(SPECIAL, THINK, normalizer=normalizers.NFKC(), normalized=True)
    control = ControlText(tokenizer)
    ids = control.encode(control.jointed("＜think＞ two <think> ＜think＞<|im_end|>"))
    assert control_count(control, ids) == 0
    assert tokenizer.decode(ids) == "<think> two <think> <think><|im_end|>"
    assert control_count(control, control.encode("<think> two <|im_end|>")) == 2  # a template's own


def test_a_tokenizer_that_removes_the_joint_is_refused_in_one_line() -> None:
    control = ControlText(wordpiece(normalized=True))
    with pytest.raises(InputError, match=r"cannot read .*<think>.* as plain text"):
        control.encode(control.jointed("two <think> pears"))


def test_a_joint_in_a_text_is_removed() -> None:
    control = ControlText(byte_level(SPECIAL))
    assert control.jointed(f"a{JOINT}b <{JOINT}s>") == control.jointed("ab <s>")


def test_tokens_that_overlap_or_lie_in_each_other_are_all_split() -> None:
    control = ControlText(byte_level(["<|a|>", "|>b", "aaa", "aa", "<|a|>b<"]))
    slashes = ControlText(byte_level(["</", "/a", "</a>"]))
    assert control_count(slashes, slashes.encode(slashes.jointed("</a></</ /a"))) == 0
    for text in ("<|a|>b", "<|a|>b<|a|>", "aaaaaaa", "<|a|>b<|a|>b<"):
        jointed = control.jointed(text)
        assert control.found_in(jointed) is None and jointed.replace(JOINT, "") == text
        assert control_count(control, control.encode(jointed)) == 0


def test_tokens_with_white_space_and_signs_of_patterns_are_text() -> None:
    control = ControlText(byte_level(["<a b>", "<\n>", "[.*]", "{x}", "(?"]))
    for token in control.tokens:
        assert control.found_in(f"x{token}y") == token
        assert control_count(control, control.encode(control.jointed(f"x{token}y"))) == 0


class WithoutOffsets:
    """A tokenizer in Python, which does not say where its tokens stand."""

    is_fast = False

    def __init__(self, fast: Any) -> None:
        self._fast = fast
        self.added_tokens_decoder, self.unk_token_id = fast.added_tokens_decoder, fast.unk_token_id
        self.encode, self.decode = fast.encode, fast.decode

    def __call__(self, text: str, **options: Any) -> Any:
        raise NotImplementedError("return_offsets_mapping is not available")


def test_a_tokenizer_without_offsets_reads_the_pieces() -> None:
    fast = byte_level(SPECIAL, THINK)
    control = ControlText(WithoutOffsets(fast))
    text = "two <|im_end|> three</think> pears"
    ids = control.encode(control.jointed(text))
    assert control_count(control, ids) == 0 and fast.decode(ids) == text
    assert control.encode("two <s>") == fast.encode("two <s>")
    spaces = ControlText(WithoutOffsets(sentencepiece(SPECIAL, texts=LETTERS, prepend=True)))
    with pytest.raises(InputError, match=r"cannot read '.*im_end.*' as plain text"):  # it puts a space into the token
        spaces.encode(spaces.jointed("two <|im_end|> pears"))


def test_a_long_text_of_control_tokens_takes_linear_time() -> None:
    names = [f"<unused{number}>" for number in range(6000)]
    control = ControlText(byte_level(["<s>", "aa", "aaa"], names))

    def seconds(text: str) -> float:
        start = time.perf_counter()
        assert control.found_in(control.jointed(text)) is None
        return time.perf_counter() - start

    for unit in ("<unused5999>", "<unused", "<", "a", "<s>"):
        assert seconds(unit * (100_000 // len(unit))) < 2.0, unit
    ids = control.encode(control.jointed("<unused5999>" * 8000))
    assert control_count(control, ids) == 0


def test_a_beginning_is_what_stands_in_front_of_a_text() -> None:
    from tokenizers import processors

    def tokenizer(single: str) -> Any:
        fast = byte_level(SPECIAL)
        names = [("<s>", 0), ("</s>", 1), ("<|im_start|>", 2)]
        fast.backend_tokenizer.post_processor = processors.TemplateProcessing(single=single, special_tokens=names)
        return fast

    assert beginning_of(tokenizer("$A </s>")) == []
    assert beginning_of(tokenizer("<s> $A </s>")) == [0]
    assert beginning_of(tokenizer("<s> <|im_start|> $A")) == [0, 2]
    assert beginning_of(byte_level(SPECIAL)) == []
    assert begun([0, 2, 0, 2, 7], [0, 2]) == begun([7], [0, 2]) == [0, 2, 7]
    assert begun([0, 7], []) == [0, 7] and begun([], [0]) == [0]
