"""ROUGE-L similarity of candidate questions to all questions that were ever accepted.

The scores equal those of the `rouge_score` package without stemming, for every candidate against every text of the
bank. Tens of millions of pairs are scored in a second, where `rouge_score` scores thousands. Departs from the paper in
the texts that are compared: the paper checks against the seeds and the current batch, so that later batches may repeat
earlier ones.
"""

import re
import sys
from array import array
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import LCSseq
from rapidfuzz.process import cdist, cpdist

# Chinese and Japanese have no spaces, so every character is a word. In other scripts, a word is a run of letters or
# digits. On ASCII text that is the rule of rouge_score, which would drop every word of a text in another script.
SPACELESS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_ASCII_WORD = re.compile(r"[a-z0-9]+")
_WORD = re.compile(rf"[{SPACELESS}]|(?:(?![{SPACELESS}])[^\W_])+")

_UNSHARED_LETTERS = 192
"""Number of the 256 letters (see `RougeLBank`) that stand for a single word each. The words that appear first get them,
since most of these are common."""
_BLOCK = 1 << 20
"""Pairs whose second bounds are computed at a time; these 2 MiB fit into the cache of a processor."""
_THREADED_PAIRS = 1 << 16
"""Number of pairs from which several threads are faster than one."""
_SIMD_WORDS = 64
"""rapidfuzz compares several texts with one instruction if they have at most this many words."""
_SIMD_TEXTS = 8
"""Number of texts that fill such an instruction."""
_ROUNDING = 1e-9
"""In words: more than the rounding error of a computed number of words, and less than a word."""
_NOT_FOUND = np.iinfo(np.int64).max


def tokenize(text: str) -> list[str]:
    """Return the words of a text in lower case. For ASCII text they equal the tokens of rouge_score."""
    lowered = text.lower()
    return (_ASCII_WORD if lowered.isascii() else _WORD).findall(lowered)


def distinct_share(texts: Iterable[str], n: int) -> float | None:
    """Return distinct-n: the share of different ones among all runs of n words (Li et al. 2016, arXiv 1510.03055).

    None if no text has n words. The share falls with the number of texts, so compare it between equal numbers only.
    """
    runs = [tuple(words[start : start + n]) for words in map(tokenize, texts) for start in range(len(words) - n + 1)]
    return len(set(runs)) / len(runs) if runs else None


