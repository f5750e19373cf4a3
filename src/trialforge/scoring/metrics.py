"""The metrics of a classifier, computed by a module of the library `evaluate`.

By name, the library would fetch metric code from a hub, which fails offline. So our module is next to this
file and is loaded by its path.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from trialforge.core.errors import MetricError
from trialforge.scoring import bootstrap
from trialforge.scoring.bootstrap import DrawnMetric, Floats

if TYPE_CHECKING:
    from numpy.typing import NDArray

BINS = 10
MODULE = Path(__file__).with_name("outcome_metrics.py")


class ScoreMetric(NamedTuple):
    """A metric: its name, whether higher is better, whether it reads probabilities, and its weighted form."""

    name: str
    higher_is_better: bool
    of_probability: bool
    measure: DrawnMetric


METRICS: dict[str, ScoreMetric] = {
    metric.name: metric
    for metric in (
        ScoreMetric("roc_auc", True, False, bootstrap.roc_auc),
        ScoreMetric("pr_auc", True, False, bootstrap.pr_auc),
        ScoreMetric("accuracy", True, False, bootstrap.accuracy),
        ScoreMetric("balanced_accuracy", True, False, bootstrap.balanced_accuracy),
        ScoreMetric("precision", True, False, bootstrap.precision),
        ScoreMetric("recall", True, False, bootstrap.recall),
        ScoreMetric("f1", True, False, bootstrap.f1),
        ScoreMetric("brier", False, True, bootstrap.brier),
        ScoreMetric("calibration_error", False, True, bootstrap.calibration_error(BINS)),
    )
}


@cache
def _module() -> Any:
    os.environ.setdefault("HF_EVALUATE_OFFLINE", "1")
    import evaluate

    return evaluate.load(str(MODULE), keep_in_memory=True)


def compute_metrics(
    labels: NDArray[np.int64], scores: Floats, threshold: float, probabilities: Floats | None = None
) -> Mapping[str, float]:
    """Return each metric of one cell, by name, in the order of METRICS.

    Args:
        labels: 0 or 1.
        scores: the scores that rank and decide.
        threshold: the score at or above which the answer is 1.
        probabilities: for Brier score and calibration error; by default the scores.

    Raises:
        MetricError: the labels have one class, or a score is NaN.
    """
    if np.unique(labels).size < 2:
        raise MetricError("metrics need trials of both labels")
    if np.isnan(scores).any():
        raise MetricError(f"{int(np.isnan(scores).sum())} scores are NaN")
    answers = _module().compute(
        predictions=scores,
        references=labels,
        threshold=threshold,
        probabilities=scores if probabilities is None else probabilities,
        bins=BINS,
    )
    return {name: float(answers[name]) for name in METRICS}


def choose_threshold(labels: NDArray[np.int64], scores: Floats, aim: str) -> float:
    """Return the best threshold for metric `aim` on validation trials; of several, the middle one.

    Candidates lie halfway between neighbouring scores, so test scores rarely equal one.
    """
    ranked = np.unique(scores)
    candidates = np.concatenate([[0.0], (ranked[1:] + ranked[:-1]) / 2])
    weights = np.ones((1, labels.size))
    values = np.array(
        [METRICS[aim].measure(labels, scores, float(value), weights)[0] for value in candidates]
    )
    best = np.flatnonzero(values >= values.max() - 1e-12)
    return float(candidates[best[len(best) // 2]])


def recalibrate(labels: NDArray[np.int64], held: Floats, scores: Floats) -> Floats:
    """Return scores as probabilities that fit validation trials: Platt scaling of the log-odds (Platt 1999).

    A training mix with another share of successes shifts all scores, which changes Brier score and
    calibration even if nothing was learned. After recalibration, arms differ by what they know. The ranking
    stays the same.

    Args:
        labels: the labels of validation trials.
        held: the scores of validation trials.
        scores: the scores to recalibrate.
    """
    from scipy.optimize import minimize
    from scipy.special import expit, logit

    positive, negative = (labels == 1).sum(), (labels == 0).sum()
    targets = np.where(labels == 1, (positive + 1) / (positive + 2), 1 / (negative + 2))
    odds, wanted = (logit(np.clip(values, 1e-6, 1 - 1e-6)) for values in (held, scores))
    center = odds.mean()  # centred odds make the optimum quick to find

    def loss(line: Floats) -> tuple[float, Floats]:
        said = line[0] * (odds - center) + line[1]
        gap = expit(said) - targets
        return float(np.sum(np.logaddexp(0, said) - targets * said)), np.array(
            [gap @ (odds - center), gap.sum()]
        )

    start = np.array([1.0, float(logit(targets.mean()))])
    slope, intercept = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0, None), (None, None)]).x
    probabilities: Floats = expit(slope * (wanted - center) + intercept)
    return probabilities
