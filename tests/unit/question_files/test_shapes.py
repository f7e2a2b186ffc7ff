"""Rows of public sets, written by hand in each set's form, read without any mapping."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from stages.question_files.shapes import PLAIN
from tests.question_files import read

Rows = Sequence[dict[str, Any]]


METALS = {"A": "iron", "B": "zinc", "C": "tin"}
LISTED = "Answer Choices: (A) iron (B) zinc (C) tin"

FAMILIES: dict[str, tuple[str, Rows, Sequence[tuple[str, str | None]]]] = {
    "MedQA": (
        "medqa",
        [
            {"question": "Which rusts?", "options": METALS, "answer_idx": "A", "answer": "iron", "meta_info": "step1"},
            {"question": "Which coats steel?", "options": METALS, "answer_idx": "B", "answer": "zinc"},
        ],
        [(f"Which rusts?\n{LISTED}", "A"), (f"Which coats steel?\n{LISTED}", "B")],
    ),
    "MedMCQA on the hub": (
        "medmcqa",
        [
            {"question": "Which rusts?", "opa": "iron", "opb": "zinc", "opc": "tin", "opd": "lead", "cop": 0},
            {"question": "Which is a battery's?", "opa": "iron", "opb": "zinc", "opc": "tin", "opd": "lead", "cop": 3},
            {"question": "Hidden?", "opa": "iron", "opb": "zinc", "opc": "tin", "opd": "lead", "cop": -1},
        ],
        [
            (f"Which rusts?\n{LISTED} (D) lead", "A"),
            (f"Which is a battery's?\n{LISTED} (D) lead", "D"),
            (f"Hidden?\n{LISTED} (D) lead", None),
        ],
    ),
    "MedMCQA, the authors' file, counts from 1": (
        "medmcqa",
        [
            {"question": "Which rusts?", "opa": "iron", "opb": "zinc", "opc": "tin", "opd": "lead", "cop": 1},
            {"question": "Which is a battery's?", "opa": "iron", "opb": "zinc", "opc": "tin", "opd": "lead", "cop": 4},
        ],
        [(f"Which rusts?\n{LISTED} (D) lead", "A"), (f"Which is a battery's?\n{LISTED} (D) lead", "D")],
    ),
    "PubMedQA on the hub": (
        "pubmedqa",
        [
            {
                "pubid": 1,
                "question": "Does it help?",
                "context": {"contexts": ["We gave it to 20.", "They got better."], "labels": ["METHODS", "RESULTS"]},
                "long_answer": "It seems to help.",
                "final_decision": "yes",
            }
        ],
        [("We gave it to 20.\nThey got better.\nDoes it help?", "yes")],
    ),
    "PubMedQA, the authors' file": (
        "pubmedqa_original",
        [{"QUESTION": "Does it help?", "CONTEXTS": ["Twenty.", "Better."], "final_decision": "maybe"}],
        [("Twenty.\nBetter.\nDoes it help?", "maybe")],
    ),
    "MMLU": (
        "mmlu",
        [{"question": "Which rusts?", "subject": "chemistry", "choices": ["iron", "zinc", "tin"], "answer": 1}],
        [(f"Which rusts?\n{LISTED}", "B")],
    ),
    "MMLU-Pro": (
        "mmlu_pro",
        [
            {
                **{"question": "Which rusts?", "options": ["iron", "zinc", "tin"], "answer": "A", "answer_index": 0},
                **{"category": "chemistry", "cot_content": ""},
            }
        ],
        [("Which rusts?\nOptions:\nA. iron\nB. zinc\nC. tin", "A")],
    ),
    "ARC with numbers as labels": (
        "arc",
        [
            {
                "question": "Which rusts?",
                "choices": {"text": ["iron", "zinc", "tin"], "label": ["1", "2", "3"]},
                "answerKey": "2",
            },
            {
                "question": "Which is soft?",
                "choices": {"text": ["iron", "zinc", "tin"], "label": ["A", "B", "C"]},
                "answerKey": "C",
            },
        ],
        [(f"Which rusts?\n{LISTED}", "B"), (f"Which is soft?\n{LISTED}", "C")],
    ),
    "ARC, the authors' file": (
        "arc_original",
        [
            {
                "question": {
                    "stem": "Which rusts?",
                    "choices": [{"text": "iron", "label": "A"}, {"text": "zinc", "label": "B"}],
                },
                "answerKey": "A",
            }
        ],
        [("Which rusts?\nAnswer Choices: (A) iron (B) zinc", "A")],
    ),
    "OpenBookQA": (
        "openbookqa",
        [
            {
                "question_stem": "Which rusts?",
                "choices": {"text": ["iron", "zinc"], "label": ["A", "B"]},
                "answerKey": "A",
            }
        ],
        [("Which rusts?\nAnswer Choices: (A) iron (B) zinc", "A")],
    ),
    "AGIEval": (
        "agieval",
        [
            {
                "passage": "Metals react with air.",
                "question": "Which rusts?",
                "options": ["(A)iron", "(B)zinc", "(C)tin"],
                "label": "A",
                "answer": None,
            }
        ],
        [(f"Metals react with air.\nWhich rusts?\n{LISTED}", "A")],
    ),
    "AR-LSAT: questions inside passages": (
        "passages",
        [
            {
                "id": "p1",
                "passage": "Three metals are in a row.",
                "questions": [
                    {"question": "Which is first?", "options": ["iron", "zinc", "tin"], "answer": "B"},
                    {"question": "Which is last?", "options": ["iron", "zinc", "tin"], "answer": "C"},
                ],
            }
        ],
        [
            (f"Three metals are in a row.\nWhich is first?\n{LISTED}", "B"),
            (f"Three metals are in a row.\nWhich is last?\n{LISTED}", "C"),
        ],
    ),
    "LSAT with a passage": (
        "lsat",
        [
            {"passage": "P.", "question": "Which?", "options": ["iron", "zinc", "tin"], "answer": 1},
            {"passage": "Q.", "question": "Which?", "options": ["iron", "zinc", "tin"], "answer": 0},
        ],
        [(f"P.\nWhich?\n{LISTED}", "B"), (f"Q.\nWhich?\n{LISTED}", "A")],
    ),
    "RACE": (
        "race",
        [{"article": "A.", "question": "Which?", "options": ["iron", "zinc", "tin"], "answer": "C"}],
        [(f"A.\nWhich?\n{LISTED}", "C")],
    ),
    "LogiQA": (
        "logiqa",
        [{"context": "C.", "query": "Which?", "options": ["iron", "zinc", "tin"], "correct_option": 2}],
        [(f"C.\nWhich?\n{LISTED}", "C")],
    ),
    "BoolQ": (
        "boolq",
        [{"question": "does iron rust", "passage": "Iron rusts.", "answer": True}],
        [("Iron rusts.\ndoes iron rust", "True")],
    ),
    "BBQ": (
        "bbq",
        [
            {
                **{"context": "Two metals lay in the rain.", "question": "Which rusted?", "category": "Metal"},
                **{"ans0": "iron", "ans1": "zinc", "ans2": "tin", "label": 0},
            }
        ],
        [(f"Two metals lay in the rain.\nWhich rusted?\n{LISTED}", "A")],
    ),
    "JEC-QA with several right options": (
        "jec_qa",
        [{"statement": "下列哪些正确?", "option_list": METALS, "answer": ["A", "C"], "subject": "刑法"}],
        [(f"下列哪些正确?\n{LISTED}", "A, C")],
    ),
    "IgakuQA": (
        "igakuqa",
        [
            {
                **{"problem_id": "116A1", "problem_text": "正しいのはどれか。", "text_only": True, "points": "1"},
                **{"choices": ["iron", "zinc", "tin"], "answer": ["b"]},
            }
        ],
        [(f"正しいのはどれか。\n{LISTED}", "B")],
    ),
    "FrenchMedMCQA on the hub": (
        "french_med_mcqa",
        [
            {
                **{
                    "id": "x",
                    "question": "Lequel rouille ?",
                    "answer_a": "iron",
                    "answer_b": "zinc",
                    "answer_c": "tin",
                },
                **{"answer_d": "lead", "answer_e": "gold", "correct_answers": [0, 2], "number_correct_answers": 1},
            },
        ],
        [(f"Lequel rouille ?\n{LISTED} (D) lead (E) gold", "A, C")],
    ),
    "FrenchMedMCQA, the authors' file": (
        "french_med_mcqa_original",
        [
            {
                "question": "Lequel rouille ?",
                "answers": {"a": "iron", "b": "zinc", "c": "tin"},
                "correct_answers": ["a", "c"],
            }
        ],
        [(f"Lequel rouille ?\n{LISTED}", "A, C")],
    ),
    "HEAD-QA": (
        "headqa",
        [
            {
                "qtext": "¿Cuál se oxida?",
                "answers": [{"aid": 1, "atext": "iron"}, {"aid": 2, "atext": "zinc"}, {"aid": 3, "atext": "tin"}],
                "ra": 3,
                "category": "chemistry",
            }
        ],
        [(f"¿Cuál se oxida?\n{LISTED}", "C")],
    ),
    "CMMLU": (
        "cmmlu",
        [{"Question": "哪个会生锈?", "A": "iron", "B": "zinc", "C": "tin", "D": "lead", "Answer": "A"}],
        [(f"哪个会生锈?\n{LISTED} (D) lead", "A")],
    ),
    "C-Eval": (
        "ceval",
        [{"id": 0, "question": "Q?", "A": "iron", "B": "zinc", "C": "tin", "D": "lead", "answer": "D"}],
        [(f"Q?\n{LISTED} (D) lead", "D")],
    ),
    "GAOKAO-Bench": (
        PLAIN,
        [{"year": "2010", "question": "哪个?\nA. iron\nB. zinc\nC. tin", "answer": ["B"], "analysis": "…", "score": 5}],
        [("哪个?\nA. iron\nB. zinc\nC. tin", "B")],
    ),
    "HellaSwag": (
        "hellaswag",
        [{"ctx": "It rains on", "endings": ["iron", "zinc", "tin"], "label": "0", "ctx_a": "", "ctx_b": ""}],
        [(f"It rains on\n{LISTED}", "A")],
    ),
    "TabMWP": (
        "tabmwp",
        [
            {
                **{"question": "On which day?", "table_title": "Coins", "table": "Day | Coins\nMon | 3"},
                **{"choices": ["Mon", "Tue"], "answer": "Mon", "grade": 3},
            },
            {"question": "How many?", "table_title": "Coins", "table": "Tue | 4", "choices": None, "answer": "4"},
        ],
        [
            ("Coins\nDay | Coins\nMon | 3\nOn which day?\nPlease select from the following options: Mon, Tue", "Mon"),
            ("Coins\nTue | 4\nHow many?", "4"),
        ],
    ),
    "verl": (
        "verl",
        [
            {
                "data_source": "openai/gsm8k",
                "prompt": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How many?"}],
                "ability": "math",
                "reward_model": {"style": "rule", "ground_truth": "72"},
                "extra_info": {"index": 0},
            }
        ],
        [("How many?", "72")],
    ),
    "TTRL": (
        "prompt_answer",
        [{"prompt": "How many?", "answer": "72", "source": "AIME", "id": "0"}],
        [("How many?", "72")],
    ),
    "SimpleRL": (
        "simple_rl",
        [{"input": "<|im_start|>system\n…How many?", "question": "How many?", "gt_answer": "72", "subject": "algebra"}],
        [("How many?", "72")],
    ),
    "MATH": (
        "math",
        [{"problem": "Find $x$.", "level": "Level 5", "type": "Algebra", "solution": "So $x=\\boxed{5}$."}],
        [("Find $x$.", "5")],
    ),
    "GSM8K": ("gsm8k", [{"question": "How many?", "answer": "4+4=<<4+4=8>>8\n#### 8"}], [("How many?", "8")]),
    "LegalBench": (
        "legalbench",
        [{"index": "0", "answer": "No", "text": "The party must notify."}],
        [("The party must notify.", "No")],
    ),
    "self-instruct": (
        "self_instruct",
        [
            {
                "id": "s",
                "instruction": "Add them.",
                "instances": [{"input": "2, 3", "output": "5"}],
                "is_classification": 0,
            }
        ],
        [("Add them.\n2, 3", None)],
    ),
    "alpaca": (
        "alpaca",
        [
            {"instruction": "Add them.", "input": "2, 3", "output": "The sum of 2 and 3 is 5."},
            {"instruction": "Name a metal.", "input": "", "output": "Iron."},
        ],
        [("Add them.\n2, 3", None), ("Name a metal.", None)],
    ),
    "dolly": (
        "dolly",
        [
            {
                "instruction": "Which rusts?",
                "context": "Iron and tin.",
                "response": "Iron does.",
                "category": "closed_qa",
            }
        ],
        [("Which rusts?\nIron and tin.", None)],
    ),
    "ShareGPT": (
        "sharegpt",
        [
            {
                "id": "x",
                "conversations": [
                    {"from": "human", "value": "Hello"},
                    {"from": "gpt", "value": "Hello!"},
                    {"from": "human", "value": "Which rusts?"},
                    {"from": "gpt", "value": "Iron."},
                ],
            }
        ],
        [("Which rusts?", None)],
    ),
    "chat messages": (
        "messages",
        [
            {
                "messages": [
                    {"role": "user", "content": [{"type": "text", "text": "Which rusts?"}]},
                    {"role": "assistant", "content": "Iron."},
                ]
            }
        ],
        [("Which rusts?", None)],
    ),
    "prompt and completion": (
        "completion",
        [{"prompt": "Which rusts?", "completion": "Iron."}],
        [("Which rusts?", None)],
    ),
    "a quiz with options and answers": (
        "multiple_choice",
        [{"question": "Which rusts?", "options": METALS, "answer": "A"}],
        [(f"Which rusts?\n{LISTED}", "A")],
    ),
    "a quiz with choices as a list": (
        "multiple_choice_choices",
        [{"question": "Which rusts?", "choices": ["iron", "zinc", "tin"], "answer": "zinc"}],
        [(f"Which rusts?\n{LISTED}", "B")],
    ),
}


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_each_family_is_read_without_a_mapping(family: str, tmp_path: Path) -> None:
    shape, rows, expected = FAMILIES[family]
    file = read(rows, tmp_path)
    assert file.shape == shape
    assert [(question.question, question.answer) for question in file.questions] == list(expected)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_a_stated_shape_reads_the_same(family: str, tmp_path: Path) -> None:
    shape, rows, expected = FAMILIES[family]
    file = read(rows, tmp_path, {"preset": shape})
    assert [(question.question, question.answer) for question in file.questions] == list(expected)
