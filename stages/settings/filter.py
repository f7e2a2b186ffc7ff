"""Settings of the filter: the quality rules, and how new a question has to be."""

import difflib
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, PositiveInt, model_validator

from stages.settings.base import Settings, left_out

COPIES_EXAMPLE, REPEATS = "copies_example", "repeats"
_PUBLISHED = (
    "too_short",
    "too_long",
    "banned_word",
    "banned_phrase",
    "banned_opening",
    "leading_punctuation",
    "leading_non_ascii",
)
_OF_CHAT_MODELS = ("unfinished", "refusal", "has_solution", "several_questions", "not_a_question")
"""What chat models write in place of a question."""
RULE_NAMES = ("empty", *_PUBLISHED, "control_text", *_OF_CHAT_MODELS, COPIES_EXAMPLE, REPEATS)
"""Every quality rule. `stages.text.quality.RULES` says what each rejects; the last two compare with other questions."""
_DEFAULT_USE = ("empty", *_OF_CHAT_MODELS, *_PUBLISHED[:-1], "control_text", COPIES_EXAMPLE, REPEATS)
"""Chat models' solutions are too long as well, so the rules that name the cause come first."""


def _known_rule(name: str) -> str:
    if name not in RULE_NAMES:
        close = difflib.get_close_matches(name, RULE_NAMES, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise ValueError(f"unknown rule {name[:80]!r}{hint} (known: {', '.join(RULE_NAMES)})")
    return name


def _not_blank(keyword: str) -> str:
    if not keyword.strip():
        raise ValueError(f"{keyword[:80]!r} is blank and would reject every question; expected text")
    return keyword


RuleName = Annotated[str, AfterValidator(_known_rule)]
Keyword = Annotated[str, AfterValidator(_not_blank)]


class QualityRules(Settings):
    """What makes a question unfit. Defaults are the published ones, except that `leading_non_ascii` is off, and that
    what is not published is on: `max_chars`, and the rules unfinished, refusal, has_solution, several_questions,
    not_a_question, control_text, copies_example and repeats."""

    use: tuple[RuleName, ...] = _DEFAULT_USE
    """The rules that apply, in the order in which they are tried; the first broken rule is the recorded reason.

    empty: no text; too_short, too_long: outside min_words, max_words and max_chars; banned_word, banned_phrase and
    banned_opening: see there; leading_punctuation: starts with ASCII punctuation, which includes the `$` and backslash
    of LaTeX; leading_non_ascii: starts with a character outside ASCII; control_text: contains text that tokenizers read
    as a control token, such as <|im_end|>, </s> or [INST], or a control token of the policy or of a voter's model.

    unfinished: cut off by the token limit, or ends in the middle; refusal: begins as a refusal begins; has_solution:
    holds its solution or answer; several_questions: holds more than one numbered or headed question; not_a_question:
    asks nothing and gives nothing to find (English texts only).

    copies_example and repeats compare with other questions, so they come after all others: see max_example_similarity
    and max_repeat_similarity. With a built-in `domain` or the fake engine, where other numbers make another question,
    they never apply.
    """
    min_words: int = Field(4, ge=1, le=10_000)
    """Fewest white-space words; a Chinese or Japanese character counts as a word."""
    max_words: int = Field(150, ge=1, le=10_000)
    """Most words, counted like min_words."""
    max_chars: int = Field(4_000, ge=1, le=100_000)
    """Most characters, whatever the number of words."""
    banned_words: tuple[Keyword, ...] = (
        "image", "images", "graph", "graphs", "picture", "pictures", "file", "files", "map", "maps", "draw", "plot",
    )  # fmt: skip
    """Words that point at something a text model cannot see or do; whole words in any case."""
    banned_phrases: tuple[Keyword, ...] = ("go to",)
    """Runs of words, matched like banned_words with any white space between."""
    banned_openings: tuple[Keyword, ...] = ("Write a program",)
    """Texts a question must not start with, in any case."""
    # Left out of dumps by default: the keys of runs from before these settings stay the same.
    max_example_similarity: float = left_out(0.6, ge=0, le=1)
    """copies_example rejects above this ROUGE-L F-measure to an example of the prompt that the question was written
    for, as written or with all numbers equal."""
    max_repeat_similarity: float = left_out(0.8, ge=0, le=1)
    """repeats rejects above this ROUGE-L F-measure to a question of the policy that was accepted earlier, with all
    numbers equal."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if twice := sorted({name for name in self.use if self.use.count(name) > 1}):
            raise ValueError(f"use names {', '.join(twice)} more than once; a rule applies once")
        if self.min_words > self.max_words:
            raise ValueError(f"min_words {self.min_words} is above max_words {self.max_words}")
        return self


class FilterSettings(Settings):
    """Which candidates are accepted. Defaults are the published ones, except in `rules` (see there) and for
    `overlap_words`, which is not published."""

    rules: QualityRules = QualityRules()
    """Rules that every question has to pass."""
    max_similarity: float = Field(0.7, ge=0, le=1)
    """Reject above this ROUGE-L F-measure to a seed or an earlier question."""
    overlap_words: int = Field(13, ge=0, le=100)
    """Reject a question that shares this many words in a row with an evaluation set; 0 for equal texts only."""
    answerable: Annotated[int, Field(ge=2)] | None = left_out(None)
    """Ask each accepted question this many times first, and drop it before the other responses are sampled if no two
    answers are equal. These are the first of `sample.responses`. null: sample all responses at once."""


class FilterConfig(FilterSettings):
    """`FilterSettings` with the values that other settings of the run decide. `answerable` is not used: a stage of its
    own tries the questions."""

    questions: PositiveInt
    """Accept at most this many; the rest are rejected as surplus."""
    domain: Literal["arithmetic"] | None = None
    """Built-in domain whose held-out problems are kept apart."""
    seed_sets: tuple[str, ...] = ()
    """Benchmarks that are the seeds themselves: they neither reject candidates nor count as overlap."""
    # Left out of dumps when empty: the fake engine has no control tokens.
    control_tokens: tuple[str, ...] = left_out(())
    """Control tokens of the models that are asked, which the rule `control_text` rejects in addition to those that it
    knows by their look."""
