"""`serl data`: show a file of questions, or a data set of the hub, as a run would read it; list the known shapes."""

import argparse
from pathlib import Path
from typing import Any

from flows.cli.arguments import Command, option, print_line
from storage.errors import InputError


def _data(options: argparse.Namespace) -> None:
    if options.what == "presets":
        _presets()
    elif options.file is None:
        raise InputError("expected a file or a data set of the hub: serl data show FILE, or serl data show OWNER/NAME")
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


def _with_options(message: str) -> str:
    """Return a message with the names of options instead of those of settings."""
    for setting, name in (("`on_bad_row: skip`", "--skip-bad-rows"), ("`config`", "--config"), ("`split`", "--split")):
        message = message.replace(setting, name)
    return message


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
    from stages.hub.names import parse_name
    from stages.question_files.hub_layout import has_rows_ending
    from stages.question_files.hub_split import data_set_commits, find_split, is_data_set
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
        source, label = options.file, "file"
        if is_data_set(source):
            commits = data_set_commits(source, {})
            source, label = find_split(source, options.config, options.split, commits), "data set"
        elif not Path(source).exists() and parse_name(source, "dataset") and not has_rows_ending(source):
            raise InputError(
                f"file or folder {source} does not exist, and the hub is not asked for a data set of this name, "
                f"because {source.partition('/')[0]} exists here; run the command in another folder to ask the hub"
            )
        elif options.config or options.split:
            raise InputError(f"--config and --split go with a data set of the hub; found the file {source}")
        file = read_questions(
            source,
            label,
            with_preset(row_format),
            on_bad_row="skip" if options.skip_bad_rows else "error",
            needs_answer=False,
            drop_doubles=False,
        )
    except InputError as error:
        raise InputError(_with_options(str(error))) from None
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
    "show how a file or data set of questions is read (serl data show FILE), or the known shapes (serl data presets)",
    _data,
    (
        option("what", choices=("show", "presets"), help="show a file or data set, or list the presets of `format`"),
        option(
            "file",
            nargs="?",
            metavar="FILE",
            help="a file of questions, a folder of files, or OWNER/NAME of a data set of the Hugging Face hub, which "
            "is downloaded into its cache",
        ),
        option("--config", metavar="NAME", help="configuration of a data set of the hub, such as main"),
        option("--split", metavar="NAME", help="split of a data set of the hub, such as train"),
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
