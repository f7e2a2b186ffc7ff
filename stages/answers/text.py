"""Words as answers: compared by normalised exact match.

Case, spaces, punctuation at the ends, typography and LaTeX's commands carry no meaning. Signs do: `Rh+` is not `Rh-`,
`C++` not `C`, `5%` not `5`, and no letter of any script is dropped.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from stages.answers.kinds import AnswerKind
from stages.answers.marks import MAX_TAIL, marks_of, own_part
from stages.answers.refusals import holds, refusal_words, without_declined
from stages.settings.answers import ANNOUNCEMENTS


class TextAnswer(AnswerKind):
    """Words, compared by normalised exact match. Only a mark ("answer is", a box) makes words an answer.

    A refusal ("I cannot answer") is no answer, unless the question or the label holds its words.
    """

    def __init__(self, *, boxed_only: bool = False, announcements: tuple[str, ...] = ANNOUNCEMENTS) -> None:
        self.boxed_only = boxed_only
        self.announcements = announcements

    def extract(self, response: str, question: str) -> str | None:
        text = without_declined(own_part(response, self.announcements)[-MAX_TAIL:])
        mark = next(marks_of(text, self.announcements), None)
        if mark is None or (self.boxed_only and mark.kind != "box"):
            return None
        return (announced_words(mark.text, text) if mark.kind == "announced" else mark.text) or None

    def canonical(self, answer: str, question: str) -> str | None:
        form = normalised_text(answer)
        words = refusal_words(form)
        return None if words and not holds(normalised_text(question), words) else form or None

    def context(self, question: str, label: str) -> str:
        return f"{question}\n{label}"


# Each rule: pattern, replacement, and an example with its result. They are applied in order, the first ones before
# Unicode's compatibility forms (NFKC) are resolved, which would make 10² the number 102 and 3½ the number 31/2.
_BEFORE_UNICODE: tuple[tuple[str, str, str, str], ...] = (
    (r"([⁺⁻]?[⁰¹²³⁴-⁹]+)", r"^\1", "10²", "10^2"),
    (r"(?<=\d)(?=[¼½¾⅐-⅞])", " ", "3½", "3 1/2"),
    ("[\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\u00ad]", "", "co\u00adoperate", "cooperate"),
    (r"—+$|^—+", "", "Paris—", "paris"),
    ("´", "'", "O´Brien", "o'brien"),
)
_AFTER_UNICODE: tuple[tuple[str, str, str, str], ...] = (
    (r"`([^`]{1,400})`", r"\1", "`O‘Brien`", "o'brien"),
    ("[‘’‛ʼʻ′`´]", "'", "O’Brien", "o'brien"),
    ("[“”„‟″«»「」『』]", '"', "„Paris“", "paris"),
    ("[‐‑‒–—―−﹣]", "-", "–5", "-5"),
    ("⁄", "/", "½", "1/2"),
    ("[。．]", ".", "北京。", "北京"),
    (r"\s+", " ", "habeas  corpus", "habeas corpus"),
    # LaTeX
    (r"\\(?:text(?:bf|it|rm|sf|tt|normal)?|math(?:rm|bf|it|sf)|mbox)\s?\{([^{}]{0,400})\}", r"\1", r"\text{2,4-D}",
     "2,4-d"),
    (r"\\(?:text(?:bf|it|rm|sf|tt|normal)?|math(?:rm|bf|it|sf)|mbox|operatorname|displaystyle|left|right)(?![a-z])", "",
     r"\text{Habeas corpus}", "habeas corpus"),
    (r"(?<!\\)\$(?=[^\s$])((?:\\.|[^$\\])*)(?<!\s)\$(?!\d)", r"\1", r"$\$5$", "$5"),
    (r"(?<![^\W_])\*\*(?=\S)([^*]{1,400})\*\*(?![^\W_])", r"\1", "**A**", "a"),
    (r"\\[()\[\]]", "", r"\(x\)", "x"),
    (r"\\[,;:! ]|(?<=\S)~(?=[a-z])", " ", r"5\,mg", "5mg"),
    (r"(?<=\d)\s?(?=\\[dtc]?frac(?![a-z]))", " ", r"3\frac12", "3 1/2"),
    (r"\\[dtc]?frac\s?(?:\{(\d{1,9})\}\s?\{(\d{1,9})\}|(\d)\s?(\d))", r"\1\3/\2\4", r"\dfrac{1}{2}", "1/2"),
    (r"\\[dtc]frac(?![a-z])", r"\\frac", r"\dfrac{a}{b}", "fraca/b"),
    (r"\}\s?\{", "/", r"\frac{ab}{c}", "fracab/c"),
    (r"([\^_])\{(\w|-?\d{1,9}|\d{0,2}[+-])\}", r"\1\2", "x^{2}y", "x^2y"),
    (r"([\^_])\{([^{}]{2,40})\}", r"\1(\2)", "x^{2y}", "x^(2y)"),
    (r"\^\s?\{?\\circ(?![a-z])\}?|\\degree(?![a-z])", "°", r"5^\circ", "5°"),
    (r"°\s(?=[cfnsew]\b)", "°", "37° C", "37°c"),
    (r"§\s", "§", "§ 242", "§242"),
    (r"\\(?:leq?|leqslant)(?![a-z])|<=", "≤", r"\le 5", "≤5"),
    (r"\\(?:geq?|geqslant)(?![a-z])|>=", "≥", r"\geq 5", "≥5"),
    (r"\\lt(?![a-z])", "<", r"\lt 5", "<5"),
    (r"\\gt(?![a-z])", ">", r"\gt 5", ">5"),
    (r"\\neq?(?![a-z])|!=", "≠", r"\ne 5", "≠5"),
    (r"\\pm(?![a-z])", "±", r"\pm 5", "±5"),
    (r"^\s*\{([^{}\\]*,[^{}\\]*)\}\s*$", r"\{\1\}", "{1, 2}", r"\{1, 2\}"),
    (r"(?<!\\)[{}]", "", "{rome}", "rome"),
    (r"\\([$%&#_])", r"\1", r"5\%", "5%"),
    (r"_(?=\d)", "", "H_2O", "h2o"),
    (r"\^(\d{0,2}[+-])(?!\w)", r"\1", "Ca²⁺", "ca2+"),
    # abbreviations
    (r"(?<![^\W_])([^\W\d_])\.\s(?=[^\W\d_]\.)", r"\1.", "J. S. Bach", "js bach"),
    (r"(?<=[^\W\d_])\.(?=[\s,]|$)", "", "St. Paul", "st paul"),
    (r"(?<![^\W_])([^\W\d_]{1,2})\.(?=[^\W\d_]{1,2}(?:\.|(?![^\W_])))", r"\1", "U.S.A.", "usa"),
    # numbers and their signs
    (r"(?<=\d) ?(?:%|percent\b|per cent\b)", "%", "5 percent", "5%"),
    (r"\s?([<>≤≥≠≈=])\s?", r"\1", "p < 0.05", "p<0.05"),
    (r"([±$€£¥₹])\s(?=\d)", r"\1", "$ 5", "$5"),
    (r"(?<![^\W_])(\d{1,15}(?:[.,]\d{1,15})?)\s(?=[^\W\d_]|°)", r"\1", "5 mg", "5mg"),
    (r"\s+", " ", "habeas  corpus", "habeas corpus"),
)  # fmt: skip


def _compiled(rules: Sequence[tuple[str, str, str, str]]) -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((re.compile(pattern), replacement) for pattern, replacement, *_ in rules)


_BEFORE, _AFTER = _compiled(_BEFORE_UNICODE), _compiled(_AFTER_UNICODE)
_MEGA = re.compile(r"(?<=\d)\s{0,4}M(?=(?:W|V|J|N|g|Hz|Pa|eV|Bq|Ω)(?![^\W_]))")
_LEADING = frozenset(".,;:?¡¿…、·•_`\\")
_TRAILING = frozenset(".,;:?…、·•_`\\।॥؟،؛۔")
_UNPAIRED = frozenset('"|')
"""Marks that carry no meaning at an end if the text holds one of them only."""
_PAIRS = {'"': '"', "'": "'", "(": ")", "[": "]", "<": ">", "*": "*", "_": "_"}
_MAX_STRIPS = 12
"""Layers of marks around an answer that are removed."""
_NEAR = 400
"""Characters that are searched for the partner of a mark."""


@lru_cache(maxsize=65_536)
def normalised_text(text: str) -> str:
    """Return a text in one case and one Unicode form, with single spaces and without punctuation at either end.

    Marks that carry a meaning stay: signs, %, currencies, comparisons, # and +, vowel signs of all scripts.
    """
    for pattern, replacement in _BEFORE:
        text = pattern.sub(replacement, text)
    text = unicodedata.normalize("NFKC", text)
    text = unicodedata.normalize("NFKC", _MEGA.sub(" mega-", text).casefold())
    for pattern, replacement in _AFTER:
        text = pattern.sub(replacement, text)
    return _without_ends(text.strip())


def _without_ends(text: str) -> str:
    """Return a text without punctuation, quotes and brackets around it."""
    for _ in range(_MAX_STRIPS):
        if len(text) > 1 and _PAIRS.get(text[0]) == text[-1] and _is_wrapped(text):
            text = text[1:-1]
            continue
        start, end = 0, len(text)
        while start < end and _is_leading(text, start):
            start += 1
        while end > start and _is_trailing(text, start, end):
            end -= 1
        if end - start == len(text):
            break
        text = text[start:end]
    return text


def _is_leading(text: str, index: int) -> bool:
    """Return whether the character at the start carries no meaning: ".5" keeps its point, "- Rome" loses its dash."""
    character, after = text[index], text[index + 1 : index + 2]
    if character == ".":
        return not after.isalnum()
    if character == "*":
        return not after.isalnum() or "*" in text[index + 1 : index + _NEAR]
    if character == "\\":
        return after != "{"
    if character == "=":
        return after not in ("", "=")
    if character in "-#":
        return text[index : index + 7].lstrip(character)[:1].isspace()
    if character in _UNPAIRED:
        return not index and character not in text[1:_NEAR]
    return character.isspace() or character in _LEADING


def _is_trailing(text: str, start: int, end: int) -> bool:
    """Return whether the character at the end carries no meaning: "5!" and "A*" keep their marks, "Yes!" does not."""
    character, before = text[end - 1], text[max(start, end - 2) : end - 1]
    word = text[max(start, end - 4) : end - 1]
    is_single = before.isalnum() and not word[-2:-1].isalnum()
    if character == "!":
        return not (before.isdigit() or before == ")" or (before.isalpha() and is_single))
    if character == "*":
        return not is_single
    if character == "$":
        return len(word) == 3 and word.isalpha()
    if character == "-":
        return before.isspace()
    if character in _UNPAIRED:
        return end == len(text) and not before.isdigit() and character not in text[max(start, end - _NEAR) : end - 1]
    return character.isspace() or character in _TRAILING


def _is_wrapped(text: str) -> bool:
    """Return whether the first and the last character are a pair around the whole text that has no meaning of its own.

    "(0, 1)" is an interval or a point, "(a) or (b)" are two pairs.
    """
    opening, closing, inner = text[0], text[-1], text[1:-1]
    if opening in "([":
        return not any(mark in inner for mark in (",", ";", opening, closing))
    return opening not in inner and closing not in inner


_BOLD = re.compile(r"\*\*\s?([^*\n]{1,300}?)[\s.:]?\*\*")
_AFTER_BOLD = re.compile(r"\s?(?:$|[.,;:!?(\[–—]|(?:is|was|are|were|because|since|which|who|as)\b)")
_STOP = re.compile(r"([.!?。！？؟।]+)[\"'”’)\]*_]{0,3}(\s+|$)?")
_WORD_BEFORE = re.compile(r"(?<![^\W_])[^\W\d_]{1,6}(?:\.[^\W\d_]{1,3}){0,4}\Z")
_WORD_AFTER = re.compile(r"[\"'“‘(*_]{0,3}([^\W_]+)")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ABBREVIATIONS = _words(
    "st dr mr mrs ms prof jr sr mt ft vs co inc ltd corp etc cf fig art sec al gen col sgt capt lt maj rev hon pres "
    "gov sen rep op vol ed nr ca approx ave blvd dept univ est no nos pp spp sp var subsp bros messrs mme mlle sra "
    "srta dra ing ph"
)
_TITLES = _words("dr mr mrs ms prof capt sgt lt messrs mme mlle sra srta dra")
"""Abbreviations that end no sentence: a name follows them."""
_SENTENCE_STARTS = _words(
    "the this that these those it its i i'm we he she they you my his her their hope let because therefore so thus "
    "hence as since however but and in if for to note please thank thanks feel is answer explanation here there while "
    "also although of with by an when what which who not no yes our"
)


def announced_words(line: str, response: str = "") -> str:
    """Return the answer in the text after "answer is": the words in bold that it starts with, else its first sentence.

    "Rome. I hope this answer is helpful." is Rome; "St. Paul" and "E. coli" stay whole. `response`: the text around,
    which has the bold marks.
    """
    head, marks, _ = line.partition("**")
    if marks and head.strip() and line.count("**") % 2:  # **Answer: Rome** is the capital
        line = head
    plain = line.replace("**", "").strip()
    for bold in _BOLD.finditer(response):
        if plain.startswith(bold[1]) and _AFTER_BOLD.match(plain, len(bold[1])):
            return bold[1]
    for stop in _STOP.finditer(line):
        if _ends_sentence(line, stop):
            return line[: stop.end()].strip()
    return line.strip()


def _ends_sentence(line: str, stop: re.Match[str]) -> bool:
    """Return whether a sentence ends in a full stop or the like: not in "St. Paul", "3.5", "U.S. dollar"."""
    if stop[1][-1] in "。！？":
        return True
    if stop[2] is None or stop.end() == len(line):
        return stop.end() == len(line)
    after = _WORD_AFTER.match(line, stop.end())
    if after is None or after[1][0].islower():
        return False
    before = _WORD_BEFORE.search(line, max(0, stop.start() - 24), stop.start())
    word = before[0].casefold() if before else ""
    if stop[1] == "." and (len(word) == 1 or "." in word or word in _ABBREVIATIONS):
        if word in _TITLES:  # Dr. Who
            return False
        is_number = word in ("no", "nos") and not after[1][0].isdigit()
        return is_number or after[1].casefold() in _SENTENCE_STARTS
    return True
