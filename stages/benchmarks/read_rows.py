"""Reads the rows of an evaluation set: which field holds what, and which form the reference answer has.

Public copies of one set differ. GSM8K's answer is a solution that ends in "#### 18", or "18", or "\\boxed{18}". Some
copies of ASDiv have the story in a field of its own, others in the question. One declared format per set reads all
copies.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

from stages.answers.marks import gold_answer, last_boxed
from stages.answers.options.listed import options_of
from stages.input_files import is_filled
from stages.settings.benchmarks import BenchmarkFormat

_OPTION_MARK = re.compile(r"^\s*(?:\([A-Za-z]\)|[A-Za-z][.):])\s*")
_REASONING_START = re.compile(r"^(?:A(?:nswer)?:\s*)?(?:Let's think step by step\.\s*)?")


@dataclass(frozen=True, kw_only=True, slots=True)
class ParsedRow:
    """The content of a row."""

    question: str
    """The question with its context and options."""
    answer: str
    """The reference answer."""
    level: str | None
    """Difficulty of the problem, as the set gives it."""
    subject: str | None
    """Subject of the problem, as the set gives it."""
    group: str | None
    """Name of the group of subjects that results are summed up in."""
    reasoning: str | None
    """The reasoning of a worked example."""


class RowError(ValueError):
    """A row without a question or an answer."""


def parse_row(row: Mapping[str, Any], row_format: BenchmarkFormat) -> ParsedRow:
    """Return the content of one row of an evaluation set.

    Raises RowError if the question or the answer is missing; the message lists the fields that may hold it.
    """
    fields = row_format.fields
    question = _first_filled(row, fields.question)
    if not isinstance(question, str) or not question.strip():
        raise RowError(f"no question; expected text in one of the fields {', '.join(fields.question)}")
    question = _first_group(row_format.question_pattern, question.strip())
    options = _first_filled(row, fields.options)
    answer = _first_filled(row, fields.answer)
    if answer is None:
        raise RowError(f"no answer; expected the field {' or '.join(fields.answer)}")
    subject, reasoning = _as_text(_first_filled(row, fields.subject)), _as_text(_first_filled(row, fields.reasoning))
    return ParsedRow(
        question=_with_options(_with_context(question, row, fields.context), options, row_format.options_style),
        answer=_reference_answer(answer, row_format.answer_pattern, lettered=options is not None),
        level=_as_text(_first_filled(row, fields.level)),
        subject=subject,
        group=row_format.group_of(subject),
        reasoning=reasoning and _REASONING_START.sub("", reasoning.strip()),
    )


def _first_filled(row: Mapping[str, Any], names: Iterable[str]) -> Any:
    return next((row[name] for name in names if is_filled(row.get(name))), None)


def _as_text(value: Any) -> str | None:
    return None if value is None else str(value)


def _with_context(question: str, row: Mapping[str, Any], names: Sequence[str]) -> str:
    texts = [str(row[name]).strip() for name in names if is_filled(row.get(name))]
    return "\n".join([*(text for text in texts if text not in question), question])


def _with_options(question: str, options: Any, style: str) -> str:
    """Return the question with its options after it, unless the question lists them already."""
    if options is None or options_of(question).are_lettered:
        return question
    if isinstance(options, str):
        return f"{question}\nAnswer Choices: {options.strip()}"
    texts = [_OPTION_MARK.sub("", str(option)).strip() for option in options]
    if style == "unlettered":
        return f"{question}\nPlease select from the following options: {', '.join(texts)}"
    if style == "lines":
        lines = [f"{letter}. {text}" for letter, text in zip(ascii_uppercase, texts, strict=False)]
        return "\n".join([question, "Options:", *lines])
    listed = " ".join(f"({letter}) {text}" for letter, text in zip(ascii_uppercase, texts, strict=False))
    return f"{question}\nAnswer Choices: {listed}"


def _reference_answer(value: Any, pattern: str | None, *, lettered: bool) -> str:
    """Return the answer in a reference.

    A list: its members, joined by commas. The index of an option (if `lettered`): its letter. A text: the content of
    its last box, else the first group of the pattern's match, else the text after its last "####", else the text.
    """
    if isinstance(value, list):
        return ", ".join(_reference_answer(member, pattern, lettered=lettered) for member in value if is_filled(member))
    if lettered and isinstance(value, int) and 0 <= value < len(ascii_uppercase):
        return ascii_uppercase[value]
    text = str(value).strip()
    return gold_answer(text if last_boxed(text) else _first_group(pattern, text))


def _first_group(pattern: str | None, text: str) -> str:
    """Return the first group of the pattern's match.

    If there is no pattern, no match or an empty group, return the whole text.
    """
    match = re.search(pattern, text) if pattern else None
    return match[1].strip() if match and match[1] else text
