"""Responses of chat models to questions of many exams, and the letter that an examiner would mark.

The second option is always "B", whatever its label is. None: the response chooses no option, or several.
"""

import pytest

from tests.unit.answers.test_choice import AMBIGUOUS, MEDICAL, choice

NONE_LISTED = "?"
NUMBERS = "What is 1+1?\nA. 1\nB. 2\nC. 3\nD. 4"
AMC_SHORT = "Find $x$. $\\textbf{(A)}\\ 10 \\qquad \\textbf{(B)}\\ 12\\qquad\\textbf{(C)}\\ 14$"
FORMULAS = "Which?\nA. $x^2$\nB. $2x$\nC. $\\frac{1}{2}$\nD. $\\sqrt{3}$"
NUMBERED = "Which?\n1) argon\n2) neon\n3) xenon\n4) radon"
NUMBERS_NUMBERED = "Which? (1) 3 (2) 1 (3) 2 (4) 7"
CIRCLED = "어느 것?\n① 아르곤\n② 네온\n③ 제논\n④ 라돈\n⑤ 헬륨"
CYRILLIC = "Какой газ?\nА) аргон\nБ) неон\nВ) ксенон\nГ) радон"
CYRILLIC_LOWER = "Какой газ?\nа) аргон\nб) неон\nв) ксенон\nг) радон"
KANA = "どれ？\nア アルゴン\nイ ネオン\nウ キセノン\nエ ラドン"
HANGUL = "어느 것?\n가. 아르곤\n나. 네온\n다. 제논"
ARABIC = "أي غاز؟\nأ) أرجون\nب) نيون\nج) زينون\nد) رادون"
ROMAN = (
    "I. It is a gas. II. It glows. III. It burns.\n"
    "Which hold?\n"
    "(i) I only\n"
    "(ii) II only\n"
    "(iii) I and II\n"
    "(iv) I, II and III"
)
STATEMENTS = (
    "I. It is a gas.\n"
    "II. It glows.\n"
    "III. It burns.\n"
    "Which hold?\n"
    "A. I only\n"
    "B. II only\n"
    "C. I and II only\n"
    "D. I, II and III"
)
ABOVE = "Which are gases?\nA. argon\nB. neon\nC. xenon\nD. All of the above"
BOTH = "Which are gases?\nA. argon\nB. neon\nC. iron\nD. Both A and B\nE. None of the above"
YES_NO = "Does aspirin reduce fever? Answer yes, no or maybe."
YES_NO_LISTED = "Does aspirin reduce fever?\nA. Yes\nB. No\nC. Maybe"
TRUE_FALSE = "True or false: all swans are white."
TRUE_FALSE_LISTED = "All swans are white.\nA. True\nB. False"
THYROID = (
    "A 34-year-old woman presents with fatigue and cold intolerance. Which of the following is the "
    "most likely diagnosis?\n"
    "A. Graves disease\n"
    "B. Hashimoto thyroiditis\n"
    "C. Subacute thyroiditis\n"
    "D. Thyroid cancer\n"
    "E. Euthyroid sick syndrome"
)
THYROID_BRACKETS = (
    "A 34-year-old woman presents with fatigue and cold intolerance. Which of the following is the "
    "most likely diagnosis?\n"
    "(A) Graves disease\n"
    "(B) Hashimoto thyroiditis\n"
    "(C) Subacute thyroiditis\n"
    "(D) Thyroid cancer\n"
    "(E) Euthyroid sick syndrome"
)
BAR_EXAM = (
    "Will the court admit the evidence?\n"
    "A. Yes, because it is relevant.\n"
    "B. Yes, because it is a business record.\n"
    "C. No, because it is hearsay.\n"
    "D. No, because its probative value is low."
)
LSAT = (
    "Which one of the following must be true?\n"
    "(A) F is in the third slot.\n"
    "(B) G is in the third slot.\n"
    "(C) H is in the second slot.\n"
    "(D) J is in the first slot.\n"
    "(E) K is in the fourth slot."
)
PHYSICS = "What is the energy difference?\nA. 10^-4 eV\nB. 10^-8 eV\nC. 10^-9 eV\nD. 10^-11 eV"
GAOKAO = "下列说法正确的是（\u3000）\nA．质点的速度为零\nB．质点的加速度为零\nC．质点的位移为零\nD．质点静止"
CMMLU = "①糖尿病 ②高血压 ③冠心病 ④肺炎，以上属于慢性病的是\nA. ①②③\nB. ①②④\nC. ②③④\nD. ①③④"
JEE = "A particle moves with v = 3t. The distance in 2 s is:\n(1) 3 m\n(2) 6 m\n(3) 9 m\n(4) 12 m"
NEET = (
    "Given below are two statements:\n"
    "Statement I: All enzymes are proteins.\n"
    "Statement II: All proteins are enzymes.\n"
    "Choose the correct answer:\n"
    "(1) Both Statement I and Statement II are true\n"
    "(2) Both Statement I and Statement II are false\n"
    "(3) Statement I is true but Statement II is false\n"
    "(4) Statement I is false but Statement II is true"
)
ASSERTION = (
    "Assertion (A): Water boils at 100 °C. Reason (R): At 1 atm its vapour pressure is 1 atm.\n"
    "(a) Both A and R are true and R explains A\n"
    "(b) Both A and R are true but R does not explain A\n"
    "(c) A is true but R is false\n"
    "(d) A is false but R is true"
)
AMC = (
    "What is $2+3\\cdot 4$? $\\textbf{(A)}\\ 14 \\qquad \\textbf{(B)}\\ 20 \\qquad \\textbf{(C)}\\ 24 \\qquad "
    "\\textbf{(D)}\\ 9 \\qquad \\textbf{(E)}\\ 11$"
)
FINANCE = "What is the present value?\nA. $95.24\nB. $100.00\nC. $105.00\nD. $90.70"
ACIDS = "Which is the strongest acid?\nA. HF\nB. HCl\nC. HBr\nD. HI"
CFA = "The yield is closest to:\nA. 4.5%.\nB. 5.0%.\nC. 5.5%."
GERMAN = (
    "Welche Aussage ist richtig?\n"
    "A) Die Leber speichert Glykogen.\n"
    "B) Die Niere bildet Galle.\n"
    "C) Das Herz bildet Insulin.\n"
    "D) Die Lunge speichert Urin."
)
FRENCH = "Quelle est la capitale ?\nA. Lyon\nB. Paris\nC. Nice\nD. Lille"
SPANISH = "¿Cuál es la capital?\na) Sevilla\nb) Madrid\nc) Bilbao\nd) Cádiz"
ITALIAN = "Qual è la capitale?\nA) Milano\nB) Roma\nC) Torino"
RUSSIAN = "Столица России?\nA. Омск\nB. Москва\nC. Казань\nD. Тула"
JAPANESE = "日本の首都はどこか。\n1. 大阪\n2. 東京\n3. 京都\n4. 札幌"
KOREAN = "대한민국의 수도는?\nA. 부산\nB. 서울\nC. 대구\nD. 인천"
TWELVE = (
    "Which?\n"
    "A. item0\n"
    "B. item1\n"
    "C. item2\n"
    "D. item3\n"
    "E. item4\n"
    "F. item5\n"
    "G. item6\n"
    "H. item7\n"
    "I. item8\n"
    "J. item9\n"
    "K. item10\n"
    "L. item11"
)
UNUSED = "Which?\nA. alpha\nB. N/A\nC. gamma\nD. N/A"
LETTERS_AS_TEXTS = "Which letter comes second?\nA. B\nB. A\nC. D\nD. C"
CODE = "What is printed?\nA. 0\nB. 1\nC. None\nD. Error"
PASSAGE = (
    "Passage: The committee found that (a) costs rose, (b) quality fell, and (c) staff left.\n"
    "Which finding concerns staff?\n"
    "A. (a)\n"
    "B. (b)\n"
    "C. (c)\n"
    "D. none of these"
)
INEQUALITIES = "For which x?\nA. x > 3\nB. x < 3\nC. x = 3\nD. x ≥ 3"
PERCENT = "How many?\n(A) 5% (B) 10% (C) 15% (D) 20%"
NEXT_STEP = (
    "Which is best?\n"
    "A. Reassure the patient and follow up in 6 months\n"
    "B. Obtain a CT scan of the chest\n"
    "C. Start antibiotics\n"
    "D. Biopsy"
)

