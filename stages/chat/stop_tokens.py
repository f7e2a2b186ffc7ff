"""The tokens that end a response: all that the model's files name, and the one that ends a turn of its chats."""

import json
from pathlib import Path
from typing import Any

from stages.model_folder import read_model_config
from storage.errors import InputError

GENERATION_CONFIG = "generation_config.json"


def stop_ids(folder: Path, tokenizer: Any, end_of_turn: int | None) -> list[int]:
    """Return the tokens that end a response, ascending.

    They are those of generation_config.json, those of config.json (of the whole model and of its language model), the
    tokenizer's, and `end_of_turn`, which the chat template writes behind an answer. A model that was published without
    one of these files, or with an incomplete one, ends its turns all the same.

    A token of the tokenizer alone that the model does not have is left out: it never comes.

    Raises InputError, naming the file, if a file is malformed or names a token that the model does not have.
    """
    config = read_model_config(folder)
    vocabulary = config.vocabulary
    declared = [
        *_token_ids(folder / GENERATION_CONFIG, _generation_config(folder), vocabulary),
        *_token_ids(folder / "config.json", config.values, vocabulary),
        *_token_ids(folder / "config.json", config.text, vocabulary),
    ]
    of_tokenizer = [token for token in (tokenizer.eos_token_id, end_of_turn) if token is not None]
    return sorted({*declared, *(token for token in of_tokenizer if token < vocabulary)})


def _generation_config(folder: Path) -> dict[str, Any]:
    path = folder / GENERATION_CONFIG
    if not path.exists():
        return {}
    try:
        values = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read ({error}); copy the model's own there, or remove it") from None
    if not isinstance(values, dict):
        raise InputError(f"{path} holds {type(values).__name__}, expected a JSON object; copy the model's own there")
    return values


def _token_ids(path: Path, values: dict[str, Any], vocabulary: int) -> list[int]:
    declared = values.get("eos_token_id")
    token_ids = declared if isinstance(declared, list) else [] if declared is None else [declared]
    if not all(isinstance(token, int) and not isinstance(token, bool) for token in token_ids):
        raise InputError(f"{path}: eos_token_id is {json.dumps(declared)[:60]}; expected a number or a list of numbers")
    if unknown := [token for token in token_ids if not 0 <= token < vocabulary]:
        raise InputError(
            f"{path}: eos_token_id holds {unknown[0]}, but the model has the tokens 0 to {vocabulary - 1}; copy the "
            "model's own there, or remove the entry"
        )
    return token_ids
