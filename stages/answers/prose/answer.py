"""The answer of mathematics in a sentence: after an announcement, or in the last line of a response.

The steps: tokens (`tokens`), runs of mathematics (`runs`), items with what the words around them say (`items`), lists
(`lists`), and the choice of the item that is the answer. If several items may be the answer, or an item can be read in
several ways, the answer is `Ambiguous`: a lost vote is better than a wrong one.
"""

import re

from stages.answers.canonical.number_words import AND_A_HALF
from stages.answers.kinds import Ambiguous
from stages.answers.prose.items import Item, Strength, items_of
from stages.answers.prose.lists import with_lists
from stages.answers.prose.runs import RunParser
from stages.answers.prose.tokens import number_text
from stages.answers.prose.vocabulary import (
    ARTICLES,
    CHINESE_CONNECTIVES,
    CHINESE_VERBS,
    COMMA_LANGUAGES,
    CONDITIONS,
    COPULAS,
    PROBABILITIES,
    RESULT_WORDS,
    STATEMENT_JOINS,
)
from stages.answers.prose.word_answers import word_at_end, word_at_start

_CONCLUSION = re.compile(
    r"(?:[.!?।](?:\$\$?|\\[\])]|[)\"'*”])?\s+|(?<=\])\s|[。！？]\s?|(?<=\$)\s(?=[A-Z]))[*_]{0,2}(?=(?:therefore|thus|so|hence|"
    r"consequently|in conclusion|finally|donc|ainsi|en conclusion|por lo tanto|por tanto|daher|somit|deshalb|folglich|"
    r"quindi|dunque|portanto|logo|поэтому|следовательно|итак|因此|所以|因而|したがって|よって|따라서|그러므로|इसलिए|अतः|لذا|"
    r"لذلك|إذن)(?!\w))",
    re.IGNORECASE,
)
_HAS_VALUE = re.compile(r"\d|\$")
_DISPLAY = (("\\]", "\\["), ("$$", "$$"))
_AND_A_HALF = re.compile(rf"(?:[^\W\d_]+ )?(?:{AND_A_HALF})(?!\w)")
_CUT_START = re.compile(r"\A[^\s\u3000-\u9fff]{1,99}")
_CUT_END = re.compile(r"[^\s\u3000-\u9fff]{1,99}\Z")
"""What may be half a number where a long line is cut."""
MAX_LINE = 1_000
"""Characters of a line that are read: the first after an announcement, the last of a last line."""


_INTEGER = re.compile(r" ?(-?[1-9][0-9]{0,14}|0)\.? ?")
_ONE_FORMULA = re.compile(r"\s*\$([^$\n]+)\$\.?\s*")
_JOIN_IN_FORMULA = re.compile(r"\\(?:text|mathrm|mbox|textrm)\s?\{\s?(and|or)\s?\}")
"""A word between the members of a list: $19, 46, \\text{ and } 82$."""
_WORD_IN_FORMULA = re.compile(r"(?<![\\a-zA-Z])[a-zA-Z]{3,}")


def math_answer_in(text: str, *, last: bool, language: str = "en") -> str | Ambiguous | None:
    """Return the answer in a line as the line writes it, None if it has none.

    Args:
        text: the text after an announcement ("42 apples on 3 trees"), or the last line of a response if `last`.
        last: whether the last result counts, else the first.
        language: language of the announcement, which decides whether "3,5" is 3.5.
    """
    if integer := _INTEGER.fullmatch(text):  # most announced answers, in which nothing else is to be read
        return integer[1]
    if len(text) > MAX_LINE:
        text = _CUT_START.sub("", text[-MAX_LINE:]) if last else _CUT_END.sub("", text[:MAX_LINE])
    text = _JOIN_IN_FORMULA.sub(r" \1 ", text)
    if (formula := _ONE_FORMULA.fullmatch(text)) and _WORD_IN_FORMULA.search(formula[1]):
        text = formula[1]  # "$5 square meters$" is no price
    if (
        last
        and (conclusion := _conclusion(text))
        and (answer := math_answer_in(conclusion, last=True, language=language))
    ):
        return answer
    parser = RunParser(text, language)
    words = word_at_end(parser.text) if last else word_at_start(parser.text)
    if words:
        return words
    items = with_lists(items_of(parser), parser)
    if len([item for item in items if item.is_label]) > 1:
        return Ambiguous(f"{parser.text[:60]}: answers to several parts")
    items = [item for item in items if item.strength > Strength.EXCLUDED]
    if not items or (parser.tokens[0].kind == "label" and not last):
        return None
    chosen = _last(items, parser) if last else _first(items, parser)
    if chosen is None or isinstance(chosen, str):
        return chosen
    return _checked(chosen, parser, last=last)


