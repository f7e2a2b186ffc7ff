"""Numbers in words become digits: `two hundred and five`, `two thirds`, `zwölf`, `二十三`, `2万5千`."""

import re
from fractions import Fraction

from stages.answers.canonical.latex_style import TEXT, TEXT_END
from stages.answers.canonical.numerals import TwoReadingsError
from stages.answers.canonical.unit_names import COUNTERS
from stages.answers.canonical.units import known_unit, unit_form

_SMALL = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16,
    "seventeen": 17, "eighteen": 18, "nineteen": 19,
}  # fmt: skip
_TENS = {
    "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90,
}  # fmt: skip
_SCALES = {"billion": 10**9, "million": 10**6, "thousand": 1_000}
_PARTS = {
    "half": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8, "ninth": 9,
    "tenth": 10, "twelfth": 12, "hundredth": 100,
}  # fmt: skip
_DENOMINATORS = _PARTS | {f"{word}s": value for word, value in _PARTS.items()} | {"halves": 2}
_ORDINALS = (
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh",
    "twelfth",
)  # fmt: skip
_OTHER_LANGUAGES = {
    word: value
    for words in (
        "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf",
        "zéro un deux trois quatre cinq six sept huit neuf dix onze douze",
        "cero uno dos tres cuatro cinco seis siete ocho nueve diez - doce",  # "once" is an English word
        "zero um dois três quatro cinco seis sete oito nove dez onze doze",
        "zero uno - tre quattro cinque sei sette otto nove dieci undici dodici",  # "due" is an English word
        "ноль один два три четыре пять шесть семь восемь девять десять одиннадцать двенадцать",
    )
    for value, word in enumerate(words.split())
    if word not in ("-", "null", "un", "um", "uno")
}

_WORD = re.compile(r"(?:[ -]|, )?([a-z]+)(?![\w'’])", re.IGNORECASE)
_MAY_BE_PART = frozenset((*_SMALL, *_TENS, *_SCALES, *_DENOMINATORS, "hundred", "and", "a", "an"))
_STARTS = {*_SMALL, *_TENS, *_SCALES, *_PARTS, *_OTHER_LANGUAGES, "hundred"}
_FIRST = re.compile(
    rf"(?:minus |negative )?(?:an? )?(?:{'|'.join(sorted(_STARTS, key=len, reverse=True))})(?![\w'’])", re.IGNORECASE
)
_ARTICLE = re.compile(r"^an? ")
_SIGN = re.compile(r"(?:minus|negative) ", re.IGNORECASE)
_SEPARATOR = re.compile(r",? (?:and|or) |[,;] ?")
_BOTH = re.compile(r"(.*?[^ (]) ?\(([^()]+)\)(.*)")
_DIGIT = re.compile(r"\d")
_NUMBER = re.compile(r"-?[\d,]*\d")
_MAX_WORDS = 16
_MAX_TEXT = 200


def in_digits(text: str) -> str:
    """Return a text whose numbers in words are digits: `twelve apples` is `12 apples`; other texts as they are.

    Raises TwoReadingsError for a number in digits and words that differ: `12 (eleven)`.
    """
    if len(text) > _MAX_TEXT or "\\" in text:
        return text
    words = " ".join(text.replace(TEXT, " ").replace(TEXT_END, " ").split())
    if _HAN_NUMBER.match(words):
        return _from_han(words) or text
    if _DIGIT.search(words):
        return _in_both(words) or text
    if words.lower() in _ORDINALS:
        return f"{_ORDINALS.index(words.lower()) + 1}{TEXT}th{TEXT_END}"
    return _members(words) or text if _FIRST.match(words) else text


def _in_both(text: str) -> str | None:
    """Return `12 apples` of `12 (twelve) apples` and of `twelve (12) apples`."""
    match = _BOTH.fullmatch(text)
    if match is None:
        return None
    for digits, words in ((match[1], match[2]), (match[2], match[1])):
        form = _members(words) if _NUMBER.fullmatch(digits) and _FIRST.match(words) else None
        if form is not None and form != digits.replace(",", ""):
            raise TwoReadingsError(f"{digits}, or {words}")
        if form is not None:
            return form + match[3]
    return None


def _members(text: str) -> str | None:
    """Return members with digits, None if a member starts with no number: `two or three` is `2 or 3`."""
    pieces, index = [], 0
    while True:
        member = _number_at(text, index)
        if member is None:
            return None
        value, end = member
        separator = _SEPARATOR.search(text, end)
        things = text[end : separator.start() if separator else len(text)].strip()
        if isinstance(value, Fraction) and things.startswith("of "):
            things = ""  # two thirds of the class
        things = _ARTICLE.sub("", things)  # half an hour
        if things and (things.startswith("of ") or text[end] != " " or unit_form(things) is None):
            return None
        pieces.append(f"{value} {TEXT}{things}{TEXT_END}" if things else str(value))
        if separator is None:
            return "".join(pieces)
        pieces.append(separator[0])
        index = separator.end()


def _number_at(text: str, index: int) -> tuple[Fraction | int, int] | None:
    """Return the number in words that stands at an index of a text, and the index of its end."""
    sign = -1 if (match := _SIGN.match(text, index)) else 1
    index = match.end() if match else index
    words: list[str] = []
    ends: list[int] = []
    position = index
    while len(words) < _MAX_WORDS and (match := _WORD.match(text, position)):
        if match[1].lower() not in _MAY_BE_PART:
            break
        words.append(match[1].lower())
        ends.append(position := match.end())
    for count in range(len(words), 0, -1):
        if (value := _value(words[:count])) is not None:
            return sign * value, ends[count - 1]
    match = _WORD_OF_ANY_LANGUAGE.match(text, index)
    value = _OTHER_LANGUAGES.get(match[0].lower()) if match else None
    return (sign * value, match.end()) if match and value is not None else None


