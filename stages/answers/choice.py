"""Multiple choice: the answer is a letter among the options that the question lists, or a set of them.

A letter that stands alone is the letter of an option, never its text: with the options `A. K` and `B. C`, "C" is C. If
letter and text name different options, the answer is ambiguous.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from stages.answers.algebra.readings import MAX_ANSWER
from stages.answers.kinds import Ambiguous, AnswerKind
from stages.answers.marks import MAX_TAIL, Mark, gold_answer, marks_of, own_part
from stages.answers.options.labels import CIRCLED, LABEL, POSITIONS
from stages.answers.options.listed import options_of
from stages.answers.options.phrases import EXPLAINING
from stages.answers.options.reader import Reader
from stages.answers.options.verdicts import verdict_on_options
from stages.settings.answers import ANNOUNCEMENTS

_LINE_LABEL = re.compile(rf"[^\w①-⑳]{{0,4}}(?:({LABEL})[.):、]|({CIRCLED}))")
_END_OF_OPTION = 12
"""Characters at the end of a line that tell an option that is a question from a question of the response."""
_ONLY_LETTER = re.compile(r"\W{0,6}([A-Za-z])\W{0,6}")


class ChoiceAnswer(AnswerKind):
    """A letter: in the last box, after "answer is", or in the last line alone or in a sentence that chooses it.

    With `several` an answer may be a set of letters; its canonical form is in the order of the letters.
    """

    def __init__(
        self, *, boxed_only: bool = False, announcements: tuple[str, ...] = ANNOUNCEMENTS, several: bool = False
    ) -> None:
        self.boxed_only = boxed_only
        self.announcements = announcements
        self.several = several

    def extract(self, response: str, question: str) -> str | None:
        text = _before_next_question(own_part(response, self.announcements), question)[-MAX_TAIL:]
        mark = next(marks_of(text, self.announcements), None)
        if self.boxed_only:
            return self._as_written(mark.text, question) if mark and mark.kind == "box" else None
        if mark is None:
            return self._last_line(text, question) or self._first_line(text, question)
        if mark.kind == "box" and self.canonical(mark.text, question) is None:
            later = self._announced_later(text)
            if later and self.canonical(later.text, question) is not None:
                mark = later
        return self._as_written(mark.text, question)

    def canonical(self, answer: str, question: str) -> str | None:
        """Return the letter of the answer in upper case, with `several` the letters in order ("A,C").

        The answer may name a letter, or be the text of exactly one option; else None is returned. If letter and text
        are those of different options, `Ambiguous` is returned.
        """
        return _read(answer, question, self.several)

    def gold(self, text: str, question: str) -> str:
        """Return the letter of the reference answer, or the reference itself if it has no letter of an option."""
        answer = gold_answer(text)
        return self.canonical(answer, question) or answer

    def _as_written(self, answer: str, question: str) -> str:
        """Return an answer, or its letter if it is too long to be read later, as an option's whole text may be."""
        return answer if len(answer) <= MAX_ANSWER else self.canonical(answer, question) or answer

    def _announced_later(self, text: str) -> Mark | None:
        """Return the answer that is announced after the last box: "x = \\boxed{42}. The answer is (B)."."""
        rest = text[max(text.rfind("\\boxed"), text.rfind("\\fbox")) + 5 :]
        return next((mark for mark in marks_of(rest, self.announcements) if mark.kind == "announced"), None)

    def _last_line(self, text: str, question: str) -> str | None:
        """Return the last line, or the letter in it, if it chooses an option."""
        lines = [line for line in text.rsplit("\n", 6)[-6:] if line.strip()]
        if verdict := verdict_on_options(text, question, several=self.several):
            return verdict
        if not lines or (len(lines) > 1 and _continues(lines[-2], lines[-1])):
            return None
        line = lines[-1].strip()
        reader = Reader(options_of(question), self.several)
        if len(letters := _letters_of_lines(lines, reader)) > 1:
            return ", ".join(letters) if self.several else Ambiguous("options " + " and ".join(letters))
        if line.endswith(("?", "？")) and line[-_END_OF_OPTION:] not in question:
            return None
        form = reader.read(line, announced=False)
        if form is None or isinstance(form, Ambiguous):
            return form
        return line if len(line) <= MAX_ANSWER and self.canonical(line, question) == form else form

    def _first_line(self, text: str, question: str) -> str | None:
        """Return the first line if it is an answer that the rest explains: "B\n\nExplanation: A is wrong."."""
        line, _, rest = text.strip().partition("\n")
        if not EXPLAINING.match(rest):
            return None
        form = Reader(options_of(question), self.several).read(line, announced=False)
        return None if form is None or isinstance(form, Ambiguous) else form


@lru_cache(maxsize=65_536)
def _read(answer: str, question: str, several: bool) -> str | Ambiguous | None:
    return Reader(options_of(question), several).read(answer, announced=True)


def _before_next_question(text: str, question: str) -> str:
    """Return the first line of a response if it is an answer and other options than the question's follow.

    A base model goes on with a question that it invents: "B\n\nWhich is a gas?\nA. argon\nB. iron\nAnswer: A".
    """
    line, _, rest = text.lstrip().partition("\n")
    options = options_of(question)
    if not options.texts or not (_ONLY_LETTER.fullmatch(line) or Reader(options, several=False).labelled(line)):
        return text
    listed = options_of(rest[:MAX_TAIL]).texts
    return line if listed and set(options.texts.values()).isdisjoint(listed.values()) else text


def _letters_of_lines(lines: Sequence[str], reader: Reader) -> list[str]:
    """Return the letters in the last lines, each with its option's text or alone: "- A", "- C. argon"."""
    letters: list[str] = []
    for line in reversed(lines):
        alone = _ONLY_LETTER.fullmatch(line)
        letter = alone[1].upper() if alone else reader.labelled(line)
        if letter is None:
            break
        letters.append(letter)
    return sorted(set(letters))


def _continues(line: str, following: str) -> bool:
    """Return whether two lines are neighbours in a list of options: "C. argon" and "D. neon"."""
    left, right = _LINE_LABEL.match(line), _LINE_LABEL.match(following)
    if left is None or right is None:
        return False
    before = POSITIONS.get(left[1] or left[2], ())
    return any((alphabet, number - 1) in before for alphabet, number in POSITIONS.get(right[1] or right[2], ()))
