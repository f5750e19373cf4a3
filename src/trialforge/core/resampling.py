"""Resampling: percentile intervals by the bootstrap (Efron 1979), and by the jackknife over groups."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
LEVEL = 0.95
JACKKNIFE_GROUPS = 20


def percentile_interval(values: Floats, level: float = LEVEL) -> tuple[float, float]:
    """Return the middle share `level` of resampled values; NaN and infinity are left out."""
    kept = values[np.isfinite(values)]
    if not len(kept):
        return math.nan, math.nan
    low, high = np.quantile(kept, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def bootstrap_statistic(
    statistic: Callable[[np.ndarray], float], n: int, stream: np.random.Generator, draws: int
) -> tuple[float, float]:
    """Return the percentile interval of a statistic of row numbers drawn with replacement."""
    values = [statistic(stream.integers(0, n, n)) for _ in range(draws)]
    return percentile_interval(np.array(values))


def bootstrap_difference(
    ours: Callable[[np.ndarray], float],
    real: Callable[[np.ndarray], float],
    sizes: tuple[int, int],
    stream: np.random.Generator,
    draws: int,
) -> tuple[float, float]:
    """Return the percentile interval of `ours` minus `real`, each of row numbers drawn from its own set."""
    differences = np.empty(draws)
    for draw in range(draws):
        one, other = (stream.integers(0, size, size) for size in sizes)
        differences[draw] = ours(one) - real(other)
    return percentile_interval(differences)


def jackknife_groups(n: int) -> list[np.ndarray]:
    """Return the row numbers that are left out in turn: each row once, in at most 20 groups.

    Two rows have no groups: measures of pairs have no value without one of them.
    """
    if n <= 2:
        return []
    return [np.arange(first, n, JACKKNIFE_GROUPS) for first in range(min(n, JACKKNIFE_GROUPS))]


def jackknife_interval(value: float, left_out: Sequence[float]) -> tuple[float | None, float | None]:
    """Return the 95% interval of a statistic from its values with each group left out (Shao and Wu 1989).

    For statistics of a whole set, which rows drawn twice, as a bootstrap draws them, would change.
    """
    values = np.array(left_out)
    if len(values) < 2 or not np.isfinite(values).all():
        return None, None
    error = float(np.sqrt((len(values) - 1) * values.var()))
    width = NormalDist().inv_cdf((1 + LEVEL) / 2) * error
    return value - width, value + width
