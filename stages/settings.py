"""The base of every settings model: frozen, and an unknown key is an error rather than a silent no-op."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field


def _in_order(schema: dict[str, Any]) -> None:
    """Have forms show fields in the order in which they are written down: Prefect's UI goes by `position` alone."""
    for position, found in enumerate(schema.get("properties", {}).values()):
        found["position"] = position


class Settings(BaseModel):
    """Frozen pydantic model that refuses unknown keys. Knows no torch, so a config loads in milliseconds."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        validate_default=True,
        use_attribute_docstrings=True,
        json_schema_extra=_in_order,
    )


StopStrings = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...],
    # Left out of identities where there are none: runs of before there was this setting go on.
    Field(
        description="A response ends where its text first contains one of these.", exclude_if=lambda found: not found
    ),
]
