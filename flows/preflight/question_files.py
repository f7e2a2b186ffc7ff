"""What `serl check` and `serl data show` say about a file of questions: its rows, its labels, and one row in full.

Wrong options or labels are wrong rewards for a whole run, and these lines are where they show.
"""

import re
from collections import Counter
from collections.abc import Sequence

from stages.answers.kinds import AnswerKind
from stages.answers.options.listed import options_of
from stages.answers.voting import Comparer
from stages.benchmarks.reference_check import ReferenceCheck, check_references, count_named
from stages.question_files.parse import Question
from stages.question_files.propose import mapping_text
from stages.question_files.read import QuestionFile
from stages.settings.answers import AnswerConfig
from stages.settings.sample import AnswerPrompt
from storage.errors import InputError

GRADED_LABELS = 5_000
"""Labels that are graded; of a longer file the first ones."""
_SHOWN_CHARACTERS = 2_000
_COMMA = re.compile(r"[-−]?(?!(?!0)\d{1,3},\d{3}(?!\d))\d{1,20},\d{1,20}(?:\s?[^\s\d,]{1,10})?")
"""A number that may have a decimal comma: "22,9", not "1,250"."""
_WORDS = re.compile(r"[^\W\d_]{2,}(?:[, '’-]+[^\W\d_]+)*\.?")


def describe_file(
    file: QuestionFile,
    answers: AnswerConfig,
    kind: AnswerKind,
    prompt: AnswerPrompt,
    comparer: Comparer,
    *,
    row: int = 1,
) -> list[str]:
    """Return lines about a file: what was read, what its labels are worth, and one row with its label.

    `row`: which of the questions that were read, from 1. Raises InputError if there are not so many.
    """
    lines = [_form(file), _rows(file)]
    labelled = [question for question in file.questions if question.answer is not None]
    if labelled:
        lines += [_labels(labelled, kind, comparer), *_advice(labelled, answers)]
    elif file.unread_label:
        mapping = mapping_text({"answer": [file.unread_label]}, preset=file.shape)
        lines.append(f"no labels are read; perhaps they are in {file.unread_label}: `format: {mapping}`")
    if file.unread:
        others = [name for name in file.unread if name not in file.passage_fields]
        lines.append(f"not read: {'; '.join(filter(None, [file.unread_passage, _listed(others)]))}")
    return lines + _asked(file, prompt, row)


def _form(file: QuestionFile) -> str:
    shape = f", read as {file.shape}" if file.shape else ", read with your fields"
    counted = "".join(
        f"; {name} is the text of an option" if base == "text" else f"; {name} counts options from {base}"
        for name, base in file.bases.items()
    )
    commit = f" of the hub at commit {file.commit}" if file.commit else ""
    return f"{file.path}{commit} ({file.form}{shape}{counted})"


def _rows(file: QuestionFile) -> str:
    parts = [f"{file.rows:,} rows, {len(file.questions):,} read"]
    if file.bad_rows:
        first = file.bad_rows[0]
        parts.append(f"{len(file.bad_rows):,} skipped (the first: {first.location}: {first.reason})")
    if file.doubles:
        kept = len(file.questions) + len(file.bad_rows) == file.rows
        parts.append(f"{file.doubles:,} asked before{' and kept' if kept else ', dropped'}")
    numbers = Counter(len(question.options) for question in file.questions if question.options)
    if numbers:
        counts = ", ".join(f"{count:,} with {options}" for options, count in sorted(numbers.items()))
        parts.append(f"{sum(numbers.values()):,} with options ({counts})")
    if passages := sum(question.passage for question in file.questions):
        alike = file.alike_without_passage
        parts.append(f"{passages:,} with a passage" + (f", {alike:,} alike without it" if alike else ""))
    kinds = Counter(kind for question in file.questions if (kind := question.label_kind))
    listed = ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common())
    parts.append(f"{kinds.total():,} with a label ({listed})" if kinds else "none with a label")
    return "; ".join(parts)


def _labels(labelled: Sequence[Question], kind: AnswerKind, comparer: Comparer) -> str:
    graded = labelled[:GRADED_LABELS]
    result = check_references([{"question": row.question, "answer": row.answer} for row in graded], kind, comparer)
    line = f"labels: {_self_agreement(result, len(labelled))}"
    by_text = [(row.question, row.right_option, row.answer) for row in graded if row.right_option and row.answer]
    if by_text:
        named = count_named(by_text, kind, comparer)
        line += f"; {named:,} of {len(by_text):,} right options can be named by their text"
    if result.false_positives:
        first, second = result.false_positives[0]
        count = len(result.false_positives)
        line += f"; {count:,} equal the next row's, written otherwise ({first[:40]!r} and {second[:40]!r})"
    return line


def _self_agreement(result: ReferenceCheck, labels: int) -> str:
    equal = result.problems - len(result.unequal_to_itself)
    text = f"{equal:,} of {result.problems:,} equal themselves"
    if result.problems < labels:
        text += f" (the first of {labels:,})"
    if result.unequal_to_itself:
        answer, status = result.unequal_to_itself[0]
        text += f" (not {answer[:60]!r}: {status}; check `answers` and `format`)"
    return text


def _advice(labelled: Sequence[Question], answers: AnswerConfig) -> list[str]:
    """Return lines that name settings without which the labels cannot be right."""
    kinds = Counter(question.label_kind for question in labelled)
    lines = []
    sets, letters = kinds["set"], kinds["letter"]
    if sets and not answers.several:
        lines.append(f"labels that are sets of letters: {sets:,}; set `answers: {{kind: choice, several: true}}`")
    elif letters and answers.kind in ("math", "text") and any(map(has_options, labelled[:100])):
        lines.append(f"labels that are letters: {letters:,}; set `answers: {{kind: choice}}`")
    elif answers.kind == "math" and not any(map(has_options, labelled[:100])):
        words = sum(bool(_WORDS.fullmatch(question.answer or "")) for question in labelled)
        if words * 2 >= len(labelled):
            lines.append(f"labels that are words: {words:,}; set `answers: {{kind: text}}`")
    commas = [question.answer for question in labelled if _COMMA.fullmatch(question.answer or "")]
    if commas and answers.kind == "math":
        lines.append(
            f"labels with a comma between digits: {len(commas):,} (the first: {commas[0]!r}); "
            "a comma separates members of a list; write a decimal comma as a point"
        )
    return lines


def has_options(question: Question) -> bool:
    """Return whether a question has options, in fields of their own or in its text."""
    return bool(question.options) or options_of(question.question).are_lettered


def _listed(names: Sequence[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def check_row(file: QuestionFile, row: int) -> None:
    """Raise InputError if a file has no question of this number, from 1."""
    if not 1 <= row <= len(file.questions):
        raise InputError(f"{file.path} has {len(file.questions):,} questions; found --row {row}")


def _asked(file: QuestionFile, prompt: AnswerPrompt, row: int) -> list[str]:
    check_row(file, row)
    question = file.questions[row - 1]
    text = prompt.template.replace("{question}", question.question)
    shown = text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]} … ({len(text):,} characters)"
    system = [f"system: {prompt.system}"] if prompt.chat and prompt.system else []
    extra = [f"{name}: {value}" for name in ("level", "subject") if (value := getattr(question, name))]
    return [
        f"{question.location} is asked{' in a chat' if prompt.chat else ''} as:",
        *system,
        *(f"  {line}" for line in shown.splitlines()),
        f"label: {question.answer if question.answer is not None else 'none'}",
        *extra,
    ]
