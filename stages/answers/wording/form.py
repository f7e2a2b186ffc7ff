"""One form of words: case, spaces, typography and punctuation at the ends carry no meaning."""

import re
import unicodedata
from functools import lru_cache

from stages.answers.canonical.notation import with_ascii_digits
from stages.answers.wording.signs import AFTER_UNICODE, BEFORE_UNICODE, Groups, Replacement
from stages.answers.wording.spellings import RULES

_Compiled = tuple[tuple[re.Pattern[str], tuple[tuple[re.Pattern[str], Replacement], ...]], ...]


def _compiled(groups: Groups) -> _Compiled:
    return tuple(
        (re.compile(clue), tuple((re.compile(pattern), replacement) for pattern, replacement, *_ in rules))
        for clue, rules in groups
    )


_BEFORE, _AFTER, _SPELLINGS = _compiled(BEFORE_UNICODE), _compiled(AFTER_UNICODE), _compiled(RULES)
_HAS_SIGNS = re.compile(r"[^a-z0-9 .,'-]|\s\s")
_MEGA = re.compile(r"(?<=\d)\s{0,4}M(?=(?:W|V|J|N|g|Hz|Pa|eV|Bq|Ω)(?![^\W_]))")
_LEADING = frozenset(".,;:?¡¿…、·•_`\\")
_TRAILING = frozenset(".,;:?…、·•_`\\।॥؟،؛۔")
_UNPAIRED = frozenset('"|')
"""Marks that carry no meaning at an end if the text holds one of them only."""
_PAIRS = {
    '"': '"', "'": "'", "(": ")", "[": "]", "<": ">", "*": "*", "_": "_",
    "《": "》", "〈": "〉", "【": "】", "〔": "〕",
}  # fmt: skip
_MAX_STRIPS = 12
"""Layers of marks around an answer that are removed."""
_NEAR = 400
"""Characters in which the other mark of a pair is searched."""


@lru_cache(maxsize=65_536)
def normalised_text(text: str) -> str:
    """Return a text in one case and one Unicode form, with single spaces and without punctuation at either end.

    Marks that carry a meaning stay: signs, %, currencies, comparisons, # and +, vowel signs of all scripts.
    """
    text = unicodedata.normalize("NFKC", _replaced(text, _BEFORE))
    if "M" in text:
        text = _MEGA.sub(" mega-", text)
    text = with_ascii_digits(unicodedata.normalize("NFKC", text.casefold()))
    if _HAS_SIGNS.search(text):
        text = _replaced(text, _AFTER)
    text = _without_ends(" ".join(text.split()))
    return _without_ends(_replaced(text, _SPELLINGS).strip())


def _replaced(text: str, groups: _Compiled) -> str:
    for clue, rules in groups:
        if clue.search(text):
            for pattern, replacement in rules:
                text = pattern.sub(replacement, text)
    return text


def _without_ends(text: str) -> str:
    """Return a text without punctuation, quotes and brackets around it."""
    for _ in range(_MAX_STRIPS):
        if text[:1].isalnum() and text[-1:].isalnum():  # most texts
            break
        if len(text) > 1 and _PAIRS.get(text[0]) == text[-1] and _is_wrapped(text):
            text = text[1:-1]
            continue
        start, end = 0, len(text)
        while start < end and _is_leading(text, start):
            start += 1
        while end > start and _is_trailing(text, start, end):
            end -= 1
        if end - start == len(text):
            break
        text = text[start:end]
    return text


def _is_leading(text: str, index: int) -> bool:
    """Return whether the character at the start carries no meaning: ".5" keeps its point, "- Rome" loses its dash."""
    character, after = text[index], text[index + 1 : index + 2]
    if character == ".":
        return not after.isalnum()
    if character == "*":
        return not after.isalnum() or "*" in text[index + 1 : index + _NEAR]
    if character == "\\":
        return after != "{"
    if character == "=":
        return after not in ("", "=")
    if character in "-#":
        return text[index : index + 7].lstrip(character)[:1].isspace()
    if character in _UNPAIRED:
        return not index and character not in text[1:_NEAR]
    return character.isspace() or character in _LEADING


def _is_trailing(text: str, start: int, end: int) -> bool:
    """Return whether the character at the end carries no meaning: "5!" and "A*" keep their marks, "Yes!" does not."""
    character, before = text[end - 1], text[max(start, end - 2) : end - 1]
    word = text[max(start, end - 4) : end - 1]
    is_single = before.isalnum() and not word[-2:-1].isalnum()
    if character == "!":
        return not (before.isdigit() or before == ")" or (before.isalpha() and is_single))
    if character == "*":
        return not is_single
    if character == "$":
        return len(word) == 3 and word.isalpha()
    if character == "-":
        return before.isspace()
    if character in _UNPAIRED:
        return end == len(text) and not before.isdigit() and character not in text[max(start, end - _NEAR) : end - 1]
    return character.isspace() or character in _TRAILING


def _is_wrapped(text: str) -> bool:
    """Return whether the first and the last character are a pair around the whole text, and carry no meaning.

    Those of "(0, 1)" carry one: an interval, or a point. "(a) or (b)" has two pairs.
    """
    opening, closing, inner = text[0], text[-1], text[1:-1]
    if opening in "([":
        return not any(mark in inner for mark in (",", ";", opening, closing))
    return opening not in inner and closing not in inner
