"""How similar are records to each other and to real trials? The paper's three distributions."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import polars as pl

from trialforge.core.errors import MetricError
from trialforge.core.resampling import jackknife_groups, jackknife_interval
from trialforge.quality.case import Case
from trialforge.quality.metric import Direction, Estimate, Metric
from trialforge.validation.neighbours import distance_blocks

EDGES = np.linspace(-1, 1, 401)
_CENTRES = (EDGES[:-1] + EDGES[1:]) / 2
_PLOT_BINS = 50


def cosine_histogram(rows: np.ndarray, others: np.ndarray | None) -> np.ndarray:
    """Return how many pairs of unit rows have which cosine, in 400 bins; with None, pairs within `rows`."""
    counts = np.zeros(len(_CENTRES), dtype=np.int64)
    for block, distances in distance_blocks(rows, rows if others is None else others):
        cosines = np.clip(1 - distances**2 / 2, -1, 1)
        if others is None:
            places = np.arange(block.start, block.stop)
            cosines = cosines[places[:, None] < np.arange(len(rows))[None, :]]
        counts += np.histogram(cosines, EDGES)[0]
    return counts


def histogram_distance(left: np.ndarray, right: np.ndarray) -> float:
    """Return the Wasserstein distance of two histograms of cosines.

    Raises:
        MetricError: one has no pair.
    """
    if not left.sum() or not right.sum():
        raise MetricError("a set of one record has no pairs")
    return float(np.abs(np.cumsum(left / left.sum() - right / right.sum())).sum() * (EDGES[1] - EDGES[0]))


@lru_cache(maxsize=4)
def _histograms(case: Case) -> dict[str, np.ndarray]:
    real, synthetic = case.reference.rows, case.candidates.rows
    return {
        "real-real": cosine_histogram(real, None),
        "synthetic-synthetic": cosine_histogram(synthetic, None),
        "real-synthetic": cosine_histogram(synthetic, real),
    }


def cosine_table(case: Case) -> pl.DataFrame:
    """Return the three distributions as shares of pairs by cosine, for a plot."""
    parts = []
    for name, counts in _histograms(case).items():
        wide = counts.reshape(_PLOT_BINS, -1).sum(axis=1)
        centres = _CENTRES.reshape(_PLOT_BINS, -1).mean(axis=1)
        parts.append(
            pl.DataFrame(
                {
                    "pairs": [name] * _PLOT_BINS,
                    "cosine": centres.round(4),
                    "share": (wide / max(wide.sum(), 1)).round(6),
                }
            )
        )
    return pl.concat(parts)


def within_distance(case: Case) -> Estimate:
    """Wasserstein distance of the cosines within the set from those within real trials (of 0 to 2)."""
    rows = case.candidates.rows

    def pairs_of(group: np.ndarray) -> np.ndarray:
        rest = np.delete(rows, group, axis=0)
        found: np.ndarray = cosine_histogram(rows[group], rest) + cosine_histogram(rows[group], None)
        return found

    return _distance(case, "synthetic-synthetic", pairs_of)


def between_distance(case: Case) -> Estimate:
    """Wasserstein distance of the cosines of records to real trials from those within real trials."""
    rows, real = case.candidates.rows, case.reference.rows
    return _distance(case, "real-synthetic", lambda group: cosine_histogram(rows[group], real))


def _distance(case: Case, name: str, pairs_of: Callable[[np.ndarray], np.ndarray]) -> Estimate:
    """Return the distance of a histogram from real trials' own, with its jackknife interval over records.

    `pairs_of` counts the pairs that have a record of a group, which are left out with it.
    """
    found, clusters = _histograms(case), case.candidates.clusters
    value = histogram_distance(found[name], found["real-real"])
    left_out = [
        histogram_distance(found[name] - pairs_of(group), found["real-real"])
        for group in jackknife_groups(clusters)
    ]
    return Estimate(value, *jackknife_interval(value, left_out), len(case.candidates))


METRICS = (
    Metric("fidelity.cosine_within", Direction.LOWER, 0, 2, within_distance, yardstick=True, headline=False),
    Metric(
        "fidelity.cosine_between", Direction.LOWER, 0, 2, between_distance, yardstick=True, headline=False
    ),
)
