"""Marks of an answer: boxes, tags, "####" and announcements. Tables of responses and the answers that they mark.

A mark's text is the rest of its line; the kinds of answers read it further, so "42." stands for the answer 42.
"""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.answers.marks import anchored_line, closed_part, gold_answer, last_boxed, marks_of, own_part
from stages.answers.response.polite_sentences import POLITE
from stages.settings.answers import ANNOUNCEMENTS, ANNOUNCING_WORDS, AnswerConfig, AnswerSettings


def marked(response: str, announcements: tuple[str, ...] = ANNOUNCEMENTS) -> str | None:
    """Return the text of the mark that counts first, without a full stop; None without a mark."""
    mark = next(marks_of(response, announcements), None)
    return None if mark is None else mark.text.rstrip(".。")


ANNOUNCED = [
    ("The answer is 42.", "42"),
    ("So the answer is: 42", "42"),
    ("The answer is:42", "42"),
    ("The answer: 42", "42"),
    ("Answer = 42", "42"),
    ("Answer\n42", "42"),
    ("ANSWER: -3.14", "-3.14"),
    ("FINAL  ANSWER : -3.14", "-3.14"),
    ("Final answer: (3, 4).", "(3, 4)"),
    ("Final Answer\n\n42", "42"),
    ("The answer would be 42.", "42"),
    ("The answer should therefore be 42.", "42"),
    ("The answer is therefore 42", "42"),
    ("The answer, therefore, is 42.", "42"),
    ("The answer is, in fact: 42", "in fact: 42"),
    ("The answer's 42", "42"),
    ("The answer comes out to be 42", "42"),
    ("The answer turns out to be 42", "42"),
    ("The answer is given by $x^2$.", "$x^2$"),
    ("The answer to the question is 42.", "42"),
    ("The answer to part (a) is 5", "5"),
    ("The answer in dollars is 42", "42"),
    ("The answer (in cm): 42", "42"),
    ("The answer, rounded to one decimal, is 3.1", "3.1"),
    ("The answer we get is 42", "42"),
    ("The answer to 2.5 + 2.5 is 5.", "5"),
    ("Answer to question 2: B", "B"),
    ("The answer to $x + 1 = 2$ is 1.", "1"),
    ("The answer as a fraction is 3/4", "3/4"),
    ("I will now state the final answer: 42", "42"),
    ("Write your answer in the form $x:y$, where $x$ and $y$ are integers.", None),
    ("I give my answer in the form y = mx + b.", None),
    ("The answer in the form y = mx + b.", None),
    ("The answer choice is (B)", "(B)"),
    ("Answer key: B", "B"),
    ("The answer is as follows:\n42", "42"),
    ("The answer is simple: 42", "42"),
    ("The answer is clear:\n42", "42"),
    ("The answers are 3 and 5.", "3 and 5"),
    ("Ans: 42", "42"),
    ("Answer - B", "B"),
    ("Answer → 42", "42"),
    ("answer => 42", "42"),
    ("The answer ≈ 3.14", "3.14"),
    ("The correct option is B.", "B"),
    ("Your answer: 42", "42"),
    ("The ans is 42", "42"),
    ("Ans. 42", "42"),
    ("Answer. 42", "42"),
    ("Answer (B)", "(B)"),
    ("Answer C.", "C"),
    ("[Answer] 42", "42"),
    ("| **Answer** | 42 |", "42"),
    ("Answer\n======\n42", "42"),
    ("$$\\text{Answer} = 42$$", "42"),
    ("\\[ \\text{Answer: } 42 \\]", "42"),
    ("The answer (see part b) is 5", "5"),
    ("Correct choice: B", "B"),
    ("Answer: I think it is C", "C"),
    ("The answer is probably C", "C"),
    ('{"answer": "B"}', "B"),
    ('{"reasoning": "6 * 7", "final_answer": 42}', "42"),
    ("'answer': 'B'", "B"),
    ('{"answer": "strict scrutiny", "confidence": 0.9}', "strict scrutiny"),
    ('{"answer": 42, "confidence": 0.9}', "42"),
    ("Final Result: 42\nCheck: 5", "42"),
    ("**Final Answer:**\n> 42", "42"),
    ("Answer.- 42", "42"),
    ("Answer 3: 42", "42"),
    ("Answer => 42", "42"),
    ("#### => 42", "42"),
    ("The answer is that there are 42 apples.", "there are 42 apples"),
    ("First the answer is 4.\nSo the answer is: 5\nok", "5"),
    ("The answer is $\\frac{1}{2}$.", "$\\frac{1}{2}$"),
    ("$\\text{The answer is } 42$.", "42"),
    ("$\\text{Answer: } 42$", "42"),
    ("The answer is $42", "$42"),
    ("The answer is right bundle branch block.", "right bundle branch block"),
    ("The answer is clear cell carcinoma.", "clear cell carcinoma"),
    ("The answer is simple fracture of the ulna", "simple fracture of the ulna"),
    ("The answer is true.", "true"),
    ("The answer is yes", "yes"),
    ("The answer is no solution", "no solution"),
    ("The answer is Not Given", "Not Given"),
    ("The answer is not enough information", "not enough information"),
    ("The answer is\n42", "42"),
    ("The answer is...\n42", "42"),
    ("The answer:\n\n$$x^2$$\nDone.", "$$x^2$$"),
    ("The answer is:\n$$\nx^2\n$$\nDone.", "$$ x^2 $$"),
    ("The answer is\n\\[\n42\n\\]\nDone.", "\\[ 42 \\]"),
    ("The answer is:\n```\n42\n```", "42"),
    ("The answers are:\n- 3\n- 5", "3, 5"),
    ("The answers are:\n1. 3\n2. 5\n", "3, 5"),
    ("The answer is:\n* 42", "42"),
    ("The answer is:\n-42", "-42"),
    ("Answer: 42. This follows from step 3.", "42. This follows from step 3"),
    ("#### 18", "18"),
    ("####18", "18"),
    ("She sells 9.\n#### $1,234", "$1,234"),
    ("#### **18**", "18"),
    ("#### Answer: 18", "18"),
    ("#### Final Answer\n18", "18"),
    ("#### Step 2: Add 3 and 4.\nThat is all", None),
    ("#### 2. Add the numbers\nThat is all", None),
    ("#### Conclusion\nThere are 6", None),
    ("#### Finding the total:\nIt is 6", None),
    ("##### 18", None),
    ("### 18", None),
    ("I do not know what the answer is.", None),
    ("What is the answer?", None),
    ("The answer is 5? No.", None),
    ("The answer is", None),
    ("Answer:", None),
    ("The answer depends on whether 5 is even.", None),
    ("Three answers", None),
    ("The answering machine: 5", None),
    ("unanswer: 5", None),
    ("I cannot answer: the question has 5 readings.", None),
    ("I can't give an answer: there are 5 readings.", None),
    ("There is no answer: the text stops.", None),
    ("If the answer is 5, then x is 3.", None),
    ("Let's find the answer:\nFirst, we add 3 and 4.", None),
    ("", None),
]


