"""Rows of JSON: an object in each line, a list of objects, or an object that holds rows."""

import io
import json
import re
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

from stages.question_files.encodings import detected_encoding, not_utf8
from stages.question_files.names import QUESTIONS, folded
from stages.question_files.sources import MAX_DEPTH, MAX_ROW_BYTES, Row, Source
from storage.errors import InputError

_FIELDS_OF_A_ROW = frozenset(
    (
        *("question", "problem", "instruction", "prompt", "passage", "context", "text", "query", "qtext", "statement"),
        *("QUESTION", "conversations", "conversation", "messages", "options", "choices", "answers", "article"),
        *("paragraphs", "pre_text"),
    )
)
"""An object with one of these fields is a row itself, whatever lists it holds."""
_QUESTION_NAMES = frozenset(QUESTIONS) - {"text", "content", "body", "sentence", "input", "inputs", "statement", "term"}
_SPLITS = {"train", "test", "dev", "val", "valid", "validation", "training", "testing"}
_MAX_LINE = 4 * MAX_ROW_BYTES + 4
"""Bytes of a line that are kept: more than the longest row, in any encoding."""
_TOO_LONG = f"characters; expected at most {MAX_ROW_BYTES:,}"
_TOO_DEEP = f"lists and objects inside each other, more than {MAX_DEPTH} deep"
_DEEPEST_ROWS = 5
_MOST_OBJECTS = 50
_SURROGATE = re.compile(r"\\ud[89a-f]", re.IGNORECASE)


def json_file(source: Source, encoding: str, rows: str | None, *, is_list: bool) -> tuple[str, Iterator[Row]]:
    if rows is None and not is_list and _is_json_lines(source, encoding):
        return "JSON lines", _json_lines(source, encoding)
    text = source.text(encoding)
    try:
        value = json.loads(text, object_pairs_hook=_object)
    except _DoubleKeyError as error:
        raise InputError(f"{source.label}: {error}") from None
    except (ValueError, RecursionError) as error:
        objects = _joined_objects(text)
        if objects is None:
            raise InputError(
                f"{source.label} is not JSON ({_first_words(error)}); expected a list of objects, or an object per line"
            ) from None
        value = objects
    return "JSON", _json_rows(value, source, rows)


def _is_json_lines(source: Source, encoding: str) -> bool:
    """Return whether a file that starts with an object has an object in each line.

    It has if its first or second line with text is an object of its own. An object alone may hold rows.
    """
    values: list[Any] = []
    with source.open() as file:
        for line in filter(str.strip, _lines(file, source, encoding)):
            try:
                values.append(json.loads(line))
            except (ValueError, RecursionError):
                values.append(None)
            if len(values) == 2:
                return any(isinstance(value, dict) for value in values)
    if not isinstance(values[0], dict) or _rows_inside(values[0]) is not None:
        return not isinstance(values[0], dict)
    return bool(values[0].keys() & _FIELDS_OF_A_ROW) or paths_of_rows(values[0]) is None


def _lines(file: BinaryIO, source: Source, encoding: str) -> Iterator[str]:
    """Yield the lines of a text file, split at line feeds only, as JSON lines are."""
    try:
        if encoding.replace("-", "").lower().startswith(("utf16", "utf32")):
            with io.TextIOWrapper(file, encoding=encoding, newline="\n") as text:
                while line := text.readline(MAX_ROW_BYTES + 1):
                    yield line
            return
        while part := file.readline(_MAX_LINE):
            start = part
            while len(part) == _MAX_LINE and not part.endswith(b"\n"):  # the rest of a line that is too long
                part = file.readline(_MAX_LINE)
            yield start.decode(encoding, errors="surrogateescape")
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{source.label} cannot be unpacked: {error}") from None


def _json_lines(source: Source, encoding: str) -> Iterator[Row]:
    with source.open() as file:
        for number, line in enumerate(_lines(file, source, encoding), start=1):
            if not line.strip("\ufeff \t\r\n"):
                continue
            yield _json_row(f"line {number}", line)


