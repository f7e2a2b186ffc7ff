"""Tables of how languages announce an answer and how they remark on one, for `anchors.py` and `announced.py`.

Every pattern is matched against text in lower case. Each rule has an example beside it.
"""

import re

_NEXT = r"(?![^\W_])"
"""Not inside a word: no letter or digit follows."""


def _words(*alternatives: str) -> str:
    """Return a pattern of whole words, for languages that put spaces between words."""
    return rf"(?<![^\W_])(?:{'|'.join(alternatives)}){_NEXT}"


SYMBOLS = r"[:：∶]|={1,2}>?|＝|≈|\\approx|[-–—]{1,2}>|[→⇒⟹➜➡]"
"""Signs that join the announcing word to the answer."""

COPULAS: dict[str, str] = {
    # "The answer should therefore be 42"
    "en": _words(
        r"is|are|was|equals|becomes|remains|(?:will|would|should|must|shall)(?: [a-z]{2,12})? be|has to be|"
        r"(?:comes|works) (?:out )?(?:to|as)(?: be)?|turns out to be|(?:seems|appears) to be|ends up (?:being|as)"
    )
    + r"|['’]s(?= )",
    # 答案应该是42
    "zh": r"(?:显然|应该|应当|应|就|也|便|即|则|可能|只能){0,2}"
    r"(?:是|为|為|等于|等於|选择?|選擇?|即)(?!否)|如下",
    "ja": r"は",  # 答えは42です
    "ko": r"[은는]",  # 답은 42입니다
    "es": _words("es", "son", "sería", "será", "serían"),
    "fr": _words("est", "sont", "serait", "sera", "vaut"),
    "de": _words("ist", "sind", "lautet", "lauten", "wäre", "beträgt"),
    "pt": _words("é", "são", "será", "seria"),
    "it": _words("è", "sono", "sarà", "sarebbe", "e'", "é"),
    "ru": r"(?<=\s)[—–-](?=\s)|" + _words("равен", "равна", "равно", "будет", "есть", "это", "является"),
    "hi": _words("है", "हैं", "होगा", "होगी") + r"|(?=[^\n।]{1,60}?\s(?:है|हैं|होगा|होगी)(?:\s|।|$))",  # उत्तर 42 है
    "ar": _words("هي", "هو", "تساوي", "يساوي", "ستكون", "سيكون"),
    "nl": _words("is", "zijn", "luidt"),
    "pl": r"(?<=\s)[—–-](?=\s)|" + _words("to", "jest", "wynosi", "brzmi"),
    "sv": _words("är", "blir", "er"),
    "tr": r"(?=[^\n]{1,60}?['’]?[dt][ıiuü]r(?:[.\s]|$))",  # Cevap 42'dir
    "id": _words("adalah", "ialah", "yaitu"),
    "vi": _words("là", "bằng"),
    "uk": r"(?<=\s)[—–-](?=\s)|" + _words("дорівнює", "є", "це"),
    "fa": _words("برابر است با", "برابر با") + r"|(?=[^\n]{1,60}?\s(?:است|می‌باشد)(?:[.\s]|$))",
    "he": _words("היא", "הוא", "הינה", "הם"),
    "th": r"คือ|เท่ากับ|เป็น",
    "bn": _words("হল", "হলো", "হবে", "হচ্ছে"),
    "sw": _words("ni"),
}
"""What joins the announcing word to the answer, besides a colon or an equals sign."""

COPULAS[""] = "|".join(
    COPULAS[language] for language in ("en", "es", "fr", "de", "pt", "it", "zh", "ja", "ar", "id", "vi")
)
"""For words of a user's own, whose language is unknown."""

PREPOSITIONS: dict[str, str] = {
    "en": r"to|of|for|in(?! the form)|from|as|that (?:we|you|i)|we|you|i",  # "The answer to part (a) is 5"
    "es": r"a|al|de|del|para|en",
    "fr": r"à|au|de|du|des|pour|en",
    "de": r"auf|zu|für|von|der|des|in",
    "pt": r"à|a|ao|da|do|de|para",
    "it": r"alla|al|del|della|a|per|di",
    "ru": r"на|к|задачи|для|в",
    "nl": r"op|van|voor",
}
"""Words that start a phrase between the announcing word and what joins it to the answer."""

