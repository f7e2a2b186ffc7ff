"""Decimals that are an exact value, rounded: \\sqrt{2}\\approx1.41."""

from stages.answers.canonical.numerals import number
from stages.answers.equality.parts import Leaf, Percent, Quantity, Structure
from stages.answers.equality.values import term_of


def is_rounded(exact: Structure, decimal: Structure) -> bool:
    """Return whether a decimal is the value of an exact form, rounded or cut off."""
    if isinstance(decimal, Quantity):
        units_agree = not isinstance(exact, Quantity) or exact.unit == decimal.unit
        return units_agree and is_rounded(exact.value if isinstance(exact, Quantity) else exact, decimal.value)
    forms = [side.number if isinstance(side, Percent) else side.form for side in (exact, decimal)
             if isinstance(side, Percent | Leaf)]  # fmt: skip
    value = term_of(forms[0]) if len(forms) == 2 else None
    rounded = number(forms[1]) if value and not value.has_letter else None
    if value is None or rounded is None:
        return False
    in_percent = isinstance(decimal, Percent) and not isinstance(exact, Percent)
    digits = forms[1].partition("e")[0]
    decimals = len(digits.partition(".")[2]) or -len(digits) + len(digits.rstrip("0"))
    decimals -= int(forms[1].partition("e")[2] or 0)
    sign = -1 if value.real < 0 else 1
    cut_off = sign * (value.real * (100 if in_percent else 1) - float(rounded))
    return -0.501 * 10.0**-decimals <= cut_off <= (1.0 if decimals > 0 else 0.501) * 10.0**-decimals
