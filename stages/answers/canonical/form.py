"""The canonical form of a mathematical answer: one spelling for everything that is written in several ways.

The steps: one notation (`in_latex_signs`, `in_one_style`, `in_latex`), digits without groups (`without_groups`,
`without_periods`), members of lists, and the form of each member. The forms:

- number: `5`, `-0.5`, `7/2`, `6.02e99`; percentage: `50%`; number with a base: `101_2`
- quantity: `12 km/h`, `5 USD`, `12 people`, `30^\\circ`; time: `10:30am`; date: `2024-05-01`
- members separated by commas: `5,105`, `(1,234)`, `\\{1,2\\}`, `[0,5)`; a comma is never part of a number
- words as they are: `even`, `no solution`; everything else is LaTeX without spaces: `x=7/2`, `3\\sqrt{13}`

An answer that can be read in several ways is `Ambiguous`.
"""

import re
from functools import lru_cache

from stages.answers.canonical.chemistry import formula_form, reaction_form
from stages.answers.canonical.counting import with_counts
from stages.answers.canonical.dates import date_form, time_form
from stages.answers.canonical.latex_style import TEXT, TEXT_END, in_one_style, replaced, rules, without_spaces
from stages.answers.canonical.notation import in_latex, in_latex_signs
from stages.answers.canonical.number_words import AND_A_HALF, OTHER_SCALES
from stages.answers.canonical.numerals import (
    PERCENT,
    TwoReadingsError,
    based_form,
    number_form,
    times_power_of_ten,
    without_groups,
    without_periods,
)
from stages.answers.canonical.quantities import merged, quantity_form
from stages.answers.canonical.unit_names import MONEY_SIGNS
from stages.answers.canonical.words_to_digits import in_digits
from stages.answers.kinds import Ambiguous

MAX_GOLD = 1_200
"""Longest text, in characters, that is brought to one spelling. A longer text stays as it is; no answer of any
benchmark is so long."""
_MAX_DEPTH = 8
"""Brackets in brackets in which members are brought to one spelling."""

_INTEGER = re.compile(r"-?[1-9]\d{0,14}|0")


@lru_cache(maxsize=65_536)
def canonical(answer: str) -> str:
    """Return the canonical form of an answer, or `Ambiguous`. Answers with the same canonical form are equal.

    Answers with different forms may be equal too. "x=5" stays, because otherwise x=5 and y=5 would be one answer, which
    is wrong for a line or a root.
    """
    text = answer.strip()
    if len(text) > MAX_GOLD or _INTEGER.fullmatch(text):
        return text
    try:
        return _form(text)
    except TwoReadingsError as error:
        return Ambiguous(str(error))


def _form(text: str) -> str:
    if _is_range(text):
        raise TwoReadingsError(f"{text}: a range, or a difference")
    text = in_one_style(in_latex_signs(text))
    if date := date_form(_unmarked(text)):
        return date
    text = replaced(in_digits(text), _WORDS)
    text = _NAMED_POINT.sub(r"\1=(\2)", with_counts(text))
    text = replaced(text, _CONJUNCTIONS) if _HAS_MATHEMATICS.search(text) else _unmarked(text)
    text = without_groups(replaced(text, DECIMAL_COMMAS))
    if _DECIMAL_OR_LIST.match(text) and " and " not in text and " or " not in text:
        raise TwoReadingsError(f"{_unmarked(text)}: a decimal comma, or two members")
    if _POINT_OR_GROUP.match(text):
        raise TwoReadingsError(f"{_unmarked(text)}: a decimal point, or one between thousands")
    if (match := _WITH_A_FRACTION.match(text)) and int(match[1]) < int(match[2]):
        raise TwoReadingsError(f"{_unmarked(text)}: a mixed number, or a difference or two numbers")
    text = _without_variables_as_units(in_latex(text))
    if reaction := reaction_form(without_spaces(text)):
        return reaction
    text = without_periods(text)
    text = _without_reversed_brackets(text)
    if _depth(text) > _MAX_DEPTH:
        return without_spaces(text)
    forms = _members(text)
    return merged(forms) or ",".join(forms)


_LETTER_AFTER_NUMBER = re.compile(r"(?<=\d) (?=([A-Z])(?![\w}]))")
_LETTER_ALONE = re.compile(r"(?:^|[-+(\[,/^=<>]) ?([A-Z])(?![\w(}])(?! ?=)")


