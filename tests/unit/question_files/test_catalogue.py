"""Rows of public copies of evaluation sets, written by hand in each copy's form."""

from typing import Any

import pytest

from stages.answers.options.listed import options_of
from stages.benchmarks.catalogue import CATALOGUE
from stages.question_files.labels import number_bases
from stages.question_files.parse import Question, question_of, stem_of
from stages.question_files.values import RowError
from stages.settings.questions import Fields, QuestionFormat


def parse_row(row: dict[str, Any], row_format: QuestionFormat) -> Question:
    """Read one row. The numbers of options count from 0 if the format does not say otherwise."""
    stem = stem_of(row, "line 1", row_format)
    labelled = [stem.labelled] if stem.labelled else []
    base = 0 if row_format.answer_base is None else row_format.answer_base
    return question_of(stem, row_format, number_bases(labelled, base, "file"))


OLYMPIAD = {
    "question": "Find $a$ and $b$.",
    "context": None,
    "final_answer": ["$\\frac{1}{2}$", "$3$"],
    "subfield": "Algebra",
}
"""Of `Hothan/OlympiadBench`."""


@pytest.mark.parametrize(
    ("name", "row", "question", "answer"),
    [
        ("gsm8k", {"question": "How many?", "answer": "2*9=<<2*9=18>>18\n#### 18"}, "How many?", "18"),
        ("gsm8k", {"question": "How many?", "answer": "\\boxed{18}", "idx": 0}, "How many?", "18"),
        ("math_500", {"problem": "Find $x$.", "answer": "\\frac{1}{2}", "solution": "…"}, "Find $x$.", "\\frac{1}{2}"),
        (
            "math_hard",
            {"problem": "Find $x$.", "level": "Level 5", "type": "Algebra", "solution": "So $x=\\boxed{5}$."},
            "Find $x$.",
            "5",
        ),
        (
            "asdiv",
            {"body": "Seven red apples.", "question": "How many apples?", "answer": "9 (apples)"},
            "Seven red apples.\nHow many apples?",
            "9",
        ),
        (
            "asdiv",
            {"body": "Seven apples.", "question": "Seven apples. How many?", "answer": "\\boxed{9}"},
            "Seven apples. How many?",
            "9",
        ),
        ("aime24", {"ID": "2024-I-1", "Problem": "Find $m+n$.", "Answer": 204}, "Find $m+n$.", "204"),
        ("amc23", {"id": 0, "question": "How far?", "answer": 27.0}, "How far?", "27.0"),
        ("olympiadbench", OLYMPIAD, "Find $a$ and $b$.", "$\\frac{1}{2}$, $3$"),
        (
            "aqua",
            {"question": "What is left?", "options": ["A)21", "B)21.5"], "correct": "B"},
            "What is left?\nAnswer Choices: (A) 21 (B) 21.5",
            "B",
        ),
        (
            "svamp",
            {"Body": "There are 87 oranges.", "Question": "How many are left?", "Answer": "145.0"},
            "There are 87 oranges.\nHow many are left?",
            "145.0",
        ),
        ("mawps", {"question": "How many?", "result": "43", "result_float": 43.0}, "How many?", "43"),
        ("mawps", {"input": "How many?", "target": 43.0}, "How many?", "43.0"),
        (
            "minerva_math",
            {"problem": "How far?", "type": "8.282J", "solution": "It is \\boxed{1.6} cm."},
            "How far?",
            "1.6",
        ),
        ("minerva_math", {"question": "How far?", "answer": "1.6"}, "How far?", "1.6"),
        ("carp_en", {"content": "Solve it.", "answer": "x = 2", "steps": []}, "Solve it.", "x = 2"),
        (
            "tabmwp",
            {
                "table_title": "Coins",
                "table": "Day | Coins",
                "question": "On which day?",
                "choices": ["Mon", "Tue"],
                "answer": "Tue",
            },
            "Coins\nDay | Coins\nOn which day?\nPlease select from the following options: Mon, Tue",
            "Tue",
        ),
        (
            "sat_math",
            {
                "query": "Q: Which? Answer Choices: (A)3 (B)4\nA: Among A through B, the answer is",
                "choices": ["(A)3", "(B)4"],
                "gold": [1],
            },
            "Which?\nAnswer Choices: (A) 3 (B) 4",
            "B",
        ),
        (
            "sat_math",
            {"question": "Which?\nAnswer Choices: (A) 3 (B) 4", "options": "A) 3 B) 4", "answer": "\\boxed{A}"},
            "Which?\nAnswer Choices: (A) 3 (B) 4",
            "A",
        ),
        (
            "sat_math",
            {"question": "Which?", "options": "A. 3 B. 4", "Answer": "B"},
            "Which?\nAnswer Choices: (A) 3 (B) 4",
            "B",
        ),
        (
            "mmlu_stem",
            {"question": "Which?", "choices": ["one", "two"], "subject": "physics", "answer": 0},
            "Which?\nAnswer Choices: (A) one (B) two",
            "A",
        ),
        (
            "mmlu_pro",
            {"question": "Which?", "options": ["1", "2", "3"], "answer": "C", "category": "law", "cot_content": ""},
            "Which?\nOptions:\nA. 1\nB. 2\nC. 3",
            "C",
        ),
    ],
)
def test_each_public_form_is_read(name: str, row: dict[str, Any], question: str, answer: str) -> None:
    problem = parse_row(row, CATALOGUE[name].format)
    assert (problem.question, problem.answer) == (question, answer)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("4+4=<<4+4=8>>8\n#### 8", "8"),
        ("First 4.\n4+4=<<4+4=8>>8\n\n#### 8\n", "8"),
        ("4+4=8\n####8", "8"),
        ("4+4=8\n####\n8", "8"),
        ("A\n#### 7\nNo.\n#### 8", "8"),
        ("500+734\n#### 1,234", "1,234"),
        ("#### -3", "-3"),
        ("2*3/4\n#### 3/2", "3/2"),
        ("9*2\n#### $18", "$18"),
        ("res judicata bars it\n#### res judicata", "res judicata"),
        ("It is \\boxed{8}.\n#### 8", "8"),
        ("It is \\boxed{8}.", "8"),
        ("It is $\\boxed{1}$ or $\\boxed{2}$.", "1 or 2"),
        ("The answer is $8$. I hope it is correct.", "$8$."),
        ("<think>7?</think>8", "8"),
        (["1\n#### 8", "\\boxed{9}"], "8, 9"),
        (["8", None, float("nan"), "9"], "8, 9"),
        ("8", "8"),
        ("x = 2", "x = 2"),
        ("a\nb", "a\nb"),  # several lines without a mark stay
        ("####", "####"),
        ("8 ####", "8 ####"),
    ],
)
def test_a_solution_as_answer_is_read_without_a_pattern(answer: Any, expected: str) -> None:
    problem = parse_row({"question": "How many?", "answer": answer}, QuestionFormat())
    assert problem.answer == expected


