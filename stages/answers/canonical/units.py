"""Units and counted things: one spelling, equality and conversion.

The form of a quantity is `VALUE UNIT` with one space. A unit has one spelling: factors in alphabetical order with their
powers, joined by `*`, then `/` before each factor of the denominator: `km/h`, `kg*m/s^2`, `J/K/mol`, `USD/h`. Words
that are no unit are counted things: `12 people`. An angle in degrees keeps the form of LaTeX, `30^\\circ`.

Names and sizes are in `unit_names`. A name may have several meanings: `12 pound` is mass or money.
"""

import re
from fractions import Fraction
from functools import lru_cache
from itertools import product

from stages.answers.canonical.latex_style import TEXT, TEXT_END
from stages.answers.canonical.numerals import number
from stages.answers.canonical.unit_names import (
    ALIASES,
    COUNTERS,
    CURRENCY_SIGNS,
    DERIVED,
    IN_ONE_CASE,
    LETTER_UNITS,
    MONEY_SIGNS,
    NO_UNITS,
    POWERS_AFTER,
    POWERS_BEFORE,
    PREFIXED,
    PREFIXED_POWERS,
    PREFIXES,
    SEVERAL,
    SPACED_LETTER_UNITS,
    SPACED_NAMES,
    TAILS,
    UNITS,
    VERBS,
)

Dimension = tuple[tuple[str, int], ...]
Meaning = tuple[Fraction, Dimension]
"""Size of a unit in units that are not divided further, and their powers in alphabetical order."""

# --- The table ---------------------------------------------------------------------------------------------------

_SYMBOLS: dict[str, str] = {}
"""Name of a unit, in upper and lower case as it is written -> form of the unit."""
_LOWER: dict[str, str] = {}
"""Name of a unit in lower case -> form of the unit."""
_MEANINGS: dict[str, tuple[Meaning, ...]] = {}
"""Form of a unit without powers -> its meanings."""
_POWER = re.compile(r"([^*/^]+)(?:\^(-?\d+))?")


def factors_of(form: str) -> list[tuple[str, int]]:
    """Return the factors of a unit's form: `kg*m/s^2` is kg 1, m 1, s -2."""
    numerator, *denominators = form.split("/")
    factors = []
    for sign, part in [*((1, part) for part in numerator.split("*")), *((-1, part) for part in denominators)]:
        match = _POWER.fullmatch(part)
        if part != "1":  # r^2h is no power, and no unit
            factors.append((match[1], sign * int(match[2] or 1)) if match else (part, sign))
    return factors


def _form(factors: list[tuple[str, int]]) -> str | None:
    """Return the form of a product of powers; None if nothing is left."""
    powers: dict[str, int] = {}
    for name, power in factors:
        powers[name] = powers.get(name, 0) + power
    ordered = sorted((name, power) for name, power in powers.items() if power)
    above = "*".join(name + (f"^{power}" if power > 1 else "") for name, power in ordered if power > 0)
    below = "".join(f"/{name}" + (f"^{-power}" if power < -1 else "") for name, power in ordered if power < 0)
    return (above or "1") + below if ordered else None


def _multiplied(factors: list[tuple[str, int]]) -> tuple[Meaning, ...]:
    """Return the meanings of a product of powers. An unknown name is a dimension by itself."""
    meanings = []
    for choice in product(*(_MEANINGS.get(name, ((Fraction(1), ((name, 1),)),)) for name, _ in factors)):
        size, powers = Fraction(1), dict[str, int]()
        for (_, power), (factor, dimension) in zip(factors, choice, strict=True):
            size *= factor**power
            for base, exponent in dimension:
                powers[base] = powers.get(base, 0) + exponent * power
        meanings.append((size, tuple(sorted((base, power) for base, power in powers.items() if power))))
    return tuple(meanings)


