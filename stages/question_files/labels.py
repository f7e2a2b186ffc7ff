"""Labels of rows with options: which option a letter, a number, a text or a list of these names.

A number may count the options from 0 or from 1. The numbers of the whole file decide, or `answer_base` says it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any, Literal

from stages.answers.marks import last_boxed
from stages.answers.wording.form import normalised_text
from stages.question_files.options import RowOptions
from stages.question_files.values import BLANK, RowError, is_filled, printed
from storage.errors import InputError

Base = Literal[0, 1, "text"]
"""How a number names an option: counted from 0, from 1, or by being the option's text."""

_ONE_LETTER = re.compile(
    r"(?:(?:the )?(?:correct |right )?(?:answer|option|choice|antwort|lösung|答案|选项|選項)(?: is)?\s*[:：]?\s*)?"
    r"[(\[（【]?\s*([A-Za-zＡ-Ｚ])\s*[)\]）】]?\s*[.．:：、)]?",
    re.IGNORECASE,
)
_LETTER_AND_TEXT = re.compile(
    r"(?:option |choice )?[(\[（【]?\s*([A-Za-z])\s*[)\]）】.．:：、]+\s*(\S.*)", re.IGNORECASE | re.DOTALL
)
_SEVERAL_LETTERS = re.compile(
    r"[(\[{]?\s*([A-Z](?:\s*(?:[,;/&+、，]|\band\b|\bund\b|\bet\b|和|及)?\s*[A-Z]){1,25})\s*[)\]}]?\.?"
)
_LONGEST_NAME = 10
"""Characters of a label that may be the name of an option: "(A)", "Option 12"."""
_DIGITS = re.compile(r"-?\d{1,3}(?:\.0)?")
_PARTS = re.compile(r"\s*[;|,]\s*")


@dataclass(frozen=True, slots=True)
class LabelledRow:
    """A row's options and the values that may name the right one."""

    options: RowOptions
    labels: Mapping[str, Any]
    """Field -> its value, for every answer field that holds something."""


def right_options(row: LabelledRow, bases: Mapping[str, Base]) -> tuple[int, ...] | None:
    """Return the indexes of the right options in order, None if the row has no label.

    `bases`: answer field -> how its numbers name options (see `number_bases`). Raises RowError if a label names no
    option, or if two fields name different options.
    """
    chosen: dict[str, tuple[int, ...]] = {}
    if row.options.right is not None:
        if not row.options.right:
            raise RowError("no option is marked as right")
        chosen["the options"] = row.options.right
    unreadable: list[str] = []
    for name, value in row.labels.items():
        if value == -1:  # MedMCQA's and others' mark of a hidden label
            continue
        try:
            chosen[name] = _indexes(value, row.options, bases.get(name))
        except RowError as error:
            unreadable.append(f"{name}: {error}")
    if not chosen:
        if unreadable:
            raise RowError("; ".join(unreadable))
        return None
    (first, indexes), *others = chosen.items()
    for name, other in others:
        if other != indexes:
            raise RowError(
                f"{first} and {name} name different right answers, {label_text(indexes)} and {label_text(other)}"
            )
    return indexes


def label_text(indexes: Iterable[int]) -> str:
    """Return the label of right options: "B", or "A, C"."""
    return ", ".join(ascii_uppercase[index] for index in indexes)


def _indexes(value: Any, options: RowOptions, base: Base | None) -> tuple[int, ...]:
    """Return the indexes that a label names, in order. Raises RowError if it names none."""
    value = printed(value)
    if isinstance(value, dict):
        raise RowError("holds an object; name a field in it")
    if isinstance(value, list):
        return _of_list([member for member in value if is_filled(member)], options, base)
    if isinstance(value, bool):
        value = str(value)
    if (index := _single(value, options, base)) is not None:
        return (index,)
    text = str(value).strip()
    if match := _SEVERAL_LETTERS.fullmatch(text):
        letters = re.findall(r"[A-Z]", re.sub(r"\b(?:and|und|et)\b", " ", match[1]))
        indexes = sorted({ascii_uppercase.index(letter) for letter in letters})
        if len(indexes) == len(letters) and indexes[-1] < len(options.texts):
            return tuple(indexes)
    parts = [part for part in _PARTS.split(text) if part]
    if len(parts) > 1:
        singles = [_single(part, options, base) for part in parts]
        if None not in singles:
            return tuple(sorted({index for index in singles if index is not None}))
    raise RowError(f"{text[:60]!r} names no option of {len(options.texts)}")


def _of_list(values: list[Any], options: RowOptions, base: Base | None) -> tuple[int, ...]:
    flags = [str(value) for value in values]
    if len(values) == len(options.texts) > 2 and set(flags) <= {"0", "1", "True", "False"} and len(set(flags)) > 1:
        return tuple(index for index, flag in enumerate(flags) if flag in ("1", "True"))
    indexes = []
    for value in values:
        index = None if isinstance(value, list | dict) else _single(value, options, base)
        if index is None:
            raise RowError(f"{str(value)[:60]!r} names no option of {len(options.texts)}")
        indexes.append(index)
    return tuple(sorted(set(indexes)))