def _json_row(location: str, line: str) -> Row:
    if len(line) > MAX_ROW_BYTES:
        return Row(location, {}, f"{len(line):,} {_TOO_LONG}")
    try:
        line.encode()
    except UnicodeEncodeError:
        likely = detected_encoding(line.encode(errors="surrogateescape"), guess=True)
        return Row(location, {}, not_utf8(likely))
    try:
        value = json.loads(line, object_pairs_hook=_object)
        if _is_too_deep(value, line):
            return Row(location, {}, _TOO_DEEP)
        if _SURROGATE.search(line):  # half a surrogate pair is valid JSON but not text
            json.dumps(value, ensure_ascii=False).encode()
    except _DoubleKeyError as error:
        return Row(location, {}, str(error))
    except RecursionError:
        return Row(location, {}, _TOO_DEEP)
    except ValueError as error:
        return Row(location, {}, f"not JSON ({_first_words(error)}); expected one object per line")
    return _object_row(location, value)


class _DoubleKeyError(ValueError):
    """An object with two values for one key."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object of pairs. Raises _DoubleKeyError if a key has two different values: one would be lost."""
    value = dict(pairs)
    if len(value) < len(pairs):
        for key, member in pairs:
            if value[key] != member:
                raise _DoubleKeyError(f"the key {key[:60]!r} comes twice in one object, with different values")
    return value


def _is_too_deep(value: Any, text: str) -> bool:
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return False
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            member
            for outer in level
            for member in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(member, list | dict)
        ]
        if not level:
            return False
    return True


def _first_words(error: Exception) -> str:
    return str(error).split("; use sys.")[0]


def _object_row(location: str, value: Any) -> Row:
    if not isinstance(value, dict):
        return Row(location, {}, f"found {type(value).__name__}, expected a JSON object")
    return Row(location, value)


def _joined_objects(text: str) -> list[Any] | None:
    """Return the objects of a text that has one after another, each over several lines; None if it has not."""
    decoder, objects, index = json.JSONDecoder(), [], 0
    while index < len(text):
        while index < len(text) and text[index] in " \t\r\n,\ufeff":
            index += 1
        if index == len(text):
            break
        try:
            value, index = decoder.raw_decode(text, index)
        except (ValueError, RecursionError):
            return None
        if not isinstance(value, dict):
            return None
        objects.append(value)
    return objects or None


def _json_rows(value: Any, source: Source, rows: str | None) -> Iterator[Row]:
    if rows is not None:
        values: Any = list(_rows_at(value, rows.split("."), {}))
        if not values and isinstance(value, dict) and (inside := _rows_inside(value)):
            values = list(_rows_at(inside, rows.split("."), {}))
        if not values:
            names = ", ".join(value) if isinstance(value, dict) else "a list"
            raise InputError(
                f"{source.label} has no rows at `format: {{rows: {rows}}}`; the file holds {names[:200]}"
                f"{_advice(value)}"
            )
    elif isinstance(value, dict):
        values = _rows_inside(value)
        if values is None:
            raise InputError(
                f"{source.label} is one object with the fields {', '.join(map(str, value))[:200]}; expected a list of "
                f"rows{_advice(value)}"
            )
    else:
        values = value
    for number, row in enumerate(values, start=1):
        try:
            text = json.dumps(row, ensure_ascii=False)
            text.encode()
        except UnicodeEncodeError:
            yield Row(f"row {number}", {}, "holds half a surrogate pair, which is no text")
            continue
        except RecursionError:
            yield Row(f"row {number}", {}, _TOO_DEEP)
            continue
        if len(text) > MAX_ROW_BYTES:
            yield Row(f"row {number}", {}, f"{len(text):,} {_TOO_LONG}")
            continue
        if _is_too_deep(row, text):
            yield Row(f"row {number}", {}, _TOO_DEEP)
            continue
        yield _object_row(f"row {number}", row)


