"""Text that a tokenizer would read as control tokens, such as "<|im_end|>" in a question, stays text.

The tokenizer is given such text with a joint inside ("<" + joint + "|im_end|>"), which no control token has. The tokens
of the joint are then taken out again. So all other tokens are those that the tokenizer makes of the whole prompt.
"""

import re
from collections.abc import Iterable
from typing import Any

from stages.chat.control_tokens import is_control_token
from storage.errors import InputError

JOINT = "\ue0ff"
"""A private character of Unicode, which stands in no text; it is removed from text that has it."""
_ATTEMPTS = 3
"""Times that a joint is put into text that a tokenizer reads as a control token only after it has normalised it."""


class ControlText:
    """The control tokens of a tokenizer, as text and as ids."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self.tokens = control_token_ids(tokenizer)
        """Text of a control token -> its id."""
        self._texts = {index: token for token, index in self.tokens.items()}
        self._ids = set(self._texts)
        any_token = _any_of(self.tokens)
        self._pattern = re.compile(any_token) if any_token else None
        # One character, if a control token starts there: tokens that overlap are all found, in one pass. Two of
        # "</think>", because some templates remove "/think" from a content, as a switch.
        first = "." if "</" in self.tokens else "</|."
        self._starts = re.compile(f"(?={any_token})(?:{first})", re.DOTALL) if any_token else None
        self._unknown = tokenizer.unk_token_id
        self._normalises = _normalises_control_tokens(tokenizer)

    def found_in(self, text: str) -> str | None:
        """Return the first control token in a text, None without one."""
        match = self._pattern.search(text) if self._pattern else None
        return match[0] if match else None

    def all_in(self, text: str) -> list[str]:
        """Return the control tokens in a text, from left to right."""
        return self._pattern.findall(text) if self._pattern else []

    def jointed(self, text: str) -> str:
        """Return a text with a joint in each control token. A joint that the text already has is removed."""
        text = text.replace(JOINT, "")
        if self._starts is None or self.found_in(text) is None:
            return text
        return self._starts.sub(lambda match: match[0] + JOINT, text)

    def encode(self, text: str) -> list[int]:
        """Return the token ids of a text with joints, without those of the joints.

        Raises InputError if the tokenizer cannot read the text around a joint as plain text.
        """
        if JOINT not in text and not self._normalises:
            return list(self._tokenizer.encode(text, add_special_tokens=False))
        if not self._tokenizer.is_fast:
            return self._encode_pieces(text)
        for _ in range(_ATTEMPTS):
            encoding = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
            tokens = list(zip(encoding["input_ids"], encoding["offset_mapping"], strict=True))
            misread = [
                end - len(text[start:end].lstrip())
                for token, (start, end) in tokens
                if self._is_misread(token, text[start:end])
            ]
            if not misread:
                return self._without_joints(text, tokens)
            for start in reversed(misread):
                text = text[: start + 1] + JOINT + text[start + 1 :]
        raise _unreadable(text, misread[0], misread[0] + 1)

    def _is_misread(self, token: int, text: str) -> bool:
        """Return whether a control token stands for other characters, which the tokenizer has normalised."""
        return token in self._ids and token != self._unknown and text.strip() != self._texts[token].strip()

    def _without_joints(self, text: str, tokens: Iterable[tuple[int, tuple[int, int]]]) -> list[int]:
        joints = {index for index, character in enumerate(text) if character == JOINT}
        ids = []
        for token, (start, end) in tokens:
            if joints.isdisjoint(range(start, end)):
                ids.append(token)
            elif not joints.issuperset(range(start, end)):
                if token != self._unknown:
                    raise _unreadable(text, start, end)
                ids.append(token)  # for unknown characters around the joint, which have one token together
        return ids

    def _encode_pieces(self, text: str) -> list[int]:
        """Return the token ids of the pieces between joints, for tokenizers that do not say where a token stands."""
        pieces = [self._tokenizer.encode(piece, add_special_tokens=False) for piece in text.split(JOINT)]
        ids = [token for piece in pieces for token in piece]
        plain = text.replace(JOINT, "")
        decoded = str(self._tokenizer.decode(ids, clean_up_tokenization_spaces=False))
        if JOINT in text and decoded.strip() != plain.strip():
            start = text.index(JOINT)
            raise _unreadable(text, start, start + 1)
        return ids


def control_token_ids(tokenizer: Any) -> dict[str, int]:
    """Return text of a control token -> its id."""
    return {
        str(token): index
        for index, token in sorted(tokenizer.added_tokens_decoder.items())
        if is_control_token(str(token), token.special)
    }


def _unreadable(text: str, start: int, end: int) -> InputError:
    around = text[max(0, start - 20) : end + 20].replace(JOINT, "")
    return InputError(f"the tokenizer cannot read {around!r} as plain text; remove it from the question")


def _normalises_control_tokens(tokenizer: Any) -> bool:
    """Return whether a tokenizer may read other characters as a control token, such as full-width ones."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None or backend.normalizer is None:
        return False
    return any(token.normalized for token in tokenizer.added_tokens_decoder.values())


def _any_of(texts: Iterable[str]) -> str:
    """Return a regular expression of several texts that looks at each character once; the longest text matches.

    An alternation would try thousands of control tokens one after another.
    """
    trie: dict[str, Any] = {}
    for text in texts:
        node = trie
        for character in text:
            node = node.setdefault(character, {})
        node[""] = {}  # a text ends here
    return _expression(trie)


def _expression(node: dict[str, Any]) -> str:
    branches = [re.escape(character) + _expression(child) for character, child in node.items() if character]
    if not branches:
        return ""
    if len(branches) == 1 and "" not in node:
        return branches[0]
    return f"(?:{'|'.join(branches)}){'?' if '' in node else ''}"
