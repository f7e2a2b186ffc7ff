"""Multiple choice: the answer is a letter among the options that the question lists."""

import re
from functools import lru_cache

from stages.answers.kinds import AnswerKind, normalised_text
from stages.answers.marks import MAX_TAIL, anchored_line, gold_answer, last_boxed

LETTERS = "ABCDEFGHIJ"
"""Letters of the options where the question lists none."""

# "A. text", "(A) text", "A) text", "A: text" at the start of a line or after white space.
_OPTION = re.compile(r"(?:^|(?<=\s))(?:\(([A-Z])\)|([A-Z])[.):])[^\S\n]*(?=\S)")
_LATEX = re.compile(r"\\(?:text|textbf|mathrm|mathbf)\s*\{([^{}]*)\}|[$*`]|\\[()\[\]]")
# Alone, in brackets, or with a mark behind it. After "answer is" a space will do, but not for letters that are words:
# "A patient ..." and "I think ..." are prose.
_MARKED = r"(?:[Oo]ption\s+|[Cc]hoice\s+)?(?:[(\[]\s*([A-Za-z])\s*[)\]]|([A-Za-z])\s*(?:$|[.):,;])"
_ALONE = re.compile(_MARKED + ")")
_LETTER = re.compile(_MARKED + r"|([B-HJ-Z])(?=\s))")


class ChoiceAnswer(AnswerKind):
    """A letter: in the last box, after "answer is", or alone (or leading an option) in the last line."""

    def __init__(self, *, boxed_only: bool = False) -> None:
        self.boxed_only = boxed_only

    def extract(self, response: str, question: str) -> str | None:
        tail = response[-MAX_TAIL:]
        boxed = last_boxed(tail)
        if boxed or self.boxed_only:
            return boxed
        if anchored := anchored_line(tail):
            return anchored
        last = tail.rstrip().rsplit("\n", 1)[-1].strip()
        return last if _ALONE.match(_LATEX.sub(r"\1", last).strip()) else None

    def canonical(self, answer: str, question: str) -> str | None:
        """The letter in upper case; None unless it, or the text of exactly one option, is among the options."""
        options = listed_options(question)
        text = _LATEX.sub(r"\1", answer).strip()
        named = [letter for letter, option in options.items() if option and option == normalised_text(text)]
        if len(named) == 1:
            return named[0]
        found = _LETTER.match(text)
        letter = next(filter(None, found.groups())).upper() if found else ""
        return letter if letter and letter in (options or LETTERS) else None

    def gold(self, text: str, question: str) -> str:
        """The letter, where the reference has one or is an option's text; else the reference as it is."""
        answer = gold_answer(text)
        return self.canonical(answer, question) or answer


@lru_cache(maxsize=4_096)
def listed_options(question: str) -> dict[str, str]:
    """Letter -> normalised text of each option that a question lists in order from A; empty with fewer than two.

    Of several such lists the last counts: a question may speak of "vitamin A." before its options.
    """
    options: dict[str, str] = {}
    marks = list(_OPTION.finditer(question))
    ends = [*(mark.start() for mark in marks[1:]), len(question)]
    for mark, end in zip(marks, ends, strict=False):
        letter = mark[1] or mark[2]
        if letter == "A":
            options = {}
        if letter != chr(ord("A") + len(options)):
            continue
        options[letter] = normalised_text(question[mark.end() : end])
    return options if len(options) > 1 else {}
