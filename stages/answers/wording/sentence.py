"""The answer in the sentence after "the answer is", without what explains it."""

import re

_BOLD = re.compile(r"\*\*\s?([^*\n]{1,300}?)[\s.:]?\*\*")
_AFTER_BOLD = re.compile(r"\s?(?:$|[.,;:!?(\[–—]|(?:is|was|are|were|because|since|which|who|as)\b)")
_STOP = re.compile(r"([.!?。！？؟।]+)[\"'”’)\]*_]{0,3}(\s+|$)?")
_WORD_BEFORE = re.compile(r"(?<![^\W_])[^\W\d_]{1,6}(?:\.[^\W\d_]{1,3}){0,4}\Z")
_WORD_AFTER = re.compile(r"[\"'“‘(*_]{0,3}([^\W_]+)")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ABBREVIATIONS = _words(
    "st dr mr mrs ms prof jr sr mt ft vs co inc ltd corp etc cf fig art sec al gen col sgt capt lt maj rev hon pres "
    "gov sen rep op vol ed nr ca approx ave blvd dept univ est no nos pp spp sp var subsp bros messrs mme mlle sra "
    "srta dra ing ph ll "
    "abs abschn bd ziff nr rn anm hs jan feb mar apr aug sept oct nov dec fed civ crim stat supp app evid cal cir ct ch"
)
_TITLES = _words("dr mr mrs ms prof capt sgt lt messrs mme mlle sra srta dra")
"""Abbreviations that never end a sentence, because a name follows them."""
_DAY = re.compile(
    r"\D?\d{1,2}\.\s(?:Januar|Jänner|Februar|März|April|Mai|Juni|Juli|August|September|Oktober|November|Dezember|"
    r"Jahrhunderts?|Jh|Weltkriegs?|Auflage|Klasse|Stock|Semester|Senat)(?![^\W_])"
)
"""German ordinals: 4. Juli, 19. Jahrhundert."""
_SENTENCE_STARTS = _words(
    "the this that these those it its i i'm we he she they you my his her their hope let because therefore so thus "
    "hence as since however but and in if for to note please thank thanks feel is answer explanation here there while "
    "also although of with by an when what which who not no yes our"
)


YES_AND_NO = ("yes", "no", "ja", "nein", "oui", "non", "sí", "sim", "não", "да", "нет")
_EXPLANATIONS: tuple[tuple[str, str], ...] = (
    (r"(?:,|;|\s[-–—]|—)?\s(?:because|since (?:it|he|she|they|this|that|we|there))\b|"
     r",\s(?:given that|(?:as|since) (?:it|he|she|they|this|that|we|there|the)\s\w{1,20})\b",
     "Rome, because it is the capital"),
    (r"[,;]\s(?:which|who|whose|where|therefore|hence|thus|so (?:it|the|this|we))\b", "Rome, which is the capital"),
    (r"[,;]?\s(?:but|though|although) (?:i['’]?m|i am) not (?:\w{1,12} )?(?:sure|certain|confident)\b",
     "Rome, but I'm not sure"),
    (r"(?:—|\s[-–—]\s)(?:the|an?|it|this|that|which|as|not)\s",
     "Rome — the capital of Italy"),
    (r";\s(?:it|this|that|he|she|they|there)\s(?:is|are|was|were|has|have|had|does|do|can|will)\b",
     "Rome; it is the capital"),
    (rf"(?:{'|'.join(rf'(?<=^{word})' for word in YES_AND_NO)})[,;]\s?(?!(?:but|unless|if|only|except|though|although|"
     r"and|or|aber|außer|sofern|wenn|falls|nur|soweit|mais|sauf|si|pero|salvo|sólo|ma|se|mas|но|если)\b)[^\W\d_]",
     "No, it does not"),
    (r",?\s(?:porque|pues|ya que|puesto que|parce qu['’e]|puisqu['’e]|perché|poiché|pois|omdat|потому что|так как|"
     r"поскольку)(?![^\W_])|,\s(?:car|weil|da|denn|che|ведь|want)\s", "Madrid, porque es la capital"),
    (r"\s[|(\[]\s?confidence\b", "Rome (confidence: 90%)"),
    (r"[，,；](?:它|这|其|该|他|她)", "北京，它是首都"),
    (r"[，,、；]?\s?(?:因为|因為|由于|由於|所以|なぜなら|왜냐하면)", "北京，因为它是首都"),
)  # fmt: skip
"""(pattern, example): how an explanation behind an answer begins, in lower case."""
_EXPLANATION = re.compile("|".join(pattern for pattern, _ in _EXPLANATIONS), re.IGNORECASE)


def announced_words(line: str, response: str = "") -> str:
    """Return the answer in the text after "answer is": the words in bold that it starts with, else its first sentence.

    "Rome. I hope this answer is helpful." is Rome; "St. Paul" and "E. coli" stay whole. `response`: the text around,
    which has the bold marks.
    """
    head, marks, _ = line.partition("**")
    if marks and head.strip() and line.count("**") % 2:  # **Answer: Rome** is the capital
        line = head
    plain = line.replace("**", "").strip()
    for bold in _BOLD.finditer(response):
        if plain.startswith(bold[1]) and _AFTER_BOLD.match(plain, len(bold[1])):
            return bold[1]
    for stop in _STOP.finditer(line):
        if _ends_sentence(line, stop):
            return line[: stop.end()].strip()
    return line.strip()


def without_explanation(answer: str) -> str:
    """Return an answer without the explanation behind it: "Rome, because it is the capital" is Rome."""
    explanation = _EXPLANATION.search(answer)
    return answer[: explanation.start()] if explanation and explanation.start() else answer


def _ends_sentence(line: str, stop: re.Match[str]) -> bool:
    """Return whether a sentence ends in a full stop or the like: not in "St. Paul", "3.5", "U.S. dollar"."""
    if stop[1][-1] in "。！？":
        return True
    if stop[2] is None or stop.end() == len(line):
        return stop.end() == len(line)
    after = _WORD_AFTER.match(line, stop.end())
    if after is None or after[1][0].islower():
        return False
    before = _WORD_BEFORE.search(line, max(0, stop.start() - 24), stop.start())
    word = before[0].casefold() if before else ""
    if stop[1] == "." and _DAY.match(line, max(0, stop.start() - 2)):
        return False
    if stop[1] == "." and (len(word) == 1 or "." in word or word in _ABBREVIATIONS):
        if word in _TITLES:  # Dr. Who
            return False
        is_number = word in ("no", "nos") and not after[1][0].isdigit()
        return is_number or after[1].casefold() in _SENTENCE_STARTS
    return True
