"""Final answers of mathematics: extracted from a response, brought to one spelling, and compared without algebra.

Departs from the authors' release, which extracts from prompt + response, so that an expression in the question counts
as an answer. Here only the response is read, and a response without an answer gives None. Model output may be hostile,
so only the last 4,000 characters are read.
"""

import re
from decimal import Context
from fractions import Fraction
from functools import lru_cache

from stages.answers.ending import own_part
from stages.answers.kinds import AnswerKind
from stages.answers.marks import MAX_TAIL, marks_of
from stages.answers.prose import boxed_number, last_line, math_answer_in
from stages.answers.readings import Reading, read_latex
from stages.settings.answers import ANNOUNCEMENTS

MAX_GOLD = 1_200
"""Longest text, in characters, that is brought to one spelling. A longer text stays as it is; no answer of any
benchmark is so long."""

_TEXT = re.compile(r"\\(?:text|math|mbox|operatorname)")  # may be a unit, which math-verify drops
_LARGEST_FLOAT = 10**300


class MathAnswer(AnswerKind):
    """Numbers, expressions, sets and equations in LaTeX. Equality beyond spelling is decided by math-verify."""

    def __init__(self, *, boxed_only: bool = False, announcements: tuple[str, ...] = ANNOUNCEMENTS) -> None:
        self.boxed_only = boxed_only
        self.announcements = announcements

    def extract(self, response: str, question: str) -> str | None:
        return extract_math_answer(response, boxed_only=self.boxed_only, announcements=self.announcements)

    def canonical(self, answer: str, question: str) -> str | None:
        return canonical(answer) or None

    def same(self, left: str, right: str) -> bool | None:
        return decide(left, right)

    def read(self, answer: str, form: str) -> Reading | None:
        if (value := number(form)) is not None:
            return Reading("ok", "value", (float(value),)) if abs(value) < _LARGEST_FLOAT else Reading("ok")
        if _is_words(form):
            return Reading("ok")
        return None if _TEXT.search(answer) else read_latex(form)


def extract_math_answer(
    response: str, *, boxed_only: bool = False, announcements: tuple[str, ...] = ANNOUNCEMENTS
) -> str | None:
    """Return the final answer of a response, None if it has none. The text must not hold the prompt.

    The decisive box counts. If there is none, and not `boxed_only`, the answer in a tag, after "####" or after a word
    of `announcements` counts; a mark without a readable answer is stepped over. A response without marks has the last
    result of its last line. An answer that can be read in several ways is `Ambiguous`.
    """
    has_marks = False
    for mark in marks_of(response, announcements):
        if mark.kind == "box":
            return boxed_number(mark.text, mark.language)
        if boxed_only:
            return None
        has_marks = True
        if answer := math_answer_in(mark.text, last=False, language=mark.language):
            return answer
    if has_marks or boxed_only:
        return None
    return math_answer_in(last_line(own_part(response, announcements)[-MAX_TAIL:]), last=True)


# Replacements that bring different spellings to one, applied in order. `^\circ`, `%` and units stay: readers disagree
# whether 50% is 50 or 0.5, so math-verify decides it, and voting keeps 50 and 0.5 apart.
_SPELLINGS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"(?<!\\)\\[()\[\]]", ""),
        (r"\\?\$", ""),
        (r"\\(?:left|right|[bB]igg?[lr]?|displaystyle)(?![a-zA-Z])\.?|(?<!\\)\\[!,;:> ]|~", " "),
        (r"\\(?:text|mathrm|textbf|mathbf|textit|mbox|operatorname)\s*\{([^{}]*)\}", r" \1 "),
        (r"\\[dtc]frac(?![a-zA-Z])", r"\\frac"),
        (r"\\frac\s*(\d)\s*(\d)", r"\\frac{\1}{\2}"),
        (r"\\frac\s*\{?(\d)\}?\s*\{([^{}]*)\}", r"\\frac{\1}{\2}"),
        (r"\\sqrt\s*(\d)", r"\\sqrt{\1}"),
        (r"\\%", "%"),
        (r"\\leq(?![a-zA-Z])", r"\\le"),
        (r"\\geq(?![a-zA-Z])", r"\\ge"),
        (r"\\neq(?![a-zA-Z])", r"\\ne"),
        (r"[−–]", "-"),
        (r"π", r"\\pi "),
        (r"°|\^\s*\{\s*\\circ\s*\}", r"^\\circ "),
        (r"(?<=\d)\{,\}(?=\d{3})", ""),
        (r"\^\{(\w)\}", r"^\1"),
        (r"\s+", " "),
        (r"(?<![A-Za-z0-9]) | (?![A-Za-z0-9])|(?<=\d) (?=[A-Za-z])", ""),  # "\pi r", "a b" and "1 2" keep their space
        (r"[.,;:]+$", ""),
        (r"^\(([A-Za-z])\)$", r"\1"),
    )
)
_THOUSANDS = re.compile(r"[-+]?\d{1,3}(?:,\d{3})+(?:\.\d+)?%?")
_PLAIN = re.compile(r"([-+]?)(\d*)(?:\.(\d*))?(?:(?:[eE]|(?:\\times|\\cdot) ?10\^)\{?([-+]?\d{1,3})\}?)?")
_FRACTION = re.compile(r"([-+]?)(?:\\frac\{([-+]?\d+)\}\{([-+]?\d+)\}|(\d+)/(\d+))")


