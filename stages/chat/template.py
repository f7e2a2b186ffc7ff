"""A model's chat template: from the messages of a chat to the token ids of a prompt.

What stands in a message is text, whatever it says. Only the template writes control tokens. A prompt begins as the
tokenizer begins a text (most often with a BOS token), exactly once.
"""

import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, TypeVar

from stages.chat.control_text import ControlText
from stages.chat.thinking import WRITTEN_MARKS
from storage.errors import InputError, first_line

Message = dict[str, str]
"""With the entries `role` ("system", "user" or "assistant") and `content`."""


def chat_messages(system: str, user: str) -> list[Message]:
    """Return a chat of one user turn, behind a system turn unless `system` is empty."""
    messages = [{"role": "system", "content": system}] if system else []
    return [*messages, {"role": "user", "content": user}]


MARKERS = tuple(f'Serlmark{letter} <b>"1" & 2\'s</b>\n\\{letter} é{{x}}' for letter in "abc")
"""Texts that stand for contents when a template is tried. Quoting and escaping would change them."""
_TRIAL_SECONDS = 20.0
"""Longest time in which a template must have written its short trial prompts."""
_Result = TypeVar("_Result")
_LONGEST = 1_000_000
"""Most characters that a template may add to the contents."""
_LISTS: tuple[tuple[str, ...], ...] = ((), ("tools",), ("documents",), ("tools", "documents"))
"""Arguments that are tried as empty lists, because some templates loop over them without a check."""


@dataclass(frozen=True, slots=True)
class TemplateTraits:
    """What a template takes."""

    takes_system: bool
    """Whether it writes a system turn. Otherwise the system text is put in front of the first user turn."""
    as_parts: frozenset[str] = frozenset()
    """Roles whose content it takes as a list of parts only."""
    lists: tuple[str, ...] = ()
    """Arguments that it needs as lists, even if they are empty."""
    needs_system: bool = False
    """Whether it refuses a chat without a system turn. Then an empty one is put in front."""


