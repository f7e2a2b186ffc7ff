"""Rules a generated question must pass before it is compared with others (METHOD: length, keywords, openings).

Departs from the authors' release in two points: every rejection carries the name of its rule, and a question is also
too long by characters, since model output without white space has one word however long it is.
"""

import re
import string
from collections.abc import Callable
from functools import lru_cache

from pydantic import Field

from stages.settings import Settings


class QualityRules(Settings):
    """What makes a question unfit; the defaults are the published ones."""

    min_words: int = Field(4, ge=1, le=10_000)
    """Fewest white-space words."""
    max_words: int = Field(150, ge=1, le=10_000)
    """Most white-space words."""
    max_chars: int = Field(4_000, ge=1, le=100_000)
    """Most characters, whatever the number of words."""
    banned_words: tuple[str, ...] = (
        "image", "images", "graph", "graphs", "picture", "pictures", "file", "files", "map", "maps", "draw", "plot",
    )  # fmt: skip
    """Words that point at something a text model cannot see or do; whole words in any case."""
    banned_phrases: tuple[str, ...] = ("go to",)
    """Runs of words, matched like banned_words with any white space between."""
    banned_openings: tuple[str, ...] = ("Write a program",)
    """Texts a question must not start with, in any case."""
    reject_leading_punctuation: bool = True
    """Reject a question that starts with ASCII punctuation; this includes the `$` and backslash of LaTeX."""
    reject_leading_non_ascii: bool = True
    """Reject a question that starts with a character outside ASCII."""


def _contains(question: str, phrases: tuple[str, ...]) -> bool:
    return bool(phrases) and _whole_words(phrases).search(question) is not None


@lru_cache(maxsize=16)
def _whole_words(phrases: tuple[str, ...]) -> re.Pattern[str]:
    patterns = (r"\s+".join(map(re.escape, phrase.split())) for phrase in phrases)
    return re.compile(rf"(?<!\w)(?:{'|'.join(patterns)})(?!\w)", re.IGNORECASE)


def _too_short(question: str, rules: QualityRules) -> bool:
    return len(question.split()) < rules.min_words


def _too_long(question: str, rules: QualityRules) -> bool:
    return len(question) > rules.max_chars or len(question.split()) > rules.max_words


def _banned_opening(question: str, rules: QualityRules) -> bool:
    return question.casefold().startswith(tuple(opening.casefold() for opening in rules.banned_openings))


# Tried in this order; the first that holds is the reason recorded in the rejected table.
RULES: tuple[tuple[str, Callable[[str, QualityRules], bool]], ...] = (
    ("empty", lambda question, rules: not question),
    ("too_short", _too_short),
    ("too_long", _too_long),
    ("banned_word", lambda question, rules: _contains(question, rules.banned_words)),
    ("banned_phrase", lambda question, rules: _contains(question, rules.banned_phrases)),
    ("banned_opening", _banned_opening),
    ("leading_punctuation", lambda q, rules: rules.reject_leading_punctuation and q[0] in string.punctuation),
    ("leading_non_ascii", lambda question, rules: rules.reject_leading_non_ascii and not question[0].isascii()),
)


def reject_reason(question: str, rules: QualityRules) -> str | None:
    """Name of the first rule the question breaks, None when it passes all."""
    stripped = question.strip()
    return next((name for name, breaks in RULES if breaks(stripped, rules)), None)
