"""`serl gc`: show the files that stages left behind and nothing needs (see `storage.garbage`), and remove them."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from flows.reporting.number_format import size_text
from flows.run_progress import config_of_run, find_finished
from storage.garbage import Garbage, find_garbage, remove_garbage
from storage.lease import hold_lease
from storage.run import Run, newest_revision
from storage.store import Store


def collect_garbage(store: Store, console: Console, *, yes: bool) -> None:
    """Show the files that nothing needs; remove them if `yes`, or if the person at the terminal agrees."""
    with hold_lease(store):
        garbage = find_garbage(store, _pending_key(store))
        if not garbage:
            console.print("nothing to remove")
            return
        console.print(_summary(garbage))
        for item in garbage[:20]:
            console.print(f"  {item.path}", highlight=False, soft_wrap=True, markup=False)
        if len(garbage) > 20:
            console.print(f"  … and {len(garbage) - 20} more")
        if yes or (console.is_terminal and console.input("Remove these files? \\[y/N] ").strip().lower() == "y"):
            remove_garbage(store, garbage)
            console.print("removed")
        else:
            console.print("nothing was removed; `--yes` removes it")


def _pending_key(store: Store) -> str | None:
    """Return the key of the stage that a resumed run executes next; None if the run is finished or not started.

    The finished parts of that stage must be kept.
    """
    revision = newest_revision(store)
    if revision is None:
        return None
    pending = find_finished(config_of_run(Run(store, revision)), store).pending
    return pending.key if pending else None


def _summary(garbage: Sequence[Garbage]) -> Table:
    sizes_by_reason: dict[str, list[int]] = {}
    for item in garbage:
        sizes_by_reason.setdefault(item.reason, []).append(item.bytes)
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("files", "size", "reason"):
        table.add_column(name, justify="left" if name == "reason" else "right")
    for reason, sizes in sizes_by_reason.items():
        table.add_row(str(len(sizes)), size_text(sum(sizes)), reason)
    return table