class ChatTemplate:
    """The chat template of a tokenizer, with a run's own arguments. Raises InputError if it cannot be used.

    `control`: the tokenizer's control tokens, if they are known already.
    """

    def __init__(
        self,
        tokenizer: Any,
        name: str,
        *,
        arguments: Mapping[str, Any] | None = None,
        day: date | None = None,
        control: ControlText | None = None,
    ) -> None:
        self._tokenizer = tokenizer
        self._name = name
        self._arguments = dict(arguments or {})
        self._day = day
        self.control = control or ControlText(tokenizer)
        self.beginning = beginning_of(tokenizer)
        """Token ids that every prompt begins with."""
        self.end_of_text = str(tokenizer.eos_token)
        """Text of the token that the tokenizer ends a text with."""
        self.text = self._chosen_text()
        """The template itself, in Jinja."""
        self.traits = within_trial_time(self._tried, f"{name}: its chat template does not end")

    def encode(self, messages: Sequence[Message]) -> list[int]:
        """Return the token ids of a prompt, up to where the answer starts. Raises InputError if there is none."""
        text = self.render(messages, jointed=True)
        ids = self.control.encode(text)
        if text[:1].isspace() and self.beginning and not _starts_with(ids, self.beginning):
            without_space = self.control.encode(text.lstrip())
            if _starts_with(without_space, self.beginning):  # white space in front of the beginning is no text
                ids = without_space
        return begun(ids, self.beginning)

    def render(self, messages: Sequence[Message], *, jointed: bool = False, answered: bool = False) -> str:
        """Return the text of a prompt, up to where the answer starts.

        `jointed`: contents are made plain text (see `ControlText`). `answered`: the chat ends with its last message.
        Raises InputError, with the template's own words, if the template refuses the messages.
        """
        turns = _arranged(messages, self.traits)
        return self._rendered(turns, self.traits, jointed=jointed, answered=answered, day=self._day)

    def writes_date(self, messages: Sequence[Message]) -> bool:
        """Return whether the template writes today's date into the prompt of these messages.

        Some templates write the date only into their default system text, which a system turn replaces.
        """
        turns, days = _arranged(messages, self.traits), (date(2001, 2, 3), date(2004, 5, 6))
        first, second = (self._rendered(turns, self.traits, day=day) for day in days)
        return first != second

    def _chosen_text(self) -> str:
        """Return the template that is used. Raises InputError if there is none."""
        template = self._tokenizer.chat_template
        if isinstance(template, list):
            template = {named["name"]: named["template"] for named in template}
        if isinstance(template, dict) and template:
            named = "tool_use" if self._arguments.get("tools") and "tool_use" in template else "default"
            if named not in template:
                raise InputError(
                    f"{self._name} has the chat templates {', '.join(sorted(template))}, but none named default; "
                    "put the one to use into its chat_template.jinja"
                )
            template = template[named]
        if not template:
            raise InputError(
                f"{self._name} has no chat template, and is asked as in a chat; add its chat_template.jinja, or take "
                "the instruction-tuned model"
            )
        if not isinstance(template, str):
            raise InputError(f"{self._name}: its chat template is {type(template).__name__}, expected a text")
        return template

    def _rendered(
        self,
        messages: Sequence[Message],
        traits: TemplateTraits,
        *,
        jointed: bool = False,
        answered: bool = False,
        day: date | None = None,
    ) -> str:
        turns = []
        for message in messages:
            content = self.control.jointed(message["content"]) if jointed else message["content"]
            as_parts = message["role"] in traits.as_parts
            turns.append(
                {
                    "role": message["role"],
                    "content": [{"type": "text", "text": content}] if as_parts else content,
                }
            )
        # Arguments that the run states come last, and so prevail.
        arguments = {"strftime_now": _clock(day), **{name: [] for name in traits.lists}, **self._arguments}
        try:
            text = self._tokenizer.apply_chat_template(
                turns, chat_template=self.text, tokenize=False, add_generation_prompt=not answered, **arguments
            )
        except Exception as error:  # a template raises what it likes
            raise InputError(
                f"{self._name}: its chat template refuses the prompt ({first_line(error)[:200]}); set "
                "template_arguments as it needs them, or correct its chat_template.jinja"
            ) from error
        if len(text) > _LONGEST + 2 * sum(len(message["content"]) for message in messages):
            raise InputError(
                f"{self._name}: its chat template writes a prompt of {len(text):,} characters; "
                "correct its chat_template.jinja"
            )
        return str(text)

    def _tried(self) -> TemplateTraits:
        """Return what the template takes, found by trying. Raises InputError if a question cannot be asked."""
        question, system = MARKERS[:2]
        reason = ""
        for traits in _candidates():
            try:
                text = self._rendered(_arranged(chat_messages("", question), traits), traits)
            except InputError as error:
                reason = reason or str(error)
                continue
            if (count := text.count(question)) == 1:
                with_system = self._with_role("system", chat_messages(system, question), traits)
                traits = with_system or replace(traits, takes_system=False)
                chat = [{"role": "user", "content": question}, {"role": "assistant", "content": MARKERS[2]}]
                return self._with_role("assistant", chat, traits) or traits
            reason = reason or f"{self._name}: its chat template {_miswritten(text, question, count)}"
        raise InputError(reason)

    def _with_role(self, role: str, chat: Sequence[Message], traits: TemplateTraits) -> TemplateTraits | None:
        """Return traits with the form in which a template takes the contents of a role, None if it takes none.

        Some templates take texts for one role and lists of parts for another.
        """
        for as_parts in (traits.as_parts, traits.as_parts ^ {role}):
            candidate = replace(traits, as_parts=as_parts)
            turns = _arranged(chat, candidate)
            try:
                text = self._rendered(turns, candidate, answered=role == "assistant")
            except InputError:
                continue
            if all(text.count(message["content"]) == 1 for message in chat):
                return candidate
        return None


def _candidates() -> Iterator[TemplateTraits]:
    every_role = frozenset(("system", "user", "assistant"))
    for lists in _LISTS:
        for as_parts in (frozenset[str](), every_role):
            for needs_system in (False, True):
                yield TemplateTraits(takes_system=True, as_parts=as_parts, lists=lists, needs_system=needs_system)


