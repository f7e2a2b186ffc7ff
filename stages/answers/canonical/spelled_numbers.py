"""Numbers in words as digits: "twenty-five", "двенадцать", "zweiunddreißig", "三十二".

Words for powers of ten ("thousand") are those that may follow digits too (`numerals.NUMBER_WORDS`). Words for 1 are
mostly pronouns or articles, so they stay, unless a word such as "is" is before them.
"""

import re
from fractions import Fraction
from itertools import product

from stages.answers.canonical.numerals import NUMBER_WORDS
from stages.answers.canonical.unit_names import COUNTERS

_BELOW_TWENTY = {
    "en": "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen",
    "de": "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn "
    "siebzehn achtzehn neunzehn",
    "fr": "zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize",
    "es": "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciséis "
    "diecisiete dieciocho diecinueve veinte veintiuno veintidós veintitrés veinticuatro veinticinco veintiséis "
    "veintisiete veintiocho veintinueve",
    "pt": "zero um dois três quatro cinco seis sete oito nove dez onze doze treze catorze quinze dezesseis dezessete "
    "dezoito dezenove",
    "it": "zero uno due tre quattro cinque sei sette otto nove dieci undici dodici tredici quattordici quindici sedici "
    "diciassette diciotto diciannove",
    "ru": "ноль один два три четыре пять шесть семь восемь девять десять одиннадцать двенадцать тринадцать "
    "четырнадцать пятнадцать шестнадцать семнадцать восемнадцать девятнадцать",
}
"""Language -> words for 0, 1, 2 and so on."""
_TENS = {
    "en": "twenty thirty forty fifty sixty seventy eighty ninety",
    "de": "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig",
    "fr": "vingt trente quarante cinquante soixante septante huitante nonante",
    "es": "veinte treinta cuarenta cincuenta sesenta setenta ochenta noventa",
    "pt": "vinte trinta quarenta cinquenta sessenta setenta oitenta noventa",
    "it": "venti trenta quaranta cinquanta sessanta settanta ottanta novanta",
    "ru": "двадцать тридцать сорок пятьдесят шестьдесят семьдесят восемьдесят девяносто",
}
"""Language -> words for 20, 30 and so on."""
_HUNDREDS = {
    "es": "ciento doscientos trescientos cuatrocientos quinientos seiscientos setecientos ochocientos novecientos",
    "pt": "cento duzentos trezentos quatrocentos quinhentos seiscentos setecentos oitocentos novecentos",
    "it": "cento duecento trecento quattrocento cinquecento seicento settecento ottocento novecento",
    "ru": "сто двести триста четыреста пятьсот шестьсот семьсот восемьсот девятьсот",
}
"""Language -> words for 100, 200 and so on, if they are words of their own."""
_OTHERS = {
    "de": {"dreissig": 30, "hundert": 100, "tausend": 1000},
    "fr": {"quatre-vingt": 80},
    "es": {"cien": 100, "dieciseis": 16, "veintidos": 22, "veintitres": 23, "veintiseis": 26},
    "pt": {"cem": 100, "duas": 2, "quatorze": 14, "dezasseis": 16, "dezassete": 17, "dezanove": 19},
    "ru": {
        "одна": 1, "одно": 1, "две": 2, "двух": 2, "трёх": 3, "трех": 3, "четырёх": 4, "пяти": 5, "шести": 6,
        "семи": 7, "десяти": 10,
    },
}  # fmt: skip
_AND = {"en": "and", "fr": "et", "es": "y", "pt": "e", "de": "und"}


def _values(language: str) -> dict[str, int]:
    """Return word -> number of one language."""
    small, tens = _BELOW_TWENTY[language].split(), _TENS[language].split()
    values = {word: value for value, word in enumerate(small)} | {w: 20 + 10 * i for i, w in enumerate(tens)}
    values |= {word: 100 * i for i, word in enumerate(_HUNDREDS.get(language, "").split(), start=1)}
    for (i, ten), (unit, word) in product(enumerate(tens, start=2), enumerate(small[1:10], start=1)):
        if language == "de":  # zweiunddreißig
            values[f"{word.removesuffix('s') if unit == 1 else word}und{ten}"] = 10 * i + unit
        elif language == "it":  # trentadue, trentuno
            values[(ten[:-1] if word[0] in "uo" else ten) + word] = 10 * i + unit
    if language == "de":
        hundreds = {f"{'ein' if i == 1 else small[i]}hundert": 100 * i for i in range(1, 10)}
        below = {word: value for word, value in values.items() if 0 < value < 100}
        values |= hundreds
        values |= {start + end: hundreds[start] + below[end] for start, end in product(hundreds, below)}
    return values | _OTHERS.get(language, {})


