"""Overlap of a question with the evaluation sets: exact text, or n words in a row."""

import re
from collections.abc import Iterable, Iterator

WORD = re.compile(r"\w+")


class EvaluationOverlap:
    """Knows every run of `words` words of the evaluation problems."""

    def __init__(self, problems: Iterable[tuple[str, str]], words: int) -> None:
        """`problems`: (evaluation set, question). `words` = 0 looks for equal texts only."""
        self._words = words
        self._sets: dict[tuple[str, ...], str] = {}
        for name, question in problems:
            for run in self._runs(question):
                self._sets.setdefault(run, name)

    def found_in(self, question: str) -> str | None:
        """The name of an evaluation set that shares a run of words with `question`, or None."""
        return next((self._sets[run] for run in self._runs(question) if run in self._sets), None)

    def _runs(self, question: str) -> Iterator[tuple[str, ...]]:
        """All runs of n words, and the whole text: an evaluation question shorter than n words matches as a whole."""
        tokens = tuple(WORD.findall(question.lower()))
        if tokens:
            yield tokens
        if self._words:
            for start in range(len(tokens) - self._words + 1):
                yield tokens[start : start + self._words]
