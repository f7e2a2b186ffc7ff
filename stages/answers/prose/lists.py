"""Items that belong together: lists ("3 and 5"), compound amounts ("5 hours 30 minutes") and ranges ("3 to 5")."""

import re
from fractions import Fraction
from itertools import pairwise

from stages.answers.canonical.units import conversion, unit_form
from stages.answers.prose.items import Item, Strength
from stages.answers.prose.runs import RunParser
from stages.answers.prose.vocabulary import CONJUNCTIONS, KNOWN_WORDS, OR_WORDS, RANGE_WORDS, RATIOS

_BETWEEN = frozenset(("between", "zwischen", "entre", "tra", "fra", "между"))
_LETTER_UNIT = re.compile(r"\d[\d.]* ?[a-zA-Z]")
_DOLLARS_AND_CENTS = re.compile(r"(\$\d+) (\d{1,2}) cents")
_SUM = re.compile(r"\$?\d+(?:\.\d+)?(?: ?[-+*/×] ?\$?\d+(?:\.\d+)?){1,9}")
_COUNTED = re.compile(r"[\u3041-\u9fff가-힣]{1,3}(?:和|与|與|及|と|와|과)|元|块|塊|角|斤|周|個月|个月|원|円|ч")
"""What stands between two amounts in scripts without spaces: 5个和3个, 5元3角."""
_MAX_NOUNS = 2
"""Most nouns after the first of two numbers that "and" joins: "3 red apples and 5 pears"."""


def with_lists(items: list[Item], parser: RunParser) -> list[Item]:
    """Return the items of a line with each list, compound amount and range as one item."""
    joined: list[Item] = []
    index = 0
    while index < len(items):
        chain, links = [items[index]], []
        while index + len(chain) < len(items) and (link := _link(chain[-1], items[index + len(chain)], parser)):
            chain.append(items[index + len(chain)])
            links.append(link)
        item = _joined(chain, links, parser) if links else None
        joined.append(item or items[index])
        index += len(chain) if item else 1
    for left, right in pairwise(joined):
        if _are_two_amounts(left, right, parser):
            left.doubt = right.doubt = left.doubt or right.doubt or f"{left.text} or {right.text}"
        elif left.end == right.start and _are_two_numbers(left, right, parser):
            left.doubt = right.doubt = left.doubt or right.doubt or f"{left.text} {right.text}: not read"
    return joined


def _are_two_numbers(left: Item, right: Item, parser: RunParser) -> bool:
    """Return whether two numbers follow each other: "7 4". In "3 days 12 * 3 = 36" a computation follows."""
    kinds = {parser.token(item.start).kind for item in (left, right)}
    return kinds == {"number"} and right.strength > Strength.WEAK and not _is_computation(right, parser)


def _link(left: Item, right: Item, parser: RunParser) -> str:
    """Return what separates two items: "and", "or", ",", "to", " " for two amounts, "" for anything else."""
    between = parser.tokens[left.end : right.start]
    is_other = left.strength == Strength.GOVERNED and right.strength == Strength.FREE  # "for 8 hours, or $120"
    if Strength.EXCLUDED in (left.strength, right.strength) or is_other:
        return ""
    are_computed = _is_computation(left, parser) and _is_computation(right, parser)
    if are_computed and _left_side(left, parser) != _left_side(right, parser):
        return ""  # "15 - 3 = 12 and 12 / 4 = 3": two steps; "W(x) = 1 or W(x) = -1" is a list
    if not between:
        are_amounts = all(item.unit or _LETTER_UNIT.fullmatch(item.value) for item in (left, right))
        return " " if are_amounts and _is_larger_unit(left.unit, right.unit) else ""
    words = [token.text.lower() for token in between if token.kind in ("word", "letter") or token.text == "&"]
    commas = sum(token.kind == "comma" for token in between)
    if len(words) + commas < len(between) or len(words) > 1 or commas > 1:
        return ""
    if not words:
        return ","
    if words[0] in CONJUNCTIONS:
        return "or" if words[0] in OR_WORDS else "and"
    is_range = words[0] in RANGE_WORDS and not re.search(r"[a-zA-Z(]", left.value[:1] + right.value[:1])
    return "to" if is_range else ""


def _is_larger_unit(left: str, right: str) -> bool:
    """Return whether two units may be those of one amount: hours and minutes, but not pounds and years."""
    forms = unit_form(left), unit_form(right)
    if not forms[0] or not forms[1]:
        return True
    factor = conversion(forms[0], forms[1])
    return factor is not None and factor > 1


def _is_computation(item: Item, parser: RunParser) -> bool:
    """Return whether an item is the result of an equation without a letter: "15 - 3 = 12"."""
    return item.text == item.value and any(parser.token(index).text == "=" for index in range(item.start, item.end))


def _left_side(item: Item, parser: RunParser) -> str:
    """Return the first side of an equation without spaces."""
    text = parser.text[parser.token(item.start).start : parser.token(item.end).start]
    return text.split("=")[0].replace(" ", "")