def test_empty_fields_hold_nothing() -> None:
    nothing = {"context": float("nan"), "level": "nan", "subject": "\u200b ", "options": [None, "<NA>"]}
    fields = Fields(context=("context",), options=("options",))
    problem = parse_row({"question": "How many?", "answer": 8, **nothing}, QuestionFormat(fields=fields))
    assert (problem.question, problem.level, problem.subject) == ("How many?", None, None)


def test_the_groups_of_mmlu_pro() -> None:
    """docs/explanation/method.md, 2: STEM, humanities, social sciences, other."""
    of = CATALOGUE["mmlu_pro"].format.group_of
    stem = ("biology", "chemistry", "computer science", "engineering", "math", "physics")
    assert {of(subject) for subject in stem} == {"STEM"}
    assert {of(subject) for subject in ("history", "law", "philosophy")} == {"humanities"}
    assert {of(subject) for subject in ("business", "economics", "health", "psychology")} == {"social sciences"}
    assert of("other") == of(None) == "other"
    assert CATALOGUE["gsm8k"].format.group_of("law") is None


def test_worked_examples_start_after_the_prompts_own_words() -> None:
    row = {"question": "Which?", "options": ["1", "2"], "answer": "B"}
    for text in ("A: Let's think step by step. It is 2. The answer is (B).", "It is 2. The answer is (B)."):
        problem = parse_row({**row, "cot_content": text}, CATALOGUE["mmlu_pro"].format)
        assert problem.reasoning == "It is 2. The answer is (B)."


def test_options_of_both_styles_are_read_by_the_choice_kind() -> None:
    row = {"question": "Which?", "options": ["Paris", "Rome", "Oslo"], "answer": 2}
    for style in ("inline", "lines"):
        row_format = QuestionFormat.model_validate({"fields": {"options": "options"}, "options_style": style})
        problem = parse_row(row, row_format)
        assert list(options_of(problem.question).texts) == ["A", "B", "C"] and problem.answer == "C"


def test_more_than_ten_options_and_unused_ones_keep_their_letters() -> None:
    options = [f"text {number}" for number in range(12)]
    row = {"question": "Which of (A) and (B)?", "options": [*options[:5], "N/A", *options[6:]], "answer": 11}
    for style in ("inline", "lines"):
        row_format = QuestionFormat.model_validate({"fields": {"options": "options"}, "options_style": style})
        problem = parse_row(row, row_format)
        assert list(options_of(problem.question).texts.items())[4:7] == [("E", "text 4"), ("F", "n/a"), ("G", "text 6")]
        assert list(options_of(problem.question).texts.items())[11:] == [("L", "text 11")] and problem.answer == "L"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"answer": 1}, "no question; expected text in one of the fields q, problem"),
        ({"q": "  ", "answer": 1}, "no question"),
    ],
)
def test_incomplete_row_is_an_error_with_the_expected_fields(row: dict[str, Any], message: str) -> None:
    with pytest.raises(RowError, match=message):
        parse_row(row, QuestionFormat(fields=Fields(question=("q", "problem"), answer=("answer", "key"))))


@pytest.mark.parametrize(("pattern", "message"), [("(", "not a regular expression"), ("####", "has no group")])
@pytest.mark.parametrize("name", ["question_pattern", "answer_pattern"])
def test_a_pattern_that_cannot_work_is_refused(name: str, pattern: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        QuestionFormat.model_validate({name: pattern})


def test_the_records_say_where_a_set_comes_from() -> None:
    assert len(CATALOGUE) == 18
    assert CATALOGUE["asdiv"].download("data/asdiv") == (
        "curl -fL --create-dirs -o data/asdiv.jsonl "
        "https://raw.githubusercontent.com/QwenLM/Qwen2.5-Math/main/evaluation/data/asdiv/test.jsonl"
    )
    assert CATALOGUE["gsm8k"].download("data/gsm8k") == (
        "python -c \"from datasets import load_dataset; load_dataset('openai/gsm8k', 'main', split='test')"
        ".to_parquet('data/gsm8k.parquet')\""
    )
