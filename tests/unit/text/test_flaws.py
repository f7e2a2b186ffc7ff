"""The rules about what chat models write in place of one question: precision first."""

import json
import time
from pathlib import Path

import pytest

from stages.settings.filter import QualityRules
from stages.text.clean_questions import clean_question
from stages.text.quality import reject_reason
from tests.question_texts import GOOD_QUESTIONS

DATA = Path(__file__).parents[4] / "shared" / "data"
"""Question files that are no part of the project; tests that need them are skipped if they are missing."""
NEW_RULES = ("unfinished", "refusal", "has_solution", "several_questions", "not_a_question")


def breaks(rule: str, question: str) -> bool:
    return reject_reason(question, QualityRules(use=(rule,))) == rule


@pytest.mark.parametrize("rule", NEW_RULES)
@pytest.mark.parametrize("question", GOOD_QUESTIONS)
def test_good_questions_pass(rule: str, question: str) -> None:
    assert not breaks(rule, question)


@pytest.mark.parametrize(
    "question",
    [
        "What is 1+1? Answer: 2",
        "What is 1+1? **Answer:** 2",
        "What is 1+1? (Answer: 2)",
        "What is 1+1? Solution: We add 1 and 1.",
        "**Solution:** We add 1 and 1.",
        "Answer: 2",
        "What is 1+1? \\boxed{2}",
        "Compute $1+1 = \\boxed{2}$.",
        "What is 1+1? Therefore, the answer is 2.",
        "What is 1+1? The answer is 2.",
        "What is 1+1? = 2",
        "What is 1+1? 1 + 1 = 2",
        "What is 1+1? 2",
        "How many are left? 18 feet.",
        "What is 2+3? 2+3 = 5 so the answer is 5.",
        "What is 1+1? To solve this, we add the numbers.",
        "How far is it? Let's solve it step by step. First, 3 times 2 is 6.",
        "How far is it? Step 1: Multiply 3 by 2.",
        "How far is it? We can multiply 3 by 2, which gives 6.",
        "How far is it? Since each step is 2 feet, it is 6 feet.",
        "Find the range of x. All points lie on a circle. To solve this problem, we use Python.",
        "Find x if 2x = 8. Dividing by 2 gives 4. Therefore, x = 4.",
        "A box has 3 red balls and 4 blue ones, 7 in total. Thus, the share of red balls is 3/7.",
        "The sum of 3 and 4 is 7. So the answer is 7.",
        "What is 1+1? Explanation: one and one is two.",
        "Is 7 prime? A: Yes, since it has no divisors.",
        "Was ist 1+1? Lösung: 2",
        "Combien font 1+1 ? Réponse : 2",
        "Let's solve each problem step by step. 1. What is 1+1? We add.",
        "1+1等于多少？答案：2",
        "1+1等于多少？解：1+1=2",
        "1+1等于多少？因此，答案是2。",
        "Is 7 prime? Yes, because it has no divisors other than 1 and itself.",
    ],
)
def test_has_solution(question: str) -> None:
    assert breaks("has_solution", question)


@pytest.mark.parametrize(
    "question",
    [
        "1. What is 1+1? 2. What is 2+2?",
        "What is 1+1? 10. What is 2+2?",
        "What is 1+1? 10) What is 2+2? 11) What is 3+3?",
        "Problem 1: What is 1+1? Problem 2: What is 2+2?",
        "**Problem 1:** Find 1+1. **Problem 2:** Find 2+2.",
        "What is 1+1? Question: What is 2+2?",
        "What is $a+3n?$ 1. If the equation $y^2+ax^4+b=0$ has one root, what is $x$?",
        "Which drug is given first? (A) aspirin (B) heparin 10. A woman coughs. Which test is done? (A) PCR (B) MRI",
        "Which drug is given first? A. aspirin B. heparin 10. Which test is done? A. PCR B. MRI",
    ],
)
def test_several_questions(question: str) -> None:
    assert breaks("several_questions", question)


@pytest.mark.parametrize(
    "question",
    [
        "A circle with radius 8 has a diameter of 4.",
        "The sum of the angles of a triangle is 180 degrees.",
        "The train leaves at noon and the bus leaves an hour later.",
        "This is a list of the numbers from 1 to 10 in order.",
        "It is not possible to give an answer to a question where you have no numbers. We can find 5.",
        "The formula is used to find the greatest integer below a number, which can be found by a sieve.",
        "I am happy to help you with your homework in algebra!",
        "The area of the circle is equal to $\\pi r^2$.",
    ],
)
def test_not_a_question(question: str) -> None:
    assert breaks("not_a_question", question)


