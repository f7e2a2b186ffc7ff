"""Labels of options in all scripts: A, (b), 2), ③, iv, Б, イ, 나, ب. Inside, the second option is always "B"."""

import re
from functools import lru_cache

LATIN = "latin"
WEAK = frozenset(("number", "number from 0", "roman", "roman lower", "arabic number", "persian number", "hindi number"))
"""Alphabets that also number statements and steps. A list in another alphabet counts before one of these."""

ALPHABETS: dict[str, tuple[str, ...]] = {
    LATIN: tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
    "latin lower": tuple("abcdefghijklmnopqrstuvwxyz"),
    "number": tuple(map(str, range(1, 27))),
    "number from 0": tuple(map(str, range(26))),
    "roman": ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X"),
    "roman lower": ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x"),
    "arabic number": tuple("١٢٣٤٥٦٧٨٩"),
    "persian number": tuple("۱۲۳۴۵۶۷۸۹"),
    "hindi number": tuple("१२३४५६७८९"),
    "circled": tuple("①②③④⑤⑥⑦⑧⑨⑩⑪⑫⑬⑭⑮⑯⑰⑱⑲⑳"),
    "cyrillic": tuple("АБВГДЕЖЗИК"),
    "cyrillic lower": tuple("абвгдежзик"),
    "cyrillic as latin": ("А", "В", "С", "D", "Е"),  # typed on a Russian keyboard, but meant as Latin
    "cyrillic mixed": ("A", "Б", "В", "Г", "Д", "Е"),  # a Latin A
    "greek": tuple("ΑΒΓΔΕΖΗ"),
    "greek lower": tuple("αβγδεζη"),
    "kana": tuple("アイウエオカキクケコ"),
    "iroha": tuple("イロハニホヘト"),
    "hangul": tuple("가나다라마바사아자차"),
    "jamo": tuple("ㄱㄴㄷㄹㅁㅂㅅㅇㅈㅊ"),
    "abjad": tuple("أبجدهوزح"),
    "arabic": tuple("أبتثجحخ"),
    "persian": ("الف", "ب", "ج", "د", "ه"),
    "hebrew": tuple("אבגדהוזח"),
    "hindi": tuple("कखगघङ"),
    "hindi a b c d": ("अ", "ब", "स", "द"),
    "bengali": tuple("কখগঘঙ"),
    "thai": tuple("กขคงจ"),
    "stems": tuple("甲乙丙丁戊己"),
}


def _positions() -> dict[str, list[tuple[str, int]]]:
    positions: dict[str, list[tuple[str, int]]] = {}
    for name, signs in ALPHABETS.items():
        for number, sign in enumerate(signs):
            positions.setdefault(sign, []).append((name, number))
    return positions


POSITIONS = _positions()
"""Label -> its alphabets with its index in each: "i" is the ninth letter and the first Roman numeral."""

CIRCLED = "[①-⑳]"
LABEL = "|".join(("[ivx]{2,4}", "[IVX]{2,4}", "[0-9]{1,2}", "الف", f"[{''.join(s for s in POSITIONS if len(s) == 1)}]"))
"""Pattern of a label, without the capturing of groups."""

_LABELS = re.compile(LABEL + f"|{CIRCLED}")
SPELLINGS = str.maketrans(
    {
        **{chr(0x24B6 + i): f" ({chr(65 + i)}) " for i in range(26)},  # Ⓐ
        **{chr(0x24D0 + i): f" ({chr(97 + i)}) " for i in range(26)},  # ⓐ
        **{chr(0x249C + i): f" ({chr(97 + i)}) " for i in range(26)},  # ⒜
        **{chr(0x2474 + i): f" ({i + 1}) " for i in range(20)},  # ⑴
        **{chr(0x2776 + i): chr(0x2460 + i) for i in range(10)},  # ❶
        **{chr(0x2780 + i): chr(0x2460 + i) for i in range(10)},  # ➀
        **{chr(0x2160 + i): roman for i, roman in enumerate(ALPHABETS["roman"])},  # Ⅱ
        **{chr(0x2170 + i): roman for i, roman in enumerate(ALPHABETS["roman lower"])},  # ⅱ
    }
)

OPTION_WORD = (
    r"(?:(?i:\b(?:options?|choices?|letters?|answers?|opci[oó]n(?:es)?|opç[aã]o|opzion[ei]|alternativas?|letra|lettre|"
    r"lettera|propositions?|buchstabe|antwort(?:en)?|möglichkeit|réponses?|respuestas?|respostas?|rispost[ae]))|"
    r"(?:вариант|ответ)[а-я]{0,3}(?![а-я])|选项|選項|选择|選択肢|보기|विकल्प|الخيار)"
)
"""A word before a label: "option B", "Antworten a) und b)"."""
_JOINER = r"\s?(?:[,、/&+]|\s(?:and|or|и|или|و|أو|oder|und|et|ou)\s|と|와|과|或|和)\s?"
_END = (
    r"(?=\s*\Z|[.):：、。，,;!」』\]](?!\d|\s?\w\.)|\s*[-–—=:]\s(?!\d)|\s?(?:입니다|이다|です|だ|が正|は正|で)|"
    r"\s(?:هو|هي|è|is|are|because|since)\s)"
)
_COUNTER = re.compile(r"\(?(?<!\d)(\d{1,2}|[A-Z](?=\)))\)?\s?(?:[번番]|번째|番目)(?![a-z\d])")
"""What follows a number that counts an option: "2번", "②番"."""