@lru_cache(maxsize=65_536)
def canonical(answer: str) -> str:
    """Return the canonical spelling of an answer. Answers with the same canonical spelling are equal.

    Answers with different canonical spellings may be equal too; math-verify decides. Dollar signs, \\left, \\text,
    spaces and a full stop are removed. 1,234 becomes 1234; 05, 5.0 and +5 become 5; -0 becomes 0; \\dfrac{2}{4} becomes
    1/2. "x=5" stays, because otherwise x=5 and y=5 would be one answer, which is wrong for a line or a root.
    """
    text = answer.strip()
    if len(text) > MAX_GOLD:
        return text
    for pattern, replacement in _SPELLINGS:
        text = pattern.sub(replacement, text)
    text = text.strip()
    if _THOUSANDS.fullmatch(text):
        text = text.replace(",", "")
    percent = text.endswith("%")
    return (_plain(text.removesuffix("%")) or text.removesuffix("%")) + ("%" if percent else "")


def _plain(text: str) -> str | None:
    """Return the normal form of a decimal number or a fraction of integers; None for any other text."""
    if fraction := _FRACTION.fullmatch(text):
        sign, top, bottom, slash_top, slash_bottom = fraction.groups()
        if int(bottom or slash_bottom):
            value = Fraction(int(top or slash_top), int(bottom or slash_bottom)) * (-1 if sign == "-" else 1)
            return str(value)
    plain = _PLAIN.fullmatch(text)
    if not plain or not (plain[2] or plain[3]):
        return None
    whole, decimals, exponent = plain[2].lstrip("0") or "0", (plain[3] or "").rstrip("0"), int(plain[4] or 0)
    if whole == "0" and not decimals:
        return "0"
    number = ("-" if plain[1] == "-" else "") + whole + (f".{decimals}" if decimals else "")
    return number + (f"e{exponent}" if exponent else "")


@lru_cache(maxsize=65_536)
def number(canonical_answer: str) -> Fraction | None:
    """Return the exact value of a canonical number or fraction; None for any other answer, percentages included."""
    plain = re.fullmatch(r"-?\d+(?:\.\d+)?(?:e-?\d{1,3})?|-?\d+/0*[1-9]\d*", canonical_answer)
    return Fraction(canonical_answer) if plain else None


def decide(left: str, right: str) -> bool | None:
    """Return whether two canonical answers are equal, None if only math-verify can decide.

    Two integers or fractions are equal if their values are. If one number is a decimal, 6 decimal places have to agree;
    below 1, six significant digits, so that 1e-9 is not 2e-9. Words are equal if they are the same words in upper or
    lower case; math-verify would read "even" as e*v*e*n.
    """
    if left == right:
        return True
    values = number(left), number(right)
    if values[0] is not None and values[1] is not None:
        if any("." in text or "e" in text for text in (left, right)):
            return _rounded(values[0]) == _rounded(values[1])
        return values[0] == values[1]
    are_words = [_is_words(left), _is_words(right)]
    if any(are_words):
        return all(are_words) and left.casefold() == right.casefold()
    return None


@lru_cache(maxsize=65_536)
def _is_words(canonical_answer: str) -> bool:
    return re.fullmatch(r"[A-Za-z]{3,}(?: [A-Za-z]+)*", canonical_answer) is not None


def _rounded(value: Fraction) -> Fraction:
    """Return a number rounded to 6 decimal places; below 1, to 6 significant digits."""
    if abs(value) >= 1:
        return round(value, 6)
    return Fraction(Context(prec=6).divide(value.numerator, value.denominator))
