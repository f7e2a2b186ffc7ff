"""Responses in the styles of many models to questions of many exams, by the letter that an examiner would mark.

The second option is always "B", whatever its label is. The responses under `NO_LETTER` choose no option, or several.
"""

import pytest

from tests.unit.answers.test_choice import AMBIGUOUS, choice

NO_LETTER = ""

DRUGS = "Which?\nA. Amlodipine\nB. Lisinopril\nC. Metoprolol\nD. Hydrochlorothiazide"
CIRCLED = "哪个？\n① 氩\n② 氖\n③ 氙\n④ 氡"
SIGNS = "Which sign divides?\nA. /\nB. //\nC. %\nD. |"
SIGNS_AGAIN = "Which?\nA. /\nB. //\nC. |\nD. %"
SAME_NUMBERS = "Which?\nA. 277\nB. 280\nC. 281\nD. 277"
GENOTYPES = "Which?\nA. BBEe will be brown.\nB. BbEe will be brown.\nC. bbee"
SETS = "Which?\nA. {1}\nB. {1,2,2,3,4}\nC. {1,2,3,4}\nD. {2}"
SPONTANEOUS = (
    "Which?\n"
    "A. This is a spontaneous process because it is exothermic.\n"
    "B. No.\n"
    "C. x\n"
    "D. This is a spontaneous process because it is"
)
MOMENTA = "Which?\nA. m*v\nB. m*v^2\nC. 0.5*m/(R^3)\nD. m/v"
IDEALS = (
    "Which of these is an ideal?\n"
    "A. a,b in H=> a * b in H\n"
    "B. a in H=> a^-1 in H\n"
    "C. a,b in H => a * b^-1 in H\n"
    "D. H contains the identity"
)
SEARCH = "Which?\nA. h = c * log2(N)\nB. h = 1/c * log2(N)\nC. h = N\nD. h = 1"
QUESTIONS = (
    "Which question can science answer?\n"
    "A. Will the Sun become a black hole?\n"
    "B. Is it right to clone?\n"
    "C. Which is prettier?\n"
    "D. Should we vote?"
)
MEDQA = (
    "A 23-year-old pregnant woman at 22 weeks gestation presents with burning upon "
    "urination. Which of the following is the best treatment for this patient?\n"
    "A. Ampicillin\n"
    "B. Ceftriaxone\n"
    "C. Doxycycline\n"
    "D. Nitrofurantoin"
)
MMLU_PRO = (
    "What is the wavelength?\n"
    "A. 100 nm\n"
    "B. 200 nm\n"
    "C. 300 nm\n"
    "D. 400 nm\n"
    "E. 500 nm\n"
    "F. 600 nm\n"
    "G. 700 nm\n"
    "H. 800 nm\n"
    "I. 900 nm\n"
    "J. 1000 nm"
)
LSAT = (
    "Which one of the following, if true, most weakens the argument?\n"
    "(A) Most critics of the policy did not read it.\n"
    "(B) The policy was adopted unanimously.\n"
    "(C) Sales fell in regions without the policy as well.\n"
    "(D) The policy costs less than expected.\n"
    "(E) None of the regions kept records."
)
BAR = (
    "Is the contract enforceable?\n"
    "A. Yes, because there was consideration.\n"
    "B. Yes, because the promise was in writing.\n"
    "C. No, because there was no consideration.\n"
    "D. No, because of the Statute of Frauds."
)
GPQA = "What is the product?\n(A) (E)-2-butene\n(B) (Z)-2-butene\n(C) 1-butene\n(D) butane"
GAOKAO = (
    "下列关于细胞的叙述，正确的是（  ）\n"
    "A．线粒体是光合作用的场所\n"
    "B．核糖体合成蛋白质\n"
    "C．高尔基体产生ATP\n"
    "D．叶绿体进行有氧呼吸"
)
JEC_QA = "下列哪些属于犯罪未遂？\nA. 甲\nB. 乙\nC. 丙\nD. 丁"
JMLE = (
    "65歳の男性。胸痛を主訴に来院した。まず行うべき検査はどれか。\n"
    "a　心電図\n"
    "b　胸部CT\n"
    "c　心エコー\n"
    "d　血液検査\n"
    "e　運動負荷試験"
)
JMLE_TWO = "どれか。2つ選べ。\na 心電図\nb 胸部CT\nc 心エコー\nd 血液検査\ne 尿検査"
KOREAN = "다음 중 옳은 것은?\n1) 서울\n2) 부산\n3) 대구\n4) 인천\n5) 광주"
FRENCH_MED = (
    "Parmi les propositions suivantes, laquelle est exacte ?\n"
    "A. Le foie stocke le glycogène\n"
    "B. Le rein produit la bile\n"
    "C. Le cœur sécrète l'insuline\n"
    "D. Le poumon stocke l'urine\n"
    "E. La rate produit la bile"
)
WORKS_COUNCIL = "Ab wie vielen Arbeitnehmern kann ein Betriebsrat gewählt werden?\na) ab 3\nb) ab 5\nc) ab 10\nd) ab 20"
MIR = "¿Cuál es el tratamiento?\n1. Aspirina\n2. Heparina\n3. Warfarina\n4. Clopidogrel"
RUSSIAN = "Какой орган вырабатывает инсулин?\nA) печень\nБ) поджелудочная железа\nВ) почка\nГ) сердце"
ENEM = "Qual órgão produz insulina?\nA) fígado\nB) pâncreas\nC) rim\nD) coração\nE) baço"
HINDI = "इंसुलिन कौन बनाता है?\n(A) यकृत\n(B) अग्न्याशय\n(C) वृक्क\n(D) हृदय"
USMLE = (
    "A 55-year-old man has chest pain. Which drug is contraindicated?\n"
    "A. Aspirin\n"
    "B. Sildenafil\n"
    "C. Heparin\n"
    "D. Metoprolol\n"
    "E. Vitamin K"
)
OPERATORS = "Which operator?\nA. &&\nB. ||\nC. !\nD. |"
ARITHMETIC = "Which operator?\nA. +\nB. -\nC. *\nD. /"
BLOOD_GROUPS = "Which blood group?\nA. A\nB. B\nC. AB\nD. O"
VITAMIN = "Which vitamin prevents scurvy?\nA. Vitamin A\nB. Vitamin C\nC. Vitamin D\nD. Vitamin B12"
STATEMENTS = "Consider:\nI. p\nII. q\nIII. r\nWhich are true?\nA. I only\nB. I and II\nC. II and III\nD. I, II and III"
TRUE_FALSE = "The sun is a star.\nA. True\nB. False"
NOT_A_FRUIT = "Which is NOT a fruit?\nA. Apple\nB. Carrot\nC. Pear\nD. Plum"
PHYSICS = "A ball is thrown upward at 20 m/s. How high does it rise (g = 10 m/s^2)?\nA. 10 m\nB. 20 m\nC. 30 m\nD. 40 m"
DIGOXIN = (
    "A 60-year-old man with heart failure takes digoxin. Which drug raises its level?\n"
    "A. Amiodarone\n"
    "B. Furosemide\n"
    "C. Cholestyramine\n"
    "D. Spironolactone\n"
    "E. Insulin"
)
WAITING = "Best next step?\nA. Wait 6 months\nB. Correction of sodium\nC. Watch and wait\nD. Surgery"
WORDS_OF_CORRECTIONS = "Which is best?\nA. meant to test x\nB. but not y\nC. no, z\nD. oh"

