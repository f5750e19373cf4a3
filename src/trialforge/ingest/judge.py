"""How good the table of ingest is: names that map, labels that agree, what the labels rest on."""

from __future__ import annotations

from typing import Any

import polars as pl

from trialforge.ingest.interventions import mapped_metrics
from trialforge.ingest.labels import FAILED, LabelTables, base_rates, label_agreement, match_tables
from trialforge.ingest.p_values import count_p_values
from trialforge.ingest.params import IngestParams
from trialforge.ingest.stop_reasons import stop_reason


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
