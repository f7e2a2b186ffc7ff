"""Known shapes of rows: MedQA, MMLU, ARC, verl, alpaca and others, each a few lines of mapping.

A shape is recognised only if every one of the first rows has all of its fields, so that a long `output` never becomes
an answer by its name alone. Shapes are tried in order, the more special ones first.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from stages.question_files.values import printed
from stages.settings.questions import Fields, QuestionFormat
from storage.errors import InputError

PLAIN = "plain"
"""Name of the shape that any row has: what the defaults of `Fields` say."""
GENERAL = (
    PLAIN,
    "multiple_choice",
    "multiple_choice_choices",
    "agieval",
    "prompt_answer",
    "legalbench",
    "ceval",
    "mmlu",
)
"""Shapes of so few fields that rows may have more that matters: a passage, or options under another name."""

Test = Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class Shape:
    """A shape of rows."""

    title: str
    """What has this shape."""
    needs: tuple[str, ...]
    """Fields that every row has."""
    format: QuestionFormat
    """How its rows are read."""
    tests: Mapping[str, Test] | None = None
    """Field -> what its value has to be."""
    without: tuple[str, ...] = ()
    """Fields that no row has."""


def _is_list(value: Any) -> bool:
    return isinstance(printed(value), list)


def _is_object(value: Any) -> bool:
    return isinstance(printed(value), dict)


def _is_list_or_object(value: Any) -> bool:
    return isinstance(printed(value), list | dict)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _has_box(value: Any) -> bool:
    return "\\boxed" in str(value) or "\\fbox" in str(value)


def _is_turns(value: Any) -> bool:
    value = printed(value)
    return isinstance(value, list) and bool(value) and all(isinstance(turn, dict) for turn in value)


def _format(*, base: Any = None, style: Any = "inline", pattern: str | None = None, **fields: Any) -> QuestionFormat:
    return QuestionFormat(
        fields=Fields.model_validate(fields), answer_base=base, options_style=style, question_pattern=pattern
    )


_OPTION_FIELDS = (
    *("options", "choices", "opa", "A", "B", "option_a", "option1", "ans0", "option_list", "answers"),
    *("Incorrect Answer 1", "distractor1", "endings"),
)
"""Fields that hold options in some shapes: a plain row has none of them."""

SHAPES: dict[str, Shape] = {
    "medqa": Shape(
        "MedQA: options by letter, the answer's letter and text",
        ("question", "options", "answer_idx"),
        _format(options="options", answer=("answer_idx", "answer"), subject="meta_info"),
    ),
    "medmcqa": Shape(
        "MedMCQA: four columns of options, the number of the right one",
        ("question", "opa", "opb", "opc", "opd"),
        _format(options=("opa", "opb", "opc", "opd", "ope"), answer=("cop", "answer_idx"), subject="subject_name"),
    ),
    "pubmedqa": Shape(
        "PubMedQA: abstracts, answered by yes, no or maybe",
        ("question", "context.contexts", "final_decision"),
        _format(context="context.contexts", answer="final_decision"),
    ),
    "pubmedqa_original": Shape(
        "PubMedQA, the authors' file",
        ("QUESTION", "CONTEXTS", "final_decision"),
        _format(question="QUESTION", context="CONTEXTS", answer="final_decision"),
    ),
    "mmlu_pro": Shape(
        "MMLU-Pro: up to ten options, the answer's letter and number",
        ("question", "options", "answer", "answer_index"),
        _format(
            base=0,
            style="lines",
            options="options",
            answer=("answer", "answer_index"),
            reasoning="cot_content",
            subject="category",
        ),
    ),
    "scienceqa": Shape(
        "ScienceQA: a hint, a list of choices, the number of the right one from 0",
        ("question", "choices", "answer", "hint"),
        _format(base=0, context="hint", options="choices", level="grade"),
    ),
    "mmlu": Shape(
        "MMLU: a list of choices, the number of the right one from 0",
        ("question", "choices", "answer", "subject"),
        _format(base=0, options="choices"),
        {"choices": _is_list, "answer": lambda value: str(value) in "0123456789"},
    ),
    "arc": Shape(
        "ARC, CommonsenseQA: choices as texts with labels",
        ("question", "choices", "answerKey"),
        _format(options="choices", answer="answerKey"),
        {"question": lambda value: isinstance(value, str)},
    ),
    "arc_original": Shape(
        "ARC, CommonsenseQA and OpenBookQA, the authors' files",
        ("question.stem", "question.choices", "answerKey"),
        _format(question="question.stem", options="question.choices", answer="answerKey"),
    ),
    "openbookqa": Shape(
        "OpenBookQA",
        ("question_stem", "choices", "answerKey"),
        _format(question="question_stem", options="choices", answer="answerKey"),
    ),
    "agieval": Shape(
        "AGIEval: a passage, options with their letters, the label",
        ("question", "options", "label"),
        _format(context="passage", options="options", answer=("label", "answer")),
    ),
    "passages": Shape(
        "Several questions about one passage: AR-LSAT",
        ("passage", "questions"),
        QuestionFormat(
            rows="questions",
            fields=Fields.model_validate({"context": "passage", "options": "options", "answer": "answer"}),
        ),
        {"questions": _is_turns},
    ),
    "barexam": Shape(
        "Bar exams: facts, a question, four columns of options, the right letter",
        ("prompt", "question", "choice_a", "choice_b", "answer"),
        _format(
            context="prompt", options=tuple(f"choice_{letter}" for letter in "abcde"), subject=("subject", "category")
        ),
    ),
    "lsat": Shape(
        "Reading with options: a passage, a question, options",
        ("passage", "question", "options", "answer"),
        _format(context="passage", options="options"),
    ),
    "race": Shape(
        "RACE: an article, a question, options",
        ("article", "question", "options", "answer"),
        _format(context="article", options="options"),
    ),
    "logiqa": Shape(
        "LogiQA: a context, a query, options, the number of the right one from 0",
        ("context", "query", "options", "correct_option"),
        _format(base=0, question="query", context="context", options="options", answer="correct_option"),
    ),
    "boolq": Shape("BoolQ", ("question", "passage", "answer"), _format(context="passage"), without=("options",)),
    "gpqa": Shape(
        "GPQA: the right answer and wrong ones in columns",
        ("Question", "Correct Answer", "Incorrect Answer 1", "Incorrect Answer 2"),
        _format(
            question="Question",
            correct="Correct Answer",
            incorrect=("Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3"),
            answer=(),
            subject=("High-level domain", "Subdomain"),
        ),
    ),
    "sciq": Shape(
        "SciQ: the right answer and distractors",
        ("question", "correct_answer", "distractor1", "distractor2"),
        _format(correct="correct_answer", incorrect=("distractor1", "distractor2", "distractor3"), answer=()),
    ),
    "bbq": Shape(
        "BBQ: a context and three answers",
        ("context", "question", "ans0", "ans1", "ans2", "label"),
        _format(base=0, context="context", options=("ans0", "ans1", "ans2"), answer="label", subject="category"),
    ),
    "jec_qa": Shape(
        "JEC-QA: questions of the Chinese bar exam, with several right options",
        ("statement", "option_list", "answer"),
        _format(question="statement", options="option_list", subject="subject"),
    ),
    "igakuqa": Shape(
        "IgakuQA: questions of the Japanese medical exam",
        ("problem_text", "choices", "answer"),
        _format(question="problem_text", options="choices"),
    ),
    "french_med_mcqa": Shape(
        "FrenchMedMCQA: five columns of options, one or more right ones",
        ("question", "answer_a", "answer_b", "correct_answers"),
        _format(
            options=tuple(f"answer_{letter}" for letter in "abcde"), answer="correct_answers", subject="subject_name"
        ),
    ),
    "french_med_mcqa_original": Shape(
        "FrenchMedMCQA, the authors' file",
        ("question", "answers", "correct_answers"),
        _format(options="answers", answer="correct_answers"),
        {"answers": _is_object},
    ),
    "headqa": Shape(
        "HEAD-QA: answers with numbers, the number of the right one",
        ("qtext", "answers", "ra"),
        _format(question="qtext", options="answers", answer="ra", subject="category"),
    ),
    "cmmlu": Shape(
        "CMMLU, C-Eval: a column for each option, the right letter",
        ("Question", "A", "B", "C", "D", "Answer"),
        _format(question="Question", options=tuple("ABCDEFGHIJ"), answer="Answer"),
    ),
    "ceval": Shape(
        "C-Eval and tables with a column for each option",
        ("question", "A", "B", "answer"),
        _format(options=tuple("ABCDEFGHIJ")),
    ),
    "hellaswag": Shape(
        "HellaSwag: a context and four endings, the number of the right one from 0",
        ("ctx", "endings", "label"),
        _format(base=0, question="ctx", options="endings", answer="label"),
    ),
    "tabmwp": Shape(
        "TabMWP: a table, a question, sometimes choices",
        ("question", "table", "table_title", "answer"),
        _format(base="text", style="unlettered", context=("table_title", "table"), options="choices", level="grade"),
    ),
    "verl": Shape(
        "verl, TinyZero: messages and the ground truth of a reward model",
        ("prompt", "reward_model.ground_truth"),
        _format(question="prompt", answer="reward_model.ground_truth", subject="data_source"),
    ),
    "simple_rl": Shape(
        "SimpleRL: the question beside its prompt, with the answer",
        ("input", "question", "gt_answer"),
        _format(answer="gt_answer", subject="subject"),
    ),
    "math": Shape(
        "MATH: the answer is in a box of the solution",
        ("problem", "solution"),
        _format(answer="solution", subject=("type", "subject")),
        {"solution": _has_box},
        without=("answer", "final_answer"),
    ),
    "legalbench": Shape(
        "LegalBench: a text and its answer",
        ("index", "text", "answer"),
        _format(question="text"),
        without=("question", *_OPTION_FIELDS),
    ),
    "self_instruct": Shape(
        "self-instruct: an instruction and instances, whose output is not read",
        ("instruction", "instances.0.output"),
        _format(question="instruction", input="instances.0.input", answer=()),
    ),
    "alpaca": Shape(
        "alpaca: an instruction and its input; the output is not read",
        ("instruction", "output"),
        _format(question="instruction", input="input", answer=()),
    ),
    "dolly": Shape(
        "dolly: an instruction and its context; the response is not read",
        ("instruction", "response"),
        _format(question="instruction", input="context", answer=(), subject="category"),
    ),
    "sharegpt": Shape(
        "ShareGPT: conversations; the last turn of the user is the question, the reply is not read",
        ("conversations",),
        _format(question="conversations", answer=()),
        {"conversations": _is_turns},
    ),
    "lmsys": Shape(
        "LMSYS-Chat: conversations; the last turn of the user is the question, the reply is not read",
        ("conversation_id", "conversation"),
        _format(question="conversation", answer=()),
        {"conversation": _is_turns},
    ),
    "messages": Shape(
        "Messages of a chat; the last turn of the user is the question, the reply is not read",
        ("messages",),
        _format(question="messages", answer=()),
        {"messages": _is_turns},
    ),
    "prompt_answer": Shape(
        "TTRL: a prompt and its answer",
        ("prompt", "answer"),
        _format(question="prompt"),
        without=("question", "problem", *_OPTION_FIELDS),
    ),
    "completion": Shape(
        "Prompts with a completion, which is not read",
        ("prompt", "completion"),
        _format(question="prompt", answer=()),
    ),
    "reading_options": Shape(
        "A context, a question, its options, and the answer",
        ("context", "question", "options", "answer"),
        _format(context="context", options="options"),
        {"options": _is_list_or_object, "context": _is_text},
    ),
    "reading_choices": Shape(
        "A context, a question, its choices, and the answer",
        ("context", "question", "choices", "answer"),
        _format(context="context", options="choices"),
        {"choices": _is_list_or_object, "context": _is_text},
    ),
    "multiple_choice": Shape(
        "A question, its options, and the answer",
        ("question", "options", "answer"),
        _format(options="options"),
        {"options": _is_list_or_object},
    ),
    "multiple_choice_choices": Shape(
        "A question, its choices, and the answer",
        ("question", "choices", "answer"),
        _format(options="choices"),
        {"choices": _is_list_or_object},
    ),
    PLAIN: Shape("A question or problem and, if known, its answer", (), QuestionFormat()),
}
"""Name of a shape -> the shape, in the order in which they are tried."""


def with_preset(row_format: QuestionFormat) -> QuestionFormat:
    """Return a format with what its preset says, except for what the format says itself.

    Raises InputError for an unknown preset.
    """
    if row_format.preset is None:
        return row_format
    if row_format.preset not in SHAPES:
        close = get_close_matches(row_format.preset, SHAPES, n=3)
        hint = f"; the closest: {', '.join(close)}" if close else ""
        raise InputError(f"format: unknown preset {row_format.preset!r}; expected {', '.join(SHAPES)}{hint}")
    shape = SHAPES[row_format.preset].format
    own = row_format.model_fields_set - {"preset", "fields"}
    fields = {name: getattr(row_format.fields, name) for name in row_format.fields.model_fields_set}
    return shape.model_copy(
        update={
            **{name: getattr(row_format, name) for name in own},
            "fields": shape.fields.model_copy(update=fields),
            "preset": row_format.preset,
        }
    )
