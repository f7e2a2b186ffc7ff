"""Reads config.json of a Hugging Face model folder, which no other module does.

torch is not needed. transformers is imported only inside a function, for entries that config.json leaves out.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage.errors import InputError

CHAT_TEMPLATE_FILES = ("tokenizer_config.json", "chat_template.jinja", "chat_template.json")
"""Files of a model folder that may hold its chat template."""
MORE_TEMPLATES = "additional_chat_templates"
"""Folder in a model folder that may hold chat templates with a name (NAME.jinja)."""
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The content of a config.json."""

    values: dict[str, Any]
    """All entries, as written."""
    folder: Path
    """The model folder."""

    @property
    def text(self) -> dict[str, Any]:
        """The entries about the language model; a multimodal model has them in a group."""
        text: dict[str, Any] = self.values.get("text_config", self.values)
        return text

    @property
    def vocabulary(self) -> int:
        """Number of tokens that the model has embeddings for. Raises InputError if the number is not known."""
        return self._number("vocab_size")

    @property
    def context(self) -> int:
        """Most tokens, of prompt and response together, that the model was built for.

        Raises InputError if the number is not known.
        """
        return self._number("max_position_embeddings")

    def _number(self, entry: str) -> int:
        """Return a positive number of the language model.

        A published config may leave out what is the default of its architecture (Gemma 3), or have another name for it
        (GPT-2). transformers knows both.
        """
        number = self.text[entry] if entry in self.text else _completed_by_transformers(self.folder, entry)
        is_whole = isinstance(number, int) or (isinstance(number, float) and number.is_integer())
        if not is_whole or isinstance(number, bool) or number < 1:
            raise InputError(
                f"model folder {self.folder}: {entry} in its config.json is {json.dumps(number)[:60]}; expected a "
                "positive number"
            )
        return int(number)

    @property
    def bytes_per_weight(self) -> int:
        """Bytes of one weight in the files: 4 for float32, otherwise 2."""
        dtypes = [group.get(name) for group in (self.values, self.text) for name in ("dtype", "torch_dtype")]
        return 4 if next(filter(None, dtypes), "float32") == "float32" else 2

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
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"model folder {folder}: its config.json cannot be read ({error})") from error
    if not isinstance(values, dict):
        raise InputError(
            f"model folder {folder}: its config.json holds {type(values).__name__}, expected a JSON object"
        )
    if not isinstance(text := values.get("text_config", {}), dict):
        raise InputError(
            f"model folder {folder}: text_config in its config.json is {json.dumps(text)[:60]}, expected a JSON "
            "object; copy the model's own config.json there"
        )
    return ModelConfig(values, folder)


def _completed_by_transformers(folder: Path, entry: str) -> Any:
    """Return an entry about the language model, as transformers completes the config."""
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        return getattr(config.get_text_config(), entry)
    except Exception:  # an unknown model, a malformed config, or an entry that this kind of model does not have
        raise InputError(
            f"model folder {folder}: its config.json has no {entry}, and transformers does not know it for this model; "
            "add the entry"
        ) from None


def remove_from_model_config(folder: Path, name: str) -> None:
    """Write config.json of a model folder again without the entry `name`."""
    values = {key: value for key, value in read_model_config(folder).values.items() if key != name}
    (folder / "config.json").write_text(json.dumps(values, indent=2, sort_keys=True) + "\n")