def _joined(chain: list[Item], links: list[str], parser: RunParser) -> Item | None:
    """Return the one item of several, None if they do not belong together."""
    first, last = chain[0], chain[-1]
    item = Item("", first.start, last.end, first.strength, is_direct=first.is_direct)
    item.doubt = next((member.doubt for member in chain if member.doubt), None)
    if "to" in links or parser.token(first.start - 1).text.lower() in _BETWEEN:
        if set(links) == {"to"} and RATIOS.search(parser.text, 0, parser.token(first.start).start):
            item.text = item.value = ":".join(member.text for member in chain)
            item.strength = max(member.strength for member in chain)
            return item
        item.text = item.value = f"{first.text} {links[0]} {last.text}"
        item.doubt = f"{item.text}: ends of a range"
        return item
    if parser.token(first.start - 1).text.lower() == "of":  # "the sum of 3 and 5"
        item.strength, item.is_direct = Strength.GOVERNED, False
    if first.strength == Strength.WEAK and not first.is_variable:
        return None
    have_units = all(member.unit or member.text.startswith("$") for member in chain)
    if " " in links or (len({member.unit for member in chain}) > 1 and have_units):
        text: str | None = _compound(chain)
    elif "dots" in (parser.token(last.end).kind, parser.token(last.end + 1).kind):
        text = f"{first.text}, ..., {last.text}, ..."
        item.doubt = f"{text}: a list that goes on"
    elif set(links) == {","} and parser.token(last.end).kind not in ("stop", "close"):
        return None  # "42, 3 more than before"
    else:
        text = _list(chain, links, item)
    if text is None:
        return None
    item.text = item.value = text
    return item


def _compound(chain: list[Item]) -> str | None:
    """Return an amount in two units: "5 hours 30 minutes"; dollars and cents are one number."""
    if any(member.variable or member.is_inequality for member in chain):
        return None
    if len(chain) == 2 and (match := _DOLLARS_AND_CENTS.fullmatch(f"{chain[0].text} {chain[1].text}")):
        return f"{match[1]}.{match[2]:0>2}"
    units = [member.unit for member in chain]
    if units in (["dollars", "cents"], ["dollar", "cents"]):
        dollars, cents = (member.text.split()[0] for member in chain)
        return f"{dollars}.{int(cents):02d} dollars" if re.fullmatch(r"\d{1,2}", cents) else None
    return " ".join(member.text for member in chain)


def _list(chain: list[Item], links: list[str], item: Item) -> str | None:
    """Return the text of a list; note on `item` a doubt, or that it is a list of letters."""
    texts = [member.text for member in chain]
    if all(member.is_inequality for member in chain):
        item.is_inequality = True
        return "".join(f"{text} {link} " for text, link in zip(texts, links, strict=False)) + texts[-1]
    if any(member.is_inequality for member in chain):
        return None
    if any(member.is_variable for member in chain):
        item.is_variable = all(member.is_variable for member in chain)
        return ", ".join(texts) if item.is_variable else None
    first, last = chain[0], chain[-1]
    if links == ["and"] and re.fullmatch(r"-?\d+", first.text) and re.match(r"\d{1,9}/\d", last.text):
        if not last.unit:
            item.doubt = f"{first.text} and {last.text}: one mixed number, or a list"
        return f"{first.text} {last.text}"  # "3 and 1/2 cups"
    if links == ["or"] and _number(first.value) is not None and _number(first.value) == _number(last.value):
        return first.value  # "1/2 or 0.5"
    if links == ["or"] and _SUM.fullmatch(first.value) and _number(last.value.lstrip("$")) is not None:
        return last.value  # "$30 + $160 or $190"
    return _members(chain)


def _members(chain: list[Item]) -> str | None:
    """Return the members of a list of values or of equations; None for some of each, unless they have one variable."""
    first, units = chain[0], [member.unit for member in chain]
    variables = {member.variable for member in chain}
    if len(variables) > 1 and "" in variables and not (first.variable and variables == {first.variable, ""}):
        return None
    members = [member.value if len(variables - {""}) == 1 else member.text for member in chain]
    if units[-1] and not any(units[:-1]):
        members[:-1] = [f"{text} {units[-1]}" for text in members[:-1]]
    return ", ".join(members)


def _number(text: str) -> Fraction | None:
    """Return the value of a plain number, fraction or percentage."""
    if not re.fullmatch(r"-?\d{1,20}(?:\.\d{1,20}|/[1-9]\d{0,19})?%?", text):
        return None
    value = Fraction(text.removesuffix("%"))
    return value / 100 if text.endswith("%") else value


def _are_two_amounts(left: Item, right: Item, parser: RunParser) -> bool:
    """Return whether two numbers count different things: "3 red apples and 5 pears"."""
    between = parser.tokens[left.end : right.start]
    if len(between) == 1 and _COUNTED.fullmatch(between[0].text):
        return Strength.EXCLUDED not in (left.strength, right.strength)
    if not 2 <= len(between) <= _MAX_NOUNS + 1 or between[-1].text.lower() not in CONJUNCTIONS - OR_WORDS:
        return False
    if Strength.EXCLUDED in (left.strength, right.strength) or left.is_variable or right.is_variable:
        return False
    return all(token.kind == "word" and token.text.lower() not in KNOWN_WORDS for token in between[:-1])
