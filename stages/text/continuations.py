"""Reads the questions in what the policy wrote after a few-shot prompt."""

from typing import Literal

from stages.answers.response.thinking import without_thinking
from stages.settings.generate import Form
from stages.text.question_lists import MAX_CHARS, parse_questions


def read_continuation(
    text: str, *, finished: bool, form: Form, first_number: int, read: Literal["published", "clean"]
) -> list[str]:
    """Return the questions in a response, with white space collapsed: those of a list, or the one of another form.

    Thinking is left out. `finished` is False if the token limit ended the text: its last question is then dropped.
    """
    if form == "list":
        return parse_questions(text, finished=finished, first_number=first_number)
    written = without_thinking(text)
    question = " ".join((written or "")[: MAX_CHARS + 1].split())
    return [question] if question and finished and len(written or "") <= MAX_CHARS else []
