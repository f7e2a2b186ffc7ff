"""Tokens of a line that ends in an answer: formulas, numbers, words, operators and brackets.

A number is read in the language of the line: "3,5" is 3.5 in French. A spelling that can be read in two ways has a
`doubt`. All searches take linear time.
"""

import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from stages.answers.canonical.dates import DATE, TIME, time_form
from stages.answers.canonical.form import DECIMAL_COMMAS
from stages.answers.canonical.latex_style import replaced
from stages.answers.canonical.notation import with_ascii_digits
from stages.answers.canonical.number_words import AND_A_HALF, SCALES, is_dozen
from stages.answers.canonical.numerals import PERCENT, without_groups
from stages.answers.canonical.unit_names import CURRENCY_SIGNS
from stages.answers.canonical.units import currency_sign, is_unit_word
from stages.answers.canonical.words_to_digits import with_digits
from stages.answers.prose.vocabulary import (
    COMMA_LANGUAGES,
    FUNCTIONS,
    LANGUAGE_WORDS,
    ORDINAL,
)

TokenKind = Literal[
    "number", "mixed", "formula", "letter", "function", "command", "word", "open", "close", "operator", "postfix",
    "currency", "date", "time", "ratio", "ordinal", "label", "comma", "stop", "arrow", "dots", "other",
]  # fmt: skip


@dataclass(slots=True)
class Token:
    """A piece of a line."""

    kind: TokenKind
    text: str
    """The piece as an answer spells it."""
    start: int
    end: int
    doubt: str | None = None
    """The readings of a piece that can be read in several ways."""


