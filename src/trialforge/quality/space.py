"""The embedding space of the measures: latent semantic analysis, fitted on train alone.

It is not the space that retrieval uses, in which retrieved exemplars and what imitates them are near
by construction. It needs no model that could have read the registry before, gives the same numbers on
every run, and what is compared (synthetic and held-out real) is new to it alike, so that the ceiling
and the measure are on one scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from trialforge.errors import MetricError
from trialforge.quality.params import SpaceParams
from trialforge.rng import derive_seed

WORD_PATTERN = r"(?u)\b[^\W\d_][\w-]+\b"


@dataclass(frozen=True, slots=True)
class Space:
    """TF-IDF, then its first singular directions (Deerwester et al. 1990), then unit length."""

    vectorizer: TfidfVectorizer
    directions: TruncatedSVD

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Return one unit row for each text (float64); a text without a known word is a row of zeros."""
        if not texts:
            return np.empty((0, self.directions.n_components))
        rows = self.directions.transform(self.vectorizer.transform(texts))
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        # Rounded, so that the last bits of a sum do not depend on the number of threads.
        unit: np.ndarray = np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 1e-9)
        return np.round(unit, 9)


def fit_space(texts: Sequence[str], params: SpaceParams, seed: int) -> Space:
    """Return the space of the train texts.

    Raises:
        MetricError: there are too few texts, or no word stands in `min_trials` of them.
    """
    if len(texts) < 3:
        raise MetricError(f"{len(texts)} train trials are too few for a space", hint="run: dvc repro split")
    vectorizer = TfidfVectorizer(
        sublinear_tf=True,
        token_pattern=WORD_PATTERN,
        min_df=min(params.min_trials, len(texts) // 2),
        dtype=np.float64,
    )
    try:
        weights = vectorizer.fit_transform(texts)
    except ValueError as error:
        raise MetricError(
            f"no word stands in `quality.space.min_trials` = {params.min_trials} train trials"
        ) from error
    dimension = min(params.dimension, min(weights.shape) - 1)
    directions = TruncatedSVD(max(dimension, 1), n_iter=7, random_state=derive_seed(seed, "quality", "space"))
    directions.fit(weights)
    return Space(vectorizer, directions)
