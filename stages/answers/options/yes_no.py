"""Answers to questions that list no options: yes, no, maybe, true, false, in several languages."""

import re

from stages.answers.options.letters import plain_text

_WORDS: dict[str, tuple[str, ...]] = {
    "yes": ("yes", "ja", "oui", "sí", "sim", "да", "はい", "예", "نعم", "हाँ"),
    "no": ("no", "nein", "non", "não", "нет", "否", "いいえ", "아니오", "아니요", "لا", "नहीं"),
    "maybe": ("maybe", "vielleicht", "peut-être", "quizás", "talvez", "может быть"),
    "true": (
        "true",
        "wahr",
        "vrai",
        "verdadero",
        "verdadeiro",
        "vero",
        "верно",
        "правда",
        "对",
        "對",
        "正确",
        "正確",
        "참",
    ),
    "false": ("false", "falsch", "faux", "falso", "неверно", "ложь", "错", "錯", "错误", "錯誤", "거짓"),
}
_MEANING = {word: meaning for meaning, words in _WORDS.items() for word in words}
_WORD = "|".join(sorted(map(re.escape, _MEANING), key=len, reverse=True))
_ALONE = re.compile(rf"\W{{0,4}}({_WORD})\W{{0,4}}", re.IGNORECASE)
_EXPLAINED = re.compile(rf"\W{{0,4}}({_WORD})(?:[,.;:!—–]\s?|\s(?:because|since|as|weil|car|porque)\s)", re.IGNORECASE)
_STATEMENT = re.compile(
    r"(?:.{0,80}[.,]\s)?(?:so |thus |therefore,? |hence,? )?(?:the|this) (?:statement|claim|assertion|proposition) is "
    r"(?:therefore |thus )?(true|false)\W{0,3}",
    re.IGNORECASE,
)


def yes_or_no(answer: str, *, announced: bool) -> str | None:
    """Return what an answer says, in English; None if it says neither, or more than one.

    The word stands alone, in "the statement is false", or, if the answer is `announced`, before an explanation.
    """
    text = plain_text(answer)
    match = _ALONE.fullmatch(text) or (_EXPLAINED.match(text) if announced else None) or _STATEMENT.fullmatch(text)
    return _MEANING[match[1].casefold()] if match else None
