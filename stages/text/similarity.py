"""ROUGE-L similarity of candidate questions to everything ever accepted.

Same figures as the `rouge_score` package without stemming, for every candidate against every text of the bank, at tens
of millions of pairs a second against its thousands. Departs from the paper only in what the bank holds: it checks
against the seeds and the current batch, so later batches repeat earlier ones.
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

# Chinese and Japanese write no spaces: there every character is a word. The other branch is one run of letters or
# digits; on ASCII text it is rouge_score's own rule, which would drop every word of a text in another script.
SPACELESS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_ASCII_WORD = re.compile(r"[a-z0-9]+")
_WORD = re.compile(rf"[{SPACELESS}]|(?:(?![{SPACELESS}])[^\W_])+")

_OWN_LETTERS = 192  # of the 256, those that stand for one word: the first words to come, mostly the common ones
_BLOCK = 1 << 20  # pairs bounded at a time: their 2 MiB stay in the processor's cache
_MANY = 1 << 16  # pairs from which on a thread is worth its start
_SHORT = 64  # words: rapidfuzz compares several texts with one instruction if they are no longer, ...
_FEW = 8  # ... and this many texts fill it
_ROUNDING = 1e-9  # words: more than the rounding error of a number of words, less than a word
_NOT_FOUND = np.iinfo(np.int64).max


def tokenize(text: str) -> list[str]:
    """Lower-case words of a text; equals rouge_score's tokens when the text is ASCII."""
    lowered = text.lower()
    return (_ASCII_WORD if lowered.isascii() else _WORD).findall(lowered)


def distinct_share(texts: Iterable[str], n: int) -> float | None:
    """Share of distinct ones among all runs of n words of the texts (distinct-n, Li et al. 2016, arXiv 1510.03055).

    None without any. It depends on how many texts there are: compare equal numbers of them.
    """
    runs = [tuple(words[start : start + n]) for words in map(tokenize, texts) for start in range(len(words) - n + 1)]
    return len(set(runs)) / len(runs) if runs else None


