"""Text as weights of words and word pairs (TF-IDF), kept as plain JSON and safetensors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trialforge.core.files import read_json, write_text
from trialforge.learning.storage import read_arrays, write_arrays

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


class WordWeights:
    """Sublinear TF-IDF of lower-case words and word pairs.

    Args:
        ngram_max: longest n-gram that is a feature.
        min_count: a feature is in this many training texts at least.
        max_words: the most frequent features that are kept; None keeps all.
    """

    def __init__(self, ngram_max: int, min_count: int, max_words: int | None = None) -> None:
        self._settings: dict[str, int | None] = {
            "ngram_max": ngram_max,
            "min_count": min_count,
            "max_words": max_words,
        }

    def _vectorizer(self, vocabulary: list[str] | None = None) -> Any:
        from sklearn.feature_extraction.text import TfidfVectorizer

        return TfidfVectorizer(
            ngram_range=(1, self._settings["ngram_max"]),
            min_df=self._settings["min_count"],
            max_features=self._settings["max_words"],
            sublinear_tf=True,
            vocabulary=vocabulary,
        )

    def fit(self, texts: Sequence[str]) -> None:
        """Learn vocabulary and weights."""
        self._model = self._vectorizer().fit(texts)

    def transform(self, texts: Sequence[str]) -> csr_matrix:
        """Return one row a text."""
        rows: csr_matrix = self._model.transform(texts)
        return rows

    @property
    def names(self) -> list[str]:
        """The features, in the order of the columns."""
        names: list[str] = self._model.get_feature_names_out().tolist()
        return names

    def save(self, folder: Path) -> None:
        """Write `words.json` and `words.safetensors`."""
        value = {"settings": self._settings, "words": self.names}
        write_text(json.dumps(value, ensure_ascii=False, indent=0) + "\n", folder / "words.json")
        write_arrays({"idf": np.asarray(self._model.idf_)}, folder / "words.safetensors")

    def load(self, folder: Path) -> None:
        """Read what `save` wrote."""
        value = read_json(folder / "words.json")
        self._settings = value["settings"]
        self._model = self._vectorizer(value["words"])
        self._model.idf_ = read_arrays(folder / "words.safetensors")["idf"]
