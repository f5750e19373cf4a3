"""What the split made, in numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl

from trialforge.split.split import HELD_BACK, PARTS, SLICE
from trialforge.trial.label_words import label_word
from trialforge.trial.leakage import count_outcome
from trialforge.trial.naming import count_names


def split_metrics(trials: pl.DataFrame, split: pl.DataFrame, pairs: int) -> dict[str, Any]:
    """Return the sizes of the parts by label, drops by reason, and what each rule cut."""
    known = trials.select("nct_id", "label")
    kept = known.join(split.select("nct_id", "part", "reason"), on="nct_id", maintain_order="left")
    label = label_word(pl.col("label"), "unlabelled")
    counted = kept.group_by("part", label.alias("name")).len().sort("part", "name")
    sizes: dict[str, dict[str, int]] = {part: {"trials": 0} for part in (*PARTS, HELD_BACK)}
    for part, name, count in counted.filter(pl.col("part").is_in([*sizes])).iter_rows():
        sizes[part] |= {name: count, "trials": sizes[part]["trials"] + count}
    dropped = kept.filter(part="dropped")
    reasons = dropped.group_by("reason").len().sort("reason")
    parted = kept.filter(pl.col("part").is_in([*sizes])).select("nct_id")
    return {
        **sizes,
        "dropped": {"trials": dropped.height, **dict(reasons.iter_rows())},
        "near_duplicate_pairs": pairs,
        "outcome_sentences_cut": _add_up(count_outcome, trials, parted),
        "texts_with_names_cut": _add_up(count_names, trials, parted),
    }


def _add_up(
    count: Callable[[pl.DataFrame], dict[str, int]], trials: pl.DataFrame, chosen: pl.DataFrame
) -> dict[str, int]:
    """Return the counts of the chosen trials, a slice at a time: their texts together are as large as all."""
    counts = count(trials.clear())
    for some in trials.iter_slices(SLICE):
        found = count(some.join(chosen, on="nct_id", how="semi"))
        counts = {name: total + found[name] for name, total in counts.items()}
    return counts
