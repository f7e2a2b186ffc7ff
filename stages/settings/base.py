"""The base of all settings: frozen, strict about unknown keys, and able to read a setting's old name."""

from collections.abc import Mapping
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, model_validator


def _complete_schema(schema: dict[str, Any], model: type[BaseModel]) -> None:
    """Number the fields, since Prefect's UI orders them by `position` alone, and write defaults under new names."""
    for position, (name, field) in enumerate(schema.get("properties", {}).items()):
        field["position"] = position
        info = model.model_fields.get(name)
        if info and isinstance(info.default, Settings) and "default" in field:
            field["default"] = info.default.model_dump(mode="json", by_alias=False)


class Settings(BaseModel):
    """A frozen pydantic model that refuses unknown keys.

    A field that has been renamed (see `renamed`) is read under both names and dumped under the old one.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        validate_default=True,
        use_attribute_docstrings=True,
        serialize_by_alias=True,
        json_schema_extra=_complete_schema,
    )

    @model_validator(mode="before")
    @classmethod
    def _read_old_names(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        for name, old in _old_names_of(cls).items():
            if old in values:
                if name in values:
                    raise ValueError(f"{old} is the old name of {name}, and both are set; keep {name}")
                values = {name if key == old else key: value for key, value in values.items()}
        return values


def renamed(old: str, *, default: Any, **constraints: Any) -> Any:
    """Return a field that once had the name `old`.

    Both names are read. Dumps keep `old`, so that keys, manifests and stored configs stay what they were; pass
    `by_alias=False` to `model_dump` for the new name. `constraints` are those of `pydantic.Field`.
    """
    return Field(default, serialization_alias=old, **constraints)


def left_out(default: Any, **constraints: Any) -> Any:
    """Return a field that dumps leave out while it has its default, so that the keys of older runs stay the same.

    `constraints` are those of `pydantic.Field`.
    """
    return Field(default, exclude_if=lambda value: value == default, **constraints)


def old_names(values: Mapping[str, Any], model: type[Settings]) -> list[tuple[str, str]]:
    """Return (old, new) for every setting in raw `values` that is written under its old name, both as dotted names."""
    pairs: list[tuple[str, str]] = []
    _translate(values, model, "", "", pairs)
    return pairs


def with_new_names(values: Mapping[str, Any], model: type[Settings]) -> dict[str, Any]:
    """Return a copy of raw `values` with new names only.

    Files that extend each other and overrides can be merged after this without setting one field under two names. If
    one group holds a setting under both names, both stay: validation raises then.
    """
    translated: dict[str, Any] = _translate(values, model, "", "", [])
    return translated


def is_left_out_by_default(model: type[Settings], name: str) -> bool:
    """Return whether dumps leave out a setting of `model`, given by its dotted name, while it has its default."""
    annotation: Any = model
    for part in name.split("."):
        if get_origin(annotation) is dict:
            annotation = get_args(annotation)[1]
            continue
        group = _group_in(annotation)
        field = group.model_fields.get(_new_name(group, part)) if group else None
        if field is None:
            return False
        if field.exclude_if is not None:
            return True
        annotation = field.annotation
    return False


def _group_in(annotation: Any) -> type[Settings] | None:
    """Return the group of settings that a type is, or may be besides None."""
    choices = (annotation, *get_args(annotation))
    return next((choice for choice in choices if isinstance(choice, type) and issubclass(choice, Settings)), None)


def _translate(values: Any, annotation: Any, old_path: str, new_path: str, pairs: list[tuple[str, str]]) -> Any:
    """Return `values` of a field of type `annotation` under new names; add (old, new) of every old name to `pairs`."""

    def nested(value: Any, inner: Any, old: object, new: object) -> Any:
        return _translate(value, inner, f"{old_path}{old}.", f"{new_path}{new}.", pairs)

    origin, choices = get_origin(annotation), get_args(annotation)
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        if not isinstance(values, Mapping):
            return values
        translated = {}
        for key, value in values.items():
            name = _new_name(annotation, key)
            if name != key:
                pairs.append((f"{old_path}{key}", f"{new_path}{name}"))
            field = annotation.model_fields.get(name)
            is_free = name == key or name not in values
            translated[name if is_free else key] = nested(value, field.annotation, key, name) if field else value
        return translated
    if origin is dict and isinstance(values, Mapping):
        return {key: nested(value, choices[1], key, key) for key, value in values.items()}
    if origin in (tuple, list) and isinstance(values, list | tuple):
        return [nested(value, choices[0], index, index) for index, value in enumerate(values)]
    if origin in (Union, UnionType, Annotated):  # X | None, or X with constraints
        for choice in choices:
            values = _translate(values, choice, old_path, new_path, pairs)
    return values


def _new_name(model: type[Settings], key: str) -> str:
    return next((name for name, old in _old_names_of(model).items() if old == key), key)


def _old_names_of(model: type[Settings]) -> dict[str, str]:
    """Return new name -> old name of the renamed fields."""
    return {name: field.serialization_alias for name, field in model.model_fields.items() if field.serialization_alias}


StopStrings = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...],
    # Left out of dumps when empty: the keys of runs from before this setting stay the same.
    Field(exclude_if=lambda strings: not strings),
]
"""Texts that end a response: the response stops where its text first contains one of them."""
