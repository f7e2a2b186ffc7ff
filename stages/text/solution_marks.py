"""The marks behind which a model solves or comments on its own question: "Solution:", "**Answer:** 5", "Hint: ...".

Every repetition is bounded, so that a search takes linear time.
"""

import re
from collections.abc import Iterator

_SOLUTION_WORDS = (
    r"solution|solutions|answer|answers|ans|explanation|reasoning|working|workings|proof|rationale|justification|"
    r"worked solution|answer key|"
    r"lösung|lösungen|antwort|erklärung|réponse|explication|corrigé|solución|respuesta|explicación|solução|resposta|"
    r"explicação|soluzione|risposta|spiegazione|oplossing|antwoord|rozwiązanie|odpowiedź|çözüm|cevap|lời giải|đáp án|"
    r"решение|ответ|الحل|الإجابة|الجواب|उत्तर|हल|समाधान|"
    r"参考答案|参考解答|正确答案|解答|解析|答案|解法|答え|解説|正解|解|答|정답|풀이|해설|답"
)
_REMARK_WORDS = (
    r"hint|hints|remark|remarks|comment|comments|difficulty|difficulty level|topic|topics|level|category|"
    r"tags|source|concepts?|skills?|grade level|learning objective|concepts? tested|"
    # No words for "note": a note may hold a condition of the problem (see REMARK).
    r"hinweis|tipp|indice|pista|dica|suggerimento|подсказка|提示|难度|"
    r"ヒント|힌트"
)
_BEFORE = (
    r"(?:(?:the|final|correct|right|sample|detailed|complete|full|possible|short|expected|model|suggested|quick|brief|"
    r"step[- ]by[- ]step|my|your) ){0,3}"
)
# A mark stands at the start of a line or behind the end of a sentence or formula. Decoration may surround it.
_BOUNDARY = r"(?:\A|(?<=\n)|(?<=[.?!)\]}$*\"”。？！])(?=[\s(\[{*_#]|[^\x00-\x7f]))[ \t]{0,8}+"
_DECORATION = r"[>#*_\[({<【（ \t-]{0,10}+"
_COLON = r"[\])}*_>】）\u200b ]{0,6}[:：﹕]"
# "[Solution]", "**Solution**" and "### Solution" need no colon, and fill the rest of their line.
_ALONE = r"(?:[\]>】]{1,2}|[*_]{1,3})[ \t]{0,8}"

SOLUTION = re.compile(
    rf"{_BOUNDARY}(?:{_DECORATION}{_BEFORE}(?:{_SOLUTION_WORDS})(?: ?#?\d{{1,3}})?(?:{_COLON}|\.(?= ?-?\d))"
    rf"|[*_]{{0,3}}[\[<【*_]{_BEFORE}(?:{_SOLUTION_WORDS}){_ALONE}"
    rf"|#{{1,6}} ?[*_]{{0,3}}{_BEFORE}(?:{_SOLUTION_WORDS})(?!\w)(?=[^\n?]{{0,60}}(?:\n|\Z)))",
    re.IGNORECASE,
)
"""A mark behind which a solution or an answer stands."""

REMARK = re.compile(
    rf"{_BOUNDARY}(?:{_DECORATION}(?:{_REMARK_WORDS}){_COLON}"
    # A note that speaks of the problem; others belong to it ("Note: a lattice point has integer coordinates").
    r"|[*_(\[]{0,4}(?:note|nb|p\.?s\.?)[*_]{0,3}: ?[*_]{0,3} ?(?:this|these|the (?:problem|question|answer|solution|"
    r"above|original)|i(?:'|’)?|as an?|there (?:is|are) (?:many|other|only one)|in this (?:problem|question)|your|"
    r"you should)\b"
    r"|(?:good luck|have fun|happy (?:solving|learning)|let me know|i hope|hope this|feel free|would you like|"
    r"do you want (?:me|another)|please (?:let me know|note that this))\b"
    r"|[(*_]{0,3}(?:this|the) (?:new |above |word |math |mathematics |multi-step )?(?:problem|question|exercise) "
    r"(?:is|was|requires|involves|tests|asks|challenges|combines|uses|focuses|can be|helps|has been|encourages|"
    r"assesses|explores|should|will)\b)"
    r"|(?<=\n)[ \t]{0,8}[*_#<|]{0,4}(?:user|assistant|system|human|student|teacher|ai|model)[*_>|]{0,4}[ \t]{0,4}"
    r"(?::|(?=\n|\Z))"
    r"|(?<=\n)[ \t]{0,8}(?:-{3,}|\*{3,}|_{3,}|={3,})[ \t]{0,8}(?=\n|\Z)"
    r"|(?<=\s)---(?=\s|\Z)",
    re.IGNORECASE,
)
"""A mark behind which something else than the question stands."""

LETS = r"let(?:'|’)?s (?:solve|break|think|start|begin|denote|first|analy[sz]e|see|find|calculate|call)\b"
"""Starts of a sentence of a solution."""
WORKING = re.compile(
    r"(?<=\n)[ \t]{0,8}[*_#]{0,4} ?(?:to (?:solve|find|determine|calculate|answer|begin)\b[^\n?]{0,200}[,:]|"
    rf"{LETS}|let me (?:solve|think)\b|"
    r"step (?:1|one)\b|first,? (?:we|let|i)\b|we (?:can|need to|start|begin|first|know that)\b|"
    r"therefore\b|thus\b|hence\b|so,? the answer\b|the (?:correct |right |final |best )?answer is\b)"
    r"|(?<=\n)(?=[^\n]{0,400}\\boxed\b)",
    re.IGNORECASE,
)
"""The start of a line of working; a mark only behind a question that is complete."""

_QUOTES = re.compile(
    r"\b(?:following|this|below|student(?:'|’)?s|given) (?:[\w'’-]{1,20} ){0,2}"
    r"(?:proof|solution|answer|reasoning|explanation|argument|working|dialogue|conversation)s?\b[^.:?]{0,60}[.:?]?\s{0,9}\Z",
    re.IGNORECASE,
)
"""The end of a text that asks about the solution behind it ("Find the error in the following proof.")."""
MAX_ANNOUNCEMENT = 200
"""Characters in front of a mark that may announce it."""


def solutions_in(text: str) -> Iterator[re.Match[str]]:
    """Yield each match of `SOLUTION` in a text, except for a solution that the question is about."""
    for match in SOLUTION.finditer(text):
        if not _QUOTES.search(text[max(0, match.start() - MAX_ANNOUNCEMENT) : match.start()]):
            yield match


_ANSWER_LETTER = re.compile(r"(?:(?<=\n)|(?<=[.?!。？！])[ \t]{1,8})[*_]{0,3}A[*_]{0,3}:(?=\s)")
_OTHER_LETTER = re.compile(r"(?<!\w)[*_(]{0,3}B[*_]{0,3}[.):]")


def answer_letter(text: str) -> re.Match[str] | None:
    """Return the mark "A:" of a question and answer pair; None if it opens the first of several options."""
    match = _ANSWER_LETTER.search(text)
    return None if match and _OTHER_LETTER.search(text, match.end()) else match
