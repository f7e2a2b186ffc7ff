"""Values of a row: fields by name, as text, as lists, and the user's turn of a conversation.

A cell of a CSV file can hold a printed list ("['a', 'b']"), which is read without evaluating anything.
"""

import json
import re
from collections.abc import Iterable, Mapping
from math import isfinite
from string import whitespace
from typing import Any

BLANK = f"{whitespace}\u00a0\u200b\u200e\u200f\u202a\u202b\u202c\u2060\u2066\u2067\u2068\u2069\u3000\ufeff"
"""Characters around a text that mean nothing, among them marks of the direction of writing."""
_MAX_PRINTED = 100_000
"""Longest printed list that is read, in characters."""
_QUOTED = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
_PRINTED_LIST = re.compile(rf"\[\s*(?:(?:{_QUOTED})\s*,?\s*)+\]")
_PRINTED_OBJECT = re.compile(
    rf"\{{\s*(?:(?:{_QUOTED}|\d+)\s*:\s*(?:{_QUOTED}|-?\d+(?:\.\d+)?|None|True|False)\s*,?\s*)+\}}"
)
"""An object of single values as Python prints it. It is read as JSON or refused, never evaluated."""
_PRINTED_MEMBER = re.compile(_QUOTED)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_USERS = ("user", "human")
_ROLES = ("role", "from", "speaker")
_CONTENTS = ("content", "value", "text")


class RowError(ValueError):
    """A row that cannot be used; the message says why."""


def is_filled(value: Any) -> bool:
    """Return whether a field of a row holds something.

    Null, NaN, infinity, a blank text, and a list or an object of nothing but these hold nothing.
    pandas writes NaN for a cell without a value, or "nan" or "<NA>" if its column was made text. Other words ("None",
    "N/A") may be answers.
    """
    if value is None:
        return False
    if isinstance(value, str):
        if value[:1].isalnum() and value[:3].casefold() != "nan":  # most texts
            return True
        return value.strip(BLANK) not in ("", "nan", "NaN", "<NA>")
    if isinstance(value, float):
        return isfinite(value)
    if isinstance(value, list):
        return any(map(is_filled, value))
    if isinstance(value, dict):
        return any(map(is_filled, value.values()))
    return True


def value_at(row: Mapping[str, Any], name: str) -> Any:
    """Return the value of a field, None if the row has none.

    A dot leads into objects and lists: `question.stem`, `prompt.0.content`, and `paragraphs.text` for the texts of all
    objects in a list.
    """
    if name in row:
        return row[name]
    value: Any = row
    for part in name.split("."):
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        elif isinstance(value, list) and value and all(isinstance(member, dict) for member in value):
            value = [member[part] for member in value if part in member] or None
        else:
            return None
    return value


def exists(row: Mapping[str, Any], name: str) -> bool:
    """Return whether a row has a field, even an empty one. A field that should be inside a missing object exists."""
    if name in row or value_at(row, name) is not None:
        return True
    outer, dot, inner = name.rpartition(".")
    if not dot or not exists(row, outer):
        return False
    around = value_at(row, outer)
    return around is None or (isinstance(around, dict) and inner in around)


def first_filled(row: Mapping[str, Any], names: Iterable[str]) -> Any:
    """Return the value of the first field that holds something, None if none does."""
    return next((value for name in names if is_filled(value := value_at(row, name))), None)


def text_of(value: Any, name: str) -> str | None:
    """Return a value as text, None if it holds nothing.

    A list of texts is joined by line feeds. A table, which is a list of lists of cells, becomes a line for each row,
    with bars between the cells. Raises RowError for an object, and for a list with objects or deeper lists in it.
    """
    if not is_filled(value):
        return None
    if isinstance(value, list):
        if _is_table(value):
            return "\n".join(" | ".join("" if cell is None else str(cell).strip() for cell in row) for row in value)
        if any(isinstance(member, list | dict) for member in value):
            raise RowError(f"{name} holds a list of {_kind_of(value)}; expected text")
        return "\n".join(str(member).strip() for member in value if is_filled(member))
    if isinstance(value, dict):
        inner = ", ".join(f"{name}.{key}" for key in list(value)[:4])
        raise RowError(f"{name} holds an object; name a field in it, such as {inner}")
    if isinstance(value, bytes):
        raise RowError(f"{name} holds bytes that are no text")
    text = str(value).strip(BLANK)
    if "\0" in text:
        raise RowError(f"{name} holds a NUL character, which is no text")
    return text


def _is_table(value: list[Any]) -> bool:
    return all(isinstance(row, list) and not any(isinstance(cell, list | dict) for cell in row) for row in value)


def _kind_of(values: list[Any]) -> str:
    return "objects" if any(isinstance(value, dict) for value in values) else "lists"


def printed(value: Any) -> Any:
    """Return the list or object that a text is, as JSON or as Python or numpy print a list of texts; else the value."""
    if (
        not isinstance(value, str)
        or value[:1].isalnum()
        or len(value) > _MAX_PRINTED
        or value.strip()[:1] not in ("[", "{")
    ):
        return value
    text = value.strip()
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        if _PRINTED_OBJECT.fullmatch(text):
            return _printed_object(text)
        if not _PRINTED_LIST.fullmatch(text):
            return value
        return [_ESCAPE.sub(_escaped, member[1:-1]) for member in _PRINTED_MEMBER.findall(text)]
    return parsed if isinstance(parsed, list | dict) else value


_CONSTANTS = {"None": None, "True": True, "False": False}
_PAIR = re.compile(rf"({_QUOTED}|\d+)\s*:\s*({_QUOTED}|[^\s,}}]+)")


def _printed_object(text: str) -> dict[str, Any]:
    """Return the object that a text is, as Python prints an object of single values."""
    return {str(_printed_member(key)): _printed_member(member) for key, member in _PAIR.findall(text)}


def _printed_member(text: str) -> Any:
    if text[0] in "'\"":
        return _ESCAPE.sub(_escaped, text[1:-1])
    return _CONSTANTS[text] if text in _CONSTANTS else json.loads(text)


def _escaped(match: re.Match[str]) -> str:
    return {"n": "\n", "t": "\t"}.get(match[1], match[1])


def question_text(value: Any, name: str) -> str | None:
    """Return the text of a question: a text, or the last turn of the user in a conversation."""
    turns = printed(value)
    if isinstance(turns, list) and turns and all(isinstance(turn, dict) for turn in turns):
        return _last_turn(turns, name)
    return text_of(value, name)


def _last_turn(turns: list[dict[str, Any]], name: str) -> str | None:
    for turn in reversed(turns):
        role = next((str(turn[key]).casefold() for key in _ROLES if key in turn), None)
        if role in _USERS:
            content = next((turn[key] for key in _CONTENTS if key in turn), None)
            if isinstance(content, list):  # parts of a message
                if any(not isinstance(part, dict) or part.get("type") != "text" for part in content):
                    raise RowError(f"{name} has a turn with an image or another part that is no text")
                content = "\n".join(str(part.get("text", "")) for part in content)
            return text_of(content, name)
    raise RowError(f"{name} is a list of objects without a turn of the user; expected {{role: user, content: …}}")