def _conclusion(text: str) -> str:
    """Return the last sentence of a line if it starts with "therefore" or the like, behind another one; else ""."""
    starts = [match.end() for match in _CONCLUSION.finditer(text)]
    return text[starts[-1] :] if starts and _HAS_VALUE.search(text, starts[-1]) else ""


_BOXED_NUMBER = re.compile(r"(\$?[-+−–]?)(\d[\d.,]*\d)((?:\s|\\[,; ])*(?:\\?%|\\text\s?\{[^{}]*\}|[^\W\d_]{1,20})?\$?)")


def boxed_number(text: str, language: str) -> str | Ambiguous:
    """Return the content of a box whose number has a decimal comma with a decimal point, other contents as they are."""
    match = _BOXED_NUMBER.fullmatch(text.strip()) if language in COMMA_LANGUAGES else None
    if match is None or not ("," in match[2] or "." in match[2]):
        return text
    number, doubt = number_text(match[2], language)
    return Ambiguous(doubt) if doubt else f"{match[1]}{number or match[2]}{match[3]}"


def last_line(text: str) -> str:
    """Return the last line of a text that is not empty; of a text that ends in a displayed formula, the formula."""
    stripped = text.rstrip()
    for closer, opener in _DISPLAY:
        if stripped.endswith(closer):
            start = stripped.rfind(opener, 0, len(stripped) - 2)
            if start >= 0:
                return stripped[start:].replace("\n", " ")
    return stripped.rsplit("\n", 1)[-1]


def _last(items: list[Item], parser: RunParser) -> Item | Ambiguous | None:
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
    before = candidates[: candidates.index(best)]
    if before and _is_second_statement(best, before[-1], parser):
        rivals = [before[-1]]
    return _one_of(best, rivals)


def _is_second_statement(item: Item, before: Item, parser: RunParser) -> bool:
    """Return whether two results are joined as in "The mean is 5 and the median is 3".

    In "The sum is 15 and the mean is 15/3 = 5" the second result is a computation, so it is the answer.
    """
    between = parser.tokens[before.end : item.start]
    if before.strength < Strength.RESULT or any(token.kind in ("stop", "arrow") for token in between):
        return False
    if any(
        parser.token(index).text == "=" for index in (*range(before.start, before.end), *range(item.start, item.end))
    ):
        return False
    words = [token.text.lower() for token in between if token.kind in ("word", "letter")]
    commas = [index for index, token in enumerate(between) if token.kind == "comma"]
    after_comma = "".join(token.text.lower() for token in between[commas[-1] + 1 :][:1]) if commas else ""
    if between and _is_chinese_pair(parser.token(before.start - 1).text, between[-1].text) and after_comma:
        return True
    if _is_condition(before, parser) or len(words) < 2 or words[-1] not in RESULT_WORDS:
        return False
    return not STATEMENT_JOINS.isdisjoint(words) or after_comma in ARTICLES


def _is_chinese_pair(first: str, second: str) -> bool:
    """Return whether two clauses end in the same verb, and the second does not follow from the first: 甲有5，乙有3."""
    return first[-1:] in CHINESE_VERBS and first[-1:] == second[-1:] and not CHINESE_CONNECTIVES.search(second)


def _is_condition(item: Item, parser: RunParser) -> bool:
    """Return whether a word such as "since" is before an item in its sentence."""
    for index in range(item.start - 1, -1, -1):
        token = parser.token(index)
        if token.kind == "stop" or token.text.lower() in CONDITIONS:
            return token.kind != "stop"
    return False


