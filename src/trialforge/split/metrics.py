"""What the split made, in numbers."""

from __future__ import annotations

from typing import Any

import polars as pl

from trialforge.split.split import HELD_BACK, PARTS
from trialforge.trial.label_words import label_word


def split_metrics(trials: pl.DataFrame, split: pl.DataFrame, pairs: int) -> dict[str, Any]:
    """Return the sizes of the parts by label, drops by reason and the number of near-duplicate pairs."""
    known = trials.select("nct_id", "label")
    kept = known.join(split.select("nct_id", "part", "reason"), on="nct_id", maintain_order="left")
    label = label_word(pl.col("label"), "unlabelled")
    counted = kept.group_by("part", label.alias("name")).len().sort("part", "name")
    sizes: dict[str, dict[str, int]] = {part: {"trials": 0} for part in (*PARTS, HELD_BACK)}
    for part, name, count in counted.filter(pl.col("part").is_in([*sizes])).iter_rows():
        sizes[part] |= {name: count, "trials": sizes[part]["trials"] + count}
    dropped = kept.filter(part="dropped")
    reasons = dropped.group_by("reason").len().sort("reason")
    return {
        **sizes,
        "dropped": {"trials": dropped.height, **dict(reasons.iter_rows())},
        "near_duplicate_pairs": pairs,
    }
