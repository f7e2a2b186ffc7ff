"""Answers that look like arithmetic but are not: dates, times, ratios, numbers in a base, version numbers.

2024-05-01 is not 2018, 10:30 is not 1/3, and 101_2 is not 101_3. Each is read from a canonical form.
"""

import re
from dataclasses import dataclass

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    "(jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\.?"
)
_DAY = r"(\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"([12]\d{3})"
# (pattern, positions of year, month and day among its groups, example)
_DATES: tuple[tuple[re.Pattern[str], tuple[int, int, int], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), positions, example)
    for pattern, positions, example in (
        (_YEAR + r"([-/.])(\d{1,2})\2(\d{1,2})", (1, 3, 4), "2024-05-01"),
        (rf"{_MONTH} ?{_DAY},? ?{_YEAR}", (3, 1, 2), "May 1, 2024"),
        (rf"{_DAY} ?(?:of )?{_MONTH},? ?{_YEAR}", (3, 2, 1), "1 May 2024"),
        (rf"{_MONTH} ?{_DAY}", (0, 1, 2), "May 1"),
        (rf"{_DAY} ?(?:of )?{_MONTH}", (0, 2, 1), "1st of May"),
        (rf"{_MONTH},? ?{_YEAR}", (2, 1, 0), "May 2024"),
    )
)
_DAY_OR_MONTH_FIRST = re.compile(rf"(\d{{1,2}})([-/.])(\d{{1,2}})\2{_YEAR}")  # 05/01/2024
_TIME = re.compile(r"(\d{1,2})(?::([0-5]\d))?(?::([0-5]\d))?(?: ?([ap])\.?m\.?)?", re.IGNORECASE)
_DOTTED = re.compile(r"v?\d+(?:\.\d+){2,}")  # 1.2.3
_BASED = re.compile(r"([0-9A-Za-z]+(?:\.[0-9A-Za-z]+)?)_(?:(\d)|\{\(?(\d{1,2}|[a-z]{3,11})\)?\})")
_BASES = {"two": 2, "binary": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "octal": 8}
_BASES |= {"nine": 9, "ten": 10, "twelve": 12, "sixteen": 16, "hexadecimal": 16, "hex": 16}


@dataclass(frozen=True, slots=True)
class Date:
    """A date or a text that looks like one. Dates are equal if all that they say is equal."""

    year: int
    """0 if it is not said; so are month and day."""
    month: int
    day: int
    text: str = ""
    """The text, if it can be read in two ways (05/01/2024) or names no day of the calendar."""


@dataclass(frozen=True, slots=True)
class Time:
    """A time of day."""

    seconds: int
    """Since midnight; since midnight or noon if `is_open`."""
    is_open: bool
    """Whether the time may be before or after noon: 10:30, but neither 10:30pm nor 22:30."""


@dataclass(frozen=True, slots=True)
class Based:
    """A number written in a base."""

    digits: str
    base: int


@dataclass(frozen=True, slots=True)
class Dotted:
    """Numbers with dots between them, such as a version or an address."""

    text: str


Special = Date | Time | Based | Dotted


def special(form: str) -> Special | None:
    """Return the date, time, number in a base or version number of a form; None if it is none of these."""
    if len(form) > 40 or not any(character.isalnum() for character in form):
        return None
    if _DOTTED.fullmatch(form):
        return _date(form) or Dotted(form.lower())
    return _date(form) or _time(form) or _based(form)


def _date(form: str) -> Date | None:
    for pattern, positions, _ in _DATES:
        if match := pattern.fullmatch(form):
            year, month, day = (match[position] if position else "0" for position in positions)
            number = int(month) if month.isdigit() else 1 + _MONTHS.index(month[:3].lower())
            return _checked(Date(int(year), number, int(day)), form)
    if match := _DAY_OR_MONTH_FIRST.fullmatch(form):
        first, second, year = int(match[1]), int(match[3]), int(match[4])
        if first == second or second > 12 >= first:
            return _checked(Date(year, first, second), form)
        return _checked(Date(year, second, first), form) if first > 12 else Date(year, 0, 0, _with_dashes(form))
    return None


def _checked(date: Date, form: str) -> Date:
    return date if date.month <= 12 and date.day <= 31 else Date(0, 0, 0, _with_dashes(form))


def _with_dashes(form: str) -> str:
    return re.sub("[/.]", "-", form)


def _time(form: str) -> Time | None:
    match = _TIME.fullmatch(form)
    if match is None or (match[2] is None and match[4] is None):
        return None
    hour, minutes, seconds = int(match[1]), int(match[2] or 0), int(match[3] or 0)
    half = (match[4] or "").lower()
    if hour > 24 or (half and not 1 <= hour <= 12):
        return None
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    is_open = not half and 1 <= hour <= 12
    return Time(3600 * (hour % 12 if is_open else hour % 24) + 60 * minutes + seconds, is_open)


def _based(form: str) -> Based | None:
    match = _BASED.fullmatch(form)
    if match is None:
        return None
    name = match[2] or match[3]
    base = int(name) if name.isdigit() else _BASES.get(name, 0)
    digits = match[1].upper()
    # A_1 and x_{12} are letters with a subscript; FF_{16} and 2A_{16} are numbers.
    is_number = digits[0].isdigit() or (len(digits) > 1 and match[1].isupper())
    is_allowed = all(digit in ".0123456789" or ord(digit) - ord("A") < base - 10 for digit in digits)
    return Based(digits.lstrip("0") or "0", base) if base and is_number and is_allowed else None


def same_special(left: Special, right: Special) -> bool:
    """Return whether two such answers are equal. A time without am or pm equals both, and these never each other."""
    if isinstance(left, Time) and isinstance(right, Time) and left.is_open != right.is_open:
        return left.seconds % 43_200 == right.seconds % 43_200
    return left == right
