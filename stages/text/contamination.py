"""Overlap of a text with the evaluation sets: n words in a row, or the whole text.

Words are those of `similarity.tokenize`: neither case nor punctuation nor LaTeX's backslashes and braces matter, and in
Chinese and Japanese every character is one.
"""

from collections.abc import Iterable, Iterator

from stages.text.similarity import tokenize


class EvaluationOverlap:
    """Knows every run of `words` words of the evaluation problems; one that has fewer matches as a whole only."""

    def __init__(self, problems: Iterable[tuple[str, str]], words: int) -> None:
        """`problems`: (evaluation set, question). `words` = 0 looks for equal texts only."""
        self._words = words
        self._runs: dict[str, set[str]] = {}
        for name, question in problems:
            self._runs.setdefault(name, set()).update(self._runs_of(question))

    def found_in(self, text: str) -> list[str]:
        """Names of the evaluation sets that share a run of words with `text`, in the order they were given."""
        runs = set(self._runs_of(text))
        return [name for name, known in self._runs.items() if not runs.isdisjoint(known)]

    def _runs_of(self, text: str) -> Iterator[str]:
        """All runs of n words, each joined by spaces, which no word holds; the whole text when it has fewer."""
        tokens = tokenize(text)
        if tokens:
            size = min(self._words or len(tokens), len(tokens))
            for start in range(len(tokens) - size + 1):
                yield " ".join(tokens[start : start + size])
