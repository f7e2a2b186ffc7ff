"""Whether a question holds its own solution or answer.

Precision comes first: a good question that is rejected is lost. Behind the end of a question, published questions have
notes in parentheses, requests ("Express your answer in hours.") and tables, but hardly ever a plain statement. Words
are English, with the common marks of other languages. Every repetition is bounded, so that a hostile text takes linear
time.
"""

import re

from stages.text.asking import QUESTION_END, asks
from stages.text.solution_marks import LETS, answer_letter, solutions_in

_BOX = re.compile(r"\\f?boxed\b|\\fbox\b")
_SENTENCE = r"(?:\A|(?<=[.?!:;)\]}$*\"”。？！])\s{1,9})[*_#]{0,4}"
_STRICT = r"(?:\A|(?<=[.?!:;*\"”。？！])\s{1,9}|(?<=[.?!][$)])\s{1,9}|(?<=[.?!]\$\$)\s{1,9})[*_#]{0,4}"
_CONCLUSION = re.compile(
    rf"{_STRICT}(?:(?:therefore|thus|hence|consequently|in conclusion|so(?! that| far)|finally|as a result)\b,? ?"
    r"|(?:the|our|my) (?:final |correct |right )?answer (?:is|would be|will be|must be|=)(?!\w))"
    r"|\bso,? the (?:final |correct )?answer (?:is|would be)\b"
    # Inside a sentence these are parts of other words, as in "accident" (事故), or join the facts of a question.
    r"|(?:\A|(?<=[.?!。？！])\s{0,9})(?:因此|所以|故(?=[此,，]|选)|したがって|よって|따라서|그러므로)"
    r"|答案(?:是|为)(?=\s{0,3}[:：\w$\\(-])(?!多少|什么|何)",
    re.IGNORECASE,
)
"""The start of a sentence that concludes."""
_ANSWER_IS = re.compile(
    rf"(?:{_SENTENCE}(?:so,? |thus,? |hence,? |therefore,? )?|(?-i:\s(?=The )))the (?:final |correct |right |best )?"
    r"answer (?:is|=|would be)(?: option)?:? {0,2}[*_]{0,3}(?:[$\\(\[\d-]|[A-E]\b)[^?]{0,200}\Z",
    re.IGNORECASE,
)
"""A last sentence that names the answer."""
_SOLVING = re.compile(
    r"[\s*_#]{0,9}(?:let(?:'|’)?s (?:solve|break|think|analy[sz]e)\b|step (?:1|one)\b(?! of\b))", re.IGNORECASE
)
"""The start of a text that is a solution, whatever it asks later."""
_SOLVES = re.compile(
    rf"{_SENTENCE}to (?:solve|find|determine|answer|calculate) (?:this|these|that|it|the)\b[^.?]{{0,80}}, ?"
    r"(?:we|i|let(?:'|’)?s|first)\b",
    re.IGNORECASE,
)
"""A sentence that solves; somewhere behind the start of a text."""
_OPENING = re.compile(
    r"[\s*_#]{0,9}(?:to (?:solve|find|determine|calculate|answer|evaluate|simplify)\b[^?.]{0,160}, ?(?:we|you|i|let|"
    r"first|use|one)\b|first,? (?:we|let(?:'|’)?s|i)\b)",
    re.IGNORECASE,
)
"""The start of a text that is a solution if it has no question mark."""
_WORKING = re.compile(
    rf"{_SENTENCE}(?:to (?:solve|find|determine|calculate|answer)\b[^?.]{{0,120}},|"
    rf"{LETS}|let me (?:solve|think)\b|step (?:1|one)\b|"
    r"we (?:can|know|need to|get|start|first|must|have|see|find|use)\b|"
    r"first,? (?:we|let|i|you|find|calculate)\b|using the\b|by (?:using|substituting|the)\b|substituting\b|"
    r"since\b|because\b|simplifying\b|solving\b|this (?:gives|means|simplifies|equals|is equal)\b|"
    r"(?:yes|no|correct|that(?:'|’)s right)[,.!]|there (?:is|are) (?:only |exactly |a total of )?\$?[\d,]{1,20}\$? "
    r"(?:of them|such|ways|possible)\b|"
    r"(?:it|they|he|she) (?:is|are|has|have|takes?|needs?|equals?|would|will|was|were|can|should)\b|"
    r"the (?:[\w'’-]{1,20} ){1,8}(?:is|are|was|will be|would be|equals?|=)(?!\w))"
    r"|\b(?:we get|we have|which gives|this gives|gives us|so the answer|= ?\$?-?\d[\d,.]*\$? ?(?:so|therefore|thus))\b"
    r"|(?:解得|可得|我们有|首先)",
    re.IGNORECASE,
)
"""Words of a solution, which count only behind the end of the question."""
_RESULT = re.compile(
    r"\s{0,9}(?:(?:\$|\\\(|\\\[)?[\s\d.,+*/×÷·()^%-]{1,200}=[^?]{0,200}"  # "? 3 + 5 = 8"
    r"|(?:=|≈|→|->)\s{0,3}[^?]{1,200}"  # "? = 8"
    r"|[(\[*_]{0,3}\$?-?\d[\d,./]{0,20}\$?(?: \w{1,20})?[)\]*_.]{0,3})\Z",  # "? 8 apples."
)
"""All that stands behind the end of the question, if it is a result."""
_SHORT_ANSWER = re.compile(
    r"\s{0,9}[*_]{0,3}(?!(?i:note|recall|remember|assume|assuming|suppose|here|one such|for example|such|all|each|no|"
    r"please|thank|good|hint|source|your)\b)[A-Z][\w'’-]{0,30}(?: [\w'’-]{1,30}){0,5}[.*_!]{0,4}\Z"
)
"""A few words behind the end of the question. In other languages than English they may be a request."""
_QUESTION_WORD = re.compile(r"\b(?:what|which|who|how|when|where|why)\b", re.IGNORECASE)
_OPTIONS = re.compile(r"(?<!\w)\(?B\)?[).:]|\(B\)")
_ABOUT_REASONING = re.compile(
    r"\b(?:arguments?\b(?! of\b)|fallac\w{1,8}|syllogism|inference|premises?\b|logically|conclusion follows?\b)",
    re.IGNORECASE,
)
"""Words of a question about an argument, which quotes the argument with its conclusion."""
_REQUEST_AT_END = re.compile(r"[.!?]\${0,2}\s{1,9}(?:find|calculate|compute|determine)\b[^=.]{1,300}\.?\s{0,9}\Z", re.I)
"""A last sentence that asks for something."""
_CONDITION = re.compile(
    r"\bwith(?:out)? replacement\b|\bat random\b|\bindependent(?:ly)?\b|\breal numbers\b", re.IGNORECASE
)
"""Words of a condition of a problem, in a sentence that reads like an answer."""
_ASKS_IN_CJK = re.compile("[谁誰求请請何]|什么|多少|几[个何时种]|なぜ|いくつ|구하|무엇|몇")
_FACT = re.compile(
    r"\b(?:not|without|equally|also|each|assume)\b"
    r"|\A\s{0,9}(?:his|her|their)\b(?=[^\d]{0,200}\Z)[^\d]{0,80}\b(?:is|are|was|were|has|have)\b",
    re.IGNORECASE,
)
"""A word of a condition behind the end of a question ("The order does not matter.")."""
_TASK = re.compile(
    r"\b(?:find|compute|calculate|determine|evaluate|what (?:is|are|was)) the (?:[\w'’-]{1,20} ){0,3}?"
    r"(?P<noun>sum|value|area|perimeter|volume|number|product|difference|total|average|mean|median|probability|"
    r"distance|length|cost|price|speed|ratio|remainder|angle|height|width|radius|diameter|slope|solution|solutions|"
    r"roots)\b",
    re.IGNORECASE,
)
_FORMULA = re.compile(r"\$([^$]{3,200})\$")
MAX_FORMULAS = 32
MAX_SENTENCE = 1_000
"""Characters of the last sentence that are compared with the task."""


