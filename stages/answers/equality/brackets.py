"""Brackets and separators of a canonical form: what is enclosed, and where a form falls into members."""

import re
from collections.abc import Collection

_OPENING = frozenset(("(", "[", "{", "\\{", "\\langle", "\\begin", "\\lfloor", "\\lceil"))
_CLOSING = frozenset((")", "]", "}", "\\}", "\\rangle", "\\end", "\\rfloor", "\\rceil"))

# Words between the members of a list, in the languages of the answers, with the comma before them. Single letters
# ("y" and "e" in Spanish, Portuguese and Italian) are variables.
_AND = r"(?:and|und|et|и|और)(?![^\W\d_])|[和与と및]|\\(?:land|wedge)(?![a-zA-Z])|\\?&"
_OR = r"(?:or|oder|ou|или|या)(?![^\W\d_])|[或]|또는|\\(?:lor|vee)(?![a-zA-Z])"
_TOKEN = re.compile(rf"[,;]? ?(?<![^\W\d_])(?<!\\)(?:({_AND})|({_OR})) ?|\\[{{}}&]|\\[a-zA-Z]+|[(){{}}\[\],;=:<>&|]")

COMMA = (",", ";")
AND, OR = " and ", " or "
"""Separators of `split` that stand for all words and signs with that meaning."""


def split(form: str, separators: Collection[str]) -> list[str]:
    """Return the parts of a form between separators that stand outside all brackets.

    A separator is a single character, a \\command, `AND` or `OR`. Brackets of any two kinds match, as in [2,5).
    """
    return split_with(form, separators)[0]


def split_with(form: str, separators: Collection[str]) -> tuple[list[str], list[str]]:
    """Return the parts as `split` does, and the separators between them."""
    parts, between, depth, start = [], [], 0, 0
    for match in _TOKEN.finditer(form):
        sign = AND if match[1] else OR if match[2] else match[0]
        if sign in _OPENING:
            depth += 1
        elif sign in _CLOSING:
            depth -= 1
        elif depth == 0 and sign in separators:
            parts.append(form[start : match.start()].strip())
            between.append(sign)
            start = match.end()
    return [*parts, form[start:].strip()], between


def enclosed(form: str) -> tuple[str, str, str] | None:
    """Return (opening bracket, content, closing bracket) if the first bracket of a form is closed at its end."""
    depth = 0
    opening = ""
    for match in _TOKEN.finditer(form):
        sign = match[0]
        if sign in _OPENING:
            if not depth:
                if match.start():
                    return None
                opening = sign
            depth += 1
        elif sign in _CLOSING:
            depth -= 1
            if depth <= 0:
                is_end = depth == 0 and match.end() == len(form)
                return (opening, form[len(opening) : match.start()].strip(), sign) if is_end else None
        elif not depth:
            return None
    return None
