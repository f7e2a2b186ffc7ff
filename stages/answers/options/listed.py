"""The options that a question lists, with their letters: "A. text", "(A) text", "**a)** text", "A、text" and relatives.

A question also names its options ("both (A) and (B)") and holds texts that look like their letters ("E. coli"). So the
letters have to follow each other from A in one style. Of several such lists the longest counts, then the last.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from stages.answers.wording.form import normalised_text

_HALF_WIDTH = str.maketrans(
    {chr(code): chr(code - 0xFEE0) for code in (*range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B))}
    | {"（": " (", "）": ")", "［": " [", "］": "]", "【": " [", "】": "]", "．": "."}
)
_PLAIN = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"(?<![A-Za-z])([A-Za-z])：", r" \1: "),
        (r"(?<![A-Za-z])([A-Za-z])、", r" \1、"),
        (r"(?m)^([^\S\n]*(?:[-*•][^\S\n])?)\*\*\s?([A-Za-z])\s?\*\*(?=[^\S\n])", r"\1\2. "),  # **A** text
        (r"\*\*|__", ""),  # **A.** text
        (r"\\(?:text|math)[a-z]{0,4}\s?\{\s?([(\[]?[A-Za-z][)\].:]{0,2})\s?:?\s?\}", r" \1 "),  # \textbf{(A)} text
        (r"\\q?quad(?![a-z])|\\[ ,;!]|~", " "),
    )
)
_LETTER_IN_FORMULA = re.compile(r"\$\s?[(\[]?A[)\].:]")
"""$(A) 5 \\qquad (B) 7$"""

_CJK = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3"
_MARK = re.compile(
    rf"(?:(?<=[\s$|。，；：？！）】])|(?<=[{_CJK}]))(?:(?:Option|Choice)[^\S\n]{{1,2}})?"
    r"(?:\(\s?([A-Za-z])\s?\)(?!-\w)|\[([A-Za-z])\](?!-\w)"  # not (E)-2-butene
    r"|([A-Za-z])(?:(\.(?![A-Za-z]\.)|[)、\t])|[^\S\n]?(:)|[^\S\n]([-–—])[^\S\n]))"  # not U.S.
    r"\s*(?::\s*)?(?=\S)"
)
_LINE_START = re.compile(r"\n[^\S\n]*(?:[-*•>·][^\S\n]*)?\Z")
_NAMED_BEFORE = re.compile(
    r"\b(?:both|either|neither|nor|than|options?|choices?|statements?|through)\s*\Z", re.IGNORECASE
)
_NAMED_BETWEEN = frozenset(
    (
        *(
            ",",
            ";",
            "/",
            "&",
            "and",
            "or",
            "nor",
            "to",
            "through",
            ", and",
            ", or",
            "and/or",
            "and option",
            "or option",
        ),
        *("und", "oder", "et", "ou", "和", "与", "及", "或", "と", "と、"),
    )
)
"""Texts between two letters that are only named."""
_JOINING = ("and", "or", "und", "oder", "et", "ou")
"""Words between options, which belong to neither."""
_PREFIX_CHARACTERS = 24
"""Characters before a letter that are looked at."""


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a question."""

    texts: dict[str, str] = field(default_factory=dict)
    """Letter in upper case -> normalised text; empty if the question lists fewer than two options."""
    lower_case: bool = False
    """Whether the question writes the letters in lower case."""

    forms: tuple[dict[str, list[str]], ...] = ()
    """Form of a text -> letters of the options of that form, for each of `_FORMS`."""

    def matching(self, answer: str) -> list[str]:
        """Return the letters of the options that have the text of an answer.

        Exact texts count; if there are none, texts that differ in spaces and articles; if there are none, texts that
        differ in a currency, % or ° sign that the answer leaves out.
        """
        if not self.texts:
            return []
        text = normalised_text(answer)
        for form_of, letters_of in zip(_FORMS, self.forms, strict=True):
            form = form_of(text)
            if form_of is _without_signs and form != _without_spaces(text):
                break  # the answer has a sign
            if form in letters_of:
                return letters_of[form]
        return []


