"""Gradient-boosted trees on tabular fields and on the leading components of the words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from trialforge.core.files import read_json, write_json
from trialforge.learning.examples import CATEGORIES, NUMBERS
from trialforge.learning.explain import top_influences
from trialforge.learning.storage import read_arrays, read_estimator, write_arrays, write_estimator
from trialforge.learning.words import WordWeights

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trialforge.learning.classifier import Influence, Scores, Task
    from trialforge.learning.params import BoostingParams


class BoostingClassifier:
    """Histogram gradient boosting; trees are added until validation log-loss stops falling.

    Args:
        params: components, trees and their size.
    """

    seeded = False
    encoder_digest = None

    def __init__(self, params: BoostingParams) -> None:
        self._params = params
        self._words = WordWeights(1, params.min_count)

    def fit(self, task: Task) -> None:
        """Learn components and trees."""
        from scipy.sparse.linalg import svds
        from sklearn.ensemble import HistGradientBoostingClassifier

        params = self._params
        self._words.fit(task.known_texts)
        words = self._words.transform(task.known_texts)
        rank = min(params.components, min(words.shape) - 1)
        start = np.full(
            min(words.shape), 1.0
        )  # a fixed start, so that signs and order are the same each time
        _, strength, self._axes = svds(words.astype(np.float64), k=rank, v0=start)
        self._axes = self._axes[np.argsort(-strength, kind="stable")]
        # A field that no training trial has tells nothing, and the library can't bin it.
        known = [name for name in (*CATEGORIES, *NUMBERS) if task.train[name].drop_nulls().len()]
        self._numbers = [name for name in NUMBERS if name in known]
        self._categories = {
            name: sorted(task.train[name].drop_nulls().unique()) for name in CATEGORIES if name in known
        }
        model: Any = HistGradientBoostingClassifier(
            learning_rate=params.learning_rate,
            max_iter=params.trees,
            max_leaf_nodes=params.leaves,
            categorical_features=list(range(len(self._categories))),
            early_stopping=True,
            n_iter_no_change=params.patience,
            random_state=0,
        )
        self._model = model.fit(
            self._rows(task.train),
            task.train["label"].to_numpy(),
            sample_weight=task.weights,
            X_val=self._rows(task.validation),
            y_val=task.validation["label"].to_numpy(),
        )

    def _rows(self, examples: pl.DataFrame) -> NDArray[np.float64]:
        codes = examples.select(
            pl.col(name).replace_strict(words, range(len(words)), default=None, return_dtype=pl.Float64)
            for name, words in self._categories.items()
        )
        numbers = examples.select(self._numbers)
        components = self._words.transform(examples["text"].to_list()) @ self._axes.T
        return np.hstack([codes.to_numpy(), numbers.to_numpy(), components]).astype(np.float64)

    def predict(self, examples: pl.DataFrame) -> Scores:
        """Return the probability of label 1 for each example."""
        scores: Scores = self._model.predict_proba(self._rows(examples))[:, 1].astype(np.float64)
        return scores

    def explain(self, examples: pl.DataFrame, count: int) -> list[list[Influence]]:
        """Return the fields whose absence changes each example's log-odds most; `text` is all words."""
        names = [*self._categories, *self._numbers, "text"]
        rows = self._rows(examples)
        groups = [[column] for column in range(len(names) - 1)]
        groups.append(list(range(len(groups), rows.shape[1])))
        whole = self._model.decision_function(rows)
        moved = []
        for group in groups:
            without = rows.copy()
            without[:, group] = np.nan
            moved.append(whole - self._model.decision_function(without))
        return [top_influences(names, list(row), count) for row in np.array(moved).T]

    def save(self, folder: Path) -> None:
        """Write words, components, categories and trees."""
        self._words.save(folder)
        write_arrays({"axes": np.ascontiguousarray(self._axes)}, folder / "axes.safetensors")
        write_json({"categories": self._categories, "numbers": self._numbers}, folder / "fields.json")
        write_estimator(self._model, folder / "trees.skops")

    def load(self, folder: Path) -> None:
        """Read what `save` wrote."""
        self._words.load(folder)
        self._axes = read_arrays(folder / "axes.safetensors")["axes"]
        fields = read_json(folder / "fields.json")
        self._categories, self._numbers = fields["categories"], fields["numbers"]
        self._model = read_estimator(folder / "trees.skops")
