"""Thinking in token ids: marks that are control tokens vanish in decoding, so they are found before.

In decoded text, thinking whose marks are control tokens stands between <think> and </think>, whatever the model's
family writes. So tables show it, and `stages.answers.response.thinking` removes it. Both use one table of marks.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Any

from stages.answers.response.thinking import MARKS

START, END = "<think>", "</think>"
"""The marks in decoded text."""
_TAIL = 64
"""Tokens at the end of a prompt that are searched for an open block."""
_Edit = tuple[int, int, str]
"""(start, end, text that replaces it)."""


class Thinking:
    """Finds thinking in the token ids of a tokenizer's prompts and responses.

    `marks`: further pairs (start, end) of control tokens, for a model of no known family.
    """

    def __init__(self, tokenizer: Any, marks: Sequence[tuple[str, str]] = ()) -> None:
        self._tokenizer = tokenizer
        self._marks = [(known.opening, known.ending) for known in MARKS]
        self._marks += [(re.compile(re.escape(start)), re.compile(re.escape(end))) for start, end in marks]
        self._control = {index: str(token) for index, token in tokenizer.added_tokens_decoder.items()}
        self._special = {index for index, token in tokenizer.added_tokens_decoder.items() if token.special}
        clues = {known.clue for known in MARKS} | {text for pair in marks for text in pair}
        self._mark_ids = {
            index for index, token in self._control.items() if any(clue in token.lower() for clue in clues)
        }

    @property
    def tokens(self) -> list[str]:
        """The control tokens that belong to marks of thinking."""
        return [self._control[index] for index in sorted(self._mark_ids)]

    def is_in(self, ids: Sequence[int], prompt: Sequence[int] = ()) -> bool:
        """Return whether a response may have thinking whose marks plain decoding does not show."""
        return not self._mark_ids.isdisjoint(ids) or self.is_open(prompt)

    def text(self, ids: Sequence[int], prompt: Sequence[int] = ()) -> str:
        """Return the text of a response without control tokens, with its thinking between <think> and </think>.

        If the prompt opens a block of thinking, the text starts with <think>.
        """
        opened = START if self.is_open(prompt) else ""
        if self._mark_ids.isdisjoint(ids):
            return opened + self._decode(ids)
        shown, control, dropped = self._shown(ids)
        return opened + _edited(shown, [*self._edits(shown, control), *dropped])

    def is_open(self, prompt: Sequence[int]) -> bool:
        """Return whether a prompt ends in a block of thinking that it has opened."""
        if self._mark_ids.isdisjoint(prompt[-_TAIL:]):
            return False
        shown, control, dropped = self._shown(prompt[-_TAIL:])
        marks = sorted(self._edits(shown, control))
        if not marks or marks[-1][2] == END:
            return False
        behind = _edited(shown, [(0, marks[-1][1], ""), *dropped])
        return not behind.strip()

    def _edits(self, shown: str, control: Sequence[tuple[int, int]]) -> Iterator[_Edit]:
        """Yield the marks of thinking that control tokens belong to."""
        for opening, ending in self._marks:
            for pattern, text in ((opening, START), (ending, END)):
                for match in pattern.finditer(shown):
                    following = bisect_left(control, (match.end(), 0))
                    if following and control[following - 1][1] > match.start():
                        yield match.start(), match.end(), text

    def _shown(self, ids: Sequence[int]) -> tuple[str, list[tuple[int, int]], list[_Edit]]:
        """Return the text of token ids with their control tokens, where these stand, and the edits that drop them.

        A control token that is not special ("<think>" of many models) stays in decoded text.
        """
        parts: list[str] = []
        run: list[int] = []
        control: list[tuple[int, int]] = []
        dropped: list[_Edit] = []
        length = 0
        for token in [*ids, -1]:
            if token in self._control or token < 0:
                parts.append(self._decode(run))
                length, run = length + len(parts[-1]), []
            else:
                run.append(token)
            if token in self._control:
                parts.append(self._control[token])
                control.append((length, length + len(parts[-1])))
                if token in self._special:
                    dropped.append((*control[-1], ""))
                length += len(parts[-1])
        return "".join(parts), control, dropped

    def _decode(self, ids: Sequence[int]) -> str:
        if not ids:
            return ""
        return str(self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))


def _edited(text: str, edits: Sequence[_Edit]) -> str:
    """Return a text with its edits made, from left to right; of edits that overlap the first and longest counts."""
    parts, position = [], 0
    for start, end, replacement in sorted(edits, key=lambda edit: (edit[0], -edit[1])):
        if start >= position:
            parts += [text[position:start], replacement]
            position = end
    return "".join([*parts, text[position:]])
