"""Numbers in words, in an answer, in a sentence and in an answer of words."""

import pytest

from stages.answers.canonical.form import canonical
from stages.answers.canonical.han_numbers import han_value
from stages.answers.canonical.number_words import number_at
from stages.answers.canonical.words_to_digits import with_digits
from stages.answers.wording.form import normalised_text

# Language, words, value. The words are read alone and in a sentence.
NUMBERS = [
    ("en", "two hundred and five", "205"),
    ("en", "a hundred", "100"),
    ("en", "nineteen hundred", "1900"),
    ("en", "one thousand, two hundred and five", "1205"),
    ("en", "two million five hundred thousand", "2500000"),
    ("en", "five halves", "5/2"),
    ("en", "two third", "2/3"),
    ("en", "two and two thirds", "8/3"),
    ("en", "three point one four", "3.14"),
    ("en", "half a dozen", "6"),
    ("de", "zweiunddreißig", "32"),
    ("de", "zweihundertfünf", "205"),
    ("de", "zweitausenddreihundertfünfundvierzig", "2345"),
    ("de", "eine Million", "1000000"),
    ("de", "zwei Drittel", "2/3"),
    ("de", "eins Komma fünf", "1.5"),
    ("fr", "trois quarts", "3/4"),
    ("fr", "trois et demi", "7/2"),
    ("fr", "trois virgule quatorze", "3.14"),
    ("es", "dos tercios", "2/3"),
    ("it", "tre quarti", "3/4"),
    ("ru", "две трети", "2/3"),
    ("fr", "dix-sept", "17"),
    ("fr", "soixante-dix-sept", "77"),
    ("fr", "soixante et onze", "71"),
    ("fr", "quatre-vingts", "80"),
    ("fr", "quatre-vingt-dix-sept", "97"),
    ("fr", "deux mille vingt-quatre", "2024"),
    ("es", "treinta y cinco", "35"),
    ("es", "doscientos cincuenta", "250"),
    ("es", "dos mil millones", "2000000000"),
    ("pt", "vinte e cinco", "25"),
    ("pt", "cento e vinte e três", "123"),
    ("it", "trentuno", "31"),
    ("it", "duecentocinquanta", "250"),
    ("it", "duemilatrecento", "2300"),
    ("ru", "двадцать пять", "25"),
    ("ru", "тысяча девятьсот", "1900"),
]
NO_NUMBERS = [
    "nineteen ninety-nine",
    "twenty-first",
    "twenty first",
    "two hundredth",
    "thirty second",
    "two third graders",
    "a third person",
    "três quartos",  # three bedrooms, or 3/4
    "hundred people",
]


@pytest.mark.parametrize(("language", "words", "value"), NUMBERS)
def test_number(language: str, words: str, value: str) -> None:
    assert with_digits(f"{words}.", language) == f"{value}."
    assert canonical(words) == value
    number = number_at(words, 0, language)
    assert number is not None
    assert number[1] == len(words)


@pytest.mark.parametrize("words", NO_NUMBERS)
def test_no_whole_number(words: str) -> None:
    number = number_at(words, 0, "en")
    assert number is None or number[1] < len(words)
    assert not canonical(words)[0].isdigit()


@pytest.mark.parametrize(
    ("sentence", "digits"),
    [
        ("There are a hundred people.", "There are 100 people."),
        ("one of them", "one of them"),
        ("the answer is one", "the answer is 1"),
        ("half of the twelve", "half of the 12"),
        ("five cents and six cents", "5 cents and 6 cents"),
        ("twenty and five", "20 and 5"),  # a list
        ("one thousand, two thousand", "1000, 2000"),
        ("答案是三十二", "答案是32"),
        ("一共有十二个，星期三", "一共有12个，星期三"),
    ],
)
def test_sentence(sentence: str, digits: str) -> None:
    assert with_digits(sentence) == digits


@pytest.mark.parametrize(
    ("answer", "form"),
    [("six cents", "6 cent"), ("cinq cents", "500"), ("moins cinq", "-5"), ("once", "once"), ("uno", "uno"),
     ("dos y tres", "2,3"), ("two hundred, five", "200,5"), ("cent", "cent"), ("千二百円", "1200 JPY")],
)  # fmt: skip
def test_answer(answer: str, form: str) -> None:
    assert canonical(answer) == form


@pytest.mark.parametrize(
    ("numeral", "value"),
    [("十", 10), ("二十三", 23), ("一百零五", 105), ("一千零五", 1005), ("二〇二四", 2024), ("2万5千", 25000),
     ("1億2000万", 120_000_000), ("三点五", 3.5), ("一百五", None), ("二三", None), ("千二百", None), ("百", None)],
)  # fmt: skip
def test_chinese_numeral(numeral: str, value: float | None) -> None:
    assert han_value(numeral) == value


def test_chinese_and_japanese_numerals_differ() -> None:
    assert han_value("千二百", is_japanese=True) == 1200
    assert han_value("百五", is_japanese=True) == 105


@pytest.mark.parametrize(
    ("text", "form"),
    [("two hundred and five people", "205people"), ("Seven Samurai", "7samurai"), ("one of us", "one of us"),
     ("a dozen", "dozen"), ("Three and a half cups", "3and a half cups"), ("3 and a half cups", "3and a half cups"),
     ("three point five", "3.5"),
     ("thirty-second", "32nd"), ("nineteen ninety", "nineteen ninety")],
)  # fmt: skip
def test_text(text: str, form: str) -> None:
    assert normalised_text(text) == form
