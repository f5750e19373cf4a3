"""Metrics of outcome predictions, as a module that the library `evaluate` loads by its path."""

from collections.abc import Sequence

import datasets
import evaluate
import numpy as np
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    brier_score_loss,
    f1_score,
    precision_score,
    recall_score,
    roc_auc_score,
)


class OutcomeMetrics(evaluate.Metric):  # type: ignore[misc]
    """Metrics of ranking, decisions and probabilities for label 1; each from 0 to 1."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="ROC-AUC and PR-AUC of scores; accuracy, balanced accuracy, precision, recall and F1 "
            "of the answers from a threshold on; Brier score and calibration error of probabilities.",
            citation="",
            inputs_description="predictions: scores; references: labels 0 or 1; threshold; probabilities; "
            "bins: of equal width, for the calibration error",
            features=datasets.Features(
                {"predictions": datasets.Value("float64"), "references": datasets.Value("int64")}
            ),
        )

    def _compute(
        self,
        predictions: Sequence[float],
        references: Sequence[int],
        threshold: float,
        probabilities: np.ndarray,
        bins: int,
    ) -> dict[str, float]:
        answers = (np.asarray(predictions) >= threshold).astype(np.int64)
        labels = np.asarray(references)
        member = np.minimum((probabilities * bins).astype(int), bins - 1)
        gaps = np.bincount(member, weights=probabilities - labels, minlength=bins)
        return {
            "roc_auc": float(roc_auc_score(labels, predictions)),
            "pr_auc": float(average_precision_score(labels, predictions)),
            "accuracy": float(accuracy_score(labels, answers)),
            "balanced_accuracy": float(balanced_accuracy_score(labels, answers)),
            "precision": float(precision_score(labels, answers, zero_division=0)),
            "recall": float(recall_score(labels, answers, zero_division=0)),
            "f1": float(f1_score(labels, answers, zero_division=0)),
            "brier": float(brier_score_loss(labels, probabilities)),
            "calibration_error": float(np.abs(gaps).sum() / len(labels)),
        }
