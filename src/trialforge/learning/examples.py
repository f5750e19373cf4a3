"""Trials as a classifier sees them: one row each with text, tabular fields and the label."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from trialforge.trial.record import REGISTRATION_SCHEMA
from trialforge.trial.text import field_text, trial_text

CATEGORIES = (
    "phase", "study_type", "allocation", "intervention_model", "masking", "primary_purpose", "sex",
    "sponsor_class",
)  # fmt: skip
NUMBERS = (
    "minimum_age", "maximum_age", "healthy_volunteers", "enrolment_planned", "interventions", "arms",
    "conditions", "primary_outcomes", "secondary_outcomes", "criteria_characters", "text_characters",
)  # fmt: skip
EXAMPLE_SCHEMA: dict[str, pl.DataType] = {
    "nct_id": pl.String(),
    "origin": pl.String(),
    "text": pl.String(),
    **{name: pl.String() for name in CATEGORIES},
    **{name: pl.Float64() for name in NUMBERS},
    "label": pl.Int64(),
    "sources": pl.List(pl.String()),
}


def make_examples(trials: pl.DataFrame, fields: Sequence[str], origin: str = "real") -> pl.DataFrame:
    """Return the labelled rows of a table of trials as examples, in order of `nct_id`.

    Args:
        trials: registration fields and `label`; later fields are never read.
        fields: the fields that become text.
        origin: `real` or `synthetic`.
    """
    numbers = {
        "healthy_volunteers": pl.col("healthy_volunteers"),
        "criteria_characters": pl.col("criteria").str.len_chars(),
        **{
            name: pl.col(name).list.len()
            for name in NUMBERS
            if isinstance(REGISTRATION_SCHEMA.get(name), pl.List)
        },
    }
    return (
        trials.lazy()
        .filter(pl.col("label").is_not_null())
        .select(
            "nct_id",
            pl.lit(origin).alias("origin"),
            trial_text(fields).fill_null("").alias("text"),
            *(field_text(name) for name in CATEGORIES),
            *(
                numbers.get(name, pl.col(name)).cast(pl.Float64).alias(name)
                for name in NUMBERS
                if name != "text_characters"
            ),
            pl.col("label").cast(pl.Int64),
            _sources(trials).alias("sources"),
        )
        .with_columns(pl.col("text").str.len_chars().cast(pl.Float64).alias("text_characters"))
        .select(*EXAMPLE_SCHEMA)
        .sort("nct_id")
        .collect()
    )


def _sources(trials: pl.DataFrame) -> pl.Expr:
    """Return the trials that each was made from: a real one is its own source."""
    made = pl.col("exemplars") if "exemplars" in trials.columns else pl.concat_list("nct_id")
    return made.cast(pl.List(pl.String))
