"""Lines that hold one of several answers: a part of a question with several parts, or a row of a table.

All searches take linear time.
"""

import re

_LABEL = re.compile(
    r"[^\w\n(（①-⑨]{0,6}(?:解[:：]?)?"
    r"(?:(?:[Pp]art|[Qq]uestion|[Pp]roblem|[Aa]nswer(?: to)?|[Cc]ase|[Oo]ption|[Ss]tatement|[Tt]eil|"
    r"[Pp]artie|[Pp]arte|[Чч]асть|问题|第)\s?[(（]?"
    r"(?P<part>[A-Ha-h]|\d{1,2}|[ivIV]{1,3}|[一二三四五])[)）]?[题問问部]{0,2}[*_]{0,3}[):：）]"
    r"|[(（]?(?P<letter>[a-h]|i{1,3}|iv)[)）]|（(?P<wide>\d)）"  # (A) and (B) label the options of a choice
    r"|[(（]?(?P<number>\d{1,2})(?:[)）、]|\.(?!\d))|(?P<dotted>[a-h]|[ivIV]{1,3})\.(?=\s)|"
    r"(?P<circle>[①-⑨])|[(（]?(?P<option>[A-E])[).）])[*_]{0,3}\s{0,3}(?=\S)"
)
"""The label of a part at the start of a line: "(a)", "2.", "**Part B:**"."""
_STEP_LABELS = ("number", "dotted", "circle", "option")
"""Labels of steps and options as often as of parts."""
_BARE = re.compile(
    r"[\s*_$\\(\[]{0,8}(?:[a-zA-Z](?:\([a-z]\)|_\w)?\s?=\s?)?[-+−–$€£¥\\(\[]{0,4}(?:\d|d?frac|sqrt|pi|boxed|[a-z]\b)"
    r"[^=\n]{0,30}"
)
"""An item that is an answer rather than a step: "5", "x = 5", "\\frac{1}{2} km"."""
_STEP = re.compile(r"\s[-+*/×·÷−]\s|[^\W\d_]{2,}\s+\S+\s+[^\W\d_]{2,}|[^\W\d_]{3,}\s\$?\d")
"""Text of an item that computes, or tells a step."""
_INLINE = re.compile(
    r"(?:(?<!\S)|(?<=[:：;；。]))[(（]?(?P<label>[a-d]|i{1,3}|[1-4])[)）]\s?(?=[-−$\\]{0,2}\d|[$\\]|[a-z]\s?=)"
)
"""The label of a part inside a line: "a) 5 b) 7"."""
_FIRST_LABELS = (["a", "b"], ["i", "ii"], ["1", "2"])
_VALUE_OF_LETTER = re.compile(r"[\s*_$\\(\[•-]{0,8}(?P<letter>[a-zA-Z](?:_?\w)?)\s?=\s?[-−]?[$\\]?\d[^=+]{0,30}")
"""A line that says no more than the value of a letter."""
_STEP_LABEL = re.compile(
    r"\W{0,6}(?:step|method|approach|solution|schritt|étape|paso|passo|шаг)\s?\d{1,2}\s?[:：.]\s", re.IGNORECASE
)
_MOST_LINES = 40

_NUMBER = re.compile(r"\d")
_TOTAL = re.compile(
    r"[\W_]*(?:(?:grand|overall|final|the) ?)*(?:total|sum|answer|result|combined|overall|altogether|"
    r"合计|合計|总计|總計|总和|总共|共计|答案|结果|結果|summe|gesamt|insgesamt|ergebnis|antwort|"
    r"somme|résultat|réponse|suma|resultado|respuesta|somma|totale|risultato|risposta|soma|resposta|итого|всего|"
    r"сумма|ответ|합계|총합|총계|정답)(?![^\W\d_])",
    re.IGNORECASE,
)
"""A cell of a table whose row has the answer."""


def doubt_about_parts(line: str, response: str, *, numbers: bool = True) -> str | None:
    """Return why a line of a response has one of several answers; None if it has not.

    "(b) 7" has, if another line is labelled so: "(a) 5". Numbered lines are steps unless all of them are mere answers;
    without `numbers` they are never parts, because the list below an announcement is one answer. The values of two
    letters in the last two lines are two answers, too.
    """
    labels = [match["label"] for match in _INLINE.finditer(line)] if ")" in line or "）" in line else []
    if labels[:2] in _FIRST_LABELS:
        return f"{line.strip()[:60]}: answers to several parts"
    match = _LABEL.match(line)
    kind = (match.lastgroup if match else None) or ""
    if match is None or (kind in _STEP_LABELS and not numbers):
        return _doubt_about_letter(line, response) if numbers else None
    items = [item for item in _items(kind, response) if "boxed" not in line or "boxed" in item[1]]
    is_part = kind not in _STEP_LABELS or all(is_bare(text) for _, text in items)
    return f"{line.strip()[:60]}: one of several parts" if is_part and len(dict(items)) > 1 else None


def _doubt_about_letter(line: str, response: str) -> str | None:
    """Return why "y = 7" is not the answer: the line before says "x = 5"."""
    value = _VALUE_OF_LETTER.fullmatch(line.strip())
    if value is None:
        return None
    above = response.rstrip().removesuffix(line.strip()).rstrip().rsplit("\n", 1)[-1]
    other = _VALUE_OF_LETTER.fullmatch(above.strip())
    return f"{above.strip()[:60]}, {line.strip()[:60]}" if other and other["letter"] != value["letter"] else None


def _items(kind: str, response: str) -> list[tuple[str, str]]:
    """Return (label, text) of the last lines of a response that have a label of this kind."""
    matches = map(_LABEL.match, response.rsplit("\n", _MOST_LINES)[-_MOST_LINES:])
    return [
        (match[kind], match.string[match.end() :].strip()) for match in matches if match and match.lastgroup == kind
    ]


def without_step_label(line: str) -> str:
    """Return a line without "Step 2:" at its start."""
    return _STEP_LABEL.sub("", line, count=1) if _STEP_LABEL.match(line) else line


def is_bare(text: str) -> bool:
    """Return whether a line is an answer alone, such as "x = 5 km", and no step of a computation."""
    return _BARE.fullmatch(text) is not None and _STEP.search(text) is None


def answer_of_row(line: str) -> str | None:
    """Return the answer in a last line that is a row of a table, None if it may be any of several; else the line.

    The answer is in the only cell, or in the only cell with a number behind a word for a total.
    """
    row = line.strip()
    if not (row.startswith("|") and row.endswith("|") and row.count("|") > 2 and _NUMBER.search(row)):
        return line
    cells = [cell for cell in row.split("|") if cell.strip("*-–— ")]
    numbers = [cell for cell in cells[1:] if _NUMBER.search(cell)]
    if len(cells) == 1:
        return cells[0].strip()
    return numbers[0].strip() if _TOTAL.match(cells[0]) and len(numbers) == 1 else None
