"""How many real trials a synthetic one is worth: the learning curve turned round, with its interval.

Trials vary in two ways: which blocks of real trials there are (and what was written from them), and which
interventions are tested. The first variance is that of the jackknife over blocks (Efron and Stein 1981), less
the noise that comes from drawing some pools and not all (as in Wager, Hastie and Efron 2014); the second that
of the cluster bootstrap of the test trials. The interval of the worth holds each number of real trials that
the data do not refute (Fieller 1954), so that a flat curve gives a wide interval and not a wrong one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trialforge.scoring.paired_tests import AreaTest

Floats = NDArray[np.float64]
_POOL_DRAWS = 60  # resamplings of pools, for the noise of having drawn these
_STEPS = 150  # of the search along the curve
_ROUNDING = 1e-12  # of equal ROC-AUCs: pools that learn the same have no error at all


@dataclass(frozen=True, slots=True)
class Areas:
    """ROC-AUCs of one arm in pools of one size, which each block is left out of now and then.

    Attributes:
        values: (pools, 1 + draws), of all test trials and of each draw of them.
        members: (pools, blocks), whether a block is in a pool.
        added: trials beside the real ones, on average.
    """

    values: Floats
    members: NDArray[np.bool_]
    added: float = 0.0

    @property
    def mean(self) -> float:
        """The ROC-AUC of an average pool."""
        return float(self.values[:, 0].mean())


@dataclass(frozen=True, slots=True)
class Worth:
    """Real trials that one synthetic trial is worth; below 0 it does harm.

    Attributes:
        value: the estimate.
        low, high: its interval.
        open_low, open_high: whether the interval goes on beyond the curve's end.
        share: of the gain that as many real trials would have brought; None where they bring none.
    """

    value: float
    low: float
    high: float
    open_low: bool
    open_high: bool
    share: float | None


@dataclass(frozen=True, slots=True)
class _Replicates:
    """Means of cells: of all, without each block, by draws of test trials, by draws of pools, and by two."""

    full: Floats  # (cells,)
    without: Floats  # (blocks, cells)
    drawn: Floats  # (draws, cells)
    pools: Floats  # (pool draws, cells)
    pools_without: Floats  # (pool draws, blocks, cells)
    drawn_without: Floats  # (some draws, blocks, cells)

    def map(self, statistic: Callable[[Floats], Floats]) -> _Replicates:
        """Return replicates of statistics of the cells, which stand on the last axis."""
        return _Replicates(*(statistic(getattr(self, name)) for name in self.__slots__))


def _replicate(cells: list[Areas]) -> _Replicates:
    """Return replicates of the means of cells, whose pools are of the same orders of blocks."""
    pools = len(cells[0].members)
    stream = np.random.default_rng(0)  # a fixed one: it measures noise and is in no estimate
    counts = stream.multinomial(pools, np.full(pools, 1 / pools), size=_POOL_DRAWS).astype(np.float64)
    without, pools_without, drawn_without = [], [], []
    for cell in cells:
        values, left = cell.values[:, :1], ~cell.members
        without.append(_means_without(values.T, left)[0])
        pools_without.append(_means_without(values.T, left, counts))
        drawn_without.append(_means_without(cell.values[:, 1 : 1 + _POOL_DRAWS].T, left))
    values = np.stack([cell.values[:, 0] for cell in cells], axis=1)
    return _Replicates(
        values.mean(axis=0),
        np.stack(without, axis=1),
        np.stack([cell.values[:, 1:].mean(axis=0) for cell in cells], axis=1),
        counts @ values / pools,
        np.stack(pools_without, axis=2),
        np.stack(drawn_without, axis=2),
    )


def _means_without(values: Floats, left: NDArray[np.bool_], counts: Floats | None = None) -> Floats:
    """Return (rows, blocks) means over the pools that a block is left out of; over all, if it is in each.

    Args:
        values: (rows, pools), one row of which may stand for all rows of `counts`.
        left: (pools, blocks), whether a block is left out of a pool.
        counts: (rows, pools), how often a pool counts; None: once.
    """
    counts = np.ones((1, len(left))) if counts is None else counts
    total = counts @ left
    whole = ((counts * values).sum(axis=1) / counts.sum(axis=1))[:, None]
    return np.asarray(np.where(total > 0, (counts * values) @ left / np.maximum(total, 1), whole))


def _variances(of: _Replicates) -> tuple[Floats, Floats]:
    """Return the variances of statistics by blocks and by test trials; the two add up.

    Both hold what varies by block and test trial together. It is counted once: how much more the jackknife
    varies on drawn test trials than on all tells it (as for two crossed factors, Owen 2007).
    """
    by_block = _jackknife(of.without)
    noise = _spread(of.pools_without - of.pools[:, None]).var(axis=0).sum(axis=0)
    kept = np.divide(by_block - noise, by_block, out=np.zeros_like(noise), where=by_block > noise)
    crossed = np.maximum(_jackknife(of.drawn_without).mean(axis=0) - by_block, 0) * kept
    by_tests = of.drawn.var(axis=0, ddof=1)
    return by_block * kept + of.pools.var(axis=0), np.maximum(by_tests - crossed, 0)


def _jackknife(without: Floats) -> Floats:
    """Return the jackknife's variance of (..., blocks, statistics)."""
    return np.asarray(np.square(_spread(without)).sum(axis=-2))


