"""Do records speak of the conditions and endpoints that real trials speak of?"""

from __future__ import annotations

import math

import numpy as np
import polars as pl

from trialforge.core.resampling import bootstrap_statistic
from trialforge.quality.case import Case
from trialforge.quality.metric import Direction, Estimate, Metric
from trialforge.trial.words import split_words

_CONDITIONS = pl.col("conditions").list.join(" ; ", ignore_nulls=True)
_ENDPOINTS = (
    pl.concat_list("primary_outcomes", "secondary_outcomes")
    .list.eval(pl.element().struct.field("measure"))
    .list.join(" ; ", ignore_nulls=True)
)


def known_shares(candidate: pl.Series, reference: pl.Series) -> pl.Series:
    """Return, by text, the share of its words that stand in a reference text; null without a word."""
    known = split_words(reference).explode(empty_as_null=False).unique()
    words = split_words(candidate)
    return words.to_frame("words").select(
        pl.col("words").list.eval(pl.element().is_in(known.implode())).list.mean().alias("share")
    )["share"]


def _estimate(case: Case, text: pl.Expr, name: str) -> Estimate:
    one, two = (side.frame.select(text.alias("text"))["text"] for side in (case.candidates, case.reference))
    shares = known_shares(one, two)
    there, values = shares.is_not_null().to_numpy(), shares.fill_null(0).to_numpy()
    if not there.any():
        return Estimate(0.0, n=0)

    def mean(places: np.ndarray) -> float:
        return float(values[places].sum() / there[places].sum()) if there[places].any() else math.nan

    stream = case.scale.stream("vocabulary", name)
    low, high = bootstrap_statistic(mean, case.candidates.clusters, stream, case.params.bootstrap)
    return Estimate(mean(np.arange(len(values))), low, high, int(there.sum()))


def condition_overlap(case: Case) -> Estimate:
    """Mean share of a record's condition words that stand in a real trial's conditions."""
    return _estimate(case, _CONDITIONS, "conditions")


def endpoint_overlap(case: Case) -> Estimate:
    """Mean share of the words of a record's outcome measures that stand in those of a real trial."""
    return _estimate(case, _ENDPOINTS, "endpoints")


METRICS = (
    Metric("fidelity.condition_overlap", Direction.HIGHER, 0, 1, condition_overlap, yardstick=True),
    Metric("fidelity.endpoint_overlap", Direction.HIGHER, 0, 1, endpoint_overlap, yardstick=True),
)