_VALUES = {language: _values(language) for language in _BELOW_TWENTY}
ENGLISH = frozenset(_VALUES["en"])
"""English words for numbers below 100."""
_PARTS = {
    "half": 2, "halves": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8,
    "ninth": 9, "tenth": 10, "hundredth": 100,
}  # fmt: skip
_PARTS |= {f"{name}s": value for name, value in _PARTS.items() if name not in ("half", "halves")}
"""Denominators in words: "two thirds"."""
_STARTS = {language: {*values, *NUMBER_WORDS, "a", "an", "half", "une", "cent"} for language, values in _VALUES.items()}
"""Words that a number may start with."""
_DOZEN = frozenset((
    "dozen", "dozens", "dutzend", "douzaine", "douzaines", "docena", "docenas", "dúzia", "dúzias", "dozzina",
    "dozzine", "дюжина", "дюжины", "дюжин",
))  # fmt: skip
_WORD = re.compile(r"[^\W\d_]+")
_GAP = re.compile(r" |-")
_ONE = re.compile(
    r"(?:\A|[:=]|\b(?:is|are|has|have|leaves?|gives?|gets?|exactly|only|equals?|ist|est|es|é|è|равен|равно|равна)) ?\Z",
    re.IGNORECASE,
)
"""What is before a word for 1 that is a number."""
_NOT_ONE = re.compile(r" (?:of|more|who|that|which|another|or|and|to|less)\b|[-'’]")
_PART_ENDS = re.compile(r"(?: of\b| (?:cups?|miles?|hours?|pounds?|inch|meters?|kilometers?)\b|\s*[.,;:!)*%]|\s*\Z)")
_ORDINAL = re.compile(r"(?:перв|втор|трет|четв[её]рт|пят|шест|седьм|восьм|девят)(?:ый|ой|ая|ое|ого|ом|ья|ий)\Z")
_MOST_WORDS = 16


def is_dozen(word: str) -> bool:
    return word.lower() in _DOZEN


def with_digits(text: str, language: str = "en") -> str:
    """Return a text of one language with digits instead of number words: "two thirds" is 2/3. It has no digits yet."""
    text = _with_chinese_digits(text) if _CHINESE.search(text) else text
    language = "ru" if re.search("[а-яё]", text) else language
    return _with_digits(text, language) if language in _VALUES and len(text) < 2_000 else text


def _with_digits(text: str, language: str) -> str:
    pieces, end = [], 0
    matches = list(_WORD.finditer(text))
    index, unread = 0, -1  # index of a word, and of the word after a number that is not read
    while index < len(matches):
        count, value = _number_at(text, matches, index, language)
        is_number = value is not None and index != unread and _ends_at(text, matches, index + count, language)
        if not is_number:
            unread = index + count if value is not None else -1
            index += count
            continue
        start, stop = matches[index].start(), matches[index + count - 1].end()
        pieces += [text[end:start], str(value)]
        end = stop
        index += count
    return "".join([*pieces, text[end:]])


def _ends_at(text: str, matches: list[re.Match[str]], index: int, language: str) -> bool:
    """Return whether a number ends before a word: neither "twenty-first" nor "nineteen ninety" is a number."""
    if index >= len(matches):
        return True
    gap, word = text[matches[index - 1].end() : matches[index].start()], matches[index][0].lower()
    return gap != " " or (word not in _VALUES[language] and _ORDINAL.match(word) is None) if gap != "-" else False


def _number_at(text: str, matches: list[re.Match[str]], index: int, language: str) -> tuple[int, Fraction | None]:
    """Return the number of words of the longest number that starts at a word, and its value."""
    if matches[index][0].lower() not in _STARTS[language]:
        return 1, None
    words: list[str] = []
    for i, match in enumerate(matches[index : index + _MOST_WORDS]):
        if i and not _GAP.fullmatch(text, matches[index + i - 1].end(), match.start()):
            break
        words.append(match[0].lower())
    for count in range(len(words), 0, -1):
        value = _value(words[:count], language)
        last = matches[index + count - 1]
        if value is None or (value.denominator > 1 and not _PART_ENDS.match(text, last.end())):
            continue
        if (
            count == 1
            and value == 1
            and not (_ONE.search(text, 0, matches[index].start()) and not _NOT_ONE.match(text, last.end()))
        ):
            return 1, None
        return count, value
    return 1, None


def _value(words: list[str], language: str) -> Fraction | None:
    """Return the value of number words: twenty five, two hundred and three, two thirds, three and a half, a dozen."""
    if words[-1] in (_AND.get(language), "a", "an") or words[0] == _AND.get(language):
        return None
    if words[-1] in _DOZEN:
        before = words[:-1]
        count = Fraction(1, 2) if before == ["half", "a"] else Fraction(1) if before in (["a"], ["une"]) else None
        return 12 * count if count is not None else None
    if language == "en" and words[-1] in _PARTS:
        part, before = Fraction(1, _PARTS[words[-1]]), words[:-1]
        if before[-2:] == ["and", "a"] or before[-2:] == ["and", "one"]:
            whole = _whole(before[:-2], language)
            return None if whole is None else whole + part
        if before in (["a"], ["an"]):
            return part
        count_of_parts = _whole(before, language)
        return count_of_parts * part if count_of_parts and count_of_parts < 1 / part else None
    whole = _whole(words, language)
    return None if whole is None else Fraction(whole)


