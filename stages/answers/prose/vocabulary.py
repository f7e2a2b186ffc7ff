"""Words around a number in a sentence, by what they say about it, in the languages in which models mostly answer.

Every table is data, and an unknown word says nothing. Words of all languages are in one table, unless a word means two
things in two languages ("war", "a", "son"), which keeps it out.
"""

import re

from stages.answers.canonical.number_words import ENGLISH, SIGN_WORDS


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _set(words: str) -> frozenset[str]:
    return frozenset(_words(words))


RESULT_WORDS = _set(
    "is are was were be equals equal has have had gets get got makes make made gives give gave leaves leave left costs "
    "cost earns earn earned pays pay paid needs need needed takes take took totals becomes become "
    "saves save weighs contains requires yields obtain obtains find finds "
    "ist sind beträgt betragen kostet ergibt est sont vaut fait donne es son hay tiene cuesta vale "
    "é são tem há custa è sono fa ha costa равно равна равен составляет получаем есть है हैं هو هي يساوي"
)
"""A number right after such a word is a result: "there are 42 apples"."""
RESULT_ENDS = _words("是 为 為 有 得 得到 等于 等於 共 约 約 は が 가 이 는 은 になり")
"""A number right after a text that ends so is a result: "一共有42"."""
FILLERS = _set(
    "about approximately roughly around exactly only just also then therefore thus hence now still simply precisely "
    "almost nearly the an a so that most least total indeed actually clearly equal be we positive "
    "circa etwa rund genau also environ exactement donc aproximadamente exactamente cerca circa ровно примерно"
)
"""Words that may stand between a word of `RESULT_WORDS` and its number."""
APPROXIMATELY = _set("about approximately roughly around circa etwa rund environ aproximadamente примерно")
"""Words after "or" that lead to a rounded value of the number before: "2/3, or about 0.67"."""
PURPOSES = _set("have pay save earn reach")
"""Verbs that say after "to" what a number is for: "needs 5 more apples to have 12"."""
TO_WORDS = _set(
    "equal equals equivalent amounts amount comes sums adds up down simplifies reduces evaluates converges rounds "
    "leads corresponds"
)
"""A number after such a word and "to" is a result: "is equal to 5", "adds up to 5"."""
COPULAS = _set("is are was were equals ist sind est sont es son é são è sono есть है हैं")
"""A number right before such a word is a result: "42 is the answer"."""
AMOUNTS = _set(
    "total sum value average mean median maximum minimum amount result profit cost price probability area volume "
    "perimeter length width height distance speed number remainder product difference"
)
"""A number after "is a total of" and the like is a result."""
PREPOSITIONS = _set(
    "after before in on for from of per every within over during with without at to by when where if because since "
    "given until among between through than under above below across into out as while "
    "nach vor auf für von mit pro bei zu aus während wenn "
    "dans sur pour avec par chez pendant depuis quand si d'ici plutôt qu'un "
    "en para con sin por desde cuando com sem em na no nas nos di da con per tra su nel в на за из от до для при по"
)
"""A number after such a word says something about another number: "42 apples on 3 trees"."""
CONDITIONS = _set(
    "when where if since because for from by at using with given until unless wenn bei für en à em si pour para se per "
    "если при"
)
"""An equation after such a word is a condition: "x = 5 when y = 3"."""
CLAUSES = _set("when where if since because until unless wenn weil si quand cuando porque se если")
"""A computation after such a word gives a reason."""
NOUN_LINKS = _set("per each for from of in a an the to at")
"""Words inside what is counted: "122 minutes for whites + 123 minutes for darks"."""
YEAR_WORDS = _set("in since by until from during year of im seit en depuis desde em nel dal в с")
"""A number of four digits after such a word is a year."""
CONJUNCTIONS = _set(
    "and or & und oder et ou y e o и или 和 与 與 及 以及 或 或者 と または もしくは 과 와 그리고 및 또는 और या و"
)
"""Words that join two answers into a list."""
STATEMENT_JOINS = _set("and while whereas but und et y e и а 和 而 と 그리고")
"""Words between two statements: "the mean is 5 and the median is 3"."""
CHINESE_VERBS = frozenset("有是为")
CHINESE_CONNECTIVES = re.compile("所以|因此|还|剩|共|则|那么|得|即|就|故|总|答")
"""A clause with such a word follows from the clause before: "宽是5，所以面积是40"."""
ARTICLES = _set("the der die das le la les el los las o os il lo i")
OR_WORDS = _set("or oder ou o или 或 或者 または もしくは 또는 या")
RANGE_WORDS = _set("to through bis zu à a hasta até до к 到 至 から 에서")
"""Words between the ends of a range, or between the parts of a ratio."""
RATIOS = re.compile(
    r"(?i)\b(?:ratios?|odds|proportions?|verhältnis|rapport|razón|proporción|razão|proporção|rapporto|отношени[ея])\b"
)
"""Words that tell a ratio from a range: "the ratio is 3 to 4"."""
PROBABILITIES = re.compile(r"(?i)\b(?:probability|chances?|likelihood|odds)\b")
"""Words that tell the number 3/10 from a share: "the probability is 3 out of 10"."""
MAGNIFIED = _set(
    "faster slower more larger bigger smaller higher lower better longer shorter cheaper greater brighter stronger "
    "as that magnification zoom speedup increase return bonus"
)
"""Words after an x that means "times": "16x faster"."""
NEGATIONS = _set("not isn't aren't wasn't nor nicht kein pas não не 不是")
"""A number right after such a word is not the answer: "not 5 but 7"."""
REFERENCES = _set(
    "step steps question problem part case example equation eq figure fig table page chapter section line note option "
    "choice method lemma theorem exercise item formula no # schritt étape paso passo шаг 步骤 第"
)
"""A number right after such a word names a place in the text, and is never an answer: "by step 3"."""
WEAK_REFERENCES = _set("day week month year grade room version round level test hour tag jour día dia giorno")
"""A number right after such a word names a thing, and is an answer only if the text has no other: "on day 3"."""
OPERATOR_WORDS = {"plus": "+", "times": "\\times", **dict.fromkeys(("minus", "moins", "menos", "meno", "минус"), "−")}
"""Operators between two numbers. The minus sign here is never a hyphen, which may also mean "to"."""
BY_WORDS = {"divided": "/", "multiplied": "\\times"}
"""Operators that "by" follows."""
UNREAD_OPERATORS = _set("remainder squared cubed factorial choose modulo mod over")
"""Words after a number that make another number of it, "over" only before a number."""
OPERATION_WORDS = _set("twice thrice double triple quadruple half times doppelt")
"""Words before a number that make another number of it: "twice 5"."""
OPERATIONS_OF = _set(
    "root square cube reciprocal inverse logarithm log sine cosine tangent factorial half third quarter fifth tenth "
    "double triple multiple power opposite racine carré carrée inverse moitié tiers quart double wurzel hälfte drittel "
    "viertel doppelte raíz raiz cuadrada quadrada mitad metade doble dobro tercio terço radice quadrata metà doppio "
    "terzo quarto корень половина треть четверть"
)
"""Words that make another number of the number after "of": "the square root of 16", "half of 10"."""
OF_WORDS = _set("of von de di от из")
OPERATIONS_AFTER = re.compile(r"[的の](?:平方|立方|一半|半分|[两二三四五\d]*倍|倒数|逆数|阶乘|階乗|\d?次方)")
"""The same after a number in Chinese and Japanese: 16的平方根."""
FUNCTIONS = _set(
    "pi sqrt cbrt sin cos tan sec csc cot arcsin arccos arctan asin acos atan sinh cosh tanh ln log lg exp abs max min "
    "gcd lcm mod floor ceil det theta alpha beta gamma delta lambda sigma phi omega infinity inf"
)
"""Words that are functions, letters or signs in a formula."""
ORDINAL = r"(?:st|nd|rd|th|ª|º)(?!\w)"
NOT_UNITS = _set("in an as us au no mo won grad second real reals per pt")
"""Names of units that are mostly something else in prose: "5 grad students", "the 3 won"."""
COMMA_LANGUAGES = _set("de fr es pt it ru nl pl tr id vi uk cs sv da nb no fi ro hu el")
"""Languages with a decimal comma."""
LANGUAGE_WORDS = {
    "fr": _set("la le les est donc une des total résultat réponse soit il elle reste coûte"),
    "de": _set("der die das ist also und ein eine ergebnis antwort beträgt er sie wir hat kostet noch"),
    "es": _set("el la es los las por tanto entonces resultado respuesta total tiene quedan cuesta"),
    "pt": _set("o é portanto então resultado resposta total uma tem custa"),
    "it": _set("il la è quindi risultato risposta totale sono ha costa restano"),
}
"""Frequent words, two of which in a line tell its language."""
KNOWN_WORDS = (
    PREPOSITIONS | RESULT_WORDS | FILLERS | CONJUNCTIONS | SIGN_WORDS | frozenset(ENGLISH) | UNREAD_OPERATORS
    | RANGE_WORDS | REFERENCES
    | _set("the he she we it per pts pcs men not all his her its you day box old new our way one nor yes which who")
)  # fmt: skip
"""Words that never name counted things, and are never products of letters."""
