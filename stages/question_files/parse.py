"""From a row to a question with its options and its label."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

from stages.answers.marks import gold_answer, last_boxed
from stages.answers.options.listed import options_of
from stages.answers.wording.form import normalised_text
from stages.question_files.labels import Base, LabelledRow, label_text, right_options
from stages.question_files.options import RowOptions, options_in
from stages.question_files.values import RowError, first_filled, is_filled, printed, question_text, text_of, value_at
from stages.settings.questions import QuestionFormat

_LETTER, _MARK = "[A-Za-zＡ-Ｚａ-ｚ]", r"[)\].:：、．）］】\t*}–—-]"
_MAY_LIST = re.compile(
    rf"{_MARK}(?:(?<={_LETTER}{_MARK})(?<![^\W\d_]{_LETTER}{_MARK})"
    rf"|(?<={_LETTER}\s{_MARK})(?<![^\W\d_]{_LETTER}\s{_MARK}))"
)
"""A letter with a mark: without one, a text lists and names no options. The mark comes first: letters are many."""
_NUMBER = re.compile(r"\$?[-+−]?\$?(?:\d[\d,.\s]*|\\d?frac\{?\d+\}?\{?\d+\}?|\d+/\d+)\s?%?\$?")
_REASONING_START = re.compile(r"^(?:A(?:nswer)?:\s*)?(?:Let's think step by step\.\s*)?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What a row holds."""

    location: str
    """Where the row is in its file, such as "line 3"."""
    question: str
    """The question with its passage and options, as a model is asked it."""
    answer: str | None
    """The label: a letter or letters if the row has options, else the reference answer; None without one."""
    level: str | None
    """Difficulty of the problem, as the file gives it."""
    subject: str | None
    """Subject of the problem, as the file gives it."""
    group: str | None
    """Name of the group of subjects that results are summed up in."""
    reasoning: str | None
    """The reasoning of a worked example."""
    stem: str
    """The question without its passage."""
    passage: bool
    """Whether texts of other fields stand before or after the stem."""
    options: tuple[str, ...]
    """Texts of the options, without their letters; empty without any."""

    @property
    def right_option(self) -> str | None:
        """Text of the right option; None without options, without a label, or with several right ones."""
        if self.answer is None or self.answer not in ascii_uppercase[: len(self.options)] or len(self.answer) != 1:
            return None
        return self.options[ascii_uppercase.index(self.answer)]

    @property
    def label_kind(self) -> str | None:
        """What the label is: "letter", "set" of letters, "number" or "text"; None without a label."""
        if self.answer is None:
            return None
        if re.fullmatch(r"[A-Z]", self.answer):
            return "letter"
        if self.options and re.fullmatch(r"[A-Z](, [A-Z])+", self.answer):
            return "set"
        return "number" if _NUMBER.fullmatch(self.answer) else "text"


@dataclass(frozen=True, slots=True)
class Stem:
    """A row whose fields are found, but whose label is not read yet: this takes the whole column of labels."""

    location: str
    row: Mapping[str, Any]
    text: str
    options: RowOptions | None
    labels: dict[str, Any]
    """Answer field -> its value, for every field that holds something."""
    labelled: LabelledRow | None
    """What the right option is read from; None without options."""


def stem_of(row: Mapping[str, Any], location: str, row_format: QuestionFormat) -> Stem:
    """Return the question, options and label fields of a row. Raises RowError if there is no question."""
    fields = row_format.fields
    name = next((name for name in fields.question if is_filled(value_at(row, name))), None)
    if name is not None and (other := _beside(row, name)) is not None:
        raise RowError(f"{name} and {other} are lists of the same length; expected a row for each question")
    text = question_text(value_at(row, name), name) if name else None
    if not text:
        raise RowError(f"no question; expected text in one of the fields {', '.join(fields.question)}")
    labels = {name: value for name in fields.answer if is_filled(value := value_at(row, name))}
    options = options_in(row, fields)
    labelled = LabelledRow(options, _parts_that_count(labels, row_format.answer_pattern)) if options else None
    return Stem(location, row, _first_group(row_format.question_pattern, text), options, labels, labelled)


def _parts_that_count(labels: Mapping[str, Any], pattern: str | None) -> dict[str, Any]:
    """Return the labels, each text as the pattern's first group."""
    return {name: _first_group(pattern, value) if isinstance(value, str) else value for name, value in labels.items()}


def _beside(row: Mapping[str, Any], name: str) -> str | None:
    """Return a field that holds a list as long as the list of several questions in a field, None without such lists."""
    values = row.get(name)
    if not isinstance(values, list) or len(values) < 2 or not all(isinstance(text, str) for text in values):
        return None
    return next((o for o, v in row.items() if o != name and isinstance(v, list) and len(v) == len(values)), None)


