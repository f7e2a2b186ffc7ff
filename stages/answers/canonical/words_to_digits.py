"""Digits instead of numbers in words, in an answer (`in_digits`) and in a sentence (`with_digits`)."""

import re
from fractions import Fraction

from stages.answers.canonical.han_numbers import HAN_DIGITS, HAN_NUMERAL, HAN_POWERS, han_value
from stages.answers.canonical.latex_style import TEXT, TEXT_END
from stages.answers.canonical.number_words import LANGUAGES, ORDINALS, SIGN_WORDS, as_digits, may_start, number_at
from stages.answers.canonical.numerals import TwoReadingsError
from stages.answers.canonical.unit_names import COUNTERS
from stages.answers.canonical.units import is_unit_word, known_unit, unit_form

# --- An answer -----------------------------------------------------------------------------------------------------

_FIRST_WORDS = re.compile(rf"((?:{'|'.join(sorted(SIGN_WORDS))}) )?([^\W\d_]+)(?![\w'’])", re.IGNORECASE)
_SEPARATOR = re.compile(r",? (?:and|or|und|oder|et|ou|y|o|e|и|или) |[,;] ?")
_ARTICLE = re.compile(r"^an? ")
_BOTH = re.compile(r"(.*?[^ (]) ?\(([^()]+)\)(.*)")
_DIGIT = re.compile(r"\d")
_NUMBER = re.compile(r"-?[\d,]*\d")
_OTHERWISE_ALONE = frozenset(("null", "un", "um", "uno", "due", "once", "cent", "mil", "mille"))
"""Words of other languages that are mostly something else if they are not part of a longer number."""
_MAX_TEXT = 200


def in_digits(text: str) -> str:
    """Return an answer whose numbers in words are digits: `twelve apples` is `12 apples`; other answers as they are.

    The language is not known, and English comes first. Raises TwoReadingsError for a number in digits and words that
    differ: `12 (eleven)`.
    """
    if len(text) > _MAX_TEXT or "\\" in text:
        return text
    words = " ".join(text.replace(TEXT, " ").replace(TEXT_END, " ").split())
    if _HAN_NUMBER.match(words):
        return _from_han(words) or text
    if _DIGIT.search(words):
        return _in_both(words) or text
    if words.lower() in ORDINALS:
        return f"{ORDINALS.index(words.lower()) + 1}{TEXT}th{TEXT_END}"
    return _members(words) or text


def _in_both(text: str) -> str | None:
    """Return `12 apples` of `12 (twelve) apples` and of `twelve (12) apples`."""
    match = _BOTH.fullmatch(text)
    if match is None:
        return None
    for digits, words in ((match[1], match[2]), (match[2], match[1])):
        form = _members(words) if _NUMBER.fullmatch(digits) else None
        if form is not None and form != digits.replace(",", ""):
            raise TwoReadingsError(f"{digits}, or {words}")
        if form is not None:
            return form + match[3]
    return None


def _members(text: str) -> str | None:
    """Return members with digits in the first language that fits, None if a member starts with no number."""
    first = _FIRST_WORDS.match(text)
    if first is None:
        return None
    languages = [language for language in LANGUAGES if may_start(first[2].lower(), language)]
    return next((form for language in languages if (form := _members_in(text, language))), None)


def _members_in(text: str, language: str) -> str | None:
    """Return members with digits: `two or three` is `2 or 3`."""
    pieces, index = [], 0
    while True:
        first = _FIRST_WORDS.match(text, index)
        number = number_at(text, first.start(2), language) if first else None
        if first is None or number is None:
            return None
        value, end = number
        if language != "en" and end == first.end(2) and first[2].lower() in _OTHERWISE_ALONE:
            return None
        value = -value if first[1] else value
        separator = _SEPARATOR.search(text, end)
        things = text[end : separator.start() if separator else len(text)].strip()
        if value.denominator > 1 and things.startswith("of "):
            things = ""  # two thirds of the class
        things = _ARTICLE.sub("", things)  # half an hour
        if things and (things.startswith("of ") or text[end] != " " or unit_form(things) is None):
            return None
        digits = as_digits(value, text[first.start() : end])
        pieces.append(f"{digits} {TEXT}{things}{TEXT_END}" if things else digits)
        if separator is None:
            return "".join(pieces)
        pieces.append(separator[0])
        index = separator.end()


_HAN_SIGNS = "".join([*HAN_DIGITS, *HAN_POWERS])
_SIZES = "".join(HAN_POWERS)
_HAN_NUMBER = re.compile(
    rf"(?:([{_HAN_SIGNS}\d]{{1,20}})分之)?"
    rf"((?=[^\d]|\d[\d.]*[{_SIZES}]\d+[{_SIZES}])[{_HAN_SIGNS}\d.点]{{1,20}})(.*)"
)


