"""The tokenizer of a policy, and the parts that all engines with real models share. No torch here."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from transformers import AutoConfig, AutoTokenizer, PreTrainedTokenizerFast

from stages.chat.control_text import ControlText
from stages.chat.options import PLAIN, ChatOptions
from stages.chat.stop_tokens import stop_ids
from stages.chat.template import ChatTemplate, Message, beginning_of, begun, end_of_turn
from stages.chat.thinking import Thinking
from stages.engines.base import Batch, Completion, EngineCounters, check_request, cut_at_stop, find_stop
from stages.model_folder import read_model_config
from storage.errors import InputError, first_line

_IGNORED = ("_name_or_path", "transformers_version", "dtype", "torch_dtype", "use_cache")
"""Entries of config.json in which two models of one architecture may differ, besides those for dropout."""


class PolicyTokenizer:
    """Tokenizer of a model folder: from prompts to token ids, and from the token ids of a response to a completion.

    Raises InputError, naming the folder, if tokenizer or config.json are missing or unusable.
    """

    def __init__(self, folder: Path, chat: ChatOptions = PLAIN) -> None:
        self._folder = folder
        self._tokenizer = load_tokenizer(folder)
        self._control = ControlText(self._tokenizer)
        self._beginning = beginning_of(self._tokenizer)
        self.vocabulary = read_model_config(folder).vocabulary
        """Number of tokens that the model's embeddings have."""
        self._chat: ChatOptions | None = None
        self.ask_as(chat)

    def ask_as(self, chat: ChatOptions) -> None:
        """From now on, treat prompts and responses as `chat` says."""
        if chat == self._chat:
            return  # a tokenizer with thousands of control tokens takes half a second
        self._chat = None
        self._thinking = Thinking(self._tokenizer, chat.thinking_marks)
        end: int | None = None
        self._template: ChatTemplate | InputError
        try:
            self._template = ChatTemplate(
                self._tokenizer,
                f"model folder {self._folder}",
                arguments=chat.arguments,
                day=chat.day,
                control=self._control,
            )
            end = end_of_turn(self._template)
        except InputError as error:  # a model without a usable template may still be asked with plain prompts
            self._template = error
        self.eos_ids = stop_ids(self._folder, self._tokenizer, end)
        """Tokens that end a response, ascending."""
        self._chat = chat

    def stop_ids(self, stop: Sequence[str]) -> list[int]:
        """Return the tokens that end a response with these stop strings, ascending.

        A stop string that is a control token stands for this token, which a response's text does not show.
        """
        tokens = self._control.tokens
        return sorted({*self.eos_ids, *(tokens[text] for text in stop if text in tokens)})

    def encode(self, text: str) -> list[int]:
        """See `Engine.encode`."""
        return begun(self._control.encode(text), self._beginning)

    def as_text(self, content: str) -> str:
        """See `Engine.as_text`."""
        return self._control.jointed(content)

    def encode_chat(self, messages: Sequence[Message]) -> list[int]:
        """See `Engine.encode_chat`."""
        return self.template.encode(messages)

    @property
    def template(self) -> ChatTemplate:
        """The chat template. Raises InputError if the model has none, or none that can be used."""
        if isinstance(self._template, InputError):
            raise self._template
        return self._template

    @property
    def has_template(self) -> bool:
        """Whether the model has a chat template that can be used."""
        return not isinstance(self._template, InputError)

    @property
    def beginning(self) -> str:
        """What every prompt begins with, as text; most often a BOS token, empty for many models."""
        return self.show(self._beginning)

    @property
    def thinking_tokens(self) -> list[str]:
        """The control tokens that are known as marks of thinking."""
        return self._thinking.tokens

    def show(self, token_ids: Sequence[int]) -> str:
        """Return the text of token ids with its special tokens."""
        return str(self._tokenizer.decode(token_ids, clean_up_tokenization_spaces=False))

    def decode(self, token_ids: Sequence[int]) -> str:
        """See `Engine.decode`."""
        return self.decode_all([token_ids])[0]

    def decode_all(self, rows: Sequence[Sequence[int]]) -> list[str]:
        """Return the text of every row, as `decode` does."""
        return list(self._tokenizer.batch_decode(rows, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def complete(self, completion: Completion, prompt: Sequence[int], stop: Sequence[str]) -> Completion:
        """Return a completion, whose text is `decode`'s, cut at its first stop string and with its thinking shown."""
        cut = cut_at_stop(completion, stop, self.decode)
        if not self._thinking.is_in(cut.token_ids, prompt):
            return cut
        text = self._thinking.text(cut.token_ids, prompt)
        # The stop string is looked for in the decoded text: what is shown has marks that the model did not write.
        from_stop = "" if cut is completion else self.decode(cut.token_ids)[len(cut.text) :]
        if from_stop:
            text = text[: -len(from_stop)] if text.endswith(from_stop) else text[: find_stop(text, stop)]
        return replace(cut, text=text)

    def check(self, batch: Batch, max_model_tokens: int) -> None:
        """Raise InputError if a prompt cannot be answered (see `check_request`), or holds an unknown token."""
        check_request(batch, max_model_tokens)
        for row, prompt in enumerate(batch.prompts):
            self.check_tokens(prompt, f"prompt {row}")

    def check_tokens(self, token_ids: Sequence[int], name: str) -> None:
        """Raise InputError if token ids hold one that the model does not know. `name`: what they are, in the error."""
        if token_ids and max(token_ids) >= self.vocabulary:
            raise InputError(
                f"{name} holds token {max(token_ids)}, but the policy knows only {self.vocabulary} tokens: "
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

    @property
    def starting(self) -> str:
        return ""

    def start(self, folder: Path) -> None:
        """Do nothing, because `load` takes no time worth saving."""

    def encode(self, text: str) -> list[int]:
        return self.tokenizer.encode(text)

    def as_text(self, content: str) -> str:
        return self.tokenizer.as_text(content)

    def encode_chat(self, messages: Sequence[Message]) -> list[int]:
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
        _ = tokenizer.unk_token_id  # an empty name of this token sends transformers into an endless recursion
    except Exception as error:  # libraries that read files, some in Rust, raise anything, Exception itself included
        raise InputError(
            f"model folder {folder}: its tokenizer cannot be read ({first_line(error)}); copy the model's own "
            "tokenizer.json and tokenizer_config.json there"
        ) from error
    if not tokenizer.chat_template:
        tokenizer.chat_template = _template_of_processor(folder)
    if not usable:
        raise InputError(
            f"model folder {folder} has no tokenizer: expected tokenizer.json in the folder; copy it there"
        )
    return tokenizer


def _template_of_processor(folder: Path) -> str | None:
    """Return the template in chat_template.json, where models of text and images may have it; None without one."""
    path = folder / "chat_template.json"
    if not path.exists():
        return None
    try:
        template = json.loads(path.read_text())["chat_template"]
    except (OSError, ValueError, KeyError, TypeError):
        template = None
    if not isinstance(template, str):
        raise InputError(f"{path} holds no `chat_template`; copy the model's own there, or remove it")
    return template


def architecture(folder: Path) -> str:
    """Return a digest of a model's shape and tokenizer. Raises InputError if config.json cannot be read.

    Two folders have the same digest if a running engine can load the weights of either in place of the other's.
    """
    config = _shape(_normalised_config(folder))
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
    tokens = folder / "tokenizer.json"
    if tokens.exists():
        digest.update(tokens.read_bytes())
    return digest.hexdigest()


def _shape(config: dict[Any, Any]) -> dict[Any, Any]:
    """Return the entries of a config, and of its groups (such as text_config), in which two models may not differ."""
    return {
        name: _shape(value) if isinstance(value, dict) else value
        for name, value in config.items()
        if name not in _IGNORED and not ("dropout" in str(name) or str(name).endswith("pdrop"))
    }


def _normalised_config(folder: Path) -> dict[str, Any]:
    """Return config.json in the terms of the installed transformers; folders from the hub often use older terms."""
    as_written = read_model_config(folder).values
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (ValueError, KeyError, OSError):  # a model that transformers does not know, but vLLM may
        return as_written
    values: dict[str, Any] = config.to_dict()
    return values