def has_solution(question: str) -> bool:
    """Return whether a text holds its own solution or answer: a box, a mark such as "Solution:", or working."""
    if _BOX.search(question) or _has_marked_solution(question):
        return True
    last_sentence = _last_sentence_start(question)
    if _ANSWER_IS.search(question, last_sentence):
        return True
    conclusion = _CONCLUSION.search(question, last_sentence)
    if conclusion and conclusion.start() > 0 and not _asks(question[conclusion.end() :]):
        return _ABOUT_REASONING.search(question, 0, conclusion.start()) is None
    if _SOLVING.match(question) or _SOLVES.search(question, 1):
        return True
    ends = QUESTION_END.search(question)
    if ends is None:
        return opens_a_solution(question) or _carries_out_its_task(question, last_sentence)
    return QUESTION_END.search(question, ends.end()) is None and _is_answered(question, ends.end())


def opens_a_solution(text: str) -> bool:
    """Return whether a text begins as a solution begins ("To find x, we first ...")."""
    if _SOLVING.match(text):
        return True
    return _OPENING.match(text) is not None and _REQUEST_AT_END.search(text[-MAX_SENTENCE:]) is None


def _asks(text: str) -> bool:
    return asks(text) or _ASKS_IN_CJK.search(text) is not None


def _has_marked_solution(question: str) -> bool:
    marks = [*solutions_in(question), answer_letter(question)]
    return any(mark is not None and mark.end() < len(question) for mark in marks)


