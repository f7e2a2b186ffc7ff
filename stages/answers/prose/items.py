"""Results in a line: formulas, numbers and equations, and what the words around them say about each.

"42 apples on 3 trees" has two items: 42 is free, and 3 is governed by "on". Which item is the answer is decided in
`stages.answers.prose.answer`.
"""

import re
from dataclasses import dataclass
from enum import IntEnum

from stages.answers.prose.equations import Equation, equation, formula_equation, right_side, value_text
from stages.answers.prose.line import Part, Run
from stages.answers.prose.runs import RunParser
from stages.answers.prose.vocabulary import (
    AMOUNTS,
    APPROXIMATELY,
    CLAUSES,
    CONDITIONS,
    CONJUNCTIONS,
    COPULAS,
    FILLERS,
    NEGATIONS,
    OF_WORDS,
    OPERATION_WORDS,
    OPERATIONS_AFTER,
    OPERATIONS_OF,
    OR_WORDS,
    PREPOSITIONS,
    PURPOSES,
    REFERENCES,
    RESULT_ENDS,
    RESULT_WORDS,
    TO_WORDS,
    WEAK_REFERENCES,
    YEAR_WORDS,
)

_DASHES = ("-", "–", "—")
_LABEL = re.compile(r"\((?:[a-zA-Z]|i{1,3}|iv|vi?)\)")
_BOUNDS = frozenset(("more", "less", "fewer", "greater", "above", "over", "higher", "lower", "below"))
_TO_THE_POWER = ["to", "the", "power"]
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
    is_label: bool = False
    """Whether the item is the letter of a part: "(a) 5"."""
    is_formula: bool = False
    """Whether the item is a formula between dollar signs and the like."""


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
    """Return the item of a run: an inequality, an equation or its result, or an expression."""
    item = Item(_spelled(run.parts), run.start, run.end, Strength.FREE, doubt=run.doubt)
    item.value = item.text
    if any(part.role == "comparison" for part in run.parts):
        item.is_inequality = True
        if not any(part.kind in ("letter", "call", "formula", "other") for part in run.parts):
            item.strength = Strength.WEAK  # "3 < 5" is a step
    else:
        _read_sides(item, run.parts)
    is_equation = any(part.role == "relation" for part in run.parts)
    if run.opening and is_equation and not item.variable and not run.trailing:
        pass  # "- 8 * 2 = 16" in a list, "red and blue hats + 24 hats = 43": the right side is the result
    elif run.opening in _DASHES:
        item.doubt = item.doubt or f"{run.opening} {item.text}: a negative number, or a number after a dash"
    elif run.opening or run.trailing:
        item.doubt = item.doubt or f"{run.opening}{item.text}{run.trailing}: part of an expression with words"
    return item


def _read_sides(item: Item, parts: list[Part]) -> None:
    """Set what an item without inequalities says."""
    signs = [part.text for part in parts if part.role == "relation"]
    members = [index for index, part in enumerate(parts) if part.role == "member"]
    if members and not signs:
        parts = parts[members[-1] + 1 :]  # x \in [0, 5)
    sides = _sides(parts)
    first, last = sides[0], sides[-1]
    item.unit = last[-1].text if last and last[-1].role == "unit" else ""
    if not signs:
        item.is_variable = len(first) == 1 and _is_variable(first[0])
        item.strength = Strength.WEAK if item.is_variable else Strength.FREE
        body = first[:-1] if item.unit else first
        if _is_range(body):
            item.doubt = item.doubt or f"{_spelled(body)}: a difference, a range or a score"
        elif [part.text for part in body[1:-1]] == ["\\times"] and body[1].start == body[0].end:
            item.doubt = item.doubt or f"{_spelled(body)}: a product or a size"
        text = _spelled(body)
        result = formula_equation(text) if body[0].kind == "formula" else Equation(text, text)
    else:
        item.strength = Strength.RESULT
        body = last[:-1] if item.unit else last
        result = equation([*(_spelled(_without_unit(side)) for side in sides[:-1]), _spelled(body)], signs)
    is_factorial = body[-1:] and body[0].kind == "formula" and result.value.endswith("!")  # $3!$ is no exclamation
    value, doubt = (result.value, None) if is_factorial else value_text(result.value)
    item.doubt = item.doubt or doubt
    if signs and result.value != _spelled(body):
        item.unit = ""
    item.value = f"{value} {item.unit}".strip()
    item.variable = result.variable
    item.is_formula = any(part.kind == "formula" for part in first)
    if result.text == result.value:
        item.text = item.value
    elif result.variable and value != result.value:
        item.text = f"{result.variable} = {item.value}"
    else:
        item.text = f"{result.text} {item.unit}".strip()