def _add(form: str, size: str, base: str, names: list[str]) -> None:
    meaning = _multiplied(factors_of(base))[0]
    _MEANINGS[form] = ((Fraction(size) * meaning[0], meaning[1]),)
    for name in (form, *names):
        _SYMBOLS.setdefault(name, form)
    for name in (form, *names) if form not in _WITH_PREFIX else names:
        if len(name) > 1 or not name.isascii():
            _LOWER.setdefault(name.lower(), form)


_WITH_PREFIX = {prefix + base for base, prefixes in PREFIXED.items() for prefix in prefixes}
"""Symbols in which upper and lower case differ: mW and MW."""


def _build() -> None:
    derived = [[form, "1", base, names] for form, base, names in map(_columns, DERIVED.splitlines())]
    for form, size, base, names in [*derived, *map(_columns, UNITS.replace("\n    ", " ").splitlines())]:
        _add(form, size, base, names.split())
    for base, prefixes in PREFIXED.items():
        long_names = [name for name, form in _LOWER.items() if form == base and name.isalpha() and len(name) > 2]
        for prefix in prefixes:
            size, word = PREFIXES[prefix]
            _add(prefix + base, size, base, [word + name for name in long_names if name.isascii()])
    _LOWER.update({name.lower(): name for name in IN_ONE_CASE})
    for name, form in ALIASES.items():
        _SYMBOLS[name] = form
        if len(name) > 1:
            _LOWER[name.lower()] = form
    for name, forms in SEVERAL.items():
        form = f"{name.removesuffix('s')}?"
        _MEANINGS[form] = tuple(_multiplied(factors_of(meaning))[0] for meaning in forms)
        _SYMBOLS[name] = _LOWER[name.lower()] = form


def _columns(line: str) -> list[str]:
    return [column.strip() for column in line.split("|")]


_build()


def is_unit_word(word: str) -> bool:
    """Return whether a word is the name of a unit."""
    return known_name(word) is not None


def known_name(name: str) -> str | None:
    """Return the form of the unit that a name stands for, None for an unknown name."""
    return _SYMBOLS.get(name) or _LOWER.get(name.lower())


def currency_sign(name: str) -> str | None:
    """Return the sign of one character of a currency: `$` for `USD` and `dollars`; None if it has no such sign."""
    form = known_name(name)
    return (
        next((sign for sign in CURRENCY_SIGNS if len(sign) == 1 and known_name(sign) == form), None) if form else None
    )


# --- The form of a unit ------------------------------------------------------------------------------------------

