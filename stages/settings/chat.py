"""Settings of a model's chat template and of its thinking, for every stage that asks a model."""

import re
from collections.abc import Iterator
from datetime import date, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, StringConstraints

RESERVED = frozenset(
    (
        "messages",
        "conversation",
        "conversations",
        "chat_template",
        "self",
        "add_generation_prompt",
        "continue_final_message",
        "tokenize",
        "padding",
        "truncation",
        "max_length",
        "return_tensors",
        "return_dict",
        "return_assistant_tokens_mask",
        "tokenizer_kwargs",
        "strftime_now",
        "raise_exception",
        "bos_token",
        "eos_token",
        "pad_token",
        "unk_token",
    )
)
"""Names that are not a template's own: the stages decide about them, or the tokenizer does."""


def _of_the_template(arguments: dict[str, Any]) -> dict[str, Any]:
    for name in arguments:
        if name in RESERVED or not name.isidentifier():
            raise ValueError(
                f"{name!r} is no argument of a chat template; `serl check` lists the switches of a model's template, "
                "such as enable_thinking"
            )
    return arguments


def _without_dates(arguments: Any) -> Any:
    """Raise ValueError if a value is a date, as YAML reads 2026-01-31, or a text that cannot be stored."""
    for value in _values_in(arguments):
        if isinstance(value, date):
            raise ValueError(f"{value} is read as a date, which no template takes; put it in quotes")
        if isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
            raise ValueError(f"{value!r} is no text: it holds half of a surrogate pair")
    return arguments


def _values_in(value: Any) -> Iterator[Any]:
    """Yield the keys and values in a value of lists and dictionaries, of which some may hold themselves (YAML's *)."""
    waiting, entered = [value], set[int]()
    while waiting:
        value = waiting.pop()
        if not isinstance(value, dict | list):
            yield value
        elif id(value) not in entered:
            entered.add(id(value))
            waiting += [*value, *value.values()] if isinstance(value, dict) else value


TemplateArguments = Annotated[
    dict[str, JsonValue],
    BeforeValidator(_without_dates),
    AfterValidator(_of_the_template),
    # Left out of dumps when empty, as the next two while they have no value: the keys of runs from before these
    # settings stay the same.
    Field(exclude_if=lambda arguments: not arguments),
]
"""Arguments of the model's chat template, such as {enable_thinking: false}."""


def _calendar_day(day: Any) -> Any:
    """Raise ValueError unless `day` is a date or its ISO form. pydantic would read numbers as seconds since 1970."""
    is_date = isinstance(day, date) and not isinstance(day, datetime)
    if day is None or is_date or (isinstance(day, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", day)):
        return day
    raise ValueError("expected a date as YEAR-MONTH-DAY, such as 2026-01-31")


ChatDate = Annotated[date | None, BeforeValidator(_calendar_day), Field(exclude_if=lambda day: day is None)]
"""The date that a chat template writes into a prompt as today's; null if no prompt has a date."""


def _distinct(marks: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Raise ValueError if a mark is white space, or begins thinking as well as it ends it."""
    starts, ends = {start for start, _ in marks}, {end for _, end in marks}
    for mark in (*starts, *ends):
        if not mark.strip():
            raise ValueError(
                f"{mark!r} is white space, which stands in every text; expected a text that marks thinking"
            )
    if both := starts & ends:
        raise ValueError(
            f"{min(both)!r} both begins and ends thinking; expected pairs of two different texts, such as "
            '["<plan>", "</plan>"]'
        )
    return marks


_Mark = Annotated[str, StringConstraints(min_length=2, max_length=100)]
ThinkingMarks = Annotated[
    tuple[tuple[_Mark, _Mark], ...],
    AfterValidator(_distinct),
    Field(max_length=20, exclude_if=lambda marks: not marks),
]
"""Further pairs of texts between which a model thinks; those of the known families need no setting."""
