"""Table of sentences that end a response without answering: offers, wishes, thanks, notes, remarks on the answer."""

_HELP = (
    r"\b(?:questions?|help|clarif\w{2,8}|explanations?|assistance|concerns|doubts|let me|feel free|anything|examples|"
    r"details|curious|unsure|interested)\b"
)

POLITE: tuple[tuple[str, str], ...] = (
    # Offers
    (r"(?:please )?(?:do )?let me know\b", "Let me know if you need 3 more examples."),
    (r"(?:please )?(?:feel free\b|don['’]t hesitate\b)", "Feel free to ask about part 2."),
    (r"(?:please |just )?ask (?:me )?if\b", "Just ask if step 3 is unclear."),
    (rf"if (?:you|there)\b[^\n.?!\d]{{1,50}}{_HELP}", "If you have more questions about step 3, ask."),
    (r"is there (?:anything|something) (?:else|more)", "Is there anything else about these 3 parts?"),
    (
        r"(?:do|would|did) you (?:have|need|want|like|understand|wish)\b|want me to\b",
        "Would you like me to solve 3 more?",
    ),
    (r"does (?:this|that) (?:help|make sense|answer)", "Does this make sense for all 3 cases?"),
    (r"any (?:other |more |further )?questions", "Any questions about the 3 steps?"),
    (
        r"i['’]?(?:m| am) (?:here|happy|glad) (?:to|if)|(?:i would|i['’]d) be (?:happy|glad)\b",
        "I'm happy to solve 3 more.",
    ),
    # Wishes and thanks
    (
        r"(?:i |we )?(?:really )?(?:hope|hoping) (?:that )?(?:this|that|it|these|the|my|you|i)\b",
        "I hope this helps with all 3 parts.",
    ),
    (r"hope (?:that )?helps|(?:good luck|best of luck)\b", "Good luck with problem 2!"),
    (r"thank you\b|thanks(?=[!.,]|$| for)", "Thank you for these 2 questions."),
    (r"happy (?:to help|learning|studying|calculating|solving|math)|glad (?:to|i)\b", "Happy to help with 3 more."),
    (r"have a (?:great|nice|good|wonderful)\b|enjoy\b|cheers\b|sincerely\b|yours\b", "Have a great day, 3 cheers!"),
    (r"(?:best|kind|warm) (?:regards|wishes)|you['’]re welcome|keep (?:up|practicing)", "Best regards, 007"),
    (
        r"well done|(?:great|good|nice|excellent) (?:job|work|question|effort)(?=[!.,]|\s?$)",
        "Great question, 10 out of 10!",
    ),
    # Notes and remarks
    (
        r"[(\[]?(?:please )?note\s?[:：]|please note\b|[(\[]note\b|p\.?s\.?[:：]|disclaimer\b",
        "Note: a month has 30 days.",
    ),
    (
        r"(?:verification|(?:sanity |double[- ])?check|confidence(?: level| score)?|"
        r"time (?:taken|spent)|difficulty(?: level)?|assumptions?(?: made)?|\[?word count|(?:total )?tokens(?: used)?|"
        r"grade level)"
        r"[*_]{0,3}\s?[:：]",
        "Check: 5 - 3 = 2.",
    ),
    (
        r"(?:sources?|references?|citations?|(?:key )?takeaways?|(?:pro |quick )?tips?|tags|topics?|keywords|"
        r"see also)[*_]{0,3}\s?[:：](?!\s?[$€£\d])",
        "Source: a book of 1995.",
    ),
    (r"(?:https?://|©)", "https://example.org/5"),
    (r"(?:(?:we|i) (?:have )?assum(?:ed|e)|assuming)\b[^\n,=]{0,99}\Z", "We assumed 30 days per month."),
    (
        r"(?:let['’]?s |let us |let me |to |we can |you can )?(?:now |also )?(?:double[- ]?)?(?:verify|check)"
        r"(?: (?:this|that|it|our|the|my|answer|result|solution|work|by|with|substitut\w{2,5}|plugging|back|in)){0,5}"
        r"\s?[:：,]"
        r"(?![^\n]{0,300}(?:\b(?:so|thus|therefore|hence|but|not|then|answer)\b|[≠⇒]))",
        "To verify, 6 - 5 = 1.",
    ),
    (
        r"i(?:['’]m| am) (?:about )?(?:\d{1,3} ?%|very|quite|fairly|pretty|highly) (?:confident|sure|certain)\b",
        "I am 95% sure.",
    ),
    (
        r"(?:remarque|nota|observaciones|hinweis|anmerkung|примечание|замечание|проверка|osservazione|observação|"
        r"vérification|comprobación|verificación|verificação|verifica|probe|注意?|备注|验证|検算|補足|참고|검산)"
        r"[*_]{0,3}\s?[:：]",
        "Remarque : un mois a 30 jours.",
    ),
    (r"this (?:completes|concludes) (?:the|our|my)\b", "This concludes the solution in 3 steps."),
    (
        r"(?:(?:so|thus|hence|therefore),? )?(?:this|that|the|my|our|your) (?:final )?(?:answer|result|solution|value) "
        r"(?:(?:is|was|seems|looks) (?:also |indeed |therefore )?(?:correct|right|consistent|reasonable|"
        r"verified|confirmed|"
        r"helpful|valid|accurate|sensible|plausible)\b|makes sense|matches|agrees|checks out)",
        "This result is consistent with step 3.",
    ),
    (
        r"(?:this|that|my|our|your) (?:final )?answer (?:is|was) (?:the same|based on|clear)\b",
        "This answer is the same as in step 3.",
    ),
    (
        r"(?:(?:so|and|thus|hence|therefore),? )?(?:this|that)(?:['’]s| is) (?:it\b|all(?=\s?[.!])|how\b|"
        r"(?:the|our|my|your) (?:final |correct |required )?(?:answer|solution|result)\s?[.!]*\s?\Z)",
        "And that is how it is done in 3 steps!",
    ),
    (
        r"(?:so |thus )?this (?:also |indeed |now )?(?:matches|satisfies|agrees|fits|"
        r"checks out|confirms|corresponds|meets)\b",
        "This satisfies all 3 conditions.",
    ),
    # Other languages
    (r"(?:我)?希望(?:这|以上|能|对|可以)|祝(?:你|您)|谢谢|感谢|请(?:随时|告诉我|让我知道)", "希望这3步对你有帮助！"),
    (
        r"如果?(?:你|您)?(?:还)?(?:有|需要|想)[^\n。！？\d]{0,20}(?:问题|疑问|帮助|解释|了解|例子)",
        "如果你还有问题，请看第3步。",
    ),
    (r"お役に立|ご不明|ご質問|ありがとう|何か(?:他|ご)", "お役に立てば幸いです（3問まで）。"),
    (
        r"도움이 (?:되|필요)|궁금한|더 (?:궁금|알고)|추가 질문|질문이 (?:더 )?있|감사합니다",
        "도움이 되셨기를 바랍니다 (3).",
    ),
    (
        r"espero (?:que|ter|haber)\b|no dudes\b|(?:muchas )?gracias\b|buena suerte|¿(?:hay algo|necesitas|quieres)",
        "Espero que ayude en los 3 pasos.",
    ),
    (
        r"si (?:tienes|tiene|necesitas|necesita|quieres)\b[^\n.?!\d]{0,30}\b(?:preguntas?|dudas?|ayuda|explicación)",
        "Si tienes preguntas sobre el paso 3, dime.",
    ),
    (r"j['’]espère\b|n['’]hésite[zs]|merci\b|bonne (?:chance|journée)", "J'espère que les 3 étapes sont claires."),
    (
        r"si (?:vous|tu) (?:avez|as|voulez|veux)\b[^\n.?!\d]{0,30}\b(?:questions?|aide|explications?)",
        "Si vous avez des questions sur l'étape 3, dites-le.",
    ),
    (
        r"ich hoffe\b|lassen sie (?:es )?mich|lass (?:es )?mich wissen|viel (?:erfolg|glück)|vielen dank",
        "Ich hoffe, die 3 Schritte helfen.",
    ),
    (
        r"(?:wenn|falls) (?:sie|du)\b[^\n.?!\d]{0,30}\b(?:fragen|hilfe|erklärung)",
        "Wenn Sie Fragen zu Schritt 3 haben, fragen Sie.",
    ),
    (r"spero (?:che|di)\b|fammi sapere|fatemi sapere|(?:grazie|buona fortuna)\b", "Spero che i 3 passi siano chiari."),
    (r"se (?:hai|avete|ha)\b[^\n.?!\d]{0,30}\b(?:domande|aiuto|dubbi)", "Se hai altre domande sul passo 3, chiedi."),
    (
        r"se (?:você )?(?:tiver|precisar|quiser)\b[^\n.?!\d]{0,30}\b(?:perguntas?|dúvidas?|ajuda)|"
        r"me avise|obrigad[oa]\b",
        "Se tiver dúvidas sobre o passo 3, me avise.",
    ),
    (r"надеюсь|дайте (?:мне )?знать|спасибо|удачи|обращайтесь", "Надеюсь, эти 3 шага понятны."),
    (
        r"если (?:у вас|у тебя|вам|нужн\w)[^\n.?!\d]{0,40}(?:вопрос|помощь|объясн)",
        "Если у вас есть вопросы о шаге 3, спрашивайте.",
    ),
    (r"(?:मुझे )?(?:आशा|उम्मीद) है|धन्यवाद|(?:यदि|अगर) आप[^\n।?!\d]{0,40}(?:प्रश्न|सवाल|मदद)", "आशा है कि ये 3 चरण स्पष्ट हैं।"),
    (
        r"آمل|أتمنى|شكرا|إذا (?:كان|كانت) لدي(?:ك|كم)[^\n.؟!\d]{0,30}(?:سؤال|أسئلة|استفسار)",
        "آمل أن تكون الخطوات 3 واضحة.",
    ),
    (
        r"ik hoop\b|laat (?:me|het)\b|mam nadzieję|jag hoppas|umarım|semoga\b|hy vọng",
        "Ik hoop dat de 3 stappen helpen.",
    ),
)
"""(pattern, example) in lower case: how such a sentence begins."""
