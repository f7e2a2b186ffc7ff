"""Quantities: one spelling of each unit, equality and conversion. Sizes are those of the SI brochure and NIST."""

from fractions import Fraction

import pytest

from stages.answers.canonical.form import canonical
from stages.answers.canonical.units import conversion, same_unit, split_quantity

QUANTITIES = [
    ("12 dollars", "12 USD"),
    ("12 USD", "12 USD"),
    ("\\$12", "12 USD"),
    ("$12", "12 USD"),
    ("US$12", "12 USD"),
    ("12 \\text{ dollars}", "12 USD"),
    ("\\$12.00", "12 USD"),
    ("-$5", "-5 USD"),
    ("$-5", "-5 USD"),
    ("−$5", "-5 USD"),
    ("\\$1,234", "1234 USD"),
    ("\\$32,\\!348", "32348 USD"),
    ("$5 million", "5000000 USD"),
    ("$12 per hour", "12 USD/h"),
    ("$12/hour", "12 USD/h"),
    ("$12 an hour", "12 USD/h"),
    ("12 dollars per hour", "12 USD/h"),
    ("€12", "12 EUR"),
    ("12€", "12 EUR"),
    ("12 euros", "12 EUR"),
    ("3,50 €", "3.5 EUR"),
    ("€1.234,56", "1234.56 EUR"),
    ("£12", "12 GBP"),
    ("12¢", "12 cent"),
    ("12 cents", "12 cent"),
    ("5.4 \\text{ cents}", "5.4 cent"),
    ("₹500", "500 INR"),
    ("Rs. 500", "500 INR"),
    ("500円", "500 JPY"),
    ("500元", "500 CNY"),
    ("12 dollars and 50 cents", "12.5 USD"),
    ("12 people", "12 people"),
    ("12 \\text{ people}", "12 people"),
    ("1 apple", "1 apple"),
    ("12 apples", "12 apple"),
    ("12 boxes", "12 box"),
    ("12 red apples", "12 red apple"),
    ("12 apples in total", "12 apple"),
    ("12 apples per tree", "12 apple/tree"),
    ("12 people per square mile", "12 people/mi^2"),
    ("42个苹果", "42 苹果"),
    ("42个", "42 个"),
    ("12人", "12 人"),
    ("12 weeks", "12 week"),
    ("5 hours", "5 h"),
    ("5 hrs", "5 h"),
    ("5h", "5 h"),
    ("5 Stunden", "5 h"),
    ("5 heures", "5 h"),
    ("5小时", "5 h"),
    ("5 minutes", "5 min"),
    ("12 years old", "12 year"),
    ("2 hours and 30 minutes", "150 min"),
    ("2 hours 15 minutes", "135 min"),
    ("2h 15min", "135 min"),
    ("5 ft 7 in", "67 in"),
    ("1 week and 3 days", "10 day"),
    ("5 kg 200 g", "5200 g"),
    ("5 m and 30 cm", "5 m,30 cm"),
    ("(5 h, 30 min)", "(5 h,30 min)"),
    ("250 x 10^9/L", "250000000000 1/L"),
    ("15 mEq/L", "15 mEq/L"),
    ("15 IU", "15 IU"),
    ("15 blue and red marbles", "15 blue and red marble"),
    ("12 mL", "12 mL"),
    ("12 ml", "12 mL"),
    ("12 milliliters", "12 mL"),
    ("12 \\mathrm{~mL}", "12 mL"),
    ("12 m", "12 m"),
    ("12m", "12 m"),
    ("12 meters", "12 m"),
    ("12 метров", "12 m"),
    ("12 米", "12 m"),
    ("12 km", "12 km"),
    ("12km", "12 km"),
    ("12{\\rm km}", "12 km"),
    ("12公里", "12 km"),
    ("12 m^2", "12 m^2"),
    ("12 m²", "12 m^2"),
    ("12 ㎡", "12 m^2"),
    ("12 \\text{ m}^2", "12 m^2"),
    ("12 \\text{ m}^{2}", "12 m^2"),
    ("12 \\text{ m$^2$}", "12 m^2"),
    ("12 square meters", "12 m^2"),
    ("12 meters squared", "12 m^2"),
    ("12 sq. ft", "12 ft^2"),
    ("864 \\mbox{ inches}^2", "864 in^2"),
    ("12 cm3", "12 cm^3"),
    ("12 cubic centimeters", "12 cm^3"),
    ("20\\text{ square units}", "20 unit^2"),
    ("12 km/h", "12 km/h"),
    ("12 km/hr", "12 km/h"),
    ("12 kph", "12 km/h"),
    ("12 kilometers per hour", "12 km/h"),
    ("12 miles per hour", "12 mi/h"),
    ("12 mph", "12 mi/h"),
    ("9.8 m/s^2", "9.8 m/s^2"),
    ("9.8 \\, \\mathrm{m/s^2}", "9.8 m/s^2"),
    ("9.8\\text{ m/s}^2", "9.8 m/s^2"),
    ("9.8 m·s⁻²", "9.8 m/s^2"),
    ("9.8 m s^{-2}", "9.8 m/s^2"),
    ("9.8 meters per second squared", "9.8 m/s^2"),
    ("12 N m", "12 N*m"),
    ("12 N·m", "12 N*m"),
    ("12 kg·m/s²", "12 kg*m/s^2"),
    ("8.314 J/(mol·K)", "8.314 J/K/mol"),
    ("8.314 \\text{ J}\\cdot\\text{mol}^{-1}\\cdot\\text{K}^{-1}", "8.314 J/K/mol"),
    ("12 µm", "12 µm"),
    ("12 μm", "12 µm"),
    ("12 \\mu m", "12 µm"),
    ("12 \\,\\mu\\text{m}", "12 µm"),
    ("12 Ω", "12 Ω"),
    ("12 \\Omega", "12 Ω"),
    ("12 kWh", "12 kWh"),
    ("12 MeV", "12 MeV"),
    ("12 mW", "12 mW"),
    ("12 MW", "12 MW"),
    ("120 mg/dL", "120 mg/dL"),
    ("120 mmHg", "120 mmHg"),
    ("120 mm Hg", "120 mmHg"),
    ("0.5 mol/L", "0.5 mol/L"),
    ("-5°C", "-5 °C"),
    ("-5 °C", "-5 °C"),
    ("−5°C", "-5 °C"),
    ("-5℃", "-5 °C"),
    ("-5^\\circ C", "-5 °C"),
    ("25^{\\circ} \\mathrm{C}", "25 °C"),
    ("25 degrees Celsius", "25 °C"),
    ("98.6 °F", "98.6 °F"),
    ("30°", "30^\\circ"),
    ("30 degrees", "30^\\circ"),
    ("30^{\\circ}", "30^\\circ"),
    ("\\frac{270}7\\text{ degrees}", "270/7^\\circ"),
    ("pi/2 radians", "\\pi/2 rad"),
    ("2\\pi \\text{ cm}", "2\\pi cm"),
    ("5√2 cm", "5\\sqrt{2} cm"),
    ("36\\pi\\text{ cm}^2", "36\\pi cm^2"),
    ("0,5 kg", "0.5 kg"),
    ("10 000 km", "10000 km"),
    ("12 cups of milk", "12 cup"),
    ("7\\text{ hours}.", "7 h"),
    ("7th", "7 th"),
    ("7^{\\text{th}}", "7 th"),
    ("x = 12\\text{ cm}", "x=12 cm"),
    ("(3 cm, 4 cm)", "(3 cm,4 cm)"),
    ("3 cm, 4 cm", "3 cm,4 cm"),
]


