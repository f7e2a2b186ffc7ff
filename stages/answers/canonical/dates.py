"""Times of day and dates in answers. Neither is a number: 2024-05-01 is not 2018, and 10:30 is no quotient."""

import re

from stages.answers.canonical.numerals import TwoReadingsError

_TIME = re.compile(
    r"(\d{1,2})(?:[:.]([0-5]\d)(?::([0-5]\d))?)?(?: o['’]clock)? ?"
    r"(?:([apAP])\.? ?[mM]\.?|(in the (?:morning|afternoon|evening)|at night|noon))"  # 10:30 a.m., 5 pm, 7 at night
)
_HALVES = {"in the morning": "a", "in the afternoon": "p", "in the evening": "p", "at night": "p", "noon": "p"}
_CLOCK = re.compile(r"(\d{1,2}) ?: ?([0-5]\d)(?: ?: ?([0-5]\d))?(?: (?:[Uu]hr|h|o['’]clock|hours))?")  # 10:30, 09:05:00
_HOUR = re.compile(r"(\d{1,2})(?: ?o['’]clock|[.:]([0-5]\d) ?Uhr| ?Uhr(?: ([0-5]\d))?)")  # 15 Uhr, 15.30 Uhr
_FRENCH_TIME = re.compile(r"(\d{1,2}) ?h ?([0-5]\d)")
_EAST_ASIAN_TIME = re.compile(
    r"(上午|早上|午前|오전|下午|晚上|午後|오후)? ?(\d{1,2}) ?"
    r"(?:[:：]([0-5]\d)|[点點時시](?: ?([0-5]?\d) ?[分분]|(半))?)"
)
_NOON = {"noon": "12:00pm", "midday": "12:00pm", "midnight": "12:00am", "12 midnight": "12:00am"}

_ENGLISH_MONTHS = (
    "january february march april may june july august september october november december",
    "jan feb mar apr may jun jul aug sep oct nov dec",
    "- - - - - - - - sept - - -",
)
_MONTHS = {
    name: i
    for names in (
        *_ENGLISH_MONTHS,
        "januar februar märz april mai juni juli august september oktober november dezember",
        "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
        "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
        "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
        "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
        "января февраля марта апреля мая июня июля августа сентября октября ноября декабря",
    )
    for i, name in enumerate(names.split(), start=1)
    if name != "-"
}
_SHORT_NAMES = ("", "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH_NAME = "|".join(sorted(_MONTHS, key=len, reverse=True))
_MONTH = rf"({_MONTH_NAME})\.?"
_DAY = r"(\d{1,2})(?:st|nd|rd|th|er|º|\.)?"
_OF = r" ?(?:of |de |del |di )?"
WEEKDAY = (
    "monday|tuesday|wednesday|thursday|friday|saturday|sunday"
    "|montag|dienstag|mittwoch|donnerstag|freitag|samstag|sonnabend|sonntag"
    "|lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche"
    "|lunes|martes|miércoles|jueves|viernes|sábado|domingo"
    "|segunda-feira|terça-feira|quarta-feira|quinta-feira|sexta-feira"
    "|lunedì|martedì|mercoledì|giovedì|venerdì|sabato|domenica"
    "|понедельник|вторник|среда|четверг|пятница|суббота|воскресенье"
    "|星期[一二三四五六日天]|周[一二三四五六日]|[月火水木金土日]曜日|[월화수목금토일]요일"
)
"""Pattern of the name of a day of the week."""
_IN_FRONT = re.compile(
    rf"(?:(?:on |am |le |el )?(?:{WEEKDAY}),? |(?:mon|tue|wed|thu|fri|sat|sun)\.?,? |on |am |le |el )?"
    r"(?:the |den )?",
    re.IGNORECASE,
)
_ISO = re.compile(
    r"([12]\d{3})-(\d{2})-(\d{2})|([12]\d{3})([/.])(\d{1,2})\5(\d{1,2})|((?:19|20)\d{2})-(\d{1,2})-(\d{1,2})"
)
_EAST_ASIAN = re.compile(r"(?:(\d{4}) ?[年년] ?)?(\d{1,2}) ?[月월](?: ?(\d{1,2}) ?[日号號일])?")  # 2024年5月1日
_DAY_FIRST = re.compile(rf"{_DAY}{_OF}{_MONTH}(?:,?{_OF}(\d{{4}})(?: г(?:ода|\.)?)?)?", re.IGNORECASE)  # 1 May 2024
_MONTH_FIRST = re.compile(rf"{_MONTH} {_DAY}(?:,? (\d{{4}}))?", re.IGNORECASE)  # May 1, 2024
_NO_DAY = re.compile(rf"(?:in )?{_MONTH},?{_OF}(\d{{4}})", re.IGNORECASE)  # May 2024
_NUMERIC = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4})|(\d{1,2})(/)(\d{1,2})/(\d{2})")  # 31/12/2024
_FORM = re.compile(r"\d{4}-\d{2}-\d{2}|\d{1,2}/\d{1,2}/(?:\d{4}|\d{2})")


