"""Resampling: percentile intervals by the bootstrap (Efron 1979), and by the jackknife over groups."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Interval = tuple[float | None, float | None]
LEVEL = 0.95
JACKKNIFE_GROUPS = 20


@dataclass(frozen=True, slots=True)
class Clusters:
    """Rows that are drawn together, as they are not independent.

    Cluster i has the rows `order[starts[i]:starts[i + 1]]`.
    """

    order: NDArray[np.int64]
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, keys: np.ndarray) -> Clusters:
        """Return the clusters of rows with equal keys."""
        codes = np.unique(keys, return_inverse=True)[1]
        return cls(np.argsort(codes, kind="stable"), np.concatenate([[0], np.cumsum(np.bincount(codes))]))

    @classmethod
    def single(cls, n: int) -> Clusters:
        """Return `n` rows that are independent."""
        return cls(np.arange(n), np.arange(n + 1))

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __add__(self, other: Clusters) -> Clusters:
        """Return the clusters of these rows and then of others, none in common."""
        return Clusters(
            np.concatenate([self.order, other.order + len(self.order)]),
            np.concatenate([self.starts, other.starts[1:] + len(self.order)]),
        )

    def rows(self, places: np.ndarray) -> np.ndarray:
        """Return the row numbers of the clusters at `places`, repeated as these are."""
        lengths = np.diff(self.starts)[places]
        ends = np.cumsum(lengths)
        within = np.arange(lengths.sum()) - np.repeat(ends - lengths, lengths)
        rows: NDArray[np.int64] = self.order[np.repeat(self.starts[places], lengths) + within]
        return rows

    def draw(self, stream: np.random.Generator) -> np.ndarray:
        """Return the row numbers of as many clusters, drawn with replacement."""
        return self.rows(stream.integers(0, len(self), len(self)))


def percentile_interval(values: Floats, level: float = LEVEL) -> tuple[float, float]:
    """Return the middle share `level` of resampled values; NaN and infinity are left out."""
    kept = values[np.isfinite(values)]
    if not len(kept):
        return math.nan, math.nan
    low, high = np.quantile(kept, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def bootstrap_statistic(
    statistic: Callable[[np.ndarray], float], clusters: Clusters, stream: np.random.Generator, draws: int
) -> Interval:
    """Return the percentile interval of a statistic of row numbers; clusters are drawn with replacement.

    One cluster has none: every draw is the set itself, so that the interval would have no width.
    """
    if len(clusters) < 2:
        return None, None
    return percentile_interval(np.array([statistic(clusters.draw(stream)) for _ in range(draws)]))


def bootstrap_difference(
    ours: Callable[[np.ndarray], float],
    real: Callable[[np.ndarray], float],
    sets: tuple[Clusters, Clusters],
    stream: np.random.Generator,
    draws: int,
) -> Interval:
    """Return the percentile interval of `ours` minus `real`, each of rows drawn from its own set."""
    if min(map(len, sets)) < 2:
        return None, None
    pairs = ([clusters.draw(stream) for clusters in sets] for _ in range(draws))
    return percentile_interval(np.array([ours(one) - real(other) for one, other in pairs]))


def variance_of_luck(ones: int, zeros: int) -> float:
    """Return the variance of the ROC-AUC of scores that know nothing (Mann and Whitney 1947)."""
    return (ones + zeros + 1) / (12 * ones * zeros)


def jackknife_groups(clusters: Clusters) -> list[np.ndarray]:
    """Return the row numbers that are left out in turn: each cluster once, in at most 20 groups.

    Two clusters have no groups: measures of pairs have no value without one of them.
    """
    n = len(clusters)
    if n <= 2:
        return []
    return [clusters.rows(np.arange(first, n, JACKKNIFE_GROUPS)) for first in range(min(n, JACKKNIFE_GROUPS))]


def jackknife_interval(value: float, left_out: Sequence[float]) -> Interval:
    """Return the 95% interval of a statistic from its values with each group left out (Shao and Wu 1989).

    For statistics of a whole set, which rows drawn twice, as a bootstrap draws them, would change.
    """
    values = np.array(left_out)
    if len(values) < 2 or not np.isfinite(values).all():
        return None, None
    error = float(np.sqrt((len(values) - 1) * values.var()))
    width = NormalDist().inv_cdf((1 + LEVEL) / 2) * error
    return value - width, value + width
