"""Letters that name options in a text: "B", "(b)", "option B", "A, C and D"; not those of "vitamin B" or "B cells"."""

import re
import unicodedata
from collections.abc import Mapping
from typing import NamedTuple

from stages.answers.options.labels import OPTION_WORD
from stages.answers.wording.form import normalised_text

MAX_LETTERS = 26

_LETTER = re.compile(
    rf"(?P<word>{OPTION_WORD}\s{{0,2}})?"
    # (E)-2-butene is no option
    r"(?:[(\[<\"']\s?(?P<bracketed>[A-Za-z])\s?[)\]>\"'](?!(?-i:[a-z])|-\w)"
    # A+, A', D-dimer, B12, U.S. and A/min are no options; A/B is two
    r"|(?P<bare>[A-Za-z])(?![a-zA-Z0-9_+#'^°%=*<>]|[-−–]\S|\.[A-Za-z](?![A-Za-z])|/(?!\s?[A-Za-z](?![A-Za-z]))))",
    re.IGNORECASE,
)
_AND = "and|as well as|y|e|et|und|и|with|plus"
_MAYBE = r"possibly|perhaps|maybe|alternatively|potentially|(?:more\s|most\s)?(?:likely|probably)"
_OR = rf"and/or|to|through|(?:and|or)\s(?:{_MAYBE})|or|o|ou|oder|или|{_MAYBE}"
_JOINED = re.compile(
    rf"(?:[).](?=\s?(?:[,;&]|(?:{_AND}|{_OR})\s)))?"  # B. and C.
    rf"\s{{0,3}}(?:[,;、/&+]\s{{0,2}}(?:(?:(?P<comma_or>{_OR})|{_AND})(?=[\s(\[\"']))?"
    rf"|(?:(?<=[\s)\]\"'])(?:(?P<bare_or>{_OR})|{_AND})(?=[\s(\[\"']))|(?:和|及|与|以及|と|및|와|과)"
    rf"|\((?P<bracketed_or>{_OR})(?=\s)|(?P<other_or>\||或者?|または|또는)|(?=[(\[]))\s{{0,3}}",
    re.IGNORECASE,
)
_IS_OPTION = re.compile("option|choice|alternative", re.IGNORECASE)
_LOWER_WORD = re.compile(r"(?<=[A-Z])\s[a-z]{2,20}\b")
"""A word after "option B", which needs no mark: "option B here"."""
_CLOSING = re.compile(r"(?:选项|選項|[项項番])?[\s.,:;!?)\]>\"'。]*(?:[-–—]\s*)?")
_BETWEEN = re.compile(r"[\s.):,;\]\"'。，、：]{0,8}(?:[-–—]\s{1,3})?")
_FUSED = re.compile(r"[(\[]?([A-Z](?:\s?(?:\+\s?)?[A-Z]){1,25}|[a-z]{2,26})[)\]]?[.。]?")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]")
_MEANINGFUL = frozenset("+-=<>*^%°−–#'_")
"""Marks that make a letter part of something else: A+, B', C#."""
_OTHER_SCRIPTS = re.compile(r"[\u0600-\u06ff\u0900-\u097f]")
_CJK_FOLLOWING = frozenset("是而がの를을이가은는也的项項选選正对對吗で입번，。")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_AFTER_A = _words(
    "because since as is are remains which and but from or when where only alone porque weil perché потому "
    "car parce puisque pues denn over works fits matches applies ist est es è é это die richtig korrekt"
)
"""Words after an A that is no article."""
_AFTER_OTHERS = _AFTER_A | _words(
    "for was not so due given based by with in on at while according would seems must can correct right explanation "
    "reason reasoning rationale justification the this it that these therefore thus hence final only y e et und "
    "rather instead nicht pas non over works fits matches applies remains "
    "ya pues parce puisque denn da poiché так to es est ist é está è то die richtig korrekt है "
    "sont sind son são sono"
)
"""Words after other letters: "C because", but not "C section" or "B cells"."""


class Letters(NamedTuple):
    """Letters of options that stand together in a text."""

    letters: tuple[str, ...]
    """In upper case."""
    end: int
    is_marked: bool
    """Whether the first letter is in brackets or after a word such as "option"."""
    is_lower: bool
    """Whether the first letter is a bare one in lower case."""
    is_hedged: bool
    """Whether they are joined by "or"."""

    def is_all_of(self, text: str) -> bool:
        """Return whether nothing but punctuation follows."""
        return _CLOSING.fullmatch(text, self.end) is not None


