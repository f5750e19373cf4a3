"""How well scores rank successes above failures, as a module of the library `evaluate`."""

from collections.abc import Sequence

import datasets
import evaluate
from sklearn.metrics import average_precision_score, roc_auc_score


class Ranking(evaluate.Metric):  # type: ignore[misc]
    """ROC-AUC and PR-AUC (average precision); both 0 to 1, higher is better."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="ROC-AUC and average precision of scores.",
            citation="",
            inputs_description="predictions: scores; references: labels 0 or 1",
            features=datasets.Features(
                {"predictions": datasets.Value("float64"), "references": datasets.Value("int64")}
            ),
        )

    def _compute(self, predictions: Sequence[float], references: Sequence[int]) -> dict[str, float]:
        return {
            "roc_auc": float(roc_auc_score(references, predictions)),
            "pr_auc": float(average_precision_score(references, predictions)),
        }
