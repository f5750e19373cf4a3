"""Rows that `dvc plots` and the report draw: curves and reliability."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from trialforge.scoring.metrics import BINS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from trialforge.learning.params import LearningParams, TrainingArm
    from trialforge.scoring.scores import ArmScores

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
    """Return mean score, share of successes and number of trials by bin of the score, over all seeds."""
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


def sweep_rows(arms: pl.DataFrame, params: LearningParams) -> dict[str, pl.DataFrame]:
    """Return, for each experiment that varies an amount, its curve: ROC-AUC by that amount.

    `x` is the share of synthetic trials, their number relative to the real ones, or the number of real ones.
    `series` separates arms with and without synthetic trials if both are swept. An experiment that was not
    trained gets a table without rows, because `dvc plots show` warns about missing files.
    """
    areas = arms.filter(pl.col("metric") == "roc_auc").select("arm", "model", "mean", "low", "high")
    curves = {}
    for name, swept in params.experiments.items():
        points = _sweep(swept)
        if points:
            frame = pl.DataFrame(points, schema=["arm", "axis", "x", "series"], orient="row")
            curves[name] = frame.join(areas, on="arm", maintain_order="left").sort("model", "series", "x")
    return curves


def _sweep(arms: tuple[TrainingArm, ...]) -> list[tuple[str, str, float, str]]:
    if all(arm.synthetic_share is not None for arm in arms):
        return [(arm.name, "share synthetic", arm.synthetic_share or 0.0, "fixed size") for arm in arms]
    if any(arm.extra_times is not None for arm in arms):
        return [(arm.name, "synthetic to real", arm.extra_times or 0.0, "real and synthetic") for arm in arms]
    if all(arm.real_count is not None for arm in arms):
        return [
            (arm.name, "real trials", float(arm.real_count or 0), "augmented" if arm.extra else "real")
            for arm in arms
        ]
    return []
