"""Names that people give to the fields of questions, for proposals of a mapping."""

import re
from collections.abc import Iterable
from itertools import pairwise


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


QUESTIONS = _words(
    """
    question problem query stem questionstem questiontext problemtext questionen fullquestion qtext questionbody
    problemstatement originaltext squestion statement body goal prompt instruction inputs input text sentence
    premise content q frage fragetext aufgabe pregunta enunciado pergunta domanda vraag soal soru pytanie вопрос
    задача السؤال 题目 题干 问题 試題 題目 問題 問題文 질문 문제 turns conversation front term claim hypothesis sent1
"""
)
"""Names of the question, as `folded` gives them, the clearer ones first."""
QUESTION_PART = re.compile(r"question|frage|problem|prompt|pregunta|pergunta|domanda|startphrase", re.IGNORECASE)
NO_QUESTION = re.compile(
    r"id$|idx|index|number|num$|_no$|type|count|year|source|subject|category|unit|concept|polarity|seed|revision",
    re.IGNORECASE,
)
OPTIONS = _words(
    """
    options choices option choice answers optionlist answeroptions answeroptionlist answerchoices alternatives
    candidates possibleanswers endings targetscores mc1targets optionen antworten antwortmöglichkeiten auswahl
    opciones alternativas respuestas opções opcoes propositions réponses reponses risposte opties jawaban
    варианты ответы الخيارات 选项 選項 選択肢 선택지 보기
"""
)
OPTION_COLUMNS = frozenset(
    {
        "",
        *_words(
            """
    option opt op choice answer ans response alternative ending sol solution holding mcanswer candidate
    optiontext choicetext answertext answeroption antwort antwortmöglichkeit auswahl opción opcion alternativa
    respuesta opção opcao réponse reponse proposition risposta optie вариант ответ 选项 選項 選択肢 보기
    answermax75characters lösung choix opsi pilihan item distractor
"""
        ),
    }
)
"""What columns with one option each are called, without their letter or number."""
WRONG = re.compile(r"incorrect|wrong|distractor|falsch|alternativ[ae]|incorrecta|false(?:answer|option)|mauvaise")
ANSWERS = _words(
    """
    answer answeridx answerkey answerindex answerletter answerid correctanswer correctoption correctindex
    correctchoice correctletter correctanswers correctoptions correctoptionid correctanswerindex
    correctanswernum correctoptionindex rightanswer label gold goldindex goldanswer golden target targets
    targetidx cop correct key finalanswer expectedanswer groundtruth groundtruthanswer gtanswer gt
    referenceanswer reference exactanswer answernumber answervalue answertext finaldecision exeans ans
    lsolutions ideal expected answers respuestas réponses reponses antworten result output outputs solution
    response completion back definition ra a richtig richtigeantwort richtigeoption korrekt korrekteantwort
    lösung loesung antwort respuesta respuestacorrecta correcta gabarito resposta respostacorreta réponse
    reponse bonneréponse réponsecorrecte risposta rispostacorretta kunci jawaban antwoord cevap ответ
    правильныйответ الجواب 答案 正确答案 正解 解答 정답 답
"""
)
ANSWER_PART = re.compile(r"correct|richtig|korrekt|right(?:answer|option)|is?correcta?")
RIGHT_TEXTS = _words(
    """
    correctanswer rightanswer bestanswer correct correctoption answer richtigeantwort richtig respuestacorrecta
    correcta bonneréponse right correctanswers
"""
)
CONTEXTS = frozenset(
    _words(
        """
    context contexts passage article table background story paragraph stimulus florespassage contract statute
    policy kontext contexto contexte pretext posttext backgrounddescription dialogue dialog vignette casetext
    scenario sachverhalt scenariotext premise text body passagetext longpassage материал контекст 文章 背景
"""
    )
)
"""What a passage beside the question is called."""
CONTEXT_LISTS = frozenset(("paragraphs", "passages", "contexts", "context"))
"""What lists of passages are called, if each passage is an object with a text."""
SUBJECTS = ("subject", "category", "topic", "subjectname", "discipline")
LEVELS = ("level", "difficulty", "grade")

_LAST_MARK = re.compile(r"(?:(?<=[^\W_])|(?<=[\W_])|^)([A-Ja-j]|\d{1,2})(?=$|[\W_])")


def folded(name: str) -> str:
    """Return a name in lower case without spaces and signs, and without the objects around its field."""
    return re.sub(r"[\W_]+", "", name.rsplit(".", 1)[-1].casefold())


def columns(names: Iterable[str]) -> dict[str, list[str]]:
    """Return the columns whose names differ in a letter or number only: folded rest of the name -> names in order.

    The letters or numbers of a group come one after another from A, 0 or 1: option_a, option_b; "Answer 1", "Answer 2".
    """
    groups: dict[tuple[str, str], dict[int, str]] = {}
    for name in names:
        for match in _LAST_MARK.finditer(name):
            mark = match[1]
            if not mark.isdigit() and match.start() and name[match.start() - 1].isalpha():
                start = name[: match.start()]
                if start[-1].islower() == mark.islower() and folded(start) not in OPTION_COLUMNS:
                    continue  # a word that ends in a to j, such as "code"
            kind = "digit" if mark.isdigit() else "upper" if mark.isupper() else "lower"
            index = int(mark) if mark.isdigit() else ord(mark.upper()) - ord("A")
            rest = name[: match.start()] + "\0" + name[match.end() :]
            groups.setdefault((rest, kind), {})[index] = name
    found: dict[str, list[str]] = {}
    for (rest, kind), members in groups.items():
        indexes = sorted(members)
        in_order = all(right - left == 1 for left, right in pairwise(indexes))
        if len(members) > 1 and in_order and indexes[0] <= (1 if kind == "digit" else 0):
            key = re.sub(r"[\W_]+", "", rest.rsplit(".", 1)[-1].casefold())
            found.setdefault(key, [members[index] for index in indexes])
    return found