def _from_han(text: str) -> str | None:
    """Return the digits of a number in Chinese characters: `二十三个苹果`, `三分之二`, `百分之五十`, `1億2000万円`."""
    match = _HAN_NUMBER.fullmatch(text)
    if match is None:
        return None
    bottom, top, rest = match.groups()
    value = han_value(top, is_japanese=rest[:1] == "円")
    if value is None or (rest and not (rest[0] in COUNTERS or known_unit(rest))):
        return None  # 三角形 is a triangle
    if bottom == "百":
        return f"{value}%"
    divisor = han_value(bottom) if bottom else 1
    return f"{value / divisor}{rest}" if divisor else None


# --- A sentence ----------------------------------------------------------------------------------------------------

_WORD = re.compile(r"(?<![^\W\d_])[^\W\d_]+")
_ONE = re.compile(
    r"(?:\A|[:=]|\b(?:is|are|has|have|leaves?|gives?|gets?|exactly|only|equals?|ist|est|es|é|è|равен|равно|равна)) ?\Z",
    re.IGNORECASE,
)
"""The text before a word for 1 that is a number. Otherwise the word is mostly a pronoun or an article."""
_NOT_ONE = re.compile(r" (?:of|more|who|that|which|another|or|and|to|less)\b|[-'’]")
_AFTER_FRACTION = re.compile(r" of\b|\s*(?:[.,;:!)*%]|\Z)")
_NEXT_WORD = re.compile(r" ([^\W\d_]{1,20})(?!\w)")
_MAX_SENTENCE = 2_000


def with_digits(text: str, language: str = "en") -> str:
    """Return a text of one language with digits instead of number words: "two thirds" is 2/3. It has no digits yet."""
    text = _HAN.sub(_han, text)
    language = "ru" if re.search("[а-яё]", text) else language
    if language not in LANGUAGES or len(text) >= _MAX_SENTENCE:
        return text
    pieces, end = [], 0
    for word in _WORD.finditer(text):
        if word.start() < end or not may_start(word[0].lower(), language):
            continue
        number = number_at(text, word.start(), language)
        if number is not None and _is_result(text, word, *number):
            pieces += [text[end : word.start()], as_digits(number[0], text[word.start() : number[1]])]
            end = number[1]
    return "".join([*pieces, text[end:]])


def _is_result(text: str, word: re.Match[str], value: Fraction, end: int) -> bool:
    """Return whether a number in a sentence is a number there: neither "one of them" nor "half" alone is."""
    if value.denominator > 1:
        unit = _NEXT_WORD.match(text, end)
        is_whole = _AFTER_FRACTION.match(text, end) or (unit and is_unit_word(unit[1]))
        return end > word.end() and bool(is_whole)
    is_one = value == 1 and end == word.end()
    return not is_one or (_ONE.search(text, 0, word.start()) is not None and not _NOT_ONE.match(text, end))


_HAN = re.compile(HAN_NUMERAL)
_COUNTED_BY = re.compile(rf" ?(?:[{COUNTERS}元岁歳天斤米克升倍种種次回つ円]|小时|时间|時間|公里|千克|分之|分の)")
_RESULT_BEFORE = re.compile(r"(?:[是为為得有共剩は：:]|等于|等於|答案|分之|分の|负|負)\s?\Z")
_CLAUSE_END = re.compile(r"\s*(?:[。.，,；;！!）)]|です|だ|$)")
_KANA = re.compile(r"[ぁ-ヿ]")
_NO_NUMBER_BEFORE = frozenset("第星期周每某")
_NO_NUMBER_AFTER = re.compile(r"角形|边形|邊形|面体|次函|次方程|元一?二?次|年级|月|维|等")


def _han(match: re.Match[str]) -> str:
    """Return a Chinese numeral as digits; one that may be part of a word as it is: 三角形, 星期三, 一共."""
    text, numeral = match.string, match[0]
    if text[match.start() - 1 : match.start()] in _NO_NUMBER_BEFORE or _NO_NUMBER_AFTER.match(text, match.end()):
        return numeral
    if numeral == "十" and text[match.end() : match.end() + 1] == "分":
        return numeral  # 十分: very
    number = han_value(numeral, is_japanese=_KANA.search(text) is not None)
    if number is None:
        return numeral
    value = str(number) if number.denominator == 1 else str(float(number))
    if len(numeral) > 1:
        return value
    is_result = _RESULT_BEFORE.search(text, 0, match.start()) is not None
    is_counted = _COUNTED_BY.match(text, match.end()) is not None
    if is_result and (_CLAUSE_END.match(text, match.end()) or is_counted):
        return value
    return value if is_counted and numeral != "一" else numeral
