"""From predictions to figures: every arm's metrics, the answers, the controls."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from trialforge.core.errors import GateError
from trialforge.scoring.bootstrap import draw_weights, interval
from trialforge.scoring.comparisons import Answer, answer_all, explore
from trialforge.scoring.metrics import METRICS, compute_metrics
from trialforge.scoring.paired_tests import AreaTest, delong, roc_test
from trialforge.scoring.scores import ArmScores, Resamples, collect_scores

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trialforge.learning.params import LearningParams

HEADLINE = ("roc_auc", "pr_auc", "brier")
LEAST_SUBSET = 10
CONTROL_EXTRAS = ("duplicated", "word-dropout")  # a gain over real trials must be one over both of these


@dataclass(frozen=True, slots=True)
class Scoring:
    """All that the score stage found.

    Attributes:
        arms: one row a model, arm and metric: mean and deviation over seeds, interval.
        answers: to the declared questions, the primary one first.
        explored: each arm against real trials and each ablated one against its whole, by every metric,
            corrected among those of one metric; nothing rests on them.
        nct_ids: the test trials, in the order of clusters and labels.
        clusters: the intervention of each test trial.
    """

    scores: dict[tuple[str, str], ArmScores]
    arms: pl.DataFrame
    answers: list[Answer]
    explored: list[Answer]
    nct_ids: list[str]
    clusters: NDArray[np.str_]
    labels: NDArray[np.int64]


def score_predictions(
    predictions: pl.DataFrame, clusters: pl.DataFrame, params: LearningParams, seed: int
) -> Scoring:
    """Return every figure that predictions hold; nothing is trained.

    Args:
        predictions: PREDICTION_SCHEMA.
        clusters: nct_id and cluster of each test trial.
        params: statistics and questions.
        seed: of the bootstrap.
    """
    scores = collect_scores(predictions, params.statistics.threshold)
    first = next(iter(scores.values()))
    trials = predictions.filter(pl.col("part") == "test").select("nct_id").unique().sort("nct_id")
    member = (
        trials.join(clusters, on="nct_id", how="left", maintain_order="left")["cluster"]
        .to_numpy()
        .astype(str)
    )
    statistics = params.statistics
    resamples = Resamples(draw_weights(member, params.seeds, statistics.draws, seed))
    rows = [row for one in scores.values() for row in _arm_rows(one, resamples, statistics.level)]
    answers, *explored = (
        answer_all(questions, scores, resamples, member, statistics)
        for questions in (statistics.questions, *explore(scores, params.wholes))
    )
    return Scoring(
        scores, pl.DataFrame(rows), answers, [answer for family in explored for answer in family],
        trials["nct_id"].to_list(), member, first.labels,
    )  # fmt: skip


def _arm_rows(one: ArmScores, resamples: Resamples, level: float) -> Iterable[dict[str, object]]:
    cells = [
        compute_metrics(one.labels, row, float(cut))
        for row, cut in zip(one.scores, one.thresholds, strict=True)
    ]
    for name in METRICS:
        values = np.array([cell[name] for cell in cells])
        low, high = interval(resamples.of(one, name), level)
        yield {
            "experiment": one.experiment,
            "model": one.model,
            "arm": one.arm,
            "metric": name,
            "mean": round(float(values.mean()), 6),
            "deviation": round(float(values.std(ddof=1)) if values.size > 1 else 0.0, 6),
            "low": round(low, 6),
            "high": round(high, 6),
        }


def baseline(labels: NDArray[np.int64]) -> dict[str, float]:
    """Return what always answering yes gets, with the base rate as its probability."""
    rate = float(labels.mean())
    return {
        "base_rate": round(rate, 6),
        "accuracy": round(rate, 6),
        "balanced_accuracy": 0.5,
        "precision": round(rate, 6),
        "recall": 1.0,
        "f1": round(2 * rate / (1 + rate), 6),
        "roc_auc": 0.5,
        "pr_auc": round(rate, 6),
        "brier": round(rate * (1 - rate), 6),
        "calibration_error": 0.0,
    }


def shuffled_control(scoring: Scoring, params: LearningParams) -> dict[str, dict[str, Any]]:
    """Return, for each model, the ROC-AUC of the arms trained on shuffled labels, with its interval.

    The intervals of several models hold together at the declared level (Bonferroni).
    """
    arms = {arm.name for arm in params.trained_arms if arm.extra == "shuffled"}
    controls = [one for (_, arm), one in scoring.scores.items() if arm in arms]
    level = 1 - (1 - params.statistics.level) / max(len(controls), 1)
    found = {}
    for one in controls:
        area = roc_test(one.labels, one.scores, scoring.clusters)
        low, high = area.interval(level)
        found[f"{one.model}.{one.arm}"] = _area(area, "roc_auc", level) | {"holds": low <= 0.5 <= high}
    return found


def check_control(control: dict[str, dict[str, Any]]) -> None:
    """Check that nothing was learned from shuffled labels.

    Raises:
        GateError: a ROC-AUC's interval leaves out 0.5: labels leak past the shuffling.
    """
    for name, found in control.items():
        if not found["holds"]:
            raise GateError(
                f"{name}: trained on shuffled labels, ROC-AUC is {found['roc_auc']:.3f} "
                f"({found['low']:.3f} to {found['high']:.3f}), which leaves out 0.5: a label leaks, or "
                "the test part answers to something other than the labels",
                hint="read metrics/score.json and metrics/quality.json before believing any figure",
            )


def credit(answers: list[Answer], params: LearningParams) -> dict[str, Any]:
    """Return whether the primary arm's gain counts: it must beat real data and both controls of its size."""
    primary = answers[0]
    extras = {arm.name: arm.extra for arm in params.trained_arms}
    rivals = [
        answer
        for answer in answers[1:]
        if (answer.arm, answer.model, answer.metric) == (primary.arm, primary.model, primary.metric)
        and extras.get(answer.against) in CONTROL_EXTRAS
    ]
    unbeaten = sorted(answer.against for answer in rivals if answer.verdict != "better")
    asked = {extras[answer.against] for answer in rivals}
    unasked = [extra for extra in CONTROL_EXTRAS if extra not in asked]
    better = primary.verdict == "better"
    words = primary.words
    if better and unbeaten:
        words += f" It is not shown to beat {', '.join(unbeaten)}, so the gain is not theirs alone."
    if better and unasked:
        words += f" It was not compared with {' and '.join(unasked)} trials of the same size."
    if "shuffled" not in extras.values():
        words += " Whether labels leak was not checked: no arm has shuffled ones."
    return {"counts": better and not unbeaten and not unasked, "words": words}


