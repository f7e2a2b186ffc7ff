"""Reads the letters that an answer names: "B", "(b) Lisinopril", "I choose B", "the second option", "both A and B"."""

import re
from collections.abc import Iterator, Sequence
from itertools import islice

from stages.answers.kinds import Ambiguous
from stages.answers.options.labels import OPTION_WORD, with_counted_letters, with_latin_letters, without_circles
from stages.answers.options.letters import (
    Letters,
    fused_letters,
    is_name,
    letters_at,
    may_follow_stop,
    plain_text,
    starts_with,
    text_after,
)
from stages.answers.options.listed import options_of
from stages.answers.options.phrases import (
    CHOOSING,
    CONCLUDING,
    FILLERS,
    SENTENCE_END,
    SENTENCE_LEADS,
    is_correct_after,
    is_doubted,
    is_negated,
)
from stages.answers.options.taken_back import corrected, without_denied
from stages.answers.options.texts import Options, option_form
from stages.answers.options.yes_no import yes_or_no
from stages.answers.wording.form import normalised_text

LETTERS = "ABCDEFGHIJ"
"""Letters that may be answers if the question lists no options."""

_MAX_TEXT = 2_000
"""Characters of an answer that are read."""
_MAX_LEADS = 100
"""Places of a text where a sentence may choose an option; later ones are not read."""
_MAX_SUPERLATIVES = 5
_MAX_OPTION = 400
"""Characters behind a superlative that are read."""
_LABEL_AT_START = re.compile(
    r"[^\w$\\]{0,4}?(?:(?i:option|choice)\s)?(?:[(\[]([A-Za-z])[)\]]|([A-Za-z])\s?[.):])[.:)*]{0,3}\s{0,3}(?=\S)"
)
"""A letter before the text of its option: "B. ", "(B) ", "**B)** "."""
_MARKED = re.compile(r"(?:(?<=[\s,;])|\A)(?:(?i:option|choice)\s)?(?:\(([A-Za-z])\)(?!-?\w)|([A-Z])[.):](?=\s))")
_BRACKETED_LAST = re.compile(r"[.!。:]\s?(?:\(([A-Z])\)|([a-z])\))\W{0,3}\Z")
"""A letter after a sentence: "So J is first. (D)"."""
_LETTER_LAST = re.compile(r"\s?[,;:(–-]\s?(?:(?i:option|choice)\s)?\(?([A-Za-z])[).!]{0,3}\Z")
_OPTION = re.compile(
    r"(?:(?<=[\s,;:(\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3])|\A)(?:[(\[](?=[A-Za-z][)\]])|"
    rf"(?i:{OPTION_WORD})\s?(?=[(\[]?[A-Za-z](?![A-Za-z])))"
)
_EXPLAINS = re.compile(
    r"\s?(?:\(|[.;–—-](?=\s)|,?\s(?:because|since|due|as|which|that is|so|not|rather|instead|weil|car|porque|denn)\b|"
    r",\s(?:an?|the|this|it|a type)\s|因为|，因为|[.!。]?\s?\Z)"
)
"""What may follow an option's text in an answer: "lisinopril, an ACE inhibitor"."""
_STATES = re.compile(
    r"[)\]\"']?\s(?!(?:because|since|as|due|so|which|for|with|from|according|given|based|not|and|rather|best)\b)"
    r"[a-zà-ÿ]+\b"
)
"""What follows a letter in a statement about its option, if that is not its text: "(B) is a diuretic"."""
_ONLY = re.compile(r"\W{0,4}(?:only|nur|seule?|solo|sólo)\b", re.IGNORECASE)
"""The start of a statement that holds for one option alone: "Only (C) weakens the argument"."""
_ALL_OPTIONS = re.compile(
    r"\W{0,4}[A-J]{0,10}(?:全选|全部(?:正确|选)?|(?:以上)?(?:都|全)(?:是|对|选|正确)|all (?:of them|of the above)|"
    r"all (?:options )?are correct|alle(?: sind richtig| antworten)?|toutes|todas)\W{0,4}",
    re.IGNORECASE,
)
_SUPERLATIVE = re.compile(
    r"\b(?:best|correct|most (?:likely|appropriate|suitable|probable)|right)\b[^.!?:]{0,80}?"
    r"\s(?:is|are|would be|be)[:,]?\s(?:to\s)?",
    re.IGNORECASE,
)
"""What may stand before the text of an option: "The most likely diagnosis is"."""
_MEMBERS = re.compile(r",\s(?:and\s)?|;\s|\sand\s|\s(?:und|et|y|e|и)\s|[、和]")


