"""`serl repair`: find damaged files by their digests, and set them aside so that they are computed again."""

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress

from flows.config.run import RunConfig
from flows.maintenance.staleness import explain_recomputation
from flows.run_progress import find_finished
from storage.errors import CorruptArtifact, IncompatibleCode, SerlError
from storage.lease import hold_lease
from storage.repair import Damage, find_damage, set_aside
from storage.run import newest_revision
from storage.store import Store


def set_damage_aside(config: RunConfig, store: Store, console: Console) -> bool:
    """Check all files that manifests list and all parts of unfinished stages, and set the damaged ones aside.

    Return whether there was any damage. Raises IncompatibleCode, and changes nothing, if there is damage and this
    version of the code gives a stage of the run another meaning: the run could not go on, and less of it would be
    readable.
    """
    with hold_lease(store):
        damages = _find_damage(store, console)
        for damage in damages:
            console.print(f"damaged  {damage.message}", highlight=False, soft_wrap=True, markup=False)
        if damages:
            _check_code(config, store)
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


def _check_code(config: RunConfig, store: Store) -> None:
    try:
        explain_recomputation(find_finished(config, store), store)
    except IncompatibleCode:
        raise
    except SerlError:  # the damage itself, or a missing input file, which the run names when it goes on
        return


def _find_damage(store: Store, console: Console) -> list[Damage]:
    with Progress(*Progress.get_default_columns(), MofNCompleteColumn(), console=console, transient=True) as bar:
        task = bar.add_task("checking digests", total=None)
        return list(find_damage(store, lambda done, total, _: bar.update(task, completed=done, total=total)))
