"""Kinds of chat templates: contents, system turns, arguments and dates, and why a template is refused."""

import locale
from datetime import date
from typing import Any

import pytest

from stages.chat import template as template_module
from stages.chat.switches import switches
from stages.chat.template import ChatTemplate, Message, chat_messages, end_of_turn
from storage.errors import InputError
from tests.chat_templates import byte_level, sentencepiece

TOKENS = ["<s>", "<|turn|>", "<|end|>"]
SYSTEM, QUESTION = 'Be brief & say "it\'s" <b>.', 'Is 1 < 2 &\n\\frac{1}{2} > "0"?'
CHAT = chat_messages(SYSTEM, QUESTION)
TURN = "<|turn|>{{ m.role }}\n{{ m.content }}<|end|>\n"
PROMPT = "{% if add_generation_prompt %}<|turn|>assistant\n{% endif %}"
PLAIN = "{% for m in messages %}" + TURN + "{% endfor %}" + PROMPT


def chat_template(text: Any, *, bos: str | None = None, **options: Any) -> ChatTemplate:
    return ChatTemplate(byte_level(TOKENS, bos=bos, template=text), "model", **options)


def prompt_of(template: ChatTemplate, messages: list[Message]) -> str:
    """The text of a prompt, by way of its token ids."""
    return str(template._tokenizer.decode(template.encode(messages)))


def turns(system: str = TURN, user: str = TURN, start: str = "") -> str:
    """A template with a form for system turns and one for all others."""
    return (
        start + "{% for m in messages %}{% if m.role == 'system' %}" + system + "{% else %}" + user + "{% endif %}"
        "{% endfor %}" + PROMPT
    )


MERGING = {
    "dropped": turns(""),
    "refused": turns("{{ raise_exception('System role not supported') }}"),
    "upper case": turns("<|turn|>{{ m.content | upper }}<|end|>"),
    "as JSON": turns("<|turn|>{{ m.content | tojson }}<|end|>"),
    "escaped": turns("<|turn|>{{ m.content | e }}<|end|>"),
    "in lines": turns("<|turn|>{{ m.content.split() | join('\n') }}<|end|>"),
    "twice": turns("<|turn|>{{ m.content }} {{ m.content }}<|end|>"),
    "its own instead": turns("<|turn|>Think well.<|end|>"),
}
TAKING = {
    "as it is": PLAIN,
    "stripped": turns("<|turn|>{{ m.content | trim }}<|end|>"),
    "behind the template's own": turns("<|turn|>Think well. {{ m.content }}<|end|>"),
    "before the question": (
        "{% set ns = namespace(system='') %}{% for m in messages %}{% if m.role == 'system' %}"
        "{% set ns.system = m.content %}{% else %}<|turn|>{{ ns.system }}\n{{ m.content }}<|end|>{% endif %}"
        "{% endfor %}"
    ),
    "own text for an empty one": turns("<|turn|>{{ m.content or 'I am Model.' }}<|end|>"),
    "own text without one": turns(start="{% if messages[0].role != 'system' %}<|turn|>I am Model.<|end|>{% endif %}"),
}


@pytest.mark.parametrize("kind", [*MERGING, *TAKING])
def test_system_text_and_question_stand_in_the_prompt_exactly_once(kind: str) -> None:
    template = chat_template((MERGING | TAKING)[kind])
    text = prompt_of(template, CHAT)
    assert text.count(SYSTEM) == text.count(QUESTION) == 1
    assert template.traits.takes_system == (kind in TAKING)


CHANGING = {
    "upper case": (turns(user="{{ m.content | upper }}"), "changes the characters of the question"),
    "escaped": (turns(user="{{ m.content | e }}"), "changes the characters of the question"),
    "as JSON": ("{{ messages | tojson }}", "changes the characters of the question"),
    "twice": (turns(user="{{ m.content }}{{ m.content }}"), "writes the question 2 times"),
    "nothing": ("Hello.", "writes the question not at all"),
    "white space": (" \n", "writes the question not at all"),
    "empty": ("", "has no chat template"),
    "no template": (None, "has no chat template"),
    "broken": ("{% for m in messages %}{{ m.content }", "refuses the prompt"),
    "other fields": ("{% for m in messages %}{{ m['from'] + m['value'] }}{% endfor %}", "refuses the prompt"),
    "another argument": ("{{ functions + 1 }}" + PLAIN, "'functions' is undefined"),
    "words of several lines": ("{{ raise_exception('First.\nSecond.') }}", "(First.)"),
    "recursion": ("{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}", "refuses the prompt"),
    "long range": ("{% for i in range(10**9) %}a{% endfor %}" + PLAIN, "refuses the prompt"),
    "long text": ("{{ 'a' * 5000000 }}" + PLAIN, "5,000,"),
    "a number": (5, "is int, expected a text"),
    "a list without a default": (
        [{"name": "tool_use", "template": PLAIN}, {"name": "rag", "template": PLAIN}],
        "has the chat templates rag, tool_use, but none named default",
    ),
}


