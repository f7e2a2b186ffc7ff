"""What is wrong with a mapping of fields, or missing from it, and what to try instead."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from stages.answers.options.listed import options_of
from stages.question_files.json_rows import paths_of_rows
from stages.question_files.parse import Question
from stages.question_files.propose import guessed_fields, mapping_text
from stages.question_files.shapes import PLAIN, SHAPES
from stages.question_files.values import exists, first_filled
from stages.settings.questions import Fields, QuestionFormat
from storage.errors import InputError

_OPTIONAL_PASSAGES = {"Body", "body", "table", "table_title", "context", "passage"}
"""Passages of public sets, some of whose copies have the passage inside the question."""


@dataclass(frozen=True, slots=True)
class SeenRows:
    """The first rows of a file, and how they are read."""

    name: str
    """What the file is, with its path, for errors."""
    requested: QuestionFormat
    """The format in the config."""
    shape: str
    """Name of the shape that was recognised; "" if fields are mapped by hand."""
    rows: Sequence[Mapping[str, Any]]
    """The first rows."""


def check_left_out(seen: SeenRows, row_format: QuestionFormat) -> None:
    """Raise InputError if rows seem to have options that their shape leaves out."""
    guessed = guessed_fields(seen.rows, row_format.fields)
    if "options" in guessed and _list_them(seen.rows, row_format):
        return
    for setting, meaning in (("options", "options"), ("incorrect", "wrong options")):
        names = guessed.get(setting, ())
        if not names or (seen.shape != PLAIN and all("." in name for name in names)):
            continue
        preset = None if setting == "incorrect" else seen.shape
        mapping = mapping_text(guessed, preset=preset, rows=seen.requested.rows)
        raise InputError(
            f"{seen.name}: {_fields(names)} {'look' if len(names) > 1 else 'looks'} like {meaning}, "
            f"which would be left out; set `format: {mapping}`, or `format: {{preset: {seen.shape}}}` to leave "
            f"{'them' if len(names) > 1 else 'it'} out"
        )


def check_mapped(seen: SeenRows, names: Counter[str], count: int, *, needs_answer: bool) -> None:
    """Raise InputError if a field that the format names is in fewer than half of the rows."""
    stated = seen.requested.fields
    preset = SHAPES[seen.requested.preset].format.fields if seen.requested.preset else Fields()
    for setting in ("options", "answer", "context", "input", "correct", "incorrect"):
        own = [name for name in getattr(stated, setting) if name not in getattr(preset, setting)]
        if setting not in stated.model_fields_set or not own or (setting == "answer" and not needs_answer):
            continue
        rows = max(_rows_with(seen, name, names, count) for name in getattr(stated, setting))
        if setting == "context" and set(own) <= _OPTIONAL_PASSAGES and not passage_fields(seen, seen.requested):
            continue
        if rows * 2 < count:
            close = get_close_matches(own[0], names, n=3, cutoff=0.4)
            raise InputError(
                f"{seen.name}: {int(rows):,} of {count:,} rows have {_fields(own)}, which `format` "
                f"names as {setting}. Fields found: {', '.join(names)}"
                + (f"; the closest: {', '.join(close)}" if close else "")
            )


def _rows_with(seen: SeenRows, name: str, names: Counter[str], count: int) -> float:
    """Return the number of rows that have a field; for one inside objects, as the first rows have it."""
    if name in names:
        return names[name]
    return count * sum(exists(row, name) for row in seen.rows) / max(1, len(seen.rows))


def advice(seen: SeenRows, row_format: QuestionFormat) -> str:
    """Return what to do about a file most of whose rows are bad: a mapping to try if fields have other names."""
    has_question = any(first_filled(row, row_format.fields.question) for row in seen.rows)
    if not has_question and (rows := paths_of_rows(seen.rows)) is not None:
        return f"The questions are inside these rows; try `format: {{rows: {rows}}}`"
    names = list(seen.rows[0]) if seen.rows else []
    if not has_question and sum(bool(re.fullmatch(r"column \d+", name)) for name in names) * 2 > len(names):
        return "The first line names few columns; remove titles that stand above the names of the columns"
    guessed = guessed_fields(seen.rows, row_format.fields)
    if guessed.keys() - {"subject", "level"}:
        is_stated = seen.requested.fields != Fields()
        preset = seen.requested.preset if is_stated or seen.requested.preset else seen.shape
        mapping = mapping_text(
            guessed,
            seen.requested.fields if is_stated else None,
            preset,
            seen.requested.rows,
        )
        return f"Try `format: {mapping}`"
    if not has_question:
        return "Say which fields to read with `format: {fields: {question: …}}`"
    if not any(first_filled(row, row_format.fields.answer) for row in seen.rows):
        return "If the file has labels, name their field with `format: {fields: {answer: …}}`"
    return "Mend these rows, or say which part of a label counts with `format: {answer_pattern: …}`"


def passage_fields(seen: SeenRows, row_format: QuestionFormat) -> tuple[str, ...]:
    """Return the fields that look like a passage and are not read."""
    guessed = guessed_fields(seen.rows, row_format.fields).get("context", ())
    return tuple(name for name in guessed if name not in row_format.fields.context)


def unread_passage(seen: SeenRows, names: Sequence[str], row_format: QuestionFormat) -> str:
    """Return `names`, which look like a passage, with the mapping that reads them; "" without any."""
    if not names:
        return ""
    is_mapped = seen.requested.preset is None and seen.requested.fields != Fields()
    preset = None if is_mapped else seen.requested.preset or seen.shape
    mapping = mapping_text(
        {"context": [*row_format.fields.context, *names]},
        seen.requested.fields if is_mapped else None,
        preset,
        seen.requested.rows,
    )
    return f"{', '.join(names)} (looks like a passage; `format: {mapping}`)"


def unread_label(seen: SeenRows, questions: Sequence[Question], row_format: QuestionFormat) -> str:
    """Return the field that looks like the label, if no question has one; "" otherwise.

    With `fields: {answer: []}` the settings say that no label is read, so no field is named.
    """
    if not row_format.fields.answer or any(question.answer is not None for question in questions):
        return ""
    return next(iter(guessed_fields(seen.rows, row_format.fields).get("answer", ())), "")


def _list_them(rows: Sequence[Mapping[str, Any]], row_format: QuestionFormat) -> bool:
    """Return whether the questions themselves list options, and the labels are letters."""
    questions = [str(first_filled(row, row_format.fields.question) or "") for row in rows]
    labels = [str(label) for row in rows if (label := first_filled(row, row_format.fields.answer)) is not None]
    listed = sum(options_of(question).are_lettered for question in questions)
    return listed * 2 > len(rows) and all(re.fullmatch(r"\(?[A-J]\)?\.?", label) for label in labels)


def _fields(names: Sequence[str]) -> str:
    return f"the fields {', '.join(names)}" if len(names) > 1 else f"the field {names[0]}"
