"""Thinking in token ids: opened by a prompt or a response, cut off or not, in control tokens or ordinary text."""

from typing import Any

import pytest

from stages.answers.response.thinking import without_thinking
from stages.chat.control_text import ControlText
from stages.chat.thinking import Thinking
from tests.chat_templates import TEXTS, byte_level, control_count, sentencepiece

TURNS = ["<s>", "<|turn|>", "<|end|>"]
ASKED = "<s><|turn|>user\nWhat is 2+2?<|end|><|turn|>assistant\n"
LETTERS = (*TEXTS, "<think> </think> Need 2. Four. Five. What is 2+2? user assistant a b x")


def ids_of(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer.encode(text, add_special_tokens=False))


def text_of(tokenizer: Any, response: str, prompt: str = ASKED, marks: Any = ()) -> str:
    thinking = Thinking(tokenizer, marks)
    return thinking.text(ids_of(tokenizer, response), ids_of(tokenizer, prompt))


FAMILIES = {
    # special tokens, tokens that decoding keeps, what the template writes last, response
    "plain tokens": ([], ["<think>", "</think>"], "", "<think>\nNeed 2.\n</think>\n\nFour.<|end|>"),
    "special tokens": (["<think>", "</think>"], [], "", "<think>Need 2.</think>Four.<|end|>"),
    "opened by the prompt": ([], ["<think>", "</think>"], "<think>\n", "Need 2.\n</think>\n\nFour.<|end|>"),
    "begun by the prompt": ([], ["<think>", "</think>"], "<think>\nFirst, ", "Need 2.\n</think>\n\nFour."),
    "ordinary text": ([], [], "", "<think>\nNeed 2.\n</think>\n\nFour.<|end|>"),
    "ordinary text of the prompt": ([], [], "<think>\n", "Need 2.\n</think>\n\nFour.<|end|>"),
    "another tag of the prompt": ([], [], "<reasoning>\n", "Need 2.\n</reasoning>\n\nFour."),
    "only the end is a token": ([], ["</think>"], "<think>\n", "Need 2.\n</think>\n\nFour."),
    "Seed": ([], ["<seed:think>", "</seed:think>"], "", "<seed:think>Need 2.</seed:think>Four."),
    "Magistral": (["[THINK]", "[/THINK]"], [], "", "[THINK]Need 2.[/THINK]Four."),
    "Command A": (
        ["<|START_THINKING|>", "<|END_THINKING|>", "<|START_RESPONSE|>", "<|END_RESPONSE|>"], [], "",
        "<|START_THINKING|>Need 2.<|END_THINKING|><|START_RESPONSE|>Four.<|END_RESPONSE|>",
    ),
    "Kimi": (["◁think▷", "◁/think▷"], [], "", "◁think▷Need 2.◁/think▷Four."),
    "Kimi K3": (
        ["<|open|>", "<|close|>", "<|sep|>", "<|end_of_msg|>"], [], "<|open|>think<|sep|>",
        "Need 2.<|close|>think<|sep|><|open|>response<|sep|>Four."
        "<|close|>response<|sep|><|close|>message<|sep|><|end_of_msg|>",
    ),
    "gpt-oss": (
        ["<|channel|>", "<|message|>", "<|start|>", "<|return|>"], [], "",
        "<|channel|>analysis<|message|>Need 2.<|end|><|start|>assistant<|channel|>final<|message|>Four.<|return|>",
    ),
    "Apriel": (
        [], ["[BEGIN FINAL RESPONSE]", "[END FINAL RESPONSE]"], "Here are my reasoning steps:\n",
        "Need 2.\n[BEGIN FINAL RESPONSE]\nFour.\n[END FINAL RESPONSE]\n<|end|>",
    ),
    "Apriel, special tokens": (
        ["[BEGIN FINAL RESPONSE]", "[END FINAL RESPONSE]"], [], "Here are my reasoning steps:\n",
        "Need 2.\n[BEGIN FINAL RESPONSE]\nFour.\n[END FINAL RESPONSE]\n<|end|>",
    ),
    "Gemma 4": (["<|channel>", "<channel|>"], [], "", "<|channel>thought\nNeed 2.<channel|>Four."),
}  # fmt: skip


