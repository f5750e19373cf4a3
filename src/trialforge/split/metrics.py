"""What the split made, in numbers."""

from __future__ import annotations

from typing import Any

import polars as pl

from trialforge.simulation.model import best_roc_auc, success_probability
from trialforge.split.split import HELD_BACK, PARTS
from trialforge.trial.leakage import count_outcome
from trialforge.trial.naming import count_names


def split_metrics(trials: pl.DataFrame, split: pl.DataFrame, pairs: int) -> dict[str, Any]:
    """Return the sizes of the parts by label, drops by reason, and what each rule cut.

    `simulated_best_roc_auc` is what no classifier can beat on the test part, where all trials are simulated.
    """
    kept = trials.join(split.select("nct_id", "part", "reason"), on="nct_id", maintain_order="left")
    label = pl.col("label").replace_strict({0: "failure", 1: "success"}, default="unlabelled")
    counted = kept.group_by("part", label.alias("name")).len().sort("part", "name")
    sizes: dict[str, dict[str, int]] = {part: {"trials": 0} for part in (*PARTS, HELD_BACK)}
    for part, name, count in counted.filter(pl.col("part").is_in([*sizes])).iter_rows():
        sizes[part] |= {name: count, "trials": sizes[part]["trials"] + count}
    dropped = kept.filter(part="dropped")
    reasons = dropped.group_by("reason").len().sort("reason")
    parted = kept.filter(pl.col("part").is_in([*sizes]))
    metrics: dict[str, Any] = {
        **sizes,
        "dropped": {"trials": dropped.height, **dict(reasons.iter_rows())},
        "near_duplicate_pairs": pairs,
        "outcome_sentences_cut": count_outcome(parted),
        "texts_with_names_cut": count_names(parted),
    }
    test = kept.filter(part="test")
    if (kept["source"] == "simulated").all():
        metrics["simulated_best_roc_auc"] = round(best_roc_auc(success_probability(test)), 4)
    return metrics
