"""The unit right after a value in prose: the "km/h" of "60 km/h on average", the "天" of "3天后".

Units and their names are those of the canonical forms (`stages.answers.canonical.unit_names`). Nouns of counted things
("42 apples") are no units here.
"""

import re
from functools import lru_cache

from stages.answers.canonical.unit_names import MONEY_SIGNS, TAILS
from stages.answers.canonical.units import is_known, known_name, unit_form
from stages.answers.prose.vocabulary import NOT_UNITS

_POWER = r"(?:\^\{?-?[1-4]\}?|\^\(-?[1-4]\))?"
_NAME = r"(?:[^\W\d_]|[\u0300-\u036f\u0900-\u0903\u093a-\u094f])+"
_PIECE = re.compile(
    r"(?P<mark> ?[/·⋅*] ?|-| (?:per|pro|par|por) |(?:(?<=sq)|(?<=cu)|(?<=fl))\. | )?"
    rf"(?P<name>°\s?[CF](?!\w)|(?!\$)[{MONEY_SIGNS}]|{_NAME}{_POWER})"
)
_INCHES = re.compile(r" ?in(?=\s*(?:[.,;)]|\Z))")
"""The word "in" is a unit only at the end of a clause."""
_MAX_PIECES = 6
_MAX_LETTERS = 6
"""Longest name of a unit in a script without spaces."""
_NO_SPACES = re.compile(r" ?([\u3041-\u9fff가-힣]+)")


def unit_end(text: str, position: int) -> int | None:
    """Return the index after the longest unit that starts at a position, None if none does. A space may be before."""
    if match := _NO_SPACES.match(text, position):
        end = min(match.end(1), match.start(1) + _MAX_LETTERS)
        return next((end for end in range(end, match.start(1), -1) if _is_unit(text[match.start(1) : end], True)), None)
    if match := _INCHES.match(text, position):
        return match.end()
    ends = _ends_of_pieces(text, position)
    start = position + (text[position : position + 1] == " ")
    is_spaced = start > position
    return next((end for end in reversed(ends) if _is_unit(text[start:end], is_spaced)), None)


def _ends_of_pieces(text: str, position: int) -> list[int]:
    """Return the ends of the words, powers and divisors that may belong to a unit."""
    ends: list[int] = []
    while len(ends) < _MAX_PIECES and (match := _PIECE.match(text, position)):
        if not ends and match["mark"] not in (None, " "):
            break
        is_next_word = match["mark"] == " " or not ends
        if (ends and match["mark"] is None) or (is_next_word and match["name"].lower() in NOT_UNITS):
            break
        position = match.end()
        ends.append(position)
    return ends


@lru_cache(maxsize=16_384)
def _is_unit(text: str, is_spaced: bool) -> bool:
    """Return whether a text is a unit and nothing more: neither "hours left" nor "cups of milk"."""
    first = re.split(r"[\s/^.*·⋅-]", text, maxsplit=1)[0]
    if len(first) == 1 and first.isascii() and first.isalpha():
        return False  # a letter may be a variable
    if known_name(text.replace(" ", "_")):
        return is_spaced or unit_form(text, is_marked=False, is_spaced=False) is not None
    if " of " in text or text.endswith(tuple(f" {tail}" for tail in TAILS)):
        return False
    form = unit_form(text, is_marked=False, is_spaced=is_spaced)
    return form is not None and is_known(form)
