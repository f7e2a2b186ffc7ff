"""Words as answers: what is the same answer, what is not, and what is none."""

import pytest

from stages.answers.choice import ChoiceAnswer
from stages.answers.refusals import _STARTS, _WHOLES
from stages.answers.text import TextAnswer
from stages.answers.voting import AnswerToGrade, Ballot, grade, vote
from stages.answers.wording.sentence import _EXPLANATIONS, announced_words, without_explanation
from tests.unit.answers.test_voting import Table


def form_of(response: str, question: str = "?", **settings: bool) -> str | None:
    """Return the form that a response votes for, None if it has none."""
    kind = TextAnswer(**settings)
    answer = kind.extract(response, question)
    return None if answer is None else kind.canonical(answer, question)


ANNOUNCED = [
    ("The answer is Rome. I hope this answer is helpful.", "rome"),
    ("The answer is Rome. I hope that this answer is helpful!", "rome"),
    ("The answer is Rome. It is the capital of Italy.", "rome"),
    ("The answer is Rome! It is the capital.", "rome"),
    ("The final answer is **Rome**.", "rome"),
    ("The answer is **Rome**, the capital of Italy.", "rome"),
    ("The answer is **Rome** (Italy).", "rome"),
    ("The answer is **Rome** because it is the capital.", "rome"),
    ("**Answer:** **Rome** is the capital.", "rome"),
    ("**Answer: Rome** is the capital.", "rome"),
    ("The answer is **New** York.", "new york"),
    ("**Answer:** Paris", "paris"),
    ("**Answer**: Paris", "paris"),
    ("**Answer: Paris**", "paris"),
    ("*Answer*: Paris", "paris"),
    ("Answer: Paris", "paris"),
    ("The answer is habeas corpus.\nThat is all.", "habeas corpus"),
    ("The answer is St. Paul.", "st paul"),
    ("The answer is St. Paul. It is in Minnesota.", "st paul"),
    ("The answer is Dr. Strange.", "dr strange"),
    ("The answer is E. coli.", "e coli"),
    ("The answer is E. coli. This bacterium is common.", "e coli"),
    ("The answer is J. S. Bach. He wrote it.", "js bach"),
    ("The answer is Washington, D.C. It is the capital.", "washington, dc"),
    ("The answer is the U.S. Congress.", "us congress"),
    ("The answer is 3.5 mg.", "3.5mg"),
    ("The answer is No. 5.", "no 5"),
    ("The answer is No. The law forbids it.", "no"),
    ("The answer is Rh+.", "rh+"),
    ("The answer is C++.", "c++"),
    ("答案是北京。因为它是首都。", "北京"),
    ("答案：北京", "北京"),
    ("Antwort: Berlin. Das ist die Hauptstadt.", "berlin"),
    (r"So \boxed{res judicata}", "res judicata"),
    (r"So \boxed{\text{res judicata}}.", "res judicata"),
    ("<answer>Rome</answer>", "rome"),
    ("#### Rome", "rome"),
    ("It is Rome.", None),  # no mark
    ("I am sorry, I cannot answer this question.", None),
    ("", None),
    ("The answer is Dr. Who. He is a doctor.", "dr who"),
    ("Answer: Insufficient funds", "insufficient funds"),
    ("Die Antwort ist der 4. Juli 1776.", "1776-07-04"),
    ("A: Rome", "rome"),
    ("A: 42", "42"),
    ("Q: What is the capital of Italy?\nA: Rome", "rome"),
    ("> Answer: Rome", "rome"),
    ("Answer: > Rome", "rome"),
    ("Answer:\n> Rome", "rome"),
    ("Answer: «War and Peace»", "war and peace"),
    ("Answer: 42 (forty-two)", "42"),
    ("Answer: forty-two (42)", "42"),
]


@pytest.mark.parametrize(("response", "form"), ANNOUNCED)
def test_an_announced_answer_is_its_words(response: str, form: str | None) -> None:
    assert form_of(response) == form


def test_only_a_box_counts_if_asked() -> None:
    assert form_of("The answer is habeas corpus.", boxed_only=True) is None
    assert form_of(r"The answer is \boxed{habeas corpus}.", boxed_only=True) == "habeas corpus"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("Who Framed Roger Rabbit? I hope so.", "Who Framed Roger Rabbit?"),
        ("Rome** is the capital", "Rome"),
        ("vs. the state", "vs. the state"),
        ("3.14159", "3.14159"),
        ("", ""),
    ],
)
def test_ends_of_sentences(line: str, words: str) -> None:
    assert announced_words(line) == words