def _is_answered(question: str, end: int) -> bool:
    """Return whether working or a result stands behind the end of the only question mark."""
    rest = question[end:]
    if not rest.strip():
        return False
    if _RESULT.match(rest):
        return True
    if _OPTIONS.search(rest):  # what they say is no working
        return False
    if _SHORT_ANSWER.match(rest) and not (asks(rest) or _FACT.search(rest)) and _QUESTION_WORD.search(question, 0, end):
        return True
    if _ABOUT_REASONING.search(question, 0, end) or _CONDITION.search(rest):
        return False
    return any(words.search(question, end) for words in (_WORKING, _CONCLUSION))


def _carries_out_its_task(question: str, last_sentence: int) -> bool:
    """Return whether the last sentence says what a request before it asks for.

    "Find the sum of 3 and 4. The sum is 7." and "Simplify $2^3$. $2^3 = 8$".
    """
    if last_sentence == 0 or asks(question[last_sentence + 1 :]):
        return False
    task, sentence = question[:last_sentence], question[last_sentence : last_sentence + MAX_SENTENCE]
    nouns = {match["noun"].lower() for match in _TASK.finditer(task)}
    result = r"\b[^?]{0,200}(?:=|\bis\b|\bequals\b)[^?]{0,40}\d"
    if any(re.search(rf"\bthe (?:[\w'’-]{{1,20}} ){{0,3}}{noun}{result}", sentence, re.IGNORECASE) for noun in nouns):
        return True
    formulas = {match[1].strip() for match in list(_FORMULA.finditer(task))[:MAX_FORMULAS]}
    return any(
        re.search(r"[\d\\]", formula) and re.search(rf"{re.escape(formula)} ?\$? ?=", sentence) for formula in formulas
    )


_SENTENCE_STOP = re.compile(r"[.?!。？！]\${0,2}(?=\s|\Z|[^\x00-\x7f])")


def _last_sentence_start(text: str) -> int:
    """Return the index of the stop in front of the last sentence; 0 if there is one sentence."""
    start, text = 0, text.rstrip()
    for match in _SENTENCE_STOP.finditer(text, 0, max(len(text) - 1, 0)):
        start = match.start()
    return start
