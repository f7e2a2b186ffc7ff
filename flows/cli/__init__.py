"""The command line, `serl` (see `serl --help`). One module per group of commands: run, inspect, maintain, servers.

Errors that a user can act on print as one line and exit with code 2. Heavy imports (Prefect, torch) happen inside the
commands that need them, so that `serl show` answers at once.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from flows.cli import inspect, maintain, run, servers
from flows.cli.arguments import CommandGroup
from flows.shutdown import EXIT_CODE, MESSAGE, Terminated, stoppable
from storage.code_version import code_version
from storage.errors import SerlError
from storage.home import ensure_home

GROUPS: tuple[CommandGroup, ...] = (run.GROUP, inspect.GROUP, maintain.GROUP, servers.GROUP)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `serl`; return the exit code."""
    options = parser().parse_args(arguments)
    try:
        ensure_home()
        with stoppable():
            options.action(options)
    except SerlError as error:
        print(f"serl: {error}", file=sys.stderr)
        return 2
    except Terminated:
        print(MESSAGE, file=sys.stderr)
        return EXIT_CODE
    except KeyboardInterrupt:
        print("serl: stopped; run the same command again to go on from here", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `serl show ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line; `options.action` is the function of the command."""
    parser = argparse.ArgumentParser(
        prog="serl",
        description="Self-play reinforcement learning for language models.",
        epilog=_commands_by_group(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND", help="one of the commands below")
    for group in GROUPS:
        for command in group.commands:
            command.add_to(subparsers)
    return parser


class _Version(argparse.Action):
    """Prints the version. The version is looked up only then, because the look-up runs git and takes time."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(f"{parser.prog} {code_version()}")
        parser.exit()


def _commands_by_group() -> str:
    width = max(len(command.name) for group in GROUPS for command in group.commands)
    lines = []
    for group in GROUPS:
        lines += [f"{group.title}:", *(f"  {command.name:<{width}}  {command.help}" for command in group.commands), ""]
    return "\n".join([*lines, "`serl COMMAND --help` lists the options of a command."])
