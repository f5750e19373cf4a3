"""RawTrials -> a batch: typed, cleaned, checked. A value that can't be is set aside, its trial kept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import polars as pl

from trialforge.ingest import clean
from trialforge.ingest.faults import Faults, Rule
from trialforge.ingest.nested import LIST_FIELDS, PART_FIELDS, list_column, part_column
from trialforge.ingest.raw import VALUES, RawTrial
from trialforge.ingest.source import BATCH_SCHEMA, Batch, no_refused
from trialforge.trial.record import SYNTHETIC_PREFIX

_WORDS = (
    "phase", "study_type", "allocation", "intervention_model", "masking", "primary_purpose", "sex",
    "sponsor_class", "status",
)  # fmt: skip
_DATES = ("first_submitted", "start_date", "primary_completion_date", "completion_date", "last_updated")
_AGES = ("minimum_age", "maximum_age")
_BLOCKS = ("summary", "detailed_description", "criteria")

EARLIEST, LATEST = date(1900, 1, 1), date(2100, 12, 31)
OLDEST_YEARS = 150.0
MOST_PEOPLE = 10_000_000


def build_batch(raws: Sequence[RawTrial], files: Sequence[str], source: str, *, markdown: bool) -> Batch:
    """Return the trials of some records, in order, and the values that were set aside.

    Args:
        raws: the records; each has an `nct_id`.
        files: where each came from.
        source: the word for `Trial.source`.
        markdown: whether texts are Markdown (API v2) or wrapped lines (XML).
    """
    if not raws:
        return Batch(pl.DataFrame(schema=BATCH_SCHEMA), no_refused())
    faults = Faults()
    typed = _typed_values(raws, faults, markdown=markdown)
    columns = [
        *typed.with_columns(source=_source(source), file=pl.Series(files, dtype=pl.String)).get_columns(),
        *(list_column(raws, name) for name in LIST_FIELDS),
        *(part_column(raws, name, faults, markdown=markdown) for name in PART_FIELDS),
    ]
    known = {column.name: column for column in columns}
    height = len(raws)
    trials = pl.DataFrame(
        [
            known.get(name, pl.Series(name, [None] * height, kind)).cast(kind)
            for name, kind in BATCH_SCHEMA.items()
        ]
    )
    # XML lists each country once, API v2 one for each site.
    trials = trials.with_columns(pl.col("countries").list.unique().list.sort())
    return Batch(trials, faults.table(trials["nct_id"].to_list(), files))


def _source(name: str) -> pl.Expr:
    synthetic = pl.col("nct_id").str.starts_with(SYNTHETIC_PREFIX)
    return pl.when(synthetic).then(pl.lit("synthetic")).otherwise(pl.lit(name))


def _typed_values(raws: Sequence[RawTrial], faults: Faults, *, markdown: bool) -> pl.DataFrame:
    values = pl.DataFrame(
        {name: [raw.values.get(name) for raw in raws] for name in VALUES},
        schema=dict.fromkeys(VALUES, pl.String()),
    )
    lines = [clean.clean_line(pl.col(name), markdown=markdown) for name in VALUES if name not in _BLOCKS]
    blocks = [clean.clean_block(pl.col(name), markdown=markdown) for name in _BLOCKS]
    values = values.select(pl.int_range(pl.len(), dtype=pl.Int64).alias("row"), *lines, *blocks)
    values = values.with_columns(clean.stated_age(pl.col(name)) for name in _AGES)
    typed = faults.replace(values, _RULES)
    faults.add(typed, pl.col("criteria").is_null(), "empty-criteria", "no eligibility criteria")
    return _split_enrolment(typed).drop("row")


def _within(value: pl.Expr, least: date | float, most: date | float) -> pl.Expr:
    return pl.when(value.is_between(least, most)).then(value)


_RULES = [
    *(
        Rule(name, clean.parse_word(pl.col(name), name), f"unknown-{name.replace('_', '-')}")
        for name in _WORDS
    ),
    *(
        Rule(name, _within(clean.parse_date(pl.col(name)), EARLIEST, LATEST), "absurd-date")
        for name in _DATES
    ),
    *(Rule(name, _within(clean.parse_age(pl.col(name)), 0.0, OLDEST_YEARS), "absurd-age") for name in _AGES),
    Rule(
        "enrolment",
        _within(pl.col("enrolment").cast(pl.Int64, strict=False), 0, MOST_PEOPLE),
        "absurd-enrolment",
    ),
]


def _split_enrolment(values: pl.DataFrame) -> pl.DataFrame:
    actual = pl.col("enrolment_type").str.to_lowercase().eq("actual").fill_null(value=False)
    return values.with_columns(
        clean.parse_yes_no(pl.col("healthy_volunteers")).alias("healthy_volunteers"),
        pl.col("has_results").eq("yes").alias("has_results"),
        pl.when(~actual).then("enrolment").alias("enrolment_planned"),
        pl.when(actual).then("enrolment").alias("enrolment_actual"),
    )