@lru_cache(maxsize=256)
def _patterns(alphabet: str, count: int) -> tuple[re.Pattern[str], re.Pattern[str], dict[str, str]]:
    """Return the patterns of the first labels in brackets and of bare ones, and label -> letter."""
    alphabets = ("number", "circled") if alphabet == "circled" else (alphabet,)
    letters = {
        sign: chr(ord("A") + number) for name in alphabets for number, sign in enumerate(ALPHABETS[name][:count])
    }
    if not alphabet.startswith("roman"):
        letters |= {sign.swapcase(): letter for sign, letter in letters.items() if len(sign.swapcase()) == 1}
    names = "|".join(sorted(map(re.escape, letters), key=len, reverse=True))
    marked = (
        rf"[(\[]\s?(?P<bracketed>{names})\s?[)\]](?!-\w)"
        rf"|{OPTION_WORD}\s{{0,2}}(?P<named>{names})(?![\w%])(?![.,]\d)"
    )
    joined = rf"(?:{names})(?:{_JOINER}(?:{names})){{0,9}}"
    before = (
        r"\A\W{0,6}(?:(?:la|el|le|die|der) )?|(?<= es la )"
        if alphabet in WEAK or alphabet == "circled"
        else r"(?<![\wー])|(?<=[は为是])"
    )
    bare = rf"(?:{before})(?P<bare>{joined}){_END}"
    if alphabet in ("kana", "iroha"):
        bare += rf"|\A\W{{0,4}}(?P<first>{names})(?=\s)"
    return re.compile(marked), re.compile(bare), letters


def with_latin_letters(answer: str, alphabet: str, count: int) -> str:
    """Return an answer with the labels of an alphabet as Latin letters: "답은 나" is "답은 B", "(2) x" is "(B) x".

    A bare label counts if punctuation, a copula or nothing follows; a bare number only at the start. `count`: number
    of options. Circled numbers are read by `without_circles` before.
    """
    marked, bare, letters = _patterns(alphabet, count)

    def as_letters(match: re.Match[str]) -> str:
        group = next(name for name, label in match.groupdict().items() if label)
        labels = _LABELS.sub(lambda label: letters.get(label[0], label[0]), match[group])
        before, after = match[0][: match.start(group) - match.start()], match[0][match.end(group) - match.start() :]
        return f"{before}({labels})" if group in ("named", "first") else f"{before}{labels}{after}"

    return bare.sub(as_letters, marked.sub(as_letters, _COUNTER.sub(r"(\1)", answer)))


def without_circles(answer: str, count: int) -> str:
    """Return an answer with circled numbers as letters in brackets: "②" is "(B)"."""
    circled = ALPHABETS["circled"][:count]
    return re.sub(CIRCLED, lambda match: f"({chr(65 + circled.index(match[0]))})" if match[0] in circled else match[0],
                  answer.translate(SPELLINGS))  # fmt: skip


_ORDINALS: tuple[tuple[str, ...], ...] = (
    ("first", "1st", "erste[nrs]?", "première", "primera", "primeira", "prima", "первый", "第一"),
    ("second", "2nd", "zweite[nrs]?", "deuxième", "seconde", "segunda", "seconda", "второй", "第二"),
    ("third", "3rd", "dritte[nrs]?", "troisième", "tercera", "terceira", "terza", "третий", "第三"),
    ("fourth", "4th", "vierte[nrs]?", "quatrième", "cuarta", "quarta", "четв[её]ртый", "第四"),
    ("fifth", "5th", "fünfte[nrs]?", "cinquième", "quinta", "пятый", "第五"),
    ("last", "letzte[nrs]?", "dernière", "última", "ultima", "последний", "最后一"),
)
_ORDINAL = re.compile(
    r"(?:"
    + "|".join(rf"(?P<n{number}>{'|'.join(words)})" for number, words in enumerate(_ORDINALS))
    + r")\s?(?:(?:(?:answer|correct|given|listed)\s)?(?:options?|choices?|one|alternative)\b|(?:option|möglichkeit|"
    r"proposition|réponse|opción|alternativa|respuesta|opção|opzione|risposta|вариант)\w{0,3}|[个個]?(?:选项|選項|答案))",
    re.IGNORECASE,
)
_ORDINAL_WORD = re.compile(rf"(?<!\w)(?:{'|'.join(word for words in _ORDINALS for word in words)})", re.IGNORECASE)
_SEVERAL_NUMBERS = re.compile(rf"{OPTION_WORD}\s?\(?\d{{1,2}}\)?\s?(?:[,/&-]|or|and|to)\s?\(?\d")
_NUMBERED = re.compile(
    rf"{OPTION_WORD}\s?(?:#|№\s?|(?:no|nr)\.?\s|number\s|numéro\s|número\s)?"
    r"\(?(?P<number>[1-9]|1\d|2[0-6])\)?(?![\w%])(?![.,]\d)"
)


def with_counted_letters(answer: str, count: int) -> tuple[str, list[int]]:
    """Return an answer with "the second option" or "option 2" as "option (B)", and the numbers that it has.

    An answer with "first" or "second" of something else, or with "options 1 and 2", stays as it is.

    `count`: number of options.
    """
    pattern = _ORDINAL if _ORDINAL_WORD.search(answer) else _NUMBERED
    matches = list(pattern.finditer(answer))
    numbers = [_number(match, count) for match in matches]
    if pattern is _ORDINAL and len(matches) != len(_ORDINAL_WORD.findall(answer)):
        return answer, []
    if not numbers or max(numbers) > count or _SEVERAL_NUMBERS.search(answer):
        return answer, []
    letters = iter(numbers)
    return pattern.sub(lambda _: f"option ({chr(ord('A') + next(letters) - 1)})", answer), numbers


def _number(match: re.Match[str], count: int) -> int:
    if number := match.groupdict().get("number"):
        return int(number)
    index = next(i for i in range(len(_ORDINALS)) if match[f"n{i}"])
    return count if index == len(_ORDINALS) - 1 else index + 1
