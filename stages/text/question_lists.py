"""Parsing of the numbered list of questions that the policy wrote after a prompt that ends in a number ("9.").

Departs from the authors' release in four points. The first question, whose number the prompt holds, is kept. The last
question is dropped if the token limit cut it. The text is left as written; the release calls Python's `capitalize`,
which turns \\Delta ABC into \\delta abc. Lists in a model's thinking are plans, so no question is read from it.
"""

import re

from stages.answers.response.thinking import without_thinking

MAX_ITEMS = 64
MAX_CHARS = 65_536
MAX_GAP = 5
"""Largest step between two numbers. A model may skip a few, but a line that starts with "2019." is not item 2019."""

# A number that starts an item stands at the start of a line, or after the end of a sentence within a line. The point
# must be followed by white space, a letter or LaTeX, so that "2.5" starts nothing.
_NUMBER = re.compile(r"(?:(?P<line>^|\n)[ \t]*|(?<=[.?!)$\"'])[ \t]+)(?P<number>\d{1,4})\.(?=\s|\Z|[^\W\d]|[$\\(\"'])")
_RESTART = re.compile(r"\s*(?P<number>\d{1,4})\.(?!\d)")


def parse_questions(continuation: str, *, finished: bool, first_number: int) -> list[str]:
    """Return the questions in the text that follows "...\\n{first_number}.", with white space collapsed.

    Thinking is left out; if it never ends, there are no questions. Numbers of items must increase, so that a smaller
    number inside a question does not split it. `finished` is False if the token limit ended the text; its last item is
    then incomplete and is dropped. Hostile input is bounded: at most 65,536 characters behind the thinking are read and
    at most 64 questions returned, in linear time.
    """
    written = without_thinking(continuation)
    if written is None:
        return []
    text, complete = written[:MAX_CHARS], finished and len(written) <= MAX_CHARS
    start, number = _first_item(text, first_number)
    items: list[str] = []
    for match in _NUMBER.finditer(text, start):
        next_number = int(match["number"])
        # In the middle of a line only the number after this one counts: "... add 10. What is ..." is one question.
        largest = number + (MAX_GAP if match["line"] is not None else 1)
        if number < next_number <= largest:
            items.append(text[start : match.start()])
            start, number = match.end(), next_number
    if complete:
        items.append(text[start:])
    questions = (" ".join(item.split()) for item in items)
    return [question for question in questions if question][:MAX_ITEMS]


def _first_item(text: str, first_number: int) -> tuple[int, int]:
    """Return the index at which the first question starts, and its number.

    A model may repeat the number at the end of the prompt, or start again at 1.
    """
    restart = _RESTART.match(text)
    if restart and int(restart["number"]) <= first_number + 1:
        return restart.end(), int(restart["number"])
    for match in _NUMBER.finditer(text):
        number = int(match["number"])
        if match["line"] is not None and number == first_number:
            return match.end(), number  # the text before it is a preamble ("Here are more questions:")
        if match["line"] is not None and number > first_number:
            break
    return 0, first_number
