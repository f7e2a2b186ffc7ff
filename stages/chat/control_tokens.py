"""Which added tokens of a tokenizer count as control text, read from the files of a model folder without transformers.

A tokenizer's added tokens are not only control tokens. Some add runs of spaces (GPT-NeoX, OLMo), tags of HTML (Gemma),
single letters (DeepSeek Coder) or words of a subject. Text that holds these is ordinary text.
"""

import json
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from storage.errors import InputError, first_line

_DELIMITED = re.compile(r"<\S+>|\[\S+\]|◁\S+▷")
_LETTER = re.compile(r"[^\W\d_]")
_HTML = re.compile(
    r"</?(?:table|caption|thead|tbody|tfoot|tr|th|td|blockquote|strong|em|sub|sup|code|pre|br|hr|ol|ul|li|div|span)/?>"
)
_ROLES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
"""Entries of tokenizer_config.json and special_tokens_map.json that name a special token."""
_FURTHER_ROLES = ("additional_special_tokens", "extra_special_tokens")
"""Entries that name several."""
_Tokens = dict[str, bool]
"""Text of an added token -> whether it is special."""


def is_control_token(text: str, special: bool) -> bool:
    """Return whether an added token of a tokenizer counts as control text.

    A special token does, unless it is a single character or white space ("▁" stands for a space). Another token does if
    it looks like a control token: a name of at least two letters in <>, [] or ◁▷ that is no tag of HTML.
    """
    if len(text) < 2 or not text.replace("▁", " ").strip():
        return False
    if special:
        return True
    return bool(_DELIMITED.fullmatch(text)) and len(_LETTER.findall(text)) > 1 and not _HTML.fullmatch(text.lower())


def control_tokens(folder: Path) -> tuple[str, ...]:
    """Return the control tokens of a model folder's tokenizer, in order of their text.

    They are those of tokenizer.json, tokenizer_config.json, special_tokens_map.json and added_tokens.json; a file that
    is missing has none. A token is special if one of the files says so. Each process reads a file again only if its
    size or time of modification has changed.

    Raises InputError, naming the file, if a file is malformed.
    """
    tokens: _Tokens = {}
    for name in _READERS:
        path = folder / name
        if path.is_file():
            state = path.stat()
            for text, special in _added_tokens(path, state.st_size, state.st_mtime_ns).items():
                tokens[text] = special or tokens.get(text, False)
    return tuple(sorted(text for text, special in tokens.items() if is_control_token(text, special)))


class TokenFinder:
    """Finds tokens in texts, in linear time however many tokens there are."""

    def __init__(self, tokens: Iterable[str] = ()) -> None:
        self._tokens = frozenset(tokens)
        self._lengths = sorted({len(token) for token in self._tokens}, reverse=True)
        starts = sorted({token[0] for token in self._tokens})
        self._start = re.compile("|".join(map(re.escape, starts))) if starts else None

    def first_in(self, text: str) -> str | None:
        """Return the first token in a text, of several at one position the longest; None without one."""
        for match in self._start.finditer(text) if self._start else ():
            for length in self._lengths:
                if (piece := text[match.start() : match.start() + length]) in self._tokens:
                    return piece
        return None


@lru_cache(maxsize=64)
def _added_tokens(path: Path, size: int, modified: int) -> _Tokens:
    """Return the added tokens that a file names. `size` and `modified` only tell versions of the file apart."""
    tokens: _Tokens = {}
    try:
        values = json.loads(path.read_bytes())
        for text, special in _READERS[path.name](values):
            text.encode()  # half of a surrogate pair is no text
            tokens[text] = special or tokens.get(text, False)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read ({first_line(error)[:200]}); copy the model's own there") from None
    except (AttributeError, KeyError, TypeError):
        raise InputError(f"{path}: its tokens are not in Hugging Face's format; copy the model's own there") from None
    return tokens


def _of_tokenizer(values: Any) -> Iterator[tuple[str, bool]]:
    for token in values.get("added_tokens") or ():
        yield token["content"], bool(token.get("special"))


def _of_config(values: Any) -> Iterator[tuple[str, bool]]:
    for token in (values.get("added_tokens_decoder") or {}).values():
        yield token["content"], bool(token.get("special"))
    yield from _of_roles(values)


def _of_roles(values: Any) -> Iterator[tuple[str, bool]]:
    several = [values.get(name) or () for name in _FURTHER_ROLES]
    named = [values.get(name) for name in _ROLES]
    for tokens in several:
        named += tokens.values() if isinstance(tokens, dict) else tokens
    for token in named:
        if token is not None:
            yield token if isinstance(token, str) else token["content"], True


def _of_additions(values: Any) -> Iterator[tuple[str, bool]]:
    for text in values.keys():  # noqa: SIM118 - a list is malformed
        yield text, False


_READERS = {
    "tokenizer.json": _of_tokenizer,
    "tokenizer_config.json": _of_config,
    "special_tokens_map.json": _of_roles,
    "added_tokens.json": _of_additions,
}
