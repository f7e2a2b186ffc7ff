"""The options of a row, whatever form a file gives them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from string import ascii_uppercase
from typing import Any

from stages.answers.options.listed import options_of
from stages.question_files.values import BLANK, RowError, exists, is_filled, printed, text_of, value_at
from stages.settings.questions import Fields

MAX_OPTIONS = 26
_NAMES = ("label", "key", "letter", "name", "id", "option", "aid", "identifier", "aoVal", "option_id", "optionId")
"""Fields of an option that may hold its letter or number."""
_TEXTS = (
    *(
        "text",
        "value",
        "content",
        "option",
        "answer",
        "atext",
        "choice",
        "body",
        "option_text",
        "optionText",
        "answer_text",
    ),
    *("answerText", "choice_text", "title", "antwort", "texto", "texte", "label"),
)
"""Fields of an option that may hold its text."""
_FLAGS = (
    *("correct", "is_correct", "isCorrect", "right", "is_right", "isRight", "is_answer", "isAnswer", "is_true"),
    *("isTrue", "richtig", "korrekt", "correcta", "correta", "istRichtig"),
)
"""Fields of an option that may say whether it is right."""
_MARKS = {
    marks: [re.compile(rf"\s*[(\[（【]?\s*{mark}\s*[)\]）】.．:：、]{after}(?=\S)", re.IGNORECASE) for mark in marks]
    for marks, after in ((ascii_uppercase, r"\s*"), ("123456789", r"\s+"))
}
"""Letters or numbers -> the pattern of each before its option. A number has a space after its mark: 1.5 has none."""
_BARE_LETTERS = [re.compile(rf"{letter}\s+(?=\S)") for letter in ascii_uppercase]
"""Letters before options without any sign after them: "A argon"."""
_FEWEST_BARE = 3
"""Options from which on bare letters count as marks: "A cat" and "B cell" may be texts."""


@dataclass(frozen=True, slots=True)
class RowOptions:
    """The options of one row."""

    texts: tuple[str, ...]
    """Texts in their order, without their letters."""
    names: tuple[str, ...]
    """How the file names each option, such as "A" or "1"; empty if only the order counts."""
    right: tuple[int, ...] | None = None
    """Indexes of the right options, if the options themselves say so."""


def options_in(row: Mapping[str, Any], fields: Fields) -> RowOptions | None:
    """Return the options of a row, None if it has none. Raises RowError if they cannot be read without a doubt."""
    if fields.correct:
        return _right_and_wrong(row, fields)
    present = [name for name in fields.options if exists(row, name)]
    values = {name: printed(value_at(row, name)) for name in present}
    filled = {name: value for name, value in values.items() if is_filled(value)}
    if not filled:
        return None
    name, value = next(iter(filled.items()))
    if len(present) > 1 and not isinstance(value, list | dict):
        return _checked([values[name] for name in present], _column_names(present))
    if isinstance(value, dict):
        return _from_object(value, name)
    if isinstance(value, list):
        return _from_list(value, name)
    return _from_text(str(value), name)


def _column_names(names: Sequence[str]) -> tuple[str, ...]:
    """Return the letters or numbers in which the names of columns differ: "A", "option_b", "opc", "answer2"."""
    prefix = 0
    while all(name[: prefix + 1] == names[0][: prefix + 1] and len(name) > prefix + 1 for name in names):
        prefix += 1
    ends = tuple(name[prefix:] for name in names)
    return ends if all(len(end) == 1 and end.isalnum() for end in ends) else ()


def _checked(
    values: Sequence[Any], names: tuple[str, ...] = (), right: tuple[int, ...] | None = None
) -> RowOptions | None:
    """Return the options of values in order. Empty values at the end are no options; one in the middle is an error."""
    texts = [_option_text(value) for value in values]
    while texts and not texts[-1]:
        texts.pop()
    if not texts:
        return None
    if "" in texts:
        raise RowError(f"option {ascii_uppercase[texts.index('') % 26]} of {len(texts)} is empty")
    if len(texts) < 2:
        raise RowError(f"only one option ({texts[0][:40]!r}); expected two or more")
    if texts == list(ascii_uppercase[: len(texts)]):  # their texts are in the question
        return None
    if len(texts) > MAX_OPTIONS:
        raise RowError(f"{len(texts)} options; expected at most {MAX_OPTIONS}")
    marks, plain = _without_marks(texts)
    return RowOptions(plain, names[: len(texts)] or marks, right)


def _option_text(value: Any) -> str:
    if isinstance(value, str) and value.isprintable() and value[:1].isalnum() and value[:3].lower() != "nan":
        return " ".join(value.split())  # most texts
    if isinstance(value, list | dict):
        raise RowError("an option is a list or an object; expected text")
    if isinstance(value, bytes) or (isinstance(value, str) and "\0" in value):
        raise RowError("an option holds bytes or a NUL character; expected text")
    return " ".join(str(value).split()).strip(BLANK) if is_filled(value) else ""


def _without_marks(texts: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return (marks, options without them) if each option starts with its own letter or number: "A. argon", "2) red".

    "E. coli" as third option and "(A) and (B) both" as first of two have no marks, and 1.5, 2.5 are numbers.
    """
    for marks, patterns in _MARKS.items():
        if len(texts) > len(marks) or not patterns[0].match(texts[0]):
            continue
        matches = [pattern.match(text) for pattern, text in zip(patterns, texts, strict=False)]
        if all(matches):
            plain = tuple(text[match.end() :] for match, text in zip(matches, texts, strict=True) if match)
            return tuple(marks[: len(texts)]), plain
    if len(texts) >= _FEWEST_BARE:
        matches = [pattern.match(text) for pattern, text in zip(_BARE_LETTERS, texts, strict=False)]
        if len(matches) == len(texts) and all(matches):
            plain = tuple(text[match.end() :] for match, text in zip(matches, texts, strict=True) if match)
            return tuple(ascii_uppercase[: len(texts)]), plain
    return (), tuple(texts)