@pytest.mark.parametrize(
    "question",
    [
        "I'm sorry, but I can't help with that.",
        "I’m sorry, I cannot create new problems.",
        "I am sorry, but as a math teacher I only solve problems.",
        "Sorry, but I need more information.",
        "I apologize, but I cannot continue this list.",
        "As an AI language model, I do not have preferences.",
        "As an AI, I can't do that.",
        "I cannot create a question about that.",
        "I can't provide that. Would you like something else?",
        "I'm unable to generate further questions.",
        "Unfortunately, I cannot see the earlier questions.",
        "Lo siento, no puedo ayudar con eso.",
        "Es tut mir leid, aber das kann ich nicht.",
        "很抱歉，我无法回答。",
        "作为一个人工智能语言模型，我不能出题。",
    ],
)
def test_refusal(question: str) -> None:
    assert breaks("refusal", question)


@pytest.mark.parametrize(
    "question",
    [
        "A farmer has 3 cows and",
        "A farmer has 3 cows. He sells the",
        "A farmer has 3 cows, 4 pigs,",
        "Let $x = 3 +",
        "Find the value of $\\frac{3}{4",
        "Find the value of (3 + 4",
        "What is 3 +",
        "Solve \\[ x^2 + 2x",
        "Once upon a time there was a farmer...",
        "A farmer has 3 cows. How many [cut off]",
    ],
)
def test_unfinished(question: str) -> None:
    assert breaks("unfinished", question)


@pytest.mark.parametrize(
    ("question", "rule"),
    [
        ("I'm sorry, but 3 of us are late. How many are in time, if 8 were invited?", "has_solution"),
        ("Unfortunately, 3 of 8 apples are bad. How many are good?", "refusal"),
        ("Sorry, said Ann, I ate 3 of your 8 cookies. How many are left?", "refusal"),
        ("I cannot recall two numbers with sum 5 and product 6. Which ones are they?", "refusal"),
        ("A quiz has 10 questions. Question 3 has 5 parts. How many parts are there, if the others have 2?",
         "several_questions"),
        ("What is the ratio 3:4 of 1. apples and 2. pears called?", "several_questions"),
        ("Which statements are true? (A) Only 1. (B) Only 2. (C) 1. and 2. (D) none", "several_questions"),
        ("Plan A costs 5 and plan B. How much is 10. and what is the sum?", "several_questions"),
        ("Is the answer 3 or 4?", "has_solution"),
        ("What is x? Express your answer in simplest form.", "has_solution"),
        ("Let's call a number good if it is 3 more than a prime. Find all good numbers below 20.", "has_solution"),
        ("Let's say that Ann has 3 apples. How many are left?", "has_solution"),
        ("Which number is larger? (Hint: both are prime.)", "has_solution"),
        ("What is the area of a square? Assume that its side is 4.", "has_solution"),
        ("If the answer is 5, what was the question?", "has_solution"),
        ("Thus spoke Zarathustra. Who wrote it?", "has_solution"),
        ("How many days are there? Use 365 days for a year.", "has_solution"),
        ("What is the vitamin called, A, B or C", "unfinished"),
        ("Solve $x$ in (2, 5]", "unfinished"),
        ("The drug of choice is", "unfinished"),
    ],
)  # fmt: skip
def test_what_looks_alike_passes(question: str, rule: str) -> None:
    assert not breaks(rule, question)


def questions(file: str, *fields: str) -> list[str]:
    path = DATA / file
    if not path.exists():
        pytest.skip(f"{path} is not there")
    rows = map(json.loads, path.read_text().splitlines())
    return [" ".join(" ".join(str(row.get(field) or "") for field in fields).split()) for row in rows]


@pytest.mark.parametrize(
    ("file", "fields", "most"),
    [
        ("seeds/math_seed_500.jsonl", ("problem",), 0.004),
        ("benchmarks/math_500.jsonl", ("problem",), 0.004),
        ("benchmarks/gsm8k.jsonl", ("question",), 0.002),
        pytest.param("train/gsm8k_train.jsonl", ("question",), 0.002, marks=pytest.mark.slow),
    ],
)
def test_hardly_any_published_question_is_rejected(file: str, fields: tuple[str, ...], most: float) -> None:
    texts = questions(file, *fields)
    rejected = {rule: [text for text in texts if breaks(rule, text)] for rule in NEW_RULES}
    assert max(len(found) for found in rejected.values()) <= most * len(texts), rejected


