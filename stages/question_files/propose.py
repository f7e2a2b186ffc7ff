"""Mappings to try, for a file whose fields have other names than those looked for.

A mapping is only proposed: names alone never decide what becomes a label. A proposal fits the rows it is made from: its
options can be read as options, and its answer names one of them.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from stages.question_files import names as usual
from stages.question_files.labels import LabelledRow, number_bases, right_options
from stages.question_files.options import RowOptions, options_in
from stages.question_files.shapes import PLAIN
from stages.question_files.values import RowError, is_filled, printed, question_text, text_of, value_at
from stages.settings.questions import Fields
from storage.errors import InputError

Rows = Sequence[Mapping[str, Any]]
Mapped = dict[str, list[str]]
"""Setting in `fields` -> names of fields."""

_SAMPLE = 100
"""Rows that a proposal is made from."""
_LONGEST_LABEL = 80
"""Characters of a text without options that may be a label; a longer one is rather a solution or a reply."""
_SIMPLE_NAME = re.compile(r"[^\W\d](?:[\w .()/%+-]*[\w)])?")


def guessed_fields(rows: Rows, fields: Fields) -> Mapped:
    """Return the fields of rows that probably hold what `fields` does not find in them."""
    rows = list(islice(rows, _SAMPLE))
    names = _names(rows)
    mapping: Mapped = {}
    if not _has(rows, fields.question) and (question := _question(rows, names)):
        mapping["question"] = [question]
    taken = {*fields.question, *fields.input, *mapping.get("question", ())}
    free = [name for name in names if name not in taken]
    if not _has(rows, fields.options) and not fields.correct:
        mapping |= _options(rows, free)
    fields = Fields.model_validate({**fields.model_dump(), **mapping})
    of_options = (*fields.options, *fields.correct, *fields.incorrect)
    free = [name for name in free if name.split(".")[0] not in of_options and name not in of_options]
    if not _has(rows, fields.answer) and not fields.correct and (answer := _answer(rows, free, fields)):
        mapping["answer"] = [answer]
    taken |= {*fields.answer, *fields.context, *mapping.get("answer", ())}
    free = [name for name in free if name not in taken]
    if context := [name for name in free if _is_context(rows, name, fields)]:
        mapping["context"] = [*fields.context, *context]
    for setting, known in (("subject", usual.SUBJECTS), ("level", usual.LEVELS)):
        if not _has(rows, getattr(fields, setting)) and (name := _first(free, known)):
            mapping[setting] = [name]
    return mapping


def mapping_text(
    mapping: Mapped, fields: Fields | None = None, preset: str | None = None, rows: str | None = None
) -> str:
    """Return a mapping as YAML in one line, with what `fields` sets already, a preset's name and a path to the rows."""
    stated = fields.model_dump(include=fields.model_fields_set) if fields else {}
    every = {setting: mapping.get(setting, names) for setting, names in {**stated, **mapping}.items()}
    parts = [f"{setting}: {_yaml(list(names))}" for setting, names in every.items()]
    path = f"rows: {_yaml([rows])}, " if rows else ""
    known = f"preset: {preset}, " if preset and preset != PLAIN else ""
    return f"{{{known}{path}fields: {{{', '.join(parts)}}}}}"


def fields_text(fields: Fields) -> str:
    """Return the fields that are looked for: "question (question, problem), answer (answer)"."""
    parts = []
    for setting in ("question", "context", "input", "options", "correct", "incorrect", "answer"):
        if names := getattr(fields, setting):
            parts.append(f"{setting} ({', '.join(names)})")
    return ", ".join(parts)


def _yaml(names: list[str]) -> str:
    shown = [
        name
        if _SIMPLE_NAME.fullmatch(name) and name.casefold() not in ("y", "n", "yes", "no", "true", "false", "null")
        else json.dumps(name, ensure_ascii=False)
        for name in names
    ]
    return shown[0] if len(shown) == 1 else f"[{', '.join(shown)}]"