def _rows_at(value: Any, names: list[str], around: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the rows at a path of names, through lists and objects, each with the fields of the objects around it."""
    if isinstance(value, list):
        for member in value:
            yield from _rows_at(member, names, around)
    elif isinstance(value, dict) and names:
        if names[0] == "*":
            for key, member in value.items():
                yield from _rows_at(member, names[1:], {**around, "key": key})
        elif isinstance(value.get(names[0]), list | dict):
            outer = {name: field for name, field in value.items() if name != names[0]}
            yield from _rows_at(value[names[0]], names[1:], {**around, **outer})
    elif isinstance(value, dict):
        yield {**around, **value}


def _rows_inside(value: dict[str, Any]) -> list[dict[str, Any]] | None:
    """Return the rows that an object holds under one key, under a key each, or as columns; None if it has none."""
    lists: list[list[dict[str, Any]]] = [field for field in value.values() if _is_list_of_objects(field)]
    is_row = any(folded(name) in _QUESTION_NAMES and isinstance(field, str) for name, field in value.items())
    if len(lists) == 1 and not is_row and not value.keys() & _FIELDS_OF_A_ROW:
        return lists[0]
    fields = list(value.values())
    if len(fields) > 1 and all(isinstance(field, dict) and field for field in fields):
        numbers = [str(number) for number in range(len(fields[0]))]
        if all(list(field) == numbers for field in fields):  # as pandas writes a table: field -> row -> value
            return [{name: column[number] for name, column in value.items()} for number in numbers]
        if len({frozenset(field) for field in fields}) <= max(1, len(fields) // 2):
            return [{"key": key, **field} for key, field in value.items()]
    lengths = {len(field) if isinstance(field, list) else -1 for field in fields}
    if len(fields) > 1 and len(lengths) == 1 and min(lengths) > 1 and not lists:
        return [dict(zip(value, row, strict=True)) for row in zip(*fields, strict=True)]
    return None


def _is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(member, dict) for member in value)


def _advice(value: Any) -> str:
    path = paths_of_rows(value)
    return f". Say where the rows are, such as `format: {{rows: {path or 'data'}}}`"


def paths_of_rows(value: Any) -> str | None:
    """Return the path to the lists of questions inside an object or a list of rows, None if there are none.

    A list with a row whose field is called as questions are is such a list. Of lists beside each other, such as
    `train` and `test`, the first counts; "*" stands for all keys of an object that differ from file to file.
    """
    level: list[tuple[tuple[str, ...], Any]] = [
        ((), member) for member in (value if isinstance(value, list) else [value])
    ]
    for _ in range(_DEEPEST_ROWS):
        below: list[tuple[tuple[str, ...], Any]] = []
        for path, member in level[:_MOST_OBJECTS]:
            if not isinstance(member, dict):
                continue
            for key, field in member.items():
                inside = (*path, str(key))
                if _is_list_of_objects(field):
                    if any(folded(name) in _QUESTION_NAMES for name in field[0]):
                        path_text = ".".join(_starred(inside, value))
                        return f"'{path_text}'" if path_text.startswith("*") else path_text
                    below += [(inside, row) for row in field[:2]]
                elif isinstance(field, dict):
                    below.append((inside, field))
        level = below
    return None


def _starred(path: tuple[str, ...], value: Any) -> list[str]:
    """Return a path with "*" for the keys of objects whose members are all alike, and are no parts of a data set."""
    names = []
    for name in path:
        while isinstance(value, list):
            value = next((member for member in value if isinstance(member, dict) and name in member), {})
        alike = len(value) > 1 and len({type(member) for member in value.values()}) == 1
        is_many = alike and isinstance(value[name], list | dict) and not {key.casefold() for key in value} & _SPLITS
        names.append("*" if is_many else name)
        value = value[name]
    return names
