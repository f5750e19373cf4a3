"""Folds of the training examples of an arm, for what a classifier chooses by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    Fold = tuple[NDArray[np.bool_], NDArray[np.bool_]]

FOLDS = 5


def source_folds(examples: pl.DataFrame) -> list[Fold]:
    """Return, for each fold, which examples are learned from and which are then ranked.

    Real trials are dealt out to be ranked. Whatever was made from one of them (a copy, a synthetic trial that
    had it as an exemplar) is left out with it, or the fold would be judged on what it has read. An arm without
    real trials ranks its synthetic ones.

    Args:
        examples: with `nct_id`, `origin` and `sources`, the trials that an example was made from.
    """
    real = (examples["origin"] == "real").to_numpy()
    ranked = real if real.any() else np.ones(examples.height, dtype=np.bool_)
    dealt = {nct_id: place % FOLDS for place, nct_id in enumerate(sorted(examples["nct_id"].to_numpy()[ranked]))}
    touched = np.zeros((FOLDS, examples.height), dtype=np.bool_)
    for place, (nct_id, sources) in enumerate(examples.select("nct_id", "sources").iter_rows()):
        for name in (nct_id, *(sources or ())):
            if name in dealt:
                touched[dealt[name], place] = True
    own = np.array([dealt.get(nct_id, -1) for nct_id in examples["nct_id"]])
    return [(~touched[fold], ranked & (own == fold)) for fold in range(FOLDS)]
