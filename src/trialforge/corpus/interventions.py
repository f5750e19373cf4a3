"""One name for one intervention: lower case, without dose, form or salt."""

from __future__ import annotations

import polars as pl

CONTROLS = frozenset({"placebo", "standard of care", "best supportive care", "no intervention"})


def normalize_interventions(trials: pl.DataFrame) -> pl.DataFrame:
    """Return trials with `normalized_interventions`, the distinct names of each in order."""
    name = pl.element().struct.field("name").str.to_lowercase()
    name = name.str.replace_all(r"\s+\d[\w./%]*(?:\s*m[gc]g?(?:/\w+)?)?", "")
    name = name.str.replace_all(r"\s+(?:tablet|capsule|injection|infusion|inhaler)s?\b", "")
    names = pl.col("interventions").list.eval(name.str.strip_chars()).list.unique(maintain_order=True)
    return trials.with_columns(normalized_interventions=names)
