"""Can a classifier tell the sets apart? And the ROC-AUC that all probes share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import rankdata
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from trialforge.core.errors import MetricError
from trialforge.core.resampling import bootstrap_statistic
from trialforge.quality.case import Case
from trialforge.quality.metric import Direction, Estimate, Metric


@dataclass(frozen=True, slots=True)
class Scored:
    """Labels (0 or 1) and the scores that a classifier gave to rows it was not trained on."""

    labels: np.ndarray
    scores: np.ndarray


def roc_auc(labels: np.ndarray, scores: np.ndarray) -> float:
    """Return the chance that a positive scores above a negative, ties half; NaN with one class only."""
    positives = int(labels.sum())
    negatives = len(labels) - positives
    if not positives or not negatives:
        return float("nan")
    ranks = rankdata(scores)[labels == 1].sum()
    return float((ranks - positives * (positives + 1) / 2) / (positives * negatives))


def fit_probe(classifier: Any, rows: Any, labels: np.ndarray) -> Any:
    """Return the fitted classifier.

    Raises:
        MetricError: there is nothing to learn from in the rows, such as texts without a word of two letters.
    """
    try:
        return classifier.fit(rows, labels)
    except ValueError as error:
        raise MetricError(f"a probe can't be trained on {len(labels)} records: {error}") from error


def score_by_folds(
    rows: Any, labels: np.ndarray, classifier: Any, folds: int, seed: int, groups: np.ndarray | None = None
) -> Scored:
    """Return scores of each row by a classifier trained on the other folds.

    Args:
        rows: what the classifier reads.
        labels: 0 or 1.
        classifier: has `fit` and `decision_function`.
        folds: how many at most.
        seed: of the draw of folds.
        groups: rows of one group stay in one fold; None: each row is by itself.

    Raises:
        MetricError: a class has fewer than two rows, or one group alone, or there is nothing to learn from.
    """
    if groups is not None:
        return _score_by_groups(rows, np.asarray(labels), classifier, folds, seed, groups)
    labels = np.asarray(labels)
    rarer = int(min(labels.sum(), len(labels) - labels.sum()))
    if rarer < 2:
        raise MetricError(f"{rarer} records of the rarer class are too few to train a probe")
    scores = np.empty(len(labels))
    splitter = StratifiedKFold(min(folds, rarer), shuffle=True, random_state=seed)
    for train, test in splitter.split(np.zeros(len(labels)), labels):
        fit_probe(classifier, rows[train], labels[train])
        # Folds differ in their intercept, so a score is its rank within the fold: with few rows of a class
        # the pooled ROC-AUC falls far below .5 otherwise.
        scores[test] = rankdata(classifier.decision_function(rows[test])) / (len(test) + 1)
    return Scored(labels, scores)


def _score_by_groups(
    rows: Any, labels: np.ndarray, classifier: Any, folds: int, seed: int, groups: np.ndarray
) -> Scored:
    folds = min(folds, *(len(np.unique(groups[labels == label])) for label in (0, 1)))
    if folds < 2:
        raise MetricError("a class has fewer than two groups of records, too few to train a probe")
    scores = np.full(len(labels), 0.5)
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    for train, test in splitter.split(np.zeros(len(labels)), labels, groups):
        if len(test) and len(np.unique(labels[train])) == 2:
            fit_probe(classifier, rows[train], labels[train])
            scores[test] = rankdata(classifier.decision_function(rows[test])) / (len(test) + 1)
    return Scored(labels, scores)


def estimate_auc(scored: Scored, stream: np.random.Generator, draws: int) -> Estimate:
    """Return the ROC-AUC with a bootstrap interval over rows."""
    low, high = bootstrap_statistic(
        lambda places: roc_auc(scored.labels[places], scored.scores[places]),
        len(scored.labels),
        stream,
        draws,
    )
    return Estimate(roc_auc(scored.labels, scored.scores), low, high, len(scored.labels))


def linear_probe() -> Any:
    """Return a linear classifier on scaled rows, both classes weighing the same."""
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=500, class_weight="balanced"))


def two_sample_auc(case: Case) -> Estimate:
    """ROC-AUC of a linear classifier, by folds, that tells records from real trials in the space; .5 is best.

    Classifier two-sample test (Lopez-Paz and Oquab 2017, arXiv 1610.06545). Sets of different years are
    told apart as well (.94 between eras of the registry): read it beside its matched ceiling.
    """
    rows = np.concatenate([case.reference.rows, case.candidates.rows])
    labels = np.repeat([0, 1], [len(case.reference), len(case.candidates)])
    seed = int(case.scale.stream("two-sample", "folds").integers(2**31))
    scored = score_by_folds(rows, labels, linear_probe(), case.params.folds, seed)
    return estimate_auc(scored, case.scale.stream("two-sample"), case.params.bootstrap)


METRICS = (Metric("fidelity.two_sample_auc", Direction.LOWER, 0, 1, two_sample_auc, yardstick=True),)
