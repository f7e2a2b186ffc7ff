"""The tokenizer of a policy, and the parts that all engines with real models share. No torch here."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import AutoConfig, AutoTokenizer, GenerationConfig, PreTrainedTokenizerFast
from transformers.utils import GENERATION_CONFIG_NAME

from stages.engines.base import Batch, EngineCounters, check_request
from stages.model_folder import ModelConfig, read_model_config
from storage.errors import InputError

_IGNORED = ("_name_or_path", "transformers_version", "dtype", "torch_dtype", "use_cache")
"""Entries of config.json in which two models of one architecture may differ, besides those for dropout."""


class PolicyTokenizer:
    """Tokenizer of a model folder, with the tokens that end a response and the number of tokens that the model knows.

    Raises InputError, naming the folder, if tokenizer or config.json are missing or unusable.
    """

    def __init__(self, folder: Path) -> None:
        self._tokenizer = load_tokenizer(folder)
        config = read_model_config(folder)
        self.vocabulary = config.vocabulary
        """Number of tokens that the model's embeddings have."""
        self.eos_ids = _eos_ids(folder, config, self._tokenizer)
        """Tokens that end a response, ascending."""

    def encode(self, text: str) -> list[int]:
        """See `Engine.encode`."""
        return list(self._tokenizer.encode(text, add_special_tokens=False))

    def encode_chat(self, messages: list[dict[str, str]]) -> list[int]:
        """See `Engine.encode_chat`."""
        if not self._tokenizer.chat_template:
            raise InputError(
                f"policy {self._tokenizer.name_or_path} has no chat template: add one to its tokenizer, or use a plain "
                "prompt"
            )
        return list(self._tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False))

    def decode(self, token_ids: Sequence[int]) -> str:
        """See `Engine.decode`."""
        return self.decode_all([token_ids])[0]

    def decode_all(self, rows: Sequence[Sequence[int]]) -> list[str]:
        """Return the text of every row, as `decode` does."""
        return list(self._tokenizer.batch_decode(rows, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def check(self, batch: Batch, max_model_tokens: int) -> None:
        """Raise InputError if a prompt cannot be answered (see `check_request`), or holds an unknown token."""
        check_request(batch, max_model_tokens)
        for row, prompt in enumerate(batch.prompts):
            if max(prompt) >= self.vocabulary:
                raise InputError(
                    f"prompt {row} holds token {max(prompt)}, but the policy knows only {self.vocabulary} tokens: "
                    "its tokenizer and its weights do not belong together"
                )


class TokenizingEngine:
    """The part of an `Engine` (see base) that needs no model: the policy's key and tokenizer."""

    def __init__(self) -> None:
        self.counters = EngineCounters()
        self._key: str | None = None
        self._tokenizer: PolicyTokenizer | None = None

    @property
    def policy_key(self) -> str | None:
        return self._key

    @property
    def tokenizer(self) -> PolicyTokenizer:
        """The policy's tokenizer. Raises RuntimeError if the engine holds no policy."""
        if self._key is None or self._tokenizer is None:
            raise RuntimeError("the engine holds no policy: call load(folder, key) first")
        return self._tokenizer

    def encode(self, text: str) -> list[int]:
        return self.tokenizer.encode(text)

    def encode_chat(self, messages: list[dict[str, str]]) -> list[int]:
        return self.tokenizer.encode_chat(messages)

    def decode(self, token_ids: Sequence[int]) -> str:
        return self.tokenizer.decode(token_ids)


def load_tokenizer(folder: Path) -> Any:
    """Return the tokenizer of a model folder, exactly as its tokenizer.json has it.

    Raises InputError if the tokenizer is missing or unusable.

    AutoTokenizer is used only for folders without a tokenizer.json, for two reasons. It rebuilds some tokenizers:
    transformers 5 replaces normalizer, word pattern and special tokens for `qwen2` by those of its own class, and may
    add ids beyond the model's vocabulary. And it makes an empty tokenizer, without an error, if the folder has none.
    """
    if not folder.is_dir():
        raise InputError(f"model folder {folder} does not exist")
    loader = PreTrainedTokenizerFast if (folder / "tokenizer.json").exists() else AutoTokenizer
    try:
        tokenizer = loader.from_pretrained(folder, local_files_only=True)
        usable = bool(tokenizer.encode("1 and 2", add_special_tokens=False))
    except Exception as error:  # libraries that read files, some in Rust, raise anything, Exception itself included
        raise InputError(f"model folder {folder}: its tokenizer cannot be read ({first_line(error)})") from error
    if not usable:
        raise InputError(
            f"model folder {folder} has no tokenizer: expected tokenizer.json in the folder; copy it there"
        )
    return tokenizer


def architecture(folder: Path) -> str:
    """Return a digest of a model's shape and tokenizer. Raises InputError if config.json cannot be read.

    Two folders have the same digest if a running engine can load the weights of either in place of the other's.
    """
    config = {
        name: value
        for name, value in _normalised_config(folder).items()
        if name not in _IGNORED and not ("dropout" in name or name.endswith("pdrop"))
    }
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
    tokens = folder / "tokenizer.json"
    if tokens.exists():
        digest.update(tokens.read_bytes())
    return digest.hexdigest()


def _normalised_config(folder: Path) -> dict[str, Any]:
    """Return config.json in the terms of the installed transformers; folders from the hub often use older terms."""
    as_written = read_model_config(folder).values
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (ValueError, KeyError, OSError):  # a model that transformers does not know, but vLLM may
        return as_written
    values: dict[str, Any] = config.to_dict()
    return values


def first_line(error: Exception) -> str:
    """Return the first line of an error message, or the error's name if the message is empty."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def _eos_ids(folder: Path, config: ModelConfig, tokenizer: Any) -> list[int]:
    """Return the tokens that end a response (often two in chat models).

    They are the tokenizer's, and those of the generation config, or of config.json if there is no generation config.
    """
    declared: int | list[int] | None = config.eos_token_ids
    if (folder / GENERATION_CONFIG_NAME).exists():
        declared = GenerationConfig.from_pretrained(folder, local_files_only=True).eos_token_id
    declared_ids = declared if isinstance(declared, list) else [declared]
    return sorted({i for i in [*declared_ids, tokenizer.eos_token_id] if i is not None})
