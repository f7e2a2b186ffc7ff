"""Quantities in answers: a value with a unit or with counted things, brought to `VALUE UNIT`.

See `stages.answers.canonical.units` for the form of units.
"""

import re
from fractions import Fraction

from stages.answers.canonical.latex_style import TEXT, TEXT_END, without_spaces
from stages.answers.canonical.number_words import SCALES
from stages.answers.canonical.numerals import number, number_form, times_power_of_ten
from stages.answers.canonical.unit_names import CURRENCY_SIGNS, MONEY_SIGNS
from stages.answers.canonical.units import (
    ALGEBRAIC,
    NUMERIC,
    conversion,
    factors_of,
    is_known,
    is_unit_word,
    known_name,
    split_quantity,
    unit_form,
)

_START = re.compile(rf"\\(?:mu|Omega|AA)(?![a-zA-Z])|\\[a-zA-Z]+|\^ ?\\circ|{TEXT}|[^\W\d_]+|[°ℓ‰{MONEY_SIGNS}]")
_SPACE = re.compile(rf"[ {TEXT}]+$")
_SIGN = "|".join(re.escape(sign) for sign in CURRENCY_SIGNS)
_MONEY = re.compile(rf"([-+]?) ?{TEXT}?({_SIGN}){TEXT_END}? ?([-+]?)(\d[\d.]*|\.\d+|\\frac\{{\d+\}}\{{\d+\}})(.*)")
MONEY_POWERS = {"k": 3, "K": 3, "M": 6, "m": 6, "mn": 6, "B": 9, "bn": 9}
_CONCENTRATION = re.compile(r"([\d.]+ ?(?:\\times|\\cdot) ?10 ?\^[\d{}]+) ?/ ?([^\d/].*)")  # 250 \times 10^9/L
_ANGLE = re.compile(  # 30°15'36"
    r"(-?)(\d{1,4}) ?\^ ?\\circ ?(\d{1,2}(?:\.\d{1,9})?)'(?: ?(\d{1,2}(?:\.\d{1,9})?)(?:''|\"))?"
)
_DIMENSIONS = re.compile(r"[\d.]+(?:\\times[\d.]+)+")
_VARIABLE = re.compile(r"[gshl] ?\^|m\^\{?[4-9]")
_OF = re.compile(r"d['’]|(?:de|di|of) ")  # 3 millions d'euros
_MAX_STARTS = 12


def quantity_form(text: str) -> str | None:
    """Return the form of a quantity (`12 km/h`, `5 USD`, `30^\\circ`); None for other texts.

    A number with a number word is a number: `2.5 million` is 2500000.
    """
    if money := _money(text):
        return money
    if angle := _ANGLE.fullmatch(text):
        sign, degrees, minutes, seconds = angle.groups()
        in_degrees = Fraction(degrees) + Fraction(minutes) / 60 + Fraction(seconds or 0) / 3600
        return f"{sign}{_decimal_or_fraction(in_degrees)}^\\circ"
    if concentration := _CONCENTRATION.fullmatch(text):
        value, unit = number_form(without_spaces(concentration[1])), unit_form(concentration[2])
        return f"{value} 1/{unit}" if value and unit and is_known(unit) and "/" not in unit else None
    for count, match in enumerate(_START.finditer(text)):
        if count > _MAX_STARTS:
            return None
        if match[0][0] == "\\" and match[0] not in ("\\mu", "\\Omega", "\\AA"):
            continue
        before, after = text[: match.start()], text[match.start() :]
        value = without_spaces(_SPACE.sub("", before))
        if not value or not (value[-1] in ")}!.%" or value[-1].isalnum()):
            if match.start() == 0 and match[0] != TEXT:
                return None if not match[0].isalpha() or len(match[0]) > 1 else _letter_first(text)
            continue
        is_marked = after.startswith(TEXT)
        form = _with_unit(value, after, is_marked=is_marked, is_spaced=before != before.rstrip() or is_marked)
        if form is not None:
            return form
    return None


def _letter_first(text: str) -> str | None:
    """Return the form of a quantity whose value starts with a letter, such as `x \\text{ cm}`."""
    value, mark, unit = text.partition(TEXT)
    value = without_spaces(value)
    form = unit_form(unit) if mark and re.fullmatch(r"[-+*/^()a-zA-Z\d]+", value) else None
    return f"{value} {form}" if form is not None and is_known(form) else None


