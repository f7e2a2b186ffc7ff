"""Loads a `RunConfig` from YAML, with overrides, and reports the first invalid setting in one line."""

import difflib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from flows.config.run import RunConfig
from stages.settings import Settings, old_names, with_new_names
from stages.settings.compute import SET_BY_GPUS
from storage.errors import ConfigError


def load_config(
    path: Path, overrides: Sequence[str] = (), note: Callable[[str], None] = lambda line: None
) -> RunConfig:
    """Load a run's settings from a YAML file; each override is `key.subkey=value`.

    A file may extend another one (`extends: other.yaml`, relative to itself) and contain only the differences; groups
    of settings are merged, lists are not. `note` receives a line for each setting that is given under its old name.
    Raises ConfigError with one line about the first fault. The line names the setting and what was expected. An invalid
    setting is reported under `path` even if an override or an extended file set it.
    """
    values = _read_yaml(path, (), note)
    for override in overrides:
        _apply_override(values, override, note)
    _check_gpus_set_once(values, str(path))
    return parse_config(values, str(path))


def parse_config(values: dict[str, Any], source: str) -> RunConfig:
    """Return `values` (dicts, lists, numbers and text) as a RunConfig.

    Raises ConfigError with one line about the first problem, which starts with `source`.
    """
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_explain(error, source)) from None


def _check_gpus_set_once(values: dict[str, Any], source: str) -> None:
    """Raise ConfigError if the user sets both `compute.gpus` and what it sets, even to the default.

    The settings themselves cannot tell: the config that a run stores names every setting.
    """
    compute = values.get("compute")
    if not isinstance(compute, dict) or not compute.get("gpus"):
        return
    for group, name in SET_BY_GPUS:
        if isinstance(settings := compute.get(group), dict) and name in settings:
            raise ConfigError(
                f"{source}: compute: `gpus: all` sets {group}.{name}, which is also set to {settings[name]}; remove "
                "one of the two"
            )


def _read_yaml(path: Path, extended_by: tuple[Path, ...], note: Callable[[str], None]) -> dict[str, Any]:
    """Read a file and the file that it extends. `extended_by` has the files that extend it, the outermost first."""
    if path.resolve() in extended_by:
        raise ConfigError(f"{path} extends itself, through {' and '.join(map(str, extended_by))}")
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        missing = f"{path}, which {extended_by[-1]} extends," if extended_by else str(path)
        raise ConfigError(f"{missing} does not exist; expected a YAML file such as configs/quickstart.yaml") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None
    try:
        values = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: no day of the calendar, such as 2026-02-30
        raise ConfigError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        state = "is empty" if values is None else f"holds {type(values).__name__}"
        raise ConfigError(f"{path} {state}; expected settings such as `name: my-run`")
    base = values.pop("extends", None)
    values = _rename(values, str(path), note)
    if base is None:
        return values
    return _merge(_read_yaml(path.parent / str(base), (*extended_by, path.resolve()), note), values)


def _rename(values: dict[str, Any], source: str, note: Callable[[str], None]) -> dict[str, Any]:
    """Return `values` under the new names of all settings, and call `note` once for each old name."""
    for old, new in old_names(values, RunConfig):
        note(f"{source}: {old} is now called {new}; the old name still works")
    return with_new_names(values, RunConfig)


def _merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in changes.items():
        both_groups = isinstance(value, dict) and isinstance(base.get(name), dict)
        merged[name] = _merge(base[name], value) if both_groups else value
    return merged


def _apply_override(values: dict[str, Any], override: str, note: Callable[[str], None]) -> None:
    name, equals, text = override.partition("=")
    if not equals or not name:
        raise ConfigError(f"--set {override}: expected key=value, such as --set update.learning_rate=1e-6")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise ConfigError(f"--set {override}: {text!r} is not a YAML value") from None
    except ValueError as error:  # no day of the calendar, such as 2026-02-30
        raise ConfigError(f"--set {override}: {text!r} is not a YAML value ({error})") from None
    nested = value
    for key in reversed(name.split(".")):
        nested = {key: nested}
    nested = _rename(nested, f"--set {override}", note)
    for _ in range(name.count(".")):
        ((group, nested),) = nested.items()
        values = values.setdefault(group, {})
        if not isinstance(values, dict):
            raise ConfigError(f"--set {override}: {group} is not a group of settings")
    values.update(nested)


def _explain(error: ValidationError, source: str) -> str:
    """Return one line about the first problem; pydantic's own report has several and links to web pages."""
    problem, *other_problems = error.errors()
    setting = ".".join(str(part) for part in problem["loc"] if part != "")
    others_text = f" (and {len(other_problems)} more)" if other_problems else ""
    if problem["type"] == "extra_forbidden":
        return f"{source}: {setting}: unknown setting{_did_you_mean(problem['loc'])}{others_text}"
    found_text = "" if problem["type"] in ("missing", "value_error") else f", found {str(problem['input'])[:80]!r}"
    message = problem["msg"].removeprefix("Value error, ")
    return f"{source}: {setting + ': ' if setting else ''}{message}{found_text}{others_text}"


def _did_you_mean(location: tuple[int | str, ...]) -> str:
    """Return the nearest known name in the group of settings that holds `location`, or all known names.

    For the full name of a setting, as messages write it (`compute.gpus`), return the groups to write in a file instead.
    """
    group: Any = RunConfig
    for part in location[:-1]:
        if isinstance(part, str) and part in group.model_fields:
            group = _settings_in(group.model_fields[part].annotation)
    name = str(location[-1])
    if "." in name and _is_setting(group, name.split(".")):
        return f"; in a file write {name.replace('.', ': {')}: ...{'}' * name.count('.')}"
    close = difflib.get_close_matches(name, group.model_fields, n=1)
    return f"; did you mean {close[0]}?" if close else f"; known here: {', '.join(group.model_fields)}"


def _is_setting(group: Any, names: Sequence[str]) -> bool:
    """Return whether the names lead from a group of settings to one of its settings."""
    for name in names:
        if group is None or name not in group.model_fields:
            return False
        group = _settings_in(group.model_fields[name].annotation)
    return True


def _settings_in(annotation: Any) -> Any:
    """Return the settings class in `X | None`, `tuple[X, ...]` or `Annotated[str, …] | Annotated[X, …]`."""
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return annotation
    inner = (_settings_in(choice) for choice in getattr(annotation, "__args__", ()))
    return next((settings for settings in inner if settings), None)