@pytest.mark.parametrize(("answer", "form"), QUANTITIES)
def test_the_form_of_a_quantity(answer: str, form: str) -> None:
    assert canonical(answer) == form


@pytest.mark.parametrize(
    "answer",
    ["5i", "2k", "3xy", "5ab", "5 ab", "5N", "48 i-56", "10-4 n", "3m^4-2m+6", "3 n", "2x", "\\frac{h^2}{m}",
     "5e", "6 - 5i",
     "x y", "a day", "no solution", "5 mod 7", "5 choose 2", "12 to 15", "1,2", "(1,2)", "50%", "10:30am", "2024-05-01",
     "101_2", "\\pi r", "3\\pm2", "x>2 and x<5", "a m", "even", ""],
)  # fmt: skip
def test_an_expression_or_a_text_is_no_quantity(answer: str) -> None:
    form = canonical(answer)
    assert split_quantity(form) == (form, None)


@pytest.mark.parametrize(
    ("form", "parts"),
    [
        ("12 km/h", ("12", "km/h")),
        ("-5 °C", ("-5", "°C")),
        ("30^\\circ", ("30", "°")),
        ("-270/7^\\circ", ("-270/7", "°")),
        ("12 red apple", ("12", "red apple")),
        ("5 pound?", ("5", "pound?")),
        ("2\\pi cm", ("2\\pi", "cm")),
        ("x cm", ("x", "cm")),
        ("3 1/s", ("3", "1/s")),
        ("5", ("5", None)),
        ("\\sin30^\\circ", ("\\sin30^\\circ", None)),
    ],
)
def test_a_quantity_is_split_into_value_and_unit(form: str, parts: tuple[str, str | None]) -> None:
    assert split_quantity(form) == parts


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("12 newtons", "12 kg m/s^2"), ("12 mL", "12 cm^3"), ("12 cc", "12 cm3"), ("12 pounds", "12 lb"),
        ("12 pounds", "£12"),
        ("¥12", "12 yuan"), ("¥12", "12 yen"), ("25 C", "25 °C"), ("25 C", "25 coulombs"), ("12 apples",
        "12 red apples"),
        ("12 apples", "1 apple"), ("12 m/s", "12 meters per second"), ("12 W", "12 J/s"), ("12 Pa", "12 N/m^2"),
        ("42个苹果", "42 苹果"), ("42个", "42个苹果"), ("12 V", "12 W/A"), ("5 Ω", "5 V/A"), ("12 kWh", "12 kW h"),
    ],
)  # fmt: skip
def test_units_that_may_be_the_same(left: str, right: str) -> None:
    units = [split_quantity(canonical(answer))[1] or "" for answer in (left, right)]
    assert all(units)
    assert same_unit(units[0], units[1]) and same_unit(units[1], units[0])


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("5 hours", "5 minutes"), ("12 m", "12 km"), ("12 m", "12 m^2"), ("12 cm^2", "12 cm^3"), ("€5", "$5"),
        ("£5", "€5"),
        ("5 cents", "$5"), ("5 °C", "5 °F"), ("5°", "5 °C"), ("5°", "5 rad"), ("12 mW", "12 MW"), ("12 g", "12 mg"),
        ("12 apples", "12 oranges"), ("12 apples", "12 km"), ("12 boys", "12 girls"), ("12 km/h", "12 mph"),
        ("12 m/s", "12 m/s^2"), ("12 N", "12 J"), ("12 lb", "12 kg"), ("12 yen", "12 yuan"), ("12 lb", "£12"),
        ("12 months", "12 weeks"), ("12 ft", "12 in"), ("12 pineapples", "12 apples"), ("12 苹果", "12 橘子"),
    ],
)  # fmt: skip
def test_units_that_differ(left: str, right: str) -> None:
    units = [split_quantity(canonical(answer))[1] or "" for answer in (left, right)]
    assert all(units)
    assert not same_unit(units[0], units[1]) and not same_unit(units[1], units[0])