# Replacements that bring signs of other scripts and of Markdown to one spelling, in order: (a text that has to be in
# the line, pattern, replacement, example).
_PLAIN_MARKS: tuple[tuple[str, re.Pattern[str], str], ...] = tuple(
    (needed, re.compile(pattern), replacement)
    for needed, pattern, replacement, _ in (
        ("\\", r"\\(?:left|right|displaystyle|[bB]igg?[lr]?)(?![a-zA-Z])\.?", "", r"\left( -> ("),
        ("\\", r"(?<=\d)(?:\\[,!; ]|\{,\}(?:\\!)?|,\\!\s?)(?=\d{3})", ",", r"1\,234 -> 1,234"),
        ("{", r"(?<=\d)\{,\}(?=\d{3})", ",", "1{,}234 -> 1,234"),
        ("\\", r"(?<!\\)\\[,!;: ]|\\q?quad(?![a-zA-Z])", " ", r"5\,m -> 5 m"),
        ("*", r"\*\*([^*]{1,99}[\u3041-\u9fff가-힣])\*\*", r"\1", "一共有**858颗**糖果 -> 一共有858颗糖果"),
        ("*", r"(?<![\w)\]}])\*\*|\*\*(?![\w(\\-])|(?<=[^\W\d_])\*\*(?=[^\W\d_])", "", "**42** -> 42"),
        ("`", "`", "", "`42` -> 42"),
        ("", r"^\s*[*•●◦▪·]\s", "", "* 42 -> 42"),
        ("*", r"(?<![\w*)\]}])\*(?=[^\s*])([^*]{1,99})(?<=[^\s*])\*(?![\w*(])", r"\1", "*42* -> 42"),
        ("<<", r"<<[^<>]{0,99}>>", "", "5+7=<<5+7=12>>12 -> 5+7=12, the calculator of GSM8K"),
        ("=", r"(?<=[\u3041-\u9fff가-힣])(?=[a-zA-Z]\s?=)", " ", "所以x=5 -> 所以 x=5"),
        ("=", r"^\s*[-–—]\s(?=\$[^$=]+=[^$]+\$|[a-zA-Z]\s?=)", "", "- x = 5 -> x = 5"),
        ("", r"(?<=\d) ?(?:比|対|對|대) ?(?=\d)", ":", "3比4 -> 3:4"),
        ("", r"(?<![\w.°])(\d{1,2})['′] ?(\d{1,2}(?:\.\d{1,2})?) ?(?:[\"″”]|'')", r"\1 feet \2 inches", "5'7\" tall"),
        ("又", r"(?<=\d) ?又 ?(?=\d{1,9}/\d)", " ", "3又1/2 -> 3 1/2"),
        ("负", r"负(?=\d)", "-", "负5 -> -5"),
        ("負", r"負(?=\d)", "-", "負5 -> -5"),
        ("マイナス", r"マイナス(?=\d)", "-", "マイナス5 -> -5"),
        ("마이너스", r"마이너스 ?(?=\d)", "-", "마이너스 5 -> -5"),
        ("or", r"(?<=[\d)])or(?=[A-Za-z]\w?(?:\(\w\))?\s?=)", " or ", "x=1orx=2 -> x=1 or x=2"),
        ("plus", r"plus(?: or |-or-)minus (?=\d)", "±", "plus or minus 3 -> ±3"),
        ("百分之", r"百分之(\d+(?:\.\d+)?)", r"\1%", "百分之50 -> 50%"),
        ("分", r"(?<![\d.,])(\d{1,9}) ?(?:分之|分の) ?(\d{1,9})(?!\d|[.,]\d)", r"\2/\1", "3分之2 -> 2/3"),
        ("분의", r"(?<![\d.,])(\d{1,9}) ?분의 ?(\d{1,9})(?!\d|[.,]\d)", r"\2/\1", "3분의 2 -> 2/3"),
        ("", rf"(?i)(?<=\d) ?{PERCENT}(?![^\W\d_])", "%", "50 percent -> 50%"),
        ("", rf"(?<![\d.,/])(\d{{1,4}}) (?:{AND_A_HALF})(?!\w)", r"\1 1/2", "3 and a half -> 3 1/2"),
        ("base", r"(?<=\d) ?\(?(?:in )?base (\d{1,2})\)?(?!\w)", r"_\1", "101 in base 2 -> 101_2"),
        ("...", r"(?<=\d)\.\.\.", "…", "0.33... -> 0.33…"),
        ("dots", r"(?<=\d)\\[lc]?dots(?![a-z])", "…", r"0.33\ldots -> 0.33…"),
    )
)
_SIGNS = {
    **{code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)},
    **dict.fromkeys(map(ord, "−﹣‐‑"), "-"),
    **dict.fromkeys(map(ord, "\u00a0\u2009\u202f\u2007\u200a\u3000"), " "),
    **dict.fromkeys(map(ord, "\u200b\u2060\ufeff\u200e\u200f"), ""),
    **dict(zip(map(ord, "٫٬،٪〜～⁄’"), ".,,%~~/'", strict=True)),
    ord("、"): ", ",
    ord("。"): ". ",
}
_SUPERSCRIPT = re.compile(r"(?<=[\w)\]}])[⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹ⁿ]+")
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "0123456789+-n")
_SUBSCRIPT = re.compile(r"(?<=[\w)])[₀-₉]+")
_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_VULGAR = re.compile(r"(\d?) ?([¼½¾⅐-⅞])")

_OPENERS = re.compile(r"\\\(|\\\[|(?<!\\)\$\$?|\\begin\{[a-z]{1,20}\*?\}")
_DOLLAR = re.compile(r"(?<!\\)\$")
_PROSE = re.compile(r"(?<![\\a-zA-Z{])[a-zA-Z]{2,}[ ,]+[a-zA-Z]{2,}(?![a-zA-Z]*\})|^\d[\d.,]*\s+[a-zA-Z]+\s")
_PLAIN_WORD = re.compile(r"(?<![\\a-zA-Z{])[a-zA-Z]{2,}")

