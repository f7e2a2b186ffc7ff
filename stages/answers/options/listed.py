"""The options that a question lists, with their letters: "A. text", "(A) text", "**a)** text", "A、text" and relatives.

A question also names its options ("both (A) and (B)") and holds texts that look like their letters ("E. coli"). So the
letters have to follow each other from A in one style. Of several such lists the longest counts, then the last.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from stages.answers.options.labels import ALPHABETS, CIRCLED, LABEL, LATIN, POSITIONS, SPELLINGS, WEAK
from stages.answers.options.texts import Options, option_form, options_with

_HALF_WIDTH = str.maketrans(
    {chr(code): chr(code - 0xFEE0) for code in (*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B))}
    | {"（": " (", "）": ")", "［": " [", "］": "]", "【": " [", "】": "]", "．": "."}
)
# (a text that has to be in the question, pattern, replacement)
_PLAIN = tuple(
    (needed, re.compile(pattern), replacement)
    for needed, pattern, replacement in (
        ("<", r"</?(?:b|i|u|p|em|strong|li|ul|ol|br|div|span|td|tr)\s?/?>", " "),  # <b>A.</b> text
        ("<", r"<([A-Za-z])>", r"[\1]"),  # <A> text
        ("\\item", r"\\item\s?\[([^\]\n]{1,6})\]", r"\1"),  # \item[(A)] text
        ("|", r"(?m)^\s?\|\s?\(?([A-Za-z]|\d)[).]?\s?\|([^|\n]{1,400})\|?[^\S\n]*$", r"\1. \2"),  # | A | text |
        ("", r"([{,]\s{0,9})[\"']([A-Z])[\"']\s?:\s?", r"\1\n\2: "),  # {"A": "text", "B": "text"}
        ("：", r"(?<![A-Za-z])([A-Za-z])：", r" \1: "),
        ("、", r"(?<![A-Za-z])([A-Za-z])、", r" \1、"),
        ("", r"(?m)^([^\S\n]*(?:[-*•][^\S\n])?)(\*\*|`)\s?([A-Za-z])\s?\2(?=[^\S\n])", r"\1\3. "),  # **A** text
        ("", r"\*\*|__", ""),  # **A.** text
        # \textbf{(A)} text
        ("\\", r"\\(?:text|math)[a-z]{0,4}\s?\{\s?([(\[]?[A-Za-z][)\].:]{0,2})\s?:?\s?\}", r" \1 "),
        ("", r"\\q?quad(?![a-z])|\\[ ,;!]|~", " "),
    )
)
_LETTER_IN_FORMULA = re.compile(r"\$\s?[(\[]?A[)\].:]")
"""$(A) 5 \\qquad (B) 7$"""

_CJK = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3"
_WORD_BEFORE = (
    "Option|Choice|Answer|Antwort|Réponse|Proposition|Opción|Respuesta|Opção|Opzione|Вариант|Ответ|选项|選項|보기"
)
_MARK = re.compile(
    rf"(?:(?<=[\s$|。，；：？！）)】\"'\[])|(?<=[{_CJK}]))(?:(?:{_WORD_BEFORE})[^\S\n]{{1,2}})?"
    rf"(?:\(\s?(?P<bracketed>{LABEL})\s?\)(?!-\w)|\[(?P<squared>{LABEL})\](?!-\w)"  # not (E)-2-butene
    rf"|(?P<circled>{CIRCLED})[.)、:]?|(?P<kana>[ア-コロハニホヘト])(?=[^\S\n])|(?P<alone>[A-Z])[^\S\n]*\n"
    rf"|(?P<bare>{LABEL})(?:(?P<after>\.(?![A-Za-z]\.|\d(?<=\d\.\d))\)?|\)\.?|[、\t])"  # not U.S., 1.5
    r"|[^\S\n](?P<stop>\.)(?=[^\S\n])"
    r"|[^\S\n]?(?P<colon>:(?!=))|(?P<slash>[>/])(?=[^\S\n])|[^\S\n]?(?P<dash>[-–—])[^\S\n])"
    r"|(?P<spaced>[A-Za-j]|[0-9]{1,2})(?=[^\S\n]))"
    r"\s*(?::(?!=)\s*)?(?=\S)"
)
_LINE_START = re.compile(r"\n[^\S\n]*(?:[-*•>·#]{1,6}[^\S\n]*)?\Z")
_BULLET_AT_END = re.compile(r"\n[^\S\n]*[-*•>·#]{1,6}[^\S\n]*\Z")
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
_NAMING = frozenset(
    (
        *("and", "or", "only", "both", "none", "all", "of", "the", "above", "these", "neither", "nor", "not", "but"),
        *("is", "are", "true", "correct", "false", "i", "ii", "iii", "iv", "v", "vi", "1", "2", "3", "4", "5"),
    )
)
"""Words of options that name statements, besides the statements' letters."""
_LABEL_GROUPS = ("bracketed", "squared", "circled", "kana", "alone", "bare", "spaced")
_NEED_LINE_START = frozenset(("kana", "alone", "spaced", "\t", "-", "–", "—", "/", ">"))
_JOINING = ("and", "or", "und", "oder", "et", "ou")
"""Words between options, which belong to neither."""
_AFTER_EQUATION = re.compile(r"\s?\)\}?\$?(?:[^\S\n]*(?:\n|\Z|and\b)|[,.;])")
"""What may follow the number of an equation, from its closing bracket on."""
_LONGEST_EQUATION = 60
_PREFIX_CHARACTERS = 24
"""Characters before a letter that are looked at."""


