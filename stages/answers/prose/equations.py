"""The result in an equation or a chain of equations: "2 + 3 = 5" is 5, "f(x) = 2x" is 2x, and "y = 2x" stays."""

import math
import re
from dataclasses import dataclass
from itertools import zip_longest

from stages.answers.canonical.unit_names import MONEY_SIGNS
from stages.answers.prose.tokens import scaled

_SPLIT = re.compile(r"(?<![<>!\\])=|≈|\\approx(?![a-zA-Z])")
_NOT_SPLIT = re.compile(r"[,<>&]|\\(?:le|ge|lt|gt|leq|geq|neq?|begin|cup|in)(?![a-zA-Z])")
_NUMBER = re.compile(rf"[-+]?[{MONEY_SIGNS}]?[-+]?\d+(?:\.\d+)?\s?(?:\\?%)?")
_VARIABLE = re.compile(r"(?:[a-zA-Zα-ωΑ-Ω]|\\[a-zA-Z]+)(?:_(?:\w|\{\w+\}))?'*")
_NAMES = (
    re.compile(r"(?!sqrt|sin|cos|tan|cot|ln|log|exp|abs)[a-zA-Z]{1,9}'*(?:_\w|\^\{?-1\}?)?\s?[(\[][^()\[\]]*[)\]]"),
    re.compile(r"\\(?:overline|text|mathrm|operatorname|vec|hat|bar)\s?\{[^{}]*\}(?:\([^()]*\))?"),
    re.compile(r"m?\s?(?:\\angle|∠|\\triangle|\\frac\{d).*"),  # \angle ABC, \frac{dy}{dx}
    re.compile(r"\\(?:lim|int|iint|oint|sum|prod|max|min|sup|inf|det|gcd|dim|deg|binom)(?![a-zA-Z]).*"),
    re.compile(r"\|(?:[a-wzA-Z]|\\(?:vec|mathbf)\s?\{\w\})\|"),  # |z|
    re.compile(r"[A-Z]{2,}|\|?[A-Z]{2}\|?|d[a-z]/d[a-z]"),  # AB, |AB|, dy/dx
)
"""Left sides that name a value and are no part of it: f(x), P(A), \\text{Area}, \\angle ABC, AB, dy/dx."""
_SUM_OF_LETTERS = re.compile(
    r"\d*[a-w](?:\^\{?\d\}?)?(?:\s?[-+]\s?\d*[a-w](?:\^\{?\d\}?)?){1,9}|\\d?frac\{[a-w]\}\{[a-w]\}|[a-w]/[a-w]"
)
"""m + n, 10a + b, m/n: a left side that names a value if the right side is a number. With x or y it is an equation."""
_AMOUNTS = re.compile(
    r"\d+(?:\.\d+)?([gmhslLAV]?)(?: ?[-+*×] ?\d+(?:\.\d+)?([gmhslLAV]?)){1,9} = \d+(?:\.\d+)?(?:\1|\2)[gmhslLAV]?"
    r"|\d+(?:\.\d+)?([gmhslLAV]) ?/ ?\d+(?:\.\d+)?\3 = \d.*"
)
"""2 * 50g = 100g; 400g / 200g = 2: letters that are units."""
_COMMANDS = re.compile(
    r"\\[a-zA-Z]+|[A-Z]{1,2}\$|[A-Z]{3}(?=-?\d)|(?:sqrt|sin|cos|tan|cot|sec|csc|ln|log|exp|pi|max|min|gcd|lcm|abs|mod)(?![a-zA-Z])"
)
_CLOSED_FORM = re.compile(r"[√π/^]|\\(?:d?frac|sqrt|pi|ln|log)|(?:sqrt|pi|ln|log|e)(?![a-zA-Z])")


@dataclass(frozen=True, slots=True)
class Equation:
    """What an equation says."""

    text: str
    """The equation as an answer: without the steps, and without the name of the value."""
    value: str
    """The right side of x = 5; else the text."""
    variable: str = ""
    """The left side of x = 5; else ""."""


