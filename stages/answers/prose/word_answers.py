"""Answers of mathematics in words: "yes", "no solution", "infinity"."""

import re

from stages.answers.canonical.dates import WEEKDAY

WORD_ANSWERS: tuple[tuple[str, str], ...] = (
    # Pattern (case is ignored), answer; "" for the words themselves.
    (r"yes|oui|ja|sí|sim|sì|да|是的?|对|對|はい|예|네|हाँ|हां|نعم", "yes"),
    (r"no|non|nein|não|нет|否|不是|不对|いいえ|아니오|아니요|नहीं|لا", "no"),
    (r"true|wahr|vrai|verdadero|verdadeiro|vero|верно|正确|正しい|참", "true"),
    (r"false|falsch|faux|falso|неверно|错误|거짓", "false"),
    (
        r"(?:no|zero)(?:\s(?:real|integer|positive|valid))?\ssolutions?(?:\sexists?)?|keine\slösung|pas\sde\ssolution",
        "no solution",
    ),
    (
        r"aucune\ssolution|sin\ssolución|no\shay\ssolución|sem\ssolução|нет\sрешений|无解|解なし|해가\s없다",
        "no solution",
    ),
    (
        r"(?:does\snot|doesn['’]t)\sexist|dne|existiert\snicht|n['’]existe\spas|no\sexiste|不存在|存在しない",
        "does not exist",
    ),
    (r"infinitely\smany(?:\ssolutions)?|an\sinfinite\snumber(?:\sof\ssolutions)?|无穷多(?:个解)?", "infinitely many"),
    (
        r"(?:positive\s|plus\s|\+)?(?:infinity|infinite|unendlich|l['’]infini|infinito|бесконечность|正无穷大?|无穷大|无限大|無限大)",
        "infinity",
    ),
    (r"(?:negative\s|minus\s|-)infinity|负无穷大?", "-infinity"),
    (r"all\sreal\snumbers|every\sreal\snumber", "all real numbers"),
    (r"(?:the\s)?empty\sset|空集", "empty set"),
    (r"none(?:\sof\s(?:the\sabove|these|them))?", "none"),
    (WEEKDAY, ""),
    (r"undefined|indeterminate|impossible|inconsistent|even|odd|偶数|奇数", ""),
)
"""Words that are an answer of mathematics, in all languages, and the answer that they are."""
ANNOUNCED_WORD_ANSWERS: tuple[tuple[str, str], ...] = (
    (r"neither|both|prime|composite|positive|negative|independent|dependent|equal|always|sometimes|never", ""),
    (r"rational|irrational|increasing|decreasing|convergent|divergent|linear|quadratic|exponential", ""),
    (r"converges|diverges", ""),
)
"""Words that are an answer only after an announcement. At the end of a last line they may be part of an argument."""

_LEADS = r"[\s:=\"'“‘]*(?:the\s|it(?:['’]s|\sis)\s|that\s|there\s(?:is|are)\s|they\s(?:are|have)\s|an?\s)*"
_END = r"(?=\s*(?:[.,;:!()。，]|\Z)|\s+(?:because|since|as|and|so|therefore|but|which|when|for|if)\b)"
_CLOSING = r"(?=[\s.!\"'”’。]*\Z)"
_LAST_CHARACTERS = 60
"""Where an answer in words at the end of a line starts at the earliest."""
_BEFORE_END = re.compile(
    r"(?:\A|[:=,]|\b(?:is|are|has|have|gives|so|therefore|thus|hence|answer|result|solution|limit|equals?"
    r"|equal\sto|diverges\sto))\s*(?:an?\s|the\s)?\Z",
    re.IGNORECASE,
)


def _any_of(table: tuple[tuple[str, str], ...]) -> str:
    return "(?:" + "|".join(f"({pattern})" for pattern, _ in table) + ")"


_ALL = WORD_ANSWERS + ANNOUNCED_WORD_ANSWERS
_AT_START = re.compile(_LEADS + _any_of(_ALL) + _END, re.IGNORECASE)
_AT_END = re.compile(r"(?<![^\W\d_])" + _any_of(WORD_ANSWERS) + _CLOSING, re.IGNORECASE)


def word_at_start(line: str) -> str | None:
    """Return the answer in words that a line starts with: "yes, because ..." is "yes". None without one."""
    return _answer(_AT_START.match(line))


def word_at_end(line: str) -> str | None:
    """Return the answer in words that a line ends in after "is" and the like: "so there is no solution"."""
    start = max(0, len(line) - _LAST_CHARACTERS)
    match = _AT_END.search(line, start)
    return _answer(match) if match and _BEFORE_END.search(line[max(0, start - 20) : match.start()]) else None


def _answer(match: re.Match[str] | None) -> str | None:
    if match is None or match.lastindex is None:
        return None
    answer = _ALL[match.lastindex - 1][1]
    return answer or match[match.lastindex].lower()
