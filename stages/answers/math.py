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
from stages.answers.equality.regions import doubt
from stages.answers.equality.structure import is_known
from stages.answers.equality.values import term_of
from stages.answers.equality.verdict import same
from stages.answers.kinds import Ambiguous, AnswerKind
from stages.answers.marks import MAX_TAIL, Mark, final_mark_behind_box, gold_answer, gold_mark, marks_of
from stages.answers.prose.answer import boxed_number, last_line, math_answer_in
from stages.answers.refusals import refusal_words
from stages.answers.response.announced import without_html
from stages.answers.response.boxes import without_boxes
from stages.answers.response.ending import own_part
from stages.answers.response.parts import answer_of_row, doubt_about_parts, is_bare, without_step_label
from stages.settings.answers import ANNOUNCEMENTS

_TEXT = re.compile(r"\\(?:text|math|mbox|operatorname)")  # may be a unit, which math-verify drops
_SIGN = re.compile(r"^\s*[-−–]\s+(?=[\d.\\])")
"""A sign with a space behind it. Behind an announcement it may be a dash."""
_SIGNS_OF_UNITS = frozenset("°µμΩÅ‰ℓ")
_LARGEST_FLOAT = 10**300
_ROUNDING = 0.05
"""Relative difference between two numbers of which one may be a rounding of the other."""


class MathAnswer(AnswerKind):
    """Numbers, expressions, sets and equations in LaTeX. Equality that takes algebra is decided by math-verify."""

    def __init__(self, *, boxed_only: bool = False, announcements: tuple[str, ...] = ANNOUNCEMENTS) -> None:
        self.boxed_only = boxed_only
        self.announcements = announcements

    def extract(self, response: str, question: str) -> str | None:
        return extract_math_answer(response, boxed_only=self.boxed_only, announcements=self.announcements)

    def canonical(self, answer: str, question: str) -> str | None:
        form = canonical(answer)
        if " and " in form or " or " in form:
            form = Ambiguous(reason) if (reason := doubt(form)) else form
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

    def gold(self, text: str, question: str) -> str:
        mark = gold_mark(text)
        if mark and mark.kind == "announced":
            return math_answer_in(mark.text, last=False, language=mark.language) or mark.text
        return gold_answer(text)

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
    if form.isascii():
        return not form.isprintable()
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

    The decisive box counts, unless a final answer that is announced behind it is another number. If there is no box,
    and not `boxed_only`, the answer in a tag, after "####" or after a word of `announcements` counts; a mark without a
    readable answer is stepped over. A response without marks has the last result of its last line. An answer that can
    be read in several ways is `Ambiguous`.
    """
    has_marks = False
    for mark in marks_of(response, announcements):
        whole = mark.text if mark.kind == "tag" else response
        if doubt := doubt_about_parts(mark.line, whole, numbers=mark.kind == "box"):
            return Ambiguous(doubt)
        if mark.kind == "box":
            boxed = boxed_number(mark.text, mark.language)
            return boxed if boxed_only else _corrected(boxed, final_mark_behind_box(response, announcements))
        if boxed_only:
            return None
        has_marks = True
        if answer := _answer_of(mark):
            return answer
    if has_marks or boxed_only:
        return None
    own = own_part(response, announcements)[-MAX_TAIL:]
    line = without_boxes(without_html(last_line(own)))
    if refusal_words(line.strip().lower()) and " but " not in line:
        return None
    if doubt := doubt_about_parts(line, own):
        return Ambiguous(doubt)
    cell = answer_of_row(without_step_label(line))
    return math_answer_in(cell, last=True) if cell is not None else Ambiguous(f"{line[:60]}: a row of a table")


def _corrected(boxed: str | None, final: Mark | None) -> str | None:
    """Return the final answer that is announced behind a box if both are numbers and far apart, else the boxed answer.

    "\\boxed{255} ... The final answer is $10,455" is 10455. A number that may be a rounding of the box is no other.
    """
    answer = _answer_of(final) if final else None
    if not boxed or not answer or isinstance(answer, Ambiguous) or isinstance(boxed, Ambiguous):
        return boxed
    terms = term_of(canonical(boxed)), term_of(canonical(answer))
    if any(term is None or term.has_letter for term in terms):
        return boxed
    values = [term.value for term in terms if term]
    return answer if abs(values[0] - values[1]) > _ROUNDING * max(map(abs, values)) else boxed


def _answer_of(mark: Mark) -> str | None:
    """Return the answer in the text of a mark. In a tag with steps or reasons it is the line that has no more."""
    text = without_boxes(mark.text if mark.kind == "announced" else _SIGN.sub("-", mark.text))
    first, *more = text.split("\n") if mark.kind == "tag" else [text]
    if more and not is_bare(first.strip()):
        return math_answer_in(last_line(own_part(text)), last=True, language=mark.language)
    text = text if any(is_bare(line.strip()) for line in more) else first
    return math_answer_in(text, last=False, language=mark.language)
