"""The questions in what the policy wrote behind a few-shot prompt.

`read: published` parses as the authors' release does, apart from what `question_lists` says. `read: clean` knows how
chat models write: headings, emphasis, preambles, lists that start again at 1, and the solutions and remarks behind a
question, which are cut. What cannot be read as a clean question stays as it is, so that the filter names the reason.
"""

from stages.answers.response.thinking import without_thinking
from stages.settings.generate import Form, Reading
from stages.text.clean_questions import clean_question
from stages.text.list_items import split_items
from stages.text.question_lists import MAX_CHARS, parse_questions
from stages.text.unfinished import CUT_OFF


def read_continuation(text: str, *, finished: bool, form: Form, first_number: int, read: Reading) -> list[str]:
    """Return the questions in a continuation, with white space collapsed.

    In the form `list` there are any number of them, at most 64; in the other forms a continuation is one question,
    which may be empty. `finished` is False if the token limit ended the text. A question that was cut by that limit is
    left out (`published`) or ends with `CUT_OFF` (`clean`), for which the filter rejects it. Thinking is left out; if
    it never ends, there are no questions. At most 65,536 characters behind the thinking are read, in linear time.
    """
    if read == "published" and form == "list":
        return parse_questions(text, finished=finished, first_number=first_number)
    written = without_thinking(text)
    if written is None:
        return []
    complete = finished and len(written) <= MAX_CHARS
    written = written[:MAX_CHARS]
    if read == "published":
        return [" ".join(written.split())] if complete else []
    items = split_items(written, first_number) if form == "list" else [written]
    questions = []
    for number, item in enumerate(items, start=1):
        question, was_cut = clean_question(item, numbered=form != "list")
        if not complete and number == len(items) and not was_cut:
            question = f"{question} {CUT_OFF}" if question else ""
        questions.append(question)
    return [question for question in questions if question] if form == "list" else questions
