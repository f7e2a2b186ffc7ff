"""ROUGE-L against rouge_score, against the plain definition, and against values worked out by hand."""

import json
import random
import time
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.process import cpdist
from rouge_score.rouge_scorer import RougeScorer, _score_lcs
from rouge_score.tokenizers import DefaultTokenizer

from stages.text import similarity
from stages.text.similarity import RougeLBank, tokenize

DATA = Path(__file__).resolve().parents[3] / "../shared/data"

# Few words, so that they repeat and scores tie; more than the letters they are folded to; and long texts.
FEW, MANY = [f"w{number}" for number in range(4)], [f"w{number}" for number in range(600)]
TEXTS = st.lists(
    st.one_of(
        st.lists(st.sampled_from(FEW), max_size=10),
        st.lists(st.sampled_from(MANY), max_size=20),
        st.integers(60, 140).flatmap(lambda size: st.permutations(MANY[:size])),
    ).map(" ".join),
    max_size=12,
)


def _problems(name: str) -> list[str]:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"no {name} beside the repository")
    return [json.loads(line)["problem"] for line in path.read_text(encoding="utf-8").splitlines()]


@cache
def _plain_score(left: str, right: str) -> float:
    a, b = left.split(), right.split()
    row = [0] * (len(b) + 1)
    for word in a:
        previous = row
        row = [0]
        for column, word_b in enumerate(b):
            row.append(previous[column] + 1 if word == word_b else max(previous[column + 1], row[-1]))
    return 2 * row[-1] / (len(a) + len(b)) if a and b else 0.0


def _assert_plain(bank: RougeLBank, texts: Sequence[str], candidates: Sequence[str]) -> None:
    """Check nearest() against the plain definition, and above() at and just below every score that occurs."""
    table = np.array([[_plain_score(candidate, text) for text in texts] for candidate in candidates])
    table = table.reshape(len(candidates), len(texts))
    best = table.max(axis=1, initial=0.0)
    scores, indices = bank.nearest(candidates)
    assert scores.dtype == np.float64 and indices.dtype == np.int64
    assert scores.tolist() == best.tolist()
    assert indices.tolist() == [int(row.argmax()) if top > 0 else -1 for row, top in zip(table, best, strict=True)]
    for threshold in {0.0, 0.3, 0.7, 1.0, *best.tolist(), *np.nextafter(best[best > 0], 0).tolist()}:
        assert bank.above(candidates, threshold).tolist() == (best > threshold).tolist()


def test_hand_values() -> None:
    bank = RougeLBank(["the cat sat on the mat", "a b c d"])
    # "the cat the mat" is a subsequence of 4 words out of 4 and 6: 2*4/10. "d c b a": 1 of 4 and 4: 2*1/8.
    scores, indices = bank.nearest(["The cat: the MAT!", "d c b a", "nothing shared here", "", "?!"])
    assert scores.tolist() == [0.8, 0.25, 0.0, 0.0, 0.0]
    assert indices.tolist() == [0, 1, -1, -1, -1]


def test_the_threshold_itself_does_not_reject() -> None:
    bank = RougeLBank(["a b c d e f g x y z"])
    candidate = ["a b c d e f g u v w"]  # 7 common words of 10 and 10: exactly 0.7
    assert bank.nearest(candidate)[0].tolist() == [0.7]
    assert bank.above(candidate, 0.7).tolist() == [False]
    assert bank.above(candidate, 0.69).tolist() == [True]


def test_thresholds_of_one_and_zero() -> None:
    bank = RougeLBank(["a b", ""])
    assert bank.above(["a b", ""], 1.0).tolist() == [False, False]
    assert bank.above(["b " + "x " * 1_000, "c", ""], 0.0).tolist() == [True, False, False]


def test_of_equal_scores_the_first_text_is_named() -> None:
    # Against "a b c": 2*1/(3+3); 2*3/(3+6) = 2/3; 2*2/(3+3) = 2/3, of another length than the second.
    bank = RougeLBank(["x y a", "a b c p q r", "a b q"])
    scores, indices = bank.nearest(["a b c"])
    assert (scores.tolist(), indices.tolist()) == ([pytest.approx(2 / 3)], [1])
    # The same across buckets: 12 of 12 and 24 words, and 9 of 12 and 15, where the shorter text is searched first.
    words = [f"w{number}" for number in range(12)]
    longer, shorter = [*words, *["x"] * 12], [*words[:9], *["y"] * 6]
    for texts in ([longer, shorter], [shorter, longer]):
        scores, indices = RougeLBank(map(" ".join, texts)).nearest([" ".join(words)])
        assert (scores.tolist(), indices.tolist()) == ([pytest.approx(2 / 3)], [0])


