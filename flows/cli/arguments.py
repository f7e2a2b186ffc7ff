"""What all commands share: how they are declared, and how they read a config or open a run."""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from flows.config.load import load_config
from flows.config.run import RunConfig
from flows.run_progress import config_of_run
from storage.errors import InputError
from storage.run import open_run
from storage.store import Store

AddOptions = Callable[[argparse.ArgumentParser], object]


@dataclass(frozen=True, slots=True)
class Command:
    """One command of `serl`."""

    name: str
    help: str
    action: Callable[[argparse.Namespace], None]
    options: tuple[AddOptions, ...] = ()
    """Functions that add the command's arguments to its parser."""

    def add_to(self, subparsers: Any) -> None:
        """Add the command to the parser of `serl`, without a help line: `serl --help` lists commands by group."""
        command = subparsers.add_parser(self.name, description=_sentence(self.help))
        for add in self.options:
            add(command)
        command.set_defaults(action=self.action)


@dataclass(frozen=True, slots=True)
class CommandGroup:
    """Commands that belong together in `serl --help`."""

    title: str
    commands: tuple[Command, ...]


def option(*names: str, **settings: Any) -> AddOptions:
    """Return a function that adds one argument, as `ArgumentParser.add_argument` takes it."""
    return lambda command: command.add_argument(*names, **settings)


ON_A_CONFIG = (
    option("config", type=Path, help="YAML file, such as configs/quickstart.yaml"),
    option("--set", action="append", default=[], metavar="KEY=VALUE", help="override a setting"),
)
"""Arguments of a command that takes a config."""

ON_A_RUN = (option("run", help="a run: runs/quickstart, or s3://bucket/prefix/name"),)
"""Argument of a command that takes a run."""


def load(options: argparse.Namespace) -> RunConfig:
    """Load the config of a command with the arguments `ON_A_CONFIG`; print a note for each old name of a setting."""
    return load_config(options.config, options.set, note=lambda line: print(f"note: {line}", file=sys.stderr))


def config_of(uri: str) -> RunConfig:
    """Return the settings of a run. Raises InputError if the run does not lie where its settings say."""
    config = config_of_run(open_run(uri))
    if Store(config.uri).root != Store(uri).root:
        raise InputError(f"{uri} was made as {config.uri}; run from the folder where that path leads to it")
    return config


def print_line(line: str) -> None:
    """Print a line as it is, without markup or wrapping."""
    Console().print(line, highlight=False, soft_wrap=True, markup=False)


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