def letters_at(text: str, start: int, options: Mapping[str, str]) -> Letters | None:
    """Return the letters that stand at a position of a text; None if there are none, or if they are part of words.

    `options`: letter -> normalised text.
    """
    items: list[tuple[str, re.Match[str]]] = []
    is_hedged = False
    match = _LETTER.match(text, start)
    while match and len(items) < MAX_LETTERS:
        letter = match["bracketed"] or match["bare"]
        items.append((letter.upper(), match))
        joined = _JOINED.match(text, match.end())
        match = _LETTER.match(text, joined.end()) if joined else None
        if joined and match and (match["bracketed"] or may_follow(text, match.end(), match["bare"], options)):
            is_hedged |= any(joined.groups())
        elif match:
            match = None
    if not items:
        return None
    letter, last = items[-1]
    first = items[0][1]
    is_option = len(items) == 1 and first["word"] and _is_followed_by_words(text, first)
    if last["bare"] and not is_option and not may_follow(text, last.end(), last["bare"], options):
        return None
    return Letters(
        letters=tuple(letter for letter, _ in items),
        end=last.end(),
        is_marked=bool(first["bracketed"] or first["word"]),
        is_lower=bool(first["bare"] and first["bare"].islower()),
        is_hedged=is_hedged,
    )


def _is_followed_by_words(text: str, option: re.Match[str]) -> bool:
    """Return whether words may follow a letter behind "option": "option B here", "Antwort b ist richtig"."""
    if _IS_OPTION.match(option["word"]) and _LOWER_WORD.match(text, option.end()):
        return True
    return text[option.end() : option.end() + 1] == " " and _is_function_word(text[option.end() + 1 :], "B")


def may_follow(text: str, end: int, letter: str, options: Mapping[str, str]) -> bool:
    """Return whether the text after a bare letter, which ends at `end`, allows that the letter names an option.

    After "B" that is punctuation, a word such as "because", a letter in turn, or the text of option B.
    """
    rest = text[end : end + 400]
    after = rest.lstrip()
    if not after or (starts_with(text_after(text, end), options.get(letter.upper(), ""))):
        return True
    if letter.islower():
        return rest[0] in _CJK_FOLLOWING or (rest[0] in ".):,;!?]>\"'。，" and not _is_abbreviation(rest))
    if rest[0].isspace():
        if after[0].isalnum():
            return bool(_CJK.match(after) or _OTHER_SCRIPTS.match(after)) or _is_function_word(after, letter)
        if _is_operator(after[0]):  # "F = ma", but "B = Paris" if that is its text
            return starts_with(after[1:].lstrip("> "), options.get(letter.upper(), ""))
        return after[0] not in "-−–—" or after[1:2] in ("", " ")
    if _CJK.match(rest):
        return rest[0] in _CJK_FOLLOWING
    if rest[0] == ".":
        return not _is_abbreviation(rest) or _is_function_word(after.lstrip(". "), letter)
    return rest[0] in "/&" or not (rest[0] in _MEANINGFUL or _is_operator(rest[0]) or rest[0].isalnum())


def _is_operator(sign: str) -> bool:
    """Return whether a sign makes the letter before it part of a formula: "A ∩ B", "A → B", "A ≥ 5"."""
    return sign in "*/^%°·\\" or (unicodedata.category(sign) == "Sm" and sign != "|")


def text_after(text: str, end: int) -> str:
    """Return what follows a letter that ends at `end`, without the marks and the dash between; "-5" keeps its sign."""
    between = _BETWEEN.match(text, end)
    return text[between.end() :] if between else text[end:]


def may_follow_stop(text: str, letters: Letters, options: Mapping[str, str]) -> bool:
    """Return whether the text after "B." explains an option or is its text: not "Fleming" after "A."."""
    after, letter = text_after(text, letters.end), letters.letters[-1]
    if not after or not options or starts_with(after, options.get(letter, "")):
        return True
    return _is_function_word(after, "B")