_LETTER = r"(?:[^\W\d_πθ]|[\u0300-\u036f\u0900-\u0903\u093a-\u094f])"
_COUNT = r"\d+(?:,\d{3})*"
_CURRENCY = "|".join(map(re.escape, sorted(CURRENCY_SIGNS, key=len, reverse=True)))
_TOKEN = re.compile(
    r"(?P<arrow>=>|-+>|[→⇒⟹⟶]|(?<=\S)—|—(?!\d)|\\(?:to|Rightarrow|implies|therefore|rightarrow)(?![a-zA-Z]))"
    rf"|(?P<date>{DATE})"
    rf"|(?P<time>{TIME})"
    rf"|(?P<ratio>{_COUNT}(?::{_COUNT})+|{_COUNT}(?: : {_COUNT})+)"
    r"|(?P<label>0[xX][0-9a-fA-F]+|(?!(?:sqrt|log|ln|sin|cos|tan|pi|theta)[-\d])[A-Za-z]{2,}-?\d\w*|(?<!\S)\#\d+|\d+(?:\.\d+){3,}|[A-Za-z]\d+[A-Za-z]\w*)"
    rf"|(?P<ordinal>\d+{ORDINAL})"
    r"|(?P<mixed>\d{1,4} \d{1,9}/\d{1,9}(?![\d/]|\.\d))"
    r"|(?P<base>\d+_(?:\d{1,2}|\{\d{1,2}\})(?!\w))"
    r"|(?P<number>(?:\d{1,3}(?:[ ']\d{3})+(?:[.,]\d+)?(?![\d.,]*\d)|\d[\d.,]*\d|\d|\.\d+)"
    r"(?:[eE][-+]?\d{1,3}(?!\w))?…?)"
    r"|(?P<text>\\(?:text|mathrm|textbf|mathbf|textit|mbox|operatorname)\s?\{[^{}]*\})"
    r"|(?P<command>\\[a-zA-Z]+)"
    r"|(?P<open>\\\{|[(\[{])|(?P<close>\\\}|[)\]}])"
    rf"|(?P<currency>(?:{_CURRENCY}|\\\$)(?=\s?[-+.\d]))"
    r"|(?P<postfix>\\?%|°|!)"
    r"|(?P<operator>\*\*|<=|>=|!=|[-–—+*/^_=<>≤≥≠±×·⋅÷√∈∪∩∓≈≡~|])"
    rf"|(?P<word>{_LETTER}{{2,}}(?:['-]{_LETTER}+)*|[^\W\d_]'[^\W\d_]+|[^\W\d_A-Za-zΑ-ω])"
    r"|(?P<letter>[A-Za-zΑ-ω](?:\d+(?!\w))?'{0,3}(?:_(?:[A-Za-z0-9]|\{[^{}]{1,20}\}))?|∞)"
    r"|(?P<dots>\.\.\.|…)|(?P<comma>[,;])|(?P<stop>[.?:])|(?P<other>\S)"
)
_INFIX = re.compile(
    r"\\(?:times|cdot|div|pm|mp|leq?|geq?|lt|gt|neq?|cup|cap|in|notin|approx|equiv|setminus|mid|subset|ast|le|ge)"
)
_RESPELLED = {"**": "^", "\\approx": "≈", "\\%": "%"}
_HALF_OF_DAY = re.compile(r"[ap]m\Z")
_SCALE_WORD = re.compile(rf" ?({_LETTER}+)\.?")
_DOZEN = re.compile(r" (\w{5,9})(?!\w)")
_DECIMAL = re.compile(r"\d*\.?\d+")
_DIGITS_AFTER_SCALE = re.compile(r" ?(\d{1,12})(?![\d.,])")
_SHORTENED = frozenset(("mio", "mrd", "тыс", "млн", "млрд"))
_ONE_GROUP = re.compile(r"[1-9]\d{0,2}[.,]\d{3}")
_SEPARATED = re.compile(r"\d[.,]\d")
_LIST = re.compile(r"\d+(?:\.\d+)?(?:,\d+(?:\.\d+)?)+")
_SPLIT_NUMBER = re.compile(r"([\d.,' ]+)([eE][-+]?\d+)?(…?)")


def tokens_of(text: str, language: str) -> list[Token]:
    """Return the tokens of a `plain` line whose numbers are written as in `language`."""
    tokens: list[Token] = []
    position = 0
    for start, end, content in _formulas(text):
        tokens += _tokens(text, position, start, language)
        tokens.append(Token("formula", content, start, end))
        position = end
    return tokens + _tokens(text, position, len(text), language)


