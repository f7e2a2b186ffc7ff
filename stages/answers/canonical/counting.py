"""Factorials, combinations and permutations of numbers become numbers: `\\binom{5}{2}` and `C(5,2)` are 10."""

import math
import re
from collections.abc import Callable
from functools import partial

_LARGEST = 10**18
"""Larger values stay as they are written."""
_N = r"(\{ ?\d{1,3} ?\}|\d{1,3})"
_ONE = r"(\{ ?\d{1,3} ?\}|\d)"
_BEFORE, _AFTER = r"(?<![\w.\\^}!])", r"(?![\w.!({])"
_AFTER_INDEX = r"(?![\d.!^_({])"

_Count = Callable[[int, int], int]
_PATTERNS: tuple[tuple[re.Pattern[str], _Count], ...] = (
    # Pattern with n and k in this order, count, example.
    (re.compile(rf"\\[dt]?binom ?{_ONE} ?{_ONE}(?!!)"), math.comb),  # \binom{5}{2}
    (re.compile(r"\{ ?(\d{1,3}) ?\\choose ?(\d{1,3}) ?\}"), math.comb),  # {5\choose 2}
    (re.compile(rf"{_BEFORE}(\d{{1,3}}) ?(?:\\choose|choose|C) ?(\d{{1,3}}){_AFTER}"), math.comb),  # 5C2, 5 choose 2
    (re.compile(rf"{_BEFORE}(\d{{1,3}})P(\d{{1,3}}){_AFTER}"), math.perm),  # 5P2
    (re.compile(rf"(?<![\w}}])(?:\{{\}} ?)?[_^]{_N} ?C ?_{_N}{_AFTER_INDEX}"), math.comb),  # {}_5C_2, ^5C_2
    (re.compile(rf"(?<![\w}}])(?:\{{\}} ?)?[_^]{_N} ?P ?_{_N}{_AFTER_INDEX}"), math.perm),  # {}_5P_2
    (re.compile(rf"(?<![a-zA-Z\\])C ?_{_N} ?\^ ?{_ONE}{_AFTER_INDEX}"), math.comb),  # C_5^2
    (re.compile(rf"(?<![a-zA-Z\\])A ?_{_N} ?\^ ?{_ONE}{_AFTER_INDEX}"), math.perm),  # A_5^2
    (re.compile(rf"(?<![\w\\])(?:C|nCr|comb|binom) ?\( ?(\d{{1,3}}), ?(\d{{1,3}}) ?\){_AFTER}"), math.comb),  # C(5, 2)
    (re.compile(rf"(?<![\w\\])(?:nPr|perm) ?\( ?(\d{{1,3}}), ?(\d{{1,3}}) ?\){_AFTER}"), math.perm),  # nPr(5,2)
)
_UPPER_FIRST = re.compile(rf"(?<![a-zA-Z\\])([CA]) ?\^ ?{_ONE} ?_ ?{_N}{_AFTER_INDEX}")  # C^2_5
_FACTORIAL = re.compile(r"(?<![\w.\\^])(\d{1,2})( factorial|!{1,2})(?![!=a-zA-Z_])")
_MAY_COUNT = re.compile(r"!|choose|binom|comb|perm|factorial|[CAP]")
_TWO_SIGNS = re.compile(r"\\cdot +\\cdot +")
_ENDS_IN_FACTOR = re.compile(r"(?:[\d})!]|(?<![\\a-zA-Z])[a-zA-Z]) ?\Z")


def with_counts(text: str) -> str:
    """Return a text in which factorials, combinations and permutations of numbers are numbers.

    A combination of more things than there are stays: C(2,5) is a point.
    """
    if not _MAY_COUNT.search(text):
        return text
    text = _UPPER_FIRST.sub(r"\1_\3^\2", text)
    for pattern, count in _PATTERNS:
        text = pattern.sub(partial(_count, count=count), text)
    return _TWO_SIGNS.sub(r"\\cdot ", _FACTORIAL.sub(_factorial, text))


def _count(match: re.Match[str], *, count: _Count) -> str:
    n, k = (int(match[group].strip("{ }")) for group in (1, 2))
    value = count(n, k) if k <= n else 0
    return _as_factor(value, match) if 0 < value < _LARGEST else match[0]


def _factorial(match: re.Match[str]) -> str:
    """Return the value of n! or n!!, the product of every second number: 5!! is 15."""
    step = 2 if match[2] == "!!" else 1
    value = math.prod(range(int(match[1]), 0, -step))
    return _as_factor(value, match) if value < _LARGEST else match[0]


def _as_factor(value: int, match: re.Match[str]) -> str:
    """Return a value with signs of multiplication next to other factors: 3!7! is 6\\cdot5040."""
    before, after = match.string[: match.start()], match.string[match.end() :]
    is_factor = _ENDS_IN_FACTOR.search(before) is not None
    return ("\\cdot " if is_factor else "") + str(value) + ("\\cdot " if after.lstrip()[:1].isdigit() else "")