ADJECTIVES = (
    r"(?:choice|option|key|here|letter|value|number|obtained|"  # "The answer choice is B"
    r"correctas?|finales|final|finale|exacta|definitiva|correctes?|exactes?|corretta|corrette|esatta|esatte|"
    r"correta|corretas|"
    r"certa|exata|juste|الصحيحة|الصحيح|النهائية|النهائي|yang benar|yang tepat|akhirnya|akhir|đúng|cuối cùng|chính xác|"
    r"صحیح|نهایی|درست|הנכונה|הסופית|sahihi|选项|選項|选择|番号)(?![^\W_])|ที่ถูกต้อง|สุดท้าย"
)
"""Words that may follow the announcing word and belong to it."""

_ADVERB = r"(?=[,:\s]{1,3}[^\s.,;!?])[,:\s]{1,3}"
LEADS: tuple[tuple[str, str], ...] = (
    (r"(?:[-=]>|[:：=≈、,，→⇒])\s*", "(answer is) : 42"),
    (
        r"(?:,\s)?(?:thus|therefore|hence|then|indeed|simply|clearly|obviously|actually|probably|most likely|likely|"
        r"definitely|certainly|exactly|also|precisely|ultimately)" + _ADVERB,
        "(answer is) therefore 42",
    ),
    (
        r"(?:donc|ainsi|also|daher|somit|folglich|entonces|por (?:lo )?tanto|portanto|quindi|dunque|dus)" + _ADVERB,
        "donc 42",
    ),
    (r"(?:equal to|given by|found to be|going to be|égale? à|igual a|uguale a|gleich)\s{1,3}(?=\S)", "equal to 42"),
    (r"(?:quite |very |pretty )?(?:simple|easy|clear|obvious|straightforward)\s?[:：]\s*", "simple: 42"),
    (
        r"(?:as follows|the following|below|(?:given|shown|stated) below|la suivante|la siguiente|wie folgt|a seguinte|"
        r"la seguente|следующий|次の(?:とおり|通り)(?:です|である)?|다음과 같습니다)\s{0,3}(?:[:：。.]|$)\s*",
        "as follows: 42",
    ),
    (r"(?:that|que|dass|che|что)\s{1,3}(?=\S)", "that there are 42"),
    (
        r"i (?:think|believe|guess|would say|['’]d say)(?: that)?(?: (?:it(?:['’]s| is)|the answer is))?\s{1,3}(?=\S)",
        "I think it is C",
    ),
    (
        r"(?:(?:la|le|el|il|die|der|das|den|de|the)\s|l['’]\s?|[ao]\s(?=[^\W\d_]{4}))?"  # not the A of "AB" and "A, C"
        r"(?:(?:lettre|letra|lettera|letter|opción|opção|opzione|option|choice|alternativa|alternative|réponse|"
        r"respuesta|"
        r"resposta|risposta|antwort|ответ|буква|вариант|buchstabe)\s)?(?=[(\[]?[a-j](?:[)\].:,。]|\s*$))",
        "la lettre B",
    ),
)
"""(pattern, example): words between an announcement and its answer that are no part of the answer."""