def _from_object(value: dict[str, Any], name: str) -> RowOptions | None:
    """`{"A": "argon", ...}`, or lists beside each other: `{"text": [...], "label": [...]}`."""
    lists = {key: printed(field) for key, field in value.items() if isinstance(printed(field), list)}
    if lists:
        texts = next((lists[key] for key in (*_TEXTS, "texts", "choices") if key in lists), None)
        if texts is None:
            raise RowError(f"{name} holds the lists {', '.join(lists)}; expected one called text")
        names: list[Any] = next(
            (lists[key] for key in (*_NAMES, "labels") if key in lists and lists[key] is not texts), []
        )
        if names and len(names) != len(texts):
            raise RowError(f"{name} has {len(texts)} texts and {len(names)} labels")
        if names and set(map(str, names)) <= {"0", "1"} and len(names) > 2:  # whether each option is right
            return _checked(texts, (), tuple(i for i, label in enumerate(names) if str(label) == "1"))
        return _checked(texts, tuple(str(label).strip(BLANK) for label in names))
    if all(isinstance(field, dict) for field in value.values()):
        return _from_list([{"label": key, **field} for key, field in value.items()], name)
    if _are_scores(value):
        return _checked(list(value), (), tuple(i for i, score in enumerate(value.values()) if score == 1))
    places = {key: place for key in value if (place := _order(key)) is not None}
    keys = sorted(value, key=places.__getitem__) if len(places) == len(value) else list(value)
    return _checked([value[key] for key in keys], tuple(str(key).strip(BLANK) for key in keys))


def _are_scores(value: dict[str, Any]) -> bool:
    """Return whether an object has texts of options with 1 for right and 0 for wrong: BIG-bench, TruthfulQA."""
    scores = list(value.values())
    return (
        all(isinstance(score, int | float) and score in (0, 1) for score in scores)
        and 1 in scores
        and not all(_order(key) is not None for key in value)
    )


@lru_cache(maxsize=1_024)
def _order(name: str) -> tuple[int, str] | None:
    """Return the place of an option's name among others: letters and numbers have one, other names have none."""
    text = str(name).strip(BLANK).strip("().:")
    if text.isdigit():
        return (int(text), "")
    return (0, text.upper()) if len(text) == 1 and text.isalpha() else None