@pytest.mark.parametrize(("response", "answer"), ANNOUNCED)
def test_words_announce_an_answer(response: str, answer: str | None) -> None:
    assert marked(response) == answer


REMARKS = [
    ("The final answer is 42. I hope this answer is helpful!", "42"),
    ("The answer is 42.\nThis answer is the same as in step 3.", "42"),
    ("The answer is Rome. I hope this answer is helpful.", "Rome"),
    ("The answer is 42.\nI hope the answer is helpful to you.", "42"),
    ("The answer is 42.\nI hope that this answer is clear and useful.", "42"),
    ("The answer is 42.\nThe answer is correct.", "42"),
    ("The answer is 42.\nThe answer is correct because 6 * 7 = 42.", "42"),
    ("The answer is 42.\nSo the answer is indeed correct!", "42"),
    ("The answer is 42.\nMy answer is based on the 3 steps above.", "42"),
    ("The answer is 42.\nThat answer is 3 more than before.", "42"),
    ("The answer is 42.\nThis answer is reasonable, since 5 < 42.", "42"),
    ("The answer is 42.\nThe answer is verified by step 2.", "42"),
    ("The answer is 42.\nYour answer should be an integer.", "42"),
    ("The answer is 42.\nThe answer is an integer.", "42"),
    ("The answer is 42.\nThe answer is a whole number between 1 and 50.", "42"),
    ("The answer is 42.\nThe answer is obtained by multiplying 6 by 7.", "42"),
    ("The answer is 3/4.\nThe answer is in simplest form.", "3/4"),
    ("The answer is 42.\nIf the answer is 5, x would be 3.", "42"),
    ("The answer is 42.\nCheck that the answer is 42 by adding 2.", "42"),
    ("The answer is 42.\nThe answer is not 5.", "42"),
    ("The answer is 42.\nThe previous answer is 5.", "42"),
    ("The answer is 42.\nA wrong answer is 5.", "42"),
    ("The answer is 42.\nJohn's answer is 5.", "42"),
    ("The answer is 42.\nHis answer: 5", "42"),
    ("The answer is B.\nAny other answer is wrong.", "B"),
    ("The answer is 42.\nIs the answer 5? No.", "42"),
    ("The answer is 42.\nThe answer is unique.", "42"),
    ("The answer is 42.\nLet me know if this answer is clear.", "42"),
    ("答案是42。\n这个答案是正确的。", "42"),
    ("答案是42。希望这个答案对你有帮助！", "42"),
    ("答えは42です。\nこの答えは正しいです。", "42"),
    ("La respuesta es 42.\nEspero que esta respuesta sea útil.", "42"),
    ("La respuesta es 42.\nLa respuesta es correcta.", "42"),
    ("La réponse est 42.\nCette réponse est la même qu'à l'étape 3.", "42"),
    ("Die Antwort ist 42.\nDie Antwort ist richtig.", "42"),
    ("A resposta é 42.\nEsta resposta é a mesma do passo 3.", "42"),
    ("La risposta è 42.\nQuesta risposta è corretta.", "42"),
    ("Ответ: 42.\nЭтот ответ равен результату шага 3.", "42"),
    ("정답은 42입니다.\n이 답은 3단계와 같습니다.", "42"),
    ("Answer: 42\nExplanation: the answer is bigger than 5.", "42"),
    ("The answer is 42.\nThe answer is at least 5.", "42"),
    ("The answer is 42.\nThe answer is between 40 and 50.", "42"),
    ("The answer is 42.\nI don't think the answer is 5.", "42"),
    ("The answer is 42.\nIt is unlikely that the answer is 5.", "42"),
    ("The answer is 42.\nYour answer must be 5 or more.", "42"),
    ("Answer: B\nThe answer choices are A, B, C.", "B"),
    # A remark alone is no answer.
    ("I hope this answer is helpful!", None),
    ("The answer is correct.", None),
    ("This answer is the same as in step 3.", None),
    # A remark that goes on to the answer.
    ("The answer is correct: 42", "42"),
]


@pytest.mark.parametrize(("response", "answer"), REMARKS)
def test_a_remark_announces_nothing(response: str, answer: str | None) -> None:
    assert marked(response) == answer


