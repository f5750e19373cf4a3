"""Maximum mean discrepancy: is one set drawn from the other's distribution?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from trialforge.core.errors import MetricError
from trialforge.core.resampling import Clusters, jackknife_groups, jackknife_interval
from trialforge.quality.case import Case
from trialforge.quality.metric import Direction, Estimate, Metric
from trialforge.validation.neighbours import distance_blocks

MEDIAN_ROWS = 1000


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """The unbiased squared MMD, and its p-value under permutation of the two sets.

    `left_out` are its values without each jackknife group of the synthetic rows.
    """

    squared: float
    p_value: float
    left_out: tuple[float, ...] = ()


def median_bandwidth(rows: np.ndarray, stream: np.random.Generator) -> float:
    """Return the median distance between rows (of at most 1,000 drawn), the usual width of the kernel."""
    drawn = rows[np.sort(stream.choice(len(rows), min(len(rows), MEDIAN_ROWS), replace=False))]
    distances = np.concatenate([block for _, block in distance_blocks(drawn, drawn)])
    width = float(np.median(distances[np.triu_indices(len(drawn), 1)]))
    return width if width > 0 else 1.0


def _kernel_blocks(rows: np.ndarray, width: float) -> Iterator[tuple[slice, np.ndarray]]:
    for block, kernel in distance_blocks(rows, rows):
        np.square(kernel, out=kernel)
        np.divide(kernel, -2 * width**2, out=kernel)
        yield block, np.exp(kernel, out=kernel)


def permute_discrepancy(
    real: np.ndarray,
    synthetic: np.ndarray,
    width: float,
    permutations: int,
    stream: np.random.Generator,
    clusters: Clusters | None = None,
) -> Discrepancy:
    """Return the squared MMD with a Gaussian kernel and its permutation p (Gretton et al. 2012).

    All permutations are read off each block of the kernel in one product, so that the kernel is computed
    once and never held whole. The jackknife leaves out whole `clusters` of synthetic rows.

    Raises:
        MetricError: a set has fewer than two rows.
    """
    n, m = len(real), len(synthetic)
    if min(n, m) < 2:
        raise MetricError(f"{n} real and {m} synthetic records are too few for a two-sample test")
    rows = np.concatenate([real, synthetic])
    sides = np.zeros((n + m, permutations + 1))
    sides[:n, 0] = 1
    for draw in range(1, permutations + 1):
        sides[stream.permutation(n + m)[:n], draw] = 1
    members = _memberships(n, m, clusters or Clusters.single(m))
    within, outgoing, total = np.zeros(permutations + 1), np.zeros(permutations + 1), 0.0
    sums_of_groups = np.zeros((members.shape[1], members.shape[1]))
    for block, kernel in _kernel_blocks(rows, width):
        within += np.einsum("ij,ij->j", sides[block], kernel @ sides)
        sums = kernel.sum(axis=1)
        outgoing += sums @ sides[block]
        total += float(sums.sum())
        sums_of_groups += members[block].T @ (kernel @ members)
    first = (within - n) / (n * (n - 1))
    second = (total - 2 * outgoing + within - m) / (m * (m - 1))
    values = first + second - 2 * (outgoing - within) / (n * m)
    beaten = int((values[1:] >= values[0] - 1e-12).sum())
    left_out = _leave_out(sums_of_groups, members.sum(axis=0))
    return Discrepancy(float(values[0]), (1 + beaten) / (permutations + 1), left_out)


def _memberships(n: int, m: int, clusters: Clusters) -> np.ndarray:
    """Return which rows are real (column 0), and which synthetic ones are in which jackknife group."""
    groups = jackknife_groups(clusters)
    members = np.zeros((n + m, len(groups) + 1))
    members[:n, 0] = 1
    for column, group in enumerate(groups, start=1):
        members[n + group, column] = 1
    return members


def _leave_out(sums: np.ndarray, sizes: np.ndarray) -> tuple[float, ...]:
    """Return the unbiased squared MMD without each group, from the kernel's sums between groups."""
    n = sizes[0]
    real = (sums[0, 0] - n) / (n * (n - 1))
    found = []
    for group in range(1, len(sizes)):
        kept = [other for other in range(1, len(sizes)) if other != group]
        m = sizes[kept].sum()
        synthetic = (sums[np.ix_(kept, kept)].sum() - m) / (m * (m - 1))
        found.append(float(real + synthetic - 2 * sums[0, kept].sum() / (n * m)))
    return tuple(found)


@lru_cache(maxsize=4)
def _discrepancy(case: Case) -> Discrepancy:
    real, synthetic = case.reference.rows, case.candidates.rows
    width = median_bandwidth(np.concatenate([real, synthetic]), case.scale.stream("mmd", "width"))
    return permute_discrepancy(
        real, synthetic, width, case.params.permutations, case.scale.stream("mmd"), case.candidates.clusters
    )


def squared_mmd(case: Case) -> Estimate:
    """Unbiased squared MMD in the space, Gaussian kernel of median width (Gretton et al. 2012, JMLR 13)."""
    found = _discrepancy(case)
    return Estimate(found.squared, *jackknife_interval(found.squared, found.left_out), len(case.candidates))


def mmd_p_value(case: Case) -> Estimate:
    """Permutation p-value of the squared MMD, small where the sets differ; `n` counts the permutations."""
    return Estimate(_discrepancy(case).p_value, n=case.params.permutations)


METRICS = (
    Metric("fidelity.mmd2", Direction.LOWER, -1, 2, squared_mmd, yardstick=True),
    Metric("fidelity.mmd_p", Direction.HIGHER, 0, 1, mmd_p_value, yardstick=True),
)
