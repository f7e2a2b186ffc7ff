"""Answers in words: which forms are words, and which words mean the same in answers of mathematics."""

import re
import unicodedata

from stages.answers.canonical.chemistry import is_formula
from stages.answers.equality.brackets import AND, OR, split

REALS, NOTHING = "\\mathbb{R}", "\\emptyset"
_SAME_WORDS = {
    "all real numbers": REALS, "all reals": REALS, "any real number": REALS, "real numbers": REALS,
    "all real values": REALS, "empty set": NOTHING, "the empty set": NOTHING, "no solution": NOTHING,
    "no solutions": NOTHING, "no real solution": NOTHING, "no real solutions": NOTHING, "no real roots": NOTHING,
    "there is no solution": NOTHING, "there are no solutions": NOTHING, "\\emptyset": NOTHING, "\\{\\}": NOTHING,
    "dne": "does not exist", "doesn't exist": "does not exist", "infinite": "infinitely many",
    "infinitely many solutions": "infinitely many", "infinite solutions": "infinitely many", "no": "no",
}  # fmt: skip
_ARTICLE = re.compile(r"(?:the|an|a) (?=[^\W\d_]{3})")
_WORD = r"[a-zA-Z]+(?:['-][a-zA-Z]+)*"
_ASCII_WORDS = re.compile(rf"{_WORD}(?: {_WORD})*")
_LONG_WORD = re.compile(r"[a-zA-Z]{3}|[^\x00-\x7f]")
_GENOTYPE = re.compile(r"(?:([A-Za-z])(?i:\1)){1,4}")
_SENTENCE = re.compile(r"[\w .'’/-]{4,200}")
_NAME_WITH_NUMBER = re.compile(r"[^\W\d_]{3} | [^\W\d_]{3}|[A-Z][a-zA-Z]{3,12}-\d")


def words_of(form: str) -> str | None:
    """Return words as they are compared: in lower case, without an article; None if a form is not made of words alone.

    One word has to have three letters, or a letter that is not ASCII: ab is a product. Words with "and" between them
    are a list.
    """
    text = form.casefold()
    if text in _SAME_WORDS:
        return _SAME_WORDS[text]
    if is_formula(form) or _GENOTYPE.fullmatch(form):
        return form  # AaBb is not aabb
    if not _are_words(form) or not _LONG_WORD.search(form) or len(split(form, (AND, OR))) > 1:
        return None
    return text[match.end() :] if (match := _ARTICLE.match(text)) else text


def _are_words(form: str) -> bool:
    if form.isascii():
        return _ASCII_WORDS.fullmatch(form) is not None
    # Vowels of some scripts are marks (M), not letters (L).
    return form[:1].isalpha() and all(sign in " '’-" or unicodedata.category(sign)[0] in "LM" for sign in form)


def name_of(form: str) -> str | None:
    """Return a name with numbers in it as it is compared: Article 5, COVID-19, vitamin B12; None for other forms."""
    return form.casefold() if _SENTENCE.fullmatch(form) and _NAME_WITH_NUMBER.search(form) else None