EMPHASIS = [
    ("**Answer**: B", "B"),
    ("**Answer:** Paris", "Paris"),
    ("**Answer: Paris**", "Paris"),
    ("*Answer*: 42 apples on 3 trees", "42 apples on 3 trees"),
    ("*Answer:* 42", "42"),
    ("***Answer***: 42", "42"),
    ("__Answer__: 42", "42"),
    ("_Answer_: 42", "42"),
    ("__Answer:__ 42", "42"),
    ("**Answer**", None),
    ("**Answer** 42", "42"),
    ("**Answer**\n\n42", "42"),
    ("**Final Answer**\n\\(42\\)", "\\(42\\)"),
    ("**Final Answer:**\n\n42", "42"),
    ("**Final** **Answer**: 42", "42"),
    ("## Answer\n42", "42"),
    ("### Final Answer:\n42", "42"),
    ("### Step 4: Final Answer\n42", "42"),
    ("> **Answer:** 42", "42"),
    ("- **Answer**: 42", "42"),
    ("1. **Answer**: 42", "42"),
    ("<b>Answer</b>: 42", "42"),
    ("<strong>Answer:</strong> 42", "42"),
    ("\\textbf{Answer:} 42", "42"),
    ("\\textbf{Answer}: 42", "42"),
    ("Answer: **42**", "42"),
    ("Answer:**42**", "42"),
    ("**Answer:**42", "42"),
    ("Answer: **B**. It blocks the receptor.", "B. It blocks the receptor"),
    ("Answer: `42`", "42"),
    ('Answer: "B"', "B"),
    ("Answer: “Paris”.", "Paris"),
    ("The answer is **42**.", "42"),
    ("**The answer is 42.**", "42"),
    ("**The answer is 42**", "42"),
    ("The **answer** is *42*", "42"),
    ("The answer is _42_.", "42"),
    ("The answer is 2*3*4", "2*3*4"),
    ("The answer is 2**3", "2**3"),
    ("The answer is x_1 + x_2", "x_1 + x_2"),
    ("**Answer：** B", "B"),
    ("**答案**：B", "B"),
    ("**答案：** 42", "42"),
    ("**Antwort:** 3,5 kg", "3,5 kg"),
    ("**Réponse** : B", "B"),
]


@pytest.mark.parametrize(("response", "answer"), EMPHASIS)
def test_emphasis_around_the_announcing_word(response: str, answer: str | None) -> None:
    assert marked(response) == answer


LANGUAGES = [
    ("答案是42", "zh", "42"),
    ("答案：B", "zh", "B"),
    ("答案是：42", "zh", "42"),
    ("答案为42", "zh", "42"),
    ("答案就是42", "zh", "42"),
    ("答案应该是 $42$。", "zh", "$42$"),
    ("所以正确答案是B。", "zh", "B"),
    ("因此，答案选C", "zh", "C"),
    ("最终答案：**42**", "zh", "42"),
    ("答案\n42", "zh", "42"),
    ("答案如下：\n42", "zh", "42"),
    ("故选：B", "zh", "B"),
    ("故选 B.", "zh", "B"),
    ("答：一共有42个苹果。", "zh", "一共有42个苹果"),
    ("【答案】B", "zh", "B"),
    ("本题选B。", "zh", "B"),
    ("正确选项是：D", "zh", "D"),
    ("故答案为：42", "zh", "42"),
    ("答案不是5", "zh", None),
    ("答案是5吗？", "zh", None),
    ("答えは４２です", "ja", "４２"),
    ("答えは42個です。理由は簡単です。", "ja", "42個"),
    ("答え：42", "ja", "42"),
    ("正解はBです。", "ja", "B"),
    ("したがって、答えは 42 となります。", "ja", "42"),
    ("答えは「東京」です。", "ja", "東京"),
    ("【答え】42個", "ja", "42個"),
    ("答えは次の通りです：\n42", "ja", "42"),
    ("La respuesta es 42.", "es", "42"),
    ("Respuesta: B", "es", "B"),
    ("La respuesta correcta es la B.", "es", "B"),
    ("Respuesta final: 3,5", "es", "3,5"),
    ("La respuesta a la pregunta es 42.", "es", "42"),
    ("Por lo tanto, la respuesta es: **42**", "es", "42"),
    ("La réponse est 3,5", "fr", "3,5"),
    ("Réponse : B", "fr", "B"),
    ("RÉPONSE\u00a0: B", "fr", "B"),
    ("La réponse est donc 42.", "fr", "42"),
    ("La bonne réponse est la lettre B.", "fr", "B"),
    ("La réponse correcte est donc la réponse B.", "fr", "B"),
    ("La réponse finale est $x^2$.", "fr", "$x^2$"),
    ("La réponse à la question est 42", "fr", "42"),
    ("Antwort: B", "de", "B"),
    ("Die Antwort ist 3,5 kg.", "de", "3,5 kg"),
    ("Die Antwort lautet: 42", "de", "42"),
    ("Die richtige Antwort ist also B.", "de", "B"),
    ("Die Antwort auf die Frage ist 42.", "de", "42"),
    ("**Antwort:**\n42", "de", "42"),
    ("A resposta é 42.", "pt", "42"),
    ("Resposta: 3,5", "pt", "3,5"),
    ("A resposta correta é a B.", "pt", "B"),
    ("A alternativa correta é a C.", "pt", "C"),
    ("Gabarito: C", "pt", "C"),
    ("Resposta final: 42", "pt", "42"),
    ("La risposta è 42.", "it", "42"),
    ("Risposta: 3,5", "it", "3,5"),
    ("La risposta corretta è la B", "it", "B"),
    ("La risposta finale è quindi 42", "it", "42"),
    ("Ответ: 3,5", "ru", "3,5"),
    ("Ответ — 42 яблока", "ru", "42 яблока"),
    ("Правильный ответ: В", "ru", "В"),
    ("Правильный ответ — 42.", "ru", "42"),
    ("Ответ на вопрос: 42", "ru", "42"),
    ("정답은 42입니다.", "ko", "42"),
    ("정답: ②", "ko", "②"),
    ("따라서 답은 42이다.", "ko", "42"),
    ("답: 42", "ko", "42"),
    ("최종 답변은 $42$입니다", "ko", "$42$"),
    ("उत्तर: 42", "hi", "42"),
    ("उत्तर 42 है।", "hi", "42"),
    ("सही उत्तर है B", "hi", "B"),
    ("الجواب: 42", "ar", "42"),
    ("الإجابة هي 42.", "ar", "42"),
    ("الإجابة الصحيحة هي B", "ar", "B"),
    ("Het antwoord is 42.", "nl", "42"),
    ("Odpowiedź: 3,5", "pl", "3,5"),
    ("Odpowiedź to 42.", "pl", "42"),
    ("Svaret är 42.", "sv", "42"),
    ("Cevap: 42", "tr", "42"),
    ("Cevap 42'dir.", "tr", "42"),
    ("Jawabannya adalah 42.", "id", "42"),
    ("Đáp án: B", "vi", "B"),
    ("Câu trả lời là 42.", "vi", "42"),
    ("Відповідь: 42", "uk", "42"),
    ("پاسخ: 42", "fa", "42"),
    ("התשובה היא 42.", "he", "42"),
    ("คำตอบคือ 42", "th", "42"),
    ("คำตอบที่ถูกต้องคือ B", "th", "B"),
    ("Rätt svar: B", "sv", "B"),
    ("Die Antwort ist daher: 3,5", "de", "3,5"),
    ("Antwort B", "de", "B"),
    ("\\boxed{\\text{La respuesta es 3,5}}", "es", "3,5"),
    ("উত্তর: 42", "bn", "42"),
    ("సమాధానం: 42", "te", "42"),
    ("Jibu ni 42.", "sw", "42"),
    ("The answer is 3,5", "en", "3,5"),
    ("Il a 42 ans : une fête", "fr", None),
    ("La respuesta es $\\boxed{3,5}$.", "es", "3,5"),
    ("Die Antwort ist \\boxed{3,5}", "de", "3,5"),
    ("So \\boxed{3,5}", "en", "3,5"),
]


