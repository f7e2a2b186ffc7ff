"""Whether a question ends in the middle."""

import re

CUT_OFF = "[cut off]"
"""Stands at the end of a question that the token limit ended."""

# No question ends with these; one may end with "is" or "of" ("The drug of choice is", "what is it made of").
_OPEN_WORD = re.compile(r"(?<![\w$\\])(?:and|or|the|an|but|because|than|whose|every|each|their|its|my|your)\Z")
_OPEN_SIGN = re.compile(r"[,;+(\[{，、；（]\Z|\\(?:left|frac|sqrt|begin|times|cdot)\Z|(?:\.\.\.|…)\Z")
_GREEK_QUESTION = re.compile(r"[\u0370-\u03ff\u1f00-\u1fff]{2}\s{0,3};\Z")
"""Greek writes a semicolon where other languages have a question mark."""
# A half-open interval (2, 5] closes a bracket with another one.
_PAIRS = (("(", ")]"), ("{", "}"))
_FORMULAS = (("\\(", "\\)"), ("\\[", "\\]"))


_SENTENCE_END = re.compile(r"[.?!。？！][\s\"”')*]{0,9}\Z")


def is_unfinished(question: str) -> bool:
    """Return whether a question ends with a word or a sign that has to go on, or inside a formula or brackets."""
    text = question.rstrip()
    if _GREEK_QUESTION.search(text):
        return False
    if text.endswith(CUT_OFF) or _OPEN_SIGN.search(text) or _OPEN_WORD.search(text):
        return True
    if _SENTENCE_END.search(text):  # a stray bracket or a dollar sign behind a price does not make it unfinished
        return False
    if any(text.rfind(opening) > max(map(text.rfind, closings)) for opening, closings in _PAIRS):
        return True
    if any(text.rfind(opening) > text.rfind(closing) for opening, closing in _FORMULAS):
        return True
    if text.count("\\begin{") > text.count("\\end{"):
        return True
    dollars = text.replace("\\$", "").replace("$$", "$")
    return dollars.count("$") % 2 == 1 and re.match(r"[\s\d,.]|\Z", dollars[dollars.rfind("$") + 1 :]) is None
