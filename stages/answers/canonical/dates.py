"""Times of day and dates in answers. Neither is a number: 2024-05-01 is not 2018, and 10:30 is no quotient."""

import re

from stages.answers.canonical.numerals import TwoReadingsError

_TIME = re.compile(
    r"(\d{1,2})(?:[:.]([0-5]\d)(?::([0-5]\d))?)? ?([apAP])\.? ?[mM]\.?"  # 10:30 a.m., 5 pm
)
_CLOCK = re.compile(r"(\d{1,2}) ?: ?([0-5]\d)(?: ?: ?([0-5]\d))?(?: (?:[Uu]hr|h|o'clock))?")  # 10:30, 09:05:00
_O_CLOCK = re.compile(r"(\d{1,2}) ?(?:o'clock|o’clock|Uhr)")
_FRENCH_TIME = re.compile(r"(\d{1,2}) ?h ?([0-5]\d)")

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    r"(jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\.?"
)
_ISO = re.compile(
    r"([12]\d{3})-(\d{2})-(\d{2})|([12]\d{3})([/.])(\d{1,2})\5(\d{1,2})|((?:19|20)\d{2})-(\d{1,2})-(\d{1,2})"
)
_EAST_ASIAN = re.compile(r"(\d{4}) ?[年년] ?(\d{1,2}) ?[月월] ?(\d{1,2}) ?[日일]")  # 2024年5月1日
_DAY_FIRST = re.compile(rf"(\d{{1,2}})(?:st|nd|rd|th|\.)? (?:of )?{_MONTH},? (\d{{4}})", re.IGNORECASE)  # 1 May 2024
_MONTH_FIRST = re.compile(rf"{_MONTH} (\d{{1,2}})(?:st|nd|rd|th)?,? (\d{{4}})", re.IGNORECASE)  # May 1, 2024
_NO_YEAR = re.compile(
    rf"(\d{{1,2}})(?:st|nd|rd|th|\.)? (?:of )?{_MONTH}|{_MONTH} (\d{{1,2}})(?:st|nd|rd|th)?", re.IGNORECASE
)
_NUMERIC = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4})|(\d{1,2})(/)(\d{1,2})/(\d{2})")  # 31/12/2024
_FORM = re.compile(r"\d{4}-\d{2}-\d{2}|\d{1,2}/\d{1,2}/(?:\d{4}|\d{2})")


def time_form(text: str) -> str | None:
    """Return a time of day as 10:30am or 10:30; None for other texts. A ratio such as 3:5 is none.

    Raises TwoReadingsError for `10h30`, which may be a duration.
    """
    if match := _TIME.fullmatch(text):
        hour, minute, second, half = match.groups()
        if 1 <= int(hour) <= 12:
            return f"{int(hour)}:{minute or '00'}{f':{second}' if second else ''}{half.lower()}m"
    if (match := _CLOCK.fullmatch(text)) and int(match[1]) <= 24:
        return f"{int(match[1])}:{match[2]}" + (f":{match[3]}" if match[3] else "")
    if (match := _O_CLOCK.fullmatch(text)) and int(match[1]) <= 24:
        return f"{int(match[1])}:00"
    if match := _FRENCH_TIME.fullmatch(text):
        raise TwoReadingsError(f"the time {match[1]}:{match[2]}, or {match[1]} hours and {match[2]} minutes")
    return None


def date_form(text: str) -> str | None:
    """Return a date as 2024-05-01, or as May 1 if it has no year; None for other texts.

    If day and month could be exchanged (5/1/2024), the date stays as written, with slashes.
    """
    if match := _ISO.fullmatch(text):
        return _date(
            match[1] or match[4] or match[8], match[2] or match[6] or match[9], match[3] or match[7] or match[10]
        )
    if match := _EAST_ASIAN.fullmatch(text):
        return _date(match[1], match[2], match[3])
    if match := _DAY_FIRST.fullmatch(text):
        return _date(match[3], _month(match[2]), match[1])
    if match := _MONTH_FIRST.fullmatch(text):
        return _date(match[3], _month(match[1]), match[2])
    if match := _NO_YEAR.fullmatch(text):
        return f"{(match[2] or match[3])[:3].capitalize()} {int(match[1] or match[4])}"
    if match := _NUMERIC.fullmatch(text):
        first, second, year = match[1] or match[5], match[3] or match[7], match[4] or match[8]
        if len(year) == 4 and int(first) > 12 >= int(second):
            return _date(year, second, first)
        if len(year) == 4 and (int(second) > 12 >= int(first) or first == second):
            return _date(year, first, second)
        return f"{int(first)}/{int(second)}/{year}" if 0 < int(first) <= 12 and 0 < int(second) <= 12 else None
    return None


def is_date(form: str) -> bool:
    """Return whether a canonical form is a date: a text, not a difference or a quotient of numbers."""
    return _FORM.fullmatch(form) is not None


def _month(name: str) -> str:
    return str(_MONTHS.index(name[:3].lower()) + 1)


def _date(year: str, month: str, day: str) -> str | None:
    if 1 <= int(month) <= 12 and 1 <= int(day) <= 31:
        return f"{year}-{int(month):02d}-{int(day):02d}"
    return None
