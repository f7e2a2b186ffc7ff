"""Numbers in the many ways that people write them, brought to one.

The form of a number has ASCII digits without separators: an integer, a decimal with a point, a fraction a/b in lowest
terms, or, if it would be longer than `MAX_DIGITS`, a decimal times a power of ten such as 6.02e99. Grouped thousands of
all styles, mixed numbers, repeating decimals and powers of ten become such a form.
"""

import re
from fractions import Fraction
from functools import lru_cache

from stages.answers.canonical.number_words import ENGLISH

MAX_DIGITS = 40
"""Digits up to which a number with an exponent is written out."""

PERCENT = (
    r"(?:percent(?:age(?! ?points?))?|per\s?cent|pct\.?|prozent|por\s?ciento|pour\s?cent|por\s?cento|per\s?cento"
    r"|процент\w{0,3}|パーセント|퍼센트|प्रतिशत)"
)
"""Words for "%"."""

_LARGEST_POWER = 300


class TwoReadingsError(Exception):
    """The text can be read in several ways that differ; the message names them."""


# --- Grouped digits ----------------------------------------------------------------------------------------------

_COMMA_GROUPS = re.compile(r"(?<![\w.,])([1-9]\d{0,2}(?:,\d{3})+)(?![\d]|,\d)(?:\.(\d+))?")  # 1,234,567.5
_INDIAN_GROUPS = re.compile(r"(?<![\w.,])([1-9]\d?(?:,\d{2})+,\d{3})(?![\d]|,\d)(?:\.(\d+))?")  # 12,34,567
_SPACE_GROUPS = re.compile(r"(?<![\w.,^/])(?<!\d )(\d{1,3}(?: \d{3})+)(?! ?[\d/]| ?\\frac)(?:\.(\d+))?")  # 1 234 567.5
_SPACE_GROUPS_COMMA = re.compile(r"(?<![\w.,^/])(?<!\d )(\d{1,3}(?: \d{3})+),(\d+)(?![\d,])")  # 1 234 567,5
_QUOTE_GROUPS = re.compile(r"(?<![\w.,'])(\d{1,3}(?:['’]\d{3})+)(?![\d'])(?:[.,](\d+))?")  # 1'234'567
_LINE_GROUPS = re.compile(r"(?<![\w.,])(\d{1,3}(?:_\d{3})+)(?![\d_{])(?:\.(\d+))?")  # 1_234_567
_POINT_GROUPS = re.compile(r"(?<![\w.,])(\d{1,3}(?:\.\d{3}){2,})(?![\d.])(?:,(\d+))?")  # 1.234.567,5
_POINT_GROUP = re.compile(r"(?<![\w.,])([1-9]\d{0,2}\.\d{3}),(\d{1,2})(?![\d.,])")  # 1.234,56
_ZERO_COMMA = re.compile(r"(?<![\w.,])(\d+),(0\d+)(?![\w.,])")  # 3,05: no member of a list starts with 0
_SEPARATORS = re.compile(r"\d[, '’_.]\d")
_ZEROS_IN_GROUP = re.compile(r",0\d\d")  # (1,000): no member of a list is written 000
_NO_DIGIT = re.compile(r"\D")


def without_groups(text: str) -> str:
    """Return a text in which no number has separators between its digits.

    A comma between digits is a separator of thousands outside brackets (`5,105`), unless white space follows it
    (`5, 105`), or the groups are not of three digits (`1,234,5`). In brackets it separates members (`(1,234)`), unless
    other commas there are followed by white space (`(1,234, 5)`).
    """
    if not _SEPARATORS.search(text):
        return text
    if "," in text:
        commas = _commas_of_lists(text)
        for pattern in (_SPACE_GROUPS_COMMA, _COMMA_GROUPS, _INDIAN_GROUPS, _POINT_GROUP, _ZERO_COMMA):
            text, commas = _joined_where_no_list(text, pattern, commas)
    for pattern in (_SPACE_GROUPS, _QUOTE_GROUPS, _LINE_GROUPS, _POINT_GROUPS):
        text = pattern.sub(_joined, text)
    return text


def _joined(match: re.Match[str]) -> str:
    return _NO_DIGIT.sub("", match[1]) + (f".{match[2]}" if match[2] else "")


def _joined_where_no_list(text: str, pattern: re.Pattern[str], list_commas: set[int]) -> tuple[str, set[int]]:
    """Join the groups of numbers that do not stand in a list in brackets; its commas are at `list_commas`."""
    pieces, index, has_changed = [], 0, False
    for match in pattern.finditer(text):
        if text.index(",", match.start()) not in list_commas or _ZEROS_IN_GROUP.search(match[1]):
            pieces += [text[index : match.start()], _joined(match)]
            index, has_changed = match.end(), True
    if not has_changed:
        return text, list_commas
    text = "".join([*pieces, text[index:]])
    return text, _commas_of_lists(text)