def _names(rows: Rows) -> list[str]:
    """Return the names of fields that hold something, with those inside objects after the others."""
    outer: dict[str, None] = {}
    inner: dict[str, None] = {}
    for row in rows:
        for name, value in row.items():
            if not is_filled(value):
                continue
            outer[name] = None
            is_passage = usual.folded(name) in usual.CONTEXT_LISTS
            if is_passage and isinstance(value, list) and isinstance(value[0], dict) and "text" in value[0]:
                inner[f"{name}.text"] = None
            if isinstance(value, dict) and "." not in name and len(value) <= 20:
                inner |= {f"{name}.{key}": None for key, member in value.items() if is_filled(member) and key}
    return [*outer, *inner]


def _has(rows: Rows, names: Iterable[str]) -> bool:
    names = list(names)
    return any(is_filled(value_at(row, name)) for row in rows for name in names)


def _first(names: Iterable[str], known: Iterable[str]) -> str | None:
    by_name: dict[str, str] = {}
    for name in names:
        by_name.setdefault(usual.folded(name), name)
    return next((by_name[name] for name in known if name in by_name), None)


def _most(rows: Rows, fits: Iterable[bool | None]) -> bool:
    """Return whether most of what is not None is true, and something is."""
    results = [fit for fit in fits if fit is not None]
    return sum(results) * 2 > len(results)


def _question(rows: Rows, names: Sequence[str]) -> str | None:
    exact = [name for known in usual.QUESTIONS for name in names if usual.folded(name) == known]
    parts = [name for name in names if usual.QUESTION_PART.search(name) and not usual.NO_QUESTION.search(name)]
    names = sorted((*exact, *parts), key=lambda name: "." in name)
    texts = [name for name in names if _most(rows, (_is_text(row, name) for row in rows))]
    differing = [name for name in texts if len({str(value_at(row, name)) for row in rows}) > 1 or len(rows) == 1]
    alike = [name for name in texts if name in exact]  # "Next step?" in each row, whose passages differ
    return next(iter((*differing, *alike)), None)


def _is_text(row: Mapping[str, Any], name: str) -> bool | None:
    value = value_at(row, name)
    if not is_filled(value):
        return None
    try:
        text = question_text(value, name) if isinstance(value, str | list) else None
    except RowError:
        return False
    return bool(text) and not str(text).replace(".", "").isdigit()


def _options(rows: Rows, names: Sequence[str]) -> Mapped:
    """Return the fields of the options: one field, a field for each, or right and wrong ones."""
    groups = [(key, group) for key, group in usual.columns(names).items() if _are_texts(rows, group)]
    wrong = [group for key, group in groups if usual.WRONG.match(key)]
    wrong += [[name] for name in names if usual.WRONG.match(usual.folded(name)) and _is_options(rows, name, fewest=1)]
    if wrong and (right := _right_text(rows, names, wrong[0])):
        return {"correct": [right], "incorrect": wrong[0], "answer": []}
    usual_names = [name for known in usual.OPTIONS for name in names if usual.folded(name) == known]
    usual_names.sort(key=lambda name: "." in name)
    for name in usual_names:
        known = usual.folded(name)
        if known in usual.ANSWERS and not _is_choice(rows, name, names):
            continue
        if _is_options(rows, name) or (known in ("options", "choices") and _are_lists(rows, name)):
            return {"options": [name]}
    if group := next((group for key, group in groups if key in usual.OPTION_COLUMNS), None):
        return {"options": group}
    for name in names:
        if _looks_like_options(rows, name):
            return {"options": [name]}
    return {}


def _are_texts(rows: Rows, names: Sequence[str]) -> bool:
    """Return whether fields hold single values, and at least the first two of them in most rows."""
    return _most(
        rows,
        (
            all(
                is_filled(value_at(row, name)) and not isinstance(value_at(row, name), list | dict | bool)
                for name in names[:2]
            )
            for row in rows
        ),
    )


def _read_options(row: Mapping[str, Any], fields: Fields) -> RowOptions | None:
    try:
        return options_in(row, fields)
    except RowError:
        return None


def _is_options(rows: Rows, name: str, fewest: int = 2) -> bool:
    fields = Fields(options=(name,))
    filled = [row for row in rows if is_filled(value_at(row, name))]
    if fewest == 1:
        return _most(
            rows, (isinstance(printed(value_at(row, name)), list) or ";" in value_at(row, name) for row in filled)
        )
    return _most(rows, (_read_options(row, fields) is not None for row in filled))


