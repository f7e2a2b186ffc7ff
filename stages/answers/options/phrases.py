"""The phrases by which a sentence chooses an option, in several languages."""

import re

from stages.answers.response.anchors import refers_to_another

_BE = r"(?:'s|\s(?:is|are|was|remains|(?:must|should|would|will|can only|has to|seems to|appears to) be))"
_ADVERBS = (
    r"clearly|definitely|probably|likely|most (?:likely|certainly|probably|definitely)|therefore|thus|then|simply|"
    r"indeed|actually|obviously|certainly|undoubtedly|unquestionably|surely|for (?:sure|certain)|of course|"
    r"(?:without (?:a |any )?|no )doubt|still|hence|now|also|just|really|best|only"
)
_SURELY = rf"(?:,?\s(?:{_ADVERBS}),?)"

FILLERS = re.compile(
    r"[择擇项項]?\s?(?:(?:[Tt]he|[Ll]a|[Bb]oth|[Ee]l|[Ll]e|[Dd]ie|[Dd]er|[Dd]as|a|o|il|"
    r"[Ee]ither|all of|that|it|it's|is|é|è|es|correct|right|correcta|correcte|one):?\s|"
    rf"(?i:{_ADVERBS}|hm+|ok(?:ay)?|well|so)[:,]?\s|:\s?){{0,4}}"
)
"""Words between "answer is" and a letter: "the answer is clearly the correct option B"."""

_NOUNS = (
    "diagnosis|cause|treatment|management|mechanism|finding|next step|"
    "answer|option|choice|alternative|selection|letter|response|solution|one|conclusion"
)
# What stands before the letter, and an example whose answer is B.
_CHOOSING: tuple[tuple[str, str], ...] = (
    (
        rf"\b(?:i|we)(?:'d|'ll|'m|\s(?:would|will|must|should|can|am))?{_SURELY}?\s(?:choose|chose|pick|picked|select|"
        r"selected|recommend|prefer|settle on|go for|go with|went with|"
        r"going with|opt for|vote for|guess|say|answer|mark|take|conclude)(?:\sthat)?\s",
        "I choose B.",
    ),
    (
        rf"\b(?:{_NOUNS})s?(?:\shere|\sto(?:\s\w{{1,20}}){{1,3}})?{_BE}"
        rf"{_SURELY}{{0,2}}:?\s",
        "The correct option is B.",
    ),
    (rf"\b(?:correct|true|right|valid)\sstatement{_BE}{_SURELY}{{0,2}}:?\s", "The only correct statement is B."),
    (r"\bclosest(?:\s(?:value|match|one))?(?:\sis|\sto(?=\s(?:option|choice)))\s", "The closest is B. 700 nm."),
    (r"\b(?:(?:which|this|that|it)\sis|match(?:es|ing)|correspond(?:s|ing)\sto|equals)\s"
     r"(?=(?:the\s)?(?:option|choice)\b|\()",
     "The wavelength is 700 nm, corresponding to choice (B)."),
    (r"\b(?:therefore|thus|so|hence)\b"
     r"(?:(?!eliminat|rul|exclud|discard|reject|not\b|n't|incorrect|wrong)[^.!?\n]){0,200},\s"
     r"(?=(?:option|choice)\s\(?[A-Z]\)?[.!]?\Z)", "Therefore the product is neon, option (B)."),
    (r"[.;!]\s(?:the\s)?(?:final\s|correct\s)?(?:answer|antwort|réponse|respuesta|resposta|risposta|ответ)\s"
     r"(?=\(?[A-Za-z]\)?\W{0,3}\Z)", "It is safest. Answer B"),
    (r"\b(?:let's|let us)\s(?:choose|pick|select|go with)\s", "Let's go with B."),
    (r"\bi(?:'m|\sam|\swould|'d)?\s(?:lean|leaning|inclined)\s(?:towards?|to)\s",
     "It may be A or B, but I lean towards B."),
    (rf"\b(?:it|this|that){_BE}{_SURELY}{{0,2}}\s", "I think it is B"),
    (r"\b(?:(?:choice|option)s?|selection|selected|pick|response|solution|conclusion|result|lösung|ergebnis|solución|"
     r"soluzione|correcta|richtig|gabarito)\s?[:=]\s?", "Selected option: B"),
    (r"(?:\b(?:not|nicht|no es|n'est pas|не)|不是)\s?\(?[A-Za-z]\)?[,，]?\s?"
     r"(?:but(?:\srather)?|sondern|sino|mais|а|而?是)\s?", "It is not A but B."),
    (r"\"(?:choice|option|answer_choice|selected_option|selection|letter)\"\s?:\s?", '{"choice": "B"}'),
    (r"\b(?:leaves|leaving|left with)(?:\sus)?(?:\s(?:with|only))?\s", "That leaves B."),
    (r"\A\W{0,3}(?:so|therefore|thus|hence|finally)?,?\s?(?:choose|pick|select|mark|circle|tick)\s", "Choose B."),
    (r"\b(?:elijo|escojo|selecciono|(?:respuesta|opción|alternativa)s?(?:\scorrectas?)?\s(?:es|son|sería)|"
     r"correctas?\s(?:es|son))\s",
     "La opción correcta es la B."),
    (r"\b(?:je choisis|c'est(?:\sbien)?(?:\sla\s(?:réponse|proposition))?|"
     r"il s'agit(?:\sdonc)?\sde|(?:réponse|option|proposition|lettre)s?(?:\s(?:correcte|exacte|juste)s?)?\s"
     r"(?:est|sont))\s",
     "La bonne réponse est la B."),
    (r"\b(?:ich wähle|ich entscheide mich für|(?:antwort|option|möglichkeit|lösung)\s(?:ist|lautet)|"
     r"(?:richtig|korrekt|zutreffend)\s(?:ist|sind)|es ist)\s",
     "Die richtige Option ist B."),
    (r"\b(?:(?:acho que|creo que|penso che|credo che)\s(?:é|es|sia)|escolho|"
     r"(?:resposta|opção|alternativa|letra)(?:\s(?:correta|certa))?\sé|(?:correta|certa)\sé)\s",
     "A alternativa correta é a B."),
    (r"\b(?:scelgo|(?:risposta|opzione|alternativa)(?:\s(?:corretta|giusta|esatta))?\sè)\s",
     "L'opzione corretta è la B."),
    (r"\b(?:выбираю|(?:ответ|вариант)(?:\sответа)?\s?(?:[-—:]\s)?)\s?", "Правильный вариант — B."),
    (r"(?:(?:\A|[，。,；;]|[应應][该該当當]?|[故以此我])[选選](?:择|擇|项)?|"
     r"選び|选择|選擇|故選|應選|答案[是为為选選]|正确(?:选项|答案)[是为])\s?:?\s?", "故选B。"),
    (r"(?<![不错錯])正确的?(?:叙述|说法|选项|答案|结论|一项)?是\s?", "正确的叙述是B。"),
    (r"(?:答え|正解|回答|解答)(?:は|\s?:)\s?", "正解はBです。"),
    (r"(?:정답|답)은\s?", "정답은 B입니다."),
    (r"(?:उत्तर|विकल्प)\s", "सही उत्तर B है"),
    (r"(?:الإجابة|الجواب|الخيار)(?:\sالصحيحة?)?(?:\sه[يو])?\s", "الإجابة الصحيحة هي B"),
)  # fmt: skip
CHOOSING = tuple(re.compile(pattern, re.IGNORECASE) for pattern, _ in _CHOOSING)