@pytest.mark.parametrize("kind", CHANGING)
def test_a_template_that_asks_no_question_is_refused_in_one_line(kind: str) -> None:
    text, words = CHANGING[kind]
    with pytest.raises(InputError) as error:
        chat_template(text)
    assert words in str(error.value) and "\n" not in str(error.value)


def test_an_endless_loop_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template_module, "_TRIAL_SECONDS", 0.2)
    loop = "{% for i in range(99999) %}{% for j in range(300) %}{% endfor %}{% endfor %}"
    with pytest.raises(InputError, match=r"does not end after 0\.2 s"):
        chat_template(loop + PLAIN)


def test_a_named_template_is_chosen_by_the_arguments() -> None:
    named = {"default": "D" + PLAIN, "tool_use": "T{{ tools | length }}" + PLAIN}
    assert chat_template(named).render(CHAT)[0] == "D"
    tool = {"type": "function", "function": {"name": "add"}}
    assert chat_template(named, arguments={"tools": [tool]}).render(CHAT)[:2] == "T1"
    as_list = [{"name": name, "template": text} for name, text in named.items()]
    assert chat_template(as_list).render(CHAT)[0] == "D"


def test_text_that_a_template_removes_as_a_switch_stays_within_a_control_token() -> None:
    removing = turns(*["<|turn|>{{ m.content | replace('/think', '') }}<|end|>"] * 2)
    tokenizer = byte_level(TOKENS, ["<think>", "</think>"], template=removing)
    question = "Which tag follows </think>?"
    ids = ChatTemplate(tokenizer, "model").encode(chat_messages("Use <b> & </think>.", question))
    text = tokenizer.decode(ids)
    assert question in text and "Use <b> & </think>." in text
    assert tokenizer.convert_tokens_to_ids("</think>") not in ids


PARTS = "{% for part in m.content %}{% if part.type == 'text' %}{{ part.text }}{% endif %}{% endfor %}"


@pytest.mark.parametrize(
    ("system", "user"),
    [("{{ m.content + '' }}", PARTS), (PARTS, "{{ m.content + '' }}"), (PARTS, PARTS)],
    ids=["user", "system", "both"],
)
def test_contents_are_texts_or_parts_as_each_role_needs_them(system: str, user: str) -> None:
    template = chat_template(turns(f"<|turn|>{system}<|end|>", f"<|turn|>{user}<|end|>"))
    text = prompt_of(template, CHAT)
    assert template.traits.takes_system and text.count(SYSTEM) == text.count(QUESTION) == 1
    assert end_of_turn(template) == TOKENS.index("<|end|>")


def test_answers_may_have_another_form_than_questions() -> None:
    text = (
        "{% for m in messages %}<|turn|>{% if m.role == 'assistant' %}{{ m.content + '' }}{% else %}"
        + PARTS
        + "{% endif %}"
        "<|end|>{% endfor %}"
    )
    assert end_of_turn(chat_template(text)) == TOKENS.index("<|end|>")


@pytest.mark.parametrize("names", [("tools",), ("documents",), ("tools", "documents")])
def test_lists_that_a_template_loops_over_without_a_check_are_empty(names: tuple[str, ...]) -> None:
    template = chat_template("".join(f"{{% for x in {name} %}}{{% endfor %}}" for name in names) + PLAIN)
    assert template.traits.lists == names and QUESTION in prompt_of(template, CHAT)


def test_a_template_that_needs_a_system_turn_gets_an_empty_one() -> None:
    needing = "{% if messages[0].role != 'system' %}{{ raise_exception('System first') }}{% endif %}" + PLAIN
    template = chat_template(needing)
    assert prompt_of(template, chat_messages("", QUESTION)).startswith("<|turn|>system\n<|end|>")
    assert prompt_of(template, CHAT).count("system\n") == 1
    assert end_of_turn(template) == TOKENS.index("<|end|>")


@pytest.mark.parametrize("start", ["", "<s>", "{{ bos_token }}", "\n  <s>", "<s><s>"])
def test_a_prompt_begins_exactly_once(start: str) -> None:
    template = chat_template(start + PLAIN, bos="<s>")
    ids = template.encode(CHAT)
    assert ids[0] == 0 and ids.count(0) == 1
    assert chat_template("<s>" + PLAIN).encode(CHAT) == ids  # a tokenizer that begins no text


