"""Paired tests of two classifiers on the same trials, and Holm's correction. Pure functions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


class AreaTest(NamedTuple):
    """A ROC-AUC, or a difference of two, with its standard error and the degrees of freedom of that."""

    value: float
    error: float
    freedom: float

    def p(self, expected: float = 0.0) -> float:
        """Return the two-sided p-value that the true value is `expected`."""
        from scipy.stats import t

        gap = abs(self.value - expected)
        if self.error == 0:
            return 1.0 if gap == 0 else 0.0
        return float(2 * t.sf(gap / self.error, self.freedom))

    def interval(self, level: float) -> tuple[float, float]:
        """Return the symmetric interval."""
        from scipy.stats import t

        reach = float(t.ppf((1 + level) / 2, self.freedom)) * self.error
        return self.value - reach, self.value + reach

    def demonstrable(self, level: float, power: float) -> float:
        """Return the least true effect that a two-sided test at `level` finds with probability `power`."""
        from scipy.stats import t

        return float(t.ppf((1 + level) / 2, self.freedom) + t.ppf(power, self.freedom)) * self.error


def placements(labels: Labels, scores: Floats) -> tuple[Floats, Floats]:
    """Return DeLong's structural components of each success and of each failure; their means are the AUC."""
    positive, negative = scores[labels == 1], scores[labels == 0]
    below = np.sort(negative)
    of_success = (np.searchsorted(below, positive, "left") + np.searchsorted(below, positive, "right")) / 2
    above = np.sort(positive)
    of_failure = (np.searchsorted(above, negative, "left") + np.searchsorted(above, negative, "right")) / 2
    return of_success / negative.size, 1 - of_failure / positive.size


def roc_test(labels: Labels, scores: Floats, clusters: NDArray[np.str_] | None = None) -> AreaTest:
    """Return the mean ROC-AUC of several seeds, (seeds, trials), with its error over trials and seeds."""
    return _area_test(labels, [placements(labels, row) for row in np.atleast_2d(scores)], clusters)


def delong(
    labels: Labels, first: Floats, second: Floats, clusters: NDArray[np.str_] | None = None
) -> AreaTest:
    """Return how much more ROC-AUC `second` has than `first`, each (trials,) or (seeds, trials).

    DeLong, DeLong and Clarke-Pearson 1988. With `clusters`, sums over trials become sums over clusters
    (Obuchowski 1997). The mean over seeds of ROC-AUCs is a U-statistic too: its components are the
    means of theirs. What seeds vary by is added, with Satterthwaite's degrees of freedom.
    """
    pairs = zip(np.atleast_2d(first), np.atleast_2d(second), strict=True)
    components = []
    for one, two in pairs:
        (ones_first, zeros_first), (ones_second, zeros_second) = (
            placements(labels, one),
            placements(labels, two),
        )
        components.append((ones_second - ones_first, zeros_second - zeros_first))
    return _area_test(labels, components, clusters)


def _area_test(
    labels: Labels, components: list[tuple[Floats, Floats]], clusters: NDArray[np.str_] | None
) -> AreaTest:
    ones, zeros = (np.mean([pair[side] for pair in components], axis=0) for side in (0, 1))
    over_trials = _variance(labels, ones, zeros, clusters)
    seeds = len(components)
    between = over_seeds = 0.0
    if seeds > 1:
        # Seeds differ by what is theirs and by how they meet these trials; the latter is in
        # `over_trials` already, as the part by which single seeds vary more over trials than their mean.
        between = float(np.array([pair[0].mean() for pair in components]).var(ddof=1) / seeds)
        single = float(np.mean([_variance(labels, *pair, clusters) for pair in components]))
        over_seeds = max(between - (single - over_trials) / (seeds - 1), 0.0)
    variance = over_trials + over_seeds
    freedom = (seeds - 1) * (variance / between) ** 2 if between > 1e-12 * variance else np.inf
    return AreaTest(float(ones.mean()), float(np.sqrt(variance)), float(min(freedom, 1e9)))


def _variance(labels: Labels, ones: Floats, zeros: Floats, clusters: NDArray[np.str_] | None) -> float:
    if clusters is None:
        return float(ones.var(ddof=1) / ones.size + zeros.var(ddof=1) / zeros.size)
    return _clustered_variance(labels, ones, zeros, clusters)


def _clustered_variance(labels: Labels, ones: Floats, zeros: Floats, clusters: NDArray[np.str_]) -> float:
    names, member = np.unique(clusters, return_inverse=True)
    sums = np.zeros(names.size)
    np.add.at(sums, member[labels == 1], (ones - ones.mean()) / ones.size)
    np.add.at(sums, member[labels == 0], (zeros - zeros.mean()) / zeros.size)
    return float(np.square(sums).sum() * names.size / max(names.size - 1, 1))


def mcnemar(first_right: NDArray[np.bool_], second_right: NDArray[np.bool_]) -> float:
    """Return the exact two-sided p-value that two classifiers are right equally often (McNemar 1947)."""
    from scipy.stats import binomtest

    only_first = int((first_right & ~second_right).sum())
    only_second = int((~first_right & second_right).sum())
    if only_first + only_second == 0:
        return 1.0
    return float(binomtest(only_first, only_first + only_second, 0.5).pvalue)


def holm(p_values: Floats) -> Floats:
    """Return p-values corrected for their number (Holm 1979), in the order given."""
    order = np.argsort(p_values, kind="stable")
    scaled = p_values[order] * np.arange(len(p_values), 0, -1)
    corrected = np.empty_like(p_values)
    corrected[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return corrected
