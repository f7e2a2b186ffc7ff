"""`serl data`: show a file of questions as a run would read it, and the shapes of rows that are known."""

import argparse
from typing import Any

from flows.cli.arguments import Command, option, print_line
from storage.errors import InputError


def _data(options: argparse.Namespace) -> None:
    if options.what == "presets":
        _presets()
    elif options.file is None:
        raise InputError("expected a file: serl data show FILE")
    else:
        _show(options)


def _row_format(value: Any) -> Any:
    """Return the setting `format`; messages and configs write its name in front: `format: {…}`."""
    return value["format"] if isinstance(value, dict) and list(value) == ["format"] else value or {}


def _message(error: Exception) -> str:
    """Return what is wrong with an option, in one line."""
    if not hasattr(error, "errors"):
        return " ".join(str(error).split())
    first = error.errors()[0]
    name = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        return f"unknown setting {name}"
    return f"{name}: {first['msg'].removeprefix('Value error, ')}"


def _presets() -> None:
    from stages.question_files.shapes import SHAPES

    width = max(map(len, SHAPES))
    for name, shape in SHAPES.items():
        print_line(f"{name:<{width}}  {shape.title}")


def _show(options: argparse.Namespace) -> None:
    import yaml
    from pydantic import ValidationError

    from flows.preflight.question_files import check_row, describe_file, has_options
    from stages.answers.algebra.verifier import Verifier
    from stages.answers.kinds import answer_config, load_kind
    from stages.question_files.read import read_questions
    from stages.question_files.shapes import with_preset
    from stages.settings.answers import AnswerSettings
    from stages.settings.questions import QuestionFormat
    from stages.settings.sample import AnswerPrompt

    try:
        row_format = QuestionFormat.model_validate(_row_format(yaml.safe_load(options.format)))
        kind = options.kind
        answers = AnswerSettings(kind=kind or "math", several=kind == "choice" and options.several)
    except (ValidationError, yaml.YAMLError) as error:
        raise InputError(f"--format or --kind: {_message(error)}") from None
    try:
        file = read_questions(
            options.file,
            "file",
            with_preset(row_format),
            on_bad_row="skip" if options.skip_bad_rows else "error",
            needs_answer=False,
            drop_doubles=False,
        )
    except InputError as error:
        raise InputError(str(error).replace("`on_bad_row: skip`", "--skip-bad-rows")) from None
    check_row(file, options.row)
    if kind is None and all(map(has_options, file.questions[:100])):
        is_set = any(question.label_kind == "set" for question in file.questions)
        answers = AnswerSettings(kind="choice", several=is_set)
        print_line(f"graded as `answers: {{kind: choice{', several: true' if is_set else ''}}}`")
    elif kind is None and any(question.answer is not None for question in file.questions):
        print_line("graded as `answers: {kind: math}`, the default; `--kind` grades as another kind")
    config = answer_config(answers)
    with Verifier() as verifier:
        for line in describe_file(file, config, load_kind(config), AnswerPrompt(), verifier, row=options.row):
            print_line(line)


COMMAND = Command(
    "data",
    "show how a file of questions is read (serl data show FILE), or the known shapes of rows (serl data presets)",
    _data,
    (
        option("what", choices=("show", "presets"), help="show a file, or list the presets of `format`"),
        option("file", nargs="?", metavar="FILE", help="a file of questions, or a folder of files"),
        option("--row", type=int, default=1, metavar="N", help="which question to show, from 1"),
        option(
            "--format",
            default="{}",
            metavar="YAML",
            help="the setting `format`: '{preset: medqa}', '{fields: {question: stem}}'",
        ),
        option(
            "--kind",
            metavar="KIND",
            help="kind of answers: math (default without options), choice, text, or file.py:NAME",
        ),
        option("--several", action="store_true", help="kind choice: a label may be several letters (answers.several)"),
        option("--skip-bad-rows", action="store_true", help="leave out rows that cannot be used (on_bad_row: skip)"),
    ),
)
