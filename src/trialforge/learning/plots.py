"""Rows that `dvc plots` and the report draw: curves, reliability, arms with intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from trialforge.learning.metrics import BINS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from trialforge.learning.scores import ArmScores

POINTS = 60


def curve_rows(scores: Iterable[ArmScores]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the ROC and the precision-recall curve of each arm's mean score over seeds."""
    from sklearn.metrics import precision_recall_curve, roc_curve

    roc, pr = [], []
    for one in scores:
        mean = one.scores.mean(axis=0)
        fpr, tpr, _ = roc_curve(one.labels, mean)
        precision, recall, _ = precision_recall_curve(one.labels, mean)
        roc.append(_curve(one, fpr=fpr, tpr=tpr))
        pr.append(_curve(one, recall=recall[::-1], precision=precision[::-1]))
    return pl.concat(roc), pl.concat(pr)


def _curve(one: ArmScores, **axes: np.ndarray) -> pl.DataFrame:
    length = len(next(iter(axes.values())))
    kept = np.unique(np.linspace(0, length - 1, min(POINTS, length)).round().astype(int))
    return pl.DataFrame({name: values[kept].round(6) for name, values in axes.items()}).select(
        pl.lit(one.model).alias("model"), pl.lit(one.arm).alias("arm"), pl.all()
    )


def reliability_rows(scores: Iterable[ArmScores]) -> pl.DataFrame:
    """Return, by bin of the score, the mean score, the share of successes and the trials, over all seeds."""
    frames = []
    for one in scores:
        flat = pl.DataFrame({"score": one.scores.ravel(), "label": np.tile(one.labels, len(one.scores))})
        frames.append(
            flat.group_by((pl.col("score") * BINS).floor().clip(0, BINS - 1).cast(pl.Int64).alias("bin"))
            .agg(
                pl.col("score").mean().round(6).alias("mean_score"),
                pl.col("label").mean().round(6).alias("share_of_successes"),
                (pl.len() / len(one.scores)).round(2).alias("trials"),
            )
            .sort("bin")
            .select(pl.lit(one.model).alias("model"), pl.lit(one.arm).alias("arm"), pl.all())
        )
    return pl.concat(frames)