class RougeLBank:
    """Texts to compare candidates with, in buckets of similar word count.

    The F-measure of two texts of m and n words with a longest common subsequence of L words is 2L / (m + n). Two upper
    bounds of L save most of the work. A pair is skipped only if a bound shows that it cannot change the result, so
    results are exact. The first bound is min(m, n). It excludes whole buckets, because those with the highest bounds
    are searched first. The second bound is the longest common subsequence after each word was replaced by one of 256
    letters. It takes about 15 ns for a pair and is rarely above L.
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._ids: dict[str, int] = {}
        self._buckets: dict[int, _Texts] = {}
        self._size = 0
        self.add(texts)

    def __len__(self) -> int:
        return self._size

    def add(self, texts: Iterable[str]) -> None:
        """Append texts. The index of a text counts the texts of all calls, from 0."""
        for text in texts:
            if ids := [self._ids.setdefault(word, len(self._ids)) for word in tokenize(text)]:
                self._buckets.setdefault(_bucket(len(ids)), _Texts()).append(self._size, len(ids), ids)
            self._size += 1

    def nearest(self, texts: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return the highest F-measure of each text against the bank, and the smallest index with that F-measure.

        Two arrays [texts]. A text without words, or without a word of the bank, has F-measure 0 and index -1.
        """
        return self._nearest_above(texts, 0.0)

    def above(self, texts: Sequence[str], threshold: float) -> NDArray[np.bool_]:
        """Return whether each text has an F-measure above `threshold` with some text of the bank; array [texts].

        `threshold` is from 0 to 1.
        """
        return self._nearest_above(texts, threshold)[1] >= 0

    def _nearest_above(self, texts: Sequence[str], threshold: float) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return the same as `nearest`, but only F-measures above `threshold` count."""
        groups: dict[int, _Texts] = {}
        for row, text in enumerate(texts):
            words = tokenize(text)
            # A word that is not in the bank is in no common subsequence, but counts in the number of words.
            if ids := [self._ids[word] for word in words if word in self._ids]:
                groups.setdefault(_bucket(len(ids)), _Texts()).append(row, len(words), ids)
        best = _Best(len(texts), threshold)
        for group in groups.values():
            self._compare(group, best)
        return best.result()

    def _compare(self, group: "_Texts", best: "_Best") -> None:
        """Compare candidates of similar length with every bucket, those with the highest bounds first."""
        candidates = group.block(slice(None))
        known_words = np.array([len(text) for text in candidates.folded])
        bounds = []
        for bucket in self._buckets.values():
            best_length = np.clip(known_words, bucket.shortest, bucket.longest)
            bounds.append((2 * np.minimum(known_words, best_length) / (candidates.words + best_length), bucket))
        for bound, bucket in sorted(bounds, key=lambda pair: -pair[0].max()):
            rows = np.flatnonzero(bound >= best.scores[candidates.numbers])
            if not rows.size:
                continue
            part, step = candidates.take(rows), max(1, _BLOCK // rows.size)
            for start in range(0, len(bucket), step):
                _compare_block(part, bucket.block(slice(start, start + step)), best)


class _Block(NamedTuple):
    """Some texts of the bank, or some of the candidates."""

    numbers: NDArray[np.int64]
    """[texts], indices in the bank, or rows of the candidates."""
    words: NDArray[np.int64]
    """[texts], number of words of each text."""
    ids: "list[array[int]]"
    """Of each text, the ids of its words that are in the bank."""
    folded: list[bytes]
    """The same with one letter for each word. Words may share a letter, so common subsequences can only get longer."""

    def take(self, rows: NDArray[np.int64]) -> "_Block":
        """Return the texts at `rows`."""
        ids, folded = [self.ids[row] for row in rows], [self.folded[row] for row in rows]
        return _Block(self.numbers[rows], self.words[rows], ids, folded)


class _Texts:
    """A growing list of texts of similar length, with the columns of `_Block`."""

    def __init__(self) -> None:
        self.shortest, self.longest = sys.maxsize, 0
        self._numbers, self._words = array("q"), array("q")
        self._ids: list[array[int]] = []
        self._folded: list[bytes] = []

    def __len__(self) -> int:
        return len(self._folded)

    def append(self, number: int, words: int, ids: Sequence[int]) -> None:
        self.shortest, self.longest = min(self.shortest, words), max(self.longest, words)
        self._numbers.append(number)
        self._words.append(words)
        self._ids.append(array("i", ids))
        letters = [i if i < _UNSHARED_LETTERS else _UNSHARED_LETTERS + i % (256 - _UNSHARED_LETTERS) for i in ids]
        self._folded.append(bytes(letters))

    def block(self, part: slice) -> _Block:
        """Return the texts of a slice."""
        return _Block(np.array(self._numbers[part]), np.array(self._words[part]), self._ids[part], self._folded[part])


class _Best:
    """For each candidate, the highest score above a threshold so far, and the smallest index with that score."""

    def __init__(self, candidates: int, threshold: float) -> None:
        self.scores = np.full(candidates, np.nextafter(threshold, np.inf))
        """[candidates], the lowest score that may still change the result."""
        self._indices = np.full(candidates, _NOT_FOUND)

    def improved_by(
        self, rows: NDArray[np.int64], scores: NDArray[np.float64], indices: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Return the indices of those pairs that would be the best of their candidate. All arguments are [pairs]."""
        best_scores = self.scores[rows]
        return np.flatnonzero((scores > best_scores) | ((scores == best_scores) & (indices < self._indices[rows])))

    def update(self, rows: NDArray[np.int64], scores: NDArray[np.float64], indices: NDArray[np.int64]) -> None:
        """Include the scores of pairs. All arguments are [pairs]."""
        better = self.improved_by(rows, scores, indices)
        order = better[np.lexsort((-indices[better], scores[better]))]
        # The best pair of a row is assigned last, and the last assignment stays.
        self.scores[rows[order]], self._indices[rows[order]] = scores[order], indices[order]

    def result(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return scores and indices, two arrays [candidates]; 0 and -1 for a candidate without a score that counts."""
        has_score = self._indices < _NOT_FOUND
        return np.where(has_score, self.scores, 0.0), np.where(has_score, self._indices, -1)


def _compare_block(candidates: _Block, bank: _Block, best: _Best) -> None:
    """Score every pair whose bound allows it to be the best of its candidate."""
    bounds = _common_lengths(candidates.folded, bank.folded)
    # Score the text with the highest bound first: its score excludes most others.
    _score(candidates, bank, bounds, np.arange(len(bounds)), bounds.argmax(axis=1), best)
    needed_words = np.ceil(best.scores[candidates.numbers] * (candidates.words + bank.words.min()) / 2 - _ROUNDING)
    least_bound = needed_words.clip(1, np.iinfo(bounds.dtype).max).astype(bounds.dtype)
    pairs = np.flatnonzero(bounds >= least_bound[:, None])
    _score(candidates, bank, bounds, *np.divmod(pairs, len(bank.folded)), best)


def _score(
    candidates: _Block,
    bank: _Block,
    bounds: NDArray[np.signedinteger],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    best: _Best,
) -> None:
    """Score those of the pairs at `rows` and `columns` of `bounds` that may be the best of their candidate."""
    total_words = candidates.words[rows] + bank.words[columns]
    # The same division as for scores. Rounding is monotone, so no bound is rounded below its score.
    score_bounds = 2 * bounds[rows, columns] / total_words
    pairs = best.improved_by(candidates.numbers[rows], score_bounds, bank.numbers[columns])
    if pairs.size:
        rows, columns, total_words = rows[pairs], columns[pairs], total_words[pairs]
        left, right = [candidates.ids[row] for row in rows], [bank.ids[column] for column in columns]
        common = cpdist(left, right, scorer=LCSseq.similarity, dtype=np.int64)
        best.update(candidates.numbers[rows], 2 * common / total_words, bank.numbers[columns])


def _common_lengths(candidates: list[bytes], bank: list[bytes]) -> NDArray[np.signedinteger]:
    """Return the lengths of the longest common subsequences of all pairs; array [candidates, bank]."""
    longest_candidate, longest_text = max(map(len, candidates)), max(map(len, bank))
    dtype = np.int16 if max(longest_candidate, longest_text) < 1 << 14 else np.int32  # twice a length has to fit
    workers = -1 if len(candidates) * len(bank) >= _THREADED_PAIRS else 1
    # rapidfuzz compares several texts of its first argument with one instruction, if they are short.
    swap = longest_text <= _SIMD_WORDS < longest_candidate and len(candidates) >= _SIMD_TEXTS
    left, right = (bank, candidates) if swap else (candidates, bank)
    common: NDArray[np.signedinteger] = cdist(left, right, scorer=LCSseq.similarity, dtype=dtype, workers=workers)
    return np.ascontiguousarray(common.T) if swap else common


def _bucket(words: int) -> int:
    """Return the largest word count in the bucket of texts with `words` words: 8, 12, 16, 24, 32, 48, 64, 96, …"""
    step = 1 << max((words - 1).bit_length() - 2, 0)
    return max(8, -(-words // step) * step)
