"""What has a value in an equation: x, x_1, f(x), m+n, A^{-1}, or an operation such as \\gcd(12,18)."""

import re

from stages.answers.equality.brackets import COMMA, enclosed, split

_GREEK = "alpha|beta|gamma|delta|epsilon|theta|lambda|mu|rho|sigma|tau|phi|omega|Delta|ell"
_SYMBOL = rf"(?:[a-zA-Z]|\\(?:{_GREEK})(?![a-z]) ?)"
_INDEX = r"(?:_(?:[a-zA-Z0-9]|\{[a-zA-Z0-9,+-]{1,8}\}))?"
_NAME = re.compile(
    rf"(?:{_SYMBOL}{_INDEX}'{{0,2}}(?: ?[+-] ?| ?)){{0,5}}{_SYMBOL}{_INDEX}'{{0,2}}"  # x, x_1, AB, m+n
    r"|[a-zA-Z](?:\^\{?-1\}?)?'{0,3}\([^()=]{1,20}\)"  # f(x), f^{-1}(2), P(X>2)
    r"|[A-Z]\^(?:\{-1\}|T|\{-T\}|\\top)|\\det ?\(?[A-Z]\)?"  # A^{-1}
    r"|\|[A-Z]{1,2}\||m?\\(?:angle|triangle) ?[A-Z]{1,3}"
    r"|\\(?:overline|vec|overrightarrow|mathbf|mathbb|mathcal|hat|bar|tilde)\{[a-zA-Z]{1,3}\}"
    r"|(?:rank|tr|trace|det|dim|deg|nullity|Var|SD|gcd|lcm|max|min)\([^()=]{1,30}\)"
    r"|\\frac\{\\partial ?[a-z]?\}\{\\partial ?[a-z]\}|\\frac\{d\^2 ?[a-z]\}\{d ?[a-z]\^2\}"
    r"|\\frac\{d ?[a-z]?\}\{d ?[a-z]\}|\\lfloor [a-z]\\rfloor"
    rf"|[A-Za-z]{{1,4}}{_INDEX}(?: ?: ?[A-Za-z]{{1,4}}{_INDEX}){{1,3}}"  # V_1:V_2
    r"|\\frac\{[A-Z]{2}\}\{[A-Z]{2}\}"
)
_OPERATION = re.compile(r"\\(?:lim|int|oint|iint|sum|prod|gcd|lcm|binom|operatorname|max|min)(?![a-zA-Z])")


def is_name(text: str) -> bool:
    return len(text) <= 40 and _NAME.fullmatch(text) is not None


def plain_name(text: str) -> str:
    return re.sub(r"[ {}]", "", text)


def tuple_of_names(text: str) -> list[str] | None:
    brackets = enclosed(text)
    names = split(brackets[1], COMMA) if brackets and brackets[0] == "(" else []
    return names if len(names) > 1 and all(is_name(name) for name in names) else None


def is_operation(text: str) -> bool:
    """Return whether a side of an equation is an operation, whose value is on the other side."""
    return _OPERATION.match(text) is not None