REFUSALS = [
    "I cannot answer: the question is unclear.",
    "I can't answer: the question is unclear.",
    "I am unable to answer: the text is missing.",
    r"\boxed{I cannot answer}",
    r"\boxed{\text{I don't know}}",
    r"\boxed{unknown}",
    r"\boxed{N/A}",
    "The answer is unknown.",
    "The answer is not known.",
    "The answer is: it cannot be determined.",
    "Answer: cannot be determined from the given information",
    "Answer: I'm sorry, but I can't help with that.",
    "Answer: Sorry, I can not assist with this.",
    "Answer: I do not know.",
    "Answer: I don't have enough information.",
    "Answer: Not enough information",
    "Answer: As an AI language model, I have no opinion.",
    "Answer: I'm not sure.",
    "Answer: I have no idea",
    "Answer: Unable to determine",
    "Answer: More information is needed.",
    "I don't think the answer is Paris",
    "答案：我不知道",
    "答案是未知",
    "Antwort: Ich weiß es nicht.",
    "Respuesta: No lo sé.",
    "Réponse : Je ne sais pas.",
    "Answer: It is impossible to say",
    "Answer: It's not possible to determine",
    "Answer: not sure",
    "Answer: None given",
    "Answer: I would need more information",
    "Answer: The information is insufficient",
    "Answer: I'm afraid I don't know",
    "Answer: There's no way to tell",
    "Answer: You cannot determine this",
    "Answer: the text does not say",
    "Answer: the question does not provide enough information",
    "Answer: Not enough info",
    "Answer: I do not have personal opinions",
    "Answer: I refuse",
    "Answer: [your answer here]",
    "Answer: 信息不足",
    "Antwort: Das kann ich nicht beantworten",
    "Respuesta: No tengo suficiente información",
    "Réponse : impossible de répondre",
    "Answer: n.a.",
    "Answer: N.A.",
    "Answer: n. a.",
]


@pytest.mark.parametrize("response", REFUSALS)
def test_a_refusal_votes_for_nothing(response: str) -> None:
    assert form_of(response, "What is the capital of Italy?") is None


@pytest.mark.parametrize(("_pattern", "example"), [*_STARTS, *_WHOLES])
def test_each_refusal_is_recognised(_pattern: str, example: str) -> None:
    assert TextAnswer().canonical(example, "?") is None


@pytest.mark.parametrize(
    ("response", "question", "form"),
    [
        ("The answer is unknown.", "Is it known, unknown or disputed?", "unknown"),
        ("Answer: cannot be determined", "Which? larger, smaller, cannot be determined", "cannot be determined"),
        ("Answer: can't be determined", "Which? larger, smaller, cannot be determined", "can't be determined"),
        ("Answer: Not enough information", "(A) yes (B) no (C) not enough information", "not enough information"),
        ("Answer: I do not know", 'Say "I do not know" if the text does not tell.', "i do not know"),
        ("答案：未知", "已知还是未知？", "未知"),
        # these only look like refusals
        ("The answer is Unknown Pleasures.", "Which album?", "unknown pleasures"),
        ("The answer is the unknown soldier.", "Whose tomb?", "unknown soldier"),
        ("The answer is none.", "Which planets?", "none"),
        ("The answer is no.", "Is it?", "no"),
        ("The answer is Nobody knows my name.", "Which book?", "nobody knows my name"),
        ("The answer is sodium (Na).", "Which metal?", "sodium (na)"),
    ],
)
def test_words_of_the_question_are_an_answer(response: str, question: str, form: str) -> None:
    assert form_of(response, question) == form


def test_a_refusal_is_right_if_the_label_says_so() -> None:
    rows = [
        AnswerToGrade(question="Who wrote it?", answer=answer, gold=gold)
        for answer, gold in [
            ("unknown", "Unknown."),
            ("unknown", "Homer"),
            ("Homer", "unknown"),
            ("I don't know", "Homer"),
        ]
    ]
    assert grade(rows, TextAnswer(), Table()) == ["correct", "unparsable", "wrong", "unparsable"]


def test_refusals_do_not_win_a_vote() -> None:
    answers = [TextAnswer().extract(text, "?") for text in ["Answer: I don't know"] * 5 + ["Answer: Rome"] * 2]
    result = vote([Ballot(question="?", answers=answers)], TextAnswer(), Table())[0]
    assert (result.majority, result.statuses.count("ok")) == ("Rome", 2)


def test_a_refusal_among_the_options_is_a_choice() -> None:
    kind, question = ChoiceAnswer(), "Which is larger?\nA. the first\nB. the second\nC. It cannot be determined"
    assert kind.canonical("It cannot be determined.", question) == "C"