PIECES = (
    "? ", "? Answer ", "1. ", "? 1. ", "Therefore ", ". Therefore ", "Problem 1: ", "I'm sorry ", "I cannot ", "$", "(",
    "the ", ". ", "so ", "= ", "? =", "? 3", "? (", "*", "_", " ", "3+", "\\boxed", "\\frac{", "因此", "？",
    "a" * 99 + " ",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("piece", PIECES)
def test_time_is_linear_in_the_length_of_the_text(piece: str) -> None:
    """65,536 characters take a fraction of a second; a rule that backtracks would take minutes."""
    began = time.process_time()
    for rule in NEW_RULES:
        breaks(rule, f"x{piece * (65_536 // len(piece))}x")
    assert time.process_time() - began < 10


@pytest.mark.parametrize(
    "question",
    [
        "请描述一次交通事故的法律责任。",
        "患者因故意服药入院，请给出诊断。",
        "小明有3个苹果，所以他分给小红一个，求剩下几个。",
        "根据下列事实，说明被告是否承担责任。因此产生的费用由谁承担",
        "次の方程式を因数分解によって解け。",
        "場合によって値を求めよ。",
        "변수 x의 값에 따라서 함수의 최솟값을 구하시오.",
        "Is this argument valid? All men are mortal. Socrates is a man. Therefore, Socrates is mortal.",
        "How many ways are there to choose 3 books out of 5? The order does not matter.",
        "What is the probability that both are red? The balls are drawn without replacement.",
        "How much does each get? They share the cost equally.",
        "To determine the density of a stone, you measure 5 g and 2 cm^3. Calculate the density.",
        "First, we roll a die. Find the probability of a six.",
        "Step 1 of a recipe takes 3 minutes and step 2 takes 4 minutes. How long do both take?",
        "I am afraid of heights. How would you explain acrophobia to a patient?",
        "I'm sorry to hear that my tenant left. What notice must I give?",
        "We cannot see atoms with our eyes. What instrument helps to see them?",
        "I can't see why 0.999... = 1. Can you provide a proof?",
        "What legal term describes the killing of a person with malice? Your answer should be one word.",
        "A man has chest pain. What is the most likely diagnosis? His troponin is elevated.",
        "Ποια είναι η πρωτεύουσα της Ελλάδας;",
        "求方程x^2=4的解。注意：x是正整数。",
        "Halla la suma de 3 y x. Nota: x es el doble de 3.",
        "Berechne die Summe von 3 und x. Anmerkung: x ist das Doppelte von 3.",
        "Unfortunately, I lost 3 of my 10 marbles. How many are left?",
        "As a language model researcher, how would you measure the perplexity of a corpus?",
        "Find the error in the following proof. Proof: Let n be even. Then n = 2k, so n^2 = 4k^2.",
        "Evaluate the following student's answer. Answer: The mitochondria is the powerhouse of the cell.",
    ],
)
def test_good_questions_with_words_of_solutions_and_refusals(question: str) -> None:
    """In law, medicine, logic and other languages; read as one continuation, they stay as written."""
    assert reject_reason(question, QualityRules()) is None
    assert clean_question(question) == (question, False)


@pytest.mark.parametrize(
    ("question", "rule"),
    [
        ("1+1等于多少？所以答案是2。", "has_solution"),
        ("求1+1。因此结果为2。", "has_solution"),
        ("x+1=3を解け。よってx=2。", "has_solution"),
        ("1+1은 얼마인가? 따라서 2이다.", "has_solution"),
        ("To solve the equation, we first subtract 3. Then x = 4.", "has_solution"),
        ("Step 1: add 3 and 4.", "has_solution"),
        ("Write the proof of the theorem. Proof: by induction on n.", "has_solution"),
        ("How old is he? His age is 5.", "has_solution"),
        ("What is the argument of the complex number 1 + i? The argument is pi/4.", "has_solution"),
        ("How many valid codes are there? We need to count them. Therefore there are 24.", "has_solution"),
        ("Find x and y;", "unfinished"),
        ("I cannot see the picture.", "refusal"),
        ("I'm afraid I can't do that.", "refusal"),
        ("Unfortunately, I can't help.", "refusal"),
        ("As a large language model, I have no opinion.", "refusal"),
        ("As an AI developed by a company, I cannot.", "refusal"),
    ],
)
def test_solutions_and_refusals_with_the_same_words(question: str, rule: str) -> None:
    assert breaks(rule, question)
