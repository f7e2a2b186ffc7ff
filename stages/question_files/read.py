"""Reads a file of questions whole: its rows, their questions and labels, and what became of each row."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from string import ascii_uppercase
from typing import Any

from stages.question_files.advice import (
    SeenRows,
    advice,
    check_left_out,
    check_mapped,
    passage_fields,
    unread_label,
    unread_passage,
)
from stages.question_files.labels import number_bases
from stages.question_files.parse import Question, Stem, question_of, stem_of
from stages.question_files.propose import fields_text
from stages.question_files.recognise import RECOGNISED_ROWS, recognised, recognised_columns
from stages.question_files.rows import File, open_file
from stages.question_files.shapes import with_preset
from stages.question_files.sources import Row, no_garbage_collection
from stages.question_files.values import RowError, first_filled
from stages.settings.inputs import HubSplit
from stages.settings.questions import Fields, OnBadRow, QuestionFormat
from storage.errors import InputError

_NAMED_BAD_ROWS = 5


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be used."""

    location: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class QuestionFile:
    """A file of questions that has been read."""

    path: str
    """Path of the file or folder, or the name of a data set of the hub."""
    commit: str
    """Commit of the data set; "" for a file."""
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
    passage_fields: tuple[str, ...] = ()
    """Those of the unread fields that look like a passage."""
    unread_passage: str = ""
    """Names of fields that look like a passage, with the mapping that reads them: "context (looks like …)"."""
    bases: Mapping[str, Any] = field(default_factory=dict)
    """Answer field -> how its numbers name options: 0 or 1, the number of the first option, or "text"."""


@lru_cache(maxsize=8)
def _read_unchanged(
    source: str | HubSplit,
    label: str,
    sha256: str | None,
    row_format: str,
    on_bad_row: OnBadRow,
    needs_answer: bool,
    drop_doubles: bool,
) -> QuestionFile:
    """As `read_questions`, once for a content: checks, descriptions and stages read the same files."""
    reading = _Reading(source, label, QuestionFormat.model_validate_json(row_format), needs_answer, drop_doubles)
    with no_garbage_collection():
        return reading.read(on_bad_row)


def read_questions(
    source: str | HubSplit,
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
        source: a file, a folder of files, or a split of a data set of the hub.
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
    if sha256 is not None or isinstance(source, HubSplit):
        as_json = row_format.model_dump_json(exclude_unset=True)
        return _read_unchanged(source, label, sha256, as_json, on_bad_row, needs_answer, drop_doubles)
    with no_garbage_collection():
        return _Reading(source, label, row_format, needs_answer, drop_doubles).read(on_bad_row)


@dataclass
class _Reading:
    source: str | HubSplit
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

    @property
    def path(self) -> str:
        return self.source.name if isinstance(self.source, HubSplit) else self.source

    def read(self, on_bad_row: OnBadRow) -> QuestionFile:
        rows, row_format, shape, form = self._rows()
        stems, order, count, names = self._stems(rows, row_format)
        if not count:
            raise InputError(f"{self.label} {self.path} has no rows; expected at least one question")
        if not stems:
            self._refuse(count, names, row_format)
        check_mapped(self._seen(), names, count, needs_answer=self.needs_answer)
        labelled = [stem.labelled for stem in stems if stem.labelled]
        stated_base = "text" if row_format.options_style == "unlettered" else row_format.answer_base
        bases = number_bases(labelled, stated_base, f"{self.label} {self.path}")
        questions = self._questions(stems, order, row_format, bases)
        kept, doubles = self._without_doubles(questions)
        self._judge(len(questions), count, names, row_format, on_bad_row)
        passages = passage_fields(self._seen(), row_format)
        stems_seen = Counter(question.stem for question in kept)
        return QuestionFile(
            path=self.path,
            commit=self.source.commit if isinstance(self.source, HubSplit) else "",
            form=form,
            shape=shape,
            questions=tuple(kept),
            rows=count,
            bad_rows=tuple(bad for _, bad in sorted(self.bad, key=lambda pair: pair[0])),
            doubles=doubles,
            alike_without_passage=len(kept) - len(stems_seen),
            unread=_unread(names, row_format),
            unread_label=unread_label(self._seen(), kept, row_format),
            passage_fields=passages,
            unread_passage=unread_passage(self._seen(), passages, row_format),
            bases=bases,
        )

    def _rows(self) -> tuple[Iterable[Row], QuestionFormat, str, str]:
        """Return the rows, how they are read, the name of their shape, and the form of the file."""
        requested = with_preset(self.requested)
        is_stated = self.requested.preset is not None or self.requested.fields != Fields()
        file = open_file(self.source, self.label, requested)
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
            file = open_file(self.source, self.label, row_format)
            return file.rows, row_format, shape, file.form
        if any(first_filled(row, row_format.fields.question) for row in good):
            check_left_out(SeenRows(self._name, self.requested, shape, good), row_format)
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
        return open_file(self.source, self.label, named), named

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

    @property
    def _name(self) -> str:
        return f"{self.label} {self.path}"

    def _seen(self) -> SeenRows:
        return SeenRows(self._name, self.requested, self.shape, self.rows)

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
        raise InputError(
            f"{message}Fields found: {', '.join(names)}; looked for: {fields_text(row_format.fields)}. "
            f"{advice(self._seen(), row_format)}"
        )


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
