"""How near trials are to one of them, by conditions, therapeutic area, phase and intervention."""

from __future__ import annotations

import numpy as np
import polars as pl
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
from sklearn.pipeline import make_pipeline

from trialforge.trial.therapeutic_areas import OTHER, therapeutic_area

# Single letters and digits are what hepatitis B and C, or diabetes of type 1 and 2, differ in.
_WORD = r"[^\W_]+"
_STOP_WORDS = ["and", "by", "due", "for", "from", "in", "of", "or", "other", "the", "to", "with"]
_PLACES = 6  # decimals of a cosine: sums may differ in their last bits


class Nearness:
    """Compares trials with one of them.

    Args:
        trials: n trials with `conditions`, `condition_mesh`, `phase` and `normalized_interventions`.
    """

    def __init__(self, trials: pl.DataFrame) -> None:
        named = pl.concat_list(pl.col("conditions", "condition_mesh").fill_null([])).list.join(" ")
        # Words that many conditions have, such as disease and cancer, weigh little.
        weigh = make_pipeline(
            HashingVectorizer(token_pattern=_WORD, stop_words=_STOP_WORDS, alternate_sign=False, norm=None),
            TfidfTransformer(),
        )
        self._words = csr_matrix(weigh.fit_transform(trials.select(named).to_series()))
        area = therapeutic_area().replace(OTHER, None)
        self._facts = trials.select(area, "phase", interventions="normalized_interventions")

    def compare(self, place: int, intervention: str) -> pl.DataFrame:
        """Return n rows: what each trial shares with the one at `place`.

        Args:
            place: of the trial that the others are compared with.
            intervention: normalized.

        Returns:
            `conditions`, the cosine of TF-IDF of the conditions' words, 0 to 1; `area`, `phase` and
            `intervention`, whether it has the same; `score`, the sum of these, conditions counted twice.
        """
        cosines = (self._words @ self._words[place].T).toarray().ravel()
        same = {name: pl.col(name) == pl.col(name).get(place) for name in ("area", "phase")}
        same["intervention"] = pl.col("interventions").list.contains(intervention)
        shared = self._facts.select(
            pl.lit(np.round(cosines, _PLACES)).alias("conditions"),
            *(one.fill_null(value=False).alias(name) for name, one in same.items()),
        )
        return shared.with_columns(score=pl.sum_horizontal(pl.all(), "conditions"))
