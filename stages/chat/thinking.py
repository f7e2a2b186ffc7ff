"""Thinking in token ids: marks that are control tokens vanish in decoding, so they are found before.

In decoded text, thinking whose marks are control tokens stands between <think> and </think>, whatever the model's
family writes. So tables show it, and `stages.answers.response.thinking` removes it. Both use one table of marks.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from stages.answers.response.thinking import MARKS
from stages.chat.control_text import control_token_ids

START, END = "<think>", "</think>"
"""The marks in decoded text."""
_TAIL = 96
"""Tokens at the end of a prompt that are searched for an open block."""
_SECTION = re.compile(r"<\|(?:open|close)\|>[^<]{0,40}<\|sep\|>")
"""A mark of Kimi K3, as in <|open|>response<|sep|>: a name between control tokens, which is no text of the response."""
WRITTEN_MARKS = "\n".join(
    match[0] for known in MARKS for mark in (known.opening, known.ending) for match in mark.finditer(known.example)
)
"""A mark of each family. Control tokens that stand in a mark do not end a turn."""
_Edit = tuple[int, int, str]
"""(start, end, text that replaces it)."""


class _Pair(NamedTuple):
    clue: str
    """Lower-case text that stands wherever the marks do."""
    opening: re.Pattern[str]
    ending: re.Pattern[str]
    anywhere: bool
    """Whether ordinary text counts as well as control tokens."""


class _Shown(NamedTuple):
    """Token ids as text, control tokens included."""

    text: str
    control: list[tuple[int, int]]
    """(start, end) of each control token in the text."""
    dropped: list[_Edit]
    """The edits that remove those that decoding removes: a token that is not special stays in decoded text."""


class Thinking:
    """Finds thinking in the token ids of a tokenizer's prompts and responses.

    `marks`: further pairs (start, end) of texts, for a model of no known family. They may be control tokens or not.
    """

    def __init__(self, tokenizer: Any, marks: Sequence[tuple[str, str]] = ()) -> None:
        self._tokenizer = tokenizer
        self._pairs = [_Pair(known.clue, known.opening, known.ending, False) for known in MARKS]
        self._pairs += [
            _Pair("", re.compile(re.escape(start)), re.compile(re.escape(end)), True) for start, end in marks
        ]
        self._has_further_marks = bool(marks)
        special = {index: str(token) for index, token in tokenizer.added_tokens_decoder.items() if token.special}
        self._special = special.keys()
        self._control = {index: text for text, index in control_token_ids(tokenizer).items()} | special
        clues = {known.clue for known in MARKS}
        self._mark_ids = {
            index
            for index, token in self._control.items()
            if token and (token in WRITTEN_MARKS or any(clue in token.lower() for clue in clues))
        }
        self._anchor = list(tokenizer.encode("a", add_special_tokens=False))
        self._anchor_text = self._decode(self._anchor)
        self._opened = lru_cache(maxsize=4096)(self._opened_by)

    @property
    def tokens(self) -> list[str]:
        """The control tokens that belong to marks of thinking."""
        return [self._control[index] for index in sorted(self._mark_ids)]

    def is_in(self, ids: Sequence[int], prompt: Sequence[int] = ()) -> bool:
        """Return whether a response may have thinking whose marks plain decoding does not show."""
        return self._has_further_marks or not self._mark_ids.isdisjoint(ids) or self.is_open(prompt)

    def text(self, ids: Sequence[int], prompt: Sequence[int] = ()) -> str:
        """Return the text of a response without control tokens, with its thinking between <think> and </think>.

        If the prompt opens a block of thinking, the text starts with <think>, or with the mark that ordinary text of
        the prompt has.
        """
        opened = self._opened(tuple(prompt[-_TAIL:]))
        if self._mark_ids.isdisjoint(ids) and not self._has_further_marks:
            return opened + self._decode(ids)
        shown = self._shown(ids)
        sections = [(match.start(), match.end(), "") for match in _SECTION.finditer(shown.text)]
        return opened + _edited(shown.text, [*self._edits(shown), *sections, *shown.dropped])

    def is_open(self, prompt: Sequence[int]) -> bool:
        """Return whether a prompt ends in a block of thinking that it has opened."""
        return bool(self._opened(tuple(prompt[-_TAIL:])))

    def _opened_by(self, prompt: tuple[int, ...]) -> str:
        """Return the mark of the block of thinking that the end of a prompt opens, "" if it opens none."""
        shown = self._shown(prompt)
        marks = sorted(self._edits(shown))
        start, end, mark = marks[-1] if marks else (0, 0, END)
        if mark == END:
            return self._opened_in_text(shown.text)
        behind = _edited(shown.text, [(0, end, ""), *shown.dropped])
        if not behind.strip():
            return START
        # A template may write the first words of the thinking as well. Then the mark stands behind the control tokens
        # of a turn, and no other is behind the mark. A plain prompt has none, but what its text says of marks.
        turns = [control for control in shown.control if control[0] > 0 and control[1] <= start]
        return START if turns and start < shown.control[-1][1] <= end else ""

    def _opened_in_text(self, text: str) -> str:
        """Return the mark in ordinary text that a prompt ends with, "" without one.

        If the tokenizer has a control token for a mark, a template would write it, and the text is a content's.
        """
        text = text.rstrip()
        last_line = text[text.rfind("\n") + 1 :]
        for pair in self._pairs:
            matches = [match[0] for match in pair.opening.finditer(text) if match.end() == len(text)]
            matches += [last_line] if pair.opening.fullmatch(last_line) else []  # a mark that begins a text
            for mark in matches:
                if not any(token in mark for token in self._control.values() if token):
                    return mark
        return ""

    def _edits(self, shown: _Shown) -> Iterator[_Edit]:
        """Yield the marks of thinking that control tokens belong to, and all further marks."""
        lowered = shown.text.lower()
        for clue, opening, ending, anywhere in self._pairs:
            if clue not in lowered:
                continue
            for pattern, text in ((opening, START), (ending, END)):
                for match in pattern.finditer(shown.text):
                    following = bisect_left(shown.control, (match.end(), 0))
                    if anywhere or (following and shown.control[following - 1][1] > match.start()):
                        yield match.start(), match.end(), text

    def _shown(self, ids: Sequence[int]) -> _Shown:
        parts: list[str] = []
        run: list[int] = []
        control: list[tuple[int, int]] = []
        dropped: list[_Edit] = []
        length = 0
        for token in [*ids, -1]:
            if token in self._control or token < 0:
                parts.append(self._decode_behind(run) if control else self._decode(run))
                length, run = length + len(parts[-1]), []
            else:
                run.append(token)
            if token in self._control:
                parts.append(self._control[token])
                control.append((length, length + len(parts[-1])))
                if token in self._special:
                    dropped.append((*control[-1], ""))
                length += len(parts[-1])
        return _Shown("".join(parts), control, dropped)

    def _decode(self, ids: Sequence[int]) -> str:
        if not ids:
            return ""
        return str(self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def _decode_behind(self, ids: Sequence[int]) -> str:
        """Return the text of token ids that do not begin a response; some tokenizers drop a space at the beginning."""
        text = self._decode([*self._anchor, *ids]) if ids else self._anchor_text
        return text[len(self._anchor_text) :] if text.startswith(self._anchor_text) else self._decode(ids)


def _edited(text: str, edits: Sequence[_Edit]) -> str:
    """Return a text with its edits made, from left to right; of edits that overlap the first and longest counts."""
    parts, position = [], 0
    for start, end, replacement in sorted(edits, key=lambda edit: (edit[0], -edit[1], not edit[2])):
        if start >= position:
            parts += [text[position:start], replacement]
            position = end
    return "".join([*parts, text[position:]])