class _Mark(NamedTuple):
    """A letter that may stand before an option."""

    number: int
    """0 for A."""
    style: str
    """Bracket or mark after the letter, and its case."""
    start: int
    end: int
    """Where the option's text starts."""
    starts_line: bool
    is_named: bool
    """Whether the text around says that the option is only named here, as in "both (A) and (B)"."""


class _Link(NamedTuple):
    """A list of options that ends in `mark`."""

    mark: _Mark
    before: "_Link | None"
    doubts: int
    """Number of options in the list that seem to be named only, or that have no text."""

    def marks(self) -> list[_Mark]:
        link: _Link | None = self
        marks = []
        while link:
            marks.append(link.mark)
            link = link.before
        return marks[::-1]

    @property
    def worth(self) -> int:
        return self.mark.number + 1 - 2 * self.doubts


def listed_options(question: str) -> dict[str, str]:
    """Return letter -> normalised text of the options that a question lists in order from A; empty for fewer than two.

    Of several such lists the longest counts, then the last, because a question may mention "vitamin A." or "(A) and
    (B)" before its options.
    """
    return options_of(question).texts


@lru_cache(maxsize=4_096)
def options_of(question: str) -> Options:
    """Return the options that a question lists."""
    text = "\n" + _plain(question)
    marks_by_style: dict[str, list[_Mark]] = defaultdict(list)
    for mark in _marks(text):
        marks_by_style[mark.style].append(mark)
    lists = [marks for marks in (_list_of(text, marks) for marks in marks_by_style.values()) if marks]
    if not lists:
        return Options()
    marks = _decisive(lists)
    texts = {chr(ord("A") + mark.number): option for mark, option in zip(marks, _texts(text, marks), strict=True)}
    return Options(texts, marks[0].style.endswith("lower"), tuple(_letters_of(texts, form_of) for form_of in _FORMS))


def _plain(question: str) -> str:
    """Return a question without marks around its letters: full-width, bold, LaTeX commands."""
    text = question.translate(_HALF_WIDTH)
    for pattern, replacement in _PLAIN:
        text = pattern.sub(replacement, text)
    return text.replace("$", " ") if _LETTER_IN_FORMULA.search(text) else text


def _marks(text: str) -> Iterable[_Mark]:
    """Return all letters that may stand before an option, in the order of the text."""
    matches = list(_MARK.finditer(text))
    named = [_is_named(text, match) for match in matches]
    for i, (left, right) in enumerate(pairwise(matches)):
        between = text[left.end() : right.start()] if right.start() - left.end() < _PREFIX_CHARACTERS else "…"
        if between.strip().casefold() in _NAMED_BETWEEN:
            named[i] = named[i + 1] = True
    for match, is_named in zip(matches, named, strict=True):
        bracketed, squared, bare, after, colon, dash = match.groups()
        letter = bracketed or squared or bare
        starts_line = _starts_line(text, match.start())
        style = "()" if bracketed else "[]" if squared else after or colon or dash
        is_word = style in "\t-–—" or (letter.islower() and bare and style != ")")
        if is_word and not starts_line:
            continue  # "where a: mass, b: length"
        yield _Mark(
            number=ord(letter.upper()) - ord("A"),
            style=style + (" lower" if letter.islower() else ""),
            start=match.start(),
            end=match.end(),
            starts_line=starts_line,
            is_named=is_named and not starts_line,
        )


def _starts_line(text: str, start: int) -> bool:
    return _LINE_START.search(text[max(0, start - _PREFIX_CHARACTERS) : start]) is not None


def _is_named(text: str, match: re.Match[str]) -> bool:
    return _NAMED_BEFORE.search(text[max(0, match.start() - _PREFIX_CHARACTERS) : match.start()]) is not None