def _first(items: list[Item], parser: RunParser) -> Item | Ambiguous | None:
    """Return the item that follows an announcement directly; without one the only item that is as strong."""
    item = items[0]
    if item.is_variable and item.is_direct and len(items) > 1 and parser.token(item.end).text.lower() in COPULAS:
        return items[1]
    is_option = re.fullmatch("[A-Z]", item.text) and len(items) > 1 and items[1].start == item.end + 1
    if is_option and parser.token(item.end).text in (".", ":"):
        return items[1]  # "B. 42 km"
    if item.is_direct and (not item.is_variable or parser.token(item.end).kind in ("stop", "comma")):
        return item
    candidates = [item for item in items if not item.is_variable]
    if not candidates:
        return None
    strongest = max(item.strength for item in candidates)
    best, *rivals = [item for item in candidates if item.strength == strongest]
    return _one_of(best, rivals)


def _one_of(best: Item, rivals: list[Item]) -> Item | Ambiguous:
    if texts := [item.value for item in rivals if not _agree(item, best)]:
        return Ambiguous(f"{best.text} or {texts[-1]}")
    return best


def _agree(left: Item, right: Item) -> bool:
    """Return whether two items are one value, which only one of them gives a unit: "5 hours because 200 / 40 = 5"."""
    values = [item.value.removesuffix(item.unit).strip().removeprefix("$") for item in (left, right)]
    return left.value == right.value or (values[0] == values[1] and not (left.unit and right.unit))


def _checked(item: Item, parser: RunParser, *, last: bool) -> str | Ambiguous:
    """Return the text of the chosen item, or its doubt."""
    if item.doubt:
        return Ambiguous(item.doubt)
    if share := _share(item, parser):
        is_probability = PROBABILITIES.search(parser.text, 0, parser.token(item.start).start)
        if is_probability and (counts := re.fullmatch(r"(\d+) (?:out of|in) (\d+)", share)):
            return f"{counts[1]}/{counts[2]}"
        return Ambiguous(f"{share}: a share, or the answer")
    after, next_word = (parser.token(item.end + offset).text.lower() for offset in (0, 1))
    if (after, next_word) in (("below", "zero"), ("below", "freezing")) or (after in ("'", "′") and not item.unit):
        return Ambiguous(f"{item.text} {after} {next_word}: not read")
    if "dots" in (parser.token(item.end).kind, parser.token(item.end + 1).kind) and after in (",", "...", "…"):
        return Ambiguous(f"{item.text}, ...: a list that goes on")
    if _AND_A_HALF.match(parser.text, parser.token(item.end).start):
        return Ambiguous(f"{item.text} and a half: not read")
    for index in range(item.end, len(parser.tokens)):
        if parser.token(index).kind == "stop":
            if parser.token(index).text == "?":
                return Ambiguous(f"{item.text}: part of a question")
            break
    if "otherwise" in parser.text:
        return Ambiguous(f"{item.text}: one of several cases")
    is_number = not re.search(r"[a-zA-Z√]", item.value.removesuffix(item.unit)) and "," not in item.text
    return item.value if last and item.variable and is_number and not item.is_formula else item.text


def _share(item: Item, parser: RunParser) -> str:
    """Return "3 out of 10", "20% of 50" and the like if the item is the first number of such a share; else ""."""
    words = [parser.token(item.end + offset) for offset in range(4)]
    texts = [word.text.lower() for word in words]
    is_out_of = texts[:2] == ["out", "of"]
    number = words[2] if is_out_of else words[1]
    if not is_out_of and texts[0] not in ("of", "in", "by"):
        return ""
    is_year = texts[0] == "in" and re.fullmatch(r"(?:19|20)\d\d", number.text)
    is_bare = texts[0] == "of" or is_out_of or words[2].kind in ("stop", "comma")
    if number.kind not in ("number", "currency", "formula"):
        return ""
    if texts[0] != "by" and (not is_bare or is_year or item.unit):
        return ""
    return f"{item.text} {'out of' if is_out_of else texts[0]} {number.text}"
