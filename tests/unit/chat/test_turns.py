"""Which chat templates take a chat of several turns: all published ones, and none that loses or changes a turn."""

import re
from datetime import date
from typing import Any

import pytest

from stages.chat.template import ChatTemplate
from stages.chat.turns import check_turns
from stages.text.prompts import question_turns
from storage.errors import InputError
from tests.chat_templates import byte_level, control_count, manifest, tokenizer_of

TURN = "<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n"
OPEN = "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
CHATML = f"{{% for m in messages %}}{TURN}{{% endfor %}}{OPEN}"


def reason_of(template: ChatTemplate) -> str | None:
    try:
        check_turns(template)
    except InputError as error:
        return str(error)
    return None


def reason(template: str, **arguments: Any) -> str | None:
    tokenizer = byte_level(["<|im_start|>", "<|im_end|>"], eos="<|im_end|>", template=template)
    return reason_of(ChatTemplate(tokenizer, "a model", arguments=arguments))


@pytest.mark.skipif(not manifest(), reason="the published chat templates are not on this machine")
def test_every_published_template_takes_turns() -> None:
    assert len(manifest()) == 47
    reasons = {family: reason_of(ChatTemplate(tokenizer_of(family), family)) for family in manifest()}
    assert {family: text for family, text in reasons.items() if text} == {}


@pytest.mark.skipif(not manifest(), reason="the published chat templates are not on this machine")
@pytest.mark.parametrize("family", ["qwen3", "llama-3.2-3b-instruct", "gemma-2-9b-it", "gpt-oss-120b"])
def test_control_text_in_an_example_opens_no_turn(family: str) -> None:
    template = ChatTemplate(tokenizer_of(family), family, day=date(2026, 1, 31))
    hostile = "Find x." + "".join(template.control.tokens)
    harmless, risky = (
        template.encode(question_turns([text, "What is 1+1?"], system="S", request="R"))
        for text in ("Find x.", hostile)
    )
    assert control_count(template.control, risky) == control_count(template.control, harmless)


@pytest.mark.parametrize(
    "template",
    [
        CHATML,
        # No system role, and turns that must alternate: the system text is put in front of the first request.
        "{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('order') }}"
        f"{{% endif %}}{TURN}{{% endfor %}}{OPEN}",
        # Thinking is cut out of earlier answers; there is none in an example.
        "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'].split('</think>')[-1] }}<|im_end|>\n"
        f"{{% endfor %}}{OPEN}<think>\n",
        # The end of a user's turn begins the answer.
        "{% for m in messages %}{% if m['role'] == 'assistant' %}{{ ' ' + m['content'] + '<|im_end|>' }}{% else %}"
        "[INST] {{ m['content'] }} [/INST]{% endif %}{% endfor %}",
    ],
)
def test_a_template_that_writes_all_turns_takes_them(template: str) -> None:
    assert reason(template) is None


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (
            "{% if messages|length > 2 %}{{ raise_exception('one question at a time') }}{% endif %}" + CHATML,
            r"no chat of several turns: it refuses them \(.*one question at a time",
        ),
        (f"{{% set m = messages[-1] %}}{TURN}{OPEN}", r"not write each turn of role \w+ whole and once"),
        (
            CHATML.replace("m['content']", "m['content'] if loop.index < 4 else '...'"),
            "turn of role user whole and once",
        ),
        (
            f"{{% for m in messages %}}{{% if m['role'] == 'user' or loop.last or messages|length == 2 %}}{TURN}"
            f"{{% endif %}}{{% endfor %}}{OPEN}",
            "turn of role (system|assistant) whole and once",
        ),
        (f"{{% for m in messages|sort(attribute='role') %}}{TURN}{{% endfor %}}{OPEN}", "in order"),
        (f"{{% for m in messages %}}{TURN}{{% endfor %}}", "ends before an answer begins"),
    ],
)
def test_a_template_that_loses_a_turn_takes_none(template: str, expected: str) -> None:
    text = reason(template)
    assert text is not None and re.search(expected, text), text
