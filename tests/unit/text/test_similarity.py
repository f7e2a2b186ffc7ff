"""ROUGE-L against rouge_score itself and values worked out by hand."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
from rouge_score.rouge_scorer import RougeScorer

from stages.text.similarity import RougeLBank, tokenize

DATA = Path(__file__).resolve().parents[3] / "../shared/data"


def _problems(name: str) -> list[str]:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"no {name} beside the repository")
    return [json.loads(line)["problem"] for line in path.read_text(encoding="utf-8").splitlines()]


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


def test_equal_scores_name_the_text_added_first() -> None:
    # Against "a b c": 2*1/(3+3); 2*3/(3+6) = 2/3; 2*2/(3+3) = 2/3, of another length than the second.
    bank = RougeLBank(["x y a", "a b c p q r", "a b q"])
    scores, indices = bank.nearest(["a b c"])
    assert (scores.tolist(), indices.tolist()) == ([pytest.approx(2 / 3)], [1])


def test_added_texts_are_found_and_an_empty_bank_finds_nothing() -> None:
    bank = RougeLBank()
    assert bank.nearest(["a b"])[1].tolist() == [-1]
    assert bank.above(["a b"], 0.0).tolist() == [False]
    bank.add(["", "c d"])
    bank.add(["a b"])
    assert len(bank) == 3
    assert bank.nearest(["a b"])[1].tolist() == [2]


def test_tokens_are_rouge_scores_on_ascii_and_words_of_any_script_elsewhere() -> None:
    assert tokenize("Find x_1 in $\\frac{A}{2}$, don't!") == ["find", "x", "1", "in", "frac", "a", "2", "don", "t"]
    assert tokenize("Élodie a 3 pommes") == ["élodie", "a", "3", "pommes"]
    assert tokenize("小明有3个苹果") == ["小", "明", "有", "3", "个", "苹", "果"]
    # Regression: rouge_score drops every word that is not ASCII, so two Chinese questions would never be alike.
    assert RougeLBank(["小明有三个苹果"]).nearest(["小明有四个苹果"])[0].tolist() == [pytest.approx(6 / 7)]


def test_equal_to_rouge_score_on_2000_pairs_of_real_questions() -> None:
    seeds, others = _problems("seeds/math_seed_500.jsonl"), _problems("benchmarks/math_500.jsonl")
    scorer, rng = RougeScorer(["rougeL"], use_stemmer=False), random.Random(0)
    pairs = [(rng.choice(seeds), rng.choice(others)) for _ in range(2_000)]
    pairs = [pair for pair in pairs if all(text.isascii() for text in pair)]
    assert len(pairs) > 1_900
    ours = [RougeLBank([seed]).nearest([other])[0][0] for seed, other in pairs]
    theirs = [scorer.score(seed, other)["rougeL"].fmeasure for seed, other in pairs]
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-9)


def test_nearest_and_above_skip_no_pair_that_matters() -> None:
    """Random short texts of few words, so that every length and score occurs, against the plain definition."""
    rng = random.Random(1)
    texts = [" ".join(rng.choices("abcdef", k=rng.randint(0, 12))) for _ in range(400)]
    bank_texts, candidates = texts[:300], texts[300:]

    def score(left: str, right: str) -> float:
        a, b = left.split(), right.split()
        row = [0] * (len(b) + 1)
        for word in a:
            previous = row
            row = [0]
            for column, other in enumerate(b):
                row.append(previous[column] + 1 if word == other else max(previous[column + 1], row[-1]))
        return 2 * row[-1] / (len(a) + len(b)) if a and b else 0.0

    table = np.array([[score(candidate, text) for text in bank_texts] for candidate in candidates])
    bank = RougeLBank(bank_texts)
    scores, indices = bank.nearest(candidates)
    np.testing.assert_allclose(scores, table.max(axis=1), rtol=0, atol=1e-12)
    assert indices.tolist() == [int(row.argmax()) if row.max() > 0 else -1 for row in table]
    for threshold in (0.0, 0.3, 0.5, 0.7, 0.9, 1.0):
        assert bank.above(candidates, threshold).tolist() == (table.max(axis=1) > threshold).tolist()


def test_word_numbers_in_the_surrogate_range_stay_different() -> None:
    """Words are code points; those from 0xD800 to 0xDFFF are no characters, but must still compare."""
    words = [f"w{number}" for number in range(0xE100)]
    bank = RougeLBank([" ".join(words[start : start + 64]) for start in range(0, len(words), 64)])
    start = 0xD800
    candidate = " ".join(words[start : start + 64])
    scores, indices = bank.nearest([candidate])
    assert (scores.tolist(), indices.tolist()) == ([1.0], [start // 64])
