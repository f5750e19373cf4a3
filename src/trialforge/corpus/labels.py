"""Did a trial succeed? The label, where it comes from and the evidence for it."""

from __future__ import annotations

import polars as pl

from trialforge.corpus.params import CorpusParams

FAILED = ("Terminated", "Withdrawn", "Suspended")


def label_trials(trials: pl.DataFrame, params: CorpusParams) -> pl.DataFrame:
    """Return trials with `label`, `label_source` and `label_evidence`; null where the source abstains."""
    status = pl.col("status")
    label = pl.when(status == "Completed").then(1).when(status.is_in(FAILED)).then(0)
    return trials.with_columns(
        label=label.cast(pl.Int64),
        label_source=pl.when(label.is_not_null()).then(pl.lit(params.labels)),
        label_evidence=pl.when(label.is_not_null()).then(pl.concat_str(pl.lit("status: "), status)),
    )
