"""From predictions to results: metrics of every arm, answers, and controls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from trialforge.core.errors import GateError
from trialforge.core.progress import QUIET_SECONDS, Progress
from trialforge.core.resampling import percentile_interval
from trialforge.scoring.bootstrap import draw_weights
from trialforge.scoring.comparisons import (
    AGAINST,
    ComparisonResult,
    answer_each,
    answer_family,
    explore,
    tell_metric,
)
from trialforge.scoring.metrics import METRICS, compute_metrics
from trialforge.scoring.paired_tests import AreaTest, delong, roc_test
from trialforge.scoring.scores import ArmScores, Resamples, collect_scores

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trialforge.learning.params import LearningParams

HEADLINE = ("roc_auc", "pr_auc", "brier")
LEAST_SUBSET = 10


@dataclass(frozen=True, slots=True)
class Scoring:
    """All results of the score stage.

    Attributes:
        arms: one row per model, arm and metric: fits, mean and deviation over seeds, interval.
        primary: the answer to the declared question.
        controls: the primary arm compared with each control of its size.
        positive: as many held-back real trials as synthetic ones, compared with real trials alone.
        secondary: the answers to the further declared questions.
        explored: each arm compared with real trials and each ablated arm with its original, by every metric,
            corrected within each metric; no conclusion depends on them.
        nct_ids: the test trials, in the order of clusters and labels.
        clusters: the intervention of each test trial.
    """

    scores: dict[tuple[str, str], ArmScores]
    arms: pl.DataFrame
    primary: ComparisonResult
    controls: list[ComparisonResult]
    positive: list[ComparisonResult]
    secondary: list[ComparisonResult]
    explored: list[ComparisonResult]
    nct_ids: list[str]
    clusters: NDArray[np.str_]
    labels: NDArray[np.int64]


def score_predictions(
    predictions: pl.DataFrame, clusters: pl.DataFrame, params: LearningParams, seed: int
) -> Scoring:
    """Return every result that follows from the predictions; nothing is trained.

    Args:
        predictions: a table with PREDICTION_SCHEMA.
        clusters: nct_id and cluster of each test trial.
        params: statistics and questions.
        seed: the seed of the bootstrap.
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
    known = scores, resamples, member, statistics
    families = explore(scores, params.wholes)
    rows: list[dict[str, object]] = []
    explored: list[ComparisonResult] = []
    with Progress("score", len(scores) + len(families) + 1, quiet_seconds=QUIET_SECONDS) as progress:
        for one in scores.values():
            rows += _arm_rows(one, resamples, statistics.level)
            progress.step(f"intervals of {one.model}, {one.arm}")
        (primary,) = answer_each([statistics.primary], *known)
        controls = answer_each(params.control_questions, *known)
        positive = answer_each(params.positive_questions, *known)
        secondary = answer_family(statistics.secondary, *known)
        progress.step("declared questions")
        for family in families:
            explored += answer_family(family, *known)
            progress.step("further questions")
    return Scoring(
        scores, pl.DataFrame(rows), primary, controls, positive, secondary, explored,
        trials["nct_id"].to_list(), member, first.labels,
    )  # fmt: skip


def _arm_rows(one: ArmScores, resamples: Resamples, level: float) -> Iterable[dict[str, object]]:
    fits: dict[bytes, Mapping[str, float]] = {}
    for row, cut, probabilities in zip(one.scores, one.thresholds, one.probabilities, strict=True):
        if row.tobytes() not in fits:
            fits[row.tobytes()] = compute_metrics(one.labels, row, float(cut), probabilities)
    cells = [fits[row.tobytes()] for row in one.scores]
    for name in METRICS:
        values = np.array([cell[name] for cell in cells])
        low, high = percentile_interval(resamples.of(one, name), level)
        yield {
            "experiment": one.experiment,
            "model": one.model,
            "arm": one.arm,
            "metric": name,
            "fits": one.fits,
            "mean": round(float(values.mean()), 6),
            "deviation": round(float(values.std(ddof=1)), 6) if one.fits > 1 else None,
            "low": round(low, 6),
            "high": round(high, 6),
        }