def _miswritten(text: str, question: str, count: int) -> str:
    """Return how a template writes a question that does not stand in its prompt exactly once, and what to do."""
    if count:
        problem = f"writes the question {count} times"
    elif question.split()[0].lower() in text.lower():
        problem = "changes the characters of the question"
    else:
        problem = "writes the question not at all"
    return f"{problem}; correct its chat_template.jinja"


def _arranged(messages: Sequence[Message], traits: TemplateTraits) -> list[Message]:
    """Return messages as a template takes them.

    If the template takes no system turn, the system text is put in front of the first user turn.
    """
    turns = [dict(message) for message in messages]
    has_system = bool(turns) and turns[0]["role"] == "system"
    if has_system and not traits.takes_system:
        system, first, *others = turns
        turns = [{"role": first["role"], "content": f"{system['content']}\n\n{first['content']}"}, *others]
        has_system = False
    if traits.needs_system and not has_system:
        return [{"role": "system", "content": ""}, *turns]
    return turns


_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def _clock(day: date | None) -> Callable[[str], str]:
    """Return a function that writes a date (None: now) by a pattern of strftime, in English whatever the locale is."""

    def strftime_now(pattern: str) -> str:
        moment = day or datetime.now()
        weekday, month = _DAYS[moment.weekday()], _MONTHS[moment.month - 1]
        names = {
            "%A": weekday,
            "%a": weekday[:3],
            "%B": month,
            "%b": month[:3],
            "%h": month[:3],
            "%p": "PM" if isinstance(moment, datetime) and moment.hour >= 12 else "AM",
            "%c": f"{weekday[:3]} {month[:3]} %e %H:%M:%S %Y",
            "%x": "%m/%d/%y",
            "%X": "%H:%M:%S",
        }
        return moment.strftime(re.sub("%.", lambda match: names.get(match[0], match[0]), pattern))

    return strftime_now


def within_trial_time(work: Callable[[], _Result], problem: str) -> _Result:
    """Return the result of a function that tries a template. Raises InputError if it has none after some seconds.

    The function then stays in a thread that ends with the process: nothing else stops a template's endless loop.
    """
    results: list[_Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # raised again by the caller
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(_TRIAL_SECONDS)
    if errors:
        raise errors[0]
    if not results:
        raise InputError(f"{problem} after {_TRIAL_SECONDS:g} s with a short question; correct its chat_template.jinja")
    return results[0]


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
    while start and _starts_with(rest, start):
        rest = rest[len(start) :]
    return start + rest


def _starts_with(ids: Sequence[int], start: Sequence[int]) -> bool:
    return list(ids[: len(start)]) == list(start)


def end_of_turn(template: ChatTemplate) -> int | None:
    """Return the control token that the template writes behind an assistant's turn, None if it writes none.

    The first of several counts, with two exceptions. If the tokenizer's end of a text stands behind every answer, it
    ends the turn: Command R7B ends its answer and then its turn. And a token that is part of a mark of thinking ends no
    turn: Kimi K3 closes its thinking and its answer with the same token.
    """
    last, inner = _behind_answer(template, answer_is_last=True), _behind_answer(template, answer_is_last=False)
    if template.end_of_text in last and template.end_of_text in inner:
        return template.control.tokens[template.end_of_text]
    # Those of a last turn come first: in a chat that goes on, gpt-oss ends an answer as it ends its thinking.
    return next((template.control.tokens[token] for token in [*last, *inner] if token not in WRITTEN_MARKS), None)


def _behind_answer(template: ChatTemplate, *, answer_is_last: bool) -> list[str]:
    """Return the control tokens that a template writes behind an answer, up to the next content."""
    question, answer, further = MARKERS
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    if not answer_is_last:
        messages.append({"role": "user", "content": further})
    try:
        text = template.render(messages, answered=answer_is_last)
    except InputError:
        return []
    _, answer_there, behind = text.rpartition(answer)
    return template.control.all_in(behind.partition(further)[0]) if answer_there else []
