"""Real trials in the form of a draft."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from trialforge.trial.canonical import canonical
from trialforge.trial.draft_fields import WRITTEN_FIELDS


def as_drafts(trials: pl.DataFrame, fields: Sequence[str]) -> pl.DataFrame:
    """Return real trials as a generator would have to say them: in its rendering, without what it leaves out.

    What remains of a real trial in this form is the most that a synthetic one can hold.

    Args:
        trials: registration views with `label` and `normalized_interventions`.
        fields: what a draft holds.
    """
    kept = canonical(trials)
    left_out = [name for name in WRITTEN_FIELDS if name not in fields and name in kept.columns]
    empty = {
        name: pl.lit([]) if kept.schema[name].base_type() == pl.List else pl.lit(None) for name in left_out
    }
    if {"inclusion", "exclusion"}.isdisjoint(fields):
        empty["criteria"] = pl.lit(None)
    return kept.with_columns(value.cast(kept.schema[name]).alias(name) for name, value in empty.items())
