"""Predict the outcome of new trials with a trained model, and explain the predictions."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from trialforge.learning.classifier import Influence
from trialforge.learning.examples import make_examples
from trialforge.learning.factory import load_classifier
from trialforge.learning.modelcard import read_card
from trialforge.learning.predictions import check_probabilities
from trialforge.learning.storage import naming_faults

INFLUENCES = 5  # words or fields shown per trial


@dataclass(frozen=True, slots=True)
class Prediction:
    """The probability that a trial succeeds, and the words or fields that changed its log-odds most."""

    nct_id: str
    title: str | None
    probability: float
    influences: tuple[Influence, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the prediction as plain values."""
        return asdict(self) | {"influences": [one._asdict() for one in self.influences]}


def predict_trials(model: Path, trials: pl.DataFrame) -> list[Prediction]:
    """Return a prediction for each trial, sorted by nct_id.

    Args:
        model: the folder of a trained model.
        trials: registration views, cut as training trials are.

    Raises:
        LearningError: the folder has no trained model, it can't be loaded, or a score is NaN.
    """
    fields = read_card(model).fields
    unknown = trials.with_columns(pl.lit(0, dtype=pl.Int64).alias("label"))  # the label is not used
    examples = make_examples(unknown, fields)
    classifier = load_classifier(model)
    with naming_faults(
        f"{model} can't score these trials"
    ):  # errors of shape that no check of the file can foresee
        scores = check_probabilities(classifier.predict(examples), str(model))
        moved = classifier.explain(examples, INFLUENCES)
    titles = dict(trials.select("nct_id", "title").iter_rows())
    return [
        Prediction(nct_id, titles[nct_id], round(float(score), 6), tuple(influences))
        for nct_id, score, influences in zip(examples["nct_id"], scores, moved, strict=True)
    ]


def describe_predictions(
    predictions: list[Prediction], refused: pl.DataFrame
) -> tuple[dict[str, Any], list[tuple[str, str, str]]]:
    """Return predictions and refused records as plain values, and as rows for people."""
    value = {"predictions": [one.as_json() for one in predictions], "refused": refused.to_dicts()}
    rows = [
        (one.nct_id, f"{one.probability:.3f}", ", ".join(f"{name} {by:+.2f}" for name, by in one.influences))
        for one in predictions
    ]
    rows += [(row["record"] or row["file"], "refused", row["detail"]) for row in refused.to_dicts()]
    return value, rows
