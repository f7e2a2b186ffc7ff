"""Commands that keep a run in order: repair, gc."""

import argparse

from rich.console import Console

from flows.cli.arguments import ON_A_RUN, Command, CommandGroup, config_of, option
from flows.cli.run import do_run
from storage.run import open_run
from storage.store import Store


def _repair(options: argparse.Namespace) -> None:
    from flows.maintenance.repair import drop_damaged_revisions, set_damage_aside

    console, store = Console(), Store(options.run)
    store.check_reachable()
    for path in drop_damaged_revisions(store):
        console.print(f"damaged  {store.uri}/{path}: an earlier revision takes its place", soft_wrap=True)
    config = config_of(options.run)
    if not set_damage_aside(config, store, console):
        console.print("no damage: every file has the digest that its manifest records")
    do_run(config)


def _gc(options: argparse.Namespace) -> None:
    from flows.maintenance.garbage import collect_garbage

    open_run(options.run)  # raises if there is no run
    collect_garbage(Store(options.run), Console(), yes=options.yes)


GROUP = CommandGroup(
    "maintain",
    (
        Command("repair", "check every digest and compute again just what is damaged", _repair, ON_A_RUN),
        Command(
            "gc",
            "show the files that nothing needs, and remove them if you confirm",
            _gc,
            (*ON_A_RUN, option("--yes", action="store_true", help="remove without asking")),
        ),
    ),
)