def formula_equation(formula: str) -> Equation:
    """Return what a formula says. One with commas, inequalities or matrices stays as it is."""
    if _NOT_SPLIT.search(formula):
        return Equation(formula, formula)
    sides, signs = [""], []
    for side, sign in zip_longest(_SPLIT.split(formula), _SPLIT.findall(formula), fillvalue=""):
        sides[-1] += side
        if sides[-1].count("{") == sides[-1].count("}") and sides[-1].count("(") == sides[-1].count(")"):
            sides.append("")
            signs.append(sign)
        else:
            sides[-1] += sign  # \sum_{k=1}^{n}
    if sides[-1] or len(signs) < 2 or not sides[-2].strip():
        return Equation(formula, formula)
    sides, signs = sides[:-1], signs[:-1]
    return equation([side.strip() for side in sides], signs, formula)


def equation(sides: list[str], signs: list[str], whole: str = "") -> Equation:
    """Return what an equation with these sides and signs says. A side in words is "", and so are units left out.

    `whole` is the text of an equation with two sides as it was written.
    """
    for index, sign in enumerate(signs):
        exact, rounded = sides[index], sides[index + 1]
        if sign != "=" and _CLOSED_FORM.search(exact) and not re.search(r"[-+*×]", exact) and "." in rounded:
            sides, whole = sides[: index + 1], ""  # \frac{5}{36} \approx 0.139
            break
    left, right = sides[0], sides[-1]
    if len(sides) == 1:
        return Equation(left, left)
    is_plain = _NUMBER.fullmatch(left) is not None
    if is_plain and len(sides) == 2 and not _NUMBER.fullmatch(right) and not has_letters(right):
        return Equation(left, left)  # 42 = 6 * 7
    if len(sides) == 2 and _NUMBER.fullmatch(left) and _VARIABLE.fullmatch(right):
        return Equation(f"{right} = {left}", left, right)  # 5 = x
    if _AMOUNTS.fullmatch(f"{left} = {right}"):
        return Equation(right, right)
    if not has_letters(left) or any(name.fullmatch(left) for name in _NAMES):
        return Equation(right, right)
    if _SUM_OF_LETTERS.fullmatch(left) and not has_letters(right):
        return Equation(right, right)
    if _VARIABLE.fullmatch(left):
        return Equation(whole if whole and len(sides) == 2 else f"{left} = {right}", right, left)
    if len(sides) == 2:
        text = whole or f"{left} = {right}"
        return Equation(text, text)
    return Equation(right, right)


def right_side(text: str) -> str:
    """Return the right side of an equation if it is a number: "4x = 20" is 20; other texts as they are."""
    left, sign, right = text.rpartition("=")
    return right.strip() if sign and left[-1:] not in "<>!\\" and not has_letters(right) else text


def has_letters(text: str) -> bool:
    """Return whether a text has letters that stand for numbers; names of functions are none."""
    return re.search(r"[a-zA-Zα-ωΑ-Ω]", _COMMANDS.sub("", text).replace("π", "")) is not None


_POWER = re.compile(
    r"([-+]?)(?:(\d{1,21}(?:\.\d{1,20})?) ?(?:\\times|\\cdot|[×x*·⋅]) ?)?10 ?\^ ?[({]?([-+]?\d{1,2})[)}]?"
)
_SCIENTIFIC = re.compile(r"([-+]?)(\d{1,21}(?:\.\d{1,20})?)[eE]([-+]?\d{1,2})")
_FACTORIAL = re.compile(r"(\d{1,9})!")
_IN_BRACKETS = re.compile(rf"\(([-+]?[{MONEY_SIGNS}]?\d+(?:\.\d+)?%?)\)")
_LARGEST_FACTORIAL = 20
"""A "!" after a larger number is an exclamation mark."""


def value_text(text: str) -> tuple[str, str | None]:
    """Return a value without powers of ten, and its doubt: 1.5e-3 is 0.0015, (5) is 5, and 5! may be 5 or 120."""
    if power := _POWER.fullmatch(text) or _SCIENTIFIC.fullmatch(text):
        return power[1].replace("+", "") + scaled(power[2] or "1", int(power[3])), None
    if factorial := _FACTORIAL.fullmatch(text):
        number = int(factorial[1])
        readings = f"{text}: {number}, or {math.factorial(number)}" if number <= _LARGEST_FACTORIAL else None
        return factorial[1], readings
    if bracketed := _IN_BRACKETS.fullmatch(text):
        return bracketed[1], f"{text}: an amount, or a loss" if bracketed[1][0] in MONEY_SIGNS else None
    return text, None
