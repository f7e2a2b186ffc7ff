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


class ControlText:
    """The control tokens of a tokenizer, as text and as ids."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self.tokens: dict[str, int] = {
            str(token): index
            for index, token in sorted(tokenizer.added_tokens_decoder.items())
            if is_control_token(str(token), token.special)
        }
        """Text of a control token -> its id."""
        longest_first = sorted(self.tokens, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None
        self._ids = set(self.tokens.values())

    def found_in(self, text: str) -> str | None:
        """Return the first control token in a text, None without one."""
        match = self._pattern.search(text) if self._pattern else None
        return match[0] if match else None

    def jointed(self, text: str) -> str:
        """Return a text with a joint in each control token. A joint that the text already has is removed."""
        text = text.replace(JOINT, "")
        while self._pattern and self._pattern.search(text):  # what is left of one may be another: "<<s>|im_end|>"
            text = self._pattern.sub(lambda match: match[0][0] + JOINT + match[0][1:], text)
        return text

    def encode(self, text: str) -> list[int]:
        """Return the token ids of a text with joints, without those of the joints.

        Raises InputError if the tokenizer joins a joint with the text around it.
        """
        if JOINT not in text:
            return list(self._tokenizer.encode(text, add_special_tokens=False))
        encoding = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        joints = {index for index, character in enumerate(text) if character == JOINT}
        ids = []
        for token, (start, end) in zip(encoding["input_ids"], encoding["offset_mapping"], strict=True):
            if joints.isdisjoint(range(start, end)):
                ids.append(token)
            elif end - start > 1:
                around = text[max(0, start - 20) : end + 20].replace(JOINT, "")
                raise InputError(f"the tokenizer cannot read {around!r} as plain text; remove it from the question")
        return ids

    def count(self, ids: Iterable[int]) -> int:
        """Return the number of control tokens among token ids."""
        return sum(token in self._ids for token in ids)
