"""What an intervention is compared with: names that say nothing of what a trial tests."""

from __future__ import annotations

import polars as pl

# Such names are normalised like any other, but tie no trials together (in splits as in clustered statistics)
# and are never generated for.
CONTROLS = frozenset(
    (
        "placebo", "standard of care", "best supportive care", "no intervention", "observation", "sham",
        # What is measured in a trial, which cancer trials list beside what is given.
        "laboratory biomarker analysis", "pharmacological study", "pharmacogenomic study",
        "quality-of-life assessment", "quality of life assessment", "questionnaire administration",
    )
)  # fmt: skip


def cluster_key() -> pl.Expr:
    """Return an expression: the intervention that stands for a trial in clustered statistics.

    It is the first of its normalised names that is no control; a trial without one stands for itself.
    """
    names = pl.col("normalized_interventions")
    real = names.list.filter(~pl.element().is_in(CONTROLS))
    return pl.coalesce(real.list.first(), pl.col("nct_id")).alias("cluster")
