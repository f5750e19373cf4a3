"""What the split made, in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import polars as pl

from trialforge.core.pieces import map_in_order
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
        **count_cuts(some.join(parted, on="nct_id", how="semi") for some in trials.iter_slices(SLICE)),
    }


def count_cuts(slices: Iterable[pl.DataFrame]) -> dict[str, dict[str, int]]:
    """Return `outcome_sentences_cut` by rule and `texts_with_names_cut` by kind, of some trials at a time."""
    sums: dict[str, Counter[str]] = {"outcome_sentences_cut": Counter(), "texts_with_names_cut": Counter()}
    for counts in map_in_order(_count_cuts, slices):
        for total, found in zip(sums.values(), counts, strict=True):
            total.update(found)
    return {name: dict(total) for name, total in sums.items()}


def _count_cuts(trials: pl.DataFrame) -> tuple[dict[str, int], dict[str, int]]:
    return count_outcome(trials), count_names(trials)
