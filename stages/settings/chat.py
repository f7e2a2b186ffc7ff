"""Settings of a model's chat template and of its thinking, for every stage that asks a model."""

from datetime import date
from typing import Annotated, Any

from pydantic import AfterValidator, Field, JsonValue, StringConstraints

RESERVED = frozenset(
    (
        "messages",
        "conversation",
        "conversations",
        "chat_template",
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


TemplateArguments = Annotated[
    dict[str, JsonValue],
    AfterValidator(_of_the_template),
    # Left out of dumps when empty, as the next two while they have no value: the keys of runs from before these
    # settings stay the same.
    Field(exclude_if=lambda arguments: not arguments),
]
"""Arguments of the model's chat template, such as {enable_thinking: false}."""

ChatDate = Annotated[date | None, Field(exclude_if=lambda day: day is None)]
"""The date that a chat template writes into a prompt as today's; null if no prompt has a date."""

_Mark = Annotated[str, StringConstraints(min_length=2, max_length=100)]
ThinkingMarks = Annotated[tuple[tuple[_Mark, _Mark], ...], Field(max_length=20, exclude_if=lambda marks: not marks)]
"""Further pairs of texts between which a model thinks; those of the known families need no setting."""