@pytest.mark.parametrize(("response", "language", "answer"), LANGUAGES)
def test_announcements_in_many_languages(response: str, language: str, answer: str | None) -> None:
    assert marked(response) == answer
    if answer is not None:
        assert next(marks_of(response)).language == language


@pytest.mark.parametrize("language", ANNOUNCING_WORDS)
def test_every_announcing_word_announces(language: str) -> None:
    for word in ANNOUNCING_WORDS[language]:
        for response in (f"{word.removesuffix('…')}: 42", f"{word.removesuffix('…').upper()}：42"):
            assert marked(response) == "42"


BOXES = [
    ("\\boxed{1}", "1"),
    ("$\\boxed{1}$ and $\\boxed{2}$", "1, 2"),
    ("$\\boxed{1}$, $\\boxed{2}$", "1, 2"),
    ("\\boxed{1}, \\boxed{2}, and \\boxed{3}", "1, 2, 3"),
    ("\\boxed{1},\\boxed{2}", "1, 2"),
    ("\\boxed{1}\\quad\\boxed{2}", "1, 2"),
    ("\\boxed{1}\\text{ and }\\boxed{2}", "1, 2"),
    ("\\boxed{1} \\text{ or } \\boxed{2}", "1 or 2"),
    ("$\\boxed{1}$ & $\\boxed{2}$", "1, 2"),
    ("$x = \\boxed{1}$ or $x = \\boxed{2}$", "1 or 2"),
    ("$x = \\boxed{1}$ and $x = \\boxed{2}$", "1, 2"),
    ("$x = \\boxed{1}$ and $y = \\boxed{2}$", "x=1, y=2"),
    ("$\\boxed{x=1}$ and $\\boxed{y=2}$", "x=1, y=2"),
    ("$\\left(\\boxed{1}, \\boxed{2}\\right)$", "(1, 2)"),
    ("$\\{\\boxed{1}, \\boxed{2}\\}$", "\\{1, 2\\}"),
    ("\\(\\boxed{1}\\) and \\(\\boxed{2}\\)", "1, 2"),
    ("\\boxed{1} y \\boxed{2}", "1, 2"),
    ("\\boxed{1} et \\boxed{2}", "1, 2"),
    ("\\boxed{1} und \\boxed{2}", "1, 2"),
    ("\\boxed{1} 和 \\boxed{2}", "1, 2"),
    ("\\boxed{1}、\\boxed{2}", "1, 2"),
    ("\\boxed{A} and \\boxed{C}", "A, C"),
    ("\\boxed{3} and \\boxed{3}", "3"),
    ("\\boxed{\\frac{1}{2}} or \\boxed{0.5}", "0.5"),
    ("\\boxed{50\\%} or \\boxed{1/2}", "1/2"),
    # Two answers: the last counts.
    ("first \\boxed{3}, then \\boxed{4}.", "4"),
    ("\\boxed{3}, no: \\boxed{4}", "4"),
    ("Not \\boxed{3} but \\boxed{4}", "4"),
    ("\\boxed{3}. \\boxed{4}", "4"),
    ("\\boxed{3}\n\\boxed{4}", "4"),
    ("\\boxed{3} = \\boxed{4}", "4"),
    ("\\boxed{1} and \\boxed{2} are wrong, so \\boxed{3}", "3"),
    # A box inside a box, without braces, cut, empty, or to be filled.
    ("\\boxed{\\boxed{7}}", "7"),
    ("$\\boxed 5$ apples", "5"),
    ("so \\boxed{3}, not \\boxed{}", "3"),
    ("so \\boxed{3} and hence \\boxed{4", "3"),
    ("I will put it in \\boxed{...}. So the answer is 5.", "5"),
    ("Write \\boxed{answer}.\nThe answer is 5", "5"),
    ("\\boxed{42} (as requested, in \\boxed{})", "42"),
    ("\\boxed{42}\n\nI used \\boxed{your answer} as format", "42"),
    ("\\boxed{42}\n\nI used \\boxed{x} notation as asked.", "42"),
    ("\\boxed{\\text{}}\nThe answer is 42.", "42"),
    ("\\boxed{\\boxed{}}. The answer is 42", "42"),
    ("\\boxed{\\phantom{0}}\nThe answer is 42", "42"),
    ("\\framebox{42}", "42"),
    ("\\Boxed{42}", "42"),
    ("\\box{42}", "42"),
    ("\\boxed{\\therefore 42}", "42"),
    ("\\boxed{\\text{Total: } 42}", "42"),
    # A box that is said to be wrong
    ("\\boxed{3} is wrong. \\boxed{4}", "4"),
    ("\\boxed{4}, because \\boxed{3} is too small.", "4"),
    ("\\boxed{4}, not \\boxed{3}", "4"),
    ("\\boxed{3}. Hmm, that is not right. So the answer is 4", "4"),
    ("\\boxed{Rome} is wrong. The answer is Milan", "Milan"),
    ("$boxed{5}$", "5"),
    # An announcement inside a box.
    ("\\boxed{\\text{The answer is 460}}", "460"),
    ("\\boxed{\\text{The answer is 460.}}", "460"),
    ("\\boxed{\\text{The final answer is } 460}", "460"),
    ("\\boxed{\\text{Answer: } 460}", "460"),
    ("\\boxed{\\textbf{Answer:} \\frac{1}{2}}", "\\frac{1}{2}"),
    ("\\boxed{Answer: 460}", "460"),
    ("\\boxed{\\mathbf{Answer} = 460}", "460"),
    ("\\boxed{\\text{Answer: B}}", "B"),
    ("\\boxed{\\text{The answer is } 460 \\text{ dollars}}", "460 \\text{ dollars}"),
    ("\\boxed{\\text{So the answer is } \\{1, 2\\}}", "\\{1, 2\\}"),
    ("\\boxed{\\text{答案是} 460}", "460"),
    ("\\boxed{\\text{La réponse est } 3,5}", "3,5"),
    ("\\boxed{460}", "460"),
    ("\\boxed{\\text{even}}", "\\text{even}"),
    ("\\boxed{x = 1 \\text{ is the answer: no}}", "x = 1 \\text{ is the answer: no}"),
    # Tags
    ("<answer>B</answer>", "B"),
    ("<answer>\n42\n</answer>", "42"),
    ("<ANSWER> 42 </ANSWER>", "42"),
    ("<final_answer>42</final_answer>", "42"),
    ("[ANSWER]42[/ANSWER]", "42"),
    ("<answer>1</answer> No: <answer>2</answer>", "2"),
    ("<answer>The answer is 42.</answer>", "42"),
    ("<answer>\\boxed{42}</answer>", "42"),
    ("<think>a</think><|begin_of_box|>42<|end_of_box|>", "42"),
    ("<output>42</output>", "42"),
    ("<conclusion>42</conclusion>", "42"),
    ("<solution>6 * 7\nThe answer is 42</solution>", "42"),
    ("<answer>\nWe multiply 6 by 7, as in step 3. The answer is 42.\n</answer>", "42"),
    ("<answer>42", "42"),
    ("<answer>42<answer>", "42"),
    ("Answer: <answer>42</answer>", "42"),
    ("<answer></answer>The answer is 5", "5"),
    ("I put it into <answer></answer> tags: <answer>5</answer>", "5"),
    ("I shall use <answer> tags. The answer is 5", "5"),
    # The order of marks
    ("\\boxed{3}\nThe answer is 4.", "3"),
    ("<answer>3</answer>\nThe answer is 4.", "3"),
    ("The answer is 3.\n#### 4", "4"),
    ("#### 3\nThe answer is 4.", "4"),
]


