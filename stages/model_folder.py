"""Reads config.json of a Hugging Face model folder, which no other module does.

torch is not needed.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage.errors import InputError

CHAT_TEMPLATE_FILES = ("tokenizer_config.json", "chat_template.jinja", "chat_template.json")
"""Files of a model folder that may hold its chat template."""

_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The content of a config.json."""

    values: dict[str, Any]
    """All entries, as written."""

    @property
    def text(self) -> dict[str, Any]:
        """The entries about the language model; a multimodal model has them in a group."""
        text: dict[str, Any] = self.values.get("text_config", self.values)
        return text

    @property
    def vocabulary(self) -> int:
        """Number of tokens that the model has embeddings for."""
        return int(self.text["vocab_size"])

    @property
    def context(self) -> int:
        """Most tokens, of prompt and response together, that the model was built for."""
        return int(self.text["max_position_embeddings"])

    @property
    def eos_token_ids(self) -> list[int]:
        """Tokens that end a response; empty if the config names none."""
        declared = self.text.get("eos_token_id")
        token_ids = declared if isinstance(declared, list) else [declared]
        return [token_id for token_id in token_ids if token_id is not None]

    @property
    def bytes_per_weight(self) -> int:
        """Bytes of one weight in the files: 4 for float32, otherwise 2."""
        dtype = self.values.get("dtype") or self.values.get("torch_dtype") or "float32"
        return 4 if dtype == "float32" else 2

    @property
    def hub_name(self) -> str | None:
        """Hugging Face hub name (owner/model) of the model that this one was made from; None if not recorded."""
        names = (group.get("_name_or_path") for group in (self.values, self.text))
        return next((name for name in names if isinstance(name, str) and _HUB_NAME.fullmatch(name)), None)


def has_model_config(folder: Path) -> bool:
    """Return whether the folder has a config.json."""
    return (folder / "config.json").is_file()


def read_model_config(folder: Path) -> ModelConfig:
    """Read config.json of a model folder. Raises InputError with the folder's name if it cannot be read."""
    try:
        values = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"model folder {folder}: its config.json cannot be read ({error})") from error
    if not isinstance(values, dict):
        raise InputError(
            f"model folder {folder}: its config.json holds {type(values).__name__}, expected a JSON object"
        )
    return ModelConfig(values)


def remove_from_model_config(folder: Path, name: str) -> None:
    """Write config.json of a model folder again without the entry `name`."""
    values = {key: value for key, value in read_model_config(folder).values.items() if key != name}
    (folder / "config.json").write_text(json.dumps(values, indent=2, sort_keys=True) + "\n")