def _without_variables_as_units(text: str) -> str:
    """Return a text in which a letter that also stands alone is no unit: `(M, 2 M]` is `(M, 2M]`; `V = 5 V` stays."""
    if not _LETTER_AFTER_NUMBER.search(text):
        return text
    variables = {match[1] for match in _LETTER_ALONE.finditer(text)}
    return _LETTER_AFTER_NUMBER.sub(lambda match: "" if match[1] in variables else " ", text)


def _is_range(text: str) -> bool:
    """Return whether a text is a range such as `10–20`, `5-10 minutes` or `$10-$20`, which could be a difference."""
    match = _RANGE.match(text)
    if match is None:
        return False
    is_season = re.fullmatch(r"(?:19|20)\d\d-\d\d", text) is not None  # 2023-24
    return is_season or match[3] == "–" or match[1] != "" or float(match[2]) < float(match[4])


def _unmarked(text: str) -> str:
    return " ".join(text.replace(TEXT, " ").replace(TEXT_END, " ").split())


# --- The text as a whole -------------------------------------------------------------------------------------------

_WORDS_OF_COMMA_LANGUAGES = (
    rf"(?i:{'|'.join(sorted(OTHER_SCALES))})(?!\w)|millions d"
    r"|Prozent|pour ?cent|por ?ciento|por ?cento|per ?cento|процент"
    r"|Stunde|Minuten|Tage|Jahre|Meter|Kilogramm|Gramm|Grad|heures?|jours|ans\b|m[eè]tres|degrés|horas?|minutos|días|dias"
    r"|años|anos|metros|kilómetros|quilômetros|grados|graus|gradi|metri|chilometri|litri|litros|[а-я]"
)
_HEDGE = r"(?:a total of|exactly|approximately|approx\.?|about|around|roughly)"
_WORDS = rules(
    (rf"^(-?\d{{1,15}}),(\d{{1,2}}|\d{{4,15}})(?= ?{TEXT}?(?:{_WORDS_OF_COMMA_LANGUAGES}))", r"\1.\2", "3,5 Millionen"),
    (rf"(?i)^(?:{TEXT}{_HEDGE} ?{TEXT_END} ?|{TEXT}?{_HEDGE} )(?=[-\d$€£\\.])", "", "approximately 42 km"),
    (rf"(?i)(?<=[\w}}]) ?{TEXT}?(?: \(?|\()(?:approximately|approx\.?|exactly)\)? ?{TEXT_END}?$", "", "42 (approx.)"),
    (rf"(?i)^{TEXT}?(?:minus|negative) ?{TEXT_END}? ?(?=[\d.]|\\frac)", "-", "negative 5"),
    (rf"(?i)(?<=[\d}})])\s*{TEXT}?\s*{PERCENT}\s*{TEXT_END}?(?=\s*$|[,;])", "%", "50 percent"),
    (rf"(?i)(?<=\d) ?{TEXT}?(?:per ?mill?e?|promille|pour mille|por mil|per mil){TEXT_END}?$", "‰", "5 per mille"),
    (rf"(?<=\d) ?{TEXT}?(BC|AD|CE)E?{TEXT_END}?$", rf" {TEXT}\1{TEXT_END}", "500 BCE"),
    (rf"^{TEXT}?AD ?{TEXT_END}? ?(\d{{1,4}})$", rf"\1 {TEXT}AD{TEXT_END}", "AD 1776"),
    (rf"^{TEXT}?百分之 ?(\d+(?:\.\d+)?)\s*{TEXT_END}?$", r"\1%", "百分之50"),
    (r"^(?:\([A-E]\)|[A-E][.)])\s+(?=[\d$]|-\d|\\d?frac|\\sqrt)", "", r"\textbf{(B)}\ 12"),
    (rf"(?i)^(-?\d+) (?:{AND_A_HALF})(?!\w)", r"\1 1/2", "3 and a half cups"),
    (rf"(?i)^(-?\d+) and (\d+/\d+)(?= ?(?:[a-z]|{TEXT}))", r"\1 \2", "3 and 1/2 cups"),
    (rf"(?<=\d) ?\^? ?\{{? ?{TEXT}?(?:st|nd|rd|th){TEXT_END}? ?\}}?(?=\s*$)", f" {TEXT}th{TEXT_END}", r"7^{\text{th}}"),
    (r"^\((-?\d+(?:[./]\d+)?) ?\| ?(-?\d+(?:[./]\d+)?)\)$", r"(\1, \2)", "(1|2), a point in German schools"),
    (rf"(?i)(?<=%) ?{TEXT}?(?:of|der|des|de) [^\d\\]{{1,60}}$", "", "50% of the people"),
    (rf"^(\d{{2,3}})/(\d{{2,3}}) ?{TEXT}?mm ?Hg{TEXT_END}?$", r"\1 over \2 mmHg", "120/80 mmHg is a blood pressure"),
    (r"^pH (?:of )?(?=\d)", "pH=", "pH 7.4"),
    (r"(?i)^(?:in |the year |year )(?=[12]\d{3}$)", "", "in 1945"),
    (r"(?i)^(?:the )?((?:1\d|20)\d0)['’]?s$", r"the \1s", "1990s"),
    (r"^(?:每小时|时速) ?(\d+(?:\.\d+)?) ?([^\W\d_]+)$", r"\1\2/h", "每小时50千米"),
    (r"\{\}", "", "5{}"),
    (r"^\{([^{},|:]*)\}$", r"\1", "{5}"),
    (r"^\{([^{},|:]*[,|:][^{}]*)\}$", r"\\{\1\\}", "{1, 2}"),
    (r"(?i)^all real(?: number)?s?$|^\\mathbb\{R\}$", r"(-\\infty, \\infty)", "all real numbers"),
)  # fmt: skip
_HAS_MATHEMATICS = re.compile(r"[\d\\=<>]")
_BEFORE_INEQUALITY = r"(?=[a-z] ?(?:[<>]|\\(?:le|ge|ne)(?![a-zA-Z])))"
_CONJUNCTIONS = rules(
    (rf"\s*{TEXT}\s*,?\s*(and|or|und|oder|et|ou|y|o|e|и|или)\s*{TEXT_END}\s*", r" \1 ", r"1 \text{ or } 2"),
    (r",? (?:and|und|et|и) |(?<=\d) (?:y|e) (?=-?\d)", " and ", "1 und 2"),
    (r",? (?:or|oder|ou|или) |(?<=\d) o (?=-?\d)| ?\\(?:lor|vee)(?![a-zA-Z]) ?", " or ", "1 oder 2"),
    (rf" ?(?:或者?|または|또는) ?{_BEFORE_INEQUALITY}", " or ", "x<1 或 x>3"),
    (rf" ?(?:且|和|与|かつ|그리고) ?{_BEFORE_INEQUALITY}", " and ", "x>1 且 x<3"),
    (r"(?<=[\d)}]) ?(?:和|与|與|と|및|와|과|或|或者|または|또는) ?(?=[-\d(\\])", " and ", "1和2"),
)
DECIMAL_COMMAS = rules(
    (r"([€₽]|\bEUR|\bR\$) ?(\d{1,3}),(\d{1,2})(?![\d,])", r"\1\2.\3", "€3,50"),
    (rf"(?<![\d,.])(\d{{1,3}}),(\d{{1,2}}) ?(?={TEXT}?(?:€|EUR\b|[Ee]uros?\b|zł|₽|руб))", r"\1.\2 ", "3,50 €"),
    (rf"^(-?)0,(\d{{1,15}})(?= ?(?:%|\\times|\\cdot|{TEXT}|[a-zA-Z]{{2}}| [a-zA-Z]))(?![^a-z]*(?:and|or) )",
     r"\g<1>0.\2", "0,5 kg"),
)  # fmt: skip
_DECIMAL_OR_LIST = re.compile(
    rf"[-+]?\d+,\d+(?: ?(?:%|\^\\circ|(?:\\times|\\cdot) ?10|{TEXT}|[^\W\d_]{{2,}})"
    r"|[eE][-+]?\d| [mgshlLNJWVK](?![a-zA-Z]))[^,;]*$"
)  # 3,5 kg
_POINT_OR_GROUP = re.compile(
    r"(?:[€₫₺]|R\$|Rp|EUR) ?\d{1,3}\.\d{3}$"
    rf"|\d{{1,3}}\.\d{{3}} ?{TEXT}?(?:[€₫₺]|EUR|[Ee]uros?|VND|zł|kr)(?![^\W\d_])"
)  # 50.000 €
_WITH_A_FRACTION = re.compile(rf"-?\d{{1,9}}(?: and |-)(\d{{1,9}})/(\d{{1,9}})(?=$| ?{TEXT}| [a-z])")  # 3 and 1/2
_AMOUNT = r"\d{1,15}(?:\.\d{1,15})?"
_RANGE = re.compile(
    rf"\\?([{MONEY_SIGNS}]?)({_AMOUNT})%?([-–])\\?(?:\1)?({_AMOUNT})(?=%|$| ?[^\W\d_]{{2}}|\\%| ?\\text)"
)  # 10–20 km
_NAMED_POINT = re.compile(r"^([A-Z]'?) ?\(([-\d][^()=<>A-Z]*,[^()=<>A-Z]*)\)$")  # A(3, 4)
_REVERSED = re.compile(r"([\[\]])([^\s\[\](),;][^\[\](),;]*[,;][^\[\](),;]+)([\[\]])")