def _from_list(values: list[Any], name: str) -> RowOptions | None:
    if not any(isinstance(value, list | dict) for value in values):
        return _checked(values)
    if all(isinstance(value, list) and len(value) == 1 for value in values):
        return _from_list([value[0] for value in values], name)
    if all(isinstance(value, list) and len(value) == 2 for value in values):  # [["A", "argon"], ...]
        return _checked([value[1] for value in values], tuple(str(value[0]).strip(BLANK) for value in values))
    if not all(isinstance(value, dict) for value in values):
        raise RowError(f"{name} mixes texts with lists or objects")
    if all(len(value) == 1 for value in values):  # [{"A": "argon"}, {"B": "oxygen"}]
        pairs = [next(iter(value.items())) for value in values]
        if all(_order(key) is not None for key, _ in pairs):
            return _checked([text for _, text in pairs], tuple(str(key).strip(BLANK) for key, _ in pairs))
    text_key = next((key for key in _TEXTS if all(key in value for value in values)), None)
    if text_key == "option" and all(_order(str(value["option"])) is not None for value in values):
        text_key = next((key for key in _TEXTS if key != "option" and all(key in value for value in values)), text_key)
    if text_key is None:
        raise RowError(f"{name} is a list of objects with {', '.join(values[0])}; expected a field called text in each")
    name_key = next((key for key in _NAMES if key != text_key and all(key in value for value in values)), None)
    flag_key = next((key for key in _FLAGS if any(key in value for value in values)), None)
    names = tuple(str(value[name_key]).strip(BLANK) for value in values) if name_key else ()
    if len(set(names)) < len(names):
        names = ()
    right = tuple(i for i, value in enumerate(values) if _is_true(value.get(flag_key))) if flag_key else None
    return _checked([value[text_key] for value in values], names, right)


def _is_true(value: Any) -> bool:
    return value is True or str(value).strip().casefold() in ("true", "1", "yes")


def _from_text(text: str, name: str) -> RowOptions | None:
    """Options in one text: "A) 3 B) 4", or one in each line."""
    if marks := list(_listed(text)):
        return _checked(marks)
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    if len(lines) > 1:
        return _checked(lines)
    for separator in ("|", ";"):
        if text.count(separator) > 1:
            return _checked(text.split(separator))
    raise RowError(f"{name} is one text without letters ({text.strip()[:60]!r}); expected a list, or A) … B) …")


def _listed(text: str) -> Iterator[str]:
    """Yield the options in a text that has their letters in order from A, as they are written."""
    letters = list(options_of(text).texts)
    if len(letters) < 2 and re.match(r"\s*[(\[]?\s?A\s?[)\].:]", text, re.IGNORECASE):
        letters = list(ascii_uppercase)
    if len(letters) < 2:
        return
    starts: list[re.Match[str]] = []
    position = 0
    for letter in letters:
        mark = re.compile(rf"(?:(?<=\s)|^)[(\[（【]?\s?{letter}\s?[)\]）】.．:：、]\s*", re.IGNORECASE).search(
            text, position
        )
        if mark is None and len(letters) == len(ascii_uppercase) and len(starts) > 1:
            break
        if mark is None:
            return
        starts.append(mark)
        position = mark.end()
    ends = [mark.start() for mark in starts[1:]] + [len(text)]
    yield from (text[mark.end() : end].strip(" ,;\n\t") for mark, end in zip(starts, ends, strict=True))


def _right_and_wrong(row: Mapping[str, Any], fields: Fields) -> RowOptions | None:
    """Options from a field with the right text and fields with wrong texts, in the order of their digests."""
    right = next((text for name in fields.correct if (text := text_of(value_at(row, name), name))), None)
    wrong: list[str] = []
    for name in fields.incorrect:
        value = printed(value_at(row, name))
        if isinstance(value, str) and len(fields.incorrect) == 1:
            value = value.split(";")
        wrong += [_option_text(member) for member in (value if isinstance(value, list) else [value])]
    wrong = [text for text in wrong if text]
    if right is None or not wrong:
        return None
    texts = [" ".join(right.split()), *wrong]
    if len(set(texts)) < len(texts):
        raise RowError("two options have the same text")
    ordered = sorted(texts, key=lambda text: sha256("\n".join([text, *sorted(texts)]).encode()).digest())
    checked = _checked(ordered)
    return checked and RowOptions(tuple(ordered), (), (ordered.index(texts[0]),))
