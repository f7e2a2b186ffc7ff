"""The items of a list that a chat model wrote: numbered in any of the common ways, or each under a heading.

    Sure! Here are more questions:

    **9.** What is 1+1?
    ### Question 10:
    What is 2+2?

A number inside a question opens no item: the numbers of items rise, by small steps, and all stand in the same way
("10." or "10)" or "Question 10:"). Every repetition is bounded, so that a hostile text takes linear time.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from stages.text.asking import asks
from stages.text.clean_questions import HEADING_WORDS, MAX_PREAMBLE, is_preamble

MAX_GAP = 5
"""Largest step between two numbers. A model may skip a few, but a line that starts with "2019." is not item 2019."""

MAX_ITEMS = 64

_LINE = re.compile(
    r"(?:\A|(?<=\n))[ \t]{0,8}(?:[-*+•>][ \t]{1,4})?(?:#{1,6}[ \t]?)?[*_]{0,3}[\[<【]?(?:"
    rf"(?P<word>(?:(?:new|math|practice) )?(?:{HEADING_WORDS}|q)(?: ?(?:#|no\.?|nr\.?|n°))? ?)"
    r"(?:(?P<word_number>\d{1,4})(?:[*_]{0,3}[\]】>]|[*_]{0,3}(?: ?[(\[（][^()\[\]\n]{1,40}[)\]）])?[*_]{0,3}[ \t]{0,4}"
    r"(?:[:：.)\n–—]|- |\Z))"
    r"|[*_\]>】]{0,4}[:：])|(?P<tag><(?:question|problem|exercise)>)"
    r"|(?:\((?=\d{1,4}\)))?(?P<number>\d{1,4})[*_]{0,3}(?P<sign>\\?[.)]|[、．）])(?=[*_]{0,3}(?:\s|\Z|[^\W\d]|[$\\(\"'“¿¡])))",
    re.IGNORECASE,
)
_WITHIN_LINE = re.compile(
    r"(?<=[.?!)$\"'*])[ \t]{1,8}[*_]{0,3}(?P<number>\d{1,4})[*_]{0,3}(?P<sign>\\?[.)])"
    r"(?=[*_]{0,3}(?:\s|\Z|[^\W\d]|[$\\(\"']))"
)
_WORDS, _HEADINGS = "words", "headings"
"""Ways in which items begin: "Question 10:" and "Question:"; numbers alone are told apart by the sign behind them."""


class _Opening(NamedTuple):
    """Where an item may begin."""

    start: int
    text_start: int
    number: int | None
    """None for a heading without a number."""
    way: str
    within_line: bool


def split_items(text: str, first_number: int) -> list[str]:
    """Return the items of a list that continues behind "{first_number}.", at most 64; the last one ends with the text.

    A preamble in front of the first item is left out, headings stay in their items. The model may repeat the number at
    the end of the prompt, or start again at 1.
    """
    openings = list(_openings(text))
    first, number = _first_item(openings, text, first_number)
    start, way = (openings[first].text_start, openings[first].way) if first is not None else (0, None)
    items: list[str] = []
    for opening in openings[first + 1 :] if first is not None else openings:
        if len(items) >= MAX_ITEMS or way not in (None, opening.way):
            continue
        next_number = number + 1 if opening.number is None else opening.number
        # In the middle of a line only the number after this one counts: "... add 10. What is ..." is one question.
        largest = number + (1 if opening.within_line else MAX_GAP)
        if number < next_number <= largest:
            items.append(text[start : opening.start])
            start, number, way = opening.text_start, next_number, opening.way
    items.append(text[start:])
    return items[:MAX_ITEMS]


def _openings(text: str) -> Iterator[_Opening]:
    matches = [(match, False) for match in _LINE.finditer(text)]
    matches += [(match, True) for match in _WITHIN_LINE.finditer(text)]
    for match, within_line in sorted(matches, key=lambda pair: pair[0].start()):
        yield _opening(match, within_line)


def _opening(match: re.Match[str], within_line: bool) -> _Opening:
    groups = match.groupdict()
    if groups.get("word") is None and groups.get("tag") is None:
        number, sign = int(groups["number"]), groups["sign"].removeprefix("\\")
        return _Opening(match.start(), match.end(), number, sign, within_line)
    number_text = groups["word_number"]
    # The heading stays in the text of its item: it may hold the question itself.
    if number_text is None:
        return _Opening(match.start(), match.start(), None, _HEADINGS, within_line)
    return _Opening(match.start(), match.start(), int(number_text), _WORDS, within_line)


def _first_item(openings: Sequence[_Opening], text: str, first_number: int) -> tuple[int | None, int]:
    """Return the index of the opening at which the first item starts, and its number.

    The index is None if the first item has no opening: the text goes on behind the number at the end of the prompt.
    """
    for index, opening in enumerate(openings):
        before = text[: opening.start].strip()
        number = first_number if opening.number is None else opening.number
        if opening.within_line or len(before) > MAX_PREAMBLE:
            break
        if not before and number <= first_number + 1:
            return index, number
        if number == first_number and opening.number is not None and not asks(before):
            return index, number
        is_heading = opening.way in (_WORDS, _HEADINGS)
        if number in (1, first_number) and (is_preamble(before) or (is_heading and not asks(before))):
            return index, number
    return None, first_number
