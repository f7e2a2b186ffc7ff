"""Multiple choice: the answer is a letter among the options that the question lists, or a set of them.

A letter that stands alone is the letter of an option, never its text: with the options `A. K` and `B. C`, "C" is C. If
letter and text name different options, the answer is ambiguous.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import islice

from stages.answers.algebra.readings import MAX_ANSWER
from stages.answers.kinds import Ambiguous, AnswerKind
from stages.answers.marks import MAX_TAIL, Mark, gold_answer, marks_of, own_part
from stages.answers.options.letters import (
    Letters,
    fused_letters,
    letters_at,
    may_follow_stop,
    plain_text,
    starts_with,
    text_after,
)
from stages.answers.options.listed import Options, options_of
from stages.answers.options.phrases import (
    CHOOSING,
    CONCLUDING,
    EXPLAINING,
    FILLERS,
    SENTENCE_END,
    SENTENCE_LEADS,
    is_correct_after,
    is_doubted,
    is_negated,
)
from stages.answers.wording.form import normalised_text
from stages.settings.answers import ANNOUNCEMENTS

LETTERS = "ABCDEFGHIJ"
"""Letters that may be answers if the question lists no options."""

_MAX_TEXT = 2_000
"""Characters of an answer that are read."""
_MAX_LEADS = 100
"""Places of a text where a sentence may choose an option; later ones are not read."""
_LINE_LETTER = re.compile(r"\W{0,4}([A-Za-z])[.):、]")
_MARKED = re.compile(r"(?:(?<=[\s,;])|\A)(?:(?i:option|choice)\s)?(?:\(([A-Za-z])\)(?!-?\w)|([A-Z])[.):](?=\s))")
_LETTER_LAST = re.compile(r"\s?[,;:(–-]\s?(?:(?i:option|choice)\s)?\(?([A-Za-z])[).!]{0,3}\Z")
_OPTION = re.compile(r"(?:(?<=[\s,;:(])|\A)(?:[(\[](?=[A-Za-z][)\]])|(?i:option|choice|letter)\s(?=[(\[]?[A-Z]\b))")


class ChoiceAnswer(AnswerKind):
    """A letter: in the last box, after "answer is", or in the last line alone or in a sentence that chooses it.

    With `several` an answer may be a set of letters; its canonical form is in the order of the letters.
    """

    def __init__(
        self, *, boxed_only: bool = False, announcements: tuple[str, ...] = ANNOUNCEMENTS, several: bool = False
    ) -> None:
        self.boxed_only = boxed_only
        self.announcements = announcements
        self.several = several

    def extract(self, response: str, question: str) -> str | None:
        text = own_part(response, self.announcements)[-MAX_TAIL:]
        mark = next(marks_of(text, self.announcements), None)
        if self.boxed_only:
            return self._as_written(mark.text, question) if mark and mark.kind == "box" else None
        if mark is None:
            return self._last_line(text, question) or self._first_line(text, question)
        if mark.kind == "box" and self.canonical(mark.text, question) is None:
            later = self._announced_later(text)
            if later and self.canonical(later.text, question) is not None:
                mark = later
        return self._as_written(mark.text, question)

    def canonical(self, answer: str, question: str) -> str | None:
        """Return the letter of the answer in upper case, with `several` the letters in order ("A,C").

        The answer may name a letter, or be the text of exactly one option; else None is returned. If letter and text
        are those of different options, `Ambiguous` is returned.
        """
        return _read(answer, question, self.several)

    def gold(self, text: str, question: str) -> str:
        """Return the letter of the reference answer, or the reference itself if it has no letter of an option."""
        answer = gold_answer(text)
        return self.canonical(answer, question) or answer

    def _as_written(self, answer: str, question: str) -> str:
        """Return an answer, or its letter if it is too long to be read later, as an option's whole text may be."""
        return answer if len(answer) <= MAX_ANSWER else self.canonical(answer, question) or answer

    def _announced_later(self, text: str) -> Mark | None:
        """Return the answer that is announced after the last box: "x = \\boxed{42}. The answer is (B)."."""
        rest = text[max(text.rfind("\\boxed"), text.rfind("\\fbox")) + 5 :]
        return next((mark for mark in marks_of(rest, self.announcements) if mark.kind == "announced"), None)

    def _last_line(self, text: str, question: str) -> str | None:
        """Return the last line, or the letter in it, if it chooses an option."""
        lines = [line for line in text.rsplit("\n", 6)[-6:] if line.strip()]
        if not lines or (len(lines) > 1 and _continues(lines[-2], lines[-1])):
            return None
        line = lines[-1].strip()
        if line.endswith(("?", "？")):
            return None
        form = _Reader(options_of(question), self.several).read(line, announced=False)
        if form is None or isinstance(form, Ambiguous):
            return form
        return line if len(line) <= MAX_ANSWER and self.canonical(line, question) == form else form

    def _first_line(self, text: str, question: str) -> str | None:
        """Return the first line if it is an answer that the rest explains: "B\n\nExplanation: A is wrong."."""
        line, _, rest = text.strip().partition("\n")
        if not EXPLAINING.match(rest):
            return None
        form = _Reader(options_of(question), self.several).read(line, announced=False)
        return None if form is None or isinstance(form, Ambiguous) else form


