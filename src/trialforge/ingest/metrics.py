"""What ingest made, in numbers: how much of everything, and how good: names that map, labels that agree."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from trialforge.ingest.interventions import mapped_metrics
from trialforge.ingest.labels import (
    FAILED,
    LabelTables,
    base_rates,
    label_agreement,
    match_tables,
    registration_year,
)
from trialforge.ingest.p_values import count_p_values
from trialforge.ingest.params import IngestParams
from trialforge.ingest.stop_reasons import stop_reason
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


def judge_trials(
    trials: pl.LazyFrame, names: pl.DataFrame, params: IngestParams, tables: LabelTables
) -> dict[str, Any]:
    """Return metrics over the written table; `simulated_best_roc_auc` only where trials are simulated.

    Raises:
        IngestError: a label table that is used names no trial.
    """
    stopped = trials.filter(pl.col("status").is_in(FAILED))
    reason = stop_reason(pl.col("why_stopped")).fill_null("none given").alias("reason")
    reasons = stopped.group_by(reason).len().sort("reason").collect()
    metrics: dict[str, Any] = {
        "interventions": mapped_metrics(trials, names),
        "label_agreement": label_agreement(trials),
        "label_rate": base_rates(trials),
        "label_table": match_tables(trials, params, tables),
        "p_value": count_p_values(trials),
        "stop_reason": dict(reasons.iter_rows()),
    }
    if params.source == "simulated":
        from trialforge.simulation.model import best_roc_auc, success_probability

        chances = success_probability(trials.collect())
        metrics["simulated_best_roc_auc"] = round(best_roc_auc(chances), 4)
    return metrics


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
