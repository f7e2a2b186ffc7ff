"""`serl repair` and `serl gc`: what a person does about a run's damage and leftovers."""

from collections.abc import Sequence

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress
from rich.table import Table

from flows.cli.terminal import size_text
from flows.config.run import config_of_run
from flows.iteration import find_finished
from storage.errors import CorruptArtifact
from storage.garbage import Garbage, find_garbage, remove_garbage
from storage.lease import hold_lease
from storage.repair import Damage, find_damage, set_aside
from storage.run import Run, newest_revision
from storage.store import Store


def set_damage_aside(store: Store, console: Console) -> bool:
    """Look at every byte that manifests list; set aside what is damaged. Returns whether anything was."""
    with hold_lease(store):
        damages = _find_damage(store, console)
        for damage in damages:
            console.print(f"damaged  {damage.what}", highlight=False, soft_wrap=True, markup=False)
        for line in set_aside(store, damages):
            console.print(f"again    {line}", highlight=False, soft_wrap=True, markup=False)
    return bool(damages)


def _find_damage(store: Store, console: Console) -> list[Damage]:
    with Progress(*Progress.get_default_columns(), MofNCompleteColumn(), console=console, transient=True) as bar:
        task = bar.add_task("checking digests", total=None)
        return list(find_damage(store, lambda done, total, _: bar.update(task, completed=done, total=total)))


def collect_garbage(store: Store, console: Console, *, yes: bool) -> None:
    """Show what no manifest refers to, and remove it when `yes` or when the person at the terminal says so."""
    with hold_lease(store):
        garbage = find_garbage(store, _next_key(store))
        if not garbage:
            console.print("nothing to remove: every file is listed by a manifest")
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


def _next_key(store: Store) -> str | None:
    """The stage that a resumed run does next: its finished parts are no garbage."""
    revision = newest_revision(store)
    if revision is None:
        return None
    missing = find_finished(config_of_run(Run(store, revision)), store).missing
    return missing.key if missing else None


def _summary(garbage: Sequence[Garbage]) -> Table:
    reasons: dict[str, list[int]] = {}
    for item in garbage:
        reasons.setdefault(item.reason, []).append(item.bytes)
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("files", "size", "reason"):
        table.add_column(name, justify="left" if name == "reason" else "right")
    for reason, sizes in reasons.items():
        table.add_row(str(len(sizes)), size_text(sum(sizes)), reason)
    return table


def drop_damaged_revisions(store: Store) -> list[str]:
    """Move unreadable revisions to `damaged/`; an older one takes their place. Returns their paths."""
    moved: list[str] = []
    while True:
        try:
            newest_revision(store)
            return moved
        except CorruptArtifact:
            path = f"revisions/{store.names('revisions')[-1]}"
            store.create(f"damaged/{path}", store.read(path))
            store.remove([path])
            moved.append(path)