class RougeLBank:
    """Texts to compare candidates with, kept in buckets of similar word count.

    The F-measure of two texts of m and n words with a longest common subsequence of L words is 2L / (m + n). Two upper
    bounds of L spare most of the work; a pair is left out only when its bound shows that it cannot matter, so results
    are exact. The first is min(m, n): it leaves out whole buckets, since the most promising ones are searched first.
    The second is the common subsequence after folding the words to an alphabet of 256 letters: it takes some 15 ns a
    pair, and it rarely exceeds L.
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._ids: dict[str, int] = {}
        self._buckets: dict[int, _Texts] = {}
        self._size = 0
        self.add(texts)

    def __len__(self) -> int:
        return self._size

    def add(self, texts: Iterable[str]) -> None:
        """Append texts; their index is the order in which they came, over all calls."""
        for text in texts:
            if ids := [self._ids.setdefault(word, len(self._ids)) for word in tokenize(text)]:
                self._buckets.setdefault(_bucket(len(ids)), _Texts()).append(self._size, len(ids), ids)
            self._size += 1

    def nearest(self, texts: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Highest F-measure of each text against the bank, and the smallest index that has it; two arrays [texts].

        A text that shares no word with the bank, or has none, scores 0 with index -1.
        """
        return self._nearest_above(texts, 0.0)

    def above(self, texts: Sequence[str], threshold: float) -> NDArray[np.bool_]:
        """True for each text whose F-measure with some text of the bank is greater than `threshold`; array [texts].

        The threshold is from 0 to 1.
        """
        return self._nearest_above(texts, threshold)[1] >= 0

    def _nearest_above(self, texts: Sequence[str], threshold: float) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """As nearest(), for F-measures greater than `threshold` only."""
        groups: dict[int, _Texts] = {}
        for row, text in enumerate(texts):
            words = tokenize(text)
            # A word that the bank has not is in no common subsequence. It only counts.
            if ids := [self._ids[word] for word in words if word in self._ids]:
                groups.setdefault(_bucket(len(ids)), _Texts()).append(row, len(words), ids)
        best = _Best(len(texts), threshold)
        for group in groups.values():
            self._compare(group, best)
        return best.found()

    def _compare(self, group: "_Texts", best: "_Best") -> None:
        """Compare candidates of similar length with every bucket, those that promise the highest scores first."""
        candidates = group.block(slice(None))
        known = np.array([len(text) for text in candidates.folded])
        promises = []
        for bucket in self._buckets.values():
            closest = np.clip(known, bucket.shortest, bucket.longest)
            promises.append((2 * np.minimum(known, closest) / (candidates.words + closest), bucket))
        for promise, bucket in sorted(promises, key=lambda pair: -pair[0].max()):
            live = np.flatnonzero(promise >= best.scores[candidates.numbers])
            if not live.size:
                continue
            part, step = candidates.take(live), max(1, _BLOCK // live.size)
            for start in range(0, len(bucket), step):
                _compare_block(part, bucket.block(slice(start, start + step)), best)


class _Block(NamedTuple):
    """Some texts of the bank, or some of the candidates."""

    numbers: NDArray[np.int64]
    """[texts], the index in the bank or the row among the candidates."""
    words: NDArray[np.int64]
    """[texts], how many words each has."""
    ids: "list[array[int]]"
    """The words that the bank has."""
    folded: list[bytes]
    """The same with a letter per word. Some words share one, so common subsequences can only get longer."""

    def take(self, which: NDArray[np.int64]) -> "_Block":
        ids, folded = [self.ids[i] for i in which], [self.folded[i] for i in which]
        return _Block(self.numbers[which], self.words[which], ids, folded)


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
        self._folded.append(bytes([i if i < _OWN_LETTERS else _OWN_LETTERS + i % (256 - _OWN_LETTERS) for i in ids]))

    def block(self, part: slice) -> _Block:
        return _Block(np.array(self._numbers[part]), np.array(self._words[part]), self._ids[part], self._folded[part])


class _Best:
    """The highest score above a threshold found so far for each candidate, and the smallest index that has it."""

    def __init__(self, candidates: int, threshold: float) -> None:
        self.scores = np.full(candidates, np.nextafter(threshold, np.inf))  # the least score that counts
        self._indices = np.full(candidates, _NOT_FOUND)

    def improved_by(
        self, rows: NDArray[np.int64], scores: NDArray[np.float64], indices: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Which of these pairs would be the best of their candidate; takes three arrays [pairs]."""
        before = self.scores[rows]
        return np.flatnonzero((scores > before) | ((scores == before) & (indices < self._indices[rows])))

    def update(self, rows: NDArray[np.int64], scores: NDArray[np.float64], indices: NDArray[np.int64]) -> None:
        """Take in the scores of pairs; three arrays [pairs]."""
        better = self.improved_by(rows, scores, indices)
        order = better[np.lexsort((-indices[better], scores[better]))]
        # Of several pairs of one row, the last assigned stays.
        self.scores[rows[order]], self._indices[rows[order]] = scores[order], indices[order]

    def found(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Scores and indices, two arrays [candidates]; 0 and -1 where nothing was found."""
        found = self._indices < _NOT_FOUND
        return np.where(found, self.scores, 0.0), np.where(found, self._indices, -1)


def _compare_block(candidates: _Block, bank: _Block, best: _Best) -> None:
    """Score every pair that its bound does not exclude from being the best of its candidate."""
    bounds = _common(candidates.folded, bank.folded)
    # The most promising text first: its score leaves few of the others.
    _score(candidates, bank, bounds, np.arange(len(bounds)), bounds.argmax(axis=1), best)
    needed = np.ceil(best.scores[candidates.numbers] * (candidates.words + bank.words.min()) / 2 - _ROUNDING)
    least = needed.clip(1, np.iinfo(bounds.dtype).max).astype(bounds.dtype)
    passing = np.flatnonzero(bounds >= least[:, None])
    _score(candidates, bank, bounds, *np.divmod(passing, len(bank.folded)), best)


def _score(
    candidates: _Block,
    bank: _Block,
    bounds: NDArray[np.signedinteger],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    best: _Best,
) -> None:
    """Score those of the pairs at `rows` and `columns` of `bounds` that may be the best of their candidate."""
    total = candidates.words[rows] + bank.words[columns]
    # The same division as the score's: rounding is monotone, so no bound ends below its score.
    bound = 2 * bounds[rows, columns] / total
    hopeful = best.improved_by(candidates.numbers[rows], bound, bank.numbers[columns])
    if hopeful.size:
        rows, columns, total = rows[hopeful], columns[hopeful], total[hopeful]
        left, right = [candidates.ids[row] for row in rows], [bank.ids[column] for column in columns]
        common = cpdist(left, right, scorer=LCSseq.similarity, dtype=np.int64)
        best.update(candidates.numbers[rows], 2 * common / total, bank.numbers[columns])


def _common(candidates: list[bytes], bank: list[bytes]) -> NDArray[np.signedinteger]:
    """Common subsequence lengths of all pairs; array [candidates, bank]."""
    long_candidate, long_text = max(map(len, candidates)), max(map(len, bank))
    dtype = np.int16 if max(long_candidate, long_text) < 1 << 14 else np.int32  # twice a length has to fit
    workers = -1 if len(candidates) * len(bank) >= _MANY else 1
    # It is of the first argument that rapidfuzz compares several with one instruction.
    swap = long_text <= _SHORT < long_candidate and len(candidates) >= _FEW
    left, right = (bank, candidates) if swap else (candidates, bank)
    common: NDArray[np.signedinteger] = cdist(left, right, scorer=LCSseq.similarity, dtype=dtype, workers=workers)
    return np.ascontiguousarray(common.T) if swap else common


def _bucket(words: int) -> int:
    """The greatest word count that is kept together with this one: 8, 12, 16, 24, 32, 48, 64, 96 and so on."""
    step = 1 << max((words - 1).bit_length() - 2, 0)
    return max(8, -(-words // step) * step)
