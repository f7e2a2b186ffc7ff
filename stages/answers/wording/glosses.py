"""Answers with an explanation, an article or "It is": "Rome (Italy)", "Rome, the capital of Italy", "das Gift".

Such an answer equals the shorter one ("Rome"), but no other long one: "Paris (Texas)" is not "Paris (France)".
"""

import re
from functools import lru_cache

from stages.answers.canonical.number_words import ENGLISH

# Each rule: pattern of a whole form, and an example. The group `head` is the answer, `gloss` what explains it.
GLOSSES: tuple[tuple[str, str], ...] = (
    (r"(?P<head>[^()\n]{2,200}?)\s?(?<=[\s\u3040-\ud7a3])\((?P<gloss>[^()\n]{2,200})\)", "Rome (Italy)"),
    (r"(?P<head>[^,()\n]{2,100}),\s"
     r"(?P<gloss>(?:the|an?)\s[^,()\n]{2,60}?\s(?:of|in|that|for|to|from|by|at)\s[^,()\n]{2,100})",
     "Rome, the capital of Italy"),
    (r"(?P<head>[^,()\n]{2,100}),\s"
     r"(?P<gloss>(?:also known as|also called|i\.?e\.?|namely|aka|which|who)\s[^()\n]{2,200})",
     "Vitamin C, also known as ascorbic acid"),
    (r"(?:it is|it's|this is|that is|they are|these are|that would be)\s(?P<head>[^\n]{2,200})", "It is Rome"),
    (r"(?:der|die|das|den|dem|ein|eine|le|la|les|un|une|el|los|las|una|il|gli|um|uma|het|een)\s"
     r"(?P<head>[^\n]{3,200})|l'(?P<elided>[^\n]{3,200})", "das Gift"),
)  # fmt: skip
_GLOSSES = tuple(re.compile(pattern) for pattern, _ in GLOSSES)
_CHANGES_THE_ANSWER = re.compile(
    r"\b(?:not|no|non|nor|but|if|unless|only|except|without|and|or|false|true|wrong|incorrect|when|with|plus|minus|"
    r"positive|negative|respectively|aq|i{1,3}|iv|v|vi{1,3}|ix|x)\b|[^\w\s.,;:'\"-]"
)
"""Words and signs in a gloss that make it a part of the answer: "yes (but only at night)", "iron (II)"."""
_LABEL = re.compile(r"(?:c |ca |born |died )?(?:1\d|20)\d\d(?:-(?:1\d|20)?\d\d)?|[a-z]\d{2}(?:\.\d{1,3})?")
"""A year, two years, or a code of the ICD."""
_SMALL_WORDS = frozenset(("of", "the", "and", "in", "a", "an", "for", "to"))


def says_the_same(left: str, right: str) -> bool:
    """Return whether one of two normalised texts is the other with an article, an explanation or an abbreviation."""
    return left in _shorter_forms(right) or right in _shorter_forms(left)


@lru_cache(maxsize=65_536)
def _shorter_forms(form: str) -> frozenset[str]:
    """Return the shorter answers that a form stands for."""
    shorter: set[str] = set()
    for gloss_pattern in _GLOSSES:
        if match := gloss_pattern.fullmatch(form):
            parts = match.groupdict()
            head, gloss = (parts["head"] or parts["elided"]).strip("\"'"), parts.get("gloss")
            if gloss is None or gloss == _short_species(head) or _only_explains(gloss, head):
                shorter |= {head, *_shorter_forms(head)}
            if gloss and (_initials(head) == gloss or _initials(gloss) == head):
                shorter.add(gloss)
    return frozenset(shorter)


def _only_explains(gloss: str, head: str) -> bool:
    if _LABEL.fullmatch(gloss):
        return True
    if head[0].isdigit() and not ENGLISH.keys().isdisjoint(gloss.split()):  # 42 (forty three)
        return False
    if _CHANGES_THE_ANSWER.search(gloss) or any(character.isdigit() for character in gloss):
        return False
    long_words = {word for word in head.split() if len(word) > 3}
    return sum(character.isalpha() for character in gloss) > 1 and long_words.isdisjoint(gloss.split())


def _short_species(head: str) -> str:
    """Return the name of a species with its genus as a letter: "e coli"."""
    return f"{head[0]} {head.partition(' ')[2]}"


def _initials(words: str) -> str:
    return "".join(word[0] for word in words.split() if word not in _SMALL_WORDS)
