"""The answer of mathematics in prose: in the text that an answer's announcement is followed by, or in a last line.

The answer is read in the order tokens (`prose_tokens`) -> runs of mathematics (`prose_runs`) -> items, with what the
words around them say (`prose_items`) -> lists (`prose_lists`) -> the item that is the answer. If several items may be
the answer, or an item can be read in several ways, the answer is `Ambiguous`: a lost vote is better than a wrong one.
"""

import re
from fractions import Fraction

from stages.answers.kinds import Ambiguous
from stages.answers.prose_items import Item, Strength, items_of
from stages.answers.prose_lists import with_lists
from stages.answers.prose_runs import RunParser
from stages.answers.prose_tokens import language_of, plain, tokens_of
from stages.answers.prose_words import (
    ANNOUNCED_WORD_ANSWERS,
    COPULAS,
    NUMBER_WORDS,
    PART_WORDS,
    SCALE_WORDS,
    WORD_ANSWERS,
)

_DISPLAY = (("\\]", "\\["), ("$$", "$$"))
_LEADS = r"(?:the\s|it(?:['’]s|\sis)\s|that\s|there\s(?:is|are)\s|they\s(?:are|have)\s|an?\s)*"
_WORD_ANSWERS = tuple((re.compile(pattern, re.IGNORECASE), answer) for pattern, answer in WORD_ANSWERS)
_ANNOUNCED = tuple((re.compile(pattern, re.IGNORECASE), answer) for pattern, answer in ANNOUNCED_WORD_ANSWERS)
_END = r"(?=\s*(?:[.,;:!()。，]|$)|\s+(?:because|since|as|and|so|therefore|but|which|when|for|if)\b)"
_START = re.compile(r"[\s:=\"'“‘]*" + _LEADS, re.IGNORECASE)
_CLOSING = re.compile(r"[\s.!\"'”’。]*\Z")
_AFTER_START = re.compile(_END, re.IGNORECASE)
_BEFORE_LAST = re.compile(
    r"(?:\A|[:=,]|\b(?:is|are|has|have|there\sis|there\sare|gives|so|therefore|thus|hence|answer|result|solution|limit"
    r"|equals?|equal\sto|diverges\sto))\s*(?:an?\s|the\s)?\Z",
    re.IGNORECASE,
)


def math_answer_in(text: str, *, last: bool, language: str = "en") -> str | Ambiguous | None:
    """Return the answer in a line as the line writes it, None if it has none.

    Args:
        text: the text after an announcement ("42 apples on 3 trees"), or the last line of a response if `last`.
        last: whether the last result counts, else the first.
        language: language of the announcement, which decides whether "3,5" is 3.5.
    """
    line = plain(text).rstrip("\n")
    if answer := _word_answer(line, last=last):
        return answer
    if not last and (answer := _number_in_words(line)):
        return answer
    tokens = tokens_of(line, language)
    parser = RunParser(line, tokens, language if language != "en" else language_of(line))
    items = [item for item in with_lists(items_of(parser), parser) if item.strength > Strength.EXCLUDED]
    if not items or (tokens[0].kind == "label" and not last):
        return None
    chosen = _last(items) if last else _first(items, parser)
    if chosen is None or isinstance(chosen, str):
        return chosen
    return _checked(chosen, parser, last=last)


def last_line(text: str) -> str:
    """Return the last line of a text that is not empty; of a text that ends in a displayed formula, the formula."""
    stripped = text.rstrip()
    for closer, opener in _DISPLAY:
        if stripped.endswith(closer):
            start = stripped.rfind(opener, 0, len(stripped) - 2)
            if start >= 0:
                return stripped[start:].replace("\n", " ")
    return stripped.rsplit("\n", 1)[-1]


def _last(items: list[Item]) -> Item | Ambiguous | None:
    """Return the last result of a line; without one the last number, unless it says something about another number."""
    candidates = [item for item in items if not item.is_variable]
    if not candidates:
        return None
    strongest = max(item.strength for item in candidates)
    if strongest == Strength.WEAK:
        return candidates[-1]
    candidates = [item for item in candidates if item.strength > Strength.WEAK]
    best = [item for item in candidates if item.strength == strongest][-1]
    after = candidates[candidates.index(best) + 1 :]
    rivals = [item for item in after if strongest == Strength.FREE or item.strength == Strength.FREE]
    if strongest == Strength.GOVERNED:
        rivals = candidates[:-1]
    return _one_of(best, rivals)


