"""Known shapes of rows: MedQA, MMLU, ARC, verl, alpaca and others, each a few lines of mapping.

A shape is recognised only if every one of the first rows has all of its fields, so that a long `output` never becomes
an answer by its name alone. Shapes are tried in order, the more special ones first.
"""

from difflib import get_close_matches

from stages.question_files.reading_shapes import READING_SHAPES
from stages.question_files.shape import (
    OPTION_FIELDS,
    Shape,
    format_of,
    has_box,
    is_list,
    is_list_or_object,
    is_object,
    is_turns,
)
from stages.settings.questions import QuestionFormat
from storage.errors import InputError

PLAIN = "plain"
"""Name of the shape that any row has: what the defaults of `Fields` say."""
SHAPES: dict[str, Shape] = {
    "medqa": Shape(
        "MedQA: options by letter, the answer's letter and text",
        ("question", "options", "answer_idx"),
        format_of(options="options", answer=("answer_idx", "answer"), subject="meta_info"),
    ),
    "medmcqa": Shape(
        "MedMCQA: four columns of options, the number of the right one",
        ("question", "opa", "opb", "opc", "opd"),
        format_of(options=("opa", "opb", "opc", "opd", "ope"), answer=("cop", "answer_idx"), subject="subject_name"),
    ),
    "pubmedqa": Shape(
        "PubMedQA: abstracts, answered by yes, no or maybe",
        ("question", "context.contexts", "final_decision"),
        format_of(context="context.contexts", answer="final_decision"),
    ),
    "pubmedqa_original": Shape(
        "PubMedQA, the authors' file",
        ("QUESTION", "CONTEXTS", "final_decision"),
        format_of(question="QUESTION", context="CONTEXTS", answer="final_decision"),
    ),
    "mmlu_pro": Shape(
        "MMLU-Pro: up to ten options, the answer's letter and number",
        ("question", "options", "answer", "answer_index"),
        format_of(
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
        format_of(base=0, context="hint", options="choices", level="grade"),
    ),
    "mmlu": Shape(
        "MMLU: a list of choices, the number of the right one from 0",
        ("question", "choices", "answer", "subject"),
        format_of(base=0, options="choices"),
        {"choices": is_list, "answer": lambda value: str(value) in "0123456789"},
    ),
    "arc": Shape(
        "ARC, CommonsenseQA: choices as texts with labels",
        ("question", "choices", "answerKey"),
        format_of(options="choices", answer="answerKey"),
        {"question": lambda value: isinstance(value, str)},
    ),
    "arc_original": Shape(
        "ARC, CommonsenseQA and OpenBookQA, the authors' files",
        ("question.stem", "question.choices", "answerKey"),
        format_of(question="question.stem", options="question.choices", answer="answerKey"),
    ),
    "openbookqa": Shape(
        "OpenBookQA",
        ("question_stem", "choices", "answerKey"),
        format_of(question="question_stem", options="choices", answer="answerKey"),
    ),
    "agieval": Shape(
        "AGIEval: a passage, options with their letters, the label",
        ("question", "options", "label"),
        format_of(context="passage", options="options", answer=("label", "answer")),
    ),
    **READING_SHAPES,
    "boolq": Shape("BoolQ", ("question", "passage", "answer"), format_of(context="passage"), without=("options",)),
    "gpqa": Shape(
        "GPQA: the right answer and wrong ones in columns",
        ("Question", "Correct Answer", "Incorrect Answer 1", "Incorrect Answer 2"),
        format_of(
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
        format_of(correct="correct_answer", incorrect=("distractor1", "distractor2", "distractor3"), answer=()),
    ),
    "bbq": Shape(
        "BBQ: a context and three answers",
        ("context", "question", "ans0", "ans1", "ans2", "label"),
        format_of(base=0, context="context", options=("ans0", "ans1", "ans2"), answer="label", subject="category"),
    ),
    "jec_qa": Shape(
        "JEC-QA: questions of the Chinese bar exam, with several right options",
        ("statement", "option_list", "answer"),
        format_of(question="statement", options="option_list", subject="subject"),
    ),
    "igakuqa": Shape(
        "IgakuQA: questions of the Japanese medical exam",
        ("problem_text", "choices", "answer"),
        format_of(question="problem_text", options="choices"),
    ),
    "french_med_mcqa": Shape(
        "FrenchMedMCQA: five columns of options, one or more right ones",
        ("question", "answer_a", "answer_b", "correct_answers"),
        format_of(
            options=tuple(f"answer_{letter}" for letter in "abcde"), answer="correct_answers", subject="subject_name"
        ),
    ),
    "french_med_mcqa_original": Shape(
        "FrenchMedMCQA, the authors' file",
        ("question", "answers", "correct_answers"),
        format_of(options="answers", answer="correct_answers"),
        {"answers": is_object},
    ),
    "headqa": Shape(
        "HEAD-QA: answers with numbers, the number of the right one",
        ("qtext", "answers", "ra"),
        format_of(question="qtext", options="answers", answer="ra", subject="category"),
    ),
    "cmmlu": Shape(
        "CMMLU, C-Eval: a column for each option, the right letter",
        ("Question", "A", "B", "C", "D", "Answer"),
        format_of(question="Question", options=tuple("ABCDEFGHIJ"), answer="Answer"),
    ),
    "ceval": Shape(
        "C-Eval and tables with a column for each option",
        ("question", "A", "B", "answer"),
        format_of(options=tuple("ABCDEFGHIJ")),
    ),
    "hellaswag": Shape(
        "HellaSwag: a context and four endings, the number of the right one from 0",
        ("ctx", "endings", "label"),
        format_of(base=0, question="ctx", options="endings", answer="label"),
    ),
    "tabmwp": Shape(
        "TabMWP: a table, a question, sometimes choices",
        ("question", "table", "table_title", "answer"),
        format_of(base="text", style="unlettered", context=("table_title", "table"), options="choices", level="grade"),
    ),
    "verl": Shape(
        "verl, TinyZero: messages and the ground truth of a reward model",
        ("prompt", "reward_model.ground_truth"),
        format_of(question="prompt", answer="reward_model.ground_truth", subject="data_source"),
    ),
    "simple_rl": Shape(
        "SimpleRL: the question beside its prompt, with the answer",
        ("input", "question", "gt_answer"),
        format_of(answer="gt_answer", subject="subject"),
    ),
    "math": Shape(
        "MATH: the answer is in a box of the solution",
        ("problem", "solution"),
        format_of(answer="solution", subject=("type", "subject")),
        {"solution": has_box},
        without=("answer", "final_answer"),
    ),
    "gsm8k": Shape(
        "GSM8K: the answer is a solution that ends in ####",
        ("question", "answer"),
        QuestionFormat(answer_pattern=r"####\s*(.+)$"),
        {"answer": lambda value: "####" in str(value)},
    ),
    "legalbench_question": Shape(
        "LegalBench: a contract, policy, statute or text, a question, and its answer",
        ("index", "question", "answer"),
        format_of(context=("statute", "description", "contract", "policy", "text")),
        without=OPTION_FIELDS,
        one_of=("statute", "contract", "policy", "text"),
    ),
    "legalbench": Shape(
        "LegalBench: a text and its answer",
        ("index", "text", "answer"),
        format_of(question="text"),
        without=("question", *OPTION_FIELDS),
    ),
    "self_instruct": Shape(
        "self-instruct: an instruction and instances, whose output is not read",
        ("instruction", "instances.0.output"),
        format_of(question="instruction", input="instances.0.input", answer=()),
    ),
    "alpaca": Shape(
        "alpaca: an instruction and its input; the output is not read",
        ("instruction", "output"),
        format_of(question="instruction", input="input", answer=()),
    ),
    "dolly": Shape(
        "dolly: an instruction and its context; the response is not read",
        ("instruction", "response"),
        format_of(question="instruction", input="context", answer=(), subject="category"),
    ),
    "sharegpt": Shape(
        "ShareGPT: conversations; the last turn of the user is the question, the reply is not read",
        ("conversations",),
        format_of(question="conversations", answer=()),
        {"conversations": is_turns},
    ),
    "lmsys": Shape(
        "LMSYS-Chat: conversations; the last turn of the user is the question, the reply is not read",
        ("conversation_id", "conversation"),
        format_of(question="conversation", answer=()),
        {"conversation": is_turns},
    ),
    "messages": Shape(
        "Messages of a chat; the last turn of the user is the question, the reply is not read",
        ("messages",),
        format_of(question="messages", answer=()),
        {"messages": is_turns},
    ),
    "prompt_answer": Shape(
        "TTRL: a prompt and its answer",
        ("prompt", "answer"),
        format_of(question="prompt"),
        without=("question", "problem", *OPTION_FIELDS),
    ),
    "completion": Shape(
        "Prompts with a completion, which is not read",
        ("prompt", "completion"),
        format_of(question="prompt", answer=()),
    ),
    "multiple_choice": Shape(
        "A question, its options, and the answer",
        ("question", "options", "answer"),
        format_of(options="options"),
        {"options": is_list_or_object},
    ),
    "multiple_choice_choices": Shape(
        "A question, its choices, and the answer",
        ("question", "choices", "answer"),
        format_of(options="choices"),
        {"choices": is_list_or_object},
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
