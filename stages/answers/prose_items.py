"""Results in a line: formulas, numbers and equations, and what the words around them say about each.

"42 apples on 3 trees" has two items: 42 is free, and 3 is governed by "on". Which item is the answer is decided in
`stages.answers.prose`.
"""

import math
import re
from dataclasses import dataclass
from enum import IntEnum

from stages.answers.prose_runs import Part, Run, RunParser
from stages.answers.prose_tokens import Token, scaled
from stages.answers.prose_words import (
    AMOUNTS,
    CONDITIONS,
    CONJUNCTIONS,
    COPULAS,
    FILLERS,
    NEGATIONS,
    PREPOSITIONS,
    REFERENCES,
    RESULT_ENDS,
    RESULT_WORDS,
    TO_WORDS,
    WEAK_REFERENCES,
    YEAR_WORDS,
)

_INFINITIES = ("infinity", "inf", "∞", "+∞", "-∞", "\\infty")
_MAX_LEAD = 12
"""Words before an item that are looked at."""


class Strength(IntEnum):
    """How much the words around an item speak for its being the answer."""

    EXCLUDED = 0
    """Not an answer: "step 3", "not 5"."""
    WEAK = 1
    """An answer only if there is no other: a date, a year, a number in brackets, "day 3"."""
    GOVERNED = 2
    """Says something about another item: "on 3 trees"."""
    FREE = 3
    RESULT = 4
    """The result of a computation, or after "is", "has" and the like."""


@dataclass(slots=True)
class Item:
    """A result in a line."""

    text: str
    """The item as an answer spells it."""
    start: int
    """Index of its first token."""
    end: int
    """Index after its last token."""
    strength: Strength
    is_direct: bool = False
    """Whether only words like "about" are before it."""
    doubt: str | None = None
    """The readings of an item that can be read in several ways."""
    variable: str = ""
    """The left side of an equation like x = 5."""
    value: str = ""
    """The right side of such an equation, else the text."""
    unit: str = ""
    is_variable: bool = False
    """Whether the item is a letter alone."""
    is_inequality: bool = False


def items_of(parser: RunParser) -> list[Item]:
    """Return the items of a line in order. Members of a list ("3 and 5") are items of their own."""
    items: list[Item] = []
    index = 0
    while index < len(parser.tokens):
        item = _item_at(parser, index)
        if item is not None:
            before = items[-1] if items else None
            _judge(item, before, parser)
            items.append(item)
            index = max(item.end, index + 1)
        else:
            index += 1
    return items


def _item_at(parser: RunParser, index: int) -> Item | None:
    token = parser.tokens[index]
    if token.kind in ("word", "number", "mixed", "formula", "letter", "function", "command", "open", "operator",
                      "currency", "text", "time", "ratio"):  # fmt: skip
        run = parser.run_at(index)
        if run is not None:
            return _run_item(run)
    if token.kind == "letter" and (token.text not in "aAI" or len(parser.tokens) == 1) and not parser.joins(index):
        return Item(token.text, index, index + 1, Strength.WEAK, is_variable=True, value=token.text)
    if token.kind == "ordinal":
        text = re.sub(r"\D", "", token.text)
        return Item(text, index, index + 1, Strength.WEAK, value=text)
    if token.kind == "date":
        return Item(token.text, index, index + 1, Strength.WEAK, value=token.text)
    if token.kind == "label" and index == 0:
        return Item(token.text, index, index + 1, Strength.EXCLUDED, value=token.text)
    return None


def _run_item(run: Run) -> Item:
    """Return the item of a run: its equation, or the last side of a chain of equations."""
    sides = _sides(run.parts)
    item = Item(_spelled(run.parts), run.start, run.end, Strength.FREE, doubt=run.doubt)
    if any(part.role == "comparison" for part in run.parts):
        item.is_inequality = True
        if not any(part.kind in ("letter", "call", "formula", "other") for part in run.parts):
            item.strength = Strength.WEAK  # "3 < 5" is a step
    else:
        if (members := [i for i, part in enumerate(run.parts) if part.role == "member"]) and len(sides) == 1:
            sides = [run.parts[members[-1] + 1 :]]
        value = _value(sides[-1], item, is_equation=len(sides) > 1)
        first = sides[0]
        if len(sides) > 1:
            item.strength = Strength.RESULT
            _equation(item, sides, value)
        else:
            item.text = item.value = value
            item.is_variable = len(first) == 1 and _is_variable(first[0])
            item.strength = Strength.WEAK if item.is_variable else Strength.FREE
    item.value = item.value or item.text
    if run.opening in ("-", "–", "—"):
        item.doubt = item.doubt or f"{run.opening} {item.text}: a negative number, or a number after a dash"
    elif run.opening or run.trailing:
        item.doubt = item.doubt or f"{run.opening}{item.text}{run.trailing}: part of an expression with words"
    return item