def _whole(words: list[str], language: str) -> int | None:
    """Return the value of words for a whole number."""
    values = _VALUES[language]
    total = group = 0
    room = 10**18  # the next number in the group has to be smaller
    last_scale = 10**18
    joined = " ".join(words).replace("quatre vingts", "quatre-vingt").replace("quatre vingt", "quatre-vingt")
    if not joined:
        return None
    for i, word in enumerate(joined.split()):
        power = 2 if language == "fr" and word in ("cent", "cents") else NUMBER_WORDS.get(word)
        if power is not None and word not in values:
            scale = 10**power
            if (scale == 100 and not 0 <= group < 100) or scale >= last_scale or (i == 0 and language == "en"):
                return None
            group = max(group, 1) * scale
            room = scale
            if scale > 100:
                total, group, last_scale, room = total + group, 0, scale, 1000
        elif word in values:
            value = values[word]
            if value >= room:
                return None
            group += value
            room = 100 if value >= 100 else (20 if language == "fr" and value in (60, 80) else 10) if value >= 20 else 0
        elif word != _AND.get(language):
            return None
    return total + group


# --- Chinese and Japanese ------------------------------------------------------------------------------------------

_CHINESE_DIGITS = {char: i for i, char in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2, "兩": 2}
_CHINESE_POWERS = {"十": 1, "百": 2, "千": 3, "万": 4, "萬": 4, "亿": 8, "億": 8}
_NUMERALS = "零〇一二两兩三四五六七八九十百千万萬亿億"
_CHINESE = re.compile(rf"[{_NUMERALS}]+(?:点[零〇一二三四五六七八九]+)?")
_COUNTED_BY = re.compile(rf" ?(?:[{COUNTERS}元岁歳天斤米克升倍种種次回つ円]|小时|时間|時間|公里|千克|分之|分の)")
_RESULT_BEFORE = re.compile(r"(?:[是为為得有共剩は：:]|等于|等於|答案|分之|分の|负|負)\s?\Z")
_CLAUSE_END = re.compile(r"\s*(?:[。.，,；;！!）)]|です|だ|$)")
_KANA = re.compile(r"[ぁ-ヿ]")
_BARE_POWER = re.compile(r"(?<![一二三四五六七八九])[百千]")
_NO_NUMBER_BEFORE = frozenset("第星期周每某")
_NO_NUMBER_AFTER = re.compile(r"角形|边形|邊形|面体|次函|次方程|元一?二?次|年级|月|维|等")


def _with_chinese_digits(text: str) -> str:
    return _CHINESE.sub(_chinese, text)


def _chinese(match: re.Match[str]) -> str:
    """Return a Chinese numeral as digits; one that may be part of a word as it is: 三角形, 星期三, 一共."""
    text, numeral = match.string, match[0]
    if text[match.start() - 1 : match.start()] in _NO_NUMBER_BEFORE or _NO_NUMBER_AFTER.match(text, match.end()):
        return numeral
    if numeral == "十" and text[match.end() : match.end() + 1] == "分":
        return numeral  # 十分: very
    value = _chinese_value(numeral if not _KANA.search(text) else _with_ones(numeral))
    if value is None or len(numeral) > 1:
        return numeral if value is None else value
    is_result = _RESULT_BEFORE.search(text, 0, match.start()) is not None
    is_counted = _COUNTED_BY.match(text, match.end()) is not None
    if is_result and (_CLAUSE_END.match(text, match.end()) or is_counted):
        return value
    return value if is_counted and numeral not in "一" else numeral


def _with_ones(numeral: str) -> str:
    """Return a Japanese numeral as Chinese writes it: 千二百 as 一千二百."""
    return _BARE_POWER.sub(r"一\g<0>", numeral)


def _chinese_value(numeral: str) -> str | None:
    """Return the digits of a Chinese numeral: 三十二 is 32, 二〇二四 is 2024, 三点五 is 3.5; None for what is none."""
    whole, _, decimals = numeral.partition("点")
    if decimals:
        start, end = _chinese_value(whole), "".join(str(_CHINESE_DIGITS[char]) for char in decimals)
        return None if start is None else f"{start}.{end}"
    if not any(char in _CHINESE_POWERS for char in whole):
        is_number = len(whole) == 1 or len(whole) == 4 or "〇" in whole
        return "".join(str(_CHINESE_DIGITS[char]) for char in whole) if is_number else None
    total = section = 0
    digit: int | None = None
    last_power, largest = 9, 99
    for char in whole:
        power = _CHINESE_POWERS.get(char)
        if power is None:
            if digit:
                return None
            digit = _CHINESE_DIGITS[char]
            continue
        if power < 4:
            if power >= last_power or (digit is None and (power > 1 or section or total)):
                return None
            section += (1 if digit is None else digit) * 10**power
            last_power = power
        else:
            if power >= largest or section + (digit or 0) == 0:
                return None
            total += (section + (digit or 0)) * 10**power
            section, last_power, largest = 0, 9, power
        digit = None
    return str(total + section + (digit or 0))
