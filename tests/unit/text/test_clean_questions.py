"""What chat models write around a question is left out, and the words of the question stay as written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.text.clean_questions import clean_question
from tests.question_texts import GOOD_QUESTIONS

QUESTION = "A horse is 24 feet from the well. How far is it after 3 steps of 2 feet?"


def clean(text: str) -> str:
    return clean_question(text)[0]


@pytest.mark.parametrize(
    "text",
    [
        f"**{QUESTION}**",
        f"*{QUESTION}*",
        f"***{QUESTION}***",
        f"__{QUESTION}__",
        f"**Problem:** {QUESTION}",
        f"**Problem**: {QUESTION}",
        f"**Problem:**\n{QUESTION}",
        f"**Problem:**\n\n**{QUESTION}**",
        f"### Problem 9\n{QUESTION}",
        f"### Problem 9: {QUESTION}",
        f"### Problem 9: The Horse\n{QUESTION}",
        f"## New Math Problem\n\n{QUESTION}",
        f"# Question\n{QUESTION}",
        f"Question: {QUESTION}",
        f"Question 3: {QUESTION}",
        f"**Question 3:** {QUESTION}",
        f"**Question 3: {QUESTION}**",
        f"**Problem 9**\n{QUESTION}",
        f"**Problem 9 (Hard):**\n{QUESTION}",
        f"Problem 9 (Hard): {QUESTION}",
        f"Problem 9. {QUESTION}",
        f"Problem #9: {QUESTION}",
        f"Exercise 2.\n{QUESTION}",
        f"[Question] {QUESTION}",
        f"[Problem]\n{QUESTION}",
        f"Problem Statement:\n{QUESTION}",
        f"**The Horse and the Well**\n\n{QUESTION}",
        f"<question>{QUESTION}</question>",
        f"<problem>\n{QUESTION}\n</problem>",
        f"```\n{QUESTION}\n```",
        f"\\textbf{{Problem 9:}} {QUESTION}",
        f"\\section*{{Problem}}\n{QUESTION}",
        f"This one is about animals and distances.\n\n**Problem:** {QUESTION}",
        f"I want a problem with subtraction. The numbers are small.\n\nProblem:\n{QUESTION}",
        f'"{QUESTION}"',
        f"Question: “{QUESTION}”",
        f"```text\n{QUESTION}\n```",
        f"> {QUESTION}",
        f"9. {QUESTION}",
        f"9\\. {QUESTION}",
        f"**9.** {QUESTION}",
        f"9) {QUESTION}",
        f"- {QUESTION}",
        f"题目：{QUESTION}",
        f"Aufgabe 3: {QUESTION}",
        f"**Problème :** {QUESTION}",
    ],
)
def test_a_question_in_emphasis_or_under_a_heading_is_that_question(text: str) -> None:
    assert clean(text) == QUESTION


@pytest.mark.parametrize(
    "preamble",
    [
        "Sure! Here's a problem:\n\n",
        "Sure, here's a new problem:\n",
        "Sure! ",
        "Certainly! Here is a new math word problem:\n\n",
        "Here is a new problem:\n\n",
        "Here is a new problem: ",
        "Here's another one:\n",
        "Of course! Here's one for you:\n\n**Problem:** ",
        "Absolutely!\n\n",
        "Okay, here is a question that involves division:\n\n",
        "Let me think of a new problem.\n\n",
        "Let's create a problem about animals:\n\n",
        "I've created a new problem for your students:\n\n",
        "How about this problem:\n",
        "好的，以下是一个新的题目：\n",
    ],
)
def test_a_preamble_is_left_out(preamble: str) -> None:
    assert clean(preamble + QUESTION) == QUESTION


@pytest.mark.parametrize(
    "rest",
    [
        "\n\nSolution: 24 - 6 = 18 feet.",
        "\n\n**Solution:**\n24 - 6 = 18 feet.",
        "\n\n### Solution\n\n24 - 6 = 18 feet.",
        "\n\n**Solution**\n24 - 6 = 18 feet.",
        "\n\n[Solution]\n24 - 6 = 18 feet.",
        "\n\n**Answer:** 18",
        "\nAnswer: 18",
        " Answer: 18",
        " (Answer: 18)",
        " [Answer: 18]",
        "\n\n**Final Answer**\n18",
        "\nThe correct answer: 18",
        "\nA: 18",
        "\nAns. 18",
        "\nAns: 18",
        "\n\nExplanation: Each step is 2 feet.",
        "\n\nHint: Multiply first.",
        "\n\n*Hint: Multiply first.*",
        "\n\n(Hint: Multiply first.)",
        "\n\nNote: This problem involves subtraction.",
        "\n\n---\n\nThis problem tests subtraction.",
        "\n\n---",
        "\n\n\\boxed{18}",
        "\n\nThe horse is at $\\boxed{18}$ feet.",
        "\n\nTo solve this problem, we subtract 6 from 24.",
        "\n\nLet's solve it step by step.",
        "\n\nStep 1: Multiply.",
        "\n\nDifficulty: Medium",
        "\n\n**Difficulty Level:** Medium",
        "\n\nTopic: algebra",
        "\n\nGood luck!",
        "\n\n[asy]\ndraw((0,0)--(1,1));\nlabel(",
        " Good luck!",
        "\n\nLet me know if you would like another one!",
        "\n\nI hope this helps!",
        "\n\nThis problem requires students to subtract.",
        "\n\n解答：18",
        "\n答案：18",
        "\nLösung: 18",
        "\n\n**Réponse :** 18",
        "\nSolución: 18",
        "\nОтвет: 18",
        "\n\n**Problem 10:**\nWhat is 1+1?",
        "\n\n### Problem 10\nWhat is 1+1?",
    ],
)
def test_behind_a_clear_mark_everything_is_cut(rest: str) -> None:
    assert clean_question(QUESTION + rest) == (QUESTION, True)
    assert clean(f"**{QUESTION}**{rest}") == QUESTION
    assert clean(f"**Problem:** {QUESTION}{rest}") == QUESTION


@pytest.mark.parametrize(
    "text",
    [
        "What is 2*3*4 + 5*6?",
        "What is 2 * 3 * 4?",
        "In Python, what is 2**3 + 4**5?",
        "For which a**b and c**d is it true?",
        "Let $a^*$ and $b^*$ be duals. What is $a^* b^*$?",
        "What is $x_1 + x_2$, and what is y_1 + y_2?",
        "The capital of France is ____ and that of Spain is ____.",
        "If f * g = h * k, what is f?",
        "Find $f_*(x)$ and $g_*(x)$.",
        "A set of 3, 4 and 5 is given. Here is a list: 1, 2. What is their mean?",
        "Here is a sequence: 2, 4, 6. What comes next?",
        "In three-dimensional space, find all lattice points. Note: A lattice point has integer coordinates.",
        "Which answer is correct? (A) 1 (B) 2 (C) 3 (D) 4",
        "Which is right? A: cats B: dogs C: birds",
        "What is the area? [asy] draw((0,0)--(1,1)); [/asy]",
        "A solution: what is it, in chemistry?",
        "Question everything, said Socrates. Who wrote it down?",
        "Problem solving takes Ann 3 hours a day. How many hours is that a week?",
        "Sure Shot scored 3 of 5 goals. What share is that?",
        "3 apples and 2 pears make how many?",
        "2.5 m of rope cost 5 euros. What does 1 m cost?",
    ],
)
def test_the_question_itself_stays(text: str) -> None:
    assert clean_question(text) == (text, False)


@pytest.mark.parametrize("text", ["Answer: 18", "**Solution:** 24 - 6 = 18.", "Hint: no.", "---", "```", "<question>"])
def test_what_holds_no_question_stays_whole(text: str) -> None:
    question, was_cut = clean_question(text)
    assert question and not was_cut


@pytest.mark.parametrize("question", GOOD_QUESTIONS)
def test_good_questions_stay_as_written(question: str) -> None:
    assert clean_question(question) == (" ".join(question.split()), False)


@given(st.text(max_size=300) | st.text("*_#`<>[]()$\\ \n.:?aA1Solution", max_size=300))
def test_any_text_is_read(text: str) -> None:
    question, _ = clean_question(text)
    assert question == " ".join(question.split())
    assert not text.split() or question