def _equation(item: Item, sides: list[list[Part]], value: str) -> None:
    """Set the text of an equation: x = 5 and x + y = 5 stay, and 2 + 3 = 5, f(2) = 5 and "total = 5" are 5."""
    first = sides[0]
    letters = [
        part for part in first if part.kind in ("letter", "formula") and not re.fullmatch(r"[-\d.,%\s]+", part.text)
    ]
    item.text = item.value = value
    if first and not letters:
        return
    if len(first) == 1 and _is_variable(first[0]):
        item.variable = first[0].text
        item.text = f"{item.variable} = {value}"
    elif first and len(sides) == 2 and not any(part.kind == "call" for part in first):
        item.text = item.value = f"{_spelled(first)} = {value}"


def _is_variable(part: Part) -> bool:
    return part.kind == "letter" or (
        part.kind == "formula" and re.fullmatch(r"\\?[a-zA-Z]+(?:_\w|_\{\w+\})?'*", part.text) is not None
    )


def _sides(parts: list[Part]) -> list[list[Part]]:
    """Return the sides of an equation; an empty first one if the left side is in words."""
    sides: list[list[Part]] = [[]]
    for part in parts:
        if part.role == "relation":
            sides.append([])
        else:
            sides[-1].append(part)
    return sides


def _spelled(parts: list[Part]) -> str:
    """Return the text of parts with single spaces where the line has some."""
    text = ""
    for before, part in zip([None, *parts], parts, strict=False):
        is_apart = before is not None and part.role != "postfix" and part.start > before.end
        is_apart = is_apart or (before is not None and (part.role == "unit" or part.text[0] == " "))
        text += (" " if is_apart else "") + part.text.strip()
    return re.sub(r"[−–]", "-", text)


_POWER = re.compile(
    r"([-+]?)(?:(\d[\d,]{0,20}(?:\.\d{1,20})?) ?(?:\\times|\\cdot|[×x*·⋅]) ?)?10 ?\^ ?[({]?([-+]?\d{1,2})[)}]?"
)
_SCIENTIFIC = re.compile(r"([-+]?)(\d[\d,]{0,20}(?:\.\d{1,20})?)[eE]([-+]?\d{1,2})")
_FACTORIAL = re.compile(r"(\d{1,9})!")
_SIZE = re.compile(r"\d+x\d+(?:x\d+)?")


def _value(parts: list[Part], item: Item, *, is_equation: bool) -> str:
    """Return the text of one side of an equation, and note on the item its unit and its doubt."""
    if parts and parts[-1].role == "unit":
        item.unit = parts[-1].text
    body = parts[:-1] if item.unit else parts
    text = _spelled(body)
    if len(body) == 1 and body[0].kind == "group" and re.fullmatch(r"\([-+]?[$€£]?\d+(?:\.\d+)?%?\)", text):
        text = text[1:-1]
    if len(body) == 1 and body[0].kind == "formula":
        text = _formula(text)
    power = _POWER.fullmatch(text) or _SCIENTIFIC.fullmatch(text)
    if power and (power[2] or power[3]):
        text = power[1].replace("+", "") + scaled(power[2] or "1", int(power[3]))
    elif factorial := _FACTORIAL.fullmatch(text):
        number = int(factorial[1])
        if number <= 20:
            item.doubt = f"{text}: {number}, or {math.factorial(number)}"
        text = factorial[1]
    elif _is_range(body) and not is_equation:
        item.doubt = f"{text}: a difference, a range or a score"
    elif len(body) == 3 and body[1].text == "\\times" and body[1].start == body[0].end and not is_equation:
        item.doubt = f"{text}: a product or a size"
    return f"{text} {item.unit}".strip() if item.unit else text


def _is_range(parts: list[Part]) -> bool:
    """Return whether numbers are joined by dashes alone, as in a score or in a range of pages."""
    operators = [part.text for part in parts if part.role == "operator"]
    return (
        bool(operators)
        and all(operator in ("-", "–", "—", "~") for operator in operators)
        and all(part.kind == "number" or part.role in ("operator", "postfix", "unit") for part in parts)
        and not parts[0].text.startswith("-")
    )


def _formula(text: str) -> str:
    """Return a formula; of a chain of equations without letters on the left, or with three sides, the last side."""
    sides = re.split(r"(?<![<>!\\])=", text)
    if len(sides) < 2 or re.search(r"[,<>&]|\\(?:le|ge|lt|gt|neq?|text|begin|cup|in)(?![a-z])", text):
        return text
    left = sides[0].strip()
    if text.count("{") != text.count("}") or any(side.count("{") != side.count("}") for side in sides):
        return text
    if not re.search(r"[a-zA-Z]", re.sub(r"\\[a-zA-Z]+", "", left)):
        return sides[-1].strip()
    if len(sides) > 2:
        is_variable = re.fullmatch(r"[a-zA-Z](?:_\w)?", left)
        return f"{left} = {sides[-1].strip()}" if is_variable else sides[-1].strip()
    return text


