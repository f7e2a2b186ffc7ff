"""Intervals and estimators for evaluations. All intervals are 95 % intervals."""

from collections.abc import Iterator, Sequence
from math import comb, sqrt

import numpy as np
from numpy.typing import NDArray

BOOTSTRAP_DRAWS = 2_000
_Z = 1.959963984540054  # 97.5 % quantile of the normal distribution
_BLOCK = 4_000_000  # most resampled values in memory at a time


def wilson_interval(share: float, count: int) -> tuple[float, float]:
    """Return Wilson's score interval (1927) of a proportion, which stays inside [0, 1] and is not empty at 0 and 1.

    If some of the `count` values lie between 0 and 1 (a tie that counts half), their variance is smaller than that of a
    proportion, and the interval is too wide rather than too narrow.
    """
    spread = _Z * _Z / count
    middle = (share + spread / 2) / (1 + spread)
    half = _Z / (1 + spread) * sqrt(share * (1 - share) / count + spread / (4 * count))
    return max(0.0, middle - half), min(1.0, middle + half)


def bootstrap_interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the percentile bootstrap interval of the mean. Equal values give equal intervals.

    `values`: one per problem. Problems are resampled, since the k samples of a problem depend on each other.
    """
    data = np.asarray(values, dtype=np.float64)
    if data.min() == data.max():
        return float(data[0]), float(data[0])
    means = np.concatenate(list(_resampled_means(data)))
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def paired_difference(before: Sequence[float], after: Sequence[float]) -> tuple[float, float, float]:
    """Return the mean of after - before over the same problems, and the two ends of its bootstrap interval.

    Pairing removes the effect of easy and hard problems, which is most of the width of each policy's interval.
    """
    gains = [value_after - value_before for value_before, value_after in zip(before, after, strict=True)]
    return float(np.mean(gains)), *bootstrap_interval(gains)


def pass_at_k(samples: int, correct: int, k: int) -> float:
    """Return the chance that at least one of `k` responses is right, given `correct` right ones among `samples` >= k.

    This is the unbiased estimator 1 - C(n - c, k) / C(n, k) (Chen et al. 2021, arXiv 2107.03374, equation 1).
    """
    return 1.0 - comb(samples - correct, k) / comb(samples, k)


def _resampled_means(data: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    generator = np.random.Generator(np.random.Philox(key=0))
    rows = max(1, _BLOCK // len(data))
    for start in range(0, BOOTSTRAP_DRAWS, rows):
        size = (min(rows, BOOTSTRAP_DRAWS - start), len(data))
        yield data[generator.integers(0, len(data), size=size)].mean(axis=1)
