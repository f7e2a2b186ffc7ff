"""Rows of tables of text: CSV with commas, semicolons or bars, and TSV."""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from operator import methodcaller

from stages.question_files.encodings import detected_encoding
from stages.question_files.names import QUESTIONS, folded
from stages.question_files.sources import EXPECTED, MAX_ROW_BYTES, Row, Source
from stages.question_files.values import BLANK
from stages.settings.questions import QuestionFormat
from storage.errors import InputError

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
"""A line with its end. A file object of a long text would hold the text a second time, in four bytes a character."""
_LINE_TEXT = methodcaller("group")
_LONGEST_SHORTENED = 6
"""Characters of a column's name that ends in a full stop, such as "Nr."."""


def table_file(source: Source, row_format: QuestionFormat) -> tuple[str, Iterator[Row], bool]:
    """Return (form, rows, whether its columns have names) of a CSV or TSV file.

    Without names, the columns are called "0", "1", and so on. Raises InputError if the file is no table.
    """
    label = source.label
    content = source.content()
    encoding = row_format.encoding or detected_encoding(content, guess=True)
    if encoding is None:
        raise InputError(f"{label}: the encoding cannot be told; set `format: {{encoding: NAME}}`, such as cp1252")
    text = source.decoded(content, encoding)
    del content
    text, columns = _without_directives(text)
    columns = columns or row_format.columns
    delimiter, quoting = _dialect(text, label)
    records = _records(text, delimiter, quoting)
    first = next(records)
    numbers = _numbers(first[1])
    if len(first[1]) > 1 and [cell.strip() for cell in first[1]] in (numbers, ["", *numbers[:-1]]):
        first = next(records, first)  # the numbers that pandas writes for columns without names
    has_header = not columns and _is_header(first[1])
    names = list(columns) if columns else first[1] if has_header else _numbers(first[1])
    names = [name.strip(BLANK) or f"column {number}" for number, name in enumerate(names, start=1)]
    if len(set(names)) < len(names):
        doubled = next(name for name in names if names.count(name) > 1)
        raise InputError(f"{label}: two columns are called {doubled!r}; give each a name of its own in the first line")
    form = {"\t": "TSV", ",": "CSV"}.get(delimiter, f"CSV ({delimiter})")
    shown = "" if encoding in ("utf-8", "utf-8-sig") else f" in {encoding}"
    data = records if has_header else chain([first], records)
    return form + shown, _rows(names, data), has_header or bool(columns)


def _without_directives(text: str) -> tuple[str, tuple[str, ...]]:
    """Return a text without the lines that Anki writes before a table ("#separator:tab"), and the columns they name."""
    columns: tuple[str, ...] = ()
    text = re.sub(r"\Asep=.\r?\n", "", text, flags=re.IGNORECASE)  # Excel's
    while match := re.match(r"#([a-z ]+):([^\n]*)\n", text):
        if match[1] == "columns":
            columns = tuple(re.split(r"[\t,;]", match[2].strip()))
        text = text[match.end() :]
    return text, columns


def _numbers(cells: list[str]) -> list[str]:
    return [str(number) for number in range(len(cells))]


def _dialect(text: str, label: str) -> tuple[str, int]:
    """Return the delimiter, and whether quotes enclose cells (`csv.QUOTE_MINIMAL`) or are text (`csv.QUOTE_NONE`).

    The delimiter is the one that cuts the first records into the same number of cells, which is more than one.
    """
    start = text[:200_000]
    best: tuple[float, int, str, int] | None = None
    for delimiter in (",", "\t", ";", "|"):
        for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_NONE)[: 2 if delimiter == "\t" else 1]:
            records = [record for _, record, _ in _records(start, delimiter, quoting)][:200]
            records = records[:-1] if len(text) > len(start) and len(records) > 2 else records
            if len(records[0]) < 2:
                continue
            counts = Counter(len(record) for record in records)
            same = max(count for cells, count in counts.items() if cells > 1) / len(records)
            quoted = int(quoting == csv.QUOTE_MINIMAL)
            best = max(best or (0.0, 0, "", 0), (round(same, 2), quoted, delimiter, quoting), key=lambda b: b[:2])
    if best is None or best[0] < 0.5:
        if re.search(r"^ANSWER: ?[A-Z]", text, re.MULTILINE) or re.search(r"^::.*?::|\{\s*[=~]", text, re.MULTILINE):
            raise InputError(
                f"{label} is a quiz as text, such as Aiken's or GIFT; save its questions as CSV with the columns "
                "question, A, B, C, D, answer"
            )
        if "\n" in text.strip() and (
            folded(text.split("\n")[0]) in QUESTIONS or text.split("\n")[0].rstrip().endswith("?")
        ):
            return ",", csv.QUOTE_MINIMAL  # one column
        raise InputError(
            f"{label} is no table: its lines have no comma, semicolon or tab in common. Expected {EXPECTED}"
        )
    return best[2], best[3]


def _records(text: str, delimiter: str, quoting: int) -> Iterator[tuple[int, list[str], str | None]]:
    """Yield (line number, cells, fault) of each record that is not blank."""
    csv.field_size_limit(MAX_ROW_BYTES)
    reader = csv.reader(map(_LINE_TEXT, _LINE.finditer(text)), delimiter=delimiter, quoting=quoting, strict=True)  # type: ignore[arg-type]
    line = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, [], f"not a line of a table ({error})"
            line = reader.line_num + 1
            continue
        if any(cell.strip() for cell in cells):
            yield line, cells, None
        line = reader.line_num + 1


def _is_header(cells: list[str]) -> bool:
    """Return whether the first line of a table names its columns: short texts, no numbers, no sentences."""
    texts = [cell.strip() for cell in cells if cell.strip()]
    return bool(texts) and all(
        len(text) <= 60
        and not text.endswith(("?", ":"))
        and not (text.endswith(".") and len(text) > _LONGEST_SHORTENED)
        and not text.replace(".", "").replace("-", "").isdigit()
        for text in texts
    )


def _rows(names: list[str], records: Iterable[tuple[int, list[str], str | None]]) -> Iterator[Row]:
    for line, cells, fault in records:
        location = f"line {line}"
        if fault is None and len(cells) > len(names) and not any(cell.strip() for cell in cells[len(names) :]):
            cells = cells[: len(names)]
        if fault is None and len(cells) != len(names):
            fault = f"{len(cells)} cells; expected {len(names)}, as in the first line"
        yield Row(location, {}, fault) if fault else Row(location, dict(zip(names, cells, strict=True)))
