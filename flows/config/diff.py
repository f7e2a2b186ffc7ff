"""Nested settings as flat dotted names, and the difference between two of them."""

from collections.abc import Mapping
from typing import Any


def flatten(values: Any, prefix: str = "") -> dict[str, Any]:
    """Return nested settings as `{"update.learning_rate": 1e-6}`; lists stay whole."""
    if not isinstance(values, dict) or not values:
        return {prefix: values}
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= flatten(value, f"{prefix}.{name}" if prefix else name)
    return flat


def differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Return (name, value in `first`, value in `second`) for each difference; None stands for a missing name."""
    names = [*first, *(name for name in second if name not in first)]
    return [(name, first.get(name), second.get(name)) for name in names if first.get(name) != second.get(name)]