class _Mark(NamedTuple):
    """A letter that may stand before an option."""

    number: int
    """0 for A."""
    alphabet: str
    style: str
    """Bracket or mark after the letter, and its alphabet."""
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


@lru_cache(maxsize=4_096)
def options_of(question: str) -> Options:
    """Return the options that a question lists, in order from A; none for fewer than two.

    A question may also mention "vitamin A." or "(A) and (B)", and list statements or worked examples before its
    options: see `_list_of` and `_decisive` for the list that counts.
    """
    text = "\n" + _plain(question)
    marks_by_style: dict[str, list[_Mark]] = defaultdict(list)
    for mark in _marks(text):
        marks_by_style[mark.style].append(mark)
    lists = [marks for marks in (_list_of(text, marks) for marks in marks_by_style.values()) if marks]
    if not lists:
        return Options()
    marks = _decisive_of_all(text, lists)
    alphabet = {"cyrillic as latin": LATIN, "cyrillic mixed": "cyrillic"}.get(marks[0].alphabet, marks[0].alphabet)
    return options_with(_texts_by_letter(text, marks), alphabet)


def _texts_by_letter(text: str, marks: Sequence[_Mark]) -> dict[str, str]:
    return {chr(ord("A") + mark.number): option for mark, option in zip(marks, _texts(text, marks), strict=True)}


def _plain(question: str) -> str:
    """Return a question without marks around its letters: full-width, bold, LaTeX commands."""
    text = question.translate(_HALF_WIDTH).translate(SPELLINGS)
    for needed, pattern, replacement in _PLAIN:
        if needed in text:
            text = pattern.sub(replacement, text)
    return text.replace("$", " ") if _LETTER_IN_FORMULA.search(text) else text


def _marks(text: str) -> Iterable[_Mark]:
    """Return all letters that may stand before an option, in the order of the text."""
    matches = [match for match in _MARK.finditer(text) if not match["spaced"] or _starts_line(text, match.start())]
    named = [_is_named(text, match) for match in matches]
    for i, (left, right) in enumerate(pairwise(matches)):
        between = text[left.end() : right.start()] if right.start() - left.end() < _PREFIX_CHARACTERS else "…"
        if between.strip().casefold() in _NAMED_BETWEEN:
            named[i] = named[i + 1] = True
        elif between.strip().casefold() in ("both", "either", "neither"):
            named[i + 1] = False  # C. Both D. None of these
    for match, is_named in zip(matches, named, strict=True):
        kind, label = next((name, match[name]) for name in _LABEL_GROUPS if match[name])
        mark = next((match[name] for name in ("after", "stop", "colon", "slash", "dash") if match[name]), kind)
        starts_line = _starts_line(text, match.start())
        if mark in _NEED_LINE_START and not starts_line:
            continue
        if kind == "bracketed" and not starts_line and _is_number_of_equation(text, match):
            continue
        for alphabet, number in POSITIONS.get(label, ()):
            is_word = kind == "bare" and ")" not in mark and (alphabet in WEAK or label.islower())
            if is_word and not starts_line:
                continue  # "where a: mass, b: length", "in step 1. and 2."
            yield _Mark(
                number=number,
                alphabet=alphabet,
                style=f"{mark} {alphabet}",
                start=match.start(),
                end=match.end(),
                starts_line=starts_line,
                is_named=is_named and not starts_line,
            )