RESPONSES: list[tuple[str, str, str | None]] = [
    (NONE_LISTED, "The answer is F. Scott Fitzgerald.", AMBIGUOUS),
    (NONE_LISTED, "The answer is C. S. Lewis.", AMBIGUOUS),
    (NONE_LISTED, "The answer is B. F. Skinner.", AMBIGUOUS),
    (NONE_LISTED, "The answer is J. Edgar Hoover.", AMBIGUOUS),
    (NONE_LISTED, "The answer is A. Conan Doyle.", AMBIGUOUS),
    (NONE_LISTED, "Answer: E. B. White", AMBIGUOUS),
    (NONE_LISTED, "The answer is H. pylori.", None),
    (NONE_LISTED, "The answer is B. Lisinopril", "B"),
    (NONE_LISTED, "The answer is B. It inhibits the enzyme.", "B"),
    (NONE_LISTED, "The answer is D. Mitral valve prolapse", "D"),
    (MEDICAL, "Both A and C", None),
    (MEDICAL, "The answer is both A and C.", None),
    (MEDICAL, "A is wrong, B is right.", "B"),
    (MEDICAL, "A is wrong, so the answer is B.", "B"),
    (MEDICAL, "A is incorrect. B is correct.", "B"),
    (MEDICAL, "Not A but B.", "B"),
    (MEDICAL, "The answer is not A but B.", "B"),
    (MEDICAL, "The answer is not A, but B.", "B"),
    (MEDICAL, "The answer isn't A; it's B.", "B"),
    (MEDICAL, "The answer is not A. It is B.", "B"),
    (MEDICAL, "The correct answer is not C but B.", "B"),
    (MEDICAL, "It is not C, it is B.", "B"),
    (MEDICAL, "The answer is (B), not (C).", "B"),
    (MEDICAL, "The answer is (B), and not (C) or (D).", "B"),
    (MEDICAL, "The answer is B, since A, C and D are wrong.", "B"),
    (MEDICAL, "A - incorrect\nB - correct\nC - incorrect\nD - incorrect", "B"),
    (MEDICAL, "A: Incorrect.\nB: Correct.\nC: Incorrect.\nD: Incorrect.", "B"),
    (MEDICAL, "A. Incorrect\nB. Correct\nC. Incorrect\nD. Incorrect", "B"),
    (MEDICAL, "- A: false\n- B: true\n- C: false\n- D: false", "B"),
    (MEDICAL, "A) Amlodipine: wrong\nB) Lisinopril: correct\nC) Metoprolol: wrong\nD) Hydrochlorothiazide: wrong", "B"),
    (MEDICAL, "A. Amlodipine - no\nB. Lisinopril - yes\nC. Metoprolol - no\nD. Hydrochlorothiazide - no", "B"),
    (MEDICAL, "A. Amlodipine ❌\nB. Lisinopril ✅\nC. Metoprolol ❌\nD. Hydrochlorothiazide ❌", "B"),
    (
        MEDICAL,
        (
            "(A) is incorrect because it does not.\n"
            "(B) is correct because it does.\n"
            "(C) is incorrect.\n"
            "(D) is incorrect."
        ),
        "B",
    ),
    (MEDICAL, "A is ruled out. C is ruled out. D is ruled out. So B remains.", "B"),
    (MEDICAL, "We can eliminate A, C and D, leaving B.", "B"),
    (MEDICAL, "Eliminating A, C, and D leaves us with B.", "B"),
    (MEDICAL, "Options A, C and D are wrong, so B is the answer.", "B"),
    (MEDICAL, "By elimination, the answer is B.", "B"),
    (MEDICAL, "By elimination, B.", "B"),
    (MEDICAL, "Option 2", "B"),
    (MEDICAL, "The answer is option 2.", "B"),
    (MEDICAL, "The answer is Option 2: Lisinopril", "B"),
    (MEDICAL, "The answer is the second option.", "B"),
    (MEDICAL, "The second option is correct.", "B"),
    (MEDICAL, "The correct answer is the second one.", "B"),
    (MEDICAL, "The answer is the last option.", "D"),
    (MEDICAL, "Die Antwort ist die zweite Option.", "B"),
    (MEDICAL, "答案是第二个选项。", "B"),
    (MEDICAL, "The answer is option 7.", None),
    (NUMBERS, "The answer is option 2.", "B"),
    ("What is 1+1?\nA. 2\nB. 1\nC. 3\nD. 4", "The answer is option 2.", AMBIGUOUS),
    (NUMBERS, "The answer is 2.", "B"),
    (NUMBERS, "The answer is B. 2", "B"),
    (NUMBERS, "The answer is B. 3", AMBIGUOUS),
    (NUMBERS, "The answer is 2 (B).", "B"),
    (NUMBERS, "Answer: $1+1=2$, so B.", "B"),
    (MEDICAL, "Die Antwort ist A oder B.", None),
    (MEDICAL, "La réponse est A ou B.", None),
    (MEDICAL, "La respuesta es A o B.", None),
    (MEDICAL, "Ответ: А или В", None),
    (MEDICAL, "答案是A或B。", None),
    (MEDICAL, "La réponse est A et B.", None),
    (MEDICAL, "La réponse est B, pas C.", "B"),
    (MEDICAL, "Die Antwort ist B, nicht C.", "B"),
    (MEDICAL, "Die Antwort ist nicht A, sondern B.", "B"),
    (MEDICAL, "La respuesta no es A, sino B.", "B"),
    (MEDICAL, "La réponse n'est pas A mais B.", "B"),
    (AMC_SHORT, "\\boxed{\\text{B}}", "B"),
    (AMC_SHORT, "\\boxed{\\textbf{(B)}\\ 12}", "B"),
    (AMC_SHORT, "\\boxed{\\textbf{(B) }12}", "B"),
    (AMC_SHORT, "\\boxed{\\textbf{(B)}~12}", "B"),
    (AMC_SHORT, "\\boxed{\\text{(B) } 12}", "B"),
    (AMC_SHORT, "\\boxed{\\mathbf{(B)}\\,12}", "B"),
    (AMC_SHORT, "\\boxed{\\mathrm{(B)\\ }12}", "B"),
    (AMC_SHORT, "The answer is $\\mathbf{B}$.", "B"),
    (AMC_SHORT, "\\boxed{B. 12}", "B"),
    (AMC_SHORT, "\\boxed{B.12}", "B"),
    (AMC_SHORT, "\\boxed{12 \\text{ (B)}}", "B"),
    (AMC_SHORT, "\\boxed{12}", "B"),
    (AMC_SHORT, "\\boxed{12.0}", "B"),
    (AMC_SHORT, "\\boxed{\\textbf{(B)}\\ 14}", AMBIGUOUS),
    (AMC_SHORT, "The answer is $\\boxed{\\textbf{(B)}}$.", "B"),
    (AMC_SHORT, "$12 \\Rightarrow \\boxed{B}$", "B"),
    (AMC_SHORT, "\\(\\boxed{\\text{Option (B)}}\\)", "B"),
    (AMC_SHORT, "\\boxed{\\textbf{B}}", "B"),
    (AMC_SHORT, "\\boxed{\\text{B: 12}}", "B"),
    (AMC_SHORT, "\\boxed{\\text{B}) 12}", "B"),
    (AMC_SHORT, "\\boxed{\\text{B}}. $12$", "B"),
    (AMC_SHORT, "\\boxed{\\left(B\\right)}", "B"),
    (AMC_SHORT, "$$\\boxed{\\textbf{(B) } 12}$$", "B"),
    (AMC_SHORT, "\\text{(B) } 12", "B"),
    (AMC_SHORT, "$\\textbf{(B) }12$", "B"),
    (AMC_SHORT, "The answer is $\\textbf{(B)}\\ 12$.", "B"),
    (FORMULAS, "\\boxed{B. 2x}", "B"),
    (FORMULAS, "\\boxed{2x}", "B"),
    (FORMULAS, "\\boxed{\\frac{1}{2}}", "C"),
    (FORMULAS, "\\boxed{\\dfrac12}", "C"),
    (FORMULAS, "\\boxed{1/2}", "C"),
    (FORMULAS, "The answer is C. $\\frac{1}{2}$", "C"),
    (FORMULAS, "The answer is $\\sqrt{3}$.", "D"),
    (FORMULAS, "The answer is (A) $x^2$.", "A"),
    (FORMULAS, "The answer is (A) $2x$.", AMBIGUOUS),
    (MEDICAL, '{"answer": "B"}', "B"),
    (MEDICAL, '{"answer": "B", "reason": "A is wrong"}', "B"),
    (MEDICAL, '{"reason": "A is wrong", "answer": "B"}', "B"),
    (MEDICAL, '```json\n{"answer": "B"}\n```', "B"),
    (MEDICAL, '```json\n{\n  "answer": "B",\n  "explanation": "C is a beta blocker."\n}\n```', "B"),
    (MEDICAL, '{"choice": "B"}', "B"),
    (MEDICAL, '{"answer_choice": "B"}', "B"),
    (MEDICAL, '{"final_answer": "(B) Lisinopril"}', "B"),
    (MEDICAL, '{"answer": "Lisinopril"}', "B"),
    (MEDICAL, '{"answer": {"letter": "B", "text": "Lisinopril"}}', "B"),
    (MEDICAL, "{'answer': 'B'}", "B"),
    (MEDICAL, '{"explanation": "It is B because", "option": "B"}', "B"),
    (MEDICAL, "The answer is Lisinoprill.", "B"),
    (MEDICAL, "The answer is lisinopirl.", "B"),
    (MEDICAL, "The answer is LISINOPRIL.", "B"),
    (MEDICAL, "Answer: lisinopril (an ACE inhibitor)", "B"),
    (MEDICAL, "Answer: Lisinopril, an ACE inhibitor", "B"),
    (MEDICAL, "Answer: Lisinopril because it raises bradykinin", "B"),
    (MEDICAL, "The answer is Lisinopril, not Metoprolol.", "B"),
    (MEDICAL, "The correct option is Lisinopril.", "B"),
    (MEDICAL, "The answer is Lisinopril or Metoprolol.", None),
    (MEDICAL, "The answer is Lisinopril and Metoprolol.", None),
    (MEDICAL, "The answer is enalapril.", None),
    ("Level?\nA. hyperkalemia\nB. hypokalemia\nC. normal", "The answer is hyperkalaemia.", "A"),
    ("Which fibre?\nA. afferent\nB. motor\nC. mixed", "The answer is efferent.", None),
    ("What?\nA. The right to remain silent\nB. The right of way", "The answer is the right to remain silent", "A"),
    ("What?\nA. Increased preload\nB. Decreased preload", "The answer is increased preload due to fluid.", "A"),
    ("What?\nA. Increase\nB. No change\nC. Decrease", "The answer is no change.", "B"),
    ("What?\nA. Increase\nB. No change\nC. Decrease", "It does not increase.", None),
    (NUMBERED, "The answer is 2.", "B"),
    (NUMBERED, "The answer is 2) neon", "B"),
    (NUMBERED, "The answer is (2).", "B"),
    (NUMBERED, "\\boxed{2}", "B"),
    (NUMBERED, "Option 2 is correct.", "B"),
    (NUMBERED, "2", "B"),
    (NUMBERED, "2) neon", "B"),
    (NUMBERED, "neon", "B"),
    (NUMBERED, "The answer is 2. neon", "B"),
    (NUMBERED, "The answer is 2) argon", AMBIGUOUS),
    (NUMBERED, "The answer is B.", "B"),
    (NUMBERED, "The answer is 7.", None),
    (NUMBERED, "I choose option 2.", "B"),
    (NUMBERED, "\\boxed{\\text{(2) neon}}", "B"),
    (NUMBERED, "The answer is 2 and 3.", None),
    (NUMBERED, "The answer is 2 or 3.", None),
    (NUMBERED, "The answer is 2.5", None),
    (NUMBERED, "The correct option is (2).", "B"),
    (NUMBERED, "②", "B"),
    (NUMBERS_NUMBERED, "The answer is (2).", "B"),
    (NUMBERS_NUMBERED, "The answer is 7.", "D"),
    (NUMBERS_NUMBERED, "The answer is 2.", AMBIGUOUS),
    (NUMBERS_NUMBERED, "Option (3)", "C"),
    (NUMBERS_NUMBERED, "The answer is (3) 2.", "C"),
    (NUMBERS_NUMBERED, "The answer is (1) 2.", AMBIGUOUS),
    (NUMBERS_NUMBERED, "\\boxed{4}", "D"),
    (CIRCLED, "정답은 ②입니다.", "B"),
    (CIRCLED, "정답: ②", "B"),
    (CIRCLED, "② 네온", "B"),
    (CIRCLED, "정답은 2번입니다.", "B"),
    (CIRCLED, "\\boxed{②}", "B"),
    (CIRCLED, "\\boxed{2}", "B"),
    (CIRCLED, "정답은 ② 네온입니다.", "B"),
    (CIRCLED, "네온", "B"),
    (CIRCLED, "정답: 2", "B"),
    (CIRCLED, "②번이 정답입니다.", "B"),
    (CYRILLIC, "Ответ: Б", "B"),
    (CYRILLIC, "Ответ: Б) неон", "B"),
    (CYRILLIC, "Правильный ответ — В.", "C"),
    (CYRILLIC, "Ответ: неон", "B"),
    (CYRILLIC, "\\boxed{Б}", "B"),
    (CYRILLIC, "Ответ: (Г)", "D"),
    (CYRILLIC, "Ответ: А или Б", None),
    (CYRILLIC, "Правильный ответ: б", "B"),
    (CYRILLIC, "Ответ: Б, а не В", "B"),
    (CYRILLIC, "Верный вариант — Б.", "B"),
    (CYRILLIC, "Б", "B"),
    (CYRILLIC_LOWER, "Ответ: б", "B"),
    (CYRILLIC_LOWER, "Ответ: б) неон", "B"),
    (CYRILLIC_LOWER, "Ответ: Б", "B"),
    (CYRILLIC_LOWER, "\\boxed{\\text{в}}", "C"),
    (KANA, "答え: イ", "B"),
    (KANA, "答えはイです。", "B"),
    (KANA, "正解はウ。", "C"),
    (KANA, "イ", "B"),
    (KANA, "イ ネオン", "B"),
    (KANA, "\\boxed{イ}", "B"),
    (KANA, "答えはネオンです。", "B"),
    (KANA, "したがって、正解は「エ」です。", "D"),
    (HANGUL, "정답: 나", "B"),
    (HANGUL, "정답은 나입니다.", "B"),
    (HANGUL, "나. 네온", "B"),
    (HANGUL, "정답: 다. 제논", "C"),
    (ARABIC, "الإجابة: ب", "B"),
    (ARABIC, "الإجابة الصحيحة هي ب) نيون", "B"),
    (ARABIC, "الإجابة الصحيحة هي (ج).", "C"),
    (ARABIC, "ب", "B"),
    (ROMAN, "The answer is (iii).", "C"),
    (ROMAN, "The answer is (iii) I and II.", "C"),
    (ROMAN, "The answer is iii.", "C"),
    (ROMAN, "The answer is I and II.", "C"),
    (ROMAN, "The answer is (iii) I only.", AMBIGUOUS),
    (ROMAN, "The answer is II only.", "B"),
    (STATEMENTS, "The answer is I and II only.", "C"),
    (STATEMENTS, "The answer is C. I and II only", "C"),
    (STATEMENTS, "The answer is I, II, and III.", "D"),
    (STATEMENTS, "The answer is D.", "D"),
    (STATEMENTS, "\\boxed{C}", "C"),
    (STATEMENTS, "Only I and II hold, so the answer is C.", "C"),
    (STATEMENTS, "The answer is C, because I and II hold.", "C"),
    (ABOVE, "The answer is all of the above.", "D"),
    (ABOVE, "The answer is D. All of the above", "D"),
    (ABOVE, "All of the above.", "D"),
    (ABOVE, "The answer is A, B and C.", "D"),
    (ABOVE, "The answer is A and B.", None),
    (BOTH, "The answer is both A and B.", "D"),
    (BOTH, "The answer is A and B.", "D"),
    (BOTH, "The answer is D: both A and B.", "D"),
    (BOTH, "The answer is D (both A and B).", "D"),
    (BOTH, "The answer is D, since both A and B are gases.", "D"),
    (BOTH, "The answer is (D) Both A and B are correct.", "D"),
    (BOTH, "The answer is B and A.", "D"),
    (BOTH, "The answer is A and C.", None),
    (BOTH, "None of the above.", "E"),
    (BOTH, "The answer is A, B.", "D"),
    (BOTH, "The answer is A or B.", None),
    (YES_NO, "Answer: yes", "yes"),
    (YES_NO, "The answer is no.", "no"),
    (YES_NO, "Maybe", "maybe"),
    (YES_NO, "\\boxed{\\text{yes}}", "yes"),
    (YES_NO, "The answer is **Yes**.", "yes"),
    (YES_NO, "Answer: Yes, aspirin reduces fever.", "yes"),
    (YES_NO, "The answer is yes and no.", None),
    (YES_NO, "yes", "yes"),
    (YES_NO, "Yes.", "yes"),
    (YES_NO, "The answer is not yes.", None),
    (YES_NO, "The answer is unknown.", None),
    (YES_NO_LISTED, "Answer: yes", "A"),
    (YES_NO_LISTED, "The answer is B. No", "B"),
    (YES_NO_LISTED, "The answer is A. No", AMBIGUOUS),
    (YES_NO_LISTED, "Maybe", "C"),
    (YES_NO_LISTED, "The answer is No, because it does not.", "B"),
    (TRUE_FALSE, "The answer is False.", "false"),
    (TRUE_FALSE, "Answer: true", "true"),
    (TRUE_FALSE, "False", "false"),
    (TRUE_FALSE, "The statement is false.", "false"),
    (TRUE_FALSE, "\\boxed{\\text{False}}", "false"),
    (TRUE_FALSE_LISTED, "The answer is False.", "B"),
    (TRUE_FALSE_LISTED, "B. False", "B"),
    (TRUE_FALSE_LISTED, "The answer is A. False", AMBIGUOUS),
    (TRUE_FALSE_LISTED, "**False**", "B"),
    (THYROID, "**Answer: B. Hashimoto thyroiditis**", "B"),
    (THYROID, "The most likely diagnosis is **B. Hashimoto thyroiditis**.", "B"),
    (THYROID, "The most likely diagnosis is Hashimoto thyroiditis (Option B).", "B"),
    (THYROID, "The most likely diagnosis in this patient is **Hashimoto thyroiditis**.", "B"),
    (THYROID, "The correct answer is:\n\n**B. Hashimoto thyroiditis**", "B"),
    (THYROID, "### Final Answer\n**B**", "B"),
    (THYROID, "### Final Answer:\n\n**(B) Hashimoto thyroiditis**", "B"),
    (THYROID, "Final answer: \\(\\boxed{\\text{B}}\\)", "B"),
    (THYROID, "Therefore, the best choice is:\n\nB. Hashimoto thyroiditis", "B"),
    (THYROID, "The answer is B: Hashimoto's thyroiditis", "B"),
    (THYROID, "So the answer would be B) Hashimoto thyroiditis because of the cold intolerance.", "B"),
    (THYROID, "The answer is (B) Hashimoto thyroiditis. Graves disease would cause heat intolerance.", "B"),
    (THYROID, "The answer is (B). Option A would cause heat intolerance.", "B"),
    (THYROID, "Based on the presentation, the diagnosis is B.", "B"),
    (THYROID, "Considering all this, I would answer B.", "B"),
    (THYROID, "My answer is B.", "B"),
    (THYROID, "My final answer: B", "B"),
    (THYROID, "I'm confident it's B.", "B"),
    (THYROID, "I'd say B.", "B"),
    (THYROID, "B is the answer.", "B"),
    (THYROID, "B is my answer.", "B"),
    (THYROID, "Option B is the best answer.", "B"),
    (THYROID, "Option B: Hashimoto thyroiditis", "B"),
    (THYROID, "**Option B**", "B"),
    (THYROID, "Correct option: **B**", "B"),
    (THYROID, "Correct Answer: **B) Hashimoto thyroiditis**", "B"),
    (THYROID, "Ans: B", "B"),
    (THYROID, "Ans. B", "B"),
    (THYROID, "ANSWER: B", "B"),
    (THYROID, "ANSWER - B", "B"),
    (THYROID, "Answer:B", "B"),
    (THYROID, "Answer\nB", "B"),
    (THYROID, "answer is b", "B"),
    (THYROID, "Answer: (b)", "B"),
    (THYROID, "Answer: B.)", "B"),
    (THYROID, "Answer: B, Hashimoto thyroiditis", "B"),
    (THYROID, "Answer: B / Hashimoto thyroiditis", "B"),
    (THYROID, "Answer: Hashimoto thyroiditis - B", "B"),
    (THYROID, "Answer: Hashimoto thyroiditis (B)", "B"),
    (THYROID, "Answer: Graves disease (B)", AMBIGUOUS),
    (THYROID, "The answer is A. Hashimoto thyroiditis", AMBIGUOUS),
    (THYROID, "The answer is option A, Hashimoto thyroiditis", AMBIGUOUS),
    (THYROID, "<answer>\nB\n</answer>", "B"),
    (THYROID, "<answer>B. Hashimoto thyroiditis</answer>", "B"),
    (THYROID, "<answer>Option B</answer>", "B"),
    (THYROID, "B<|im_end|>", "B"),
    (THYROID, "B</s>", "B"),
    (THYROID, "[ANSWER]B[/ANSWER]", "B"),
    (THYROID, "The correct answer is A or B.", None),
    (THYROID, "It could be A or B.", None),
    (THYROID, "Either A or B would be acceptable.", None),
    (THYROID, "A? Not likely. B? Yes.", None),
    (THYROID, "I am not sure whether it is A or B.", None),
    (THYROID, "None of the options is correct.", None),
    (THYROID, "The answer is none of the above.", None),
    (THYROID, "The answer is F.", None),
    (THYROID, "The answer is not listed.", None),
    (THYROID, "I cannot determine the answer.", None),
    (THYROID, "A 34-year-old woman has hypothyroidism.", None),
    (THYROID, "The answer is a thyroid problem.", None),
    (THYROID, "C'est B.", "B"),
    (THYROID, "Grade: B", None),
    (THYROID, "Vitamin B is low.", None),
    (THYROID, "Plan B is needed.", None),
    (THYROID, "Group A received it.", None),
    (THYROID, "Eliminate A. Eliminate C. Eliminate D. Eliminate E. Only B is left.", "B"),
    (THYROID, "A is incorrect, C is incorrect, D is incorrect and E is incorrect.", None),
    (THYROID, "Therefore, the answer is not A, C, D or E.", None),
    (THYROID, "Since A, C, D, and E are incorrect, the correct answer is B.", "B"),
    (THYROID, "A: wrong\nB: right\nC: wrong\nD: wrong\nE: wrong", "B"),
    (
        THYROID,
        ("Answer: B\n\nExplanation:\nA. Incorrect. Heat intolerance.\nC. Incorrect.\nD. Incorrect.\nE. Incorrect."),
        "B",
    ),
    (THYROID, "The answer is B.\n\nA is wrong because of heat intolerance.", "B"),
    (THYROID, "**B. Hashimoto thyroiditis**\n\n**Explanation:** The TSH is high.", "B"),
    (THYROID_BRACKETS, "(B) Hashimoto thyroiditis", "B"),
    (THYROID_BRACKETS, "So, (B).", "B"),
    (THYROID_BRACKETS, "(b)", "B"),
    (THYROID_BRACKETS, "The answer is (B), (C), and (D).", None),
    (BAR_EXAM, "The answer is C. No, because it is hearsay.", "C"),
    (BAR_EXAM, "C. No, because it is hearsay.", "C"),
    (BAR_EXAM, "The answer is No, because it is hearsay.", "C"),
    (BAR_EXAM, "No, because it is hearsay.", "C"),
    (BAR_EXAM, "The answer is no.", None),
    (BAR_EXAM, "The answer is A. No, because it is hearsay.", AMBIGUOUS),
    (BAR_EXAM, "The answer is C, No.", "C"),
    (BAR_EXAM, "The answer is (C) because hearsay is inadmissible.", "C"),
    (BAR_EXAM, "The answer is Yes, because it is admissible.", None),
    (LSAT, "The answer is (D).", "D"),
    (LSAT, "Thus F must be third, so the answer is (A).", "A"),
    (LSAT, "So J is in the first slot. (D)", "D"),
    (LSAT, "J is in the first slot.", "D"),
    (LSAT, "The answer is F is in the third slot.", "A"),
    (LSAT, "The answer is F.", None),
    (LSAT, "The answer is G.", None),
    (LSAT, "The answer is D: J is in the first slot", "D"),
    (PHYSICS, "The answer is 10^-4 eV.", "A"),
    (PHYSICS, "\\boxed{10^{-4}\\text{ eV}}", "A"),
    (PHYSICS, "Answer: $10^{-4}$ eV", "A"),
    (PHYSICS, "ANSWER: A", "A"),
    (PHYSICS, "The answer is A) 10^-4 eV", "A"),
    (PHYSICS, "The answer is A) 10^-8 eV", AMBIGUOUS),
    (PHYSICS, "\\boxed{\\text{A. }10^{-4}\\text{ eV}}", "A"),
    (GAOKAO, "故选：C。", "C"),
    (GAOKAO, "故选C.", "C"),
    (GAOKAO, "因此，正确答案是C。", "C"),
    (GAOKAO, "综上所述，答案为C。", "C"),
    (GAOKAO, "答案：C．质点的位移为零", "C"),
    (GAOKAO, "所以答案选C", "C"),
    (GAOKAO, "本题选C。", "C"),
    (GAOKAO, "正确答案：**C**", "C"),
    (GAOKAO, "【答案】C", "C"),
    (GAOKAO, "【答案】C\n【解析】速度为零时加速度不一定为零。", "C"),
    (GAOKAO, "选C", "C"),
    (GAOKAO, "选项C正确。", "C"),
    (GAOKAO, "C选项正确", "C"),
    (GAOKAO, "A错误，B错误，C正确，D错误。", "C"),
    (GAOKAO, "A错误；B错误；D错误；故C正确。", "C"),
    (GAOKAO, "答案是B和C。", None),
    (GAOKAO, "应该选 C 项。", "C"),
    (GAOKAO, "答案不是C。", None),
    (GAOKAO, "所以答案是 $\\boxed{C}$。", "C"),
    (CMMLU, "答案：A", "A"),
    (CMMLU, "①②③属于慢性病，故选A。", "A"),
    (CMMLU, "答案是①②③。", "A"),
    (CMMLU, "A. ①②③", "A"),
    (CMMLU, "\\boxed{A}", "A"),
    (CMMLU, "答案是B. ①②③", AMBIGUOUS),
    (JEE, "The answer is (2) 6 m.", "B"),
    (JEE, "The answer is 6 m.", "B"),
    (JEE, "The answer is (2).", "B"),
    (JEE, "Option (2) is correct.", "B"),
    (JEE, "Hence, option 2 is correct.", "B"),
    (JEE, "Answer: 2", "B"),
    (JEE, "Answer: (2)", "B"),
    (JEE, "The answer is 3 m.", "A"),
    (JEE, "The answer is (1) 6 m.", AMBIGUOUS),
    (JEE, "\\boxed{6\\text{ m}}", "B"),
    (JEE, "\\boxed{(2)}", "B"),
    (JEE, "The correct answer is option (3).", "C"),
    (NEET, "The answer is (3).", "C"),
    (NEET, "Statement I is true but Statement II is false.", "C"),
    (NEET, "The correct answer is (3) Statement I is true but Statement II is false.", "C"),
    (NEET, "Answer: option 3", "C"),
    (ASSERTION, "The answer is (a).", "A"),
    (ASSERTION, "The correct option is (c) A is true but R is false.", "C"),
    (ASSERTION, "A is true but R is false.", "C"),
    (ASSERTION, "Answer: (b) Both A and R are true but R does not explain A", "B"),
    (ASSERTION, "Answer: d", "D"),
    (ASSERTION, "A is true and R is true.", None),
    (ASSERTION, "Both A and R are true and R explains A, so (a).", "A"),
    (AMC, "$2+12=14$, so the answer is $\\boxed{\\textbf{(A)}\\ 14}$.", "A"),
    (AMC, "\\boxed{14}", "A"),
    (AMC, "$\\boxed{\\textbf{(A) }14}$", "A"),
    (AMC, "The answer is $\\textbf{(A)}$.", "A"),
    (AMC, "$\\boxed{A}$", "A"),
    (AMC, "\\boxed{\\text{A) }14}", "A"),
    (AMC, "The answer is 14, which is (A).", "A"),
    (AMC, "Thus 14 is the answer. (A)", "A"),
    (AMC, "The answer is $14$ (choice A).", "A"),
    (AMC, "\\boxed{(\\text{A})}", "A"),
    (AMC, "\\boxed{\\textbf{A}}\\ 14", "A"),
    (AMC, "\\boxed{\\mathbf{(A)}\\ 20}", AMBIGUOUS),
    (AMC, "\\boxed{13}", None),
    (AMC, "$\\boxed{\\text{(A) 14}}$", "A"),
    (AMC, "\\boxed{\\textbf{(A)}~14}", "A"),
    (AMC, "\\boxed{\\text{(A)}\\quad 14}", "A"),
    (AMC, "\\boxed{14\\ \\textbf{(A)}}", "A"),
    (FINANCE, "The answer is $95.24.", "A"),
    (FINANCE, "The present value is $95.24, so the answer is A.", "A"),
    (FINANCE, "\\boxed{95.24}", "A"),
    (FINANCE, "\\boxed{A. \\$95.24}", "A"),
    (FINANCE, "The answer is A ($95.24).", "A"),
    (FINANCE, "The answer is B ($95.24).", AMBIGUOUS),
    (FINANCE, "The answer is $100.", "B"),
    (ACIDS, "The answer is HI.", "D"),
    (ACIDS, "The answer is D. HI", "D"),
    (ACIDS, "\\boxed{\\text{HI}}", "D"),
    (ACIDS, "\\boxed{\\mathrm{HBr}}", "C"),
    (ACIDS, "The answer is HCl.", "B"),
    (ACIDS, "The answer is H.", None),
    (CFA, "The answer is B. 5.0%.", "B"),
    (CFA, "The answer is 5.0%.", "B"),
    (CFA, "The answer is 5%.", "B"),
    (CFA, "B is correct.", "B"),
    (CFA, "A is incorrect because it ignores the coupon.", None),
    (CFA, "C is incorrect. B is correct. A is incorrect.", "B"),
    (GERMAN, "Die richtige Antwort ist A) Die Leber speichert Glykogen.", "A"),
    (GERMAN, "Richtig ist A.", "A"),
    (GERMAN, "Antwort A ist richtig.", "A"),
    (GERMAN, "Antwort: A", "A"),
    (GERMAN, "Die korrekte Antwort lautet A.", "A"),
    (GERMAN, "Daher ist A die richtige Antwort.", "A"),
    (GERMAN, "Die Lösung ist B.", "B"),
    (GERMAN, "Somit ist Option C korrekt.", "C"),
    (GERMAN, "Die Antwort ist weder A noch B.", None),
    (FRENCH, "La bonne réponse est B.", "B"),
    (FRENCH, "La réponse correcte est : B. Paris", "B"),
    (FRENCH, "Réponse B", "B"),
    (FRENCH, "C'est la réponse B.", "B"),
    (FRENCH, "La réponse est Paris.", "B"),
    (FRENCH, "Donc, la bonne réponse est la lettre B.", "B"),
    (FRENCH, "La réponse est A. Paris", AMBIGUOUS),
    (FRENCH, "La réponse B est correcte.", "B"),
    (SPANISH, "La respuesta correcta es b) Madrid.", "B"),
    (SPANISH, "Respuesta: b", "B"),
    (SPANISH, "La respuesta correcta es la opción b.", "B"),
    (SPANISH, "La opción correcta es la B.", "B"),
    (SPANISH, "La respuesta es Madrid.", "B"),
    (SPANISH, "Por lo tanto, la respuesta correcta es: **b) Madrid**", "B"),
    (ITALIAN, "La risposta corretta è B) Roma.", "B"),
    (ITALIAN, "Risposta: B", "B"),
    (ITALIAN, "La risposta corretta è la B.", "B"),
    (ITALIAN, "La risposta è Roma.", "B"),
    (RUSSIAN, "Правильный ответ: B. Москва", "B"),
    (RUSSIAN, "Ответ: B", "B"),
    (RUSSIAN, "Ответ: Москва", "B"),
    (RUSSIAN, "Правильный ответ — B.", "B"),
    (RUSSIAN, "Верный ответ: **B**", "B"),
    (JAPANESE, "正解は2です。", "B"),
    (JAPANESE, "答え：2", "B"),
    (JAPANESE, "答えは2. 東京です。", "B"),
    (JAPANESE, "正解は「2. 東京」です。", "B"),
    (JAPANESE, "東京", "B"),
    (JAPANESE, "正解は選択肢2です。", "B"),
    (JAPANESE, "したがって、正解は2番です。", "B"),
    (JAPANESE, "答え：東京", "B"),
    (JAPANESE, "答えは1. 東京です。", AMBIGUOUS),
    (KOREAN, "정답은 B입니다.", "B"),
    (KOREAN, "정답: B. 서울", "B"),
    (KOREAN, "따라서 정답은 **B. 서울**입니다.", "B"),
    (KOREAN, "답: B", "B"),
    (KOREAN, "정답은 서울입니다.", "B"),
    (KOREAN, "B번이 정답입니다.", "B"),
    (TWELVE, "The answer is L.", "L"),
    (TWELVE, "Answer: (K) item10", "K"),
    (TWELVE, "The answer is J", "J"),
    (TWELVE, "The answer is I.", "I"),
    (TWELVE, "The answer is M.", None),
    (TWELVE, "item11", "L"),
    (TWELVE, "I think the answer is K.", "K"),
    (UNUSED, "The answer is C.", "C"),
    (UNUSED, "The answer is N/A.", None),
    (UNUSED, "The answer is D.", "D"),
    (LETTERS_AS_TEXTS, "The answer is A.", "A"),
    (LETTERS_AS_TEXTS, "The answer is A. B", "A"),
    (LETTERS_AS_TEXTS, "The answer is (B) A.", "B"),
    (LETTERS_AS_TEXTS, "The answer is B. B", AMBIGUOUS),
    (CODE, "The answer is None.", "C"),
    (CODE, "Answer: 1", "B"),
    (CODE, "Answer: 0", "A"),
    (CODE, "It prints 1, so the answer is B.", "B"),
    (CODE, "The answer is C. None", "C"),
    (CODE, "The answer is option 1.", AMBIGUOUS),
    (PASSAGE, "The answer is (c).", "C"),
    (PASSAGE, "The answer is C. (c)", "C"),
    (PASSAGE, "The answer is C.", "C"),
    (PASSAGE, "The answer is none of these.", "D"),
    (INEQUALITIES, "The answer is x > 3.", "A"),
    (INEQUALITIES, "The answer is A. x > 3", "A"),
    (INEQUALITIES, "\\boxed{x \\geq 3}", "D"),
    (INEQUALITIES, "\\boxed{x<3}", "B"),
    (INEQUALITIES, "\\boxed{\\text{B. } x<3}", "B"),
    (INEQUALITIES, "\\boxed{\\text{A. } x<3}", AMBIGUOUS),
    (PERCENT, "The answer is 10%.", "B"),
    (PERCENT, "\\boxed{10}", "B"),
    (PERCENT, "The answer is (B) 10%", "B"),
    (PERCENT, "The answer is C (10%)", AMBIGUOUS),
    (NEXT_STEP, "The best next step is to obtain a CT scan of the chest.", "B"),
    (NEXT_STEP, "The answer is B. Obtain a CT scan of the chest to rule out a mass.", "B"),
    (NEXT_STEP, "The answer is D. Biopsy of the nodule.", "D"),
    (NEXT_STEP, "The answer is C. Start antibiotics and obtain a CT scan of the chest.", "C"),
    (NONE_LISTED, "The answer is C.", "C"),
    (NONE_LISTED, "The answer is (C) Paris.", "C"),
    (NONE_LISTED, "C. Paris", "C"),
    (NONE_LISTED, "\\boxed{C}", "C"),
    (NONE_LISTED, "The answer is Paris.", None),
    (NONE_LISTED, "C) the third one", "C"),
    (NONE_LISTED, "The answer is A. Lincoln.", "A"),
    (NONE_LISTED, "The answer is D. H. Lawrence", AMBIGUOUS),
]


