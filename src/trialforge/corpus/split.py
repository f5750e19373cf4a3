"""Who may learn and who is asked: trials in parts that share no trial, near-duplicate or group."""

from __future__ import annotations

from datetime import date

import polars as pl

from trialforge.corpus.params import SplitParams
from trialforge.errors import ArtifactError

SPLIT_SCHEMA = {"nct_id": pl.String(), "part": pl.String(), "group": pl.String(), "reason": pl.String()}


def split_temporal(trials: pl.DataFrame, params: SplitParams) -> pl.DataFrame:
    """Return SPLIT_SCHEMA: every train trial is completed before the first test trial starts."""
    dated = trials.select("nct_id", start="start_date", end="completion_date")
    starts = dated["start"].drop_nulls().sort()
    if starts.is_empty():
        raise ArtifactError("a temporal split needs start dates, and no trial has one")
    cut: date = starts[int(starts.len() * (1 - params.test_size))]
    part = (
        pl.when(pl.col("start").is_null())
        .then(pl.lit("dropped"))
        .when(pl.col("start") >= cut)
        .then(pl.lit("test"))
        .when(pl.col("end") < cut)
        .then(pl.lit("train"))
        .otherwise(pl.lit("dropped"))
    )
    parted = dated.with_columns(part=part)
    train = parted.filter(part="train").sort("start", "nct_id")
    newest = train.tail(round(train.height * params.validation_size))["nct_id"]
    return parted.select(
        "nct_id",
        part=pl.when(pl.col("nct_id").is_in(newest.implode())).then(pl.lit("validation")).otherwise("part"),
        group="nct_id",
        reason=pl.when(part == "dropped").then(pl.lit("straddles the cut")),
    )
