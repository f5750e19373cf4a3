"""Is the skeleton of a record, its structured fields, that of one train trial?"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import numpy as np
import polars as pl

from trialforge.core.errors import MetricError
from trialforge.core.resampling import Clusters, bootstrap_statistic
from trialforge.quality.case import Case
from trialforge.quality.metric import Direction, Estimate, Metric
from trialforge.trial.criteria_lists import SIDES, split_criteria

CATEGORIES: dict[str, pl.Expr] = {
    name: pl.col(name).cast(pl.String)
    for name in (
        "allocation", "intervention_model", "masking", "primary_purpose", "sex", "healthy_volunteers",
        "sponsor_class",
    )
} | {
    "arm types": pl.col("arms")
    .list.eval(pl.element().struct.field("type").fill_null("?"))
    .list.sort()
    .list.join(", ")
    .replace("", None)
}  # fmt: skip
# Counts and sizes by their logarithm: 20 and 40 participants differ as 200 and 400 do. A list without items
# is not filled.
NUMBERS: dict[str, pl.Expr] = {
    "minimum age": pl.col("minimum_age"),
    "maximum age": pl.col("maximum_age"),
    "enrolment": (pl.col("enrolment_planned").cast(pl.Float64) + 1).log(),
} | {
    name.replace("_", " "): pl.when(pl.col(name).list.len() > 0).then(pl.col(name).list.len().log())
    for name in ("arms", "primary_outcomes", "secondary_outcomes", "inclusion", "exclusion")
}
_EQUAL = 1e-9


def nearest_skeletons(records: pl.DataFrame, train: pl.DataFrame) -> np.ndarray:
    """Return Gower's distance (1971, Biometrics 27) of each record's skeleton to the nearest of train.

    It is the mean over fields of 0 for equal and 1 for other categories, and of the difference of numbers as
    a share of their range in train, at most 1. A field that neither has is left out; one that a single
    side has counts 1.

    Args:
        records: n trials in the registration view.
        train: the trials that they are compared with.

    Returns:
        n distances, 0 to 1.
    """
    ours, theirs = _read_fields(records), _read_fields(train)
    names = list(CATEGORIES)
    codes = pl.concat([ours.select(names), theirs.select(names)]).select(
        pl.col(name).rank("dense").cast(pl.Float64) for name in names
    )
    values = [
        codes[: len(ours)].hstack(ours.select(list(NUMBERS))).to_numpy(),
        codes[len(ours) :].hstack(theirs.select(list(NUMBERS))).to_numpy(),
    ]
    ranges = np.array([_range(theirs[name]) for name in NUMBERS])
    return np.array([_nearest(row, values[1], len(names), ranges) for row in values[0]])


def _nearest(row: np.ndarray, train: np.ndarray, categories: int, ranges: np.ndarray) -> float:
    filled, there = ~np.isnan(row), ~np.isnan(train)
    apart = np.abs(train - row)
    apart[:, :categories] = apart[:, :categories] > 0
    apart[:, categories:] = np.minimum(apart[:, categories:] / ranges, 1)
    apart = np.where(filled & there, apart, filled ^ there)
    distances = apart.sum(axis=1) / np.maximum((filled | there).sum(axis=1), 1)
    return float(distances.min())


def _read_fields(trials: pl.DataFrame) -> pl.DataFrame:
    lists = [split_criteria(text) for text in trials["criteria"]]
    sides = [
        pl.Series(name, [one[side] for one in lists], pl.List(pl.String)) for side, name in enumerate(SIDES)
    ]
    return trials.with_columns(sides).select(**CATEGORIES, **NUMBERS)


def _range(values: pl.Series) -> float:
    known = values.drop_nulls().to_numpy()
    return float(np.ptp(known)) or 1.0 if len(known) else 1.0


@lru_cache(maxsize=4)
def _nearest_of_case(case: Case) -> dict[str, np.ndarray]:
    """Return the distances of records and, if there are any, of held-out trials."""
    train = case.pool.frame
    sides = {"records": case.candidates, "real": case.held_out}
    # A set of another tool may lack columns that no skeleton has.
    frames = {
        name: side.frame.select(column for column in train.columns if column in side.frame.columns)
        for name, side in sides.items()
        if side
    }
    return {name: nearest_skeletons(frame, train) for name, frame in frames.items()}


def _measure(case: Case, side: str, statistic: Callable[[np.ndarray], Any]) -> Estimate:
    distances = _nearest_of_case(case).get(side)
    if distances is None or not len(distances):
        raise MetricError("the set has no held-out trials" if side == "real" else "there is no record")
    stream = case.scale.stream("skeletons", side)
    low, high = bootstrap_statistic(
        lambda places: float(statistic(distances[places])),
        Clusters.single(len(distances)) if side == "real" else case.candidates.clusters,
        stream,
        case.params.bootstrap,
    )
    return Estimate(float(statistic(distances)), low, high, len(distances))


def skeleton_distance(case: Case, of: str = "records") -> Estimate:
    """Median Gower distance of the structured fields of records to those of the nearest train trial.

    Design, kinds and numbers of arms, numbers of endpoints and criteria, ages, sex, healthy volunteers,
    planned enrolment and sponsor class. Read it beside `privacy.real_skeleton_distance`, the same of held-out
    trials: below it, records take over one trial's fields.
    """
    return _measure(case, of, np.median)


def skeleton_equal(case: Case, of: str = "records") -> Estimate:
    """Share of records, or of held-out trials, whose structured fields are all those of one train trial."""
    return _measure(case, of, lambda distances: np.mean(distances < _EQUAL))


def worst_skeletons(case: Case, most: int = 3) -> list[str]:
    """Return the records whose structured fields are nearest to a train trial's."""
    distances, ids = _nearest_of_case(case)["records"], case.candidates.frame["nct_id"]
    order = np.argsort(distances, kind="stable")[:most]
    return [f"{ids[int(place)]}: {distances[place]:.3f} from a train trial's fields" for place in order]


METRICS = (
    Metric("privacy.skeleton_distance", Direction.REAL, 0, 1, skeleton_distance),
    Metric("privacy.real_skeleton_distance", Direction.REAL, 0, 1, partial(skeleton_distance, of="real")),
    Metric("privacy.skeleton_equal", Direction.REAL, 0, 1, skeleton_equal),
    Metric("privacy.real_skeleton_equal", Direction.REAL, 0, 1, partial(skeleton_equal, of="real")),
)