@pytest.mark.parametrize(
    ("left", "right", "factor"),
    [
        ("km", "m", Fraction(1000)),
        ("h", "min", Fraction(60)),
        ("day", "h", Fraction(24)),
        ("week", "day", Fraction(7)),
        ("year", "month", Fraction(12)),
        ("km/h", "m/s", Fraction(5, 18)),
        ("mi", "ft", Fraction(5280)),
        ("ft", "in", Fraction(12)),
        ("L", "cm^3", Fraction(1000)),
        ("m^2", "cm^2", Fraction(10_000)),
        ("ha", "m^2", Fraction(10_000)),
        ("kWh", "J", Fraction(3_600_000)),
        ("kg", "g", Fraction(1000)),
        ("lb", "oz", Fraction(16)),
        ("gal", "qt", Fraction(4)),
        ("tbsp", "tsp", Fraction(3)),
        ("USD", "cent", Fraction(100)),
        ("GBP", "p", Fraction(100)),
        ("g/cm^3", "kg/m^3", Fraction(1000)),
        ("kJ/mol", "J/mol", Fraction(1000)),
        ("N", "kg*m/s^2", Fraction(1)),
        ("µF", "F", Fraction(1, 10**6)),
        ("GB", "MB", Fraction(1000)),
        ("pound?", "oz", Fraction(16)),
        ("pound?", "p", Fraction(100)),
        ("mi/h", "ft/s", Fraction(22, 15)),
        ("m", "s", None),
        ("°C", "K", None),
        ("°C", "°F", None),
        ("USD", "EUR", None),
        ("day", "month", None),
        ("apple", "km", None),
        ("°", "rad", None),
    ],
)
def test_conversions(left: str, right: str, factor: Fraction | None) -> None:
    assert conversion(left, right) == factor
    assert conversion(right, left) == (None if factor is None else 1 / factor)