def question_of(stem: Stem, row_format: QuestionFormat, bases: Mapping[str, Base]) -> Question:
    """Return the question of a row.

    `bases`: answer field -> how its numbers name options. Raises RowError if a label cannot be read.
    """
    fields = row_format.fields
    asked = stem.text
    if fields.context or fields.input:
        asked = _with_input(_with_context(asked, stem.row, fields.context), stem.row, fields.input)
    subject = text_of(first_filled(stem.row, fields.subject), "subject")
    reasoning = text_of(first_filled(stem.row, fields.reasoning), "reasoning")
    return Question(
        location=stem.location,
        question=_with_options(asked, stem.options, row_format.options_style),
        answer=_label(stem, row_format, bases),
        level=text_of(first_filled(stem.row, fields.level), "level"),
        subject=subject,
        group=row_format.group_of(subject),
        reasoning=reasoning and _REASONING_START.sub("", reasoning),
        stem=stem.text,
        passage=asked != stem.text,
        options=stem.options.texts if stem.options else (),
    )


def _label(stem: Stem, row_format: QuestionFormat, bases: Mapping[str, Base]) -> str | None:
    if stem.labelled and row_format.options_style != "unlettered":
        indexes = right_options(stem.labelled, bases)
        return None if indexes is None else label_text(indexes)
    if stem.labelled and stem.labels:
        return _text_label(stem.labelled, bases)
    if not stem.labels:
        return None
    name, value = next(iter(stem.labels.items()))
    return _reference_answer(value, name, row_format.answer_pattern)


def _text_label(row: LabelledRow, bases: Mapping[str, Base]) -> str:
    """Return the text of the right option, for questions that show no letters."""
    texts = row.options.texts
    first = next(iter(row.labels.values()))
    if isinstance(first, str) and first.strip() in texts:
        return first.strip()
    return ", ".join(texts[index] for index in right_options(row, bases) or ())


def _reference_answer(value: Any, name: str, pattern: str | None) -> str:
    """Return the answer in a reference.

    A list: its members, joined by commas. A text: the content of its last box, else the first group of the pattern's
    match, else the text after its last "####", else the text. Raises RowError for an object.
    """
    if isinstance(value, list):
        return ", ".join(_reference_answer(member, name, pattern) for member in value if is_filled(member))
    text = text_of(value, name) or ""
    return gold_answer(text if last_boxed(text) else _first_group(pattern, text))


def _first_group(pattern: str | None, text: str) -> str:
    """Return the first group of the pattern's match.

    If there is no pattern, no match or an empty group, return the whole text.
    """
    match = re.search(pattern, text) if pattern else None
    return match[1].strip() if match and match[1] else text


def _with_context(question: str, row: Mapping[str, Any], names: Sequence[str]) -> str:
    return "\n".join([*(text for text in _texts(row, names) if text not in question), question])


def _with_input(question: str, row: Mapping[str, Any], names: Sequence[str]) -> str:
    return "\n".join([question, *(text for text in _texts(row, names) if text not in question)])


def _texts(row: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    texts = (text_of(printed(value_at(row, name)), name) for name in names)
    return [text for text in texts if text]


def _with_options(question: str, options: RowOptions | None, style: str) -> str:
    """Return the question with its options after it, unless the question lists them already."""
    if options is None or (_MAY_LIST.search(question) and _lists(question, options)):
        return question
    if style == "unlettered":
        return f"{question}\nPlease select from the following options: {', '.join(options.texts)}"
    lines = [f"{letter}. {text}" for letter, text in zip(ascii_uppercase, options.texts, strict=False)]
    in_lines = "\n".join([question, "Options:", *lines])
    if style == "lines":
        return in_lines
    listed = " ".join(f"({letter}) {text}" for letter, text in zip(ascii_uppercase, options.texts, strict=False))
    inline = f"{question}\nAnswer Choices: {listed}"
    if not any(map(_MAY_LIST.search, options.texts)):
        return inline
    # Options that name each other, "(A) and (B)", may be read rightly only from lines of their own.
    return in_lines if _reads(in_lines, options) > _reads(inline, options) else inline


def _reads(question: str, options: RowOptions) -> int:
    """Return the number of options that are read from a question as they are."""
    listed = options_of(question).texts.values()
    return sum(left == normalised_text(right) for left, right in zip(listed, options.texts, strict=False)) * (
        len(listed) == len(options.texts)
    )


def _lists(question: str, options: RowOptions) -> bool:
    """Return whether a question lists these options: as many, and most of them in the same words."""
    options_listed = options_of(question)
    listed = [_letters_and_digits(text) for text in options_listed.texts.values()]
    expected = [_letters_and_digits(normalised_text(text)) for text in options.texts]
    same = sum(left == right for left, right in zip(listed, expected, strict=False))
    return options_listed.are_lettered and len(listed) == len(expected) and same > len(expected) / 2


def _letters_and_digits(text: str) -> str:
    return "".join(filter(str.isalnum, text))