@pytest.mark.parametrize(("response", "answer"), BOXES)
def test_boxes_and_tags(response: str, answer: str) -> None:
    assert marked(response) == answer


NEXT = "\n\nQuestion: Bob has 3 pens and buys 2. How many?\nAnswer: 5"
ENDS = [
    ("The answer is 42." + NEXT, "The answer is 42."),
    ("\\boxed{42}" + NEXT, "\\boxed{42}"),
    ("#### 42" + NEXT, "#### 42"),
    ("<answer>42</answer>" + NEXT, "<answer>42</answer>"),
    ("She has 42." + NEXT, "She has 42."),
    ("B" + NEXT, "B"),
    ("The answer is 42.\n\nQ: How many?\nA: The answer is 5.", "The answer is 42."),
    ("The answer is 42.\n\nProblem: How many?\nThe answer is 5.", "The answer is 42."),
    ("The answer is 42.\n\nProblem 2. How many?\nThe answer is 5.", "The answer is 42."),
    ("The answer is 42.\n\nProblem 2\nHow many?\nThe answer is 5.", "The answer is 42."),
    ("The answer is 42.\n\nProblem\n\nHow many?\n\nAnswer\n\n5", "The answer is 42."),
    ("The answer is 42.\n\n## Your task:\nAdd 2 and 3. \\boxed{5}", "The answer is 42."),
    ("The answer is 42.\n\n## Follow up exercises:\n1. 2 + 3?\nThe answer is 5.", "The answer is 42."),
    ("There are 42.\n\nNow a new problem: 3 pens.\nThe answer is 3.", "There are 42."),
    ("The answer is 42.\n\nPrompt: 2 + 3?\nResponse: The answer is 5.", "The answer is 42."),
    ("答案：42\n\n练习2：2+3\n答案：5", "答案：42"),
    ("答案：42\n\n第2题：2+3\n答案：5", "答案：42"),
    ("答案是42。\n\n例2：2+3\n答案是5。", "答案是42。"),
    ('{"answer": 42}\n{"question": "2+3", "answer": 5}', '{"answer": 42}'),
    ("\\boxed{42}<|assistant|>\\boxed{5}", "\\boxed{42}"),
    ("The answer is 42.\n\n## Question 2\nHow many?\nThe answer is 5.", "The answer is 42."),
    ("The answer is 42.\n\n**Problem 2:** How many?\nThe answer is 5.", "The answer is 42."),
    ("The answer is 42.\n\nNext question: How many?\n\\boxed{5}", "The answer is 42."),
    ("The answer is 42.\n\n### Instruction:\nAdd.\n\n### Response:\nThe answer is 5.", "The answer is 42."),
    ("The answer is 42.\n\nHuman: How many?\n\nAssistant: The answer is 5.", "The answer is 42."),
    ("The answer is 42.\nUser: How many?\nAssistant: \\boxed{5}", "The answer is 42."),
    ("It is \\boxed{4}.\nuser\nWhat is 3 + 3?\nassistant\nIt is \\boxed{6}.", "It is \\boxed{4}."),
    ("It is 4.<|im_end|>\n<|im_start|>user\nWhat?<|im_end|>", "It is 4."),
    ("It is 4.<|endoftext|>Question: What? \\boxed{6}", "It is 4."),
    ("It is 4.</s>", "It is 4."),
    ("It is 4. </s> [INST] What? [/INST] \\boxed{6}", "It is 4."),
    ("It is 4.<end_of_turn>\n<start_of_turn>user", "It is 4."),
    ("It is 4.<turn|>\n<|turn>user", "It is 4."),
    ("It is 4.[|endofturn|]5", "It is 4."),
    ("It is 4.<｜end▁of▁sentence｜>5", "It is 4."),
    ("<|im_start|>It is 4.<|im_end|>", "<|im_start|>It is 4."),
    ("It is <s>5</s> 4.", "It is <s>5</s> 4."),
    ("答案是42。\n\n问题：有多少？\n答案：5", "答案是42。"),
    ("La réponse est 42.\n\nQuestion : combien ?\nRéponse : 5", "La réponse est 42."),
    ("Die Antwort ist 42.\n\nFrage: Wie viele?\nAntwort: 5", "Die Antwort ist 42."),
    ("La respuesta es 42.\n\nPregunta: ¿cuántos?\nRespuesta: 5", "La respuesta es 42."),
    ("Ответ: 42\n\nВопрос: сколько?\nОтвет: 5", "Ответ: 42"),
    ("정답은 42입니다.\n\n문제: 몇 개?\n정답: 5", "정답은 42입니다."),
    # The problem is only repeated, or the response asks itself on the way.
    ("Question: 6 times 7?\nAnswer: 42", "Question: 6 times 7?\nAnswer: 42"),
    ("Question: 6 times 7?\nAnswer: 42" + NEXT, "Question: 6 times 7?\nAnswer: 42"),
    ("Let's see.\n\nQuestion: 6 times 7?\nAnswer: 42", "Let's see.\n\nQuestion: 6 times 7?\nAnswer: 42"),
    ("**Problem:** 6 times 7\n\n**Solution:** 42", "**Problem:** 6 times 7\n\n**Solution:** 42"),
    (
        "Question 1: 2 * 3?\nAnswer: 6\nQuestion 2: 6 * 7?\nAnswer: 42",
        "Question 1: 2 * 3?\nAnswer: 6\nQuestion 2: 6 * 7?\nAnswer: 42",
    ),
    ("The question: what is it? The answer is 42.", "The question: what is it? The answer is 42."),
    # Lines that do not answer
    ("So the total is 42.\n```", "So the total is 42."),
    ("So the total is 42.```", "So the total is 42."),
    ("So the total is 42.\n---", "So the total is 42."),
    ("So the total is 42.\n\n---\n\n", "So the total is 42."),
    ("So the total is 42.\n***\n", "So the total is 42."),
    ("So the total is 42.\n===", "So the total is 42."),
    ("So the total is 42. 🎉", "So the total is 42. 🎉"),
    ("So the total is 42.\n🎉", "So the total is 42."),
    ("```\n42\n```", "```\n42"),
    ("So the total is 42.\n```\nThe block has ended, 7 lines ago.", "So the total is 42."),
    ("The sum:\n```\n42", "The sum:\n```\n42"),
    ("It is 42.\n```python\nprint(5)\n```", "It is 42."),
    ("It is 42. Let me know if you have questions.", "It is 42."),
    ("It is 42.\n\nLet me know if you need more than 3 examples!", "It is 42."),
    ("It is 42. I hope this helps!", "It is 42."),
    ("It is 42.\nHope that helps.\n\nBest regards,\n---", "It is 42."),
    ("It is 42.\n\nFeel free to ask about the other 3 parts.", "It is 42."),
    ("It is 42.\nIf you have more questions (up to 3), ask.", "It is 42."),
    ("It is 42.\n\nWould you like me to solve 3 more?", "It is 42."),
    ("It is 42.\n\nDo you want to see 3 other ways?", "It is 42."),
    ("It is 42.\n\nWould you like me to:\n1. explain\n2. solve 3 more", "It is 42."),
    ("It is 42.\n(Note: a month has 30 days.)", "It is 42."),
    ("It is 42.\n\nNote: a month has 30 days.", "It is 42."),
    ("It is 42.\n\n---\n\n**Explanation:** 6 times 7, by 2 rules.", "It is 42."),
    ("It is 42.\n\n---\n\nIf you'd like, I can\n- add 3\n- add 4", "It is 42."),
    ("It is 42.\nThis answer is the same as in step 3.", "It is 42."),
    ("It is 42.\nThank you for your 2 questions!", "It is 42."),
    ("一共有42个苹果。希望对你有帮助！", "一共有42个苹果。"),
    ("全部で42個です。\nご不明な点が1つでもあれば…", "全部で42個です。"),
    ("Il y en a 42.\nN'hésitez pas à poser 2 questions.", "Il y en a 42."),
    ("Son 42. Espero que te ayude en los 3 pasos.", "Son 42."),
    ("Es sind 42. Ich hoffe, das hilft.", "Es sind 42."),
    ("Sono 42. Spero che ti aiuti.", "Sono 42."),
    ("São 42. Espero ter ajudado!", "São 42."),
    ("Всего 42. Надеюсь, это поможет!", "Всего 42."),
    ("모두 42개입니다.\n도움이 되셨기를 바랍니다.", "모두 42개입니다."),
    ("It is 42.\n\n**Confidence Level:** 90", "It is 42."),
    ("It is 42.\n\nReferences:\n[1] Smith 2020", "It is 42."),
    ("It is 42.\n\nTo verify, 42/7 = 6.", "It is 42."),
    ("It is 42.\n\n[Word count: 12]", "It is 42."),
    ("It is 42.\n\n--- End of solution 1 ---", "It is 42."),
    ("It is 42.\n\nDone.", "It is 42."),
    ("It is 42.\n\\end{document}", "It is 42."),
    ("It is 42.\n</div>", "It is 42."),
    ("It is 42. ∎", "It is 42."),
    ("It is $42$.\n\nQ.E.D.", "It is $42$."),
    ("It is 42. $\\blacksquare$", "It is 42."),
    # Lines that do
    ("ABCD is a $\\square$", "ABCD is a $\\square$"),
    ("Bill: 50\nTip: 10", "Bill: 50\nTip: 10"),
    ("It is found.\nSource: 5 V", "It is found.\nSource: 5 V"),
    ("Try 5.\nLet's check: 5 + 2 is not 8. So 6.", "Try 5.\nLet's check: 5 + 2 is not 8. So 6."),
    ("Start.\nAssuming x = 3, we get 8.", "Start.\nAssuming x = 3, we get 8."),
    ("Two steps.\n\nProblem 1\nFind x.\n\nx = 42", "Two steps.\n\nProblem 1\nFind x.\n\nx = 42"),
    ("If you have 5 apples and get 3, you have 8.", "If you have 5 apples and get 3, you have 8."),
    ("Add 5.\nIf you have more than 3, you get 8.", "Add 5.\nIf you have more than 3, you get 8."),
    ("Ajoutons 3.\nSi vous avez 5 pommes, vous en aurez 8.", "Ajoutons 3.\nSi vous avez 5 pommes, vous en aurez 8."),
    ("加3。\n如果你有5个苹果，一共有8个。", "加3。\n如果你有5个苹果，一共有8个。"),
    ("Add 5.\nIf there were 50 questions, 8 are left.", "Add 5.\nIf there were 50 questions, 8 are left."),
    ("Add 5.\nIf you know that y is 3, x is 8.", "Add 5.\nIf you know that y is 3, x is 8."),
    ("Thanks to symmetry, x = 5", "Thanks to symmetry, x = 5"),
    ("Start.\nThanks to symmetry, x = 5", "Start.\nThanks to symmetry, x = 5"),
    ("Happy to help! It is 42.", "Happy to help! It is 42."),
    ("Sure. Happy to help!\nIt is 42.", "Sure. Happy to help!\nIt is 42."),
    ("The answer is:\nThank you", "The answer is:\nThank you"),
    ("### Step 1\n3\n\n---\n\n### Step 2\n42", "### Step 1\n3\n\n---\n\n### Step 2\n42"),
    ("x\n\n---\n\nExplanation: so the answer is 42.", "x\n\n---\n\nExplanation: so the answer is 42."),
    ("\\[\n42\n\\]", "\\[\n42\n\\]"),
    ("$$\n42\n$$", "$$\n42\n$$"),
    ("It is\n∞", "It is\n∞"),
    ("", ""),
    (" \n", ""),
    ("Let me know if you have questions.", "Let me know if you have questions."),
]


