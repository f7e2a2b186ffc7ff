"""Final answers of mathematics: extracted from a response, brought to one spelling, and compared.

Departs from the authors' release, which extracts from prompt + response, so that an expression in the question counts
as an answer. Here only the response is read, and a response without an answer gives None. Model output may be hostile,
so only the last 4,000 characters are read.
"""

import re
from fractions import Fraction
from functools import lru_cache

from stages.answers.equality import same
from stages.answers.kinds import AnswerKind
from stages.answers.marks import MAX_TAIL, anchored_line, last_boxed
from stages.answers.readings import Reading, read_latex
from stages.answers.structure import is_known
from stages.answers.values import number

MAX_GOLD = 1_200
"""Longest text, in characters, that is brought to one spelling. A longer text stays as it is; no answer of any
benchmark is so long."""

_DELIMITED = re.compile(r"\\\((.+?)\\\)|\\\[(.+?)\\\]|\$\$(.+?)\$\$|(?<!\\)\$(?=[^\s$])([^$]*?[^\s$\\])\$(?!\d)")
_NUMBER = r"[-+]?\\?\$?\s?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)?(?:\.\d+|(?<=\d)\.?(?!\d))(?:\s?/\s?\d+)?(?:\s?\\?%)?"
_LAST_NUMBER = re.compile(rf"(?<![\w.]){_NUMBER}")
_TEXT = re.compile(r"\\(?:text|math|mbox|operatorname)")  # may be a unit, which math-verify drops
_LARGEST_FLOAT = 10**300
_WORD = re.compile(r"(?<![\\a-zA-Z])(?!(?:pi|sqrt|sin|cos|tan|log|ln)\b)[a-zA-Z]{2,}")


class MathAnswer(AnswerKind):
    """Numbers, expressions, sets and equations in LaTeX. Equality that takes algebra is decided by math-verify."""

    def __init__(self, *, boxed_only: bool = False) -> None:
        self.boxed_only = boxed_only

    def extract(self, response: str, question: str) -> str | None:
        return extract_math_answer(response, boxed_only=self.boxed_only)

    def canonical(self, answer: str, question: str) -> str | None:
        return canonical(answer) or None

    def same(self, left: str, right: str) -> bool | None:
        return same(left, right)

    def read(self, answer: str, form: str) -> Reading | None:
        if (value := number(form)) is not None:
            return Reading("ok", "value", (float(value),)) if abs(value) < _LARGEST_FLOAT else Reading("ok")
        reading = None if _TEXT.search(answer) else read_latex(form)
        return Reading("ok") if reading is None and is_known(form) else reading


def extract_math_answer(response: str, *, boxed_only: bool = False) -> str | None:
    """Return the final answer of a response, None if it has none. The text must not hold the prompt.

    The last complete \\boxed or \\fbox counts. If there is none, and not `boxed_only`, the expression after the last
    "####", "answer is" or "answer:" counts, else the last formula or number of the last line that is not empty.
    """
    tail = response[-MAX_TAIL:]
    boxed = last_boxed(tail)
    if boxed is not None or boxed_only:
        return boxed
    line = anchored_line(tail)
    if line is not None:
        return _expression(line, last=False) or None
    return _expression(tail.rstrip().rsplit("\n", 1)[-1], last=True) or None


def _expression(line: str, *, last: bool) -> str | None:
    """Return the last formula or number of a line, or the first if not `last`; None if there is neither.

    If not `last`, a line without formula and without words is returned whole.
    """
    line = line.replace("**", "").strip().rstrip(".").strip()
    formulas: list[str] = [next(filter(None, match.groups())) for match in _DELIMITED.finditer(line)]
    if formulas:
        return formulas[-1 if last else 0].strip()
    if not last and line and not _WORD.search(line):
        return line.lstrip(":= ")
    numbers = [match[0].strip() for match in _LAST_NUMBER.finditer(line)]
    return numbers[-1 if last else 0] if numbers else None


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
