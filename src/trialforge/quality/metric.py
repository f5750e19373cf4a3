"""What a measure is: a name, a direction, bounds and a function; and what it gives, with its interval."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from statistics import NormalDist

import numpy as np

from trialforge.core.errors import MetricError
from trialforge.quality.case import Case

LEVEL = 0.95
JACKKNIFE_GROUPS = 20


class Direction(StrEnum):
    """Which values are better."""

    HIGHER = "higher"
    LOWER = "lower"
    REAL = "as real trials"


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95% interval (None where none is defined) and the number of things it rests on."""

    value: float
    low: float | None = None
    high: float | None = None
    n: int = 0


@dataclass(frozen=True, slots=True)
class Metric:
    """A measure. Its definition and source stand in the docstring of `compute`.

    `yardstick` says that real held-out trials can be measured the same way, which gives the ceiling; a
    `headline` stands in the metrics file, every metric in the table of measures.
    """

    name: str
    direction: Direction
    low: float
    high: float
    compute: Callable[[Case], Estimate]
    yardstick: bool = False
    headline: bool = True

    def measure(self, case: Case) -> Estimate:
        """Return the estimate, checked against the bounds.

        Raises:
            MetricError: the value is no number or lies outside the bounds.
        """
        estimate = self.compute(case)
        slack = 1e-6
        if not math.isfinite(estimate.value) or not self.low - slack <= estimate.value <= self.high + slack:
            raise MetricError(f"{self.name} is {estimate.value}, which is not from {self.low} to {self.high}")
        if estimate.low is None or estimate.high is None:
            return estimate
        return replace(estimate, low=max(estimate.low, self.low), high=min(estimate.high, self.high))


def index_metrics(metrics: Iterable[Metric]) -> dict[str, Metric]:
    """Return metrics by name.

    Raises:
        MetricError: two have one name.
    """
    found: dict[str, Metric] = {}
    for metric in metrics:
        if metric.name in found:
            raise MetricError(f"two metrics are named {metric.name}")
        found[metric.name] = metric
    return found


def bootstrap_mean(values: np.ndarray, stream: np.random.Generator, draws: int) -> Estimate:
    """Return the mean of values that belong to independent records, with a percentile interval."""
    values = np.asarray(values, dtype=np.float64)
    if not len(values):
        raise MetricError("there is nothing to take a mean of")
    means = np.empty(draws)
    for draw in range(draws):
        means[draw] = values[stream.integers(0, len(values), len(values))].mean()
    low, high = percentile_interval(means)
    return Estimate(float(values.mean()), low, high, len(values))


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


def contrast(
    statistic: Callable[[np.ndarray], float],
    ours: np.ndarray,
    real: np.ndarray,
    stream: np.random.Generator,
    draws: int,
) -> Estimate:
    """Return a statistic of our values minus that of real ones, with its bootstrap interval."""
    low, high = bootstrap_difference(
        lambda places: statistic(ours[places]),
        lambda places: statistic(real[places]),
        (len(ours), len(real)),
        stream,
        draws,
    )
    return Estimate(float(statistic(ours) - statistic(real)), low, high, len(ours))


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


def jackknife_statistic(statistic: Callable[[np.ndarray], float], n: int) -> Estimate:
    """Return a statistic of row numbers with its jackknife interval."""
    every = np.arange(n)
    value = statistic(every)
    left_out = [statistic(np.delete(every, group)) for group in jackknife_groups(n)]
    return Estimate(value, *jackknife_interval(value, left_out), n)


def percentile_interval(values: np.ndarray) -> tuple[float, float]:
    """Return the middle 95% of bootstrap values; those that are no numbers are left out."""
    kept = values[np.isfinite(values)]
    if not len(kept):
        return math.nan, math.nan
    low, high = np.quantile(kept, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