def baseline(labels: NDArray[np.int64]) -> dict[str, float]:
    """Return the metrics of always answering yes, with the base rate as probability."""
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

    It shows that test scores follow the training labels and nothing else, such as test labels or the order of
    rows. It can't detect a label stated in the text, because shuffling separates the words from the label
    too; the measures `leakage.*` look for that. The intervals of several models hold together at the declared
    level (Bonferroni).
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
        GateError: the interval of a ROC-AUC excludes 0.5, so scores follow something other than labels.
    """
    for name, found in control.items():
        if not found["holds"]:
            raise GateError(
                f"{name}: trained on shuffled labels, ROC-AUC is {found['roc_auc']:.3f} "
                f"({found['low']:.3f} to {found['high']:.3f}), which excludes 0.5: test scores "
                "follow something other than the training labels",
                hint="read metrics/score.json before you trust any figure",
            )


def credit(scoring: Scoring, params: LearningParams) -> dict[str, Any]:
    """Return whether the gain of the primary arm counts, and the words that say so.

    The arm must beat real data and every control of its size, each at the full level (an intersection-union
    test), and held-back real trials must show that the test can detect a benefit.
    """
    unbeaten = sorted(answer.against for answer in scoring.controls if answer.verdict != "better")
    unasked = params.missing_controls
    better = scoring.primary.verdict == "better"
    words = scoring.primary.words
    if better and unbeaten:
        words += f" It is not shown to beat {', '.join(unbeaten)}, so the gain is not theirs alone."
    if better and unasked:
        words += f" It was not compared with {' and '.join(unasked)} trials of the same size."
    sensitive = assay_sensitivity(scoring, params)["sensitive"]
    return {"counts": better and not unbeaten and not unasked and sensitive is True, "words": words}


def assay_sensitivity(scoring: Scoring, params: LearningParams) -> dict[str, Any]:
    """Return whether this test could have shown a benefit: whether the same number of real trials shows one.

    `sensitive` is None if no arm has held-back real trials. The same trials in the form of a draft show how
    much of the benefit remains in that form.
    """
    whole = _positive(scoring, params, "held-back")
    drafts = _positive(scoring, params, "held-back-as-drafts")
    if whole is None:
        words = (
            "Whether this test could have shown a benefit was not checked: no arm has held-back real trials."
        )
        return {"sensitive": None, "words": words}
    sensitive = whole.verdict == "better"
    added = {
        name: round(scoring.scores[scoring.primary.model, name].added)
        for name in (whole.arm, scoring.primary.arm)
    }
    words = (
        "This test could show a benefit:" if sensitive else "This test could not have shown a benefit:"
    ) + f" {added[whole.arm]} more real trials give {_change(whole)}."
    if added[whole.arm] < added[scoring.primary.arm]:
        words += (
            f" (There are {added[scoring.primary.arm]} synthetic trials; no more real ones were held back.)"
        )
    if drafts is not None:
        words += f" In the form of drafts, the same trials give {_change(drafts)}" + (
            ", so no text in this form could have helped."
            if sensitive and drafts.verdict != "better"
            else "."
        )
    return {
        "sensitive": sensitive,
        "words": words,
        **{one.arm: _effect(one) | {"verdict": one.verdict} for one in (whole, drafts) if one is not None},
    }


def _positive(scoring: Scoring, params: LearningParams, extra: str) -> ComparisonResult | None:
    names = {arm.name for arm in params.trained_arms if arm.extra == extra}
    return next((answer for answer in scoring.positive if answer.arm in names), None)


def label_share_effects(scoring: Scoring, params: LearningParams) -> dict[str, Any]:
    """Return the change in the primary metric with synthetic trials weighted to other label shares."""
    primary = params.statistics.primary
    shares = {arm.name: shares for shares, arm in params.share_arms.items()}
    found = [
        answer for answer in scoring.explored
        if (answer.model, answer.metric, answer.against) == (primary.model, primary.metric, AGAINST)
        and answer.arm in shares
    ]  # fmt: skip
    told = {
        "real": "weighted to the label shares of real trials",
        "asked": "with the requested labels",
        "equal": "weighted to half of each label",
    }
    found.sort(key=lambda answer: [*told].index(shares[answer.arm]))
    words = "; ".join(f"{told[shares[answer.arm]]} by {_change(answer)}" for answer in found)
    effects = {shares[answer.arm]: _effect(answer) for answer in found}
    sentence = f"Synthetic trials change {tell_metric(primary.metric)} {words}."
    return effects | {"words": sentence} if found else {}


def _effect(answer: ComparisonResult) -> dict[str, Any]:
    return {name: round(getattr(answer, name), 6) for name in ("effect", "low", "high")}


def _change(answer: ComparisonResult) -> str:
    return f"{answer.effect:+.3f} ({answer.low:+.3f} to {answer.high:+.3f})"


def unseen_interventions(scoring: Scoring, unseen: NDArray[np.bool_], level: float) -> dict[str, Any]:
    """Return each arm's ROC-AUC with interval on test trials whose interventions no synthetic trial has.

    Also return, for each model, the paired difference of the primary question.

    Args:
        scoring: the results on all test trials.
        unseen: a mask of the test trials, sorted by nct_id.
        level: the level of the intervals.
    """
    labels, clusters = scoring.labels[unseen], scoring.clusters[unseen]
    found: dict[str, Any] = {"trials": int(unseen.sum())}
    if labels.size < LEAST_SUBSET or np.unique(labels).size < 2:
        return found | {"reason": "too few trials, or one label only"}
    rows = {key: one.scores[:, unseen] for key, one in scoring.scores.items()}
    for (model, arm), own in rows.items():
        found[f"{model}.{arm}"] = _area(roc_test(labels, own, clusters), "roc_auc", level)
    primary = scoring.primary
    for model in dict.fromkeys(model for model, _ in rows):
        if (model, primary.arm) in rows and (model, primary.against) in rows:
            made = scoring.scores[model, primary.arm].generations
            gap = delong(labels, rows[model, primary.against], rows[model, primary.arm], clusters, made)
            name = f"{model}.{primary.arm}-against-{primary.against}"
            found[name] = _area(gap, "difference", level) | {"p": round(gap.p(), 6)}
    return found


def _area(area: AreaTest, name: str, level: float) -> dict[str, float]:
    low, high = area.interval(level)
    return {name: round(area.value, 6), "low": round(low, 6), "high": round(high, 6)}
