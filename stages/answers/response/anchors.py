"""Where a text announces an answer: "the answer is", "Answer:", "答案是", "####" and their like.

Announcing words in a remark, such as "I hope this answer is helpful", are left out as far as the words before them say
so; `announced.py` reads what follows. All searches take linear time: every repetition in a pattern is bounded.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from stages.answers.response.announcement_words import ADJECTIVES, COPULAS, PREPOSITIONS, SYMBOLS
from stages.settings.answers import ANNOUNCEMENTS, ANNOUNCING_WORDS

HASHES = "####"


class Anchor(NamedTuple):
    """The words that announce an answer."""

    start: int
    end: int
    """Index after the words, before the answer."""
    language: str
    """Language of the words; `HASHES` for "####", "" for words of a user's own."""


_KANA = re.compile(r"[ぁ-ヿ]")
_S = r"[^\S\n]{0,5}"
_CLOSERS = r"(?:[*_}\"'”’`»]{1,4}|</[a-z][a-z0-9]{0,9}>)?"
_HASHES = re.compile(r"(?<!#)#{4}(?!#)")
_HEADING_PREFIX = re.compile(
    r"[^\w\n]{0,12}(?:(?:the|my|our|your|so|final|correct|short|direct|step|\d{1,2}|la|le|el|die|der|das|il|o|a|"
    r"最终|最終|正确|正確|最後の)[^\w\n]{0,4}){0,4}\Z"
)
_MARKED_PREFIX = re.compile(r"\s{0,3}(?:#{1,6}\s|[*_]{2}|<[a-z][a-z0-9]{0,9}>)")
_REFERS_TO_ANOTHER = re.compile(
    r"(?:\b(?:this|his|her|their|whose|which|any|every|each|either|neither|another|other|previous|earlier|first|"
    r"second|third|initial|original|wrong|incorrect|false|tempting|intermediate|approximate|second[- ]best|"
    r"falsche|fausse|mauvaise|sbagliata|неправильный|неверный|partial|alternat\w{1,4}|old|"
    r"esta|essa|esa|cette|diese|questa|quest'|этот|deze|"
    r"keine|aucune|ninguna|nessuna|nenhuma|geen|нет|sin|sem|sans|pas de|no hay) ?(?:final |correct |right )?|"
    r"(?:^|[^,\w] ?|\bso |\band )that (?:final )?|"
    r"\b(?!problem|question|equation|puzzle|exercise|task|today|let)\w{2,20}['’]s (?:final )?|"
    r"(?:这个|该|此|这一|無|无|没有|請|请|無法|无法|不能|未能|不|错误|錯誤|誤った|間違った|"
    r"この|その|あなたの|이 |그 ))\Z"
)
"""Text before an announcing word that makes it speak of another answer, or of none."""
_SUPPOSES = re.compile(
    r"(?:\b(?:people|one|you|some|many|students|others|we)(?: (?:may|might|could|would|will|often|wrongly)){0,2} "
    r"(?:say|think|guess|believe|conclude|assume|expect)|\b(?:"
    r"if|whether|suppose|assume|assuming|unless|until|hope|ensure|verify|check|make sure|be sure|"
    r"unlikely|doubt|"
    r"impossible)|(?:\bnot|n['’]t) (?:think|believe|mean|say|know|sure|certain|clear|likely))(?: that)? "
    r"(?:(?:the|our|my|your|an?) )?(?:(?:final|correct|right) )?\Z"
)
_CANNOT = re.compile(
    r"(?:cannot|can't|can’t|could not|couldn't|can not|unable to|not|n't|n’t|refuse to|won't|never|no|without)"
    r"(?: (?:provide|give|find|know|have|see|determine|offer|reach|get|to|an?|the|any|final|definitive|direct|single|"
    r"exact)){0,4} \Z"
)
_ASKS_FOR = re.compile(
    r"\b(?:find|compute|calculate|determine|verify|check|explain|understand|justify)(?:ing)? "
    r"(?:the|our|my|your|an?) (?:(?:final|correct|right) )?\Z"
)
_REQUESTS = re.compile(
    r"\b(?:writ|express|giv|leav|put|enter|stat|provid|submit|report|round|simplify|format|present|box)"
    r"(?:e|es|ing|ting)? (?:the|our|my|your|an?|each|all) (?:(?:final|exact) )?\Z"
)
_IN_A_FORM = re.compile(r"\b(?:in|as|to|with|on|within|using)\b", re.IGNORECASE)
_SHORT = ("ans", "答")
"""Announcing words that are also parts of other words, or words of another language. They start a line or sentence."""
_BEFORE_SHORT = re.compile(
    r"(?:.{0,60}[.。:：])?[\s*_#>|(（【\[$\\{]{0,12}(?:.{0,40}\b(?:the|my|our|final|correct|required)\s)?"
)
_YOURS = re.compile(r"\b(?:your|votre|tu|ihre|deine|ваш) (?:final )?\Z")
_HAS_TO = re.compile(r"\b(?:should|must|has to)\b")