def test_texts_can_be_added_to_an_empty_bank() -> None:
    bank = RougeLBank()
    assert bank.nearest(["a b"])[1].tolist() == [-1]
    assert bank.above(["a b"], 0.0).tolist() == [False]
    assert [len(array) for array in bank.nearest([])] == [0, 0]
    bank.add(["", "c d"])
    bank.add(["a b"])
    assert len(bank) == 3
    assert bank.nearest(["a b"])[1].tolist() == [2]


def test_tokens_of_ascii_are_those_of_rouge_score() -> None:
    assert tokenize("Find x_1 in $\\frac{A}{2}$, don't!") == ["find", "x", "1", "in", "frac", "a", "2", "don", "t"]
    assert tokenize("Élodie a 3 pommes") == ["élodie", "a", "3", "pommes"]
    assert tokenize("小明有3个苹果") == ["小", "明", "有", "3", "个", "苹", "果"]
    # Regression: rouge_score drops every word that is not ASCII, so two Chinese questions would never be alike.
    assert RougeLBank(["小明有三个苹果"]).nearest(["小明有四个苹果"])[0].tolist() == [pytest.approx(6 / 7)]


def test_equal_to_rouge_score_on_2000_pairs_of_real_questions() -> None:
    seeds, tests = _problems("seeds/math_seed_500.jsonl"), _problems("benchmarks/math_500.jsonl")
    scorer, rng = RougeScorer(["rougeL"], use_stemmer=False), random.Random(0)
    pairs = [(rng.choice(seeds), rng.choice(tests)) for _ in range(2_000)]
    pairs = [pair for pair in pairs if all(text.isascii() for text in pair)]
    assert len(pairs) > 1_900
    ours = [RougeLBank([seed]).nearest([test])[0][0] for seed, test in pairs]
    expected = [scorer.score(seed, test)["rougeL"].fmeasure for seed, test in pairs]
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-9)


@pytest.mark.slow
def test_equal_to_rouge_score_on_every_pair_of_real_questions() -> None:
    """250,000 pairs by rouge_score's own scoring of token lists; the best of each question, and every single one."""
    seeds, tests = _problems("seeds/math_seed_500.jsonl"), _problems("benchmarks/math_500.jsonl")
    tokenizer = DefaultTokenizer(use_stemmer=False)
    assert all(tokenize(text) == tokenizer.tokenize(text) for text in seeds + tests if text.isascii())
    left, right = [tokenize(text) for text in seeds], [tokenize(text) for text in tests]
    expected = np.array([[_score_lcs(seed, test).fmeasure for seed in left] for test in right])
    ours = np.stack([RougeLBank([seed]).nearest(tests)[0] for seed in seeds], axis=1)
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-9)
    scores, indices = RougeLBank(seeds).nearest(tests)
    assert scores.tolist() == ours.max(axis=1).tolist()
    assert indices.tolist() == ours.argmax(axis=1).tolist()
    assert RougeLBank(seeds).above(tests, 0.7).tolist() == (ours > 0.7).any(axis=1).tolist()


@given(TEXTS, TEXTS)
def test_nearest_and_above_are_the_plain_definition(texts: list[str], candidates: list[str]) -> None:
    _assert_plain(RougeLBank(texts), texts, candidates)


@given(TEXTS, TEXTS, st.sets(st.integers(0, 12)))
def test_any_split_into_additions_gives_the_same(texts: list[str], candidates: list[str], cuts: set[int]) -> None:
    split, whole = RougeLBank(), RougeLBank(texts)
    edges = [0, *sorted(cut for cut in cuts if 0 < cut < len(texts)), len(texts)]
    for start, stop in pairwise(edges):
        split.add(texts[start:stop])
        split.nearest(candidates)
    assert len(split) == len(whole)
    for ours, theirs in zip(split.nearest(candidates), whole.nearest(candidates), strict=True):
        assert ours.tolist() == theirs.tolist()
    assert split.above(candidates, 0.5).tolist() == whole.above(candidates, 0.5).tolist()


