"""Reads the numbered list of questions that the policy wrote after a prompt ending in a bare number ("9.").

Departs from the authors' release in three points: the first question, which has no number of its own because the prompt
already gave it, is kept; the last one, when the token limit cut it, is dropped; and the text is left as written (they
call Python's `capitalize`, which turns \\Delta ABC into \\delta abc).
"""

import re

MAX_ITEMS = 64
MAX_CHARS = 65_536
MAX_GAP = 5  # a model may skip a number or two; a line that starts with "2019." is not item 2019

# A number that may open an item stands at the start of a line, or after the end of a sentence within one. It needs a
# white space, a letter or LaTeX after the point, so "2.5" opens nothing.
_NUMBER = re.compile(r"(?:(?P<line>^|\n)[ \t]*|(?<=[.?!)$\"'])[ \t]+)(?P<number>\d{1,4})\.(?=\s|\Z|[^\W\d]|[$\\(\"'])")
_RESTART = re.compile(r"\s*(?P<number>\d{1,4})\.(?!\d)")


def parse_questions(continuation: str, *, finished: bool, first_number: int) -> list[str]:
    """The questions of a continuation of "...\\n{first_number}.", white space collapsed, nothing else changed.

    Items must be numbered upwards, so a smaller number inside a question does not split it. `finished` is False when
    the token limit ended the text: its last item is then incomplete and dropped. Hostile input is bounded: at most
    65,536 characters are read, at most 64 questions returned, in linear time.
    """
    text, whole = continuation[:MAX_CHARS], finished and len(continuation) <= MAX_CHARS
    start, number = _first_item(text, first_number)
    items: list[str] = []
    for match in _NUMBER.finditer(text, start):
        found = int(match["number"])
        # In the middle of a line only the very next number counts: "... add 10. What is ..." is one question.
        farthest = number + (MAX_GAP if match["line"] is not None else 1)
        if number < found <= farthest:
            items.append(text[start : match.start()])
            start, number = match.end(), found
    if whole:
        items.append(text[start:])
    questions = (" ".join(item.split()) for item in items)
    return [question for question in questions if question][:MAX_ITEMS]


def _first_item(text: str, first_number: int) -> tuple[int, int]:
    """Where the first question starts and its number; a model may repeat the prompt's number, or start again at 1."""
    restart = _RESTART.match(text)
    if restart and int(restart["number"]) <= first_number + 1:
        return restart.end(), int(restart["number"])
    for match in _NUMBER.finditer(text):
        number = int(match["number"])
        if match["line"] is not None and number == first_number:
            return match.end(), number  # what stands before is a preamble ("Here are more questions:")
        if match["line"] is not None and number > first_number:
            break
    return 0, first_number
