"""Explain why a finished stage would run again: changed settings are reported, changed code is refused.

Users may change settings, and exactly what depends on them is computed again. A later version of this software may
give a stage another meaning. Without the refusal, it would recompute weeks of work without a word, although no setting
changed.
"""

from typing import Any

from flows.config.diff import differences, flatten
from flows.run_progress import RunProgress
from flows.runners import PendingStage
from stages.evaluate import EVALUATE
from stages.settings import is_left_out_by_default
from storage.artifact import Manifest, parse_manifest
from storage.code_version import code_version
from storage.errors import IncompatibleCode
from storage.run import newest_revision
from storage.store import Store
from storage.tables import columns, version_of


def explain_recomputation(progress: RunProgress, store: Store) -> list[str]:
    """Return a line for each change that makes a finished stage run again; no line for a plain resume.

    Raises IncompatibleCode if this version of the code gives the stage another meaning.
    """
    pending, revision = progress.pending, newest_revision(store)
    if pending is None or revision is None:
        return []
    finished = revision.iterations.get(pending.iteration, {})
    path = finished.get(pending.name)
    if path is None and EVALUATE.name in finished and pending.stage.name != EVALUATE.name:
        return [
            f"iteration {pending.iteration}: {pending.name} was not part of it and runs now, and what depends on it is "
            "computed again; what was there is kept"
        ]
    data = store.read_many([path] if path else [])
    if path is None or path not in data:
        return []
    before = parse_manifest(store, path, data[path])
    if before.key == pending.key:
        return []
    changes = _setting_changes(before, pending)
    if reasons := _code_changes(before, pending) or ([] if changes else ["has another identity"]):
        raise IncompatibleCode(
            f"{store.uri} was made by serl {before.code}; this is {code_version()}, in which {pending.stage.name} "
            f"{'; '.join(reasons)}: it and all that follows would be computed again. Go on with the version that made "
            "it, or give the run another `name`"
        )
    consequence = f"iteration {pending.iteration}: {pending.stage.name} and what depends on it is computed again"
    return [f"{consequence}, since {change}; what was there is kept" for change in changes]


def _code_changes(before: Manifest, pending: PendingStage) -> list[str]:
    stage, reasons = pending.stage, []
    if before.version != stage.version:
        reasons.append(f"has version {stage.version} instead of {before.version}")
    for name, schema in stage.tables.items():
        output = before.outputs.get(name)
        if output is None or (output.version, output.columns) != (version_of(schema), columns(schema)):
            reasons.append(f"writes another table {name}")
    settings_now = flatten(pending.settings.model_dump(mode="json"))
    settings_before = flatten(before.config)
    # Names also change if a user sets a group that was null, or the reverse, or a setting that dumps leave out while it
    # has its default. Those are changes of settings, not of code.
    names_in_one_only = [
        name
        for name in sorted(settings_now.keys() ^ settings_before.keys())
        if not any(name.startswith(f"{group}.") for group in {**settings_now, **settings_before})
        and not is_left_out_by_default(type(pending.settings), name)
    ]
    if names_in_one_only:
        reasons.append(f"knows other settings ({', '.join(names_in_one_only)})")
    return reasons


def _setting_changes(before: Manifest, pending: PendingStage) -> list[str]:
    settings = flatten(pending.settings.model_dump(mode="json"))
    changes: list[str] = [
        f"{name} was {value_before} and is {value_now}"
        for name, value_before, value_now in differences(flatten(before.config), settings)
    ]
    inputs: dict[str, Any] = {name: f"{ref.kind}:{ref.key}" for name, ref in pending.inputs.items()}
    changes += [f"its input {name} is another one" for name, _, _ in differences(before.inputs, inputs)]
    if before.branch != pending.branch:
        changes.append(f"the watchdog's rollbacks so far were {before.branch} and are {pending.branch}")
    if before.seed != pending.seed:
        changes.append(f"the seed was {before.seed} and is {pending.seed}")
    return changes
