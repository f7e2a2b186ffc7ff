"""Why a stage that was done is to be done again: changed settings are said, changed code is refused.

Settings are the user's to change, and exactly what depends on them is computed again. But a later version of this
software that gives a stage another meaning would, with the same settings, throw away weeks of work without a word.
"""

from typing import Any

from flows.iteration import Missing, RunProgress
from storage.artifact import Manifest, parse_manifest
from storage.errors import IncompatibleCode
from storage.run import newest_revision
from storage.store import Store
from storage.tables import columns, version_of
from storage.version import code_version


def explain_recomputation(ledger: RunProgress, store: Store) -> list[str]:
    """One line per changed setting (or input) that makes a finished stage run again; none for a run that just goes on.

    Raises IncompatibleCode when not the settings but the code's meaning of a stage has changed.
    """
    missing, revision = ledger.missing, newest_revision(store)
    if missing is None or revision is None:
        return []
    path = revision.iterations.get(missing.iteration, {}).get(missing.stage.name)
    found = store.read_many([path] if path else [])
    if path is None or path not in found:
        return []
    before = parse_manifest(store, path, found[path])
    if before.key == missing.key:
        return []
    changes = _setting_changes(before, missing)
    if reasons := _code_changes(before, missing) or ([] if changes else ["has another identity"]):
        raise IncompatibleCode(
            f"{store.uri} was made by serl {before.code}; this is {code_version()}, in which {missing.stage.name} "
            f"{'; '.join(reasons)}: it and all that follows would be computed again. Go on with the version that made "
            "it, or give the run another `name`"
        )
    what = f"iteration {missing.iteration}: {missing.stage.name} and what depends on it is computed again"
    return [f"{what}, since {change}; what was there is kept" for change in changes]


def _code_changes(before: Manifest, missing: Missing) -> list[str]:
    stage, reasons = missing.stage, []
    if before.version != stage.version:
        reasons.append(f"has version {stage.version} instead of {before.version}")
    for name, schema in stage.tables.items():
        output = before.outputs.get(name)
        if output is None or (output.version, output.columns) != (version_of(schema), columns(schema)):
            reasons.append(f"writes another table {name}")
    now = flatten(missing.settings.model_dump(mode="json"))
    then = flatten(before.config)
    if other := sorted(now.keys() ^ then.keys()):
        # A group that was left out and is given now has other names too; it is a choice of the user's.
        named = [name for name in other if not _is_choice(name, now, then)]
        if named:
            reasons.append(f"knows other settings ({', '.join(named)})")
    return reasons


def _is_choice(name: str, now: dict[str, Any], then: dict[str, Any]) -> bool:
    return any(name.startswith(f"{other}.") for other in {**now, **then})


def _setting_changes(before: Manifest, missing: Missing) -> list[str]:
    now = flatten(missing.settings.model_dump(mode="json"))
    changes = [f"{name} was {was} and is {now_is}" for name, was, now_is in differences(flatten(before.config), now)]
    inputs = {name: f"{ref.kind}:{ref.key}" for name, ref in missing.inputs.items()}
    changes += [f"its input {name} is another one" for name, _, _ in differences(before.inputs, inputs)]
    if before.branch != missing.branch:
        changes.append(f"the watchdog's rollbacks so far were {before.branch} and are {missing.branch}")
    if before.seed != missing.seed:
        changes.append(f"the seed was {before.seed} and is {missing.seed}")
    return changes


def flatten(values: Any, prefix: str = "") -> dict[str, Any]:
    """Nested settings as `{"update.learning_rate": 1e-6}`; lists stay whole."""
    if not isinstance(values, dict) or not values:
        return {prefix: values}
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= flatten(value, f"{prefix}.{name}" if prefix else name)
    return flat


def differences(first: dict[str, Any], second: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """(name, value in `first`, value in `second`) of what differs; None where there is no such name."""
    names = [*first, *(name for name in second if name not in first)]
    return [(name, first.get(name), second.get(name)) for name in names if first.get(name) != second.get(name)]
