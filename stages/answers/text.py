"""Words as answers: compared by their normalised form.

Case, spaces, articles, punctuation at the ends, typography and LaTeX's commands carry no meaning. Signs do: `Rh+` is
not `Rh-`, `C++` not `C`, `5%` not `5`, and no letter of any script is dropped.
"""

import re

from stages.answers.algebra.readings import MAX_ANSWER
from stages.answers.kinds import AnswerKind
from stages.answers.marks import MAX_TAIL, gold_answer, gold_mark, marks_of, own_part
from stages.answers.refusals import holds, refusal_words, without_declined
from stages.answers.wording.form import normalised_text
from stages.answers.wording.glosses import says_the_same
from stages.answers.wording.sentence import YES_AND_NO, announced_words, without_explanation
from stages.settings.answers import ANNOUNCEMENTS

_ANSWERED = re.compile(r"^[*_]{0,2}A[*_]{0,2}:[*_]{0,2}[^\S\n]{1,3}(\S[^\n]{0,1000})", re.MULTILINE)
"""The answer in "Q: What is the capital of Italy?\nA: Rome"."""

_SECOND_OPTION = re.compile(r"^[*_]{0,2}B[*_]{0,2}[:.)]", re.MULTILINE)
"""A line that makes the "A:" before it a label of an option."""


class TextAnswer(AnswerKind):
    """Words, compared by their normalised form. Only a mark ("answer is", a box) makes words an answer.

    A refusal ("I cannot answer") is no answer, unless the question or the label holds its words.
    """

    def __init__(self, *, boxed_only: bool = False, announcements: tuple[str, ...] = ANNOUNCEMENTS) -> None:
        self.boxed_only = boxed_only
        self.announcements = announcements

    def extract(self, response: str, question: str) -> str | None:
        text = without_declined(own_part(response, self.announcements)[-MAX_TAIL:])
        mark = next(marks_of(text, self.announcements), None)
        if self.boxed_only and (mark is None or mark.kind != "box"):
            return None
        if mark is None:
            answers = [] if _SECOND_OPTION.search(text) else _ANSWERED.findall(text)
            return announced_words(answers[0], text) if len(answers) == 1 else None
        if mark.kind != "announced":
            return mark.text or None
        words = _with_sign(announced_words(mark.text, text), text)
        return (words if len(words) <= MAX_ANSWER else without_explanation(words)) or None

    def canonical(self, answer: str, question: str) -> str | None:
        """Return the normalised form of an answer, without an explanation unless the question holds it too."""
        form, short = normalised_text(answer), normalised_text(without_explanation(answer))
        if short and short != form and not _holds_text(question, answer):
            form = short
        words = refusal_words(form)
        return None if words and not holds(normalised_text(question), words) else form or None

    def same(self, left: str, right: str) -> bool | None:
        return says_the_same(left, right)

    def gold(self, text: str, question: str) -> str:
        mark = gold_mark(text)
        if mark is None or mark.kind != "announced":
            return gold_answer(text)
        words = announced_words(mark.text, text)
        answer = without_explanation(words)
        return words if normalised_text(answer) in YES_AND_NO else answer

    def context(self, question: str, label: str) -> str:
        return f"{question}\n{self.gold(label, question)}"


def _holds_text(question: str, answer: str) -> bool:
    """Return whether a question, or the label in its context, holds the whole answer: "Yes, because it is void"."""
    spaced, whole = (" ".join(text.casefold().split()) for text in (question, answer))
    return whole.strip(".") in spaced or normalised_text(answer) in normalised_text(question)


def _with_sign(answer: str, response: str) -> str:
    """Return an announced answer with its last sign: "5$" and "A*" end in no mark of LaTeX or Markdown."""
    signs = [sign for sign in "$*" if response.count(sign) == 1 and answer and f"{answer}{sign}" in response]
    return answer + "".join(signs)