# What stands after the letter, and an example whose answer is B.
_CORRECT: tuple[tuple[str, str], ...] = (
    (
        rf"{_BE}(?:{_SURELY}|\s(?:the|our|my)){{0,3}}\s(?:correct|right|best|answer|appropriate|accurate|credited|"
        r"better\s(?:choice|option|answer|fit)|"
        r"prefer(?:red|able)(?=[.!,;]|\s(?:here|choice|option|answer|treatment|because|since|as)\b|\s?\Z)|"
        r"most\s(?:likely|appropriate|accurate|suitable|correct))\b(?!-|\sif\b|,?\sbut\b)",
        "Therefore, (B) is correct.",
    ),
    (r"\s(?:works|fits|matches|applies)(?:\s(?:here|best|well))?(?=[.!,;]|\s?\Z)|\sit\sis(?=[.!]|\Z)", "Only B works."),
    (r"\sremains(?=[.!,;]|\s?\Z|\sas\sthe\b)|"
     r"\sis\sleft(?=[.!]|\Z)|\sis\sthe\sonly\s(?:one|option|choice|answer)\s(?:left|remaining|possible)",
     "So B remains."),
    (r"\s(?:es|son|sería)(?:\sla)?\s(?:correcta|respuesta|opción)", "Por tanto, B es la respuesta correcta."),
    (r"\s(?:est|sont)(?:\sla)?\s(?:correcte?|bonne|exacte?|juste|vraie?|réponse)", "Donc B est la bonne réponse."),
    (r"(?:\s(?:ist|sind))?\s(?:die\s)?(?:richtig|korrekt|zutreffend)|\strifft\szu|\sstimmt\b",
     "Also ist klar: B ist richtig."),
    (r"\s(?:é|são|está|estão)(?:\sa)?\s(?:corret|cert|resposta)", "Portanto, B é a resposta certa."),
    (r"\s(?:è|sono)(?:\sla)?\s(?:corrett|giust|esatt|risposta)", "Quindi B è corretta."),
    (r"\s?(?:[-—]\s)?(?:является\s)?(?:верн|правильн)", "Значит, B — правильный ответ."),
    (r"\s?(?:选项|項|项)?\s?(?:是)?(?:正确|正確|[对對](?![于於应應称稱方]))", "因此，B是正确的。"),
    (r"\s?(?:が|は)(?:正しい|正解)", "したがって、Bが正しい。"),
    (r"\s?(?:번)?[이가은는]?\s?(?:정답|맞|옳)", "따라서 B가 정답입니다."),
)  # fmt: skip
_CORRECT_AFTER = tuple(re.compile(pattern, re.IGNORECASE) for pattern, _ in _CORRECT)

