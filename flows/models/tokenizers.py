"""The tokenizers of a run's models, each read once, and how a run asks with them."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.config.run import RunConfig
from stages.chat.options import ChatOptions
from stages.model_folder import CHAT_TEMPLATE_FILES

if TYPE_CHECKING:
    from stages.engines.tokenizer import PolicyTokenizer

_READ = ("tokenizer.json", "config.json", "generation_config.json", *CHAT_TEMPLATE_FILES)


def options_of(config: RunConfig, arguments: Mapping[str, Any]) -> ChatOptions:
    """Return how a run asks a model whose chat template gets these arguments."""
    return ChatOptions(arguments=arguments, day=config.chat_date, thinking_marks=config.thinking_marks)


def tokenizer_in(folder: Path, options: ChatOptions) -> "PolicyTokenizer":
    """Return the tokenizer of a model folder, which asks as the options say.

    Raises InputError if the folder's tokenizer, configuration or stop tokens cannot be used.
    """
    stamps = tuple(file.stat().st_mtime_ns for name in _READ if (file := folder / name).is_file())
    tokenizer = _read_tokenizer(folder, stamps)
    tokenizer.ask_as(options)
    return tokenizer


@lru_cache(maxsize=4)
def _read_tokenizer(folder: Path, stamps: tuple[int, ...]) -> "PolicyTokenizer":
    from stages.engines.tokenizer import PolicyTokenizer

    return PolicyTokenizer(folder)