_WORD_OF_ANY_LANGUAGE = re.compile(r"[^\W\d_]+")


def _value(words: list[str]) -> Fraction | int | None:
    """Return the value of English words, None for words that are no number."""
    if words[-1] not in _DENOMINATORS:
        return _whole(words)
    bottom, before = _DENOMINATORS[words[-1]], words[:-1]
    if "and" in before:  # three and a half
        i = len(before) - 1 - before[::-1].index("and")
        whole, part = _whole(before[:i]), _value([*before[i + 1 :], words[-1]])
        is_mixed = whole is not None and isinstance(part, Fraction) and i + 1 < len(before)
        return whole + part if is_mixed and whole is not None and part is not None else None
    if before in (["a"], ["one"]) or words == ["half"]:
        return Fraction(1, bottom)
    top = _whole(before)
    return Fraction(top, bottom) if top and words[-1] not in _PARTS else None  # twenty-fifth is no fraction


def _whole(words: list[str]) -> int | None:
    if words[:1] == ["a"] and words[1:2] and (words[1] == "hundred" or words[1] in _SCALES):
        words = ["one", *words[1:]]
    total = 0
    for scale, size in _SCALES.items():
        if scale in words:
            i = words.index(scale)
            factor = _below_thousand(words[:i])
            if not factor:
                return None
            total, words = total + factor * size, words[i + 1 :]
            if not words:
                return total
            words = words[1:] if words[0] == "and" else words
    rest = _below_thousand(words)
    return None if rest is None else total + rest


def _below_thousand(words: list[str]) -> int | None:
    if "hundred" not in words:
        return _below_hundred(words)
    i = words.index("hundred")
    hundreds, rest = _below_hundred(words[:i]), words[i + 1 :]
    below = _below_hundred(rest[1:] if rest[:1] == ["and"] else rest) if rest else 0
    return hundreds * 100 + below if hundreds and below is not None else None


def _below_hundred(words: list[str]) -> int | None:
    match words:
        case [word]:
            return _SMALL.get(word, _TENS.get(word))
        case [ten, one] if ten in _TENS and 0 < _SMALL.get(one, 0) < 10:
            return _TENS[ten] + _SMALL[one]
    return None


# --- Chinese, Japanese and Korean --------------------------------------------------------------------------------

_HAN_DIGITS = {digit: value for value, digit in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2, "兩": 2}
_HAN_SIZES = {"十": 10, "百": 100, "千": 1_000, "천": 1_000}
_HAN_MYRIADS = {"亿": 10**8, "億": 10**8, "억": 10**8, "万": 10**4, "萬": 10**4, "만": 10**4}
_SIZES = "".join([*_HAN_SIZES, *_HAN_MYRIADS])
_HAN = "".join([*_HAN_DIGITS, *_HAN_SIZES, *_HAN_MYRIADS])
_HAN_NUMBER = re.compile(
    rf"(?:([{_HAN}\d]{{1,20}})分之)?((?=[^百千万亿億萬만억천\d]|\d[\d.]*[{_SIZES}]\d+[{_SIZES}])[{_HAN}\d.]{{1,20}})(.*)"
)
_HAN_GROUP = re.compile(rf"(\d+(?:\.\d+)?|[{''.join(_HAN_DIGITS)}])?([{''.join(_HAN_SIZES)}])?")


def _from_han(text: str) -> str | None:
    """Return the digits of a number in Chinese characters: `二十三个苹果`, `三分之二`, `百分之五十`, `1億2000万円`."""
    match = _HAN_NUMBER.fullmatch(text)
    if match is None:
        return None
    bottom, top, rest = match.groups()
    value = _han_value(top)
    if value is None or (rest and not (rest[0] in COUNTERS or known_unit(rest))):
        return None  # 三角形 is a triangle
    if bottom == "百":
        return f"{value}%"
    divisor = _han_value(bottom) if bottom else 1
    return f"{value / divisor}{rest}" if divisor else None


def _han_value(text: str) -> Fraction | None:
    if len(text) > 1 and all(character in _HAN_DIGITS for character in text):
        return Fraction("".join(str(_HAN_DIGITS[character]) for character in text))  # 二〇二四
    total = Fraction(0)
    for characters in ("亿億억", "万萬만"):
        for character in characters:
            before, sign, after = text.partition(character)
            if sign:
                value = _below_myriad(before)
                if not value:
                    return None
                total, text = total + value * _HAN_MYRIADS[character], after
    rest = _below_myriad(text) if text else Fraction(0)
    return None if rest is None else total + rest


def _below_myriad(text: str) -> Fraction | None:
    total, index, last = Fraction(0), 0, 10_000
    while index < len(text):
        if text[index] in "零〇" and len(text) > 1:
            index += 1
            continue
        match = _HAN_GROUP.match(text, index)
        if match is None or match.end() == index:
            return None
        size = _HAN_SIZES[match[2]] if match[2] else 1
        if size >= last:
            return None
        digit = match[1] or "一"
        total += Fraction(_HAN_DIGITS.get(digit, digit)) * size
        index, last = match.end(), size
    return total if text else None