def _with_unit(value: str, text: str, *, is_marked: bool, is_spaced: bool) -> str | None:
    words = text.replace(TEXT, "").replace(TEXT_END, "").strip()
    first, _, rest = words.partition(" ")
    if not first.isascii() and first[0] in SCALES and not (first in SCALES or is_unit_word(first.split("/")[0])):
        first, rest = first[0], words[1:]
    scale = SCALES.get(first.lower().rstrip("."))
    if scale is not None:
        multiple = times_power_of_ten(number_form(value) or "", scale)
        if multiple is None or not rest:
            return multiple
        unit = unit_form(_OF.sub("", rest))
        return f"{multiple} {unit}" if unit else None
    unit = unit_form(text, is_marked=is_marked, is_spaced=is_spaced)
    if unit is None:
        return None
    is_explicit = is_marked or len(first) > 1
    is_variable = _VARIABLE.match(words) or (len(first) == 1 and first.isalpha() and not is_spaced)
    if not is_marked and is_variable and number_form(value) is None:
        return None  # \sqrt{3}s^2
    pattern = ALGEBRAIC if is_explicit and is_known(unit) else NUMERIC
    value = (
        number_form(value) or (number_form(value[:-1]) or value[:-1]) + "%"
        if value.endswith("%")
        else number_form(value) or value
    )
    if _DIMENSIONS.fullmatch(value):
        value = value.replace("\\times", " by ")  # 5 x 3 cm are two lengths, and no 15 cm
        return f"{value} {unit}" if is_known(unit) else None
    if not pattern.fullmatch(value) or not _is_value(value):
        return None
    if (value.endswith("%") or not is_known(unit)) and (is_known(unit) or number(value.removesuffix("%")) is None):
        return None  # things are counted by a number: 12 people, 50% increase
    return f"{value}^\\circ" if unit == "°" else f"{value} {unit}"


def _is_value(text: str) -> bool:
    """Return whether a text has a digit, \\pi or a single letter, and its brackets are closed."""
    return text.count("(") == text.count(")") and text.count("{") == text.count("}") and text[0] not in ")}*/^"


def _money(text: str) -> str | None:
    """Return the form of an amount with the sign of the currency in front: `$5`, `-€12`, `$5 million`, `$5/hour`."""
    match = _MONEY.fullmatch(text)
    if match is None:
        return None
    sign, name, inner_sign, digits, rest = match.groups()
    value = number_form(("-" if "-" in (sign, inner_sign) else "") + digits)
    currency, rest = known_name(name), re.sub(f"[{TEXT}{TEXT_END}]", "", rest).strip()
    word, _, after_word = rest.partition(" ")
    power = SCALES.get(word.lower(), MONEY_POWERS.get(word))
    if value is not None and power is not None:
        value, rest = times_power_of_ten(value, power), after_word
    if value is None or currency is None:
        return None
    if not rest:
        return f"{value} {currency}"
    is_rate = rest[0] == "/" or word in ("per", "a", "an")
    unit = unit_form(f"{currency} per {rest.removeprefix('/') if rest[0] == '/' else after_word}" if is_rate else rest)
    if unit is None:
        return None
    return f"{value} {unit}" if currency in dict(factors_of(unit)) else f"{value} {currency} {unit}"  # $500 loss


_METRIC = frozenset(("km", "m", "dm", "cm", "mm", "kg", "g", "mg", "t", "L", "dL", "cL", "mL"))


def merged(quantities: list[str], *, glued: bool = False) -> str | None:
    """Return the sum of the parts of one quantity (`5 h`, `30 min` is `330 min`); None if they are no such parts.

    The parts have units of one kind, each smaller than the one before, and all but the last are integers. The sum is in
    the smallest unit; money is in the largest, `12.5 USD`. Metric units are parts of one quantity only if they are
    `glued`, as in `5 kg 200 g`: `5 m and 30 cm` may be two lengths.
    """
    parts = [split_quantity(form) for form in quantities]
    units = [unit for _, unit in parts if unit is not None]
    if len(parts) < 2 or len(units) < len(parts) or (not glued and not _METRIC.isdisjoint(units)):
        return None
    target = units[0] if units[0].isupper() and len(units[0]) == 3 else units[-1]
    total = Fraction(0)
    for i, (text, unit) in enumerate(zip((value for value, _ in parts), units, strict=True)):
        value, factor = number(text), conversion(unit, target)
        if value is None or factor is None or value < 0 or (i < len(parts) - 1 and value.denominator > 1):
            return None
        if i and (conversion(units[i - 1], unit) or 0) <= 1:
            return None
        total += value * factor
    return f"{_decimal_or_fraction(total)} {target}"


def _decimal_or_fraction(value: Fraction) -> str:
    """Return the form of a number: a decimal if it has at most three decimals, else a fraction."""
    thousandths = value * 1_000
    if thousandths.denominator == 1:
        return times_power_of_ten(str(thousandths), -3) or str(value)
    return str(value)