ONE_LETTER: dict[str, dict[str, list[str]]] = {
    DRUGS: {
        "A": [
            "The third option is wrong. The first option is right.",
        ],
        "B": [
            "The answer is without a doubt B.",
            "The answer is most certainly B",
            "The answer is of course B",
            "The answer is undoubtedly B.",
            "B。 不是 A",
            "B。不是 A",
            "B不是 A",
            "B，不是A",
            "答案是B，而不是A",
            "答案是B不是A",
            "B, not A",
            "B not A",
            "Die Antwort ist B, nicht A",
            "La respuesta es B, no A",
            "La respuesta es la B y no la A.",
            "La risposta è B e non A",
            "Ответ: B, а не A",
            "正解はBで、Aではない。",
            "정답은 B이고 A가 아닙니다.",
            "<|im_start|>B",
            "<|im_start|>assistant\nB",
            "<|assistant|>B",
            "<|start_header_id|>assistant<|end_header_id|>\n\nB<|eot_id|>",
            "[/INST] B",
            "<start_of_turn>model\nB<end_of_turn>",
            "B<|im_end|>",
            "B</s>",
            "The answer is A? No, it is B.",
            "The answer is A? No, B.",
            "Is the answer A? No. The answer is B.",
            "The answer is A... no, B.",
            "The first option is wrong, so the second option is correct.",
            "The first option is incorrect. The second option is correct.",
            "Option 1 is wrong, so option 2 is correct.",
        ],
        "C": [
            "réponse est C non A",
            "La réponse est C, non A",
            "La réponse est C et non A.",
            "La réponse est C, pas A",
        ],
        "D": [
            "The answer is for sure D, it can't be A or B",
            "the answer is for certain D",
        ],
        NO_LETTER: [
            "Neither the first nor the second option is correct.",
            "The first and second options are correct.",
            "(A) is the first, (B) the second.",
        ],
    },
    CIRCLED: {
        "B": [
            "①은 틀리고 ②가 맞다",
            "①错②对",
            "①错误，②正确。",
            "①은 틀리고 ②는 맞다.",
            "②가 맞고 ①은 틀리다",
        ],
        NO_LETTER: [
            "①③错误，②④正确",
        ],
    },
    SIGNS: {
        "A": [
            "Answer: A. /",
            "\\boxed{/}",
        ],
        "B": [
            "Answer: B. //",
        ],
        "C": [
            "Answer: C. %",
        ],
        "D": [
            "\\boxed{|}",
            "Answer: D. |",
        ],
    },
    SIGNS_AGAIN: {
        "C": [
            "\\boxed{|}",
        ],
    },
    SAME_NUMBERS: {
        "A": [
            "Answer: A. 277",
        ],
        "D": [
            "Answer: D. 277",
        ],
        NO_LETTER: [
            "277",
        ],
    },
    GENOTYPES: {
        "A": [
            "Answer: A. BBEe will be brown.",
        ],
        "B": [
            "Answer: B. BbEe will be brown.",
        ],
    },
    SETS: {
        "A": [
            "Answer: A. {1}",
        ],
        "B": [
            "Answer: B. {1,2,2,3,4}",
        ],
        "C": [
            "Answer: C. {1,2,3,4}",
        ],
        "D": [
            "Answer: D. {2}",
        ],
    },
    SPONTANEOUS: {
        "A": [
            "Answer: A. This is a spontaneous process because it is exothermic.",
        ],
        "D": [
            "Answer: D. This is a spontaneous process because it is",
        ],
    },
    MOMENTA: {
        "A": [
            "Answer: A. m*v",
        ],
        "B": [
            "Answer: B. m*v^2",
        ],
        "C": [
            "Answer: C. 0.5*m/(R^3)",
        ],
        "D": [
            "Answer: D. m/v",
        ],
    },
    IDEALS: {
        "A": [
            "Answer: A. a,b in H=> a * b in H",
        ],
        "B": [
            "Answer: B. a in H=> a^-1 in H",
        ],
        "C": [
            "Answer: C. a,b in H => a * b^-1 in H",
        ],
        "D": [
            "Answer: D. H contains the identity",
        ],
    },
    SEARCH: {
        "A": [
            "Answer: A. h = c * log2(N)",
        ],
        "B": [
            "Answer: B. h = 1/c * log2(N)",
        ],
        "C": [
            "Answer: C. h = N",
        ],
        "D": [
            "Answer: D. h = 1",
        ],
    },
    QUESTIONS: {
        "A": [
            "So the correct choice is A: Will the Sun become a black hole?",
            "A. Will the Sun become a black hole?",
            "The answer is A. Will the Sun become a black hole?",
        ],
        "B": [
            "Therefore, the correct answer is (B) Is it right to clone?",
        ],
        NO_LETTER: [
            "Is it A?",
        ],
    },
    MEDQA: {
        "D": [
            (
                "The patient has cystitis. Doxycycline is contraindicated in pregnancy. Nitrofurantoin "
                "is safe in the second trimester.\n\n**Answer: D. Nitrofurantoin**"
            ),
            ("### Step 1\nUTI in pregnancy.\n### Step 2\nRule out C.\n\n### Final Answer\n**D. Nitrofurantoin**"),
            "Final Answer: D) Nitrofurantoin 100 mg twice daily",
            (
                "**Correct Answer: (D) Nitrofurantoin**\n\n**Explanation:** Ampicillin has resistance; "
                "ceftriaxone is for pyelonephritis; doxycycline is contraindicated."
            ),
            "The best treatment for this patient is:\n\n**D. Nitrofurantoin**",
            "The best treatment for this patient is nitrofurantoin.",
            "Nitrofurantoin",
            "nitrofurantoin (Option D)",
            (
                "So the answer should be D.\n\nLet me double check: A has resistance, B is IV, C is "
                "contraindicated. Yes, D."
            ),
            "\\boxed{D. Nitrofurantoin}",
            "$\\boxed{\\text{D) Nitrofurantoin}}$",
            "\\boxed{\\textbf{(D)}}",
            "\\[\\boxed{D}\\]",
            "The correct answer is D because nitrofurantoin is safe, while C (doxycycline) is not.",
            (
                "The correct answer is **D**: Nitrofurantoin.\n\nA is wrong because of resistance. B is "
                "for severe disease. C harms the fetus."
            ),
            "I would recommend D, Nitrofurantoin.",
            "I'd go with option D here.",
            "Based on the above, the most appropriate choice is (D).",
            "Thus D is the best choice.",
            "Thus, among the given options, nitrofurantoin is the best choice. Answer D",
            "Answer D",
            "Ans: D",
            "Ans. D",
            "ANSWER: D",
            "answer:d",
            "Answer = D",
            "Answer - D",
            "The Answer: D.",
            "It could be either A or D. I'm leaning toward D.",
            "A or D could work, but D is preferred.",
            "While ampicillin (A) can be used, nitrofurantoin (D) is preferred.",
            "Both A and D are safe, but D is the better choice.",
            "The answer is D (nitrofurantoin), not B (ceftriaxone).",
            "D. Nitrofurantoin is the most appropriate treatment.",
            (
                "Therefore, the answer is **D) Nitrofurantoin**.\n\nNote: This is for educational purposes "
                "only; consult a physician."
            ),
            "The answer is D.\n\nWould you like me to explain why the other options are wrong?",
            "**D**\n\nWould you like more details?",
            "My final answer is D. However, A could also be considered.",
            "Final answer: D. Confidence: 85%",
            "Answer: D\nConfidence: High",
            '{"answer": "D", "confidence": 0.9}',
            '```json\n{"answer": "D"}\n```',
            '{"answer": "Nitrofurantoin"}',
            "<answer>D</answer>",
            "<answer>D. Nitrofurantoin</answer>",
            "<answer>\nD\n</answer>",
            "<think>Is it A? no, D is best.</think>\n\nD",
            "<think>A is resistant</think>The best option is D.",
            "Option D is the correct answer: Nitrofurantoin.",
            "Option D.",
            "Option (D)",
            "Choice D",
            "Letter D",
            "(D)",
            "[D]",
            "D)",
            "D:",
            "D -",
            "- D",
            "* D",
            "# D",
            "'D'",
            "`D`",
            "**D.**",
            "__D__",
            "D!",
            "D\n",
            "\n\nD\n\n",
            "D\nD\nD\nD",
            "The answer is D.\n\nQuestion: A 5-year-old...\nA. x\nB. y\nAnswer: B",
            " D\n\nQuestion: What is the capital?\nA. Rome\nB. Paris\nAnswer: B",
            " D. Nitrofurantoin\nExplanation: safe\n\nQ: Next\nAnswer: A",
            "A. Ampicillin\nB. Ceftriaxone\nC. Doxycycline\nD. Nitrofurantoin\n\nAnswer: D",
            "最佳治疗是呋喃妥因，因此选D。",
            "答案：D. 呋喃妥因",
            "所以答案是 **D**。",
            "故正确答案为D选项。",
            "正确选项：D",
            "应选择D。",
            "选D",
            "本题选D。",
            "因此，正确答案是D：呋喃妥因（Nitrofurantoin）。",
            "La respuesta correcta es D) Nitrofurantoína.",
            "La bonne réponse est D : Nitrofurantoïne.",
            "Die richtige Antwort ist D) Nitrofurantoin.",
            "Правильный ответ: D) Нитрофурантоин",
            "Ответ: D",
            "正解：D",
            "正しい答えはDです。",
            "정답: D",
            "الجواب: D",
            "Resposta: D",
            "Risposta corretta: D",
            "Antwort: **D**",
        ],
        NO_LETTER: [
            "Doxycycline (C) is contraindicated, ceftriaxone (B) is reserved for pyelonephritis.",
            "The options are Ampicillin (A), Ceftriaxone (B), Doxycycline (C) and Nitrofurantoin (D).",
            "I can't decide between A and D.",
            "D is safer than A.",
            "The answer is not C.",
            "C is contraindicated.",
            "None of the options is suitable.",
            "D. Nitrofurantoin\nA. Ampicillin\nB. Ceftriaxone\nC. Doxycycline",
            "A. Ampicillin\nB. Ceftriaxone\nC. Doxycycline\nD. Nitrofurantoin",
        ],
    },
    MMLU_PRO: {
        "F": [
            "The answer is (F) 600 nm.",
            "λ = 600 nm. So the answer is (F).",
        ],
        "G": [
            "The final answer is (G) 700 nm, not (F).",
            "So λ = 700 nm, which is option G.",
            "The closest is G. 700 nm.",
            "700 nm",
            "\\boxed{700\\text{ nm}}",
            "\\boxed{700\\,\\mathrm{nm}}",
            "$\\lambda = 700$ nm, so **G**",
            "The wavelength is 700 nm, corresponding to choice (G).",
            "which matches option G",
            "This matches option (G).",
            "Hence option G matches.",
            "The closest option is G.",
            "closest to option (G) 700 nm",
        ],
        "H": [
            "I believe the correct option is H.",
        ],
        "I": [
            "Let's think step by step. c = λf. The answer is (I).",
            "The answer is (I)",
            "The answer is I.",
            "I",
            "I.",
            "the answer is (I). I hope this helps",
        ],
        "J": [
            "I think the answer is (J).",
        ],
        NO_LETTER: [
            "I am not sure.",
            "I don't know.",
            "The answer is (K).",
            "The answer is X.",
        ],
    },
    LSAT: {
        "C": [
            "(C) is the credited response.",
            "C is the credited answer.",
            "Therefore, answer choice (C) is correct.",
            "The correct answer choice is (C).",
            "The answer is (C): sales fell everywhere, so (B) and (D) are irrelevant.",
            ("(A) is irrelevant, (B) is out of scope, (D) strengthens, (E) is irrelevant. That leaves (C)."),
            "By elimination, (C).",
            "So (C) it is.",
            "So it's (C).",
            "It's C.",
            "C it is!",
            "We pick (C).",
            "My pick: C",
            "Best answer: C",
            "I'd choose C over E.",
            "Only (C) weakens the argument.",
            "Only C works.",
            "The only option that weakens it is (C).",
            "Choice (C) best weakens the argument.",
            "(C) Sales fell in regions without the policy as well.",
            "Sales fell in regions without the policy as well.",
            "C. Sales fell in regions without the policy as well",
            "The answer is that sales fell in regions without the policy as well.",
        ],
        NO_LETTER: [
            "(A) and (C) both weaken.",
        ],
    },
    BAR: {
        "B": [
            "Yes, because the promise was in writing",
        ],
        "C": [
            "C. No, because there was no consideration.",
            "No, because there was no consideration.",
            "The answer is C: No.",
            "The contract is not enforceable. The answer is (C).",
            "**C** – No, because there was no consideration.",
            "C: No, the past act is no consideration.",
            "D is tempting, but C is the best answer.",
            "(D) is incorrect because the contract is not within the Statute. (C) is correct.",
            ("(C) is correct. (A) is wrong since a past act is no consideration; (B) is wrong; (D) is wrong."),
            (
                "The correct answer is C. A is incorrect because ... B is incorrect because ... D is "
                "incorrect because ..."
            ),
            "The best answer is C, as the promise lacks consideration; D would be correct only if...",
        ],
        NO_LETTER: [
            "Answer: No",
        ],
    },
    GPQA: {
        "A": [
            "The correct answer is (A)",
            "The correct answer is (A).",
            "The answer is (E)-2-butene.",
            "Answer: (A) (E)-2-butene",
            "Therefore the major product is (E)-2-butene, option (A).",
        ],
        "B": [
            "The answer is (B) (Z)-2-butene.",
            "(Z)-2-butene",
        ],
        "D": [
            "**Answer: (D)**",
        ],
        NO_LETTER: [
            "The answer is (E).",
        ],
    },
    GAOKAO: {
        "B": [
            "【答案】B\n【解析】核糖体是蛋白质合成的场所。",
            "【答案】B",
            "【详解】A、线粒体是有氧呼吸的场所，A错误；B、核糖体合成蛋白质，B正确；C、高尔基体不产生ATP，C错误；D、叶绿体进行光合作用，D错误。故选B。",
            "A错误；B正确；C错误；D错误。",
            "A、错误。B、正确。C、错误。D、错误。",
            "A项错误，B项正确，C项错误，D项错误。",
            "故选：B．",
            "故选B",
            "故答案选B。",
            "故本题答案为B。",
            "综上所述，本题正确答案为B。",
            "答案为B",
            "答案：(B)",
            "答案选B",
            "所以选择B选项。",
            "我选择B。",
            "因此选项B是正确的。",
            "选项B正确。",
            "只有B正确。",
            "只有B选项正确",
            "正确的是B。",
            "正确的叙述是B。",
            "正确答案是：\n\n**B．核糖体合成蛋白质**",
            "\\boxed{B}",
            "B．核糖体合成蛋白质",
            "核糖体合成蛋白质",
            "选项A、C、D均错误，所以答案是B。",
            "A、C、D都不对，只有B对。",
            "排除A、C、D，选B。",
            "答案应该是B，而不是A。",
            "我认为答案不是A，而是B。",
            "<think>A不对</think>\n\n答案是 B。",
            "B选项",
            "B项",
            "B。",
            "（B）",
            "选择：B",
            "正确选项为 B。",
            "The correct answer is B. 核糖体合成蛋白质",
            "正确答案：B（核糖体合成蛋白质）",
            "B是正确答案",
            "B 是正确的，因为核糖体合成蛋白质。",
            "B正确，A错误",
            "答案：B\n解析：A错，线粒体……",
            "本题考查细胞器。\nA错\nB对\nC错\nD错",
            "A. 错误\nB. 正确\nC. 错误\nD. 错误\n",
        ],
        NO_LETTER: [
            "错误的是A、C、D。",
            "不正确的是A。",
            "不选A。",
            "可能是A或B。",
            "A或B",
            "答案是A和B。",
        ],
    },
    JEC_QA: {
        NO_LETTER: [
            "答案：ABD",
            "A、B、D",
            "A和B",
        ],
    },
    JMLE: {
        "A": [
            "正解は a です。",
            "a",
            "答え：a",
            "正解：a 心電図",
            "したがって、正解はaの心電図です。",
            "a　心電図",
            "心電図",
            "まず心電図を行う。答えはa。",
            "aが正しい。",
            "b、c、d、eは不適切である。よってaが正解。",
            "選択肢aが正解です。",
            "【正解】a",
            "解答: a",
            "The answer is a.",
        ],
        NO_LETTER: [
            "a と b",
        ],
    },
    KOREAN: {
        "B": [
            "정답은 2번입니다.",
            "정답: 2",
            "답: 2) 부산",
            "따라서 정답은 2) 부산이다.",
            "2번",
            "②",
            "정답은 ②이다.",
            "1번은 틀리고 2번이 맞다.",
            "2",
            "2)",
            "보기 2",
        ],
    },
    FRENCH_MED: {
        "A": [
            "La réponse correcte est A.",
            "La bonne réponse est la A.",
            "Réponse : A",
            "Réponse A",
            "Réponse: **A. Le foie stocke le glycogène**",
            "La proposition A est exacte.",
            "C'est la proposition A.",
            "La réponse exacte est donc la proposition A.",
            "A est correcte, B est fausse.",
            "A : vrai\nB : faux\nC : faux\nD : faux\nE : faux",
            "A. Vrai\nB. Faux\nC. Faux\nD. Faux\nE. Faux",
            "Seule la proposition A est exacte.",
            "Les propositions B, C, D et E sont fausses. La réponse est donc A.",
            "Donc A.",
            "La réponse est A car le foie stocke le glycogène.",
            "La réponse est A parce que…",
            "La bonne réponse est : A",
            "Bonne réponse : A",
            "Il s'agit de la réponse A.",
            "Le foie stocke le glycogène",
        ],
        NO_LETTER: [
            "La B est fausse.",
        ],
    },
    WORKS_COUNCIL: {
        "B": [
            "Antwort: b) ab 5",
            "Richtig ist b).",
            "Die richtige Antwort lautet b) ab 5.",
            "b)",
            "b) ab 5",
            "ab 5",
            "Gemäß § 1 BetrVG ab 5 Arbeitnehmern. Antwort b",
            "Antwort b ist richtig.",
            "Lösung: b",
            "Korrekt ist Antwort b.",
            "Die Antwort ist b, nicht a.",
            "Also b.",
            "Damit ist b) richtig.",
            "Somit ist Antwort b) korrekt.",
            "Nicht a), sondern b).",
            "a) ist falsch, b) ist richtig.",
            "a) falsch\nb) richtig\nc) falsch\nd) falsch",
            "Es ist b.",
            "B",
            "Zutreffend ist b).",
            "Nur b) trifft zu.",
            "b) trifft zu.",
            "Laut § 1 BetrVG (Abs. 1) sind es fünf. **b)**",
        ],
        NO_LETTER: [
            "Die Antworten a) und b) sind richtig.",
        ],
    },
    MIR: {
        "B": [
            "La respuesta correcta es la 2.",
            "Respuesta correcta: 2. Heparina",
            "2",
            "2. Heparina",
            "La opción 2 es la correcta.",
            "Opción 2: Heparina",
            "La respuesta correcta es la opción 2, heparina.",
            "Heparina",
            "La respuesta correcta es: 2) Heparina",
            "Por lo tanto, la correcta es la 2.",
        ],
    },
    RUSSIAN: {
        "B": [
            "Ответ: Б",
            "Правильный ответ: Б) поджелудочная железа",
            "Б",
            "Верный ответ — Б.",
            "поджелудочная железа",
            "Правильный вариант ответа: Б",
        ],
    },
    ENEM: {
        "B": [
            "A alternativa correta é a letra B.",
            "Letra B",
            "Gabarito: B",
            "Resposta: letra B",
            "Alternativa B",
            "B) pâncreas",
            "A resposta correta é B) pâncreas.",
            "Portanto, a alternativa correta é B.",
            "A letra A está errada; a correta é a B.",
        ],
    },
    HINDI: {
        "B": [
            "उत्तर: (B)",
            "सही उत्तर (B) अग्न्याशय है।",
            "सही विकल्प B है।",
            "B",
            "उत्तर B",
        ],
    },
    USMLE: {
        "A": [
            "A.",
            "A",
        ],
        "B": [
            "One might think the answer is A, but it is B.",
            "Many students choose A. However, the correct answer is B.",
            "At first I thought A, but the answer is B.",
            "I initially chose A, but B is correct.",
            "The answer is B. Some would say C.",
            "The answer is B rather than A.",
            "The answer cannot be A, C or D, so it must be B.",
            "The correct answer is B, not A, C, D, or E.",
            "The correct answer is B. A, C, D and E are not contraindicated.",
            "B\n\nA 30-year-old woman has fever. Which test?\nA. CBC\nB. CRP\nC. ESR",
            (
                "Answer: B\n\nExplanation: Sildenafil with nitrates causes hypotension. A is fine.\n\n## "
                "Question 2\nWhich is right?\nA. 1\nB. 2\n\nAnswer: A"
            ),
            "The answer is B.\nThe answer is B.\nThe answer is B.\nThe answer",
            "The answer is either A or B, probably B.",
            "Probably B",
            "I guess B",
            "I'd say B",
            "B, I think",
            "B, I believe.",
            "Hmm, B.",
            "Definitely B",
            "B for sure",
            "B obviously",
            "B (sildenafil)",
            "B - Sildenafil",
            "B – Sildenafil",
            "B: Sildenafil",
            "B = Sildenafil",
            "B Sildenafil",
            "Sildenafil, B",
            "sildenafil.",
            "Answer: sildenafil (B)",
            "Answer: sildenafil because of nitrates",
            "Answer: Sildenafil, since nitrates are given",
            "The answer is sildenafil, not aspirin.",
            (
                "Correct answer: **B. Sildenafil**\n\n**Why the others are wrong:**\n- A. Aspirin: "
                "indicated\n- C. Heparin: indicated\n- D. Metoprolol: indicated\n- E. Vitamin K: irrelevant"
            ),
            (
                "**Answer:** B\n\n**Rationale:**\n- **A. Aspirin** – indicated.\n- **B. Sildenafil** – "
                "contraindicated with nitrates.\n- **C. Heparin** – indicated."
            ),
            "Hence, option B: Sildenafil.",
            "Hence, option B.",
            "Therefore B: Sildenafil",
            "→ B",
            "=> B",
            "Answer → B",
            "Answer: → B",
            "Result: B",
            "RESULT: B",
            "Choice: B",
            "Response: B",
            "Solution: B",
            "My answer: B",
            "My choice is B",
            "The best choice is B.",
            "The right option is B.",
            "The right one is B.",
            "Correct choice: B",
            "Right answer: B",
            "Selected: B",
            "I'll go with B.",
            "I will select B.",
            "We choose option B.",
            "We should choose B.",
            "Pick B.",
            "Select B",
            "The answer is (B) because A is fine",
            "The answer is B because A, C, D, E are fine",
            "The answer is B since A is safe.",
            "The final answer is $\\boxed{B}$. I hope it is correct.",
            "\\boxed{A}\n\nWait, A is fine. So \\boxed{B}",
            "\\boxed{B, Sildenafil}",
            "\\boxed{Sildenafil}",
            "\\boxed{\\text{Sildenafil}}",
            "\\boxed{b}",
            "\\boxed{(b)}",
            "\\boxed{\\mathrm{B}}",
            "\\boxed{\\mathbf{B}}",
            "\\boxed{\\text{The answer is B}}",
            "\\boxed{Option B}",
            "\\boxed{B.}",
            "\\boxed{\\text{B. Sildenafil}}",
            "</think>\n\nThe correct answer is **B**.",
            "<think>\nOkay, A? no.\n</think>\n\n**Final Answer**\n\\boxed{B}",
            (
                "Okay, let me think. The answer might be A. Hmm, but wait. Sildenafil with nitrates is "
                "dangerous. So it's B."
            ),
            "The answer is A. Wait, no. Sildenafil is contraindicated. The answer is B.",
            "The answer is A. Wait, actually B.",
            "A. Wait, no, B.",
            "A — scratch that — B.",
            "A... actually, B.",
            "A, no wait, B",
            "The answer is A, I mean B.",
            "Answer: [B]",
            "Answer: {B}",
            "Answer: (B",
            "Answer: B)",
            'Answer: "B"',
            "Answer: 'B'",
            "Answer: B;",
            "Answer: B,",
            "Answer:\tB",
            "Answer：B",
            "Answer:B",
            "Answer: b)",
            "[B]",
            "{B}",
            "<B>",
            "(B",
            "B]",
            '"B"',
            "B;",
            "B,",
            "B\n\nWhich test is best?\nA. CBC\nB. CRP\nC. ESR\nAnswer: A",
            "B. Sildenafil\n\nWhich test is best?\nA. CBC\nB. CRP\nC. ESR\nAnswer: A",
            " B\nExplanation: nitrates\n\nWhich test is best?\nA. CBC\nB. CRP\nC. ESR\nAnswer: A",
            "B\n\nA. Aspirin is fine\nB. Sildenafil is not\nC. Heparin is fine",
            "A. Actually the answer is B.",
            "A. No, wait. B.",
            "I was going to say A, but it's B.",
            "It's A or B, most likely B.",
        ],
        "E": [
            "Therefore, E.",
        ],
        NO_LETTER: [
            "Let's consider each option. A: Aspirin is given in MI.",
            "A. Aspirin is given in MI.",
            "Option A is wrong.",
            "Option A is not contraindicated.",
            "A is not the answer.",
            "It's not A.",
            "If the answer were A, then the patient would bleed.",
            "You might choose A, but that is wrong.",
            "The answer isn't A.",
            "The answer is neither A nor C.",
            "All except A are wrong.",
            "All of the options A, C, D, E are safe.",
            "A, C and D are safe.",
            "Only A is safe.",
            "Vitamin K is the antidote of warfarin.",
            "Vitamin B is not listed.",
            "Hepatitis B is a contraindication.",
            "This is a class A recommendation.",
            "Grade A evidence supports this.",
            "Plan B: give heparin.",
            "Type A dissection must be excluded.",
            "Appendix B is relevant here.",
            "See Figure B.",
            "See option B above for details.",
            "Group B received placebo.",
            "Factor C is missing.",
            "B cells are affected.",
            "Influenza A.",
            "So the enzyme is protein kinase A.",
            "Therefore, protein C.",
            "Therefore, vitamin E.",
            "I am sure.",
            "I.",
            "A patient with chest pain",
            "A man",
            "As an AI",
            "Yes.",
            "True",
            "None of the above",
            "N/A",
            "Unknown",
            "The next question: Which drug is first-line?\nA. x\nB. y",
            "The answer is: A, B, C, D, E",
            "A B C D E",
            "ABCDE",
            "A/B",
            "A & B",
            "Answer: Not Aspirin",
            "Answer: Aspirin and Sildenafil",
            "Answer: Aspirin or Sildenafil",
            (
                "- **A. Aspirin** – indicated.\n- **B. Sildenafil** – contraindicated.\n- **C. Heparin** – "
                "indicated.\n- **D. Metoprolol** – indicated."
            ),
            "The answer is option A's opposite.",
            "The answer is a drug that lowers blood pressure.",
            "The answer is a beta blocker.",
            "The answer is A-type.",
            "The answer is E-cadherin.",
            "The answer is C-reactive protein.",
            "The answer is B12.",
            "The answer is D-dimer.",
            "The answer is B-cell lymphoma",
            "The answer is C. difficile.",
            "The answer is E. coli.",
            "\\boxed{B} or \\boxed{C}",
            "\\boxed{}",
            "\\boxed{?}",
            "\\boxed{None}",
            "\\boxed{2}",
            "\\boxed{A \\text{ and } B}",
            "\\boxed{A, B}",
            (
                "Alright, so the user asks about contraindicated drugs. Aspirin (A) is used. Sildenafil "
                "(B) interacts with nitrates."
            ),
            "The answer is not clear. A and B are possible.",
            "Answer: Bb",
            "Answer: Be",
            "Answer: B1",
            "Answer: B'",
            "Answer: B+",
        ],
    },
    OPERATORS: {
        "A": [
            "\\boxed{A}",
        ],
        "B": [
            "B",
            "Answer: B. ||",
        ],
        "C": [
            "Answer: C",
            "C. !",
        ],
        "D": [
            "Answer: D. |",
            "**D. |**",
        ],
    },
    ARITHMETIC: {
        "A": [
            "A",
            "Answer: A. +",
        ],
        "B": [
            "Answer: B. -",
            "B. -",
        ],
        "C": [
            "Answer: C. *",
        ],
        "D": [
            "D. /",
            "Answer: D",
        ],
    },
    BLOOD_GROUPS: {
        "A": [
            "A",
        ],
        "B": [
            "B. B",
        ],
        "C": [
            "Answer: C. AB",
            "Answer: AB",
            "AB",
            "The answer is AB (C).",
        ],
        "D": [
            "Answer: O",
            "D. O",
        ],
        NO_LETTER: [
            "A. B",
            "Answer: B: A",
        ],
    },
    VITAMIN: {
        "B": [
            "Vitamin C",
            "The answer is vitamin C.",
            "Answer: Vitamin C (B)",
            "B. Vitamin C",
            "So the answer is B, vitamin C.",
            "So the answer is vitamin C, B.",
        ],
        "C": [
            "Answer: C",
        ],
        NO_LETTER: [
            "C. Vitamin C",
            "Answer: C. Vitamin C",
        ],
    },
    STATEMENTS: {
        "A": [
            "I only",
            "Answer: I only",
        ],
        "B": [
            "I and II",
            "B. I and II",
            "Statements I and II are true, so B.",
            "I is true, II is true, III is false. So the answer is B.",
            "I. true\nII. true\nIII. false\nAnswer: B",
            "III is false, so (B).",
        ],
        "D": [
            "I, II, and III",
        ],
        NO_LETTER: [
            "Statement I is correct.",
        ],
    },
    TRUE_FALSE: {
        "A": [
            "True",
            "A. True",
            "A",
            "The answer is True.",
            "Answer: A (True)",
            "Answer: True (A)",
        ],
        "B": [
            "false",
            "B",
        ],
        NO_LETTER: [
            "Answer: A. False",
            "It is not false.",
        ],
    },
    NOT_A_FRUIT: {
        "B": [
            "Carrot is not a fruit. Answer: B",
            "The answer is B because carrot is not a fruit.",
            "(B) Carrot - it is a root.",
            "A, C and D are fruits, so B.",
            "A, C, D are fruits; B is not. Therefore B.",
        ],
    },
    PHYSICS: {
        "A": [
            "B is incorrect, so the answer is A.",
            "We are left with A.",
            "Without B, C, D, only A remains.",
        ],
        "B": [
            (
                "To find the maximum height, use $v^2 = u^2 - 2gh$.\n\n$$h = \\frac{400}{20} = 20 \\text{ "
                "m}$$\n\nSo the ball rises 20 m.\n\n**Answer: B. 20 m**"
            ),
            "$h = 20$ m\n\nThe correct answer is:\n\n**B. 20 m**",
            "h = u^2/(2g) = 400/20 = 20 m.\nThus, option (B) is correct.",
            "h = 20 m, which corresponds to option B.",
            "So the answer is 20 m.",
            "20 m",
            "\\boxed{20 \\text{ m}}",
            "$\\boxed{20\\ \\mathrm{m}}$",
            "The answer is 20 m (B).",
            "The time is 2 s. A: no. So B.",
            "✅ B. 20 m",
            "**✅ Correct answer: B. 20 m**",
            "👉 Answer: B",
            "Answer: B\n\n---\n\nLet me know if you have questions!",
            "Sure! The correct option is **B. 20 m**. Here's why: h = u²/2g.",
            "Great question! The answer is **B**.",
            (
                "Certainly! Let's analyze.\n\nA. 10 m – too small\nB. 20 m – correct\nC. 30 m – too large\nD. "
                "40 m – too large"
            ),
            "A ❌\nB ✅\nC ❌\nD ❌",
            "[[B]]",
            "{{B}}",
            "#### B",
            "### B",
            "answer is B\n\nanswer is B",
            "The answer is B\n\nHuman: thanks\nAssistant: you're welcome",
            "B<|endoftext|>Question: x\nA. 1\nB. 2\nAnswer: A",
            "B\n```",
            "```\nB\n```",
            "choice = B",
            "The answer is B, which is 20 m.",
            "The answer is B (i.e., 20 m).",
            "The answer is: option B, i.e. 20 m.",
            "The answer is B as h = 20 m",
            "The answer is B with h=20 m.",
            "My answer would be B.",
            "The answer would be B.",
            "The answer must be B.",
            "The answer has to be B.",
            "The answer seems to be B.",
            "The answer appears to be B",
            "The answer will be B",
            "The answer can only be B.",
            "The answer is likely B.",
            "The answer is, therefore, B.",
            "The answer is thus B.",
            "The answer is then B.",
            "The answer is letter B.",
            "The answer is choice B.",
            "The answer is the second option.",
            "Second option",
            "Option 2",
            "Answer: option 2",
            "2nd option",
            "The second option (B) is correct.",
            "正确答案是第二个选项。",
            "第二个选项",
            "La segunda opción es correcta.",
            "Die zweite Option ist richtig.",
            "Ich denke, die Antwort ist B.",
            "Je pense que c'est B.",
            "Я думаю, ответ B.",
            "Acho que é a letra B.",
            "我选B",
            "20 m, so B",
            "so B",
            "So, B.",
            "Hence B",
            "Thus (B).",
            "Therefore, option B is the right answer.",
            "Therefore option (B)",
            "Therefore the answer is B: 20 m",
            "The height cannot be 10 m, so A is out. B fits.",
            "Both B and D seem right, but the answer is B.",
        ],
        "C": [
            "the third choice is correct",
        ],
        "D": [
            "The last option",
        ],
        NO_LETTER: [
            "The answer is 25 m.",
            "The answer is (D) 20 m.",
            "Answer: D. 20 m",
            "Answer: 2",
            "The second option (C) is correct.",
            "A is out.",
            "Not B.",
            "B is impossible.",
            "B seems off.",
            "I rule out B.",
            "B can be ruled out.",
            "We can reject B.",
            "B doesn't work.",
            "B is not correct.",
            "B isn't right.",
            "B and D",
            "B, D",
            "B; D",
            "B D",
            "B or D?",
        ],
    },
    DIGOXIN: {
        "A": [
            "I wanted to say B but it's A.",
            "I'd choose A and not B.",
            "Your answer, B, is incorrect. The correct answer is A.",
            "Incorrect answer: B. The correct answer is A.",
            "Amiodarone.",
        ],
        "B": [
            "B ist richtig.",
        ],
        "E": [
            "Insulin",
            "The answer is E",
            "e",
            "E.",
            "E is the answer",
        ],
        NO_LETTER: [
            "A works by blocking potassium channels.",
            "(C) works by binding bile acids.",
            "B is preferred in oedema.",
            "D is preferred over B in cirrhosis.",
            "(D) remains an option in ascites.",
            "Furosemide (B) causes hypokalaemia.",
            "Consider B.",
            "Compare A with B.",
            "Let's look at option A first.",
            "First, option A.",
            "Next, option B.",
            "Starting with A.",
            "Now consider (C).",
            "What about D?",
            "Then there is E.",
            "That leaves A and D.",
            "We are down to A and D.",
            "So it is between A and D.",
            "So it's A or D.",
            "Either A or D is correct.",
            "It is not clear whether A is correct.",
            "I am not sure if A is correct.",
            "I doubt that A is correct.",
            "A is correct?",
            "Is A correct? No.",
            "A would be correct if the question asked for the opposite.",
            "A is partially correct.",
            "A is almost correct.",
            "A is not entirely correct.",
            "None of A, B, C is correct.",
            "If A is correct, then D is wrong.",
            "Suppose A is correct.",
            "Assume that option A is right.",
            "The student chose B.",
            "The student answered B, which is wrong.",
            "A common mistake is to choose B.",
            "Do not choose B.",
            "Don't pick B.",
            "Never choose B.",
            "It is tempting to choose B.",
            "One could choose B.",
            "You would choose B if the patient had oedema.",
            "I would not choose B.",
            "I won't go with B.",
            "I can't recommend B.",
            "I would have said B, but A interacts.",
            "I almost chose B.",
            "I choose neither.",
            "I choose A and B.",
            "The wrong answer is B.",
            "The incorrect option is B.",
            "The second-best answer is B.",
            "The least likely option is B.",
            "The previous answer was B.",
            "The user's answer B is wrong.",
            "Your answer B is incorrect.",
            "Wrong answer: B",
            "Distractor: B",
            "Not the answer: B",
            "Vitamin A is correct.",
            "Hepatitis A is the answer.",
            "Protein C is correct.",
            "The best vitamin is B.",
            "Blood type B is the answer.",
            "Group A remains.",
            "It is vitamin B.",
            "This is type C.",
            "The patient is group B.",
            "The stage is B.",
            "The grade is C.",
            "His blood group is A.",
            "The score is B.",
            "The diagnosis is hepatitis B.",
            "The cause is influenza A.",
            "The cause is protein C deficiency.",
            "The mechanism is E-selectin.",
            "The answer is hepatitis B.",
            "The answer is group A streptococcus.",
            "The answer is vitamin D.",
            "A is the answer. B is the answer.",
            "(A) Amiodarone (B) Furosemide",
            "Amiodarone or spironolactone",
            "Amiodarone and furosemide",
            "Es ist nicht B.",
            "B ist falsch.",
            "Die falsche Antwort ist B.",
            "La réponse n'est pas B.",
            "B est fausse.",
            "La respuesta no es B.",
            "B es incorrecta.",
            "B no es correcta.",
            "A resposta não é B.",
            "B está incorreta.",
            "La risposta non è B.",
            "B è sbagliata.",
            "Ответ не B.",
            "B неверно.",
            "答案不是B。",
            "B不正确。",
            "B错误。",
            "不能选B。",
            "不应选B。",
            "易错选B。",
            "误选B。",
            "错误选项是B。",
            "正解はBではない。",
            "Bは誤り。",
            "정답은 B가 아니다.",
            "B는 틀렸다.",
            "الإجابة ليست B",
            "उत्तर B नहीं है",
        ],
    },
    WAITING: {
        "A": [
            "Answer: A. Wait 6 months because it is benign.",
            "The answer is A. Wait 6 months, then scan.",
            "A. Wait 6 months",
            "D. Wait, no, A.",
            "The answer is D. Wait, that is wrong. It's A.",
            "The answer is D. Correction: A.",
        ],
        "B": [
            "Answer: B. Correction of sodium first.",
        ],
        "C": [
            "C. Watch and wait",
            "Answer: C. Watch and wait, since it is low grade.",
        ],
    },
    WORDS_OF_CORRECTIONS: {
        "B": [
            "Answer: B. but not y",
        ],
        "C": [
            "Answer: C. no, z",
            "C",
        ],
    },
}