@lru_cache(maxsize=65_536)
def _read(answer: str, question: str, several: bool) -> str | Ambiguous | None:
    return _Reader(options_of(question), several).read(answer, announced=True)


class _Reader:
    """Reads the letters that an answer names."""

    def __init__(self, options: Options, several: bool) -> None:
        self.options = options
        self.several = several
        self.valid = set(options.texts or LETTERS)

    def read(self, answer: str, *, announced: bool) -> str | Ambiguous | None:
        """Return the letter or letters of an answer; None without any.

        `announced`: whether the text is known to be an answer. If not, it is a line that may be any prose.
        """
        text = plain_text(answer[:_MAX_TEXT])
        letters = self._letters_at_start(text)
        if letters and letters.is_all_of(text) and self.valid.issuperset(letters.letters):
            return self._alone(letters, text, answer)
        if self.several and (fused := self._fused(text)):
            return Ambiguous(f"{' and '.join(fused)}, or the text of an option") if self._names(text) else _set(fused)
        if by_text := self.options.matching(answer):
            return by_text[0] if len(by_text) == 1 else None
        if self._lists_options(answer):
            return None
        if letters and is_negated(text, 0, letters.end):  # "B; A and C are wrong"
            letters = self._letters_at_start(text.split(";", 1)[0])
        if letters and not is_negated(text, 0, letters.end) and (announced or self._may_be_answer(letters, text)):
            return self._at_start(letters, text)
        form = self._after_text(text) or self._in_sentence(text)
        return form or (self._marked(text) if announced else None)

    def _letters_at_start(self, text: str) -> Letters | None:
        fillers = FILLERS.match(text)
        after = letters_at(text, fillers.end(), self.options.texts) if fillers else None
        return after or letters_at(text, 0, self.options.texts)

    def _lists_options(self, answer: str) -> bool:
        """Return whether a text lists the options again, which is no answer."""
        return not self.several and len(options_of(answer[:_MAX_TEXT]).texts) > 2

    def _may_be_answer(self, letters: Letters, text: str) -> bool:
        """Return whether a line that starts with letters answers: "B) Lisinopril", not "A. Fleming"."""
        if letters.is_marked or text[letters.end : letters.end + 1] in (")", ":", ","):
            return True
        return text[letters.end : letters.end + 1] == "." and may_follow_stop(text, letters, self.options.texts)

    def _alone(self, letters: Letters, text: str, answer: str) -> str | Ambiguous | None:
        """Return what an answer of letters alone means. One letter is a letter, whatever texts the options have."""
        is_single = len(letters.letters) == 1
        if is_single and (letters.is_marked or letters.is_lower == self.options.lower_case):
            return letters.letters[0]
        by_text = self.options.matching(answer)
        if not is_single and len(by_text) == 1:  # an option "A and B"
            return Ambiguous(f"{text}, or option {by_text[0]}, which has that text") if self.several else by_text[0]
        if is_single and by_text and letters.letters[0] not in by_text:
            return Ambiguous(f"option {letters.letters[0]}, or option {by_text[0]}, which has the text {text}")
        return self._form(letters)

    def _form(self, letters: Letters) -> str | None:
        if not self.valid.issuperset(letters.letters) or letters.is_hedged:
            return None
        if len(set(letters.letters)) == 1:
            return letters.letters[0]
        return _set(letters.letters) if self.several else None

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
        if not by_text and not starts_with(rest, self.options.texts[letter] if self.options.texts else ""):
            first = re.split(r"[,.;:]", rest, maxsplit=1)[0]  # "B. Yes, because"
            by_text = self.options.matching(first) or [
                other for other, option in self.options.texts.items() if len(option) > 3 and starts_with(rest, option)
            ]
        if by_text and letter not in by_text:
            return Ambiguous(f"option {letter}, or option {by_text[0]}, whose text follows the letter")
        return self._with_others(letter, text, letters.end)

    def _after_text(self, text: str) -> str | Ambiguous | None:
        """Return the letter that follows the text of an option: "Lisinopril (B)"."""
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
        forms = {self._form(letters) for letters in self._chosen(text)}
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
        for lead in islice(SENTENCE_LEADS.finditer(text), _MAX_LEADS):
            if (letters := self._after(text, lead.end())) and is_correct_after(text, letters.end):
                yield letters
        for lead in islice(CONCLUDING.finditer(text), _MAX_LEADS):
            if (letters := self._after(text, lead.end())) and SENTENCE_END.match(text, letters.end):
                yield letters

    def _after(self, text: str, start: int) -> Letters | None:
        fillers = FILLERS.match(text, start)
        letters = letters_at(text, fillers.end() if fillers else start, self.options.texts)
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


def _continues(line: str, following: str) -> bool:
    """Return whether two lines are neighbours in a list of options: "C. argon" and "D. neon"."""
    left, right = _LINE_LETTER.match(line), _LINE_LETTER.match(following)
    return left is not None and right is not None and ord(right[1].upper()) - ord(left[1].upper()) == 1