@pytest.mark.parametrize(("response", "own"), ENDS)
def test_the_part_that_answers(response: str, own: str) -> None:
    assert own_part(response) == own


@pytest.mark.parametrize("example", [example for _, example in POLITE])
def test_polite_sentences_do_not_answer(example: str) -> None:
    for response in (f"It is 42.\n{example}", f"It is 42. {example}", f"It is 42.\n\n---\n\n**{example}**\n"):
        assert own_part(response) == "It is 42."


CLOSED = [
    ("So \\boxed{9}. Next, 9 + 3", "So \\boxed{9}"),
    ("So \\boxed{9}", "So \\boxed{9}"),
    ("$\\boxed{1}$ and $\\boxed{2}$. Then", "$\\boxed{1}$ and $\\boxed{2}"),
    ("\\boxed 5 is", "\\boxed 5"),
    ("so \\boxed{3}. Hence \\boxed{4", "so \\boxed{3}"),
    ("<answer>9</answer>", "<answer>9</answer>"),
    ("<answer>9</answer> since", "<answer>9</answer>"),
    ("#### 9\nQuestion", "#### 9"),
    ("The answer is 9.\nNow", "The answer is 9."),
    ("The answer is 9.\n", "The answer is 9."),
    ("The answer is 9. Now", "The answer is 9."),
    ("The answer is **9**.\n", "The answer is **9**."),
    ("**Answer:** 9\n\nTo check, 9 + 3", "**Answer:** 9"),
    ("**Answer**\n\n9\n\nTo check, 9 + 3", "**Answer**\n\n9"),
    ("The answer is 9.</s>", "The answer is 9."),
    ("The answer is 42." + NEXT[:-3], "The answer is 42."),
    ("答案是9。接着", "答案是9。"),
    ("答案是9。", "答案是9。"),
    ("La réponse est 3,5.\nOn", "La réponse est 3,5."),
    ("The answer is 3.5. It", "The answer is 3.5."),
    ("The answer is B. Lisinopril blocks. It", "The answer is B. Lisinopril blocks."),
    ("The answer is 9.\nThe answer is 12", "The answer is 9."),
    ("The answer is 9.\nThis answer is correct. It", "The answer is 9."),
    ("The answer is 9.\nBut \\boxed{3} is not, as 9 + 3", "The answer is 9.\nBut \\boxed{3}"),
    ('{"answer": 42, "expl', '{"answer": 42'),
    ('{"answer": "B"}', '{"answer": "B"'),
    ("Not \\boxed{3}. The answer is 9.\nIt", "Not \\boxed{3}. The answer is 9."),
    # Nothing is closed.
    ('{"answer": 4', None),
    ('{"answer": "The total is', None),
    ("\\boxed{3} is wrong. It is 4", None),
    ("\\boxed{3}, \\boxed{5}, \\bo", None),
    ("= 9, then 9 + 3", None),
    ("The answer is 9", None),
    ("The answer is 9.", None),
    ("The answer is 9.5", None),
    ("The answer is $9$", None),
    ("\\boxed{9", None),
    ("\\boxed 5", None),
    ("\\boxed{1} and \\boxed{2", None),
    ("\\boxed{1} and", None),
    ("<answer>9", None),
    ("#### 9", None),
    ("I hope this answer is helpful. 9", None),
    ("There are 9.\nThen 3", None),
    ("答案是9", None),
    ("", None),
]


