"""The embedding space of the measures: TF-IDF, then a fixed random projection.

It is not the space that retrieval uses, in which exemplars and what imitates them are near by
construction; it needs no model that could have read the registry before, and gives the same numbers on
every run. Nothing of it is fitted but the words' weights: directions fitted on train (LSA) hold its
trials better than unseen ones, and a two-sample test then tells train from held-out trials of the very
same distribution (ROC-AUC .92 instead of .5 with 64 directions of 400 trials, .63 of 2,000).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from trialforge.core.errors import MetricError
from trialforge.core.rng import random_stream
from trialforge.validation.params import SpaceParams

WORD_PATTERN = r"(?u)\b[^\W\d_][\w-]+\b"
PROJECTION_SEED = 0


@dataclass(frozen=True, slots=True)
class Space:
    """TF-IDF weights, a matrix of Gaussian numbers (Johnson and Lindenstrauss 1984), unit length."""

    vectorizer: TfidfVectorizer
    projection: np.ndarray

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Return one unit row for each text (float64); a text without a known word is a row of zeros."""
        if not texts:
            return np.empty((0, self.projection.shape[1]))
        rows = self.vectorizer.transform(texts) @ self.projection
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        unit: np.ndarray = np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 1e-9)
        # Rounded, so that the last bits of a sum do not depend on the number of threads.
        return np.round(unit, 9)


def fit_space(texts: Sequence[str], params: SpaceParams) -> Space:
    """Return the space with the words and weights of the train texts.

    The projection is drawn from a fixed seed, not the run's: a measure must not move with it.

    Raises:
        MetricError: no word stands in `min_trials` of the texts.
    """
    vectorizer = TfidfVectorizer(
        sublinear_tf=True, token_pattern=WORD_PATTERN, min_df=min(params.min_trials, max(len(texts), 1))
    )
    try:
        vectorizer.fit(texts)
    except ValueError as error:
        raise MetricError(
            f"no word occurs in {params.min_trials} of {len(texts)} train trials",
            hint="lower validation.space.min_trials, or run: dvc repro split",
        ) from error
    stream = random_stream(PROJECTION_SEED, "quality", "space")
    shape = (len(vectorizer.vocabulary_), params.dimension)
    return Space(vectorizer, stream.standard_normal(shape) / np.sqrt(params.dimension))
