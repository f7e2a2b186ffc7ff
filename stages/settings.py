"""The base of every settings model: frozen, and an unknown key is an error rather than a silent no-op."""

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """Frozen pydantic model that refuses unknown keys. Knows no torch, so a config loads in milliseconds."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True, use_attribute_docstrings=True
    )
