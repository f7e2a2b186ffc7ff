"""Other things than one question in a text: several questions, a refusal.

Precision comes first: a good question that is rejected is lost, and a bad one that passes costs samples. Words are
English, with the common marks of other languages, so that a question in another language or script is not rejected for
words that it does not have. Every repetition is bounded, so that a hostile text takes linear time.
"""

import re

from stages.text.asking import QUESTION_END, asks

_NUMBERED = re.compile(
    r"(?:\A|(?<=[.?!:)\]}$*\"”。？！])\s{1,9})[*_#>-]{0,4} ?(?:(?:problem|question|exercise|task|q)\s?#?\s?)?"
    r"(?P<number>\d{1,4})[*_]{0,3}(?:\\?[.):：]|、|．)[*_]{0,3}\s",
    re.IGNORECASE,
)
_HEADED = re.compile(
    r"(?:\A|(?<=[.?!)\]}$*\"”])\s{1,9})[*_#>\[-]{0,4} ?(?:new )?(?:problem|question|exercise)(?: ?#?\d{1,4})?"
    r"[*_\]]{0,4}:",
    re.IGNORECASE,
)
_OPTION_A = re.compile(r"(?<!\S)\(?A[).:]\s")
_OPTION_B = re.compile(r"(?<!\S)\(?B[).:]\s")
_NUMBER_IN_TEXT = re.compile(r"(?<!\S)\d{1,4}[.)]\s")

MAX_PIECES = 64


def has_several_questions(question: str) -> bool:
    """Return whether a text holds several numbered or headed questions. The parts of one problem do not count.

    Parts follow a common beginning that asks nothing itself ("Let f(x) = x^2. 1. Find f(2). 2. Find f(3)."), or they
    have letters.
    """
    numbered = list(_NUMBERED.finditer(question))[:MAX_PIECES]
    if numbered:
        stem = question[: numbered[0].start()].strip()
        asking = sum(QUESTION_END.search(piece) is not None for piece in _behind(numbered, question))
        if (not stem and asking >= 2) or (QUESTION_END.search(stem) and asking):
            return True
    headings = list(_HEADED.finditer(question))[:MAX_PIECES]
    pieces = [question[: headings[0].start()], *_behind(headings, question)] if headings else []
    return sum(asks(piece) for piece in pieces) >= 2 or _next_behind_options(question)


def _next_behind_options(question: str) -> bool:
    """Return whether a number and a further question follow lettered options.

    The last option often ends without a full stop: "Which drug? (A) aspirin (B) heparin 2. Which test is next?".
    """
    first = _OPTION_A.search(question)
    second = _OPTION_B.search(question, first.end()) if first else None
    if first is None or second is None or not QUESTION_END.search(question[: first.start()]):
        return False
    number = _NUMBER_IN_TEXT.search(question, second.end())
    return number is not None and QUESTION_END.search(question, number.end()) is not None


def _behind(marks: list[re.Match[str]], text: str) -> list[str]:
    """Return the text behind each mark, up to the next one."""
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    return [text[mark.end() : end] for mark, end in zip(marks, ends, strict=True)]


_REFUSAL = re.compile(
    r"[\s\"'“*]{0,9}(?:(?:i(?:'|’)?m|i am|we(?:'|’)re|we are) (?:(?:very|so|really|truly|deeply) )?"
    r"(?:sorry\b(?! to hear\b)|afraid\b(?! of\b))"
    r"|(?:my )?(?:sincere )?apologies\b|i (?:sincerely )?apologi[sz]e\b|sorry,? (?:but|i|that)\b"
    r"|unfortunately,? i(?:(?:'|’)(?:m|ll)| am| (?:can|could|do|wo|will)(?: ?not|n?(?:'|’)t))\b"
    r"|as an? (?:\w{1,20} )?(?:ai|artificial intelligence|(?:large )?language model)\b"
    r"(?= ?[,.;(]| i\b|\Z| \w{1,20} by\b)"
    r"|i(?:'|’)?m (?:just |only )?an? (?:\w{1,20} )?(?:ai|language model)\b|i am (?:just |only )?an? (?:\w{1,20} )?"
    r"(?:ai|language model)\b"
    r"|(?!we can(?:not|(?:'|’)t) (?:see|view|access)\b|i can(?:not|(?:'|’)t) see (?:why|how)\b)"
    r"(?:i|we) (?:can(?:'|’)?t|cannot|can not|am unable to|(?:'|’)m unable to|am not able to|won(?:'|’)t|will not|"
    r"could not|couldn(?:'|’)t|must decline to|don(?:'|’)t feel comfortable|do not feel comfortable)\b"
    r"[^.?!\n]{0,60}\b(?:create|creating|generate|generating|provide|providing|write|writing|help|assist|fulfil|"
    r"fulfill|comply|continue|produce|share|satisfy|complete|respond|access|see|view|do that|come up|answer|solve|"
    r"engage)\b"
    r"|i(?:'|’)m (?:unable|not able) to\b"
    r"|(?:lo siento|je suis désolée?|désolée?|es tut mir leid|tut mir leid|desculpe|mi dispiace|извините|"
    r"к сожалению|к сожалению, я),"
    r"|(?:很?抱歉|对不起|對不起)[，,。！!]|作为(?:一个|一名)?(?:ai|人工智能|语言模型|大型?语言模型)"
    r"|申し訳(?:ありません|ございません)|죄송합니다|죄송하지만)",
    re.IGNORECASE,
)


def is_refusal(question: str) -> bool:
    """Return whether a text begins as a refusal begins ("I'm sorry, but", "As an AI", "I cannot create")."""
    return _REFUSAL.match(question) is not None