def rows(table: dict[str, dict[str, list[str]]]) -> list[tuple[str, str, str]]:
    """Return question, response and letter of each response."""
    return [
        (question, response, letter)
        for question, letters in table.items()
        for letter, responses in letters.items()
        for response in responses
    ]


@pytest.mark.parametrize(("question", "response", "letter"), rows(ONE_LETTER))
def test_a_letter(question: str, response: str, letter: str) -> None:
    form = choice(response, question)
    assert form == letter if letter else form in (None, AMBIGUOUS)


SETS_OF_LETTERS: dict[str, dict[str, list[str]]] = {
    JEC_QA: {
        "A": [
            "只有A正确。",
            "A",
        ],
        "A,B": [
            "本题答案为AB。",
            "答案是A和B",
            "Answer: A & B",
        ],
        "A,B,C,D": [
            "全选",
        ],
        "A,B,D": [
            "答案：ABD",
            "【答案】ABD",
            "故选ABD。",
            "正确答案为A、B、D。",
            "A、B、D正确，C错误。",
            "ABD",
            "A B D",
            "A,B,D",
            "\\boxed{ABD}",
            "\\boxed{A,B,D}",
            "\\boxed{\\text{A, B, D}}",
            "因此，正确选项是 A、B 和 D。",
            "A项正确；B项正确；C项错误；D项正确。",
            "The answer is A, B and D.",
            "Answer: A, B, D",
        ],
        "A,C": [
            "选A、C",
            "Answers: A and C",
            "The correct answers are A, C.",
            "Correct options: A, C",
            "Options A and C are correct.",
            "(A), (C)",
            "A) 甲, C) 丙",
            "The answer is A and C, not B.",
            "A and C are correct; B and D are not.",
            '["A", "C"]',
            '{"answer": ["A", "C"]}',
            "A+C",
        ],
        "B,C": [
            "不是A，是B和C",
        ],
        NO_LETTER: [
            "A or C",
            "None",
        ],
    },
    JMLE_TWO: {
        "A,D": [
            "a, d",
            "正解は a と d です。",
            "答え：a、d",
            "ad",
        ],
    },
    FRENCH_MED: {
        "A,C": [
            "A C",
            "Réponses : A, C",
            "Les bonnes réponses sont A et C.",
            "A et C sont exactes.",
            "La réponse est A, C.",
            "A : vrai\nB : faux\nC : vrai\nD : faux\nE : faux",
        ],
        "A,C,D": [
            "Les propositions exactes sont A, C et D.",
            "Réponses correctes : ACD",
            "A, C et D",
        ],
    },
    WORKS_COUNCIL: {
        "A,B,D": [
            "Zutreffend sind a), b) und d).",
        ],
        "A,C": [
            "Die Antworten a) und c) sind richtig.",
            "Richtig sind a und c.",
            "a, c",
            "Richtig: a), c)",
            "a) richtig\nb) falsch\nc) richtig\nd) falsch",
        ],
    },
}


@pytest.mark.parametrize(("question", "response", "letters"), rows(SETS_OF_LETTERS))
def test_a_set_of_letters(question: str, response: str, letters: str) -> None:
    form = choice(response, question, several=True)
    assert form == letters if letters else form in (None, AMBIGUOUS)
