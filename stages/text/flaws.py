"""Flaws of a text that was to be one question: a solution in it, several questions, a refusal.

Precision comes first: a good question that is rejected is lost, and a bad one that passes costs samples. Words are
English, with the common marks of other languages, so that a question in another language or script is not rejected for
words that it does not have. Every repetition is bounded, so that a hostile text takes linear time.
"""

import re

from stages.text.asking import asks
from stages.text.solution_marks import SOLUTION, answer_letter

_BOX = re.compile(r"\\f?boxed\b|\\fbox\b")
_QUESTION_END = re.compile(r"[?？؟](?=[\s)\]}$*\"”’'.]|\Z|[^\x00-\x7f])")
_SENTENCE = r"(?:\A|(?<=[.?!:;)\]}$*\"”。？！])\s{1,9})[*_#(]{0,4}"
_CONCLUSION = re.compile(
    rf"{_SENTENCE}(?:therefore|thus|hence|consequently|in conclusion|so|finally|as a result)\b,? ?"
    r"|" + _SENTENCE + r"(?:the|our|my)? ?(?:final |correct |right )?answer (?:is|would be|will be|must be|=)\b"
    r"|\bso,? the (?:final |correct )?answer (?:is|would be)\b"
    r"|(?:因此|所以|故|答案是|答案为|したがって|よって|따라서|그러므로)",
    re.IGNORECASE,
)
"""The start of a sentence that concludes."""
_WORKING = re.compile(
    rf"{_SENTENCE}(?:to (?:solve|find|determine|calculate|answer)\b[^?.]{{0,120}},|"
    r"let(?:'|’)?s (?:solve|break|think|start|begin|denote|first|analy[sz]e|see|find|calculate|call)\b|"
    r"let me (?:solve|think)\b|step (?:1|one)\b|we (?:can|know|need to|get|start|first|must|have|see|find|use)\b|"
    r"first,? (?:we|let|i|you|find|calculate)\b|using the\b|by (?:using|substituting|the)\b|substituting\b|"
    r"since\b|because\b|simplifying\b|solving\b|this (?:gives|means|simplifies|equals|is equal)\b|"
    r"(?:yes|no|correct|that(?:'|’)s right)[,.!])"
    r"|\b(?:we get|we have|which gives|this gives|gives us|so the answer|= ?\$?-?\d[\d,.]*\$? ?(?:so|therefore|thus))\b"
    r"|(?:解得|可得|我们有|首先)",
    re.IGNORECASE,
)
"""Words of a solution, which count only behind the end of the question."""
_RESULT = re.compile(
    r"\A\s{0,9}(?:\$|\\\(|\\\[)?[\s\d.,+*/×÷·()^%-]{1,200}=[^?]{0,200}\Z"  # "? 3 + 5 = 8"
    r"|\A\s{0,9}(?:=|≈|→|->)\s{0,3}[^?]{1,200}\Z"  # "? = 8"
    r"|\A\s{0,9}[(\[*_]{0,3}\$?-?\d[\d,./]{0,20}\$?(?: \w{1,20})?[)\]*_.]{0,3}\Z",  # "? 8 apples."
)
"""All that stands behind the end of the question, if it is a result."""

_OPTIONS = re.compile(r"(?<!\w)\(?B\)?[).:]|\(B\)")


def has_solution(question: str) -> bool:
    """Return whether a text holds its own solution or answer: a box, a mark such as "Solution:", or working."""
    if _BOX.search(question):
        return True
    if any(match.end() < len(question) for match in SOLUTION.finditer(question)):
        return True
    letter = answer_letter(question)
    if letter and letter.end() < len(question):
        return True
    last_sentence = _CONCLUSION.search(question, _last_sentence_start(question))
    if last_sentence and not asks(question[last_sentence.end() :]) and last_sentence.start() > 0:
        return True
    end = _QUESTION_END.search(question)
    if end is None:
        return False
    rest = question[end.end() :]
    if not rest.strip() or _QUESTION_END.search(rest):
        return False
    if _RESULT.search(rest):
        return True
    if _OPTIONS.search(rest):  # what they say is no working
        return False
    return any(words.search(question, end.end()) for words in (_WORKING, _CONCLUSION))