RIGHT = [
    ("Answer: unknown", "Unknown"),
    ("Answer: Depends on temperature", "depends on temperature"),
    ("Answer: sorry", "Sorry"),
    ("The answer is The Great Unknown.", "The Great Unknown"),
    ("The answer is Blank Space.", "Blank Space"),
    ("The answer is Redacted.", "redacted"),
    ("Answer: dependence", "dependence"),
    ("Answer: Dependent personality disorder", "dependent personality disorder"),
    ("Answer: Pending charges", "pending charges"),
    ("The answer is: **Rome**, the capital of Italy.", "Rome"),
    ("The answer is Rome (the capital).", "Rome"),
    ("The answer is Rome - because it is the capital.", "Rome"),
    ("The answer is Rome, because it is the capital.", "Rome"),
    ("The answer is Rome because it is the capital.", "Rome"),
    ("The answer is Rome – the capital of Italy.", "Rome"),
    ("The answer is Rome — the capital of Italy.", "Rome"),
    ("The answer is Rome, the capital of Italy.", "Rome"),
    ("The answer is Rome, which is the capital of Italy.", "Rome"),
    ("The answer is Rome, as it is the capital.", "Rome"),
    ("The answer is Rome since it is the capital.", "Rome"),
    ("The answer is Rome; it is the capital.", "Rome"),
    ("Answer: Rome\n\nExplanation: It is the capital.", "Rome"),
    ("**Answer:** Rome\n\n**Explanation:** It is the capital.", "Rome"),
    ("Answer: Rome. Explanation: it is the capital", "Rome"),
    ("The answer is probably Rome.", "Rome"),
    ("I think the answer is Rome, but I'm not sure.", "Rome"),
    ("The correct answer is: Rome.", "Rome"),
    ('The correct answer is "Rome".', "Rome"),
    ("So the answer is 'Rome'.", "Rome"),
    ("Final Answer: Rome", "Rome"),
    ("**Final Answer**\n\nRome", "Rome"),
    ("### Final Answer\n**Rome**", "Rome"),
    ("**Final Answer:**\n\\[\n\\boxed{\\text{Rome}}\n\\]", "Rome"),
    ("<answer> Rome </answer>", "Rome"),
    (r"Therefore, the final answer is $\boxed{\text{Rome}}$.", "Rome"),
    (r"The answer is \text{Rome}.", "Rome"),
    (r"The answer is $\text{Rome}$.", "Rome"),
    ("Answer: The capital is Rome", "The capital is Rome"),
    ("Answer: It is Rome.", "Rome"),
    ("Answer: It's Rome.", "Rome"),
    ("The most likely diagnosis is **acute pancreatitis**.\n\n**Answer: Acute pancreatitis**", "acute pancreatitis"),
    ("The answer is **Acute pancreatitis (K85)**.", "acute pancreatitis"),
    ("The answer is the heart.", "Heart"),
    ("The answer is a beta-blocker.", "Beta blocker"),
    ("Answer: 5$", "5$"),
    ("Answer: $5", "$5"),
    ("Answer: C++", "C++"),
    ("Answer: Rh+", "Rh+"),
    ("Answer: **Rh+**", "Rh+"),
    ("Answer: A*", "A*"),
    ("Answer: F#", "F#"),
    ("Answer: Na+", "Na⁺"),
    ("The answer is Na⁺ (sodium).", "Na+"),
    ("Answer: 42 U.S.C. § 1983", "42 USC §1983"),
    ("Answer: § 823 Abs. 1 BGB", "§823 Abs 1 BGB"),
    ("The answer is § 823 Abs. 1 BGB. It says ...", "§ 823 Abs. 1 BGB"),
    ("The answer is Art. 5 Abs. 1 GG.", "Art. 5 (1) GG"),
    ("The answer is Fed. R. Civ. P. 12(b)(6). It allows a motion.", "Fed. R. Civ. P. 12(b)(6)"),
    ("The answer is Marbury v. Madison. The Court held", "Marbury v. Madison"),
    ("The answer is Brown v. Board of Education (1954).", "Brown v. Board of Education"),
    ("Antwort: Der Bundestag", "Bundestag"),
    ("Die Antwort ist: der Bundestag.", "Bundestag"),
    ("Die richtige Antwort lautet **Bundestag**.", "Bundestag"),
    ("La réponse est : le foie.", "foie"),
    ("La bonne réponse est « Paris ».", "Paris"),
    ("La respuesta correcta es: el hígado.", "hígado"),
    ("La respuesta es Madrid, porque es la capital.", "Madrid"),
    ("La réponse est Paris, car c'est la capitale.", "Paris"),
    ("Die Antwort ist Berlin, weil es die Hauptstadt ist.", "Berlin"),
    ("Ответ: Москва.", "Москва"),
    ("Ответ: Москва, потому что это столица.", "Москва"),
    ("答案：北京。", "北京"),
    ("答案是：北京", "北京"),
    ("答案是“北京”。", "北京"),
    ("正确答案是《红楼梦》。", "红楼梦"),
    ("正确答案：**北京**，因为它是首都。", "北京"),
    ("答案是北京，因为它是首都。", "北京"),
    ("因此，答案是北京（中国的首都）。", "北京"),
    ("答えは東京です。", "東京"),
    ("答え：東京", "東京"),
    ("正解は「東京」です。", "東京"),
    ("정답: 서울", "서울"),
    ("정답은 서울입니다.", "서울"),
    ("उत्तर: दिल्ली", "दिल्ली"),
    ("उत्तर दिल्ली है।", "दिल्ली"),
    ("الإجابة: القاهرة", "القاهرة"),
    ("الإجابة هي القاهرة.", "القاهرة"),
    ("คำตอบ: กรุงเทพ", "กรุงเทพ"),
    ("Risposta: Roma", "Roma"),
    ("Resposta: Lisboa.", "Lisboa"),
    ("<think>Maybe Milan.</think>The answer is Rome.", "Rome"),
    ("The answer is Rome.\n\nIs there anything else?", "Rome"),
    ("The answer is Rome.<|im_end|>", "Rome"),
    ("The answer is Rome.\n\nQuestion: Which?\nAnswer: Paris", "Rome"),
    ("Answer: Rome\n```", "Rome"),
    ("Answer: `Rome`", "Rome"),
    ("Answer: “Rome”", "Rome"),
    ("Answer: _Rome_", "Rome"),
    ("Answer: <b>Rome</b>", "Rome"),
    ("Answer: Rome ✅", "Rome"),
    ("Answer: ✅ Rome", "Rome"),
    ("Answer: 🏛️ Rome", "Rome"),
    ("Answer: Rome!", "Rome"),
    ("Answer: - Rome", "Rome"),
    ("Answer:\n- Rome", "Rome"),
    ("Answer: {Rome}", "Rome"),
    ("Answer: [Rome]", "Rome"),
    ("Answer: (Rome)", "Rome"),
    ("Answer => Rome", "Rome"),
    ('{"answer": "Rome"}', "Rome"),
    ("```json\n{\"answer\": \"Rome\"}\n```", "Rome"),
    ("ANSWER: ROME", "Rome"),
    ("The answer to the question is Rome.", "Rome"),
    ("The answer is St. John's wort.", "St. John's wort"),
    ("The answer is E. coli O157:H7.", "E. coli O157:H7"),
    ("The answer is vitamin B12 (cobalamin).", "Vitamin B12"),
    ("The answer is 2,4-dinitrophenol.", "2,4-dinitrophenol"),
    ("The answer is Type II error.", "Type 2 error"),
    ("The answer is 0.9% NaCl.", "0.9% NaCl"),
    ("The answer is 3.5 mEq/L.", "3.5 mEq/L"),
    ("The answer is 12 mg/kg.", "12mg/kg"),
    ("The answer is t(9;22).", "t(9;22)"),
    ("The answer is HLA-B27.", "HLA-B27"),
    ("The answer is No.", "no"),
    ("The answer is: No, it does not.", "No"),
    ("The answer is Yes, it is.", "Yes"),
    ("Answer: Yes, because the law says so.", "Yes"),
    ("The answer is yes.", "Yes"),
    ("The most likely diagnosis is ...\n\n**Final Answer: Acute appendicitis**", "acute appendicitis"),
    ("**Answer:** *Staphylococcus aureus*", "Staphylococcus aureus"),
    ("Answer: *E. coli*", "E. coli"),
    ("The answer is *Plasmodium falciparum*.", "Plasmodium falciparum"),
    (r"The final answer is: $\boxed{\text{Metformin}}$", "metformin"),
    (r"\boxed{\text{True}}", "True"),
    (r"\boxed{\textbf{Not guilty}}", "not guilty"),
    (r"\[\boxed{\mathrm{NaCl}}\]", "NaCl"),
    (r"\boxed{\ce{H2O}}", "H₂O"),
    (r"\boxed{\text{H}_2\text{O}}", "H2O"),
    (r"\boxed{\text{Na}^+}", "Na+"),
    ("Answer: Res judicata (claim preclusion).", "res judicata"),
    ("Answer: Yes. The court has jurisdiction.", "Yes"),
    ("Answer: No – the contract is void.", "no"),
    ("The answer is **No**.", "No"),
    ("The answer is that the contract is void.", "the contract is void"),
    ("### Answer\nMetformin", "metformin"),
    ("## Final Answer:\n\n**Metformin**", "metformin"),
    ("Answer:\nMetformin is the first-line drug.", "Metformin is the first-line drug"),
    ("**Correct answer: Metformin.** It lowers glucose.", "metformin"),
    ("Answer — Metformin", "metformin"),
    ("Answer = Metformin", "metformin"),
    ("<answer>\nMetformin\n</answer>", "metformin"),
    ("<answer>**Metformin**</answer>", "metformin"),
    ("<final_answer>Metformin</final_answer>", "metformin"),
    ("ANSWER: METFORMIN", "metformin"),
    ("My answer is metformin.", "metformin"),
    ("So the answer would be metformin.", "metformin"),
    ("The answer should be metformin.", "metformin"),
    ("Thus the answer must be 'metformin'.", "metformin"),
    ("The answer, therefore, is metformin.", "metformin"),
    ("The answer is simply metformin.", "metformin"),
    ("I believe the answer is metformin.", "metformin"),
    ("The answer is most likely metformin.", "metformin"),
    ("Answer: metformin 500 mg", "Metformin 500mg"),
    ("Answer: 500 mg of metformin", "500mg of metformin"),
    ("The answer is the mitochondria!", "Mitochondria"),
    ("The answer is an enzyme.", "enzyme"),
    ("The answer is Louis XIV, who reigned from 1643.", "Louis XIV"),
    ("The answer is Louis XIV (1638–1715).", "Louis XIV"),
    ("The answer is Paris, France.", "Paris, France"),
    ("The answer is John F. Kennedy. He was shot in 1963.", "John F Kennedy"),
    ("The answer is Mr. Darcy. He loves Elizabeth.", "Mr Darcy"),
    ("The answer is Jan. 1, 2020.", "January 1, 2020"),
    ("The answer is approx. 5 km.", "≈5 km"),
    ("The answer is Washington D.C.", "Washington DC"),
    ("The answer is U.S.A. That is all.", "USA"),
    ("The answer is 5 p.m. That is late.", "5 pm"),
    ("The answer is Inc. Magazine.", "Inc Magazine"),
    ('The answer is "The Great Gatsby" by F. Scott Fitzgerald.', '"The Great Gatsby" by F. Scott Fitzgerald'),
    ("The answer is “Hamlet”.", "Hamlet"),
    ("The answer is 'Hamlet', a play by Shakespeare.", "Hamlet"),
    ("Answer: Hamlet\n\nReasoning: It is a play.", "Hamlet"),
    ("Answer: Hamlet | Confidence: 90%", "Hamlet"),
    ("Answer: Hamlet\nConfidence: 90%", "Hamlet"),
    ("Answer: Hamlet (confidence: 90%)", "Hamlet"),
    ("Hamlet\n\nAnswer: Hamlet", "Hamlet"),
    ("答案：A+", "A+"),
    ("答案：**细胞膜**", "细胞膜"),
    ("答案是细胞膜，它控制物质进出。", "细胞膜"),
    ("因此，正确答案是：光合作用。", "光合作用"),
    ("故答案为：光合作用", "光合作用"),
    ("故答案为光合作用。", "光合作用"),
    ("所以答案是“光合作用”", "光合作用"),
    ("答：光合作用。", "光合作用"),
    ("答えは光合成です。", "光合成"),
    ("答え：光合成です。", "光合成"),
    ("したがって、答えは「光合成」です。", "光合成"),
    ("正解は光合成です。", "光合成"),
    ("정답: 광합성", "광합성"),
    ("답: 광합성", "광합성"),
    ("따라서 정답은 광합성입니다.", "광합성"),
    ("La respuesta es la fotosíntesis.", "fotosíntesis"),
    ("La respuesta correcta es **la fotosíntesis**.", "fotosíntesis"),
    ("Respuesta: fotosíntesis, ya que usa luz.", "fotosíntesis"),
    ("La réponse est la photosynthèse.", "photosynthèse"),
    ("Réponse : photosynthèse (processus des plantes)", "photosynthèse"),
    ("La réponse correcte est : « photosynthèse ».", "photosynthèse"),
    ("Die richtige Antwort ist die Photosynthese.", "Photosynthese"),
    ("Die Antwort lautet: Photosynthese, weil Pflanzen Licht nutzen.", "Photosynthese"),
    ("Antwort: Photosynthese. Denn Pflanzen nutzen Licht.", "Photosynthese"),
    ("Antwort: § 433 Abs. 2 BGB", "§ 433 Abs. 2 BGB"),
    ("Die Antwort ist Art. 1 Abs. 1 GG. Dort steht die Würde.", "Art. 1 Abs. 1 GG"),
    ("Die Antwort ist z. B. Gold.", "z. B. Gold"),
    ("Правильный ответ: фотосинтез.", "фотосинтез"),
    ("Ответ: **фотосинтез**", "фотосинтез"),
    ("Правильный ответ — фотосинтез.", "фотосинтез"),
    ("Risposta: la fotosintesi", "fotosintesi"),
    ("La risposta corretta è la fotosintesi.", "fotosintesi"),
    ("Resposta: a fotossíntese", "fotossíntese"),
    ("A resposta correta é fotossíntese.", "fotossíntese"),
    ("सही उत्तर: प्रकाश संश्लेषण", "प्रकाश संश्लेषण"),
    ("सही उत्तर प्रकाश संश्लेषण है।", "प्रकाश संश्लेषण"),
    ("الإجابة الصحيحة هي: التمثيل الضوئي", "التمثيل الضوئي"),
    ("คำตอบคือ การสังเคราะห์ด้วยแสง", "การสังเคราะห์ด้วยแสง"),
    ("Đáp án: quang hợp", "quang hợp"),
    ("Jawaban: fotosintesis", "fotosintesis"),
    ("Cevap: fotosentez", "fotosentez"),
    ("The wrong answer is Rome. The right answer is Milan.", "Milan"),
    ("Answer: undecidable", "undecidable"),
    ("Answer: None", "None"),
    ("Answer: Nothing", "nothing"),
    ("Answer: Nobody", "nobody"),
    ("Answer: Sorry Business", "Sorry Business"),
    ("The answer is Rome.", "Rome"),
    ("A: Rome", "Rome"),
    ("Q: Capital?\nA: Rome.", "Rome"),
    ("**A:** Rome", "Rome"),
    ("Answer: n.a.", "n/a"),
    ("Answer: Na", "Na"),
    ("Answer: 4. Juli 1776", "July 4, 1776"),
    ("Die Antwort ist der 4. Juli 1776.", "4. Juli 1776"),
    ("Antwort: 3. Oktober", "3. Oktober"),
    ("Antwort: der 3. Oktober 1990.", "3. Oktober 1990"),
    ("Antwort: 19. Jahrhundert", "19. Jahrhundert"),
    ("Antwort: Straße", "Strasse"),
    ("Antwort: STRASSE", "Straße"),
    ("Antwort: Masse", "Masse"),
    ("Réponse : « Guerre et Paix »", "Guerre et Paix"),
    ("Ответ: роман «Война и мир»", "роман Война и мир"),
    ("Ответ: «Война и мир»", "Война и мир"),
    ("Answer: the novel \"Emma\"", "the novel Emma"),
    ("Answer: \"Emma\"", "Emma"),
    ("Answer: 5' 10\"", "5' 10\""),
    ("Answer: forty-two (42)", "forty-two"),
    ("Answer: three (3)", "3"),
    ("Answer: 3 (three)", "3"),
    ("Answer: 12 (twelve)", "12"),
    ("> Answer: Rome", "Rome"),
    ("Answer: > Rome", "Rome"),
    ("Answer: >5", "> 5"),
    ("Answer: Type 2 diabetes mellitus", "type II diabetes mellitus"),
    ("Answer: β-thalassemia", "beta thalassemia"),
    ("Answer: Escherichia coli (E. coli)", "Escherichia coli"),
    ("Answer: Acute myocardial infarction (AMI)", "acute myocardial infarction"),
    ("Answer: the left ventricle", "left ventricle"),
    ("Answer: CD4+ T cells", "CD4+ T-cells"),
    ("Answer: HLA-B27", "HLA B27"),
    ("Answer: p53", "P53"),
    ("Answer: § 823 BGB", "§ 823 BGB"),
    ("Antwort: § 823 Abs. 1 BGB", "§ 823 Abs. 1 BGB"),
    ("Antwort: § 87 Abs. 1 Nr. 6 BetrVG.", "§ 87 Abs. 1 Nr. 6 BetrVG"),
    ("Answer: Fifth Amendment", "5th Amendment"),
    ("Answer: Miranda v. Arizona", "Miranda vs Arizona"),
    ("Answer: Miranda v. Arizona (1966)", "Miranda v. Arizona"),
    ("Answer: Article III", "Article 3"),
    ("Answer: Rule 12(b)(6)", "Rule 12 (b)(6)"),
    ("Antwort: Ja, der Betriebsrat hat ein Mitbestimmungsrecht.", "Ja"),
    ("Antwort: Nein, weil kein Vertrag vorliegt.", "Nein"),
    ("答案是北京市。", "北京市"),
    ("正解は東京です。", "東京"),
    ("Respuesta: Madrid.", "Madrid"),
    ("Réponse : Paris.", "paris"),
    ("La risposta è Roma.", "Roma"),
    ("A resposta é São Paulo.", "São Paulo"),
    ("الجواب: القاهرة", "القاهرة"),
    ("The answer is **Marie Curie**.\n\nShe was born in Warsaw.", "Marie Curie"),
    ("The final answer is: $\\boxed{\\text{Marie Curie}}$", "Marie Curie"),
    ("Answer: Marie Curie (1867–1934)", "Marie Curie"),
    ("So the answer is William Shakespeare!", "William Shakespeare"),
    ("Final answer: 1969", "1969"),
    ("Answer: The Beatles", "Beatles"),
    ("Answer: Yes, because it is prime", "Yes"),
    ("Answer: No, it isn't", "No"),
    ("Answer: 'Rome'", "Rome"),
    ("Answer: __Rome__", "Rome"),
    ("Answer: *Rome*", "Rome"),
    ("Answer: ROME", "rome"),
    ("Answer: Rome...", "Rome"),
    ("Answer: Rome 🎉", "Rome"),
    ("Answer: 25 December", "December 25"),
    ("Answer: 1,000", "1000"),
    ("Answer: H2O", "H₂O"),
    ("Answer: 2nd", "second"),
    ("Answer: World War II", "World War 2"),
    ("Answer: Rome<|im_end|>", "Rome"),
    ("Answer: Rome</s>", "Rome"),
    ("<|im_start|>assistant\nAnswer: Rome", "Rome"),
    ("Answer: https://x.org", "https://x.org"),
]  # fmt: skip
WRONG = [
    ("The answer is not Rome.", "Rome"),
    ("The answer is Rome.", "Milan"),
    ("The answer is Rome or Milan.", "Rome"),
    ("The answer is Rh-.", "Rh+"),
    ("Answer: No, it is Rome.", "Rome"),
    ("Answer: Yes, but only on Sundays", "Yes"),
    ("The answer is Yes, unless it rains.", "Yes"),
    ("The answer is metformin or insulin.", "metformin"),
    ("The answer is either Rome or Milan.", "Rome"),
    ("The answer cannot be Rome.", "Rome"),
    ("Answer: Not Rome", "Rome"),
    ("Answer: Rome is wrong; it is Milan", "Rome"),
    ("The answer is unconstitutional.", "constitutional"),
    ("The answer isn't Rome.", "Rome"),
    ("The wrong answer is Rome. The right answer is Milan.", "Rome"),
    ("Answer: no longer valid", "no"),
    ("Answer: Na", "sodium"),
    ("Answer: NA", "N/A"),
    ("Antwort: 3. Oktober", "5. Oktober"),
    ("Antwort: 2. Weltkrieg", "Zweiter Weltkrieg"),
    ("Antwort: Maße", "Masse"),
    ("Antwort: die Buße", "Busse"),
    ('Answer: 5"', "5"),
    ("Answer: 42 (forty-three)", "42"),
    ("Answer: 3 (III)", "3"),
    ("Answer: 5 (V)", "5"),
    ("Answer: > 5", "5"),
    ("Answer: Type 1 diabetes", "type 2 diabetes"),
    ("Answer: Vitamin B12", "vitamin B6"),
    ("Answer: IgG", "IgM"),
    ("Answer: Hypothyroidism", "Hyperthyroidism"),
    ("Answer: E. coli", "Escherichia coli"),
    ("Answer: Left ventricle", "Right ventricle"),
    ("Answer: 10 mg/kg", "10 mg"),
    ("Answer: 10 mg", "10 µg"),
    ("Answer: CD4+ T cells", "CD8+ T cells"),
    ("Answer: Grade II", "Grade III"),
    ("Answer: t(9;22)", "t(8;14)"),
    ("Answer: Na+", "Na"),
    ("Answer: K+", "Na+"),
    ("Answer: O negative", "O positive"),
    ("Answer: 5-HT3 antagonist", "5-HT4 antagonist"),
    ("Antwort: § 823 Abs. 1 BGB", "§ 823 Abs. 2 BGB"),
    ("Antwort: § 87 BetrVG", "§ 87 ArbGG"),
    ("Answer: 42 U.S.C. § 1983", "42 U.S.C. § 1981"),
    ("Answer: Fifth Amendment", "Fourth Amendment"),
    ("Answer: guilty", "not guilty"),
    ("Answer: void", "voidable"),
    ("Answer: Rule 12(b)(6)", "Rule 12(b)(1)"),
    ("Antwort: Ja.", "Nein"),
    ("Antwort: Nicht wirksam", "wirksam"),
    ("Antwort: unwirksam", "wirksam"),
    ("Antwort: drei Jahre", "zwei Jahre"),
    ("Antwort: 3 Wochen", "3 Monate"),
    ("答案：上海", "北京"),
    ("Answer: Marie Curie and Pierre Curie", "Marie Curie"),
    ("Answer: Curie", "Marie Curie"),
    ("Final answer: 1969.", "1968"),
    ("Answer: The Who", "Who"),
    ("Answer: C++", "C"),
    ("Answer: C#", "C"),
    ("Answer: True", "False"),
    ("Answer: I don't know", "unknown"),
    ("Answer: It is unknown", "Rome"),
    ("Answer: not Rome", "Rome"),
    ("Answer: Rome or Paris", "Rome"),
    ("Answer: 25 December", "25 November"),
    ("Answer: $5", "5"),
    ("Answer: 5%", "5"),
    ("Answer: -5", "5"),
    ("Answer: 5 °C", "5 °F"),
    ("Answer: 1.000", "1000"),
    ("Answer: H2O", "H2O2"),
    ("Answer: CO", "Co"),
    ("Answer: x^2", "x^3"),
    ("Answer: A+", "A-"),
    ("Answer: Aa", "AA"),
    ("Answer: King Henry VIII", "King Henry VII"),
    ("Answer: World War I", "World War II"),
]