@pytest.mark.parametrize(("response", "part"), CLOSED)
def test_the_closed_part_of_a_response_that_was_cut_off(response: str, part: str | None) -> None:
    assert closed_part(response) == part


def test_the_closed_part_marks_the_same_answer() -> None:
    for response, part in CLOSED:
        if part is not None:
            assert marked(part) is not None, response


def test_all_announced_answers_are_marks_from_the_last_on() -> None:
    marks = list(marks_of("The answer is 3.\n<answer>2</answer>\n#### 4\nSo \\boxed{1}"))
    assert [(mark.kind, mark.text) for mark in marks] == [
        ("box", "1"), ("tag", "2"), ("hash", "4"), ("announced", "3."),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "response", "answer"),
    [
        (("result",), "The result is 5.\nThe answer is 4.", "5"),
        (("result",), "Result: 5", "5"),
        (("result",), "The answer is 4.", None),
        (("Final result:",), "Final result: 5", "5"),
        (("the answer is",), "So the answer is 5", "5"),
        (("I choose…",), "I choose 5", "5"),
        (("结果",), "结果是5", "5"),
        (("Ergebnis",), "Das Ergebnis ist 5", "5"),
        ((), "The answer is 4.", None),
        ((), "#### 4", "4"),
        ((), "\\boxed{4}", "4"),
        (("(a+)+$",), "(a+)+$ is 5", "5"),
    ],
)
def test_words_of_a_users_own_announce(words: tuple[str, ...], response: str, answer: str | None) -> None:
    assert marked(response, words) == answer