def _without_reversed_brackets(text: str) -> str:
    """Return a text whose open intervals have round brackets: `]0, 1[` is `(0, 1)`."""
    if not (text.startswith("]") or text.endswith("[") or "\\cup ]" in text or "\\cup]" in text):
        return text
    return _REVERSED.sub(
        lambda match: f"{'(' if match[1] == ']' else '['}{match[2]}{')' if match[3] == '[' else ']'}", text
    )


# --- Members -------------------------------------------------------------------------------------------------------

_BRACKETS = re.compile(r"\\[{}]|[()\[\]{}]")
_SEPARATOR = re.compile(r",? (and|or) |[,;]")
_RELATION = re.compile(r"=|<|>|\\(?:le|ge|ne|approx|in|notin|cup|cap|setminus|subset|subseteq|to|equiv)(?![a-zA-Z])")
_INEQUALITY = re.compile(r"<|>|\\(?:le|ge|ne)(?![a-zA-Z])")
_FORMULA = re.compile(r"[\d\\=]|^[ (-]*[a-zA-Z][ )]*$")
_SET_OPERATION = re.compile(r"\\(?:cup|cap|setminus|backslash)(?![a-zA-Z])")
_DECIMAL_COMMA = re.compile(r"-?\d+,\d+")
_SENTENCE = re.compile(r"(?<![\\a-zA-Z])[^\W\d_]{3,}| (?:to|by) ")
_DIGIT = re.compile(r"\d")
_PARTS = re.compile(rf"(?<=[^\W\d_])\.? ?{TEXT_END}? ?(?=\d)")  # 5 ft 7 in
_MATRIX = re.compile(r"\\begin ?\{((?:[pbBvV]|small)?matrix)\}(.*)\\end ?\{\1\}")
_END_OF_ROW = re.compile(r"\\\\(?:\[[\d.]+ ?[a-z]{2}\])?|\\cr(?![a-zA-Z])")
_OPENING = ("(", "[", "\\{")


