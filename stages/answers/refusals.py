"""Refusals: texts that decline to answer. They are all alike, so they would win votes.

In some exams "unknown" or "cannot be determined" is an answer. So a refusal is an answer if the question, which holds
the options, or the label holds its words.
"""

import re

_CANNOT = (
    r"(?:cannot|could not|am unable to|'m unable to|am not able to|'m not able to|are unable to|are not able to|"
    r"will not|wo not|would rather not|'d rather not|must decline to|decline to|refuse to|do not wish to)"
)
_TELL = (
    r"(?:answer|help|assist|provide|determine|say|tell|give|respond|reply|solve|comply|fulfil|comment|know|infer|"
    r"identify|decide|conclude|verify|confirm|be (?:sure|certain|determined|answered|known))"
)
_BE_FOUND = r"be (?:determined|answered|known|inferred|identified|found|established|decided|concluded)"

# Each rule: the start of a text that declines, and an example. The group holds the words that a question has to hold.
_STARTS: tuple[tuple[str, str], ...] = (
    (r"((?:i'm |i am |we are |we're )?(?:very |so |deeply )?sorry)", "I'm sorry, I can't help with that."),
    (r"(i'?m afraid|i am afraid)", "I'm afraid I don't know."),
    (r"(i apologi[sz]e|my apologies|unfortunately)", "I apologise, but I do not know."),
    (r"(as an? (?:\w{1,20} )?(?:ai|artificial intelligence|language model)(?!\w))", "As an AI, I have no opinions."),
    (r"((?:i'?m|i am) (?:just |only )?an? (?:\w{1,20} )?(?:ai|language model)(?!\w))", "I'm just an AI"),
    (r"(作为(?:一个|一名)?(?:ai|人工智能|语言模型|大语言|大型语言)|als (?:ki|sprachmodell|künstliche)(?!\w)|"
     r"en tant qu['e]\s?(?:ia|intelligence|modèle)|como (?:una? )?(?:ia|modelo de l|intelig[eê]ncia)|"
     r"как (?:ии|языковая))",
     "作为一个AI语言模型"),
    (r"((?:it|that|this|answer|the answer) (?:really |all |just )?depends)(?!\w)", "It depends on the context."),
    (r"(es kommt (?:darauf|drauf) an|das hängt (?:davon )?|(?:ça|cela) dépend|зависит от обстоятельств|"
     r"视(?:具体)?情况|看情况|看具体情况|場合によ|상황에 따라|경우에 따라)", "Ça dépend."),
    (
        rf"(?:i|we|you|one) ?(?:really |simply |just |honestly |currently )?({_CANNOT} (?:\w+ ){{0,2}}?{_TELL})",
        "I cannot answer: the question is unclear.",
    ),
    (rf"({_CANNOT} {_TELL})", "cannot answer"),
    (r"((?:unable|not able) to (?:\w+ )?" + _TELL + ")", "Unable to determine the diagnosis"),
    (
        r"(?:i|we) (?:really |simply |just |honestly )?(do not (?:know|understand|have (?:enough|sufficient|access|any|"
        r"the|personal|opinions|feelings|an (?:answer|opinion)))|have no (?:idea|answer|comment|information|opinion))",
        "I don't know.",
    ),
    (r"(?:i|we)(?: would|'d)? ((?:need|require) (?:more|additional|further) (?:information|context|details?|data))",
     "I would need more information."),
    (r"(?:i'?m|i am) (not (?:\w{1,12} |100% )?(?:sure|certain))", "I am not entirely sure."),
    (r"i(?:'d| would)? ((?:lack|prefer not to|must decline|have to decline|must refuse) ?)", "I prefer not to answer."),
    (r"(?:it is |it's )?((?:hard|difficult|too early) to (?:say|tell|know|determine|answer))", "It's hard to say."),
    (r"((?:there is |there's )?(?:not enough|insufficient) (?:information|info|data|context|details?))",
     "Not enough information is given."),
    (r"((?:there is |there's )?no way (?:to|of) (?:know|tell|say|determin|find)\w{0,3})", "There is no way to know."),
    (r"((?:no tengo (?:suficiente|bastante)|no hay (?:suficiente|bastante)) información)",
     "No hay suficiente información."),
    (r"((?:没有|沒有)足够|(?:信息|情報|資訊|数据)(?:不足|不够|が足りません)|정보가 부족)", "信息不足。"),
    (r"((?:no se|no lo s[ée]|no sé|no puedo (?:responder|contestar|ayudar|determinar)|lo siento)(?!\w))", "No lo sé."),
    (r"((?:je ne (?:sais|peux|suis) pas|(?:je suis )?désolée?|on ne peut pas (?:savoir|répondre|déterminer))(?!\w))",
     "Je ne sais pas."),
    (r"((?:ich )?wei(?:ss|ß) (?:es |das )?(?:leider )?nicht|ich kann (?:\w+ ){0,3}nicht (?:be)?antworten|"
     r"(?:das|dies|diese frage) kann ich (?:\w+ ){0,2}nicht |(?:es )?tut mir leid|leider kann ich)",
     "Ich weiß es nicht."),
    (r"((?:eu )?não (?:sei|posso (?:responder|ajudar|determinar)|é possível (?:responder|determinar|saber))|desculpe)",
     "Não sei."),
    (r"((?:io )?non (?:lo )?so(?!\w)|non posso (?:rispondere|aiutare|determinare)|mi dispiace|"
     r"non è possibile (?:rispondere|determinare|sapere))", "Non lo so."),
    (r"((?:я )?не (?:знаю|могу (?:ответить|помочь|определить|сказать))|извините|к сожалению)", "Я не знаю."),
    (r"((?:我|我们)?(?:不知道|不清楚|无法(?:回答|确定|判断|提供)|無法(?:回答|確定|判斷)|不能回答)|抱歉|对不起|很抱歉)",
     "我不知道。"),
    (r"((?:分|わ)かりません|分からない|わからない|知りません|(?:回答|判断)できません|答えられません|申し訳)",
     "わかりません。"),
    (r"(모르겠|(?:잘 )?모릅니다|알 수 없|(?:답|대답|답변)할 수 없|죄송)", "모르겠습니다."),
    (r"(لا أعرف|لا أعلم|لا أستطيع|لا يمكنني|آسف)", "لا أعرف"),
    (r"(मुझे (?:नहीं पता|पता नहीं|नहीं मालूम)|(?:मैं )?नहीं जानता|पता नहीं|क्षमा करें)", "मुझे नहीं पता"),
)  # fmt: skip
_SUBJECT = r"(?:(?:it|this|that|(?:the )?(?:correct )?answer|(?:(?:the|this|that) )?question)(?: is|'s)? )?"
_TAIL = r"(?: (?:from|with|by|based on|given|without|in|because|due to|as) .*)?"
# The same for whole texts: "Unknown Pleasures" is a title.
_WHOLES: tuple[tuple[str, str], ...] = (
    (rf"{_SUBJECT}(?:simply |still )?((?:cannot|could not|can never) {_BE_FOUND}){_TAIL}",
     "It cannot be determined from the given information."),
    (rf"{_SUBJECT}((?:unknown|unclear|undetermined|unanswerable|not (?:answerable|known|clear|specified|stated|given|"
     rf"mentioned|listed|provided|available|determined|determinable)|unspecified|unavailable)){_TAIL}",
     "The answer is unknown."),
    (r"(n/a|not applicable|no comment|idk|dunno|no idea|tb[dac]|to be (?:determined|announced|confirmed|decided)|todo|"
     r"(?:left |intentionally |this )?blank|redacted|withheld|placeholder|x{3,9})", "N/A"),
    (r"(?:there is |there's )?(no (?:correct |valid |right |clear |definitive |single )?answer)"
     r"(?: (?:is |was )?(?:provided|given|available|possible|found|listed|exists))?", "No answer provided."),
    (r"((?:see|as|shown|given|stated|explained) (?:the )?(?:\w{1,12} )?(?:above|below|explanation|solution))",
     "See above."),
    (r"(depends|depende|dipende|dépend)(?: (?:on|de|da|del|du) .*)?", "Depends on the case."),
    (r"(?:the )?(?:information|data|info|details?|context) (?:is |are |was )?"
     r"(not (?:available|provided|given)|unavailable|missing)", "Information not available."),
    (r"(?:the )?(?:question|text|passage|context|problem|document|article) "
     r"((?:does not|did not) (?:provide|say|mention|state|specify|give|contain|tell))(?: (?:it|this|that|us|enough|any|"
     r"sufficient|information|details|data)){0,3}", "The text does not say."),
    (r"i (cannot|refuse|decline)", "I refuse."),
    (r"(?:need |requires? )?((?:more|additional|further) (?:information|context|details?|data)(?: (?:is |are )?"
     r"(?:needed|required))?)", "More information is needed."),
    (rf"{_SUBJECT}((?:impossible|not possible) to (?:know|say|tell|answer|determine))"
     rf"(?: (?:for sure|that|this|it))?{_TAIL}",
     "It is impossible to tell."),
    (r"(not sure|none (?:given|provided|available|specified)|unsure|uncertain)(?:,.*)?", "Not sure."),
    (rf"(?:the )?((?:given |provided |available )?information (?:given |provided )?is (?:insufficient|incomplete|"
     rf"not (?:sufficient|enough))){_TAIL}", "The information is insufficient."),
    (r"((?:insert |write |put )(?:your )?(?:final )?answer(?: here)?|"
     r"your (?:final )?answer(?: here)?|answer here|final answer)", "[your answer here]"),
    (r"(desconocid[oa]|se desconoce|no estoy segur[oa]|no se (?:puede|sabe)(?: \w+)?)", "Se desconoce"),
    (r"(inconnue?|pas assez d'informations?|on ne sait pas|"
     r"impossible (?:à|de) (?:déterminer|dire|savoir|répondre)|indéterminée?)", "inconnu"),
    (r"(unbekannt|nicht (?:bekannt|genügend informationen)|dazu kann ich nichts sagen|"
     r"nicht bestimmbar|keine (?:angabe|antwort|ahnung)|kann nicht (?:bestimmt|beantwortet) werden)",
     "unbekannt"),
    (r"(desconhecid[oa]|sconosciut[oa]|impossibile da determinare|неизвестно|недостаточно (?:информации|данных)|"
     r"невозможно определить)", "sconosciuto"),
    (r"(未知|未提供|空|空白|不详|不明|不确定|不確定|无解答|불명|알려지지 않음|غير معروف|अज्ञात)", "未知"),
)  # fmt: skip


