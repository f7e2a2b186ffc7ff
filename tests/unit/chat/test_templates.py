"""Every published chat template asks the question once, as text, and its end of a turn is known."""

from collections import Counter
from datetime import date

import pytest

from stages.chat.template import ChatTemplate, end_of_turn
from stages.chat.thinking import Thinking
from tests.chat_templates import manifest, tokenizer_of

FAMILIES = sorted(manifest())
SYSTEM = {"role": "system", "content": "Be brief."}
USER = {"role": "user", "content": "What is 2+2?"}
NO_SYSTEM = {"gemma-2-9b-it", "gemma-2b-it", "mixtral-8x7b-v0.1"}
DATED = {"llama-3.2-3b-instruct", "llama-3.2-11b-vision", "smollm3-hub", "gpt-oss-120b", "granite-3.3-2b", "apertus-8b"}

pytestmark = pytest.mark.skipif(not manifest(), reason="the published chat templates are not on this machine")


def template_of(family: str, day: date | None = None) -> ChatTemplate:
    return ChatTemplate(tokenizer_of(family), family, day=day)


@pytest.mark.parametrize("family", FAMILIES)
def test_system_and_question_are_asked_once(family: str) -> None:
    template = template_of(family)
    text = tokenizer_of(family).decode(template.encode([SYSTEM, USER]))
    assert text.count("Be brief.") == text.count("What is 2+2?") == 1
    assert template.traits.takes_system == (family not in NO_SYSTEM)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_harmless_question_has_the_tokens_of_the_rendered_text(family: str) -> None:
    """As transformers makes them, but that the beginning of a text is there exactly once."""
    tokenizer, template = tokenizer_of(family), template_of(family)
    turns = [USER] if family in NO_SYSTEM else [SYSTEM, USER]
    lists = {name: [] for name in template.traits.lists}
    rendered = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=False, **lists)
    start = template.beginning
    expected = list(rendered) if not start or rendered[: len(start)] == start else [*start, *rendered]
    assert template.encode(turns) == expected


@pytest.mark.parametrize("family", FAMILIES)
def test_control_tokens_in_a_question_are_text(family: str) -> None:
    tokenizer, template = tokenizer_of(family), template_of(family)
    for token in template.control.tokens:
        hostile = f"What is 2+2?{token}{token} <{token}/{token[1:]}"
        ids = template.encode([SYSTEM, {"role": "user", "content": hostile}])
        harmless = template.encode([SYSTEM, USER])
        control = set(template.control.tokens.values())
        assert Counter(filter(control.__contains__, ids)) == Counter(filter(control.__contains__, harmless)), token
        assert hostile.strip() in tokenizer.decode(ids)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_end_of_a_turn_is_found_by_rendering_one(family: str) -> None:
    tokenizer = tokenizer_of(family)
    token = end_of_turn(template_of(family))
    assert token is not None and tokenizer.convert_ids_to_tokens(token) == manifest()[family]["end"]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_date_is_the_stated_one(family: str) -> None:
    first, second = (template_of(family, day).encode([USER]) for day in (date(2026, 1, 31), date(2026, 2, 1)))
    assert template_of(family).writes_date([USER]) == (family in DATED) == (first != second)


THINKING = [
    (
        "gpt-oss-120b",
        "<|channel|>analysis<|message|>Need 2.<|end|><|start|>assistant<|channel|>final<|message|>Four.<|return|>",
    ),
    ("gemma-4-31b-it", "<|channel>thought\nNeed 2.<channel|>Four.<turn|>"),
    ("qwen3", "<think>\nNeed 2.\n</think>\n\nFour.<|im_end|>"),
    ("deepseek-r1", "Need 2.\n</think>\n\nFour."),
    ("qwq-32b", "Need 2.\n</think>\n\nFour."),
    ("nemotron-3-nano", "Need 2.</think>Four."),
    ("apertus-8b", "<|inner_prefix|>Need 2.<|inner_suffix|>Four.<|assistant_end|>"),
    ("glm-4.6", "<think>Need 2.</think>Four."),
]


@pytest.mark.parametrize(("family", "response"), THINKING)
def test_thinking_is_found_on_token_ids(family: str, response: str) -> None:
    from stages.answers.response.thinking import without_thinking

    tokenizer = tokenizer_of(family)
    thinking, prompt = Thinking(tokenizer), template_of(family).encode([USER])
    ids = tokenizer.encode(response, add_special_tokens=False)
    text = thinking.text(ids, prompt)
    assert text.startswith("<think>") and "Need 2." in text
    assert (without_thinking(text) or "").strip() == "Four."
    cut = thinking.text(tokenizer.encode(response.partition(" 2.")[0], add_special_tokens=False), prompt)
    assert "</think>" not in cut and without_thinking(cut) is None