def test_the_setting_leaves_keys_alone_while_it_is_the_default() -> None:
    assert "announcements" not in AnswerSettings().model_dump() and "announcements" not in AnswerConfig().model_dump()
    assert AnswerSettings(announcements=("result",)).model_dump()["announcements"] == ("result",)
    assert AnswerSettings(announcements=ANNOUNCEMENTS).model_dump() == AnswerSettings().model_dump()
    for word in (" ", "…", ":"):
        with pytest.raises(ValueError, match="should match pattern"):
            AnswerSettings(announcements=(word,))


def test_marks_for_kinds_of_a_users_own() -> None:
    assert last_boxed(r"\boxed{1} and \fbox{\frac{1}{2}}") == r"\frac{1}{2}"
    assert last_boxed(r"\boxed{\{1, 2\}}") == r"\{1, 2\}"
    assert last_boxed(r"\boxed{} \boxed{  }") is None
    assert anchored_line("The answer is 4.\nSo the answer is: 5\nok") == "5"
    assert anchored_line("The answer is 4.\nI hope this answer is helpful.") == "4."
    assert anchored_line("Answer: 0.5 g daily") == "0.5 g daily"
    assert anchored_line("no mark") is None


@pytest.mark.parametrize(
    ("reference", "answer"),
    [
        ("18", "18"),
        (" 45\n", "45"),
        ("4+4=<<4+4=8>>8\n#### 8", "8"),
        ("#### 1,234", "1,234"),
        ("\\boxed{18}", "18"),
        ("So $\\boxed{1}$ and $\\boxed{2}$.", "1, 2"),
        ("\\boxed{\\text{The answer is 460}}", "460"),
        ("The answer is (C).", "(C)."),
        ("<answer>8</answer>", "8"),
        ("New York", "New York"),
        ("x < 5", "x < 5"),
        ("Rh+", "Rh+"),
    ],
)
def test_gold_answers(reference: str, answer: str) -> None:
    assert gold_answer(reference) == answer


PIECES = [
    "\\boxed{", "}", "{", "$", "answer", " is", ":", "\n", " ", "**", "####", "5", "答案", "是",
    "<answer>", "</answer>", ".", "Question:", "```", "---", "</s>", "Let me know", "hope", "İ", "and", ",", "Q:",
    "user", "- ", "1. ", "x", "_", '"', "?",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=25))
def test_no_text_breaks_the_marks(pieces: list[str]) -> None:
    text = "".join(pieces)
    own = own_part(text)
    assert text.startswith(own) and own == own.rstrip()
    for mark in marks_of(text):
        assert mark.text == mark.text.strip()
    part = closed_part(text)
    assert part is None or (text.startswith(part) and part)
    assert isinstance(gold_answer(text), str)


HOSTILE = [
    "the answer to ", "answer is correct ", "answer (", "answer, a", "\n---\nnote", "\n- ", "\nquestion:",
    "answer:\n\n", "boxed{1} and \\", "\\boxed{1}, ", "<s></s>", "```\n", "\\boxed{answer is ",
    "if you have ", " the answer", "I hope. ",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("piece", [*PIECES, *(piece + "\n" for piece in PIECES), *HOSTILE])
def test_long_texts_of_marks_are_read_quickly(piece: str) -> None:
    text = piece * (300_000 // len(piece))
    began = time.process_time()
    list(zip(range(20), marks_of(text), strict=False))
    closed_part(text)
    gold_answer(text)
    assert time.process_time() - began < 5.0
