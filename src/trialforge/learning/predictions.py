"""What training leaves: one score for each experiment, arm, model, seed and held-out trial.

`generation` is that of the synthetic trials that were learned from, null where none were; `added` is how many
trials the mix had beside its real ones.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from trialforge.core.errors import LearningError
from trialforge.core.files import read_parquet

if TYPE_CHECKING:
    import numpy as np

PREDICTION_SCHEMA: dict[str, pl.DataType] = {
    "experiment": pl.String(),
    "arm": pl.String(),
    "model": pl.String(),
    "seed": pl.Int64(),
    "generation": pl.Int64(),
    "added": pl.Int64(),
    "part": pl.String(),
    "nct_id": pl.String(),
    "label": pl.Int64(),
    "score": pl.Float64(),
}


def check_probabilities(scores: np.ndarray, where: str) -> np.ndarray:
    """Return scores as they are.

    Raises:
        LearningError: a score is NaN, or not between 0 and 1.
    """
    wrong = int((~((scores >= 0) & (scores <= 1))).sum())
    if wrong:
        raise LearningError(f"{where}: {wrong} of {len(scores)} scores are not between 0 and 1")
    return scores


def check_scores(predictions: pl.DataFrame, where: str) -> pl.DataFrame:
    """Return predictions as they are.

    Raises:
        LearningError: a score is null, NaN or no probability.
    """
    wrong = predictions.filter(
        ~pl.col("score").is_between(0, 1).fill_null(value=False) | pl.col("score").is_nan()
    )
    if wrong.height:
        row = wrong.row(0, named=True)
        raise LearningError(
            f"{where}: arm `{row['arm']}` of {row['model']}, seed {row['seed']}, scores {row['nct_id']} "
            f"{row['score']}; a score is a probability ({wrong.height} rows are not)"
        )
    return predictions


def read_predictions(paths: list[Path]) -> pl.DataFrame:
    """Return the predictions of several files as one table.

    Raises:
        ArtifactError: a file is absent.
        LearningError: a score is no probability.
    """
    frames = [check_scores(read_parquet(path).select(*PREDICTION_SCHEMA), str(path)) for path in paths]
    return pl.concat(frames).sort("experiment", "arm", "model", "seed", "part", "nct_id")