def status_of(response: str, gold: str, question: str = "Which?") -> str:
    kind = TextAnswer()
    row = AnswerToGrade(question=question, answer=kind.extract(response, question), gold=gold)
    return grade([row], kind, Table())[0]


@pytest.mark.parametrize(("response", "gold"), RIGHT)
def test_responses_that_give_the_gold_answer(response: str, gold: str) -> None:
    assert status_of(response, gold) == "correct"


@pytest.mark.parametrize(("response", "gold"), WRONG)
def test_responses_that_do_not(response: str, gold: str) -> None:
    assert status_of(response, gold) != "correct"


MORE_REFUSALS = [
    "Answer: it depends", "The answer is: it depends.", "Answer: It depends on the context.", "Answer: (blank)",
    "Answer: [blank]", "Answer: [REDACTED]", "Answer: N/A", "Answer: TBD", "Answer: I'm not sure",
    "Answer: I am not entirely sure", "Answer: As an AI language model, I can't",
    "Answer: As a large language model, I have no access", "Answer: As an AI, I do not", "Answer: To be determined",
    "Answer: See above", "Answer: see explanation above", "Answer: No answer provided", "Answer: none provided",
    "Answer: I'd rather not say", "Answer: I prefer not to answer", "Answer: I can't say", "Answer: Hard to say",
    "Answer: It's hard to say", "Answer: Depends", "Answer: ???", "Answer: ____", "Answer: [insert answer]",
    "Answer: <your answer>", "Answer: XXX", "Answer: TODO", "Answer: Not provided",
    "Answer: Not enough information to answer", "Answer: This cannot be answered without more context",
    "Answer: I lack the information", "Answer: I'm just a language model", "Answer: No lo sé",
    "Antwort: Es kommt darauf an.", "Antwort: Ich weiß nicht", "Antwort: Keine Ahnung", "Réponse : Ça dépend",
    "Réponse : Je ne sais pas", "Respuesta: Depende", "Respuesta: No lo sé", "Risposta: Dipende",
    "Resposta: Depende", "答案：无法确定", "答案：不知道", "答案：视情况而定", "答案：看情况",
    "答案：作为一个AI语言模型，我无法回答", "答え：わかりません", "答え：場合による", "Ответ: не знаю",
    "Ответ: зависит от обстоятельств", "정답: 모르겠습니다", "उत्तर: मुझे नहीं पता",
    "Answer: Information not available", "Answer: Data not available", "Answer: not available",
    "Answer: The passage doesn't mention it", "Answer: This question cannot be answered.",
    "Answer: There is no correct answer", "Answer: I think we need more data", "Answer: insufficient data",
    "Answer: Unsure", "Answer: No idea.", "Answer: Sorry, no answer", "Answer: I must decline",
    r"\boxed{\text{Insufficient information}}", r"\boxed{\text{Cannot be determined}}", r"\boxed{?}",
    r"\boxed{\text{unknown}}", r"\boxed{}", r"\boxed{\text{I don't know}}",
    "The answer is: I'm not able to provide medical advice.", "The answer is that I cannot determine it.",
    "Answer: I don't know, maybe Rome", "Answer: The correct answer is not listed", "Answer: none given",
    "Answer: I'm sorry, but as an AI I can't determine this.", "I'm unable to answer. Answer: I don't know.",
    "Answer: unable to determine from the passage", "Answer: The passage does not say.", "Answer: It's unclear",
    "Answer: not stated", "Answer: undetermined", "Answer: Can't tell", "Answer: cannot tell", "Answer: can not say",
    "Answer: not sure, maybe", "Answer: Your answer", "Answer: [Your final answer]",
    "Answer: **[insert answer here]**", "Answer: …", "Answer: -", "Answer: [No answer]", "Answer: (none provided)",
    r"\boxed{\text{N/A}}", r"\boxed{\text{It depends}}", r"\boxed{\text{TBD}}", r"\boxed{\text{answer}}",
    "Answer: As a language model, I don't have opinions", "Answer: As an artificial intelligence, I",
    "Answer: I am an AI and cannot answer", "Answer: more context needed", "Answer: More context is required",
    "Answer: need more information", "Answer: Unanswerable", "Answer: undecidable?", "答案：（空）", "答案：未提供",
    "答案：信息不足，无法判断", "答案：抱歉，我不知道", "Antwort: nicht bekannt",
    "Antwort: Nicht genügend Informationen", "Antwort: Dazu kann ich nichts sagen", "Réponse : inconnu",
    "Réponse : pas assez d'informations", "Réponse : on ne sait pas", "Respuesta: desconocido",
    "Respuesta: no hay suficiente información", "Respuesta: No se puede determinar", "Respuesta: no estoy seguro",
    "Risposta: non lo so", "Resposta: não sei", "Ответ: неизвестно",
    "Ответ: недостаточно информации", "Ответ: Я не могу ответить",
    "답변: 알 수 없음", "答え：不明", "答え：情報が足りません", "الإجابة: لا أعرف",
]  # fmt: skip