_SENTENCE_STOP = re.compile(r"[.?!。？！](?=\s|\Z|[^\x00-\x7f])")


def _last_sentence_start(text: str) -> int:
    """Return the index of the stop in front of the last sentence."""
    start = 0
    for match in _SENTENCE_STOP.finditer(text.rstrip(), 0, max(len(text.rstrip()) - 1, 0)):
        start = match.start()
    return start


_NUMBERED = re.compile(
    r"(?:\A|(?<=[.?!:)\]}$*\"”。？！])\s{1,9})[*_#>-]{0,4} ?(?:(?:problem|question|exercise|task|q)\s?#?\s?)?"
    r"(?P<number>\d{1,4})[*_]{0,3}(?:\\?[.):：]|、|．)[*_]{0,3}\s",
    re.IGNORECASE,
)
_HEADED = re.compile(
    r"(?:\A|(?<=[.?!)\]}$*\"”])\s{1,9})[*_#>\[-]{0,4} ?(?:new )?(?:problem|question|exercise)(?: ?#?\d{1,4})?[*_\]]{0,4}:",
    re.IGNORECASE,
)


MAX_PIECES = 64


def has_several_questions(question: str) -> bool:
    """Return whether a text holds several numbered or headed questions. The parts of one problem do not count.

    Parts follow a common beginning that asks nothing itself ("Let f(x) = x^2. 1. Find f(2). 2. Find f(3)."), or they
    have letters.
    """
    numbered = list(_NUMBERED.finditer(question))[:MAX_PIECES]
    if numbered:
        stem = question[: numbered[0].start()].strip()
        asking = sum(_QUESTION_END.search(piece) is not None for piece in _behind(numbered, question))
        if (not stem and asking >= 2) or (_QUESTION_END.search(stem) and asking and int(numbered[0]["number"]) > 1):
            return True
    headings = list(_HEADED.finditer(question))[:MAX_PIECES]
    pieces = [question[: headings[0].start()], *_behind(headings, question)] if headings else []
    return sum(asks(piece) for piece in pieces) >= 2


def _behind(marks: list[re.Match[str]], text: str) -> list[str]:
    """Return the text behind each mark, up to the next one."""
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    return [text[mark.end() : end] for mark, end in zip(marks, ends, strict=True)]


_REFUSAL = re.compile(
    r"[\s\"'“*]{0,9}(?:(?:i(?:'|’)?m|i am|we(?:'|’)re|we are) (?:(?:very|so|really|truly|deeply) )?(?:sorry|afraid)\b"
    r"|(?:my )?(?:sincere )?apologies\b|i (?:sincerely )?apologi[sz]e\b|sorry,? (?:but|i|that)\b|unfortunately,? i\b"
    r"|as an? (?:\w{1,20} )?(?:ai|artificial intelligence|(?:large )?language model)\b"
    r"|i(?:'|’)?m (?:just |only )?an? (?:\w{1,20} )?(?:ai|language model)\b|i am (?:just |only )?an? (?:\w{1,20} )?"
    r"(?:ai|language model)\b"
    r"|(?:i|we) (?:can(?:'|’)?t|cannot|can not|am unable to|(?:'|’)m unable to|am not able to|won(?:'|’)t|will not|"
    r"could not|couldn(?:'|’)t|must decline to|don(?:'|’)t feel comfortable|do not feel comfortable)\b"
    r"[^.?!\n]{0,60}\b(?:create|creating|generate|generating|provide|providing|write|writing|help|assist|fulfil|fulfill|"
    r"comply|continue|produce|share|satisfy|complete|respond|access|see|view|do that|come up|answer|solve|engage)\b"
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
