"""What a measure is: a name, a direction, bounds and a function; and what it gives, with its interval."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from trialforge.core.errors import MetricError
from trialforge.core.resampling import (
    Clusters,
    bootstrap_difference,
    bootstrap_statistic,
    jackknife_groups,
    jackknife_interval,
)
from trialforge.quality.case import Case


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
        if math.isnan(estimate.low) or math.isnan(estimate.high):
            return replace(estimate, low=None, high=None)  # too few records to draw other sets from
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


def bootstrap_mean(
    values: np.ndarray, stream: np.random.Generator, draws: int, clusters: Clusters | None = None
) -> Estimate:
    """Return the mean of values with a percentile interval, by `clusters` where they are not independent."""
    values = np.asarray(values, dtype=np.float64)
    if not len(values):
        raise MetricError("there is nothing to take a mean of")
    units = clusters or Clusters.single(len(values))
    low, high = bootstrap_statistic(lambda places: float(values[places].mean()), units, stream, draws)
    return Estimate(float(values.mean()), low, high, len(values))


def mean_of_records(values: np.ndarray, case: Case, *stream: str | int) -> Estimate:
    """Return the mean of what each record has, with its interval; `stream` names the draws."""
    return bootstrap_mean(values, case.scale.stream(*stream), case.params.bootstrap, case.candidates.clusters)


def contrast(
    statistic: Callable[[np.ndarray], float],
    ours: np.ndarray,
    real: np.ndarray,
    case: Case,
    *stream: str,
) -> Estimate:
    """Return a statistic of records' values minus that of real ones, with its interval.

    Records are drawn by exemplar set. `stream` names the draws.
    """
    low, high = bootstrap_difference(
        lambda places: statistic(ours[places]),
        lambda places: statistic(real[places]),
        (case.candidates.clusters, Clusters.single(len(real))),
        case.scale.stream(*stream),
        case.params.bootstrap,
    )
    return Estimate(float(statistic(ours) - statistic(real)), low, high, len(ours))


def jackknife_statistic(statistic: Callable[[np.ndarray], float], clusters: Clusters) -> Estimate:
    """Return a statistic of row numbers with its jackknife interval, which leaves out whole clusters."""
    every = np.arange(len(clusters.order))
    value = statistic(every)
    left_out = [statistic(np.delete(every, group)) for group in jackknife_groups(clusters)]
    return Estimate(value, *jackknife_interval(value, left_out), len(every))
