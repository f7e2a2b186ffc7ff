"""Continuations of chat models: numbered in many ways, with preambles and solutions, cut, empty, endless."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.settings.generate import Form
from stages.text.continuations import read_continuation
from stages.text.question_lists import parse_questions
from stages.text.unfinished import CUT_OFF
from tests.question_texts import GOOD_QUESTIONS

FIRST, SECOND, THIRD = "What is 1+1?", "What is 2+2?", "Find $x$ if $x + 1 = 4$."
ALL = [FIRST, SECOND, THIRD]


def read(text: str, *, finished: bool = True, form: Form = "list", first_number: int = 9) -> list[str]:
    return read_continuation(text, finished=finished, form=form, first_number=first_number, read="clean")


def listed(opening: str, first: int = 9, between: str = "\n") -> str:
    """Return a list whose items begin with `opening`, in which N stands for the number."""
    return between.join(f"{opening.replace('N', str(first + i))}{question}" for i, question in enumerate(ALL))


OPENINGS = (
    "N. ",
    "N.",
    "N) ",
    "(N) ",
    "N\\. ",
    "**N.** ",
    "**N)** ",
    "**N**. ",
    "### N. ",
    "- N. ",
    "* **N.** ",
    "N、",
    "N．",
    "Question N: ",
    "Question N. ",
    "**Question N:** ",
    "**Question N**: ",
    "**Question N**\n",
    "### Question N\n",
    "### Question N:\n\n",
    "Problem N: ",
    "**Problem N (Hard):** ",
    "Problem N (Hard): ",
    "Problem #N: ",
    "#### Problem N\n\n",
    "[Question N] ",
    "Exercise N.\n",
    "Q N: ",
    "QN: ",
    "题目N：",
    "问题 N：",
    "Aufgabe N: ",
    "Frage N: ",
)


@pytest.mark.parametrize("opening", OPENINGS)
@pytest.mark.parametrize("between", ["\n", "\n\n"], ids=["lines", "paragraphs"])
@pytest.mark.parametrize("before", ["", "\n", "Sure! Here are more questions:\n\n"], ids=["", "line", "preamble"])
@pytest.mark.parametrize("first", [9, 1], ids=["continued", "restarted"])
def test_items_are_opened_in_many_ways(opening: str, between: str, before: str, first: int) -> None:
    assert read(before + listed(opening, first, between)) == ALL


@pytest.mark.parametrize("opening", OPENINGS)
def test_the_first_item_has_the_number_of_the_prompt(opening: str) -> None:
    text = listed(opening)
    _, _, rest = text.partition(FIRST)
    assert read(f" {FIRST}{rest}") == ALL
    assert read(f" **{FIRST}**{rest}") == ALL


@pytest.mark.parametrize("heading", ["**Problem:** ", "Question: ", "### Problem:\n", "<question>"])
def test_headings_without_a_number_open_items(heading: str) -> None:
    end = "</question>" if heading.startswith("<") else ""
    assert read("\n\n".join(f"{heading}{question}{end}" for question in ALL)) == ALL


@pytest.mark.parametrize("emphasis", ["**", "*", "__"])
def test_bold_items(emphasis: str) -> None:
    assert read("\n".join(f"{9 + i}. {emphasis}{text}{emphasis}" for i, text in enumerate(ALL))) == ALL
    assert read("\n".join(f"{emphasis}{9 + i}. {text}{emphasis}" for i, text in enumerate(ALL))) == ALL


def test_items_may_share_a_line() -> None:
    assert read(f" {FIRST} 10. {SECOND} 11. {THIRD}") == ALL
    assert read(f" {FIRST} 10) {SECOND} 11) {THIRD}") == ALL


@pytest.mark.parametrize(
    "question",
    [
        "A rope of 2.5 m is cut at 10.5 m. How long is it?",
        "Consider: 1. all cats; 2. all dogs; 3. all birds. How many groups?",
        "Consider\n1. all cats\n2. all dogs\n3. all birds\nHow many groups?",
        "Consider\n1) all cats\n2) all dogs\n3) all birds\nHow many groups?",
        "Choose a number: (A) 10 (B) 11 (C) 12 (D) 13. Which is prime?",
        "Which is prime?\nA) 10\nB) 11\nC) 12",
        "Take 5 and add 10. What do you get?",
        "She was born in\n2019. How old is she in 2030?",
        "The answer is above 9. It is below 12. Which integers are left?",
        "Question 3 of a test has 5 parts. How many are left after two?",
    ],
)
def test_numbers_inside_a_question_do_not_split_it(question: str) -> None:
    expected = [" ".join(question.split()), SECOND]
    assert read(f" {question}\n10. {SECOND}") == expected
    assert read(f"9. {question}\n10. {SECOND}") == expected


def test_a_date_behind_the_number_of_its_item_stays() -> None:
    question = "1. Mai 2020 war ein Freitag. Welcher Wochentag war der 3. Mai?"
    assert read(f"9. {question}\n10. {SECOND}") == [question, SECOND]


def test_a_list_of_other_signs_inside_an_item_does_not_split_it() -> None:
    text = f"1. Which is even?\n1) 5\n2) 6\n3) 7\n2. {SECOND}"
    assert read(text) == ["Which is even? 1) 5 2) 6 3) 7", SECOND]


def test_solutions_and_remarks_behind_each_item_are_cut() -> None:
    text = f"""9. **{FIRST}**