def _are_lists(rows: Rows, name: str) -> bool:
    """Return whether a field holds lists or objects, even of options that cannot be read."""
    values = (printed(value_at(row, name)) for row in rows)
    return _most(rows, (isinstance(value, list | dict) and len(value) > 1 for value in values if is_filled(value)))


def _is_choice(rows: Rows, name: str, names: Sequence[str]) -> bool:
    """Return whether a field called `answers` holds options, not answers that are all right."""
    fields = Fields(options=(name,))
    read = [options for row in rows if (options := _read_options(row, fields))]
    if any(options.right is not None or options.names for options in read):
        return True
    others = [other for other in names if other != name]
    return bool(_has(rows, fields.answer) or _answer(rows, others, fields))


def _right_text(rows: Rows, names: Sequence[str], wrong: Sequence[str]) -> str | None:
    """Return the field with the right text beside fields with wrong ones."""
    for known in usual.RIGHT_TEXTS:
        for name in names:
            if usual.folded(name) == known and name not in wrong:
                fields = Fields(correct=(name,), incorrect=tuple(wrong), answer=())
                if _most(rows, (_read_options(row, fields) is not None for row in rows)):
                    return name
    return None


def _looks_like_options(rows: Rows, name: str) -> bool:
    """Return whether a field of another name holds options: texts by letter, or texts one of which is the answer."""

    def is_like(row: Mapping[str, Any]) -> bool | None:
        value = printed(value_at(row, name))
        if not is_filled(value):
            return None
        if isinstance(value, dict):
            return len(value) > 1 and all(len(str(key)) == 1 and isinstance(text, str) for key, text in value.items())
        if not isinstance(value, list) or not 2 <= len(value) <= 10:
            return False
        if all(isinstance(member, dict) for member in value):
            options = _read_options(row, Fields(options=(name,)))
            return options is not None and (options.right is not None or bool(options.names))
        texts = [member for member in value if isinstance(member, str)]
        return len(texts) == len(value) and any(
            field in texts for other, field in row.items() if other != name and isinstance(field, str)
        )

    return _most(rows, map(is_like, rows))


def _answer(rows: Rows, names: Sequence[str], fields: Fields) -> str | None:
    with_options = [(row, options) for row in rows if (options := _read_options(row, fields))]
    if with_options and all(options.right is not None for _, options in with_options):
        return None
    exact = [name for known in usual.ANSWERS for name in names if usual.folded(name) == known]
    parts = [name for name in names if usual.ANSWER_PART.match(usual.folded(name))]
    for name in (*exact, *parts):
        if with_options:
            labelled = [
                LabelledRow(options, {name: value})
                for row, options in with_options
                if is_filled(value := value_at(row, name))
            ]
            if labelled and _names_options(labelled):
                return name
        elif _most(rows, (_is_label(value_at(row, name)) for row in rows)):
            return name
    return None


def _names_options(labelled: Sequence[LabelledRow]) -> bool:
    """Return whether the labels of most rows name options."""
    try:
        bases = number_bases(labelled, None, "")
    except InputError:  # numbers that fit in more than one way, which is for `answer_base` to say
        bases = number_bases(labelled, 0, "")
    read = 0
    for row in labelled:
        try:
            read += right_options(row, bases) is not None
        except RowError:
            continue
    return read > len(labelled) / 2


def _is_label(value: Any) -> bool | None:
    if not is_filled(value):
        return None
    if isinstance(value, dict):
        return False
    if isinstance(value, list):
        return all(not isinstance(member, list | dict) for member in value) and len(str(value)) <= _LONGEST_LABEL
    text = str(value)
    return len(text) <= _LONGEST_LABEL or "####" in text or "\\boxed" in text


def _is_context(rows: Rows, name: str, fields: Fields) -> bool:
    if usual.folded(name) not in usual.CONTEXTS or usual.folded(name.split(".")[0]) in usual.OPTIONS:
        return False

    def is_text(row: Mapping[str, Any]) -> bool | None:
        value = value_at(row, name)
        if not is_filled(value):
            return None
        try:
            text = text_of(printed(value), name)
        except RowError:
            return False
        question = next((str(value) for field in fields.question if (value := value_at(row, field))), "")
        return text is not None and text not in question and question not in text

    return _most(rows, map(is_text, rows))
