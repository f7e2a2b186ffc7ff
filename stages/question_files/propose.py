"""Mappings to try, for a file whose fields have other names than those looked for."""

from collections.abc import Iterable, Mapping
from typing import Any

from stages.answers.options.listed import options_of
from stages.question_files.values import first_filled, printed
from stages.settings.questions import Fields, QuestionFormat

_USUAL_NAMES = {
    "question": (
        *("question", "problem", "query", "stem", "question_text", "problem_text", "question_stem", "questiontext"),
        *("prompt", "instruction", "input", "text", "statement", "frage", "pregunta", "pergunta", "domanda", "вопрос"),
        *("question_en", "problem_statement", "content", "sentence", "q", "题目", "问题", "問題"),
    ),
    "context": ("context", "contexts", "passage", "article", "table", "background", "story", "body", "kontext"),
    "options": (
        "options",
        "choices",
        "answers",
        "option_list",
        "alternatives",
        "candidates",
        "optionen",
        "选项",
        "選択肢",
    ),
    "answer": (
        *("answer", "answerkey", "answer_idx", "answer_key", "label", "gold", "target", "correct", "correct_answer"),
        *(
            "correct_option",
            "correct_answers",
            "solution",
            "final_answer",
            "ground_truth",
            "cop",
            "gt_answer",
            "antwort",
        ),
        *("réponse", "reponse", "respuesta", "resposta", "ответ", "答案", "正解", "key", "gt", "expected", "result"),
    ),
    "subject": ("subject", "category", "topic", "type", "field"),
    "level": ("level", "difficulty", "grade"),
}
"""Setting in `fields` -> names that people use for it, in lower case."""
_MIN_OPTIONS = 2


def proposed_format(names: Iterable[str], row_format: QuestionFormat) -> str | None:
    """Return a mapping to try, as YAML in one line; None if no field has a usual name."""
    by_name = {name.strip().casefold(): name for name in names}
    fields = row_format.fields
    mapping = {}
    for setting, usual in _USUAL_NAMES.items():
        if any(name in by_name.values() for name in getattr(fields, setting)):
            continue
        if (name := next((by_name[usual_name] for usual_name in usual if usual_name in by_name), None)) is not None:
            mapping[setting] = name
    letters = [by_name[letter] for letter in "abcdefghij" if letter in by_name]
    if "options" not in mapping and len(letters) >= _MIN_OPTIONS and not fields.options:
        mapping["options"] = f"[{', '.join(letters)}]"
    if not mapping:
        return None
    return "{fields: {" + ", ".join(f"{setting}: {name}" for setting, name in mapping.items()) + "}}"


def fields_text(fields: Fields) -> str:
    """Return the fields that are looked for: "question (question, problem), answer (answer)"."""
    parts = []
    for setting in ("question", "context", "input", "options", "correct", "incorrect", "answer"):
        if names := getattr(fields, setting):
            parts.append(f"{setting} ({', '.join(names)})")
    return ", ".join(parts)


def looks_like_options(row: Mapping[str, Any], name: str) -> bool:
    """Return whether a field that nothing reads holds the options of a question that does not list them itself."""
    value = printed(row.get(name))
    if isinstance(value, dict):
        texts = list(value.values()) if all(len(str(key)) == 1 for key in value) else []
    else:
        texts = value if isinstance(value, list) else []
    if not _MIN_OPTIONS <= len(texts) <= 10 or not all(isinstance(text, str) and len(text) < 300 for text in texts):
        return False
    answer = first_filled(row, Fields().answer)
    is_known = name.casefold() in _USUAL_NAMES["options"] or answer in texts or isinstance(value, dict)
    question = str(first_filled(row, Fields().question) or "")
    return is_known and not options_of(question).are_lettered