def unseen_interventions(scoring: Scoring, unseen: NDArray[np.bool_], level: float) -> dict[str, Any]:
    """Return, of test trials whose interventions no synthetic trial has, each arm's ROC-AUC with interval.

    Beside it, for each model, the difference that the primary question asks about, paired.

    Args:
        scoring: what was found on all of them.
        unseen: for each test trial in order of nct_id.
        level: of the intervals.
    """
    labels, clusters = scoring.labels[unseen], scoring.clusters[unseen]
    found: dict[str, Any] = {"trials": int(unseen.sum())}
    if labels.size < LEAST_SUBSET or np.unique(labels).size < 2:
        return found | {"reason": "too few trials, or one label only"}
    rows = {key: one.subset(unseen).scores for key, one in scoring.scores.items()}
    for (model, arm), own in rows.items():
        found[f"{model}.{arm}"] = _area(roc_test(labels, own, clusters), "roc_auc", level)
    primary = scoring.answers[0]
    for model in dict.fromkeys(model for model, _ in rows):
        if (model, primary.arm) in rows and (model, primary.against) in rows:
            gap = delong(labels, rows[model, primary.against], rows[model, primary.arm], clusters)
            name = f"{model}.{primary.arm}-against-{primary.against}"
            found[name] = _area(gap, "difference", level) | {"p": round(gap.p(), 6)}
    return found


def _area(area: AreaTest, name: str, level: float) -> dict[str, float]:
    low, high = area.interval(level)
    return {name: round(area.value, 6), "low": round(low, 6), "high": round(high, 6)}
