"""Known shapes of rows that have a passage or a table besides the question."""

from stages.question_files.shape import Shape, format_of, is_list, is_list_or_object, is_text, is_turns
from stages.settings.questions import Fields, QuestionFormat

READING_SHAPES: dict[str, Shape] = {
    "passages": Shape(
        "Several questions about one passage: AR-LSAT",
        ("passage", "questions"),
        QuestionFormat(
            rows="questions",
            fields=Fields.model_validate({"context": "passage", "options": "options", "answer": "answer"}),
        ),
        {"questions": is_turns},
    ),
    "barexam": Shape(
        "Bar exams: facts, a question, four columns of options, the right letter",
        ("prompt", "question", "choice_a", "choice_b", "answer"),
        format_of(
            context="prompt", options=tuple(f"choice_{letter}" for letter in "abcde"), subject=("subject", "category")
        ),
    ),
    "lsat": Shape(
        "Reading with options: a passage, a question, options",
        ("passage", "question", "options", "answer"),
        format_of(context="passage", options="options"),
    ),
    "race": Shape(
        "RACE: an article, a question, options",
        ("article", "question", "options", "answer"),
        format_of(context="article", options="options"),
    ),
    "logiqa": Shape(
        "LogiQA: a context, a query, options, the number of the right one from 0",
        ("context", "query", "options", "correct_option"),
        format_of(base=0, question="query", context="context", options="options", answer="correct_option"),
    ),
    "tatqa": Shape(
        "TAT-QA: several questions about one table and its paragraphs",
        ("table.table", "questions"),
        QuestionFormat(
            rows="questions",
            fields=Fields.model_validate({"context": ("table.table", "paragraphs.text"), "answer": "answer"}),
        ),
        {"questions": is_turns},
    ),
    "finqa": Shape(
        "FinQA: text, a table and text around a question",
        ("table", "qa.question", "qa.answer"),
        format_of(
            question="qa.question", context=("pre_text", "table", "post_text"), answer=("qa.answer", "qa.exe_ans")
        ),
    ),
    "svamp": Shape(
        "SVAMP: a story, a question, a number",
        ("Body", "Question", "Answer"),
        format_of(question="Question", context="Body", answer="Answer", subject="Type"),
    ),
    "logiqa2": Shape(
        "LogiQA 2.0: a text, a question, options, the number of the right one from 0",
        ("text", "question", "options", "answer"),
        format_of(context="text", options="options"),
        {"options": is_list},
    ),
    "reclor": Shape(
        "ReClor: a context, a question, answers, the number of the right one from 0",
        ("context", "question", "answers", "label"),
        format_of(base=0, context="context", options="answers", answer="label"),
        {"answers": is_list},
    ),
    "reading_options": Shape(
        "A context, a question, its options, and the answer",
        ("context", "question", "options", "answer"),
        format_of(context="context", options="options"),
        {"options": is_list_or_object, "context": is_text},
    ),
    "reading_choices": Shape(
        "A context, a question, its choices, and the answer",
        ("context", "question", "choices", "answer"),
        format_of(context="context", options="choices"),
        {"choices": is_list_or_object, "context": is_text},
    ),
}
"""Name of a shape -> the shape, in the order in which they are tried."""
