"""Whether a text asks for something, as far as words and signs can tell.

Every rule leans towards "asks": a text in another language or script is not judged by the English words here.
"""

import re

QUESTION_MARKS = "?？؟՞;⸮"
"""Of Latin, Chinese, Arabic, Armenian and Greek writing."""
QUESTION_END = re.compile(r"[?？؟](?=[\s)\]}$*\"”’'.]|\Z|[^\x00-\x7f])")
"""A question mark that ends a question."""
_MARK = re.compile(f"[{QUESTION_MARKS}]")
# What a text asks for without a question mark: "Find x.", "Express your answer in hours.", "The capital is ____."
_VERBS = (
    r"find|compute|calculate|evaluate|determine|prove|show|solve|simplify|express|factor|factori[sz]e|expand|convert|"
    r"round|estimate|approximate|write|give|state|list|name|describe|explain|discuss|identify|choose|select|pick|"
    r"complete|fill|verify|derive|define|compare|count|classify|rank|order|arrange|match|translate|summari[sz]e|"
    r"analy[sz]e|assess|argue|justify|outline|suggest|propose|design|construct|draw|sketch|graph|plot|label|mark|decide|"
    r"deduce|infer|predict|check|answer|tell|indicate|specify|report|enter|rewrite|reduce|rationali[sz]e|differentiate|"
    r"integrate|minimi[sz]e|maximi[sz]e|optimi[sz]e|add|subtract|multiply|divide|work out|figure out|use|let us know|"
    r"advise|critique|interpret|illustrate|distinguish|"
    r"contrast|comment|recommend|diagnose|create|provide|present|elaborate|examine|review|apply|demonstrate|locate|recall|"
    r"formulate|critici[sz]e|defend|refute|disprove|paraphrase|rephrase|correct|underline|circle"
)
_REQUEST = re.compile(
    # At the start of a sentence or a clause, or behind a word that leads to it ("your task is to find").
    rf"(?:\A|[.!,;:)\]}}$*\"'”’]|\\[\])]|\b(?:and|then|please|now|also|first|hence|carefully|"
    rf"exactly|precisely|clearly|completely|fully|briefly|"
    rf"(?:task is|goal is|asked|wants?|wish|like|needs?|have|has) to))\s{{0,9}}[*_(\[]{{0,3}}(?:{_VERBS})\b"
    r"|(?:\A|[.!;:])\s{0,9}[*_(\[]{0,3}(?:(?:in|of|for|by|at|to|with|from|on)\s)?(?:which|who|whom|whose|when|where)\b"
    r"|(?:\A|[.!,;:)\]}$]|\b(?:and|then|if|show|see|of|explain|by))\s{0,9}(?:how|why)\b"
    r"|(?:\A|[.!:,])\s{0,9}[*_(]{0,3}(?:is|are|does|do|did|can|could|will|would|should)\b"
    r"|\bwhat\b|\bhow (?:many|much|far|long|often|old|tall|fast)\b|\btrue or false\b|\bwhether\b"
    r"|_{2,}|\\underline|\\_\s?\\_|\.{4,}|\[\s{0,9}\]|[(\[]\s{0,3}[A-Da-d]\s{0,3}[)\]]|(?<!\w)[A-D][.):]\s",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W\d_]+")
_FUNCTION_WORD = re.compile(
    r"\b(?:the|an?|of|and|is|are|was|were|has|have|had|in|to|that|for|with|on|at|by|from|its?|this|be|as|s?he|they|his|"
    r"her|their|we|your?|i|there|then|so|if|each)\b",
    re.IGNORECASE,
)
_ENGLISH_WORD = re.compile(r"\b(?:the|and|with|this|that|from|their|you|your|there|which|where|not)\b", re.IGNORECASE)
"""Words of English alone: "is" and "in" are Dutch as well, "are" is Romanian, and "a" is found everywhere."""
_STATEMENT_END = re.compile(r"[.!$)\]}*\"”'’\d]\Z|\\[\])]\Z")


def asks(text: str) -> bool:
    """Return whether a text has a question mark, or an English word or sign that asks for something."""
    return _MARK.search(text) is not None or _REQUEST.search(text) is not None


def is_english(text: str) -> bool:
    """Return whether a text reads as English: ASCII letters, at least a fifth function words, one of English alone.

    A text of fewer than five words is not judged, so the result is False.
    """
    words = [word for word in _WORD.findall(text) if len(word) > 1 or word in "aAI"]
    if len(words) < 5 or sum(not word.isascii() for word in words) > len(words) // 10:
        return False
    return 5 * len(_FUNCTION_WORD.findall(text)) >= len(words) and _ENGLISH_WORD.search(text) is not None


def asks_nothing(text: str) -> bool:
    """Return whether an English text only states something: no question, no request, nothing to fill in or choose.

    A text that ends without the end of a sentence may be a sentence to complete ("The treatment of choice is"), and
    text in other languages is never judged.
    """
    return not asks(text) and is_english(text) and _STATEMENT_END.search(text.rstrip()) is not None
