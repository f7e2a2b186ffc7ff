"""Final answers of mathematics: extracted from a response, brought to one spelling, and compared.

Departs from the authors' release, which extracts from prompt + response, so that an expression in the question counts
as an answer. Here only the response is read, and a response without an answer gives None. Model output may be hostile,
so only the last 4,000 characters are read.
"""

import re
import unicodedata

from stages.answers.algebra.readings import Reading, read_latex
from stages.answers.canonical.form import canonical
from stages.answers.canonical.numerals import number
from stages.answers.equality.structure import is_known
from stages.answers.equality.verdict import same
from stages.answers.kinds import Ambiguous, AnswerKind
from stages.answers.marks import MAX_TAIL, marks_of
from stages.answers.prose.answer import boxed_number, last_line, math_answer_in
from stages.answers.response.ending import own_part
from stages.settings.answers import ANNOUNCEMENTS

_TEXT = re.compile(r"\\(?:text|math|mbox|operatorname)")  # may be a unit, which math-verify drops
_SIGN = re.compile(r"^\s*[-−–]\s+(?=[\d.\\])")
"""A sign with a space behind it. Behind an announcement it may be a dash."""
_SIGNS_OF_UNITS = frozenset("°µμΩÅ‰ℓ")
_LARGEST_FLOAT = 10**300


class MathAnswer(AnswerKind):
    """Numbers, expressions, sets and equations in LaTeX. Equality that takes algebra is decided by math-verify."""

    def __init__(self, *, boxed_only: bool = False, announcements: tuple[str, ...] = ANNOUNCEMENTS) -> None:
        self.boxed_only = boxed_only
        self.announcements = announcements

    def extract(self, response: str, question: str) -> str | None:
        return extract_math_answer(response, boxed_only=self.boxed_only, announcements=self.announcements)

    def canonical(self, answer: str, question: str) -> str | None:
        form = canonical(answer)
        if isinstance(form, Ambiguous) or not _is_garbage(form):
            return form or None
        return None

    def same(self, left: str, right: str) -> bool | None:
        return same(left, right)

    def read(self, answer: str, form: str) -> Reading | None:
        if (value := number(form)) is not None:
            return Reading("ok", "value", (float(value),)) if abs(value) < _LARGEST_FLOAT else Reading("ok")
        reading = None if _TEXT.search(answer) else read_latex(form)
        return Reading("ok") if reading is None and (is_known(form) or _is_only_compared_by_spelling(form)) else reading

    def latex(self, answer: str, form: str) -> str:
        # math-verify does not know `x**2` or `2√3`. Without a space, it takes the list 5,105 for a number.
        return form.replace(",", ", ")


_NOTATION = re.compile(
    r"\\(?:pm|mp|ldots|equiv|to|pmod|parallel|perp|triangle|rightleftharpoons|leftrightarrow|land|lor|neg)(?![a-zA-Z])"
    r"|\\\||^(?:[<>]|\\[lgn]e(?![a-zA-Z]))|^[^\d]*\\(?:cup|cap|setminus)(?![a-zA-Z])[^\d]*$"
)
"""Notations that math-verify does not read: 1\\pm\\sqrt{b}, 1,\\ldots,10, \\|v\\|, \\ge5."""
_COMMAND = re.compile(r"\\[a-zA-Z]+")
_NO_END = re.compile(r"(?:[-+*/^_=<>\\]|\\(?:pm|mp|equiv|to|land|lor|neg|cup|cap|setminus))$")


def _is_only_compared_by_spelling(form: str) -> bool:
    """Return whether a form is whole, and in a notation that math-verify does not read."""
    if not _NOTATION.search(form) or _NO_END.search(form):
        return False
    is_closed = sum(map(form.count, "([{")) == sum(map(form.count, ")]}")) and form.count("\\|") % 2 == 0
    return is_closed and any(map(str.isalnum, _COMMAND.sub("", form)))


def _is_garbage(form: str) -> bool:
    """Return whether a form has signs of no notation. math-verify would pick a number out of it.

    Letters of any script are words, but not next to LaTeX.
    """
    letters_may_be = "\\" not in form
    return not form.isprintable() or not all(
        character.isascii()
        or character in _SIGNS_OF_UNITS
        or unicodedata.category(character) == "Sc"
        or (letters_may_be and character.isalpha())
        for character in form
    )


def extract_math_answer(
    response: str, *, boxed_only: bool = False, announcements: tuple[str, ...] = ANNOUNCEMENTS
) -> str | None:
    """Return the final answer of a response, None if it has none. The text must not hold the prompt.

    The decisive box counts. If there is none, and not `boxed_only`, the answer in a tag, after "####" or after a word
    of `announcements` counts; a mark without a readable answer is stepped over. A response without marks has the last
    result of its last line. An answer that can be read in several ways is `Ambiguous`.
    """
    has_marks = False
    for mark in marks_of(response, announcements):
        if mark.kind == "box":
            return boxed_number(mark.text, mark.language)
        if boxed_only:
            return None
        has_marks = True
        if f"\n{mark.text}" in response and (several := _several_parts(mark.text, response)):
            return several
        text = mark.text if mark.kind == "announced" else _SIGN.sub("-", mark.text)
        if answer := math_answer_in(text, last=False, language=mark.language):
            return answer
    if has_marks or boxed_only:
        return None
    own = own_part(response, announcements)[-MAX_TAIL:]
    line = last_line(own)
    return _several_parts(line, own) or math_answer_in(line, last=True)


_PART = re.compile(r"\W{0,6}(?:[Pp]art\s\(?([A-Ha-h])[):]|\(?([a-h]|i{1,3})\))[*_]{0,3}\s")
"""The label of a part. (A) and (B) label the options of a choice."""
_PARTS = re.compile(rf"^{_PART.pattern}", re.MULTILINE)


def _several_parts(line: str, response: str) -> Ambiguous | None:
    """Return an ambiguous answer if a line is labelled as a part and other lines are so too: "(a) 5" and "(b) 7"."""
    if not _PART.match(line):
        return None
    labels = {match[match.lastindex or 0] for match in _PARTS.finditer(response)}
    return Ambiguous(f"{line.strip()[:60]}: one of several parts") if len(labels) > 1 else None