_DONE = r"(?=\s{0,3}(?:[.,;:!)…。！，]|$|(?:and|because|since|as|but|so|given|according|with|if|when)\b))"
REMARKS: tuple[tuple[str, str], ...] = (
    (
        r"(?:not )?(?:quite |very |really |completely |absolutely |indeed |also |now |therefore )?"
        r"(?:correct|right|wrong|incorrect|accurate|inaccurate|helpful|useful|clear|reasonable|plausible|sensible|"
        r"verified|confirmed|complete|incomplete|valid|invalid|unique|final|consistent|satisfactory|ready|simple|easy|"
        r"obvious|straightforward|trivial|done|exact|approximate|unclear|sound|acceptable)" + _DONE,
        "the answer is correct",
    ),
    (
        r"(?:not )?(?:helpful|useful|clear|valid|complete|correct|right|wrong) (?:to|for|in) (?:you|your|the|"
        r"this|all)\b",
        "I hope this answer is helpful to you",
    ),
    (
        r"(?:exactly |just )?the same\b|identical (?:to|with)\b|different from\b|as expected\b",
        "the answer is the same as in step 3",
    ),
    (
        r"(?:in agreement|consistent|compatible|in line|in accordance) with\b",
        "the answer is consistent with the figure",
    ),
    (
        r"(?:also |then |now |usually )?(?:based on|obtained|derived|calculated|computed|determined|"
        r"found(?! to be)|supported|"
        r"explained|verified|given (?:in|above|as|the|that|to)|shown (?:in|above)|written|expressed|rounded|simplified|"
        r"expected to|required to|requested|supposed to|to be (?:given|expressed|written|rounded)|already|"
        r"correctly|being|still being|left (?:as|in)|up to you|reached by|confirmed by|checked by)\b",
        "the answer is obtained by adding 3 and 5",
    ),
    (
        r"in (?:the |its )?(?:simplest|lowest|reduced|correct|standard|required|right|form of|same|decimal|"
        r"fraction\w{0,5})\b",
        "the answer is in simplest form",
    ),
    (
        r"(?:much |slightly |a (?:bit|little) )?(?:bigger|greater|larger|smaller|less|more|higher|lower|closer?|"
        r"nearer|near|"
        r"at least|at most) (?:than |to )?[\W\d]|between [\W\d]|no longer\b",
        "the answer is bigger than 5",
    ),
    (r"(?:what|how|why|where) (?:we|you|i|it|to)\b", "the answer is what we expected"),
    (
        r"(?:always |supposed to be )?(?:an?|some) (?:single |positive |negative |non-?negative |whole |natural |real |"
        r"rational |irrational |prime |decimal |proper |simple )?(?:integer|number|decimal|fraction|multiple|"
        r"digit|value)"
        r"(?! \$?\\?[\d$])\b",
        "the answer is a whole number",
    ),
    (r"not (?:\$|\\|[-+−–]?\d|(?:option |choice )?\(?[a-j]\b|simply|just|only|the)", "the answer is not 5"),
    (
        r"(?:la )?(?:正确|正確|对的|對的|错|錯|唯一|合理|一样|一樣|相同|正しい|正しく|合って|同じ|맞|정확|틀|옳|같)",
        "答案是正确的",
    ),
    (
        r"(?:la |die |das |le |a |o )?(?:correctas?|correctes?|corretta|correta|certa|exacta|exacte|esatta|"
        r"misma|même|stessa|mesma|"
        r"dieselbe|gleiche|richtig|korrekt|falsch|hilfreich|útil|utile|juste|falsa|fausse|errada|sbagliata|верн\w{1,3}|"
        r"правильн\w{1,3}|тот же|такой же|صحيحة|صحيح|सही)(?=\s{0,3}(?:[.,;!…。]|$|(?:y|et|und|e|и|que|wie|как|"
        r"porque|car|weil)\b))",
        "la réponse est correcte",
    ),
)
"""(pattern, example): how a remark about an answer goes on. The pattern starts where an answer would start."""

PREDICATES: dict[str, re.Pattern[str]] = {
    "ja": re.compile(r"(?:です|である|であります|になります|となります|でした|だ)(?=[。．.!！、\s]|$)"),  # 42個です。
    "ko": re.compile(r"(?:입니다|이다|이에요|예요|이었습니다)(?=[.。!,\s]|$)"),  # 42입니다.
    "hi": re.compile(r"\s(?:है|हैं|होगा|होगी)(?=\s*[।.!]|\s|$)"),  # 42 है।
    "tr": re.compile(r"['’]?[dt][ıiuü]r(?=[.!\s]|$)"),  # 42'dir.
    "fa": re.compile(r"\s(?:است|می‌باشد)(?=[.!\s]|$)"),  # 42 است.
}
"""Words that end an announcing sentence in languages whose verb comes last; the answer is before them."""