def _spread(without: Floats) -> Floats:
    blocks = without.shape[-2]
    return np.asarray((without - without.mean(axis=-2, keepdims=True)) * math.sqrt((blocks - 1) / blocks))


def _freedom(by_blocks: Floats, by_tests: Floats, blocks: int, clusters: int) -> Floats:
    """Return the degrees of freedom of a sum of two variances (Satterthwaite 1946)."""
    below = np.square(by_blocks) / (blocks - 1) + np.square(by_tests) / (clusters - 1)
    return np.square(by_blocks + by_tests) / np.maximum(below, 1e-300)


def compare_areas(arm: Areas, other: Areas, clusters: int) -> AreaTest:
    """Return the difference of two arms in the same orders of blocks, with its standard error.

    `clusters` counts the independent groups of test trials.
    """
    parts = _replicate([arm, other])
    gaps = parts.map(lambda means: means[..., 0:1] - means[..., 1:2])
    by_blocks, by_tests = (float(value[0]) for value in _variances(gaps))
    freedom = _freedom(np.array([by_blocks]), np.array([by_tests]), arm.members.shape[1], clusters)
    return AreaTest(
        float(gaps.full[0]),
        math.sqrt(by_blocks + by_tests),
        max(float(freedom[0]), 1.0),
        math.sqrt(by_tests),
        math.sqrt(by_blocks),
    )


def rising(values: Floats) -> Floats:
    """Return the rising sequence nearest to each row: isotonic regression by its min-max formula."""
    count = values.shape[-1]
    sums = np.concatenate([np.zeros((*values.shape[:-1], 1)), np.cumsum(values, axis=-1)], axis=-1)
    fitted = np.full(values.shape, -np.inf)
    for first in range(count):
        lengths = np.arange(1, count - first + 1)
        means = (sums[..., first + 1 :] - sums[..., first : first + 1]) / lengths
        least = np.minimum.accumulate(means[..., ::-1], axis=-1)[..., ::-1]
        fitted[..., first:] = np.maximum(fitted[..., first:], least)
    return fitted


def read_curve(sizes: Floats, areas: Floats, at: Floats) -> Floats:
    """Return the rising curve through areas, linear in the logarithm of the size, at other sizes.

    Args:
        sizes: (points,) ascending.
        areas: (..., points).
        at: (places,) within the sizes.
    """
    curve = rising(areas)
    right = np.clip(np.searchsorted(sizes, at, side="right"), 1, len(sizes) - 1)
    low, high = np.log(sizes[right - 1]), np.log(sizes[right])
    share = (np.log(at) - low) / (high - low)
    return np.asarray(curve[..., right - 1] * (1 - share) + curve[..., right] * share)


def exchange_rate(
    curve: Mapping[int, Areas], augmented: Areas, real: int, *, clusters: int, level: float
) -> Worth:
    """Return what a synthetic trial of an arm is worth in real ones.

    Args:
        curve: areas of real trials alone, by their number.
        augmented: areas of pools of `real` real trials with `augmented.added` synthetic ones.
        real: real trials of the augmented pools.
        clusters: independent groups of test trials.
        level: of the interval.
    """
    from scipy.special import stdtrit

    sizes = np.array(sorted(curve), dtype=np.float64)
    places = np.unique(np.append(np.geomspace(sizes[0], sizes[-1], _STEPS), [real, real + augmented.added]))
    places = places[(places >= sizes[0]) & (places <= sizes[-1])]
    parts = _replicate([augmented, *(curve[int(size)] for size in sizes)])
    gaps = parts.map(lambda means: means[..., 0:1] - read_curve(sizes, means[..., 1:], places))
    by_blocks, by_tests = _variances(gaps)
    freedom = np.maximum(_freedom(by_blocks, by_tests, augmented.members.shape[1], clusters), 1.0)
    reach = stdtrit(freedom, (1 + level) / 2) * np.sqrt(by_blocks + by_tests)
    held = np.flatnonzero(np.abs(gaps.full) <= reach + _ROUNDING)
    nearest = _root(places, gaps.full)
    low, high = (places[held[0]], places[held[-1]]) if held.size else (nearest, nearest)

    def rate(trials: float) -> float:
        return (float(trials) - real) / augmented.added

    full = parts.full
    then = read_curve(sizes, full[1:], np.array([real, min(real + augmented.added, sizes[-1])]))
    gain = float(then[1] - then[0])
    return Worth(
        rate(nearest),
        rate(min(low, nearest)),
        rate(max(high, nearest)),
        bool(low <= places[0]),
        bool(high >= places[-1]),
        float(full[0] - then[0]) / gain if gain > 0 else None,
    )


def _root(places: Floats, gaps: Floats) -> float:
    """Return where a falling gap is 0; the middle where it is 0 for a while, an end where it never is."""
    above, below = np.flatnonzero(gaps > 0), np.flatnonzero(gaps < 0)
    if not above.size:
        return float(places[0])
    if not below.size:
        return float(places[-1])
    left, right = above[-1], below[0]
    if right == left + 1:
        share = gaps[left] / (gaps[left] - gaps[right])
        return float(places[left] + share * (places[right] - places[left]))
    return float((places[left] + places[right]) / 2)
