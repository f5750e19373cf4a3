"""The metrics of a run as one small JSON value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from trialforge.core.errors import LearningError
from trialforge.scoring.comparisons import AGAINST, as_row
from trialforge.scoring.paired_tests import roc_test
from trialforge.scoring.scoring import (
    HEADLINE,
    Scoring,
    assay_sensitivity,
    baseline,
    credit,
    label_share_effects,
    unseen_interventions,
)
from trialforge.trial.controls import CONTROLS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trialforge.learning.params import LearningParams
    from trialforge.scoring.comparisons import ComparisonResult

CHANCE = 0.5


def unseen_mask(test: pl.DataFrame, synthetic: pl.DataFrame) -> NDArray[np.bool_]:
    """Return, for each labelled test trial by nct_id, whether no synthetic trial has its interventions."""
    made = synthetic["normalized_interventions"].explode().drop_nulls().unique()
    made = made.filter(~made.is_in(CONTROLS))  # a shared placebo does not count
    rows = test.filter(pl.col("label").is_not_null()).sort("nct_id")
    seen = rows["normalized_interventions"].list.eval(pl.element().is_in(made.implode())).list.any()
    return ~seen.fill_null(value=False).to_numpy()


def score_metrics(
    scoring: Scoring,
    control: dict[str, dict[str, Any]],
    params: LearningParams,
    unseen: NDArray[np.bool_] | None,
    zero_shot: pl.DataFrame | None,
) -> dict[str, Any]:
    """Return the metrics of the score stage; details are in the tables of plots."""
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
        "real_alone": real_alone(scoring, level),
        "primary": as_row(scoring.primary) | credit(scoring, params),
        "assay": assay_sensitivity(scoring, params),
        "label_shares": label_share_effects(scoring, params),
        "shuffled": {"checked": bool(control), **control},
    }
    if unseen is not None:
        value["unseen_interventions"] = unseen_interventions(scoring, unseen, level)
    if zero_shot is not None:
        value["zeroshot"] = zero_shot_metrics(zero_shot, scoring, level)
    return value


def real_alone(scoring: Scoring, level: float) -> dict[str, Any]:
    """Return the ROC-AUC of the primary model on real trials alone, and whether it learned anything.

    If the interval reaches down to chance, no comparison with that arm says anything about synthetic trials.
    """
    found = scoring.arms.filter(model=scoring.primary.model, arm=AGAINST, metric="roc_auc")
    if not found.height:
        return {}
    value, low, high = found.select("mean", "low", "high").row(0)
    said = "are enough to beat chance" if low > CHANCE else "are not shown to beat chance"
    words = f"Real trials alone {said}: ROC-AUC {value:.3f} ({level:.0%} interval {low:.3f} to {high:.3f})."
    return {"value": value, "low": low, "high": high, "words": words}


def zero_shot_metrics(answers: pl.DataFrame, scoring: Scoring, level: float) -> dict[str, Any]:
    """Return the ROC-AUC of the generator asked outright: above 0.5, it knows or guesses outcomes.

    The upper bound of its interval is the most that it may know. `named_share` is the probability that the
    model gives to the two outcomes together; if it is small, their odds say little. `answered` counts the
    trials for which it is above 0.

    Raises:
        LearningError: it was not asked about the trials that were scored.
    """
    answers = answers.sort("nct_id")
    ids, labels = answers["nct_id"].to_list(), answers["label"].to_list()
    if ids != scoring.nct_ids or labels != scoring.labels.tolist():
        raise LearningError(
            f"the generator was asked about other test trials ({answers.height}) than those scored",
            hint="run: dvc repro zero-shot",
        )
    asked = answers["score"].is_not_null().to_numpy()
    if np.unique(scoring.labels[asked]).size < 2:
        return {"trials": int(asked.sum()), "reason": "no test trials of both labels were asked about"}
    said = answers.filter(asked).explode("logprobs").select("nct_id", pl.col("logprobs").struct.unnest())
    said = said.select("nct_id", named=pl.sum_horizontal(pl.exclude("nct_id").exp()))
    area = roc_test(scoring.labels[asked], answers["score"].to_numpy()[asked], scoring.clusters[asked])
    low, high = area.interval(level)
    knows = low > CHANCE
    figure = f"its ROC-AUC is at most {high:.3f} ({area.value:.3f}, from {low:.3f})"
    of = f"{asked.sum()} of the {asked.size} test trials"
    words = (
        f"Asked outright about {of}, the generator predicts the outcomes better than chance: {figure}. "
        "It may know them, which could flatter every figure of synthetic trials."
        if knows
        else f"Asked outright about {of}, the generator does not predict the outcomes significantly "
        f"better than chance: {figure}."
    )
    return {
        "trials": int(asked.sum()),
        "answered": said.filter(pl.col("named") > 0)["nct_id"].n_unique(),
        "named_share": round(float(np.mean(said["named"].to_numpy())), 6),
        "says_success": round(float(np.mean(answers["score"].to_numpy()[asked] > CHANCE)), 6),
        "roc_auc": round(area.value, 6), "low": round(low, 6), "high": round(high, 6),
        "knows": knows, "words": words,
    }  # fmt: skip


def declared_rows(scoring: Scoring) -> pl.DataFrame:
    """Return the answers to the declared questions as one table, each with its role."""
    roles = {
        "primary": [scoring.primary],
        "control": scoring.controls,
        "positive control": scoring.positive,
        "secondary": scoring.secondary,
    }
    rows = [{"role": role} | as_row(answer) for role, answers in roles.items() for answer in answers]
    return pl.DataFrame(rows, infer_schema_length=None).with_row_index("order")


def against_rows(explored: Sequence[ComparisonResult]) -> dict[str, pl.DataFrame]:
    """Return the undeclared answers as tables: `against-real`, and `ablations` if there are any."""
    tables = {
        "against-real": [answer for answer in explored if answer.against == AGAINST],
        "ablations": [answer for answer in explored if answer.against != AGAINST],
    }
    return {
        name: pl.DataFrame([as_row(answer) for answer in answers], infer_schema_length=None).with_row_index(
            "order"
        )
        for name, answers in tables.items()
        if answers
    }
