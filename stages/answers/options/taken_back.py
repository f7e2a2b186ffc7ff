"""Letters that an answer names only to take them back or to deny them: "A? No, it is B", "B, not A"."""

import re

_LETTER = r"[(\[\"']?[A-J](?![\w'+-])[)\]\"']?"
_CORRECTION = re.compile(
    r"(?:\?|？|\.{3}|…)[\s*]{0,3}(?:(?:oh|hmm|uh),?\s)?"
    r"(?:no|nope|nein|non|нет|不|不对|不對|いや)(?:[,.!:;，。、–—-]|\s[-–—])\s{0,2}"  # A? No, it is B
    r"|(?:\A|[.,;!?…)\]\s])\s{0,2}(?:(?:no|oh),?\s)?(?:wait|scratch that|correction|let me correct (?:that|this|myself)|"
    r"i made an? (?:mistake|error)|i mean(?=[,:]|\s\(?[A-J]\b)|on second thought)(?:[,.!:;—–]|\.{3}|\s[-–—])?\s{1,2}",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"[\s,;。，、(]{0,3}(?:(?:and|but|y|e|et|und|und auch|а|而)\s?)?"
    r"(?:\b(?:not|non|pas|nicht|не|no|rather than|instead of)|不是|而非|非)\s?(?:(?:the|la|il|die|option)\s)?"
    rf"{_LETTER}(?:(?:,\s?(?:or\s|nor\s)?|\s(?:or|nor|oder|ni|ou|o|или|and)\s|、|或){_LETTER}){{0,8}}[\s.。!)]{{0,3}}\Z",
)


def corrected(text: str) -> str | None:
    """Return what follows the last words that take an answer back: "No, it is B" of "A? No, it is B"; else None."""
    end = max((match.end() for match in _CORRECTION.finditer(text)), default=0)
    return text[end:] if end else None


def without_denied(text: str) -> str:
    """Return an answer without the letters that it denies at its end: "B, not A" is "B"."""
    denied = _DENIED.search(text)
    return text[: denied.start()] if denied and denied.start() else text