@pytest.mark.parametrize("family", FAMILIES)
def test_thinking_is_known_whatever_marks_it(family: str) -> None:
    special, plain, start, response = FAMILIES[family]
    tokenizer = byte_level([*TURNS, *special], plain)
    text = text_of(tokenizer, response, ASKED + start)
    assert text.startswith(("<think>", "<reasoning>", "Here are my reasoning steps:")) and "Need 2." in text
    assert (without_thinking(text) or "").strip() == "Four."
    cut = text_of(tokenizer, response.partition(" 2.")[0], ASKED + start)
    assert without_thinking(cut) is None and cut.endswith("Need")
    assert Thinking(tokenizer).is_open(ids_of(tokenizer, ASKED + start)) == bool(start)


NOT_OPEN = {
    "closed again": ASKED + "<think>\n\n</think>\n\n",
    "closed at once": ASKED + "<think></think>",
    "only closed": ASKED + "</think>",
    "a text of the template": "<s><|turn|>system\nBegin with <think>.<|end|>" + ASKED[3:],
    "an earlier answer": "<s><|turn|>assistant\n<think>\nFour.<|end|>" + ASKED[3:],
    "a plain prompt about marks": "<s>Write <think> first. What is 2+2?",
    "no mark": ASKED,
    "nothing": "",
}


@pytest.mark.parametrize("kind", NOT_OPEN)
@pytest.mark.parametrize("plain", [("<think>", "</think>"), ()], ids=["tokens", "text"])
def test_a_prompt_that_opens_no_thinking_leaves_the_response(kind: str, plain: tuple[str, ...]) -> None:
    tokenizer = byte_level(TURNS, plain)
    assert text_of(tokenizer, "Four.<|end|>", NOT_OPEN[kind]) == "Four."


def test_a_prompt_may_end_in_a_mark_of_another_family() -> None:
    tokenizer = byte_level(TURNS, ["<think>", "</think>"])
    prompt = ASKED + "<think></think><reasoning>\n"
    assert without_thinking(text_of(tokenizer, "Need 2.</reasoning>Four.", prompt)) == "Four."
    assert without_thinking(text_of(tokenizer, "Need 2.", prompt)) is None


def test_a_question_that_ends_in_a_mark_opens_no_thinking() -> None:
    tokenizer = byte_level(TURNS, ["<think>", "</think>"])
    control, thinking = ControlText(tokenizer), Thinking(tokenizer)
    prompt = control.encode(control.jointed("Which tag follows <b> and <think>"))
    assert not thinking.is_open(prompt)
    assert thinking.text(ids_of(tokenizer, "Four."), prompt) == "Four."
    assert thinking.is_open(ids_of(tokenizer, "What is 2+2? <think>"))  # a prompt's own
    no_token = byte_level(TURNS)
    assert not Thinking(no_token).is_open(
        ids_of(no_token, "<s><|turn|>user\nWhich tag is <think><|end|><|turn|>assistant")
    )


@pytest.mark.parametrize(
    "marks",
    [
        ("<|a|>", "<|z|>"),
        ("<|a|>", "ANSWER:"),
        ("Steps:\n", "[ANSWER]"),
        ("{(", ")}"),
        ("/think\n", "<|end|>\n<|turn|>x\n"),
    ],
)
def test_further_marks_are_control_tokens_or_ordinary_text(marks: tuple[str, str]) -> None:
    tokenizer = byte_level([*TURNS, "<|a|>", "<|z|>"])
    start, end = marks
    for prompt, response in ((ASKED, f"{start}Need 2.{end} Four."), (ASKED + start, f"Need 2.{end} Four.<|end|>")):
        assert text_of(tokenizer, response, prompt, [marks]) == "<think>Need 2.</think> Four."
        assert Thinking(tokenizer, [marks]).is_in(ids_of(tokenizer, response), ids_of(tokenizer, prompt))
    cut = text_of(tokenizer, "Need", ASKED + start, [marks])
    assert cut == "<think>Need" and without_thinking(cut) is None
    assert text_of(tokenizer, "Four.<|end|>", ASKED, [marks]) == "Four."
    twice = text_of(tokenizer, f"{start}a{end} b{start}c{end} Four.", ASKED, [marks])
    assert twice == "<think>a</think> b<think>c</think> Four."


