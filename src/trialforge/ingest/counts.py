"""What ingest made, in numbers: counts by label, status, phase and year, and refusals by reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from trialforge.trial.label_words import label_word


def ingest_metrics(trials: Path, refused: pl.DataFrame) -> dict[str, Any]:
    """Return counts over the written table; only the few columns that are counted are read."""
    table = pl.scan_parquet(trials)
    return {
        "trials": table.select(pl.len()).collect().item(),
        "label": _counts(table, label_word(pl.col("label"), "none")),
        "phase": _counts(table, pl.col("phase").fill_null("none")),
        "status": _counts(table, pl.col("status").fill_null("none")),
        "year": _counts(table, pl.col("first_submitted").dt.year().cast(pl.String).fill_null("none")),
        "refused": {"total": refused.height, **_counts(refused.lazy(), pl.col("reason"))},
    }


def _counts(table: pl.LazyFrame, key: pl.Expr) -> dict[str, int]:
    counted = table.group_by(key.alias("key")).len().sort("key").collect()
    return dict(counted.iter_rows())