def _is_number_of_equation(text: str, match: re.Match[str]) -> bool:
    """Return whether a number in brackets ends an equation: "x + y = 3 (1)"."""
    label = match["bracketed"]
    line = text[max(text.rfind("\n", 0, match.start()), match.start() - _LONGEST_EQUATION) : match.start()]
    return label.isdigit() and "=" in line and _AFTER_EQUATION.match(text, match.end("bracketed")) is not None


def _starts_line(text: str, start: int) -> bool:
    return _LINE_START.search(text[max(0, start - _PREFIX_CHARACTERS) : start]) is not None


def _is_named(text: str, match: re.Match[str]) -> bool:
    return _NAMED_BEFORE.search(text[max(0, match.start() - _PREFIX_CHARACTERS) : match.start()]) is not None


def _list_of(text: str, marks: Sequence[_Mark]) -> list[_Mark]:
    """Return the best list of options in one style; empty without one.

    If each option starts a line, letters within lines are part of the options' texts ("C. D. radiodurans"), and the
    last list counts: one before it belongs to a passage or a worked example.
    """
    marks = _from_last_list(marks)
    line_marks = [mark for mark in marks if mark.starts_line]
    by_lines = _longest(text, line_marks)
    if len(by_lines) < 3 and marks[0].style.startswith("spaced"):
        return []
    if by_lines and not any(mark.number >= len(by_lines) for mark in line_marks):
        return by_lines
    return _longest(text, marks)


def _from_last_list(marks: Sequence[_Mark]) -> Sequence[_Mark]:
    """Return the marks from the last line on that starts with an A and precedes a line with a B."""
    following = None
    for i in range(len(marks) - 1, -1, -1):
        if marks[i].starts_line:
            if marks[i].number == 0 and following == 1:
                return marks[i:]
            following = marks[i].number
    return marks


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


def _decisive_of_all(text: str, lists: list[list[_Mark]]) -> list[_Mark]:
    """Return the list that counts of those in all alphabets.

    Numbers count if nothing else is listed, or if what they list names the letters before: "(1) A and C only".
    """
    strong = [marks for marks in lists if marks[0].alphabet not in WEAK]
    weak = [marks for marks in lists if marks[0].alphabet in WEAK]
    if not strong:
        return _decisive(weak)
    best = _decisive(strong)
    naming = [
        marks for marks in weak if marks[0].start > best[0].start and _name(_texts(text, marks), best[0].alphabet)
    ]
    return _decisive(naming) if naming else best


def _name(texts: Sequence[str], alphabet: str) -> bool:
    """Return whether most texts are no more than names of statements: "A and C only", "A-II, B-I"."""
    labels = {sign.casefold() for sign in ALPHABETS[alphabet]}
    naming = 0
    for text in texts:
        words = re.findall(r"[^\W_]+", text)
        naming += bool(labels.intersection(words)) and labels.union(_NAMING).issuperset(words)
    return naming * 2 > len(texts)


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
    texts = [_BULLET_AT_END.sub("", text[mark.end : end]).strip() for mark, end in zip(marks, ends, strict=False)]
    last = re.split(r"\n[^\S\n]*\n", text[marks[-1].end :].strip(), maxsplit=1)[0]
    if not any("\n" in option for option in texts):
        last = last.split("\n", 1)[0]
    texts.append(last)
    if all(text[mark.start - 1] in "\"'" for mark in marks):  # ['A. argon', 'B. neon']
        texts = [option.rstrip(" ,]\"'") for option in texts]
    return [option_form(_without_joining(option)) for option in texts]


def _without_joining(option: str) -> str:
    """Return an option's text without what joins it to the next: "30, or" is 30."""
    text = option.rstrip(" ,;/\n") or option
    words = text.rsplit(None, 1)
    return words[0].rstrip(" ,;/") if len(words) == 2 and words[1].casefold() in _JOINING else text