@pytest.mark.parametrize("special", [True, False])
@pytest.mark.parametrize(
    ("response", "rest"),
    [
        ("<think></think>Four.", "Four."),
        ("<think>a</think>b<think>c</think>Four.", "Four."),
        ("<think>a<think>b</think>Four.", "Four."),
        ("a</think>b</think>Four.", "Four."),
        ("Four.<think>a", None),
        ("<think><think>", None),
        ("```\n<think>x</think>\n```\nFour.", "\n```\nFour."),
    ],
)
def test_blocks_are_two_empty_or_nested(special: bool, response: str, rest: str | None) -> None:
    marks = ["<think>", "</think>"]
    tokenizer = byte_level([*TURNS, *marks]) if special else byte_level(TURNS, marks)
    assert text_of(tokenizer, response) == response
    assert without_thinking(text_of(tokenizer, response)) == rest


def test_marks_split_over_ordinary_tokens_are_shown_as_decoded() -> None:
    tokenizer = byte_level(TURNS, ["<think>", "</think>"])
    control = ControlText(tokenizer)
    ids = control.encode(control.jointed("<think>Need 2.</think>Four."))
    assert control_count(control, ids) == 0
    assert Thinking(tokenizer).text(ids) == "<think>Need 2.</think>Four."


def test_half_a_character_at_a_mark_stays_one_unknown_character() -> None:
    tokenizer = byte_level(TURNS, ["<think>", "</think>"])
    half = ids_of(tokenizer, "😀")[:2]
    ids = [*ids_of(tokenizer, "<think>a"), *half, *ids_of(tokenizer, "</think>"), *half, *ids_of(tokenizer, "Four.")]
    assert Thinking(tokenizer).text(ids) == tokenizer.decode(ids, skip_special_tokens=True)


@pytest.mark.parametrize("prepend", [True, False])
@pytest.mark.parametrize("special", [True, False])
def test_spaces_behind_control_tokens_stay(prepend: bool, special: bool) -> None:
    marks = ["<think>", "</think>"]
    names, plain = ([*TURNS, *marks], []) if special else (TURNS, marks)
    tokenizer = sentencepiece(names, plain, texts=LETTERS, prepend=prepend)
    first, second, last = (tokenizer.convert_tokens_to_ids(token) for token in ("<think>", "</think>", "<|end|>"))
    words = {word: tokenizer.convert_tokens_to_ids(word) for word in ("▁a", "b", "x")}
    assert tokenizer.unk_token_id not in words.values()
    ids = [first, words["▁a"], words["b"], second, words["▁a"], last, words["▁a"]]
    assert Thinking(tokenizer).text(ids) == "<think> ab</think> a a"


@pytest.mark.parametrize("marks", [(), (("Steps:", "[ANSWER]"),)])
def test_responses_without_marks_are_decoded_as_ever(marks: Any) -> None:
    for tokenizer in (byte_level(TURNS, ["<think>", "</think>"]), sentencepiece(TURNS, texts=LETTERS, prepend=True)):
        for response in ("Four.<|end|>", " a b\n\n<|turn|> x ", "I think so", "", "<|end|>", "a  b<|end|>"):
            ids = ids_of(tokenizer, response)
            decoded = tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
            assert Thinking(tokenizer, marks).text(ids, ids_of(tokenizer, ASKED)) == decoded


def test_only_the_end_of_a_prompt_is_searched() -> None:
    tokenizer = byte_level(TURNS, ["<think>", "</think>"])
    thinking = Thinking(tokenizer)
    long = ids_of(tokenizer, "What is 2+2? " * 1000)
    assert thinking.is_open([*long, *ids_of(tokenizer, ASKED + "<think>\n")])
    assert not thinking.is_open([*ids_of(tokenizer, ASKED + "<think>"), *long])


def test_the_added_tokens_are_read_few_times() -> None:
    """A tokenizer makes them anew whenever it is asked. Gemma has 6,000: once for each took many minutes."""

    class Counting:
        def __init__(self, tokenizer: Any) -> None:
            self._tokenizer = tokenizer
            self.reads = 0

        def __getattr__(self, name: str) -> Any:
            self.reads += name == "added_tokens_decoder"
            return getattr(self._tokenizer, name)

    tokenizer = Counting(byte_level([f"<unused{index}>" for index in range(40)]))
    Thinking(tokenizer)
    assert tokenizer.reads < 5
