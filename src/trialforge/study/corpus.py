"""What the study reads, from the tables of the run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from trialforge.core.errors import LearningError
from trialforge.study.study import Corpus
from trialforge.trial.controls import cluster_key

if TYPE_CHECKING:
    from trialforge.learning.tables import Tables


def make_corpus(
    tables: Tables, test: pl.DataFrame, blocks: pl.DataFrame, synthetic: pl.DataFrame, plan: pl.DataFrame
) -> Corpus:
    """Return the examples of `tables` by block.

    Args:
        tables: examples, checked; `as_drafts` are those of train.
        test: the test part as it is in the run, for the interventions of its trials.
        blocks: `nct_id` and `block` of the real trials.
        synthetic: the synthetic trials, with `target_id`.
        plan: `target_id` and `block`.

    Raises:
        LearningError: a synthetic trial is of no block, so that what it was made from is not known.
    """
    pool = tables.pool
    real = pool.real.join(blocks, on="nct_id", maintain_order="left")
    of_block = synthetic.join(plan.select("target_id", "block"), on="target_id").select("nct_id", "block")
    written = None
    if pool.synthetic is not None:
        written = pool.synthetic.join(of_block, on="nct_id", how="left", maintain_order="left")
        if lost := written.filter(pl.col("block").is_null())["nct_id"].to_list():
            raise LearningError(
                f"{len(lost)} synthetic trials belong to no block; the first is {lost[0]}",
                hint="run: dvc repro generate",
            )
    drafts = (
        None if pool.as_drafts is None else pool.as_drafts.join(blocks, on="nct_id", maintain_order="left")
    )
    pool = replace(pool, real=real, synthetic=written, as_drafts=drafts)
    clusters = tables.test.join(test.select("nct_id", cluster_key()), on="nct_id", maintain_order="left")
    return Corpus(pool, tables.test, clusters["cluster"].to_numpy())
