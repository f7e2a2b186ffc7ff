"""A model's chat template: from the messages of a chat to the token ids of a prompt.

What stands in a message is text, whatever it says. Only the template writes control tokens. A prompt begins as the
tokenizer begins a text (most often with a BOS token), exactly once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from stages.chat.control_text import ControlText
from storage.errors import InputError

Message = dict[str, str]
"""With the entries `role` ("system", "user" or "assistant") and `content`."""


def chat_messages(system: str, user: str) -> list[Message]:
    """Return a chat of one user turn, behind a system turn unless `system` is empty."""
    messages = [{"role": "system", "content": system}] if system else []
    return [*messages, {"role": "user", "content": user}]


_MARKERS = ("Serlmarka", "Serlmarkb", "Serlmarkc")
"""Texts that stand for contents when a template is tried."""


@dataclass(frozen=True, slots=True)
class TemplateTraits:
    """What a template takes."""

    takes_system: bool
    """Whether it takes a system turn. Otherwise the system text is put in front of the first user turn."""
    as_parts: bool
    """Whether it takes a content as a list of parts only."""


class ChatTemplate:
    """The chat template of a tokenizer, with a run's own arguments. Raises InputError if it cannot be used."""

    def __init__(
        self, tokenizer: Any, name: str, *, arguments: Mapping[str, Any] | None = None, day: date | None = None
    ) -> None:
        self._tokenizer = tokenizer
        self._name = name
        self._arguments = dict(arguments or {})
        self._day = day
        self.control = ControlText(tokenizer)
        self.beginning = beginning_of(tokenizer)
        """Token ids that every prompt begins with."""
        if not tokenizer.chat_template:
            raise InputError(
                f"{name} has no chat template, and is asked as in a chat; add its chat_template.jinja, or take the "
                "instruction-tuned model"
            )
        self.traits = self._tried()

    def encode(self, messages: Sequence[Message]) -> list[int]:
        """Return the token ids of a prompt, up to where the answer starts. Raises InputError if there is none."""
        ids = self.control.encode(self.render(messages, jointed=True))
        return begun(ids, self.beginning)

    def render(self, messages: Sequence[Message], *, jointed: bool = False, answered: bool = False) -> str:
        """Return the text of a prompt, up to where the answer starts.

        `jointed`: contents are made plain text (see `ControlText`). `answered`: the chat ends with its last message.
        Raises InputError, with the template's own words, if the template refuses the messages.
        """
        return self._rendered(_without_system(messages, self.traits), self.traits, jointed, answered)

    def writes_date(self, messages: Sequence[Message]) -> bool:
        """Return whether the template writes today's date into the prompt of these messages."""
        stated, texts = self._day, set()
        for self._day in (date(2001, 2, 3), date(2004, 5, 6)):
            texts.add(self.render(messages))
        self._day = stated
        return len(texts) > 1

    def _rendered(
        self, messages: Sequence[Message], traits: TemplateTraits, jointed: bool = False, answered: bool = False
    ) -> str:
        turns = []
        for message in messages:
            content = self.control.jointed(message["content"]) if jointed else message["content"]
            turns.append(
                {
                    "role": message["role"],
                    "content": [{"type": "text", "text": content}] if traits.as_parts else content,
                }
            )
        arguments = dict(self._arguments)
        if self._day is not None:
            arguments["strftime_now"] = _clock(self._day)
        try:
            text = self._tokenizer.apply_chat_template(
                turns, tokenize=False, add_generation_prompt=not answered, **arguments
            )
        except Exception as error:  # a template raises what it likes
            raise InputError(f"{self._name}: its chat template refuses the prompt ({_first_line(error)})") from error
        return str(text)

    def _tried(self) -> TemplateTraits:
        """Return what the template takes, found by trying. Raises InputError if a question cannot be asked."""
        first, second = _MARKERS[:2]
        reason = ""
        for as_parts in (False, True):
            traits = TemplateTraits(takes_system=True, as_parts=as_parts)
            try:
                text = self._rendered([{"role": "user", "content": first}], traits)
            except InputError as error:
                reason = reason or str(error)
                continue
            if text.count(first) != 1:
                times = f"{text.count(first)} times" if first in text else "not at all"
                reason = reason or f"{self._name}: its chat template writes the question {times}"
                continue
            takes_system = self._takes_system(traits, first, second)
            return TemplateTraits(takes_system=takes_system, as_parts=as_parts)
        raise InputError(reason)

    def _takes_system(self, traits: TemplateTraits, system: str, question: str) -> bool:
        messages = [{"role": "system", "content": system}, {"role": "user", "content": question}]
        try:
            text = self._rendered(messages, traits)
        except InputError:
            return False
        return text.count(system) == text.count(question) == 1


def _without_system(messages: Sequence[Message], traits: TemplateTraits) -> list[Message]:
    """Return messages in which the system text is in front of the first user turn, if the template takes none."""
    turns = [dict(message) for message in messages]
    if traits.takes_system or not turns or turns[0]["role"] != "system":
        return turns
    system, first, *others = turns
    return [{"role": first["role"], "content": f"{system['content']}\n\n{first['content']}"}, *others]


def _clock(day: date) -> Callable[[str], str]:
    return lambda pattern: day.strftime(pattern)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)[:200]


def beginning_of(tokenizer: Any) -> list[int]:
    """Return the token ids that a tokenizer itself puts in front of a text."""
    alone = list(tokenizer.encode("a", add_special_tokens=False))
    ids = list(tokenizer.encode("a", add_special_tokens=True))
    for length in range(len(ids) - len(alone) + 1):
        if ids[length : length + len(alone)] == alone:
            return ids[:length]
    return []


def begun(ids: Sequence[int], beginning: Sequence[int]) -> list[int]:
    """Return token ids with the beginning of a text in front, exactly once."""
    rest, start = list(ids), list(beginning)
    while start and rest[: len(start)] == start:
        rest = rest[len(start) :]
    return start + rest


def end_of_turn(template: ChatTemplate) -> int | None:
    """Return the control token that the template writes behind an assistant's turn, None if it writes none."""
    question, answer, further = _MARKERS
    chat = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    # First as the last turn: in a chat that goes on, gpt-oss ends an answer as it ends its thinking.
    for messages in (chat, [*chat, {"role": "user", "content": further}]):
        try:
            text = template.render(messages, answered=messages is chat)
        except InputError:
            continue
        behind = text.rpartition(answer)[2].partition(further)[0]
        if (token := template.control.found_in(behind)) is not None:
            return template.control.tokens[token]
    return None
