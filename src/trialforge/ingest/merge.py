"""Several records of one trial -> one: the newest version, with what it lacks taken from the others."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import polars as pl

# The CSV export tells when the newest version was posted, the other forms when it was submitted. Within so
# many days both are taken for one version, and the form that says more comes first.
POSTING_DAYS = 7
_OWN = ("nct_id", "source", "file", "place")


def version_date() -> pl.Expr:
    """Return the date by which the versions of a trial are put in order."""
    early = pl.col("last_updated") - timedelta(days=POSTING_DAYS)
    return pl.when(pl.col("source") == "ctgov-csv").then(early).otherwise("last_updated")


def merge_records(records: pl.DataFrame) -> tuple[pl.DataFrame, Counter[str]]:
    """Return one record an id, in order of id, and how often each field was filled from an older one.

    Args:
        records: trials with `place`, the order in which they were read; of equally old ones the last wins.
    """
    order = records.sort("nct_id", version_date(), "place", descending=[False, True, True], nulls_last=True)
    newest = pl.col("status").drop_nulls().first().over("nct_id")
    # A reason for stopping belongs to the status that it explains.
    order = order.with_columns(pl.when(pl.col("status").eq_missing(newest)).then("why_stopped"))
    fields = [name for name in records.columns if name not in _OWN]
    lists = [name for name in fields if records.schema[name].is_nested()]
    groups = order.group_by("nct_id", maintain_order=True)
    merged = groups.agg(
        *(pl.col(name).first() for name in _OWN if name != "nct_id"),
        *(_first_filled(pl.col(name), is_list=name in lists) for name in fields),
    )
    merged = merged.with_columns(pl.col(name).fill_null(pl.lit([], records.schema[name])) for name in lists)
    before = groups.agg(pl.col(name).first() for name in fields)
    filled = {name: int((_is_empty(before[name]) & ~_is_empty(merged[name])).sum()) for name in fields}
    return merged.select(records.columns), Counter({name: count for name, count in filled.items() if count})


def _first_filled(column: pl.Expr, *, is_list: bool) -> pl.Expr:
    return column.filter(column.list.len() > 0).first() if is_list else column.drop_nulls().first()


def _is_empty(values: pl.Series) -> pl.Series:
    return values.list.len().fill_null(0) == 0 if values.dtype.is_nested() else values.is_null()
