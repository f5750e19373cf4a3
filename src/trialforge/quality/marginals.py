"""Do single fields have the values they have in real trials?"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import lru_cache

import numpy as np
import polars as pl
from scipy.spatial.distance import jensenshannon
from scipy.stats import wasserstein_distance

from trialforge.core.errors import MetricError
from trialforge.quality.case import Case
from trialforge.quality.metric import Direction, Estimate, Metric, jackknife_statistic

CATEGORIES: dict[str, pl.Expr] = {
    name: pl.col(name).cast(pl.String).fill_null("absent")
    for name in (
        "phase", "sex", "masking", "allocation", "intervention_model", "primary_purpose",
        "healthy_volunteers",
    )
} | {
    f"{name} given": pl.col(name).is_not_null().cast(pl.String)
    for name in ("enrolment_planned", "minimum_age", "maximum_age")
}  # fmt: skip
NUMBERS: dict[str, pl.Expr] = {
    "enrolment (log)": (pl.col("enrolment_planned").cast(pl.Float64) + 1).log(),
    "minimum age": pl.col("minimum_age"),
    "maximum age": pl.col("maximum_age"),
    "criteria items": pl.col("criteria").str.count_matches(r"(?m)^\s*(?:[-*•]|\d+[.)])\s").cast(pl.Float64),
    "criteria words": pl.col("criteria").str.count_matches(r"\S+").cast(pl.Float64),
    "summary words": pl.col("summary").str.count_matches(r"\S+").cast(pl.Float64),
    "conditions": pl.col("conditions").list.len().cast(pl.Float64),
    "interventions": pl.col("interventions").list.len().cast(pl.Float64),
    "primary outcomes": pl.col("primary_outcomes").list.len().cast(pl.Float64),
    "secondary outcomes": pl.col("secondary_outcomes").list.len().cast(pl.Float64),
}


def divergence(left: pl.Series, right: pl.Series) -> float:
    """Return the Jensen-Shannon divergence of two columns of categories in bits, 0 to 1 (Lin 1991)."""
    counts = [column.value_counts(name="count").rename({column.name: "value"}) for column in (left, right)]
    both = counts[0].join(counts[1], on="value", how="full", coalesce=True).fill_null(0).sort("value")
    return float(jensenshannon(both["count"], both["count_right"], base=2) ** 2)


def scaled_distance(candidate: pl.Series, reference: pl.Series) -> float | None:
    """Return the Wasserstein distance in standard deviations of the reference; None where either is empty.

    A reference that does not vary is its own scale: the distance is in multiples of its one value (of 1
    where that is 0). The spread of both sets together would not do: it grows with the distance.
    """
    left, right = candidate.drop_nulls().to_numpy(), reference.drop_nulls().to_numpy()
    if not len(left) or not len(right):
        return None
    scale = float(np.std(right)) or abs(float(right[0])) or 1.0
    return float(wasserstein_distance(left, right) / scale)


def marginal_table(case: Case) -> pl.DataFrame:
    """Return the distance of each field: `field`, `kind`, `distance` (null where a set has no value), `n`."""
    one, two = _values(case)
    rows: list[tuple[str, str, float | None, int]] = []
    for name in CATEGORIES:
        rows.append((name, "Jensen-Shannon", round(divergence(one[name], two[name]), 4), len(one)))
    for name in NUMBERS:
        distance = scaled_distance(one[name], two[name])
        rounded = None if distance is None else round(distance, 4)
        rows.append((name, "Wasserstein", rounded, one[name].count()))
    schema = {"field": pl.String, "kind": pl.String, "distance": pl.Float64, "n": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")


@lru_cache(maxsize=8)
def _values(case: Case) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the values of each field of both sides."""
    columns = [expr.alias(name) for name, expr in (CATEGORIES | NUMBERS).items()]
    return case.candidates.frame.select(columns), case.reference.frame.select(columns)


def _mean(
    case: Case, fields: Iterable[str], distance: Callable[[pl.Series, pl.Series], float | None]
) -> Estimate:
    one, two = _values(case)

    def mean(places: np.ndarray) -> float:
        some = one[places]
        found = [distance(some[name], two[name]) for name in fields]
        numbers = [number for number in found if number is not None]
        return float(np.mean(numbers)) if numbers else math.nan

    estimate = jackknife_statistic(mean, case.candidates.clusters)
    if math.isnan(estimate.value):
        raise MetricError("no field is filled in both sets")
    return estimate


def category_distance(case: Case) -> Estimate:
    """Mean Jensen-Shannon divergence (bits, Lin 1991) over phase, sex, masking, allocation and the like."""
    return _mean(case, CATEGORIES, divergence)


def number_distance(case: Case) -> Estimate:
    """Mean Wasserstein distance over ages, enrolment, counts and lengths, in real standard deviations.

    The area between the two distribution functions (Kantorovich 1939; as `scipy.stats.wasserstein_distance`).
    A number that real trials do not vary in is measured in multiples of itself.
    """
    return _mean(case, NUMBERS, scaled_distance)


METRICS = (
    Metric("fidelity.categories_js", Direction.LOWER, 0, 1, category_distance, yardstick=True),
    Metric("fidelity.numbers_wasserstein", Direction.LOWER, 0, float("inf"), number_distance, yardstick=True),
)
