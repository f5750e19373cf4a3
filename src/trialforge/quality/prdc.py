"""Precision, recall, density and coverage: do the sets cover the same ground, by k nearest neighbours?"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from trialforge.core.errors import MetricError
from trialforge.quality.case import Case
from trialforge.quality.metric import Direction, Estimate, Metric, bootstrap_mean
from trialforge.validation.neighbours import distance_blocks, nearest_distances


@dataclass(frozen=True, slots=True)
class Manifold:
    """What each row adds to the four measures: by synthetic row, then by real row."""

    inside: np.ndarray
    density: np.ndarray
    reached: np.ndarray
    covered: np.ndarray


def compare_manifolds(real: np.ndarray, synthetic: np.ndarray, k: int) -> Manifold:
    """Return what each row adds, with balls reaching to the k-th nearest row of its own set.

    Raises:
        MetricError: a set has no k + 1 rows.
    """
    if min(len(real), len(synthetic)) <= k:
        raise MetricError(
            f"{len(real)} real and {len(synthetic)} synthetic records: too few for `quality.nearest` = {k}",
            hint="lower quality.nearest, or plan more records",
        )
    real_radii = nearest_distances(real, None, k)[:, -1]
    synthetic_radii = nearest_distances(synthetic, None, k)[:, -1]
    counts = np.zeros(len(synthetic))
    reached = np.zeros(len(real), dtype=bool)
    covered = np.zeros(len(real), dtype=bool)
    for block, distances in distance_blocks(real, synthetic):
        in_ball = distances < real_radii[block, None]
        counts += in_ball.sum(axis=0)
        covered[block] = in_ball.any(axis=1)
        reached[block] = (distances < synthetic_radii).any(axis=1)
    return Manifold(counts > 0, counts / k, reached, covered)


@lru_cache(maxsize=4)
def _manifold(case: Case) -> Manifold:
    return compare_manifolds(case.reference.rows, case.candidates.rows, case.params.nearest)


def _mean(case: Case, name: str) -> Estimate:
    values = getattr(_manifold(case), name)
    clusters = (case.candidates if name in ("inside", "density") else case.reference).clusters
    return bootstrap_mean(values, case.scale.stream("prdc", name), case.params.bootstrap, clusters)


def precision(case: Case) -> Estimate:
    """Share of records inside the ball of some real trial (Kynkäänniemi et al. 2019, arXiv 1904.06991)."""
    return _mean(case, "inside")


def recall(case: Case) -> Estimate:
    """Share of real trials inside the ball of some record (Kynkäänniemi et al. 2019, arXiv 1904.06991)."""
    return _mean(case, "reached")


def density(case: Case) -> Estimate:
    """Mean number of real balls a record lies in, over k (Naeem et al. 2020, arXiv 2002.09797)."""
    return _mean(case, "density")


def coverage(case: Case) -> Estimate:
    """Share of real trials whose ball holds a record (Naeem et al. 2020, arXiv 2002.09797).

    A set of copies scores 1: it stands beside the memorisation measures, never alone.
    """
    return _mean(case, "covered")


METRICS = (
    Metric("fidelity.precision", Direction.HIGHER, 0, 1, precision, yardstick=True),
    Metric("fidelity.recall", Direction.HIGHER, 0, 1, recall, yardstick=True),
    Metric("fidelity.density", Direction.HIGHER, 0, float("inf"), density, yardstick=True),
    Metric("fidelity.coverage", Direction.HIGHER, 0, 1, coverage, yardstick=True),
)
