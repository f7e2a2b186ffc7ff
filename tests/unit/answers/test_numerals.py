"""Numbers as people write them, and the one form that each has. The forms are worked out by hand."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.answers.canonical.form import canonical
from stages.answers.canonical.numerals import number, times_power_of_ten
from stages.answers.kinds import Ambiguous

GROUPED = [
    ("5,105", "5105"),
    ("1,234,567", "1234567"),
    ("-1,234.5", "-1234.5"),
    ("5, 105", "5,105"),
    ("105,5", "105,5"),
    ("1,23", "1,23"),
    ("1,234,5", "1,234,5"),
    ("1,000, 2,000", "1000,2000"),
    ("1,234, 5", "1234,5"),
    ("100, 200, 300", "100,200,300"),
    ("5,\\ 105", "5,105"),
    ("5,\\,105", "5,105"),
    ("5,\\quad 105", "5,105"),
    ("5,~105", "5,105"),
    ("5,\\!105", "5105"),
    ("5{,}105", "5105"),
    ("11,\\! 111,\\! 111,\\! 100", "11111111100"),
    ("3{,}5", "3.5"),
    ("1 234 567", "1234567"),
    ("1\\,234\\,567", "1234567"),
    ("1\\ 234\\;567", "1234567"),
    ("1\u202f234\u202f567", "1234567"),
    ("1\u00a0234", "1234"),
    ("10 000", "10000"),
    ("1 2", "1 2"),
    ("12,34,567", "1234567"),
    ("1,00,000", "100000"),
    ("12,34", "12,34"),
    ("1'234'567", "1234567"),
    ("1’234’567", "1234567"),
    ("1_000_000", "1000000"),
    ("1.234.567", "1234567"),
    ("1.234.567,89", "1234567.89"),
    ("1.234,56", "1234.56"),
    ("1 234,5", "1234.5"),
    ("3,05", "3.05"),
    ("5,00", "5"),
    ("5,0", "5,0"),
    ("0,5", "0,5"),
    ("0,105", "0,105"),
    ("(1,234)", "(1,234)"),
    ("(1,234,567)", "(1,234,567)"),
    ("(1,234, 5)", "(1234,5)"),
    ("(1,000, 2,000)", "(1000,2000)"),
    ("[1,234]", "[1,234]"),
    ("\\{11,121\\}", "\\{11,121\\}"),
    ("\\{11, 121\\}", "\\{11,121\\}"),
    ("\\{1,234, 5,678\\}", "\\{1234,5678\\}"),
    ("(1{,}234)", "1234"),
    ("\\{1,000\\}", "\\{1000\\}"),
    ("\\gcd(12,345)", "\\gcd(12,345)"),
    ("x = 1,234", "x=1234"),
    ("1,000 < x < 2,000", "1000<x<2000"),
    ("\\frac{1,234}{5}", "1234/5"),
    ("１，０００", "1000"),
    ("5，105", "5,105"),
    ("5、105", "5,105"),
    ("٤٢", "42"),
    ("४२", "42"),
    ("٣٫٥", "3.5"),
]

MIXED = [
    ("2 3/4", "11/4"),
    ("3 1/2", "7/2"),
    ("12 1/2", "25/2"),
    ("-1 1/2", "-3/2"),
    ("−1 1/2", "-3/2"),
    ("2\\frac{3}{4}", "11/4"),
    ("2 \\frac34", "11/4"),
    ("2\\dfrac{3}{4}", "11/4"),
    ("-2\\frac{1}{2}", "-5/2"),
    ("137 \\frac{1}{2}", "275/2"),
    ("1½", "3/2"),
    ("1 ½", "3/2"),
    ("2⅓", "7/3"),
    ("1³⁄₄", "7/4"),
    ("3 and a half", "7/2"),
    ("3 1/2 cups", "7/2 cup"),
    ("3 and 1/2 cups", "7/2 cup"),
    ("3¼ cups", "13/4 cup"),
    ("6 1/4 inches", "25/4 in"),
    ("33 1/3%", "100/3%"),
    ("33\\frac{1}{3}\\%", "100/3%"),
    ("66 2/3 percent", "200/3%"),
    ("x = 2\\frac{1}{2}", "x=5/2"),
    ("(1\\frac{1}{2}, 3)", "(3/2,3)"),
    ("11/2", "11/2"),
    ("1 - 1/2", "1-1/2"),
]

REPEATING = [
    ("0.\\overline{3}", "1/3"),
    ("0.\\overline3", "1/3"),
    ("0.\\bar{3}", "1/3"),
    ("0.\\dot{3}", "1/3"),
    ("0.\\dot{1}4285\\dot{7}", "1/7"),
    ("0.\\overline{142857}", "1/7"),
    ("0.1\\overline{6}", "1/6"),
    ("0.3\\overline{3}", "1/3"),
    ("-0.\\overline{3}", "-1/3"),
    ("2.3\\overline{45}", "129/55"),  # 2.3 + 45/990
    ("1.\\overline{9}", "2"),
    (".\\overline{3}", "1/3"),
    ("0.(3)", "1/3"),
    ("2.(3)", "7/3"),
    ("0.3̅", "1/3"),
    ("0.333...", "1/3"),
    ("0.333…", "1/3"),
    ("0.666\\ldots", "2/3"),
    ("0.1666...", "1/6"),
    ("0.142857142857...", "1/7"),
    ("0.33 repeating", "1/3"),
    ("0.\\overline{3} cm", "1/3 cm"),
    ("33.\\overline{3}\\%", "100/3%"),
    ("3.14159...", "3.14159"),
    ("\\overline{AB}", "\\overline{AB}"),
]

SCIENTIFIC = [
    ("1.5e-3", "0.0015"),
    ("1.5E-3", "0.0015"),
    ("1.5 \\times 10^{-3}", "0.0015"),
    ("1.5 \\cdot 10^{-3}", "0.0015"),
    ("1.5×10⁻³", "0.0015"),
    ("1.5x10^-3", "0.0015"),
    ("1.5 x 10^-3", "0.0015"),
    ("1.5*10^-3", "0.0015"),
    ("1.5*10**-3", "0.0015"),
    ("2.5e6 people", "2500000 people"),
    ("10^3 people", "1000 people"),
    ("5 x 10^3 people", "5000 people"),
    ("10^-3", "0.001"),
    ("10^{-3}", "0.001"),
    ("10⁶", "1000000"),
    ("-1.6\\times10^{-19}", "-0.00000000000000000016"),
    ("6.02e23", "602000000000000000000000"),
    ("6.02e99", "6.02e99"),
    ("60.2 \\times 10^{98}", "6.02e99"),
    ("3.0 × 10^8 m/s", "300000000 m/s"),
    (".5e1", "5"),
    ("12e2", "1200"),
    ("2.5 million", "2500000"),
    ("1.2 billion people", "1200000000 people"),
    ("5 lakh", "500000"),
    ("5万", "50000"),
    ("1.2\\mathrm{e}5", "120000"),
    ("1.2E+05", "120000"),
    ("3,5 Millionen Euro", "3500000 EUR"),
    ("3,5 millions d'euros", "3500000 EUR"),
    ("2,5 Mrd. Euro", "2500000000 EUR"),
    ("2^{10}", "2^{10}"),
    ("2e", "2e"),
]

PLAIN = [
    ("\\displaystyle.5", "0.5"),
    ("\\displaystyle .5", "0.5"),
    ("\\textstyle.5", "0.5"),
    ("\\displaystyle\\frac12", "1/2"),
    (".5", "0.5"),
    ("-.5", "-0.5"),
    ("+5", "5"),
    ("−5", "-5"),
    ("–3", "-3"),
    ("—3", "-3"),
    ("﹣3", "-3"),
    ("- 5", "-5"),
    ("007", "7"),
    ("5.", "5"),
    ("-0", "0"),
    ("6/4", "3/2"),
    ("\\frac{270}7", "270/7"),
    ("\\frac1{72}", "1/72"),
    ("{1 \\over 2}", "1/2"),
    ("(5)", "5"),
    ("\\left(\\frac{1}{3}\\right)", "1/3"),
    ("50 percent", "50%"),
    ("50\\,\\%", "50%"),
    ("50 per cent", "50%"),
    ("50 Prozent", "50%"),
    ("50 por ciento", "50%"),
    ("50％", "50%"),
    ("12,5 Prozent", "12.5%"),
    ("12.5\\text{ percent}", "12.5%"),
    ("50% of the people", "50%"),
    ("5‰", "0.5%"),
    ("5 per mille", "0.5%"),
]

BASES = [
    ("101_2", "101_2"),
    ("101_{2}", "101_2"),
    ("101₂", "101_2"),
    ("(101)_2", "101_2"),
    ("(101)_{2}", "101_2"),
    ("101_{(2)}", "101_2"),
    ("101_{\\text{two}}", "101_2"),
    ("101_{two}", "101_2"),
    ("101 base 2", "101_2"),
    ("101 (base 2)", "101_2"),
    ("101 \\text{ base } 2", "101_2"),
    ("101 in base two", "101_2"),
    ("0b101", "101_2"),
    ("0101_2", "101_2"),
    ("-101_2", "-101_2"),
    ("101_3", "101_3"),
    ("1323_{4}", "1323_4"),
    ("1A_{16}", "1A_16"),
    ("1a_{16}", "1A_16"),
    ("FF_{16}", "FF_16"),
    ("0xFF", "FF_16"),
    ("101_{10}", "101_10"),
    ("129_8", "129_8"),  # no number in base 8
    ("x_1", "x_1"),
    ("a_{12}", "a_{12}"),
]

TWO_READINGS = [
    "3 and 1/2",
    "2\\frac{5}{2}",
    "3 4/3",
    "3-1/2",
    "0.1(6)",
    "0.16 repeating",
    "10–20",
    "$10-20",
    "5-10 minutes",
    "10-20%",
    "7.35-7.45",
    "12 (thirteen)",
    "1.234 €",
    "2023-24",
    "3,5 kg",
    "3,5\\%",
    "1,5\\cdot 10^3",
    "1,5; 2,5",
    "(1,5; 2,5)",
    "1/2pi",
    "10h30",
]


@pytest.mark.parametrize(("answer", "form"), GROUPED + MIXED + REPEATING + SCIENTIFIC + PLAIN + BASES)
def test_the_form_of_a_number(answer: str, form: str) -> None:
    assert canonical(answer) == form
    assert not isinstance(canonical(answer), Ambiguous)


@pytest.mark.parametrize("answer", TWO_READINGS)
def test_a_number_with_two_readings_is_ambiguous(answer: str) -> None:
    assert isinstance(canonical(answer), Ambiguous)
    assert len(canonical(answer)) > len(answer)  # it names the readings


@given(st.fractions(max_denominator=1_000), st.integers(-(10**12), 10**12), st.integers(0, 3))
def test_numbers_keep_their_value(value: Fraction, thousandths: int, zeros: int) -> None:
    assert number(canonical(f"\\frac{{{value.numerator}}}{{{value.denominator}}}")) == value
    whole, rest = divmod(abs(thousandths), 1_000)
    decimal = f"{'-' if thousandths < 0 else ''}{'0' * zeros}{whole}.{rest:03d}{'0' * zeros}"
    assert number(canonical(decimal)) == Fraction(thousandths, 1_000)


@given(st.integers(1, 10**15), st.sampled_from([",", " ", "'", "_", "\\,", "{,}", "\u202f", "，"]))
def test_groups_of_three_digits_are_one_number(value: int, separator: str) -> None:
    if separator == "，" and value >= 1_000:
        groups = f"{value:,}".replace(",", "，").translate({ord(str(digit)): 0xFF10 + digit for digit in range(10)})
        assert canonical(groups) == str(value)
    elif not (separator == "_" and value >= 1_000_000_000_000):
        assert canonical(f"{value:,}".replace(",", separator)) == str(value)


@given(st.integers(-(10**6), 10**6).filter(lambda mantissa: mantissa % 10), st.integers(-60, 60))
def test_a_number_with_an_exponent_has_its_value(mantissa: int, exponent: int) -> None:
    value = mantissa * Fraction(10) ** exponent
    forms = {
        canonical(f"{mantissa}e{exponent}"),
        canonical(f"{mantissa} \\times 10^{{{exponent}}}"),
        canonical(f"{mantissa}0 \\cdot 10^{{{exponent - 1}}}"),
        times_power_of_ten(str(mantissa), exponent),
    }
    assert len(forms) == 1
    assert number(forms.pop() or "") == value


@given(st.integers(0, 99), st.from_regex(r"[0-9]{0,3}", fullmatch=True), st.from_regex(r"[0-9]{1,4}", fullmatch=True))
def test_a_repeating_decimal_is_the_limit_of_its_decimals(whole: int, fixed: str, period: str) -> None:
    value = number(canonical(f"{whole}.{fixed}\\overline{{{period}}}"))
    assert value is not None
    assert abs(value - Fraction(f"{whole}.{fixed}{period * 5}")) < Fraction(2, 10 ** (len(fixed) + 5 * len(period)))
