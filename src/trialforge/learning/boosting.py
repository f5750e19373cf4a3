"""Gradient-boosted trees on tabular fields and on the leading components of the words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import polars as pl
from pydantic import Field

from trialforge.core.errors import LearningError
from trialforge.core.files import write_json
from trialforge.core.params import Section
from trialforge.learning.examples import CATEGORIES, NUMBERS
from trialforge.learning.explain import top_influences
from trialforge.learning.folds import choose_by_folds, source_folds
from trialforge.learning.storage import read_arrays, read_value, write_arrays
from trialforge.learning.trees import MOST_CODES, Trees
from trialforge.learning.words import WordWeights

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trialforge.learning.classifier import FitTask, Influence, Scores
    from trialforge.learning.folds import Mask
    from trialforge.learning.params import BoostingParams


class Columns(Section):
    """The tabular fields that trees look at: the words of each category by their number, then numbers."""

    categories: dict[str, Annotated[list[str], Field(max_length=MOST_CODES)]]
    numbers: list[str]


class BoostingClassifier:
    """Histogram gradient boosting; trees are added until validation log-loss stops falling.

    The size of the trees is chosen by folds of the training examples.
    """

    seeded = False
    encoder_digest = None

    def __init__(self, params: BoostingParams) -> None:
        self._params = params
        self._words = WordWeights(1, params.min_count)

    def fit(self, task: FitTask) -> None:
        """Learn components and trees."""
        from scipy.sparse.linalg import svds

        params = self._params
        self._words.fit(task.known_texts)
        words = self._words.transform(task.known_texts)
        rank = min(params.components, min(words.shape) - 1)
        start = np.ones(min(words.shape))  # a fixed start, so that signs and order are the same each time
        _, strength, self._axes = svds(words.astype(np.float64), k=rank, v0=start)
        self._axes = self._axes[np.argsort(-strength, kind="stable")]
        # A field that no training trial has tells nothing, and the library can't bin it.
        known = [name for name in (*CATEGORIES, *NUMBERS) if task.train[name].drop_nulls().len()]
        self._numbers = [name for name in NUMBERS if name in known]
        self._categories = {
            name: sorted(task.train[name].drop_nulls().unique()) for name in CATEGORIES if name in known
        }
        self._trees = self._grow(task)

    def _grow(self, task: FitTask) -> Trees:
        from sklearn.ensemble import HistGradientBoostingClassifier

        params = self._params
        rows, labels = self._rows(task.train), task.train["label"].to_numpy()
        held_rows, held_labels = self._rows(task.validation), task.validation["label"].to_numpy()

        def grow(leaves: int, kept: Mask) -> Trees:
            model = HistGradientBoostingClassifier(
                learning_rate=params.learning_rate,
                max_iter=params.trees,
                max_leaf_nodes=leaves,
                categorical_features=list(range(len(self._categories))),
                early_stopping=True,
                n_iter_no_change=params.patience,
                random_state=0,
            )
            model.fit(
                rows[kept], labels[kept], sample_weight=task.weights[kept], X_val=held_rows, y_val=held_labels
            )
            return Trees.of(model)

        def rank(kept: Mask, held: Mask) -> list[Scores]:
            return [grow(leaves, kept).log_odds(rows[held]) for leaves in params.leaves]

        best = 0
        if len(params.leaves) > 1:
            best = choose_by_folds(labels, task.weights, source_folds(task.train), rank)
        return grow(params.leaves[best], np.ones(len(labels), dtype=np.bool_))

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
        from scipy.special import expit

        scores: Scores = expit(self._trees.log_odds(self._rows(examples)))
        return scores

    def explain(self, examples: pl.DataFrame, count: int) -> list[list[Influence]]:
        """Return the fields whose absence changes each example's log-odds most; `text` is all words."""
        names = [*self._categories, *self._numbers, "text"]
        rows = self._rows(examples)
        groups = [[column] for column in range(len(names) - 1)]
        groups.append(list(range(len(groups), rows.shape[1])))
        whole = self._trees.log_odds(rows)
        moved = []
        for group in groups:
            without = rows.copy()
            without[:, group] = np.nan
            moved.append(whole - self._trees.log_odds(without))
        return [top_influences(names, list(row), count) for row in np.array(moved).T]

    def save(self, folder: Path) -> None:
        """Write words, components, categories and trees."""
        self._words.save(folder)
        write_arrays({"axes": self._axes}, folder / "axes.safetensors")
        write_json({"categories": self._categories, "numbers": self._numbers}, folder / "fields.json")
        self._trees.save(folder / "trees.safetensors")

    def load(self, folder: Path) -> None:
        """Read what `save` wrote."""
        self._words.load(folder)
        shape = (None, len(self._words.names))
        self._axes = read_arrays(folder / "axes.safetensors", {"axes": ("F64", shape)})["axes"]
        found = read_value(folder / "fields.json", Columns)
        # JSON has its keys in alphabetical order, the columns have not.
        self._categories = {name: found.categories[name] for name in CATEGORIES if name in found.categories}
        self._numbers = [name for name in NUMBERS if name in found.numbers]
        if len(self._categories) < len(found.categories) or self._numbers != found.numbers:
            raise LearningError(f"{folder / 'fields.json'} names a field that trials do not have")
        columns = len(self._categories) + len(self._numbers) + len(self._axes)
        self._trees = Trees.load(
            folder / "trees.safetensors", columns=columns, categories=len(self._categories)
        )