_ENGLISH_NAMES = {name.capitalize() for names in _ENGLISH_MONTHS for name in names.split() if name != "-"}
_ENGLISH_MONTH = rf"(?:{'|'.join(sorted(_ENGLISH_NAMES, key=len, reverse=True))})"
DATE = (
    r"(?<![\d./-])(?:\d{4}(?P<mark>[-/.])\d{1,2}(?P=mark)\d{1,2}|\d{1,2}(?P<sign>[-/.])\d{1,2}(?P=sign)(?:\d{4}|\d{2}))"
    r"(?![\d/-]|\.\d|\s?[=+*^])"
    r"|\d{4}\s?[年년](?:\s?\d{1,2}\s?[月월](?:\s?\d{1,2}\s?[日號号일])?)?|\d{1,2}\s?[月월]\s?\d{1,2}\s?[日號号일]"
    rf"|(?<![^\W_]){_ENGLISH_MONTH}\.?\s\d{{1,2}}(?:st|nd|rd|th)?(?:,?\s\d{{4}})?(?![\w/^]|\.\d)"
    rf"|\d{{1,2}}(?:st|nd|rd|th)?\s(?:of\s)?{_ENGLISH_MONTH}(?:,?\s\d{{4}})?(?!\w)"
    rf"|\d{{1,2}}(?:\.|er|º)?{_OF}(?i:{_MONTH_NAME}){_OF}\d{{4}}(?!\w)"
)
"""Pattern of a date in a sentence: 2024-05-01, 1.5.2024, 2024年5月1日, May 3, 3 May 2024, 3 de mayo de 2024."""
TIME = (
    r"\d{1,2}:[0-5]\d(?::[0-5]\d)?(?![\d:]|,\d)(?:\s?[aApP]\.?[mM](?!\w)\.?)?"
    r"|\d{1,2}\s?(?:[aApP]\.[mM]\.|[aApP][mM](?!\w)|o['’]clock)|\d{1,2}\s?[点點時时시]\s?\d{1,2}\s?[分분]"
)
"""Pattern of a time in a sentence: 10:30, 10:30 a.m., 5 pm, 5 o'clock, 10点30分."""


def time_form(text: str) -> str | None:
    """Return a time of day as 10:30am or 10:30; None for other texts, ratios such as 3:5 included.

    Raises TwoReadingsError for `10h30`, which may be a duration.
    """
    text = text.removeprefix("at ")
    if text.lower() in _NOON:
        return _NOON[text.lower()]
    if match := _TIME.fullmatch(text):
        hour, minute, second, half, words = match.groups()
        if 1 <= int(hour) <= 12:
            return f"{int(hour)}:{minute or '00'}{f':{second}' if second else ''}{(half or _HALVES[words]).lower()}m"
    if (match := _CLOCK.fullmatch(text)) and int(match[1]) <= 24:
        return f"{int(match[1])}:{match[2]}" + (f":{match[3]}" if match[3] else "")
    if (match := _HOUR.fullmatch(text)) and int(match[1]) <= 24:
        return f"{int(match[1])}:{match[2] or match[3] or '00'}"
    if (match := _EAST_ASIAN_TIME.fullmatch(text)) and int(match[2]) <= 24:
        half, hour, minute, minutes, is_half = match.groups()
        name = "" if not half or int(hour) > 12 else "am" if half in ("上午", "早上", "午前", "오전") else "pm"
        return f"{int(hour)}:{minute or ('30' if is_half else (minutes or '0').zfill(2))}{name}"
    if match := _FRENCH_TIME.fullmatch(text):
        raise TwoReadingsError(f"the time {match[1]}:{match[2]}, or {match[1]} hours and {match[2]} minutes")
    return None


def date_form(text: str) -> str | None:
    """Return a date as 2024-05-01, as May 1 without a year, or as May 2024 without a day; None for other texts.

    If day and month could be exchanged (5/1/2024), the date stays as written, with slashes.
    """
    if match := _ISO.fullmatch(text):
        year, month, day = match[1] or match[4] or match[8], match[2] or match[6] or match[9], match[3] or match[7]
        return _date(year, int(month), day or match[10])
    if (match := _EAST_ASIAN.fullmatch(text)) and (match[1] or match[3]):
        return _date(match[1], int(match[2]), match[3])
    start = match.end() if (match := _IN_FRONT.match(text)) else 0
    if match := _DAY_FIRST.fullmatch(text, start):
        return _date(match[3], _MONTHS[match[2].lower()], match[1])
    if match := _MONTH_FIRST.fullmatch(text, start):
        return _date(match[3], _MONTHS[match[1].lower()], match[2])
    if match := _NO_DAY.fullmatch(text):
        return _date(match[2], _MONTHS[match[1].lower()], None)
    if match := _NUMERIC.fullmatch(text):
        first, second, year = match[1] or match[5], match[3] or match[7], match[4] or match[8]
        if len(year) == 4 and int(first) > 12 >= int(second):
            return _date(year, int(second), first)
        if len(year) == 4 and (int(second) > 12 >= int(first) or first == second):
            return _date(year, int(first), second)
        return f"{int(first)}/{int(second)}/{year}" if 0 < int(first) <= 12 and 0 < int(second) <= 12 else None
    return None


def is_date(form: str) -> bool:
    """Return whether a canonical form is a date: a text, not a difference or a quotient of numbers."""
    return _FORM.fullmatch(form) is not None


def _date(year: str | None, month: int, day: str | None) -> str | None:
    if not 1 <= month <= 12 or (day and not 1 <= int(day) <= 31):
        return None
    if year and day:
        return f"{year}-{month:02d}-{int(day):02d}"
    return f"{_SHORT_NAMES[month]} {year or int(day or 0)}"
