"""Rules that a generated question must pass before it is compared with other questions.

Departs from the authors' release in four points. The rules have names, and every rejection records the name of its
rule. The number of characters is limited too, because text without white space is a single word of any length.
A character of a script without spaces counts as a word. Text that a tokenizer reads as a control token is refused.
"""

import difflib
import re
import string
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from stages.settings import Settings
from stages.text.similarity import SPACELESS

_WORD = re.compile(rf"[{SPACELESS}]|[^\s{SPACELESS}]+")
_PUNCTUATION = frozenset(string.punctuation)
# Every repetition is bounded, so that a hostile text takes linear time. Names between bars have at least three
# characters and no operator (a<|b-c|>d is mathematics). Three capitals in brackets are the area of a triangle.
_CONTROL_TEXT = re.compile(
    "|".join(
        (
            r"<[|｜][\w▁]{3,64}[|｜]?>|<[\w▁]{3,64}[|｜]>",  # <|im_end|>, <｜end▁of▁sentence｜>, <|turn>, <turn|>
            r"</?s>|<</?SYS>>",
            r"\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\]",
            r"<(?:start|end)_of_\w{1,32}>",
            r"</?(?:think|tool_call|tool_response)>",
            r"<(?:bos|eos|eod|eot|pad|unk|mask)>|<(?:BOS|EOS|PAD|UNK)_TOKEN>",
        )
    )
)


def _too_short(question: str, rules: "QualityRules") -> bool:
    return len(_WORD.findall(question)) < rules.min_words


def _too_long(question: str, rules: "QualityRules") -> bool:
    return len(question) > rules.max_chars or len(_WORD.findall(question)) > rules.max_words


def _banned_opening(question: str, rules: "QualityRules") -> bool:
    return question.casefold().startswith(tuple(opening.casefold() for opening in rules.banned_openings))


def _contains(question: str, phrases: tuple[str, ...]) -> bool:
    return bool(phrases) and _whole_words(phrases).search(question) is not None


@lru_cache(maxsize=16)
def _whole_words(phrases: tuple[str, ...]) -> re.Pattern[str]:
    patterns = (r"\s+".join(map(re.escape, phrase.split())) for phrase in phrases)
    return re.compile(rf"(?<!\w)(?:{'|'.join(patterns)})(?!\w)", re.IGNORECASE)


RULES: Mapping[str, Callable[[str, "QualityRules"], bool]] = {
    "empty": lambda question, rules: not question,
    "too_short": _too_short,
    "too_long": _too_long,
    "banned_word": lambda question, rules: _contains(question, rules.banned_words),
    "banned_phrase": lambda question, rules: _contains(question, rules.banned_phrases),
    "banned_opening": _banned_opening,
    "leading_punctuation": lambda question, rules: question[:1] in _PUNCTUATION,
    "leading_non_ascii": lambda question, rules: not question[:1].isascii(),
    "control_text": lambda question, rules: _CONTROL_TEXT.search(question) is not None,
}
"""Rule name -> function (question, settings) -> whether the rule rejects the question.

Questions have no white space at either end. The published rules come first; `control_text` is ours.
"""


def _known_rule(name: str) -> str:
    if name not in RULES:
        close = difflib.get_close_matches(name, RULES, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise ValueError(f"unknown rule {name[:80]!r}{hint} (known: {', '.join(RULES)})")
    return name


def _not_blank(keyword: str) -> str:
    if not keyword.strip():
        raise ValueError(f"{keyword[:80]!r} is blank and would reject every question; expected text")
    return keyword


RuleName = Annotated[str, AfterValidator(_known_rule)]
Keyword = Annotated[str, AfterValidator(_not_blank)]


class QualityRules(Settings):
    """Settings of the rules. The defaults are the published ones, but a question may start in any language."""

    use: tuple[RuleName, ...] = tuple(name for name in RULES if name != "leading_non_ascii")
    """The rules that apply, in the order in which they are tried. The first rule that rejects is the recorded reason.

    empty: no text; too_short, too_long: outside min_words, max_words and max_chars; banned_word, banned_phrase and
    banned_opening: see the settings below; leading_punctuation: starts with ASCII punctuation, which includes the `$`
    and backslash of LaTeX; leading_non_ascii: starts with a character outside ASCII; control_text: contains text that
    tokenizers read as a control token, such as <|im_end|>, </s> or [INST], which would end the user's turn in a prompt.
    """
    min_words: int = Field(4, ge=1, le=10_000)
    """Least number of words between white space; a Chinese or Japanese character counts as a word."""
    max_words: int = Field(150, ge=1, le=10_000)
    """Largest number of words, counted like min_words."""
    max_chars: int = Field(4_000, ge=1, le=100_000)
    """Largest number of characters."""
    banned_words: tuple[Keyword, ...] = (
        "image", "images", "graph", "graphs", "picture", "pictures", "file", "files", "map", "maps", "draw", "plot",
    )  # fmt: skip
    """Words for things that a text model cannot see or do. Whole words are matched, in upper or lower case."""
    banned_phrases: tuple[Keyword, ...] = ("go to",)
    """Sequences of words, matched like banned_words with any white space between."""
    banned_openings: tuple[Keyword, ...] = ("Write a program",)
    """Texts that a question must not start with, in upper or lower case."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if repeated := sorted({name for name in self.use if self.use.count(name) > 1}):
            raise ValueError(f"use names {', '.join(repeated)} more than once; a rule applies once")
        if self.min_words > self.max_words:
            raise ValueError(f"min_words {self.min_words} is above max_words {self.max_words}")
        return self


def reject_reason(question: str, rules: QualityRules) -> str | None:
    """Return the name of the first rule in `rules.use` that rejects the question, None if all rules accept it."""
    stripped = question.strip()
    return next((name for name in rules.use if RULES[name](stripped, rules)), None)