@pytest.mark.parametrize(("question", "response", "letter"), RESPONSES)
def test_choices_of_exams(question: str, response: str, letter: str | None) -> None:
    assert choice(response, question) == letter


SEVERAL: list[tuple[str, str, str | None]] = [
    (MEDICAL, "Both A and C", "A,C"),
    (MEDICAL, "A and C", "A,C"),
    (MEDICAL, "A, C", "A,C"),
    (MEDICAL, "AC", "A,C"),
    (MEDICAL, "The answer is A, C and D.", "A,C,D"),
    (MEDICAL, "The correct answers are A and C.", "A,C"),
    (MEDICAL, "The correct options are A, C.", "A,C"),
    (MEDICAL, "答案：AC", "A,C"),
    (MEDICAL, "答案是ACD。", "A,C,D"),
    (MEDICAL, "故选AC。", "A,C"),
    (MEDICAL, "故选：A、C", "A,C"),
    (MEDICAL, '{"answers": ["A", "C"]}', "A,C"),
    (MEDICAL, '{"answer": "A, C"}', "A,C"),
    (MEDICAL, "Antwort: A und C", "A,C"),
    (MEDICAL, "Réponses : A, C", "A,C"),
    (MEDICAL, "Ответ: A, C", "A,C"),
    (MEDICAL, "A: correct\nB: wrong\nC: correct\nD: wrong", "A,C"),
    (MEDICAL, "A. True\nB. False\nC. True\nD. False", "A,C"),
    (MEDICAL, "The answer is A and C, not B.", "A,C"),
    (MEDICAL, "The answer is A only.", "A"),
    (MEDICAL, "\\boxed{A, C}", "A,C"),
    (MEDICAL, "\\boxed{\\text{A and C}}", "A,C"),
    (MEDICAL, "\\boxed{A} and \\boxed{C}", "A,C"),
    (MEDICAL, "\\boxed{A}, \\boxed{C}, \\boxed{D}", "A,C,D"),
    (MEDICAL, "- A\n- C", "A,C"),
    (MEDICAL, "The answers are:\n- A\n- C", "A,C"),
    (MEDICAL, "The answers are (A) Amlodipine and (C) Metoprolol.", "A,C"),
    (MEDICAL, "Answer: Amlodipine and Metoprolol", "A,C"),
    (MEDICAL, "Answer: 1 and 3", None),
    (NUMBERED, "The answer is 1 and 3.", "A,C"),
    (NUMBERED, "Answer: 1, 3", "A,C"),
    (CIRCLED, "정답: ①, ③", "A,C"),
    (CIRCLED, "①③", "A,C"),
    (CYRILLIC, "Ответ: А, В", "A,C"),
]


