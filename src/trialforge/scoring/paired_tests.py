"""Paired tests of two classifiers on the same trials, and Holm's correction. Pure functions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trialforge.core.resampling import variance_of_luck

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
_NOTHING = 1e-12  # less is rounding


class AreaTest(NamedTuple):
    """A ROC-AUC, or a difference of two, with its standard error and degrees of freedom.

    The variance has two parts: from the scored trials, and from the repetitions (fits, or whole generations
    of synthetic trials). `error_trials` and `error_repeats` are their square roots. The error is infinite if
    the variance between trials is unknown. The value lies between `least` and 1.
    """

    value: float
    error: float
    freedom: float
    error_trials: float = 0.0
    error_repeats: float = 0.0
    least: float = -1.0

    def p(self) -> float:
        """Return the two-sided p-value for a true value of 0."""
        from scipy.special import stdtr

        if self.error == 0:
            return 1.0 if self.value == 0 else 0.0
        return float(2 * stdtr(self.freedom, -abs(self.value) / self.error))

    def p_equivalent(self, margin: float) -> float:
        """Return the p-value for a true value at least `margin` from 0, by two one-sided tests.

        Schuirmann 1987, doubled: it is below `alpha` exactly if the interval at level 1 - `alpha`, the one
        shown, lies within the margin. Without doubling, the tests claim equivalence in up to 6.3% of cases at
        the margin itself, because DeLong's standard error is smaller for smaller observed differences.
        """
        from scipy.special import stdtr

        room = margin - abs(self.value)
        if self.error == 0:
            return 0.0 if room > 0 else 1.0
        return min(1.0, float(2 * stdtr(self.freedom, -room / self.error)))

    def interval(self, level: float) -> tuple[float, float]:
        """Return the symmetric interval, clipped to possible values."""
        from scipy.special import stdtrit

        reach = float(stdtrit(self.freedom, (1 + level) / 2)) * self.error
        return max(self.value - reach, self.least), min(self.value + reach, 1.0)

    def detectable(self, level: float, power: float) -> float:
        """Return the smallest true effect that a two-sided test at `level` detects with `power`."""
        from scipy.special import stdtrit

        return float(stdtrit(self.freedom, (1 + level) / 2) + stdtrit(self.freedom, power)) * self.error


def detectable_area(test: AreaTest, base: float, level: float, power: float) -> float:
    """Return the smallest true gain over ROC-AUC `base` that `test`, of a difference, detects with `power`.

    It depends on the standard error at that gain, not on the observed one: areas vary less as they approach
    1. How much less is taken from areas of exponential scores (Hanley and McNeil 1982).
    """

    def variance(area: float) -> float:
        area = min(max(area, 0.5), 0.999)
        return area / (2 - area) + 2 * area**2 / (1 + area) - 2 * area**2

    reach = gap = test.detectable(level, power)
    for _ in range(8):
        seen, then = (variance(base) + variance(base + rise) for rise in (test.value, gap))
        gap = reach * float(np.sqrt(then / seen))
    return gap


def placements(labels: Labels, scores: Floats) -> tuple[Floats, Floats]:
    """Return DeLong's structural components of each success and each failure; both have the AUC as mean."""
    positive, negative = scores[labels == 1], scores[labels == 0]
    below = np.sort(negative)
    of_success = (np.searchsorted(below, positive, "left") + np.searchsorted(below, positive, "right")) / 2
    above = np.sort(positive)
    of_failure = (np.searchsorted(above, negative, "left") + np.searchsorted(above, negative, "right")) / 2
    return of_success / negative.size, 1 - of_failure / positive.size


def roc_test(labels: Labels, scores: Floats, clusters: NDArray[np.str_] | None = None) -> AreaTest:
    """Return the mean ROC-AUC of several seeds, (seeds, trials), with its standard error over both."""
    components = [placements(labels, row) for row in np.atleast_2d(scores)]
    return _area_test(labels, components, clusters, chance=0.5)._replace(least=0.0)