def plain(line: str, language: str) -> str:
    """Return a line without Markdown, with ASCII digits, signs and spaces.

    If the line has no digits, it gets digits instead of number words.
    """
    if not line.isascii():
        line = unicodedata.normalize("NFC", line)
        line = with_ascii_digits(line).translate(_SIGNS)
        line = _VULGAR.sub(lambda match: (match[1] and match[1] + " ") + _vulgar(match[2]), line)
        line = _SUPERSCRIPT.sub(lambda match: "^{" + match[0].translate(_SUPERSCRIPTS) + "}", line)
        line = _SUBSCRIPT.sub(lambda match: "_" + match[0].translate(_SUBSCRIPTS), line)
    if not any(map(str.isdigit, line)):
        line = with_digits(line, _language_by_words(line) if language == "en" else language)
    for needed, pattern, replacement in _PLAIN_MARKS:
        if needed in line:
            line = pattern.sub(replacement, line)
    return replaced(line.strip(), DECIMAL_COMMAS) if "," in line else line.strip()


def _vulgar(char: str) -> str:
    return unicodedata.normalize("NFKC", char).replace("⁄", "/")


def language_of(text: str) -> str:
    """Return the language of a line by its words if it has a decimal comma, else "en".

    A line without a comma or a point inside a number is "en" as well, because its language does not matter.
    """
    if not _SEPARATED.search(text):
        return "en"
    return "ru" if re.search(r"[а-яё]{2}", text) else _language_by_words(text)


def _language_by_words(text: str) -> str:
    """Return the language of frequent words in a text, "en" if there are less than two."""
    words = text.lower().split()
    counts = {language: sum(word in known for word in words) for language, known in LANGUAGE_WORDS.items()}
    best = max(counts, key=lambda language: counts[language])
    return best if counts[best] >= 2 else "en"


def _formulas(text: str) -> list[tuple[int, int, str]]:
    """Return start, end and content of the formulas of a text: $..$, $$..$$, \\(..\\), \\[..\\] and environments."""
    formulas = []
    position = 0
    never_closed: set[str] = set()
    while opener := _OPENERS.search(text, position):
        position = opener.end()
        closer = {"\\(": "\\)", "\\[": "\\]", "$$": "$$"}.get(opener[0], opener[0].replace("begin", "end"))
        if closer in never_closed:
            continue
        if closer == "$":
            closing = _DOLLAR.search(text, position)
            end = closing.start() if closing else -1
        else:
            end = text.find(closer, position)
        if end < 0:
            never_closed.add(closer)
            continue
        content = text[position:end]
        if closer == "$" and not _is_formula(content, text[end + 1 : end + 2]):
            continue
        if closer.startswith("\\end"):
            content = text[opener.start() : end + len(closer)]
        position = end + len(closer)
        if content.strip(" .,;:"):
            formulas.append((opener.start(), position, content.strip().rstrip(".,;: ")))
    return formulas


def _is_formula(content: str, following: str) -> bool:
    """Return whether a text between two dollar signs is a formula, and not prose between two prices."""
    if not content.strip() or content.endswith("\\") or following.isdigit() or _PROSE.search(content):
        return False
    spaced = content[0].isspace() + content[-1].isspace()
    starts_with_command = re.match(r"\\[a-z]", content) is not None  # $\frac3{3} $ is no price
    return spaced == 0 or ((spaced == 2 or starts_with_command) and not _PLAIN_WORD.search(content))


def _tokens(text: str, start: int, end: int, language: str) -> list[Token]:
    tokens: list[Token] = []
    position = start
    while position < end:
        if text[position].isspace():
            position += 1
            continue
        match = _TOKEN.match(text, position, end)
        assert match is not None  # any sign is a token
        token = _token(match, text, language)
        if token.kind in ("number", "mixed"):
            _scale(token, text)
        if token.kind == "letter" and re.fullmatch(r"[xX]\d+", token.text) and _is_attached(token, tokens):
            token = Token("operator", "\\times", token.start, token.start + 1)  # "3x4"
        tokens.append(token)
        position = token.end
    return tokens


def _is_attached(token: Token, tokens: list[Token]) -> bool:
    return bool(tokens) and tokens[-1].kind == "number" and tokens[-1].end == token.start


