"""Folds of the training examples of an arm, for what a classifier chooses by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import polars as pl
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]
    Fold = tuple[Mask, Mask]  # which examples are learned from, and which are then ranked

FOLDS = 5


def source_folds(examples: pl.DataFrame) -> list[Fold]:
    """Return, for each fold, which examples are learned from and which are then ranked.

    Real trials are dealt out to be ranked. What was made from one of them (a copy, a synthetic trial that had
    it as an exemplar) is left out with it, or a fold would be judged on what it has read. An arm without real
    trials ranks its synthetic ones.

    Args:
        examples: with `nct_id`, `origin` and `sources`, the trials that an example was made from.
    """
    real = (examples["origin"] == "real").to_numpy()
    ranked = real if real.any() else np.ones(examples.height, dtype=np.bool_)
    names = examples["nct_id"].to_numpy()
    dealt = {name: place % FOLDS for place, name in enumerate(sorted(names[ranked]))}
    touched = np.zeros((FOLDS, examples.height), dtype=np.bool_)
    for place, (own, sources) in enumerate(zip(names, examples["sources"].to_list(), strict=True)):
        touched[[dealt[name] for name in (own, *(sources or ())) if name in dealt], place] = True
    own_fold = np.array([dealt.get(name, -1) for name in names])
    return [(~touched[fold], ranked & (own_fold == fold)) for fold in range(FOLDS)]


def choose_by_folds(
    labels: NDArray[np.int64],
    weights: NDArray[np.float64],
    folds: Sequence[Fold],
    rank: Callable[[Mask, Mask], Sequence[NDArray[np.float64]]],
) -> int:
    """Return the place of the candidate with the best ROC-AUC within folds, of equals the first.

    Log-loss would ask for shrinkage that costs ranking. Folds are not pooled, as the base rate that a fold is
    learned with is the lower, the more successes it holds.

    Args:
        labels: (examples,) 0 or 1.
        weights: (examples,).
        folds: which examples are learned from, and which are then ranked.
        rank: fits each candidate on the former and returns its scores of the latter.
    """
    from sklearn.metrics import roc_auc_score

    concordant: NDArray[np.float64] = np.zeros(1)
    for kept, held in folds:
        pairs = np.prod([weights[held & (labels == label)].sum() for label in (0, 1)])
        if not pairs or len(np.unique(labels[kept])) < 2:
            continue  # nothing to be ranked or learned there
        scores = rank(kept, held)
        areas = [roc_auc_score(labels[held], row, sample_weight=weights[held]) for row in scores]
        concordant = concordant + pairs * np.array(areas)
    return int(np.argmax(concordant))