def _commas_of_lists(text: str) -> set[int]:
    """Return the indices of the commas that separate members in brackets.

    These are all commas in (), [] or \\{\\} if none of the same brackets is followed by white space.
    """
    commas: set[int] = set()
    opened: list[list[int]] = []
    escaped = False
    for index, character in enumerate(text):
        is_brace = escaped and character in "{}"
        escaped = character == "\\" and not escaped
        if character in "([" or (is_brace and character == "{"):
            opened.append([])
        elif (character in ")]" or is_brace) and opened:
            inside = opened.pop()
            if not any(text[comma + 1 : comma + 2] == " " for comma in inside):
                commas.update(inside)
        elif character in ",;" and opened:
            opened[-1].append(index)
    return commas.union(*opened)


# --- One number --------------------------------------------------------------------------------------------------

_PLAIN = re.compile(r"([-+]?)(\d*)(?:\.(\d*))?")
_SCIENTIFIC = re.compile(
    r"([-+]?)(\d*)(?:\.(\d*))?(?: ?[eE] ?|(?:\\times|\\cdot) ?10 ?\^ ?)\{?([-+]?\d{1,3})\}?"  # 1.5e-3, 1.5\times10^{-3}
)
_POWER_OF_TEN = re.compile(r"([-+]?)10\^\{?([-+]?\d{1,3})\}?")  # 10^{-3}
_FRACTION = re.compile(r"([-+]?)(?:\\frac\{([-+]?\d+)\}\{([-+]?\d+)\}|(\d+)/(\d+))")
_MIXED = re.compile(r"([-+]?)(\d{1,15})(?: (\d{1,9})/(\d{1,9})| ?\\frac\{(\d{1,9})\}\{(\d{1,9})\})")  # 2 3/4
_FORM = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d{1,3})?|-?\d+/0*[1-9]\d*")


@lru_cache(maxsize=65_536)
def number(form: str) -> Fraction | None:
    """Return the exact value of the form of a number; None for any other form, percentages included."""
    return Fraction(form) if _FORM.fullmatch(form) else None


def number_form(text: str) -> str | None:
    """Return the form of one number, None for any other text. Raises TwoReadingsError for `2\\frac{5}{2}`."""
    if plain := _PLAIN.fullmatch(text):
        return _decimal(*plain.groups(default=""), exponent=0) if plain[2] or plain[3] else None
    if fraction := _FRACTION.fullmatch(text):
        sign, top, bottom, slash_top, slash_bottom = fraction.groups()
        if int(bottom or slash_bottom):
            return str(Fraction(int(top or slash_top), int(bottom or slash_bottom)) * (-1 if sign == "-" else 1))
        return None
    if scientific := _SCIENTIFIC.fullmatch(text):
        sign, whole, decimals, exponent = scientific.groups(default="")
        return _decimal(sign, whole, decimals, exponent=int(exponent)) if whole or decimals else None
    if (power := _POWER_OF_TEN.fullmatch(text)) and abs(int(power[2])) <= _LARGEST_POWER:
        return _decimal(power[1], "1", "", exponent=int(power[2]))
    return _mixed(text)


def _mixed(text: str) -> str | None:
    """Return the form of a mixed number; None for any other text."""
    if not (mixed := _MIXED.fullmatch(text)):
        return None
    sign, whole, top, bottom = mixed[1], int(mixed[2]), int(mixed[3] or mixed[5]), int(mixed[4] or mixed[6])
    if bottom == 0:
        return None
    if not 0 < top < bottom:
        raise TwoReadingsError(f"{whole} plus {top}/{bottom}, or {whole} times {top}/{bottom}")
    return str((whole + Fraction(top, bottom)) * (-1 if sign == "-" else 1))


def _decimal(sign: str, whole: str, decimals: str, *, exponent: int) -> str:
    """Return the form of a decimal times a power of ten."""
    digits, exponent = whole + decimals, exponent - len(decimals)
    stripped = digits.strip("0")
    if not stripped:
        return "0"
    exponent += len(digits) - len(digits.rstrip("0"))
    minus = "-" if sign == "-" else ""
    if exponent >= 0 and (len(stripped) + exponent <= MAX_DIGITS or exponent + len(stripped) <= len(whole)):
        return minus + stripped + "0" * exponent
    if exponent < 0 and (max(len(stripped), -exponent) <= MAX_DIGITS or -exponent <= len(decimals)):
        padded = stripped.rjust(1 - exponent, "0")
        return f"{minus}{padded[:exponent]}.{padded[exponent:]}"
    point = f".{stripped[1:]}" if stripped[1:] else ""
    return f"{minus}{stripped[0]}{point}e{exponent + len(stripped) - 1}"


def times_power_of_ten(form: str, power: int) -> str | None:
    """Return the form of a number times a power of ten; None if `form` is not the form of a number."""
    if number(form) is None:
        return None
    if "/" in form:
        return str(Fraction(form) * Fraction(10) ** power)
    mantissa, _, exponent = form.removeprefix("-").partition("e")
    whole, _, decimals = mantissa.partition(".")
    return _decimal("-" if form.startswith("-") else "", whole, decimals, exponent=int(exponent or 0) + power)