@pytest.mark.parametrize("response", MORE_REFUSALS)
def test_a_refusal_in_any_words_votes_for_nothing(response: str) -> None:
    assert form_of(response, "Which?") is None


@pytest.mark.parametrize(
    ("response", "question", "gold"),
    [
    ("Answer: it depends", "Does it hold? Yes, no, it depends", "It depends"),
    ("Answer: pending", "Is the case pending or closed?", "Pending"),
    ("Answer: N/A", "Which? yes, no, N/A", "N/A"),
    ("Answer: 无", "有还是无？", "无"),
    ],
)  # fmt: skip
def test_a_refusal_that_the_question_offers_is_an_answer(response: str, question: str, gold: str) -> None:
    assert form_of(response, question) is not None and status_of(response, gold, question) == "correct"


GOLDS_OF_WORDS = [
    ("The answer is Rome. It is the capital of Italy.", "Rome"),
    ("The answer is **Rome**, the capital.", "Rome"),
    ("Rome.", "Rome"),
    ("Rome", "Rome"),
    ("Explanation: long.\n#### Rome", "Rome"),
    (r"So we have \boxed{\text{Rome}}", "Rome"),
    ("Answer: Rome\nBecause it is the capital.", "Rome"),
    ("<answer>Rome</answer>", "Rome"),
    ("<think>Milan?</think>The answer is Rome.", "Rome"),
    ("Solution: because.\nAnswer: Rome. I hope it is correct.", "Rome"),
    ("答案：北京。因为它是首都。", "北京"),
    ("Answering machine", "answering machine"),
    ("5$", "5$"),
    ("C++", "C++"),
    ("Answer: B. Metformin", "B. Metformin"),
    ("**Answer:** Metformin\n\nIt lowers glucose.", "Metformin"),
    ("Metformin (a biguanide)", "metformin"),
    ("The correct answer is metformin because it lowers glucose.", "metformin"),
    (r"\text{Metformin}", "metformin"),
    ("Ph. D.", "PhD"),
    ("U.S.", "US"),
    ("Is it a dog? Yes. Answer: a dog", "dog"),
    ("答案：细胞膜", "细胞膜"),
    ("ответ: фотосинтез", "фотосинтез"),
    ("#### metformin", "metformin"),
]  # fmt: skip


