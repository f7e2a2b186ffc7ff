"""Multiple choice: the answer is a letter among the options that the question lists."""

import re
from functools import lru_cache

from stages.answers.kinds import AnswerKind, normalised_text
from stages.answers.marks import MAX_TAIL, anchored_line, gold_answer, last_boxed

LETTERS = "ABCDEFGHIJ"
"""Letters that may be answers if the question lists no options."""

# "A. text", "(A) text", "A) text", "A: text" at the start of a line or after white space.
_OPTION = re.compile(r"(?:^|(?<=\s))(?:\(([A-Z])\)|([A-Z])[.):])[^\S\n]*(?=\S)")
_LATEX = re.compile(r"\\(?:text|textbf|mathrm|mathbf)\s*\{([^{}]*)\}|[$*`]|\\[()\[\]]")
# A letter counts if it is alone, in brackets, or before a mark. In an answer, a letter before a space counts too, but
# neither A nor I, which are words: "A patient ..." and "I think ..." are prose.
_MARKED = r"(?:[Oo]ption\s+|[Cc]hoice\s+)?(?:[(\[]\s*([A-Za-z])\s*[)\]]|([A-Za-z])\s*(?:$|[.):,;])"
_ALONE = re.compile(_MARKED + ")")
_LETTER = re.compile(_MARKED + r"|([B-HJ-Z])(?=\s))")


class ChoiceAnswer(AnswerKind):
    """A letter: in the last box, after "answer is", or in the last line alone or at the start of an option."""

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
        """Return the letter of the answer in upper case.

        The answer may be a letter of an option or the text of exactly one option; else None is returned.
        """
        options = listed_options(question)
        text = _LATEX.sub(r"\1", answer).strip()
        letters = [letter for letter, option in options.items() if option and option == normalised_text(text)]
        if len(letters) == 1:
            return letters[0]
        match = _LETTER.match(text)
        letter = next(filter(None, match.groups())).upper() if match else ""
        return letter if letter and letter in (options or LETTERS) else None

    def gold(self, text: str, question: str) -> str:
        """Return the letter of the reference answer, or the reference itself if it has no letter of an option."""
        answer = gold_answer(text)
        return self.canonical(answer, question) or answer


@lru_cache(maxsize=4_096)
def listed_options(question: str) -> dict[str, str]:
    """Return letter -> normalised text of the options that a question lists in order from A; empty for fewer than two.

    Of several such lists the last counts, because a question may mention "vitamin A." before its options.
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
