"""Numbers in words: "two hundred and five", "zweiunddreißig", "soixante-dix-sept", "двадцать", "two thirds".

The words of each language are one table, and `number_at` reads them in all languages. `digits` replaces them by digits;
numerals in Chinese characters are in `han_numbers`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache

from stages.answers.canonical.han_numbers import HAN_SCALES

# --- The words of each language ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Language:
    below_twenty: str
    """Words for 0, 1, 2 and so on."""
    tens: str
    """Words for 20, 30 and so on."""
    scales: dict[int, str]
    """Power of ten -> words that a number may stand before: "five thousand"."""
    hundreds: str = ""
    """Words for 100, 200 and so on, in languages that have them."""
    more: dict[str, int] = field(default_factory=dict)
    """Other spellings, and forms of other genders and cases."""
    phrases: dict[str, str] = field(default_factory=dict)
    """Several words -> the word of these tables that they stand for."""
    alone: str = ""
    """Words of `scales` that are a number without another number before them: "mille"."""
    conjunction: tuple[str, int, int] = ("", 0, 0)
    """The word for "and" inside a number, and the least and the largest value of the word before it."""
    article: str = ""
    dozen: str = ""
    parts: dict[str, int] = field(default_factory=dict)
    """Singular of a denominator -> its value."""
    plural_parts: dict[str, int] = field(default_factory=dict)
    """Plural of a denominator (in other languages than English also singulars) -> its value; 0 for a word that also
    names things: "três quartos" are three bedrooms, or 3/4."""
    point: str = ""


_ENGLISH_PARTS = {
    "half": 2, "quarter": 4, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8, "ninth": 9,
    "tenth": 10, "twelfth": 12, "hundredth": 100,
}  # fmt: skip
_ANY = 10**15

LANGUAGES = {
    "en": _Language(
        below_twenty="zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
        "sixteen seventeen eighteen nineteen",
        tens="twenty thirty forty fifty sixty seventy eighty ninety",
        scales={2: "hundred", 3: "thousand thousands", 5: "lakh lakhs", 6: "million millions", 7: "crore crores",
                9: "billion billions", 12: "trillion trillions"},
        conjunction=("and", 100, _ANY),
        article="a an",
        dozen="dozen dozens",
        parts=_ENGLISH_PARTS,
        plural_parts={f"{part}s": value for part, value in _ENGLISH_PARTS.items()} | {"halves": 2},
        point="point",
    ),
    "de": _Language(
        below_twenty="null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn "
        "sechzehn siebzehn achtzehn neunzehn",
        tens="zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig",
        scales={2: "hundert", 3: "tausend", 6: "million millionen mio", 9: "milliarde milliarden mrd",
                12: "billion billionen"},
        more={"dreissig": 30},
        alone="hundert tausend",
        conjunction=("und", 100, _ANY),
        article="ein eine",
        dozen="dutzend",
        plural_parts={"drittel": 3, "viertel": 4, "fünftel": 5, "sechstel": 6, "siebtel": 7, "achtel": 8, "neuntel": 9,
                      "zehntel": 10, "hundertstel": 100},
        point="komma",
    ),
    "fr": _Language(
        below_twenty="zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize",
        tens="vingt trente quarante cinquante soixante septante huitante nonante",
        scales={2: "cent cents", 3: "mille", 6: "million millions", 9: "milliard milliards"},
        more={"dix-sept": 17, "dix-huit": 18, "dix-neuf": 19, "quatre-vingt": 80},
        phrases={"quatre vingts": "quatre-vingt", "quatre vingt": "quatre-vingt", "dix sept": "dix-sept",
                 "dix huit": "dix-huit", "dix neuf": "dix-neuf"},
        alone="cent mille",
        conjunction=("et", 20, 90),
        article="une",
        dozen="douzaine douzaines",
        plural_parts={"demi": 2, "tiers": 3, "quart": 4, "quarts": 4, "cinquièmes": 5, "sixièmes": 6, "septièmes": 7,
                      "huitièmes": 8, "neuvièmes": 9, "dixièmes": 10, "centièmes": 100},
        point="virgule",
    ),
    "es": _Language(
        below_twenty="cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince "
        "dieciséis diecisiete dieciocho diecinueve veinte veintiuno veintidós veintitrés veinticuatro veinticinco "
        "veintiséis veintisiete veintiocho veintinueve",
        tens="veinte treinta cuarenta cincuenta sesenta setenta ochenta noventa",
        hundreds="ciento doscientos trescientos cuatrocientos quinientos seiscientos setecientos ochocientos "
        "novecientos",
        scales={3: "mil", 6: "millón millones", 9: "millardo"},
        more={"cien": 100, "dieciseis": 16, "veintidos": 22, "veintitres": 23, "veintiseis": 26, "un": 1},
        phrases={"mil millones": "millardo"},
        alone="mil",
        conjunction=("y", 20, 90),
        article="una",
        dozen="docena docenas",
        plural_parts={"medio": 2, "tercio": 3, "tercios": 3, "cuarto": 4, "cuartos": 4, "quintos": 5, "sextos": 6,
                      "séptimos": 7, "octavos": 8, "novenos": 9, "décimos": 10},
        point="coma",
    ),
    "pt": _Language(
        below_twenty="zero um dois três quatro cinco seis sete oito nove dez onze doze treze catorze quinze dezesseis "
        "dezessete dezoito dezenove",
        tens="vinte trinta quarenta cinquenta sessenta setenta oitenta noventa",
        hundreds="cento duzentos trezentos quatrocentos quinhentos seiscentos setecentos oitocentos novecentos",
        scales={3: "mil", 6: "milhão milhões", 9: "bilhão bilhões", 12: "trilhão trilhões"},
        more={"cem": 100, "duas": 2, "quatorze": 14, "dezasseis": 16, "dezassete": 17, "dezanove": 19},
        alone="mil",
        conjunction=("e", 20, _ANY),
        article="uma",
        dozen="dúzia dúzias",
        plural_parts={"meio": 2, "terço": 3, "terços": 3, "quartos": 0, "quintos": 5, "sextos": 6, "oitavos": 8,
                      "décimos": 10},
        point="vírgula",
    ),
    "it": _Language(
        below_twenty="zero uno due tre quattro cinque sei sette otto nove dieci undici dodici tredici quattordici "
        "quindici sedici diciassette diciotto diciannove",
        tens="venti trenta quaranta cinquanta sessanta settanta ottanta novanta",
        hundreds="cento duecento trecento quattrocento cinquecento seicento settecento ottocento novecento",
        scales={3: "mille mila", 6: "milione milioni", 9: "miliardo miliardi"},
        more={"un": 1},
        alone="mille",
        article="una",
        dozen="dozzina dozzine",
        plural_parts={"mezzo": 2, "terzo": 3, "terzi": 3, "quarti": 4, "quinti": 5, "sesti": 6, "settimi": 7,
                      "ottavi": 8, "noni": 9, "decimi": 10},
        point="virgola",
    ),
    "ru": _Language(
        below_twenty="ноль один два три четыре пять шесть семь восемь девять десять одиннадцать двенадцать тринадцать "
        "четырнадцать пятнадцать шестнадцать семнадцать восемнадцать девятнадцать",
        tens="двадцать тридцать сорок пятьдесят шестьдесят семьдесят восемьдесят девяносто",
        hundreds="сто двести триста четыреста пятьсот шестьсот семьсот восемьсот девятьсот",
        scales={3: "тысяча тысяч тысячи тыс", 6: "миллион миллиона миллионов млн",
                9: "миллиард миллиарда миллиардов млрд"},
        more={"одна": 1, "одно": 1, "две": 2, "двух": 2, "трёх": 3, "трех": 3, "четырёх": 4, "пяти": 5, "шести": 6,
              "семи": 7, "десяти": 10},
        alone="тысяча",
        dozen="дюжина дюжины дюжин",
        plural_parts={"треть": 3, "трети": 3, "третьих": 3, "четверть": 4, "четверти": 4, "четвёртых": 4,
                      "четвертых": 4, "пятых": 5, "шестых": 6, "седьмых": 7, "восьмых": 8, "девятых": 9, "десятых": 10},
    ),
}  # fmt: skip
SCALES = {
    word: power
    for language in reversed(LANGUAGES.values())  # "billion" as in English
    for power, words in language.scales.items()
    for word in words.split()
    if word not in ("cent", "cents")  # money, as in "5 cents"
} | HAN_SCALES
"""Word after a number -> power of ten that it stands for, in all languages."""
OTHER_SCALES = (
    frozenset(SCALES) - set(HAN_SCALES) - {word for words in LANGUAGES["en"].scales.values() for word in words.split()}
)
"""Words of `SCALES` in languages with a decimal comma."""
SIGN_WORDS = frozenset(("minus", "negative", "moins", "menos", "meno", "минус"))
AND_A_HALF = r"and a half|et demie?|y medi[oa]|e mei[oa]|e mezz[oa]|einhalb|und eine halbe|с половиной"
"""Words for 1/2 after a whole number in digits: "3 and a half"."""
ORDINALS = (
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh",
    "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth", "eighteenth", "nineteenth",
    "twentieth",
)  # fmt: skip
"""English words for 1st, 2nd and so on."""


def _values_of(language: str) -> dict[str, int]:
    """Return word -> number of one language, for numbers below 1000 that are one word."""
    words = LANGUAGES[language]
    small, tens = words.below_twenty.split(), words.tens.split()
    values = {word: value for value, word in enumerate(small)} | {word: 10 * i for i, word in enumerate(tens, start=2)}
    hundreds = {word: 100 * i for i, word in enumerate(words.hundreds.split(), start=1)}
    if language == "de":
        ones = ["ein", *small[2:10]]
        values |= {f"{one}und{ten}": 10 * i + k for i, ten in enumerate(tens, 2) for k, one in enumerate(ones, 1)}
        hundreds = {f"{one}hundert": 100 * i for i, one in enumerate(ones, start=1)}
    if language == "it":  # trentadue, trentuno
        values |= {
            (ten[:-1] if one[0] in "uo" else ten) + one: 10 * i + k
            for i, ten in enumerate(tens, 2)
            for k, one in enumerate(small[1:10], 1)
        }
    if language in ("de", "it"):  # zweihundertfünf, duecentocinque
        values |= {
            start + end: hundred + value
            for start, hundred in hundreds.items()
            for end, value in list(values.items())
            if 0 < value < 100
        }
    return values | hundreds | words.more


_VALUES = {language: _values_of(language) for language in LANGUAGES}
ENGLISH = _VALUES["en"]
"""English words for numbers below 100, and their values."""
_SCALES = {
    language: {word: 10**power for power, names in words.scales.items() for word in names.split()}
    for language, words in LANGUAGES.items()
}
_ARTICLES = {language: frozenset(words.article.split()) for language, words in LANGUAGES.items()}
_DOZENS = {language: frozenset(words.dozen.split()) for language, words in LANGUAGES.items()}
_POINTS = frozenset(words.point for words in LANGUAGES.values())
_THOUSANDS = {"de": ("tausend",), "it": ("mila", "mille")}
"""Words for thousands that are written in one word with the numbers around them."""
_INSIDE = {
    language: frozenset((
        *_ARTICLES[language], *_DOZENS[language], *words.parts, *words.plural_parts, words.conjunction[0], words.point,
    ))
    for language, words in LANGUAGES.items()
}  # fmt: skip
"""Words inside a number that are not whole numbers."""
_ORDINAL = re.compile(
    r"(?:перв|втор|трет|четв[её]рт|пят|шест|седьм|восьм|девят)(?:ый|ой|ая|ое|ого|ом|ья|ий)\Z"
    rf"|(?:{'|'.join(ORDINALS[:9])})\Z"
)
_ORDINAL_PARTS = frozenset(_ENGLISH_PARTS) - {"half", "quarter"}
"""Denominators that are ordinals too: "a third"."""
_NEXT_WORD = re.compile(r"( |-|, )?([^\W\d_]+)(?![\w'’])")
_WORD_BEFORE = re.compile(r"([^\W\d_]{1,40})[ -]\Z")
_AFTER_PART = re.compile(r" of\b|\s*(?:[.,;:!?)*%]|\Z)")
_MOST_WORDS = 16


def is_dozen(word: str) -> bool:
    """Return whether a word stands for 12 in any language."""
    return any(word.lower() in words for words in _DOZENS.values())


def may_start(word: str, language: str) -> bool:
    """Return whether a number of a language may start with a word in lower case."""
    words = LANGUAGES[language]
    return _pieces(word, language) is not None or word in _ARTICLES[language] or words.parts.get(word) == 2


def number_at(text: str, index: int, language: str) -> tuple[Fraction, int] | None:
    """Return the longest number in words that starts at an index of a text, and the index of its end.

    Return None without a number, or if another number word is right before or behind it: "nineteen ninety".
    """
    before = _WORD_BEFORE.search(text, max(0, index - 41), index)
    if before and _pieces(before[1].lower(), language):
        return None
    words, ends = _words_at(text, index, language)
    for count in range(len(words), 0, -1):
        value = _value(words[:count], language)
        if value is None or _goes_on(text, ends[count - 1], value, language):
            continue
        is_ordinal = words[count - 1] in _ORDINAL_PARTS and words[0] != "one" and "and" not in words[:count]
        if not is_ordinal or _AFTER_PART.match(text, ends[count - 1]):
            return value, ends[count - 1]  # neither "a third person" nor "two fifth graders"
    return None


def _words_at(text: str, index: int, language: str) -> tuple[list[str], list[int]]:
    """Return the words from an index on that may belong to one number, in lower case, and the index of each end."""
    words: list[str] = []
    ends: list[int] = []
    while len(words) < _MOST_WORDS and (match := _NEXT_WORD.match(text, index)):
        gap, word = match[1] or "", match[2].lower()
        after_thousands = bool(words) and _SCALES[language].get(words[-1], 0) >= 1000
        if (gap == "") == bool(words) or (gap == ", " and not after_thousands):
            break
        if word not in _INSIDE[language] and _pieces(word, language) is None:
            break
        words.append(word)
        ends.append(index := match.end())
    return words, ends


def _goes_on(text: str, end: int, value: Fraction, language: str) -> bool:
    """Return whether the word right behind a number changes it: "-first", " hundred"."""
    match = _NEXT_WORD.match(text, end)
    if match is None or match[1] not in (" ", "-"):
        return text[end : end + 1] == "-"
    word = match[2].lower()
    is_part = word in (_ORDINAL_PARTS if language == "en" else LANGUAGES[language].plural_parts)
    if match[1] == "-" or is_part or _pieces(word, language) is not None:
        return True
    return (language == "ru" or (value >= 20 and value % 10 == 0)) and _ORDINAL.match(word) is not None


def as_digits(value: Fraction, words: str) -> str:
    """Return a value in digits: a decimal if its words are those of a decimal ("three point five"), else a fraction."""
    return str(value) if _POINTS.isdisjoint(words.lower().split()) else str(float(value))


@lru_cache(maxsize=16_384)
def _pieces(word: str, language: str) -> tuple[str, ...] | None:
    """Return the number words that a word consists of, None for other words: "zweitausend" is "zwei", "tausend"."""
    values = _VALUES[language]
    if word in values or word in _SCALES[language] or word in " ".join(LANGUAGES[language].phrases).split():
        return (word,)
    for thousand in _THOUSANDS.get(language, ()):
        before, found, after = word.partition(thousand)
        before = "eins" if before == "ein" else before
        if found and all(not part or 0 < values.get(part, 0) < 1000 for part in (before, after)):
            return tuple(part for part in (before, thousand, after) if part)
    return None


def _value(words: Sequence[str], language: str) -> Fraction | None:
    """Return the value of number words: a whole number, a fraction, a mixed or decimal number, a dozen."""
    names, before = LANGUAGES[language], list(words[:-1])
    has_article = len(before) == 1 and before[0] in _ARTICLES[language]
    if words[-1] in _DOZENS[language]:
        return Fraction(12) if has_article else Fraction(6) if before == ["half", "a"] else None
    bottom = names.parts.get(words[-1])
    if bottom or words[-1] in names.plural_parts:
        return _parts(before, bottom, names.plural_parts.get(words[-1], 0), language)
    if names.point and names.point in before:
        return _decimal(words, language)
    whole = _whole(words, language)
    return None if whole is None else Fraction(whole)


def _parts(before: list[str], singular: int | None, plural: int, language: str) -> Fraction | None:
    """Return the value of words before a denominator: "two" thirds, "three and a" half, "a" third."""
    bottom, conjunction = singular or plural, LANGUAGES[language].conjunction[0]
    if not bottom:
        return None
    if conjunction and conjunction in before:
        i = len(before) - 1 - before[::-1].index(conjunction)
        is_half = language != "en" and bottom == 2 and i + 1 == len(before)  # trois et demi
        part = Fraction(1, 2) if is_half else _parts(before[i + 1 :], singular, plural, language)
        whole = _whole(before[:i], language)
        if whole is None or part is None or part >= 1 or not (is_half or before[i + 1 :]):
            return None
        return whole + part
    if not before or (len(before) == 1 and before[0] in (*_ARTICLES[language], "one")):
        return Fraction(1, bottom) if before or bottom == 2 else None
    top = _whole(before, language)
    if not top or (singular and not top < min(bottom, 10)) or singular == 100:
        return None  # twenty-fifth, two hundredth
    return Fraction(top, bottom)


def _decimal(words: Sequence[str], language: str) -> Fraction | None:
    """Return the value of "three point one four" and "trois virgule quatorze"."""
    i = list(words).index(LANGUAGES[language].point)
    whole, decimals = _whole(words[:i], language), words[i + 1 :]
    digits = [_VALUES[language].get(word, 10) for word in decimals]
    behind = "".join(map(str, digits)) if max(digits, default=10) < 10 else _whole(decimals, language)
    return None if whole is None or behind is None else Fraction(f"{whole}.{behind}")


def _whole(words: Sequence[str], language: str) -> int | None:
    """Return the value of words for a whole number."""
    names, values, scales = LANGUAGES[language], _VALUES[language], _SCALES[language]
    alone, (conjunction, least, most) = names.alone.split(), names.conjunction
    total = group = 0
    room = last_scale = 10**18  # the next number in a group, and the next scale, have to be smaller
    before = 0  # value of the word before
    for i, word in enumerate(pieces := _joined(words, language)):
        if word in scales:
            scale = scales[word]
            has_factor = group > 0 or word in alone or (i == 1 and pieces[0] in _ARTICLES[language])
            if not has_factor or scale >= last_scale or (scale == 100 and group >= 100):
                return None
            group = max(group, 1) * scale
            room = before = scale
            if scale > 100:
                total, group, last_scale, room = total + group, 0, scale, 1000
        elif word in values:
            before = values[word]
            if before >= room or (before == 0 and len(pieces) > 1):
                return None
            group += before
            room = 100 if before >= 100 else 10 if before >= 20 else 0
            if language == "fr" and before in (60, 80):  # soixante-douze, quatre-vingt-dix
                room = 20
        elif i == 0 and word in _ARTICLES[language] and len(pieces) > 1:
            continue
        elif not (word == conjunction and least <= before <= most and i + 1 < len(pieces)):
            return None
    return total + group if pieces else None


def _joined(words: Sequence[str], language: str) -> list[str]:
    """Return number words with one word for each number: "zweitausend" is two words, "quatre vingt" is one."""
    text = " ".join(words)
    for phrase, word in LANGUAGES[language].phrases.items():
        text = text.replace(phrase, word)
    return [piece for word in text.split() for piece in _pieces(word, language) or (word,)]
