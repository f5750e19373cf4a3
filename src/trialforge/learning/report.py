"""The metrics of a run as one small JSON value."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from trialforge.learning.comparisons import as_row
from trialforge.learning.paired_tests import roc_test
from trialforge.learning.scoring import HEADLINE, Scoring, baseline, credit, unseen_interventions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trialforge.learning.params import LearningParams

KNOWS = 0.5


def unseen_mask(test: pl.DataFrame, synthetic: pl.DataFrame | None) -> NDArray[np.bool_] | None:
    """Return, for each labelled test trial by nct_id, whether its interventions are in no synthetic one."""
    if synthetic is None:
        return None
    made = synthetic["normalized_interventions"].explode().drop_nulls().unique()
    rows = test.filter(pl.col("label").is_not_null()).sort("nct_id")
    seen = rows["normalized_interventions"].list.eval(pl.element().is_in(made.implode())).list.any()
    return ~seen.fill_null(value=False).to_numpy()


def score_metrics(
    scoring: Scoring,
    control: dict[str, dict[str, Any]],
    params: LearningParams,
    unseen: NDArray[np.bool_] | None,
    zeroshot: pl.DataFrame | None,
) -> dict[str, Any]:
    """Return the flat metrics of the score stage; all details are in the tables of plots."""
    level = params.statistics.level
    headline = {
        metric: {
            model: dict(rows.select("arm", "mean").rows())
            for (model,), rows in scoring.arms.filter(pl.col("metric") == metric).group_by(
                "model", maintain_order=True
            )
        }
        for metric in HEADLINE
    }
    value: dict[str, Any] = {
        "test": {"trials": int(scoring.labels.size), "interventions": int(np.unique(scoring.clusters).size)},
        "always_yes": baseline(scoring.labels),
        **headline,
        "primary": as_row(scoring.answers[0]) | credit(scoring.answers, params),
        "shuffled": control,
    }
    if unseen is not None:
        value["unseen_interventions"] = unseen_interventions(scoring, unseen, level)
    if zeroshot is not None and zeroshot.height:
        value["zeroshot"] = zeroshot_metrics(zeroshot, level)
    return value


def zeroshot_metrics(zeroshot: pl.DataFrame, level: float) -> dict[str, Any]:
    """Return the ROC-AUC of the generator asked outright: above 0.5, it knows outcomes of test trials."""
    area = roc_test(
        zeroshot["label"].to_numpy(), zeroshot["score"].to_numpy(), zeroshot["cluster"].to_numpy()
    )
    low, high = area.interval(level)
    known = low > KNOWS
    words = (
        "The generator knows outcomes of these test trials without training: "
        "no figure beside this one is free of that."
        if known
        else "The generator, asked outright, is not shown to know outcomes of the test trials."
    )
    return {
        "trials": zeroshot.height,
        "roc_auc": round(area.value, 6), "low": round(low, 6), "high": round(high, 6),
        "knows": known, "words": words,
    }  # fmt: skip


def answer_rows(scoring: Scoring) -> pl.DataFrame:
    """Return the answers as a table, the primary question first."""
    rows = [as_row(replace(answer)) for answer in scoring.answers]
    return pl.DataFrame(rows).with_row_index("order")
