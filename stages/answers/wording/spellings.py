"""Spellings of words, numbers, units, dates and citations: one for all that mean the same.

The rules are applied in order to a text in lower case whose signs have one spelling (`signs`).
"""

import re
from decimal import Decimal

from stages.answers.canonical.dates import date_form
from stages.answers.canonical.number_words import ENGLISH, ORDINALS, SCALES, as_digits, is_dozen, number_at
from stages.answers.canonical.unit_names import MONEY_SIGNS
from stages.answers.canonical.units import currency_sign, known_name
from stages.answers.wording.signs import Groups

_TENS = {word: value for word, value in ENGLISH.items() if value >= 20}
_ORDINALS = {word: value for value, word in enumerate(ORDINALS, start=1)} | {"thirtieth": 30}
_LARGE = "thousand|million|billion|trillion"
_GREEK_NAMES = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigma tau upsilon phi chi "
    "psi omega"
)
_GREEK = dict(zip("αβγδεζηθικλμνξοπρστυφχψω", _GREEK_NAMES.split(), strict=True))


_PERCENT = re.compile(r" per ?cent")


def _number(match: re.Match[str]) -> str:
    """Return a text with its number in words at the start in digits: "two hundred days". "one of us" keeps its word.

    A mixed number, and a fraction of something, keep the words behind the whole number, as in "3 and a half cups".
    """
    text = match[0]
    number = number_at(text, 0, "en")
    if number is None or is_dozen(text[: number[1]].split()[-1]):
        return text
    value, end = number
    if value.denominator > 1 and (end < len(text) or " and " in text) and " point " not in text[:end]:
        number = number_at(text[: text.rfind(" ", 0, end)], 0, "en")
        value, end = number or (value, end)
    digits, rest = as_digits(value, text[:end]), text[end:]
    is_one = value == 1 and rest and not (_PERCENT.fullmatch(rest) or known_name(rest[1:]))
    is_number = not rest or (rest[0] == " " and "/" not in digits)
    return f"{digits}{rest}" if is_number and not (is_one and end == len("one")) else text


def _ordinal(match: re.Match[str]) -> str:
    value = _TENS.get(match[1], 0) + _ORDINALS[match[2]]
    ending = "th" if value in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th")
    return f"{value}{ending}"


def _large(match: re.Match[str]) -> str:
    value = Decimal(match[1]).scaleb(SCALES[match[2]])
    return str(int(value)) if value == int(value) else match[0]


def _roman(match: re.Match[str]) -> str:
    digits = [{"i": 1, "v": 5, "x": 10}[digit] for digit in match[2]]
    value = sum(-left if left < right else left for left, right in zip(digits, [*digits[1:], 0], strict=True))
    return f"{match[1]} {value}{match[3]}"


def _greek(match: re.Match[str]) -> str:
    before, after = match.string[match.start() - 1 : match.start()], match.string[match.end() : match.end() + 1]
    name = _GREEK.get(match[0], match[0])
    return f"{' ' if before.isalpha() else ''}{name}{' ' if after.isalpha() else ''}"


def _unit(match: re.Match[str]) -> str:
    """Return the symbol of a unit; the name if the symbol is another unit in lower case, as T and t are."""
    form = known_name(match[0])
    if form is None or "?" in form or known_name(form.lower()) != form:
        return match[0]
    return form.lower()


def _money(match: re.Match[str]) -> str:
    """Return an amount of money with the sign of the currency in front; other quantities as they are."""
    sign = currency_sign(match[2].replace(" ", "_"))
    return f"{sign}{match[1]}" if sign and sign != "¢" else match[0]


def _date(match: re.Match[str]) -> str:
    return (date_form(match["date"]) or match[0]).lower()


def _same_number(match: re.Match[str]) -> str:
    """Return a number without the same number in brackets behind it: "42 (forty-two)"."""
    inner = match[2].replace("-", " ").split()
    values = [ENGLISH.get(word) or (int(word) if word.isdigit() else -1) for word in inner]
    return match[1] if min(values) >= 0 and sum(values) == int(match[1]) else match[0]