def anchors_of(text: str, announcements: tuple[str, ...] = ANNOUNCEMENTS) -> list[Anchor]:
    """Return the announcing words of a text in order, those in some remarks included (see `is_about_another`)."""
    lowered = lower(text)
    anchors = [Anchor(match.start(), match.end(), HASHES) for match in _HASHES.finditer(text)]
    languages: set[str] = set()
    for stem, languages_of_stem in _languages_by_stem(announcements, lowered.isascii()):
        if stem in lowered:
            languages |= languages_of_stem
    if languages:
        for language, words in _words_by_language(announcements):
            if language in languages:
                anchors += _anchors_in(lowered, language, words)
    if len(anchors) < 2:
        return anchors
    # Words of several languages, such as 回答, belong to the one listed first; Japanese is known by its kana.
    rank = {"ja": -1} if _KANA.search(text) else {}
    anchors.sort(key=lambda anchor: (anchor.end, rank.get(anchor.language, 0)))
    return [anchor for index, anchor in enumerate(anchors) if not index or anchors[index - 1].end != anchor.end]


def is_about_another(text: str, anchor: Anchor) -> bool:
    """Return whether the words before an announcement make it a remark, a supposition or a request."""
    if anchor.language == HASHES:
        return False
    before = lower(_line_before(text, anchor.start))
    if _YOURS.search(before) and _HAS_TO.search(text, anchor.start, anchor.end):
        return True
    if _REFERS_TO_ANOTHER.search(before) or _SUPPOSES.search(before) or _CANNOT.search(before):
        return True
    if _REQUESTS.search(before) and _IN_A_FORM.search(text, anchor.start, anchor.end):
        return True
    return text[anchor.end : anchor.end + 1] in ("\n", "") and _ASKS_FOR.search(before) is not None


def refers_to_another(text: str, start: int) -> bool:
    """Return whether the words before a noun at `start` make it another answer: "the wrong (option)"."""
    return _REFERS_TO_ANOTHER.search(lower(_line_before(text, start))) is not None


def lower(text: str) -> str:
    """Return the text in lower case, of the same length."""
    return text.replace("İ", "i").lower()  # the one letter whose lower case has two characters


def _anchors_in(lowered: str, language: str, words: tuple[str, ...]) -> Iterator[Anchor]:
    for match in _pattern(language, words).finditer(lowered):
        start = match.start()
        if start and lowered[start - 1].isalnum() and is_spaced(lowered[start]):
            continue  # a part of another word
        if match["word"] in _SHORT and not _BEFORE_SHORT.fullmatch(_line_before(lowered, start)):
            continue
        if match["bracket"] and (not start or lowered[start - 1] not in "【[(（"):
            continue
        if (match["heading"] is not None or match["aside"]) and not _is_heading(_line_before(lowered, start)):
            continue
        yield Anchor(start, match.end(), language)


def _line_before(text: str, index: int) -> str:
    """Return the text before an index in its line, at most 60 characters."""
    start = max(0, index - 60)
    return text[text.rfind("\n", start, index) + 1 or start : index]


def _is_heading(before: str) -> bool:
    """Return whether the text before an announcing word leaves its line a heading."""
    return _HEADING_PREFIX.fullmatch(before) is not None or _MARKED_PREFIX.match(before) is not None