def _without_unit(side: list[Part]) -> list[Part]:
    """Return a side without its units: "60 km / 2 h" as 60 / 2."""
    return [part for part in side if part.role != "unit" and part.kind != "unit"]


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


def _is_range(parts: list[Part]) -> bool:
    """Return whether numbers are joined by dashes alone, as in a score or in a range of pages."""
    operators = [part.text for part in parts if part.role == "operator"]
    return (
        bool(operators)
        and all(operator in (*_DASHES, "~") for operator in operators)
        and all(part.kind == "number" or part.role in ("operator", "postfix", "unit") for part in parts)
        and not any("√" in part.text for part in parts)
        and not parts[0].text.startswith("-")
    )


def _judge(item: Item, before: Item | None, parser: RunParser) -> None:
    """Set the strength of an item from the words around it."""
    if _LABEL.fullmatch(item.text) and parser.token(item.end).kind != "stop":
        item.is_label, item.strength = True, Strength.EXCLUDED
        return
    lead, mark = _lead(item, before.end if before else 0, parser)
    start = len(lead) - lead[::-1].index("then") if "then" in lead else 0  # "if she buys it, then she pays"
    words = _without_fillers([word for word in lead[start:] if word not in CONJUNCTIONS])
    last = words[-1] if words else ""
    item.is_direct = (before is None or before.is_label) and not mark and set(words) <= RESULT_WORDS | NEGATIONS
    if mark == "reference" or _is_excluded(item, words):
        item.strength, item.is_direct = Strength.EXCLUDED, False
    elif item.is_variable and (last in COPULAS or item.start == 0) and parser.token(item.end).kind == "stop":
        item.strength, item.is_variable = Strength.RESULT, False  # "the limit is e."; "$E$"
    elif item.strength == Strength.WEAK or _is_weak(item, last, before, parser):
        item.strength = Strength.WEAK
    elif before is not None and set(lead[:1]) & OR_WORDS and set(lead[1:]) & APPROXIMATELY:
        item.strength = Strength.WEAK  # "2/3, or about 66.7%"
    elif _is_computed(item) and last != "than" and CLAUSES.isdisjoint(words):
        item.strength = Strength.RESULT  # "at an average of 400 / 5 = 80"
    elif before is not None and ("who" in words or (words[-2:-1] == ["to"] and last in PURPOSES)):
        item.strength = Strength.GOVERNED  # "needs 5 more apples to have 12", "older than Tom, who is 7"
    elif last == "than":
        item.strength = Strength.GOVERNED
        item.doubt = item.doubt or f"{item.text}: a bound or the answer"
    elif _is_result(item, words, mark, parser):
        item.strength = Strength.RESULT
        if last in COPULAS and item.text == item.value and not AMOUNTS.isdisjoint(words):
            item.text = item.value = right_side(item.text)  # "the perimeter is 4x = 20"
    elif before is not None and _is_other_amount(item, before, lead, parser):
        item.strength = Strength.FREE  # "$15 per hour for 8 hours, or $120"
    elif (
        before is not None
        and lead
        and not CONJUNCTIONS.isdisjoint((lead[0], lead[-1]))
        and not set(words) & PREPOSITIONS
    ):
        item.strength = max(before.strength, Strength.GOVERNED)
    elif set(words) & PREPOSITIONS:
        item.strength = Strength.GOVERNED
    after, bound = (parser.token(item.end + offset).text.lower() for offset in (0, 1))
    if after in ("or", "and") and bound in _BOUNDS:
        item.doubt = item.doubt or f"{item.text} {after} {bound}: a bound"
    if operation := _operation(item, words, parser):
        item.doubt = item.doubt or f"{operation}: not computed"


def _is_computed(item: Item) -> bool:
    """Return whether an item is the right side of an equation between numbers."""
    return item.strength == Strength.RESULT and not item.variable and "=" not in item.text