def _token(match: re.Match[str], text: str, language: str) -> Token:
    kind, spelling = match.lastgroup or "other", match[0]
    token = Token("other", _RESPELLED.get(spelling, spelling), match.start(), match.end())
    if kind == "number":
        token.text, token.doubt = number_text(spelling, language)
        token.kind = "number" if token.text else "label"
    elif kind == "base":
        token.kind = "number"
    elif kind == "command":
        token.kind = "operator" if _INFIX.fullmatch(spelling) else "command"
    elif kind == "word":
        token.kind = "function" if spelling in FUNCTIONS else "word"
    elif kind == "currency":
        sign = spelling.replace("\\", "")
        token.kind, token.text = "currency", currency_sign(sign) or sign
    elif kind == "time":
        token.kind, token.text = "time", _time(spelling)
    elif kind == "ratio":
        token.kind, token.text = "ratio", re.sub(r"[\s,]", "", spelling)
    else:
        token.kind = kind  # type: ignore[assignment]
    return token


def _time(spelling: str) -> str:
    """Return a time as 10:30, 10:30 am or 5:00 pm."""
    return _HALF_OF_DAY.sub(r" \g<0>", time_form(spelling) or spelling)


def number_text(spelling: str, language: str) -> tuple[str, str | None]:
    """Return a number in ASCII without groups, and a doubt: the readings if there are several; "" for no number.

    "3,5" is 3.5 in languages with a decimal comma, in which "1.234" may be 1234. 1.234.567, 1 234,5 and 12,34,567 are
    numbers in all languages. 1,2,3 is a list.
    """
    match = _SPLIT_NUMBER.fullmatch(spelling)
    assert match is not None
    digits, end = match[1], (match[2] or "") + ("..." if match[3] else "")
    doubt = None
    if language in COMMA_LANGUAGES:
        if _ONE_GROUP.fullmatch(digits):
            doubt = f"{digits}: a decimal number, or {re.sub('[.,]', '', digits)}"
        if "." not in digits and digits.count(",") == 1:
            digits = digits.replace(",", ".")
    text = without_groups(digits)
    if not _DECIMAL.fullmatch(text):
        if "," in text and "." in text and _LIST.fullmatch(text):
            return text.replace(",", ", "), None  # (1,4.5)
        if "." in text or " " in text or "'" in text:
            return "", None
        if text.count(",") == 1:
            doubt = f"{digits}: {text.replace(',', '.')}, or a list of two"
        text = text.replace(",", ", ") if text.count(",") > 1 else text
    return text + end, doubt


def _scale(token: Token, text: str) -> None:
    """Multiply a number by the power of ten in the word after it: 2.5 million, 3万5000."""
    if (dozen := _DOZEN.match(text, token.end)) and is_dozen(dozen[1]):
        _times_twelve(token, text, dozen.end())
        return
    total, value, last_power = Decimal(0), token.text, 99
    while (scale := _scale_at(text, token.end)) and scale[0] < last_power and _DECIMAL.fullmatch(value):
        last_power, token.end = scale
        total += Decimal(value).scaleb(last_power)
        rest = _DIGITS_AFTER_SCALE.match(text, token.end)
        if rest is None or text[token.end - 1].isascii():
            break
        value = rest[1]
        if not _scale_at(text, rest.end()):
            total, token.end = total + Decimal(value), rest.end()
            break
        token.end = rest.end()
    if total:
        token.text = plain_decimal(total)


def _times_twelve(token: Token, text: str, end: int) -> None:
    """Multiply a number by the word after it: "3 dozen" is 36. In "36 / 12 = 3 dozen" dozens are counted."""
    if not text[: token.start].rstrip().endswith(("=", "/")):
        token.text = str(12 * sum(map(Fraction, token.text.split())))
        token.end = end


def _scale_at(text: str, position: int) -> tuple[int, int] | None:
    """Return the power of ten and the end of the word at a position; None for other words: 3千克 is 3 kg."""
    match = _SCALE_WORD.match(text, position)
    if match is None:
        return None
    word = match[1].lower()
    if word in SCALES:
        return SCALES[word], match.end() if word in _SHORTENED else match.end(1)
    if word[0] < "\u3041" or any(is_unit_word(word[:size]) for size in (2, 3)):
        return None
    return next(((SCALES[word[:n]], match.start(1) + n) for n in (2, 1) if word[:n] in SCALES), None)


def scaled(number: str, exponent: int) -> str:
    """Return a decimal number times a power of ten, without an exponent."""
    return plain_decimal(Decimal(number).scaleb(exponent))


def plain_decimal(value: Decimal) -> str:
    """Return a decimal number without an exponent and without zeros at its end."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
