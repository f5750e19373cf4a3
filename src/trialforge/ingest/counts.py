"""What ingest made, in numbers: counts by label, status, phase and year, and refusals by reason."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from trialforge.trial.label_words import label_word


def ingest_metrics(trials: Path, refused: pl.DataFrame, left_out: pl.DataFrame) -> dict[str, Any]:
    """Return counts over the written table; only the few columns that are counted are read.

    Args:
        trials: the table.
        refused: records and values that can't be used.
        left_out: trials that can, and that the run is not about.
    """
    table = pl.scan_parquet(trials)
    return {
        "trials": table.select(pl.len()).collect().item(),
        "label": _counts(table, label_word(pl.col("label"), "none")),
        "phase": _counts(table, pl.col("phase").fill_null("none")),
        "status": _counts(table, pl.col("status").fill_null("none")),
        "year": _counts(table, registration_year()),
        "source": _counts(table, pl.col("source")),
        "refused": {"total": refused.height, **_counts(refused.lazy(), pl.col("reason"))},
        "left_out": _counts(left_out.lazy(), pl.col("reason")),
    }


def registration_year() -> pl.Expr:
    """Return the year in which a trial was registered, or else started; `none` where neither is known."""
    day = pl.coalesce("first_submitted", "start_date")
    return day.dt.year().cast(pl.String).fill_null("none")


def describe_counts(counts: Mapping[str, Any], refused: Path) -> str:
    """Return what was read and what was set aside, in a line each."""
    lines = [f"{counts['trials']} trials"]
    for name, words in (("refused", "records or values refused"), ("left_out", "trials left out")):
        reasons = ", ".join(f"{count} {why}" for why, count in counts[name].items() if why != "total")
        if reasons:
            lines.append(f"{words}: {reasons}; see {refused}")
    return "\n".join(lines) + "\n"


def _counts(table: pl.LazyFrame, key: pl.Expr) -> dict[str, int]:
    counted = table.group_by(key.alias("key")).len().sort("key").collect()
    return dict(counted.iter_rows())
