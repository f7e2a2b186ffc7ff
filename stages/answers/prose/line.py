"""A line as tokens, with the brackets that belong together, and the runs of mathematics in it."""

from dataclasses import dataclass, field
from typing import Literal

from stages.answers.canonical.unit_names import MONEY_SIGNS
from stages.answers.canonical.units import is_unit_word
from stages.answers.prose.tokens import Token, language_of, plain, tokens_of
from stages.answers.prose.vocabulary import KNOWN_WORDS, NOUN_LINKS

_CONJUNCTION_LETTERS = frozenset("yeo")
_LONGEST_PRODUCT = 3
"""A longer word is no product of letters."""


Role = Literal["operand", "operator", "relation", "comparison", "member", "unit", "postfix"]


@dataclass(slots=True)
class Part:
    """An operand or operator of a run."""

    role: Role
    text: str
    start: int
    end: int
    kind: str = ""
    """What an operand is: number, letter, group, call, formula or other."""

    @property
    def is_plain(self) -> bool:
        """Whether a part is neither a unit nor an amount of money."""
        return self.role != "unit" and self.text[:1] not in MONEY_SIGNS


@dataclass(slots=True)
class Run:
    """A run of mathematics. Indices are of tokens; `end` is the index after the last."""

    start: int
    end: int
    parts: list[Part] = field(default_factory=list)
    doubt: str | None = None
    opening: str = ""
    """The operator at the start of the run if nothing is before it, as in "the price + 3"; else ""."""
    trailing: str = ""
    """The operator after the run if nothing follows it, as in "x + 3 + ..."; else ""."""


class Line:
    """A line of a response without Markdown, and its tokens."""

    def __init__(self, text: str, language: str = "en") -> None:
        self.text = plain(text, language)
        self.language = language_of(self.text) if language == "en" else language
        self.tokens = tokens_of(self.text, self.language)
        self.closing = _closing(self.tokens)
        """Index of an opening bracket -> index of the closing one."""
        self._around = _openings_around(len(self.tokens), self.closing)
        self._words_before = _counts(self.tokens, "word", "date", "label")
        self._letters_before = _counts(self.tokens, "letter", "function", "command")

    def token(self, index: int) -> Token:
        """Return a token; an empty one of kind "stop" beyond the ends of the line."""
        if 0 <= index < len(self.tokens):
            return self.tokens[index]
        return Token("stop", "", len(self.text), len(self.text))

    def spaced(self, index: int) -> bool:
        """Return whether white space, or an end of the line, is before a token."""
        return index <= 0 or self.token(index).start > self.token(index - 1).end

    def opening_around(self, index: int) -> int | None:
        """Return the index of the innermost bracket around a token, None if it is in none that is closed."""
        return self._around[index]

    def joins(self, index: int) -> bool:
        """Return whether a letter means "and" or "or" between two answers: "3 y 5"."""
        is_apart = self.spaced(index) and self.spaced(index + 1)
        return (
            is_apart and index > 0 and self.token(index).text in _CONJUNCTION_LETTERS
            and (self.token(index + 1).kind in ("number", "mixed", "currency", "formula", "open")
                 or (self.token(index + 1).kind == "letter" and self.token(index + 2).text == "="))
        )  # fmt: skip

    def is_noun(self, index: int) -> bool:
        """Return whether a token may belong to nouns in a computation: the words of "11 pills/day * 7 days"."""
        token = self.token(index)
        if token.text == "/":
            return not self.spaced(index) and not self.spaced(index + 1) and self.token(index + 1).kind == "word"
        word = token.text.lower()
        if self.token(index - 1).text == "/":
            return token.kind == "word"
        return token.kind == "word" and (word not in KNOWN_WORDS or word in NOUN_LINKS or is_unit_word(word))

    def is_mathematical(self, opening: int) -> bool:
        """Return whether a bracket is closed and holds no words."""
        closing = self.closing.get(opening)
        return closing is not None and self._words_before[opening] == self._words_before[closing]

    def has_words(self, start: int, end: int) -> bool:
        """Return whether there are words among the tokens from `start` to before `end`."""
        return self._words_before[start] < self._words_before[end]

    def has_letters(self, opening: int) -> bool:
        """Return whether a closed bracket holds letters or commands."""
        return self._letters_before[opening] < self._letters_before[self.closing[opening]]


def is_product(token: Token) -> bool:
    """Return whether a short word may be a product of letters: "xy", "ab"."""
    word = token.text.lower()
    return (
        token.kind == "word" and len(word) <= _LONGEST_PRODUCT and word.isascii() and word.isalpha()
        and word not in KNOWN_WORDS
    )  # fmt: skip


def _closing(tokens: list[Token]) -> dict[int, int]:
    """Return index of an opening bracket -> index of the closing one. "[0, 1)" is closed too; braces match braces."""
    opened: list[int] = []
    closing = {}
    for index, token in enumerate(tokens):
        if token.kind == "open":
            opened.append(index)
        elif token.kind == "close" and opened:
            is_brace = token.text[-1] == "}"
            if (tokens[opened[-1]].text[-1] == "{") == is_brace:
                closing[opened.pop()] = index
            elif is_brace:
                opened.clear()
    return closing


def _openings_around(count: int, closing: dict[int, int]) -> list[int | None]:
    """Return the index of the innermost closed bracket around each of `count` tokens."""
    around: list[int | None] = []
    opened: list[int] = []
    for index in range(count):
        if opened and closing[opened[-1]] == index:
            opened.pop()
        around.append(opened[-1] if opened else None)
        if index in closing:
            opened.append(index)
    return around


def _counts(tokens: list[Token], *kinds: str) -> list[int]:
    """Return the number of tokens of some kinds before each token, and before the end."""
    counts = [0]
    for token in tokens:
        counts.append(counts[-1] + (token.kind in kinds))
    return counts