@lru_cache(maxsize=256)
def _words_by_language(announcements: tuple[str, ...]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return (language, its words), in lower case, for all languages with words.

    A word of several languages belongs to each. A word of no known language gets the language "", and is cut to what
    precedes "is", a colon or an equals sign.
    """
    chosen = {lower(word).strip() for word in announcements}
    languages = {
        language: tuple(word for word in words if word in chosen) for language, words in ANNOUNCING_WORDS.items()
    }
    unknown = chosen.difference(*languages.values())
    languages[""] = tuple(sorted(_LINK_AT_END.sub("", word).rstrip(" ") or f"{word}…" for word in unknown))
    return tuple((language, words) for language, words in languages.items() if words)


@lru_cache(maxsize=256)
def _languages_by_stem(announcements: tuple[str, ...], only_ascii: bool) -> tuple[tuple[str, frozenset[str]], ...]:
    """Return (stem, languages): a text with a word of a language contains one of its stems.

    With `only_ascii`, the stems that a text in ASCII may contain.
    """
    languages: dict[str, set[str]] = {}
    for language, words in _words_by_language(announcements):
        stems = {word.removesuffix("…").split()[0] for word in words}
        for stem in stems:
            if not any(other in stem for other in stems - {stem}):  # "answer" stands for "answers"
                languages.setdefault(stem, set()).add(language)
    return tuple((stem, frozenset(its)) for stem, its in languages.items() if stem.isascii() or not only_ascii)


_LINK_AT_END = re.compile(r"\s{0,3}[:：=]{1,3}$|\s(?:is|are|est|es|ist|é|è):?$|是[:：]?$")


@lru_cache(maxsize=256)
def _pattern(language: str, words: tuple[str, ...]) -> re.Pattern[str]:
    """Return the pattern of announcements by these words of one language, for text in lower case."""
    copula = f"|{COPULAS[language]}" if language in COPULAS else ""
    link = f"(?:{SYMBOLS}{copula})"
    if language in PREPOSITIONS:
        phrase = rf"{_S}(?:{PREPOSITIONS[language]})(?![^\W_])(?:[^\n.:：?!。$]|\.(?=\d)|\$[^$\n]{{1,40}}\$){{1,60}}?"
        link = f"(?:{link}|{phrase}{_S}(?:[:：]{copula}))"
    ordered = sorted(words, key=lambda word: (-len(word), word))
    alternatives = "|".join(_word_pattern(word) for word in ordered if not word.endswith("…")) or "(?!)"
    bare = "|".join(_word_pattern(word) for word in ordered if word.endswith("…"))
    bare_pattern = rf"|(?:{bare}){_CLOSERS}{_S}[:：]?(?:[*_]{{1,3}}(?=\s|$))?" if bare else ""
    return re.compile(
        rf"(?P<word>{alternatives})(?:(?P<bracket>[】\])）]{_S}[:：]?)"
        rf"|{_CLOSERS}(?:{_S}(?:{ADJECTIVES})){{0,2}}{_CLOSERS}(?:[^\S\n]#?\d{{1,2}}(?=[:：](?!\d)))?(?:"
        rf"(?:{_S}[(（](?![a-z][)）])[^()（）\n]{{1,40}}[)）])?{_CLOSERS}(?:,[^,\n.:?]{{1,40}},)?"
        rf"{_S}{link}{_S}(?:[:：]|={{1,2}})?(?:[*_]{{1,3}}(?=\s|$))?"
        rf"|(?P<heading>[^\S\n]{{0,3}}[*_#.。]{{0,4}}[^\S\n]{{0,3}}$)"
        # At the start of a line: "Answer - B", "Ans. 42", "**Answer** 42", "Answer B"
        rf"|(?P<aside>[^\S\n]{{1,3}}[-–—][^\S\n]{{1,3}}|[.)]-?[^\S\n]{{1,3}}(?=\S)"
        rf"|(?<=[*_>])[^\S\n]{{1,4}}(?=[^\s–—-])"
        rf"|[^\S\n]{{1,3}}(?=[(\[]?[a-j][)\]]?[^\S\n]{{0,3}}[.。]?[^\S\n]{{0,3}}$)))){bare_pattern}",
        re.MULTILINE,
    )


def _word_pattern(word: str) -> str:
    """Return the pattern of one announcing word. A word that ends in "…" needs nothing between it and the answer."""
    stem = word.removesuffix("…")
    spaced = r"\s{1,3}".join(map(re.escape, stem.split()))
    end = r"(?![^\W_])" if is_spaced(stem[-1:]) else ""
    return spaced + end


def is_spaced(character: str) -> bool:
    """Return whether a character belongs to a script that puts spaces between words: Latin, Greek, Cyrillic."""
    return character.isalpha() and character < "\u0590"
