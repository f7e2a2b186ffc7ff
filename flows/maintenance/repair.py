"""`serl repair`: find damaged files by their digests, and set them aside so that they are computed again."""

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress

from storage.errors import CorruptArtifact
from storage.lease import hold_lease
from storage.repair import Damage, find_damage, set_aside
from storage.run import newest_revision
from storage.store import Store


def set_damage_aside(store: Store, console: Console) -> bool:
    """Check all files that manifests list and all parts of unfinished stages, and set the damaged ones aside.

    Return whether there was any damage.
    """
    with hold_lease(store):
        damages = _find_damage(store, console)
        for damage in damages:
            console.print(f"damaged  {damage.message}", highlight=False, soft_wrap=True, markup=False)
        for line in set_aside(store, damages):
            console.print(f"again    {line}", highlight=False, soft_wrap=True, markup=False)
    return bool(damages)


def drop_damaged_revisions(store: Store) -> list[str]:
    """Move unreadable revisions to `damaged/`, so that an older one takes their place. Return their paths."""
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


def _find_damage(store: Store, console: Console) -> list[Damage]:
    with Progress(*Progress.get_default_columns(), MofNCompleteColumn(), console=console, transient=True) as bar:
        task = bar.add_task("checking digests", total=None)
        return list(find_damage(store, lambda done, total, _: bar.update(task, completed=done, total=total)))