@pytest.mark.parametrize("block", [1, 100, 1 << 20])
def test_no_pair_that_matters_is_skipped(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts of up to 100 words with all kinds of scores, searched in blocks of several sizes."""
    monkeypatch.setattr(similarity, "_BLOCK", block)
    rng = random.Random(1)
    texts = [" ".join(rng.choices(MANY, weights=range(600, 0, -1), k=rng.randint(0, 100))) for _ in range(60)]
    texts += [" ".join(rng.choices(FEW, k=rng.randint(0, 12))) for _ in range(60)]
    candidates = [
        " ".join(word for word in text.split() if rng.random() < keep)
        for text, keep in zip(rng.choices(texts, k=60), rng.choices([1.0, 0.9, 0.6, 0.3], k=60), strict=True)
    ]
    _assert_plain(RougeLBank(texts), texts, candidates)
    _assert_plain(RougeLBank(candidates), candidates, texts)


def test_words_that_share_a_letter_stay_different() -> None:
    """Texts of such words have the same bound, although only one of them is equal."""
    words = [f"w{number}" for number in range(192 + 64 * 40)]
    texts = [" ".join(words[start : start + 64]) for start in range(0, len(words), 64)]
    scores, indices = RougeLBank(texts).nearest([texts[30], texts[7], " ".join(words[1_000:1_064])])
    assert (scores.tolist(), indices.tolist()) == (
        [1.0, 1.0, 0.625],
        [30, 7, 16],
    )  # 40 words of the last are in text 16


def test_texts_that_tie_are_not_all_scored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of thousands of texts with equal scores, only those before the best one so far can change the result."""
    scored = []

    def counting(left: Sequence[object], right: Sequence[object], **options: object) -> object:
        scored.append(len(left))
        return cpdist(left, right, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(similarity, "cpdist", counting)
    bank = RougeLBank(f"what is {number} plus 1" for number in range(5_000))
    scores, indices = bank.nearest(["what is x plus 1", "what is 4000 plus 1"])
    assert (scores.tolist(), indices.tolist()) == ([0.8, 1.0], [0, 4000])
    assert sum(scored) < 500


@pytest.mark.parametrize("size", [16_383, 16_384, 20_000, 32_768, 40_000])
def test_long_texts_score_as_short_ones(size: int) -> None:
    """At sizes around those at which a length, or twice a length, no longer fits into 16 bits."""
    text = "a b c d " * (size // 4)
    scores, _ = RougeLBank([text]).nearest([text, text + "e " * size])
    assert scores.tolist() == [1.0, pytest.approx(2 / 3, abs=1e-4)]


def test_more_distinct_words_than_unicode_has_characters() -> None:
    count, length = 0x110000 + 1_000, 1_000
    bank = RougeLBank(" ".join(map(str, range(start, min(start + length, count)))) for start in range(0, count, length))
    last = " ".join(map(str, range(count - 100, count)))
    scores, indices = bank.nearest([last])
    expected = 2 * 100 / (100 + (count % length))
    assert (scores.tolist(), indices.tolist()) == ([pytest.approx(expected)], [len(bank) - 1])


@pytest.mark.timeout(60)
def test_texts_of_100_000_words_are_compared_in_seconds() -> None:
    size = 100_000
    same, distinct = "a " * size, " ".join(map(str, range(size)))
    mixed = " ".join(random.Random(0).choices(["a", "b", "7", "99"], k=size))
    short = ["a b c", "7 8 9", *(f"a {number} b" for number in range(500))]
    bank, start = RougeLBank([*short, same, distinct]), time.perf_counter()
    scores, indices = bank.nearest([same, distinct, "a b c", "z " * size])
    assert scores.tolist() == [1.0, 1.0, 1.0, 0.0]
    assert indices.tolist() == [len(short), len(short) + 1, 0, -1]
    # Of 3 and 100,000 words, and of 100,000 each: as many as there are "a".
    scores, indices = bank.nearest(["8 9 " + "z " * (size - 2), mixed])
    assert scores.tolist() == [pytest.approx(2 * 2 / (size + 3)), pytest.approx(mixed.count("a") / size)]
    assert indices.tolist() == [1, len(short)]
    assert bank.above([mixed, same], 0.9).tolist() == [False, True]
    assert time.perf_counter() - start < 20
