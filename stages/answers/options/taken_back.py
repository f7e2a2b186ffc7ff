"""Letters that an answer names only to take them back or to deny them: "A? No, it is B", "B, not A"."""

import re

_LETTER = r"[(\[\"']?[A-J](?![\w'+-])[)\]\"']?"
_STRONG = (
    r"wait(?=[,.!;:…—–-]|\s[—–-]|\s(?:no|actually)\b)|scratch that|correction(?=[,:])|"
    r"let me correct (?:that|this|myself)|i made an? (?:mistake|error)|i meant?(?=[,:\s])|"
    r"on second thought"
)
_WEAK = r"no|nope|nein|non|нет|不对|不對|不|いや|actually|sorry|oh|hmm?|uh|but"
_BREAK = r"[\s,.!:;，。、…–—-]{1,5}"
_CORRECTION = re.compile(
    rf"(?:\?|？|\.{{3}}|…)[\s*]{{0,3}}(?:(?:{_STRONG}|{_WEAK}){_BREAK}){{1,4}}"  # A? No, it is B
    rf"|(?:\A|(?<=[.,;!?)…—–-]\s)|(?<=[.,;!?)…—–-]))(?:(?:{_WEAK}){_BREAK}){{0,2}}"
    rf"(?:{_STRONG}){_BREAK}(?:(?:{_STRONG}|{_WEAK}){_BREAK}){{0,3}}"
    rf"|[.,;!]\s(?:{_WEAK})[,.!:;，。—–]\s{{0,2}}(?=[(\[]?[A-J][)\]]?[.!]{{0,2}}\Z)"  # A. No, B.
    r"|,\sbut\s(?:it is|it's|the (?:correct |right |real )?answer is)\s"
    r"(?=(?:actually\s|really\s|in fact\s)?[(\[]?[A-J]\b)"
    r"|(?<=\sor\s[A-J]),\s(?:but\s)?(?:more\s|most\s)?(?:probably|likely)\s(?=[(\[]?[A-J]\b)",  # A or B, probably B
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"[\s,;。，、(]{0,3}(?:(?:and|but|y|e|et|und|а|而)\s?)?"
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