_CLEAN = (
    (re.compile(f"[{TEXT}{TEXT_END}]"), ""),
    (re.compile(r"\\mu ?(?=[a-zA-Z])"), "µ"),
    (re.compile(r"\\Omega(?![a-zA-Z])|\\ohm(?![a-zA-Z])"), "Ω"),
    (re.compile(r"\\(?:AA|r\{A\}|mathring\{A\})"), "Å"),
    (re.compile(r"\^ ?\\circ ?|° "), "°"),
    (re.compile(r" ?\^ ?\{? ?(-?\d) ?\}?"), r"^\1"),
    (re.compile(r"[{}]"), ""),
    (re.compile(r" ?(?:(?<![^\W\d_])(?:per|pro|par|por)(?![^\W\d_])|每|/) ?"), "/"),
    (re.compile(r"(?<![^\W\d_])ms(?=\^-[12])"), "m s"),
    (re.compile(r" an? (?=(?:second|minute|hour|day|week|month|year)$)"), "/"),
    (re.compile(r" ?(?:\\cdot|\\times|\*|·|⋅) ?"), " "),
    (re.compile(r" +"), " "),
)
_TOKEN = re.compile(
    r" ?(?:(/)|([^\W\d_]+(?:-[^\W\d_]+)?\.?|°[^\W\d_]*|[ℓ%‰" + MONEY_SIGNS + r"]|[A-Z]{1,2}\$)"
    r"(?:\^(-?\d)|(-?[1-4])(?!\d))?|(\(|\)))"
)
_WORDS = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*(?: [^\W\d_]+(?:['’-][^\W\d_]+)*){0,7}")


@lru_cache(maxsize=16_384)
def unit_form(text: str, *, is_marked: bool = True, is_spaced: bool = True) -> str | None:
    """Return the form of a unit or of counted things; None for a text that is neither.

    Args:
        text: what follows the value.
        is_marked: whether the text is in \\text{...}, so that its letters are no variables.
        is_spaced: whether white space is between the value and the text.
    """
    for pattern, replacement in _CLEAN:
        text = pattern.sub(replacement, text)
    text = text.strip(" .")
    if not text or len(text) > 80:
        return None
    name = re.split(r"[\^/ \d-]", text, maxsplit=1)[0]
    if not is_marked:
        if len(name) == 1 and name.isascii() and name.isalpha():
            if name not in (SPACED_LETTER_UNITS if is_spaced else LETTER_UNITS):
                return None
        elif not is_spaced and name in SPACED_NAMES:
            return None
    return known_unit(text) or _things(text, is_marked=is_marked, is_spaced=is_spaced)


@lru_cache(maxsize=16_384)
def known_unit(text: str) -> str | None:
    """Return the form of a unit whose factors are all known."""
    if form := known_name(text.replace(" ", "_")):
        return form
    for tail in TAILS:
        if text.endswith(f" {tail}"):
            return known_unit(text.removesuffix(f" {tail}"))
    if " of " in text and (form := known_name(text.split(" of ")[0].replace(" ", "_"))):
        return form  # cups of milk
    for prefix, power in PREFIXED_POWERS.items():
        if text.lower().startswith(prefix) and (form := known_name(text[len(prefix) :])):
            return f"{form}^{power}"
    return _parsed_unit(text)


def _parsed_unit(text: str) -> str | None:
    tokens: list[tuple[str, int]] = []
    index = 0
    while index < len(text):
        match = _TOKEN.match(text, index)
        if match is None:
            return None
        index = match.end()
        if not match[5]:
            tokens.append((match[1] or match[2], int(match[3] or match[4] or 1)))
    factors: list[tuple[str, int]] = []
    sign, prefix, i = 1, 1, 0
    while i < len(tokens):
        name, _ = tokens[i]
        if name == "/":
            sign = -1
        elif name.lower() in POWERS_BEFORE:
            prefix = POWERS_BEFORE[name.lower()]
        elif name.lower() in POWERS_AFTER and factors:
            factors[-1] = (factors[-1][0], factors[-1][1] * POWERS_AFTER[name.lower()])
        else:
            size = next((n for n in (3, 2, 1) if _name_at(tokens, i, n)), 0)
            if not size:
                return None
            i += size - 1
            known = _name_at(tokens, i + 1 - size, size)
            assert known is not None
            factors += [(part, exponent * sign * tokens[i][1] * prefix) for part, exponent in factors_of(known)]
            prefix = 1
        i += 1
    return _form(factors) if prefix == 1 else None


def _name_at(tokens: list[tuple[str, int]], index: int, size: int) -> str | None:
    """Return the form of the unit whose name has `size` words."""
    words = tokens[index : index + size]
    if len(words) < size or any(power != 1 for _, power in words[:-1]):
        return None
    name = "_".join(word for word, _ in words)
    return known_name(name) or known_name(name.rstrip(".")) or (_hyphenated(name) if size == 1 else None)


def _hyphenated(name: str) -> str | None:
    """Return the form of a product with a hyphen: foot-pounds."""
    left, _, right = name.partition("-")
    forms = known_name(left), known_name(right.rstrip("."))
    return _form([(form, 1) for form in forms if form]) if all(forms) else None


def _things(text: str, *, is_marked: bool, is_spaced: bool) -> str | None:
    """Return the form of counted things: words in lower case, the last one in the singular."""
    numerator, slash, denominator = text.partition("/")
    for tail in TAILS:
        numerator = numerator.removesuffix(f" {tail}")
    if not _WORDS.fullmatch(numerator):
        return None
    words = numerator.lower().split()
    is_latin = numerator.isascii()
    if (
        words[0] in NO_UNITS
        or not VERBS.isdisjoint(words)
        or (is_latin and any(len(word) < 2 and word != "a" for word in words))
    ):
        return None
    if is_latin and not is_marked and (not is_spaced or len(words[0]) < 3):
        return None
    if not is_latin and len(numerator) > 1:
        numerator_words = " ".join(words)
        words = [
            numerator_words[1:] if numerator_words[0] in COUNTERS and len(numerator_words) > 1 else numerator_words
        ]
    things = " ".join([*words[:-1], _singular(words[-1])])
    if not slash:
        return things
    below = unit_form(denominator)
    return f"{things}/{below}" if below and "/" not in below and "*" not in below else None


def _singular(word: str) -> str:
    if not word.isascii() or len(word) < 4 or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("xes", "ches", "shes", "sses")):
        return word[:-2]
    return word.removesuffix("s")


# --- Quantities in their form ---------------------------------------------------------------------------------------

NUMERIC = re.compile(r"(?:[-\d.+*/^(){}!]|\[\d\]|\\(?:frac|sqrt|pi|cdot|times|pm)(?![a-zA-Z]))+%?")
ALGEBRAIC = re.compile(
    r"(?:[-\d.+*/^(){}!]|[a-zA-Z](?![a-zA-Z]{2})|\[\d\]|\\(?:frac|sqrt|pi|cdot|times|pm)(?![a-zA-Z]))+"
)
_QUANTITY = re.compile(
    r"([^ ]*[\d)}!a-zA-Z%]) ((?:[^\W\d_]|[°‰"
    + MONEY_SIGNS
    + r"])[^\d(){}\[\],;=<>\\]*(?:\^-?\d+[^\d(){}\[\],;=<>\\]*)*|1/.*)"
)


_SHORT_WORDS = frozenset(("a", "an", "no", "in", "on", "at", "by", "to", "of", "or", "is", "as"))


@lru_cache(maxsize=65_536)
def split_quantity(form: str) -> tuple[str, str | None]:
    """Return value and unit of a canonical form; the form itself and None if it is no quantity."""
    if form.endswith("^\\circ") and NUMERIC.fullmatch(form.removesuffix("^\\circ")):
        return form.removesuffix("^\\circ"), "°"
    match = _QUANTITY.fullmatch(form)
    if match is None:
        return form, None
    value, unit = match.groups()
    if NUMERIC.fullmatch(value):
        is_things = number(value.removesuffix("%")) is not None and len(unit) + (not unit.isascii()) > 1
        is_quantity = is_known(unit) or (is_things and unit.split()[0] not in NO_UNITS)
    else:  # 2x cm, but not the words "a day" and "no h"
        is_quantity = (
            len(unit) > 1 and is_known(unit) and value not in _SHORT_WORDS and bool(ALGEBRAIC.fullmatch(value))
        )
    return (value, unit) if is_quantity else (form, None)


def is_known(unit: str) -> bool:
    """Return whether all factors of a unit's form are units; False for counted things."""
    return all(name in _MEANINGS for name, _ in factors_of(unit))


@lru_cache(maxsize=16_384)
def _meanings_of(unit: str) -> tuple[Meaning, ...]:
    return _multiplied(factors_of(unit))


def same_unit(left: str, right: str) -> bool:
    """Return whether two units may be the same: `N` and `kg*m/s^2`, `pound?` and `lb`, `red apple` and `apple`.

    This is not transitive, because a name may have several meanings.
    """
    if left == right or set(_meanings_of(left)) & set(_meanings_of(right)):
        return True
    if is_known(left) or is_known(right):
        return False
    shorter, longer = sorted((left, right), key=len)
    if not left.isascii() and not right.isascii():
        return longer.endswith(shorter) or shorter in COUNTERS
    return longer.endswith(f" {shorter}")


def conversion(left: str, right: str) -> Fraction | None:
    """Return the factor that turns a value in `left` into a value in `right`; None for units of different kinds."""
    for size, dimension in _meanings_of(left):
        for other_size, other_dimension in _meanings_of(right):
            if dimension == other_dimension:
                return size / other_size
    return None
