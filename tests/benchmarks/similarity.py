"""Speed and memory of the similarity bank against rouge_score, up to a bank of a million questions.

    python -m tests.benchmarks.similarity

The texts are derived from the MATH questions in shared/data next to the repository; without them, from invented words
with Zipf's frequencies. A derived question follows a MATH question for four words on average, continues in another
after the same word, and has every twentieth word replaced by a number. The median candidate is then less similar to the
nearest of 500 texts than a MATH-500 question is, so the bank's bounds skip no more pairs than on real text. A tenth of
the 2,000 candidates are texts of the bank with every tenth word replaced.

ratio                       pairs a second of nearest() on one core, over rouge_score's: 2,000 candidates x a bank of
                            100,000, in processor seconds of all threads; rouge_score scores a sample of those pairs
million_bank_s              nearest() of 2,000 candidates against 1,000,000 texts, seconds by the clock
million_bank_above_s        above() of the same with the published threshold, 0.7
million_bank_build_s        tokenising and adding the 1,000,000 texts
million_bank_gib            peak resident memory of the whole process: Python, the bank, the searches, this benchmark
microseconds_per_candidate  nearest() of the same candidates against the first 10^3 to 10^6 texts of the bank
one_by_one_us               nearest([text]) and add([text]) in turn, from an empty bank to one of 2,000

The last line is one JSON object.
"""

import json
import resource
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rouge_score.rouge_scorer import RougeScorer

from stages.text.similarity import RougeLBank, tokenize

DATA = Path(__file__).resolve().parents[2] / "../shared/data"
SIZES = (1_000, 10_000, 100_000, 1_000_000)
RATIO_SIZE, SAMPLE = 100_000, 2_000
"""Texts of the bank for `ratio`; pairs that rouge_score scores."""
CANDIDATES, THRESHOLD = 2_000, 0.7
CHUNK = 50_000
"""Texts that are derived at a time."""