class Reader:
    """Reads the letters that an answer names."""

    def __init__(self, options: Options, several: bool) -> None:
        self.options = options
        self.several = several
        self.valid = set(options.texts or LETTERS)
        if options.may_be_statements:
            self.valid.update(set(LETTERS) - {"I"} if "roman" in options.alphabet else LETTERS)

    def read(self, answer: str, *, announced: bool) -> str | Ambiguous | None:
        """Return the letter or letters of an answer; None without any.

        `announced`: whether the text is known to be an answer. If not, it is a line that may be any prose.
        """
        if not self.options.texts and (word := yes_or_no(answer[:_MAX_TEXT], announced=announced)):
            return word
        if letter := self.labelled(answer):
            return letter
        text = self._plain(answer[:_MAX_TEXT])
        if isinstance(text, Ambiguous):
            return text
        text = without_denied(text)
        rest = corrected(text)
        if rest and (form := self._read_plain(rest, rest, announced=announced)):
            return form
        form = self._read_plain(text, answer, announced=announced)
        return Ambiguous("an answer that is taken back") if rest and form else form

    def labelled(self, answer: str) -> str | None:
        """Return the letter of an answer that is a label and the exact text of its option, whatever other texts are."""
        label = _LABEL_AT_START.match(answer)
        letter = (label[1] or label[2]).upper() if label else ""
        is_text = label is not None and option_form(answer[label.end() :]) == self.options.texts.get(letter)
        return letter if is_text and self.options.are_lettered else None

    def _read_plain(self, text: str, answer: str, *, announced: bool) -> str | Ambiguous | None:
        """Return the letter or letters of a plain text. `answer`: the same text as written."""
        letters = self._letters_at_start(text)
        if letters and letters.is_all_of(text) and self.valid.issuperset(letters.letters):
            return self._alone(letters, text, answer)
        if self.several and self.options.texts and _ALL_OPTIONS.fullmatch(text) and not self.options.matching(answer):
            return _set(list(self.options.texts))
        if self.several and (fused := self._fused(text)):
            return Ambiguous(f"{' and '.join(fused)}, or the text of an option") if self._names(text) else _set(fused)
        if by_text := self.options.matching(answer):
            return by_text[0] if len(by_text) == 1 else None
        if self._lists_options(answer):
            return None
        if letters and not self.options.texts and is_name(text):
            return Ambiguous(f"option {letters.letters[0]}, or a name")
        is_denied = letters and is_negated(text, 0, letters.end) and not self._has_its_text(letters, text)
        if letters and is_denied:  # "B; A and C are wrong"
            if others := self.options.matching(text_after(text, letters.end)):  # "A. False"
                return Ambiguous(f"option {letters.letters[0]}, or option {others[0]}, whose text follows the letter")
            letters = self._letters_at_start(text.split(";", 1)[0])
            is_denied = letters and is_negated(text, 0, letters.end)
        if letters and not is_denied and (announced or self._may_be_answer(letters, text)):
            return self._at_start(letters, text)
        form = self._after_text(text) or self._in_sentence(text) or self._after_superlative(text)
        return form or (self._text_first(text) or self._marked(text) if announced else None)

    def _plain(self, answer: str) -> str | Ambiguous:
        """Return an answer as plain text with Latin letters as labels: "(2) neon" is "(B) neon".

        A bare label that is the text of another option is ambiguous, as is "option 2" if 2 is the text of one.
        """
        if not self.options.texts:
            return plain_text(answer)
        count = len(self.options.texts)
        if self.options.are_lettered:
            text = plain_text(answer)
        else:
            text = with_latin_letters(plain_text(without_circles(answer, count)), self.options.alphabet, count)
            by_text = self.options.matching(answer)
            if by_text and text.rstrip(" .") in self.valid and text[0] not in by_text:
                return Ambiguous(f"option {text[0]}, or option {by_text[0]}, which has the text {answer}")
        text, numbers = with_counted_letters(text, count)
        for number in numbers if self.options.are_lettered else ():
            letter = chr(ord("A") + number - 1)
            others = [other for other in self.options.matching(str(number)) if other != letter]
            if others:
                return Ambiguous(f"option {letter}, or option {others[0]}, which has the text {number}")
        return text

    def _letters_at_start(self, text: str) -> Letters | None:
        fillers = FILLERS.match(text)
        after = letters_at(text, fillers.end(), self.options.texts) if fillers else None
        return after or letters_at(text, 0, self.options.texts)

    def _lists_options(self, answer: str) -> bool:
        """Return whether a text lists the options again, which is no answer."""
        listed = {} if self.several else options_of(answer[:_MAX_TEXT]).texts
        return len(listed) > 2 and (
            not self.options.texts or not set(self.options.texts.values()).isdisjoint(listed.values())
        )

    def _may_be_answer(self, letters: Letters, text: str) -> bool:
        """Return whether a line that starts with letters answers: "B) Lisinopril", not "A. Fleming".

        A line that goes on after the option's text speaks about it: "A. Graves disease causes heat intolerance".
        """
        rest, option = text_after(text, letters.end), self.options.texts.get(letters.letters[0], "")
        end = _end_of(option, rest)
        if end:
            return bool(_EXPLAINS.match(rest, end)) or is_correct_after(rest, end)
        is_statement = _STATES.match(text, letters.end) and not _ONLY.match(text)
        if self.options.texts and is_statement and not is_correct_after(text, letters.end):
            return False
        if letters.is_marked or text[letters.end : letters.end + 1] in (")", ":", ","):
            return True
        return text[letters.end : letters.end + 1] == "." and may_follow_stop(text, letters, self.options.texts)

    def _alone(self, letters: Letters, text: str, answer: str) -> str | Ambiguous | None:
        """Return what an answer of letters alone means. One letter is a letter, whatever texts the options have."""
        is_single = len(letters.letters) == 1
        if is_single and (letters.is_marked or letters.is_lower == self.options.lower_case):
            return letters.letters[0]
        by_text = self.options.matching(answer)
        if not is_single and len(by_text) == 1 and not _LABEL_AT_START.match(answer):  # an option "A and B"
            return Ambiguous(f"{text}, or option {by_text[0]}, which has that text") if self.several else by_text[0]
        if is_single and by_text and letters.letters[0] not in by_text:
            return Ambiguous(f"option {letters.letters[0]}, or option {by_text[0]}, which has the text {text}")
        return self._form(letters)

    def _form(self, letters: Letters) -> str | None:
        if not self.valid.issuperset(letters.letters) or letters.is_hedged:
            return None
        if len(set(letters.letters)) == 1:
            return letters.letters[0]
        if self.several:
            return _set(letters.letters)
        return self.options.sets.get(frozenset(letters.letters))  # "A and B" is the option "both A and B"

    def _fused(self, text: str) -> tuple[str, ...] | None:
        """Return the letters of "ACD"; in lower case only if the options are."""
        letters = fused_letters(text)
        in_case = letters and (self.options.lower_case or text.upper() == text)
        return letters if letters and in_case and self.valid.issuperset(letters) else None

    def _names(self, text: str) -> bool:
        """Return whether a word of an option is this text: "ACE" of "ACE inhibitors"."""
        form = normalised_text(text)
        return any(form in re.split(r"[^\w]+", option) for option in self.options.texts.values())

    def _at_start(self, letters: Letters, text: str) -> str | Ambiguous | None:
        """Return the letters that an answer starts with, if the text after them is not that of another option."""
        form = self._form(letters)
        if form is None or len(letters.letters) > 1:
            return form
        letter, rest = letters.letters[0], text_after(text, letters.end)
        other = letters_at(rest, 0, self.options.texts)
        by_text = self.options.matching(rest)
        if other and other.is_all_of(rest) and letter not in (*by_text, *other.letters):  # "A: B"
            return Ambiguous(f"option {letter}, or option {other.letters[0]}")
        if not by_text and not starts_with(rest, self.options.texts.get(letter, "")):
            first = re.split(r"[,.;:]", rest, maxsplit=1)[0]  # "B. Yes, because"
            by_text = self.options.matching(first) or [
                other for other, option in self.options.texts.items() if len(option) > 3 and starts_with(rest, option)
            ]
        if by_text and letter not in by_text:
            return Ambiguous(f"option {letter}, or option {by_text[0]}, whose text follows the letter")
        return self._with_others(letter, text, letters.end)

    def _after_superlative(self, text: str) -> str | Ambiguous | None:
        """Return the letter of the option that is called best: "The most likely diagnosis is lisinopril cough (B)"."""
        for match in islice(_SUPERLATIVE.finditer(text), _MAX_SUPERLATIVES):
            rest = re.split(r"[.!?]\s(?=[A-Z])", text[match.end() : match.end() + _MAX_OPTION], maxsplit=1)[0]
            by_text = self.options.matching(rest)
            form = by_text[0] if len(by_text) == 1 else self._starts_labelled(rest) or self._after_text(rest)
            if form and not is_doubted(text, match.start()):
                return form
        return None

    def _starts_labelled(self, text: str) -> str | None:
        """Return the letter that a text starts with if the text of its option follows: "B. Lisinopril"."""
        letters = letters_at(text, 0, self.options.texts)
        if letters is None or len(letters.letters) > 1:
            return None
        return letters.letters[0] if self._has_its_text(letters, text) else None

    def _text_first(self, text: str) -> str | None:
        """Return the letter of the option whose text an answer starts with and then explains; None for several.

        With `several`, the letters of all options whose texts make up the answer: "Amlodipine and Metoprolol".
        """
        if self.several:
            members = [self.options.matching(member) for member in _MEMBERS.split(text)[:26]]
            if len(members) > 1 and all(len(letters) == 1 for letters in members):
                return _set([letters[0] for letters in members])
        first: list[tuple[int, str]] = []
        for letter, option in self.options.texts.items():
            end = _end_of(option, text)
            if end and _EXPLAINS.match(text, end) and not option.replace(".", "").isdigit():
                first.append((end, letter))
        if not first:
            return None
        end, letter = max(first)
        others = [
            other
            for other, option in self.options.texts.items()
            if other != letter
            and len(option) > 3
            and re.search(rf"(?<!not )(?<!not the )\b{re.escape(option)}\b", normalised_text(text[end:]))
        ]
        return None if others or len([1 for length, _ in first if length == end]) > 1 else letter

    def _after_text(self, text: str) -> str | Ambiguous | None:
        """Return the letter that follows the text of an option: "Lisinopril (B)"."""
        bracketed = _BRACKETED_LAST.search(text)
        if bracketed and bracketed[1] in self.valid:
            return bracketed[1]
        if bracketed and bracketed[2] and self.options.lower_case and bracketed[2].upper() in self.valid:
            return bracketed[2].upper()
        last = _LETTER_LAST.search(text)
        by_text = self.options.matching(text[: last.start()]) if last else []
        if last is None or not by_text:
            return None
        letter = last[1].upper()
        return letter if letter in by_text else Ambiguous(f"option {letter}, or option {by_text[0]}, whose text it has")

    def _with_others(self, letter: str, text: str, end: int) -> str | Ambiguous | None:
        """Return the letter, with the letters of further options that the answer names with their texts."""
        chosen = [letter]
        for match in _MARKED.finditer(text, end):
            other = (match[1] or match[2]).upper()
            if other in chosen or other not in self.valid or is_negated(text, match.start(), match.end()):
                continue
            if starts_with(text_after(text, match.end()), self.options.texts.get(other, "")):
                chosen.append(other)
            elif self.several and not re.match(r"\s[a-z]", text[match.end() :]):  # not "E. coli"
                return Ambiguous(f"option {letter} alone, or with option {other}")
        if len(chosen) == 1:
            return letter
        return _set(chosen) if self.several else None

    def _in_sentence(self, text: str) -> str | Ambiguous | None:
        """Return the letters that a sentence chooses: "I choose B", "(B) is correct", "Therefore, B."."""
        correct = list(self._called_correct(text))
        if self.several and len(correct) > 1:
            correct = [correct[0]._replace(letters=tuple(letter for letters in correct for letter in letters.letters))]
        forms = {self._form(letters) for letters in (*correct, *self._chosen(text))}
        forms = forms - {None} or forms  # "It is B or C. I choose B."
        if len(forms) > 1:
            return Ambiguous("options " + " and ".join(sorted(form or "" for form in forms)))
        return forms.pop() if forms else None

    def _chosen(self, text: str) -> Iterator[Letters]:
        for pattern in CHOOSING:
            for lead in islice(pattern.finditer(text), _MAX_LEADS):
                letters = None if is_doubted(text, lead.start()) else self._after(text, lead.end())
                if letters and not is_negated(text, lead.end(), letters.end):
                    yield letters
        for lead in islice(CONCLUDING.finditer(text), _MAX_LEADS):
            letters = self._after(text, lead.end())
            if letters and (SENTENCE_END.match(text, letters.end) or self._has_its_text(letters, text)):
                yield letters

    def _called_correct(self, text: str) -> Iterator[Letters]:
        """Yield the letters that a text calls correct: "(A) is wrong, while (B) is correct".

        Letters in brackets or after "option" may stand anywhere, others at the start of a clause.
        """
        options = (match.start() for match in islice(_OPTION.finditer(text), _MAX_LEADS))
        clauses = (lead.end() for lead in islice(SENTENCE_LEADS.finditer(text), _MAX_LEADS))
        end = 0
        for start in sorted({*options, *clauses}):
            letters = self._after(text, start) if start >= end else None
            if letters is None:
                continue
            end = letters.end
            if is_correct_after(text, end) and not is_negated(text, start, end) and not is_doubted(text, start):
                yield letters

    def _has_its_text(self, letters: Letters, text: str) -> bool:
        """Return whether the text of its option follows a letter: "B: Lisinopril"."""
        return starts_with(text_after(text, letters.end), self.options.texts.get(letters.letters[-1], ""))

    def _after(self, text: str, start: int) -> Letters | None:
        fillers = FILLERS.match(text, start)
        letters = letters_at(text, start, self.options.texts)
        if letters is None and fillers:
            letters = letters_at(text, fillers.end(), self.options.texts)
        return letters if letters and self.valid.issuperset(letters.letters) else None

    def _marked(self, text: str) -> str | None:
        """Return the only letter in brackets or after "option" in the text; None if there are several."""
        forms = set()
        for match in _OPTION.finditer(text):
            letters = letters_at(text, match.start(), self.options.texts)
            if letters and self.valid.issuperset(letters.letters) and not is_negated(text, match.start(), letters.end):
                forms.add(self._form(letters))
        return forms.pop() if len(forms) == 1 else None


def _set(letters: Sequence[str]) -> str:
    return ",".join(sorted(set(letters)))


def _end_of(option: str, text: str) -> int | None:
    """Return where the text of an option, which is normalised, ends at the start of a text; None if it is not there."""
    if len(option) < 2 or not starts_with(text, option):
        return None
    lowest = max(len(option) - 2, 1)
    for end in range(lowest, min(len(text), 2 * len(option) + 20) + 1):
        if normalised_text(text[:end]) == option and not text[end : end + 1].isalnum():
            return end
    return None