_NUMBERED = (
    r"types?|stage|grade|class|phase|factor|part|article|artikel|art|war|nerve|cn|chapter|title|schedule|category|tier|"
    r"act|scene|volume|vol|group|amendment|section|§"
)
"""Words that a Roman numeral may follow. "Henry V" and "hepatitis C" keep their letters."""
_KEEPS_A = (
    r"priori|posteriori|fortiori|contrario|cappella|la|positive|negative|major|minor|flat|sharp|bands?|waves?|fib|"
    r"fibers?|fibres?|cells?|delta|level|string|plus|minus|and|or|to|is|only|alone|but|then|nor|in|of|on|allele|"
    r"antigen|blood|group|type|chain|subunit|side|team|grade|star"
)
"""Words behind an "a" that is no article: "A positive", "A band", "a priori"."""

RULES: Groups = (
    (r"\Athe ", (
        (r"^the (?!who$)(?=\S)", "", "The heart", "heart"),
    )),
    (r"\A[a-z]", (
        (r"^[a-z]{1,9}(?![^\W_])[^\n]*", _number, "two-thirds", "2/3"),
    )),
    (r"\Aan? ", (
        (r"^an (?=[aeiouh\d])", "", "an apple", "apple"),
        (rf"^a (?!(?:{_KEEPS_A})\b)(?=[^\W\d_]{{2}})", "", "a beta blocker", "beta blocker"),
    )),
    (r"\d", (
        (r"^(?:(?:der|den|dem|am|le|el|il) )?(?P<date>(?=\D{0,12}\d)[^\W_][^\n]{4,24})$", _date, "4 July 1776",
         "1776-07-04"),
    )),
    # abbreviations
    (r"[^\W\d_]\.", (
        (r"(?<![^\W_])([^\W\d_])\.\s(?=[^\W\d_](?:\.|$))", r"\1.", "J. S. Bach", "js bach"),
        (r"(?<![^\W_])(ph|ll|ed|pharm)\.\s?(?=[bdm](?:\.|$))", r"\1", "Ph. D.", "phd"),
        (r"(?<![^\W_])([bdm])\.\s(?=(?:sc|ed|eng|phil|pharm)(?:\.|$))", r"\1", "B. Sc.", "bsc"),
        (r"(?<=[^\W\d_])\.(?=[\s,]|$)", "", "St. Paul", "st paul"),
        (r"(?<![^\W_])([^\W\d_]{1,2})\.(?=[^\W\d_]{1,2}(?:\.|(?![^\W_])))", r"\1", "U.S.A.", "usa"),
    )),
    (r"\sv", (
        (r"\s(?:vs?|versus)\s", " v ", "Roe vs. Wade", "roe v wade"),
    )),
    ("&", (
        (r"\s&\s", " and ", "rock & roll", "rock and roll"),
    )),
    (",", (
        (r",\s(?=(?:and|or)\s)", " ", "cats, dogs, and cows", "cats, dogs and cows"),
    )),
    (r"\(", (
        (r"^(\d{1,2})\s?\(([a-z\d]{1,12}(?:[ -][a-z]{3,5})?)\)$", _same_number, "forty-two (42)", "42"),
    )),
    # ordinals
    (rf"(?<![^\W_])(?:{'|'.join(_ORDINALS)})", (
        (rf"(?<![^\W_])(?<!\d\s)(?:({'|'.join(_TENS)})[ -])?({'|'.join(_ORDINALS)})(?![^\W_])", _ordinal,
         "Fifth Amendment", "5th amendment"),
    )),
    (r"\^", (
        (r"(?<=\d)\^\(?(st|nd|rd|th)\)?(?![^\W_])", r"\1", "1^{st}", "1st"),
    )),
    # numbers in figures
    (r"[,.]\d", (
        (r"(?<![\d.,])(\d{1,3}),(\d{3})(?:,(\d{3}))?(?:,(\d{3}))?(?![\d,])", r"\1\2\3\4", "1,234,567", "1234567"),
        (r"(?<![\d.])\.(?=\d)", "0.", ".5 mg", "0.5mg"),
    )),
    (r"\d ?[hmtbp%]", (
        (rf"(?<![\d.,])(\d{{1,9}}(?:\.\d{{1,9}})?) ({_LARGE})(?![^\W_])", _large, "$2.5 million",
         "$2500000"),
        (r"(?<=\d) ?(?:%|percent\b|per cent\b)", "%", "5 percent", "5%"),
    )),
    (r"\A[~ar]", (
        (r"^(?:~|approximately|approx|about|around|roughly)\s?(?=[\d$€£])", "≈", "about 5", "≈5"),
    )),
    ("[<>≤≥≠≈=:;]", (
        (r"\s?([<>≤≥≠≈=])\s?", r"\1", "p < 0.05", "p<0.05"),
        (r"(?<=\d)\s?([:;])\s?(?=\d)", r"\1", "t(9; 22)", "t(9;22)"),
    )),
    (r"4\d,\sx|0's", (
        (r"(?<![^\W_])(4[4-9]),\s(?=x)", r"\1,", "47, XXY", "47,xxy"),
        (r"(?<=\d0)'s(?![^\W_])", "s", "the 1990's", "1990s"),
    )),
    (r"(?:ce|ad)(?![^\W_])", (
        (r"(?<=\d)\s?bce(?![^\W_])", "bc", "44 BCE", "44bc"),
        (r"(?<=\d)\s?ce$", "ad", "476 CE", "476ad"),
        (r"(?<![^\W_])(?:ad|ce)\s(\d{1,4})$", r"\1ad", "AD 70", "70ad"),
    )),
    # money and units
    (r"\d", (
        (r"^(us\$|usd|eur|gbp|jpy|cny|inr) ?(?=\d)", lambda match: currency_sign(match[1]) or match[0], "USD 5", "$5"),
        (rf"^(\d{{1,15}}(?:\.\d{{1,9}})?)\s?((?:us )?[a-z]{{2,8}}|[{MONEY_SIGNS}])$", _money, "5 euros", "€5"),
        (rf"([±{MONEY_SIGNS}])\s(?=\d)", r"\1", "$ 5", "$5"),
    )),
    ("degree|°", (
        (r"(?<=\d)\s?(?:degrees?\s|°\s?)(c|f)(?:elsius|entigrade|ahrenheit)?(?![^\W_])", r"°\1", "37 degrees Celsius",
         "37°c"),
    )),
    ("hg", (
        (r"mm\shg(?![^\W_])", "mmhg", "80 mm Hg", "80mmhg"),
    )),
    (r"\d\s?[^\W\d_]", (
        (r"(?<=\d)\s?(?:u|mc)(?=[gl](?![^\W_]))", "μ", "5 mcg", "5μg"),
        (r"(?<=\d\s)[^\W\d_]{2,20}(?![^\W_])", _unit, "5 milligrams", "5mg"),
    )),
    # Greek letters outside Greek words, Roman numerals
    ("[α-ω]", (
        ("(?<![\u0370-\u03ff\u1f00-\u1fff])(?!(?<=\\d)μ|(?<=\\d\\s)μ)[α-ω](?![\u0370-\u03ff\u1f00-\u1fff])", _greek,
         "β-blocker", "beta blocker"),
    )),
    (r"[\s-][ivx]", (
        (rf"(?<![^\W_])({_NUMBERED})[\s-](?=[ivx])(x{{0,3}}(?:ix|iv|v?i{{0,3}}))([a-d]?)(?![^\W_])", _roman, "Type II",
         "type 2"),
    )),
    (r"\(", (
        (r"(?<=\d)\s\((?=[a-z\d]{1,3}\))", "(", "Rule 404 (b)", "rule 404(b)"),
        (r"(?<=[^\W\d_])\((?=(?:i{1,3}|iv|vi{0,3})\))", " (", "iron(II)", "iron (ii)"),
    )),
    # citations of laws
    ("art|sec|§", (
        (r"(?<![^\W_])(?:article|artikel|articolo|artículo|artigo)\s(?=\d)", "art ", "Article 5", "art 5"),
        (r"(?<![^\W_])(?:section|sect|sec|§)s?\s(?=\d)|§{1,2}\s?", "§", "Section 230", "§230"),
        (r"((?:(?<![^\W_])art\s|§)\d{1,4}[a-z]?)\s?(?:\((\d{1,2})\)|abs(?:atz)?\s?(\d{1,2}))", r"\1 abs \2\3",
         "Art. 5 (1) GG", "art 5abs 1gg"),
    )),
    # hyphens, but those of a-b, x-2 and 1939-1945
    ("-", (
        (r"(?<=[^\W\d_]{2})-(?=[^\W_])|(?<=[^\W\d_])-(?=[^\W\d_]{2})|(?<=[\d+])-(?=[^\W\d_]{2})", " ", "X-ray",
         "x ray"),
    )),
    (r"\d\s", (
        (r"(?<![^\W_])(\d{1,15}(?:[.,]\d{1,15})?)\s(?=[^\W\d_]|°)", r"\1", "5 mg", "5mg"),
    )),
)  # fmt: skip
