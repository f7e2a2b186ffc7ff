"""Intervals and estimators, by hand and against independent implementations."""

from itertools import combinations
from math import sqrt

import numpy as np
import pytest
from scipy.stats import binomtest

from stages.benchmarks.statistics import bootstrap_interval, paired_difference, pass_at_k, wilson_interval


def test_wilson_by_hand() -> None:
    """81 of 263 (Newcombe 1998, table I): 0.2553 to 0.3662."""
    assert wilson_interval(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson_interval(0.0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)  # same table: 0 of 20
    assert wilson_interval(1.0, 20)[1] == 1.0


@pytest.mark.parametrize(("right", "count"), [(0, 1), (1, 1), (3, 7), (250, 500), (499, 500), (12_000, 12_032)])
def test_wilson_is_scipys(right: int, count: int) -> None:
    interval = binomtest(right, count).proportion_ci(0.95, "wilson")
    assert wilson_interval(right / count, count) == pytest.approx((interval.low, interval.high), abs=1e-12)


@pytest.mark.parametrize("k", [1, 2, 3, 5])
@pytest.mark.parametrize("correct", range(6))
def test_pass_at_k_is_the_share_of_all_choices(correct: int, k: int) -> None:
    """Counted over every choice of k of 5 responses."""
    chosen = [any(choice) for choice in combinations([True] * correct + [False] * (5 - correct), k)]
    assert pass_at_k(5, correct, k) == pytest.approx(sum(chosen) / len(chosen))


def test_a_paired_difference_is_narrower_than_its_sides() -> None:
    """Both policies find the same problems hard; one solves a tenth of the hard ones more."""
    before = [1.0] * 300 + [0.0] * 200
    after = [1.0] * 300 + [1.0] * 20 + [0.0] * 180
    gain, low, high = paired_difference(before, after)
    assert gain == pytest.approx(0.04)
    half = 1.96 * sqrt(0.04 * 0.96 / 500)  # of a proportion of 20 in 500
    assert (low, high) == pytest.approx((0.04 - half, 0.04 + half), abs=0.003)
    assert high - low < 0.5 * (bootstrap_interval(before)[1] - bootstrap_interval(before)[0])
    back = paired_difference(after, before)
    assert back == pytest.approx((-gain, -high, -low), abs=0.002)


def test_intervals_of_large_sets_are_drawn_in_blocks() -> None:
    """12,032 problems times 2,000 draws would be 190 MB at once; the interval is the normal one."""
    values = np.random.default_rng(5).uniform(size=12_032).tolist()
    low, high = bootstrap_interval(values)
    half = 1.96 * float(np.std(values)) / sqrt(len(values))
    assert (low, high) == pytest.approx((float(np.mean(values)) - half, float(np.mean(values)) + half), abs=3e-4)


def test_an_interval_of_equal_values_is_a_point() -> None:
    assert bootstrap_interval([0.25] * 40) == (0.25, 0.25)
    assert bootstrap_interval([1.0]) == (1.0, 1.0)


def test_an_interval_of_two_problems_is_everything() -> None:
    """Means 0, 1/2, 1 with chances 1/4, 1/2, 1/4: both 2.5 % tails lie inside the outer ones."""
    assert bootstrap_interval([0.0, 1.0]) == (0.0, 1.0)


def test_an_interval_of_many_problems_is_near_the_normal_one() -> None:
    low, high = bootstrap_interval([1.0] * 300 + [0.0] * 700)
    half = 1.96 * sqrt(0.3 * 0.7 / 1_000)  # 0.0284
    assert low == pytest.approx(0.3 - half, abs=0.003)
    assert high == pytest.approx(0.3 + half, abs=0.003)


def test_the_same_values_have_the_same_interval() -> None:
    values = [0.1, 0.5, 0.9, 0.4, 0.4]
    assert bootstrap_interval(values) == bootstrap_interval(values)
