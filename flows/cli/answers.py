"""`serl answers`: show how an answer is read, and whether it equals a gold answer."""

import argparse
import sys

from flows.cli.arguments import Command, option, print_line
from storage.errors import InputError


def _answers(options: argparse.Namespace) -> None:
    from pydantic import ValidationError

    from stages.answers.algebra.verifier import Verifier
    from stages.answers.explain import explain
    from stages.answers.kinds import answer_config, load_kind
    from stages.settings.answers import AnswerSettings

    try:
        settings = AnswerSettings(
            kind=options.kind,
            boxed_only=options.boxed_only,
            several=options.several,
            count_truncated=options.count_truncated,
        )
    except ValidationError as error:
        raise InputError(f"--kind {options.kind}: {error.errors()[0]['msg'].removeprefix('Value error, ')}") from None
    if options.gold is not None and not options.gold.strip():
        raise InputError("--gold is blank; expected the correct answer, or leave --gold out")
    config = answer_config(settings)
    with Verifier(workers=1) as verifier:
        steps = explain(
            load_kind(config),
            sys.stdin.read() if options.text == "-" else options.text,
            options.question,
            gold=options.gold,
            truncated=options.truncated,
            settings=config,
            comparer=verifier,
        )
        for step in steps:
            print_line(f"{step.name:<10} {step.text}")


COMMAND = Command(
    "answers",
    "show step by step how an answer is read, and why it is correct or not",
    _answers,
    (
        option("text", metavar="TEXT", help="a response, or an answer; - reads it from the standard input"),
        option(
            "--kind", default="math", help="kind of answers: math (default), choice, text, or file.py:NAME of your own"
        ),
        option(
            "--question",
            default="",
            metavar="Q",
            help="the question, with its options for kind choice: 'Which? (A) x (B) y'",
        ),
        option("--gold", metavar="G", help="the correct answer, or a solution that ends in it"),
        option("--truncated", action="store_true", help="the response was cut off at the token limit"),
        option(
            "--count-truncated",
            action="store_true",
            help="read such a response like any other (answers.count_truncated)",
        ),
        option("--boxed-only", action="store_true", help="only a box counts (answers.boxed_only)"),
        option(
            "--several", action="store_true", help="kind choice: an answer may be several letters (answers.several)"
        ),
    ),
)
