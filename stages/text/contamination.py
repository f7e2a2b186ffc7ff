"""Overlap of a text with the evaluation sets: n words in a row, or the whole text.

Words are those of `similarity.tokenize`. Case, punctuation and LaTeX's backslashes and braces do not matter, and every
Chinese or Japanese character is a word.
"""

from collections.abc import Iterable, Iterator

from stages.text.similarity import tokenize


class EvaluationOverlap:
    """An index of all runs of `words` words in the evaluation problems.

    A problem or text with fewer words overlaps only with an equal one.
    """

    def __init__(self, problems: Iterable[tuple[str, str]], words: int) -> None:
        """`problems`: (evaluation set, question). With `words` = 0 only equal texts overlap."""
        self._words = words
        self._runs: dict[str, set[str]] = {}
        for name, question in problems:
            self._runs.setdefault(name, set()).update(self._runs_of(question))

    def overlapping_sets(self, text: str) -> list[str]:
        """Return the names of the evaluation sets that share a run of words with `text`, in the order of `problems`."""
        text_runs = set(self._runs_of(text))
        return [name for name, set_runs in self._runs.items() if not text_runs.isdisjoint(set_runs)]

    def _runs_of(self, text: str) -> Iterator[str]:
        """Yield all runs of `words` words of a text, joined by spaces; the whole text if it has fewer words."""
        tokens = tokenize(text)
        if tokens:
            size = min(self._words or len(tokens), len(tokens))
            for start in range(len(tokens) - size + 1):
                yield " ".join(tokens[start : start + size])
