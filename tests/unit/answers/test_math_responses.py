"""Answers of mathematics in whole responses: marks first, then the text of the mark, else the last line."""

import pytest

from stages.answers.kinds import Ambiguous, answer_config, load_kind
from stages.answers.math import MathAnswer, extract_math_answer
from stages.settings.answers import AnswerSettings

RESPONSES: dict[str, list[tuple[str, str | None]]] = {
    "a remark is no answer": [
        ("The final answer is 42. I hope this answer is helpful!", "42"),
        ("The answer is 42.\nThis answer is the same as in step 3.", "42"),
        ("The answer is 42. The answer is correct.", "42"),
        ("So the total is 42.\nI hope this helps!", "42"),
        ("The total is 42.\nLet me know if you need 3 more examples!", "42"),
    ],
    "marks around the word": [
        ("**Answer:** 42 apples on 3 trees", "42"),
        ("*Answer*: 42 apples on 3 trees", "42"),
        ("**Final Answer**\n\n**42**", "42"),
        ("### Answer: $x = 5$", "x = 5"),
        ("Answer:\n\n42", "42"),
    ],
    "signs": [
        ("Profit is −5", "-5"),
        ("The answer is −3 degrees", "-3 degrees"),
        ("–3 degrees", "-3 degrees"),
        ("The temperature is -3 degrees.", "-3 degrees"),
        ("So the change is −$12.50.", "-$12.50"),
    ],
    "numbers": [
        ("It takes 3 1/2 cups", "3 1/2 cups"),
        ("Result: 1.5e-3", "0.0015"),
        ("2.5e6 people", "2500000"),
        ("There are 10^3 people.", "1000"),
        ("There are 5 x 10^3 people", "5000"),
        ("The answer is 1 234 567.", "1234567"),
    ],
    "languages": [
        ("答案是42", "42"),
        ("一共有42个苹果", "42"),
        ("答えは４２です", "42"),
        ("La réponse est 3,5", "3.5"),
        ("La réponse est \\boxed{3,5}", "3.5"),
        ("Die Antwort ist 3,5 Meter.", "3.5 Meter"),
        ("La respuesta es 42 manzanas en 3 árboles.", "42"),
        ("A resposta é 3,5.", "3.5"),
        ("La risposta è 42.", "42"),
        ("Ответ: 3,5", "3.5"),
        ("정답은 42입니다.", "42"),
        ("उत्तर: ४२", "42"),
        ("الجواب هو ٤٢", "42"),
    ],
    "tails": [
        ("Therefore f(x) = x^2 + 3", "x^2 + 3"),
        ("So f(x) = 2x", "2x"),
        ("So the point is (3, 4).", "(3, 4)"),
        ("```\nSo the total is 42\n```", "42"),
        ("So the total is 42.\n---", "42"),
        ("So the total is 42</s>", "42"),
        ("The answer is 42.\n\nQuestion: What is 2 + 3?\nAnswer: 5", "42"),
    ],
    "words": [
        ("The answer is yes", "yes"),
        ("The answer is no solution", "no solution"),
        ("The answer is infinity.", "infinity"),
        ("The answer is unknown.", None),
    ],
    "boxes": [
        ("$\\boxed{1}$ and $\\boxed{2}$", "1, 2"),
        ("\\boxed{\\text{The answer is 460}}", "460"),
        ("The answer is 5.\n\\boxed{5, 105}", "5, 105"),
    ],
    "answers to a part, or to a changed problem": [
        ("Thus, the answer is 11. The answer to part (a) was 5.", "11"),
        ("The answer is 11. The answer for question 2 is 5.", "11"),
        ("The answer to question 3 is 5.", "5"),
        ("The final answer is 30. The answer in the textbook is 28.", "30"),
        ("The answer is 5.\n\nIf instead we had 10 apples, the answer would be 9.", "5"),
        ("The answer is 5.\n\nBonus: for n = 10 the answer would be 55.", "5"),
        ("If we add them, the answer would be 12.", "12"),
        ("With 5 apples each, the answer would be 15.", "15"),
    ],
    "parts in lines of their own": [
        ("(a) 5\n(b) 7", "?"),
        ("**(a)** 5\n\n**(b)** 3", "?"),
        ("Part A: 5\nPart B: 3", "?"),
        ("i) 5\nii) 3", "?"),
        ("1. 5\n2. 7", "?"),
        ("1) x = 5\n2) y = 7", "?"),
        ("（1）5\n（2）7", "?"),
        ("① 5\n② 7", "?"),
        ("a. 5\nb. 7", "?"),
        ("i. 5\nii. 7", "?"),
        ("A) 5\nB) 7", "?"),
        ("a) 5 b) 7", "?"),
        ("答案：（1）5；（2）7", "?"),
        ("第一问：5\n第二问：7", "?"),
        ("解：（1）由题意得a=5；\n（2）由（1）得b=7。", "?"),
        ("Question 1: 5\nQuestion 2: 7", "?"),
        ("Teil a: 5\nTeil b: 7", "?"),
        ("Answer (a): 5\nAnswer (b): 7", "?"),
        ("Answer to (a): 5\nAnswer to (b): 7", "?"),
        ("(a) The answer is 5.\n(b) The answer is 7.", "?"),
        ("**a)** The speed is 5 m/s.\n**b)** The time is 7 s.", "?"),
        ("**Part (a)**: $\\boxed{5}$\n\n**Part (b)**: $\\boxed{7}$", "?"),
        ("<answer>a) 5\nb) 7</answer>", "?"),
        ("x = 5\ny = 7", "?"),
        ("$$x = 5$$\n$$y = 7$$", "?"),
        ("Part (a) gives 5.\nSo the final answer is $\\boxed{7}$.", "7"),
        ("a) First we find 5.\nb) Then 7.\nThe answer is \\boxed{12}.", "12"),
        ("Part 1: we find 5.\nPart 2: \\boxed{7}", "7"),
        ("(b) 8", "8"),
        ("From (1) and (2), x = 5.", "5"),
        ("So f(1) = 3.", "3"),
        ("The answers are:\n1. 3\n2. 5", "3, 5"),
    ],
    "numbered steps": [
        ("1. 3 + 4 = 7\n2. 7 * 2 = 14", "14"),
        ("1. $5 \\times 3 = 15$\n2. $15 + 2 = 17$", "17"),
        ("1. She buys 3.\n2. She gets 4 more.\n3. In total she has 7.", "7"),
        ("1. 5 apples cost $10\n2. 7 apples cost $14", "$14"),
        ("1. **Eggs laid**: 16\n2. **Eggs eaten**: 3\n3. **Remaining**: 13", "13"),
        ("1. In April: 48 clips\n2. In May: 24 clips\n3. Total: 48 + 24 = 72 clips", "72"),
    ],
    "rows of a table": [
        ("| item | price |\n|---|---|\n| pen | 12 |\n| book | 30 |\n| **Total** | **$42** |", "$42"),
        ("| item | price |\n|---|---|\n| pen | 12 |\n| book | 30 |", "?"),
        ("| Month | Income | Cost |\n|---|---|---|\n| Jan | 10 | 3 |\n| Total | 30 | 9 |", "?"),
        ("| x | y |\n|---|---|\n| 1 | 2 |", "?"),
        ("| 总计 | 42元 |", "42"),
        ("| Result: | 42 km |", "42 km"),
        ("| 42 |", "42"),
        ("+-----+----+\n| Total | 42 |\n+-----+----+", "42"),
        ("So |x - 3| = 5", "|x - 3| = 5"),
    ],
    "steps and reasons in a tag": [
        ("<answer>\nStep 1: 6*7=42. Then add 1.\nTherefore the total is 43.\n</answer>", "43"),
        ("<answer>\n42\n\nBecause 6*7=42 and 5 is prime.\n</answer>", "42"),
        ("<answer>\nWe add 3 and 4.\n\n**Answer:** 7\n\nNice.\n</answer>", "7"),
        ("<answer>\n```\n42\n```\n</answer>", "42"),
        ("<answer>\n5\n7\n</answer>", "?"),
    ],
    "an answer that is taken back": [
        ("\\boxed{5}\n\nWait, that's wrong. The answer is 42.", "42"),
        ("\\boxed{42}\n\nCorrection: 6*8 = 48, so the answer is 48.", "48"),
        ("\\boxed{42}. Wait, let me double-check: 6*7=42. Yes.", "42"),
        ("The answer is not \\boxed{5}. The answer is 42.", "42"),
        ("\\boxed{5} is wrong. The answer is 42.", "42"),
        ("So $\\boxed{17}$ is not a multiple of 3.", "17"),
        ("She needs $\\boxed{5}$ boxes.", "5"),
        ("\\boxed{5} is wrong; it should be 42.", "42"),
        ("Most people say the answer is 5, but it is actually 42.", "42"),
        ("One might say the answer is 5.\nThe total is 42.", "42"),
        ("Exact answer: $\\sqrt{2}$\nApproximate answer: 1.41", "\\sqrt{2}"),
    ],
    "boxes that hold nothing": [
        ("\\boxed{}", None),
        ("Answer: \\boxed{}", None),
        ("\\boxed{\\text{Your answer}}", None),
        ("Put the answer in \\boxed{}: 42", "42"),
    ],
    "a response that declines": [
        ("I cannot solve this. 5 conditions are missing.", None),
        ("There is not enough information to find x. We need 2 more.", None),
        ("I'm not sure, but 42.", "42"),
    ],
    "HTML": [
        ("<p>The total is <b>42</b>.</p>", "42"),
        ("<td>Total</td><td>42</td>", "42"),
        ("<h3>Final Answer</h3>\n<p>42</p>", "42"),
    ],
    "a check behind the answer": [
        ("x = 42\n\n**Verification:**\n- 42/7 = 6 ✓\n- 42/6 = 7 ✓", "42"),
        ("x = 42\n\n**Check:**\nLHS = 5\nRHS = 5", "42"),
        ("x = 42.\n\nLet me verify by substituting: 2(42) + 1 = 85. ✓.", "42"),
        ("x = 42.\nThis satisfies both equations: 42 - 2 = 40.", "42"),
        ("We try 5.\n\n### Check\n5 + 2 = 7, too much. So we get 4.", "4"),
    ],
    "sentences that close": [
        ("The total is 42.\n\nTherefore, my answer is correct.", "42"),
        ("The total is 42.\n\nThis is the final answer.", "42"),
        ("The total is 42.\n\nThat's it!", "42"),
        ("The total is 42.\n\nAnd that is how you do it in 3 steps!", "42"),
        ("The total is 42.\n\n[Answer]", "42"),
    ],
    "parts behind an announcement": [
        ("Answer:\n(a) 5\n(b) 3", "?"),
        ("(a) We compute 5.\n(b) We add 7.\n\nSo the answer is 12.", "12"),
        ("(A) 5\n(B) 7\n\nAnswer: (B) 7", "7"),
        ("Final Answer:\nx = 5\ny = 3", "x = 5, y = 3"),
        ("Final Answer:\nx = 5", "x = 5"),
    ],
    "words that compute": [
        ("The answer is twice 5.", "?"),
        ("The answer is double 5.", "?"),
        ("The answer is half of 10.", "?"),
        ("So the result is the square root of 16.", "?"),
        ("The answer is the reciprocal of 5.", "?"),
        ("The answer is three times 5.", "?"),
        ("The answer is 10 less than 20.", "?"),
        ("The answer is 5% more than 20.", "?"),
        ("The answer is 5 to the power of 3.", "?"),
        ("La respuesta es el doble de 5.", "?"),
        ("Die Antwort ist die Hälfte von 10.", "?"),
        ("答案是16的平方根。", "?"),
        ("Half of 10 is 5.", "5"),
        ("The square root of 16 is 4.", "4"),
        ("So 5 to the power of 3 equals 125.", "125"),
        ("Jane has 5 more apples than Tom.", "5"),
    ],
    "steps of a computation": [
        ("So, 15 - 3 = 12 and 12 / 4 = 3.", "3"),
        ("- 5 + 3 = 8\n- 8 * 2 = 16", "16"),
        ("- x = 5", "5"),
        ("So 20 - 5 = <<20-5=15>>15 dollars are left.", "15 dollars"),
        ("Tom has 3*4=<<3*4=12>>12 apples.", "12"),
        ("Multiply 5 by 3 to get 15.", "15"),
    ],
    "what a number is for": [
        ("Jane needs 5 more apples to have 12.", "5"),
        ("Jane is 5 years older than Tom, who is 7.", "5 years"),
        ("The person who won has 12.", "12"),
        ("She needs to save 12.", "12"),
        ("The probability is 2/3, or about 66.7%.", "2/3"),
        ("The answer is 1, 2, 3, ...", "?"),
    ],
    "amounts in scripts without spaces": [
        ("最終的な答えは5個と3個です。", "?"),
        ("所以答案是5个和3个。", "?"),
        ("정답은 5개와 3개입니다.", "?"),
        ("答案是5元3角。", "?"),
        ("Ответ: 5 ч 30 мин", "5 ч 30 мин"),
        ("答案是3又1/2。", "3 1/2"),
        ("所以x=5，y=3。", "x = 5, y = 3"),
        ("所以x=5。", "5"),
        ("答案是f(x)=2x+1。", "2x+1"),
        ("3天后他有12元。", "12 元"),
        ("每天5元，3天一共15元。", "15 元"),
    ],
    "checks and the next problem": [
        ("The total is 5.\n\n**Check:** 2 + 3 = 5 ✓, 5 - 3 = 2 ✓", "5"),
        ("Check: 5 + 3 = 8", "8"),
        ("The number is 5.\nNota: 3 pasos.", "5"),
        ("The answer is 5.\n\n[Question]\nWhat is 2+2?\n[Answer]\n4", "5"),
        ("【答案】4\n\n【题目】3+3\n【答案】6", "4"),
        ("The answer is 5.\n\nSimilar problem: What is 2+2? The answer is 4.", "5"),
        ("The answer is 5.\n\nFollow-up question: what if x = 2? Then the answer is 4.", "5"),
    ],
    "corrections behind a box or a polite end": [
        ("work \\boxed{2}, final answer: 3", "3"),
        ("So far \\boxed{255}. Final Answer: The final answer is $10,455$. I hope it is correct.", "10,455"),
        ("\\boxed{\\frac{70}{9}}. The final answer is approximately 7.78.", "\\frac{70}{9}"),
        ("\\boxed{0.25}. Final answer: 25%", "0.25"),
        ("\\boxed{5} The final answer is in the box above.", "5"),
        ("The final answer is 4. I hope it is correct. Wait, that is wrong. The final answer is 5.", "5"),
        (
            "It is $\\boxed{4}$. I hope it is correct. I apologize for the mistake. It is $\\boxed{5}$. I hope this helps.",
            "5",
        ),
        ("The final answer is 4. I hope it is correct. Note: the correct approach is as follows:", "4"),
    ],
    "several readings": [
        ("The score was 5-3", "?"),
        ("The answer is 3,5", "?"),
        ("He drove 240 miles in 4 hours.", "?"),
    ],
}


@pytest.mark.parametrize(
    ("response", "answer"),
    [pytest.param(text, answer, id=f"{kind}: {text}") for kind, rows in RESPONSES.items() for text, answer in rows],
)
def test_answers_of_responses(response: str, answer: str | None) -> None:
    extracted = extract_math_answer(response)
    assert ("?" if isinstance(extracted, Ambiguous) else extracted) == answer


def test_the_words_that_announce_an_answer_are_a_setting() -> None:
    kind = load_kind(answer_config(AnswerSettings(announcements=("verdict",))))
    assert isinstance(kind, MathAnswer)
    assert kind.extract("Verdict: 42\nI checked 3 cases.", "?") == "42"
    assert MathAnswer().extract("Verdict: 42\nI checked 3 cases.", "?") == "3"


def test_a_mark_without_a_readable_answer_is_stepped_over() -> None:
    assert extract_math_answer("The answer is 42.\nAnswer: see above") == "42"
    assert extract_math_answer("So 3 + 4 = 7.\nAnswer: see above") is None