@pytest.mark.parametrize(("label", "answer"), GOLDS_OF_WORDS)
def test_a_label_is_read_as_an_answer_is(label: str, answer: str) -> None:
    [status] = grade([AnswerToGrade(question="Which?", answer=answer, gold=label)], TextAnswer(), Table())
    assert status == "correct"


BAR_EXAM = (
    "Will the buyer prevail? (A) Yes, because the seller breached. (B) Yes, because the contract was valid. "
    "(C) No, because the sale is void."
)


@pytest.mark.parametrize(
    ("response", "gold", "question", "status"),
    [
        ("The answer is Yes, because the seller breached.", "Yes, because the seller breached", BAR_EXAM, "correct"),
        ("The answer is Yes, because the contract was valid.", "Yes, because the seller breached", BAR_EXAM, "wrong"),
        ("The answer is Yes, because the contract was valid.", "Yes, because the seller breached", "?", "wrong"),
        (
            "The answer is Yes, because the seller breached.",
            "Answer: Yes, because the seller breached.",
            "?",
            "correct",
        ),
        (
            "The answer is Yes, because the contract was valid.",
            "Answer: Yes, because the seller breached.",
            "?",
            "wrong",
        ),
        ("Answer: Yes, because the seller breached.", "Yes", "?", "correct"),
        ("Answer: The contract is void because of fraud.", "The contract is void because of fraud", "?", "correct"),
        ("Answer: Rome, because it is the capital", "The answer is Rome, which is in Italy.", "?", "correct"),
        ("Answer: 1914–the present", "1914", "?", "wrong"),
        ("Answer: the heart; the lungs", "heart", "?", "wrong"),
        ("Answer: organs such as the heart", "organs such as the heart", "?", "correct"),
        ("Answer: O negative", "negative", "?", "wrong"),
    ],
)
def test_an_explanation_counts_if_question_or_label_hold_it(
    response: str, gold: str, question: str, status: str
) -> None:
    assert status_of(response, gold, question) == status


@pytest.mark.parametrize(("_pattern", "example"), _EXPLANATIONS)
def test_each_explanation_is_cut_off(_pattern: str, example: str) -> None:
    assert without_explanation(example) in ("Rome", "No", "Madrid", "北京")


@pytest.mark.parametrize(("response", "answer"), [("Answer: 5$", "5$"), ("Answer: A*", "A*"), ("Answer: $5$", "$5$")])
def test_the_last_sign_of_an_answer(response: str, answer: str) -> None:
    assert TextAnswer().extract(response, "?") == answer