def _is_other_amount(item: Item, before: Item, lead: list[str], parser: RunParser) -> bool:
    """Return whether ", or" joins an item to a number that says something about another one."""
    has_comma = parser.token(item.start - len(lead) - 1).kind == "comma"
    return lead[:1] != [] and lead[0] in OR_WORDS and has_comma and before.strength == Strength.GOVERNED


def _operation(item: Item, words: list[str], parser: RunParser) -> str:
    """Return "twice 5", "half of 10", "5 less than 20" and the like; "" if no words make another number of the item."""
    last, before_last = ["", "", *words][:-3:-1]
    if last in OPERATION_WORDS:
        return f"{last} {item.text}"
    if last in OF_WORDS and before_last in OPERATIONS_OF:
        return f"{before_last} {last} {item.text}"
    after = [parser.token(item.end + offset) for offset in range(3)]
    texts = [token.text.lower() for token in after]
    is_difference = texts[0] in _BOUNDS and texts[1] == "than" and after[2].kind in ("number", "currency")
    if is_difference or texts == _TO_THE_POWER:
        return f"{item.text} {' '.join(texts)}"
    return f"{item.text}{texts[0]}" if OPERATIONS_AFTER.match(texts[0]) else ""


def _without_fillers(words: list[str]) -> list[str]:
    """Return words without those at the end that say nothing: "is about" as "is"."""
    end = len(words)
    while end and (words[end - 1] in FILLERS or (words[end - 1] == "at" and words[end:][:1] in (["least"], ["most"]))):
        end -= 1
    return words[:end]


def _is_excluded(item: Item, words: list[str]) -> bool:
    """Return whether the words before an item say that it is no answer: "not 5", "step 3", "as x goes to infinity"."""
    last, before_last = ["", "", *words][:-3:-1]
    is_limit = last == "to" and before_last not in TO_WORDS and item.text in _INFINITIES
    is_reference = last in REFERENCES or last.endswith("第")
    return last in NEGATIONS or is_limit or (is_reference and item.text.isdecimal())


def _lead(item: Item, boundary: int, parser: RunParser) -> tuple[list[str], str]:
    """Return the words before an item in its clause, in lower case, and what is right before it.

    That is a colon or an arrow ("mark"), a word like "No." ("reference"), or something else ("").
    """
    words: list[str] = []
    for index in range(item.start - 1, max(boundary, item.start - _MAX_LEAD) - 1, -1):
        token = parser.tokens[index]
        is_short = token.text == "." and parser.token(index - 1).text.lower() in REFERENCES
        if is_short and not words:
            return [], "reference"  # "No. 5"
        if token.kind in ("comma", "stop", "arrow", "close"):
            if token.kind == "arrow" and not words and parser.token(index - 1).kind == "letter":
                return [], "reference"  # "as x → 0"
            is_mark = not words and (token.kind == "arrow" or token.text == ":")
            return words[::-1], "mark" if is_mark else ""
        if token.kind in ("word", "letter", "label"):
            words.append(token.text.lower())
    return words[::-1], ""


def _is_weak(item: Item, last: str, before: Item | None, parser: RunParser) -> bool:
    """Return whether a number is a year, a name ("day 3"), an item's number ("2."), or in brackets after another."""
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
    if before is None:
        return False
    opening = parser.opening_around(item.start)
    return (parser.token(item.start).kind == "open" and before.end == item.start) or (
        opening is not None and (before.end <= opening or before.strength == Strength.WEAK)
    )


def _is_result(item: Item, words: list[str], mark: str, parser: RunParser) -> bool:
    last, before_last = ["", "", *words][:-3:-1]
    after = parser.token(item.end)
    if (
        mark == "mark"
        or last in RESULT_WORDS
        or (after.kind == "word" and after.text.lower() in COPULAS and not set(words) & PREPOSITIONS)
    ):
        return True
    if item.strength == Strength.RESULT:  # an equation
        return not set(words) & CONDITIONS
    if last == "to" and before_last in TO_WORDS:
        return True
    if (last == "of" and before_last in AMOUNTS) or (last == "de" and before_last in COPULAS):
        return True  # "a total of 5", "la probabilité est de 25%"
    return not last.isascii() and last.endswith(RESULT_ENDS)