def _first(items: list[Item], parser: RunParser) -> Item | Ambiguous | None:
    """Return the item that follows an announcement directly; without one the only item that is as strong."""
    item = items[0]
    if item.is_variable and item.is_direct and len(items) > 1 and parser.token(item.end).text.lower() in COPULAS:
        return items[1]
    if item.is_direct and (not item.is_variable or parser.token(item.end).kind in ("stop", "comma")):
        return item
    candidates = [item for item in items if not item.is_variable]
    if not candidates:
        return None
    strongest = max(item.strength for item in candidates)
    best, *rivals = [item for item in candidates if item.strength == strongest]
    return _one_of(best, rivals)


def _one_of(best: Item, rivals: list[Item]) -> Item | Ambiguous:
    if texts := [item.value for item in rivals if item.value != best.value]:
        return Ambiguous(f"{best.text} or {texts[-1]}")
    return best


def _checked(item: Item, parser: RunParser, *, last: bool) -> str | Ambiguous | None:
    """Return the text of the chosen item, or its doubt."""
    if item.doubt:
        return Ambiguous(item.doubt)
    after, number = parser.token(item.end), parser.token(item.end + 1)
    is_part = after.text.lower() in ("of", "out") and after.kind == "word"
    if is_part and (
        number.kind in ("number", "currency", "formula")
        or parser.token(item.end + 2).kind == "number"
        and after.text == "out"
    ):
        return Ambiguous(f"{item.text} {after.text} ...: a share, or the answer")
    for index in range(item.end, len(parser.tokens)):
        if parser.token(index).kind == "stop":
            if parser.token(index).text == "?":
                return Ambiguous(f"{item.text}: part of a question")
            break
    if "otherwise" in parser.text:
        return Ambiguous(f"{item.text}: one of several cases")
    if last and item.variable and not re.search(r"[a-zA-Z√]", item.value) and "," not in item.text:
        return item.value
    return item.text


def _word_answer(line: str, *, last: bool) -> str | None:
    """Return the word of `WORD_ANSWERS` that a line starts with, or for `last` ends in; None if there is none."""
    start = _START.match(line)
    position = start.end() if start else 0
    for pattern, answer in _WORD_ANSWERS if last else _WORD_ANSWERS + _ANNOUNCED:
        if last:
            matches = [match for match in pattern.finditer(line) if _CLOSING.match(line, match.end())]
            match = matches[0] if matches and _BEFORE_LAST.search(line[: matches[0].start()]) else None
        else:
            match = pattern.match(line, position)
            match = match if match and _AFTER_START.match(line, match.end()) else None
        if match:
            return match.expand(answer).lower() if "\\g" in answer else answer
    return None


_WORD = re.compile(r"[\s-]*([a-zA-Z]+)")


def _number_in_words(line: str) -> str | None:
    """Return the number that a line starts with if it is in English words and at most two nouns follow: "five apples"."""
    words: list[str] = []
    position, end = 0, 0
    while (match := _WORD.match(line, position)) and len(words) < 12:
        word = match[1].lower()
        if not (word in NUMBER_WORDS or word in SCALE_WORDS or word in PART_WORDS or (word in ("a", "and", "an"))):
            break
        words.append(word)
        position = match.end()
        end = position if word not in ("a", "and", "an") else end
    value = _value_of_words(words)
    rest = line[end:]
    if value is None or not re.fullmatch(
        r"(?:\s+(?!of\b|or\b|to\b|and\b|plus\b|minus\b|times\b|is\b|more\b)[a-zA-Z]+){0,2}\s*(?:[.,;!(].*)?", rest
    ):
        return None
    return str(value)


def _value_of_words(words: list[str]) -> Fraction | None:
    """Return the value of number words: twenty-five, two hundred and three, two thirds, three and a half."""
    while words and words[-1] in ("a", "and", "an"):
        words = words[:-1]
    if not words:
        return None
    if words[-1] in PART_WORDS:
        parts = Fraction(1, PART_WORDS[words[-1]])
        before = words[:-1]
        if before[-2:] == ["and", "a"]:
            whole = _whole(before[:-2])
            return None if whole is None else whole + parts
        if before in ([], ["a"], ["an"]):
            return parts
        count = _whole(before)
        return None if count is None or count == 0 else count * parts
    whole = _whole(words)
    return None if whole is None else Fraction(whole)


def _whole(words: list[str]) -> int | None:
    """Return the value of words for a whole number."""
    total, group = 0, 0
    if not words or words[0] == "and" or any(word in PART_WORDS for word in words):
        return None
    last_size = 10**18
    for word in words:
        if word in SCALE_WORDS:
            scale = SCALE_WORDS[word]
            group = max(group, 1) * scale
            if scale > 100:
                total, group = total + group, 0
            last_size = scale
        elif word in NUMBER_WORDS:
            size = NUMBER_WORDS[word]
            digits = 100 if size >= 20 else 10
            if last_size < digits or (last_size == 10 and size > 9):
                return None
            group += size
            last_size = 10 if size >= 20 else 1
        elif word not in ("and", "a", "an"):
            return None
    return total + group
