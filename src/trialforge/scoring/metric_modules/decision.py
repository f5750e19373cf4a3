"""How good the answers yes and no are, as a module of the library `evaluate`."""

from collections.abc import Sequence

import datasets
import evaluate
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, precision_score, recall_score


class Decision(evaluate.Metric):  # type: ignore[misc]
    """Accuracy, balanced accuracy, precision, recall, F1 of label 1; 0 to 1, higher is better."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="Accuracy, balanced accuracy, precision, recall and F1.",
            citation="",
            inputs_description="predictions and references: labels 0 or 1",
            features=datasets.Features(
                {"predictions": datasets.Value("int64"), "references": datasets.Value("int64")}
            ),
        )

    def _compute(self, predictions: Sequence[float], references: Sequence[int]) -> dict[str, float]:
        return {
            "accuracy": float(accuracy_score(references, predictions)),
            "balanced_accuracy": float(balanced_accuracy_score(references, predictions)),
            "precision": float(precision_score(references, predictions, zero_division=0)),
            "recall": float(recall_score(references, predictions, zero_division=0)),
            "f1": float(f1_score(references, predictions, zero_division=0)),
        }