# --- Repeating decimals ------------------------------------------------------------------------------------------

_PERIOD = re.compile(r"(?<![\d.])(\d{0,20})\.(\d{0,20})\\(?:overline|bar|dot)\s*(?:\{(\d{1,20})\}|(\d))(?![\d\\])")
_DOTTED = re.compile(r"(?<![\d.])(\d{0,20})\.(\d{0,20})\\dot\s*\{?(\d)\}?(\d{0,20})\\dot\s*\{?(\d)\}?(?![\d\\])")
_IN_BRACKETS = re.compile(r"(?<![\d.])(\d{1,20})\.(\d{0,20})\((\d{1,20})\)(?![\d^!(])")
_DOTS = re.compile(r"(?<![\d.])(\d{1,20})\.(\d{1,20}) ?(?:\\l?dots|\\cdots|\.{3,})(?! ?[,\d])")
_SAID = re.compile(r"(?<![\d.])(\d{0,20})\.(\d{1,20}) ?(?:repeating|recurring)")


def without_periods(text: str) -> str:
    """Return a text whose repeating decimals are fractions: `0.\\overline{3}`, `0.\\dot{3}`, `0.(3)`, `0.333...`.

    Raises TwoReadingsError for `0.1(6)`, which may be a product.
    """
    if "." not in text:
        return text
    text = _DOTTED.sub(lambda match: _fraction(match[1], match[2], match[3] + match[4] + match[5]), text)
    text = _PERIOD.sub(lambda match: _fraction(match[1], match[2], match[3] or match[4]), text)
    text = _IN_BRACKETS.sub(_period_in_brackets, text)
    text = _SAID.sub(_period_in_words, text)
    return _DOTS.sub(_period_before_dots, text)


def _fraction(whole: str, fixed: str, period: str) -> str:
    """Return whole.fixed(period) as a fraction in LaTeX."""
    value = _repeating(whole, fixed, period)
    return f"\\frac{{{value.numerator}}}{{{value.denominator}}}"


def _repeating(whole: str, fixed: str, period: str) -> Fraction:
    start = Fraction(int(whole + fixed or "0"), 10 ** len(fixed))
    return start + Fraction(int(period), (10 ** len(period) - 1) * 10 ** len(fixed))


def _period_in_brackets(match: re.Match[str]) -> str:
    if match[2]:
        raise TwoReadingsError(f"{match[0]} with repeating {match[3]}, or {match[1]}.{match[2]} times {match[3]}")
    return _fraction(match[1], "", match[3])


def _period_in_words(match: re.Match[str]) -> str:
    readings = {_repeating(match[1], "", match[2]), _repeating(match[1], match[2][:-1], match[2][-1])}
    if len(readings) > 1:
        raise TwoReadingsError(f"{match[0]}: all decimals or the last one repeat")
    return _fraction(match[1], "", match[2])


def _period_before_dots(match: re.Match[str]) -> str:
    """Return the fraction if the digits before the dots show their period, else the digits: 3.14159... is 3.14159."""
    whole, decimals = match[1], match[2]
    for length in range(1, len(decimals) // 2 + 1):
        period = decimals[-length:]
        start = len(decimals)
        while start >= length and decimals[start - length : start] == period:
            start -= length
        repeats = (len(decimals) - start) // length
        if repeats >= (2 if start == 0 or length > 1 else 3):
            return _fraction(whole, decimals[:start], period)
    return f"{whole}.{decimals}"


# --- Bases -------------------------------------------------------------------------------------------------------

_BASE = re.compile(
    r"(-?)\(?([0-9A-Za-z]{1,60})\)?"
    r"(?: ?_ ?\{? ?\(?(?:base)? ?(\d{1,2}|[a-z]+)\)? ?\}?| (?:in )?\(?base[ -]?(\d{1,2}|[a-z]+)\)?)"
)
_PREFIXED = re.compile(r"0([xXbBoO])([0-9A-Fa-f]{1,60})")


def based_form(text: str) -> str | None:
    """Return DIGITS_BASE of a number with its base (`101_{2}`, `(101)_2`, `101 base 2`, `0x1F`); None for other texts.

    A number in base 10 keeps its base, because the digits alone equal a number in any base.
    """
    if prefixed := _PREFIXED.fullmatch(text):
        sign, digits, base = "", prefixed[2], {"x": 16, "b": 2, "o": 8}[prefixed[1].lower()]
    elif match := _BASE.fullmatch(text):
        sign, digits, name = match[1], match[2], match[3] or match[4]
        base = int(name) if name.isdigit() else ENGLISH.get(name, 0)
    else:
        return None
    is_number = any(map(str.isdigit, digits)) or (base == 16 and len(digits) > 1 and digits.isupper())
    if not 2 <= base <= 36 or not is_number or any(int(digit, 36) >= base for digit in digits):
        return None
    digits = digits.upper().lstrip("0") or "0"
    return f"{sign}{digits}_{base}"