@pytest.mark.parametrize(("question", "response", "letters"), SEVERAL)
def test_sets_of_exams(question: str, response: str, letters: str | None) -> None:
    assert choice(response, question, several=True) == letters


NEAR_MISSES: list[tuple[str, str, str | None]] = [
    (MEDICAL, "The first option is wrong.", None),
    (MEDICAL, "The second option is incorrect.", None),
    (MEDICAL, "Option 1 is wrong.", None),
    (MEDICAL, "I would not choose the second option.", None),
    (MEDICAL, "Compare the first option with the last one.", None),
    (MEDICAL, "The answer is neither the first nor the second option.", None),
    (MEDICAL, "The answer is either the first or the second option.", None),
    (MEDICAL, "The answer is the first or second option.", None),
    (MEDICAL, "The answer is option 1 or 2.", None),
    (MEDICAL, "The answer is option 1 or option 2.", None),
    (MEDICAL, "The answer is not the second option.", None),
    (MEDICAL, "The most likely cause is not lisinopril.", None),
    (MEDICAL, "The best drug is lisinopril or metoprolol.", None),
    (MEDICAL, "The most likely drug is unclear.", None),
    (MEDICAL, "If the most likely drug is lisinopril, we stop it.", None),
    (MEDICAL, "It is not clear that the best drug is lisinopril.", None),
    (MEDICAL, "See the table. (A)", "A"),
    (MEDICAL, "See figure. (a)", None),
    (MEDICAL, "Refer to part (B).", None),
    (MEDICAL, "This rules out A. (B)", "B"),
    (MEDICAL, "So B is left out.", None),
    (MEDICAL, "B is left ventricular failure.", None),
    (MEDICAL, "Answer: lisinopril is not it", None),
    (MEDICAL, "Answer: not lisinopril", None),
    (MEDICAL, "The answer is lisinopril? No.", None),
    (MEDICAL, "The answer is lisinopril; metoprolol is wrong.", None),
    (MEDICAL, "The answer is lisinopril, not amlodipine, because ...", "B"),
    (MEDICAL, "The answer is lisinopril - or metoprolol", None),
    (MEDICAL, "The cause is A.", "A"),
    (MEDICAL, "The cause is hepatitis B.", None),
    (MEDICAL, "The finding is B cells.", None),
    (MEDICAL, "The treatment is C-section.", None),
    (MEDICAL, "The next step is D-dimer.", None),
    (MEDICAL, "The cause is vitamin A deficiency.", None),
    (MEDICAL, "The cause is C. difficile.", None),
    (MEDICAL, "The treatment is A stent.", None),
    (MEDICAL, "The finding is a murmur.", None),
    (MEDICAL, "A: correct\nB: correct\nC: incorrect\nD: incorrect", None),
    (MEDICAL, "A: incorrect\nB: incorrect\nC: incorrect\nD: incorrect", None),
    ("Which is NOT a gas?\nA. iron\nB. neon\nC. argon\nD. xenon", "A: false\nB: true\nC: true\nD: true", None),
    ("Which is a gas?\nA. iron\nB. neon", "A: wrong\nB: correct", "B"),
    ("Which statements?\nA. True\nB. False", "A. True", "A"),
    (NUMBERED, "There are 2.", None),
    (NUMBERED, "2 gases glow.", None),
    (NUMBERED, "Step 2: neon", None),
    (NUMBERED, "The answer is 2 atoms.", None),
    (NUMBERED, "So we need 2.", None),
    (NUMBERED, "The answer is 2.0", None),
    (NUMBERED, "The answer is 2%.", None),
    (NUMBERED, "The answer is 12.", None),
    (NUMBERED, "The answer is -2.", None),
    (NUMBERED, "1. Neon glows.\n2. Argon does not.", None),
    (NUMBERED, "1) argon\n2) neon\n3) xenon\n4) radon", None),
    (NUMBERED, "= 2", None),
    (NUMBERED, "1", "A"),
    (NUMBERED, "The answer is 3 - 1", None),
    (NUMBERED, "The answer is (2) or (3).", None),
    (NUMBERED, "The answer is not (2).", None),
    (NUMBERED, "Not 2 but 3.", None),
    (NUMBERED, "The answer is (2), not (3).", "B"),
    (CYRILLIC, "А это неверно.", None),
    (CYRILLIC, "В конце концов, не знаю.", None),
    (CYRILLIC, "Ответ: не Б", None),
    (CYRILLIC, "Ответ: ни А, ни Б", None),
    (CYRILLIC, "Ответ: А, Б", None),
    (CYRILLIC, "Ответ: Б или В.", None),
    (CYRILLIC, "Б — неверно.", None),
    (CYRILLIC, "Б неверно.", None),
    (CYRILLIC_LOWER, "Ответ: а также неон", None),
    (CYRILLIC_LOWER, "Ответ: в воздухе", None),
    (CYRILLIC, "В. И. Ленин", None),
    (CYRILLIC, "Ответ: А. С. Пушкин", None),
    (KANA, "アルゴンではない。", None),
    (KANA, "答えはイではない。", None),
    (KANA, "答えはイまたはウです。", None),
    (KANA, "イは誤り。", None),
    (KANA, "イオンが答えです。", None),
    (KANA, "アとイです。", None),
    (HANGUL, "나는 모르겠다.", None),
    (HANGUL, "다 맞다.", None),
    (HANGUL, "정답은 나가 아니다.", None),
    (HANGUL, "정답: 가 또는 나", None),
    (CIRCLED, "정답은 ②가 아닙니다.", None),
    (CIRCLED, "정답은 ② 또는 ③입니다.", None),
    (CIRCLED, "②, ③", None),
    (CIRCLED, "정답은 2개입니다.", None),
    (CMMLU, "①②③④都属于慢性病。", None),
    (CMMLU, "答案：①②", None),
    (CMMLU, "②不属于。", None),
    (CMMLU, "第二个选项错误。", None),
    (ARABIC, "لا أعرف.", None),
    (ARABIC, "الإجابة ليست ب.", None),
    (ARABIC, "الإجابة: أ أو ب", None),
    (ROMAN, "I hold that it glows.", None),
    (ROMAN, "I think so.", None),
    (ROMAN, "The answer is I.", None),
    (ROMAN, "Statement I holds.", None),
    (ROMAN, "The answer is I and III.", None),
    (STATEMENTS, "The answer is I.", None),
    (STATEMENTS, "Statement II is false.", None),
    (STATEMENTS, "The answer is II and III.", None),
    (YES_NO, "I have no idea.", None),
    (YES_NO, "Yes and no.", None),
    (YES_NO, "The answer is yes or no.", None),
    (YES_NO, "There is no evidence.", None),
    (YES_NO, "The answer is no longer clear.", None),
    (YES_NO, "The answer is not clear.", None),
    (YES_NO, "No, the answer is yes.", "yes"),
    (YES_NO, "The answer is yes, no doubt.", "yes"),
    (YES_NO, "The answer is no, but maybe.", "no"),
    (TRUE_FALSE, "The statement is not false.", None),
    (TRUE_FALSE, "It is true that swans are white.", None),
    (TRUE_FALSE, "The statement is true if swans are white.", None),
    (ABOVE, "Not all of the above.", None),
    (ABOVE, "The answer is not all of the above.", None),
    (ABOVE, "The answer is A and C.", None),
    (ABOVE, "The answer is A, B, or C.", None),
    (BOTH, "The answer is neither A nor B.", None),
    (BOTH, "Both A and B are wrong.", None),
    (BOTH, "A and B are wrong.", None),
    (BOTH, "A and B are gases.", None),
    (BOTH, "A and B are correct.", "D"),
    (BOTH, "The answer is either A or B.", None),
    (BOTH, "The answer is A and B, not C.", "D"),
    (NUMBERS, "The answer is 5.", None),
    (NUMBERS, "There are 2 options.", None),
    (NUMBERS, "1 + 1 = 2", None),
    (NUMBERS, "Answer: 1 or 2", None),
    ("Which acid?\nA. sulfuric acid\nB. sulfurous acid\nC. nitric acid", "The answer is sulfurc acid.", "A"),
    ("Which acid?\nA. sulfuric acid\nB. sulfurous acid\nC. nitric acid", "The answer is nitrous acid.", None),
    ("Which?\nA. glycine\nB. alanine\nC. valine", "The answer is glycerine.", None),
    ("Which?\nA. prostate\nB. kidney\nC. liver", "The answer is prostate gland.", None),
    ("Which?\nA. interstate\nB. federal", "The answer is intestate.", "A"),
    ("Which?\nA. typical\nB. rare", "The answer is atypical.", None),
    ("Which?\nA. 10000000\nB. 1", "The answer is 1000000.", None),
    ("Who wrote it?\nA. Fitzgerald\nB. Hemingway\nC. Faulkner", "The answer is F. Scott Fitzgerald.", None),
    (
        "Who wrote it?\nA. F. Scott Fitzgerald\nB. Ernest Hemingway\nC. Faulkner",
        "The answer is F. Scott Fitzgerald.",
        "A",
    ),
    ("Who wrote it?\nA. C. S. Lewis\nB. E. B. White\nC. D. H. Lawrence", "The answer is C. S. Lewis.", "A"),
    ("Who wrote it?\nA. C. S. Lewis\nB. E. B. White\nC. D. H. Lawrence", "The answer is C. D. H. Lawrence", "C"),
    ("Who?\nA. Newton\nB. Boyle\nC. Hooke", "The answer is A. Einstein.", "A"),
]
"""Sentences that look like a choice; most of them choose nothing."""


@pytest.mark.parametrize(("question", "response", "letter"), NEAR_MISSES)
def test_near_misses(question: str, response: str, letter: str | None) -> None:
    assert choice(response, question) == letter