def _list_of(text: str, marks: Sequence[_Mark]) -> list[_Mark]:
    """Return the best list of options in one style; empty without one.

    If each option starts a line, letters within lines are part of the options' texts ("C. D. radiodurans").
    """
    line_marks = [mark for mark in marks if mark.starts_line]
    by_lines = _longest(text, line_marks)
    if by_lines and not any(mark.number >= len(by_lines) for mark in line_marks):
        return by_lines
    return _longest(text, marks)


def _longest(text: str, marks: Sequence[_Mark]) -> list[_Mark]:
    """Return the marks of the longest list in order from A; empty for fewer than two options.

    A later A starts the list anew if it is as good as the earlier one. A later B does not replace the B of the same
    list, since options name options.
    """
    ends: dict[int, _Link] = {}
    for mark in marks:
        before = ends.get(mark.number - 1)
        if mark.number and before is None:
            continue
        doubts = int(mark.is_named)
        if before is not None:
            gap = text[before.mark.end : mark.start] if mark.start - before.mark.end < 3 else "…"
            doubts += before.doubts + (not gap.strip())
        link, rival = _Link(mark, before, doubts), ends.get(mark.number)
        if (
            rival is None
            or doubts < rival.doubts
            or (doubts == rival.doubts and (before is None or rival.before is not before))
        ):
            ends[mark.number] = link
    best = max(
        (link for link in ends.values() if link.before), key=lambda link: (link.worth, link.mark.number), default=None
    )
    return best.marks() if best and best.worth > 1 else []


def _decisive(lists: list[list[_Mark]]) -> list[_Mark]:
    """Return the list that counts of those in different styles.

    Of a list inside another the longer counts, then the outer one: "(A) vitamin A. (B) vitamin B." Otherwise the later
    list counts: statements (a) to (e) come before the options A. to D. that name them.
    """
    ordered = sorted(lists, key=lambda marks: marks[0].start)
    best = ordered[0]
    for marks in ordered[1:]:
        is_inside = marks[0].start < best[-1].start
        is_short = len(marks) < 3 and not marks[0].starts_line
        if len(marks) > len(best) if is_inside or is_short else True:
            best = marks
    return best


def _texts(text: str, marks: Sequence[_Mark]) -> list[str]:
    """Return the normalised texts of the options. The last one ends at its line if the others are single lines."""
    ends = [mark.start for mark in marks[1:]]
    texts = [text[mark.end : end].strip() for mark, end in zip(marks, ends, strict=False)]
    last = re.split(r"\n[^\S\n]*\n", text[marks[-1].end :].strip(), maxsplit=1)[0]
    if not any("\n" in option for option in texts):
        last = last.split("\n", 1)[0]
    return [normalised_text(_without_joining(option)) for option in (*texts, last)]


def _without_joining(option: str) -> str:
    """Return an option's text without what joins it to the next: "30, or" is 30."""
    text = option.rstrip(" ,;/\n")
    words = text.rsplit(None, 1)
    return words[0].rstrip(" ,;/") if len(words) == 2 and words[1].casefold() in _JOINING else text


def _letters_of(texts: dict[str, str], form_of: Callable[[str], str]) -> dict[str, list[str]]:
    letters: dict[str, list[str]] = {}
    for letter, text in texts.items():
        if text:
            letters.setdefault(form_of(text), []).append(letter)
    return letters


_LOOSE = re.compile(r"^(?:the|an?) (?=\w{3})|(?<=\d),(?=\d{3}(?!\d))|\s")
_SIGNS = re.compile(r"^[$€£¥₹]|[%°]$")


def _without_spaces(text: str) -> str:
    return _LOOSE.sub("", text)


def _without_signs(text: str) -> str:
    return _SIGNS.sub("", _without_spaces(text))


_FORMS: tuple[Callable[[str], str], ...] = (str, _without_spaces, _without_signs)