def _depth(text: str) -> int:
    """Return how deep brackets stand in brackets."""
    depth = deepest = 0
    for match in _BRACKETS.finditer(text):
        depth += 1 if match[0][-1] in "([{" else -1
        deepest = max(deepest, depth)
    return deepest


def _members(text: str) -> list[str]:
    """Return the forms of the members of a list; of a text that is no list, its form."""
    matches = _at_top(text, _SEPARATOR)
    if not matches:
        return [_member(text)]
    conjunctions = [match for match in matches if match[0][-1] == " "]
    if conjunctions and _INEQUALITY.search(text):
        return [_joined(text, conjunctions)]
    if conjunctions and not _separate_members(text, conjunctions, matches):
        matches = [match for match in matches if match[0][-1] != " "]
    semicolons = [match for match in matches if match[0] == ";"]
    if 0 < len(semicolons) < len(matches) and any(map(_DECIMAL_COMMA.fullmatch, _split(text, semicolons))):
        raise TwoReadingsError(f"{_unmarked(text)}: decimal commas, or members of members")
    return [_member(part) for part in _split(text, matches)]


def _separate_members(text: str, conjunctions: list[re.Match[str]], matches: list[re.Match[str]]) -> bool:
    """Return whether conjunctions stand between members: `1 and 2`, `A, B, and C`, but not `salt and pepper`."""
    if all(map(_FORMULA.search, _split(text, conjunctions))):
        return True
    is_words = not _DIGIT.search(text) and "\\" not in text
    return is_words and len(conjunctions) < len(matches) and all(match[1] == "and" for match in conjunctions)


