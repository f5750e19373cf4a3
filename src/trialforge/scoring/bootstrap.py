"""Paired bootstrap of held-out trials, by clusters and nested over seeds, for every metric at once.

A draw resamples interventions with all their trials (a cluster bootstrap, Field and Welsh 2007) and, within
the draw, seeds. Both arms of a comparison use the same draws, so their difference is paired. A draw is a
vector of trial weights, and each metric is a function of such weights, so 10,000 draws take a few matrix
products.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trialforge.core.rng import random_stream

Floats = NDArray[np.float64]
CHUNK = 1000


@dataclass(frozen=True, slots=True)
class Draws:
    """Resampled weights.

    Attributes:
        trials: (draws, trials), how often each trial is drawn.
        seeds: (draws, seeds), the share of each seed in a draw.
    """

    trials: Floats
    seeds: Floats


def draw_weights(clusters: NDArray[np.str_], seeds: int, draws: int, seed: int) -> Draws:
    """Return the weights of `draws` draws; trials of a cluster are drawn together."""
    _, member = np.unique(clusters, return_inverse=True)
    stream = random_stream(seed, "learning", "bootstrap")
    count = int(member.max()) + 1
    drawn = stream.multinomial(count, np.full(count, 1 / count), size=draws)
    shares = stream.multinomial(seeds, np.full(seeds, 1 / seeds), size=draws) / seeds
    return Draws(drawn[:, member].astype(np.float64), shares)


DrawnMetric = Callable[[NDArray[np.int64], Floats, float, Floats], Floats]
"""Labels, scores, threshold, weights (draws, trials) -> the metric of each draw; NaN where undefined."""


def roc_auc(labels: NDArray[np.int64], scores: Floats, threshold: float, weights: Floats) -> Floats:  # noqa: ARG001
    """Return the weighted probability that a success outranks a failure; ties count half."""
    positive, negative = labels == 1, labels == 0
    order = np.argsort(scores[negative], kind="stable")
    below = np.zeros((weights.shape[0], order.size + 1))
    np.cumsum(weights[:, negative][:, order], axis=1, out=below[:, 1:])
    ranked = scores[negative][order]
    left = below[:, np.searchsorted(ranked, scores[positive], "left")]
    right = below[:, np.searchsorted(ranked, scores[positive], "right")]
    wins = (weights[:, positive] * (left + right) / 2).sum(axis=1)
    return _ratio(wins, weights[:, positive].sum(axis=1) * below[:, -1])


def pr_auc(labels: NDArray[np.int64], scores: Floats, threshold: float, weights: Floats) -> Floats:  # noqa: ARG001
    """Return the weighted average precision, without interpolation; tied scores form one step."""
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], labels[order] == 1
    weighted = weights[:, order]
    ends = np.flatnonzero(np.append(np.diff(ranked) != 0, True))
    true = np.cumsum(weighted * hits, axis=1)[:, ends]
    chosen = np.cumsum(weighted, axis=1)[:, ends]
    gained = np.diff(true, axis=1, prepend=0.0)
    precision = np.divide(true, chosen, out=np.zeros_like(true), where=chosen > 0)
    return _ratio((precision * gained).sum(axis=1), true[:, -1])


def brier(labels: NDArray[np.int64], scores: Floats, threshold: float, weights: Floats) -> Floats:  # noqa: ARG001
    """Return the weighted mean squared error of the probability."""
    return _ratio(weights @ np.square(scores - labels), weights.sum(axis=1))


def _counts(
    labels: NDArray[np.int64], scores: Floats, threshold: float, weights: Floats
) -> tuple[Floats, ...]:
    says, is_one = scores >= threshold, labels == 1
    cells = (says & is_one, says & ~is_one, ~says & is_one, ~says & ~is_one)
    return tuple(weights @ cell.astype(np.float64) for cell in cells)


def accuracy(labels: NDArray[np.int64], scores: Floats, threshold: float, weights: Floats) -> Floats:
    """Return the weighted share of correct answers."""
    hit, _, _, rejected = _counts(labels, scores, threshold, weights)
    return _ratio(hit + rejected, weights.sum(axis=1))


def balanced_accuracy(labels: NDArray[np.int64], scores: Floats, threshold: float, weights: Floats) -> Floats:
    """Return the mean of sensitivity and specificity."""
    hit, alarm, miss, rejected = _counts(labels, scores, threshold, weights)
    return (_ratio(hit, hit + miss) + _ratio(rejected, rejected + alarm)) / 2


def precision(labels: NDArray[np.int64], scores: Floats, threshold: float, weights: Floats) -> Floats:
    """Return the share of successes among predicted successes; 0 if there are none."""
    hit, alarm, _, _ = _counts(labels, scores, threshold, weights)
    return np.nan_to_num(_ratio(hit, hit + alarm))


def recall(labels: NDArray[np.int64], scores: Floats, threshold: float, weights: Floats) -> Floats:
    """Return the share of successes that are predicted as such."""
    hit, _, miss, _ = _counts(labels, scores, threshold, weights)
    return _ratio(hit, hit + miss)


def f1(labels: NDArray[np.int64], scores: Floats, threshold: float, weights: Floats) -> Floats:
    """Return the harmonic mean of precision and recall."""
    hit, alarm, miss, _ = _counts(labels, scores, threshold, weights)
    return np.nan_to_num(_ratio(2 * hit, 2 * hit + alarm + miss))


def calibration_error(bins: int) -> DrawnMetric:
    """Return the measure: expected calibration error over `bins` bins of equal width (Naeini 2015)."""

    def measure(labels: NDArray[np.int64], scores: Floats, threshold: float, weights: Floats) -> Floats:  # noqa: ARG001
        member = np.minimum((scores * bins).astype(np.int64), bins - 1)
        gaps = weights @ (np.eye(bins)[member] * (scores - labels)[:, None])
        return _ratio(np.abs(gaps).sum(axis=1), weights.sum(axis=1))

    return measure


def _ratio(above: Floats, below: Floats) -> Floats:
    quotient: Floats = np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)
    return quotient


def resample(
    measure: DrawnMetric, labels: NDArray[np.int64], scores: Floats, thresholds: Floats, draws: Draws
) -> Floats:
    """Return the metric of each draw, averaged over its seeds.

    Args:
        measure: the metric.
        labels: (trials,).
        scores: (seeds, trials).
        thresholds: (seeds,), each chosen on validation trials.
        draws: weights of trials and seeds.
    """
    fits, fit_of = np.unique(np.column_stack([thresholds, scores]), axis=0, return_inverse=True)
    values = np.empty((len(fits), len(draws.trials)))  # seeds of a deterministic model are one fit
    for start in range(0, len(draws.trials), CHUNK):
        chunk = slice(start, start + CHUNK)
        for number, (threshold, *row) in enumerate(fits):
            values[number, chunk] = measure(labels, np.array(row), threshold, draws.trials[chunk])
    means: Floats = np.einsum("sd,ds->d", values[fit_of], draws.seeds)
    return means.round(12)  # so that equal arms differ by exactly 0 in a draw


def p_value(differences: Floats) -> float:
    """Return the two-sided bootstrap p-value of no difference; never below 1 / (draws + 1)."""
    known = differences[~np.isnan(differences)]
    tail = min(int((known <= 0).sum()), int((known >= 0).sum()))
    return min(1.0, 2 * (tail + 1) / (known.size + 1))
