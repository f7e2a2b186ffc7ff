"""Answers that look like arithmetic but are not: dates, times, numbers with a base, version numbers, residues.

2024-05-01 is not 2018, 10:30 is not 1/3, and 101_2 is not 101_3. Each is read from its canonical form.
"""

import re
from dataclasses import dataclass

from stages.answers.canonical.dates import is_date

_TIME = re.compile(r"(\d{1,2}):([0-5]\d)(?::([0-5]\d))?([ap]m)?")  # 10:30, 10:30am
_LITERAL = re.compile(r"v?\d+(?:\.\d+){2,}|\d+(?:\.\d+)?'{1,2}")  # 1.2.3, 5'
_CONGRUENCE = re.compile(r"(-?\d{1,30}) ?\(? ?(?:\\[pb]?mod|mod) ?\{?(\d{1,30})\}?\)?")  # 3\pmod{7}
_BASED = re.compile(r"(-?(?=[0-9A-Z]*\d|[A-Z]{2})[0-9A-Z]+)_(\d{1,2}|\{\d{1,2}\})")  # 101_2, FF_16; A_1 is a letter
_HALF_A_DAY = 43_200


@dataclass(frozen=True, slots=True)
class Literal:
    """A date, a version number, feet or minutes (5'), or a residue, equal to nothing else."""

    text: str


@dataclass(frozen=True, slots=True)
class Time:
    """A time of day."""

    seconds: int
    """Since midnight; since midnight or noon if `is_open`."""
    is_open: bool
    """Whether the time may be before or after noon: 10:30, but neither 10:30pm nor 22:30."""


@dataclass(frozen=True, slots=True)
class Based:
    """A number with its base."""

    digits: str
    base: int


Special = Literal | Time | Based


def special(form: str) -> Special | None:
    """Return the date, time, number with a base, version number or residue of a form; None if it is none of these."""
    if is_date(form) or _LITERAL.fullmatch(form):
        return Literal(form)
    if (match := _CONGRUENCE.fullmatch(form)) and int(match[2]):
        return Literal(f"{int(match[1]) % int(match[2])} mod {int(match[2])}")
    if match := _TIME.fullmatch(form):
        return _time(int(match[1]), 60 * int(match[2]) + int(match[3] or 0), match[4])
    match = _BASED.fullmatch(form)
    base = int(match[2].strip("{}")) if match else 0
    if match is None or (match[1].isalpha() and any(int(letter, 36) >= base for letter in match[1])):
        return None  # AB_2 has an index
    return Based(match[1], base)


def _time(hour: int, seconds: int, half: str | None) -> Time | None:
    if hour > 24 or (half and not 1 <= hour <= 12):
        return None
    is_open = not half and 1 <= hour <= 12
    if is_open or half:
        hour = hour % 12 + (12 if half == "pm" else 0)
    return Time(3600 * (hour % 24) + seconds, is_open)


def same_special(left: Special, right: Special) -> bool:
    """Return whether two such answers are equal. A time without am or pm equals both, and these never each other."""
    if isinstance(left, Time) and isinstance(right, Time) and left.is_open != right.is_open:
        return left.seconds % _HALF_A_DAY == right.seconds % _HALF_A_DAY
    return left == right
