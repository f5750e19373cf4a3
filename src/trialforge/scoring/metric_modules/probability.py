"""How far scores are probabilities, as a module of the library `evaluate`."""

from collections.abc import Sequence

import datasets
import evaluate
import numpy as np
from sklearn.metrics import brier_score_loss


class Probability(evaluate.Metric):  # type: ignore[misc]
    """Brier score and expected calibration error; 0 to 1, lower is better."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="Brier score and expected calibration error over bins of equal width.",
            citation="",
            inputs_description="predictions: probabilities; references: labels 0 or 1; bins: their number",
            features=datasets.Features(
                {"predictions": datasets.Value("float64"), "references": datasets.Value("int64")}
            ),
        )

    def _compute(
        self, predictions: Sequence[float], references: Sequence[int], bins: int = 10
    ) -> dict[str, float]:
        scores, labels = np.asarray(predictions), np.asarray(references)
        member = np.minimum((scores * bins).astype(int), bins - 1)
        gaps = np.bincount(member, weights=scores - labels, minlength=bins)
        return {
            "brier": float(brier_score_loss(labels, scores)),
            "calibration_error": float(np.abs(gaps).sum() / len(labels)),
        }