_NAME = re.compile(
    r"[A-Z]\.\s?(?:(?:[A-Z]\.\s?){1,3}[A-Z][^\W\d_]+|[A-Z][\w'’-]+(?:\s(?:van|von|de|der|la|[A-Z][\w'’-]+|[A-Z]\.)){1,3})\W*"
)


def is_name(text: str) -> bool:
    """Return whether a text that starts with a letter may be a name: "F. Scott Fitzgerald", "C. S. Lewis"."""
    return _NAME.fullmatch(text) is not None


_DROPPED = re.compile(r"[{}*\\]")
_NEXT_MEMBER = re.compile(r"[,.:/]\d")


def starts_with(text: str, option: str) -> bool:
    """Return whether a text starts with the text of an option, which is normalised. Braces and stars do not count."""
    option = _DROPPED.sub("", option)
    if not option:
        return False
    form = _DROPPED.sub("", normalised_text(text[: 2 * len(option) + 20]))
    after = form[len(option) : len(option) + 1]
    goes_on = after.isalnum() or after in ("+", "-", "#", "%") or _NEXT_MEMBER.match(form, len(option))
    return form.startswith(option) and not goes_on


def fused_letters(text: str) -> tuple[str, ...] | None:
    """Return the letters of "ACD", "A C D" or "A+C+D" in upper case; None for other texts and repeated letters."""
    match = _FUSED.fullmatch(text)
    letters = tuple(re.sub(r"[\s+]", "", match[1]).upper()) if match else ()
    return letters if letters and len(set(letters)) == len(letters) else None


def plain_text(answer: str) -> str:
    """Return an answer without LaTeX's commands, emphasis and full-width forms, with single spaces."""
    text = unicodedata.normalize("NFKC", answer)
    for pattern, replacement in _PLAIN:
        text = pattern.sub(replacement, text)
    return text.strip()


_PLAIN = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"<\|\s?[\w▁ ]{1,24}\|>|\[/?INST\]|</?s>|<(?:start|end)_of_turn>", " "),  # <|im_start|>B
        (r"\\(?:text|math)[a-z]{0,6}|\\(?:bf|rm|it|left|right|displaystyle)(?![a-z])", ""),  # \text{B}
        (r"\\[,;:! ]|~", " "),  # (B)\ 5
        (r"\\[()\[\]]", ""),  # \(B\)
        (r"(?<!\\)\$(?=[^\s$])([^$]{0,200})(?<!\s)\$(?!\d)", r"\1"),  # $B$
        (r"\\?\$(?!\d)|\\(?=[$&])", ""),  # \$5
        (r"\\?[{}]|[*`]|__", ""),  # \{B\}, **B**
        ("[‘’‛ʼ]", "'"),
        ("[“”„«»「」]", '"'),
        (r"\[{2,4}|\]{2,4}", ""),  # [[B]]
        (r"^\[\s?([\"']?[A-Za-z][\"']?(?:\s?,\s?[\"']?[A-Za-z][\"']?){0,25})\s?\]?$", r"\1"),  # ["A", "C"]
        (r"\s+", " "),
        (r"^[(\[<]([A-Za-z])$", r"\1"),  # (B
        (
            r"(?<![^\W_])([A-J][)\]]?),?\s(?:for sure|obviously|definitely|certainly|clearly|i (?:think|believe|guess)|"
            r"I (?:think|believe|guess))[.!]?$",
            r"\1",
        ),  # B, I think
        (
            r"^(?:[-=]?>|#{1,6}\s|[→⇒➜➡✅☑✔✓•:*\ufe0f\U0001f300-\U0001faff\s]|[-–]\s){1,9}|[✅☑✔✓\ufe0f\s]{1,9}$",
            "",
        ),  # → B ✓
    )
)


def _is_abbreviation(rest: str) -> bool:
    """Return whether ". coli" follows: a full stop before a word in lower case, as in the names of species."""
    return bool(re.match(r"\.\s?[a-z](?:[a-z]|\.)", rest))


def _is_function_word(after: str, letter: str) -> bool:
    word = re.match(r"[^\W\d_]+", after)
    words = {"A": _AFTER_A, "I": frozenset[str]()}.get(letter.upper(), _AFTER_OTHERS)
    return word is not None and word[0].casefold() in words