def _judge(item: Item, before: Item | None, parser: RunParser) -> None:
    """Set the strength of an item from the words around it."""
    boundary = before.end if before else 0
    lead, mark = _lead(item, boundary, parser)
    joins_before = before is not None and bool(lead) and lead[0] in CONJUNCTIONS
    words = [word for word in lead if word not in CONJUNCTIONS]
    fillers = len(words)
    while fillers and words[fillers - 1] in FILLERS:
        fillers -= 1
    words = words[:fillers]
    last = words[-1] if words else ""
    item.is_direct = before is None and not mark and all(word in RESULT_WORDS | NEGATIONS for word in words)
    is_integer = re.fullmatch(r"\d+", item.text) is not None
    is_limit = last == "to" and words[-2:-1] not in [[word] for word in TO_WORDS] and item.text in _INFINITIES
    if last in NEGATIONS or (is_integer and last in REFERENCES) or mark == "reference" or is_limit:
        item.strength, item.is_direct = Strength.EXCLUDED, False
    elif item.strength == Strength.WEAK or _is_weak(item, last, before, parser):
        item.strength = Strength.WEAK
    elif last == "than":
        item.strength = Strength.GOVERNED
        item.doubt = item.doubt or f"{item.text}: a bound or the answer"
    elif _is_result(item, words, mark, parser):
        item.strength = Strength.RESULT
    elif joins_before and before is not None and not set(words) & PREPOSITIONS:
        item.strength = max(before.strength, Strength.GOVERNED)
    elif item.variable and not set(words) & CONDITIONS:
        item.strength = Strength.RESULT
    elif set(words) & PREPOSITIONS:
        item.strength = Strength.GOVERNED
    after = parser.token(item.end)
    if after.kind == "word" and after.text.lower() in ("or", "and") and parser.token(item.end + 1).text.lower() in (
        "more", "less", "fewer", "greater", "above", "over", "higher", "lower", "below",
    ):  # fmt: skip
        item.doubt = item.doubt or f"{item.text} {after.text} {parser.token(item.end + 1).text}: a bound"


def _lead(item: Item, boundary: int, parser: RunParser) -> tuple[list[str], str]:
    """Return the words in lower case before an item in its clause, and what is right before it: "", "mark" or "reference"."""
    words: list[str] = []
    for index in range(item.start - 1, max(boundary, item.start - _MAX_LEAD) - 1, -1):
        token = parser.tokens[index]
        if (
            token.kind == "stop"
            and token.text == "."
            and parser.token(index - 1).text.lower() in REFERENCES
            and not words
        ):
            return [], "reference"
        if token.kind in ("comma", "stop", "arrow", "close"):
            if token.kind == "arrow" and not words and parser.token(index - 1).kind == "letter":
                return [], "reference"  # "as x → 0"
            is_mark = not words and (token.kind == "arrow" or token.text == ":")
            return words[::-1], "mark" if is_mark else ""
        if token.kind in ("word", "letter", "label"):
            words.append(token.text.lower())
    return words[::-1], ""


def _is_weak(item: Item, last: str, before: Item | None, parser: RunParser) -> bool:
    """Return whether a number is a year, a name like "day 3", a number in brackets after another, or a list's number."""
    if re.fullmatch(r"(?:19|20)\d\d", item.text) and last in YEAR_WORDS:
        return True
    after = parser.token(item.end)
    is_integer = re.fullmatch(r"\(?\d{1,2}\)?", item.text) is not None
    if is_integer and last in WEAK_REFERENCES:
        return True
    if item.start == 0 and is_integer and parser.spaced(item.end + 1) and item.end + 1 < len(parser.tokens):
        return after.text == "." or (after.kind == "close" and item.text.isdigit())
    if after.text in ("-", "–") and not parser.spaced(item.end) and parser.token(item.end + 1).kind == "word":
        return True  # "5-year"
    token, previous = parser.token(item.start), parser.token(item.start - 1)
    if before is None:
        return False
    return (token.kind == "open" and before.end == item.start) or (
        previous.kind == "open" and before.end <= item.start - 1 and item.start - 1 in parser.closing
    )


def _is_result(item: Item, words: list[str], mark: str, parser: RunParser) -> bool:
    last, before_last = (words[-1] if words else ""), (words[-2] if len(words) > 1 else "")
    after = parser.token(item.end)
    if mark == "mark" or last in RESULT_WORDS or (after.kind == "word" and after.text.lower() in COPULAS):
        return True
    if item.strength == Strength.RESULT:  # an equation
        return not set(words) & CONDITIONS
    if last == "to" and before_last in TO_WORDS:
        return True
    if last == "of" and before_last in AMOUNTS:
        return True
    return not last.isascii() and last.endswith(RESULT_ENDS)