def delong(
    labels: Labels,
    first: Floats,
    second: Floats,
    clusters: NDArray[np.str_] | None = None,
    generations: NDArray[np.int64] | None = None,
) -> AreaTest:
    """Return the ROC-AUC of `second` minus that of `first`, each (trials,) or (seeds, trials).

    DeLong, DeLong and Clarke-Pearson 1988. With `clusters`, sums over trials become sums over clusters
    (Obuchowski 1997), each scaled by its leverage (CR2 of Bell and McCaffrey 2002), and the degrees of
    freedom are the effective number of clusters minus one. With a few large clusters, plain sums would be
    significant twice as often as they should. The mean ROC-AUC over seeds is a U-statistic too: its
    components are the means of theirs. The variance between repetitions is added by Satterthwaite's rule.
    `generations` says which generation of synthetic trials each seed learned from; two or more generations
    are the repetitions, each the mean of its seeds.
    """
    pairs = zip(np.atleast_2d(first), np.atleast_2d(second), strict=True)
    components = []
    for one, two in pairs:
        (ones_first, zeros_first), (ones_second, zeros_second) = (
            placements(labels, one),
            placements(labels, two),
        )
        components.append((ones_second - ones_first, zeros_second - zeros_first))
    if generations is not None and np.unique(generations).size > 1:
        components = [
            _mean([pair for pair, mine in zip(components, generations == generation, strict=True) if mine])
            for generation in np.unique(generations)
        ]
    return _area_test(labels, components, clusters)


def _mean(components: list[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
    ones, zeros = (np.mean([pair[side] for pair in components], axis=0) for side in (0, 1))
    return ones, zeros


def _area_test(
    labels: Labels,
    components: list[tuple[Floats, Floats]],
    clusters: NDArray[np.str_] | None,
    chance: float = 0.0,
) -> AreaTest:
    ones, zeros = _mean(components)
    over_trials, freedom = _variance(labels, ones, zeros, clusters)
    if over_trials < _NOTHING and abs(float(ones.mean()) - chance) > _NOTHING:
        over_trials = _luck_by_clusters(labels, clusters)
    repeats = len(components)
    between = over_repeats = 0.0
    if repeats > 1 and np.isfinite(over_trials):
        # Repetitions differ in themselves and in how they fit these trials. The latter is already in
        # `over_trials`, as the part by which single ones vary more over trials than their mean.
        between = float(np.array([pair[0].mean() for pair in components]).var(ddof=1) / repeats)
        single = float(np.mean([_variance(labels, *pair, clusters)[0] for pair in components]))
        over_repeats = max(between - (single - over_trials) / (repeats - 1), 0.0)
    variance = over_trials + over_repeats
    if variance > 0 and np.isfinite(variance):
        lost = (over_trials / variance) ** 2 / freedom
        if between > 1e-12 * variance:
            lost += (between / variance) ** 2 / (repeats - 1)
        freedom = min(1 / lost, 1e9)
    return AreaTest(
        float(ones.mean()), float(np.sqrt(variance)), freedom,
        float(np.sqrt(over_trials)), float(np.sqrt(over_repeats)),
    )  # fmt: skip


def _luck_by_clusters(labels: Labels, clusters: NDArray[np.str_] | None) -> float:
    """Return the variance of the ROC-AUC of random scores; each cluster counts once per label.

    In a perfect ranking all placements are equal, so their variance is 0. That proves nothing: with two
    successes and two failures, one random order in six is perfect.
    """
    names = np.arange(labels.size) if clusters is None else clusters
    ones, zeros = (np.unique(names[labels == label]).size for label in (1, 0))
    return variance_of_luck(ones, zeros)


def _variance(
    labels: Labels, ones: Floats, zeros: Floats, clusters: NDArray[np.str_] | None
) -> tuple[float, float]:
    """Return the variance over trials and its degrees of freedom."""
    if clusters is None:
        if min(ones.size, zeros.size) < 2:
            return np.inf, 1.0
        return float(ones.var(ddof=1) / ones.size + zeros.var(ddof=1) / zeros.size), 1e9
    names, member = np.unique(clusters, return_inverse=True)
    sums = np.zeros(names.size)
    sizes = np.zeros(names.size)
    for label, values in ((1, ones), (0, zeros)):
        mine = member[labels == label]
        share = np.bincount(mine, minlength=names.size) / values.size
        if share.max() == 1:
            return np.inf, 1.0  # one cluster has all of a label: how clusters differ is unknown
        total = np.bincount(mine, weights=values - values.mean(), minlength=names.size) / values.size
        sums += total / np.sqrt(1 - share)
        sizes += share / values.size
    effective = sizes.sum() ** 2 / np.square(sizes).sum()
    return float(np.square(sums).sum()), float(max(effective - 1, 1.0))


def mcnemar(first_right: NDArray[np.bool_], second_right: NDArray[np.bool_]) -> float:
    """Return the exact two-sided p-value for two classifiers with equal accuracy (McNemar 1947)."""
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