def _at_top(text: str, pattern: re.Pattern[str]) -> list[re.Match[str]]:
    """Return the matches of a pattern outside brackets and outside the words of \\text{...}."""
    matches = list(pattern.finditer(text))
    if not matches:
        return []
    depth, changes = 0, []
    for bracket in _BRACKETS.finditer(text):
        depth = depth + 1 if bracket[0][-1] in "([{" else max(depth - 1, 0)
        changes.append((bracket.start(), depth))
    at_top, i, depth = [], 0, 0
    for match in matches:
        while i < len(changes) and changes[i][0] < match.start():
            depth = changes[i][1]
            i += 1
        if depth == 0:
            at_top.append(match)
    return at_top


def _split(text: str, matches: list[re.Match[str]]) -> list[str]:
    starts = [0, *(match.end() for match in matches)]
    ends = [*(match.start() for match in matches), len(text)]
    return [text[start:end].strip() for start, end in zip(starts, ends, strict=True)]


def _joined(text: str, conjunctions: list[re.Match[str]]) -> str:
    """Return inequalities with "and" or "or" between them: one is an intersection, the other a union."""
    parts = [",".join(_members(part)) for part in _split(text, conjunctions)]
    words = [match[0].strip(" ,") for match in conjunctions]
    return parts[0] + "".join(f" {word} {part}" for word, part in zip(words, parts[1:], strict=True))


def _member(text: str) -> str:
    """Return the form of one member: a number, a quantity, brackets with members, an equation, or an expression."""
    text = text.strip()
    plain = without_spaces(text)
    if not plain:
        return plain
    if (form := number_form(plain)) is not None:
        return form
    if inside := _inside_brackets(text):
        return _in_brackets(*inside)
    if relations := _at_top(text, _RELATION):
        return _relation(text, relations)
    if plain.endswith("‰") and (tenths := times_power_of_ten(number_form(plain[:-1]) or "", -1)):
        return f"{tenths}%"
    if plain.endswith("%"):
        return (number_form(plain[:-1]) or plain[:-1]) + "%"
    if matrix := _MATRIX.fullmatch(text):
        return _matrix(matrix[1], matrix[2])
    words = _unmarked(text)
    form = time_form(words) or based_form(words) or quantity_form(text) or _compound(text) or formula_form(plain)
    if form is None:
        form = words if _SENTENCE.search(words) and _DIGIT.search(words) and "\\" not in words else plain
    return form


def _inside_brackets(text: str) -> tuple[str, str, str] | None:
    """Return opening bracket, content and closing bracket of a text in one pair of brackets."""
    opening = next((bracket for bracket in _OPENING if text.startswith(bracket)), None)
    if opening is None:
        return None
    depth = 0
    for match in _BRACKETS.finditer(text):
        depth += 1 if match[0][-1] in "([{" else -1
        if depth == 0:
            if match.end() != len(text) or (opening == "\\{") != (match[0] == "\\}"):
                return None
            return opening, text[len(opening) : match.start()].strip(), match[0]
    return None


def _in_brackets(opening: str, content: str, closing: str) -> str:
    """Return the form of members in brackets. Round brackets around one member mean nothing."""
    form = ",".join(_members(content))
    if (opening, closing) == ("(", ")") and not _at_top(content, _SEPARATOR) and not _SET_OPERATION.search(form):
        return form
    return f"{opening}{form}{closing}"


def _relation(text: str, relations: list[re.Match[str]]) -> str:
    """Return the form of an equation, an inequality or a union: each side in its form."""
    sides = [_member(side) for side in _split(text, relations)]
    pieces = [sides[0]]
    for match, side in zip(relations, sides[1:], strict=True):
        pieces += [match[0], " " if match[0][0] == "\\" and side[:1].isalpha() else "", side]
    return "".join(pieces)


def _matrix(name: str, content: str) -> str:
    """Return the form of a matrix: each entry in its form. Brackets of all shapes are one, but not bars."""
    rows = [row.split("&") for row in _END_OF_ROW.split(content.strip().removesuffix("\\\\"))]
    name = "pmatrix" if name in ("bmatrix", "Bmatrix", "matrix", "smallmatrix") else name
    form = "\\\\".join("&".join(_member(entry) for entry in row) for row in rows)
    return f"\\begin{{{name}}}{form}\\end{{{name}}}"


def _compound(text: str) -> str | None:
    """Return the form of a quantity in several units, such as `5 ft 7 in`."""
    parts = _PARTS.split(text)
    if not 1 < len(parts) < 5:
        return None
    forms = [quantity_form(part) for part in parts]
    return merged([form for form in forms if form is not None], glued=True) if None not in forms else None