def main() -> None:
    source = Questions()
    known = source.make(SIZES[0], seed=0)
    near = [source.vary(text, seed) for seed, text in enumerate(known[: CANDIDATES // 10])]
    candidates = near + source.make(CANDIDATES - len(near), seed=1)
    print(f"one by one, up to 2,000 texts   {(one_by_one := one_by_one_us(candidates)):7,.0f} us a candidate")

    bank, build, ratio = RougeLBank(), 0.0, 0.0
    per_candidate = {}
    for size in SIZES:
        while len(bank) < size:
            texts = source.make(min(CHUNK, size - len(bank)), seed=len(bank)) if len(bank) else known
            start = time.perf_counter()
            bank.add(texts)
            build += time.perf_counter() - start
        start = time.perf_counter()
        scores, _ = bank.nearest(candidates)
        seconds = time.perf_counter() - start
        per_candidate[str(size)] = round(1e6 * seconds / len(candidates), 1)
        print(
            f"bank of {size:9,}   nearest {seconds:6.2f} s, {1e6 * seconds / len(candidates):9,.1f} us a candidate, "
            f"{size * len(candidates) / seconds / 1e6:6.1f} M pairs/s   median score {np.median(scores):.2f}"
        )
        if size == RATIO_SIZE:
            ratio = ratio_to_rouge_score(bank, candidates, known)
    start = time.perf_counter()
    above = bank.above(candidates, THRESHOLD)
    above_s = time.perf_counter() - start
    assert above.tolist() == (scores > THRESHOLD).tolist()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"bank of {len(bank):9,}   above {above_s:.2f} s ({above.sum()} candidates)   build {build:.2f} s")
    print(f"peak resident memory of the process   {peak:.2f} GiB")
    print(
        json.dumps(
            {
                "ratio": round(ratio),
                "million_bank_s": round(seconds, 2),
                "million_bank_above_s": round(above_s, 2),
                "million_bank_build_s": round(build, 2),
                "million_bank_gib": round(peak, 2),
                "microseconds_per_candidate": per_candidate,
                "one_by_one_us": round(one_by_one),
            }
        )
    )


def one_by_one_us(texts: list[str]) -> float:
    """Return the microseconds per text if each is searched for, then added."""
    bank, start = RougeLBank(), time.perf_counter()
    for text in texts:
        bank.nearest([text])
        bank.add([text])
    return 1e6 * (time.perf_counter() - start) / len(texts)


def ratio_to_rouge_score(bank: RougeLBank, candidates: list[str], texts: list[str]) -> float:
    """Return the pairs per processor second, ours over rouge_score's; the bank's first texts are `texts`.

    Each side counts with the best of three runs, in turn.
    """
    scorer, rng = RougeScorer(["rougeL"], use_stemmer=False), np.random.default_rng(2)
    pairs = rng.integers((len(candidates), len(texts)), size=(SAMPLE, 2)).tolist()
    ours = theirs = float("inf")
    for _ in range(3):
        start = time.process_time()
        nearest, _ = bank.nearest(candidates)
        ours = min(ours, (time.process_time() - start) / (len(candidates) * len(bank)))
        start = time.process_time()
        scores = [scorer.score(texts[text], candidates[row])["rougeL"].fmeasure for row, text in pairs]
        theirs = min(theirs, (time.process_time() - start) / len(pairs))
        assert all(score <= nearest[row] + 1e-9 for (row, _), score in zip(pairs, scores, strict=True))
    print(f"one core: ours {1e-6 / ours:.1f} M pairs/s   rouge_score {1 / theirs:,.0f}   ratio {theirs / ours:,.0f}")
    return theirs / ours


class Questions:
    """Derives texts with the length, vocabulary and word order of MATH questions; the same for the same seed."""

    def __init__(self) -> None:
        texts = _real_questions() or _invented_questions()
        ids: dict[str, int] = {}
        self.corpus = np.array([ids.setdefault(word, len(ids)) for words in texts for word in words])
        self.words = np.array(list(ids), dtype=object)
        self.lengths = np.array([len(words) for words in texts])
        self.starts = self.lengths.cumsum() - self.lengths
        # The positions of each word in the corpus, word after word. Those of word w start at first[w].
        self.positions = self.corpus.argsort(kind="stable")
        self.counts = np.bincount(self.corpus)
        self.first = self.counts.cumsum() - self.counts

    def make(self, count: int, seed: int) -> list[str]:
        """Return `count` new texts."""
        rng = np.random.default_rng(seed)
        lengths = rng.choice(self.lengths, count)
        position = rng.choice(self.starts, count)  # of each text's next word in the corpus
        ids = np.empty((count, lengths.max()), dtype=np.int32)
        for column in range(lengths.max()):
            unfinished = np.flatnonzero(lengths > column)
            ids[unfinished, column] = word = self.corpus[position[unfinished]]
            jumps = rng.random(unfinished.size) < 1 / 4
            jump_word = word[jumps]
            position[unfinished[jumps]] = self.positions[self.first[jump_word] + rng.integers(self.counts[jump_word])]
            position[unfinished] = (position[unfinished] + 1) % len(self.corpus)
        return [self._replace(self.words[row[:length]], rng, 1 / 20) for row, length in zip(ids, lengths, strict=True)]

    def vary(self, text: str, seed: int) -> str:
        """Return the text with every tenth word replaced."""
        return self._replace(np.array(text.split(), dtype=object), np.random.default_rng(seed), 1 / 10)

    @staticmethod
    def _replace(words: NDArray[np.object_], rng: np.random.Generator, share: float) -> str:
        replaced = np.flatnonzero(rng.random(words.size) < share)
        words[replaced] = [str(min(number, 10**6)) for number in rng.zipf(1.2, replaced.size)]
        return " ".join(words)


def _real_questions() -> list[list[str]]:
    paths = [DATA / "seeds/math_seed_500.jsonl", DATA / "benchmarks/math_500.jsonl"]
    lines = [line for path in paths if path.exists() for line in path.read_text(encoding="utf-8").splitlines()]
    return [tokenize(json.loads(line)["problem"]) for line in lines]


def _invented_questions() -> list[list[str]]:
    rng = np.random.default_rng(0)
    lengths = np.clip(rng.lognormal(3.4, 0.75, 1_000), 5, 400).astype(int)
    return [[f"w{word}" for word in np.minimum(rng.zipf(1.25, length), 5_000)] for length in lengths]


if __name__ == "__main__":
    main()