def _single(value: Any, options: RowOptions, base: Base | None) -> int | None:
    """Return the index of the option that one value names, None if it names none or several."""
    text = str(value).strip(BLANK)
    if "\\" in text:
        text = last_boxed(text) or text
    text = text.strip().strip("*").strip()
    if base is not None and _DIGITS.fullmatch(text):
        return _numbered(text, options, base)
    if text in options.names:
        return options.names.index(text)
    if len(text) < _LONGEST_NAME:
        folded = [name.casefold().strip("().: ") for name in options.names]
        if folded.count(text.casefold().strip("().: ")) == 1:
            return folded.index(text.casefold().strip("().: "))
    if _DIGITS.fullmatch(text):
        return _numbered(text, options, base)
    if match := _ONE_LETTER.fullmatch(text):
        letter = chr(ord(match[1]) - 0xFEE0) if ord(match[1]) > 0xFF00 else match[1].upper()
        index = ascii_uppercase.index(letter)
        if index < len(options.texts) and not _letters_name_others(options):
            return index
    if match := _LETTER_AND_TEXT.fullmatch(text):
        index = ascii_uppercase.index(match[1].upper())
        if index < len(options.texts) and _same(match[2], options.texts[index]):
            return index
    return _by_text(text, options)


def _letters_name_others(options: RowOptions) -> bool:
    """Whether the file's own names are letters that differ from the letters by place (options B, C, D of a dict)."""
    names = [name.upper() for name in options.names]
    return (
        all(len(name) == 1 and name.isalpha() for name in names)
        and bool(names)
        and names != list(ascii_uppercase[: len(names)])
    )


def _numbered(text: str, options: RowOptions, base: Base | None) -> int | None:
    if base == "text":
        return _by_text(text, options)
    if base is None:
        return None
    index = int(float(text)) - base
    return index if 0 <= index < len(options.texts) else None


def _by_text(text: str, options: RowOptions) -> int | None:
    matches = [index for index, option in enumerate(options.texts) if option == text]
    matches = matches or [index for index, option in enumerate(options.texts) if _same(text, option)]
    return matches[0] if len(matches) == 1 else None


def _same(left: str, right: str) -> bool:
    left, right = normalised_text(left), normalised_text(right)
    return left == right != "" or "".join(left.split()) == "".join(right.split()) != ""


def number_bases(rows: Sequence[LabelledRow], stated: Base | None, label: str) -> dict[str, Base]:
    """Return answer field -> how its numbers name options, for the fields that hold numbers.

    The numbers of all rows decide: the way counts that fits them all, or all but one in a hundred. Raises InputError if
    more than one way fits, or none.
    """
    fields: dict[str, list[tuple[list[str], RowOptions]]] = {}
    for row in rows:
        for name, value in row.labels.items():
            if value != -1 and (numbers := _numbers(value, row.options)):
                fields.setdefault(name, []).append((numbers, row.options))
    return {
        name: stated if stated is not None else _base(name, column, label)
        for name, column in fields.items()
        if any(number not in options.names for numbers, options in column for number in numbers)
    }


def _numbers(value: Any, options: RowOptions) -> list[str]:
    """Return the numbers in a label."""
    if isinstance(value, str) and value[:1].isalpha():
        return []
    value = printed(value)
    values = value if isinstance(value, list) else [value]
    texts = [
        str(member).strip() for member in values if not isinstance(member, list | dict | bool) and is_filled(member)
    ]
    if len(values) == len(options.texts) > 2 and set(texts) == {"0", "1"}:
        return []
    if len(texts) == 1 and not isinstance(values[0], list):
        texts = [part for part in _PARTS.split(texts[0]) if part]
    return [text for text in texts if _DIGITS.fullmatch(text)]


def _base(name: str, column: Sequence[tuple[list[str], RowOptions]], label: str) -> Base:
    misfits: dict[Base, int] = {}
    ways: tuple[Base, ...] = (0, 1, "text")
    for way in ways:
        misfits[way] = sum(
            any(_numbered(number, options, way) is None for number in numbers) for numbers, options in column
        )
    fitting = [way for way in ways if misfits[way] <= len(column) / 100]
    best = [way for way in fitting if misfits[way] == min(misfits[way] for way in fitting)]
    if len(best) == 1:
        return best[0]
    if not fitting:
        raise InputError(
            f"{label}: the numbers in {name} fit the options neither from 0 ({misfits[0]} of {len(column)} do not) "
            f"nor from 1 ({misfits[1]} do not)"
        )
    meanings = {0: "counted from 0", 1: "counted from 1", "text": "as the options' texts"}
    ways_text = " and ".join(meanings[way] for way in best)
    raise InputError(
        f"{label}: the numbers in {name} fit the options {ways_text}; set `format: {{answer_base: 0}}`, "
        "`{answer_base: 1}` or `{answer_base: text}`"
    )
