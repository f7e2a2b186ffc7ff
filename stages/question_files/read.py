"""Reads a file of questions whole: its rows, their questions and labels, and what became of each row."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import lru_cache
from itertools import islice
from string import ascii_uppercase
from typing import Any

from stages.answers.options.listed import options_of
from stages.question_files.json_rows import paths_of_rows
from stages.question_files.labels import number_bases
from stages.question_files.parse import Question, Stem, question_of, stem_of
from stages.question_files.propose import fields_text, guessed_fields, mapping_text
from stages.question_files.recognise import RECOGNISED_ROWS, recognised, recognised_columns
from stages.question_files.rows import File, open_file
from stages.question_files.shapes import PLAIN, SHAPES, with_preset
from stages.question_files.sources import Row, no_garbage_collection
from stages.question_files.values import RowError, exists, first_filled
from stages.settings.questions import Fields, OnBadRow, QuestionFormat
from storage.errors import InputError

_NAMED_BAD_ROWS = 5
_OPTIONAL_PASSAGES = {"Body", "body", "table", "table_title", "context", "passage"}
"""Passages of public sets, some of whose copies have the passage inside the question."""


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be used."""

    location: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class QuestionFile:
    """A file of questions that has been read."""

    path: str
    form: str
    """Form of the file, such as "JSON lines"."""
    shape: str
    """Name of the shape of the rows that was recognised or stated; "" if fields are mapped by hand."""
    questions: tuple[Question, ...]
    """The questions in the order of the file, without doubles if these are dropped."""
    rows: int
    """Rows in the file."""
    bad_rows: tuple[BadRow, ...]
    """Rows that were skipped."""
    doubles: int
    """Rows that repeat an earlier row's question and label."""
    alike_without_passage: int
    """Rows whose question would equal an earlier one's if its passage and options were left out."""
    unread: tuple[str, ...]
    """Fields that are not read, most frequent first."""
    unread_label: str = ""
    """Field that probably holds labels, if no row of the file has one."""
    unread_passage: str = ""
    """Names of fields that look like a passage, with the mapping that reads them: "context (looks like …)"."""
    bases: Mapping[str, Any] = field(default_factory=dict)
    """Answer field -> how its numbers name options: 0 or 1, the number of the first option, or "text"."""


@lru_cache(maxsize=8)
def _read_unchanged(
    path: str, label: str, sha256: str, row_format: str, on_bad_row: OnBadRow, needs_answer: bool, drop_doubles: bool
) -> QuestionFile:
    """As `read_questions`, once for a content: checks, descriptions and stages read the same files."""
    reading = _Reading(path, label, QuestionFormat.model_validate_json(row_format), needs_answer, drop_doubles)
    with no_garbage_collection():
        return reading.read(on_bad_row)


def read_questions(
    path: str,
    label: str,
    row_format: QuestionFormat | None = None,
    *,
    sha256: str | None = None,
    on_bad_row: OnBadRow = "error",
    needs_answer: bool,
    drop_doubles: bool,
) -> QuestionFile:
    """Read a file of questions.

    Args:
        path: a file or a folder of files.
        label: what the file is, for errors.
        row_format: how rows are read. If it has neither a preset nor fields, the shape of the rows is recognised.
        sha256: digest of the content if known; a content is then read once by a process.
        on_bad_row: whether rows that cannot be used are an error.
        needs_answer: whether a row without a label is bad.
        drop_doubles: whether a question that comes twice is read once.

    Raises InputError if the file cannot be read, if rows are bad (the first five are named), or if fewer than half of
    the rows can be used.
    """
    row_format = row_format or QuestionFormat()
    if sha256 is not None:
        as_json = row_format.model_dump_json(exclude_unset=True)
        return _read_unchanged(path, label, sha256, as_json, on_bad_row, needs_answer, drop_doubles)
    with no_garbage_collection():
        return _Reading(path, label, row_format, needs_answer, drop_doubles).read(on_bad_row)


