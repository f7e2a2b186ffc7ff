"""What shapes of rows are written with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from stages.question_files.values import printed
from stages.settings.questions import Fields, QuestionFormat

Test = Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class Shape:
    """A shape of rows."""

    title: str
    """What has this shape."""
    needs: tuple[str, ...]
    """Fields that every row has."""
    format: QuestionFormat
    """How its rows are read."""
    tests: Mapping[str, Test] | None = None
    """Field -> what its value has to be."""
    without: tuple[str, ...] = ()
    """Fields that no row has."""
    one_of: tuple[str, ...] = ()
    """Fields one of which every row has."""


def is_list(value: Any) -> bool:
    """Return whether a value is a list."""
    return isinstance(printed(value), list)


def is_object(value: Any) -> bool:
    """Return whether a value is an object."""
    return isinstance(printed(value), dict)


def is_list_or_object(value: Any) -> bool:
    """Return whether a value is a list or an object."""
    return isinstance(printed(value), list | dict)


def is_text(value: Any) -> bool:
    """Return whether a value is a text."""
    return isinstance(value, str)


def has_box(value: Any) -> bool:
    """Return whether a text holds a boxed answer."""
    return "\\boxed" in str(value) or "\\fbox" in str(value)


def is_turns(value: Any) -> bool:
    """Return whether a value is a list of objects, such as the turns of a conversation."""
    value = printed(value)
    return isinstance(value, list) and bool(value) and all(isinstance(turn, dict) for turn in value)


def format_of(*, base: Any = None, style: Any = "inline", pattern: str | None = None, **fields: Any) -> QuestionFormat:
    """Return a format: `base` is its answer_base, `style` its options_style, `pattern` its question_pattern."""
    return QuestionFormat(
        fields=Fields.model_validate(fields), answer_base=base, options_style=style, question_pattern=pattern
    )


OPTION_FIELDS = (
    *("options", "choices", "opa", "A", "B", "option_a", "option1", "ans0", "option_list", "answers"),
    *("Incorrect Answer 1", "distractor1", "endings"),
)
"""Fields that hold options in some shapes: a plain row has none of them."""
