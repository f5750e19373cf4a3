"""All measures of a synthetic set, as a flat metrics file and tables for plots."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trialforge.errors import MetricError
from trialforge.quality.case import Case, Side, build_scale
from trialforge.quality.metric import Estimate, Metric
from trialforge.quality.params import QualityParams

if TYPE_CHECKING:
    import polars as pl

DIGITS = 4


def build_case(
    synthetic: pl.DataFrame,
    train: pl.DataFrame,
    validation: pl.DataFrame,
    test: pl.DataFrame,
    exemplars: pl.DataFrame,
    reasons: pl.DataFrame,
    params: QualityParams,
    seed: int,
) -> Case:
    """Return the measurement of a synthetic set.

    Raises:
        MetricError: there is no record to measure.
    """
    if not len(synthetic):
        raise MetricError("there is no synthetic trial to measure", hint="run: dvc repro validate")
    scale = build_scale(synthetic, train, params, seed)
    return Case(
        candidates=Side(synthetic, scale),
        reference=Side(train, scale),
        held_out=Side(validation, scale),
        unseen=Side(test, scale),
        exemplars=exemplars,
        reasons=reasons,
    )


def measure_all(case: Case, metrics: dict[str, Metric]) -> dict[str, Estimate]:
    """Return every metric of a set."""
    return {name: metric.measure(case) for name, metric in metrics.items()}


def flatten(estimates: dict[str, Estimate]) -> dict[str, float]:
    """Return the values, rounded, as they stand in the metrics file."""
    return {name: round(estimate.value, DIGITS) for name, estimate in sorted(estimates.items())}