def _compiled(rules: tuple[tuple[str, str], ...]) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(pattern) for pattern, _ in rules)


_STARTS_COMPILED, _WHOLES_COMPILED = _compiled(_STARTS), _compiled(_WHOLES)
_ANY = re.compile("|".join((*(pattern for pattern, _ in _STARTS), *(rf"(?:{pattern})\Z" for pattern, _ in _WHOLES))))
"""All rules at once: most texts are no refusal, and one search finds so."""
_FULL_FORMS = ((re.compile(r"\bcan ?not\b|\bcan't\b"), "cannot"), (re.compile(r"n't\b"), " not"))
_DECLINED = re.compile(
    r"\b(?:cannot|can['’]t|can not|could not|couldn['’]t|unable to|not able to|won['’]t|will not|refuse to|decline to|"
    r"do not|don['’]t|does not|doesn['’]t|not) (?:\w{1,20} ){0,3}?answer(?=\s{0,3}(?:is\b|[:：]))",
    re.IGNORECASE,
)


def without_declined(text: str) -> str:
    """Return a text without "cannot answer" in front of a colon, where the word would announce an answer."""
    return _DECLINED.sub("", text)


def refusal_words(form: str) -> str | None:
    """Return the words of a normalised text that decline to answer; None if the text is no refusal."""
    form = _full_form(form)
    if not _ANY.match(form):
        return None
    starts = (pattern.match(form) for pattern in _STARTS_COMPILED)
    wholes = (pattern.fullmatch(form) for pattern in _WHOLES_COMPILED)
    match = next((match for matches in (starts, wholes) for match in matches if match), None)
    return match[1] if match else None


def holds(context: str, words: str) -> bool:
    """Return whether a normalised text holds some words, in any place."""
    if not words.isascii():
        return words in context
    return re.search(rf"(?<![a-z]){re.escape(words)}(?![a-z])", _full_form(context)) is not None


def _full_form(text: str) -> str:
    for pattern, replacement in _FULL_FORMS:
        text = pattern.sub(replacement, text)
    return text