def test_white_space_without_a_beginning_behind_is_part_of_the_prompt() -> None:
    assert prompt_of(chat_template("\n" + PLAIN, bos="<s>"), CHAT).startswith("<s>\n<|turn|>")


def test_a_sentencepiece_tokenizer_begins_once_and_keeps_the_contents() -> None:
    for prepend in (False, True):
        tokenizer = sentencepiece(TOKENS, bos="<s>", template="{{ bos_token }}" + PLAIN, prepend=prepend)
        ids = ChatTemplate(tokenizer, "model").encode(CHAT)
        assert ids.count(tokenizer.bos_token_id) == 1 and QUESTION in tokenizer.decode(ids)


ENDING = {
    "a token": (PLAIN, "<|end|>"),
    "only before the next turn": (
        "{% for m in messages %}<|turn|>{{ m.role }}\n{{ m.content }}{% endfor %}",
        "<|turn|>",
    ),
    "plain text": ("<s>{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}", None),
    "no answer is written": ("{% for m in messages if m.role != 'assistant' %}" + TURN + "{% endfor %}", None),
    "an answer is refused": (
        "{% for m in messages %}{% if m.role == 'assistant' %}{{ raise_exception('no') }}{% endif %}"
        + TURN
        + "{% endfor %}",
        None,
    ),
}


@pytest.mark.parametrize("kind", ENDING)
def test_the_end_of_a_turn_is_the_control_token_behind_an_answer(kind: str) -> None:
    text, token = ENDING[kind]
    assert end_of_turn(chat_template(text)) == (None if token is None else TOKENS.index(token))


DATE = "{{ strftime_now('%d %b %Y') }}"


def test_the_date_may_be_written_only_without_a_system_turn() -> None:
    text = turns(start="{% if messages[0].role != 'system' %}Today is " + DATE + ".{% endif %}")
    template = chat_template(text, day=date(2026, 3, 4))
    assert template.writes_date(chat_messages("", QUESTION)) and not template.writes_date(CHAT)
    assert template.render(chat_messages("", QUESTION)).startswith("Today is 04 Mar 2026.")
    assert not chat_template(PLAIN).writes_date(CHAT)


def test_dates_are_english_in_any_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    pattern = "%A %a %B %b %h %d %-d %p %c %x %X %% %Y-%m-%d %H:%M"
    expected = date(2026, 12, 4).strftime(pattern)
    text = "{{ strftime_now('" + pattern + "') }}" + PLAIN
    assert chat_template(text, day=date(2026, 12, 4)).render(CHAT).startswith(expected)
    for name in ("de_DE.UTF-8", "fr_FR.UTF-8", "ja_JP.UTF-8"):
        try:
            locale.setlocale(locale.LC_TIME, name)
        except locale.Error:
            continue
        try:
            assert chat_template(text, day=date(2026, 12, 4)).render(CHAT).startswith(expected)
        finally:
            locale.setlocale(locale.LC_TIME, "C")


def test_arguments_reach_the_template() -> None:
    text = PLAIN + "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}"
    assert chat_template(text, arguments={"enable_thinking": False}).render(CHAT).endswith("<think>\n\n</think>\n\n")
    assert "<think>" not in chat_template(text).render(CHAT)
    stated = chat_template("{{ date_string }}" + PLAIN, arguments={"date_string": "1 May"})
    assert stated.render(CHAT).startswith("1 May")


def test_switches_are_the_variables_that_a_run_may_set() -> None:
    text = (
        "{{ bos_token }}{%- if tools is not none %}{{ image_token }}{% endif %}{{ strftime_now('%Y') }}"
        "{% if messages[0].role == 'system' %}{% set system_message = messages[0].content %}{% endif %}"
        "{% if system_message is defined %}{{ system_message }}{% endif %}"
        "{% if not date_string is defined %}{% set date_string = 'today' %}{% endif %}{{ date_string }}"
        "{% set effort = effort or 'low' %}{% set mode = mode | default('fast') %}{{ mode }}"
        "{% macro show(x, y) %}{{ x }}{{ y }}{{ style }}{% endmacro %}{% set ns = namespace(n=0) %}"
        "{% for m in messages %}{% if loop.index > range(3) | length %}{% break %}{% endif %}"
        "{% generation %}{{ show(m.content, 1) }}{%- endgeneration -%}{% endfor %}"
        "{% if enable_thinking is defined and enable_thinking is false %}<think></think>{% endif %}"
    )
    tokenizer = byte_level(TOKENS, template=text)
    template = ChatTemplate(tokenizer, "model", arguments={"style": ""})
    assert switches(template) == ("date_string", "effort", "enable_thinking", "mode", "style")