**Answer:** 2

---

10. **{SECOND}**

**Solution:** We add:
1. Take 2.
2. Add 2, which gives $\\boxed{{4}}$.

11. {THIRD} (Answer: 3)

Let me know if you would like more questions!"""
    assert read(text) == ALL


def test_an_answer_behind_the_question_is_no_part_of_it() -> None:
    assert read("What is 1+1? Answer: 2\n10. What is 2+2?\nAnswer: 4") == [FIRST, SECOND]
    assert read("Answer: 2\n10. Solution: 4") == ["Answer: 2", "Solution: 4"]  # the filter names the reason


def test_what_the_token_limit_cut_is_marked() -> None:
    assert read(" What is 1+1?\n10. What is 2+", finished=False) == [FIRST, f"What is 2+ {CUT_OFF}"]
    assert read(" What is 1+", finished=False) == [f"What is 1+ {CUT_OFF}"]
    # The limit cut the solution, not the question.
    assert read(f" {FIRST}\n10. {SECOND}\n\nSolution: We add 2", finished=False) == [FIRST, SECOND]
    assert read(f" {FIRST}\n10.", finished=False) == [FIRST]


FORMS: tuple[Form, ...] = ("turns", "plain")


@pytest.mark.parametrize("form", FORMS)
def test_in_the_other_forms_a_continuation_is_one_question(form: Form) -> None:
    assert read(f"**Problem:** {FIRST}\n\n**Solution:** 2", form=form) == [FIRST]
    assert read(f" {FIRST}\n", form=form) == [FIRST]
    assert read(f"9. {FIRST}", form=form) == [FIRST]
    parts = "A box has sides 1, 2 and 3.\n1. Find its volume.\n2. Find its surface."
    assert read(parts, form=form) == [" ".join(parts.split())]
    assert read("What is 1+", form=form, finished=False) == [f"What is 1+ {CUT_OFF}"]
    assert read("", form=form) == [""] == read(" \n\n ", form=form)  # the filter rejects it as empty
    assert read("<think>Algebra?", form=form) == []
    assert read(f"<think>Algebra?</think>{FIRST}", form=form) == [FIRST]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("question", GOOD_QUESTIONS)
def test_good_questions_stay_as_written(form: Form, question: str) -> None:
    assert read(question, form=form) == [" ".join(question.split())]


@pytest.mark.parametrize("form", FORMS)
def test_as_published_a_continuation_is_read_as_it_stands(form: Form) -> None:
    text = f"**{FIRST}**\n\nAnswer: 2"
    for finished, expected in ((True, [f"**{FIRST}** Answer: 2"]), (False, [])):
        assert read_continuation(text, finished=finished, form=form, first_number=9, read="published") == expected


@given(st.text("0123456789.)*# \nQuestion:?aA", max_size=200), st.booleans())
def test_published_lists_are_parsed_as_before(text: str, finished: bool) -> None:
    expected = parse_questions(text, finished=finished, first_number=9)
    assert read_continuation(text, finished=finished, form="list", first_number=9, read="published") == expected


def test_thinking_is_left_out() -> None:
    assert read(f"<think>\n9. Algebra?\n10. Geometry?\n</think>\n\n{FIRST}\n10. {SECOND}") == [FIRST, SECOND]
    assert read("<think>\n9. Algebra?\n10. Geometry?") == []


HEADINGS = (
    "", "**Problem:** ", "**Problem 9:**\n", "### Problem 9\n", "Problem 9 (Hard): ", "[Question]\n",
    "**Question 3**\n\n",
    "Sure! Here's a new problem:\n\n", "Here is a new problem:\n\n**Problem:**\n", "Certainly! Here's one:\n\n", "Q: ",
    "**Q:** ", "Okay, here's a challenging problem:\n\n> ",
)  # fmt: skip
RESTS = (
    "", "\n\n**Answer:** 12", "\n\nSolution: first add.", "\n\n### Solution\nadd", "\n\n---\nThis is hard.", "\nA: 12",
    "\n\nLet me know if you want more!", "\n\n**Difficulty:** Hard", "\n\n(Answer: 12)", "\n\nHint: add",
    "\n\n**Solution:**\n\n1. First\n2. Then", "\n\nThe answer is $\\boxed{12}$.", "\n\n**Step 1:** add",
    "\n\nTo solve this, add.", "\n\n**Note:** This problem is hard.", "\n\n*This problem tests addition.*",
)  # fmt: skip


@given(
    questions=st.lists(st.sampled_from(GOOD_QUESTIONS), min_size=2, max_size=3),
    heading=st.sampled_from(HEADINGS),
    rest=st.sampled_from(RESTS),
    sign=st.sampled_from((". ", ") ", ".\n")),
    bold=st.booleans(),
)
def test_a_question_is_found_between_what_stands_around_it(
    questions: list[str], heading: str, rest: str, sign: str, bold: bool
) -> None:
    written = [f"**{question}**" if bold else question for question in questions]
    assert read(f"{heading}{written[0]}{rest}", form="turns") == questions[:1]
    items = [f"{number}{sign}{text}{rest}\n\n" for number, text in enumerate(written, start=9)]
    assert read("".join(items).removeprefix(f"9{sign}")) == questions


HOSTILE = [
    "\n".join(f"{number}. q" for number in range(9, 9_999)),
    "\n".join(f"**Question {number}:** q" for number in range(9, 9_999)),
    *(
        piece * (1_000_000 // len(piece))
        for piece in (
            ".", " ", "\n", "? ", "9", "a", "*", "**", "** ", "*a", "_", "__a", "#", "# ", "`", "```\n", "[", "(", "<",
            "\\", "$", "\\(", "Problem ", "Problem:", "\nProblem: ", "\n**Problem 1** ", "Solution:", "\nSolution: ",
            "? Answer: ", "Sure! ", "Here is a problem ", "Sure! Here is a problem:\n", "Therefore ", "\nNote: this ",
            "the the the ", "1. ", "\n1. ", "10) ", "--- ", "\n---", "<question>", "题", "解答：", "\nTo solve ", "\0",
            "\ud800", "I'm sorry ", "**a** ", "\n# a\n", "A: B: ", "To find a ", "$a$ ", "? the a is ", "find the sum ",
        )
    ),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text[:12]))
def test_hostile_text_is_bounded(text: str) -> None:
    began = time.process_time()
    for form in ("list", "turns"):
        questions = read(text, form=form)  # type: ignore[arg-type]
        assert len(questions) <= 64
        assert sum(map(len, questions)) <= 65_536 + 64 * len(CUT_OFF)
    assert time.process_time() - began < 10  # it takes 0.1 s; a quadratic scan takes minutes


@settings(max_examples=40)
@given(
    questions=st.lists(st.from_regex(r"[A-Z][a-z ]{1,30}\?", fullmatch=True), min_size=1, max_size=20),
    first=st.integers(2, 30),
)
def test_every_well_formed_list_is_parsed(questions: list[str], first: int) -> None:
    body = "\n".join(f"{number}. {question}" for number, question in enumerate(questions, start=first))
    expected = [" ".join(question.split()) for question in questions]
    assert read(body.removeprefix(f"{first}."), first_number=first) == expected
