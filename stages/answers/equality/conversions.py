"""Equality of quantities in different units."""

from fractions import Fraction

from stages.answers.canonical.numerals import number
from stages.answers.canonical.units import conversion
from stages.answers.equality.matching import Verdict
from stages.answers.equality.parts import Leaf, Quantity
from stages.answers.equality.values import is_decimal, same_number, same_value

# Size of a degree and zero of the scale, in kelvins.
_SCALES = {
    "K": (Fraction(1), Fraction(0)),
    "°C": (Fraction(1), Fraction("273.15")),
    "°F": (Fraction(5, 9), Fraction("459.67") * 5 / 9),
}


def same_converted(left: Quantity, right: Quantity) -> Verdict:
    """Return whether two quantities are equal in the unit of the second: 5 km and 5000 m, 0 °C and 32 °F."""
    if not isinstance(left.value, Leaf) or not isinstance(right.value, Leaf):
        return False
    forms = left.value.form, right.value.form
    values = number(forms[0]), number(forms[1])
    factor = conversion(left.unit, right.unit)
    if values[0] is None or values[1] is None:
        if factor is None:
            return False
        converted = f"\\frac{{{factor.numerator}\\cdot({forms[0]})}}{{{factor.denominator}}}"
        return same_value(converted, forms[1], algebra=True)
    is_rounded = any(map(is_decimal, forms))
    if factor is not None:
        return same_number(values[0] * factor, values[1], rounded=is_rounded)
    if left.unit not in _SCALES or right.unit not in _SCALES:
        return False
    kelvins = [
        value * _SCALES[unit][0] + _SCALES[unit][1] for value, unit in ((values[0], left.unit), (values[1], right.unit))
    ]
    return same_number(kelvins[0], kelvins[1], rounded=is_rounded)
