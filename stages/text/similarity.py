"""ROUGE-L similarity of candidate questions to everything ever accepted.

Same figures as the `rouge_score` package without stemming, but on word ids through rapidfuzz (some 10^7 pairs a second
against 10^3). Departs from the paper only in what the bank holds: it checks against the seeds and the current batch, so
later batches repeat earlier ones.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import LCSseq
from rapidfuzz.process import cdist

from storage.errors import InputError

# Chinese and Japanese write no spaces: there every character is a word. The other branch is one run of letters or
# digits; on ASCII text it is rouge_score's own rule, which would drop every word of a text in another script.
_SPACELESS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_ASCII_WORD = re.compile(r"[a-z0-9]+")
_WORD = re.compile(rf"[{_SPACELESS}]|(?:(?![{_SPACELESS}])[^\W_])+")

_MAX_WORDS = 0x110000  # distinct words: one Unicode code point each
_BLOCK = 1 << 22  # pairs compared at a time: bounds the score matrix at 16 MiB


def tokenize(text: str) -> list[str]:
    """Lower-case words of a text; equals rouge_score's tokens when the text is ASCII."""
    lowered = text.lower()
    return (_ASCII_WORD if lowered.isascii() else _WORD).findall(lowered)


class RougeLBank:
    """Texts to compare candidates with, kept in buckets of equal word count.

    The F-measure of two texts of m and n words with a longest common subsequence of L words is 2L / (m + n). L is at
    most min(m, n), so a whole bucket is left out when its bound cannot matter; results are exact.
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._code_points: dict[str, str] = {}
        self._encoded: dict[int, list[str]] = {}
        self._indices: dict[int, list[int]] = {}
        self._size = 0
        self.add(texts)

    def __len__(self) -> int:
        return self._size

    def add(self, texts: Iterable[str]) -> None:
        """Append texts; their index is the order in which they came, over all calls."""
        for text in texts:
            encoded = self._encode(text)
            self._encoded.setdefault(len(encoded), []).append(encoded)
            self._indices.setdefault(len(encoded), []).append(self._size)
            self._size += 1

    def nearest(self, texts: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Highest F-measure of each text against the bank, and the smallest index that has it; two arrays [texts].

        A text that shares no word with the bank, or has none, scores 0 with index -1.
        """
        scores, indices = np.zeros(len(texts)), np.full(len(texts), -1, dtype=np.int64)
        for length, rows, queries in self._by_length(texts):
            bounds = {bucket: 2 * min(length, bucket) / (length + bucket) for bucket in self._encoded if bucket}
            for bucket in sorted(bounds, key=lambda bucket: -bounds[bucket]):
                if bounds[bucket] < scores[rows].min():
                    break
                for start, common in self._common(queries, bucket, 1):
                    columns = common.argmax(axis=1)
                    found = 2 * common[np.arange(len(rows)), columns] / (length + bucket)
                    where = np.asarray(self._indices[bucket], dtype=np.int64)[start + columns]
                    better = (found > scores[rows]) | ((found == scores[rows]) & (found > 0) & (where < indices[rows]))
                    scores[rows[better]], indices[rows[better]] = found[better], where[better]
        return scores, indices

    def above(self, texts: Sequence[str], threshold: float) -> NDArray[np.bool_]:
        """True for each text whose F-measure with some text of the bank is greater than `threshold`; array [texts]."""
        mask = np.zeros(len(texts), dtype=np.bool_)
        for length, rows, queries in self._by_length(texts):
            for bucket in sorted(self._encoded, key=lambda bucket: abs(bucket - length)):
                # The smallest common subsequence that passes; by the same division as the score, so that a pair
                # exactly at the threshold gives the same answer here and in nearest().
                lengths = np.arange(min(length, bucket) + 1)
                passing = lengths[2 * lengths / (length + bucket) > threshold]
                if not passing.size:
                    continue
                for _, common in self._common(queries, bucket, int(passing[0])):
                    mask[rows] |= (common >= passing[0]).any(axis=1)
                if mask[rows].all():
                    break
        return mask

    def _by_length(self, texts: Sequence[str]) -> Iterator[tuple[int, NDArray[np.int64], list[str]]]:
        """Groups of non-empty texts with equal word count: the count, their rows, their encodings."""
        encoded = [self._encode(text) for text in texts]
        groups: dict[int, list[int]] = {}
        for row, words in enumerate(encoded):
            groups.setdefault(len(words), []).append(row)
        for length, rows in groups.items():
            if length:
                yield length, np.asarray(rows, dtype=np.int64), [encoded[row] for row in rows]

    def _common(self, queries: list[str], bucket: int, at_least: int) -> Iterator[tuple[int, NDArray[np.int32]]]:
        """Common subsequence lengths [queries, block] against each block of a bucket; below `at_least` they read 0."""
        choices = self._encoded[bucket]
        block = max(1, _BLOCK // len(queries))
        for start in range(0, len(choices), block):
            part = choices[start : start + block]
            yield start, cdist(queries, part, scorer=LCSseq.similarity, score_cutoff=at_least, dtype=np.int32)

    def _encode(self, text: str) -> str:
        """One code point per word, the form rapidfuzz compares fastest."""
        known = self._code_points
        words = tokenize(text)
        for word in words:
            if word not in known:
                if len(known) == _MAX_WORDS:
                    raise InputError(f"the similarity bank holds {_MAX_WORDS} different words and cannot take another")
                known[word] = chr(len(known))
        return "".join(known[word] for word in words)