SENTENCE_LEADS = re.compile(
    r"(?:\A|[.!?:;。，,、]\s?(?:(?:but|while|whereas|yet)\s)?|"
    r"\b(?:so|therefore|thus|hence|then|that|only|think|believe|both|conclude|donc|also|daher|"
    r"quindi|portanto|por tanto|somit|damit|folglich|nur|seule?|sólo|solo|apenas|только|"
    r"значит|следовательно)\b,?\s(?:ist\s)?|[；;]\s?故?|故|因此|所以|[只仅]有?|よって|따라서\s|고\s)",
    re.IGNORECASE,
)
"""What may stand before "B is correct": a start, not a noun as in "vitamin B is best"."""
CONCLUDING = re.compile(
    r"(?:\A|[.!?:;]\s|,\s(?=so|thus|hence|therefore))(?:so|therefore|thus|hence|consequently|(?:in )?conclusion|"
    r"finally|by (?:process of )?elimination|donc|daher|also|somit|damit|folglich|quindi|"
    r"dunque|portanto|por (?:lo )?tanto|así que|следовательно|значит|итак)[,:]?\s",
    re.IGNORECASE,
)
"""What may stand before a letter that ends its sentence: "Therefore, B."."""
EXPLAINING = re.compile(
    r"[\s*#_>(-]{0,12}(?:explanation|reason(?:ing|s)?|rationale|justification|because|this is because|the reason|"
    r"解析|解释|理由|explicación|explication|erklärung|begründung|explicação|spiegazione)(?![^\W_])",
    re.IGNORECASE,
)
"""What may follow a first line that is an answer."""
SENTENCE_END = re.compile(r"[)\]\"']?\s?(?:[.!。]|\Z)")

_NEGATED_BEFORE = re.compile(
    r"(?:\b(?:not|than|except|unlike|eliminate|exclude|excluding|discard|ruled? out|neither|nor|without|instead of)"
    r"|n't)\s(?:the\s)?\Z",
    re.IGNORECASE,
)
_NEGATED_AFTER = re.compile(
    r"[)\]\"']?\s?(?:\s?(?:is|are|was|can|could|would|must|does|do|ist|sind|est|sont|es|é|está|è))?\s?"
    r"(?:n't\b|not\b|cannot\b|can't\b|wrong\b|incorrect\w{0,2}\b|falsch\b|nicht\b|fauss?e?\b|inexacte?\b|fals[oa]\b|"
    r"errad|errat|sbagliat|неверн|неправильн|false\b|ruled\b|eliminated\b|excluded\b|unlikely\b|"
    r"(?:では|じゃ)(?:ない|あり|なく)|[가이은는]?\s?(?:아[니닙]|틀)|नहीं|不(?:是|对|對|正)|错|錯|誤)|"
    r"[)\]]?\s?[:：–—-]?\s?(?:[❌✗✘✖]|(?<=[:：–—-]\s)(?:wrong|incorrect|false)\b)",
    re.IGNORECASE,
)
_CLOSING_MARKS = tuple(")]\"'、")
_NOUN = re.compile(
    rf"{_NOUNS}|antwort|möglichkeit|réponse|proposition|respuesta|opción|resposta|opção|risposta|opzione|alternativa|ответ|"
    r"вариант|答案|正解|[应應故]选",
    re.IGNORECASE,
)
_DOUBTED = re.compile(
    r"(?:n't|\b(?:not|never|cannot|doubt|unlikely|if|suppose|assume|assuming|whether|unless))"
    r"(?:\s(?:think|believe|say|conclude|that|necessarily|sure|certain|clear|obvious|true|if|whether|the|correct)){0,3}\s?\Z",
    re.IGNORECASE,
)

_LEAST = re.compile(r"\b(?:least\s\w{1,20}|worst)\s\Z", re.IGNORECASE)


def is_doubted(text: str, start: int) -> bool:
    """Return whether the words before a statement at `start` doubt it, suppose it or make it one about another answer.

    "I don't think (it is B)", "suppose (it is B)", "the wrong (option is B)".
    """
    is_about_another = _NOUN.match(text, start) is not None and (
        refers_to_another(text, start) or _LEAST.search(text[max(0, start - 40) : start]) is not None
    )
    return is_about_another or _DOUBTED.search(text[max(0, start - 60) : start]) is not None


def is_correct_after(text: str, end: int) -> bool:
    """Return whether "is correct" or its like follows."""
    end += text[end : end + 1] in _CLOSING_MARKS
    return any(pattern.match(text, end) for pattern in _CORRECT_AFTER)


def is_negated(text: str, start: int, end: int) -> bool:
    """Return whether the text denies the option that it names from `start` to `end`: "not B", "B is wrong"."""
    return bool(_NEGATED_BEFORE.search(text[max(0, start - 24) : start]) or _NEGATED_AFTER.match(text, end))
