"""The texts of a question's options, and which of them an answer writes."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from stages.answers.canonical.unit_names import MONEY_SIGNS
from stages.answers.options.labels import LATIN, WEAK
from stages.answers.wording.form import normalised_text


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a question."""

    texts: dict[str, str] = field(default_factory=dict)
    """Letter in upper case -> normalised text; empty if the question lists fewer than two options.

    The second option is "B" whatever its label is: b, 2, ③, ii, Б.
    """
    alphabet: str = LATIN
    """Alphabet of the labels, a key of `ALPHABETS`."""
    forms: tuple[dict[str, list[str]], ...] = ()
    """Form of a text -> letters of the options of that form, for each of `_FORMS`."""
    sets: dict[frozenset[str], str] = field(default_factory=dict)
    """Letters that an option names -> its letter: "both A and B", "all of the above"."""

    @property
    def lower_case(self) -> bool:
        """Whether the labels are Latin letters in lower case."""
        return self.alphabet == "latin lower"

    @property
    def are_lettered(self) -> bool:
        """Whether the labels are Latin letters."""
        return bool(self.texts) and self.alphabet.startswith(LATIN)

    @property
    def may_be_statements(self) -> bool:
        """Whether the labels are numbers, which may be those of statements rather than options."""
        return self.alphabet in WEAK

    def matching(self, answer: str) -> list[str]:
        """Return the letters of the options that have the text of an answer.

        Exact texts count; if there are none, texts that differ in spaces, articles and British spelling; if there are
        none, texts that differ in a currency, % or ° sign that the answer leaves out; if there are none, a text that
        differs by a slip of the pen (`_is_slip`), if only one is near.
        """
        if not self.texts or _TWO_LETTERS.fullmatch(answer):
            return []
        text = option_form(answer)
        for form_of, letters_of in zip(_FORMS, self.forms, strict=True):
            form = form_of(text)
            if form_of is _without_signs and form != _without_spaces(text):
                break  # the answer has a sign
            if form in letters_of:
                return letters_of[form]
            if _LABELLED.match(answer):
                return []  # "A. True" is not the text "true" with an article
        return self._misspelled(text)

    def _misspelled(self, text: str) -> list[str]:
        if not _SHORTEST_SLIP <= len(text) <= _LONGEST_SLIP or not _LETTERS_ONLY.fullmatch(text):
            return []
        near = [letter for letter, option in self.texts.items() if _is_one_edit_away(text, option)]
        return near if len(near) == 1 and _is_slip(text, self.texts[near[0]]) else []


def option_form(text: str) -> str:
    """Return the normalised form of an option's text; the text itself if it is made of signs alone: "|", "//"."""
    return normalised_text(text) or text.strip(" \n\t*`") or text.strip()


def options_with(texts: Mapping[str, str], alphabet: str) -> Options:
    """Return options with these texts, which are normalised."""
    forms = tuple(_letters_of(texts, form_of) for form_of in _FORMS)
    return Options(dict(texts), alphabet, forms, _sets(texts))


def _letters_of(texts: Mapping[str, str], form_of: Callable[[str], str]) -> dict[str, list[str]]:
    letters: dict[str, list[str]] = {}
    for letter, text in texts.items():
        if form := form_of(text):  # "%" without its sign is nothing
            letters.setdefault(form, []).append(letter)
    return letters


_LOOSE = (
    (re.compile(r"^(?:the|an?) (?=\w{3})|(?<=\d),(?=\d{3}(?!\d))"), ""),
    (re.compile(r",? (?:and|&) |, "), ","),  # I, II, and III
    (re.compile(r"(?<=[^\W\d_])[ao]e(?=[a-z]{3})|\boe(?=[a-z]{4})"), "e"),  # haemoglobin, oesophagus
    (re.compile(r"(?<=\d)\.0{1,6}(?!\d)"), ""),  # $100.00
    (re.compile(r"\s"), ""),
)
_LABELLED = re.compile(r"\W{0,4}[Aa][.):]")
_TWO_LETTERS = re.compile(r"\W{0,4}[A-Z]\.\s[A-Z]\W{0,4}")
"""A label and another letter: "A. B" is not the blood group AB."""
_SIGNS = re.compile(rf"^[{MONEY_SIGNS}]|[%°]$")


@lru_cache(maxsize=65_536)
def _without_spaces(text: str) -> str:
    for pattern, replacement in _LOOSE:
        text = pattern.sub(replacement, text)
    return text


def _without_signs(text: str) -> str:
    return _SIGNS.sub("", _without_spaces(text))


_FORMS: tuple[Callable[[str], str], ...] = (str, _without_spaces, _without_signs)

_ALL = re.compile(r"(?:all|both)(?: of)?(?: the| these)?(?: (?:above|statements|options|choices))?(?: are correct)?")
_SET = re.compile(
    r"(?:(?:both|only|options|all of) )?(\(?[a-z]\)?(?:(?:,|,? and|,? &) \(?[a-z]\)?){1,9})(?: only| are correct)?"
)


def _sets(texts: Mapping[str, str]) -> dict[frozenset[str], str]:
    sets: dict[frozenset[str], str] = {}
    ambiguous: set[frozenset[str]] = set()
    for i, (letter, text) in enumerate(texts.items()):
        if "above" in text and i > 1 and _ALL.fullmatch(text):
            letters = frozenset(list(texts)[:i])
        elif match := _SET.fullmatch(text):
            letters = frozenset(re.findall(r"\b[A-Z]\b", match[1].upper()))
        else:
            continue
        if letter in letters or not letters.issubset(texts):
            continue
        if letters in sets:
            ambiguous.add(letters)
        sets[letters] = letter
    return {letters: letter for letters, letter in sets.items() if letters not in ambiguous}


_SHORTEST_SLIP = 7
_LONGEST_SLIP = 80
_SHORTEST_WORD = 6
"""Characters of a word that may be misspelled: "II" and "III" are two words."""
_LETTERS_ONLY = re.compile(r"[^\W\d_]+(?:[ -][^\W\d_]+)*")


def _is_one_edit_away(left: str, right: str) -> bool:
    """Return whether one letter is inserted, left out or replaced, or two neighbours are swapped."""
    short, long = sorted((left, right), key=len)
    start = next((i for i, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    if len(short) == len(long):
        rest, other = short[start:], long[start:]
        return rest[1:] == other[1:] or (rest[:2] == other[1::-1] and rest[2:] == other[2:])
    return len(long) == len(short) + 1 and short[start:] == long[start + 1 :]


def _is_slip(left: str, right: str) -> bool:
    """Return whether a text that is one edit away is misspelled, not another word.

    A letter that is replaced makes another word too often ("afferent", "efferent"; "ethane", "ethene"), as does one at
    the start ("typical", "atypical").
    """
    start = next((i for i, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))
    is_replaced = len(left) == len(right) and left[start + 1 :] == right[start + 1 :]
    word_start = max(left.rfind(" ", 0, start), left.rfind("-", 0, start)) + 1
    return not is_replaced and start - word_start >= 2 and len(left[word_start:].split(" ")[0]) >= _SHORTEST_WORD