@dataclass
class _Reading:
    path: str
    label: str
    requested: QuestionFormat
    needs_answer: bool
    drop_doubles: bool
    bad: list[tuple[int, BadRow]] = field(default_factory=list)
    """(number of the row, why it is bad)."""
    rows: list[Mapping[str, Any]] = field(default_factory=list)
    """The first rows, which proposals are made from."""
    shape: str = ""
    """Name of the shape that was recognised."""

    def read(self, on_bad_row: OnBadRow) -> QuestionFile:
        rows, row_format, shape, form = self._rows()
        stems, order, count, names = self._stems(rows, row_format)
        if not count:
            raise InputError(f"{self.label} {self.path} has no rows; expected at least one question")
        if not stems:
            self._refuse(count, names, row_format)
        self._check_mapped(names, count)
        labelled = [stem.labelled for stem in stems if stem.labelled]
        stated_base = "text" if row_format.options_style == "unlettered" else row_format.answer_base
        bases = number_bases(labelled, stated_base, f"{self.label} {self.path}")
        questions = self._questions(stems, order, row_format, bases)
        kept, doubles = self._without_doubles(questions)
        self._judge(len(questions), count, names, row_format, on_bad_row)
        stems_seen = Counter(question.stem for question in kept)
        return QuestionFile(
            path=self.path,
            form=form,
            shape=shape,
            questions=tuple(kept),
            rows=count,
            bad_rows=tuple(bad for _, bad in sorted(self.bad, key=lambda pair: pair[0])),
            doubles=doubles,
            alike_without_passage=len(kept) - len(stems_seen),
            unread=_unread(names, row_format),
            unread_label=self._unread_label(kept, row_format),
            unread_passage=self._unread_passage(row_format),
            bases=bases,
        )

    def _unread_passage(self, row_format: QuestionFormat) -> str:
        guessed = guessed_fields(self.rows, row_format.fields).get("context", ())
        names = [name for name in guessed if name not in row_format.fields.context]
        if not names:
            return ""
        is_mapped = self.requested.preset is None and self.requested.fields != Fields()
        preset = None if is_mapped else self.requested.preset or self.shape
        mapping = mapping_text(
            {"context": [*row_format.fields.context, *names]},
            self.requested.fields if is_mapped else None,
            None if preset == PLAIN else preset,
            self.requested.rows,
        )
        return f"{', '.join(names)} (looks like a passage; `format: {mapping}`)"

    def _unread_label(self, questions: Sequence[Question], row_format: QuestionFormat) -> str:
        if any(question.answer is not None for question in questions):
            return ""
        return next(iter(guessed_fields(self.rows, row_format.fields).get("answer", ())), "")

    def _rows(self) -> tuple[Iterable[Row], QuestionFormat, str, str]:
        """Return the rows, how they are read, the name of their shape, and the form of the file."""
        requested = with_preset(self.requested)
        is_stated = self.requested.preset is not None or self.requested.fields != Fields()
        file = open_file(self.path, self.label, requested)
        if not file.has_header and not is_stated:
            file, requested = self._with_columns(file, requested)
        if is_stated:
            return file.rows, requested, self.requested.preset or "", file.form
        iterator = iter(file.rows)
        first = list(islice(iterator, RECOGNISED_ROWS))
        good = [row.values for row in first if row.fault is None]
        self.shape = shape = recognised(good)
        row_format = with_preset(self.requested.model_copy(update={"preset": shape}))
        if row_format.rows is not None and self.requested.rows is None:  # the rows lie inside these rows
            file = open_file(self.path, self.label, row_format)
            return file.rows, row_format, shape, file.form
        if any(first_filled(row, row_format.fields.question) for row in good):
            self._check_left_out(good, shape, row_format)
        return _chained(first, iterator), row_format, shape, file.form

    def _with_columns(self, file: File, row_format: QuestionFormat) -> tuple[File, QuestionFormat]:
        first = [row.values for row in islice(file.rows, RECOGNISED_ROWS) if row.fault is None]
        if (known := recognised_columns(first)) is None:
            shown = [str(cell)[:30] for cell in first[0].values()] if first else []
            columns = ", ".join(["question", *ascii_uppercase[: max(0, len(shown) - 2)], "answer"])
            raise InputError(
                f"{self.label} {self.path} has no line with the names of its columns; its first line is {shown}. Set "
                f"`format: {{columns: [{columns}]}}`, with the right name for each column"
            )
        named = row_format.model_copy(update={"columns": known[1]})
        return open_file(self.path, self.label, named), named

    def _check_left_out(self, rows: Sequence[Mapping[str, Any]], shape: str, row_format: QuestionFormat) -> None:
        """Raise InputError if rows seem to have options that their shape leaves out."""
        guessed = guessed_fields(rows, row_format.fields)
        if "options" in guessed and _list_them(rows, row_format):
            return
        for setting, meaning in (("options", "options"), ("incorrect", "wrong options")):
            names = guessed.get(setting, ())
            if not names or (shape != PLAIN and all("." in name for name in names)):
                continue
            preset = None if setting == "incorrect" or shape == PLAIN else shape
            mapping = mapping_text(guessed, preset=preset, rows=self.requested.rows)
            raise InputError(
                f"{self.label} {self.path}: {_fields(names)} {'look' if len(names) > 1 else 'looks'} like {meaning}, "
                f"which would be left out; set `format: {mapping}`, or `format: {{preset: {shape}}}` to leave "
                f"{'them' if len(names) > 1 else 'it'} out"
            )

    def _check_mapped(self, names: Counter[str], count: int) -> None:
        """Raise InputError if a field that the format names is in fewer than half of the rows."""
        stated = self.requested.fields
        preset = SHAPES[self.requested.preset].format.fields if self.requested.preset else Fields()
        for setting in ("options", "answer", "context", "input", "correct", "incorrect"):
            own = [name for name in getattr(stated, setting) if name not in getattr(preset, setting)]
            if setting not in stated.model_fields_set or not own or (setting == "answer" and not self.needs_answer):
                continue
            rows = max(self._rows_with(name, names, count) for name in getattr(stated, setting))
            if setting == "context" and set(own) <= _OPTIONAL_PASSAGES and not self._unread_passage(self.requested):
                continue
            if rows * 2 < count:
                close = get_close_matches(own[0], names, n=3, cutoff=0.4)
                raise InputError(
                    f"{self.label} {self.path}: {int(rows):,} of {count:,} rows have {_fields(own)}, which `format` "
                    f"names as {setting}. Fields found: {', '.join(names)}"
                    + (f"; the closest: {', '.join(close)}" if close else "")
                )

    def _rows_with(self, name: str, names: Counter[str], count: int) -> float:
        """Return the number of rows that have a field; for one inside objects, as the first rows have it."""
        if name in names:
            return names[name]
        return count * sum(exists(row, name) for row in self.rows) / max(1, len(self.rows))

    def _stems(
        self, rows: Iterable[Row], row_format: QuestionFormat
    ) -> tuple[list[Stem], list[int], int, Counter[str]]:
        """Return the rows with a question, their numbers, the number of all rows, and how often a field is filled."""
        stems, order, count = [], [], 0
        names: Counter[str] = Counter()
        for count, row in enumerate(rows, start=1):
            if row.fault is not None:
                self._add_bad(count, row.location, row.fault)
                continue
            names.update(row.values.keys())
            if len(self.rows) < RECOGNISED_ROWS:
                self.rows.append(row.values)
            try:
                stem = stem_of(row.values, row.location, row_format)
            except RowError as error:
                self._add_bad(count, row.location, str(error))
                continue
            stems.append(stem)
            order.append(count)
        return stems, order, count, names

    def _questions(
        self, stems: Sequence[Stem], order: Sequence[int], row_format: QuestionFormat, bases: Mapping[str, Any]
    ) -> list[tuple[int, Question]]:
        questions = []
        for number, stem in zip(order, stems, strict=True):
            try:
                question = question_of(stem, row_format, bases)
                if self.needs_answer and question.answer is None:
                    names = " or ".join(row_format.fields.answer) or "answer"
                    raise RowError(f"no answer; expected the field {names}")
            except RowError as error:
                self._add_bad(number, stem.location, str(error))
                continue
            questions.append((number, question))
        return questions

    def _without_doubles(self, questions: Sequence[tuple[int, Question]]) -> tuple[list[Question], int]:
        """Return the questions, and how many repeat an earlier one. One question with two labels is a bad row."""
        first: dict[str, Question] = {}
        kept, doubles = [], 0
        for number, question in questions:
            earlier = first.setdefault(question.question, question)
            if earlier is question:
                kept.append(question)
            elif (
                self.drop_doubles
                and None not in (earlier.answer, question.answer)
                and earlier.answer != question.answer
            ):
                self._add_bad(
                    number,
                    question.location,
                    f"the question of {earlier.location} again, with the answer {question.answer!r} instead of "
                    f"{earlier.answer!r}",
                )
            else:
                doubles += 1
                if not self.drop_doubles:
                    kept.append(question)
                elif earlier.answer is None and question.answer is not None:
                    kept[kept.index(earlier)] = first[question.question] = question
        return kept, doubles

    def _add_bad(self, number: int, location: str, reason: str) -> None:
        self.bad.append((number, BadRow(location, reason)))

    def _judge(
        self, read: int, count: int, names: Counter[str], row_format: QuestionFormat, on_bad_row: OnBadRow
    ) -> None:
        """Raise InputError if there are bad rows and these are an error, or if most rows are bad."""
        if read < count / 2:
            self._refuse(count, names, row_format)
        if self.bad and on_bad_row == "error":
            raise InputError(
                f"{self.label} {self.path}: {len(self.bad):,} of {count:,} rows cannot be used: {self._first_bad()} "
                "Mend them, or leave them out with `on_bad_row: skip`"
            )

    def _first_bad(self) -> str:
        first = sorted(self.bad, key=lambda pair: pair[0])[:_NAMED_BAD_ROWS]
        text = "; ".join(f"{bad.location}: {bad.reason}" for _, bad in first)
        return text + ("; ..." if len(self.bad) > len(first) else ".")

    def _refuse(self, count: int, names: Counter[str], row_format: QuestionFormat) -> None:
        """Raise InputError that says which fields there are, which were looked for, and a mapping to try."""
        message = f"{self.label} {self.path}: {len(self.bad):,} of {count:,} rows cannot be used: {self._first_bad()} "
        if not names:
            raise InputError(f"{message}Expected objects with fields such as question and answer")
        advice = self._advice(row_format)
        raise InputError(
            f"{message}Fields found: {', '.join(names)}; looked for: {fields_text(row_format.fields)}. {advice}"
        )

    def _advice(self, row_format: QuestionFormat) -> str:
        """Return what to do about a file most of whose rows are bad: a mapping to try if fields have other names."""
        has_question = any(first_filled(row, row_format.fields.question) for row in self.rows)
        if not has_question and (rows := paths_of_rows(self.rows)) is not None:
            return f"The questions are inside these rows; try `format: {{rows: {rows}}}`"
        names = list(self.rows[0]) if self.rows else []
        if not has_question and sum(bool(re.fullmatch(r"column \d+", name)) for name in names) * 2 > len(names):
            return "The first line names few columns; remove titles that stand above the names of the columns"
        guessed = guessed_fields(self.rows, row_format.fields)
        if guessed.keys() - {"subject", "level"}:
            is_stated = self.requested.fields != Fields()
            preset = self.requested.preset if is_stated or self.requested.preset else self.shape
            mapping = mapping_text(
                guessed,
                self.requested.fields if is_stated else None,
                None if preset == PLAIN else preset,
                self.requested.rows,
            )
            return f"Try `format: {mapping}`"
        if not has_question:
            return "Say which fields to read with `format: {fields: {question: …}}`"
        if not any(first_filled(row, row_format.fields.answer) for row in self.rows):
            return "If the file has labels, name their field with `format: {fields: {answer: …}}`"
        return "Mend these rows, or say which part of a label counts with `format: {answer_pattern: …}`"


def _list_them(rows: Sequence[Mapping[str, Any]], row_format: QuestionFormat) -> bool:
    """Return whether the questions themselves list options, and the labels are letters."""
    questions = [str(first_filled(row, row_format.fields.question) or "") for row in rows]
    labels = [str(label) for row in rows if (label := first_filled(row, row_format.fields.answer)) is not None]
    listed = sum(options_of(question).are_lettered for question in questions)
    return listed * 2 > len(rows) and all(re.fullmatch(r"\(?[A-J]\)?\.?", label) for label in labels)


def _fields(names: Sequence[str]) -> str:
    return f"the fields {', '.join(names)}" if len(names) > 1 else f"the field {names[0]}"


def _chained(first: Iterable[Row], rest: Iterable[Row]) -> Iterable[Row]:
    yield from first
    yield from rest


def _unread(names: Counter[str], row_format: QuestionFormat) -> tuple[str, ...]:
    fields = row_format.fields
    read = {
        part
        for names_of_field in fields.model_dump().values()
        for name in names_of_field
        for part in (name, name.split(".")[0])
    }
    return tuple(name for name, _ in names.most_common() if name not in read)
