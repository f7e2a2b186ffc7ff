"""What a run decides about its chats with one model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Protocol


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatOptions:
    """How a model is asked as in a chat, and how its responses are read."""

    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of its chat template, such as enable_thinking."""
    day: date | None = None
    """The date that a template may write into a prompt; None: the clock's."""
    thinking_marks: Sequence[tuple[str, str]] = ()
    """Further pairs of texts between which the model thinks."""


class _AsksAModel(Protocol):
    """Settings of a stage, or of a voter, that asks one model."""

    @property
    def template_arguments(self) -> Mapping[str, Any]: ...

    @property
    def chat_date(self) -> date | None: ...


def chat_options(settings: _AsksAModel, thinking_marks: Sequence[tuple[str, str]]) -> ChatOptions:
    """Return how the model of a stage or voter is asked, with the run's further marks of thinking."""
    return ChatOptions(arguments=settings.template_arguments, day=settings.chat_date, thinking_marks=thinking_marks)


PLAIN = ChatOptions()
"""No arguments, today's date, and no marks of thinking but those of the known families."""
