"""Numbers as text for people."""

MISSING = "–"
"""Stands for a number that was not measured."""


def number_text(value: float | int | None, form: str) -> str:
    """Return a number in a format such as `.3f`, or a dash for None."""
    return MISSING if value is None else format(value, form)


def size_text(count: float) -> str:
    """Return a number of bytes with a unit."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def duration_text(seconds: float) -> str:
    """Return a duration with a unit."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6_000 else f"{seconds / 3_600:.1f} h"
